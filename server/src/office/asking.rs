//! Queries: what an officer asks other authorities, one of them or many at once.
//!
//! A decision is committed with the order to send it, and sent by the server (`crate::asking` says why).

mod handing;
mod region;
mod view;

use std::collections::BTreeSet;

use cme_client::broadcast::{Selected, Selection};
use cme_spec::body::StatedBasis;
use cme_spec::canonical::Json;
use cme_spec::codes::{AnswerOutcome, LegalBasis, QueryPurpose};
use cme_spec::directory::{Availability, Directory};
use cme_spec::entry::PROTOCOL;
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{BroadcastId, Instant, QueryId};
use cme_spec::query::{
    self, OfficerId, Query, QueryFault, QueryHeader, QueryOfficer, Subject, UNBROADCAST_AUTHORITIES_MAX,
    UNBROADCAST_SECONDS, stands_until,
};
use cme_spec::working_days::london_date;
use serde_json::{Value, json};
use uuid::Uuid;

use super::OfficeError;
use crate::asking;
use crate::node::{Hosted, Node};
use crate::store::asked::{self, Asking, Held};
use crate::store::dispatch::{self, DispatchKey, Task};
use crate::store::{StoreError, Tx};

pub use self::handing::{offer_draft, offer_found};
pub use self::region::region;
pub use self::view::{
    AskedView, AskingDetails, AskingView, AuthorityStatus, RingView, Tally, asking_details, list_askings,
    show_asking,
};

/// The profile of an authority that answers queries.
const PROFILE: &str = "queries";
/// The profile of an authority that keeps standing queries.
const STANDING_PROFILE: &str = "standing-queries";

/// Whom an officer asks.
#[derive(Clone, Debug)]
pub enum AskedAuthorities {
    /// One authority.
    One(AuthorityCode),
    /// Many, by the decision of two officers.
    Broadcast(Selection),
}

/// Who decides: one officer, and another for a broadcast.
#[derive(Clone, Debug)]
pub struct Deciders {
    /// Who asks.
    pub officer: QueryOfficer,
    /// Who else decided.
    pub second: Option<QueryOfficer>,
}

/// What an officer asks.
#[derive(Clone, Debug)]
pub struct AskDecision {
    /// The authority that asks.
    pub by: AuthorityCode,
    /// Whom.
    pub whom: AskedAuthorities,
    /// Why.
    pub purpose: QueryPurpose,
    /// The law it asks under.
    pub legal_basis: Vec<LegalBasis>,
    /// Who decides.
    pub deciders: Deciders,
    /// For how many days the query stands, if it does.
    pub standing_days: Option<u32>,
    /// The child: a `subject` of the text.
    pub subject: Json,
}

/// An officer goes on looking: the standing queries of an asking are renewed.
#[derive(Clone, Debug)]
pub struct RenewDecision {
    /// The authority that asks.
    pub by: AuthorityCode,
    /// What is renewed.
    pub asking: Uuid,
    /// Who decides.
    pub deciders: Deciders,
    /// For how many days the new queries stand.
    pub standing_days: u32,
}

/// What every query of one decision has in common.
struct Draft<'a> {
    node: &'a Node,
    hosted: &'a Hosted,
    now: Instant,
    purpose: QueryPurpose,
    legal_basis: Vec<StatedBasis>,
    broadcast: Option<BroadcastId>,
    standing_until: Option<Instant>,
    deciders: &'a Deciders,
    subject: &'a Value,
}

type Queries = Vec<(Query, Vec<cme_spec::codes::MatchedField>)>;

impl Draft<'_> {
    /// The query to one authority, which stands only where the authority keeps such queries. Implements: QRY-004
    fn query(
        &self,
        directory: &Directory,
        to: AuthorityCode,
        renews: Option<QueryId>,
    ) -> Result<(Query, Vec<cme_spec::codes::MatchedField>), OfficeError> {
        let stands = has_profile(directory, to, STANDING_PROFILE);
        let standing_until = self.standing_until.filter(|_| stands);
        let mut body = json!({
            "salt": self.node.random().salt(),
            "officer": self.deciders.officer,
            "subject": self.subject,
        });
        if let Some(second) = &self.deciders.second {
            body["secondOfficer"] = json!(second);
        }
        let body = Json::from_typed(&body)?;
        let header = QueryHeader {
            protocol: PROTOCOL.to_owned(),
            query: self.node.random().query_id(self.now),
            author: self.hosted.code,
            recipient: to,
            created_at: self.now,
            purpose: self.purpose,
            legal_basis: self.legal_basis.clone(),
            broadcast: self.broadcast,
            standing_until,
            renews: renews.filter(|_| standing_until.is_some()),
            body_digest: body.digest(),
        };
        let query = Query::sign(header, body, &self.hosted.signing);
        let body = query::check(&query).map_err(|fault| in_words(fault, self.purpose))?;
        Ok((query, body.subject.fields()))
    }
}

/// A rule that the input breaks, by the pointer of the officer's file.
fn in_words(fault: QueryFault, purpose: QueryPurpose) -> OfficeError {
    match fault {
        QueryFault::NotAllowed(_) => OfficeError::ArrivalAskedWidely(purpose),
        QueryFault::Body(error) if error.pointer == "/secondOfficer" => OfficeError::TwoOfficers,
        QueryFault::Body(mut error) => {
            if let Some(pointer) = error.pointer.strip_prefix("/subject") {
                error.pointer = pointer.to_owned();
            }
            OfficeError::QueryBody(error)
        }
    }
}

/// Asks: the queries are stored with the order to send them. Implements: QRY-001, QRY-014
pub async fn ask(node: &Node, decision: AskDecision) -> Result<AskingDetails, OfficeError> {
    let now = node.now();
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content).ok_or(OfficeError::NoDirectory)?;
    let hosted = node.hosted(decision.by).ok_or(OfficeError::NotHosted(decision.by))?;
    let (to, to_ring, broadcast) = match &decision.whom {
        AskedAuthorities::One(to) => {
            answers_queries(directory, decision.by, *to, decision.standing_days.is_some())?;
            (vec![*to], Vec::new(), None)
        }
        AskedAuthorities::Broadcast(selection) => {
            let selected = selected(directory, selection, decision.by, now)?;
            (selected.asked, selected.to_ring, Some(node.random().broadcast_id(now)))
        }
    };
    let as_of = london_date(now.timestamp());
    let draft = Draft {
        node,
        hosted,
        now,
        purpose: decision.purpose,
        legal_basis: decision.legal_basis.iter().map(|code| StatedBasis { code: *code, as_of }).collect(),
        broadcast,
        standing_until: decision.standing_days.map(|days| after_days(now, days)),
        deciders: &decision.deciders,
        subject: decision.subject.value(),
    };
    let queries: Queries = to.iter().map(|to| draft.query(directory, *to, None)).collect::<Result<_, _>>()?;
    let asking = asking_of(&draft, &queries, to_ring, None)?;
    let id = asking.id;
    commit(node, asking, queries).await?;
    asking_details(node, decision.by, id).await
}

fn after_days(now: Instant, days: u32) -> Instant {
    now.plus_seconds(i64::from(days) * 86_400)
}

fn asking_of(
    draft: &Draft<'_>,
    queries: &Queries,
    to_ring: Vec<AuthorityCode>,
    renews: Option<Uuid>,
) -> Result<Asking, OfficeError> {
    let first = queries.first().map(|(query, _)| query.header().query.to_string());
    let id = draft.broadcast.map(|broadcast| broadcast.to_string()).or(first);
    let id = id.and_then(|id| id.parse().ok()).ok_or(OfficeError::NobodyToAsk)?;
    Ok(Asking {
        hosted: draft.hosted.code,
        id,
        purpose: draft.purpose,
        officer: draft.deciders.officer.id.clone(),
        second_officer: draft.deciders.second.as_ref().map(|second| second.id.clone()),
        to_ring,
        renews,
        created_at: draft.now,
    })
}

/// Stores an asking with the order to send it, unless too many authorities would have been asked about the child
/// without a broadcast.
async fn commit(node: &Node, asking: Asking, queries: Queries) -> Result<(), OfficeError> {
    let now = asking.created_at;
    let kept = node.store().write(move |tx| {
        if asked::find_asking(tx, asking.hosted, asking.id)?.is_some() {
            return Ok(Ok(()));
        }
        if let Err(error) = within_limit(tx, asking.hosted, &queries, now)? {
            return Ok(Err(error));
        }
        asked::keep(tx, &asking, &queries)?;
        for (query, _) in &queries {
            dispatch::enqueue(tx, &row(asking.hosted, query.header(), Task::Query), now)?;
        }
        Ok(Ok(()))
    });
    kept.await?
}

/// Holds when no more than three authorities have been asked about the child within 24 hours, except by a
/// broadcast. Bodies are kept for as long as this needs them. Implements: QRY-014
fn within_limit(
    tx: &mut dyn Tx,
    by: AuthorityCode,
    queries: &Queries,
    now: Instant,
) -> Result<Result<(), OfficeError>, StoreError> {
    let Some((new, _)) = queries.first().filter(|(new, _)| new.header().broadcast.is_none()) else {
        return Ok(Ok(()));
    };
    let Some(child) = subject(new) else { return Ok(Ok(())) };
    let before = asked::since(tx, by, now.plus_seconds(-UNBROADCAST_SECONDS))?;
    let about_the_child = before.iter().filter(|held| {
        let other = held.query.as_ref().and_then(subject);
        held.header.broadcast.is_none() && other.is_some_and(|other| child.may_be(&other))
    });
    let mut authorities: BTreeSet<AuthorityCode> = about_the_child.map(|held| held.counterparty).collect();
    authorities.insert(new.header().recipient);
    let few = authorities.len() <= UNBROADCAST_AUTHORITIES_MAX;
    Ok(if few { Ok(()) } else { Err(OfficeError::AskByBroadcast(authorities.len() - 1)) })
}

fn subject(query: &Query) -> Option<Subject> {
    query::check(query).ok().map(|body| body.subject)
}

pub(super) fn row(hosted: AuthorityCode, header: &QueryHeader, task: Task) -> DispatchKey {
    let id = header.query.to_string();
    DispatchKey { hosted, counterparty: header.recipient, task, id, number: 0 }
}

fn has_profile(directory: &Directory, code: AuthorityCode, profile: &str) -> bool {
    let record = directory.answering(code);
    record.is_some_and(|record| record.profiles.iter().any(|known| known == profile))
}

/// Holds when the one authority can be asked by this protocol.
fn answers_queries(
    directory: &Directory,
    by: AuthorityCode,
    to: AuthorityCode,
    standing: bool,
) -> Result<(), OfficeError> {
    if by == to {
        return Err(OfficeError::QueryToItself);
    }
    let record = directory.answering(to).ok_or(OfficeError::UnknownAuthority(to))?;
    if record.availability == Availability::ContactOnly {
        return Err(OfficeError::ContactOnly(to, record.team.name.clone()));
    }
    if !has_profile(directory, to, PROFILE) {
        return Err(OfficeError::NoQueries(to, record.team.name.clone()));
    }
    if standing && !has_profile(directory, to, STANDING_PROFILE) {
        return Err(OfficeError::NoStanding(to));
    }
    Ok(())
}

/// The authorities of a selection, if it names none that the directory doesn't have and at least one can be asked.
fn selected(
    directory: &Directory,
    selection: &Selection,
    by: AuthorityCode,
    now: Instant,
) -> Result<Selected, OfficeError> {
    if let Selection::Authorities(codes) = selection {
        let unknown = codes.iter().find(|code| directory.authority(**code).is_none());
        unknown.map_or(Ok(()), |code| Err(OfficeError::UnknownAuthority(*code)))?;
    }
    let selected = selection.of(directory, by, now);
    if selected.asked.is_empty() { Err(OfficeError::NobodyToAsk) } else { Ok(selected) }
}

/// The asking of that id, or of which a query has it.
pub(super) fn resolve(tx: &mut dyn Tx, by: AuthorityCode, id: Uuid) -> Result<Option<Asking>, StoreError> {
    if let Some(asking) = asked::find_asking(tx, by, id)? {
        return Ok(Some(asking));
    }
    let Ok(query) = id.to_string().parse() else { return Ok(None) };
    let held = asked::find(tx, &asked::QueryKey { hosted: by, query })?;
    held.map_or(Ok(None), |held| asked::find_asking(tx, by, held.asking))
}

/// Asks no more: at every authority of the asking, or at those that are named. Implements: STQ-012
pub async fn withdraw_asking(
    node: &Node,
    by: AuthorityCode,
    id: Uuid,
    only: Vec<AuthorityCode>,
) -> Result<AskingDetails, OfficeError> {
    let now = node.now();
    let done = node.store().write(move |tx| {
        let Some(asking) = resolve(tx, by, id)? else { return Ok(Err(OfficeError::UnknownAsking(by, id))) };
        let all = asked::of_asking(tx, by, asking.id)?;
        if let Some(stranger) = only.iter().find(|code| all.iter().all(|held| held.counterparty != **code)) {
            return Ok(Err(OfficeError::NotAsked(*stranger)));
        }
        for held in all.iter().filter(|held| only.is_empty() || only.contains(&held.counterparty)) {
            withdraw_one(tx, held, now)?;
        }
        Ok(Ok(asking.id))
    });
    let id = done.await??;
    asking_details(node, by, id).await
}

/// One query is withdrawn, with those that it renews where the authority may not have the renewal yet.
fn withdraw_one(tx: &mut dyn Tx, held: &Held, now: Instant) -> Result<(), StoreError> {
    let mut next = Some(held.clone());
    while let Some(held) = next {
        if held.withdrawn_at.is_none() {
            let by = held.key.hosted;
            let was_dead = dispatch::is_dead(tx, &row(by, &held.header, Task::Query))?;
            dispatch::call_off(tx, &row(by, &held.header, Task::Query), now)?;
            asking::withdrawn(tx, &held, now)?;
            if !was_dead && may_be_kept_there(&held, now) {
                dispatch::enqueue(tx, &row(by, &held.header, Task::Withdrawal), now)?;
            }
        }
        let before = held.header.renews.filter(|_| held.answers.is_empty());
        next = match before {
            Some(query) => asked::find(tx, &asked::QueryKey { hosted: held.key.hosted, query })?,
            None => None,
        };
    }
    Ok(())
}

/// Whether the authority that was asked may hold the query's body, or look for the child.
fn may_be_kept_there(held: &Held, now: Instant) -> bool {
    let said = held.said();
    match said.last().map(|answer| answer.outcome) {
        Some(AnswerOutcome::Withheld) => false,
        Some(AnswerOutcome::NotKnown) => stands_until(&held.header, &said).is_some_and(|until| now < until),
        Some(AnswerOutcome::Possible | AnswerOutcome::Known | AnswerOutcome::Referred) | None => true,
    }
}

/// Goes on asking where the queries of an asking stand, or are still to be answered: each is followed by a new one
/// to the same authority. Implements: STQ-003
pub async fn renew_asking(node: &Node, decision: RenewDecision) -> Result<AskingDetails, OfficeError> {
    let (by, id, now) = (decision.by, decision.asking, node.now());
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content).ok_or(OfficeError::NoDirectory)?;
    let hosted = node.hosted(by).ok_or(OfficeError::NotHosted(by))?;
    let read = node.store().read(move |tx| {
        let Some(asking) = resolve(tx, by, id)? else { return Ok(None) };
        let letters = dispatch::of_hosted(tx, by)?;
        Ok(Some((
            asked::of_asking(tx, by, asking.id)?,
            asked::renewed_by(tx, by, asking.id)?,
            letters,
            asking,
        )))
    });
    let (all, renewed, letters, before) = read.await?.ok_or(OfficeError::UnknownAsking(by, id))?;
    if let Some(renewed) = renewed {
        return Err(OfficeError::RenewedAlready(before.id, renewed));
    }
    let is_dead = |held: &Held| {
        let key = row(by, &held.header, Task::Query);
        letters.iter().any(|letter| letter.dead && letter.key == key)
    };
    let open: Vec<&Held> = all.iter().filter(|held| is_open(held, now) && !is_dead(held)).collect();
    let body = open.iter().find_map(|held| held.query.as_ref()).map(|query| query.body().value().clone());
    let first = open.first().ok_or(OfficeError::NothingStands(before.id))?;
    let subject = body.ok_or(OfficeError::NothingStands(before.id))?["subject"].take();
    let broadcast = first.header.broadcast.map(|_| node.random().broadcast_id(now));
    if broadcast.is_some() != decision.deciders.second.is_some() {
        return Err(OfficeError::TwoOfficers);
    }
    let draft = Draft {
        node,
        hosted,
        now,
        purpose: first.header.purpose,
        legal_basis: first.header.legal_basis.clone(),
        broadcast,
        standing_until: Some(after_days(now, decision.standing_days)),
        deciders: &decision.deciders,
        subject: &subject,
    };
    let queries = open
        .iter()
        .filter(|held| has_profile(directory, held.counterparty, STANDING_PROFILE))
        .map(|held| draft.query(directory, held.counterparty, Some(held.key.query)))
        .collect::<Result<Queries, _>>()?;
    let asking = asking_of(&draft, &queries, before.to_ring, Some(before.id))
        .map_err(|_| OfficeError::NothingStands(before.id))?;
    let renewed = asking.id;
    commit(node, asking, queries).await?;
    asking_details(node, by, renewed).await
}

/// Whether a query stands, or was not answered yet and is to stand.
fn is_open(held: &Held, now: Instant) -> bool {
    let stands = match held.newest() {
        None => held.header.standing_until,
        Some(_) => stands_until(&held.header, &held.said()),
    };
    held.withdrawn_at.is_none() && stands.is_some_and(|until| now < until)
}

/// What was refused for good about an asking is sent again: whatever stood in its way is mended.
pub async fn retry_asking(node: &Node, by: AuthorityCode, id: Uuid) -> Result<AskingDetails, OfficeError> {
    let now = node.now();
    let retried = node.store().write(move |tx| {
        let Some(asking) = resolve(tx, by, id)? else { return Ok(Err(OfficeError::UnknownAsking(by, id))) };
        let queries = asked::of_asking(tx, by, asking.id)?;
        let ids: BTreeSet<String> = queries.iter().map(|held| held.key.query.to_string()).collect();
        let letters = dispatch::of_hosted(tx, by)?;
        let dead: Vec<_> =
            letters.iter().filter(|letter| letter.dead && ids.contains(&letter.key.id)).collect();
        for letter in &dead {
            dispatch::enqueue(tx, &letter.key, now)?;
        }
        Ok(if dead.is_empty() { Err(OfficeError::NoRefusedQuery(asking.id)) } else { Ok(asking.id) })
    });
    let id = retried.await??;
    asking_details(node, by, id).await
}

/// The officers that a command names.
pub fn deciders(officer: (OfficerId, String), second: Option<(OfficerId, String)>) -> Deciders {
    let of = |(id, role): (OfficerId, String)| QueryOfficer { id, role };
    Deciders { officer: of(officer), second: second.map(of) }
}
