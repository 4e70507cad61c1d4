//! What follows from facts: age, status, duration, deletion grounds.

use cme_spec::codes::{
    AreaResidence, CodeList, DeletionGroundError, DeletionGroundRef, DeletionRegulations, EducationOtherwise,
    PlaceSought, SchoolRegistration, Whereabouts,
};
use cme_spec::facts::{
    CmeStatus, CompulsorySchoolAge, Facts, cme_status, compulsory_school_age, compulsory_school_age_ends_on,
    compulsory_school_age_starts_on, duration_band_between,
};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::{accept, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`kind` compulsory-school-age: its first and last day for a date of birth, and what holds around them. cme-status: the status of a child with these facts on a day, and the rule that decided. \
duration-band: the band of the time from `start` to `on`. deletion-ground: a letter with the year of its regulations.";

/// The day on which the status of the cases is asked.
const ON: Date = date(2026, 11, 24);

pub(super) fn file() -> TextFile {
    let mut cases = ages();
    cases.extend(statuses());
    cases.extend(bands());
    cases.extend(grounds());
    vectors("facts.json", ABOUT, Value::Null, cases)
}

fn age_code(age: CompulsorySchoolAge) -> &'static str {
    match age {
        CompulsorySchoolAge::Below => "below",
        CompulsorySchoolAge::Within => "within",
        CompulsorySchoolAge::Over => "over",
    }
}

fn ages() -> Vec<Value> {
    let births = [
        date(2015, 3, 14),
        date(2015, 3, 30),
        date(2015, 3, 31),
        date(2015, 4, 1),
        date(2015, 8, 30),
        date(2015, 8, 31),
        date(2015, 9, 1),
        date(2015, 12, 30),
        date(2015, 12, 31),
        date(2016, 1, 1),
        date(2016, 2, 29),
        date(2012, 2, 29),
        date(2010, 6, 26),
        date(2010, 6, 27),
    ];
    let mut cases: Vec<Value> = births
        .map(|birth| {
            let (begins, ends) =
                (compulsory_school_age_starts_on(birth), compulsory_school_age_ends_on(birth));
            let days = [begins.yesterday(), Ok(begins), Ok(ends), ends.tomorrow()];
            let around: Vec<Value> = days
                .into_iter()
                .flatten()
                .map(|day| json!({ "on": day, "is": age_code(compulsory_school_age(birth, day)) }))
                .collect();
            accept(
                &format!("born {birth}"),
                json!({
                    "source": "section 12.1", "kind": "compulsory-school-age", "dateOfBirth": birth,
                    "begins": begins, "ends": ends, "days": around,
                }),
            )
        })
        .into();
    cases.dedup();
    cases
}

const MISSING: Facts = Facts {
    date_of_birth: date(2016, 5, 17),
    area_residence: AreaResidence::Resident,
    school_registration: SchoolRegistration::NotRegistered,
    education_otherwise: EducationOtherwise::None,
    whereabouts: Whereabouts::Known,
    place_sought: PlaceSought::None,
};

fn statuses() -> Vec<Value> {
    let unknown = Facts {
        area_residence: AreaResidence::Unknown,
        school_registration: SchoolRegistration::Unknown,
        education_otherwise: EducationOtherwise::Unknown,
        whereabouts: Whereabouts::Unknown,
        place_sought: PlaceSought::Unknown,
        ..MISSING
    };
    let otherwise = |education_otherwise| Facts { education_otherwise, ..MISSING };
    let away = |whereabouts| Facts { area_residence: AreaResidence::NotResident, whereabouts, ..MISSING };
    let born = |year| Facts { date_of_birth: date(year, 5, 17), ..MISSING };
    let registered = |facts| Facts { school_registration: SchoolRegistration::Registered, ..facts };
    let cases = [
        ("in no education", MISSING),
        ("applying for a place", Facts { place_sought: PlaceSought::Applying, ..MISSING }),
        ("offered a place for later", Facts { place_sought: PlaceSought::OfferedFutureStart, ..MISSING }),
        ("home education found unsuitable", otherwise(EducationOtherwise::HomeEducationUnsuitable)),
        ("whereabouts unknown", Facts { whereabouts: Whereabouts::Unknown, ..MISSING }),
        ("whereabouts unclear", Facts { whereabouts: Whereabouts::Unclear, ..MISSING }),
        ("believed to have moved away, whereabouts unknown", away(Whereabouts::Unknown)),
        ("believed to have moved away, whereabouts unclear", away(Whereabouts::Unclear)),
        ("nothing known", unknown),
        ("home education found suitable", otherwise(EducationOtherwise::HomeEducationSuitable)),
        ("home education not yet assessed", otherwise(EducationOtherwise::HomeEducationNotYetAssessed)),
        ("other suitable provision", otherwise(EducationOtherwise::OtherProvisionSuitable)),
        ("registered at a school", registered(MISSING)),
        ("registered at a school, whereabouts unknown", registered(unknown)),
        ("known to live elsewhere", away(Whereabouts::Known)),
        ("below compulsory school age", born(2022)),
        ("over compulsory school age", born(2009)),
        ("over compulsory school age and registered", registered(born(2009))),
    ];
    cases.map(|(name, facts)| {
        let (status, rule) = match cme_status(&facts, ON) {
            CmeStatus::Cme(rule) => ("cme", rule.code()),
            CmeStatus::NotCme(rule) => ("not-cme", rule.code()),
        };
        accept(&format!("status: {name}"), json!({
            "source": "section 12.2", "kind": "cme-status", "facts": facts, "on": ON, "status": status, "rule": rule,
        }))
    }).into()
}

fn bands() -> Vec<Value> {
    let edges = [0, 13, 14, 27, 28, 55, 56, 83, 84, 181, 182, 363, 364, 1_000];
    // Across both changes of the clocks and a leap day.
    let start = date(2023, 10, 20);
    let case = |name: &str, start: Option<Date>, on: Date| {
        let band = duration_band_between(start, on);
        accept(
            name,
            json!({ "source": "section 12.3", "kind": "duration-band", "start": start, "on": on, "band": band }),
        )
    };
    let mut cases: Vec<Value> = edges
        .map(|days: i64| {
            case(&format!("band of {days} days"), Some(start), start.saturating_add(days.days()))
        })
        .into();
    cases.push(case("band without a start", None, ON));
    cases.push(case("band of a start still to come", Some(date(2026, 11, 25)), ON));
    cases
}

fn grounds() -> Vec<Value> {
    let mut cases = Vec::new();
    for regulations in DeletionRegulations::ALL {
        for letter in ('a'..='p').chain(['A']) {
            let name = format!("ground {letter} of {regulations}");
            let input = json!({ "regulations": regulations, "letter": letter });
            let members = |extra: Value| {
                super::joined(
                    json!({ "source": "section 4.4", "kind": "deletion-ground", "input": input.clone() }),
                    extra,
                )
            };
            cases.push(match DeletionGroundRef::new(*regulations, letter) {
                Ok(ground) => {
                    accept(&name, members(json!({ "ground": ground.ground().map(CodeList::code) })))
                }
                Err(DeletionGroundError::NotALetter) => {
                    reject(&name, members(json!({ "reason": "not-a-letter" })))
                }
                Err(DeletionGroundError::NotInRegulations) => {
                    reject(&name, members(json!({ "reason": "not-in-regulations" })))
                }
            });
        }
    }
    cases
}
