//! The two parties of the model, with a memory of every entry that was ever signed.
//!
//! A state holds numbers; the memory holds the entries. Equal entries have one number, so equal states are
//! equal whatever way led to them. What the rules say is remembered too: they are pure.

mod held;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use cme_spec::canonical::Json;
use cme_spec::digest::Digest;
use cme_spec::directory::Directory;
use cme_spec::entry::{Entry, EntryType, HeadRef, Header};
use cme_spec::example::{self, Story};
use cme_spec::instant::Instant;
use cme_spec::ledger::arrival::{Arrival, Desk, Ruling, rule};
use cme_spec::ledger::fork;
use cme_spec::ledger::{Ledger, Stage, allows, apply, needs_an_officer};
use cme_spec::problem::ProblemType;
use cme_spec::signature::SigningKey;

use self::held::{Facts, Held};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Known {
    Originating,
    Receiving,
}

impl Known {
    pub(crate) const BOTH: [Self; 2] = [Self::Originating, Self::Receiving];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Originating => Self::Receiving,
            Self::Receiving => Self::Originating,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Originating => "373",
            Self::Receiving => "330",
        }
    }
}

/// A decision of an officer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Decision {
    pub(crate) by: Known,
    pub(crate) number: u8,
    pub(crate) kind: EntryType,
}

/// One party's copy of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Copy {
    pub(crate) entries: Vec<usize>,
    /// Evidence of a fork; a copy with any is forked.
    pub(crate) branches: BTreeSet<usize>,
}

impl Copy {
    /// Whether an entry is held, in the ledger or as evidence.
    pub(crate) fn holds(&self, number: usize) -> bool {
        self.entries.contains(&number) || self.branches.contains(&number)
    }

    /// Every entry held.
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().chain(&self.branches).copied()
    }

    pub(crate) fn is_forked(&self) -> bool {
        !self.branches.is_empty()
    }

    /// Whether this copy is a beginning of the other.
    pub(crate) fn begins(&self, other: &Self) -> bool {
        other.entries.starts_with(&self.entries)
    }
}

/// What became of an entry that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Appended under this number, a receipt given.
    Appended(usize),
    /// Held already under this number, a receipt given.
    Held(usize),
    /// Kept as evidence of a fork, or with a branch of one.
    Evidence,
    /// Kept at the end of a forked copy under this number.
    CarriedOn(usize),
    /// Refused until the pair has reconciled.
    PairSuspended,
    /// Refused for any other reason.
    Refused,
}

/// What is judged, where, and whether the pair's standing lets a proposal in.
type Question = (Known, Copy, usize, bool);

#[derive(Default)]
struct Memory {
    /// Entries as the ledger keeps them: with the sequencer's receipt only. Proposals have none.
    entries: Vec<Entry>,
    numbers: HashMap<(Digest, bool), usize>,
    facts: Vec<Facts>,
    rulings: HashMap<Question, Taken>,
    signed: HashMap<(Vec<usize>, Decision), usize>,
    ledgers: HashMap<Vec<usize>, Ledger>,
}

pub(crate) struct Cast {
    directory: Directory,
    keys: [SigningKey; 2],
    now: Instant,
    memory: Mutex<Memory>,
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
        memory.facts.push(Facts::of(&entry));
        memory.entries.push(entry);
        let number = memory.entries.len() - 1;
        memory.numbers.insert(name, number);
        number
    }

    fn entry(&self, number: usize) -> Entry {
        self.memory().entries[number].clone()
    }

    fn entries<'a>(&self, numbers: impl IntoIterator<Item = &'a usize>) -> Vec<Entry> {
        numbers.into_iter().map(|number| self.entry(*number)).collect()
    }

    fn facts(&self, number: usize) -> Facts {
        self.memory().facts[number]
    }

    /// Where an entry stands.
    pub(crate) fn point(&self, number: usize) -> HeadRef {
        self.facts(number).point
    }

    fn ledger(&self, copy: &Copy) -> Option<Ledger> {
        if copy.entries.is_empty() {
            return None;
        }
        if let Some(ledger) = self.memory().ledgers.get(&copy.entries) {
            return Some(ledger.clone());
        }
        let mut ledger = None;
        for entry in self.entries(&copy.entries) {
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

    /// Whether responsibility has passed: by the ledger, or by any branch of a forked one.
    pub(crate) fn has_passed(&self, copy: &Copy) -> bool {
        if !copy.is_forked() {
            return self.accepted(copy);
        }
        let further = fork::branches(self.entries(&copy.branches));
        further.iter().any(|branch| {
            let parts = branch.first().map_or(0, |entry| entry.header().sequence);
            let parts = usize::try_from(parts).expect("a small ledger").min(copy.entries.len());
            let trunk = Copy { entries: copy.entries[..parts].to_vec(), branches: BTreeSet::new() };
            let main = self.entries(&copy.entries[parts..]);
            fork::accepted_at(self.ledger(&trunk).as_ref(), &[&main, branch], &self.directory).is_some()
        })
    }

    /// Whether only a branch beside the ledger holds an accept.
    pub(crate) fn accepts_in_a_branch(&self, copy: &Copy) -> bool {
        !self.accepted(copy) && self.has_passed(copy)
    }

    /// Whether nobody has said anything to the offer.
    pub(crate) fn is_unanswered(&self, copy: &Copy) -> bool {
        self.stage(copy) == Some(Stage::Offered)
    }

    pub(crate) fn author(&self, entry: usize) -> Known {
        self.facts(entry).author
    }

    pub(crate) fn may(&self, party: Known, copy: &Copy, kind: EntryType) -> bool {
        let by = example::code(party.code());
        self.ledger(copy).is_some_and(|ledger| allows(&ledger, kind, by).is_ok())
    }

    pub(crate) fn kind(&self, entry: usize) -> EntryType {
        self.facts(entry).kind
    }

    /// The offer, as a proposal.
    pub(crate) fn offer(&self) -> usize {
        let story = Story::new(1);
        let body = body(EntryType::Offer);
        self.remember(story.draft(EntryType::Offer, "373", self.key(Known::Originating), body))
    }

    /// A decision as the next entry after a copy, without receipts.
    pub(crate) fn sign(&self, copy: &Copy, decision: Decision) -> usize {
        let name = (copy.entries.clone(), decision);
        if let Some(number) = self.memory().signed.get(&name) {
            return *number;
        }
        let ledger = self.ledger(copy).expect("decided on a ledger");
        let party = u64::from(decision.by == Known::Receiving);
        let id = example::entry_id(10_000 + 1_000 * party + u64::from(decision.number));
        let by = example::code(decision.by.code());
        let header = Header::following(&ledger, decision.kind, by, id, self.now);
        let number = self.remember(Entry::sign(header, body(decision.kind), self.key(decision.by)));
        self.memory().signed.insert(name, number);
        number
    }

    /// The sequencer's own decision, with its receipt.
    pub(crate) fn record(&self, copy: &Copy, decision: Decision) -> usize {
        let entry = self.entry(self.sign(copy, decision));
        let receipt = self.desk(Known::Receiving).receipt(&entry, self.now);
        self.remember(entry.with_receipt(receipt))
    }

    /// What the rules do with an entry that arrives at a party.
    fn rule(&self, party: Known, copy: &Copy, number: usize, may_append: bool) -> Taken {
        let question = (party, copy.clone(), number, may_append);
        if let Some(taken) = self.memory().rulings.get(&question) {
            return *taken;
        }
        let desk = self.desk(party);
        let (entries, branches) = (self.entries(&copy.entries), self.entries(&copy.branches));
        let arrival = Arrival::sent(self.entry(number), &desk).expect("the parties sign what they send");
        let ledger = self.ledger(copy);
        let mut held = Held { ledger, entries: &entries, branches: &branches, may_append };
        let Ok(ruling) = rule(&desk, &arrival, &mut held);
        let taken = match ruling {
            Ruling::Append { entry, .. } => Taken::Appended(self.remember(*entry)),
            Ruling::Repeat { receipt } | Ruling::Vouch { receipt } => {
                let place = usize::try_from(receipt.content().sequence).expect("a small ledger");
                Taken::Held(copy.entries[place])
            }
            Ruling::Fork { .. } => Taken::Evidence,
            Ruling::CarryOn { entry, .. } => Taken::CarriedOn(self.remember(*entry)),
            Ruling::Refuse { problem } if problem.registered() == Some(ProblemType::PairSuspended) => {
                Taken::PairSuspended
            }
            Ruling::Refuse { .. } => Taken::Refused,
        };
        self.memory().rulings.insert(question, taken);
        taken
    }

    /// An entry arrives at a party, which keeps what the rules say.
    pub(crate) fn take(&self, party: Known, copy: &mut Copy, number: usize, may_append: bool) -> Taken {
        let taken = self.rule(party, copy, number, may_append);
        match taken {
            Taken::Appended(entry) | Taken::CarriedOn(entry) => copy.entries.push(entry),
            Taken::Evidence => {
                copy.branches.insert(number);
            }
            Taken::Held(_) | Taken::PairSuspended | Taken::Refused => {}
        }
        taken
    }

    /// An entry with the sequencer's receipt arrives; tells whether it is held now.
    pub(crate) fn arrive(&self, party: Known, copy: &mut Copy, number: usize) -> bool {
        matches!(self.take(party, copy, number, true), Taken::Appended(_) | Taken::Held(_))
    }

    /// A proposal arrives at the sequencer; gives the entry with its receipt.
    pub(crate) fn propose(&self, copy: &mut Copy, number: usize) -> Option<usize> {
        match self.take(Known::Receiving, copy, number, true) {
            Taken::Appended(entry) | Taken::Held(entry) => Some(entry),
            _ => None,
        }
    }

    /// Whether a copy holds a decision, in whatever signed version.
    pub(crate) fn holds_decision(&self, copy: &Copy, number: usize) -> bool {
        let id = self.facts(number).id;
        copy.entries.iter().any(|entry| self.facts(*entry).id == id)
    }

    /// Whether a proposal can't land any more in a copy that only grows.
    pub(crate) fn is_overtaken(&self, copy: &Copy, number: usize) -> bool {
        let facts = self.facts(number);
        facts.proposal && facts.point.sequence < copy.entries.len() as u64
    }

    /// Whether a proposal is the next entry of a copy.
    pub(crate) fn stands_next(&self, copy: &Copy, number: usize) -> bool {
        let head = copy.entries.last().map(|entry| self.point(*entry).header_digest);
        self.facts(number).previous == head
    }

    /// Whether an accept is among these entries, and with it all that it follows.
    pub(crate) fn prove_an_accept(&self, held: &BTreeSet<usize>) -> bool {
        let at = |digest: Digest| held.iter().find(|entry| self.point(**entry).header_digest == digest);
        let accepts = held.iter().filter(|entry| self.kind(**entry) == EntryType::Accept);
        accepts.copied().any(|accept| {
            let mut previous = self.facts(accept).previous;
            while let Some(digest) = previous {
                let Some(before) = at(digest) else { return false };
                previous = self.facts(*before).previous;
            }
            true
        })
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
