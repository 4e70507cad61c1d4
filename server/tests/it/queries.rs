//! Queries that an authority puts: asked, answered, refused, withdrawn and renewed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::sync::Mutex;

use cme_spec::canonical::Json;
use cme_spec::codes::AnswerOutcome;
use cme_spec::example;
use cme_spec::problem::ProblemType;
use cme_spec::query::Answer;
use serde_json::{Value, json};

use crate::answering::{self, Reply};
use crate::asking::{BROADCAST, Peer, ask, child, honest, id, query, refused, wait_for, world};
use crate::support::until;
use crate::wire::now;

#[test]
fn an_officer_asks_one_authority_and_hears_whom_to_ring() {
    let mut world = world(&["373", "330"]);
    world.party_mut("373").start();
    let peer = Peer::start(world.party("330"), honest(world.party("330"), AnswerOutcome::Known));
    let arguments = ["ask", "--to", "330", "--purpose", "confirm-arrival", "--officer", "o-7f3a", "--json"];
    let output =
        world.party("373").run(&[&["office", "query"], &arguments[..]].concat(), Some(&child(|_| {})));
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["authority"], &lines[0]["status"]), (&json!("330"), &json!("known")), "{said}");
    assert_eq!(lines[0]["team"]["telephone"], "01632 960001");
    assert_eq!(lines[0]["matchedOn"], json!(["name", "date-of-birth"]));
    assert_eq!(lines[1]["tally"]["known"], 1, "the last line is the whole: {said}");
    let put = peer.came("PUT");
    assert_eq!(put.len(), 1, "once is enough");
    let query_put = put[0].query();
    let header = query_put.header();
    assert_eq!(put[0].path, format!("/330/v1/queries/{}", header.query));
    assert_eq!((header.author, header.recipient), (example::code("373"), example::code("330")));
    assert_eq!((header.broadcast, header.standing_until), (None, None));
    let body = cme_spec::query::check(&query_put).unwrap();
    assert_eq!(
        (body.officer.id.to_string(), body.officer.role),
        ("o-7f3a".to_owned(), "CME officer".to_owned())
    );
    assert!(query_put.body_matches() && query_put.verify(&world.party("373").signing_key().public()).is_ok());
    let list = query(world.party("373"), &["list"], None);
    assert_eq!(list["queries"][0]["id"], lines[1]["id"]);
    assert_eq!(list["queries"][0]["unseen"], 0, "whoever waited has seen it");
    for secret in ["Testcase", "Amina", "B373000020001", "S1 2HH"] {
        assert!(!world.party("373").log().contains(secret), "{secret} is in the log");
    }
}

#[test]
fn what_is_asked_while_no_server_runs_is_sent_when_one_does_until_the_other_end_answers() {
    let mut world = world(&["373", "330"]);
    let arguments = ["office", "query", "ask", "--to", "330", "--officer", "o-7f3a"];
    let output = world.party("373").run(&arguments, Some(&child(|_| {})));
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("no server works") && told.contains("query show --id"), "{told}");
    let asked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&asked["tally"]["toAnswer"], &asked["authorities"][0]["attempts"]), (&json!(1), &json!(0)));
    world.party_mut("373").start();
    let tried = |shown: &Value| shown["authorities"][0]["attempts"].as_u64().is_some_and(|tries| tries > 1);
    let waiting = wait_for(world.party("373"), id(&asked), tried);
    assert!(
        waiting["authorities"][0]["lastFailure"].as_str().unwrap().contains("no connection"),
        "{waiting}"
    );
    // A restart of the asking server loses nothing, and the same bytes are sent.
    world.party_mut("373").kill();
    let peer = Peer::start(world.party("330"), honest(world.party("330"), AnswerOutcome::NotKnown));
    world.party_mut("373").start();
    let done = wait_for(world.party("373"), id(&asked), |shown| shown["tally"]["notKnown"] == 1);
    assert_eq!(done["authorities"][0].get("attempts"), None, "nothing is still to be sent: {done}");
    assert_eq!(peer.came("PUT").len(), 1);
}

#[test]
fn what_does_not_hold_is_no_answer_and_a_final_refusal_is_an_officers() {
    let mut world = world(&["373", "330"]);
    world.party_mut("373").start();
    let key = world.party("330").signing_key();
    let (forger, _) = cme_server::pki::signing_pair().unwrap();
    let turn = Mutex::new(0);
    let peer = Peer::start(world.party("330"), move |request| {
        let query = request.query();
        let said = answering::answer(&query, 0, AnswerOutcome::Known, now());
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        match *turn {
            1 => answering::answers(&[said], &forger),
            2 => answering::answers(&[Answer { number: 1, ..said }], &key),
            3 => answering::answers(&[Answer { matched_on: vec![], ..said }], &key),
            4 => Reply::Said(200, Json::object([])),
            5 => answering::refusal(ProblemType::QueryNotAllowed),
            _ => answering::answers(&[said], &key),
        }
    });
    let asked = ask(world.party("373"), "330", &[]);
    let refused = wait_for(world.party("373"), id(&asked), |shown| shown["tally"]["refused"] == 1);
    assert_eq!(peer.came("PUT").len(), 5, "{refused}");
    assert_eq!(refused["authorities"][0]["lastFailure"], "query-not-allowed");
    assert_eq!(refused["authorities"][0]["status"], "refused");
    query(world.party("373"), &["retry", "--id", id(&asked)], None);
    let done = wait_for(world.party("373"), id(&asked), |shown| shown["tally"]["known"] == 1);
    assert_eq!(done["authorities"][0]["answers"], 1);
    let said = crate::asking::refused(world.party("373"), &["retry", "--id", id(&asked)], None);
    assert!(said.contains("nothing about"), "{said}");
}

#[test]
fn a_broadcast_asks_everybody_and_is_withdrawn_or_renewed_with_one_command() {
    let mut world = world(&["373", "330", "383", "202"]);
    world.reissue(|directory| {
        let authorities = directory["authorities"].as_array_mut().unwrap();
        let of = |authority: &&mut Value| authority["code"] == "202";
        let camden = authorities.iter_mut().find(of).unwrap();
        camden["profiles"] = json!(["core"]);
    });
    world.party_mut("373").start();
    let birmingham = Peer::start(world.party("330"), honest(world.party("330"), AnswerOutcome::NotKnown));
    let standing = ["--standing-days", "30"];
    let asked = query(world.party("373"), &[&BROADCAST[..], &standing].concat(), Some(&child(|_| {})));
    assert_eq!((&asked["asked"], &asked["broadcast"]), (&json!(2), &json!(true)), "{asked}");
    assert_eq!(asked["toRing"][0]["authority"], "202", "somebody has to ring Camden");
    assert!(asked["toRing"][0]["team"]["name"].is_string());
    let part = wait_for(world.party("373"), id(&asked), |shown| {
        shown["tally"]["notKnown"] == 1 && shown["authorities"][0]["attempts"] != 0
    });
    assert_eq!(part["tally"]["toAnswer"], 1, "part of it can be used: {part}");
    assert_eq!((&part["authorities"][0]["authority"], &part["standing"]), (&json!("383"), &json!(1)));
    let put = birmingham.came("PUT")[0].query();
    assert_eq!(put.header().broadcast.unwrap().to_string(), id(&asked));
    let leeds = Peer::start(world.party("383"), honest(world.party("383"), AnswerOutcome::NotKnown));
    let all = wait_for(world.party("373"), id(&asked), |shown| shown["tally"]["notKnown"] == 2);
    assert_eq!(all["standing"], 2);
    let same = |peer: &Peer| {
        let query = peer.came("PUT")[0].query();
        (query.header().broadcast, query.body().value()["subject"].clone())
    };
    assert_eq!(same(&birmingham), same(&leeds), "one broadcast, one child");
    // The officers go on looking: the same authorities are asked anew, and told what that follows.
    let renew = ["renew", "--id", id(&asked), "--officer", "o-7f3a", "--wait", "0"];
    let said = refused(world.party("373"), &renew, None);
    assert!(said.contains("two officers"), "{said}");
    let two = [&renew[..], &["--second-officer", "o-11c2"]].concat();
    let renewed = query(world.party("373"), &two, None);
    assert_eq!((&renewed["renews"], &renewed["asked"]), (&asked["id"], &json!(2)));
    wait_for(world.party("373"), id(&renewed), |shown| shown["standing"] == 2);
    let followed = birmingham.came("PUT")[1].query();
    assert_eq!(followed.header().renews, Some(put.header().query));
    assert_ne!(followed.header().broadcast, put.header().broadcast);
    assert!(refused(world.party("373"), &two, None).contains("renewed already"));
    // The child is found: one command withdraws it everywhere.
    query(world.party("373"), &["withdraw", "--id", id(&renewed)], None);
    let stored = |shown: &Value| {
        let list = shown["authorities"].as_array().unwrap();
        list.iter().all(|asked| asked["withdrawalStoredAt"].is_string())
    };
    let done = wait_for(world.party("373"), id(&renewed), stored);
    assert_eq!(done["standing"], 0);
    for peer in [&birmingham, &leeds] {
        let query = peer.came("PUT")[1].query();
        let deleted: Vec<String> = peer.came("DELETE").into_iter().map(|request| request.path).collect();
        assert_eq!(deleted.len(), 1);
        assert!(deleted[0].ends_with(&format!("/v1/queries/{}", query.header().query)), "{deleted:?}");
    }
}

#[test]
fn what_is_withdrawn_is_not_sent_any_more_and_who_never_had_it_is_told_once() {
    let mut world = world(&["373", "330"]);
    let arrival =
        ["ask", "--to", "330", "--officer", "o-7f3a", "--purpose", "confirm-arrival", "--standing-days", "7"];
    let said = refused(world.party("373"), &arrival, Some(&child(|_| {})));
    assert!(said.contains("goes to one authority and doesn't stand"), "{said}");
    let asked = ask(world.party("373"), "330", &["--standing-days", "7"]);
    let withdrawn = query(world.party("373"), &["withdraw", "--id", id(&asked)], None);
    assert_eq!(withdrawn["authorities"][0]["status"], "withdrawn", "{withdrawn}");
    let peer = Peer::start(world.party("330"), honest(world.party("330"), AnswerOutcome::Known));
    world.party_mut("373").start();
    let done =
        wait_for(world.party("373"), id(&asked), |shown| shown["authorities"][0].get("attempts").is_none());
    assert_eq!(done["tally"]["withdrawn"], 1);
    assert_eq!((peer.came("PUT").len(), peer.came("DELETE").len()), (0, 1));
    let said = refused(world.party("373"), &["renew", "--id", id(&asked), "--officer", "o-7f3a"], None);
    assert!(said.contains("nothing of") && said.contains("stands"), "{said}");
}

#[test]
fn who_hangs_keeps_nobody_waiting_and_an_officer_who_interrupts_loses_nothing() {
    let mut world = world(&["373", "330", "383"]);
    world.party_mut("373").start();
    let hung = Peer::start(world.party("330"), |_| Reply::Hang);
    let _leeds = Peer::start(world.party("383"), honest(world.party("383"), AnswerOutcome::Known));
    let sheffield = world.party("373");
    let mut command = std::process::Command::new(crate::support::BINARY);
    command.args([
        "office",
        "query",
        "broadcast",
        "--all",
        "--officer",
        "o-7f3a",
        "--second-officer",
        "o-11c2",
    ]);
    command.arg("--json").arg("--config").arg(sheffield.config());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child_process = command.spawn().unwrap();
    child_process.stdin.take().unwrap().write_all(child(|_| {}).as_bytes()).unwrap();
    let mut lines = BufReader::new(child_process.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&first["authority"], &first["status"]), (&json!("383"), &json!("known")));
    until("the query to who hangs", || hung.came("PUT").len() == 1, || sheffield.log());
    let interrupt = ["-INT".to_owned(), child_process.id().to_string()];
    assert!(std::process::Command::new("kill").args(interrupt).status().unwrap().success());
    let last: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&last["tally"]["known"], &last["tally"]["toAnswer"]), (&json!(1), &json!(1)), "{last}");
    let mut told = String::new();
    child_process.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(child_process.wait().unwrap().success(), "{told}");
    assert!(told.contains("interrupted") && told.contains(id(&last)), "{told}");
    // The server goes on where it is, and Birmingham is heard when it comes back.
    drop(hung);
    let _well = Peer::start(world.party("330"), honest(world.party("330"), AnswerOutcome::NotKnown));
    wait_for(sheffield, id(&last), |shown| shown["tally"]["notKnown"] == 1);
}

#[test]
fn an_answer_leads_to_an_offer_of_the_child_where_the_child_was_missing() {
    let mut world = world(&["373", "330"]);
    world.party_mut("373").start();
    let peer = Peer::start(world.party("330"), honest(world.party("330"), AnswerOutcome::Known));
    let (missing, arrived) = (
        ask(world.party("373"), "330", &[]),
        ask(world.party("373"), "330", &["--purpose", "confirm-arrival"]),
    );
    for asked in [&missing, &arrived] {
        wait_for(world.party("373"), id(asked), |shown| shown["tally"]["known"] == 1);
    }
    let offer = |asked: &Value| ["offer", "--id", id(asked), "--from-answer", "330"].map(str::to_owned);
    let from_arrival = offer(&arrived);
    let from_arrival: Vec<&str> = from_arrival.iter().map(String::as_str).collect();
    let said = refused(world.party("373"), &from_arrival, None);
    assert!(said.contains("ring its team (Children missing education team)"), "{said}");
    let from_missing = offer(&missing);
    let from_missing: Vec<&str> = from_missing.iter().map(String::as_str).collect();
    let draft = query(world.party("373"), &from_missing, None);
    assert_eq!(draft["child"]["familyName"], "Testcase");
    assert_eq!(draft["legalBasis"][0]["code"], "education-act-1996-s436a");
    let file = [&from_missing[..], &["-"]].concat();
    let said = refused(world.party("373"), &file, Some(&draft.to_string()));
    assert!(said.contains("is missing") && said.contains("office example offer"), "{said}");
    let whole: Value =
        serde_json::from_str(&crate::support::body(cme_spec::entry::EntryType::Offer)).unwrap();
    let rest = json!({ "circumstances": whole["circumstances"], "contacts": whole["contacts"] });
    let offered = query(world.party("373"), &file, Some(&rest.to_string()));
    assert_eq!((&offered["type"], &offered["status"]), (&json!("offer"), &json!("proposed")));
    drop(peer);
    world.party_mut("330").start();
    let transfer = offered["transfer"].as_str().unwrap();
    world.party("330").wait_for(transfer, "offered");
    let shown = world.party("330").office(&["show", "--transfer", transfer], None);
    assert_eq!(shown["entries"][0]["body"]["child"]["upn"], "B373000020001");
    let camden = ["offer", "--id", id(&missing), "--from-answer", "202"];
    assert!(refused(world.party("373"), &camden, None).contains("was not asked"));
}

#[test]
fn a_fourth_authority_is_asked_about_one_child_only_by_two_officers() {
    let world = world(&["373", "330", "383", "202", "203", "204"]);
    let sheffield = world.party("373");
    for to in ["330", "383", "202", "330"] {
        ask(sheffield, to, &[]);
    }
    let fourth = |child: &str| {
        let arguments = ["ask", "--to", "203", "--officer", "o-7f3a", "--wait", "0"];
        sheffield.run(&[&["office", "query"], &arguments[..]].concat(), Some(child))
    };
    let shorter = child(|child| {
        child["familyName"] = json!("TESTCASE");
        child.as_object_mut().unwrap().remove("upns");
        child.as_object_mut().unwrap().remove("lastPostcode");
    });
    for same in [child(|_| {}), shorter] {
        let told = fourth(&same);
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert_eq!(told.status.code(), Some(1), "{said}");
        assert!(said.contains("3 authorities") && said.contains("query broadcast"), "{said}");
        assert!(!said.to_lowercase().contains("testcase"));
    }
    // Withdrawing makes no room.
    let list = query(sheffield, &["list"], None);
    query(sheffield, &["withdraw", "--id", list["queries"][0]["id"].as_str().unwrap()], None);
    assert!(!fourth(&child(|_| {})).status.success());
    let sibling = child(|child| {
        child["givenName"] = json!("Bilal");
        child["upns"] = json!([]);
    });
    assert!(fourth(&sibling).status.success(), "another child");
    let asked = query(sheffield, &BROADCAST, Some(&child(|_| {})));
    assert_eq!(asked["asked"], 5);
}

#[test]
fn an_officer_is_told_what_cannot_be_asked() {
    let world = world(&["373", "330", "383"]);
    world.reissue(|directory| {
        let authorities = directory["authorities"].as_array_mut().unwrap();
        let mut of = |code: &str, profiles: &[&str]| {
            let authority = authorities.iter_mut().find(|authority| authority["code"] == code).unwrap();
            authority["profiles"] = json!(profiles);
        };
        of("330", &["core", "queries"]);
        of("383", &["core"]);
    });
    let sheffield = world.party("373");
    let asked = |more: &[&str], child: &str| {
        let arguments = [&["ask", "--officer", "o-7f3a", "--wait", "0"], more].concat();
        refused(sheffield, &arguments, Some(child))
    };
    assert!(asked(&["--to", "373"], &child(|_| {})).contains("can't ask itself"));
    assert!(asked(&["--to", "999"], &child(|_| {})).contains("not in the directory"));
    assert!(asked(&["--to", "383"], &child(|_| {})).contains("answers no queries"));
    let standing = ["--to", "330", "--standing-days", "3"];
    assert!(asked(&standing, &child(|_| {})).contains("keeps no standing queries"));
    let said = asked(&["--to", "330"], &child(|child| child["dateOfBirth"] = json!("2016-02-30")));
    assert!(said.contains("/dateOfBirth") && said.contains("query example"), "{said}");
    let said = asked(&["--to", "330"], &child(|child| child["narrative"] = json!("x")));
    assert!(said.contains("query example"), "{said}");
    let broadcast = |whom: &[&str], second: &str| {
        let officers = ["--officer", "o-7f3a", "--second-officer", second, "--wait", "0"];
        refused(sheffield, &[&["broadcast"], whom, &officers].concat(), Some(&child(|_| {})))
    };
    assert!(broadcast(&["--all"], "o-7f3a").contains("two officers"));
    assert!(broadcast(&["--region", "Atlantis"], "o-1").contains("Yorkshire and The Humber"));
    assert!(broadcast(&["--region", "North East"], "o-1").contains("none of these"));
    assert!(broadcast(&["--authorities", "330,999"], "o-1").contains("999"));
    let unknown = example::query_id(1).to_string();
    for command in ["show", "withdraw", "retry"] {
        assert!(refused(sheffield, &[command, "--id", &unknown], None).contains("has asked nothing"));
    }
    assert_eq!(query(sheffield, &["list"], None)["queries"], json!([]), "nothing was kept");
    // A broadcast that is to stand stands where it can, and the region is that of the register.
    let officers = ["--officer", "o-7f3a", "--second-officer", "o-1", "--wait", "0", "--standing-days", "3"];
    let region = [&["broadcast", "--region", "E12000005"], &officers[..]].concat();
    let asked = query(sheffield, &region, Some(&child(|_| {})));
    assert_eq!((&asked["asked"], &asked["authorities"][0]["authority"]), (&json!(1), &json!("330")));
    let example = query(sheffield, &["example"], None);
    assert_eq!(example["familyName"], "Testcase");
}
