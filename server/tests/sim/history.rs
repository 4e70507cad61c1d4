//! What was promised during a run: every decision that an officer was told is taken, every receipt that left a
//! server.

use std::collections::BTreeMap;

use cme_spec::canonical::{Json, Limits};
use cme_spec::entry::EntryType;
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, TransferId};
use cme_spec::problem::Problem;
use cme_spec::receipt::Receipt;

use crate::wire::Answer;

/// A decision that an officer was told is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promised {
    pub(crate) by: AuthorityCode,
    pub(crate) transfer: TransferId,
    pub(crate) id: EntryId,
    pub(crate) kind: EntryType,
    /// Whether an officer has given it up since.
    pub(crate) dropped: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) decisions: Vec<Promised>,
    pub(crate) receipts: Vec<Receipt>,
    /// How often each status or problem was answered.
    pub(crate) answers: BTreeMap<String, usize>,
    /// How often each fault came about, other than those of disks.
    pub(crate) faults: BTreeMap<&'static str, usize>,
    names: BTreeMap<TransferId, usize>,
}

impl History {
    /// A short name for a transfer: the same in every run of a seed.
    pub(crate) fn name(&mut self, transfer: TransferId) -> String {
        let next = self.names.len() + 1;
        format!("T{}", self.names.entry(transfer).or_insert(next))
    }

    /// Counts an answer that has left a server, and keeps its receipt; gives its status or its problem's name.
    pub(crate) fn note_answer(&mut self, answer: &Answer) -> String {
        let json = Json::decode(&answer.body, &Limits::COLLECTION).ok();
        let receipt = json.as_ref().and_then(|json| Envelope::<Receipt>::read(json).ok());
        self.receipts.extend(receipt.map(|receipt| receipt.content().clone()));
        let problem = json.and_then(|json| json.read::<Problem>().ok());
        let problem = problem.as_ref().and_then(Problem::registered);
        let name = problem.map_or_else(|| answer.status.to_string(), |problem| problem.name().to_owned());
        *self.answers.entry(name.clone()).or_default() += 1;
        name
    }

    pub(crate) fn note_fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    pub(crate) fn note_dropped(&mut self, by: AuthorityCode, id: EntryId) {
        for promised in &mut self.decisions {
            promised.dropped |= promised.by == by && promised.id == id;
        }
    }
}
