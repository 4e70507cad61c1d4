//! The delivery worker: brings every entry of the outbox to its peer, for ever, one at a time for each
//! ledger.
//!
//! Only a problem that is registered as final ends the tries; everything else, a proxy's page included, is
//! tried again after a growing pause. What the peer answers is committed before the row is gone, so that a
//! crash at any point repeats bytes that do no harm twice.

mod fetch;
mod send;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cme_client::RetryPolicy;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::fetch::{fetch_from, pull};
use self::send::{Failure, Sent, send};
use crate::node::Node;
use crate::random;
use crate::store::StoreError;
use crate::store::ledgers::LedgerKey;
use crate::store::outbox::{self, Letter};

/// How often the outbox is looked at for what another process wrote, or whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Rows looked at in one go.
const LETTERS_MAX: u64 = 256;
/// Time that letters under way get to finish when the server stops.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Who is being written to. Implements: DLV-004
#[derive(Default)]
struct UnderWay {
    ledgers: HashSet<LedgerKey>,
    peers: HashMap<AuthorityCode, usize>,
}

impl UnderWay {
    /// Takes a place for the letter, if its ledger is free and its peer not busy.
    fn begin(&mut self, letter: &Letter, per_peer_max: usize, in_all_max: usize) -> bool {
        let peer = self.peers.entry(letter.key.counterparty).or_default();
        if *peer >= per_peer_max || self.ledgers.len() >= in_all_max || !self.ledgers.insert(letter.key) {
            return false;
        }
        *peer += 1;
        true
    }

    fn end(&mut self, key: &LedgerKey) {
        self.ledgers.remove(key);
        if let Some(peer) = self.peers.get_mut(&key.counterparty) {
            *peer = peer.saturating_sub(1);
        }
    }
}

/// Delivers until `stop` turns true. Implements: DLV-003
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    let under_way = Arc::new(Mutex::new(UnderWay::default()));
    let mut tasks = JoinSet::new();
    while !*stop.borrow() {
        match start_due(&node, &under_way, &mut tasks).await {
            Ok(()) | Err(StoreError::Busy) => {}
            Err(error) => tracing::error!(%error, "the outbox can't be read"),
        }
        tokio::select! {
            () = node.outbox_woken() => {}
            Some(key) = node.pull_asked() => { tasks.spawn(pull_and_wake(node.clone(), key)); }
            Some(_) = tasks.join_next() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => break,
        }
    }
    // What can't finish is sent again after the next start: the row is still there.
    let _ = tokio::time::timeout(FINISH_WITHIN, async { while tasks.join_next().await.is_some() {} }).await;
}

async fn start_due(
    node: &Node,
    under_way: &Arc<Mutex<UnderWay>>,
    tasks: &mut JoinSet<()>,
) -> Result<(), StoreError> {
    let (now, limits) = (node.now(), node.config().delivery);
    for letter in node.store().read(move |tx| outbox::due(tx, now, LETTERS_MAX)).await? {
        let begun = lock(under_way).begin(&letter, limits.per_peer_max, limits.in_all_max);
        if begun {
            let (node, under_way) = (node.clone(), Arc::clone(under_way));
            tasks.spawn(async move {
                deliver(&node, &letter).await;
                lock(&under_way).end(&letter.key);
                node.wake_outbox();
            });
        }
    }
    Ok(())
}

fn lock(under_way: &Mutex<UnderWay>) -> std::sync::MutexGuard<'_, UnderWay> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pull_and_wake(node: Node, key: LedgerKey) {
    match pull(&node, &key).await {
        Ok(0) => {}
        Ok(entries) => tracing::info!(transfer = %key.transfer, entries, "fetched what was missing"),
        Err(error) => {
            tracing::warn!(transfer = %key.transfer, %error, "what is missing could not be fetched");
        }
    }
    node.wake_outbox();
}

/// One try, and what it means for the row.
async fn deliver(node: &Node, letter: &Letter) {
    let key = letter.key;
    let saved = match send(node, letter).await {
        Ok(Sent::Done) => {
            let now = node.now();
            node.store().write(move |tx| outbox::hasten(tx, key.hosted, key.counterparty, now)).await
        }
        Ok(Sent::Again) => Ok(()),
        Err(Failure::Later { what, asked }) => postpone(node, letter, what, asked).await,
        Err(Failure::Final { what }) => bury(node, letter, what).await,
    };
    if let Err(error) = saved {
        // The row stays as it was, so the same bytes are sent again: that does no harm.
        tracing::error!(transfer = %key.transfer, %error, "what became of a delivery could not be noted");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn postpone(
    node: &Node,
    letter: &Letter,
    what: String,
    asked: Option<Duration>,
) -> Result<(), StoreError> {
    let (pause, attempts) =
        (policy(node).pause(letter.attempts.saturating_add(1), random::spread()), letter.attempts + 1);
    let next_at = after(node.now(), asked.map_or(pause, |asked| asked.max(pause)));
    let LedgerKey { transfer, counterparty, .. } = letter.key;
    tracing::warn!(%transfer, peer = %counterparty, attempts, failure = what, %next_at, "not delivered yet");
    let letter = letter.clone();
    node.store().write(move |tx| outbox::postpone(tx, &letter, next_at, &what)).await
}

async fn bury(node: &Node, letter: &Letter, what: String) -> Result<(), StoreError> {
    let LedgerKey { transfer, counterparty, .. } = letter.key;
    tracing::error!(%transfer, peer = %counterparty, failure = what, "refused for good; an officer has to look");
    let letter = letter.clone();
    node.store().write(move |tx| outbox::bury(tx, &letter, &what)).await
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
