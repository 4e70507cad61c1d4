//! An outcome `duplicate` without a confirmation.
//!
//! Nobody has to confirm to an authority what it says itself: so the confirmation may be missing where the
//! authority is responsible in the other ledger. Whether it is, its own copy tells.

use cme_spec::body::{Outcome, OutcomeEntry};
use cme_spec::entry::{Body, Entry, EntryType, LedgerPoint};
use cme_spec::ids::AuthorityCode;

use crate::store::ledgers;
use crate::store::{StoreError, Tx};

/// The other ledger of a duplicate that nobody confirms and in which the authority is not responsible.
///
/// Implements: ENT-014
pub(super) fn unconfirmed(
    tx: &mut dyn Tx,
    authority: AuthorityCode,
    entry: &Entry,
) -> Result<Option<LedgerPoint>, StoreError> {
    let Some(of) = without_confirmation(entry) else { return Ok(None) };
    let held = ledgers::of_hosted(tx, authority)?;
    let own = held.iter().any(|held| {
        let head = held.ledger.head;
        held.key.transfer == of.transfer
            && (head.sequence, head.header_digest) == (of.sequence, of.header_digest)
            && held.ledger.responsible() == authority
            && !held.forked
    });
    Ok((!own).then_some(of))
}

fn without_confirmation(entry: &Entry) -> Option<LedgerPoint> {
    let Body::Present(body) = entry.body() else { return None };
    if entry.header().kind != EntryType::Outcome {
        return None;
    }
    match body.read::<OutcomeEntry>().ok()?.outcome {
        Outcome::Duplicate { of, confirmation: None } => Some(of),
        _ => None,
    }
}
