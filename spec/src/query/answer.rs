//! Answers: whether the authority that was asked knows the child, and whom to ring. Never where the child is.

use serde::{Deserialize, Serialize};

use super::{QueryHeader, stands_until};
use crate::codes::{AnswerOutcome, MatchedField};
use crate::digest::Digest;
use crate::directory::Contact;
use crate::envelope::Document;
use crate::ids::AuthorityCode;
use crate::instant::{Instant, QueryId};
use crate::problem::{Problem, ProblemType};

/// Answers that one query can have.
pub const ANSWERS_MAX: u64 = 16;

/// What an authority says to a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The query.
    pub query: QueryId,
    /// Digest of the query's header.
    pub query_digest: Digest,
    /// 0 for the answer made when the query arrived; later ones count on.
    #[schema(maximum = 15)]
    pub number: u64,
    /// Whether the child is known.
    pub outcome: AnswerOutcome,
    /// Fields that agreed; empty unless the child is known or possibly known.
    #[schema(max_items = 7)]
    pub matched_on: Vec<MatchedField>,
    /// The authority believed to know the child; present exactly when the outcome is `referred`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::text::never_null")]
    pub referred_to: Option<AuthorityCode>,
    /// Whom to ring: the team that the directory lists, whichever team holds the child.
    pub team: Contact,
    /// When this was said, to the second: a fraction would make answers of unequal length.
    #[serde(deserialize_with = "whole_second")]
    pub answered_at: Instant,
    /// The authority that says it.
    pub by: AuthorityCode,
    /// How often that server's database was restored.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// The directory issue that server works by.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub directory_issue: u64,
}

impl Document for Answer {
    const MEMBER: &'static str = "answer";
    const TYP: &'static str = "cme-answer";
}

/// The query that an answer is for, as far as it is needed to judge the answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its header.
    pub header: &'a QueryHeader,
    /// Digest of the header.
    pub digest: Digest,
    /// Fields in which a child can agree with it, see [`super::Subject::fields`].
    pub fields: &'a [MatchedField],
}

/// Why an answer is none to that query, or not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It is for another query, or by another authority.
    #[error("the answer is for another query or by another authority")]
    OtherQuery,
    /// A member does not fit the outcome.
    #[error("{0} does not fit the outcome")]
    Form(&'static str),
    /// It matched on a field that the query does not have.
    #[error("the answer matched on a field that the query does not have")]
    NotAsked,
    /// Its number is not the next and answers are missing.
    #[error("answers before this one are missing")]
    Gap,
    /// Its number was given before.
    #[error("the number was given before")]
    NumberTaken,
    /// It is dated before the one before it.
    #[error("the answer is dated before the one before it")]
    DatedBefore,
    /// That outcome may not follow, or not any more.
    #[error("that outcome may not follow the answers before it")]
    MayNotFollow,
}

impl AnswerFault {
    /// The problem that a peer is told. Implements: QRY-012
    pub fn problem(self) -> Problem {
        let kind = match self {
            Self::Gap => ProblemType::AnswerGap,
            Self::NumberTaken => ProblemType::IdReused,
            _ => ProblemType::AnswerNotAllowed,
        };
        Problem::new(kind).detail(self.to_string())
    }
}

/// Holds when `answer` is one to the query and may follow the answers before it, which are in order from 0.
///
/// Its signature is checked elsewhere. Implements: QRY-012, QRY-013
pub fn check_answer(answer: &Answer, asked: &Asked<'_>, before: &[Answer]) -> Result<(), AnswerFault> {
    let header = asked.header;
    if answer.query != header.query || answer.query_digest != asked.digest || answer.by != header.recipient {
        return Err(AnswerFault::OtherQuery);
    }
    check_form(answer).map_err(AnswerFault::Form)?;
    if answer.matched_on.iter().any(|field| !asked.fields.contains(field)) {
        return Err(AnswerFault::NotAsked);
    }
    let next = before.len() as u64;
    if answer.number > next {
        return Err(AnswerFault::Gap);
    }
    if answer.number < next {
        return Err(AnswerFault::NumberTaken);
    }
    let Some(last) = before.last() else { return Ok(()) };
    if answer.answered_at < last.answered_at {
        return Err(AnswerFault::DatedBefore);
    }
    let stands = stands_until(header, before).is_some_and(|until| answer.answered_at < until);
    if answer.number < ANSWERS_MAX && may_follow(last.outcome, answer.outcome, stands) {
        Ok(())
    } else {
        Err(AnswerFault::MayNotFollow)
    }
}

/// The first member that does not fit the outcome.
fn check_form(answer: &Answer) -> Result<(), &'static str> {
    use AnswerOutcome as O;
    let matched = &answer.matched_on;
    let twice = matched.iter().enumerate().any(|(index, field)| matched[..index].contains(field));
    if twice || matched.is_empty() == matches!(answer.outcome, O::Known | O::Possible) {
        return Err("matchedOn");
    }
    let elsewhere = answer.referred_to.is_some_and(|to| to != answer.by);
    if (answer.outcome == O::Referred) == elsewhere && elsewhere == answer.referred_to.is_some() {
        Ok(())
    } else {
        Err("referredTo")
    }
}

/// Whether an outcome may come after the newest one.
fn may_follow(last: AnswerOutcome, next: AnswerOutcome, stands: bool) -> bool {
    use AnswerOutcome as O;
    match last {
        O::Possible | O::Known | O::Referred => matches!(next, O::Known | O::NotKnown | O::Referred),
        O::NotKnown => stands && matches!(next, O::Known | O::Referred),
        O::Withheld => false,
    }
}

/// A timestamp written without a fraction, whatever the fraction would be.
fn whole_second<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
    crate::ids::text::deserialize(deserializer, |text| {
        let whole = text.len() == "2026-11-24T09:00:00Z".len();
        text.parse().ok().filter(|_| whole).ok_or("a timestamp without a fraction is needed")
    })
}
