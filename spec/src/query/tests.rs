use serde_json::{Value, json};

use super::*;
use crate::canonical::Json;
use crate::codes::{AnswerOutcome as O, MatchedField as F};
use crate::example::{self, signing_key};

/// The example query with a change to header and body, signed.
fn asked(change: impl Fn(&mut QueryHeader, &mut Value)) -> Query {
    let mut header = example::query_header(1);
    let mut body = example::query_body().into_value();
    change(&mut header, &mut body);
    Query::sign(header, Json::from_typed(&body).unwrap(), &signing_key("373"))
}

fn fault(change: impl Fn(&mut QueryHeader, &mut Value)) -> (String, String) {
    let problem = check(&asked(change)).unwrap_err().problem();
    let name = problem.registered().unwrap().name().to_owned();
    (name, problem.pointer.unwrap())
}

fn not_allowed(pointer: &str) -> (String, String) {
    ("query-not-allowed".to_owned(), pointer.to_owned())
}

fn body_invalid(pointer: &str) -> (String, String) {
    ("body-invalid".to_owned(), pointer.to_owned())
}

#[test]
fn the_examples_keep_the_rules_and_come_back_from_the_wire_as_they_were() {
    for query in [example::query(), example::broadcast_query()] {
        assert!(check(&query).is_ok());
        assert!(query.body_matches());
        let read = Query::from_json(query.to_json()).unwrap();
        assert_eq!(read, query);
        assert!(read.verify(&signing_key("373").public()).is_ok());
        assert!(read.verify(&signing_key("330").public()).is_err());
    }
}

#[test]
fn a_query_that_nobody_could_read_is_not_signed() {
    for bases in [0, LEGAL_BASES_MAX + 1] {
        let many = fault(|header, _| header.legal_basis = vec![header.legal_basis[0].clone(); bases]);
        assert_eq!(many, not_allowed("/legalBasis"), "{bases}");
    }
    assert!(
        check(&asked(|header, _| header.legal_basis = vec![header.legal_basis[0].clone(); LEGAL_BASES_MAX]))
            .is_ok()
    );
}

#[test]
fn only_tracing_is_broadcast_or_stands() {
    let second = json!({ "id": "o-2", "role": "head of inclusion" });
    for purpose in [QueryPurpose::ConfirmArrival, QueryPurpose::BackgroundForNewArrival] {
        let broadcast = fault(|header, body| {
            header.purpose = purpose;
            header.broadcast = Some(example::broadcast_id(1));
            body["secondOfficer"] = second.clone();
        });
        assert_eq!(broadcast, not_allowed("/broadcast"));
        let standing = fault(|header, _| {
            header.purpose = purpose;
            header.standing_until = Some(header.created_at.plus_seconds(60));
        });
        assert_eq!(standing, not_allowed("/standingUntil"));
        assert!(check(&asked(|header, _| header.purpose = purpose)).is_ok());
    }
}

#[test]
fn a_query_stands_for_thirty_days_at_most_and_ends_after_it_begins() {
    let standing = |seconds: i64| {
        asked(move |header, _| header.standing_until = Some(header.created_at.plus_seconds(seconds)))
    };
    assert!(check(&standing(STANDING_SECONDS_MAX)).is_ok());
    assert!(check(&standing(1)).is_ok());
    for seconds in [STANDING_SECONDS_MAX + 1, 0, -1] {
        assert!(matches!(check(&standing(seconds)), Err(QueryFault::NotAllowed(_))), "{seconds}");
    }
}

#[test]
fn a_renewal_stands_and_follows_another_query() {
    let renewal = |standing: bool, before: u64| {
        asked(move |header, _| {
            header.standing_until = standing.then(|| header.created_at.plus_seconds(60));
            header.renews = Some(example::query_id(before));
        })
    };
    assert!(check(&renewal(true, 7)).is_ok());
    for (standing, before) in [(false, 7), (true, 1)] {
        assert_eq!(check(&renewal(standing, before)), Err(QueryFault::NotAllowed(ShapeError::at("/renews"))));
    }
}

#[test]
fn a_broadcast_is_decided_by_two_officers_and_nothing_else_is() {
    let second = |id: &str| json!({ "id": id, "role": "head of inclusion" });
    assert_eq!(
        fault(|header, _| header.broadcast = Some(example::broadcast_id(1))),
        body_invalid("/secondOfficer")
    );
    assert_eq!(fault(|_, body| body["secondOfficer"] = second("o-2")), body_invalid("/secondOfficer"));
    let alone = fault(|header, body| {
        header.broadcast = Some(example::broadcast_id(1));
        body["secondOfficer"] = second("o-7f3a");
    });
    assert_eq!(alone, body_invalid("/secondOfficer"));
}

#[test]
fn what_is_not_asked_with_is_refused_wherever_it_stands() {
    for member in ["narrative", "parents", "address", "school", "socialCare", "sen", "ethnicity", "xLater"] {
        let (name, _) = fault(|_, body| body["subject"][member] = json!("x"));
        assert_eq!(name, "body-invalid", "{member}");
    }
    assert_eq!(fault(|_, body| body["officer"]["name"] = json!("Sam Invented")).0, "body-invalid");
    assert_eq!(fault(|_, body| body["reason"] = json!("x")).0, "body-invalid");
}

#[test]
fn a_subject_is_one_child_and_says_no_more_than_finds_the_child() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 11] = [
        (|subject| subject["familyName"] = json!(" "), "/subject/familyName"),
        (|subject| subject["givenName"] = json!("x".repeat(101)), "/subject/givenName"),
        (|subject| subject["formerFamilyNames"] = json!(vec!["x"; 9]), "/subject/formerFamilyNames"),
        (|subject| subject["alsoKnownAs"] = json!(["A", ""]), "/subject/alsoKnownAs/1"),
        (|subject| subject["dateOfBirth"] = json!("2016-02-30"), "/subject/dateOfBirth"),
        (|subject| subject["upns"] = json!(["A373000020001"]), "/subject/upns/0"),
        (|subject| subject["upns"] = json!(["B373000020001", "B373000020001"]), "/subject/upns"),
        (|subject| subject["nhsNumber"] = json!("9990000019"), "/subject/nhsNumber"),
        (|subject| subject["nhsNumber"] = json!("9990000018"), "/subject/lastPostcode"),
        (|subject| drop(subject.as_object_mut().unwrap().remove("sex")), "/subject"),
        (
            |subject| {
                let subject = subject.as_object_mut().unwrap();
                subject.remove("upns");
                subject.remove("dateOfBirth");
            },
            "/subject/dateOfBirth",
        ),
    ];
    for (change, pointer) in cases {
        assert_eq!(fault(|_, body| change(&mut body["subject"])), body_invalid(pointer));
    }
    for known in ["2016", "2016-04"] {
        assert!(check(&asked(|_, body| body["subject"]["dateOfBirth"] = json!(known))).is_ok());
    }
}

#[test]
fn a_pseudonym_has_no_room_for_a_name_or_an_address() {
    for good in ["a", "o-7f3a", &"x".repeat(32)] {
        assert!(good.parse::<OfficerId>().is_ok());
    }
    for bad in ["", "Sam Invented", "sam@council.example", "é", &"x".repeat(33)] {
        assert!(bad.parse::<OfficerId>().is_err(), "{bad}");
    }
}

#[test]
fn nothing_of_a_child_is_in_a_debug_text() {
    let query = example::query();
    let body = check(&query).unwrap();
    let printed = format!("{query:?} {body:?} {:?} {:?}", body.subject, body.officer);
    for secret in ["Amina", "Testcase", "2016", "B373", "S1 2HH", "Example"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}

/// Answers with these outcomes, one second apart from `start`.
fn answers(query: &Query, start: &str, outcomes: &[O]) -> Vec<Answer> {
    let start = example::instant(start);
    let at = |number: u64| start.plus_seconds(i64::try_from(number).unwrap());
    (0..)
        .zip(outcomes)
        .map(|(number, outcome)| example::query_answer(query, number, *outcome, at(number)))
        .collect()
}

const NINE: &str = "2026-11-24T09:00:01Z";

/// What comes of checking the answers one after the other.
fn checked(query: &Query, answers: &[Answer]) -> Result<(), AnswerFault> {
    let body = check(query).unwrap();
    let fields = body.subject.fields();
    let asked = Asked { header: query.header(), digest: query.header_digest(), fields: &fields };
    (0..answers.len()).try_for_each(|count| check_answer(&answers[count], &asked, &answers[..count]))
}

#[test]
fn an_officers_answer_follows_possible_and_nothing_follows_withheld_or_a_plain_not_known() {
    let query = example::query();
    let outcome = |outcomes: &[O]| checked(&query, &answers(&query, NINE, outcomes));
    for first in O::ALL {
        assert_eq!(outcome(&[*first]), Ok(()), "{first}");
    }
    for next in [O::Known, O::NotKnown, O::Referred] {
        for before in [O::Possible, O::Known, O::Referred] {
            assert_eq!(outcome(&[before, next]), Ok(()), "{before} {next}");
        }
    }
    for before in O::ALL {
        assert_eq!(outcome(&[*before, O::Possible]), Err(AnswerFault::MayNotFollow), "{before}");
        assert_eq!(outcome(&[*before, O::Withheld]), Err(AnswerFault::MayNotFollow), "{before}");
    }
    for next in O::ALL {
        assert_eq!(outcome(&[O::NotKnown, *next]), Err(AnswerFault::MayNotFollow), "{next}");
        assert_eq!(outcome(&[O::Withheld, *next]), Err(AnswerFault::MayNotFollow), "{next}");
    }
}

#[test]
fn a_standing_query_is_answered_later_while_it_stands_and_only_once() {
    let query = example::broadcast_query();
    let outcome = |start: &str, outcomes: &[O]| checked(&query, &answers(&query, start, outcomes));
    assert_eq!(outcome(NINE, &[O::NotKnown, O::Known]), Ok(()));
    assert_eq!(outcome(NINE, &[O::NotKnown, O::Referred]), Ok(()));
    assert_eq!(outcome(NINE, &[O::Possible, O::NotKnown, O::Known]), Ok(()));
    assert_eq!(outcome(NINE, &[O::NotKnown, O::NotKnown]), Err(AnswerFault::MayNotFollow));
    let over = "2026-12-24T08:59:59Z";
    assert_eq!(
        outcome(over, &[O::NotKnown, O::Known]),
        Err(AnswerFault::MayNotFollow),
        "it stands no longer"
    );
    let again = [O::NotKnown, O::Known, O::NotKnown, O::Known];
    assert_eq!(outcome(NINE, &again), Err(AnswerFault::MayNotFollow), "what has ended does not stand again");
    assert_eq!(outcome(NINE, &again[..3]), Ok(()));
}

#[test]
fn an_answer_fits_its_query_its_outcome_and_the_answer_before() {
    let query = example::query();
    let good = answers(&query, NINE, &[O::Possible, O::Known]);
    let with = |index: usize, change: &dyn Fn(&mut Answer)| {
        let mut list = good.clone();
        change(&mut list[index]);
        checked(&query, &list)
    };
    assert_eq!(with(0, &|_| {}), Ok(()));
    assert_eq!(with(0, &|answer| answer.query = example::query_id(9)), Err(AnswerFault::OtherQuery));
    assert_eq!(with(0, &|answer| answer.query_digest = Digest::of(b"x")), Err(AnswerFault::OtherQuery));
    assert_eq!(with(0, &|answer| answer.by = example::code("383")), Err(AnswerFault::OtherQuery));
    assert_eq!(with(1, &|answer| answer.matched_on.clear()), Err(AnswerFault::Form("matchedOn")));
    assert_eq!(with(1, &|answer| answer.outcome = O::NotKnown), Err(AnswerFault::Form("matchedOn")));
    let twice = |answer: &mut Answer| answer.matched_on = vec![F::Upn, F::Upn];
    assert_eq!(with(1, &twice), Err(AnswerFault::Form("matchedOn")));
    let nhs = |answer: &mut Answer| answer.matched_on = vec![F::NhsNumber];
    assert_eq!(with(1, &nhs), Err(AnswerFault::NotAsked), "the query has no NHS number");
    let leeds = |answer: &mut Answer| answer.referred_to = Some(example::code("383"));
    assert_eq!(with(1, &leeds), Err(AnswerFault::Form("referredTo")));
    let nowhere = |answer: &mut Answer| {
        answer.outcome = O::Referred;
        answer.matched_on.clear();
    };
    assert_eq!(with(1, &nowhere), Err(AnswerFault::Form("referredTo")));
    let itself = |answer: &mut Answer| {
        nowhere(answer);
        answer.referred_to = Some(answer.by);
    };
    assert_eq!(with(1, &itself), Err(AnswerFault::Form("referredTo")));
    assert_eq!(with(1, &|answer| answer.number = 2), Err(AnswerFault::Gap));
    assert_eq!(with(1, &|answer| answer.number = 0), Err(AnswerFault::NumberTaken));
    let early = |answer: &mut Answer| answer.answered_at = example::instant("2026-11-24T09:00:00Z");
    assert_eq!(with(1, &early), Err(AnswerFault::DatedBefore));
    let many = vec![O::Known; usize::try_from(ANSWERS_MAX).unwrap() + 1];
    assert_eq!(checked(&query, &answers(&query, NINE, &many[1..])), Ok(()));
    assert_eq!(checked(&query, &answers(&query, NINE, &many)), Err(AnswerFault::MayNotFollow));
}

#[test]
fn answers_are_of_equal_length_whenever_they_are_given() {
    let query = example::query();
    let length = |at: &str| {
        let answer = example::query_answer(&query, 0, O::NotKnown, example::instant(at).whole_second());
        Json::from_typed(&answer).unwrap().canonical_bytes().len()
    };
    assert_eq!(length("2026-11-24T09:00:01.125Z"), length("2026-11-24T09:00:02.1Z"));
    assert_eq!(length("2026-11-24T09:00:01Z"), length("2026-11-24T09:00:02.001Z"));
    let mut answer = json!(example::query_answer(&query, 0, O::NotKnown, example::instant(NINE)));
    assert!(Json::from_typed(&answer).unwrap().read::<Answer>().is_ok());
    answer["answeredAt"] = json!("2026-11-24T09:00:01.0Z");
    let pointer = Json::from_typed(&answer).unwrap().read::<Answer>().unwrap_err().pointer;
    assert_eq!(pointer, "/answeredAt");
}

#[test]
fn a_body_is_kept_no_longer_than_somebody_needs_it() {
    let plain = example::query();
    let standing = example::broadcast_query();
    let kept = |query: &Query, outcomes: &[O]| keeping(query.header(), &answers(query, NINE, outcomes));
    let at = |number: i64| example::instant(NINE).plus_seconds(number);
    let until = standing.header().standing_until.unwrap();
    assert_eq!(kept(&plain, &[O::NotKnown]), Keeping::Until(at(0)));
    assert_eq!(kept(&plain, &[O::Withheld]), Keeping::Until(at(0)));
    assert_eq!(kept(&plain, &[O::Possible]), Keeping::UntilAnswered);
    assert_eq!(kept(&plain, &[O::Possible, O::NotKnown]), Keeping::Until(at(1)));
    assert_eq!(kept(&plain, &[O::Known]), Keeping::Until(at(BODY_KEPT_SECONDS)));
    assert_eq!(kept(&plain, &[O::Referred, O::Known]), Keeping::Until(at(1 + BODY_KEPT_SECONDS)));
    assert_eq!(kept(&standing, &[O::NotKnown]), Keeping::Until(until));
    assert_eq!(kept(&standing, &[O::Possible, O::NotKnown]), Keeping::Until(until));
    assert_eq!(kept(&standing, &[O::NotKnown, O::Known]), Keeping::Until(at(1)), "its standing has ended");
    assert_eq!(kept(&standing, &[O::Known]), Keeping::Until(at(BODY_KEPT_SECONDS)), "it never stood");
    assert_eq!(kept(&standing, &[O::Withheld]), Keeping::Until(at(0)));
}

#[test]
fn an_audit_names_members_and_no_value() {
    let body = check(&example::query()).unwrap();
    let members =
        ["familyName", "givenName", "formerFamilyNames", "dateOfBirth", "sex", "upns", "lastPostcode"];
    assert_eq!(body.subject.members(), members);
    assert_eq!(body.subject.fields(), [F::Name, F::OtherName, F::DateOfBirth, F::Sex, F::Upn, F::Postcode]);
}

#[test]
fn a_query_without_a_part_or_to_oneself_is_none() {
    let of = |change: &dyn Fn(&mut Value)| {
        let mut value = example::query().to_json().into_value();
        change(&mut value);
        let error = Query::from_json(Json::from_typed(&value).unwrap()).unwrap_err();
        let problem = error.problem();
        problem.registered().unwrap().name()
    };
    for member in ["header", "signature"] {
        assert_eq!(of(&|value| drop(value.as_object_mut().unwrap().remove(member))), "malformed");
    }
    for member in
        ["protocol", "query", "author", "recipient", "createdAt", "purpose", "legalBasis", "bodyDigest"]
    {
        let without = |value: &mut Value| drop(value["header"].as_object_mut().unwrap().remove(member));
        assert_eq!(of(&without), "malformed", "{member}");
    }
    assert_eq!(of(&|value| value["header"]["recipient"] = json!("373")), "malformed");
    assert_eq!(of(&|value| value["header"]["legalBasis"] = json!([])), "malformed");
    assert_eq!(of(&|value| value["header"]["protocol"] = json!("2.0")), "protocol-unsupported");
    assert_eq!(of(&|value| value["body"] = Value::Null), "body-missing");
    assert_eq!(of(&|value| drop(value.as_object_mut().unwrap().remove("body"))), "body-missing");
    assert_eq!(of(&|value| value["body"] = json!([])), "malformed");
    assert_eq!(of(&|value| value["signature"] = json!("a.b.c")), "signature-invalid");
}

#[test]
fn the_examples_of_the_text_are_those_of_the_code() {
    let text = include_str!("../../text/15-queries.md");
    let mut blocks = text.split("```json\n").skip(1).map(|block| block.split("\n```").next().unwrap());
    let mut next =
        || Json::decode(blocks.next().unwrap().as_bytes(), &crate::canonical::Limits::ENTRY).unwrap();
    assert_eq!(next(), example::query().to_json());
    assert_eq!(next(), example::signed_answer().to_json());
}
