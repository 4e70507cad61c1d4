//! What an officer of the reference peer decides: the peer is its own adapter.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::adapter::{AdapterError, FORMAT, Line};
use crate::draft::{Draft, bodies, uuid};
use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::stages::{self, ORIGINATING, RECEIVING};

use super::ledger::{Held, Key};
use super::outbox::{Letter, Task};
use super::verifier::Verifier;
use super::{ENTRY_BYTES_MAX, Fault, Peer, State, body, now};

/// What receipts may need beside an entry, in bytes.
const RECEIPTS_BYTES: usize = 4_096;

/// What it can do on demand.
const ABILITIES: &[&str] = &[
    "seed directory",
    "trigger offer",
    "trigger decide",
    "trigger tell",
    "trigger ask",
    "trigger answer",
    "trigger withdraw-query",
    "seed child",
    "observe matches",
    "observe asked",
    "trigger acknowledge-notice",
    "observe transfer",
    "observe refused",
    "observe export",
    "observe verdict",
    "observe facts",
    "observe log",
    "process kill",
    "process start",
    "process backup",
    "process restore",
];

/// What an officer's wish comes to.
type Done = Result<Vec<(&'static str, Json)>, Stop>;

/// Why a wish is not fulfilled.
pub(super) enum Stop {
    Unsupported,
    Refused(&'static str),
    Failed(&'static str),
}

/// The adapter's end of the line.
pub(crate) struct Officer(pub(super) Arc<Peer>);

impl Line for Officer {
    fn exchange(&mut self, request: &Json) -> Result<Json, AdapterError> {
        let text = |path: &str| request.text_at(path).unwrap_or_default();
        let done = match (text("/verb"), text("/what")) {
            ("hello", _) => Ok(vec![
                ("format", FORMAT.into()),
                ("name", "reference peer".into()),
                ("can", ABILITIES.iter().map(|ability| Json::from(*ability)).collect::<Vec<_>>().into()),
            ]),
            ("seed", "directory") => self.0.take_issue(request.member("directory").unwrap_or(&Json::Null)),
            ("trigger", "offer") => self.0.offer(request),
            ("trigger", "decide") => self.0.decide(request),
            ("trigger", "ask") => self.0.ask(request),
            ("trigger", "answer") => {
                self.0.answer_again(text("/query"), text("/outcome"), request.text_at("/referredTo"))
            }
            ("trigger", "withdraw-query") => self.0.withdraw(text("/query")),
            ("seed", "child") => self.0.seed_child(request),
            ("observe", "matches") => Ok(vec![("matches", self.0.matches())]),
            ("observe", "asked") => Ok(vec![("asked", self.0.asked())]),
            ("trigger", "tell") => self.0.tell(request),
            ("trigger", "acknowledge-notice") => self.0.acknowledge(text("/notice"), text("/disposition")),
            ("observe", "transfer") => self.0.shown_to_officers(text("/transfer")),
            ("observe", "refused") => Ok(vec![("refused", self.0.dead_letters())]),
            ("observe", "verdict") => Ok(self.0.verdict(text("/export"), request)),
            ("observe", "export") => self.0.export(text("/transfer")),
            ("observe", "facts") => self.0.facts(request),
            ("observe", "log") => Ok(vec![("texts", vec![self.0.logged().into()].into())]),
            ("process", "kill") => {
                self.0.kill();
                Ok(Vec::new())
            }
            ("process", "start") => {
                self.0.revive();
                Ok(Vec::new())
            }
            ("process", "backup") => {
                self.0.back_up();
                Ok(Vec::new())
            }
            ("process", "restore") => self.0.restore(),
            ("stop", _) => Ok(Vec::new()),
            _ => Err(Stop::Unsupported),
        };
        let (result, members) = match done {
            Ok(members) => ("done", members),
            Err(Stop::Unsupported) => ("unsupported", Vec::new()),
            Err(Stop::Refused(reason)) => ("refused", vec![("reason", reason.into())]),
            Err(Stop::Failed(reason)) => ("failed", vec![("reason", reason.into())]),
        };
        let id = request.member("id").cloned().unwrap_or(Json::Null);
        let mut answer = Json::object([("id", id), ("result", result.into())]);
        for (name, value) in members {
            answer.set(&format!("/{name}"), value);
        }
        Ok(answer)
    }
}

impl Peer {
    /// The ledger of a transfer, whoever the other party is.
    fn held<'a>(state: &'a State, transfer: &str) -> Result<(Key, &'a Held), Stop> {
        let found = state.ledgers.iter().find(|((_, held), _)| held == transfer);
        let found = found.map(|(key, held)| (key.clone(), held));
        found.ok_or(Stop::Failed("there is no such transfer"))
    }

    /// Offers a child.
    fn offer(&self, wish: &Json) -> Done {
        let to = wish.text_at("/to").unwrap_or_default();
        let mut draft = Draft::offer(&self.role.code, to);
        draft.body = self.salted(wish);
        let urgent = wish.text_at("/clockClass") == Some("urgent") || is_at_risk(&draft.body);
        if urgent && !self.is(Fault::IgnoresRisks) {
            draft.header.set("/clockClass", "urgent");
        }
        if self.is(Fault::ReusesResponsibilities) {
            draft.header.set("/responsibility/id", "01936000-0000-7000-8000-000000000003");
        }
        if self.is(Fault::TakesRandomUuids) {
            let mut id = uuid();
            // The place of the version.
            id.replace_range(14..15, "4");
            draft.header.set("/id", id);
        }
        let mut state = self.lock();
        for name in ["precededBy", "supersedes", "successorOf"] {
            if let Some(transfer) = wish.text_at(&format!("/{name}")) {
                self.link(&state, &mut draft, name, transfer)?;
            }
        }
        let mut judged = draft.body.clone();
        if self.is(Fault::SendsAddresses) {
            judged.remove("/believedAddress");
        }
        if body::check(&judged, &draft.header, self.fault).is_err() && !self.is(Fault::SendsAnyBody) {
            return Err(Stop::Refused("the form is not filled in as it has to be"));
        }
        let entry = draft.sealed(self.signing());
        if !self.leaves_room(&entry) {
            return Err(Stop::Refused("the entry is too long"));
        }
        let transfer = entry.text_at("/header/transfer").unwrap_or_default().to_owned();
        state.letters.push(Letter::new(
            (to.to_owned(), transfer.clone()),
            entry,
            Task::Propose,
            self.generation(),
        ));
        drop(state);
        self.woken.notify_all();
        Ok(vec![("transfer", transfer.into())])
    }

    /// ENT-006, ENT-007, RCV-014 and RCV-015.
    fn link(&self, state: &State, draft: &mut Draft, name: &str, transfer: &str) -> Result<(), Stop> {
        let (key, held) = Self::held(state, transfer)?;
        if stages::is_undecided(held.stage) && name == "precededBy" && !self.is(Fault::OffersTwice) {
            return Err(Stop::Refused("the child is offered already"));
        }
        let listed = self.authority(&key.0).unwrap_or(Json::Null);
        let gone = listed.text_at("/availability") == Some("unavailable");
        if name == "supersedes" && !gone && !self.is(Fault::SupersedesAnybody) {
            return Err(Stop::Refused("the directory does not list that authority as unavailable"));
        }
        let newest = |entries: &[Json]| {
            let header = entries.last().map_or(Json::Null, crate::draft::header_of);
            let sequence = header.integer_at("/sequence").unwrap_or_default();
            Json::object([
                ("transfer", transfer.into()),
                ("sequence", sequence.into()),
                ("headerDigest", digest(&header).into()),
            ])
        };
        let own = if self.is(Fault::LinksTheOffer) { &held.entries[..1] } else { &held.entries[..] };
        let links = match (name, held.forks.first()) {
            ("successorOf", Some(_)) if self.is(Fault::NamesOneBranch) => {
                vec![newest(own), newest(own)].into()
            }
            ("successorOf", Some(branch)) => vec![newest(own), newest(branch)].into(),
            ("successorOf", None) => return Err(Stop::Refused("the ledger is not forked")),
            _ => newest(own),
        };
        draft.header.set(&format!("/{name}"), links);
        let mut responsibility = held.header(0).member("responsibility").cloned().unwrap_or(Json::Null);
        let accepted = held.responsible() == held.receiving;
        let more = i64::from(accepted || self.is(Fault::CountsEveryOffer));
        responsibility.set("/epoch", responsibility.integer_at("/epoch").unwrap_or_default() + more);
        if !self.is(Fault::LinksAnotherCase) {
            draft.header.set("/responsibility", responsibility);
        }
        Ok(())
    }

    /// Decides something in a transfer.
    fn decide(&self, wish: &Json) -> Done {
        let kind = wish.text_at("/type").unwrap_or_default();
        let transfer = wish.text_at("/transfer").unwrap_or_default();
        let mut state = self.lock();
        let (key, held) = Self::held(&state, transfer)?;
        let receiving = held.receiving == self.role.code;
        let foreign = if receiving { &ORIGINATING[..] } else { &RECEIVING[..] };
        if foreign.contains(&kind) || !held.forks.is_empty() && !self.is(Fault::AppendsToForks) {
            return Err(Stop::Refused("this party may not write that"));
        }
        if stages::next(held.stage, kind, held.acknowledged_anew).is_none() {
            return Err(Stop::Refused("the stage does not allow it"));
        }
        if receiving && !self.may_decide(&state, &key.0) {
            return Err(Stop::Refused("the two authorities have to reconcile first"));
        }
        let mut draft = self.drafted(held, kind);
        draft.body = self.salted(wish);
        let formed = body::check(&draft.body, &draft.header, self.fault).is_ok()
            || (kind == "outcome"
                && (self.is(Fault::AppendsOtherOutcomes) || self.is(Fault::SettlesOnItself)));
        let proven = kind != "outcome" || self.is_proven(held, &draft.body);
        let right = formed && proven;
        if !right && !self.is(Fault::SendsAnyBody) {
            return Err(Stop::Refused("the form is not filled in as it has to be"));
        }
        if self.is(Fault::SendsOnwardBodies) && draft.body.at("/outcome/onward").is_some() {
            draft.body.set("/outcome/onward/body", bodies::of("accept"));
            draft.body.remove("/outcome/onward/erasedAt");
        }
        let entry = draft.sealed(self.signing());
        if !self.leaves_room(&entry) {
            return Err(Stop::Refused("the entry is too long"));
        }
        if receiving {
            let header = crate::draft::header_of(&entry);
            self.append(&mut state, &key, &entry, &header);
            if !(self.is(Fault::DeliversNothing)) {
                state.letters.push(Letter::new(key, entry, Task::Deliver, self.generation()));
            }
        } else {
            if self.is(Fault::CountsProposals)
                && let Some(held) = state.ledgers.get_mut(&key)
            {
                held.entries.push(entry.clone());
                self.advance(held, kind);
            }
            state.letters.push(Letter::new(key, entry, Task::Propose, self.generation()));
        }
        drop(state);
        self.woken.notify_all();
        Ok(Vec::new())
    }

    /// The entry after the head, by this peer, without its body.
    pub(super) fn drafted(&self, held: &Held, kind: &str) -> Draft {
        let last = held.header(held.entries.len().saturating_sub(1));
        let mut draft = Draft { header: held.header(0), body: Json::Null };
        for member in ["precededBy", "supersedes", "successorOf"] {
            draft.header.remove(&format!("/{member}"));
        }
        let other = if held.receiving == self.role.code { &held.originating } else { &held.receiving };
        let sequence = last.integer_at("/sequence").unwrap_or_default() + 1;
        let before = last.text_at("/createdAt").unwrap_or_default();
        let now = now();
        let late = instant::read(before) > instant::read(&now);
        draft.header.set("/sequence", sequence);
        draft.header.set("/previous", digest(&last));
        draft.header.set("/id", uuid());
        draft.header.set("/type", kind);
        draft.header.set("/author", self.role.code.as_str());
        draft.header.set("/recipient", other.as_str());
        draft.header.set("/createdAt", if late { before.to_owned() } else { now });
        draft
    }

    /// CAN-010: whether receipts fit beside the entry, whoever is to take it.
    fn leaves_room(&self, entry: &Json) -> bool {
        entry.canonical().len() <= ENTRY_BYTES_MAX - RECEIPTS_BYTES || self.is(Fault::FillsEntriesUp)
    }

    /// The body of a wish with a salt.
    pub(super) fn salted(&self, wish: &Json) -> Json {
        let mut body = wish.member("body").cloned().unwrap_or(Json::Null);
        let same = Json::from("AAECAwQFBgcICQoLDA0ODw");
        body.set("/salt", if self.is(Fault::UsesOneSalt) { same } else { bodies::salt() });
        body
    }

    /// ENT-012 to ENT-014, as far as an officer's outcome needs evidence.
    fn is_proven(&self, held: &Held, body: &Json) -> bool {
        let kind = body.text_at("/outcome/kind").unwrap_or_default();
        let responsibility =
            |header: &Json, path: &str| header.at(&format!("/responsibility{path}")).cloned();
        match kind {
            "moved-on" => {
                let onward = body.at("/outcome/onward").cloned().unwrap_or(Json::Null);
                let header = crate::draft::header_of(&onward);
                let own = held.header(0);
                let epoch = own.integer_at("/responsibility/epoch").map(|epoch| epoch + 1);
                let fits = responsibility(&header, "/id") == responsibility(&own, "/id")
                    && header.integer_at("/responsibility/epoch") == epoch
                    && header.text_at("/type") == Some("accept")
                    && header.text_at("/recipient") == Some(&self.role.code);
                fits && self.verifies(&onward, &header) || self.is(Fault::MovesOnUnproven)
            }
            "duplicate" if self.is(Fault::SettlesOnItself) => true,
            "duplicate" => self.is_confirmed(body) || self.is(Fault::TakesAnyConfirmation),
            _ => true,
        }
    }

    /// Whether an accept carries its author's signature and its author's receipt.
    fn verifies(&self, entry: &Json, header: &Json) -> bool {
        let author = header.text_at("/author").unwrap_or_default();
        let by = |receipt: &&Json| receipt.text_at("/receipt/by") == Some(author);
        let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
        let Some(receipt) = receipts.iter().find(by) else { return false };
        let content = receipt.member("receipt").cloned().unwrap_or(Json::Null);
        content.text_at("/headerDigest") == Some(&digest(header))
            && self.holds(author, header, entry.text_at("/signature"), "cme-entry")
            && self.holds(author, &content, receipt.text_at("/signature"), "cme-receipt")
    }

    fn is_confirmed(&self, body: &Json) -> bool {
        let confirmation = body.at("/outcome/confirmation").cloned().unwrap_or(Json::Null);
        let head = confirmation.member("head").cloned().unwrap_or(Json::Null);
        let by = head.text_at("/by").unwrap_or_default();
        let about = ["transfer", "sequence", "headerDigest"]
            .iter()
            .all(|name| head.member(name) == body.at(&format!("/outcome/of/{name}")));
        let accepted = matches!(head.text_at("/stage"), Some("accepted" | "settled"));
        let responsible = if accepted { "/receiving" } else { "/originating" };
        about
            && head.text_at(responsible) == Some(by)
            && self.holds(by, &head, confirmation.text_at("/signature"), "cme-head")
    }

    pub(super) fn holds(&self, code: &str, value: &Json, signature: Option<&str>, typ: &str) -> bool {
        let read = signature.and_then(|text| crate::jws::Detached::read(text, typ).ok());
        read.is_some_and(|detached| {
            let key = self.key(code, &detached.kid);
            let public = key.and_then(|key| key.text_at("/publicKey").map(str::to_owned));
            public.is_some_and(|public| detached.verify(value, &public).is_ok())
        })
    }

    /// What the verifier makes of an export.
    fn verdict(&self, export: &str, wish: &Json) -> Vec<(&'static str, Json)> {
        let directory = wish.member("directory").cloned().unwrap_or(Json::Null);
        let export = Json::read(export.as_bytes()).unwrap_or(Json::Null);
        let (findings, mut proof) = Verifier::verdict(&export, &directory, self.fault);
        if self.is(Fault::DatesItsVerdict) && proof != Json::Null {
            proof.set("/spans/0/until", now());
        }
        let mut verdict = vec![("findings", findings.into()), ("proof", proof.clone())];
        if let Some(second) = wish.text_at("/second") {
            let second = Json::read(second.as_bytes()).unwrap_or(Json::Null);
            let (_, other) = Verifier::verdict(&second, &directory, self.fault);
            verdict.push(("offeredTwice", self.offered_twice(&proof, &other)));
        }
        verdict
    }

    /// VER-008: who offered, where two ledgers hold an accept of one responsibility and one epoch.
    fn offered_twice(&self, one: &Json, other: &Json) -> Json {
        let same = one.member("responsibility") == other.member("responsibility")
            || self.is(Fault::CountsEveryTransfer);
        let accepted = [one, other].iter().all(|proof| proof.at("/passed/at").is_some());
        let twice = same && accepted && one.member("transfer") != other.member("transfer");
        let named = [one, other].into_iter().filter(|_| twice && !self.is(Fault::NamesNobodyTwice));
        let named = named.map(|proof| proof.member("originating").cloned().unwrap_or(Json::Null));
        named.collect::<Vec<_>>().into()
    }

    /// The process ends at once; what is on its disk stays.
    fn kill(&self) {
        self.down.store(true, Ordering::SeqCst);
        let mut state = self.lock();
        if self.is(Fault::ForgetsItsOutbox) {
            state.letters.retain(|letter| letter.task == Task::Propose);
        }
        if self.is(Fault::LosesTheNewest)
            && let Some(key) = state.changes.pop()
            && let Some(held) = state.ledgers.get_mut(&key)
        {
            held.entries.pop();
            if held.entries.is_empty() {
                state.ledgers.remove(&key);
            }
        }
    }

    /// The process starts from what is on its disk.
    fn revive(&self) {
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        self.look_at_the_issue_in_place();
        let mut state = self.lock();
        for letter in &mut state.letters {
            letter.generation = generation;
            letter.due = Instant::now();
            if letter.was_sent() && self.is(Fault::SignsAnewAfterACrash) {
                let body = letter.entry.member("body").cloned().unwrap_or(Json::Null);
                let mut draft = Draft { header: crate::draft::header_of(&letter.entry), body };
                draft.header.set("/id", uuid());
                letter.entry = draft.sealed(&self.role.key);
            }
            letter.sending = false;
        }
        state.wants_every_partner();
        drop(state);
        self.down.store(false, Ordering::SeqCst);
        self.woken.notify_all();
    }
}

/// ENT-008.
fn is_at_risk(body: &Json) -> bool {
    let risks = body.member("risks").map(Json::items).unwrap_or_default();
    let risk = risks.iter().any(|risk| *risk != "previously-known-to-social-care".into());
    let care = matches!(
        body.text_at("/circumstances/socialCare"),
        Some("child-in-need-plan" | "section-47" | "child-protection-plan" | "looked-after")
    );
    risk || care || body.text_at("/circumstances/locationSensitivity") != Some("standard")
}
