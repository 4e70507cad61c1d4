//! Facts and what follows from them.

use cme_spec::codes::{DeletionGroundRef, DeletionRegulations};
use cme_spec::facts::{
    CmeStatus, CompulsorySchoolAge, Facts, cme_status, compulsory_school_age, compulsory_school_age_ends_on,
    compulsory_school_age_starts_on, duration_band_between,
};
use jiff::civil::Date;
use serde_json::{Value, json as value};

use super::{each_case, name, str_of};

fn date(value: &Value) -> Date {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn facts_lead_to_what_is_published() {
    each_case("facts.json", 70, 3, |case, take| match str_of(case, "kind") {
        "compulsory-school-age" => age(case),
        "cme-status" => {
            let facts: Facts = serde_json::from_value(case["facts"].clone()).unwrap();
            let found = match cme_status(&facts, date(&case["on"])) {
                CmeStatus::Cme(rule) => ("cme", rule.code()),
                CmeStatus::NotCme(rule) => ("not-cme", rule.code()),
            };
            assert_eq!(found, (str_of(case, "status"), str_of(case, "rule")), "{}", name(case));
        }
        "duration-band" => {
            let start = case["start"].as_str().map(|_| date(&case["start"]));
            let band = duration_band_between(start, date(&case["on"]));
            assert_eq!(band.code(), str_of(case, "band"), "{}", name(case));
        }
        "deletion-ground" => {
            let ground = serde_json::from_value::<DeletionGroundRef>(case["input"].clone());
            assert_eq!(ground.is_ok(), take, "{}", name(case));
            if let Ok(ground) = ground {
                assert_eq!(
                    value!(ground.ground().map(cme_spec::codes::DeletionGround::code)),
                    case["ground"]
                );
            } else {
                let regulations: DeletionRegulations =
                    case["input"]["regulations"].as_str().unwrap().parse().unwrap();
                let letter = case["input"]["letter"].as_str().unwrap().chars().next().unwrap();
                let error = DeletionGroundRef::new(regulations, letter).unwrap_err();
                let reason = match error {
                    cme_spec::codes::DeletionGroundError::NotALetter => "not-a-letter",
                    cme_spec::codes::DeletionGroundError::NotInRegulations => "not-in-regulations",
                };
                assert_eq!(reason, str_of(case, "reason"), "{}", name(case));
            }
        }
        other => panic!("kind {other}"),
    });
}

fn age(case: &Value) {
    let birth = date(&case["dateOfBirth"]);
    assert_eq!(compulsory_school_age_starts_on(birth), date(&case["begins"]), "{}", name(case));
    assert_eq!(compulsory_school_age_ends_on(birth), date(&case["ends"]), "{}", name(case));
    for day in case["days"].as_array().unwrap() {
        let found = match compulsory_school_age(birth, date(&day["on"])) {
            CompulsorySchoolAge::Below => "below",
            CompulsorySchoolAge::Within => "within",
            CompulsorySchoolAge::Over => "over",
        };
        assert_eq!(day["is"], found, "{} on {}", name(case), day["on"]);
    }
}
