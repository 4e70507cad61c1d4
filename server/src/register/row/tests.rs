use jiff::civil::date;

use super::*;

fn row(values: &[(Column, &str)]) -> Row {
    let mut row = Row::at(2);
    row.set(Column::Reference, "R1");
    row.set(Column::FamilyName, "Testcase");
    for (column, value) in values {
        row.set(*column, *value);
    }
    row
}

fn judge(values: &[(Column, &str)]) -> Judged {
    row(values).judge(date(2026, 11, 24))
}

fn fault(values: &[(Column, &str)]) -> Fault {
    judge(values).record.unwrap_err()
}

#[test]
fn makes_a_child_of_a_row() {
    let judged = judge(&[
        (Column::GivenName, " Anna\n  Lena "),
        (Column::FormerFamilyNames, "Before; Earlier ;"),
        (Column::AlsoKnownAs, "Annie"),
        (Column::DateOfBirth, "02/03/2014"),
        (Column::Sex, "f"),
        (Column::NhsNumber, "999 000 0018"),
        (Column::Postcode, "ze99zz"),
        (Column::Laestab, "373/0000"),
        (Column::Shielded, "Yes"),
    ]);
    let record = judged.record.unwrap();
    assert_eq!(judged.warnings, []);
    assert_eq!(record.child.given_name.as_deref(), Some("Anna Lena"));
    assert_eq!(record.child.former_family_names, ["Before", "Earlier"]);
    assert_eq!(record.child.date_of_birth.unwrap().to_string(), "2014-03-02");
    assert_eq!(record.child.sex, Some(Sex::Female));
    assert_eq!(record.child.nhs_number.as_deref(), Some("9990000018"));
    assert_eq!(record.child.postcode.as_deref(), Some("ZE9 9ZZ"));
    assert_eq!(record.laestab.as_deref(), Some("3730000"));
    assert!(record.shielded);
}

#[test]
fn refuses_a_row_without_reference_or_name() {
    assert_eq!(fault(&[(Column::Reference, "  ")]), Fault::NoReference);
    assert_eq!(fault(&[(Column::FamilyName, "")]), Fault::NoName);
    assert!(judge(&[(Column::FamilyName, ""), (Column::AlsoKnownAs, "Sam")]).record.is_ok());
}

#[test]
fn refuses_a_date_that_no_child_was_born_on() {
    for text in [
        "2015-02-29",
        "31/04/2014",
        "2026-11-25",
        "2014-13",
        "yesterday",
        "1/2/14",
        "03-02-2014",
        "1/1/2014/1",
    ] {
        assert_eq!(fault(&[(Column::DateOfBirth, text)]), Fault::ImpossibleDate, "{text}");
    }
    for text in ["2016-02-29", "2026-11-24", "2014-12", "2014", "1/2/2014", ""] {
        assert!(judge(&[(Column::DateOfBirth, text)]).record.is_ok(), "{text}");
    }
}

#[test]
fn keeps_the_child_without_an_identifier_that_fails_its_check() {
    for (column, wrong) in [
        (Column::Upn, "A801200005001"),
        (Column::FormerUpns, "A801200005001"),
        (Column::NhsNumber, "9990000019"),
        (Column::Uln, "6000000001"),
        (Column::Postcode, "nowhere"),
        (Column::Urn, "12"),
        (Column::Laestab, "373"),
        (Column::Sex, "?"),
    ] {
        let judged = judge(&[(column, wrong)]);
        let record = judged.record.unwrap();
        assert_eq!(judged.warnings, [Fault::LeftOut(column)]);
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains(wrong), "{column:?}");
    }
    assert_eq!(judge(&[(Column::Upn, "UN8")]).warnings, [], "a code that says why there is none");
}

#[test]
fn shields_a_child_when_nobody_can_tell() {
    let judged = judge(&[(Column::Shielded, "see file")]);
    assert!(judged.record.unwrap().shielded);
    assert_eq!(judged.warnings, [Fault::TakenAsShielded]);
    assert!(!judge(&[(Column::Shielded, "N")]).record.unwrap().shielded);
}

#[test]
fn refuses_control_characters_and_values_without_end() {
    assert_eq!(fault(&[(Column::GivenName, "An\0na")]), Fault::ControlCharacter);
    assert_eq!(fault(&[(Column::GivenName, &"x".repeat(VALUE_CHARS_MAX + 1))]), Fault::TooLong);
    assert!(judge(&[(Column::GivenName, &"\u{eb}".repeat(VALUE_CHARS_MAX))]).record.is_ok());
    assert_eq!(fault(&[(Column::AlsoKnownAs, &"a;".repeat(LIST_MAX + 1))]), Fault::TooLong);
    let bad_reference = judge(&[(Column::Reference, "R\u{7}1")]);
    assert_eq!(bad_reference.reference, None, "nothing of it goes into a report");
}

#[test]
fn a_pupil_is_known_by_its_upn_or_uln_and_by_the_names_that_it_prefers() {
    let header = Header::default();
    let pupil = |preferred_given: &str, preferred_family: &str| Pupil {
        number: 1,
        upn: "K373000020001".to_owned(),
        uln: "6000000005".to_owned(),
        surname: "Testcase".to_owned(),
        forename: "Anna".to_owned(),
        preferred_forename: preferred_given.to_owned(),
        preferred_surname: preferred_family.to_owned(),
        former_forename: "Annabel".to_owned(),
        ..Pupil::default()
    };
    let names = |given: &str, family: &str| {
        let judged = Row::of_pupil(&header, &pupil(given, family)).judge(date(2026, 11, 24));
        judged.record.unwrap().child.also_known_as
    };
    assert_eq!(names("", ""), ["Annabel"]);
    assert_eq!(names("Anna", "Testcase"), ["Annabel"]);
    assert_eq!(names("Annie", "Testcase"), ["Annie Testcase", "Annabel"]);
    assert_eq!(names("", "Other"), ["Anna Other", "Annabel"]);
    let mut without = pupil("", "");
    without.upn.clear();
    let row = Row::of_pupil(&header, &without);
    assert_eq!(row.judge(date(2026, 11, 24)).reference.as_deref(), Some("6000000005"));
}

#[test]
fn says_nothing_of_a_child_in_debug() {
    let judged = judge(&[(Column::GivenName, "Anna")]);
    let said = format!("{:?} {judged:?} {:?}", row(&[]), judged.record);
    assert_eq!(said, "Row(2) Judged(2) Ok(Record(..))");
}
