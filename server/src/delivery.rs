//! The delivery worker: brings every entry of the outbox to its peer, for ever, one at a time for each
//! ledger, whatever the number of server processes on the database.
//!
//! A letter is sent under a lease, renewed while it is under way. A process that is killed says nothing, and
//! its letters are free when their leases have run out; one that stops gives them back.
//!
//! Only a problem that is registered as final ends the tries; everything else, a proxy's page included, is
//! tried again after a growing pause. What the peer answers is committed before the row is gone, so that a
//! crash at any point repeats bytes that do no harm twice.

mod fetch;
mod send;

use std::time::Duration;

use cme_client::{ClientError, RetryPolicy, Unreached};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::fetch::{fetch_from, pull};
use self::send::{Failure, Sent, send};
use crate::node::Node;
use crate::store::StoreError;
use crate::store::ledgers::LedgerKey;
use crate::store::outbox::{self, Lease, Leased, Letter, Turn};

/// How often the outbox is looked at for what another process wrote, or whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Time that letters under way get to finish when the server stops.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// How long a letter stays with a process that no longer says so: what a killed process was sending waits
/// that long. A request may take longer, as its lease is renewed meanwhile.
const LEASE: Duration = Duration::from_secs(10);
/// How often a lease is renewed: early enough for two tries, and for clocks that differ by seconds.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// What this process sends and fetches. Dropped, it is given up where it stands.
pub struct Worker {
    node: Node,
    letters: JoinSet<()>,
    pulls: JoinSet<()>,
    /// The peer that had the last turn.
    last: Option<AuthorityCode>,
}

/// Delivers until `stop` turns true. Implements: DLV-003
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    let mut worker = Worker::new(node.clone());
    while !*stop.borrow() {
        worker.look().await;
        tokio::select! {
            () = node.outbox_woken() => {}
            Some(key) = node.pull_asked() => worker.start_pull(key),
            () = worker.ended() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => break,
        }
    }
    let finish = async {
        while worker.under_way() > 0 {
            worker.ended().await;
        }
    };
    // What can't finish is sent again, by another process or after the next start: the row is still there.
    let _ = tokio::time::timeout(FINISH_WITHIN, finish).await;
    worker.letters.shutdown().await;
    give_back(&node).await;
}

/// What this process was sending is free for others.
async fn give_back(node: &Node) {
    let holder = node.holder();
    match node.store().write(move |tx| outbox::release_all(tx, holder)).await {
        Ok(0) => {}
        Ok(letters) => tracing::info!(letters, "letters under way are left to another process"),
        Err(error) => tracing::warn!(%error, "letters under way wait until their leases have run out"),
    }
}

impl Worker {
    /// Nothing is under way.
    pub fn new(node: Node) -> Self {
        Self { node, letters: JoinSet::new(), pulls: JoinSet::new(), last: None }
    }

    async fn look(&mut self) {
        match self.start_due(usize::MAX).await {
            Ok(_) | Err(StoreError::Busy) => {}
            Err(error) => tracing::error!(%error, "the outbox can't be read"),
        }
    }

    /// Starts as many of the letters that are due as may be under way, and `letters_max` at most; gives their
    /// number.
    pub async fn start_due(&mut self, letters_max: usize) -> Result<usize, StoreError> {
        while self.letters.try_join_next().is_some() {}
        let delivery = self.node.config().delivery;
        let now = self.node.now();
        let turn = Turn {
            now,
            per_peer_max: delivery.per_peer_max,
            letters_max: delivery.in_all_max.saturating_sub(self.letters.len()).min(letters_max),
            after: self.last,
        };
        // Mostly nothing is due, and to see that takes no write.
        let look = Turn { letters_max: turn.letters_max.min(1), ..turn };
        if self.node.store().read(move |tx| outbox::due(tx, &look)).await?.is_empty() {
            return Ok(0);
        }
        let (holder, until) = (self.node.holder(), after(now, LEASE));
        let claimed = self.node.store().write(move |tx| outbox::claim(tx, &turn, holder, until)).await?;
        let started = claimed.len();
        for leased in claimed {
            self.last = Some(leased.letter.key.counterparty);
            self.letters.spawn(deliver(self.node.clone(), leased));
        }
        Ok(started)
    }

    /// Starts to fetch what this copy of a ledger lacks.
    pub fn start_pull(&mut self, key: LedgerKey) {
        self.pulls.spawn(pull_and_wake(self.node.clone(), key));
    }

    /// How many letters have not ended yet.
    pub fn letters_under_way(&self) -> usize {
        self.letters.len()
    }

    /// How many letters and fetches have not ended yet.
    pub fn under_way(&self) -> usize {
        self.letters.len() + self.pulls.len()
    }

    /// Waits until one of them ends; for ever, when there is none.
    pub async fn ended(&mut self) {
        tokio::select! {
            Some(_) = self.letters.join_next() => {}
            Some(_) = self.pulls.join_next() => {}
            else => std::future::pending().await,
        }
    }
}

async fn pull_and_wake(node: Node, key: LedgerKey) {
    match pull_twice_at_most(&node, &key).await {
        Ok(0) => {}
        Ok(entries) => tracing::info!(transfer = %key.transfer, entries, "fetched what was missing"),
        Err(error) => {
            tracing::warn!(transfer = %key.transfer, %error, "what is missing could not be fetched");
        }
    }
    node.wake_outbox();
}

/// Where the connection broke off, a new one is tried at once: the peer may have closed it while it was not in use.
/// What else goes wrong comes again with the peer's next delivery, or is found when the two reconcile.
async fn pull_twice_at_most(node: &Node, key: &LedgerKey) -> Result<u64, ClientError> {
    match pull(node, key).await {
        Err(ClientError::Unreachable { what: Unreached::Broken, .. }) => pull(node, key).await,
        pulled => pulled,
    }
}

/// One try, for as long as the letter is this process's, and what it means for the row.
async fn deliver(node: Node, leased: Leased) {
    let Leased { letter, lease } = leased;
    let transfer = letter.key.transfer;
    let sent = tokio::select! {
        biased;
        sent = send(&node, &letter, &lease) => sent,
        () = keep(&node, lease) => {
            tracing::warn!(%transfer, "no longer sent from here: the letter is gone, or another may have it");
            return;
        }
    };
    note(&node, &letter, lease, sent).await;
}

async fn note(node: &Node, letter: &Letter, lease: Lease, sent: Result<Sent, Failure>) {
    let (LedgerKey { hosted, counterparty, transfer }, now) = (letter.key, node.now());
    let noted = match sent {
        Ok(Sent::Done) => node.store().write(move |tx| outbox::hasten(tx, hosted, counterparty, now)).await,
        Ok(Sent::Again) => node.store().write(move |tx| outbox::release(tx, &lease).map(|_| ())).await,
        Err(Failure::Later { what, asked }) => postpone(node, letter, lease, what, asked).await,
        Err(Failure::Final { what }) => bury(node, letter, lease, what).await,
    };
    if let Err(error) = noted {
        // The row stays as it was, so the same bytes are sent again when the lease has run out: that does
        // no harm.
        tracing::error!(%transfer, %error, "what became of a delivery could not be noted");
    }
}

/// Renews the lease for as long as it can be renewed; ends when the letter is another's.
async fn keep(node: &Node, lease: Lease) {
    let mut ends = after(node.now(), LEASE);
    loop {
        node.wait(RENEW_EVERY).await;
        let (now, until) = (node.now(), after(node.now(), LEASE));
        match node.store().write(move |tx| outbox::renew(tx, &lease, until)).await {
            Ok(true) => ends = until,
            Ok(false) => return,
            Err(error) if now >= ends => {
                tracing::error!(%error, "a lease could not be renewed");
                return;
            }
            Err(_) => {}
        }
    }
}

async fn postpone(
    node: &Node,
    letter: &Letter,
    lease: Lease,
    what: String,
    asked: Option<Duration>,
) -> Result<(), StoreError> {
    let (pause, attempts) =
        (policy(node).pause(letter.attempts.saturating_add(1), node.random().spread()), letter.attempts + 1);
    let next_at = after(node.now(), asked.map_or(pause, |asked| asked.max(pause)));
    let LedgerKey { transfer, counterparty, .. } = letter.key;
    tracing::warn!(%transfer, peer = %counterparty, attempts, failure = what, %next_at, "not delivered yet");
    node.store().write(move |tx| outbox::postpone(tx, &lease, next_at, &what).map(|_| ())).await
}

async fn bury(node: &Node, letter: &Letter, lease: Lease, what: String) -> Result<(), StoreError> {
    let LedgerKey { transfer, counterparty, .. } = letter.key;
    tracing::error!(%transfer, peer = %counterparty, failure = what, "refused for good; an officer has to look");
    node.store().write(move |tx| outbox::bury(tx, &lease, &what).map(|_| ())).await
}

fn policy(node: &Node) -> RetryPolicy {
    let delivery = node.config().delivery;
    RetryPolicy {
        first: Duration::from_millis(delivery.first_pause_ms),
        ceiling: Duration::from_millis(delivery.pause_ms_max),
        attempts_max: 1,
    }
}

fn after(now: Instant, pause: Duration) -> Instant {
    let millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    Instant::from_milliseconds(now.milliseconds().saturating_add(millis)).unwrap_or(now)
}
