//! A transfer's ledger as a file.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;
use cme_spec::ledger::export::Export;
use cme_spec::ledger::fork;

use super::OfficeError;
use crate::node::{Node, Told};
use crate::store::ledgers;

/// Every transfer of which an authority holds a copy.
pub async fn transfers(node: &Node, authority: AuthorityCode) -> Result<Vec<TransferId>, OfficeError> {
    let held = node.store().read(move |tx| ledgers::of_hosted(tx, authority)).await?;
    Ok(held.into_iter().map(|held| held.key.transfer).collect())
}

/// The export of an authority's copy.
pub async fn export(
    node: &Node,
    authority: AuthorityCode,
    transfer: TransferId,
) -> Result<String, OfficeError> {
    let read = node.store().read(move |tx| {
        let held = ledgers::of_transfer(tx, transfer)?.into_iter().find(|held| held.key.hosted == authority);
        let Some(held) = held else { return Ok(None) };
        let entries = ledgers::entries(tx, &held.key, 0, u64::MAX)?;
        let branches = ledgers::branch_entries(tx, &held.key)?;
        let peer_heads = ledgers::peer_heads(tx, &held.key)?;
        Ok(Some((held, entries, branches, peer_heads)))
    });
    let unknown = OfficeError::UnknownTransfer(authority, transfer);
    let (held, entries, branches, peer_heads) = read.await?.ok_or(unknown)?;
    let hosted = node.hosted(authority).ok_or(OfficeError::NotHosted(authority))?;
    let directory_issue = node.archive().newest().ok_or(OfficeError::NoDirectory)?.content().issue;
    let told = Told { at: node.now(), incarnation: node.incarnation(), directory_issue };
    let head = hosted.head(&held.ledger, authority, told);
    let forks = fork::branches(branches);
    let export = Export {
        entries: &entries,
        head: &head,
        peer_heads: &peer_heads,
        forks: &forks,
        exported_at: told.at,
    };
    Ok(export.to_text())
}
