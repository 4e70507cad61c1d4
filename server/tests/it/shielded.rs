//! Children whose whereabouts must not be found out: what who asks sees, and who is told.

use cme_spec::codes::QueryPurpose;
use cme_spec::example;
use serde_json::{Value, json};

use crate::asked::{
    add_section, amina, answers, import, nadia, outcome, put, query, query_by, serve, world, zofia,
};
use crate::escalation::configure;
use crate::support::{Party, World, until};
use crate::told::Receiver;
use crate::wire::Answer;

const OFFICERS: &str = "[queries.officer]\nname = \"CME duty officer\"\n\
                        [queries.restricted_officer]\nname = \"safeguarding lead\"\nids = [\"o-safe\"]";

/// Birmingham with a receiver that is told.
fn told(codes: &[&str]) -> (World, Receiver) {
    let (mut world, receiver) = (world(codes, OFFICERS), Receiver::start(None));
    configure(world.party("330"), None, Some(&receiver));
    serve(&mut world);
    (world, receiver)
}

/// The words about a matter that came so far.
pub(crate) fn words(receiver: &Receiver, matter: &str) -> Vec<Value> {
    receiver.posts().iter().map(crate::told::Post::json).filter(|word| word["matter"] == matter).collect()
}

fn wait_for_words(receiver: &Receiver, matter: &str, count: usize) -> Vec<Value> {
    until(matter, || words(receiver, matter).len() >= count, || format!("{:?}", receiver.posts()));
    words(receiver, matter)
}

fn restricted(party: &Party, officer: &str) -> Value {
    party.office(&["answer", "list", "--restricted", "--officer", officer], None)["restricted"].clone()
}

/// The answer without what differs between any two queries.
fn bare(answer: &Answer) -> (usize, Value, Vec<(String, String)>) {
    let mut json = answer.json();
    let signed = &mut json["answers"][0];
    assert!(signed["signature"].is_string());
    signed["signature"] = Value::Null;
    for name in ["query", "queryDigest", "answeredAt"] {
        assert!(signed["answer"][name].is_string());
        signed["answer"][name] = Value::Null;
    }
    (answer.body.len(), json, answer.fields.clone())
}

#[test]
fn a_shielded_child_is_answered_for_as_one_who_is_not_known_and_an_officer_is_told() {
    let (world, receiver) = told(&["373", "330"]);
    let wire = world.wire("373", "330");
    let purposes = [
        QueryPurpose::TraceMissingChild,
        QueryPurpose::ConfirmArrival,
        QueryPurpose::BackgroundForNewArrival,
    ];
    for (number, purpose) in (1..).zip(purposes) {
        let asked = |number: u64, subject: Value| {
            put(&wire, &query_by(&world, "373", number, subject, |header, _| header.purpose = purpose))
        };
        let (hidden, unknown) = (asked(number, zofia()), asked(number + 10, nadia()));
        assert_eq!(outcome(&hidden), ("not-known".to_owned(), json!([])));
        assert_eq!(bare(&hidden), bare(&unknown), "{purpose:?}");
    }
    let words = wait_for_words(&receiver, "shielded-match", 3);
    let mut told: Vec<_> = words
        .iter()
        .map(|word| {
            assert_eq!(
                (&word["to"], &word["about"]["peer"]["code"]),
                (&json!("restricted-officer"), &json!("373"))
            );
            assert!(word["look"].as_str().unwrap().ends_with("--restricted"), "{word}");
            (
                word["about"]["query"].as_str().unwrap().to_owned(),
                word["purpose"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    told.sort();
    let expected = (1..)
        .zip(purposes)
        .map(|(number, purpose)| (example::query_id(number).to_string(), purpose.code().to_owned()));
    assert_eq!(told, expected.collect::<Vec<_>>());
    let party = world.party("330");
    let list = restricted(party, "o-safe");
    assert_eq!(list.as_array().unwrap().len(), 3, "{list}");
    assert_eq!(
        (&list[0]["children"][0]["reference"], &list[0]["outcome"]),
        (&json!("zofia"), &json!("not-known"))
    );
    let other = ["office", "answer", "list", "--restricted", "--officer", "o-7f3a"];
    assert!(party.refuse(&other).contains("only the safeguarding lead"));
    // Nobody else learns of it: no list, no word about messages, no line in the log.
    let everything = [
        party.office(&["answer", "list"], None).to_string(),
        party.office(&["escalations", "--json"], None).to_string(),
        party.office(&["answer", "show", "--query", &example::query_id(1).to_string()], None).to_string(),
        party.log(),
    ];
    for text in everything {
        assert!(!text.contains("zofia") && !text.contains("shielded"), "{text}");
    }
    let known =
        ["office", "answer", "known", "--query", &example::query_id(1).to_string(), "--officer", "o-safe"];
    let known = [&known[..], &["--restricted"]].concat();
    assert!(party.refuse(&known).contains("no match that can be told"), "not even by the officer");
}

#[test]
fn the_answer_is_chosen_among_those_who_are_not_shielded() {
    let (world, receiver) = told(&["373", "330"]);
    let (party, wire) = (world.party("330"), world.wire("373", "330"));
    let add = |source: &str, row: &str, children: u64| {
        let file = party.home.join("second.csv");
        std::fs::write(&file, format!("reference,given_name,family_name,date_of_birth,sex\n{row}\n"))
            .unwrap();
        party.succeed(&["register", "import", &file.display().to_string(), "--source", source, "--replace"]);
        let indexed = || {
            party.get("/metrics").is_some_and(|metrics| metrics.contains(&format!("\"330\"}} {children}")))
        };
        until("the index has the child", indexed, || party.get("/metrics").unwrap_or_default());
    };
    add("clinic", "again,Zofia,Hidden,2015-05,F", 404);
    assert_eq!(
        outcome(&put(&wire, &query(&world, 1, zofia()))).0,
        "not-known",
        "whichever source tells of her"
    );
    // A twin of whom others may learn.
    add("nursery", "bela,Bela,Hidden,2015-05-05,M", 405);
    let twin =
        json!({ "givenName": "Bela", "familyName": "Hidden", "dateOfBirth": "2015-05-05", "sex": "M" });
    let (said, matched) = outcome(&put(&wire, &query(&world, 2, twin)));
    assert_eq!((said.as_str(), matched), ("known", json!(["name", "date-of-birth", "sex"])));
    wait_for_words(&receiver, "shielded-match", 1);
    // A flag counts from the moment at which it is set, and no more from the one at which it is taken.
    assert_eq!(outcome(&put(&wire, &query(&world, 3, amina()))).0, "known");
    party.succeed(&["register", "shield", "amina", "--source", "schools"]);
    assert_eq!(outcome(&put(&wire, &query(&world, 4, amina()))).0, "not-known");
    party.succeed(&["register", "unshield", "amina", "--source", "schools"]);
    assert_eq!(outcome(&put(&wire, &query(&world, 5, amina()))).0, "known");
}

#[test]
fn a_shield_that_is_set_later_stops_what_an_officer_would_say() {
    let (world, _receiver) = told(&["373", "330"]);
    let (party, wire) = (world.party("330"), world.wire("373", "330"));
    let family_only = json!({ "familyName": "Testcase", "dateOfBirth": "2016-04-09", "sex": "F" });
    assert_eq!(outcome(&put(&wire, &query(&world, 1, family_only))).0, "possible");
    party.succeed(&["register", "shield", "amina", "--source", "schools"]);
    let id = example::query_id(1).to_string();
    let list = party.office(&["answer", "list"], None);
    assert_eq!(list["unanswered"][0]["children"], json!([]), "{list}");
    let said = party.refuse(&["office", "answer", "known", "--query", &id, "--officer", "o-1"]);
    assert!(said.contains("no match that can be told"), "{said}");
    assert_eq!(restricted(party, "o-safe")[0]["children"][0]["reference"], "amina");
    let said = party.office(&["answer", "not-known", "--query", &id, "--officer", "o-1"], None);
    assert_eq!(said["outcome"], "not-known");
}

#[test]
fn an_officer_is_told_when_three_authorities_ask_for_one_child() {
    let (world, receiver) = told(&["373", "330", "383", "352"]);
    let ask = |author: &str, number: u64, subject: Value| {
        put(&world.wire(author, "330"), &query_by(&world, author, number, subject, |_, _| {}))
    };
    let mut number = 10;
    for author in ["373", "373", "383"] {
        number += 1;
        assert_eq!(outcome(&ask(author, number, amina())).0, "known");
        assert_eq!(outcome(&ask(author, number + 100_000, zofia())).0, "not-known");
    }
    assert_eq!(words(&receiver, "asked-by-many"), [] as [Value; 0], "two authorities are not many");
    let last = ask("352", 7, amina());
    assert_eq!(answers(&last)[0]["outcome"], "known");
    ask("352", 8, zofia());
    let word = wait_for_words(&receiver, "asked-by-many", 1).remove(0);
    assert_eq!((&word["to"], &word["authorities"]), (&json!("officer"), &json!(3)));
    assert_eq!(word["about"]["query"], example::query_id(7).to_string());
    let word = wait_for_words(&receiver, "shielded-asked-by-many", 1).remove(0);
    assert_eq!(
        (&word["to"], &word["about"]["query"]),
        (&json!("restricted-officer"), &json!(example::query_id(8).to_string()))
    );
    ask("352", 9, amina());
    wait_for_words(&receiver, "shielded-match", 4);
    assert_eq!(words(&receiver, "asked-by-many").len(), 1, "once for each authority that joins");
}

#[test]
fn the_role_for_restricted_children_has_to_be_named() {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    let party = world.party("330");
    let list = ["office", "answer", "list", "--restricted", "--officer", "o-safe"];
    assert!(party.refuse(&list).contains("[queries.restricted_officer]"));
    add_section(party, "[queries.restricted_officer]\nname = \"safeguarding lead\"\nids = [\"o-safe\"]");
    assert_eq!(restricted(party, "o-safe"), json!([]));
    import(party, "reference,given_name,family_name,date_of_birth,sex\n1,A,B,2016-01-01,F\n", "--merge");
}
