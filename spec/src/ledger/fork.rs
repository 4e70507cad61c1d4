//! Forks: two headers at one place of a ledger, each with the sequencer's signature.
//!
//! An originating author may sign one decision twice (the first version lost its place to another entry),
//! so two signatures of that party prove nothing. Two of the sequencer do: it alone orders entries.

use serde::Serialize;

use super::{Ledger, Refusal, apply};
use crate::directory::{Directory, Key, KeyStanding};
use crate::entry::{Entry, LedgerPoint};
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::receipt::Receipt;

/// A proven fork.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fork {
    /// The place at which the branches part.
    pub sequence: u64,
    /// One entry of each branch at that place.
    pub heads: [LedgerPoint; 2],
}

/// Holds when the sequencer's signature is on the entry: as its author, or in a receipt for it.
///
/// A key that was retired or revoked since still proves who signed.
pub fn bears_the_sequencers_signature(
    entry: &Entry,
    receiving: AuthorityCode,
    directory: &Directory,
) -> bool {
    let by_author = entry.header().author == receiving
        && directory
            .key(receiving, entry.signature().key())
            .is_some_and(|key| entry.verify(&key.public_key).is_ok());
    let by_receipt = || {
        let receipt = entry.receipt_by(receiving).filter(|receipt| receipt.content().is_for(entry));
        receipt.is_some_and(|receipt| {
            let key = directory.key(receiving, receipt.key());
            key.is_some_and(|key| receipt.clone().verify(&key.public_key).is_ok())
        })
    };
    by_author || by_receipt()
}

/// The fork that two entries prove, if they do.
pub fn proven_by(a: &Entry, b: &Entry, receiving: AuthorityCode, directory: &Directory) -> Option<Fork> {
    let (left, right) = (a.header(), b.header());
    let one_place = left.transfer == right.transfer && left.sequence == right.sequence;
    let two_headers = a.header_digest() != b.header_digest();
    let both = [a, b].iter().all(|entry| bears_the_sequencers_signature(entry, receiving, directory));
    let point = |entry: &Entry| LedgerPoint {
        transfer: entry.header().transfer,
        sequence: entry.header().sequence,
        header_digest: entry.header_digest(),
    };
    (one_place && two_headers && both).then(|| Fork { sequence: left.sequence, heads: [point(a), point(b)] })
}

/// The further branches that kept entries form, each whole from the place where it parts from the main copy.
///
/// An entry goes to the branch that ends with its predecessor. Where that has another successor already, a
/// branch parts from a branch: what both share is in both, so that each is judged from its first entry on.
pub fn branches(mut kept: Vec<Entry>) -> Vec<Vec<Entry>> {
    kept.sort_by_key(|entry| entry.header().sequence);
    let mut branches: Vec<Vec<Entry>> = Vec::new();
    for entry in kept {
        let previous = entry.header().previous;
        let follows = |before: &Entry| Some(before.header_digest()) == previous;
        if let Some(ended) = branches.iter_mut().find(|branch| branch.last().is_some_and(follows)) {
            ended.push(entry);
            continue;
        }
        let shared = branches.iter().find_map(|branch| {
            let place = branch.iter().position(follows)?;
            branch.get(..=place).map(<[Entry]>::to_vec)
        });
        let mut branch = shared.unwrap_or_default();
        branch.push(entry);
        branches.push(branch);
    }
    branches
}

/// When responsibility passed in a branch of a forked ledger, if any branch holds a valid accept.
///
/// `trunk` is the ledger before the branches part (`None` when they part at the offer); each branch is its
/// entries in order, with receipts. With an accept the receiving authority is responsible; without one it
/// is the originating authority: never nobody. An accept that is disputed in its branch is none.
///
/// Implements: LED-010, LED-011
pub fn accepted_at(trunk: Option<&Ledger>, branches: &[&[Entry]], directory: &Directory) -> Option<Instant> {
    let before = trunk.and_then(|trunk| trunk.state.acceptance()).map(|acceptance| acceptance.at);
    before.or_else(|| branches.iter().filter_map(|branch| accept_in(trunk, branch, directory)).min())
}

fn accept_in(trunk: Option<&Ledger>, branch: &[Entry], directory: &Directory) -> Option<Instant> {
    let mut ledger = trunk.cloned();
    let mut doubted = false;
    for entry in branch {
        let header = entry.header();
        let receiving = ledger.as_ref().map_or(header.recipient, |ledger| ledger.terms.receiving);
        let receipt = genuine_receipt(entry, receiving, directory).map_or_else(
            || standing_in_for_a_receipt(entry, receiving, ledger.as_ref()),
            |(receipt, _)| receipt.clone(),
        );
        let key = directory.key(header.author, entry.signature().key())?;
        let out_of_term = key.standing(receipt.received_at) == KeyStanding::OutOfTerm;
        if out_of_term || entry.verify(&key.public_key).is_err() {
            return None;
        }
        let disputed = is_disputed(entry, key, receiving, directory);
        match (apply(ledger.as_ref(), entry, &receipt), &mut ledger) {
            // An offer moves no responsibility, so a disputed one can stand as the beginning.
            (Ok(next), ledger) if !disputed || ledger.is_none() => *ledger = Some(next),
            (Ok(_), Some(ledger)) => ledger.head = entry.point(),
            (Err(Refusal::NotAllowed { .. }), Some(ledger)) if disputed || doubted => {
                ledger.head = entry.point();
            }
            _ => return None,
        }
        doubted |= disputed;
        if let Some(acceptance) = ledger.as_ref().and_then(|ledger| ledger.state.acceptance()) {
            return Some(acceptance.at);
        }
    }
    None
}

/// The receipt that an authority gave for an entry, if it is genuine and its key had begun and was not retired; and
/// what that key was worth. One that does not verify counts as not there.
pub(super) fn genuine_receipt<'a>(
    entry: &'a Entry,
    by: AuthorityCode,
    directory: &Directory,
) -> Option<(&'a Receipt, KeyStanding)> {
    let receipt = entry.receipt_by(by).filter(|receipt| receipt.content().is_for(entry))?;
    let key = directory.key(by, receipt.key())?;
    let standing = key.standing(receipt.content().received_at);
    let genuine = standing != KeyStanding::OutOfTerm && receipt.clone().verify(&key.public_key).is_ok();
    genuine.then(|| (receipt.content(), standing))
}

/// What an entry of a branch is judged by that holds only by its author's signature, the sequencer's: as though it
/// was received when it was made.
fn standing_in_for_a_receipt(entry: &Entry, receiving: AuthorityCode, ledger: Option<&Ledger>) -> Receipt {
    let header = entry.header();
    Receipt {
        transfer: header.transfer,
        sequence: header.sequence,
        entry_id: header.id,
        header_digest: entry.header_digest(),
        received_at: ledger.map_or(header.created_at, |ledger| header.created_at.max(ledger.received_at)),
        by: receiving,
        incarnation: ledger.map_or(1, |ledger| ledger.incarnation.max(1)),
        directory_issue: 1,
    }
}

/// Whether a revocation takes from an entry all that it says: its author's key was revoked and no older receipt of
/// the other party vouches for it, or the key of the sequencer's receipt was revoked by then.
fn is_disputed(entry: &Entry, key: &Key, receiving: AuthorityCode, directory: &Directory) -> bool {
    let vouched = |revoked_at: Instant| {
        let receipt = genuine_receipt(entry, entry.header().recipient, directory);
        receipt.is_some_and(|(receipt, standing)| {
            standing == KeyStanding::Valid && receipt.received_at < revoked_at
        })
    };
    let sequencers = genuine_receipt(entry, receiving, directory);
    key.revoked_at.is_some_and(|revoked_at| !vouched(revoked_at))
        || sequencers.is_some_and(|(_, standing)| standing == KeyStanding::Revoked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryType as E;
    use crate::example::{self, Story};

    #[test]
    fn an_accept_is_found_in_a_branch_that_parts_from_a_branch() {
        let offered = Story::offered();
        let main = offered.clone().then(E::Decline);
        let kept = offered.clone().then(E::Acknowledge);
        let (declined, accepted) = (kept.clone().then(E::Decline), kept.then(E::Accept));
        let further = declined.entries()[1..].iter().chain(&accepted.entries()[2..]).cloned();
        for order in [further.clone().collect::<Vec<_>>(), further.rev().collect()] {
            let branches = branches(order);
            assert!(branches.iter().all(|branch| branch.len() == 2), "each is whole");
            let accepted_at = |branch: &[Entry]| {
                accepted_at(Some(offered.ledger()), &[&main.entries()[1..], branch], &example::directory())
            };
            let found: Vec<_> = branches.iter().filter_map(|branch| accepted_at(branch)).collect();
            assert_eq!(found, [accepted.ledger().created_at]);
        }
    }
}
