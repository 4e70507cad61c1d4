//! Queries: what an officer asks other authorities, one of them or many at once.
//!
//! A decision is committed with the order to send it, and sent by the server (`crate::asking` says why).

mod ending;
mod handing;
mod region;
mod renewal;
mod view;

use std::collections::BTreeSet;

use cme_client::broadcast::{Selected, Selection};
use cme_spec::body::StatedBasis;
use cme_spec::canonical::Json;
use cme_spec::codes::{LegalBasis, MatchedField, QueryPurpose};
use cme_spec::directory::{Availability, Directory};
use cme_spec::entry::PROTOCOL;
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{BroadcastId, Instant, QueryId};
use cme_spec::query::{
    self, OfficerId, Query, QueryFault, QueryHeader, QueryOfficer, Subject, UNBROADCAST_AUTHORITIES_MAX,
    UNBROADCAST_SECONDS,
};
use cme_spec::working_days::london_date;
use serde_json::{Value, json};
use uuid::Uuid;

use super::OfficeError;
use crate::asking::row;
use crate::node::{Hosted, Node};
use crate::store::asked::{self, Asking};
use crate::store::dispatch::{self, Task};
use crate::store::{StoreError, Tx};

pub use self::ending::{retry_asking, withdraw_asking};
pub use self::handing::{offer_draft, offer_found};
pub use self::region::region;
pub use self::renewal::{RenewDecision, renew_asking};
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

type Queries = Vec<(Query, Vec<MatchedField>)>;

impl Draft<'_> {
    /// The query to one authority, which stands only where the authority keeps such queries. Implements: QRY-004
    fn query(
        &self,
        directory: &Directory,
        to: AuthorityCode,
        renews: Option<QueryId>,
    ) -> Result<(Query, Vec<MatchedField>), OfficeError> {
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
        QueryFault::NotAllowed(error) if error.pointer == "/legalBasis" => OfficeError::LegalBases,
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

/// The officers that a command names.
pub fn deciders(officer: (OfficerId, String), second: Option<(OfficerId, String)>) -> Deciders {
    let of = |(id, role): (OfficerId, String)| QueryOfficer { id, role };
    Deciders { officer: of(officer), second: second.map(of) }
}
