//! The worker that sends what stands in no ledger, for ever: each thing under a lease, whatever the number of
//! server processes, until its storage receipt is held or the peer's refusal is final.
//!
//! Entries of ledgers have a worker of their own, `delivery`: their order and what a peer's answer means for
//! a ledger are no matter here. A thing that is done makes room for the next at once, and one peer has few under
//! way at one time, so that peers that hang keep nobody else waiting.

mod queries;

mod answers;

use std::time::Duration;

use cme_client::{ClientError, PeerClient, RetryPolicy};
use cme_spec::directory::KeyStanding;
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, NoticeId};
use cme_spec::problem::{NextStep, Problem};
use cme_spec::receipt::Stored;
use cme_spec::statement::{Statement, StatementHeader};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::asking;
use crate::node::Node;
use crate::peers;
use crate::store::dispatch::{self, Dispatch, DispatchKey, Task};
use crate::store::notices::{self, NoticeKey};
use crate::store::{StoreError, Tx};

/// How often the table is looked at for what has come, or whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Things under way at one time: many more than peers that hang, as each may hold a place for as long as a request
/// may take. Implements: QRY-015
const IN_FLIGHT_MAX: usize = 64;
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
    let mut under_way = JoinSet::new();
    while !*stop.borrow() {
        match claim(node, IN_FLIGHT_MAX - under_way.len()).await {
            Ok(claimed) => {
                for claimed in claimed {
                    let node = node.clone();
                    under_way.spawn(async move { attempt(&node, &claimed).await });
                }
            }
            Err(error) => tracing::warn!(%error, "what is to be sent can't be read"),
        }
        tokio::select! {
            Some(_) = under_way.join_next() => while under_way.try_join_next().is_some() {},
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Takes what is due, as much of it as there is room for.
async fn claim(node: &Node, room: usize) -> Result<Vec<Dispatch>, StoreError> {
    let now = node.now();
    let room = u32::try_from(room).unwrap_or(u32::MAX);
    // A look that finds nothing doesn't keep the writer.
    if room == 0 || node.store().read(move |tx| dispatch::due(tx, now, 1)).await?.is_empty() {
        return Ok(Vec::new());
    }
    let (holder, until) = (node.holder(), after(now, LEASE));
    node.store().write(move |tx| dispatch::claim(tx, now, room, holder, until)).await
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
    let asked = (key.task == Task::Query).then(|| queries::name(&key)).flatten();
    let buried = node.store().write(move |tx| {
        dispatch::bury(tx, &key, holder, &what)?;
        asked.map_or(Ok(()), |asked| asking::refused(tx, &asked))
    });
    buried.await
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
    match key.task {
        Task::Notice | Task::Acknowledgement => send_about_notice(node, key).await,
        Task::Query => queries::put(node, key).await,
        Task::Withdrawal => queries::withdraw(node, key).await,
        Task::Answer => answers::put(node, key).await,
    }
}

async fn send_about_notice(node: &Node, key: &DispatchKey) -> Result<(), Failure> {
    let notice: NoticeId = key.id.parse().map_err(|_| Failure::later("the stored id can't be read"))?;
    let outgoing = key.task == Task::Notice;
    let name = NoticeKey { hosted: key.hosted, counterparty: key.counterparty, notice, outgoing };
    let Some(held) = node.store().read(move |tx| notices::find(tx, &name)).await? else {
        return finish(node, key, |_| Ok(())).await;
    };
    if outgoing {
        let mut notice = held.notice;
        if let Some(anew) = under_a_valid_key(node, key.hosted, &notice)? {
            notice = anew.clone();
            node.store().write(move |tx| notices::keep_signature(tx, &name, &anew)).await?;
        }
        let stored = peer(node, key)?.put_notice(&notice).await?;
        return received(node, key, stored, move |tx, stored| notices::keep_stored(tx, &name, stored)).await;
    }
    let Some(said) = held.acknowledgement else { return finish(node, key, |_| Ok(())).await };
    let stored = peer(node, key)?.put_acknowledgement(&said).await?;
    received(node, key, stored, move |tx, stored| notices::keep_acknowledgement_stored(tx, &name, stored))
        .await
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

fn peer(node: &Node, key: &DispatchKey) -> Result<PeerClient, Failure> {
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content);
    let hosted = directory.and_then(|directory| node.speaking_for(directory, key.hosted));
    let hosted = hosted.ok_or_else(|| Failure::later("not hosted here any more"))?;
    Ok(hosted.client.peer(key.counterparty)?)
}

/// Where the key that signed a statement was put away while it waited, the identical header under the key in use,
/// for the caller to store before it is sent. Implements: SIG-007
fn under_a_valid_key<H: StatementHeader>(
    node: &Node,
    author: AuthorityCode,
    statement: &Statement<H>,
) -> Result<Option<Statement<H>>, Failure> {
    let (archive, now) = (node.archive(), node.now());
    let directory = archive.newest().map(Signed::content);
    let directory = directory.ok_or_else(|| Failure::later("no directory issue is held"))?;
    let signed_with = directory.key(author, statement.signature().key());
    if signed_with.is_some_and(|signed_with| signed_with.standing(now) == KeyStanding::Valid) {
        return Ok(None);
    }
    let hosted = node.speaking_for(directory, author);
    let hosted = hosted.ok_or_else(|| Failure::later("not hosted here any more"))?;
    if hosted.check_key(directory, now).is_err() {
        return Err(Failure::later("no signing key of this authority is valid now"));
    }
    Ok(Some(statement.clone().signed_anew(&hosted.signing)))
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
