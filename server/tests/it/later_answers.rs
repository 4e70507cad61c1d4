//! What officers say after the first answer, and queries that stand.

use cme_server::answering::tidy::tidy;
use cme_server::clock::Clock;
use cme_server::config::Config;
use cme_server::node::Node;
use cme_server::office::{self, Asker};
use cme_spec::codes::AnswerOutcome as O;
use cme_spec::example;
use cme_spec::query::QueryHeader;
use serde_json::{Value, json};

use crate::asked::{
    import, outcome, put, query, query_by, serve, standing, wait_for_register, withdraw, world,
};
use crate::escalation::configure;
use crate::shielded::words;
use crate::support::{Party, World, until};
use crate::taker::Taker;
use crate::told::Receiver;
use crate::wire::Wire;

fn family_only() -> Value {
    json!({ "familyName": "Testcase", "dateOfBirth": "2016-04-09", "sex": "F" })
}

fn id(number: u64) -> String {
    example::query_id(number).to_string()
}

fn said(taker: &Taker) -> Vec<(u64, O)> {
    taker.taken().iter().map(|answer| (answer.number, answer.outcome)).collect()
}

fn wait_for_answers(world: &World, taker: &Taker, count: usize) -> Vec<(u64, O)> {
    until("an answer comes", || taker.taken().len() >= count, || world.party("330").log());
    said(taker)
}

fn show(party: &Party, number: u64) -> Value {
    party.office(&["answer", "show", "--query", &id(number)], None)
}

fn decide(party: &Party, command: &str, number: u64, more: &[&str]) -> Value {
    let id = id(number);
    party.office(&[&["answer", command, "--query", &id, "--officer", "o-9"], more].concat(), None)
}

#[test]
fn an_officers_answer_is_sent_until_it_is_receipted_and_from_the_first_where_some_are_missing() {
    let mut world = world(&["373", "330", "383"], "");
    serve(&mut world);
    let wire = world.wire("373", "330");
    let asked = query(&world, 1, family_only());
    assert_eq!(outcome(&put(&wire, &asked)).0, "possible");
    let party = world.party("330");
    assert!(party.refuse(&["office", "answer", "retry", "--query", &id(1)]).contains("no answer to query"));
    let view = decide(party, "known", 1, &[]);
    assert_eq!((&view["outcome"], &view["toSend"]["refused"]), (&json!("known"), &json!(false)));
    // Sheffield is away at first.
    until("a try fails", || show(party, 1)["toSend"]["attempts"].as_u64() > Some(0), || party.log());
    let again = put(&wire, &asked);
    assert_eq!(outcome(&again).0, "known", "whoever asks again has it at once");
    let taker = Taker::start(world.party("373"));
    taker.lose(1);
    assert_eq!(wait_for_answers(&world, &taker, 3), [(1, O::Known), (0, O::Possible), (1, O::Known)]);
    until("all is receipted", || show(party, 1)["toSend"].is_null(), || party.log());
    let shown = show(party, 1);
    assert!(shown["answers"][1]["receivedAt"].is_string(), "{shown}");
    let last = taker.taken().pop().unwrap();
    let agreed: Vec<&str> = last.matched_on.iter().map(|field| field.code()).collect();
    assert_eq!(agreed, ["name", "date-of-birth", "sex"]);
    // An officer puts right what was said; nothing else may follow.
    decide(party, "referred", 1, &["--to", "383"]);
    assert_eq!(wait_for_answers(&world, &taker, 4)[3], (2, O::Referred));
    decide(party, "not-known", 1, &[]);
    assert_eq!(wait_for_answers(&world, &taker, 5)[4], (3, O::NotKnown));
    assert_eq!(show(party, 1)["body"], Value::Null);
    let more =
        party.refuse(&["office", "answer", "referred", "--query", &id(1), "--officer", "o-9", "--to", "383"]);
    assert!(more.contains("no match that can be told") || more.contains("may not follow"), "{more}");
    let export = party.succeed(&["audit", "export"]);
    let last: Value = serde_json::from_str(export.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["number"], &last["decidedBy"], &last["officer"]),
        (&json!(3), &json!("o-9"), &json!("o-7f3a"))
    );
    assert_eq!(last["members"], json!(["familyName", "dateOfBirth", "sex"]));
    assert!(party.succeed(&["audit", "verify"]).contains("VERIFIED: 4 records"));
}

/// Sheffield's query about a child who is in no register yet, standing.
fn stands(world: &World, wire: &Wire, number: u64, subject: Value) {
    let asked = standing(world, number, subject, 10);
    assert_eq!(outcome(&put(wire, &asked)).0, "not-known");
    assert!(show(world.party("330"), number)["standingUntil"].is_string());
}

/// No two newcomers share anything but their sex.
fn family(given: &str) -> String {
    format!("{given}field")
}

fn born(given: &str) -> String {
    format!("2012-{:02}-{:02}", given.as_bytes()[0] % 12 + 1, given.as_bytes()[1] % 28 + 1)
}

fn newcomer(given: &str) -> Value {
    json!({ "givenName": given, "familyName": family(given), "dateOfBirth": born(given), "sex": "F" })
}

fn arrive(party: &Party, reference: &str, given: &str, shielded: &str) {
    let (family, born) = (family(given), born(given));
    let row = format!("{reference},{given},{family},{born},F,{shielded}");
    import(
        party,
        &format!("reference,given_name,family_name,date_of_birth,sex,shielded\n{row}\n"),
        "--merge",
    );
}

/// Waits until this many queries that stand have a match.
fn wait_for_matches(party: &Party, count: usize) -> Value {
    let list = || party.office(&["answer", "list"], None)["standing"].clone();
    until(
        "a match is found",
        || list().as_array().unwrap().len() == count,
        || format!("{} {}", list(), party.log()),
    );
    list()
}

#[test]
fn a_child_who_arrives_is_brought_to_an_officer_and_told_when_the_officer_releases_it() {
    let (mut world, receiver) = (world(&["373", "330"], ""), Receiver::start(None));
    configure(world.party("330"), None, Some(&receiver));
    serve(&mut world);
    let (wire, taker) = (world.wire("373", "330"), Taker::start(world.party("373")));
    stands(&world, &wire, 1, newcomer("Ines"));
    stands(&world, &wire, 2, newcomer("Vera"));
    // The school admits one while the server is down; the other changes from another name.
    world.party_mut("330").kill();
    arrive(world.party("330"), "ines", "Ines", "");
    arrive(world.party("330"), "vera", "Olga", "");
    world.party_mut("330").start();
    let (party, wire) = (world.party("330"), world.wire("373", "330"));
    let list = wait_for_matches(party, 1);
    assert_eq!((&list[0]["query"], &list[0]["children"][0]["reference"]), (&json!(id(1)), &json!("ines")));
    arrive(party, "vera", "Vera", "");
    wait_for_matches(party, 2);
    until("both are told", || words(&receiver, "standing-match").len() >= 2, || party.log());
    let word = words(&receiver, "standing-match").remove(0);
    assert_eq!((&word["to"], &word["about"]["peer"]["code"]), (&json!("officer"), &json!("373")));
    assert_eq!(said(&taker), [], "nothing is sent until an officer decides");
    let refused = party.refuse(&["office", "answer", "not-known", "--query", &id(1), "--officer", "o-9"]);
    assert!(refused.contains("may not follow"), "{refused}");
    let view = decide(party, "release", 1, &[]);
    assert_eq!((&view["outcome"], &view["standingUntil"]), (&json!("known"), &Value::Null));
    assert_eq!(wait_for_answers(&world, &taker, 1), [(1, O::Known)]);
    assert_eq!(show(party, 1)["body"], Value::Null, "what stood is erased");
    decide(party, "silent", 2, &[]);
    assert_eq!(wait_for_matches(party, 0), json!([]));
    // A change of another child, and one of this child in nothing that agrees, bring nothing back.
    arrive(party, "else", "Xenia", "");
    let row = format!("vera,Vera,{},{},F,S1 2HH", family("Vera"), born("Vera"));
    import(
        party,
        &format!("reference,given_name,family_name,date_of_birth,sex,postcode\n{row}\n"),
        "--merge",
    );
    stands(&world, &wire, 3, newcomer("Yara"));
    arrive(party, "yara", "Yara", "");
    let list = wait_for_matches(party, 1);
    assert_eq!(list[0]["query"], id(3), "by then all before it was compared");
    assert_eq!(said(&taker).len(), 1, "who is kept silent about is not told of");
    assert_eq!(withdraw(&wire, &id(3)).status, 200);
    assert_eq!(wait_for_matches(party, 0), json!([]), "and nothing waits for a query that was withdrawn");
}

#[test]
fn a_match_with_a_shielded_child_goes_to_the_officer_for_restricted_children_alone() {
    let role = "[queries.restricted_officer]\nname = \"safeguarding lead\"\nids = [\"o-safe\"]";
    let (mut world, receiver) = (world(&["373", "330"], role), Receiver::start(None));
    configure(world.party("330"), None, Some(&receiver));
    serve(&mut world);
    let (wire, taker) = (world.wire("373", "330"), Taker::start(world.party("373")));
    stands(&world, &wire, 1, newcomer("Ines"));
    let party = world.party("330");
    arrive(party, "ines", "Ines", "yes");
    let told = || words(&receiver, "shielded-standing-match");
    until("the officer is told", || !told().is_empty(), || party.log());
    assert_eq!(
        (&told()[0]["to"], &told()[0]["about"]["query"]),
        (&json!("restricted-officer"), &json!(id(1)))
    );
    assert_eq!(party.office(&["answer", "list"], None)["standing"], json!([]));
    let restricted = party.office(&["answer", "list", "--restricted", "--officer", "o-safe"], None);
    assert_eq!(restricted["restricted"][0]["children"][0]["state"], "waiting", "{restricted}");
    for officer in [&["--officer", "o-9"][..], &["--officer", "o-safe", "--restricted"]] {
        let id = id(1);
        let release = [&["office", "answer", "release", "--query", &id], officer].concat();
        assert!(party.refuse(&release).contains("no match that can be told"), "{officer:?}");
    }
    // When the shield is taken away, it is any officer's to judge.
    arrive(party, "ines", "Ines", "no");
    wait_for_matches(party, 1);
    decide(party, "release", 1, &[]);
    assert_eq!(wait_for_answers(&world, &taker, 1), [(1, O::Known)]);
}

#[test]
fn a_renewal_ends_what_it_follows_and_is_no_way_round_the_officer() {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    let (wire, party) = (world.wire("373", "330"), world.party("330"));
    stands(&world, &wire, 1, newcomer("Ines"));
    arrive(party, "ines", "Ines", "");
    wait_for_matches(party, 1);
    let renewal = |number: u64, renews: u64| {
        query_by(&world, "373", number, newcomer("Ines"), |header: &mut QueryHeader, _| {
            header.standing_until = Some(header.created_at.whole_second().plus_seconds(864_000));
            header.renews = Some(example::query_id(renews));
        })
    };
    let followed = renewal(2, 1);
    assert_eq!(
        outcome(&put(&wire, &followed)).0,
        "not-known",
        "the machine doesn't tell what an officer has not"
    );
    let list = wait_for_matches(party, 1);
    assert_eq!(list[0]["query"], id(2), "what waited waits under the new one");
    let ended = show(party, 1);
    assert_eq!((&ended["standingUntil"], &ended["body"]), (&Value::Null, &Value::Null));
    decide(party, "silent", 2, &[]);
    assert_eq!(outcome(&put(&wire, &renewal(3, 2))).0, "not-known");
    assert_eq!(wait_for_matches(party, 0), json!([]), "a decision holds for the renewal too");
    assert_eq!(outcome(&put(&wire, &renewal(4, 99))).0, "known", "what follows nothing is a first query");
    // What did not stand yet is a person's to answer, whatever follows it.
    let possible = standing(&world, 5, family_only(), 10);
    assert_eq!(outcome(&put(&wire, &possible)).0, "possible");
    assert_eq!(outcome(&put(&wire, &renewal(6, 5))).0, "not-known");
    assert_eq!(decide(party, "known", 5, &[])["outcome"], "known");
}

#[test]
fn after_a_restore_the_whole_register_is_compared_again() {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    stands(&world, &world.wire("373", "330"), 1, newcomer("Ines"));
    assert_eq!(world.party_mut("330").stop(), Some(0));
    let party = world.party("330");
    arrive(party, "ines", "Ines", "");
    // The database as a restore may leave it: compared up to a change that it was not compared with.
    let database = rusqlite::Connection::open(party.home.join("cme.sqlite")).unwrap();
    let sql =
        "UPDATE query_follow SET sequence = (SELECT last_change FROM register_state WHERE hosted = '330')";
    assert_eq!(database.execute(sql, []).unwrap(), 1);
    drop(database);
    world.party_mut("330").start();
    wait_for_register(world.party("330"));
    assert_eq!(world.party("330").office(&["answer", "list"], None)["standing"], json!([]));
    assert_eq!(world.party_mut("330").stop(), Some(0));
    std::fs::write(world.party("330").home.join("incarnation"), "2\n").unwrap();
    world.party_mut("330").start();
    wait_for_matches(world.party("330"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_answers_nothing_and_erases_what_may_be_kept_no_longer() {
    let asked = tokio::task::spawn_blocking(|| {
        let mut world = world(&["373", "330"], "");
        serve(&mut world);
        let wire = world.wire("373", "330");
        assert_eq!(outcome(&put(&wire, &query(&world, 1, family_only()))).0, "possible");
        assert_eq!(outcome(&put(&wire, &query(&world, 2, crate::asked::amina()))).0, "known");
        stands(&world, &wire, 3, newcomer("Ines"));
        assert_eq!(world.party_mut("330").stop(), Some(0));
        drop(wire);
        world
    });
    let world = asked.await.unwrap();
    let kept = |days: i64| {
        let config = Config::load(&world.party("330").config()).unwrap();
        let later = Clock::from_fn(move || crate::wire::now().plus_seconds(days * 86_400));
        async move {
            let node = Node::open(config, later).await.unwrap();
            tidy(&node).await.unwrap();
            let list = office::list_queries(&node, example::code("330")).await.unwrap();
            let overdue: Vec<bool> = list.unanswered.iter().map(|view| view.overdue).collect();
            let mut kept = Vec::new();
            for number in 1..=3 {
                let asker = Asker {
                    by: example::code("330"),
                    query: example::query_id(number),
                    from: None,
                    officer: "o-9".parse().unwrap(),
                    restricted: false,
                };
                if number == 3 && days > 10 {
                    let said = office::say(&node, asker.clone(), office::Say::Known(None)).await;
                    assert!(said.unwrap_err().to_string().contains("stands no longer"));
                }
                let details = office::show_query(&node, asker).await.unwrap();
                assert_eq!(details.answers.len(), 1, "no answer follows because time has passed");
                kept.push(!details.body.is_null());
            }
            (overdue, kept)
        }
    };
    assert_eq!(kept(1).await, (vec![false], vec![true, true, true]));
    assert_eq!(kept(12).await, (vec![true], vec![true, true, false]), "what stood for ten days is erased");
    assert_eq!(
        kept(31).await,
        (vec![true], vec![true, false, false]),
        "a person has still to look at the first"
    );
}

#[test]
fn a_body_that_was_erased_is_not_to_be_read_in_the_database_either() {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    let wire = world.wire("373", "330");
    let mark = |_: &mut QueryHeader, body: &mut Value| body["officer"]["role"] = json!("Canary post");
    // Several, as what is written next may happen to lie over what was erased.
    for number in 1..=8 {
        let asked = query_by(&world, "373", number, crate::asked::amina(), mark);
        assert_eq!(outcome(&put(&wire, &asked)).0, "known");
    }
    // The log is copied into the database by the one that closes it last.
    let stopped = |world: &mut World| {
        assert_eq!(world.party_mut("330").stop(), Some(0));
        let home = world.party("330").home.clone();
        let read = |name: &str| std::fs::read(home.join(name)).unwrap_or_default();
        let bytes = [read("cme.sqlite"), read("cme.sqlite-wal")].concat();
        bytes.windows(11).any(|part| part == b"Canary post")
    };
    assert!(stopped(&mut world), "it is kept for the officer whom the other rings");
    serve(&mut world);
    for number in 1..=8 {
        assert_eq!(withdraw(&world.wire("373", "330"), &id(number)).status, 200);
    }
    assert!(!stopped(&mut world), "what was erased is still in the file");
}

#[test]
fn nothing_of_a_query_is_kept_once_it_was_answered_not_known() {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    let (wire, party) = (world.wire("373", "330"), world.party("330"));
    let letters = ('A'..='Z').map(|letter| format!("{letter}373000011001"));
    let upn = letters.into_iter().find(|upn| upn.parse::<cme_spec::ids::Upn>().is_ok()).unwrap();
    let subject = json!({
        "familyName": "Canaryfamily", "givenName": "Canarygiven", "middleNames": "Canarymiddle",
        "formerFamilyNames": ["Canaryformer"], "alsoKnownAs": ["Canaryalias"], "dateOfBirth": "2011-01-23",
        "sex": "F", "upns": [upn], "lastPostcode": "ZE2 9XX",
    });
    let canaries = [
        "Canaryfamily",
        "Canarygiven",
        "Canarymiddle",
        "Canaryformer",
        "Canaryalias",
        "2011-01-23",
        "373000011001",
        "ZE2 9XX",
        "ZE29XX",
        "Canary post",
    ];
    let mark = |_: &mut QueryHeader, body: &mut Value| body["officer"]["role"] = json!("Canary post");
    let asked = query_by(&world, "373", 1, subject.clone(), mark);
    let first = put(&wire, &asked);
    assert_eq!(outcome(&first).0, "not-known");
    assert_eq!(put(&wire, &asked).body, first.body, "and it is still answered as before");
    let mut shielded = crate::asked::zofia();
    shielded["alsoKnownAs"] = json!(["Canaryalias"]);
    assert_eq!(outcome(&put(&wire, &query_by(&world, "373", 2, shielded, mark))).0, "not-known");
    let mut spoilt = subject;
    spoilt["school"] = json!("Canarygiven School");
    let refusal = put(&wire, &query_by(&world, "373", 3, spoilt, mark));
    assert_eq!(refusal.problem(), "body-invalid");
    let mut places = vec![
        ("problem".to_owned(), refusal.body.into_bytes()),
        ("metrics".to_owned(), party.get("/metrics").unwrap().into_bytes()),
        ("ready".to_owned(), party.get("/health/ready").unwrap().into_bytes()),
    ];
    let files = |party: &Party| {
        let files = std::fs::read_dir(&party.home).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: std::path::PathBuf| (path.display().to_string(), std::fs::read(&path).unwrap());
        files.filter(|path| path.is_file()).map(read).collect::<Vec<_>>()
    };
    let running = files(party);
    assert!(
        running.iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()),
        "the log is there"
    );
    places.extend(running);
    world.party_mut("330").kill();
    places.extend(files(world.party("330")));
    let contains = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    for (place, bytes) in &places {
        for canary in canaries {
            assert!(!contains(bytes, canary), "{canary} is in {place}");
        }
    }
    let known = asked.header_digest().to_string();
    let database = |(name, bytes): &(String, Vec<u8>)| name.contains("cme.sqlite") && contains(bytes, &known);
    assert!(places.iter().any(database), "what is looked for would be found there");
}
