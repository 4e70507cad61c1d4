//! A child as a file, a register or an offer has it, in the form of a notice.

use cme_matching::Child as Registered;
use cme_spec::body::Child as Offered;
use cme_spec::codes::Sex;
use cme_spec::ids::{PartialDate, Upn};
use cme_spec::query::{NAME_CHARS_MAX, Subject};
use serde_json::{Value, json};

use super::Rejection;
use crate::ctf::Pupil;

/// What a notice says of a pupil: no more than finds the child, and no postcode.
///
/// A number that doesn't satisfy its check is left out.
pub(super) fn subject(pupil: &Pupil) -> Result<Subject, Rejection> {
    let upns = [&pupil.upn, &pupil.former_upn];
    let mut upns: Vec<Upn> = upns.iter().filter_map(|upn| upn.trim().parse().ok()).collect();
    upns.dedup();
    let date_of_birth = pupil.date_of_birth.trim().parse().ok();
    if date_of_birth.is_none() && upns.is_empty() {
        return Err(Rejection::NoDateOrNumber);
    }
    let preferred = format!("{} {}", pupil.preferred_forename.trim(), pupil.preferred_surname.trim());
    let usual = format!("{} {}", pupil.forename.trim(), pupil.surname.trim());
    let preferred = name(&preferred).filter(|preferred| *preferred != usual);
    Ok(Subject {
        family_name: name(&pupil.surname).ok_or(Rejection::NoName)?,
        given_name: name(&pupil.forename),
        middle_names: name(&pupil.middle_names),
        former_family_names: name(&pupil.former_surname).into_iter().collect(),
        also_known_as: preferred.into_iter().collect(),
        date_of_birth,
        sex: pupil.sex.trim().to_ascii_uppercase().parse().unwrap_or(Sex::Unknown),
        upns,
        nhs_number: None,
        last_postcode: None,
    })
}

/// A name on one line, as long as a name may be.
fn name(text: &str) -> Option<String> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty() && words.chars().count() <= NAME_CHARS_MAX).then_some(words)
}

/// A child of a register, as far as it can be compared.
pub(in crate::office) fn registered_subject(child: &Registered) -> Option<Subject> {
    Some(Subject {
        family_name: child.family_name.clone()?,
        given_name: child.given_name.clone(),
        middle_names: None,
        former_family_names: child.former_family_names.clone(),
        also_known_as: Vec::new(),
        date_of_birth: child.date_of_birth.and_then(|date| date.to_string().parse().ok()),
        sex: Sex::Unknown,
        upns: child.upn.iter().chain(&child.former_upns).filter_map(|upn| upn.parse().ok()).collect(),
        nhs_number: child.nhs_number.as_deref().and_then(|number| number.parse().ok()),
        last_postcode: None,
    })
}

/// The child of an offer.
pub(in crate::office) fn offered_subject(child: &Offered) -> Subject {
    Subject {
        family_name: child.family_name.clone(),
        given_name: child.given_name.clone(),
        middle_names: child.middle_names.clone(),
        former_family_names: child.former_family_names.clone(),
        also_known_as: child.also_known_as.clone(),
        date_of_birth: Some(PartialDate::from(child.date_of_birth)),
        sex: child.sex,
        upns: child.upn.iter().chain(&child.former_upns).cloned().collect(),
        nhs_number: child.nhs_number.clone(),
        last_postcode: None,
    }
}

/// The child as an offer has it.
pub(super) fn offered(child: &Subject) -> Value {
    let mut offered = json!({
        "familyName": child.family_name,
        "dateOfBirth": child.date_of_birth,
        "sex": child.sex,
        "upn": child.upns.first(),
    });
    let lists = [
        ("formerFamilyNames", json!(child.former_family_names)),
        ("alsoKnownAs", json!(child.also_known_as)),
        ("formerUpns", json!(child.upns.get(1..).unwrap_or_default())),
    ];
    let names = [("givenName", json!(child.given_name)), ("middleNames", json!(child.middle_names))];
    for (name, value) in lists.into_iter().chain(names) {
        if !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()) {
            offered[name] = value;
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pupil(change: impl FnOnce(&mut Pupil)) -> Pupil {
        let mut pupil = Pupil {
            upn: "B373000020001".to_owned(),
            surname: "Testcase".to_owned(),
            forename: " Amina ".to_owned(),
            date_of_birth: "2016-04-09".to_owned(),
            sex: "f".to_owned(),
            postcode: "S1 2HH".to_owned(),
            ..Pupil::default()
        };
        change(&mut pupil);
        pupil
    }

    #[test]
    fn says_no_more_than_finds_the_child() {
        let said = subject(&pupil(|_| {})).unwrap();
        assert_eq!(said.given_name.as_deref(), Some("Amina"));
        assert_eq!((said.sex, said.upns.len()), (Sex::Female, 1));
        assert!(said.last_postcode.is_none() && said.also_known_as.is_empty());
        let other = |pupil: &mut Pupil| {
            pupil.preferred_forename = "Mina".to_owned();
            pupil.preferred_surname = "Testcase".to_owned();
            pupil.former_surname = "Example".to_owned();
            pupil.former_upn = pupil.upn.clone();
        };
        let said = subject(&pupil(other)).unwrap();
        assert_eq!(
            (said.also_known_as, said.former_family_names),
            (vec!["Mina Testcase".to_owned()], vec!["Example".to_owned()])
        );
        assert_eq!(said.upns.len(), 1, "a number once");
    }

    #[test]
    fn a_child_without_a_name_or_a_date_and_number_is_left_to_an_officer() {
        let of = |change: fn(&mut Pupil)| subject(&pupil(change)).err();
        assert_eq!(of(|pupil| pupil.surname = " ".to_owned()), Some(Rejection::NoName));
        assert_eq!(of(|pupil| pupil.surname = "x".repeat(101)), Some(Rejection::NoName));
        assert_eq!(of(|pupil| pupil.upn = "A373000020001".to_owned()), None, "the date is enough");
        let neither = |pupil: &mut Pupil| {
            pupil.upn = "A373000020001".to_owned();
            pupil.date_of_birth = "2016-02-30".to_owned();
        };
        assert_eq!(of(neither), Some(Rejection::NoDateOrNumber));
    }

    #[test]
    fn what_was_offered_is_found_again() {
        let said = subject(&pupil(|pupil| pupil.former_surname = "Example".to_owned())).unwrap();
        let child: Offered = serde_json::from_value(offered(&said)).unwrap();
        assert!(offered_subject(&child).may_be(&said));
        assert_eq!(offered(&said).get("middleNames"), None);
    }
}
