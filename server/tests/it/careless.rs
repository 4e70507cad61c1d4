//! What a careless officer does with the commands about queries: each ends in words that say why, and nothing is lost.

use serde_json::{Value, json};

use crate::asked::{amina, nadia, serve, world};
use crate::support::{Party, World, until};

const OFFICER: [&str; 2] = ["--officer", "o-53e0"];

fn both() -> World {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    world.party_mut("373").start();
    world
}

fn asked(party: &Party, child: &Value, more: &[&str]) -> Value {
    let ask = [&["query", "ask", "--to", "330", "--officer", "o-7f3a"], more].concat();
    let asked = party.office(&ask, Some(&child.to_string()));
    assert_eq!(asked["tally"]["toAnswer"], 0, "{asked}");
    asked
}

fn id(asked: &Value) -> String {
    asked["id"].as_str().unwrap().to_owned()
}

/// The words with which a command is refused: for what it asks (1), or for how it is written (2).
fn refused(party: &Party, arguments: &[&str], input: &str) -> String {
    let output = party.run(&[&["office"], arguments].concat(), Some(input));
    let code = output.status.code();
    assert!(code == Some(1) || code == Some(2), "{arguments:?}: {output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked") && !said.contains("the database holds"), "{arguments:?}: {said}");
    said
}

fn answer(party: &Party, verb: &str, query: &str, more: &[&str]) -> String {
    refused(party, &[&["answer", verb, "--query", query], &OFFICER[..], more].concat(), "")
}

#[test]
fn what_cannot_be_asked_is_refused_and_leaves_nothing_behind() {
    let world = both();
    let sheffield = world.party("373");
    let child = amina().to_string();
    let large = json!({ "familyName": "x".repeat(300_000), "sex": "F" }).to_string();
    let deep = "[".repeat(10_000);
    let ask = ["query", "ask", "--to", "330", "--officer", "o-7f3a"];
    let bases = ["--legal-basis", "education-act-1996-s436a"].repeat(9);
    let of = |more: &[&'static str]| [&ask[..], more].concat();
    let to = |code: &'static str| vec!["query", "ask", "--officer", "o-7f3a", "--to", code];
    let broadcast = |more: &[&'static str]| [&["query", "broadcast", "--officer", "o-7f3a"], more].concat();
    let tries: Vec<(Vec<&str>, &str, &str)> = vec![
        (to("373"), &child, "can't ask itself"),
        (to("999"), &child, "999 is not in the directory"),
        (to("nowhere"), &child, "3 digits needed"),
        (of(&[]), "", "not JSON"),
        (of(&[]), "{}", "is missing"),
        (of(&[]), "[]", "not a JSON object"),
        (of(&[]), "null", "not a JSON object"),
        (of(&[]), &large, "larger than"),
        (of(&[]), &deep, "nested deeper"),
        (of(&[]), r#"{"familyName":"A","familyName":"B"}"#, "stands twice"),
        (of(&[]), r#"{"familyName":"A","sex":"F","dateOfBirth":"2016","school":"B"}"#, "under /school"),
        (of(&["--role", ""]), &child, "/officer/role"),
        (of(&["--standing-days", "31"]), &child, "31 is not in 1..=30"),
        (of(&["--purpose", "confirm-arrival", "--standing-days", "3"]), &child, "doesn't stand"),
        (of(&["--child", "/nowhere/child.json"]), "", "No such file"),
        (of(&["--as", "330"]), &child, "330 is not hosted here"),
        (of(&bases), &child, "one to eight legal bases"),
        (broadcast(&["--all", "--second-officer", "o-7f3a"]), &child, "two officers with different ids"),
        (
            broadcast(&["--authorities", "373", "--second-officer", "o-2"]),
            &child,
            "none of these authorities",
        ),
        (broadcast(&["--region", "Atlantis", "--second-officer", "o-2"]), &child, "no region of England"),
    ];
    for (arguments, input, said) in tries {
        let told = refused(sheffield, &arguments, input);
        assert!(told.contains(said), "{arguments:?}: {told}");
        assert!(!told.contains("Testcase"), "{told}");
    }
    assert_eq!(sheffield.office(&["query", "list"], None)["queries"], json!([]));
    // So many laws would have made a notice that nobody can read, here or there.
    let notice = sheffield.office(&["notice", "example", "seen"], None).to_string();
    let tell = [&["notice", "tell", "--to", "330", "--kind", "seen"], &bases[..]].concat();
    assert!(refused(sheffield, &tell, &notice).contains("one to eight legal bases"));
    assert_eq!(sheffield.office(&["notice", "list"], None)["notices"], json!([]));
    let nothing = "019a1b2c-3d4e-7f54-8a6b-0000000000ff";
    for verb in [
        &["show"][..],
        &["withdraw"],
        &["retry"],
        &["renew", "--officer", "o-1"],
        &["offer", "--from-answer", "330"],
    ] {
        let told = refused(sheffield, &[&["query"], verb, &["--id", nothing]].concat(), "");
        assert!(told.contains("has asked nothing under"), "{verb:?}: {told}");
    }
    for verb in ["known", "not-known", "release", "silent", "offer"] {
        assert!(answer(world.party("330"), verb, nothing, &[]).contains("was not put a query"), "{verb}");
    }
}

#[test]
fn the_same_is_not_said_twice_and_nobody_is_referred_to_who_asks() {
    let world = both();
    let (sheffield, birmingham) = (world.party("373"), world.party("330"));
    let query = id(&asked(sheffield, &amina(), &[]));
    for verb in ["known", "release"] {
        assert!(answer(birmingham, verb, &query, &[]).contains("was answered so already"), "{verb}");
    }
    for party in ["373", "330"] {
        let told = answer(birmingham, "referred", &query, &["--to", party]);
        assert!(told.contains("another authority than the one that asks and your own"), "{told}");
    }
    assert!(answer(birmingham, "known", &query, &["--child", "999999"]).contains("no match"));
    assert!(answer(birmingham, "known", &query, &["--from", "330"]).contains("was not put a query"));
    let shown = || birmingham.office(&["answer", "show", "--query", &query], None);
    assert_eq!(shown()["answers"].as_array().unwrap().len(), 1);
    // What was wrong is put right, and put right again.
    for verb in ["not-known", "known"] {
        let right = ["answer", verb, "--query", &query, OFFICER[0], OFFICER[1]];
        let output = birmingham.run(&[&["office"], &right[..]].concat(), None);
        let may = verb == "not-known";
        assert_eq!(output.status.success(), may, "after not-known comes nothing: {output:?}");
    }
    assert_eq!(shown()["answers"].as_array().unwrap().len(), 2);
}

#[test]
fn who_withdraws_what_was_renewed_withdraws_the_renewal() {
    let world = both();
    let (sheffield, birmingham) = (world.party("373"), world.party("330"));
    let first = id(&asked(sheffield, &nadia(), &["--standing-days", "30"]));
    let renew =
        |id: &str| self::id(&sheffield.office(&["query", "renew", "--id", id, "--officer", "o-7f3a"], None));
    let second = renew(&first);
    let third = renew(&second);
    let again = refused(sheffield, &["query", "renew", "--id", &first, "--officer", "o-7f3a"], "");
    assert!(again.contains(&format!("is renewed already, by {second}")), "{again}");
    assert!(
        refused(sheffield, &["query", "withdraw", "--id", &first, "--only", "383"], "")
            .contains("was not asked")
    );
    let withdrawn = sheffield.office(&["query", "withdraw", "--id", &first], None);
    assert_eq!((&withdrawn["id"], &withdrawn["standing"]), (&json!(third), &json!(0)), "{withdrawn}");
    let theirs = || birmingham.office(&["answer", "show", "--query", &third], None);
    until("it stands nowhere", || theirs()["withdrawn"] == true, || theirs().to_string());
    assert_eq!(theirs()["body"], Value::Null);
    let same = sheffield.office(&["query", "withdraw", "--id", &first], None);
    assert_eq!(
        same["authorities"][0]["withdrawnAt"], withdrawn["authorities"][0]["withdrawnAt"],
        "twice is once"
    );
    let over = refused(sheffield, &["query", "renew", "--id", &third, "--officer", "o-7f3a"], "");
    assert!(over.contains("stands any more: ask anew"), "{over}");
}
