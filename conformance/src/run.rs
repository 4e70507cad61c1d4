//! A run: the cases in the order of a seed, several at once, and what they come to.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::cases::Case;
use crate::court::Bench;
use crate::declaration::{Profiles, REVISION};
use crate::doctor::is_reached;
use crate::instant::{now, written};
use crate::published::Publication;
use crate::results::{self, Compared, FORMAT, Outcome, Program, Results, Scope};
use crate::shuffle::shuffled;
use crate::tape::{Direction, milliseconds};
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
    /// A failure that an earlier run has is none any more.
    Stale,
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
            Self::Stale => 6,
        }
    }
}

/// What is asked of a run.
pub(crate) struct Wish<'a> {
    pub(crate) profiles: Profiles,
    pub(crate) scope: Scope,
    pub(crate) seed: u64,
    /// A run of which the failures are expected.
    pub(crate) baseline: Option<&'a Results>,
}

/// Hears the cases. `told` is called with each finding as it comes.
pub(crate) fn run(
    bench: &Bench,
    publication: &Publication,
    wish: Wish<'_>,
    told: impl Fn(&Finding) + Sync,
) -> Results {
    let (begun_at, begun) = (written(now()), Instant::now());
    let (findings, subject_lost) = hear_all(bench, &wish, told);
    let rows = results::rows(publication, wish.profiles, &findings);
    let mut results = Results {
        format: FORMAT.to_owned(),
        revision: REVISION.to_owned(),
        suite: Program::this(),
        subject: bench.subject.code.clone(),
        name: bench.subject.record.text_at("/name").map(str::to_owned),
        seed: wish.seed.to_string(),
        begun_at,
        milliseconds: milliseconds(begun.elapsed()),
        scope: wish.scope,
        profiles: wish.profiles,
        outcome: Outcome::SuiteError,
        exit: Exit::SuiteError.code(),
        subject_lost,
        unreached: findings.iter().filter(|finding| is_unreached(finding)).count(),
        baseline: wish.baseline.map(|earlier| Compared::with(earlier, &findings)),
        must: results::tally(&rows),
        requirements: rows,
        findings,
    };
    let (outcome, exit) = results.worked_out();
    results.outcome = outcome;
    results.exit = exit.code();
    results
}

/// The cases that share the subject, and those that need it alone, in the order in which they are heard. A subject
/// that was restored appends nothing with a peer whose copy it has not read, which would answer the questions of the
/// others: those that restore it are the last.
fn in_turn(order: Vec<&Case>) -> (Vec<&Case>, Vec<&Case>) {
    let (mut alone, shared): (Vec<_>, Vec<_>) = order.into_iter().partition(|case| case.alone);
    alone.sort_by_key(|case| case.needs.contains(&"process restore"));
    (shared, alone)
}

/// The findings in the order of the seed, and whether the subject was lost.
fn hear_all(bench: &Bench, wish: &Wish<'_>, told: impl Fn(&Finding) + Sync) -> (Vec<Finding>, bool) {
    let (shared, alone) = in_turn(shuffled(wish.scope.cases(), wish.seed));
    let (next, numbers, lost) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let findings: Mutex<Vec<(usize, Finding)>> = Mutex::default();
    let hear = |place: usize, case: &Case| {
        let mut finding = one(bench, wish.profiles, case, &lost);
        if !matches!(finding.verdict, Verdict::Pass | Verdict::NotApplicable) {
            let number = numbers.fetch_add(1, Ordering::SeqCst) + 1;
            finding.id = Some(format!("F{number:02}"));
        }
        told(&finding);
        findings.lock().unwrap_or_else(PoisonError::into_inner).push((place, finding));
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(case) = shared.get(place) else { return };
                    hear(place, case);
                }
            });
        }
    });
    // What stops the subject, or changes its directory, would disturb the others.
    for (place, case) in alone.iter().enumerate() {
        hear(shared.len() + place, case);
    }
    let mut findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.sort_by_key(|(place, _)| *place);
    (findings.into_iter().map(|(_, finding)| finding).collect(), lost.load(Ordering::SeqCst))
}

/// Why a case is not applicable, if it is not.
pub(crate) fn not_declared(case: &Case, profiles: Profiles) -> Option<String> {
    (!profiles.has(case.profile)).then(|| format!("profile {} is declared false", case.profile))
}

fn one(bench: &Bench, profiles: Profiles, case: &Case, lost: &AtomicBool) -> Finding {
    if let Some(reason) = not_declared(case, profiles) {
        return Finding::because(case, Verdict::NotApplicable, reason);
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

/// Whether a question could not be put because a request found no subject.
fn is_unreached(finding: &Finding) -> bool {
    let unanswered = |exchange: &crate::tape::Exchange| {
        exchange.direction == Direction::ToSubject && exchange.error.is_some()
    };
    matches!(finding.verdict, Verdict::NotExercised | Verdict::Flaky)
        && finding.hearings.iter().any(|hearing| hearing.exchanges.iter().any(unanswered))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Results of a whole run that came to these findings.
    pub(crate) fn results(findings: Vec<Finding>) -> Results {
        let profiles = Profiles { core: true, recovery: true, ..Profiles::default() };
        let rows = results::rows(&Publication::compiled_in().unwrap(), profiles, &findings);
        let outcome = Outcome::of(&findings, false);
        Results {
            format: FORMAT.to_owned(),
            revision: REVISION.to_owned(),
            suite: Program { version: env!("CARGO_PKG_VERSION").to_owned(), digest: None },
            subject: "330".to_owned(),
            name: Some("Birmingham".to_owned()),
            seed: "7".to_owned(),
            begun_at: "2026-11-24T09:30:00.000Z".to_owned(),
            milliseconds: 12_345,
            scope: Scope::of(false, &[]),
            profiles,
            outcome,
            exit: outcome.exit().code(),
            subject_lost: false,
            unreached: 0,
            baseline: None,
            must: results::tally(&rows),
            requirements: rows,
            findings,
        }
    }

    #[test]
    fn whatever_the_seed_nothing_is_heard_after_a_restore_but_restores() {
        let restores = |case: &&Case| case.needs.contains(&"process restore");
        for seed in 0..20 {
            let (shared, alone) = in_turn(shuffled(Scope::of(false, &[]).cases(), seed));
            assert!(!shared.iter().any(|case| case.alone) && alone.iter().all(|case| case.alone));
            let (others, last) = alone.split_at(alone.iter().position(restores).unwrap());
            assert!(!others.is_empty() && last.iter().all(restores), "seed {seed}");
        }
    }
}
