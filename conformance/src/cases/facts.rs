//! Section 12: what follows from facts. It binds those who state it; the declaration says who does.
//!
//! The facts and what they come to are the published vectors: the suite's own opinion is asked nowhere.

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure};
use crate::json::Json;
use crate::published;

/// A case in which the subject states what follows from facts.
const STATING: Case = Case { profile: "facts", needs: &["observe facts"], ..CORE };

pub(super) const CASES: &[Case] = &[
    Case {
        name: "fct-tells-compulsory-school-age",
        claim: "Of each date of birth the days around the first and the last day of school age are told right.",
        checks: &["FCT-001"],
        run: school_age,
        ..STATING
    },
    Case {
        name: "fct-tells-who-is-missing-education",
        claim: "Of each set of facts the status is told, with the rule that decided.",
        checks: &["FCT-002"],
        run: status,
        ..STATING
    },
    Case {
        name: "fct-closes-nothing-by-what-is-unknown",
        claim: "A child whose whereabouts are unknown or unclear is missing education where known ones would not be.",
        checks: &["FCT-003"],
        run: unknown,
        ..STATING
    },
    Case {
        name: "fct-tells-the-duration-band",
        claim: "Of each number of days the band of the table is told, and unknown where there is no start.",
        checks: &["FCT-004"],
        run: bands,
        ..STATING
    },
];

/// The vectors of a kind.
fn vectors(kind: &str) -> Found<Vec<Json>> {
    let all = published::facts().map_err(Miss::Suite)?;
    let of_kind: Vec<Json> = all.into_iter().filter(|case| case.text_at("/kind") == Some(kind)).collect();
    if of_kind.is_empty() { Err(Miss::Suite(format!("no vector of kind {kind}"))) } else { Ok(of_kind) }
}

fn stated(court: &mut Court<'_>, members: Vec<(&str, Json)>) -> Found<Json> {
    court.made_to("observe", "facts", members)
}

/// What is stated belongs to the subject that answers.
fn answers(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    court.read(&peer, "/v1/capabilities").map(|_| ())
}

fn part(case: &Json, name: &str) -> Json {
    case.member(name).cloned().unwrap_or(Json::Null)
}

fn school_age(court: &mut Court<'_>) -> Found<()> {
    answers(court)?;
    for case in vectors("compulsory-school-age")? {
        for day in case.member("days").map(Json::items).unwrap_or_default() {
            let (born, on) = (part(&case, "dateOfBirth"), part(day, "on"));
            let told = stated(court, vec![("dateOfBirth", born.clone()), ("on", on.clone())])?;
            let (told, wanted) = (part(&told, "schoolAge"), part(day, "is"));
            let expected =
                format!("{} on {} for a child born on {}", wanted.plain(), on.plain(), born.plain());
            ensure(told == wanted, "FCT-001", &expected, told.plain())?;
        }
    }
    Ok(())
}

/// The number in the table of section 12.2 of the rule that a vector names.
fn number(rule: &str) -> i64 {
    match rule {
        "below-compulsory-school-age" | "over-compulsory-school-age" => 1,
        "registered-at-school" => 2,
        "home-education-suitable" => 3,
        "home-education-not-yet-assessed" => 4,
        "other-provision-suitable" => 5,
        "lives-elsewhere" => 6,
        _ => 7,
    }
}

fn status(court: &mut Court<'_>) -> Found<()> {
    answers(court)?;
    for case in vectors("cme-status")? {
        let told = stated(court, vec![("facts", part(&case, "facts")), ("on", part(&case, "on"))])?;
        let name = case.text_at("/name").unwrap_or_default();
        let (status, wanted) = (part(&told, "status"), part(&case, "status"));
        ensure(status == wanted, "FCT-002", &format!("{} for {name}", wanted.plain()), status.plain())?;
        let rule = number(case.text_at("/rule").unwrap_or_default());
        let named = told.integer_at("/rule");
        ensure(named == Some(rule), "FCT-002", &format!("rule {rule} for {name}"), format!("{named:?}"))?;
    }
    Ok(())
}

fn unknown(court: &mut Court<'_>) -> Found<()> {
    answers(court)?;
    let elsewhere =
        vectors("cme-status")?.into_iter().find(|case| case.text_at("/rule") == Some("lives-elsewhere"));
    let elsewhere = elsewhere.ok_or_else(|| Miss::Suite("no vector of who lives elsewhere".into()))?;
    let on = part(&elsewhere, "on");
    for (whereabouts, wanted) in [("known", "not-cme"), ("unclear", "cme"), ("unknown", "cme")] {
        let mut facts = part(&elsewhere, "facts");
        facts.set("/whereabouts", whereabouts);
        let told = stated(court, vec![("facts", facts), ("on", on.clone())])?;
        let status = told.text_at("/status").unwrap_or("none").to_owned();
        let expected = format!("{wanted} with whereabouts {whereabouts}");
        ensure(status == wanted, "FCT-003", &expected, status)?;
    }
    Ok(())
}

fn bands(court: &mut Court<'_>) -> Found<()> {
    answers(court)?;
    for case in vectors("duration-band")? {
        let told = stated(court, vec![("cmeSince", part(&case, "start")), ("on", part(&case, "on"))])?;
        let (told, wanted) = (part(&told, "band"), part(&case, "band"));
        let expected = format!("{} for {}", wanted.plain(), case.text_at("/name").unwrap_or_default());
        ensure(told == wanted, "FCT-004", &expected, told.plain())?;
    }
    Ok(())
}
