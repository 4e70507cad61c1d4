//! What a case comes to, and what a run of them comes to.

use serde::Serialize;

use crate::cases::Case;
use crate::court::{Bench, Court, Failure, Miss};

/// Times that a failure is heard before it counts.
const HEARINGS: usize = 3;

/// The verdict on one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
}

/// The verdict on one case with its grounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) case: &'static str,
    pub(crate) checks: &'static [&'static str],
    pub(crate) verdict: Verdict,
    /// The requirement that does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requirement: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<String>,
    /// What was seen instead, or why the question could not be put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actual: Option<String>,
    pub(crate) milliseconds: u64,
}

impl Finding {
    /// A finding without grounds.
    pub(crate) fn bare(case: &Case, verdict: Verdict) -> Self {
        Self {
            case: case.name,
            checks: case.checks,
            verdict,
            requirement: None,
            expected: None,
            actual: None,
            milliseconds: 0,
        }
    }

    /// A finding that says why.
    pub(crate) fn because(case: &Case, verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { actual: Some(reason.into()), ..Self::bare(case, verdict) }
    }

    fn of(case: &Case, heard: Result<(), Miss>) -> Self {
        match heard {
            Ok(()) => Self::bare(case, Verdict::Pass),
            Err(Miss::Failed(failure)) => Self::failed(case, failure),
            Err(Miss::Unexercised(reason)) => Self::because(case, Verdict::NotExercised, reason),
            Err(Miss::Unreachable(error)) => Self::because(case, Verdict::NotExercised, error.to_string()),
            Err(Miss::Suite(reason)) => Self::because(case, Verdict::SuiteError, reason),
        }
    }

    fn failed(case: &Case, failure: Failure) -> Self {
        if !case.checks.contains(&failure.requirement) {
            let reason = format!("the case failed {}, which it does not cite", failure.requirement);
            return Self::because(case, Verdict::SuiteError, reason);
        }
        Self {
            requirement: Some(failure.requirement),
            expected: Some(failure.expected),
            ..Self::because(case, Verdict::Fail, failure.actual)
        }
    }
}

/// Hears a case once. A case that panics is an error of the suite, whatever the subject did.
pub(crate) fn hear(bench: &Bench, case: &Case) -> Finding {
    let begun = std::time::Instant::now();
    let hearing = std::panic::AssertUnwindSafe(|| (case.run)(&mut Court::open(bench)));
    let finding = match std::panic::catch_unwind(hearing) {
        Ok(heard) => Finding::of(case, heard),
        Err(_) => Finding::because(case, Verdict::SuiteError, "the case panicked"),
    };
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Finding { milliseconds, ..finding }
}

/// Hears a case, and a failure again from fresh identities: it counts when each hearing fails.
pub(crate) fn hear_until_sure(bench: &Bench, case: &Case) -> Finding {
    let first = hear(bench, case);
    if first.verdict != Verdict::Fail {
        return first;
    }
    for _ in 1..HEARINGS {
        let again = hear(bench, case);
        if again.verdict != Verdict::Fail {
            let expected = first.expected.clone();
            return Finding { verdict: Verdict::Flaky, expected, ..first };
        }
    }
    first
}
