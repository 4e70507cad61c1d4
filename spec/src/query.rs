//! Queries: whether another authority knows a child, asked without telling anything of the case.
//!
//! A [`Query`] goes to one authority, which answers with [`Answer`]s. The rules here are pure: what a query may
//! ask, which answer may follow which, until when a query stands and until when its body may be kept. Whether
//! a register knows the child is decided elsewhere.

mod answer;
mod body;
mod keeping;
mod one_child;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::answer::{ANSWERS_MAX, Answer, AnswerFault, Asked, check_answer};
pub use self::body::{NAME_CHARS_MAX, NAMES_MAX, OfficerId, QueryBody, QueryOfficer, Subject, UPNS_MAX};
pub use self::keeping::{BODY_KEPT_SECONDS, Keeping, keeping, stands_until};
use crate::body::{StatedBasis, checked};
use crate::canonical::ShapeError;
use crate::codes::QueryPurpose;
use crate::digest::Digest;
use crate::ids::AuthorityCode;
use crate::instant::{BroadcastId, Instant, QueryId};
use crate::problem::{Problem, ProblemType};
use crate::statement::{Statement, StatementHeader};

/// Legal bases that one statement can name.
pub const LEGAL_BASES_MAX: usize = 8;

/// Seconds for which a query can stand: 30 days.
pub const STANDING_SECONDS_MAX: i64 = 30 * 86_400;

/// Authorities that may be asked about one child within [`UNBROADCAST_SECONDS`] without a broadcast.
pub const UNBROADCAST_AUTHORITIES_MAX: usize = 3;

/// The time in which queries about one child are counted together: 24 hours.
pub const UNBROADCAST_SECONDS: i64 = 86_400;

/// A query as received.
pub type Query = Statement<QueryHeader>;

/// The signed part of a query. It holds no direct personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryHeader {
    /// Protocol version.
    #[schema(pattern = "^1\\.[0-9]+$", example = "1.0")]
    pub protocol: String,
    /// Minted once, when the officer decided to ask this authority.
    pub query: QueryId,
    /// The authority that asks.
    pub author: AuthorityCode,
    /// The authority that is asked.
    pub recipient: AuthorityCode,
    /// When the author decided.
    pub created_at: Instant,
    /// Why it asks.
    pub purpose: QueryPurpose,
    /// The law it asks under.
    #[schema(min_items = 1, max_items = 8)]
    pub legal_basis: Vec<StatedBasis>,
    /// The broadcast that this query is part of.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::text::never_null")]
    pub broadcast: Option<BroadcastId>,
    /// Until when the query stands.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::text::never_null")]
    pub standing_until: Option<Instant>,
    /// The standing query that this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::text::never_null")]
    pub renews: Option<QueryId>,
    /// Digest of the body.
    pub body_digest: Digest,
}

impl StatementHeader for QueryHeader {
    const TYP: &'static str = "cme-query";

    fn protocol(&self) -> &str {
        &self.protocol
    }

    fn author(&self) -> AuthorityCode {
        self.author
    }

    fn recipient(&self) -> AuthorityCode {
        self.recipient
    }

    fn created_at(&self) -> Instant {
        self.created_at
    }

    fn body_digest(&self) -> Digest {
        self.body_digest
    }

    fn with_body_digest(self, digest: Digest) -> Self {
        Self { body_digest: digest, ..self }
    }

    fn check_form(&self) -> Result<(), ShapeError> {
        check_legal_basis(&self.legal_basis)
    }
}

/// Holds when as many legal bases are named as may be.
pub(crate) fn check_legal_basis(bases: &[StatedBasis]) -> Result<(), ShapeError> {
    if (1..=LEGAL_BASES_MAX).contains(&bases.len()) { Ok(()) } else { Err(ShapeError::at("/legalBasis")) }
}

/// Why a query of the right form is refused. It quotes nothing of the query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryFault {
    /// The header asks for what its purpose, or the time it may stand, does not allow.
    #[error("the header breaks a rule at {}", .0.pointer)]
    NotAllowed(ShapeError),
    /// The body breaks a rule.
    #[error("the body breaks a rule at {}", .0.pointer)]
    Body(ShapeError),
}

impl QueryFault {
    /// The problem that a peer is told. Implements: QRY-003, QRY-005, PRV-002
    pub fn problem(&self) -> Problem {
        match self {
            Self::NotAllowed(error) => {
                Problem::new(ProblemType::QueryNotAllowed).pointer(error.pointer.clone())
            }
            Self::Body(error) => Problem::new(ProblemType::BodyInvalid).pointer(error.pointer.clone()),
        }
    }
}

/// Holds when the query asks for what may be asked, with no more than may be told.
///
/// What an author asks before it signs and a server before it looks anywhere. Gives the body as typed.
///
/// Implements: QRY-003, QRY-004, QRY-005, QRY-006, STQ-001, STQ-002
pub fn check(query: &Query) -> Result<QueryBody, QueryFault> {
    let header = query.header();
    // What was read has the form already; what is about to be signed may not.
    header.check_form().map_err(QueryFault::NotAllowed)?;
    check_header(header).map_err(|pointer| QueryFault::NotAllowed(ShapeError::at(pointer)))?;
    let body: QueryBody = checked(query.body()).map_err(QueryFault::Body)?;
    let second = body.second_officer.as_ref();
    let two_decided = second.is_some_and(|second| second.id != body.officer.id);
    if header.broadcast.is_some() == second.is_some() && (second.is_none() || two_decided) {
        Ok(body)
    } else {
        Err(QueryFault::Body(ShapeError::at("/secondOfficer")))
    }
}

/// The first member of the header that breaks a rule, by pointer.
fn check_header(header: &QueryHeader) -> Result<(), &'static str> {
    let harmless = header.purpose.tells_nothing_of_the_child();
    if !harmless && header.broadcast.is_some() {
        return Err("/broadcast");
    }
    if let Some(until) = header.standing_until {
        let latest = header.created_at.plus_seconds(STANDING_SECONDS_MAX);
        if !harmless || until <= header.created_at || until > latest {
            return Err("/standingUntil");
        }
    }
    let follows =
        header.renews.is_none_or(|before| header.standing_until.is_some() && before != header.query);
    if follows { Ok(()) } else { Err("/renews") }
}
