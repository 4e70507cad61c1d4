//! Queries and their answers: form, rules, and which answer may follow which.

use cme_spec::canonical::Json;
use cme_spec::codes::AnswerOutcome as O;
use cme_spec::digest::Digest;
use cme_spec::envelope::Envelope;
use cme_spec::example;
use cme_spec::query::{Answer, Keeping, Query, check, keeping};
use serde_json::{Value, json};

use super::mutation::{canonical, stated};
use super::{accept, joined, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`query` is a query, or `queryText` where JSON can't be quoted as JSON. Keys are those of ledgers/directory.json. \
An accepted query has these digests over the RFC 8785 bytes of header and body, this kid, and `fields` in which a child can agree with it. \
A refused one has this problem, with the pointer that names the member in header or body. \
A case with `answers` is about the last of them, which comes after the others; accepted, `bodyKeptUntil` is from when on who was asked keeps the query's body no more: null while a person has still to answer.";

pub(super) fn file() -> TextFile {
    let mut cases = taken();
    cases.extend(malformed());
    cases.extend(headers());
    cases.extend(bodies());
    cases.extend(answered());
    cases.extend(answers_refused());
    vectors("queries.json", ABOUT, json!({ "directory": "ledgers/directory.json" }), cases)
}

fn plain() -> (Value, Value) {
    (example::query().header_json().value().clone(), example::query_body().into_value())
}

fn taken_as(name: &str, query: &Value) -> Value {
    let read = Query::from_json(canonical(query)).expect("an accepted query has its form");
    let body = check(&read).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    accept(
        name,
        json!({
            "query": query,
            "canonicalHeader": read.header_json().canonical_text(),
            "headerDigest": read.header_digest(),
            "bodyDigest": read.header().body_digest,
            "kid": read.signature().key(),
            "fields": body.subject.fields(),
        }),
    )
}

fn taken() -> Vec<Value> {
    let with = |name: &str, change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut header, mut body) = plain();
        change(&mut header, &mut body);
        taken_as(name, &stated(header, &body, "373"))
    };
    vec![
        taken_as("a query", &example::query().to_json().into_value()),
        taken_as("a standing query in a broadcast", &example::broadcast_query().to_json().into_value()),
        with("an arrival to be confirmed", &|header, _| header["purpose"] = json!("confirm-arrival")),
        with("background for a new arrival", &|header, _| {
            header["purpose"] = json!("background-for-new-arrival");
        }),
        with("two legal bases", &|header, _| {
            header["legalBasis"] = json!([
                { "code": "education-act-1996-s436a", "asOf": "2026-11-24" },
                { "code": "children-act-2004-s16la", "asOf": "2026-11-24" },
            ]);
        }),
        with("standing for exactly thirty days", &|header, _| {
            header["standingUntil"] = json!("2026-12-24T09:00:00.25Z");
        }),
        with("a renewal", &|header, _| {
            header["standingUntil"] = json!("2026-12-24T09:00:00Z");
            header["renews"] = json!(example::query_id(7));
        }),
        with("a birth of which the year is known", &|_, body| body["subject"]["dateOfBirth"] = json!("2016")),
        with("a birth of which the month is known", &|_, body| {
            body["subject"]["dateOfBirth"] = json!("2016-04");
        }),
        with("an NHS number and no date of birth", &|_, body| {
            body["subject"] = json!({ "familyName": "Testcase", "sex": "U", "nhsNumber": "9990000018" });
        }),
        with("names of a hundred characters outside ASCII", &|_, body| {
            body["subject"]["familyName"] = json!("é".repeat(100));
        }),
        with("a member of the header that no version knows", &|header, _| header["xLater"] = json!([1])),
    ]
}

fn malformed() -> Vec<Value> {
    let (header, body) = plain();
    let good = stated(header.clone(), &body, "373");
    let with = |name: &str, problem: &str, change: &dyn Fn(&mut Value)| {
        let mut query = good.clone();
        change(&mut query);
        reject(name, json!({ "problem": problem, "query": query }))
    };
    let in_header = |name: &str, problem: &str, change: &dyn Fn(&mut Value)| {
        let mut header = header.clone();
        change(&mut header);
        reject(name, json!({ "problem": problem, "query": stated(header, &body, "373") }))
    };
    let set = |name: &str, member: &str, value: Value| {
        in_header(name, "malformed", &|header| header[member] = value.clone())
    };
    let mut cases = vec![
        in_header("protocol 2.0", "protocol-unsupported", &|header| header["protocol"] = json!("2.0")),
        set("a query id of UUID version 4", "query", json!("019a1b2c-3d4e-4f54-8a6b-000000000001")),
        set("an authority that asks itself", "recipient", json!("373")),
        set("a purpose of no version", "purpose", json!("statistics")),
        set("no legal basis", "legalBasis", json!([])),
        set(
            "a legal basis that is consent",
            "legalBasis",
            json!([{ "code": "consent", "asOf": "2026-11-24" }]),
        ),
        set("a legal basis without date", "legalBasis", json!([{ "code": "education-act-1996-s436a" }])),
        set("standing until a day", "standingUntil", json!("2026-12-24")),
        set("a broadcast that is no UUID", "broadcast", json!("all")),
        with("a query without body", "body-missing", &|query| drop(remove(query, "body"))),
        with("a null body", "body-missing", &|query| query["body"] = Value::Null),
        with("a body that is an array", "malformed", &|query| query["body"] = json!([])),
        with("an altered subject", "body-digest-mismatch", &|query| {
            query["body"]["subject"]["sex"] = json!("M");
        }),
        with("an altered purpose", "signature-invalid", &|query| {
            query["header"]["purpose"] = json!("confirm-arrival");
        }),
        reject(
            "signed by the authority that is asked",
            json!({ "problem": "key-unknown", "query": stated(header.clone(), &body, "330") }),
        ),
    ];
    for member in ["protocol", "query", "author", "recipient", "createdAt", "purpose", "legalBasis"] {
        cases.push(in_header(&format!("a header without {member}"), "malformed", &|header| {
            remove(header, member);
        }));
    }
    let text = canonical(&good).canonical_text().replacen("\"sex\":\"F\"", "\"sex\":\"F\",\"sex\":\"F\"", 1);
    cases.push(reject("a member of the subject twice", json!({ "problem": "malformed", "queryText": text })));
    cases
}

fn remove(value: &mut Value, member: &str) -> Option<Value> {
    value.as_object_mut().and_then(|members| members.remove(member))
}

fn refused(name: &str, change: &dyn Fn(&mut Value, &mut Value)) -> Value {
    let (mut header, mut body) = plain();
    change(&mut header, &mut body);
    let query = stated(header, &body, "373");
    let read = Query::from_json(canonical(&query)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let problem = check(&read).expect_err(name).problem();
    let registered = problem.registered().expect("a registered problem");
    reject(name, json!({ "problem": registered.name(), "pointer": problem.pointer, "query": query }))
}

/// Headers of their form that ask for what may not be asked.
fn headers() -> Vec<Value> {
    let second = json!({ "id": "o-11c2", "role": "head of inclusion" });
    let purposes = ["confirm-arrival", "background-for-new-arrival"];
    let mut cases = vec![
        refused("standing for a moment longer than thirty days", &|header, _| {
            header["standingUntil"] = json!("2026-12-24T09:00:00.251Z");
        }),
        refused("standing until it was made", &|header, _| {
            header["standingUntil"] = json!("2026-11-24T09:00:00.25Z");
        }),
        refused("a renewal that does not stand", &|header, _| header["renews"] = json!(example::query_id(7))),
        refused("a renewal of itself", &|header, _| {
            header["standingUntil"] = json!("2026-12-24T09:00:00Z");
            header["renews"] = header["query"].clone();
        }),
    ];
    for purpose in purposes {
        cases.push(refused(&format!("a broadcast to {purpose}"), &|header, body| {
            header["purpose"] = json!(purpose);
            header["broadcast"] = json!(example::broadcast_id(1));
            body["secondOfficer"] = second.clone();
        }));
        cases.push(refused(&format!("a standing query to {purpose}"), &|header, _| {
            header["purpose"] = json!(purpose);
            header["standingUntil"] = json!("2026-12-24T09:00:00Z");
        }));
    }
    cases
}

fn bodies() -> Vec<Value> {
    let second = |id: &str| json!({ "id": id, "role": "head of inclusion" });
    let subject =
        |name: &str, change: &dyn Fn(&mut Value)| refused(name, &|_, body| change(&mut body["subject"]));
    let mut cases = vec![
        refused("a body without salt", &|_, body| drop(remove(body, "salt"))),
        refused("a body without officer", &|_, body| drop(remove(body, "officer"))),
        refused("a broadcast of one officer", &|header, _| {
            header["broadcast"] = json!(example::broadcast_id(1));
        }),
        refused("two officers and no broadcast", &|_, body| body["secondOfficer"] = second("o-11c2")),
        refused("a broadcast that one officer decided twice", &|header, body| {
            header["broadcast"] = json!(example::broadcast_id(1));
            body["secondOfficer"] = second("o-7f3a");
        }),
        refused("an officer by name", &|_, body| body["officer"]["id"] = json!("Sam Invented")),
        subject("a subject without family name", &|subject| drop(remove(subject, "familyName"))),
        subject("a subject without sex", &|subject| drop(remove(subject, "sex"))),
        subject("a blank given name", &|subject| subject["givenName"] = json!(" ")),
        subject("a name of 101 characters", &|subject| subject["givenName"] = json!("x".repeat(101))),
        subject("nine former names", &|subject| subject["formerFamilyNames"] = json!(vec!["Example"; 9])),
        subject("five UPNs", &|subject| subject["upns"] = json!(vec!["B373000020001"; 5])),
        subject("a UPN twice", &|subject| subject["upns"] = json!(vec!["B373000020001"; 2])),
        subject("a UPN with a wrong check letter", &|subject| subject["upns"] = json!(["A373000020001"])),
        subject("a birth on a day that no calendar has", &|subject| {
            subject["dateOfBirth"] = json!("2015-02-29");
        }),
        subject("a birth in a month that no calendar has", &|subject| {
            subject["dateOfBirth"] = json!("2016-13");
        }),
        subject("an NHS number beside a postcode", &|subject| subject["nhsNumber"] = json!("9990000018")),
        subject("a name alone", &|subject| {
            remove(subject, "dateOfBirth");
            remove(subject, "upns");
        }),
    ];
    for member in ["narrative", "parents", "address", "school", "socialCare", "sen", "ethnicity", "xLater"] {
        cases.push(subject(&format!("a subject with {member}"), &|subject| subject[member] = json!("x")));
    }
    cases.push(refused("an officer with a telephone", &|_, body| {
        body["officer"]["telephone"] = json!("01632 960001");
    }));
    cases.push(refused("a body with a reason", &|_, body| body["reason"] = json!("x")));
    cases
}

/// A query with answers one second apart, and what is said of the last.
fn line(query: &Query, start: &str, outcomes: &[O]) -> Vec<Answer> {
    let at = |number: i64| example::instant(start).plus_seconds(number);
    (0..)
        .zip(0..)
        .zip(outcomes)
        .map(|((number, seconds), outcome)| example::query_answer(query, number, *outcome, at(seconds)))
        .collect()
}

fn signed(answers: &[Answer]) -> Value {
    answers
        .iter()
        .map(|answer| Envelope::sign(answer.clone(), &example::signing_key("330")).to_json().into_value())
        .collect()
}

const START: &str = "2026-11-24T09:00:01Z";

fn answered() -> Vec<Value> {
    let of = |name: &str, query: &Query, outcomes: &[O]| {
        let answers = line(query, START, outcomes);
        let kept = match keeping(query.header(), &answers) {
            Keeping::Until(at) => json!(at),
            Keeping::UntilAnswered => Value::Null,
        };
        let about = json!({ "query": query.to_json(), "answers": signed(&answers), "bodyKeptUntil": kept });
        accept(name, about)
    };
    let (plain, standing) = (example::query(), example::broadcast_query());
    vec![
        of("answered known", &plain, &[O::Known]),
        of("answered possible", &plain, &[O::Possible]),
        of("answered not-known", &plain, &[O::NotKnown]),
        of("answered referred", &plain, &[O::Referred]),
        of("answered withheld", &plain, &[O::Withheld]),
        of("possible, then known", &plain, &[O::Possible, O::Known]),
        of("possible, then not-known", &plain, &[O::Possible, O::NotKnown]),
        of("possible, then referred", &plain, &[O::Possible, O::Referred]),
        of("known, and put right", &plain, &[O::Known, O::NotKnown]),
        of("not-known, and standing", &standing, &[O::NotKnown]),
        of("possible, then not-known, and standing", &standing, &[O::Possible, O::NotKnown]),
        of("a match released while the query stands", &standing, &[O::NotKnown, O::Known]),
        of("a standing query answered known at once", &standing, &[O::Known]),
    ]
}

fn answers_refused() -> Vec<Value> {
    let (plain, standing) = (example::query(), example::broadcast_query());
    let of = |name: &str, problem: &str, query: &Query, answers: &[Answer]| {
        reject(name, json!({ "problem": problem, "query": query.to_json(), "answers": signed(answers) }))
    };
    let no = "answer-not-allowed";
    let changed = |name: &str, problem: &str, change: &dyn Fn(&mut Answer)| {
        let mut answers = line(&plain, START, &[O::Possible, O::Known]);
        change(&mut answers[1]);
        of(name, problem, &plain, &answers)
    };
    let many = [O::Known; 17];
    let mut cases = vec![
        of("more after a plain not-known", no, &plain, &line(&plain, START, &[O::NotKnown, O::Known])),
        of("more after withheld", no, &plain, &line(&plain, START, &[O::Withheld, O::Known])),
        of("withheld after a look", no, &plain, &line(&plain, START, &[O::Possible, O::Withheld])),
        of("possible twice", no, &plain, &line(&plain, START, &[O::Possible, O::Possible])),
        of("not-known twice", no, &standing, &line(&standing, START, &[O::NotKnown, O::NotKnown])),
        of(
            "a match released when the query stands no longer",
            no,
            &standing,
            &line(&standing, "2026-12-24T08:59:59Z", &[O::NotKnown, O::Known]),
        ),
        of(
            "a match after the standing has ended",
            no,
            &standing,
            &line(&standing, START, &[O::NotKnown, O::Known, O::NotKnown, O::Known]),
        ),
        of("a seventeenth answer", no, &plain, &line(&plain, START, &many)),
        changed("an answer to another query", no, &|answer| answer.query = example::query_id(9)),
        changed("an answer to another header", no, &|answer| answer.query_digest = Digest::of(b"x")),
        changed("known without a field", no, &|answer| answer.matched_on.clear()),
        changed("a field that the query does not have", no, &|answer| {
            answer.matched_on = vec![cme_spec::codes::MatchedField::NhsNumber];
        }),
        changed("known, and referred", no, &|answer| answer.referred_to = Some(example::code("383"))),
        changed("not-known, with a field", no, &|answer| answer.outcome = O::NotKnown),
        changed("dated before the answer before", no, &|answer| {
            answer.answered_at = example::instant("2026-11-24T09:00:00Z");
        }),
        changed("a number beyond the next", "answer-gap", &|answer| answer.number = 2),
        changed("a number that was given", "id-reused", &|answer| answer.number = 0),
    ];
    cases.push(with_fraction(&plain));
    cases
}

/// An answer that tells the time to a fraction, so that its length varies.
fn with_fraction(query: &Query) -> Value {
    let answer = json!(line(query, START, &[O::NotKnown])[0]);
    let answer: Json = canonical(&joined(answer, json!({ "answeredAt": "2026-11-24T09:00:01.5Z" })));
    let signature = example::signing_key("330").sign(&answer).to_string();
    reject(
        "an answer dated to a fraction of a second",
        json!({
            "problem": "malformed",
            "query": query.to_json(),
            "answers": [{ "answer": answer, "signature": signature }],
        }),
    )
}
