//! Identifiers: what is taken, in which normal form, and why the rest is refused.

use std::str::FromStr;

use cme_spec::ids::{AuthorityCode, GssCode, IdError, Laestab, NhsNumber, Postcode, Uln, Upn, Uprn, Urn};
use serde_json::{Value, json};

use super::{accept, joined, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`input` read as an identifier of this `kind`. An accepted input has this `normal` form, which alone is sent: `wire` says whether the input is that form. \
A refused one is refused for this `reason`, at this `position` (from 1) where one character is at fault. Numbers are invented: establishment 0000, NHS numbers from 999.";

pub(super) fn file() -> TextFile {
    let mut cases = Vec::new();
    cases.extend(of::<Upn>("upn", &upns()));
    cases.extend(of::<NhsNumber>("nhs-number", &nhs_numbers()));
    cases.extend(of::<Uln>("uln", &ulns()));
    let postcodes = [
        "XX1 1XX", "xx11xx", "XX1A 1XX", "XX11 1XX", "X1 1XX", "X1A 1XX", "X11 1XX", "GIR 0AA", "XXX 1XX",
        "XX1  1XX", "XX1-1XX", "XX1 1X", "1XX 1XX", "XI1 1XX", "XX1 XXX", "É1 1XX", "",
    ];
    cases.extend(of::<Postcode>("postcode", &texts(&postcodes)));
    cases.extend(of::<Laestab>(
        "laestab",
        &texts(&["3730000", "373/0000", "373/000", "37/30000", "3730000 ", "X730000", "37300001"]),
    ));
    cases.extend(of::<Urn>("urn", &texts(&["100000", "999999", "099999", "10000", "1000000", "10000x"])));
    cases.extend(of::<Uprn>("uprn", &texts(&["1", "999999999999", "0", "012", "1000000000000", "12a", ""])));
    cases.extend(of::<AuthorityCode>("authority-code", &texts(&["373", "001", "37", "3730", "3A3", " 373"])));
    cases.extend(of::<GssCode>(
        "gss-code",
        &texts(&[
            "E08000039",
            "W06000015",
            "S12000036",
            "N09000003",
            "e08000039",
            "X08000039",
            "E0800003",
            "E0800003O",
        ]),
    ));
    vectors("identifiers.json", ABOUT, Value::Null, cases)
}

fn texts(inputs: &[&str]) -> Vec<String> {
    inputs.iter().map(|input| (*input).to_owned()).collect()
}

fn upns() -> Vec<String> {
    let sheffield: AuthorityCode = cme_spec::example::code("373");
    let good = Upn::from_parts(sheffield, 0, 15, 42).expect("the parts fit").to_string();
    let temporary = Upn::temporary_from_parts(sheffield, 0, 15, 42, 'A').expect("the parts fit").to_string();
    let wrong = if good.starts_with('A') { 'B' } else { 'A' };
    let mut inputs = vec![
        // The text's own example, worked out by hand there.
        "B373000020001".to_owned(),
        format!("{wrong}{}", &good[1..]),
        good.to_lowercase(),
        format!("I{}", &good[1..]),
        good[..12].to_owned(),
        format!("{good}0"),
        format!(" {good}"),
        format!("{}S", &good[..12]),
        format!("{}A{}", &good[..5], &good[6..]),
        format!("{}{}{}", &good[..11], &good[12..], &good[11..12]),
        String::new(),
    ];
    inputs.extend([good, temporary]);
    inputs
}

fn ulns() -> Vec<String> {
    let mut inputs =
        texts(&["9000000009", "6000000006", "0000000000", "9999999999", "900000000", "90000000O9"]);
    let made = [900_000_001, 900_000_042].map(Uln::from_first_nine);
    inputs.extend(made.into_iter().flatten().map(|number| number.to_string()));
    inputs
}

fn nhs_numbers() -> Vec<String> {
    let mut inputs = texts(&[
        "9990000018",
        "999 000 0018",
        "999-000-0018",
        "9990000019",
        "9991234560",
        "9999999999",
        "0000000000",
        "99900000",
        "99900000181",
        "999000001O",
        "",
    ]);
    inputs.extend([1_u32, 42, 123_456].map(|number| {
        NhsNumber::from_first_nine(999_000_000 + number).map(|number| number.to_string()).unwrap_or_default()
    }));
    inputs.retain(|input| !input.is_empty());
    inputs.sort();
    inputs.dedup();
    inputs
}

fn of<T: FromStr<Err = IdError> + ToString>(kind: &str, inputs: &[String]) -> Vec<Value> {
    let case = |input: &String| {
        let members = json!({ "kind": kind, "input": input });
        let name = format!("{kind} {input:?}");
        match input.parse::<T>() {
            Ok(value) => {
                let normal = value.to_string();
                let wire = normal == *input;
                accept(&name, joined(members, json!({ "normal": normal, "wire": wire })))
            }
            Err(error) => reject(&name, joined(members, reason(error))),
        }
    };
    inputs.iter().map(case).collect()
}

fn reason(error: IdError) -> Value {
    let name = match error {
        IdError::WrongLength { .. } => "wrong-length",
        IdError::WrongCharacter { position } => {
            return json!({ "reason": "wrong-character", "position": position });
        }
        IdError::LeadingZero => "leading-zero",
        IdError::CheckLetter => "check-letter",
        IdError::CheckDigit => "check-digit",
        IdError::NoCheckDigit => "no-check-digit",
        IdError::Repeated => "repeated",
        IdError::Form => "form",
        IdError::PartTooLarge => "part-too-large",
        IdError::NotNormalForm => "not-normal-form",
    };
    json!({ "reason": name })
}
