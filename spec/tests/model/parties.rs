//! The two parties of the model, with a memory of every entry that was ever signed.
//!
//! A state holds numbers; the memory holds the entries. Equal entries have one number, so equal states are
//! equal whatever way led to them. What the rules say is remembered too: they are pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use cme_spec::canonical::Json;
use cme_spec::digest::Digest;
use cme_spec::directory::Directory;
use cme_spec::entry::{Entry, EntryType, Header};
use cme_spec::example::{self, Story};
use cme_spec::instant::{EntryId, Instant};
use cme_spec::ledger::arrival::{Arrival, Desk, Holdings, Ruling, rule};
use cme_spec::ledger::{Ledger, Stage, allows, apply, needs_an_officer};
use cme_spec::signature::SigningKey;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Known {
    Originating,
    Receiving,
}

impl Known {
    const fn code(self) -> &'static str {
        match self {
            Self::Originating => "373",
            Self::Receiving => "330",
        }
    }
}

/// A decision of an officer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    pub(crate) by: Known,
    pub(crate) number: u8,
    pub(crate) kind: EntryType,
}

/// One party's copy of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Copy {
    pub(crate) entries: Vec<usize>,
}

/// What a ruling means for a copy: the entry to add, or none; and whether a receipt was given.
type Remembered = (Option<usize>, Option<usize>);

#[derive(Default)]
struct Memory {
    /// Entries as the ledger keeps them: with the sequencer's receipt only. Proposals have none.
    entries: Vec<Entry>,
    numbers: HashMap<(Digest, bool), usize>,
    rulings: HashMap<(Known, Vec<usize>, usize), Remembered>,
    ledgers: HashMap<Vec<usize>, Ledger>,
}

pub(crate) struct Cast {
    directory: Directory,
    keys: [SigningKey; 2],
    now: Instant,
    memory: Mutex<Memory>,
}

struct Held<'a> {
    ledger: Option<Ledger>,
    entries: &'a [Entry],
}

impl Holdings for Held<'_> {
    type Fault = std::convert::Infallible;

    fn ledger(&mut self) -> Result<Option<(Ledger, bool)>, Self::Fault> {
        Ok(self.ledger.clone().map(|ledger| (ledger, false)))
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

    fn is_in_a_branch(&mut self, _: &Digest) -> Result<bool, Self::Fault> {
        Ok(false)
    }

    fn may_append(&mut self) -> Result<bool, Self::Fault> {
        Ok(true)
    }
}

/// A body that fits wherever its entry comes to stand.
fn body(kind: EntryType) -> Json {
    let mut body = example::body(kind).into_value();
    if let Some(members) = body.as_object_mut() {
        members.remove("inReplyTo");
    }
    Json::from_typed(&body).expect("an example body is canonical")
}

impl Cast {
    pub(crate) fn new() -> Self {
        Self {
            directory: example::directory(),
            keys: ["373", "330"].map(example::signing_key),
            now: Story::new(1).now(),
            memory: Mutex::default(),
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, party: Known) -> &SigningKey {
        &self.keys[usize::from(party == Known::Receiving)]
    }

    fn desk(&self, party: Known) -> Desk<'_> {
        let key = self.key(party);
        Desk {
            party: example::code(party.code()),
            key,
            directory: &self.directory,
            incarnation: 1,
            now: self.now,
        }
    }

    /// The number of an entry; receipts of the originating authority are no part of its identity here.
    fn remember(&self, entry: Entry) -> usize {
        let sequencer = entry.receipt_by(example::code("330")).cloned();
        let bare = entry.without_receipts();
        let entry = sequencer.iter().cloned().fold(bare, Entry::with_receipt);
        let mut memory = self.memory();
        let name = (entry.header_digest(), sequencer.is_some());
        if let Some(number) = memory.numbers.get(&name) {
            return *number;
        }
        memory.entries.push(entry);
        let number = memory.entries.len() - 1;
        memory.numbers.insert(name, number);
        number
    }

    fn entry(&self, number: usize) -> Entry {
        self.memory().entries[number].clone()
    }

    fn entries(&self, copy: &Copy) -> Vec<Entry> {
        copy.entries.iter().map(|number| self.entry(*number)).collect()
    }

    fn ledger(&self, copy: &Copy) -> Option<Ledger> {
        if copy.entries.is_empty() {
            return None;
        }
        if let Some(ledger) = self.memory().ledgers.get(&copy.entries) {
            return Some(ledger.clone());
        }
        let mut ledger = None;
        for entry in self.entries(copy) {
            let receipt = entry.receipt_by(example::code("330")).expect("stored with it").content().clone();
            ledger = Some(apply(ledger.as_ref(), &entry, &receipt).expect("a copy follows the rules"));
        }
        self.memory().ledgers.insert(copy.entries.clone(), ledger.clone()?);
        ledger
    }

    pub(crate) fn stage(&self, copy: &Copy) -> Option<Stage> {
        self.ledger(copy).map(|ledger| ledger.stage())
    }

    pub(crate) fn accepted(&self, copy: &Copy) -> bool {
        self.ledger(copy).is_some_and(|ledger| ledger.responsible() == ledger.terms.receiving)
    }

    pub(crate) fn may(&self, party: Known, copy: &Copy, kind: EntryType) -> bool {
        let by = example::code(party.code());
        self.ledger(copy).is_some_and(|ledger| allows(&ledger, kind, by).is_ok())
    }

    pub(crate) fn kind(&self, entry: usize) -> EntryType {
        self.entry(entry).header().kind
    }

    /// The offer, as a proposal.
    pub(crate) fn offer(&self) -> usize {
        let story = Story::new(1);
        let body = body(EntryType::Offer);
        self.remember(story.draft(EntryType::Offer, "373", self.key(Known::Originating), body))
    }

    /// A decision as the next entry after a copy, without receipts.
    pub(crate) fn sign(&self, copy: &Copy, decision: Decision) -> usize {
        let ledger = self.ledger(copy).expect("decided on a ledger");
        let party = u64::from(decision.by == Known::Receiving);
        let id = example::entry_id(10_000 + 1_000 * party + u64::from(decision.number));
        let by = example::code(decision.by.code());
        let header = Header::following(&ledger, decision.kind, by, id, self.now);
        self.remember(Entry::sign(header, body(decision.kind), self.key(decision.by)))
    }

    /// The sequencer's own decision, with its receipt.
    pub(crate) fn record(&self, copy: &Copy, decision: Decision) -> usize {
        let entry = self.entry(self.sign(copy, decision));
        let receipt = self.desk(Known::Receiving).receipt(&entry, self.now);
        self.remember(entry.with_receipt(receipt))
    }

    /// What the rules do with an entry at a party: the entry added, and the entry that a receipt was given for.
    fn rule(&self, party: Known, copy: &Copy, number: usize) -> Remembered {
        let name = (party, copy.entries.clone(), number);
        if let Some(ruling) = self.memory().rulings.get(&name) {
            return *ruling;
        }
        let (desk, entries) = (self.desk(party), self.entries(copy));
        let arrival = Arrival::sent(self.entry(number), &desk).expect("the parties sign what they send");
        let mut held = Held { ledger: self.ledger(copy), entries: &entries };
        let Ok(ruling) = rule(&desk, &arrival, &mut held);
        let ruling = match ruling {
            Ruling::Append { entry, .. } => {
                let number = self.remember(*entry);
                (Some(number), Some(number))
            }
            Ruling::Repeat { receipt } | Ruling::Vouch { receipt } => {
                let place = usize::try_from(receipt.content().sequence).expect("a small ledger");
                (None, copy.entries.get(place).copied())
            }
            Ruling::Refuse { .. } => (None, None),
            Ruling::Fork { .. } => panic!("no party of this model signs two entries for one place"),
        };
        self.memory().rulings.insert(name, ruling);
        ruling
    }

    /// An entry with the sequencer's receipt arrives; tells whether it is held now.
    pub(crate) fn arrive(&self, party: Known, copy: &mut Copy, number: usize) -> bool {
        let (added, receipted) = self.rule(party, copy, number);
        copy.entries.extend(added);
        receipted.is_some()
    }

    /// A proposal arrives at the sequencer; gives the entry with its receipt.
    pub(crate) fn propose(&self, copy: &mut Copy, number: usize) -> Option<usize> {
        let (added, receipted) = self.rule(Known::Receiving, copy, number);
        copy.entries.extend(added);
        receipted
    }

    /// Whether a copy holds a decision, in whatever signed version.
    pub(crate) fn holds_decision(&self, copy: &Copy, number: usize) -> bool {
        let id = self.entry(number).header().id;
        self.entries(copy).iter().any(|entry| entry.header().id == id)
    }

    /// Whether a proposal is the next entry of a copy.
    pub(crate) fn stands_next(&self, copy: &Copy, number: usize) -> bool {
        let head = self.ledger(copy).map(|ledger| ledger.head.header_digest);
        self.entry(number).header().previous == head
    }

    /// The same decision for its new place, if it can still be made.
    pub(crate) fn sign_again(&self, copy: &Copy, number: usize) -> Option<usize> {
        let (entry, ledger) = (self.entry(number), self.ledger(copy)?);
        let header = entry.header();
        allows(&ledger, header.kind, header.author).ok()?;
        let place = usize::try_from(header.sequence).expect("a small ledger");
        let between = copy.entries.iter().skip(place).map(|number| self.kind(*number));
        if needs_an_officer(header.kind, between) {
            return None;
        }
        let body = body(header.kind);
        Some(self.remember(Entry::sign(header.moved(&ledger, self.now), body, self.key(Known::Originating))))
    }

    pub(crate) fn was_signed_again(&self, number: usize) -> bool {
        let id = self.entry(number).header().id;
        let memory = self.memory();
        let versions: BTreeSet<Digest> = memory
            .entries
            .iter()
            .filter(|entry| entry.header().id == id && entry.header().author == example::code("373"))
            .map(Entry::header_digest)
            .collect();
        versions.len() > 1 && memory.entries[number].header().kind != EntryType::Offer
    }
}
