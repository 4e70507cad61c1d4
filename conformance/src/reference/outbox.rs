//! What the reference peer sends by itself: proposals, and deliveries, until they are receipted (section 10).

mod sending;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::json::Json;

use super::ledger::Key;
use super::{Fault, Peer, State};

/// Pause after the first failure: short, so that nobody waits.
const FIRST: Duration = Duration::from_millis(40);

/// Longest pause.
const CEILING: Duration = Duration::from_millis(640);

/// Longest time for which a peer's `Retry-After` is obeyed.
const RETRY_AFTER_SECONDS_MAX: u64 = 86_400;

/// Requests under way to one peer.
const PER_PEER_MAX: usize = 4;

/// Tries after which a fault gives up.
const FEW_TRIES: u32 = 3;

/// How often the outbox is looked at when nobody wakes it.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a letter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Asks the sequencer to append.
    Propose,
    /// Brings what is in the ledger.
    Deliver,
    /// Brings an entry of a branch of a forked ledger.
    Branch,
    /// Tells a notice.
    Tell,
    /// Says that a notice was read.
    Acknowledge,
    /// Puts a query.
    Ask,
    /// Brings a later answer.
    Answer,
    /// Withdraws a query.
    Withdraw,
}

/// Something to send.
#[derive(Clone)]
pub(super) struct Letter {
    pub(super) key: Key,
    pub(super) entry: Json,
    pub(super) task: Task,
    pub(super) due: Instant,
    pub(super) sending: bool,
    /// Of which life of the process it is.
    pub(super) generation: usize,
    attempts: u32,
    /// Refused for good: an officer has to look.
    dead: bool,
}

impl Letter {
    pub(super) fn new(key: Key, entry: Json, task: Task, generation: usize) -> Self {
        Self { key, entry, task, due: Instant::now(), sending: false, generation, attempts: 0, dead: false }
    }

    pub(super) fn id(&self) -> &str {
        let paths = ["/header/id", "/header/notice", "/header/query"];
        let named = paths.iter().find_map(|path| self.entry.text_at(path));
        named.or_else(|| self.entry.text_at("/signature")).unwrap_or_default()
    }

    /// Whether the peer may have seen it.
    pub(super) fn was_sent(&self) -> bool {
        self.sending || self.attempts > 0
    }

    fn place(&self) -> i64 {
        self.entry.integer_at("/header/sequence").unwrap_or_default()
    }
}

/// What came of a try.
enum Sent {
    Done,
    Again,
    Later(Option<u64>),
    Dead,
}

/// Sends what is due for as long as the peer is there.
pub(super) fn work(peer: &Weak<Peer>) {
    while let Some(peer) = peer.upgrade() {
        let up = !peer.down.load(Ordering::SeqCst);
        let due = if up { peer.take_due() } else { Vec::new() };
        if up {
            peer.begin_rounds();
        }
        for letter in due {
            let peer = peer.clone();
            std::thread::spawn(move || {
                let sent = peer.send(&letter);
                peer.note(&letter, &sent);
            });
        }
        let state = peer.lock();
        drop(peer.woken.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Peer {
    /// The letters that may be sent now, taken.
    fn take_due(&self) -> Vec<Letter> {
        let mut state = self.lock();
        let mut taken: Vec<usize> = Vec::new();
        for at in 0..state.letters.len() {
            let letter = &state.letters[at];
            let of_ledger = |other: &Letter| other.key == letter.key && !other.dead;
            let busy = state.letters.iter().any(|other| of_ledger(other) && other.sending)
                || taken.iter().any(|other| state.letters[*other].key == letter.key);
            let turn = |other: &Letter| (other.task == Task::Propose, other.place());
            let first = !state.letters.iter().any(|other| of_ledger(other) && turn(other) < turn(letter));
            let to_peer = |other: &&Letter| other.sending && other.key.0 == letter.key.0;
            let crowded = state.letters.iter().filter(to_peer).count() >= PER_PEER_MAX;
            let waits = letter.dead || letter.sending || letter.due > Instant::now() || crowded;
            let in_turn = (!busy || self.is(Fault::SendsSeveralAtOnce))
                && (first || self.is(Fault::SendsOutOfOrder) || self.is(Fault::SendsSeveralAtOnce));
            if !waits && in_turn {
                taken.push(at);
            }
        }
        if self.is(Fault::SendsOutOfOrder) {
            taken.sort_by_key(|at| std::cmp::Reverse(state.letters[*at].place()));
        }
        for at in &taken {
            state.letters[*at].sending = true;
        }
        taken.into_iter().map(|at| state.letters[at].clone()).collect()
    }

    /// What came of a try, unless the process was killed meanwhile.
    fn note(self: &Arc<Self>, letter: &Letter, sent: &Sent) {
        if letter.generation != self.generation() || self.down.load(Ordering::SeqCst) {
            return;
        }
        let mut state = self.lock();
        let same =
            |held: &Letter| held.id() == letter.id() && held.key == letter.key && held.task == letter.task;
        let Some(at) = state.letters.iter().position(same) else { return };
        let held = &mut state.letters[at];
        held.sending = false;
        match sent {
            Sent::Done => drop(state.letters.remove(at)),
            Sent::Again => held.due = Instant::now(),
            Sent::Dead if self.is(Fault::DropsTheRefused) => drop(state.letters.remove(at)),
            Sent::Dead if self.is(Fault::NeverStops) => held.due = Instant::now() + FIRST,
            Sent::Dead => held.dead = true,
            Sent::Later(asked) => {
                held.attempts += 1;
                let asked = asked.filter(|_| !self.is(Fault::IgnoresRetryAfter)).unwrap_or_default();
                let asked = Duration::from_secs(asked.min(RETRY_AFTER_SECONDS_MAX));
                held.due = Instant::now() + self.pause(held.attempts).max(asked);
                held.dead = self.is(Fault::GivesUp) && held.attempts >= FEW_TRIES;
            }
        }
        drop(state);
        self.woken.notify_all();
    }

    /// DLV-007.
    fn pause(&self, attempts: u32) -> Duration {
        let doublings = if self.is(Fault::PausesAlike) { 0 } else { (attempts - 1).min(16) };
        let pause = FIRST.saturating_mul(1 << doublings).min(CEILING);
        // Long enough that no busy machine looks like growth or jitter.
        let faulty = self.is(Fault::PausesAlike) || self.is(Fault::PausesWithoutJitter);
        let pause = if faulty { pause * 4 } else { pause };
        let spread = ring::rand::generate::<[u8; 1]>(&ring::rand::SystemRandom::new());
        let spread = spread.map_or(128, |random| random.expose()[0]);
        let spread = if self.is(Fault::PausesWithoutJitter) { 255 } else { spread };
        pause / 2 + pause * u32::from(spread) / 510
    }

    fn send(self: &Arc<Self>, letter: &Letter) -> Sent {
        match letter.task {
            Task::Propose => self.propose(letter),
            Task::Deliver => self.deliver(letter),
            Task::Branch => self.bring_branch(letter),
            Task::Tell | Task::Acknowledge | Task::Ask | Task::Answer | Task::Withdraw => {
                self.send_statement(letter)
            }
        }
    }

    /// A decision that has come back in the ledger needs no more sending.
    pub(super) fn settle(state: &mut State, key: &Key, header: &Json) {
        let id = header.text_at("/id");
        state
            .letters
            .retain(|letter| letter.key != *key || Some(letter.id()) != id || letter.task != Task::Propose);
    }

    /// What was refused for good, for officers.
    pub(super) fn dead_letters(&self) -> Json {
        let state = self.lock();
        let told = |letter: &Letter| {
            Json::object([
                ("transfer", letter.key.1.as_str().into()),
                ("id", letter.id().into()),
                ("owner", "Reference team".into()),
            ])
        };
        state.letters.iter().filter(|letter| letter.dead).map(told).collect::<Vec<_>>().into()
    }
}
