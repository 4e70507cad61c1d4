//! Queries of Sheffield's, and a register of Birmingham's that answers them.

use std::fmt::Write as _;

use cme_spec::canonical::Json;
use cme_spec::example;
use cme_spec::instant::Instant;
use cme_spec::query::{Query, QueryHeader};
use serde_json::{Value, json};

use crate::support::{Party, World, until};
use crate::wire::{Answer, Wire, now};

/// Children enough that a name can be rare, and those whom the tests ask for. Zofia is shielded.
pub(crate) fn register() -> String {
    let mut rows = "reference,given_name,family_name,date_of_birth,sex,upn,shielded\n\
                    amina,Amina,Testcase,2016-04-09,F,B373000020001,\n\
                    zofia,Zofia,Hidden,2015-05-05,F,,yes\n\
                    omar,Omar,Example,2014-06-07,M,,\n"
        .to_owned();
    for child in 0..400 {
        let (day, month) = (child % 28 + 1, child % 12 + 1);
        writeln!(rows, "{child},Given{child},Family{child},2013-{month:02}-{day:02},F,,").unwrap();
    }
    rows
}

/// Birmingham with that register, and others, with this section of the configuration.
pub(crate) fn world(codes: &[&str], section: &str) -> World {
    let world = World::new(codes);
    let party = world.party("330");
    add_section(party, section);
    import(party, &register(), "--replace");
    world
}

pub(crate) fn add_section(party: &Party, section: &str) {
    let text = std::fs::read_to_string(party.config()).unwrap();
    std::fs::write(party.config(), format!("{text}\n{section}\n")).unwrap();
}

pub(crate) fn import(party: &Party, rows: &str, mode: &str) {
    let file = party.home.join("children.csv");
    std::fs::write(&file, rows).unwrap();
    party.succeed(&["register", "import", &file.display().to_string(), "--source", "schools", mode]);
}

/// The authority has looked into its schools, and no child of those tests is there.
pub(crate) fn fill(party: &Party) {
    import(party, "reference,given_name,family_name,date_of_birth,sex\n", "--replace");
}

/// Birmingham serves, and its register is ready.
pub(crate) fn serve(world: &mut World) {
    world.party_mut("330").start();
    wait_for_register(world.party("330"));
}

pub(crate) fn wait_for_register(party: &Party) {
    let ready = || party.get("/metrics").is_some_and(|metrics| metrics.contains("cme_register_children{"));
    until("the register is ready", ready, || party.log());
}

/// A subject as a query has it.
pub(crate) fn subject(given: &str, family: &str, born: &str, sex: &str) -> Value {
    json!({ "givenName": given, "familyName": family, "dateOfBirth": born, "sex": sex })
}

pub(crate) fn amina() -> Value {
    subject("Amina", "Testcase", "2016-04-09", "F")
}

pub(crate) fn zofia() -> Value {
    subject("Zofia", "Hidden", "2015-05-05", "F")
}

/// Nobody of the register, in as many letters as Zofia.
pub(crate) fn nadia() -> Value {
    subject("Nadia", "Absent", "2015-05-06", "F")
}

/// A query by an authority to Birmingham, signed with its key.
pub(crate) fn query_by(
    world: &World,
    author: &str,
    number: u64,
    subject: Value,
    change: impl FnOnce(&mut QueryHeader, &mut Value),
) -> Query {
    let mut header =
        QueryHeader { created_at: now(), author: example::code(author), ..example::query_header(number) };
    let mut body = example::query_body().into_value();
    body["subject"] = subject;
    change(&mut header, &mut body);
    let body = Json::from_typed(&body).unwrap();
    Query::sign(header, body, &world.party(author).signing_key())
}

/// The same of Sheffield's.
pub(crate) fn query(world: &World, number: u64, subject: Value) -> Query {
    query_by(world, "373", number, subject, |_, _| {})
}

/// A query of Sheffield's that stands for so many days.
pub(crate) fn standing(world: &World, number: u64, subject: Value, days: i64) -> Query {
    query_by(world, "373", number, subject, |header, _| {
        header.standing_until = Some(whole(header.created_at).plus_seconds(days * 86_400 - 1));
    })
}

fn whole(at: Instant) -> Instant {
    at.whole_second()
}

pub(crate) fn put(wire: &Wire, query: &Query) -> Answer {
    put_json(wire, &query.header().query.to_string(), &query.to_json())
}

pub(crate) fn put_json(wire: &Wire, id: &str, json: &Json) -> Answer {
    let request =
        wire.request("PUT", &format!("/v1/queries/{id}")).header("content-type", "application/json");
    wire.send(request.body(json.canonical_bytes())).unwrap()
}

pub(crate) fn withdraw(wire: &Wire, id: &str) -> Answer {
    wire.send(wire.request("DELETE", &format!("/v1/queries/{id}"))).unwrap()
}

/// The answers of a success.
pub(crate) fn answers(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answers = answer.json()["answers"].as_array().unwrap().clone();
    answers.into_iter().map(|signed| signed["answer"].clone()).collect()
}

/// The outcome of the last answer, and what matched.
pub(crate) fn outcome(answer: &Answer) -> (String, Value) {
    let last = answers(answer).pop().unwrap();
    (last["outcome"].as_str().unwrap().to_owned(), last["matchedOn"].clone())
}
