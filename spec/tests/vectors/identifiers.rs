//! Identifiers.

use std::str::FromStr;

use cme_spec::ids::{AuthorityCode, GssCode, IdError, Laestab, NhsNumber, Postcode, Uln, Upn, Uprn, Urn};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{each_case, name, str_of};

#[test]
fn identifiers_are_taken_or_refused_as_published() {
    each_case("identifiers.json", 28, 50, |case, take| match str_of(case, "kind") {
        "upn" => check::<Upn>(case, take),
        "nhs-number" => check::<NhsNumber>(case, take),
        "uln" => check::<Uln>(case, take),
        "postcode" => check::<Postcode>(case, take),
        "laestab" => check::<Laestab>(case, take),
        "urn" => check::<Urn>(case, take),
        "uprn" => check::<Uprn>(case, take),
        "authority-code" => check::<AuthorityCode>(case, take),
        "gss-code" => check::<GssCode>(case, take),
        other => panic!("kind {other}"),
    });
}

fn check<T: FromStr<Err = IdError> + ToString + DeserializeOwned>(case: &Value, take: bool) {
    let on_the_wire = serde_json::from_value::<T>(case["input"].clone());
    match str_of(case, "input").parse::<T>() {
        Ok(value) => {
            assert!(take, "{}", name(case));
            assert_eq!(value.to_string(), str_of(case, "normal"), "{}", name(case));
            assert_eq!(on_the_wire.is_ok(), case["wire"].as_bool().unwrap(), "{}", name(case));
        }
        Err(error) => {
            assert!(!take && on_the_wire.is_err(), "{}: {error}", name(case));
            let (reason, position) = reason(error);
            assert_eq!(reason, str_of(case, "reason"), "{}", name(case));
            assert_eq!(position.map(|position| position as u64), case["position"].as_u64(), "{}", name(case));
        }
    }
}

fn reason(error: IdError) -> (&'static str, Option<usize>) {
    let name = match error {
        IdError::WrongLength { .. } => "wrong-length",
        IdError::WrongCharacter { position } => return ("wrong-character", Some(position)),
        IdError::LeadingZero => "leading-zero",
        IdError::CheckLetter => "check-letter",
        IdError::CheckDigit => "check-digit",
        IdError::NoCheckDigit => "no-check-digit",
        IdError::Repeated => "repeated",
        IdError::Form => "form",
        IdError::PartTooLarge => "part-too-large",
        IdError::NotNormalForm => "not-normal-form",
    };
    (name, None)
}
