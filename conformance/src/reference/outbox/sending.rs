//! One letter: what is sent, and what the answer means.

use std::sync::Arc;

use crate::draft::Draft;
use crate::encoding::digest;
use crate::json::Json;
use crate::stages;
use crate::wire::{Request, Response};

use super::super::ledger::{Held, Key};
use super::super::{Fault, Peer, State, now};
use super::{Letter, Sent, Task};

/// Problems that end a delivery (section 9.5, class final).
const FINAL: [&str; 19] = [
    "malformed",
    "too-large",
    "limit-exceeded",
    "path-mismatch",
    "not-a-party",
    "type-unknown",
    "protocol-unsupported",
    "body-missing",
    "body-digest-mismatch",
    "body-invalid",
    "signature-invalid",
    "id-reused",
    "wrong-author",
    "receipt-missing",
    "receipt-invalid",
    "header-changed",
    "media-type",
    "answer-not-allowed",
    "notice-unknown",
];

impl Peer {
    /// Asks the sequencer to append a decision.
    pub(super) fn propose(self: &Arc<Self>, letter: &Letter) -> Sent {
        if !self.may_propose(&letter.key.0) {
            return Sent::Later(None);
        }
        let entry = match self.prepared(letter) {
            Ok(entry) => entry,
            Err(sent) => return sent,
        };
        let Some(response) = self.put_entry(letter, &entry) else { return Sent::Later(None) };
        let header = crate::draft::header_of(&entry);
        if matches!(response.status, 200 | 201) {
            let signed = Json::read(&response.content).unwrap_or(Json::Null);
            if !self.is_receipt_for(&letter.key.0, &signed, &header) && !self.is(Fault::TakesAnySuccess) {
                return Sent::Later(None);
            }
            if signed.text_at("/receipt/headerDigest") != Some(&digest(&header))
                && !self.is(Fault::TakesAnySuccess)
            {
                self.read_ledger(&letter.key);
                return Sent::Again;
            }
            let mut state = self.lock();
            self.take_own(&mut state, &letter.key, &entry, signed);
            return Sent::Done;
        }
        let name = crate::court::problem_of(&response).unwrap_or_default();
        match name.as_str() {
            "sequence-gap" if self.refill(&letter.key, &response) => {
                // The peer's head is evidence (RCV-009).
                self.read_ledger(&letter.key);
                Sent::Later(None)
            }
            "sequence-conflict" | "sequence-gap" | "forked" if !self.is(Fault::SendsWithoutReading) => {
                if self.read_ledger(&letter.key) > 0 { Sent::Again } else { Sent::Later(None) }
            }
            "not-allowed-in-stage" | "created-at-order" => {
                if self.read_ledger(&letter.key) > 0 {
                    Sent::Again
                } else {
                    Sent::Dead
                }
            }
            _ => self.told(&name, &response),
        }
    }

    /// Brings an entry of a ledger to the other party.
    pub(super) fn deliver(self: &Arc<Self>, letter: &Letter) -> Sent {
        let held = self.lock().ledgers.get(&letter.key).cloned();
        let Some(held) = held else { return Sent::Done };
        let of_id = |entry: &&Json| entry.text_at("/header/id") == Some(letter.id());
        let Some(entry) = held.entries.iter().find(of_id) else { return Sent::Done };
        let entry = if self.is(Fault::DeliversWithoutReceipts) { &letter.entry } else { entry };
        let Some(response) = self.put_entry(letter, entry) else { return Sent::Later(None) };
        let header = crate::draft::header_of(entry);
        if matches!(response.status, 200 | 201) {
            let signed = Json::read(&response.content).unwrap_or(Json::Null);
            if !self.is_receipt_for(&letter.key.0, &signed, &header) {
                return if self.is(Fault::TakesAnySuccess) { Sent::Done } else { Sent::Later(None) };
            }
            let mut state = self.lock();
            keep_receipt(&mut state, &letter.key, letter.id(), signed);
            return Sent::Done;
        }
        let name = crate::court::problem_of(&response).unwrap_or_default();
        match name.as_str() {
            "sequence-gap" => {
                self.refill(&letter.key, &response);
                Sent::Later(None)
            }
            // What the other party holds instead is evidence.
            "sequence-conflict" | "forked" => {
                self.read_ledger(&letter.key);
                Sent::Later(None)
            }
            "not-allowed-in-stage" | "created-at-order" => Sent::Dead,
            _ => self.told(&name, &response),
        }
    }

    /// Brings an entry of a branch to the other party, until it is taken or refused as of a forked ledger
    /// (RCV-016).
    pub(super) fn bring_branch(self: &Arc<Self>, letter: &Letter) -> Sent {
        let Some(response) = self.put_entry(letter, &letter.entry) else { return Sent::Later(None) };
        let forked = crate::court::problem_of(&response).as_deref() == Some("forked");
        let ends = forked && !self.is(Fault::TellsBranchesForEver);
        if ends || matches!(response.status, 200 | 201) { Sent::Done } else { Sent::Later(None) }
    }

    /// Sends what stands in no ledger, until it is stored there (NTC-007, QRY-017, QRY-018).
    pub(super) fn send_statement(self: &Arc<Self>, letter: &Letter) -> Sent {
        let (code, id) = &letter.key;
        let header = crate::draft::header_of(&letter.entry);
        let part = |name: &str| letter.entry.member(name).cloned().unwrap_or(Json::Null);
        let number = letter.entry.integer_at("/answer/number").unwrap_or_default();
        let (path, kind, value) = match letter.task {
            Task::Acknowledge => {
                (format!("/v1/notices/{id}/acknowledgement"), "acknowledgement", part("acknowledgement"))
            }
            Task::Ask => (format!("/v1/queries/{id}"), "", header),
            Task::Withdraw => (format!("/v1/queries/{id}"), "withdrawal", header),
            Task::Answer => (format!("/v1/queries/{id}/answers/{number}"), "answer", part("answer")),
            _ => (format!("/v1/notices/{id}"), "notice", header),
        };
        let mut document = letter.entry.clone();
        if letter.attempts > 0 && self.is(Fault::SignsNoticesAnew) && letter.task == Task::Tell {
            document.set("/header/createdAt", now());
            let signature = self.role.key.sign(&crate::draft::header_of(&document));
            document.set("/signature", signature);
        }
        let request = |target: String| {
            if letter.task == Task::Withdraw {
                return Request { method: "DELETE".into(), ..Request::get(target) };
            }
            Request::put(target, document.plain().into_bytes())
        };
        let Ok(response) = self.call(code, request, &path) else {
            let once = (letter.task == Task::Ask && self.is(Fault::AsksOnce))
                || (letter.task == Task::Answer && self.is(Fault::AnswersOnce))
                || self.is(Fault::TellsOnce);
            return if once { Sent::Dead } else { Sent::Later(None) };
        };
        if matches!(response.status, 200 | 201) {
            let signed = Json::read(&response.content).unwrap_or(Json::Null);
            let held = match letter.task {
                Task::Ask => self.keep_answers(&letter.key, &signed),
                _ => self.is_stored(code, &signed, (kind, id), &value),
            };
            return if held { Sent::Done } else { Sent::Later(None) };
        }
        let name = crate::court::problem_of(&response).unwrap_or_default();
        self.told(&name, &response)
    }

    /// What any other answer comes to.
    fn told(&self, name: &str, response: &Response) -> Sent {
        let refused = (400..500).contains(&response.status);
        if FINAL.contains(&name) || (refused && self.is(Fault::StopsAtAnyRefusal)) {
            return Sent::Dead;
        }
        Sent::Later(response.field("retry-after").and_then(|text| text.parse().ok()))
    }

    /// A decision as it has to be sent now: signed anew under its id where the ledger has moved on and the
    /// decision still stands (DLV-014).
    fn prepared(&self, letter: &Letter) -> Result<Json, Sent> {
        let mut state = self.lock();
        let kind = letter.entry.text_at("/header/type").unwrap_or_default().to_owned();
        let Some(held) = state.ledgers.get(&letter.key).cloned() else { return Ok(letter.entry.clone()) };
        let own = |entry: &Json| entry.text_at("/header/id") == Some(letter.id());
        if held.entries.iter().any(own) && !self.is(Fault::CountsProposals) {
            return Err(Sent::Done);
        }
        if !held.forks.is_empty() && !self.is(Fault::AppendsToForks) {
            return Err(Sent::Dead);
        }
        if letter.entry.text_at("/header/previous") == Some(&held.head_digest())
            || self.is(Fault::CountsProposals)
            || self.is(Fault::SendsWithoutReading)
        {
            return Ok(letter.entry.clone());
        }
        let decisive = ["accept", "decline", "redirect", "uphold", "outcome"];
        let since = held.entries.iter().skip(usize::try_from(letter.place()).unwrap_or(0));
        let decided = since
            .clone()
            .any(|entry| entry.text_at("/header/type").is_some_and(|kind| decisive.contains(&kind)));
        let allowed = stages::next(held.stage, &kind, held.acknowledged_anew).is_some();
        if (decided || !allowed) && !self.is(Fault::InsistsOnItsDecision) {
            return Err(Sent::Dead);
        }
        let mut draft: Draft = self.drafted(&held, &kind);
        draft.body = letter.entry.member("body").cloned().unwrap_or(Json::Null);
        if !self.is(Fault::TakesNewIds) {
            draft.header.set("/id", letter.id());
        }
        let entry = draft.sealed(self.signing());
        // Stored before it is sent, so that the same bytes come again.
        if let Some(stored) = state.letters.iter_mut().find(|other| other.id() == letter.id()) {
            let id = stored.entry.text_at("/header/id").unwrap_or_default().to_owned();
            stored.entry = entry.clone();
            stored.entry.set("/header/id", id);
        }
        Ok(entry)
    }

    fn put_entry(&self, letter: &Letter, entry: &Json) -> Option<Response> {
        let sequence = entry.integer_at("/header/sequence").unwrap_or_default();
        let path = format!("/v1/transfers/{}/entries/{sequence}", letter.key.1);
        let mut entry = entry.clone();
        if letter.task == Task::Propose {
            entry.remove("/receipts");
        }
        self.call(&letter.key.0, |target| Request::put(target, entry.plain().into_bytes()), &path).ok()
    }

    /// RCP-007.
    fn is_receipt_for(&self, by: &str, signed: &Json, header: &Json) -> bool {
        let receipt = signed.member("receipt").cloned().unwrap_or(Json::Null);
        let signature = signed.text_at("/signature").unwrap_or_default();
        let Ok(detached) = crate::jws::Detached::read(signature, "cme-receipt") else { return false };
        let Some(key) = self.key(by, &detached.kid) else { return false };
        receipt.text_at("/by") == Some(by)
            && receipt.at("/transfer") == header.at("/transfer")
            && receipt.at("/entryId") == header.at("/id")
            && detached.verify(&receipt, key.text_at("/publicKey").unwrap_or_default()).is_ok()
    }

    /// An own decision in its ledger, with the sequencer's receipt.
    fn take_own(&self, state: &mut State, key: &Key, entry: &Json, receipt: Json) {
        let header = crate::draft::header_of(entry);
        let stored = crate::draft::with_receipts(entry, vec![receipt]);
        let sequence = usize::try_from(header.integer_at("/sequence").unwrap_or_default()).unwrap_or(0);
        let held = state.ledgers.entry(key.clone()).or_insert_with(|| Held::begun(&header));
        if let Some(place) = held.entries.get_mut(sequence) {
            *place = stored;
        } else {
            held.entries.push(stored);
            self.advance(held, header.text_at("/type").unwrap_or_default());
        }
        state.changes.push(key.clone());
    }

    /// DLV-011: what the peer lacks goes first. Gives whether it lacks anything.
    fn refill(&self, key: &Key, response: &Response) -> bool {
        let problem = Json::read(&response.content).unwrap_or(Json::Null);
        let from = problem.integer_at("/head/sequence").map_or(0, |sequence| sequence + 1);
        let mut state = self.lock();
        let entries = state.ledgers.get(key).map(|held| held.entries.clone()).unwrap_or_default();
        let missing: Vec<Json> = entries.into_iter().skip(usize::try_from(from).unwrap_or(0)).collect();
        let lacks = !missing.is_empty() && !self.is(Fault::RefillsNothing);
        for entry in missing.into_iter().filter(|_| lacks) {
            let letter = Letter::new(key.clone(), entry, Task::Deliver, self.generation());
            if !state.letters.iter().any(|held| held.id() == letter.id()) {
                state.letters.push(letter);
            }
        }
        lacks
    }
}

fn keep_receipt(state: &mut State, key: &Key, id: &str, receipt: Json) {
    let Some(held) = state.ledgers.get_mut(key) else { return };
    let of_id = |entry: &&mut Json| entry.text_at("/header/id") == Some(id);
    let Some(entry) = held.entries.iter_mut().find(of_id) else { return };
    let mut receipts = entry.member("receipts").map(Json::items).unwrap_or_default().to_vec();
    let by = |one: &Json| one.text_at("/receipt/by").map(str::to_owned);
    if !receipts.iter().any(|held| by(held) == by(&receipt)) {
        receipts.push(receipt);
        entry.set("/receipts", receipts);
    }
}
