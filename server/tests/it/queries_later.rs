//! What is answered later: brought to who asked, judged, seen by an officer, and found again after a restore.

use std::sync::{Arc, Mutex};

use cme_spec::canonical::Json;
use cme_spec::codes::AnswerOutcome;
use cme_spec::envelope::Envelope;
use cme_spec::example;
use cme_spec::problem::ProblemType;
use cme_spec::query::{Answer, Query};
use serde_json::{Value, json};

use crate::answering;
use crate::asking::{Peer, ask, id, query, show, wait_for, world};
use crate::support::World;
use crate::wire::now;

/// Sheffield has asked Birmingham, which said that a person looks.
struct Looked {
    world: World,
    asked: String,
    query: Query,
    zero: Answer,
    _peer: Peer,
}

impl Looked {
    fn new() -> Self {
        let mut world = world(&["373", "330", "383"]);
        world.party_mut("373").start();
        let key = world.party("330").signing_key();
        let zero: Arc<Mutex<Option<Answer>>> = Arc::default();
        let given = Arc::clone(&zero);
        let peer = Peer::start(world.party("330"), move |request| {
            let said = answering::answer(&request.query(), 0, AnswerOutcome::Possible, now());
            *given.lock().unwrap() = Some(said.clone());
            answering::answers(&[said], &key)
        });
        let asked = id(&ask(world.party("373"), "330", &[])).to_owned();
        wait_for(world.party("373"), &asked, |shown| shown["tally"]["possible"] == 1);
        let (query, zero) = (peer.came("PUT")[0].query(), zero.lock().unwrap().clone().unwrap());
        Self { world, asked, query, zero, _peer: peer }
    }

    /// What a person in Birmingham says.
    fn later(&self, number: u64, outcome: AnswerOutcome) -> Answer {
        answering::answer(&self.query, number, outcome, now().plus_seconds(1))
    }

    fn path(&self, number: u64) -> String {
        format!("/v1/queries/{}/answers/{number}", self.query.header().query)
    }

    /// An answer with the signature of whoever has that key.
    fn signed(&self, answer: &Answer, by: &str) -> Json {
        Envelope::sign(answer.clone(), &self.world.party(by).signing_key()).to_json()
    }

    fn put_to(&self, caller: &str, path: &str, said: &Json) -> crate::wire::Answer {
        let wire = self.world.wire(caller, "373");
        let request = wire.request("PUT", path).header("content-type", "application/json");
        wire.send(request.body(said.canonical_bytes())).unwrap()
    }

    fn put(&self, answer: &Answer) -> crate::wire::Answer {
        let path = format!("/v1/queries/{}/answers/{}", answer.query, answer.number);
        self.put_to("330", &path, &self.signed(answer, "330"))
    }
}

#[test]
fn a_later_answer_is_refused_for_what_breaks_a_rule() {
    type Change = fn(&mut Answer);
    let looked = Looked::new();
    let problem = |change: &dyn Fn(&mut Answer)| {
        let mut answer = looked.later(1, AnswerOutcome::Known);
        change(&mut answer);
        looked.put(&answer).problem()
    };
    let not_allowed: [(&str, Change); 5] = [
        ("another query", |answer| answer.query_digest = cme_spec::digest::Digest::of(b"x")),
        ("nothing agreed", |answer| answer.matched_on.clear()),
        ("not asked", |answer| answer.matched_on = vec![cme_spec::codes::MatchedField::NhsNumber]),
        ("dated before", |answer| answer.answered_at = answer.answered_at.plus_seconds(-3_600)),
        ("a person has looked", |answer| answer.outcome = AnswerOutcome::Possible),
    ];
    for (why, change) in not_allowed {
        assert_eq!(problem(&change), "answer-not-allowed", "{why}");
    }
    assert_eq!(problem(&|answer| answer.number = 2), "answer-gap");
    assert_eq!(problem(&|answer| answer.number = 0), "id-reused");
    assert_eq!(problem(&|answer| answer.query = example::query_id(9)), "query-unknown");
    assert_eq!(problem(&|answer| answer.by = example::code("373")), "not-a-party");
    let list = query(looked.world.party("373"), &["list"], None);
    assert_eq!(list["queries"][0]["unseen"], 0, "nothing of it was kept: {list}");
    assert_eq!(list["queries"][0]["tally"]["possible"], 1);
}

#[test]
fn a_later_answer_counts_under_the_key_of_who_was_asked_alone() {
    let looked = Looked::new();
    let good = looked.later(1, AnswerOutcome::Known);
    let (path, signed) = (looked.path(1), looked.signed(&good, "330"));
    assert_eq!(looked.put_to("330", &looked.path(2), &signed).problem(), "path-mismatch");
    assert_eq!(looked.put_to("330", &path, &Json::object([])).problem(), "malformed");
    assert_eq!(looked.put_to("330", &path, &looked.signed(&good, "383")).problem(), "key-unknown");
    assert_eq!(looked.put_to("383", &path, &signed).problem(), "not-a-party");
    let altered = |change: fn(&mut Value)| {
        let mut altered = signed.clone().into_value();
        change(&mut altered);
        looked.put_to("330", &path, &Json::from_typed(&altered).unwrap()).problem()
    };
    assert_eq!(altered(|said| said["answer"]["directoryIssue"] = json!(7)), "signature-invalid");
    assert_eq!(altered(|said| said["signature"] = json!("a.b.c")), "signature-invalid");
    assert_eq!(altered(|said| said["answer"]["number"] = json!("1")), "malformed");
    // Leeds was not asked: it is told the same of this query as of one that nobody put.
    let of_leeds = |query| Answer { query, by: example::code("383"), ..good.clone() };
    let put = of_leeds(looked.query.header().query);
    let told = looked.put_to("383", &path, &looked.signed(&put, "383"));
    assert_eq!(told.problem(), "query-unknown");
    let nowhere = format!("/v1/queries/{}/answers/1", example::query_id(9));
    let unknown = looked.signed(&of_leeds(example::query_id(9)), "383");
    assert_eq!(looked.put_to("383", &nowhere, &unknown).body, told.body, "the same bytes");
}

#[test]
fn a_later_answer_is_stored_once_in_its_place_and_an_officer_sees_it() {
    let looked = Looked::new();
    let sheffield = looked.world.party("373");
    show(sheffield, &looked.asked);
    let good = looked.later(1, AnswerOutcome::Known);
    let first = looked.put(&good);
    assert_eq!(first.status, 201, "{first:?}");
    let receipt = first.json();
    assert_eq!(receipt["stored"]["kind"], "answer");
    assert_eq!((&receipt["stored"]["by"], &receipt["stored"]["id"]), (&json!("373"), &json!(good.query)));
    let repeated = looked.put(&good);
    assert_eq!((repeated.status, &repeated.body), (200, &first.body), "the receipt given before");
    let zero = looked.put(&looked.zero);
    assert_eq!(zero.status, 200, "the first answer may be put as well");
    assert_eq!(looked.put(&looked.zero).body, zero.body);
    let list = query(sheffield, &["list"], None);
    assert_eq!(
        (&list["queries"][0]["unseen"], &list["queries"][0]["tally"]["known"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(show(sheffield, &looked.asked)["authorities"][0]["answers"], 2);
    assert_eq!(query(sheffield, &["list"], None)["queries"][0]["unseen"], 0, "an officer has looked");
    assert_eq!(looked.put(&looked.later(2, AnswerOutcome::NotKnown)).status, 201, "an officer puts it right");
    assert_eq!(looked.put(&looked.later(3, AnswerOutcome::Known)).problem(), "answer-not-allowed");
}

#[test]
fn answers_that_a_backup_lacks_come_back_after_the_restore() {
    let mut world = world(&["373", "330"]);
    world.party_mut("373").start();
    let key = world.party("330").signing_key();
    let given: Mutex<Vec<Answer>> = Mutex::default();
    // A person has looked by the time that the same query comes a second time.
    let peer = Peer::start(world.party("330"), move |request| {
        // After a restore it is also asked for its copies of ledgers.
        if request.method != "PUT" {
            return answering::refusal(ProblemType::Unavailable);
        }
        let mut given = given.lock().unwrap();
        let outcome = if given.is_empty() { AnswerOutcome::Possible } else { AnswerOutcome::Known };
        let number = given.len() as u64;
        given.push(answering::answer(&request.query(), number, outcome, now()));
        answering::answers(&given, &key)
    });
    let asked = ask(world.party("373"), "330", &[]);
    wait_for(world.party("373"), id(&asked), |shown| shown["tally"]["possible"] == 1);
    let sheffield = world.party_mut("373");
    sheffield.stop();
    sheffield.start();
    sheffield.stop();
    assert_eq!(peer.came("PUT").len(), 1, "a start alone asks nobody again");
    sheffield.back_up();
    sheffield.put_back();
    sheffield.set_incarnation(2);
    sheffield.start();
    let shown = wait_for(world.party("373"), id(&asked), |shown| shown["tally"]["known"] == 1);
    assert_eq!(shown["authorities"][0]["answers"], 2);
    let puts = peer.came("PUT");
    assert_eq!((puts.len(), &puts[0].body), (2, &puts[1].body), "the same bytes");
}
