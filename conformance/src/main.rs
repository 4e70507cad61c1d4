//! Conformance program of the CME transfer protocol.
//!
//! It judges by the published artefacts alone: the text, the register of requirements, the `OpenAPI`
//! document and the vectors, all compiled in. It shares no code with any implementation.

mod published;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::published::{Publication, Requirement};

/// Conformance to the CME transfer protocol.
#[derive(Parser)]
#[command(name = "cme-conformance", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the requirements of the protocol.
    List {
        /// Only those of this level, such as MUST or "MUST NOT".
        #[arg(long)]
        level: Option<String>,
        /// Only those of this section, such as 05-ledger.
        #[arg(long)]
        section: Option<String>,
        /// Only those that bind this role, such as verifier.
        #[arg(long)]
        role: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a requirement as it stands in the text, with its row of the register.
    Explain {
        /// Such as LED-002.
        id: String,
    },
}

/// Why a command could not answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the requirements compiled in are not of their form: {0}")]
    Register(#[from] toml::de::Error),
    #[error("no requirement is selected: {0} is no such level, section or role")]
    Nothing(String),
    #[error("{0} is no requirement of this version")]
    UnknownId(String),
    #[error("the output can't be written: {0}")]
    Output(#[from] std::io::Error),
    #[error("the requirements can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.into()),
        },
        Err(trouble) => fail(&trouble),
    }
}

fn fail(trouble: &Trouble) -> ExitCode {
    // Nothing is left to tell when even this can't be written.
    let _ = writeln!(std::io::stderr(), "{trouble}");
    ExitCode::FAILURE
}

fn run(command: Command) -> Result<String, Trouble> {
    let publication = Publication::compiled_in()?;
    match command {
        Command::List { level, section, role, json } => {
            let wanted =
                |asked: &Option<String>, held: &str| asked.as_ref().is_none_or(|asked| asked == held);
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
            list(&selected, json)
        }
        Command::Explain { id } => explain(&publication, &id),
    }
}

fn list(selected: &[&Requirement], json: bool) -> Result<String, Trouble> {
    if json {
        return Ok(serde_json::to_string_pretty(selected)? + "\n");
    }
    let width = selected.iter().map(|row| row.section.len()).max().unwrap_or_default();
    let line = |row: &&Requirement| {
        format!("{}  {:8}  {:width$}  {}\n", row.id, row.level, row.section, row.summary)
    };
    let lines: String = selected.iter().map(line).collect();
    Ok(format!("{lines}{} requirements\n", selected.len()))
}

fn explain(publication: &Publication, id: &str) -> Result<String, Trouble> {
    let unknown = || Trouble::UnknownId(id.to_owned());
    let row = publication.requirement(id).ok_or_else(unknown)?;
    let clause = row.clause().ok_or_else(unknown)?;
    let testable = row.reason.as_ref().map_or("yes".to_owned(), |reason| format!("no: {reason}"));
    Ok(format!(
        "{id} ({level}) in {section}: {summary}\n\n{clause}\n\nbinds     {roles}\nprofile   {profile}, since {since}\ntestable  {testable}\n",
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
        run(Command::List { level: own(level), section: own(section), role: None, json })
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
            let text = explain(&publication, &row.id).unwrap();
            assert!(text.contains(&row.level) && text.contains(&row.summary), "{}", row.id);
        }
        let text = explain(&publication, "LED-008").unwrap();
        assert!(text.contains("MUST NOT change a ledger's stage"), "{text}");
        assert!(matches!(explain(&publication, "LED-999"), Err(Trouble::UnknownId(_))));
    }
}
