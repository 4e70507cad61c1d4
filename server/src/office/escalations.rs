//! What the escalation contact was told, and messages that need an operator.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId, TransferId};
use serde::Serialize;
use uuid::Uuid;

use super::{OfficeError, Resolution};
use crate::node::Node;
use crate::store::escalations::{self, Occasion, State, Subject, Task, Told};

/// Something that was told, with its messages.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EscalationView {
    /// The transfer, unless it is about a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferId>,
    /// The query, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryId>,
    /// The other authority.
    pub peer: AuthorityCode,
    /// The clock that ran out, or `upheld`, `forked`, `letter-refused`, `delivery-refused`, `possible-match`,
    /// `standing-match`, `asked-by-many`.
    pub matter: String,
    /// The clock's last day, the letter's id, the entry's sequence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// When it was noted.
    pub told_at: Instant,
    /// Reminders since.
    pub reminders: u32,
    /// When it was told last.
    pub last_at: Instant,
    /// Its messages; none while no channel was configured: the log told it.
    pub messages: Vec<MessageView>,
}

/// One message over one channel.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    /// Names it, at the receiver too.
    pub id: Uuid,
    /// The transfer, unless it is about a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferId>,
    /// `webhook` or `email`.
    pub channel: String,
    /// `contact`, `arbiter`, `officer` or `restricted-officer`.
    pub recipient: String,
    /// Where it is.
    pub state: State,
    /// Failures in a row.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Instant>,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Instant>,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// The transfer or the query.
fn ids(occasion: &Occasion) -> (Option<TransferId>, Option<QueryId>) {
    match occasion.subject {
        Subject::Ledger(key) => (Some(key.transfer), None),
        Subject::Query(key) => (None, Some(key.query)),
    }
}

pub(super) fn message_view(task: Task) -> MessageView {
    MessageView {
        id: task.id,
        transfer: ids(&task.occasion).0,
        channel: task.channel,
        recipient: task.recipient,
        state: task.state,
        attempts: task.attempts,
        next_at: (task.state == State::Waiting).then_some(task.next_at),
        sent_at: task.sent_at,
        last_failure: task.last_failure,
    }
}

fn view((occasion, told, tasks): (Occasion, Told, Vec<Task>)) -> EscalationView {
    let (transfer, query) = ids(&occasion);
    EscalationView {
        transfer,
        query,
        peer: occasion.subject.peer(),
        matter: occasion.matter,
        detail: occasion.detail,
        told_at: told.told_at,
        reminders: told.reminders,
        last_at: told.last_at,
        messages: tasks.into_iter().map(message_view).collect(),
    }
}

/// The newest that an authority's contact was told, the newest first. Implements: CLK-005
pub async fn escalations(
    node: &Node,
    authority: AuthorityCode,
    limit: u32,
) -> Result<Vec<EscalationView>, OfficeError> {
    let read = node.store().read(move |tx| {
        let mut all = Vec::new();
        for (occasion, told) in escalations::all_told(tx, authority, limit)? {
            let tasks = escalations::of_occasion(tx, &occasion)?;
            all.push((occasion, told, tasks));
        }
        Ok(all)
    });
    Ok(read.await?.into_iter().map(view).collect())
}

/// An operator resolves a message that is not sent.
pub async fn resolve_escalation(
    node: &Node,
    by: AuthorityCode,
    id: Uuid,
    resolution: Resolution,
) -> Result<(), OfficeError> {
    let now = node.now();
    let resolved = node.store().write(move |tx| match resolution {
        Resolution::Retry => escalations::retry(tx, by, id, now),
        Resolution::Drop => escalations::give_up(tx, by, id),
    });
    if resolved.await? { Ok(()) } else { Err(OfficeError::UnknownMessage(id)) }
}
