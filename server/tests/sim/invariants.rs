//! What holds whatever happens. One registry; a name says what was broken.

use std::collections::{BTreeMap, BTreeSet};

use cme_server::store::outbox::Task;
use cme_spec::canonical::Limits;
use cme_spec::entry::EntryType;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{ResponsibilityId, TransferId};
use cme_spec::ledger::verify::{LedgerFile, verify};
use cme_spec::ledger::{Ledger, allows, apply, needs_an_officer};

use crate::audit::{Audit, Books, Copy};
use crate::history::History;

/// The export of an authority's copy of a transfer.
pub(crate) type Exported = (AuthorityCode, TransferId, String);

/// What the invariants look at.
pub(crate) struct Scene<'a> {
    /// All databases before the last operation.
    pub(crate) before: &'a Audit,
    /// All databases now.
    pub(crate) now: &'a Audit,
    pub(crate) history: &'a History,
    /// Exports of all copies; only at rest.
    pub(crate) exports: &'a [Exported],
}

/// When an invariant is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// After every operation.
    Always,
    /// When everything works again and nothing is left to send.
    AtRest,
}

/// Something that must hold.
pub(crate) struct Invariant {
    pub(crate) name: &'static str,
    pub(crate) when: When,
    check: fn(&Scene<'_>) -> Result<(), String>,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

const fn always(name: &'static str, check: fn(&Scene<'_>) -> Result<(), String>) -> Invariant {
    Invariant { name, when: When::Always, check }
}

const fn at_rest(name: &'static str, check: fn(&Scene<'_>) -> Result<(), String>) -> Invariant {
    Invariant { name, when: When::AtRest, check }
}

/// Every invariant.
pub(crate) const ALL: &[Invariant] = &[
    always("nobody's child", somebody_is_responsible),
    always("responsibility moves by an accept alone", only_an_accept_moves),
    always("a hand-over is accepted once", accepted_once),
    always("the originating copy is a beginning of the sequencer's", prefix),
    always("a copy only grows", copies_grow),
    always("what was promised is kept", promises_are_kept),
    always("no entry stands twice", no_entry_twice),
    always("no fork, no refused delivery", no_fork),
    always("nobody who lost nothing is suspended", nobody_is_suspended),
    always("what is owed is in the outbox", owed_is_queued),
    at_rest("copies are equal", copies_are_equal),
    at_rest("the outbox is empty, and what was given up was superseded", outbox_is_empty),
    at_rest("each ledger verifies offline", verifies_offline),
];

/// Asks every invariant of that moment.
pub(crate) fn check(when: When, scene: &Scene<'_>) -> Result<(), Broken> {
    let mut asked = ALL.iter().filter(|invariant| invariant.when == When::Always || when == When::AtRest);
    asked.try_for_each(|invariant| invariant.ask(scene))
}

impl Invariant {
    /// Says whether it holds.
    pub(crate) fn ask(&self, scene: &Scene<'_>) -> Result<(), Broken> {
        (self.check)(scene).map_err(|what| Broken { invariant: self.name, what })
    }
}

fn holds(condition: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(what()) }
}

/// No instant at which both copies of a ledger say "the other", and none at which all who ever had a child say so.
fn somebody_is_responsible(scene: &Scene<'_>) -> Result<(), String> {
    for (transfer, originating, sequencer) in scene.now.pairs() {
        let gave_up = originating.is_some_and(|copy| copy.ledger.responsible() != copy.key.hosted);
        let took = sequencer.is_some_and(|copy| copy.ledger.responsible() == copy.key.hosted);
        holds(!gave_up || took, || format!("both copies of {transfer} say that the other is responsible"))?;
    }
    let mut holders: BTreeMap<ResponsibilityId, bool> = BTreeMap::new();
    for (code, books) in &scene.now.0 {
        for (responsibility, newest) in newest_of_each(books) {
            let mine = newest.ledger.responsible() == *code;
            *holders.entry(responsibility).or_default() |= mine;
        }
        // Who offers has the child at least until the offer is in a ledger.
        for offer in books.proposals.iter().filter(|proposal| proposal.kind == EntryType::Offer) {
            holders.insert(offer.entry.header().responsibility.id, true);
        }
    }
    let nobodys = holders.into_iter().find(|(_, held)| !held);
    nobodys.map_or(Ok(()), |(id, _)| Err(format!("nobody says \"mine\" of the responsibility {id}")))
}

/// For each responsibility, the authority's copy that says most about it.
fn newest_of_each(books: &Books) -> BTreeMap<ResponsibilityId, &Copy> {
    let weight =
        |copy: &Copy| (copy.ledger.terms.responsibility.epoch, copy.ledger.state.acceptance().is_some());
    let mut newest: BTreeMap<ResponsibilityId, &Copy> = BTreeMap::new();
    for copy in books.copies.values() {
        let held = newest.entry(copy.ledger.terms.responsibility.id).or_insert(copy);
        if weight(copy) > weight(held) {
            *held = copy;
        }
    }
    newest
}

fn only_an_accept_moves(scene: &Scene<'_>) -> Result<(), String> {
    for copy in scene.now.copies() {
        let (told, proven) = (copy.ledger.responsible(), copy.responsible_by_entries());
        holds(told == proven, || {
            format!("{} says that {told} is responsible, its entries say {proven}", place(copy))
        })?;
    }
    Ok(())
}

fn accepted_once(scene: &Scene<'_>) -> Result<(), String> {
    let mut accepted = BTreeMap::new();
    for copy in scene.now.copies().filter(|copy| copy.ledger.state.acceptance().is_some()) {
        let responsibility = copy.ledger.terms.responsibility;
        let epoch = (responsibility.id, responsibility.epoch);
        let other = accepted.insert(epoch, copy.key.transfer);
        holds(other.is_none_or(|other| other == copy.key.transfer), || {
            format!("epoch {} of {} was accepted in two transfers", epoch.1, epoch.0)
        })?;
    }
    Ok(())
}

fn prefix(scene: &Scene<'_>) -> Result<(), String> {
    for (transfer, originating, sequencer) in scene.now.pairs() {
        let Some(originating) = originating else { continue };
        let ordered = sequencer.map_or(&[][..], |copy| &copy.entries[..]);
        let begins = originating.entries.len() <= ordered.len()
            && originating.entries.iter().zip(ordered).all(|(ours, theirs)| ours.header == theirs.header);
        holds(begins, || format!("{transfer}: the originating copy holds what the sequencer's does not"))?;
    }
    Ok(())
}

fn copies_grow(scene: &Scene<'_>) -> Result<(), String> {
    for copy in scene.before.copies() {
        let now = scene.now.copy(copy.key.hosted, copy.key.transfer);
        let entries = now.map_or(&[][..], |now| &now.entries[..]);
        let kept = copy.entries.len() <= entries.len()
            && copy.entries.iter().zip(entries).all(|(then, now)| {
                then.header == now.header && then.body == now.body && (now.vouched || !then.vouched)
            });
        holds(kept, || format!("{} lost what it held", place(copy)))?;
    }
    for copy in scene.now.copies() {
        let newest = copy.entries.last().map(|entry| entry.header);
        let whole = copy.entries.len() as u64 == copy.ledger.head.sequence + 1
            && newest == Some(copy.ledger.head.header_digest);
        holds(whole, || format!("{}: its entries do not lead to its head", place(copy)))?;
    }
    Ok(())
}

fn promises_are_kept(scene: &Scene<'_>) -> Result<(), String> {
    for promised in &scene.history.decisions {
        let Some(books) = scene.now.0.get(&promised.by) else { continue };
        let in_ledger = books
            .copies
            .get(&promised.transfer)
            .is_some_and(|copy| copy.entries.iter().any(|entry| entry.id == promised.id));
        let mut waiting = books.proposals.iter().chain(&books.given_up);
        let waits = waiting.any(|proposal| proposal.id == promised.id);
        holds(in_ledger || waits || promised.dropped, || {
            format!("the decision {} of {} in {} is gone", promised.kind, promised.by, promised.transfer)
        })?;
    }
    for receipt in &scene.history.receipts {
        let copy = scene.now.copy(receipt.by, receipt.transfer);
        let place = usize::try_from(receipt.sequence).map_err(|error| error.to_string())?;
        let entry = copy.and_then(|copy| copy.entries.get(place));
        holds(entry.is_some_and(|entry| entry.header == receipt.header_digest), || {
            format!("{} gave a receipt for {}/{place} and does not hold it", receipt.by, receipt.transfer)
        })?;
    }
    Ok(())
}

fn no_entry_twice(scene: &Scene<'_>) -> Result<(), String> {
    for (code, books) in &scene.now.0 {
        // An id serves one decision of a pair; bodies are salted, so the same body is the same decision.
        let (mut ids, mut bodies) = (BTreeSet::new(), BTreeSet::new());
        for copy in books.copies.values() {
            for entry in &copy.entries {
                let new = ids.insert((copy.key.counterparty, entry.id)) & bodies.insert(entry.body);
                holds(new, || {
                    format!("{code} holds the {} {} of {} twice", entry.kind, entry.id, copy.key.transfer)
                })?;
            }
        }
    }
    Ok(())
}

fn no_fork(scene: &Scene<'_>) -> Result<(), String> {
    for copy in scene.now.copies() {
        holds(!copy.forked, || format!("{} is forked", place(copy)))?;
    }
    for (code, books) in &scene.now.0 {
        let refused = books.refused.first();
        holds(refused.is_none(), || format!("{code} refused a delivery: {refused:?}"))?;
    }
    Ok(())
}

fn nobody_is_suspended(scene: &Scene<'_>) -> Result<(), String> {
    for (code, books) in &scene.now.0 {
        holds(books.not_level.is_empty(), || format!("{code} appends nothing with {:?}", books.not_level))?;
    }
    Ok(())
}

/// Every decision that is not in the ledger, and every entry of the sequencer without the other party's receipt,
/// has its row.
fn owed_is_queued(scene: &Scene<'_>) -> Result<(), String> {
    for (code, books) in &scene.now.0 {
        let queued = |id| books.letters.iter().any(|letter| letter.id == id);
        for proposal in &books.proposals {
            holds(queued(proposal.id), || format!("{code}: nothing sends the decision {}", proposal.kind))?;
        }
        for copy in books.copies.values().filter(|copy| copy.is_sequencers()) {
            for entry in copy.entries.iter().filter(|entry| entry.author == *code && !entry.vouched) {
                holds(queued(entry.id), || format!("{}: nothing delivers the {}", place(copy), entry.kind))?;
            }
        }
    }
    Ok(())
}

fn copies_are_equal(scene: &Scene<'_>) -> Result<(), String> {
    for (transfer, originating, sequencer) in scene.now.pairs() {
        let headers = |copy: Option<&Copy>| {
            copy.map(|copy| copy.entries.iter().map(|entry| entry.header).collect::<Vec<_>>())
        };
        holds(headers(originating) == headers(sequencer), || {
            format!("the copies of {transfer} stay different")
        })?;
    }
    Ok(())
}

fn outbox_is_empty(scene: &Scene<'_>) -> Result<(), String> {
    for (code, books) in &scene.now.0 {
        for letter in &books.letters {
            holds(letter.dead, || format!("{code}: {:?} is never delivered: {letter:?}", letter.task))?;
            holds(letter.task == Task::Propose, || format!("{code}: a delivery was given up: {letter:?}"))?;
        }
        for proposal in &books.given_up {
            let copy = books.copies.get(&proposal.key.transfer);
            let explained = copy.is_some_and(|copy| superseded(scene, *code, copy, proposal.id));
            holds(explained, || {
                format!(
                    "{code}: the {} of {} was given up without a cause",
                    proposal.kind, proposal.key.transfer
                )
            })?;
        }
    }
    Ok(())
}

/// Whether the ledger came, after the decision was made, to where it is not allowed or not meant any more.
fn superseded(scene: &Scene<'_>, code: AuthorityCode, copy: &Copy, id: cme_spec::instant::EntryId) -> bool {
    let given_up = scene.now.0[&code].given_up.iter().find(|proposal| proposal.id == id);
    let Some(proposal) = given_up else { return false };
    let since = usize::try_from(proposal.entry.header().sequence).unwrap_or(usize::MAX);
    let kinds = copy.entries.iter().skip(since).map(|entry| entry.kind);
    needs_an_officer(proposal.kind, kinds)
        || states(scene, copy).iter().skip(since).any(|ledger| allows(ledger, proposal.kind, code).is_err())
}

/// The ledger after each of its entries, as its export has them.
fn states(scene: &Scene<'_>, copy: &Copy) -> Vec<Ledger> {
    let (hosted, transfer) = (copy.key.hosted, copy.key.transfer);
    let export = scene.exports.iter().find(|export| (export.0, export.1) == (hosted, transfer));
    let Some((_, _, text)) = export else { return Vec::new() };
    let Ok(json) = cme_spec::canonical::Json::decode(text.as_bytes(), &Limits::COLLECTION) else {
        return Vec::new();
    };
    let (mut states, mut ledger): (Vec<Ledger>, Option<Ledger>) = (Vec::new(), None);
    for json in json.member("entries").and_then(|entries| entries.items()).unwrap_or_default() {
        let Ok(entry) = cme_spec::entry::Entry::from_json(json) else { break };
        let Some(receipt) = entry.receipt_by(copy.ledger.terms.receiving) else { break };
        ledger = apply(ledger.as_ref(), &entry, receipt.content()).ok();
        states.extend(ledger.clone());
    }
    states
}

fn verifies_offline(scene: &Scene<'_>) -> Result<(), String> {
    let copies = scene.now.copies().count();
    holds(scene.exports.len() == copies, || "a copy was not exported".to_owned())?;
    for (code, transfer, text) in scene.exports {
        let file =
            LedgerFile::read(text.as_bytes()).map_err(|error| format!("{code}, {transfer}: {error}"))?;
        let proof = verify(&file, &example::directory())
            .map_err(|findings| format!("{code}, {transfer}: {findings:?}"))?;
        let copy = scene.now.copy(*code, *transfer).ok_or("an export of nothing")?;
        holds(proof.responsible == copy.responsible_by_entries(), || {
            format!("{code}, {transfer}: the proof says that {} is responsible", proof.responsible)
        })?;
        holds(proof.disputed.is_empty(), || format!("{code}, {transfer}: {:?}", proof.disputed))?;
    }
    Ok(())
}

fn place(copy: &Copy) -> String {
    format!("{}'s copy of {}", copy.key.hosted, copy.key.transfer)
}
