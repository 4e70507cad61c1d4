//! The requirements of the text, their register, and who cites them.
//!
//! Three lists have to agree: the ids of `spec/text`, the rows of `spec/requirements.toml`, and the
//! citations in code and in conformance cases. A requirement that nobody implements, and a citation of
//! one that doesn't exist, are both faults.

mod citation;
mod register;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use self::citation::Citation;
use self::register::{Register, Requirement};
use self::text::Clause;
use crate::tree::{TextFile, Tree};
use crate::{Report, Trouble};
use cme_spec::operation::get_capabilities::PROFILES;

const REGISTER: &str = "spec/requirements.toml";
const CASES: &str = "conformance/src/cases";
const WITHOUT_CASE: &str = "conformance/without-case.txt";

/// Checks register, text and citations against each other.
pub(crate) fn run(tree: &Tree) -> Result<Report, Trouble> {
    let mut report = Report::default();
    let Some(register) = tree.read(REGISTER)? else {
        report.faults.push(format!("{REGISTER}: missing"));
        return Ok(report);
    };
    let Register { implemented: profiles, requirement: register } =
        register::read(&TextFile { path: REGISTER.to_owned(), text: register })?;
    report.faults.extend(undeclared(&profiles, PROFILES));
    let mut clauses = Vec::new();
    for file in tree.files("spec/text", ".md")? {
        let (found, faults) = text::read(&file);
        clauses.extend(found);
        report.faults.extend(faults);
    }
    // The checks' own tests hold sample citations.
    let sources = tree.files("", ".rs")?.into_iter().filter(|file| !file.path.starts_with("xtask/"));
    let implemented: Vec<Citation> = sources.flat_map(|file| citation::read(&file, "Implements:")).collect();
    report.faults.extend(agree(&register, &clauses));
    report.faults.extend(unknown(&register, &implemented, "Implements"));
    report.faults.extend(missing(&register, &implemented, "no code cites it (Implements:)", |row| {
        needs_code(row) && profiles.contains(&row.profile)
    }));
    report.notes.push(summary(&register, &implemented));
    report.notes.extend(left_open(&register, &profiles));
    let cases = tree.files(CASES, ".rs")?;
    let checked: Vec<Citation> = cases.iter().flat_map(|file| citation::read(file, "checks:")).collect();
    report.faults.extend(unknown(&register, &checked, "checks"));
    let excused = tree.read(WITHOUT_CASE)?.unwrap_or_default();
    let owes_case = |row: &Requirement| needs_case(row) && profiles.contains(&row.profile);
    report.faults.extend(uncovered(&register, &checked, &excused, owes_case));
    report.notes.push(covered(&register, &checked, owes_case));
    report.notes.push(format!("{} faults", report.faults.len()));
    Ok(report)
}

/// Whether the profiles for which code is owed are those that the server declares.
fn undeclared(implemented: &[String], declared: &[&str]) -> Option<String> {
    (implemented != declared)
        .then(|| format!("{REGISTER}: `implemented` is not what capabilities declare: {declared:?}"))
}

/// Whether the register and the text have the same ids with the same level in the same section.
fn agree(register: &[Requirement], clauses: &[Clause]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rows = BTreeMap::new();
    for row in register {
        if rows.insert(row.id.as_str(), row).is_some() {
            faults.push(format!("{REGISTER}: {} stands twice", row.id));
        }
        if row.profile.is_empty() || !row.since.split('.').all(|part| part.parse::<u16>().is_ok()) {
            faults.push(format!("{REGISTER}: {} needs a profile and the version it is in since", row.id));
        }
        if row.testable == row.reason.is_some() {
            faults.push(format!("{REGISTER}: {} needs a reason exactly when it is not testable", row.id));
        }
    }
    let mut written = BTreeSet::new();
    for clause in clauses {
        let place = format!("{}:{}: {}", clause.path, clause.line, clause.id);
        if !written.insert(clause.id.as_str()) {
            faults.push(format!("{place} stands twice in the text"));
        }
        match rows.get(clause.id.as_str()) {
            None => faults.push(format!("{place} has no row in {REGISTER}")),
            Some(row) if row.level != clause.level => {
                faults.push(format!("{place} says {}, {REGISTER} says {}", clause.level, row.level));
            }
            Some(row) if row.section != clause.section() => {
                faults.push(format!(
                    "{place} stands in another section than {REGISTER} says ({})",
                    row.section
                ));
            }
            Some(_) => {}
        }
    }
    let gone = register.iter().filter(|row| !written.contains(row.id.as_str()));
    faults.extend(gone.map(|row| format!("{REGISTER}: {} is not in the text", row.id)));
    faults
}

/// Citations of ids that the register doesn't have.
fn unknown(register: &[Requirement], citations: &[Citation], word: &str) -> Vec<String> {
    let ids: BTreeSet<&str> = register.iter().map(|row| row.id.as_str()).collect();
    let lost = citations.iter().filter(|citation| !ids.contains(citation.id.as_str()));
    lost.map(|citation| {
        format!("{}:{}: {word} {}, which is no id", citation.path, citation.line, citation.id)
    })
    .collect()
}

/// Requirements that ought to be cited and aren't.
fn missing(
    register: &[Requirement],
    citations: &[Citation],
    what: &str,
    needs: impl Fn(&Requirement) -> bool,
) -> Vec<String> {
    let cited = cited(citations);
    let lost = register.iter().filter(|row| needs(row) && !cited.contains(row.id.as_str()));
    lost.map(|row| format!("{REGISTER}: {} ({}): {what}: {}", row.id, row.level, row.summary)).collect()
}

fn cited(citations: &[Citation]) -> BTreeSet<&str> {
    citations.iter().map(|citation| citation.id.as_str()).collect()
}

/// Code is owed for what binds, except where it binds whoever runs the directory and can't be tested.
fn needs_code(row: &Requirement) -> bool {
    row.binds() && (row.testable || row.role.iter().any(|role| role != "directory"))
}

/// What binds and can be tested. A case is owed for it once somebody implements its profile: until then no case could
/// be shown to pass anything.
fn needs_case(row: &Requirement) -> bool {
    row.binds() && row.testable
}

/// Profiles of the text that nothing here implements, with what they bind to.
fn left_open(register: &[Requirement], implemented: &[String]) -> Vec<String> {
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for row in register.iter().filter(|row| row.binds() && !implemented.contains(&row.profile)) {
        *open.entry(row.profile.as_str()).or_default() += 1;
    }
    open.iter()
        .map(|(profile, count)| format!("profile {profile} is not implemented: {count} MUSTs"))
        .collect()
}

/// Requirements that a black box can test and that no case cites, but for those of a list which may only grow
/// shorter: an id that a case cites, or that needs none, has no place on it.
fn uncovered(
    register: &[Requirement],
    checked: &[Citation],
    list: &str,
    owes_case: impl Fn(&Requirement) -> bool,
) -> Vec<String> {
    let cited = cited(checked);
    let excused: Vec<&str> = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let owed: BTreeSet<&str> =
        register.iter().filter(|row| owes_case(row)).map(|row| row.id.as_str()).collect();
    let lost = register.iter().filter(|row| {
        owes_case(row) && !cited.contains(row.id.as_str()) && !excused.contains(&row.id.as_str())
    });
    let mut faults: Vec<String> = lost
        .map(|row| format!("{REGISTER}: {} ({}): no case checks it: {}", row.id, row.level, row.summary))
        .collect();
    faults.extend(excused.iter().filter_map(|id| {
        let why = if cited.contains(id) {
            "a case checks it"
        } else if owed.contains(id) {
            return None;
        } else {
            "it is no id that owes a case"
        };
        Some(format!("{WITHOUT_CASE}: {id}: {why}: take it off the list"))
    }));
    faults
}

/// How many of the requirements that a black box can test have a case.
fn covered(
    register: &[Requirement],
    checked: &[Citation],
    owes_case: impl Fn(&Requirement) -> bool,
) -> String {
    let cited = cited(checked);
    let (with, without): (Vec<_>, Vec<_>) =
        register.iter().filter(|row| owes_case(row)).partition(|row| cited.contains(row.id.as_str()));
    format!("cases: {} of the MUSTs that can be tested have one, {} have none", with.len(), without.len())
}

fn summary(register: &[Requirement], implemented: &[Citation]) -> String {
    let mut levels: BTreeMap<&str, usize> = BTreeMap::new();
    for row in register {
        *levels.entry(row.level.as_str()).or_default() += 1;
    }
    let levels: Vec<String> = levels.iter().map(|(level, count)| format!("{count} {level}")).collect();
    let cited = cited(implemented);
    let known = register.iter().filter(|row| cited.contains(row.id.as_str())).count();
    format!("requirements: {} ({}), {known} of them cited in code", register.len(), levels.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, level: &str) -> Requirement {
        Requirement {
            id: id.to_owned(),
            level: level.to_owned(),
            section: "05-ledger".to_owned(),
            role: vec!["server".to_owned()],
            profile: "core".to_owned(),
            since: "1.0".to_owned(),
            summary: "s".to_owned(),
            testable: true,
            reason: None,
        }
    }

    fn clause(id: &str, level: &str) -> Clause {
        Clause {
            path: "spec/text/05-ledger.md".to_owned(),
            line: 3,
            id: id.to_owned(),
            level: level.to_owned(),
        }
    }

    fn citation(id: &str) -> Citation {
        Citation { path: "a.rs".to_owned(), line: 1, id: id.to_owned() }
    }

    #[test]
    fn a_requirement_without_a_case_is_a_fault_unless_it_is_listed() {
        let register = [row("LED-001", "MUST"), row("LED-002", "MUST NOT"), row("LED-003", "SHOULD")];
        let told = uncovered(&register, &[citation("LED-001")], "", needs_case);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("LED-002") && told[0].contains("no case checks it"));
        assert!(uncovered(&register, &[citation("LED-001")], "# why\nLED-002\n", needs_case).is_empty());
        let untestable =
            [Requirement { testable: false, reason: Some("r".into()), ..row("LED-004", "MUST") }];
        assert!(uncovered(&untestable, &[], "", needs_case).is_empty());
    }

    #[test]
    fn a_case_is_owed_only_in_profiles_that_somebody_implements() {
        let later = Requirement { profile: "records".to_owned(), ..row("PRV-005", "MUST NOT") };
        let owes_case = |row: &Requirement| needs_case(row) && row.profile == "core";
        assert!(uncovered(std::slice::from_ref(&later), &[], "", owes_case).is_empty());
        assert_eq!(uncovered(&[later], &[], "PRV-005\n", owes_case).len(), 1, "it has no place on the list");
    }

    #[test]
    fn the_list_of_requirements_without_a_case_only_grows_shorter() {
        let register = [row("LED-001", "MUST"), row("LED-003", "SHOULD")];
        let cited = uncovered(&register, &[citation("LED-001")], "LED-001\n", needs_case);
        assert!(cited.len() == 1 && cited[0].contains("a case checks it"), "{cited:?}");
        let foreign = uncovered(&register, &[citation("LED-001")], "LED-003\nLED-999\n", needs_case);
        assert!(foreign.len() == 2 && foreign.iter().all(|told| told.contains("owes a case")), "{foreign:?}");
    }

    #[test]
    fn text_and_register_agree_one_to_one() {
        assert!(agree(&[row("LED-001", "MUST")], &[clause("LED-001", "MUST")]).is_empty());
        assert!(agree(&[], &[clause("LED-001", "MUST")])[0].contains("no row"));
        assert!(agree(&[row("LED-001", "MUST")], &[])[0].contains("not in the text"));
        assert!(
            agree(&[row("LED-001", "MUST")], &[clause("LED-001", "MUST NOT")])[0].contains("says MUST NOT")
        );
        let twice = [clause("LED-001", "MUST"), clause("LED-001", "MUST")];
        assert!(agree(&[row("LED-001", "MUST")], &twice)[0].contains("twice"));
        let rows = [row("LED-001", "MUST"), row("LED-001", "MUST")];
        assert!(agree(&rows, &[clause("LED-001", "MUST")])[0].contains("twice"));
    }

    #[test]
    fn a_row_is_of_the_section_that_has_its_text_and_says_why_it_is_not_testable() {
        let moved = Requirement { section: "06-receipts".to_owned(), ..row("LED-001", "MUST") };
        assert!(agree(&[moved], &[clause("LED-001", "MUST")])[0].contains("another section"));
        let silent = Requirement { testable: false, ..row("LED-001", "MUST") };
        assert!(agree(&[silent], &[clause("LED-001", "MUST")])[0].contains("reason"));
        let undated = Requirement { since: "soon".to_owned(), ..row("LED-001", "MUST") };
        assert!(agree(&[undated], &[clause("LED-001", "MUST")])[0].contains("version"));
    }

    #[test]
    fn finds_a_citation_of_an_unknown_id() {
        assert!(unknown(&[row("LED-001", "MUST")], &[citation("LED-001")], "Implements").is_empty());
        assert_eq!(
            unknown(&[row("LED-001", "MUST")], &[citation("LED-999")], "Implements"),
            ["a.rs:1: Implements LED-999, which is no id"]
        );
    }

    #[test]
    fn code_is_owed_for_what_the_server_declares_and_the_rest_is_counted() {
        let of = |id: &str, level: &str, profile: &str| Requirement {
            profile: profile.to_owned(),
            ..row(id, level)
        };
        let rows = [
            row("LED-001", "MUST"),
            of("RCV-001", "MUST", "recovery"),
            of("RCV-002", "MUST NOT", "recovery"),
            of("RCV-003", "SHOULD", "recovery"),
        ];
        let core = ["core".to_owned()];
        assert_eq!(left_open(&rows, &core), ["profile recovery is not implemented: 2 MUSTs"]);
        assert_eq!(undeclared(&core, &["core"]), None);
        for declared in [&[][..], &["core", "recovery"]] {
            assert!(undeclared(&core, declared).is_some(), "{declared:?}");
        }
    }

    #[test]
    fn counts_the_cases_of_what_binds_and_can_be_tested() {
        let rows = [row("LED-001", "MUST"), row("LED-002", "MUST NOT"), row("LED-003", "SHOULD")];
        let told = covered(&rows, &[citation("LED-001"), citation("LED-003")], needs_case);
        assert_eq!(told, "cases: 1 of the MUSTs that can be tested have one, 1 have none");
    }

    #[test]
    fn finds_what_binds_and_is_not_cited() {
        let rows = [row("LED-001", "MUST"), row("LED-002", "MUST NOT"), row("LED-003", "SHOULD")];
        assert_eq!(missing(&rows, &[citation("LED-001")], "x", needs_code).len(), 1);
        let of_the_directory = Requirement {
            role: vec!["directory".to_owned()],
            testable: false,
            reason: Some("a matter of organisation".to_owned()),
            ..row("LED-004", "MUST")
        };
        assert!(!needs_code(&of_the_directory));
        assert!(needs_code(&Requirement { role: vec!["server".to_owned()], ..of_the_directory.clone() }));
        assert!(needs_code(&Requirement { testable: true, reason: None, ..of_the_directory.clone() }));
        assert!(!needs_case(&of_the_directory));
    }
}
