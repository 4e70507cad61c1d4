//! Queries to a real server: answered once, refused for what breaks a rule, counted, withdrawn, recorded.

use std::time::{Duration, Instant};

use cme_spec::codes::QueryPurpose;
use cme_spec::example;
use cme_spec::query::{Query, QueryHeader};
use serde_json::{Value, json};

use crate::asked::{
    add_section, amina, answers, nadia, outcome, put, put_json, query, query_by, serve, subject, withdraw,
    world,
};
use crate::wire::now;

#[test]
fn a_child_is_known_possible_or_not_known_and_a_repeat_gives_the_same() {
    let mut world = world(&["373", "330", "383"], "");
    serve(&mut world);
    let wire = world.wire("373", "330");
    let mut with_number = amina();
    with_number["upns"] = json!(["B373000020001"]);
    let known = query(&world, 1, with_number);
    let begun = Instant::now();
    let first = put(&wire, &known);
    assert!(begun.elapsed() >= Duration::from_millis(250), "at the end of an interval");
    assert_eq!(outcome(&first), ("known".to_owned(), json!(["name", "date-of-birth", "sex", "upn"])));
    let said = &answers(&first)[0];
    let members: Vec<&String> = said.as_object().unwrap().keys().collect();
    let expected = [
        "answeredAt",
        "by",
        "directoryIssue",
        "incarnation",
        "matchedOn",
        "number",
        "outcome",
        "query",
        "queryDigest",
        "team",
    ];
    assert_eq!(members, expected, "nothing else of the child");
    assert_eq!(said["queryDigest"], known.header_digest().to_string());
    let again = put(&wire, &known);
    assert_eq!((again.status, &again.body), (200, &first.body), "the answers given before");
    let family_only = json!({ "familyName": "Testcase", "dateOfBirth": "2016-04-09", "sex": "F" });
    let possible = put(&wire, &query(&world, 2, family_only));
    assert_eq!(outcome(&possible).0, "possible");
    let unknown = put(&wire, &query(&world, 3, nadia()));
    assert_eq!(outcome(&unknown), ("not-known".to_owned(), json!([])));
    assert_eq!(put(&wire, &query(&world, 1, nadia())).problem(), "id-reused");
    // Another authority makes its ids by itself.
    let other = query_by(&world, "383", 1, nadia(), |_, _| {});
    assert_eq!(outcome(&put(&world.wire("383", "330"), &other)).0, "not-known");
    let list = world.party("330").office(&["answer", "list"], None);
    let waiting = list["unanswered"].as_array().unwrap();
    assert_eq!(waiting.len(), 1, "{list}");
    assert_eq!((&waiting[0]["outcome"], &waiting[0]["overdue"]), (&json!("possible"), &json!(false)));
    assert_eq!(waiting[0]["children"][0]["reference"], "amina", "{list}");
    assert!(waiting[0]["dueOn"].is_string(), "{list}");
    let log = world.party("330").log();
    for secret in ["Testcase", "Nadia", "B373000020001", "o-7f3a", "2016-04-09"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_query_is_refused_for_what_breaks_a_rule_and_leaves_nothing() {
    let mut world = world(&["373", "330", "383"], "");
    serve(&mut world);
    let wire = world.wire("373", "330");
    let problem = |query: &Query| put(&wire, query).problem();
    let changed = |change: &dyn Fn(&mut QueryHeader, &mut Value)| query_by(&world, "373", 1, amina(), change);
    let id = example::query_id(1).to_string();
    assert_eq!(put_json(&wire, "nonsense", &changed(&|_, _| {}).to_json()).problem(), "path-mismatch");
    let to_other = changed(&|header, _| header.recipient = example::code("383"));
    assert_eq!(problem(&to_other), "not-a-party");
    assert_eq!(put(&world.wire("383", "330"), &changed(&|_, _| {})).problem(), "not-a-party");
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut json = changed(&|_, _| {}).to_json().into_value();
        edit(&mut json);
        put_json(&wire, &id, &cme_spec::canonical::Json::from_typed(&json).unwrap()).problem()
    };
    assert_eq!(edited(&|json| json["body"]["subject"]["sex"] = json!("M")), "body-digest-mismatch");
    assert_eq!(edited(&|json| json["body"] = Value::Null), "body-missing");
    assert_eq!(edited(&|json| json["header"]["purpose"] = json!("curiosity")), "malformed");
    let other = changed(&|header, _| header.query = example::query_id(2));
    assert_eq!(edited(&|json| json["signature"] = json!(other.signature().as_str())), "signature-invalid");
    let told = put(&wire, &changed(&|_, body| body["subject"]["address"] = json!("1 Invented Street")));
    assert_eq!((told.problem().as_str(), told.body.contains("Invented")), ("body-invalid", false));
    let broadcast = |header: &mut QueryHeader| header.broadcast = Some(example::broadcast_id(1));
    assert_eq!(problem(&changed(&|header, _| broadcast(header))), "body-invalid", "by one officer");
    let arrival = changed(&|header, body| {
        broadcast(header);
        header.purpose = QueryPurpose::ConfirmArrival;
        body["secondOfficer"] = json!({ "id": "o-1", "role": "head" });
    });
    assert_eq!(put(&wire, &arrival).problem(), "query-not-allowed");
    let ahead = changed(&|header, _| header.created_at = now().plus_seconds(3_600));
    assert_eq!(problem(&ahead), "created-at-skew");
    assert_eq!(withdraw(&wire, &id).problem(), "query-unknown", "nothing of it was kept");
    assert_eq!(outcome(&put(&wire, &changed(&|_, _| {}))).0, "known");
    assert!(world.party("330").succeed(&["audit", "verify"]).contains("VERIFIED: 1 records"));
}

#[test]
fn more_than_is_answered_in_a_day_waits_and_offers_count_but_are_never_refused() {
    let limits = "[queries]\nper_authority_day = 4\nper_officer_day = 2";
    let mut world = world(&["373", "330", "383"], limits);
    serve(&mut world);
    let wire = world.wire("373", "330");
    let by = |number: u64, officer: &'static str| {
        query_by(&world, "373", number, nadia(), |_, body| body["officer"]["id"] = json!(officer))
    };
    let first = by(1, "o-1");
    put(&wire, &first);
    put(&wire, &by(2, "o-1"));
    let third = put(&wire, &by(3, "o-1"));
    assert_eq!(third.problem(), "quota-exceeded");
    let pause: u64 = third.field("retry-after").unwrap().parse().unwrap();
    assert!((86_000..=86_400).contains(&pause), "{pause}");
    assert_eq!(outcome(&put(&wire, &by(3, "o-2"))).0, "not-known", "another officer");
    world.party_mut("373").start();
    let wire = world.wire("373", "330");
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    let by = |number: u64, officer: &'static str| {
        query_by(&world, "373", number, nadia(), |_, body| body["officer"]["id"] = json!(officer))
    };
    assert_eq!(put(&wire, &by(4, "o-3")).problem(), "quota-exceeded", "the offer was the fourth");
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    assert_eq!(outcome(&put(&wire, &first)).0, "not-known", "what was answered is not counted again");
    let other = query_by(&world, "383", 1, nadia(), |_, _| {});
    assert_eq!(outcome(&put(&world.wire("383", "330"), &other)).0, "not-known", "another authority");
}

#[test]
fn to_whom_nothing_is_said_is_decided_before_the_register_is_looked_at() {
    let rule = "[queries]\nwithhold_from = [\"383\"]\nwithhold_purposes = [\"confirm-arrival\"]";
    let mut world = world(&["373", "330", "383"], rule);
    serve(&mut world);
    let asked = |author: &str, number: u64, subject: Value, purpose: QueryPurpose| {
        let query = query_by(&world, author, number, subject, |header, _| header.purpose = purpose);
        outcome(&put(&world.wire(author, "330"), &query))
    };
    let (trace, arrival) = (QueryPurpose::TraceMissingChild, QueryPurpose::ConfirmArrival);
    let withheld = ("withheld".to_owned(), json!([]));
    assert_eq!(asked("383", 1, amina(), trace), withheld);
    assert_eq!(asked("383", 2, nadia(), trace), withheld);
    assert_eq!(asked("373", 1, amina(), arrival), withheld);
    assert_eq!(asked("373", 2, amina(), trace).0, "known");
    let shown = world
        .party("330")
        .office(&["answer", "show", "--query", &example::query_id(1).to_string(), "--from", "383"], None);
    assert_eq!((&shown["body"], &shown["children"]), (&Value::Null, &json!([])), "nothing of it is kept");
}

#[test]
fn a_withdrawal_is_receipted_once_and_tells_nobody_of_anothers_query() {
    let mut world = world(&["373", "330", "383"], "");
    serve(&mut world);
    let (wire, theirs) = (world.wire("373", "330"), world.wire("383", "330"));
    let possible =
        query(&world, 1, json!({ "familyName": "Testcase", "dateOfBirth": "2016-04-09", "sex": "F" }));
    assert_eq!(outcome(&put(&wire, &possible)).0, "possible");
    let (id, unused) = (example::query_id(1).to_string(), example::query_id(9).to_string());
    let (of_other, of_nobody) = (withdraw(&theirs, &id), withdraw(&theirs, &unused));
    assert_eq!((of_other.problem().as_str(), of_other.status), ("query-unknown", 404));
    assert_eq!(of_other, of_nobody, "the same bytes");
    assert_eq!(withdraw(&wire, "nonsense").problem(), "query-unknown");
    let first = withdraw(&wire, &id);
    assert_eq!(first.status, 200, "{first:?}");
    let receipt = first.json();
    assert_eq!((&receipt["stored"]["kind"], &receipt["stored"]["by"]), (&json!("withdrawal"), &json!("330")));
    assert_eq!(receipt["stored"]["digest"], possible.header_digest().to_string());
    assert_eq!(withdraw(&wire, &id).body, first.body, "a repeat gives the same one");
    let party = world.party("330");
    assert_eq!(party.office(&["answer", "list"], None)["unanswered"], json!([]));
    let shown = party.office(&["answer", "show", "--query", &id], None);
    assert_eq!((&shown["withdrawn"], &shown["body"]), (&json!(true), &Value::Null));
    let known = ["office", "answer", "known", "--query", &id, "--officer", "o-1"];
    assert!(party.refuse(&known).contains("was withdrawn"));
    assert_eq!(outcome(&put(&wire, &possible)).0, "possible", "the answers stay");
}

#[test]
fn the_audit_says_what_was_asked_without_a_value_and_shows_what_was_changed() {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    let wire = world.wire("373", "330");
    put(&wire, &query(&world, 1, amina()));
    put(&wire, &query(&world, 2, nadia()));
    put(&wire, &query(&world, 2, nadia()));
    let party = world.party("330");
    let said = party.succeed(&["audit", "verify"]);
    let head = said.trim().rsplit_once(", ").unwrap().1.to_owned();
    assert!(said.contains("VERIFIED: 2 records") && head.starts_with("2:"), "{said}");
    let export = String::from_utf8(party.run(&["audit", "export"], None).stdout).unwrap();
    let records: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&records[0]["outcome"], &records[1]["outcome"]), (&json!("known"), &json!("not-known")));
    let members = json!(["familyName", "givenName", "dateOfBirth", "sex"]);
    assert_eq!((&records[0]["members"], &records[0]["officer"]), (&members, &json!("o-7f3a")));
    assert_eq!(
        (&records[0]["author"], &records[0]["purpose"]),
        (&json!("373"), &json!("trace-missing-child"))
    );
    assert!(records[0]["operator"].is_string() && records[0]["legalBasis"][0]["code"].is_string());
    for value in ["Amina", "Testcase", "2016-04-09", "Nadia"] {
        assert!(!export.contains(value), "{value}");
    }
    let file = party.home.join("audit.jsonl");
    let verify = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let output = party.run(&[&["audit", "verify", "--file", &file], more].concat(), None);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(verify(&export, &["--expect", &head]).0);
    let (first, second) = export.split_once('\n').unwrap();
    let changed = verify(&export.replacen("known", "withheld", 1), &[]);
    assert!(!changed.0 && changed.1.contains("record 2 was changed"), "{changed:?}");
    let removed = verify(second, &[]);
    assert!(!removed.0 && removed.1.contains("record 1 is missing"), "{removed:?}");
    let cut = verify(first, &["--expect", &head]);
    assert!(!cut.0 && cut.1.contains("no record 2"), "{cut:?}");
    let rewritten = verify(&export.replace("not-known", "withheld"), &["--expect", &head]);
    assert!(!rewritten.0 && rewritten.1.contains("digest that you expect"), "{rewritten:?}");
}

#[test]
fn a_section_that_would_tell_by_time_stops_the_start() {
    let world = crate::support::World::new(&["330"]);
    let party = world.party("330");
    add_section(party, "[queries]\ninterval_ms = 100");
    assert!(party.refuse(&["register", "status"]).contains("`interval_ms` must be 250 or more"));
}

#[test]
fn a_name_in_another_order_or_of_before_is_told_as_what_it_is() {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    let wire = world.wire("373", "330");
    let mut former = subject("Amina", "Nowadays", "2016-04-09", "F");
    former["formerFamilyNames"] = json!(["Testcase"]);
    former["upns"] = json!(["B373000020001"]);
    let (said, matched) = outcome(&put(&wire, &query(&world, 1, former)));
    assert!(said == "known" || said == "possible", "{said}");
    assert_eq!(matched, json!(["other-name", "date-of-birth", "sex", "upn"]));
}
