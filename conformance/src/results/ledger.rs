//! The standing of each requirement after a run.

use serde::{Deserialize, Serialize};

use crate::declaration::Profiles;
use crate::published::{Publication, Requirement};
use crate::verdict::{Finding, Verdict};

/// How a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    /// Every case that cites it passed.
    Passed,
    /// A case found that it does not hold.
    Failed,
    /// A case that cites it came to no verdict, or was broken off by the failure of another requirement.
    NotExercised,
    /// The cases that cite it were not asked for.
    LeftOut,
    /// No case cites it.
    NotJudged,
    /// It is of a profile that is declared not to be had, or asked by cases of such alone.
    NotDeclared,
    /// No black box can test it, as the register says.
    Untestable,
    /// It binds nobody: SHOULD or MAY.
    NotBinding,
}

/// A requirement after a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) standing: Standing,
    /// The cases that were heard and cite it.
    pub(crate) cases: Vec<String>,
}

/// How far the binding requirements were judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tally {
    /// Those of the declared profiles that can be tested.
    pub(crate) in_scope: usize,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) not_exercised: usize,
    pub(crate) left_out: usize,
    pub(crate) not_judged: usize,
    /// Beside those in scope.
    pub(crate) untestable: usize,
    /// Beside those in scope.
    pub(crate) not_declared: usize,
}

/// The requirements of the register after those findings.
pub(crate) fn rows(publication: &Publication, profiles: Profiles, findings: &[Finding]) -> Vec<Row> {
    let row = |requirement: &Requirement| {
        let cites = |finding: &&Finding| finding.checks.contains(&requirement.id);
        let citing: Vec<&Finding> = findings.iter().filter(cites).collect();
        Row {
            id: requirement.id.clone(),
            standing: standing(requirement, profiles, &citing),
            cases: citing.into_iter().map(|finding| finding.case.clone()).collect(),
        }
    };
    publication.requirements().iter().map(row).collect()
}

fn standing(requirement: &Requirement, profiles: Profiles, citing: &[&Finding]) -> Standing {
    let heard = |finding: &&&Finding| finding.verdict != Verdict::NotApplicable;
    let (all, citing): (_, Vec<&Finding>) = (citing, citing.iter().filter(heard).copied().collect());
    let fails = |finding: &&&Finding| {
        finding.verdict == Verdict::Fail && finding.requirement.as_ref() == Some(&requirement.id)
    };
    if !requirement.level.starts_with("MUST") {
        Standing::NotBinding
    } else if citing.iter().any(|finding| fails(&finding)) {
        Standing::Failed
    } else if !requirement.testable {
        Standing::Untestable
    } else if !profiles.has(&requirement.profile) {
        Standing::NotDeclared
    } else if crate::cases::named(&requirement.id).is_empty() {
        Standing::NotJudged
    } else if all.is_empty() {
        Standing::LeftOut
    } else if citing.is_empty() {
        Standing::NotDeclared
    } else if citing.iter().all(|finding| finding.verdict == Verdict::Pass) {
        Standing::Passed
    } else {
        Standing::NotExercised
    }
}

/// The rows counted.
pub(crate) fn tally(rows: &[Row]) -> Tally {
    let count = |standing: Standing| rows.iter().filter(|row| row.standing == standing).count();
    let [passed, failed, not_exercised, left_out, not_judged] =
        [Standing::Passed, Standing::Failed, Standing::NotExercised, Standing::LeftOut, Standing::NotJudged]
            .map(count);
    Tally {
        in_scope: passed + failed + not_exercised + left_out + not_judged,
        passed,
        failed,
        not_exercised,
        left_out,
        not_judged,
        untestable: count(Standing::Untestable),
        not_declared: count(Standing::NotDeclared),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    fn after(findings: &[Finding], id: &str) -> Standing {
        let profiles = Profiles { core: true, ..Profiles::default() };
        let rows = rows(&Publication::compiled_in().unwrap(), profiles, findings);
        let tally = tally(&rows);
        let counted = tally.in_scope + tally.untestable + tally.not_declared;
        let binding = rows.iter().filter(|row| row.standing != Standing::NotBinding).count();
        assert_eq!(counted, binding);
        rows.into_iter().find(|row| row.id == id).unwrap().standing
    }

    #[test]
    fn a_requirement_passes_only_when_every_case_that_cites_it_does() {
        let citing = cases::named("RCP-002");
        let all = |verdict| citing.iter().map(|case| Finding::bare(case, verdict)).collect::<Vec<_>>();
        assert_eq!(after(&all(Verdict::Pass), "RCP-002"), Standing::Passed);
        for verdict in [Verdict::NotExercised, Verdict::Flaky, Verdict::SuiteError] {
            let mut findings = all(Verdict::Pass);
            findings[0].verdict = verdict;
            assert_eq!(after(&findings, "RCP-002"), Standing::NotExercised, "{verdict:?}");
        }
        let mut findings = all(Verdict::Pass);
        findings[0].verdict = Verdict::Fail;
        findings[0].requirement = Some("RCP-002".to_owned());
        assert_eq!(after(&findings, "RCP-002"), Standing::Failed);
        assert_eq!(after(&[], "RCP-002"), Standing::LeftOut);
        assert_eq!(after(&[], "RCV-002"), Standing::NotDeclared);
    }

    #[test]
    fn a_case_that_is_not_applicable_takes_nothing_from_the_others_and_is_no_pass_alone() {
        let facts = Finding::bare(cases::named("FCT-001")[0], Verdict::NotApplicable);
        assert_eq!(after(&[facts], "FCT-001"), Standing::NotDeclared);
        let of = |name: &str, verdict| Finding::bare(cases::named(name)[0], verdict);
        let core = of("rcv-refuses-foreign-cursors", Verdict::Pass);
        let restored = of("rcv-raises-its-incarnation-at-a-restore", Verdict::NotApplicable);
        assert_eq!(after(&[core, restored], "RCV-006"), Standing::Passed);
    }

    #[test]
    fn a_case_that_fails_one_requirement_says_nothing_of_its_others() {
        let mut finding = Finding::bare(cases::named("LED-006")[0], Verdict::Fail);
        finding.checks.push("LED-007".to_owned());
        finding.requirement = Some("LED-006".to_owned());
        assert_eq!(after(&[finding.clone()], "LED-006"), Standing::Failed);
        assert_eq!(after(&[finding], "LED-007"), Standing::NotExercised);
    }
}
