//! Restores, and what the reference peer knows of others' memory (section 11).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::encoding::digest;
use crate::json::Json;
use crate::wire::Request;

use super::ledger::Key;
use super::office::Stop;
use super::outbox::{Letter, Task};
use super::{Fault, INCARNATION, Peer, Refusal, State};

/// Pause between two rounds with one authority, and how often it is doubled.
const PAUSE: Duration = Duration::from_millis(60);
const DOUBLINGS_MAX: u32 = 4;

/// Most pages of heads that are read.
const PAGES_MAX: usize = 100;

/// The authorities that ledgers are shared with.
#[derive(Clone, Default)]
pub(super) struct Pairs {
    /// The incarnation under which each was last reconciled with, where it is not the first.
    reconciled: BTreeMap<String, i64>,
    /// Those whose heads contradict what they signed before, or this copy.
    doubted: BTreeSet<String>,
    /// Those to be reconciled with.
    rounds: BTreeMap<String, Round>,
}

#[derive(Clone)]
struct Round {
    due: Instant,
    failures: u32,
    under_way: bool,
    /// Whether heads are read even where the digests agree.
    heads: bool,
}

impl Pairs {
    /// That authority is to be reconciled with.
    pub(super) fn wants(&mut self, code: &str) {
        let round = || Round { due: Instant::now(), failures: 0, under_way: false, heads: false };
        self.rounds.entry(code.to_owned()).or_insert_with(round);
    }

    /// The same, and its heads are read whatever its digest is.
    pub(super) fn wants_heads(&mut self, code: &str) {
        self.wants(code);
        if let Some(round) = self.rounds.get_mut(code) {
            (round.heads, round.due) = (true, Instant::now());
        }
    }
}

impl State {
    /// Every authority that a ledger is shared with is to be reconciled with.
    pub(super) fn wants_every_partner(&mut self) {
        self.pairs.rounds.clear();
        let partners: BTreeSet<String> = self.ledgers.keys().map(|(code, _)| code.clone()).collect();
        for code in &partners {
            self.pairs.wants(code);
        }
    }
}

impl Peer {
    pub(super) fn back_up(&self) {
        *self.backup.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.lock().clone());
    }

    /// The process ends, and starts from what was backed up (RCV-001).
    pub(super) fn restore(&self) -> Result<Vec<(&'static str, Json)>, Stop> {
        let backup = self.backup.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let backup = backup.ok_or(Stop::Failed("nothing was backed up"))?;
        self.down.store(true, Ordering::SeqCst);
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        if !self.is(Fault::KeepsItsIncarnation) {
            self.incarnation.fetch_add(1, Ordering::SeqCst);
        }
        let mut state = self.lock();
        *state = backup;
        for letter in &mut state.letters {
            (letter.generation, letter.due, letter.sending) = (generation, Instant::now(), false);
        }
        state.wants_every_partner();
        drop(state);
        self.down.store(false, Ordering::SeqCst);
        self.woken.notify_all();
        Ok(Vec::new())
    }

    fn is_restored(&self, state: &State, code: &str) -> bool {
        state.pairs.reconciled.get(code).copied().unwrap_or(INCARNATION) < self.incarnation()
    }

    fn is_doubted(&self, state: &State, code: &str) -> bool {
        let anybody = self.is(Fault::SuspendsEverybody) && !state.pairs.doubted.is_empty();
        anybody || state.pairs.doubted.contains(code)
    }

    /// Step 9: whether what a caller puts has to wait until the two have reconciled (RCV-008 to RCV-010).
    pub(super) fn suspended(&self, state: &State, caller: &str, delivered: bool) -> Result<(), Refusal> {
        let restored = self.is_restored(state, caller) && !self.is(Fault::TakesBeforeReconciling);
        let waits = !delivered || self.is(Fault::TakesNoDeliveriesMeanwhile);
        if waits && (restored || self.is_doubted(state, caller)) {
            return Err(Refusal::new("pair-suspended"));
        }
        Ok(())
    }

    /// Whether this peer may append a decision of its own to the ledgers that it orders.
    pub(super) fn may_decide(&self, state: &State, code: &str) -> bool {
        (!self.is_restored(state, code) || self.is(Fault::DecidesBeforeReconciling))
            && (!self.is_doubted(state, code) || self.is(Fault::DecidesWhileSuspended))
    }

    /// Whether this peer may send proposals; where not, the two are to reconcile.
    pub(super) fn may_propose(&self, code: &str) -> bool {
        let mut state = self.lock();
        let may = (!self.is_restored(&state, code) || self.is(Fault::ProposesBeforeReconciling))
            && !self.is_doubted(&state, code);
        if !may {
            state.pairs.wants(code);
        }
        may
    }

    /// The place that the other party has signed for: in a head, or as the sequencer in a receipt.
    pub(super) fn signed_for(&self, key: &Key) -> i64 {
        let state = self.lock();
        let Some(held) = state.ledgers.get(key) else { return -1 };
        let head = held.peer_head.integer_at("/head/sequence").unwrap_or(-1);
        let newest = i64::try_from(held.entries.len()).unwrap_or_default() - 1;
        if held.receiving == key.0 { head.max(newest) } else { head }
    }

    /// RCP-009, and RCV-009.
    pub(super) fn keep_head(&self, key: &Key, signed_for: i64, signed: &Json) {
        let head = signed.member("head").cloned().unwrap_or(Json::Null);
        if !self.holds(&key.0, &head, signed.text_at("/signature"), "cme-head") {
            return;
        }
        let mut state = self.lock();
        let Some(held) = state.ledgers.get_mut(key) else { return };
        let sequence = head.integer_at("/sequence").unwrap_or_default();
        let back = sequence < signed_for && !self.is(Fault::IgnoresHeadsThatGoBack);
        let ours = usize::try_from(sequence).ok().and_then(|at| held.entries.get(at));
        let ours = ours.map(|entry| digest(&crate::draft::header_of(entry)));
        let other = ours.is_some_and(|ours| head.text_at("/headerDigest") != Some(&ours));
        let other = other && !self.is(Fault::IgnoresOtherHeaders);
        let doubted = held.forks.is_empty() && (back || other);
        if !self.is(Fault::KeepsNoHeads) {
            held.peer_head = signed.clone();
        }
        if doubted {
            state.pairs.doubted.insert(key.0.clone());
            state.pairs.wants_heads(&key.0);
        }
    }

    /// Begins the rounds that are due, each in a thread of its own.
    pub(super) fn begin_rounds(self: &Arc<Self>) {
        let now = Instant::now();
        let mut state = self.lock();
        for (code, round) in &mut state.pairs.rounds {
            if round.under_way || round.due > now {
                continue;
            }
            round.under_way = true;
            let (peer, code, heads, generation) =
                (self.clone(), code.clone(), round.heads, self.generation());
            std::thread::spawn(move || {
                let level = peer.round(&code, heads).unwrap_or(false);
                if generation == peer.generation() {
                    peer.end_round(&code, level);
                }
            });
        }
    }

    fn end_round(&self, code: &str, level: bool) {
        let mut state = self.lock();
        if level {
            state.pairs.rounds.remove(code);
        } else if let Some(round) = state.pairs.rounds.get_mut(code) {
            round.under_way = false;
            round.due = Instant::now() + PAUSE * (1 << round.failures.min(DOUBLINGS_MAX));
            round.failures += 1;
        }
    }

    /// One round: whether the two are level. Nothing where the other party did not answer.
    fn round(self: &Arc<Self>, code: &str, heads: bool) -> Option<bool> {
        let suspended = {
            let state = self.lock();
            self.is_restored(&state, code) || self.is_doubted(&state, code)
        };
        if !heads && !suspended {
            let reconciliation = self.get(code, "/v1/reconciliation")?;
            if self.agrees(code, &reconciliation)? || self.is(Fault::IgnoresDifferences) {
                return Some(true);
            }
        }
        let told = self.heads_of(code)?;
        for (transfer, (sequence, named)) in &told {
            let key = (code.to_owned(), transfer.clone());
            if !self.is_held(&key, *sequence, named) && !self.is(Fault::ReadsHeadsAlone) {
                self.read_ledger(&key);
            }
        }
        Some(self.settle_pair(code, &told))
    }

    fn get(&self, code: &str, path: &str) -> Option<Json> {
        let response = self.call(code, Request::get, path).ok()?;
        Json::read(&response.content).ok().filter(|_| response.status == 200)
    }

    /// Whether count and digest are those of the own copies. Nothing where the signature does not verify.
    fn agrees(&self, code: &str, signed: &Json) -> Option<bool> {
        let told = signed.member("reconciliation")?;
        self.holds(code, told, signed.text_at("/signature"), "cme-reconciliation").then_some(())?;
        let (_, own) = self.reconciliation(code, "").ok()?;
        let own = own.member("reconciliation").cloned()?;
        Some(["ledgers", "digest"].iter().all(|name| told.member(name) == own.member(name)))
    }

    /// The peer's heads, read to their end: sequence and header of the newest entry of each ledger.
    fn heads_of(&self, code: &str) -> Option<BTreeMap<String, (i64, String)>> {
        let (mut told, mut after) = (BTreeMap::new(), String::new());
        for _ in 0..PAGES_MAX {
            let keys: Vec<Key> = self.lock().ledgers.keys().filter(|key| key.0 == code).cloned().collect();
            let signed_for: BTreeMap<&Key, i64> =
                keys.iter().map(|key| (key, self.signed_for(key))).collect();
            let page = self.get(code, &format!("/v1/heads{after}"))?;
            for signed in page.member("heads").map(Json::items).unwrap_or_default() {
                let key = (code.to_owned(), signed.text_at("/head/transfer")?.to_owned());
                self.keep_head(&key, signed_for.get(&key).copied().unwrap_or(-1), signed);
                let named = signed.text_at("/head/headerDigest")?.to_owned();
                told.insert(key.1, (signed.integer_at("/head/sequence")?, named));
            }
            if page.member("more") != Some(&Json::Bool(true)) {
                return Some(told);
            }
            after = format!("?after={}", page.text_at("/next")?);
        }
        None
    }

    /// Whether a ledger is held as far as a head names it, or as forked.
    fn is_held(&self, key: &Key, sequence: i64, named: &str) -> bool {
        let state = self.lock();
        let Some(held) = state.ledgers.get(key) else { return false };
        let at = usize::try_from(sequence).ok().and_then(|at| held.entries.get(at));
        let same = at.is_some_and(|entry| digest(&crate::draft::header_of(entry)) == named);
        same || !held.forks.is_empty()
    }

    /// Queues what the other party lacks, and notes how far the two are level.
    fn settle_pair(&self, code: &str, told: &BTreeMap<String, (i64, String)>) -> bool {
        let held = |(transfer, (sequence, named)): (&String, &(i64, String))| {
            self.is_held(&(code.to_owned(), transfer.clone()), *sequence, named)
        };
        let complete = told.iter().all(held);
        let mut state = self.lock();
        let own = state.ledgers.iter().filter(|((party, _), _)| party == code);
        let own: Vec<_> = own.map(|(key, held)| (key.clone(), held.clone())).collect();
        let (mut letters, mut level) = (Vec::new(), complete);
        for (key, held) in own {
            if !held.forks.is_empty() {
                let branches = held.forks.iter().flatten().chain(held.entries.iter().skip(1));
                let branches = branches.filter(|_| !self.is(Fault::TellsBranchesOnce));
                letters.extend(branches.map(|entry| (key.clone(), entry.clone(), Task::Branch)));
                continue;
            }
            let from = told.get(&key.1).map_or(0, |(sequence, _)| sequence + 1);
            let from = usize::try_from(from).unwrap_or_default();
            level &= held.entries.len() <= from;
            let forgetful = self.is(Fault::DeliversNothing) || self.is(Fault::ForgetsItsOutbox);
            let lacking = held.entries.iter().skip(from).filter(|_| !forgetful);
            letters.extend(lacking.map(|entry| (key.clone(), entry.clone(), Task::Deliver)));
        }
        for (key, entry, task) in letters {
            self.queue(&mut state, key, entry, task);
        }
        if complete || self.is(Fault::TrustsHeadsAlone) {
            state.pairs.reconciled.insert(code.to_owned(), self.incarnation());
        }
        if level {
            state.pairs.doubted.remove(code);
        }
        level
    }

    /// An entry of a branch that is new here goes to the other party (RCV-016).
    pub(super) fn tell_branch(&self, state: &mut State, key: &Key, entry: &Json) {
        self.queue(state, key.clone(), entry.clone(), Task::Branch);
    }

    fn queue(&self, state: &mut State, key: Key, entry: Json, task: Task) {
        let letter = Letter::new(key, entry, task, self.generation());
        let known = state.letters.iter().any(|held| held.id() == letter.id() && held.key == letter.key);
        let untold = task == Task::Branch && self.is(Fault::TellsNoBranch);
        if !known && !untold {
            state.letters.push(letter);
            self.woken.notify_all();
        }
    }
}
