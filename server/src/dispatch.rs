//! The worker that sends what stands in no ledger, for ever: each thing under a lease, whatever the number of
//! server processes, until its storage receipt is held or the peer's refusal is final.
//!
//! Entries of ledgers have a worker of their own, `delivery`: their order and what a peer's answer means for
//! a ledger are no matter here.

mod answers;

use std::time::Duration;

use cme_client::{ClientError, PeerClient, RetryPolicy};
use cme_spec::directory::{Directory, KeyStanding};
use cme_spec::envelope::Signed;
use cme_spec::instant::{Instant, NoticeId};
use cme_spec::notice::Notice;
use cme_spec::problem::{NextStep, Problem};
use cme_spec::receipt::Stored;
use futures_util::future::join_all;
use tokio::sync::watch;

use crate::node::{Hosted, Node};
use crate::peers;
use crate::store::dispatch::{self, Dispatch, DispatchKey, Task};
use crate::store::notices::{self, NoticeKey};
use crate::store::{StoreError, Tx};

/// How often the table is looked at for what has come, or whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Things under way at one time.
const IN_FLIGHT_MAX: u32 = 8;
/// How long a thing is a process's: longer than a request may take, with time to note what became of it.
const LEASE: Duration = Duration::from_secs(45);
/// Time that things under way get to finish when the server stops.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Why something is not received yet.
struct Failure {
    /// A name for it, without personal data.
    what: String,
    /// Whether it is over.
    last: bool,
    /// What the peer asks for.
    asked: Option<Duration>,
}

impl Failure {
    fn later(what: &str) -> Self {
        Self { what: what.to_owned(), last: false, asked: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::later(&error.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let registered = error.problem().and_then(Problem::registered);
        Self {
            what: registered.map_or_else(|| error.to_string(), |problem| problem.name().to_owned()),
            last: error.next_step() == NextStep::Final,
            asked: error.retry_after(),
        }
    }
}

/// Sends until `stop` turns true. Implements: NTC-007
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    let mut stopped = stop.clone();
    tokio::select! {
        () = send_until(&node, &mut stop) => {}
        // Cut off in the end: what is not noted by then is sent again, as it is.
        () = finished(&mut stopped) => {}
    }
    let holder = node.holder();
    if let Err(error) = node.store().write(move |tx| dispatch::release_all(tx, holder)).await {
        tracing::warn!(%error, "what is under way waits until its leases have run out");
    }
}

async fn finished(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(FINISH_WITHIN).await;
}

async fn send_until(node: &Node, stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow() {
        let idle = match send_due(node).await {
            Ok(count) => count == 0,
            Err(error) => {
                tracing::warn!(%error, "what is to be sent can't be read");
                true
            }
        };
        if idle {
            let _ = tokio::time::timeout(LOOK_EVERY, stop.changed()).await;
        }
    }
}

/// Takes what is due and makes one attempt at each; gives the number.
async fn send_due(node: &Node) -> Result<usize, StoreError> {
    let now = node.now();
    // A look that finds nothing doesn't keep the writer.
    if node.store().read(move |tx| dispatch::due(tx, now, 1)).await?.is_empty() {
        return Ok(0);
    }
    let (holder, until) = (node.holder(), after(now, LEASE));
    let claimed =
        node.store().write(move |tx| dispatch::claim(tx, now, IN_FLIGHT_MAX, holder, until)).await?;
    join_all(claimed.iter().map(|claimed| attempt(node, claimed))).await;
    Ok(claimed.len())
}

async fn attempt(node: &Node, claimed: &Dispatch) {
    let noted = match send(node, &claimed.key).await {
        Ok(()) => Ok(()),
        Err(Failure { what, last: true, .. }) => bury(node, claimed, what).await,
        Err(Failure { what, asked, .. }) => postpone(node, claimed, what, asked).await,
    };
    if let Err(error) = noted {
        // The lease runs out and the same bytes are sent again: that does no harm.
        tracing::error!(id = %claimed.key.id, %error, "what became of a letter could not be noted");
    }
}

async fn bury(node: &Node, claimed: &Dispatch, what: String) -> Result<(), StoreError> {
    let (key, holder) = (claimed.key.clone(), node.holder());
    tracing::error!(id = %key.id, task = ?key.task, peer = %key.counterparty, failure = what,
                    "refused for good; an officer has to look");
    node.store().write(move |tx| dispatch::bury(tx, &key, holder, &what)).await
}

async fn postpone(
    node: &Node,
    claimed: &Dispatch,
    what: String,
    asked: Option<Duration>,
) -> Result<(), StoreError> {
    let (key, holder) = (claimed.key.clone(), node.holder());
    let attempts = claimed.attempts.saturating_add(1);
    let pause = policy(node).pause(attempts, node.random().spread());
    let next_at = after(node.now(), asked.map_or(pause, |asked| asked.max(pause)));
    tracing::warn!(id = %key.id, task = ?key.task, peer = %key.counterparty, attempts, failure = what, %next_at,
                   "not received yet");
    node.store().write(move |tx| dispatch::postpone(tx, &key, holder, next_at, &what)).await
}

async fn send(node: &Node, key: &DispatchKey) -> Result<(), Failure> {
    if key.task == Task::Answer {
        return answers::put(node, key).await;
    }
    let notice: NoticeId = key.id.parse().map_err(|_| Failure::later("the stored id can't be read"))?;
    let outgoing = key.task == Task::Notice;
    let name = NoticeKey { hosted: key.hosted, counterparty: key.counterparty, notice, outgoing };
    let Some(held) = node.store().read(move |tx| notices::find(tx, &name)).await? else {
        return finish(node, key, |_| Ok(())).await;
    };
    match (key.task, held.acknowledgement) {
        (Task::Notice, _) => {
            let notice = under_a_valid_key(node, &name, held.notice).await?;
            let stored = peer(node, key)?.put_notice(&notice).await?;
            received(node, key, stored, move |tx, stored| notices::keep_stored(tx, &name, stored)).await
        }
        (Task::Acknowledgement, Some(said)) => {
            let stored = peer(node, key)?.put_acknowledgement(&said).await?;
            received(node, key, stored, move |tx, stored| {
                notices::keep_acknowledgement_stored(tx, &name, stored)
            })
            .await
        }
        (Task::Acknowledgement | Task::Answer, _) => finish(node, key, |_| Ok(())).await,
    }
}

type Kept = cme_spec::envelope::Envelope<Stored>;

/// The peer has it: its receipt is kept and the row is gone, in one transaction.
async fn received(
    node: &Node,
    key: &DispatchKey,
    stored: Signed<Stored>,
    keep: impl Fn(&mut dyn Tx, &Kept) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), Failure> {
    let stored = stored.into_envelope();
    peers::hear(node, key.hosted, key.counterparty, stored.content().incarnation).await?;
    finish(node, key, move |tx| keep(tx, &stored)).await
}

async fn finish(
    node: &Node,
    key: &DispatchKey,
    keep: impl Fn(&mut dyn Tx) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), Failure> {
    let (key, holder) = (key.clone(), node.holder());
    let finished = node.store().write(move |tx| {
        keep(tx)?;
        dispatch::finish(tx, &key, holder).map(|_| ())
    });
    Ok(finished.await?)
}

fn speaker<'a>(node: &'a Node, directory: &Directory, key: &NoticeKey) -> Result<&'a Hosted, Failure> {
    node.speaking_for(directory, key.hosted).ok_or_else(|| Failure::later("not hosted here any more"))
}

fn peer(node: &Node, key: &DispatchKey) -> Result<PeerClient, Failure> {
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content);
    let hosted = directory.and_then(|directory| node.speaking_for(directory, key.hosted));
    let hosted = hosted.ok_or_else(|| Failure::later("not hosted here any more"))?;
    Ok(hosted.client.peer(key.counterparty)?)
}

/// The notice as it was signed, or, where that key was put away while it waited, its identical header under the
/// key in use, stored before it is sent. Implements: SIG-007
async fn under_a_valid_key(node: &Node, key: &NoticeKey, notice: Notice) -> Result<Notice, Failure> {
    let (archive, now, key) = (node.archive(), node.now(), *key);
    let directory = archive.newest().map(Signed::content);
    let directory = directory.ok_or_else(|| Failure::later("no directory issue is held"))?;
    let signed_with = directory.key(key.hosted, notice.signature().key());
    if signed_with.is_some_and(|signed_with| signed_with.standing(now) == KeyStanding::Valid) {
        return Ok(notice);
    }
    let hosted = speaker(node, directory, &key)?;
    if hosted.check_key(directory, now).is_err() {
        return Err(Failure::later("no signing key of this authority is valid now"));
    }
    let anew = notice.signed_anew(&hosted.signing);
    let kept = anew.clone();
    node.store().write(move |tx| notices::keep_signature(tx, &key, &kept)).await?;
    Ok(anew)
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
