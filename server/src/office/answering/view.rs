//! Queries as officers see them. What is about shielded children is for the role for it alone.

use cme_matching::ChildId;
use cme_spec::codes::{AnswerOutcome, ClockClass, MatchedField, QueryPurpose};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId, TransferId};
use cme_spec::query::OfficerId;
use cme_spec::working_days::{Deadline, WorkingDays};
use serde::Serialize;
use serde_json::Value;

use super::super::noticing::ToSend;
use super::{Asker, OfficeError, check_role, is_hidden, named};
use crate::node::Node;
use crate::store::dispatch::{self, Dispatch, Task};
use crate::store::queries::{self, Held, Match, MatchState};
use crate::store::register::bearers;
use crate::store::{StoreError, Tx, led};

/// Queries that one list shows of each kind.
const LISTED_MAX: u32 = 500;
/// Days for which matches of shielded children are listed.
const LISTED_DAYS: i64 = 30;

/// What waits for an officer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueriesView {
    /// Queries that were answered `possible`: a person has to say.
    pub unanswered: Vec<QueryView>,
    /// Queries that stand, and have a match which is told when an officer releases it.
    pub standing: Vec<QueryView>,
    /// Children who have turned up elsewhere, known here and not offered to who asks.
    pub arrivals: Vec<QueryView>,
    /// Answers that were refused for good.
    pub refused: Vec<QueryId>,
}

/// A query in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryView {
    /// The query.
    pub query: QueryId,
    /// Who asks.
    pub from: AuthorityCode,
    /// Why.
    pub purpose: QueryPurpose,
    /// When its author decided.
    pub created_at: Instant,
    /// When it arrived.
    pub arrived_at: Instant,
    /// Until when it stands, while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing_until: Option<Instant>,
    /// Whether its author withdrew it.
    pub withdrawn: bool,
    /// The last answer.
    pub outcome: AnswerOutcome,
    /// The last day for an answer, while one is owed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_on: Option<String>,
    /// Whether that day is over.
    pub overdue: bool,
    /// The children of the register that may be the one.
    pub children: Vec<ChildView>,
    /// The transfer in which the child was offered to who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub led_to: Option<TransferId>,
    /// What is still to be sent, and what stands in its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_send: Option<ToSend>,
}

/// A child of the register beside a query.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildView {
    /// Its number in the register.
    pub child: ChildId,
    /// Which source tells of it.
    pub source: String,
    /// The source's reference: `register show` shows the child.
    pub reference: String,
    /// The fields that agree.
    pub matched_on: Vec<MatchedField>,
    /// When the two met.
    pub met_at: Instant,
    /// What became of it.
    pub state: &'static str,
}

/// An answer in a query's history.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerView {
    /// Its number.
    pub number: u64,
    /// What was said.
    pub outcome: AnswerOutcome,
    /// When.
    pub answered_at: Instant,
    /// When the asking authority stored it; absent for the first, which went back with the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Instant>,
}

/// One query with all that is held of it.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryDetails {
    /// Where it stands.
    #[serde(flatten)]
    pub view: QueryView,
    /// Every answer.
    pub answers: Vec<AnswerView>,
    /// What was asked; null once it was erased.
    pub body: Value,
}

/// A query that a shielded child matches.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestrictedView {
    /// The query.
    pub query: QueryId,
    /// Who asks.
    pub from: AuthorityCode,
    /// Why.
    pub purpose: QueryPurpose,
    /// When it arrived.
    pub arrived_at: Instant,
    /// The last answer.
    pub outcome: AnswerOutcome,
    /// The shielded children.
    pub children: Vec<ChildView>,
}

/// What waits for an officer. Implements: QRY-011, STQ-007
pub async fn list_queries(node: &Node, by: AuthorityCode) -> Result<QueriesView, OfficeError> {
    let job_node = node.clone();
    let read = node.store().read(move |tx| {
        let letters = dispatch::of_hosted(tx, by)?;
        let mut unanswered = Vec::new();
        for held in queries::unanswered(tx, by, LISTED_MAX)? {
            unanswered.push(view(tx, &job_node, &held, &letters)?);
        }
        let mut standing = Vec::new();
        for held in queries::with_waiting_match(tx, by, LISTED_MAX)? {
            standing.push(view(tx, &job_node, &held, &letters)?);
        }
        let waits = |child: &ChildView| child.state == MatchState::Waiting.code();
        standing.retain(|view| view.children.iter().any(waits));
        let mut arrivals = Vec::new();
        for held in queries::arrivals(tx, by, LISTED_MAX)? {
            arrivals.push(view(tx, &job_node, &held, &letters)?);
        }
        // A child who is shielded by now is offered by nobody.
        arrivals.retain(|view| !view.children.is_empty());
        let dead = letters.iter().filter(|letter| letter.dead && letter.key.task == Task::Answer);
        let refused = dead.filter_map(|letter| letter.key.id.parse().ok()).collect();
        Ok(QueriesView { unanswered, standing, arrivals, refused })
    });
    Ok(read.await?)
}

/// Queries of the last days that shielded children match: for the officer for restricted children alone.
///
/// Implements: QRY-024, STQ-009
pub async fn restricted(
    node: &Node,
    by: AuthorityCode,
    officer: &OfficerId,
) -> Result<Vec<RestrictedView>, OfficeError> {
    check_role(node, officer)?;
    let since = node.now().plus_seconds(-LISTED_DAYS * 86_400);
    let read = node.store().read(move |tx| {
        let mut found = Vec::new();
        for held in queries::with_match_since(tx, by, since, LISTED_MAX)? {
            let children = children(tx, &held, true)?;
            let outcome = held.answers.last().map(|last| last.content().outcome);
            if let Some(outcome) = outcome.filter(|_| !children.is_empty()) {
                found.push(RestrictedView {
                    query: held.key.query,
                    from: held.key.author,
                    purpose: held.header.purpose,
                    arrived_at: held.arrived_at,
                    outcome,
                    children,
                });
            }
        }
        Ok(found)
    });
    Ok(read.await?)
}

/// One query with its answers and, while it is kept, what was asked.
pub async fn show_query(node: &Node, asker: Asker) -> Result<QueryDetails, OfficeError> {
    let job_node = node.clone();
    let read = node.store().read(move |tx| {
        let held = match named(tx, &asker)? {
            Ok(held) => held,
            Err(error) => return Ok(Err(error)),
        };
        let letters = dispatch::of_hosted(tx, asker.by)?;
        let answers = queries::answers(tx, &held.key)?;
        let answers = answers.into_iter().map(|(answer, stored)| AnswerView {
            number: answer.content().number,
            outcome: answer.content().outcome,
            answered_at: answer.content().answered_at,
            received_at: stored.map(|stored| stored.content().received_at),
        });
        let body = held.body.as_ref().map_or(Value::Null, |body| body.value().clone());
        Ok(Ok(QueryDetails { view: view(tx, &job_node, &held, &letters)?, answers: answers.collect(), body }))
    });
    read.await?
}

fn view(tx: &mut dyn Tx, node: &Node, held: &Held, letters: &[Dispatch]) -> Result<QueryView, StoreError> {
    let id = held.key.query.to_string();
    let mut of_query = letters.iter().filter(|letter| {
        letter.key.task == Task::Answer && letter.key.counterparty == held.key.author && letter.key.id == id
    });
    let outcome = held.answers.last().map_or(AnswerOutcome::NotKnown, |last| last.content().outcome);
    let owed = outcome == AnswerOutcome::Possible && held.withdrawal.is_none();
    let due = if owed { due(node, held) } else { None };
    Ok(QueryView {
        query: held.key.query,
        from: held.key.author,
        purpose: held.header.purpose,
        created_at: held.header.created_at,
        arrived_at: held.arrived_at,
        standing_until: held.standing_until,
        withdrawn: held.withdrawal.is_some(),
        outcome,
        overdue: due.as_ref().is_some_and(|due| due.is_over_at(node.now().timestamp())),
        due_on: due.map(|due| due.due.to_string()),
        children: children(tx, held, false)?,
        led_to: led::of_query(tx, &held.key)?,
        to_send: of_query.next().map(|letter| ToSend {
            attempts: letter.attempts,
            last_failure: letter.last_failure.clone(),
            refused: letter.dead,
        }),
    })
}

/// The children of the register that a query met: those that are shielded, or those that are not.
fn children(tx: &mut dyn Tx, held: &Held, hidden: bool) -> Result<Vec<ChildView>, StoreError> {
    let mut shown = Vec::new();
    for met in queries::matches(tx, &held.key)? {
        if is_hidden(tx, held.key.hosted, &met)? == hidden {
            shown.extend(child(tx, held, met)?);
        }
    }
    Ok(shown)
}

/// The child, unless it is known no more.
fn child(tx: &mut dyn Tx, held: &Held, met: Match) -> Result<Option<ChildView>, StoreError> {
    let bearer = bearers(tx, held.key.hosted, &[met.child])?.pop();
    Ok(bearer.map(|bearer| ChildView {
        child: met.child,
        source: bearer.source,
        reference: bearer.reference,
        matched_on: met.fields,
        met_at: met.met_at,
        state: met.state.code(),
    }))
}

/// Until when an officer is to answer, counted from the query's arrival under the directory issue of that day.
///
/// Implements: QRY-011
fn due(node: &Node, held: &Held) -> Option<Deadline> {
    let archive = node.archive();
    let policy = &archive.issue(held.directory_issue)?.policy;
    let days = policy.acknowledge_working_days.of(ClockClass::Standard);
    let calendar = WorkingDays::new(policy.bank_holidays.iter().copied(), policy.holidays_through);
    calendar.deadline(held.arrived_at.timestamp(), u32::from(days)).ok()
}
