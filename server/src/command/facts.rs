//! `cme-server facts`: what follows from facts about a child, by the rules that both ends of a transfer use.

use std::path::{Path, PathBuf};

use clap::Args;
use cme_spec::codes::DurationBand;
use cme_spec::facts::{
    CmeStatus, CompulsorySchoolAge, Facts, cme_status, compulsory_school_age, compulsory_school_age_ends_on,
    compulsory_school_age_starts_on, duration_band_between,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{CommandError, output, read};

/// Say what follows from facts about a child: school age, whether it is missing education, for how long.
#[derive(Debug, Args)]
#[command(
    after_help = "The input has `on`, and any of `dateOfBirth`, `facts` and `cmeSince`. Nothing is stored, and no \
                        configuration is needed.\n\nExample:\n  echo '{\"on\":\"2026-11-24\",\
                        \"dateOfBirth\":\"2015-03-14\",\"cmeSince\":\"2026-10-01\"}' | cme-server facts"
)]
pub(super) struct FactsCommand {
    /// A file of JSON; standard input when absent.
    file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    on: Date,
    date_of_birth: Option<Date>,
    facts: Option<Facts>,
    cme_since: Option<Date>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    on: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    compulsory_school_age: Option<SchoolAge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    /// Unknown without a start.
    duration_band: DurationBand,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SchoolAge {
    is: &'static str,
    starts_on: Date,
    ends_on: Date,
}

/// Whether a child is missing education, with the rule that decided: FCT-002 asks for both.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    missing_education: bool,
    rule: serde_json::Value,
}

impl FactsCommand {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let bytes = read(self.file.as_deref().unwrap_or(Path::new("-")))?;
        // What serde says may quote a value of the input; the place is enough.
        let asked: Asked = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            CommandError::said(format!("the input is not of its form at line {line}, column {column}"))
        })?;
        output::json(&said(&asked))
    }
}

fn said(asked: &Asked) -> Said {
    let on = asked.on;
    let school_age = |born: Date| SchoolAge {
        is: match compulsory_school_age(born, on) {
            CompulsorySchoolAge::Below => "below",
            CompulsorySchoolAge::Within => "within",
            CompulsorySchoolAge::Over => "over",
        },
        starts_on: compulsory_school_age_starts_on(born),
        ends_on: compulsory_school_age_ends_on(born),
    };
    let status = |facts: &Facts| {
        let status = cme_status(facts, on);
        let rule = match status {
            CmeStatus::Cme(rule) => serde_json::to_value(rule),
            CmeStatus::NotCme(rule) => serde_json::to_value(rule),
        };
        Status { missing_education: status.is_cme(), rule: rule.unwrap_or_default() }
    };
    Said {
        on,
        compulsory_school_age: asked.date_of_birth.map(school_age),
        status: asked.facts.as_ref().map(status),
        duration_band: duration_band_between(asked.cme_since, on),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(input: Value) -> Value {
        serde_json::to_value(said(&serde_json::from_value(input).unwrap())).unwrap()
    }

    #[test]
    fn says_what_follows_and_by_which_rule() {
        let facts = json!({
            "dateOfBirth": "2016-05-17", "areaResidence": "not-resident", "schoolRegistration": "not-registered",
            "educationOtherwise": "none", "whereabouts": "unknown", "placeSought": "none",
        });
        let whole = told(json!({
            "on": "2026-11-24", "dateOfBirth": "2015-03-14", "facts": facts, "cmeSince": "2026-11-10",
        }));
        let age = json!({ "is": "within", "startsOn": "2020-03-31", "endsOn": "2031-06-27" });
        assert_eq!(whole["compulsorySchoolAge"], age);
        let status = json!({ "missingEducation": true, "rule": "whereabouts-inconclusive" });
        assert_eq!((&whole["status"], &whole["durationBand"]), (&status, &json!("2-to-4-weeks")));
    }

    #[test]
    fn says_nothing_of_what_it_was_not_told() {
        let bare = told(json!({ "on": "2026-11-24" }));
        assert_eq!(bare, json!({ "on": "2026-11-24", "durationBand": "unknown" }));
        assert!(
            serde_json::from_value::<Asked>(json!({ "on": "2026-11-24", "born": "2015-03-14" })).is_err()
        );
    }
}
