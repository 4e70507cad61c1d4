//! Both ends of queries as real servers: asked, answered from a register, looked at by a person, withdrawn.

use serde_json::{Value, json};

use crate::asked::{amina, fill, import, nadia, serve, wait_for_register, world};
use crate::support::{Party, until};

const OFFICERS: [&str; 4] = ["--officer", "o-7f3a", "--second-officer", "o-11c2"];

/// Asks everybody about a child, and waits until each has answered.
fn broadcast(party: &Party, child: &Value) -> Value {
    let arguments = [&["query", "broadcast", "--all", "--standing-days", "30"], &OFFICERS[..]].concat();
    party.office(&arguments, Some(&child.to_string()))
}

fn show(party: &Party, id: &Value) -> Value {
    party.office(&["query", "show", "--id", id.as_str().unwrap()], None)
}

fn status(shown: &Value, code: &str) -> Value {
    let list = shown["authorities"].as_array().unwrap();
    list.iter().find(|asked| asked["authority"] == code).unwrap()["status"].clone()
}

#[test]
fn a_broadcast_finds_who_knows_the_child_and_a_person_answers_where_nobody_can_tell() {
    let mut world = world(&["373", "330", "383"], "");
    fill(world.party("383"));
    serve(&mut world);
    world.party_mut("373").start();
    world.party_mut("383").start();
    wait_for_register(world.party("373"));
    let sheffield = world.party("373");
    let mut child = amina();
    child["upns"] = json!(["B373000020001"]);
    let asked = broadcast(sheffield, &child);
    assert_eq!(
        asked["tally"],
        json!({ "known": 1, "possible": 0, "referred": 0, "notKnown": 1, "withheld": 0,
                                       "refused": 0, "toAnswer": 0, "withdrawn": 0 }),
        "{asked}"
    );
    assert_eq!((status(&asked, "330"), status(&asked, "383")), (json!("known"), json!("not-known")));
    assert_eq!(asked["authorities"][0]["matchedOn"], json!(["name", "date-of-birth", "sex", "upn"]));
    // Less is known of another child: a person in Birmingham looks, and the answer comes by itself.
    let family_only = json!({ "familyName": "Testcase", "dateOfBirth": "2016-04-09", "sex": "F" });
    let asked = broadcast(sheffield, &family_only);
    assert_eq!(status(&asked, "330"), "possible", "{asked}");
    let query = asked["authorities"][0]["query"].as_str().unwrap();
    world.party("330").office(&["answer", "not-known", "--query", query, "--officer", "o-53e0"], None);
    let said = || status(&show(sheffield, &asked["id"]), "330");
    until("a person's answer", || said() == "not-known", || world.party("330").log());
    let sent = || world.party("330").office(&["answer", "show", "--query", query], None);
    until("its receipt", || sent()["answers"][1]["receivedAt"].is_string(), || sent().to_string());
}

#[test]
fn a_child_who_arrives_later_is_told_once_and_the_others_are_asked_no_more() {
    let mut world = world(&["373", "330", "383"], "");
    fill(world.party("383"));
    serve(&mut world);
    world.party_mut("373").start();
    world.party_mut("383").start();
    let sheffield = world.party("373");
    let asked = broadcast(sheffield, &nadia());
    assert_eq!((&asked["standing"], &asked["tally"]["notKnown"]), (&json!(2), &json!(2)), "{asked}");
    // The officers go on; what stands is told under the new query alone.
    let renew = [&["query", "renew", "--id", asked["id"].as_str().unwrap()], &OFFICERS[..]].concat();
    let renewed = sheffield.office(&renew, None);
    assert_eq!(renewed["standing"], 2, "{renewed}");
    let leeds = world.party("383");
    import(
        leeds,
        "reference,given_name,family_name,date_of_birth,sex\n1,Nadia,Absent,2015-05-06,F\n",
        "--merge",
    );
    let standing = || leeds.office(&["answer", "list"], None)["standing"].clone();
    until("a match in Leeds", || standing().as_array().unwrap().len() == 1, || leeds.log());
    let query = standing()[0]["query"].as_str().unwrap().to_owned();
    assert_eq!(
        status(&show(sheffield, &renewed["id"]), "383"),
        "not-known",
        "nothing is told before a release"
    );
    leeds.office(&["answer", "release", "--query", &query, "--officer", "o-53e0"], None);
    let heard = || status(&show(sheffield, &renewed["id"]), "383");
    until("the answer of Leeds", || heard() == "known", || leeds.log());
    assert_eq!(status(&show(sheffield, &asked["id"]), "383"), "not-known", "the query before is over");
    sheffield.office(&["query", "withdraw", "--id", renewed["id"].as_str().unwrap()], None);
    let stored = || {
        let shown = show(sheffield, &renewed["id"]);
        let list = shown["authorities"].as_array().unwrap().clone();
        list.iter().all(|asked| asked["withdrawalStoredAt"].is_string())
    };
    until("both have the withdrawal", stored, || show(sheffield, &renewed["id"]).to_string());
    assert_eq!(world.party("330").office(&["answer", "list"], None)["standing"], json!([]));
}
