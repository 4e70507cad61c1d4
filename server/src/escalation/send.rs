//! Brings the messages of one channel out, for ever: only what is final over there ends the tries.

use std::time::Duration;

use cme_client::RetryPolicy;
use cme_spec::envelope::Signed;
use cme_spec::instant::Instant;
use futures_util::future::join_all;
use tokio::sync::watch;
use uuid::Uuid;

use super::channel::{Channel, Failure};
use super::word::Word;
use crate::node::Node;
use crate::store::StoreError;
use crate::store::escalations::{self, Lease, Task};

/// How often the queue is looked at for what has come, or whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Messages under way over one channel.
const IN_FLIGHT_MAX: u32 = 4;
/// What a lease holds beyond the attempt itself, to note what became of it.
const NOTE_WITHIN: Duration = Duration::from_secs(5);
/// Time that messages under way get to finish when the server stops.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Sends over one channel until `stop` turns true.
pub(super) async fn run(node: Node, channel: Channel, mut stop: watch::Receiver<bool>) {
    let holder = node.random().message_id(node.now());
    let mut stopped = stop.clone();
    tokio::select! {
        () = send_until(&node, &channel, holder, &mut stop) => {}
        // Cut off in the end: what is not noted by then is sent again, under the same id.
        () = finished(&mut stopped) => {}
    }
    if let Err(error) = node.store().write(move |tx| escalations::release(tx, holder)).await {
        tracing::warn!(%error, "messages under way wait until their lease is over");
    }
}

/// Ends some time after `stop` turned true.
async fn finished(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(FINISH_WITHIN).await;
}

async fn send_until(node: &Node, channel: &Channel, holder: Uuid, stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow() {
        let idle = match send_due(node, channel, holder).await {
            Ok(count) => count == 0,
            Err(error) => {
                tracing::warn!(%error, "the messages to escalation contacts can't be read");
                true
            }
        };
        if idle {
            let _ = tokio::time::timeout(LOOK_EVERY, stop.changed()).await;
        }
    }
}

/// Takes what is due and makes one attempt at each; gives the number.
async fn send_due(node: &Node, channel: &Channel, holder: Uuid) -> Result<usize, StoreError> {
    let (code, now) = (channel.kind().code(), node.now());
    // A look that finds nothing doesn't keep the writer.
    if node.store().read(move |tx| escalations::due(tx, code, now, 1)).await?.is_empty() {
        return Ok(0);
    }
    let within = node.config().escalation.attempt_max();
    let lease = Lease { holder, until: after(now, within + NOTE_WITHIN) };
    let claimed = node.store().write(move |tx| escalations::claim(tx, code, lease, now, IN_FLIGHT_MAX));
    let tasks = claimed.await?;
    join_all(tasks.iter().map(|task| attempt(node, channel, task, holder))).await;
    Ok(tasks.len())
}

/// One attempt, and what it means for the task.
async fn attempt(node: &Node, channel: &Channel, task: &Task, holder: Uuid) {
    let outcome = send(node, channel, task).await;
    if let Err(error) = note(node, task, holder, outcome).await {
        // The lease runs out and the message is sent again, under the same id.
        tracing::error!(message = %task.id, %error, "what became of an escalation could not be noted");
    }
}

async fn note(
    node: &Node,
    task: &Task,
    holder: Uuid,
    outcome: Result<(), Failure>,
) -> Result<(), StoreError> {
    let (id, now) = (task.id, node.now());
    match outcome {
        Ok(()) => {
            tracing::info!(about = about(task), channel = task.channel, message = %id, "escalated");
            node.store().write(move |tx| escalations::sent(tx, id, now)).await
        }
        Err(Failure { what, last: true, .. }) => refuse(node, task, holder, what).await,
        Err(Failure { what, asked, .. }) => postpone(node, task, holder, (what, asked)).await,
    }
}

async fn refuse(node: &Node, task: &Task, holder: Uuid, what: String) -> Result<(), StoreError> {
    let mine = (task.id, holder);
    tracing::error!(about = about(task), channel = task.channel, message = %task.id, failure = what,
                    "an escalation was refused for good; an operator has to look");
    node.store().write(move |tx| escalations::refuse(tx, mine, &what)).await
}

async fn postpone(
    node: &Node,
    task: &Task,
    holder: Uuid,
    (what, asked): (String, Option<Duration>),
) -> Result<(), StoreError> {
    let (mine, attempts) = ((task.id, holder), task.attempts.saturating_add(1));
    let pause = policy(node).pause(attempts, node.random().spread());
    let next_at = after(node.now(), asked.map_or(pause, |asked| asked.max(pause)));
    tracing::warn!(about = about(task), channel = task.channel, message = %task.id, attempts,
                   failure = what, %next_at, "not escalated yet");
    node.store().write(move |tx| escalations::postpone(tx, mine, next_at, &what)).await
}

async fn send(node: &Node, channel: &Channel, task: &Task) -> Result<(), Failure> {
    let word: Word = serde_json::from_str(&task.document)
        .map_err(|_| Failure::later("the stored message can't be read by this version"))?;
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content);
    let directory = directory.ok_or_else(|| Failure::later("no directory issue is held"))?;
    channel.send(directory, &word, &task.document, node.config().escalation.attempt_max()).await
}

/// What a message is about, as far as whoever reads the log may know it.
fn about(task: &Task) -> String {
    let occasion = &task.occasion;
    if occasion.is_restricted() { "restricted".to_owned() } else { occasion.subject.to_string() }
}

fn policy(node: &Node) -> RetryPolicy {
    let escalation = &node.config().escalation;
    RetryPolicy {
        first: Duration::from_millis(escalation.first_pause_ms),
        ceiling: Duration::from_millis(escalation.pause_ms_max),
        attempts_max: 1,
    }
}

fn after(now: Instant, pause: Duration) -> Instant {
    let millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    Instant::from_milliseconds(now.milliseconds().saturating_add(millis)).unwrap_or(now)
}
