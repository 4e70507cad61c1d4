//! One reconciliation with one peer: digests first, then heads, then what differs.

use std::collections::BTreeMap;

use cme_client::PeerClient;
use cme_spec::entry::HeadRef;
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;
use cme_spec::pair::{Difference, Standing, difference};
use cme_spec::receipt::{Head, ReconciledHead, reconciliation_digest};

use super::{Reconciled, Unreconciled};
use crate::delivery::{fetch_from, pull};
use crate::node::Node;
use crate::peers;
use crate::store::ledgers::{self, LedgerKey};
use crate::store::{StoreError, Tx, outbox, pairs};

/// Pages of heads read at most: a million ledgers with one peer.
const PAGES_MAX: usize = 5_000;

/// The peer's heads, read to their end.
struct Told {
    /// The peer's incarnation.
    incarnation: u64,
    /// The newest head of each ledger.
    heads: BTreeMap<TransferId, HeadRef>,
    /// Doubts in the pair when the last page was noted.
    doubts: u64,
}

/// Brings the ledgers that `hosted` shares with `peer` level, so far as that can be done in one round.
///
/// Implements: RCV-007, RCV-008
pub async fn reconcile(
    node: &Node,
    hosted: AuthorityCode,
    peer: AuthorityCode,
) -> Result<Reconciled, Unreconciled> {
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content);
    let speaker = directory.and_then(|directory| node.speaking_for(directory, hosted));
    let client = speaker.ok_or(Unreconciled::NotHosted)?.client.peer(peer)?;
    let who = (hosted, peer);
    let incarnation = node.incarnation();
    let standing = node.store().read(move |tx| Ok(pairs::find(tx, hosted, peer)?.standing(incarnation)));
    if standing.await? == Standing::Level && same_digest(node, who, &client).await? {
        return Ok(Reconciled::default());
    }
    let told = read_heads(node, who, &client).await?;
    let fetched = fetch_lacking(node, who, &told).await?;
    let (incarnation, now) = (node.incarnation(), node.now());
    let settled = node.store().write(move |tx| settle(tx, who, &told, (incarnation, now)));
    let mut done = settled.await?;
    done.fetched = fetched;
    Ok(done)
}

/// Whether count and digest are those of our own copies.
async fn same_digest(
    node: &Node,
    (hosted, peer): (AuthorityCode, AuthorityCode),
    client: &PeerClient,
) -> Result<bool, Unreconciled> {
    let said = client.reconciliation().await?;
    let said = said.content();
    if !peers::hear(node, hosted, peer, said.incarnation).await? {
        return Err(Unreconciled::Stale);
    }
    let (incarnation, same_pair) = (node.incarnation(), (hosted, peer));
    let read = node.store().read(move |tx| {
        let standing = pairs::find(tx, hosted, peer)?.standing(incarnation);
        Ok((standing, ledgers::reconciled(tx, same_pair)?))
    });
    let (standing, ours) = read.await?;
    let count = ours.len() as u64;
    let heads = ours.into_iter().map(|(transfer, sequence, header_digest)| ReconciledHead {
        transfer,
        sequence,
        header_digest,
    });
    let same = said.ledgers == count && said.digest == reconciliation_digest(heads.collect());
    Ok(same && standing == Standing::Level)
}

/// Reads the peer's heads from the start to their end, and keeps each.
async fn read_heads(
    node: &Node,
    (hosted, peer): (AuthorityCode, AuthorityCode),
    client: &PeerClient,
) -> Result<Told, Unreconciled> {
    let mut told = Told { incarnation: 0, heads: BTreeMap::new(), doubts: 0 };
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        // What the peer has signed for is read before it is asked, so that nothing crosses.
        let signed_for = node.store().read(move |tx| signed_for(tx, (hosted, peer))).await?;
        let page = client.heads(cursor.as_deref()).await?;
        if !peers::hear(node, hosted, peer, page.incarnation).await? {
            return Err(Unreconciled::Stale);
        }
        told.incarnation = page.incarnation;
        let heads: Vec<Signed<Head>> =
            page.heads.into_iter().filter(|head| is_between(head.content(), hosted, peer)).collect();
        told.heads.extend(heads.iter().map(|head| (head.content().transfer, head.content().point())));
        let noted = node.store().write(move |tx| {
            for head in &heads {
                let key = LedgerKey { hosted, counterparty: peer, transfer: head.content().transfer };
                let before = signed_for.get(&key.transfer).copied();
                peers::note_head(tx, &key, before, head.envelope())?;
            }
            Ok(pairs::find(tx, hosted, peer)?.doubts().0)
        });
        told.doubts = noted.await?;
        if !page.more {
            return Ok(told);
        }
        cursor = Some(page.next);
    }
    Err(Unreconciled::Endless)
}

fn is_between(head: &Head, hosted: AuthorityCode, peer: AuthorityCode) -> bool {
    let parties = (head.originating, head.receiving);
    parties == (hosted, peer) || parties == (peer, hosted)
}

fn signed_for(
    tx: &mut dyn Tx,
    (hosted, peer): (AuthorityCode, AuthorityCode),
) -> Result<BTreeMap<TransferId, u64>, StoreError> {
    let mut places = BTreeMap::new();
    for held in ledgers::changed_after(tx, (hosted, peer), 0, u64::MAX)? {
        if let Some(place) = peers::signed_for(tx, &held.key)? {
            places.insert(held.key.transfer, place);
        }
    }
    Ok(places)
}

/// Every difference between our copies and what the peer told, forked ledgers left out.
fn differences(
    tx: &mut dyn Tx,
    (hosted, peer): (AuthorityCode, AuthorityCode),
    told: &BTreeMap<TransferId, HeadRef>,
) -> Result<Vec<(LedgerKey, Difference)>, StoreError> {
    let key = |transfer| LedgerKey { hosted, counterparty: peer, transfer };
    let held = ledgers::changed_after(tx, (hosted, peer), 0, u64::MAX)?;
    let ours: BTreeMap<TransferId, _> = held.into_iter().map(|held| (held.key.transfer, held)).collect();
    let mut found = Vec::new();
    for transfer in told.keys().chain(ours.keys().filter(|transfer| !told.contains_key(transfer))) {
        let (mine, theirs) = (ours.get(transfer), told.get(transfer).copied());
        if mine.is_some_and(|held| held.forked) {
            continue;
        }
        let at = match theirs {
            Some(theirs) => ledgers::header_digest_at(tx, &key(*transfer), theirs.sequence)?,
            None => None,
        };
        match difference(mine.map(|held| held.ledger.head), theirs, |_| at) {
            Difference::None => {}
            other => found.push((key(*transfer), other)),
        }
    }
    Ok(found)
}

/// Fetches what our copies lack, and the evidence where they contradict; gives the number of entries.
async fn fetch_lacking(
    node: &Node,
    who: (AuthorityCode, AuthorityCode),
    told: &Told,
) -> Result<u64, Unreconciled> {
    let heads = told.heads.clone();
    let found = node.store().read(move |tx| differences(tx, who, &heads)).await?;
    let mut fetched = 0;
    for (key, difference) in found {
        fetched += match difference {
            Difference::LackedHere => pull(node, &key).await?,
            Difference::Contradiction => fetch_from(node, &key, 0).await?,
            Difference::LackedThere { .. } | Difference::None => 0,
        };
    }
    let heads = told.heads.clone();
    // A copy that could not be carried on parts from the peer's earlier than at its head.
    for (key, difference) in node.store().read(move |tx| differences(tx, who, &heads)).await? {
        if difference == Difference::LackedHere {
            fetched += fetch_from(node, &key, 0).await?;
        }
    }
    Ok(fetched)
}

/// Queues what the peer lacks, and notes how far the two are level. Implements: DLV-011, RCV-008, RCV-016
fn settle(
    tx: &mut dyn Tx,
    (hosted, peer): (AuthorityCode, AuthorityCode),
    told: &Told,
    (incarnation, now): (u64, cme_spec::instant::Instant),
) -> Result<Reconciled, StoreError> {
    let (mut done, mut lacked_here) = (Reconciled::default(), false);
    for key in ledgers::forked(tx, (hosted, peer))? {
        // Heads tell nothing of branches: a peer that was restored may have lost any of them.
        for entry in ledgers::ids_in_all_branches(tx, &key)? {
            done.queued += u64::from(outbox::enqueue_missing(tx, &key, entry, now)?);
        }
    }
    for (key, difference) in differences(tx, (hosted, peer), &told.heads)? {
        done.differing += 1;
        match difference {
            Difference::LackedThere { from } => {
                for entry in ledgers::ids_from(tx, &key, from)? {
                    done.queued += u64::from(outbox::enqueue_missing(tx, &key, entry, now)?);
                }
            }
            Difference::LackedHere | Difference::Contradiction => lacked_here = true,
            Difference::None => {}
        }
    }
    if !lacked_here {
        let settled = (done.differing == 0).then_some(told.doubts);
        let pair = pairs::find(tx, hosted, peer)?.reconciled(incarnation, told.incarnation, settled);
        pairs::keep(tx, hosted, peer, &pair)?;
    }
    Ok(done)
}
