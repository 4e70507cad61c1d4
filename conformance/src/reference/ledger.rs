//! Steps 7 to 11 of section 9.4: the id, the place, receipts, the rules, and the entry in the ledger.

use std::sync::Arc;
use std::time::Instant;

use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::jws::Detached;
use crate::stages::{self, RECEIVING};
use crate::world::CLOCK_SKEW_SECONDS_MAX;

use super::{Fault, Outcome, Peer, Refusal, State, now};

/// Names a ledger: the other party, and the transfer.
pub(super) type Key = (String, String);

/// A ledger that is held.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) originating: String,
    pub(super) receiving: String,
    /// Entries with the sequencer's receipt first.
    pub(super) entries: Vec<Json>,
    /// Further branches, each from where it parts.
    pub(super) forks: Vec<Vec<Json>>,
    pub(super) stage: &'static str,
    /// Whether the ledger was acknowledged after it was contested.
    pub(super) acknowledged_anew: bool,
    /// Newest signed head by the other party.
    pub(super) peer_head: Json,
    pub(super) begun: Instant,
}

impl Held {
    /// A ledger that an offer with that header begins; no entry is in it yet.
    pub(super) fn begun(header: &Json) -> Self {
        let party = |path: &str| header.text_at(path).unwrap_or_default().to_owned();
        Self {
            originating: party("/author"),
            receiving: party("/recipient"),
            entries: Vec::new(),
            forks: Vec::new(),
            stage: "offered",
            acknowledged_anew: false,
            peer_head: Json::Null,
            begun: Instant::now(),
        }
    }

    pub(super) fn header(&self, sequence: usize) -> Json {
        self.entries.get(sequence).map_or(Json::Null, crate::draft::header_of)
    }

    pub(super) fn head_digest(&self) -> String {
        digest(&self.header(self.entries.len().saturating_sub(1)))
    }

    /// The newest sequence and its header's digest.
    pub(super) fn head(&self) -> Json {
        let sequence = i64::try_from(self.entries.len()).unwrap_or_default() - 1;
        Json::object([("sequence", sequence.into()), ("headerDigest", self.head_digest().into())])
    }

    pub(super) fn receipt(&self, sequence: usize) -> Json {
        self.entries.get(sequence).and_then(|entry| entry.at("/receipts/0")).cloned().unwrap_or(Json::Null)
    }

    /// The receipt by that party, where it is held.
    pub(super) fn receipt_by(&self, sequence: usize, code: &str) -> Option<&Json> {
        let receipts = self.entries.get(sequence)?.member("receipts")?.items();
        receipts.iter().find(|receipt| receipt.text_at("/receipt/by") == Some(code))
    }

    /// The party that has accepted, or the one that offered.
    pub(super) fn responsible(&self) -> &str {
        let accepted = |entry: &Json| entry.text_at("/header/type") == Some("accept");
        let branches = self.forks.iter().flatten();
        if self.entries.iter().chain(branches).any(accepted) { &self.receiving } else { &self.originating }
    }
}

impl Peer {
    pub(super) fn key_of(&self, caller: &str, header: &Json) -> Key {
        let transfer = header.text_at("/transfer").unwrap_or_default().to_owned();
        let party = if self.is(Fault::KeysByTransferAlone) { String::new() } else { caller.to_owned() };
        (party, transfer)
    }

    /// The ledger that a read names.
    pub(super) fn ledger_of(&self, caller: &str, transfer: &str) -> Key {
        self.key_of(caller, &Json::object([("transfer", transfer.into())]))
    }

    /// The place alone, where a fault looks at it before anything else.
    pub(super) fn place_alone(self: &Arc<Self>, caller: &str, header: &Json) -> Result<(), Refusal> {
        let state = self.lock();
        place(self, state.ledgers.get(&self.key_of(caller, header)), header)
    }

    /// Judges an entry that has come through the steps before, and keeps it.
    pub(super) fn judge(self: &Arc<Self>, caller: &str, entry: &Json, header: &Json) -> Outcome {
        let key = self.key_of(caller, header);
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(repeat) = self.repeated(state, &key, entry, header)? {
            return Ok((200, repeat));
        }
        if state.ledgers.get(&key).is_some_and(|held| held.originating == self.role.code) {
            return self.take_delivery(state, &key, entry, header);
        }
        let outcome = self.rule((state, &key), caller, entry, header);
        match &outcome {
            Ok(()) => {}
            Err(refusal) => {
                let gap = refusal.name == "sequence-gap" && !self.is(Fault::ReadsNothing);
                if self.is(Fault::StoresRefused)
                    && ["created-at-skew", "not-allowed-in-stage"].contains(&refusal.name)
                {
                    self.append(state, &key, entry, header);
                }
                if gap {
                    self.read_ledger_of(caller, &key);
                }
                if refusal.name == "pair-suspended" {
                    state.pairs.wants(caller);
                    self.woken.notify_all();
                }
            }
        }
        outcome?;
        if let Some(own) = self.own_receipt(entry).filter(|_| !self.is(Fault::TakesAnyReceipt)) {
            self.take_back(state, &key, entry, header);
            return Ok((201, own));
        }
        Ok((201, self.append(state, &key, entry, header)))
    }

    /// Step 7.
    fn repeated(
        &self,
        state: &State,
        key: &Key,
        entry: &Json,
        header: &Json,
    ) -> Result<Option<Json>, Refusal> {
        let id = header.text_at("/id");
        let held = state.ledgers.get(key);
        let same_header = |held: &super::Held| {
            let own = digest(header);
            held.entries.iter().position(|entry| digest(&crate::draft::header_of(entry)) == own)
        };
        if let Some((held, at)) = held.and_then(|held| Some((held, same_header(held)?))) {
            if self.is(Fault::RefusesRepeats) {
                return Err(Refusal::new("sequence-conflict").with("head", held.head()));
            }
            let comes_back = !entry.member("receipts").map(Json::items).unwrap_or_default().is_empty();
            let anew = self.is(Fault::ReceiptsAnew) || (self.is(Fault::ReceiptsOwnAnew) && comes_back);
            let lost = self.is(Fault::LosesErased) && entry.member("body") == Some(&Json::Null);
            if lost {
                return Err(Refusal::new("receipt-missing"));
            }
            let own = held.receipt_by(at, &self.role.code).cloned();
            return Ok(Some(own.filter(|_| !anew).unwrap_or_else(|| self.receipt(header, None))));
        }
        let of_id =
            |held: &super::Held| held.entries.iter().position(|entry| entry.text_at("/header/id") == id);
        if let Some((held, at)) = held.and_then(|held| Some((held, of_id(held)?))) {
            let stored = held.header(at);
            let same = ["/type", "/bodyDigest"].iter().all(|path| stored.at(path) == header.at(path));
            if !same {
                return Err(Refusal::new("id-reused"));
            }
            if !self.is(Fault::ForgetsIds) {
                return Ok(Some(held.receipt(at)));
            }
        }
        let elsewhere = state.ledgers.iter().any(|(other, held)| other != key && of_id(held).is_some());
        if elsewhere { Err(Refusal::new("id-reused")) } else { Ok(None) }
    }

    /// Steps 8 to 10.
    pub(super) fn rule(
        &self,
        (state, key): (&State, &Key),
        caller: &str,
        entry: &Json,
        header: &Json,
    ) -> Result<(), Refusal> {
        let held = state.ledgers.get(key);
        place(self, held, header)?;
        self.receipts(caller, entry, header)?;
        let delivered = entry.member("receipts").is_some_and(|receipts| !receipts.items().is_empty());
        self.suspended(state, caller, delivered)?;
        let kind = header.text_at("/type").unwrap_or_default();
        if RECEIVING.contains(&kind) && !self.is(Fault::LetsAnybodyWrite) {
            return Err(Refusal::new("wrong-author"));
        }
        self.fixed_members(held, header)?;
        self.stage(held, kind)?;
        self.times(held, header)?;
        if held.is_some() {
            return Ok(());
        }
        self.validity(caller)?;
        // DIR-008
        let shares = state.ledgers.keys().any(|(party, _)| party == caller);
        let strange = !shares && self.is_past_grace();
        if strange && !self.is(Fault::ForgetsExpiry) { Err(Refusal::new("unavailable")) } else { Ok(()) }
    }

    /// Step 9, of an entry that the originating authority sends.
    fn receipts(&self, caller: &str, entry: &Json, header: &Json) -> Result<(), Refusal> {
        let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
        let from_caller = header.text_at("/author") == Some(caller);
        if self.is(Fault::TakesAnyReceipt) && receipts.iter().any(|receipt| self.is_own(receipt)) {
            return Ok(());
        }
        for receipt in receipts {
            let by = receipt.text_at("/receipt/by").unwrap_or_default();
            let fits = [("/transfer", "/transfer"), ("/entryId", "/id"), ("/sequence", "/sequence")]
                .iter()
                .all(|(named, held)| receipt.at(&format!("/receipt{named}")) == header.at(held))
                && receipt.text_at("/receipt/headerDigest") == Some(&digest(header));
            let party = by == caller || by == self.role.code;
            let signature = receipt.text_at("/signature").unwrap_or_default();
            let detached =
                Detached::read(signature, "cme-receipt").map_err(|_| Refusal::new("receipt-invalid"))?;
            let key = self.key(by, &detached.kid).ok_or(Refusal::new("key-unknown"))?;
            let content = receipt.member("receipt").cloned().unwrap_or(Json::Null);
            let verified = detached.verify(&content, key.text_at("/publicKey").unwrap_or_default());
            if !party || !fits || verified.is_err() {
                return Err(Refusal::new("receipt-invalid"));
            }
        }
        let own = receipts.iter().any(|receipt| self.is_own(receipt));
        let lacks = !own && (!receipts.is_empty() || !from_caller);
        if lacks && !self.is(Fault::TakesCounterReceiptsAlone) {
            return Err(Refusal::new("receipt-missing"));
        }
        Ok(())
    }

    fn is_own(&self, receipt: &Json) -> bool {
        receipt.text_at("/receipt/by") == Some(&self.role.code)
    }

    /// ENT-004.
    pub(super) fn fixed_members(&self, held: Option<&Held>, header: &Json) -> Result<(), Refusal> {
        let links =
            ["precededBy", "supersedes", "successorOf"].iter().filter(|name| header.member(name).is_some());
        let links = links.count();
        let kind = header.text_at("/type");
        let misplaced = links > 1 || (links == 1 && kind != Some("offer"));
        let offer = held.map(|held| held.header(0));
        let differs = |path: &str| offer.as_ref().is_some_and(|offer| offer.at(path) != header.at(path));
        let changed = differs("/protocol")
            || (differs("/responsibility") && !self.is(Fault::TakesOtherResponsibility))
            || (differs("/clockClass") && !self.is(Fault::TakesOtherClockClass));
        if changed || (misplaced && !self.is(Fault::TakesLinksAnywhere)) {
            return Err(Refusal::new("header-changed"));
        }
        Ok(())
    }

    /// LED-006.
    pub(super) fn stage(&self, held: Option<&Held>, kind: &str) -> Result<(), Refusal> {
        let Some(held) = held else {
            let fits = kind == "offer" || self.is(Fault::TakesAnyFirstEntry);
            return if fits { Ok(()) } else { Err(Refusal::new("not-allowed-in-stage")) };
        };
        let stage = self.stage_of(held);
        let lets = RECEIVING.contains(&kind) && self.is(Fault::LetsAnybodyWrite);
        let allowed = lets || stages::next(stage, kind, held.acknowledged_anew).is_some();
        if allowed || self.is(Fault::AllowsAnyStage) {
            Ok(())
        } else {
            Err(Refusal::new("not-allowed-in-stage").with("stage", stage))
        }
    }

    /// The stage, or what a fault makes of it.
    pub(super) fn stage_of(&self, held: &Held) -> &'static str {
        if self.is(Fault::ActsOnSilence) && held.begun.elapsed().as_millis() > 250 {
            return "withdrawn";
        }
        held.stage
    }

    /// RCP-010 and RCP-011.
    pub(super) fn times(&self, held: Option<&Held>, header: &Json) -> Result<(), Refusal> {
        let text = header.text_at("/createdAt").unwrap_or_default();
        let at = instant::read(text).unwrap_or_default();
        if let Some(held) = held {
            let before = held.header(held.entries.len().saturating_sub(1));
            let before = before.text_at("/createdAt").unwrap_or_default();
            let early = if self.is(Fault::ComparesTimesAsText) {
                text < before
            } else {
                instant::read(before).is_some_and(|before| at < before)
            };
            if early && !self.is(Fault::TakesDisorder) {
                return Err(Refusal::new("created-at-order"));
            }
        }
        let allowed = if self.is(Fault::AllowsNoSkew) { 0 } else { CLOCK_SKEW_SECONDS_MAX };
        let ahead = at > instant::in_seconds(allowed) && !self.is(Fault::TakesTheFuture);
        let old = self.is(Fault::RefusesTheOld) && at < instant::in_seconds(-7 * 86_400);
        if ahead || old { Err(Refusal::new("created-at-skew")) } else { Ok(()) }
    }

    /// DIR-011.
    fn validity(&self, caller: &str) -> Result<(), Refusal> {
        let authority = self.authority(caller).unwrap_or(Json::Null);
        let today = instant::date(0);
        let ended = authority.text_at("/validTo").is_some_and(|last| last < today.as_str());
        let to_come = authority.text_at("/validFrom").is_some_and(|first| first > today.as_str());
        let refused = (ended && !self.is(Fault::TakesEndedAuthorities))
            || (to_come && !self.is(Fault::TakesAuthoritiesToCome));
        if refused { Err(Refusal::new("not-a-party")) } else { Ok(()) }
    }

    /// The entry in its ledger, and the receipt for it.
    pub(super) fn append(&self, state: &mut State, key: &Key, entry: &Json, header: &Json) -> Json {
        let before = state.ledgers.get(key).and_then(|held| {
            held.receipt(held.entries.len().saturating_sub(1))
                .text_at("/receipt/receivedAt")
                .map(str::to_owned)
        });
        let count = state.ledgers.get(key).map_or(0, |held| held.entries.len());
        let receipt = if self.is(Fault::GoesBackInTime) {
            let ago = i64::try_from(count).unwrap_or_default();
            self.receipt(header, Some(instant::written(instant::in_seconds(-10 * ago))))
        } else {
            let now = now();
            self.receipt(header, Some(before.filter(|before| *before > now).unwrap_or(now)))
        };
        let stored = crate::draft::with_receipts(entry, vec![receipt.clone()]);
        let kind = header.text_at("/type").unwrap_or_default();
        let held = state.ledgers.entry(key.clone()).or_insert_with(|| Held::begun(header));
        if self.is(Fault::OverwritesHeads)
            && header.integer_at("/sequence") == i64::try_from(count).ok().map(|count| count - 1)
        {
            held.entries.pop();
        }
        held.entries.push(stored);
        self.advance(held, kind);
        if !(self.is(Fault::ListsOnce) && state.changes.contains(key)) {
            state.changes.push(key.clone());
        }
        receipt
    }

    /// The stage after an entry that has been taken.
    pub(super) fn advance(&self, held: &mut Held, kind: &str) {
        match kind {
            "withdraw" if self.is(Fault::NeverWithdraws) => {}
            "correct" if self.is(Fault::ReopensByCorrection) => held.stage = "offered",
            _ => held.stage = stages::next(held.stage, kind, held.acknowledged_anew).unwrap_or(held.stage),
        }
        held.acknowledged_anew |= kind == "acknowledge" && held.stage == "contested";
    }

    pub(super) fn receipt(&self, header: &Json, at: Option<String>) -> Json {
        let part = |path: &str| header.at(path).cloned().unwrap_or(Json::Null);
        let receipt = Json::object([
            ("transfer", part("/transfer")),
            ("sequence", part("/sequence")),
            ("entryId", part("/id")),
            ("headerDigest", self.digest(header).into()),
            ("receivedAt", at.unwrap_or_else(now).into()),
            ("by", self.role.code.as_str().into()),
            ("incarnation", self.incarnation().into()),
            ("directoryIssue", self.issue().into()),
        ]);
        self.signed("receipt", receipt)
    }
}

/// Step 8.
fn place(peer: &Peer, held: Option<&Held>, header: &Json) -> Result<(), Refusal> {
    if peer.is(Fault::AppendsAnywhere) {
        return Ok(());
    }
    let sequence = header.integer_at("/sequence").unwrap_or_default();
    let next = held.map_or(0, |held| i64::try_from(held.entries.len()).unwrap_or_default());
    let head = held.map_or(Json::Null, Held::head);
    let overwrites = peer.is(Fault::OverwritesHeads) && sequence == next - 1 && sequence > 0;
    if sequence > next {
        return Err(Refusal::new("sequence-gap").with("head", head));
    }
    if sequence < next && !overwrites {
        return Err(Refusal::new("sequence-conflict").with("head", head));
    }
    let previous = held.map(|held| Json::from(held.head_digest()));
    let follows = previous.is_none_or(|previous| header.member("previous") == Some(&previous));
    if follows || overwrites || peer.is(Fault::IgnoresPrevious) {
        Ok(())
    } else {
        Err(Refusal::new("sequence-conflict").with("head", head))
    }
}
