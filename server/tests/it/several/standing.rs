//! A query that stands at an authority of two processes: one of them is killed when the child has come in, the other
//! when the answer is on its way.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Deployment, wait_until};
use crate::asked::{import, nadia, register, wait_for_register};
use crate::escalation::configure;
use crate::shielded::words;
use crate::support::Party;
use crate::told::Receiver;

/// What a killed process had under its lease is free again by then.
const LEASES_OVER: Duration = Duration::from_secs(90);

fn wait_for_leases(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LEASES_OVER, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn matched(party: &Party) -> Option<String> {
    let list = party.office(&["answer", "list"], None);
    list["standing"][0]["query"].as_str().map(str::to_owned)
}

/// What came of answers that Sheffield was brought, in order.
fn brought(sheffield: &Party) -> Vec<(u64, String)> {
    let lines = sheffield.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let answers = lines.filter(|line| line["message"] == "answer received");
    answers
        .map(|line| (line["number"].as_u64().unwrap(), line["outcome"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_standing_query_is_told_once_at_either_end_though_each_process_is_killed_in_between() {
    let officer = Receiver::start(None);
    let mut deployment = Deployment::start_with(|birmingham| {
        configure(birmingham, None, Some(&officer));
        import(birmingham, &register(), "--replace");
    });
    deployment.birmingham.iter().for_each(wait_for_register);
    let ask = ["query", "ask", "--to", "330", "--standing-days", "30", "--officer", "o-7f3a"];
    let asked = deployment.world.party("373").office(&ask, Some(&nadia().to_string()));
    assert_eq!((&asked["standing"], &asked["tally"]["notKnown"]), (&json!(1), &json!(1)), "{asked}");
    let query = asked["authorities"][0]["query"].as_str().unwrap().to_owned();
    // A school's child comes in by one of the two, which is killed at once.
    let rows = "reference,given_name,family_name,date_of_birth,sex\nnadia,Nadia,Absent,2015-05-06,F\n";
    import(&deployment.birmingham[0], rows, "--merge");
    deployment.birmingham[0].kill();
    let party = deployment.world.party("330");
    wait_for_leases("the match is brought to an officer", || matched(party).as_deref() == Some(&query));
    wait_for_leases("the officer is told", || !words(&officer, "standing-match").is_empty());
    // The officer releases it. It is on its way from the other, to a peer that stands still, when that one is killed.
    deployment.world.party("373").signal("-STOP");
    party.office(&["answer", "release", "--query", &query, "--officer", "o-53e0"], None);
    wait_until("the answer is under way", || deployment.database.dispatched() == 1);
    deployment.birmingham[0].start();
    deployment.birmingham[1].kill();
    deployment.world.party("373").signal("-CONT");
    let (sheffield, party) = (deployment.world.party("373"), deployment.world.party("330"));
    let show = || sheffield.office(&["query", "show", "--id", &query], None)["authorities"][0].clone();
    wait_for_leases("Sheffield hears it", || show()["status"] == "known");
    let sent = || party.office(&["answer", "show", "--query", &query], None);
    wait_for_leases("its receipt is held", || sent()["answers"][1]["receivedAt"].is_string());
    // With both there again nothing more is told, to anybody.
    deployment.birmingham[1].start();
    deployment.birmingham.iter().for_each(wait_for_register);
    import(
        &deployment.birmingham[1],
        "reference,given_name,family_name,date_of_birth\nlast,Last,Row,2014-05-06\n",
        "--merge",
    );
    wait_until("both have followed the register", || deployment.database.compared());
    assert_eq!(brought(deployment.world.party("373")), [(1, "stored".to_owned())]);
    assert_eq!(words(&officer, "standing-match").len(), 1, "{:?}", officer.posts());
    let sent = deployment.world.party("330").office(&["answer", "show", "--query", &query], None);
    assert_eq!((sent["answers"].as_array().unwrap().len(), &sent["body"]), (2, &Value::Null));
    assert_eq!(deployment.database.dispatched(), 0);
}
