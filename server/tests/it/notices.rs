//! Notices between two authorities: told, received, read by a person, and refused.

use std::time::{Duration, Instant};

use cme_spec::canonical::Json;
use cme_spec::codes::{NoticeDisposition, NoticeKind};
use cme_spec::envelope::Envelope;
use cme_spec::example;
use cme_spec::notice::{Acknowledgement, Notice, NoticeHeader};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Party, World};
use crate::wire::{Answer, Wire, now};

/// The example body of that kind after a change, as an officer writes it.
fn input(kind: NoticeKind, change: impl Fn(&mut Value)) -> String {
    let mut body = example::notice_body_of(kind).into_value();
    body.as_object_mut().unwrap().remove("salt");
    change(&mut body);
    body.to_string()
}

fn tell(party: &Party, to: &str, kind: NoticeKind) -> String {
    let arguments = ["notice", "tell", "--to", to, "--kind", kind.code()];
    let told = party.office(&arguments, Some(&input(kind, |_| {})));
    told["notice"].as_str().unwrap().to_owned()
}

/// Waits until this authority's view of a notice is as it should be.
fn wait_for(party: &Party, notice: &str, done: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let list = party.office(&["notice", "list"], None);
        let view = list["notices"].as_array().unwrap().iter().find(|view| view["notice"] == notice).cloned();
        if let Some(view) = view.filter(&done) {
            return view;
        }
        assert!(begun.elapsed() < PATIENCE, "{}: {list} {}", party.code, party.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn refused(party: &Party, arguments: &[&str], input: Option<&str>) -> String {
    let output = party.run(arguments, input);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_notice_reaches_a_server_that_was_away_and_a_person_s_word_comes_back() {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("373").start();
    let notice = tell(world.party("373"), "330", NoticeKind::RemovedFromRoll);
    let waiting = wait_for(world.party("373"), &notice, |view| view["toSend"]["attempts"] != 0);
    assert_eq!((&waiting["direction"], &waiting["receivedAt"]), (&json!("told"), &Value::Null));
    world.party_mut("330").start();
    let told = wait_for(world.party("373"), &notice, |view| view["receivedAt"].is_string());
    assert_eq!((&told["toSend"], &told["overdue"]), (&Value::Null, &json!(false)));
    assert!(told["dueOn"].is_string(), "{told}");
    let received = wait_for(world.party("330"), &notice, |_| true);
    assert_eq!(received["direction"], "received");
    assert_eq!((&received["receivedAt"], &received["dueOn"]), (&told["receivedAt"], &told["dueOn"]));
    let shown = world.party("330").office(&["notice", "show", "--id", &notice], None);
    assert_eq!(shown["body"]["child"]["familyName"], "Testcase");
    // A person's word goes back, also past a restart of the author's server.
    world.party_mut("373").kill();
    let arguments = ["notice", "acknowledge", "--id", &notice, "--disposition", "case-opened"];
    world.party("330").office(&arguments, None);
    let again = ["office", "notice", "acknowledge", "--id", &notice];
    assert!(refused(world.party("330"), &again, None).contains("acknowledged already"));
    world.party_mut("373").start();
    let read = wait_for(world.party("373"), &notice, |view| view["acknowledgedAt"].is_string());
    assert_eq!((&read["disposition"], &read["dueOn"]), (&json!("case-opened"), &Value::Null));
    let done = wait_for(world.party("330"), &notice, |view| view["toSend"].is_null());
    assert_eq!(done["acknowledgedAt"], read["acknowledgedAt"]);
    // No responsibility has moved: there is no transfer.
    for code in ["373", "330"] {
        assert_eq!(world.party(code).office(&["list"], None)["transfers"], json!([]));
        for secret in ["Testcase", "Amina", "B373000020001"] {
            assert!(!world.party(code).log().contains(secret), "{code} has {secret} in its log");
        }
    }
}

#[test]
fn an_officer_is_told_what_a_notice_may_not_say() {
    let mut world = World::new(&["373", "330"]);
    let told = |kind: NoticeKind, to: &str, change: &dyn Fn(&mut Value)| {
        let arguments = ["office", "notice", "tell", "--to", to, "--kind", kind.code()];
        refused(world.party("373"), &arguments, Some(&input(kind, change)))
    };
    let restricted = |body: &mut Value| body["locationSensitivity"] = json!("restricted");
    let said = told(NoticeKind::JoinedRoll, "330", &restricted);
    assert!(said.contains("/locationSensitivity") && said.contains("notice example joined-roll"), "{said}");
    let said = told(NoticeKind::Seen, "330", &|body| body["child"]["narrative"] = json!("x"));
    assert!(said.contains("/child"), "{said}");
    assert!(told(NoticeKind::Seen, "373", &|_| {}).contains("itself"));
    assert!(told(NoticeKind::Seen, "999", &|_| {}).contains("not in the directory"));
    world.reissue(|directory| {
        let authorities = directory["authorities"].as_array_mut().unwrap();
        let birmingham = authorities.iter_mut().find(|authority| authority["code"] == "330").unwrap();
        birmingham["profiles"] = json!(["core"]);
    });
    let said = refused(
        world.party("373"),
        &["office", "notice", "tell", "--to", "330", "--kind", "seen"],
        Some(&input(NoticeKind::Seen, |_| {})),
    );
    assert!(said.contains("takes no notices"), "{said}");
    let list = world.party("373").office(&["notice", "list"], None);
    assert_eq!(list["notices"], json!([]), "nothing was kept");
    world.party_mut("373").start();
    let id = example::notice_id(1).to_string();
    for command in ["show", "acknowledge"] {
        let said = refused(world.party("373"), &["office", "notice", command, "--id", &id], None);
        assert!(said.contains("holds no notice"), "{said}");
    }
    let said = refused(world.party("373"), &["office", "notice", "retry", "--id", &id], None);
    assert!(said.contains("nothing about notice"), "{said}");
}

/// A notice of Sheffield's to Birmingham, signed with Sheffield's key.
fn notice(world: &World, number: u64, change: impl Fn(&mut NoticeHeader, &mut Value)) -> Notice {
    let mut header =
        NoticeHeader { notice: example::notice_id(number), created_at: now(), ..example::notice_header() };
    let mut body = example::notice_body().into_value();
    change(&mut header, &mut body);
    let body = Json::from_typed(&body).unwrap();
    Notice::sign(header, body, &world.party("373").signing_key())
}

fn put(wire: &Wire, path: &str, json: &Json) -> Answer {
    let request = wire.request("PUT", path).header("content-type", "application/json");
    wire.send(request.body(json.canonical_bytes())).unwrap()
}

fn put_notice(wire: &Wire, notice: &Notice) -> Answer {
    put(wire, &format!("/v1/notices/{}", notice.header().notice), &notice.to_json())
}

#[test]
fn a_notice_is_stored_once_and_refused_for_what_breaks_a_rule() {
    let mut world = World::new(&["373", "330", "383"]);
    world.party_mut("330").start();
    let wire = world.wire("373", "330");
    let good = notice(&world, 1, |_, _| {});
    let first = put_notice(&wire, &good);
    assert_eq!(first.status, 201, "{first:?}");
    let receipt = first.json();
    assert_eq!((&receipt["stored"]["kind"], &receipt["stored"]["by"]), (&json!("notice"), &json!("330")));
    assert_eq!(receipt["stored"]["digest"], good.header_digest().to_string());
    let again = put_notice(&wire, &good);
    assert_eq!((again.status, &again.body), (200, &first.body), "the receipt given before");
    let problem = |notice: &Notice| put_notice(&wire, notice).problem();
    assert_eq!(problem(&notice(&world, 1, |_, body| body["on"] = json!("2026-11-19"))), "id-reused");
    let restricted = |_: &mut NoticeHeader, body: &mut Value| {
        body["locationSensitivity"] = json!("restricted");
        body["child"]["lastPostcode"] = json!("S1 2HH");
    };
    let told = put_notice(&wire, &notice(&world, 2, restricted));
    assert_eq!(
        (told.problem().as_str(), &told.json()["pointer"]),
        ("body-invalid", &json!("/child/lastPostcode"))
    );
    assert!(!told.body.contains("S1 2HH"));
    assert_eq!(
        problem(&notice(&world, 2, |header, _| header.recipient = example::code("383"))),
        "not-a-party"
    );
    let ahead = notice(&world, 2, |header, _| header.created_at = now().plus_seconds(3_600));
    assert_eq!(problem(&ahead), "created-at-skew");
    let theirs = world.wire("383", "330");
    assert_eq!(put_notice(&theirs, &notice(&world, 2, |_, _| {})).problem(), "not-a-party");
    let sound = notice(&world, 2, |_, _| {});
    let mut altered = sound.to_json().into_value();
    altered["body"]["on"] = json!("2026-11-01");
    let path = format!("/v1/notices/{}", example::notice_id(2));
    let of = |value: &Value| put(&wire, &path, &Json::from_typed(value).unwrap()).problem();
    assert_eq!(of(&altered), "body-digest-mismatch");
    let mut forged = sound.to_json().into_value();
    forged["signature"] = json!(notice(&world, 3, |_, _| {}).signature().as_str());
    assert_eq!(of(&forged), "signature-invalid");
    let mut without = sound.to_json().into_value();
    without["body"] = Value::Null;
    assert_eq!(of(&without), "body-missing");
    assert_eq!(put(&wire, "/v1/notices/nonsense", &sound.to_json()).problem(), "path-mismatch");
    assert_eq!(put_notice(&wire, &sound).status, 201, "nothing of it was kept");
}

#[test]
fn an_acknowledgement_counts_for_a_notice_of_ours_and_says_of_a_restricted_child_only_that_it_was_read() {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("373").start();
    let body = input(NoticeKind::RemovedFromRoll, |body| body["locationSensitivity"] = json!("restricted"));
    let arguments = ["notice", "tell", "--to", "330", "--kind", "removed-from-roll"];
    let told = world.party("373").office(&arguments, Some(&body));
    let id = told["notice"].as_str().unwrap().to_owned();
    // Birmingham takes the notice, so that there is something to acknowledge.
    world.party_mut("330").start();
    wait_for(world.party("330"), &id, |_| true);
    let more = ["office", "notice", "acknowledge", "--id", &id, "--disposition", "case-opened"];
    assert!(refused(world.party("330"), &more, None).contains("as `read` only"));
    world.party_mut("330").kill();
    let digest = digest_of(&world, &id);
    let word_by = |signer: &str, change: &dyn Fn(&mut Acknowledgement)| {
        let mut said = example::acknowledgement().content().clone();
        said.notice = id.parse().unwrap();
        said.notice_digest = digest.parse().unwrap();
        said.disposition = NoticeDisposition::Read;
        said.acknowledged_at = now();
        change(&mut said);
        Envelope::sign(said, &world.party(signer).signing_key()).to_json()
    };
    let word = |change: &dyn Fn(&mut Acknowledgement)| word_by("330", change);
    let wire = world.wire("330", "373");
    let path = format!("/v1/notices/{id}/acknowledgement");
    let problem = |said: &Json| put(&wire, &path, said).problem();
    assert_eq!(problem(&word(&|said| said.disposition = NoticeDisposition::CaseOpened)), "malformed");
    assert_eq!(problem(&word(&|said| said.notice_digest = cme_spec::digest::Digest::of(b"x"))), "malformed");
    assert_eq!(problem(&word(&|said| said.by = example::code("373"))), "not-a-party");
    assert_eq!(problem(&word(&|said| said.notice = example::notice_id(9))), "path-mismatch");
    assert_eq!(problem(&word_by("373", &|_| {})), "key-unknown", "only its own key speaks for an authority");
    let mut other_words = word(&|_| {}).into_value();
    other_words["acknowledgement"]["directoryIssue"] = json!(2);
    let other_words = Json::from_typed(&other_words).unwrap();
    assert_eq!(problem(&other_words), "signature-invalid", "a signature is over these words");
    let other = format!("/v1/notices/{}/acknowledgement", example::notice_id(9));
    let unknown = put(&wire, &other, &word(&|said| said.notice = example::notice_id(9)));
    assert_eq!(unknown.problem(), "notice-unknown");
    let good = word(&|_| {});
    let first = put(&wire, &path, &good);
    assert_eq!(first.status, 201, "{first:?}");
    let again = put(&wire, &path, &good);
    assert_eq!((again.status, &again.body), (200, &first.body));
    let later = word(&|said| said.acknowledged_at = now().plus_seconds(1));
    assert_eq!(problem(&later), "id-reused", "a notice has one acknowledgement");
    let view = wait_for(world.party("373"), &id, |_| true);
    assert_eq!(view["disposition"], "read");
}

/// The digest of the header of a notice, from the receipt that Birmingham gave for it.
fn digest_of(world: &World, id: &str) -> String {
    let shown = world.party("373").office(&["notice", "show", "--id", id], None);
    shown["headerDigest"].as_str().unwrap().to_owned()
}
