//! A child turns up in Sheffield, who is known in Birmingham: Birmingham's officer offers the child from the query.

use cme_spec::entry::EntryType;
use serde_json::{Value, json};

use crate::asked::{amina, import, nadia, serve, world, zofia};
use crate::support::{Party, World, until};

const ARRIVAL: &str = "confirm-arrival";
const OFFICER: [&str; 2] = ["--officer", "o-53e0"];

/// Both serve. Birmingham's officers for restricted children are named.
fn both() -> World {
    let role = "[queries.restricted_officer]\nname = \"safeguarding lead\"\nids = [\"o-safe\"]";
    let mut world = world(&["373", "330"], role);
    serve(&mut world);
    world.party_mut("373").start();
    world
}

/// Sheffield asks Birmingham; gives the query, once it is answered.
fn asked(world: &World, purpose: &str, child: &Value) -> String {
    let ask = ["query", "ask", "--to", "330", "--purpose", purpose, "--officer", "o-7f3a"];
    let asked = world.party("373").office(&ask, Some(&child.to_string()));
    assert_eq!(asked["tally"]["toAnswer"], 0, "{asked}");
    asked["id"].as_str().unwrap().to_owned()
}

fn offer<'a>(query: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["office", "answer", "offer", "--query", query], &OFFICER[..], more].concat()
}

fn refused(party: &Party, arguments: &[&str], input: Option<&Value>) -> String {
    let output = party.run(arguments, input.map(Value::to_string).as_deref());
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// What an officer adds: how the case is, and whom to ring.
fn rest() -> Value {
    let whole: Value = serde_json::from_str(&crate::support::body(EntryType::Offer)).unwrap();
    json!({ "circumstances": whole["circumstances"], "contacts": whole["contacts"] })
}

fn arrivals(party: &Party) -> Vec<Value> {
    party.office(&["answer", "list"], None)["arrivals"].as_array().unwrap().clone()
}

#[test]
fn a_child_who_has_turned_up_elsewhere_is_offered_to_who_asked_once() {
    let world = both();
    let (sheffield, birmingham) = (world.party("373"), world.party("330"));
    let query = asked(&world, ARRIVAL, &amina());
    let list = arrivals(birmingham);
    assert_eq!((list.len(), &list[0]["query"], &list[0]["from"]), (1, &json!(query), &json!("373")));
    assert_eq!(list[0]["children"][0]["reference"], "amina");
    let draft = birmingham.office(&offer(&query, &[])[1..], None);
    let child = json!({
        "familyName": "Testcase", "givenName": "Amina", "dateOfBirth": "2016-04-09", "sex": "F",
        "upn": "B373000020001",
    });
    assert_eq!(draft["child"], child, "the register says it");
    assert_eq!(draft["moveEvidence"][0]["kind"], "other-agency");
    assert_eq!(draft["circumstances"].get("locationSensitivity"), None, "an officer says it");
    let said = refused(birmingham, &offer(&query, &["-"]), Some(&draft));
    assert!(said.contains("is missing") && said.contains("office example offer"), "{said}");
    assert_eq!(arrivals(birmingham).len(), 1, "what was refused leads nowhere");
    let offered = birmingham.office(&offer(&query, &["-"])[1..], Some(&rest().to_string()));
    let transfer = offered["transfer"].as_str().unwrap().to_owned();
    // It is noted on the query, so nobody offers the child again, though the offer be under way.
    for more in [&["-"][..], &[]] {
        let said = refused(birmingham, &offer(&query, more), Some(&rest()));
        assert!(said.contains(&format!("has led to transfer {transfer}")), "{said}");
    }
    assert_eq!(arrivals(birmingham), [] as [Value; 0]);
    let shown = birmingham.office(&["answer", "show", "--query", &query], None);
    assert_eq!(shown["ledTo"], json!(transfer));
    // Nor from another query about the same child.
    let other = asked(&world, ARRIVAL, &amina());
    let said = refused(birmingham, &offer(&other, &["-"]), Some(&rest()));
    assert!(said.contains(&format!("offered already, in transfer {transfer}")), "{said}");
    sheffield.wait_for(&transfer, "offered");
    let entry = sheffield.office(&["show", "--transfer", &transfer], None)["entries"][0].clone();
    assert_eq!(entry["body"]["child"]["upn"], "B373000020001");
    assert_eq!(sheffield.view(&transfer).unwrap()["responsible"], "330");
    sheffield.decide("acknowledge", EntryType::Acknowledge, &transfer);
    sheffield.decide("accept", EntryType::Accept, &transfer);
    birmingham.wait_for(&transfer, "accepted");
    assert_eq!(birmingham.view(&transfer).unwrap()["responsible"], "373");
    let said = refused(birmingham, &offer(&query, &["-"]), Some(&rest()));
    assert!(said.contains("has led to transfer"), "an accepted one too: {said}");
}

#[test]
fn an_offer_that_was_taken_back_keeps_nobody_from_another() {
    let world = both();
    let (sheffield, birmingham) = (world.party("373"), world.party("330"));
    let query = asked(&world, "background-for-new-arrival", &amina());
    assert_eq!(arrivals(birmingham), [] as [Value; 0], "who asks for the background asks for no offer");
    let by_officer = || birmingham.office(&offer(&query, &["-"])[1..], Some(&rest().to_string()));
    let first = by_officer()["transfer"].as_str().unwrap().to_owned();
    sheffield.wait_for(&first, "offered");
    birmingham.decide("withdraw", EntryType::Withdraw, &first);
    birmingham.wait_for(&first, "withdrawn");
    let second = by_officer()["transfer"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    sheffield.wait_for(&second, "offered");
}

#[test]
fn from_the_other_end_a_child_is_offered_once_too() {
    let world = both();
    let sheffield = world.party("373");
    let query = asked(&world, "trace-missing-child", &amina());
    let said = refused(world.party("330"), &offer(&query, &[]), None);
    assert!(said.contains("authority 373 looks for a missing child"), "{said}");
    let find = ["office", "query", "offer", "--id", &query, "--from-answer", "330", "-"];
    let mut whole = rest();
    whole["child"] = json!({ "upnUnknownReason": "UN1" });
    let offered = sheffield.office(&find[1..], Some(&whole.to_string()));
    let said = refused(sheffield, &find, Some(&whole));
    assert!(
        said.contains(&format!("has led to transfer {}", offered["transfer"].as_str().unwrap())),
        "{said}"
    );
    let shown = sheffield.office(&["query", "show", "--id", &query], None);
    assert_eq!(shown["authorities"][0]["ledTo"], offered["transfer"]);
}

#[test]
fn who_was_not_told_of_a_child_is_not_offered_the_child() {
    let world = both();
    let birmingham = world.party("330");
    let cannot = |query: &str, said: &str| {
        let told = refused(birmingham, &offer(query, &["-"]), Some(&rest()));
        assert!(told.contains(said), "{told}");
    };
    // A shielded child and one who is not known: the same words.
    for child in [zofia(), nadia()] {
        let query = asked(&world, ARRIVAL, &child);
        cannot(&query, "was not answered `known`");
    }
    let family_only = json!({ "familyName": "Testcase", "dateOfBirth": "2016-04-09", "sex": "F" });
    let possible = asked(&world, ARRIVAL, &family_only);
    cannot(&possible, "say first whether the child is known");
    birmingham.office(&["answer", "known", "--query", &possible, OFFICER[0], OFFICER[1]], None);
    assert_eq!(arrivals(birmingham)[0]["query"], json!(possible));
    world.party("373").office(&["query", "withdraw", "--id", &possible], None);
    let withdrawn =
        || birmingham.office(&["answer", "show", "--query", &possible], None)["withdrawn"] == true;
    until("the withdrawal", withdrawn, || birmingham.log());
    cannot(&possible, "was withdrawn");
    assert_eq!(arrivals(birmingham), [] as [Value; 0]);
    cannot("019a1b2c-3d4e-7f54-8a6b-0000000000ff", "was not put a query");
}

#[test]
fn a_child_who_is_shielded_by_now_is_offered_by_nobody_and_only_one_officer_hears_why() {
    let world = both();
    let birmingham = world.party("330");
    let query = asked(&world, ARRIVAL, &amina());
    let shield = |verb: &str| birmingham.succeed(&["register", verb, "--source", "schools", "amina"]);
    let told = |more: &[&str], officer: &str| {
        let asked = ["office", "answer", "offer", "--query", &query, "--officer", officer, "-"];
        refused(birmingham, &[&asked[..], more].concat(), Some(&rest()))
    };
    shield("shield");
    assert_eq!(arrivals(birmingham), [] as [Value; 0]);
    assert!(told(&[], "o-53e0").contains("no match that can be told"));
    assert!(told(&["--restricted"], "o-53e0").contains("only the safeguarding lead"));
    assert!(told(&["--restricted"], "o-safe").contains("is shielded: take the shield away first"));
    shield("unshield");
    assert_eq!(arrivals(birmingham).len(), 1);
    // Another source hides the same child.
    let rows = "reference,given_name,family_name,date_of_birth,sex,upn,shielded\n\
                9,Amina,Testcase,2016-04-09,F,B373000020001,yes\n";
    let file = birmingham.home.join("care.csv");
    std::fs::write(&file, rows).unwrap();
    birmingham.succeed(&["register", "import", &file.display().to_string(), "--source", "care", "--merge"]);
    assert!(told(&[], "o-53e0").contains("no match that can be told"));
    assert!(told(&["--restricted"], "o-safe").contains("is shielded"));
    // And a child who is known no more is offered by nobody either.
    birmingham.succeed(&["register", "delete", "--source", "care", "--everything"]);
    import(
        birmingham,
        "reference,given_name,family_name,date_of_birth\n0,Robin,Sample,2014-01-20\n",
        "--merge",
    );
    birmingham.succeed(&["register", "delete", "--source", "schools", "amina"]);
    assert!(told(&[], "o-53e0").contains("no match that can be told"));
}
