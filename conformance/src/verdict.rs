//! What a case comes to: how it is heard, and which verdict its hearings give.

use serde::{Deserialize, Serialize};

use crate::cases::Case;
use crate::court::{Bench, Court, Failure, Miss};
use crate::tape::{Direction, Exchange, Held, Part, Tape, milliseconds};

/// Times that a failure is heard before it counts.
pub(crate) const HEARINGS: usize = 3;

/// The verdict on one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Verdict {
    #[serde(rename = "PASS")]
    Pass,
    #[serde(rename = "FAIL")]
    Fail,
    /// Failed and passed by turns.
    #[serde(rename = "FLAKY")]
    Flaky,
    /// Its question could not be put, which is no pass.
    #[serde(rename = "NOT-EXERCISED")]
    NotExercised,
    /// Of a profile that the subject declares not to have.
    #[serde(rename = "N/A")]
    NotApplicable,
    #[serde(rename = "SUITE-ERROR")]
    SuiteError,
}

impl Verdict {
    /// Every verdict, the worst first.
    pub(crate) const ALL: [Self; 6] =
        [Self::SuiteError, Self::Fail, Self::Flaky, Self::NotExercised, Self::NotApplicable, Self::Pass];

    /// As a report writes it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Flaky => "FLAKY",
            Self::NotExercised => "NOT-EXERCISED",
            Self::NotApplicable => "N/A",
            Self::SuiteError => "SUITE-ERROR",
        }
    }

    /// The verdict that hearings give, in their order; none gives `NotExercised`.
    ///
    /// The first settles it unless it failed. A failure counts when each of three hearings fails.
    pub(crate) fn of(hearings: &[Hearing]) -> Self {
        match hearings {
            [] => Self::NotExercised,
            [first, ..] if first.outcome != Self::Fail => first.outcome,
            all if all.iter().any(|hearing| hearing.outcome != Self::Fail) => Self::Flaky,
            all if all.len() >= HEARINGS => Self::Fail,
            _ => Self::NotExercised,
        }
    }
}

/// One hearing of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Hearing {
    /// `Pass`, `Fail`, `NotExercised` or `SuiteError`.
    pub(crate) outcome: Verdict,
    /// The requirement that did not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requirement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<String>,
    /// What was seen instead, or why the question could not be put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actual: Option<String>,
    pub(crate) milliseconds: u64,
    /// Requests that the subject answered, of those that are kept.
    pub(crate) answered: usize,
    /// Requests that the subject sent, of those that are kept.
    pub(crate) called: usize,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) exchanges: Vec<Exchange>,
    /// Exchanges that are left out after the first half.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub(crate) exchanges_left_out: usize,
    /// Place among the requests to the subject of the one that the case turned on.
    #[serde(skip)]
    pub(crate) question: Option<usize>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Hearing {
    /// The good twin before the question.
    pub(crate) fn twin(&self) -> Option<&Exchange> {
        let question = self.exchanges.iter().rposition(|exchange| exchange.part == Part::Question)?;
        self.exchanges[..question].iter().rfind(|exchange| exchange.part == Part::Twin)
    }

    fn bare(outcome: Verdict) -> Self {
        Self {
            outcome,
            requirement: None,
            expected: None,
            actual: None,
            milliseconds: 0,
            answered: 0,
            called: 0,
            exchanges: Vec::new(),
            exchanges_left_out: 0,
            question: None,
        }
    }

    fn because(outcome: Verdict, reason: impl Into<String>) -> Self {
        Self { actual: Some(reason.into()), ..Self::bare(outcome) }
    }

    fn of(case: &Case, heard: Result<(), Miss>) -> Self {
        match heard {
            Ok(()) => Self::bare(Verdict::Pass),
            Err(Miss::Failed(failure)) => Self::failed(case, failure),
            Err(Miss::Unexercised(reason)) => Self::because(Verdict::NotExercised, reason),
            Err(Miss::Unreachable(error)) => Self::because(Verdict::NotExercised, error.to_string()),
            Err(Miss::Suite(reason)) => Self::because(Verdict::SuiteError, reason),
        }
    }

    fn failed(case: &Case, failure: Failure) -> Self {
        if !case.checks.contains(&failure.requirement) {
            let reason = format!("the case failed {}, which it does not cite", failure.requirement);
            return Self::because(Verdict::SuiteError, reason);
        }
        Self {
            requirement: Some(failure.requirement.to_owned()),
            expected: Some(failure.expected),
            ..Self::because(Verdict::Fail, failure.actual)
        }
    }
}

/// The verdict on one case with its grounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Finding {
    /// What `replay` calls it; nothing for a pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) case: String,
    pub(crate) checks: Vec<String>,
    pub(crate) verdict: Verdict,
    /// How the subject was made to act: by messages of a `peer` alone, or by its `adapter`.
    pub(crate) made_to_act_by: String,
    /// The requirement that does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requirement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<String>,
    /// What was seen instead, or why the question could not be put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actual: Option<String>,
    pub(crate) milliseconds: u64,
    /// Every time that it was heard.
    pub(crate) hearings: Vec<Hearing>,
}

impl Finding {
    /// A finding without grounds.
    pub(crate) fn bare(case: &Case, verdict: Verdict) -> Self {
        Self {
            id: None,
            case: case.name.to_owned(),
            checks: case.checks.iter().map(|id| (*id).to_owned()).collect(),
            verdict,
            made_to_act_by: case.made_to_act_by().to_owned(),
            requirement: None,
            expected: None,
            actual: None,
            milliseconds: 0,
            hearings: Vec::new(),
        }
    }

    /// A finding that says why it was not heard.
    pub(crate) fn because(case: &Case, verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { actual: Some(reason.into()), ..Self::bare(case, verdict) }
    }

    /// What hearings come to; the first gives the grounds.
    pub(crate) fn of(case: &Case, hearings: Vec<Hearing>) -> Self {
        let first = hearings.first().cloned().unwrap_or_else(|| Hearing::bare(Verdict::NotExercised));
        Self {
            requirement: first.requirement,
            expected: first.expected,
            actual: first.actual,
            milliseconds: hearings.iter().map(|hearing| hearing.milliseconds).sum(),
            verdict: Verdict::of(&hearings),
            hearings,
            ..Self::bare(case, Verdict::NotExercised)
        }
    }
}

/// Hears a case once. A case that panics is an error of the suite, whatever the subject did.
pub(crate) fn hear(bench: &Bench, case: &Case) -> Finding {
    let hearing = hearing(bench, case, Tape::new(None));
    let verdict = hearing.outcome;
    Finding { verdict, ..Finding::of(case, vec![hearing]) }
}

/// Hears a case up to its request of that place, which is held back.
pub(crate) fn hear_and_hold(bench: &Bench, case: &Case, place: usize) -> Option<Held> {
    let tape = Tape::new(Some(place));
    hearing(bench, case, tape.clone());
    tape.held()
}

fn hearing(bench: &Bench, case: &Case, tape: Tape) -> Hearing {
    let able = |need: &&str| bench.adapter.as_ref().is_some_and(|adapter| adapter.can(need));
    if let Some(need) = case.needs.iter().find(|need| !able(need)) {
        let told = if bench.adapter.is_some() { "the adapter can't do that" } else { "there is no adapter" };
        return Hearing::because(Verdict::NotExercised, format!("it needs `{need}`, and {told}"));
    }
    let begun = std::time::Instant::now();
    let mut court = Court::recorded(bench, tape);
    let heard = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (case.run)(&mut court)));
    let hearing = match heard {
        Ok(heard) => Hearing::of(case, heard),
        Err(_) => Hearing::because(Verdict::SuiteError, "the case panicked"),
    };
    let recording = court.recording();
    let (answers, calls): (Vec<&Exchange>, Vec<&Exchange>) =
        recording.exchanges.iter().partition(|exchange| exchange.direction == Direction::ToSubject);
    let answered = answers.iter().filter(|exchange| exchange.response.is_some()).count();
    let called = calls.len();
    Hearing {
        milliseconds: milliseconds(begun.elapsed()),
        answered,
        called,
        exchanges: recording.exchanges,
        exchanges_left_out: recording.left_out,
        question: recording.question,
        ..hearing
    }
}

/// Hears a case, and a failure again from fresh identities: it counts when each hearing fails.
pub(crate) fn hear_until_sure(bench: &Bench, case: &Case) -> Finding {
    let mut hearings = Vec::new();
    while hearings.len() < HEARINGS {
        let hearing = hearing(bench, case, Tape::new(None));
        let failed = hearing.outcome == Verdict::Fail;
        hearings.push(hearing);
        if !failed {
            break;
        }
    }
    Finding::of(case, hearings)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A hearing that found nothing wrong.
    pub(crate) fn passed(exchanges: Vec<Exchange>) -> Hearing {
        Hearing { answered: exchanges.len(), exchanges, ..Hearing::bare(Verdict::Pass) }
    }

    /// A hearing that found that the requirement does not hold.
    pub(crate) fn failed(requirement: &str, exchanges: Vec<Exchange>) -> Hearing {
        Hearing {
            requirement: Some(requirement.to_owned()),
            expected: Some("sequence-gap".to_owned()),
            actual: Some("201".to_owned()),
            answered: exchanges.len(),
            exchanges,
            ..Hearing::bare(Verdict::Fail)
        }
    }

    #[test]
    fn three_failures_are_a_fail_and_anything_between_is_not() {
        use Verdict as V;
        let of =
            |outcomes: &[Verdict]| V::of(&outcomes.iter().map(|o| Hearing::bare(*o)).collect::<Vec<_>>());
        assert_eq!(of(&[]), V::NotExercised);
        assert_eq!(of(&[V::Pass]), V::Pass);
        assert_eq!(of(&[V::NotExercised]), V::NotExercised);
        assert_eq!(of(&[V::SuiteError]), V::SuiteError);
        assert_eq!(of(&[V::Fail, V::Fail, V::Fail]), V::Fail);
        assert_eq!(of(&[V::Fail, V::Pass]), V::Flaky);
        assert_eq!(of(&[V::Fail, V::Fail, V::NotExercised]), V::Flaky);
        assert_eq!(of(&[V::Fail, V::Fail]), V::NotExercised, "too few to be sure");
    }
}
