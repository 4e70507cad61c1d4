//! Entries and copies, as the rules and the model look at them.

use cme_spec::digest::Digest;
use cme_spec::entry::{Entry, EntryType, HeadRef};
use cme_spec::example;
use cme_spec::instant::EntryId;
use cme_spec::ledger::Ledger;
use cme_spec::ledger::arrival::Holdings;

use super::Known;

/// What is asked of an entry again and again.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) point: HeadRef,
    pub(super) previous: Option<Digest>,
    pub(super) id: EntryId,
    pub(super) kind: EntryType,
    pub(super) author: Known,
    pub(super) proposal: bool,
}

impl Facts {
    pub(super) fn of(entry: &Entry) -> Self {
        let header = entry.header();
        let receiving = header.author == example::code(Known::Receiving.code());
        Self {
            point: entry.point(),
            previous: header.previous,
            id: header.id,
            kind: header.kind,
            author: if receiving { Known::Receiving } else { Known::Originating },
            proposal: entry.receipts().is_empty(),
        }
    }
}

/// A copy as the rules look at it.
pub(super) struct Held<'a> {
    pub(super) ledger: Option<Ledger>,
    pub(super) entries: &'a [Entry],
    pub(super) branches: &'a [Entry],
    pub(super) may_append: bool,
}

impl Holdings for Held<'_> {
    type Fault = std::convert::Infallible;

    fn ledger(&mut self) -> Result<Option<(Ledger, bool)>, Self::Fault> {
        Ok(self.ledger.clone().map(|ledger| (ledger, !self.branches.is_empty())))
    }

    fn entry_by_id(&mut self, id: EntryId) -> Result<Option<Entry>, Self::Fault> {
        Ok(self.entries.iter().find(|entry| entry.header().id == id).cloned())
    }

    fn is_used_elsewhere(&mut self, _: EntryId) -> Result<bool, Self::Fault> {
        Ok(false)
    }

    fn entry_at(&mut self, sequence: u64) -> Result<Option<Entry>, Self::Fault> {
        Ok(self.entries.iter().find(|entry| entry.header().sequence == sequence).cloned())
    }

    fn is_in_a_branch(&mut self, header_digest: &Digest) -> Result<bool, Self::Fault> {
        Ok(self.branches.iter().any(|entry| entry.header_digest() == *header_digest))
    }

    fn may_append(&mut self) -> Result<bool, Self::Fault> {
        Ok(self.may_append)
    }
}
