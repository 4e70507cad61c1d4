//! The further branches of a forked ledger.

use super::check::{Chain, Check};
use crate::directory::KeyStanding;
use crate::entry::{Entry, EntryType};
use crate::instant::Instant;
use crate::ledger::fork::{self, Fork};

/// What the branches of a forked ledger add up to.
#[derive(Default)]
pub(super) struct Forked {
    pub(super) forks: Vec<Fork>,
    pub(super) accepted_at: Option<Instant>,
}

impl Check<'_> {
    /// Implements: LED-011, VER-003
    pub(super) fn forks(&mut self, chain: &Chain) -> Option<Forked> {
        let mut forked: Option<Forked> = None;
        for branch in &self.file.forks {
            let read: Option<Vec<Entry>> = branch.iter().map(|json| Entry::read(json).ok()).collect();
            let first = read.as_ref().and_then(|branch| branch.first());
            let place = first.map(|entry| entry.header().sequence);
            let index = place.and_then(|place| usize::try_from(place).ok());
            let ours = index.and_then(|index| chain.entries.get(index));
            let fork = first.zip(ours).and_then(|(theirs, ours)| {
                fork::proven_by(ours, theirs, self.file.receiving, self.directory)
            });
            let (Some(fork), Some(index), Some(branch)) = (fork, index, read) else {
                self.fault(place, "a branch is shown that proves no fork");
                continue;
            };
            let before = index.checked_sub(1);
            self.branch(before.and_then(|before| chain.entries.get(before)), &branch);
            let trunk = before.and_then(|before| chain.states.get(before));
            let branches = [&chain.entries[index..], &branch[..]];
            let accepted_at = fork::accepted_at(trunk, &branches, self.directory);
            let so_far = forked.get_or_insert_default();
            // Branches that part from one branch share its first entry.
            if !so_far.forks.contains(&fork) {
                so_far.forks.push(fork);
            }
            so_far.accepted_at = [so_far.accepted_at, accepted_at].into_iter().flatten().min();
        }
        forked
    }

    /// Each entry of a branch follows the one before it, is its author's, and is the sequencer's word too. Its receipts
    /// are not asked for: one that does not hold counts as not there.
    fn branch(&mut self, trunk: Option<&Entry>, branch: &[Entry]) {
        let before = std::iter::once(trunk).chain(branch.iter().map(Some));
        for (before, entry) in before.zip(branch) {
            if let Err(what) = self.in_branch(before, entry) {
                self.fault(entry.header().sequence, format!("in a further branch: {what}"));
                return;
            }
        }
    }

    fn in_branch(&self, before: Option<&Entry>, entry: &Entry) -> Result<(), String> {
        let header = entry.header();
        let key = self.authored(entry)?;
        let place = before.map_or(0, |before| before.header().sequence + 1);
        if (header.sequence, header.previous) != (place, before.map(Entry::header_digest)) {
            return Err("the entry does not follow the one before it".to_owned());
        }
        let offered = header.kind == EntryType::Offer && header.author == self.file.originating;
        if before.is_none() && !offered {
            return Err("a ledger begins with an offer by the originating authority".to_owned());
        }
        if !fork::bears_the_sequencers_signature(entry, self.file.receiving, self.directory) {
            return Err("the sequencer's signature is missing".to_owned());
        }
        let receipt = fork::genuine_receipt(entry, self.file.receiving, self.directory);
        let at = receipt.map_or(header.created_at, |(receipt, _)| receipt.received_at);
        if key.standing(at) == KeyStanding::OutOfTerm {
            return Err(format!("the key of authority {} was not valid then", header.author));
        }
        Ok(())
    }
}
