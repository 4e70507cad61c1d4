//! What there is: requirements and cases.

use serde::Serialize;

use super::Trouble;
use crate::cases::{self, Case};
use crate::published::{Publication, Requirement};
use crate::reference::Fault;

/// The requirements of a level, a section and a role, as far as each is asked for.
pub(super) fn requirements(
    [level, section, role]: [Option<String>; 3],
    json: bool,
) -> Result<String, Trouble> {
    let publication = Publication::compiled_in()?;
    let wanted = |asked: &Option<String>, held: &str| asked.as_ref().is_none_or(|asked| asked == held);
    let selected: Vec<&Requirement> = publication
        .requirements()
        .iter()
        .filter(|row| wanted(&level, &row.level) && wanted(&section, &row.section))
        .filter(|row| role.as_ref().is_none_or(|role| row.role.contains(role)))
        .collect();
    if selected.is_empty() {
        let asked = [level, section, role].into_iter().flatten().collect::<Vec<_>>().join(", ");
        return Err(Trouble::Nothing(asked));
    }
    if json {
        return Ok(serde_json::to_string_pretty(&selected)? + "\n");
    }
    let width = selected.iter().map(|row| row.section.len()).max().unwrap_or_default();
    let line = |row: &&Requirement| {
        format!("{}  {:8}  {:width$}  {}\n", row.id, row.level, row.section, row.summary)
    };
    let lines: String = selected.iter().map(line).collect();
    Ok(format!("{lines}{} requirements\n", selected.len()))
}

/// A case as JSON has it.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    claim: &'static str,
    checks: &'static [&'static str],
    profile: &'static str,
    slow: bool,
}

impl From<&Case> for Row {
    fn from(case: &Case) -> Self {
        let Case { name, claim, checks, profile, slow, .. } = *case;
        Self { name, claim, checks, profile, slow }
    }
}

/// Every case.
pub(super) fn cases(json: bool) -> Result<String, Trouble> {
    let cases = cases::all();
    if json {
        let rows: Vec<Row> = cases.into_iter().map(Row::from).collect();
        return Ok(serde_json::to_string_pretty(&rows)? + "\n");
    }
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or_default();
    let line = |case: &&Case| format!("{:width$}  {}\n", case.name, case.checks.join(", "));
    let lines: String = cases.iter().map(line).collect();
    Ok(format!("{lines}{} cases\n", cases.len()))
}

/// A fault as JSON has it.
#[derive(Serialize)]
struct FaultRow {
    name: &'static str,
    breaks: &'static str,
}

/// Every fault that a reference peer can have.
pub(super) fn faults(json: bool) -> Result<String, Trouble> {
    let rows = Fault::ALL.iter().map(|fault| FaultRow { name: fault.name(), breaks: fault.breaks() });
    if json {
        return Ok(serde_json::to_string_pretty(&rows.collect::<Vec<_>>())? + "\n");
    }
    let mut lines: Vec<String> = rows.map(|row| format!("{}  {}", row.breaks, row.name)).collect();
    lines.push(format!("{} faults\n", Fault::ALL.len()));
    Ok(lines.join("\n"))
}

/// The lines of a list, or that there are none.
fn listed(lines: impl Iterator<Item = String>) -> String {
    let text: String = lines.collect();
    if text.is_empty() { "none".to_owned() } else { text }
}

/// A requirement in the words of the text with its cases, or a case.
pub(super) fn explain(id: &str) -> Result<String, Trouble> {
    let publication = Publication::compiled_in()?;
    if let Some(case) = cases::all().into_iter().find(|case| case.name == id) {
        let slow = if case.slow { ", not with --quick" } else { "" };
        let line = |id: &&str| {
            let row = publication.requirement(id)?;
            Some(format!("  {id} ({}) {}\n", row.level, row.summary))
        };
        let checks: Vec<String> = case.checks.iter().filter_map(line).collect();
        return Ok(format!(
            "{id}: {}\n\nchecks\n{}profile   {}{slow}\nhear it   cme-conformance run --only {id}\n",
            case.claim,
            checks.concat(),
            case.profile
        ));
    }
    let unknown = || Trouble::UnknownId(id.to_owned());
    let row = publication.requirement(id).ok_or_else(unknown)?;
    let clause = row.clause().ok_or_else(unknown)?;
    let testable = row.reason.as_ref().map_or("yes".to_owned(), |reason| format!("no: {reason}"));
    let cases = cases::named(id).into_iter().map(|case| format!("\n  {}: {}", case.name, case.claim));
    let cases = listed(cases);
    let faults = Fault::ALL.iter().filter(|fault| fault.breaks() == id);
    let faults = listed(faults.map(|fault| format!("\n  {}", fault.name())));
    Ok(format!(
        "{id} ({level}) in {section}: {summary}\n\n{clause}\n\nbinds     {roles}\nprofile   {profile}, since {since}\ntestable  {testable}\ncases     {cases}\nfaults    {faults}\n",
        level = row.level,
        section = row.section,
        summary = row.summary,
        roles = row.role.join(", "),
        profile = row.profile,
        since = row.since,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(level: Option<&str>, section: Option<&str>, json: bool) -> Result<String, Trouble> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        requirements([own(level), own(section), None], json)
    }

    #[test]
    fn lists_what_is_asked_for() {
        let all = listed(None, None, false).unwrap();
        assert!(all.contains("LED-002") && all.contains("VER-001"));
        let some = listed(Some("MUST NOT"), Some("05-ledger"), false).unwrap();
        assert!(some.contains("LED-004") && !some.contains("LED-002") && !some.contains("VER-"));
        let json: serde_json::Value =
            serde_json::from_str(&listed(None, Some("05-ledger"), true).unwrap()).unwrap();
        assert_eq!(json[0]["id"], "LED-001");
    }

    #[test]
    fn says_so_when_nothing_is_selected() {
        assert!(
            matches!(listed(Some("OUGHT"), None, false), Err(Trouble::Nothing(asked)) if asked == "OUGHT")
        );
    }

    #[test]
    fn explains_every_requirement_in_the_words_of_the_text() {
        let publication = Publication::compiled_in().unwrap();
        for row in publication.requirements() {
            let text = explain(&row.id).unwrap();
            assert!(text.contains(&row.level) && text.contains(&row.summary), "{}", row.id);
        }
        let text = explain("LED-008").unwrap();
        assert!(text.contains("MUST NOT change a ledger's stage"), "{text}");
        assert!(text.contains("led-does-nothing-because-time-passes: A ledger in which"), "{text}");
        assert!(text.contains("withdraws-after-a-moment-of-silence"), "{text}");
        assert!(explain("led-does-nothing-because-time-passes").unwrap().contains("LED-008 (MUST NOT)"));
        assert!(matches!(explain("LED-999"), Err(Trouble::UnknownId(_))));
    }

    #[test]
    fn every_case_has_a_name_of_its_own_and_cites_what_binds_and_can_be_tested() {
        let publication = Publication::compiled_in().unwrap();
        let mut names = std::collections::BTreeSet::new();
        for case in cases::all() {
            assert!(names.insert(case.name), "{} stands twice", case.name);
            assert!(case.claim.ends_with('.') && !case.checks.is_empty(), "{}", case.name);
            for id in case.checks {
                let row = publication.requirement(id).unwrap_or_else(|| panic!("{}: {id}", case.name));
                assert!(row.testable && row.level.starts_with("MUST"), "{}: {id}", case.name);
                // What binds everybody can be asked, in some cases, only of who has more than the core.
                let fits = row.profile == case.profile || row.profile == "core";
                assert!(fits, "{}: {id}", case.name);
            }
            assert!(explain(case.name).unwrap().contains(case.claim));
        }
    }
}
