//! A run: the cases in the order of a seed, several at once, and what they come to.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::cases::Case;
use crate::court::Bench;
use crate::declaration::{Profiles, REVISION};
use crate::doctor::is_reached;
use crate::shuffle::shuffled;
use crate::verdict::{Finding, Verdict, hear_until_sure};

/// Cases that are heard at once; each has authorities of its own.
const AT_ONCE: usize = 4;

/// What the program ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Every requirement in scope passed.
    Passed,
    Failed,
    Usage,
    /// The subject can't be talked to, or isn't the one declared.
    Environment,
    Inconclusive,
    SuiteError,
}

impl Exit {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Inconclusive => 4,
            Self::SuiteError => 5,
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) format: &'static str,
    pub(crate) revision: &'static str,
    pub(crate) suite: &'static str,
    pub(crate) subject: String,
    /// A string, since it may be above what JSON numbers hold.
    pub(crate) seed: String,
    /// Cases that were not asked for, by `--quick` or `--only`.
    pub(crate) left_out: usize,
    /// Whether the subject was lost on the way.
    pub(crate) subject_lost: bool,
    pub(crate) milliseconds: u64,
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    /// What the program ends with. Nothing but a pass of every case in scope is success.
    pub(crate) fn exit(&self) -> Exit {
        let any = |verdict: Verdict| self.findings.iter().any(|finding| finding.verdict == verdict);
        if any(Verdict::SuiteError) {
            Exit::SuiteError
        } else if self.subject_lost {
            Exit::Environment
        } else if any(Verdict::Fail) {
            Exit::Failed
        } else if any(Verdict::NotExercised) || any(Verdict::Flaky) || !any(Verdict::Pass) {
            Exit::Inconclusive
        } else {
            Exit::Passed
        }
    }

    /// How many cases came to that.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

/// Hears the cases. `told` is called with each finding as it comes.
pub(crate) fn run(
    bench: &Bench,
    profiles: Profiles,
    (cases, left_out): (Vec<&'static Case>, usize),
    seed: u64,
    told: impl Fn(&Finding) + Sync,
) -> Report {
    let begun = Instant::now();
    let order = shuffled(cases, seed);
    let (next, lost) = (AtomicUsize::new(0), AtomicBool::new(false));
    let findings: Mutex<Vec<(usize, Finding)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(case) = order.get(place) else { return };
                    let finding = one(bench, profiles, case, &lost);
                    told(&finding);
                    findings.lock().unwrap_or_else(PoisonError::into_inner).push((place, finding));
                }
            });
        }
    });
    let mut findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.sort_by_key(|(place, _)| *place);
    Report {
        format: "cme-conformance-results/1",
        revision: REVISION,
        suite: env!("CARGO_PKG_VERSION"),
        subject: bench.subject.code.clone(),
        seed: seed.to_string(),
        left_out,
        subject_lost: lost.load(Ordering::SeqCst),
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        findings: findings.into_iter().map(|(_, finding)| finding).collect(),
    }
}

fn one(bench: &Bench, profiles: Profiles, case: &Case, lost: &AtomicBool) -> Finding {
    if !profiles.has(case.profile) {
        return Finding::because(
            case,
            Verdict::NotApplicable,
            format!("profile {} is declared false", case.profile),
        );
    }
    if lost.load(Ordering::SeqCst) {
        return Finding::because(case, Verdict::NotExercised, "the subject was lost before");
    }
    let finding = hear_until_sure(bench, case);
    // A failure too may only tell that the subject is gone.
    if finding.verdict != Verdict::Pass && !is_reached(bench) {
        lost.store(true, Ordering::SeqCst);
    }
    finding
}
