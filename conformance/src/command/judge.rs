//! The commands that judge: a subject, or the judge itself.

use std::io::Write as _;
use std::path::Path;

use super::{Said, Trouble};
use crate::cases::{self, Case};
use crate::declaration::Declaration;
use crate::doctor::{self, Look};
use crate::published::Publication;
use crate::run::{self, Exit, Report};
use crate::self_check;
use crate::shuffle::seed as random_seed;
use crate::verdict::{Finding, Verdict};

/// `doctor`.
pub(super) fn doctor(folder: &Path, json: bool) -> Result<Said, Trouble> {
    let declaration = Declaration::load(folder)?;
    let bench = declaration.bench(random_seed())?;
    let looks = doctor::look(&bench, declaration.profiles, &declaration.directory()?);
    let text =
        if json { serde_json::to_string_pretty(&looks)? + "\n" } else { looks.iter().map(line).collect() };
    Ok(Said {
        text,
        exit: if looks.iter().all(|look| look.holds) { Exit::Passed } else { Exit::Environment },
    })
}

fn line(look: &Look) -> String {
    format!("{}  {}: {}\n", if look.holds { "ok" } else { "NO" }, look.what, look.seen)
}

/// `run`.
pub(super) fn run(
    folder: &Path,
    quick: bool,
    only: &[String],
    seed: Option<u64>,
    json: Option<&Path>,
) -> Result<Said, Trouble> {
    let selected = selected(quick, only)?;
    let declaration = Declaration::load(folder)?;
    let seed = seed.unwrap_or_else(random_seed);
    let bench = declaration.bench(seed)?;
    progress(&format!("seed {seed}"));
    let looks = doctor::look(&bench, declaration.profiles, &declaration.directory()?);
    if looks.iter().any(|look| !look.holds) {
        return Ok(Said { text: looks.iter().map(line).collect(), exit: Exit::Environment });
    }
    let left_out = cases::all().len() - selected.len();
    let report = run::run(&bench, declaration.profiles, (selected, left_out), seed, |finding| {
        progress(&told(finding));
    });
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(path, text).map_err(|cause| Trouble::Results { path: path.to_owned(), cause })?;
    }
    Ok(Said { text: summary(&report, &Publication::compiled_in()?), exit: report.exit() })
}

fn selected(quick: bool, only: &[String]) -> Result<Vec<&'static Case>, Trouble> {
    for name in only {
        if cases::named(name).is_empty() {
            return Err(Trouble::UnknownId(name.clone()));
        }
    }
    let wanted = |case: &&Case| {
        only.is_empty() || only.iter().any(|name| case.name == name || case.checks.contains(&name.as_str()))
    };
    Ok(cases::all().into_iter().filter(wanted).filter(|case| !(quick && case.slow)).collect())
}

/// Findings go out as they come, beside the summary that goes to standard output.
fn progress(text: &str) {
    // A report that nobody can read any more is still written to the file.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn told(finding: &Finding) -> String {
    let mut lines =
        vec![format!("{:13} {} ({} ms)", finding.verdict.word(), finding.case, finding.milliseconds)];
    for (name, value) in [("expected", &finding.expected), ("actual", &finding.actual)] {
        lines.extend(value.as_ref().map(|value| format!("              {name}: {value}")));
    }
    let more = |requirement| format!("              cme-conformance explain {requirement}");
    lines.extend(finding.requirement.map(more));
    lines.join("\n")
}

/// Binding requirements of the register that the findings are about, and all of them.
fn reach(report: &Report, publication: &Publication) -> (usize, usize) {
    let checks: Vec<&str> = report.findings.iter().flat_map(|finding| finding.checks).copied().collect();
    let binding = publication.requirements().iter().filter(|row| row.level.starts_with("MUST"));
    let (judged, others): (Vec<_>, Vec<_>) = binding.partition(|row| checks.contains(&row.id.as_str()));
    (judged.len(), judged.len() + others.len())
}

fn summary(report: &Report, publication: &Publication) -> String {
    let counts = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Flaky,
        Verdict::NotExercised,
        Verdict::NotApplicable,
        Verdict::SuiteError,
    ]
    .map(|verdict| format!("{} {}", report.count(verdict), verdict.word()));
    let scope = match report.left_out {
        0 => "every case".to_owned(),
        left_out => format!("{left_out} cases left out"),
    };
    let verdict = match report.exit() {
        Exit::Passed => "every case passed",
        Exit::Failed => "requirements do not hold",
        Exit::Environment => "the subject was lost on the way: no verdict",
        Exit::Inconclusive => "some questions could not be put: no verdict",
        Exit::SuiteError | Exit::Usage => "the suite itself failed: no verdict",
    };
    let (judged, binding) = reach(report, publication);
    format!(
        "{} of {}, seed {}, {scope}\n{verdict}; they judge {judged} of {binding} binding requirements\n",
        counts.join(", "),
        report.findings.len(),
        report.seed
    )
}

/// `self-check`.
pub(super) fn self_check(json: bool) -> Result<Said, Trouble> {
    let score = self_check::run()?;
    let exit = if score.ok { Exit::Passed } else { Exit::Failed };
    if json {
        return Ok(Said { text: serde_json::to_string_pretty(&score)? + "\n", exit });
    }
    let text = format!(
        "{}{}{} of {} faults found, {} of them by a case that names what is broken\n\
         {} passes against servers that do nothing, {} false alarms\n\
         {} of {} binding requirements covered by {} cases, {} cannot be tested from outside\n",
        score.complaints.join("\n"),
        if score.complaints.is_empty() { "" } else { "\n" },
        score.killed,
        score.faults,
        score.attributed,
        score.null_green,
        score.false_alarms,
        score.must_covered,
        score.must_total,
        score.cases,
        score.must_untestable,
    );
    Ok(Said { text, exit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_how_much_of_the_text_was_judged() {
        let publication = Publication::compiled_in().unwrap();
        let case = cases::named("SIG-003")[0];
        let report = Report {
            format: "",
            revision: "",
            suite: "",
            subject: String::new(),
            seed: "1".to_owned(),
            left_out: cases::all().len() - 1,
            subject_lost: false,
            milliseconds: 0,
            findings: vec![Finding::bare(case, Verdict::Pass)],
        };
        let (judged, binding) = reach(&report, &publication);
        assert_eq!(judged, case.checks.len());
        assert!(binding > 100, "{binding}");
        let told = format!("every case passed; they judge {judged} of {binding} binding requirements");
        assert!(summary(&report, &publication).contains(&told), "{}", summary(&report, &publication));
    }
}
