//! Who is responsible for the child of a forked ledger.

use cme_spec::directory::Directory;
use cme_spec::entry::HeadRef;
use cme_spec::ids::AuthorityCode;
use cme_spec::ledger::{Ledger, apply, fork};

use crate::store::ledgers::{self, Held};
use crate::store::{StoreError, Tx};

/// What the branches of a forked ledger add up to.
pub(super) struct Forked {
    /// Whether any branch holds an accept.
    pub(super) accepted: bool,
    /// Who is responsible.
    pub(super) responsible: AuthorityCode,
    /// The newest header of the longest further branch.
    pub(super) other_end: HeadRef,
}

/// Looks at every branch that is held of a ledger. Implements: LED-011
pub(super) fn forked(tx: &mut dyn Tx, directory: &Directory, held: &Held) -> Result<Forked, StoreError> {
    let main = ledgers::entries(tx, &held.key, 0, u64::MAX)?;
    let further = fork::branches(ledgers::branch_entries(tx, &held.key)?);
    let mut accepted = held.ledger.state.acceptance().is_some();
    for branch in &further {
        let parts = branch.first().map_or(0, |entry| entry.header().sequence);
        let before = usize::try_from(parts).unwrap_or(usize::MAX).min(main.len());
        let mut trunk: Option<Ledger> = None;
        for entry in &main[..before] {
            let receipt = entry.receipt_by(held.ledger.terms.receiving);
            let receipt = receipt.ok_or(StoreError::Corrupt("an entry without the sequencer's receipt"))?;
            // What stands in a ledger was applied when it was stored.
            let next = apply(trunk.as_ref(), entry, receipt.content());
            trunk = Some(next.map_err(|_| StoreError::Corrupt("a ledger that breaks its rules"))?);
        }
        let branches = [&main[before..], &branch[..]];
        accepted |= fork::accepted_at(trunk.as_ref(), &branches, directory).is_some();
    }
    let longest =
        further.iter().filter_map(|branch| branch.last()).max_by_key(|entry| entry.header().sequence);
    let other_end = longest.ok_or(StoreError::Corrupt("a fork without a further branch"))?;
    let terms = &held.ledger.terms;
    Ok(Forked {
        accepted,
        responsible: if accepted { terms.receiving } else { terms.originating },
        other_end: HeadRef {
            sequence: other_end.header().sequence,
            header_digest: other_end.header_digest(),
        },
    })
}
