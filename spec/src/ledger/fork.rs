//! Forks: two headers at one place of a ledger, each with the sequencer's signature.
//!
//! An originating author may sign one decision twice (the first version lost its place to another entry),
//! so two signatures of that party prove nothing. Two of the sequencer do: it alone orders entries.

use serde::Serialize;

use super::{Ledger, apply};
use crate::directory::{Directory, KeyStanding};
use crate::entry::{Entry, LedgerPoint};
use crate::ids::AuthorityCode;
use crate::instant::Instant;

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
/// is the originating authority: never nobody.
///
/// Implements: LED-011
pub fn accepted_at(trunk: Option<&Ledger>, branches: &[&[Entry]], directory: &Directory) -> Option<Instant> {
    let before = trunk.and_then(|trunk| trunk.state.acceptance()).map(|acceptance| acceptance.at);
    before.or_else(|| branches.iter().filter_map(|branch| accept_in(trunk, branch, directory)).min())
}

fn accept_in(trunk: Option<&Ledger>, branch: &[Entry], directory: &Directory) -> Option<Instant> {
    let mut ledger = trunk.cloned();
    for entry in branch {
        let header = entry.header();
        let receiving = ledger.as_ref().map_or(header.recipient, |ledger| ledger.terms.receiving);
        let receipt = entry.receipt_by(receiving)?;
        let key = directory.key(header.author, entry.signature().key())?;
        let valid = key.standing(receipt.content().received_at) == KeyStanding::Valid;
        if !valid || entry.verify(&key.public_key).is_err() {
            return None;
        }
        ledger = Some(apply(ledger.as_ref(), entry, receipt.content()).ok()?);
        if let Some(acceptance) = ledger.as_ref().and_then(|ledger| ledger.state.acceptance()) {
            return Some(acceptance.at);
        }
    }
    None
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
