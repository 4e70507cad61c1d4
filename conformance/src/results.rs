//! What a run came to, as a document: everything that a report says is in it, and can be worked out again.

mod ledger;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cases::{self, Case};
use crate::declaration::Profiles;
use crate::encoding::digest_of_bytes;
use crate::run::Exit;
use crate::verdict::{Finding, Verdict};

pub(crate) use self::ledger::{Row, Standing, Tally, rows, tally};

/// The form of the document.
pub(crate) const FORMAT: &str = "cme-conformance-results/1";

/// Longest document that is read.
const RESULTS_BYTES_MAX: u64 = 64 << 20;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Results {
    pub(crate) format: String,
    /// Revision of the text.
    pub(crate) revision: String,
    pub(crate) suite: Program,
    /// Code of the authority that was judged.
    pub(crate) subject: String,
    /// Its name in the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// A string, since it may be above what JSON numbers hold.
    pub(crate) seed: String,
    pub(crate) begun_at: String,
    pub(crate) milliseconds: u64,
    pub(crate) scope: Scope,
    pub(crate) profiles: Profiles,
    pub(crate) outcome: Outcome,
    /// What the program ended with.
    pub(crate) exit: u8,
    /// Whether the subject was lost on the way.
    pub(crate) subject_lost: bool,
    /// Cases in which a request found no subject.
    pub(crate) unreached: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<Compared>,
    /// How far the binding requirements in scope were judged.
    pub(crate) must: Tally,
    /// Each requirement with its standing, in the order of the register.
    pub(crate) requirements: Vec<Row>,
    /// Each case, in the order in which it was heard.
    pub(crate) findings: Vec<Finding>,
}

/// The program that judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    pub(crate) version: String,
    /// SHA-256 of the program's file, base64url; absent where it can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

impl Program {
    /// This one.
    pub(crate) fn this() -> Self {
        let file = std::env::current_exe().and_then(std::fs::read);
        let digest = file.ok().map(|bytes| digest_of_bytes(&bytes));
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), digest }
    }
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Scope {
    pub(crate) quick: bool,
    /// Names of cases, or ids of requirements; every case when empty.
    pub(crate) only: Vec<String>,
    /// Cases that are left out by either.
    pub(crate) left_out: usize,
}

impl Scope {
    /// The scope of those wishes.
    pub(crate) fn of(quick: bool, only: &[String]) -> Self {
        let scope = Self { quick, only: only.to_vec(), left_out: 0 };
        let left_out = cases::all().len() - scope.cases().len();
        Self { left_out, ..scope }
    }

    /// The cases that it takes in, in the order of the text.
    pub(crate) fn cases(&self) -> Vec<&'static Case> {
        let asked = |case: &&Case| {
            let names = |name: &String| case.name == name || case.checks.contains(&name.as_str());
            self.only.is_empty() || self.only.iter().any(names)
        };
        cases::all().into_iter().filter(asked).filter(|case| !(self.quick && case.slow)).collect()
    }

    /// Whether it takes in every case.
    pub(crate) const fn is_whole(&self) -> bool {
        self.left_out == 0
    }
}

/// What a run came to, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Every case in scope passed.
    Passed,
    Failed,
    SubjectLost,
    Inconclusive,
    SuiteError,
}

impl Outcome {
    /// What findings come to. Nothing but a pass of every case in scope is success.
    pub(crate) fn of(findings: &[Finding], subject_lost: bool) -> Self {
        let any = |verdict: Verdict| findings.iter().any(|finding| finding.verdict == verdict);
        if any(Verdict::SuiteError) {
            Self::SuiteError
        } else if subject_lost {
            Self::SubjectLost
        } else if any(Verdict::Fail) {
            Self::Failed
        } else if any(Verdict::NotExercised) || any(Verdict::Flaky) || !any(Verdict::Pass) {
            Self::Inconclusive
        } else {
            Self::Passed
        }
    }

    /// What the program ends with when nothing is compared.
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Passed => Exit::Passed,
            Self::Failed => Exit::Failed,
            Self::SubjectLost => Exit::Environment,
            Self::Inconclusive => Exit::Inconclusive,
            Self::SuiteError => Exit::SuiteError,
        }
    }

    /// In a sentence.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Passed => "every case passed",
            Self::Failed => "requirements do not hold",
            Self::SubjectLost => "the subject was lost on the way: no verdict",
            Self::Inconclusive => "some questions could not be put: no verdict",
            Self::SuiteError => "the suite itself failed: no verdict",
        }
    }
}

/// A run beside an earlier one, of which the failures are expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Compared {
    /// Cases that fail as they did.
    pub(crate) known: Vec<String>,
    /// Cases that fail and did not, or fail another requirement.
    pub(crate) new: Vec<String>,
    /// Cases that failed and pass now: the list is out of date.
    pub(crate) stale: Vec<String>,
}

impl Compared {
    /// The findings beside the failures of an earlier run.
    pub(crate) fn with(earlier: &Results, findings: &[Finding]) -> Self {
        let failed = |finding: &&Finding| finding.verdict == Verdict::Fail;
        let expected = |case: &str| earlier.findings.iter().filter(failed).find(|held| held.case == case);
        let mut compared = Self { known: Vec::new(), new: Vec::new(), stale: Vec::new() };
        for finding in findings {
            match (expected(&finding.case), finding.verdict) {
                (Some(held), Verdict::Fail) if held.requirement == finding.requirement => {
                    compared.known.push(finding.case.clone());
                }
                (_, Verdict::Fail) => compared.new.push(finding.case.clone()),
                (Some(_), Verdict::Pass) => compared.stale.push(finding.case.clone()),
                _ => {}
            }
        }
        compared
    }

    /// What the program ends with.
    ///
    /// An earlier run excuses failures that it has too, and nothing else.
    pub(crate) fn exit(&self, findings: &[Finding], outcome: Outcome) -> Exit {
        let passes = |finding: &&Finding| !self.known.contains(&finding.case);
        let others: Vec<Finding> = findings.iter().filter(passes).cloned().collect();
        match outcome {
            Outcome::SuiteError | Outcome::SubjectLost => outcome.exit(),
            _ if !self.new.is_empty() => Exit::Failed,
            _ if !self.stale.is_empty() => Exit::Stale,
            // With nothing left but known failures the run is as the earlier one was.
            _ if others.is_empty() => Exit::Passed,
            _ => Outcome::of(&others, false).exit(),
        }
    }
}

/// Why results can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultsError {
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    #[error("{0} is longer than {RESULTS_BYTES_MAX} bytes")]
    TooLong(String),
    #[error("{0} holds no results of a run: {1}")]
    Json(String, serde_json::Error),
    #[error("{0} is of the form {1:?}; this program reads {FORMAT:?}")]
    Format(String, String),
}

impl Results {
    /// What the program has to end with, worked out from the findings.
    pub(crate) fn worked_out(&self) -> (Outcome, Exit) {
        let outcome = Outcome::of(&self.findings, self.subject_lost);
        let compared = self.baseline.as_ref();
        let exit = compared.map_or_else(|| outcome.exit(), |compared| compared.exit(&self.findings, outcome));
        (outcome, exit)
    }

    /// How many cases came to that.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// The document as text.
    pub(crate) fn to_text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads a document.
    pub(crate) fn read(path: &Path) -> Result<Self, ResultsError> {
        let shown = path.display().to_string();
        let failed = |cause| ResultsError::Io(shown.clone(), cause);
        if std::fs::metadata(path).map_err(failed)?.len() > RESULTS_BYTES_MAX {
            return Err(ResultsError::TooLong(shown));
        }
        Self::from_bytes(&shown, &std::fs::read(path).map_err(failed)?)
    }

    /// Reads a document that came from `name`.
    pub(crate) fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, ResultsError> {
        let results: Self =
            serde_json::from_slice(bytes).map_err(|error| ResultsError::Json(name.to_owned(), error))?;
        if results.format == FORMAT {
            Ok(results)
        } else {
            Err(ResultsError::Format(name.to_owned(), results.format))
        }
    }

    /// The document without the exchanges of what passed, and with those of one hearing of what did not.
    #[must_use]
    pub(crate) fn shortened(mut self) -> Self {
        for finding in &mut self.findings {
            let shown = usize::from(finding.verdict != Verdict::Pass);
            for hearing in finding.hearings.iter_mut().skip(shown) {
                hearing.exchanges.clear();
                hearing.exchanges_left_out = 0;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(case: &str, verdict: Verdict, requirement: Option<&str>) -> Finding {
        let case = cases::named(case)[0];
        Finding { requirement: requirement.map(str::to_owned), ..Finding::bare(case, verdict) }
    }

    fn results(findings: Vec<Finding>) -> Results {
        crate::run::tests::results(findings)
    }

    #[test]
    fn an_earlier_run_excuses_its_own_failures_and_nothing_else() {
        let earlier = results(vec![
            finding("SIG-003", Verdict::Fail, Some("SIG-003")),
            finding("LED-006", Verdict::Fail, Some("LED-006")),
        ]);
        let code = |findings: Vec<Finding>| {
            let compared = Compared::with(&earlier, &findings);
            compared.exit(&findings, Outcome::of(&findings, false)).code()
        };
        let known = || finding("SIG-003", Verdict::Fail, Some("SIG-003"));
        let also = || finding("LED-006", Verdict::Fail, Some("LED-006"));
        let passes = || finding("LED-008", Verdict::Pass, None);
        assert_eq!(code(vec![known(), also(), passes()]), 0, "as it was");
        assert_eq!(code(vec![known(), finding("LED-006", Verdict::Pass, None)]), 6, "one passes now");
        assert_eq!(code(vec![known(), finding("LED-008", Verdict::Fail, Some("LED-008"))]), 1, "a new one");
        assert_eq!(code(vec![finding("SIG-003", Verdict::Fail, Some("SIG-004"))]), 1, "another requirement");
        assert_eq!(code(vec![known(), finding("LED-008", Verdict::NotExercised, None)]), 4);
        assert_eq!(code(vec![known(), finding("LED-008", Verdict::Flaky, None)]), 4);
        assert_eq!(code(vec![known(), finding("LED-008", Verdict::SuiteError, None)]), 5);
        // A failure that can't be looked at is neither known nor stale.
        assert_eq!(code(vec![finding("SIG-003", Verdict::NotExercised, None), passes()]), 4);
    }

    #[test]
    fn a_document_comes_back_from_its_text_and_another_does_not() {
        let document = results(vec![finding("LED-006", Verdict::Fail, Some("LED-006"))]);
        let text = document.to_text().unwrap();
        assert_eq!(Results::from_bytes("x", text.as_bytes()).unwrap(), document);
        let other = text.replace(FORMAT, "cme-conformance-results/2");
        assert!(matches!(Results::from_bytes("x", other.as_bytes()), Err(ResultsError::Format(..))));
        assert!(matches!(Results::from_bytes("x", b"{}"), Err(ResultsError::Json(..))));
    }

    #[test]
    fn a_scope_counts_what_it_leaves_out() {
        let whole = Scope::of(false, &[]);
        assert!(whole.is_whole() && whole.cases().len() == cases::all().len());
        let one = Scope::of(false, &["LED-008".to_owned()]);
        assert_eq!((one.cases().len(), one.left_out), (1, cases::all().len() - 1));
        assert_eq!(Scope::of(true, &["LED-008".to_owned()]).cases().len(), 0, "it is slow");
    }
}
