//! Until when a query stands, and until when its body may be kept by whom it was put to.

use super::{Answer, QueryHeader};
use crate::codes::AnswerOutcome;
use crate::instant::Instant;

/// Seconds for which the body of an answered query may be kept: 30 days.
pub const BODY_KEPT_SECONDS: i64 = 30 * 86_400;

/// How long the authority that was asked may keep a query's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Until a person has answered: the last answer is `possible`.
    UntilAnswered,
    /// Not from this instant on.
    Until(Instant),
}

/// Until when the query stands after these answers; none when it does not stand.
///
/// A query stands from its first `not-known` on, and what has ended does not stand again. A withdrawal ends it
/// too, and is not known here. Implements: STQ-011
pub fn stands_until(header: &QueryHeader, answers: &[Answer]) -> Option<Instant> {
    let until = header.standing_until?;
    let newest = answers.last().filter(|answer| answer.outcome == AnswerOutcome::NotKnown)?;
    let first = answers.iter().find(|answer| answer.outcome != AnswerOutcome::Possible)?;
    (first == newest && newest.answered_at < until).then_some(until)
}

/// How long the body may be kept after these answers, unless the query is withdrawn.
///
/// Before the first answer it is kept for the moment that answering takes. Implements: QRY-029, QRY-030, STQ-011
pub fn keeping(header: &QueryHeader, answers: &[Answer]) -> Keeping {
    let Some(newest) = answers.last() else { return Keeping::UntilAnswered };
    let at = newest.answered_at;
    match newest.outcome {
        AnswerOutcome::Possible => Keeping::UntilAnswered,
        AnswerOutcome::NotKnown => Keeping::Until(stands_until(header, answers).unwrap_or(at)),
        AnswerOutcome::Withheld => Keeping::Until(at),
        AnswerOutcome::Known | AnswerOutcome::Referred => {
            let earlier = &answers[..answers.len() - 1];
            let stood = (1..=earlier.len()).any(|count| stands_until(header, &earlier[..count]).is_some());
            Keeping::Until(if stood { at } else { at.plus_seconds(BODY_KEPT_SECONDS) })
        }
    }
}
