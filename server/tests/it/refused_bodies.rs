//! Bytes that are no entry: each gets its typed problem, and nothing is stored.

use cme_spec::entry::{Entry, EntryType};
use cme_spec::example;
use serde_json::{Value, json};

use crate::support::World;
use crate::wire::{Wire, offer};

fn world() -> World {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("330").start();
    world
}

fn nothing_is_held(world: &World) {
    let list = world.party("330").office(&["list"], None);
    assert_eq!(list["transfers"], json!([]), "something was stored");
    assert!(!world.party("330").log().contains("panicked"), "{}", world.party("330").log());
}

/// Puts the offer after a change to its JSON.
fn altered(wire: &Wire, entry: &Entry, change: impl FnOnce(&mut Value)) -> crate::wire::Answer {
    let mut json = entry.to_json().into_value();
    change(&mut json);
    let header = entry.header();
    wire.put_bytes(&header.transfer.to_string(), &header.sequence.to_string(), json.to_string())
}

#[test]
fn bytes_that_are_not_strict_json_are_malformed() {
    let world = world();
    let wire = world.wire("373", "330");
    let transfer = example::transfer(1).to_string();
    let cases: [&[u8]; 10] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{\"a\":1,\"a\":1}",
        b"{\"a\":1.5}",
        b"{\"a\":9007199254740992}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
    ];
    for bytes in cases {
        let answer = wire.put_bytes(&transfer, "0", bytes);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "malformed"),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    let answer = wire.put_bytes(&transfer, "0", b"{}".to_vec());
    assert_eq!((answer.problem().as_str(), &answer.json()["pointer"]), ("malformed", &json!("/header")));
    nothing_is_held(&world);
}

#[test]
fn bodies_beyond_a_limit_are_told_which() {
    let world = world();
    let wire = world.wire("373", "330");
    let transfer = example::transfer(1).to_string();
    let large = wire.put_bytes(&transfer, "0", vec![b' '; 262_145]);
    assert_eq!((large.status, large.problem().as_str()), (413, "too-large"));
    assert_eq!(large.json()["limit"], 262_144);
    let huge = wire.request("PUT", &format!("/v1/transfers/{transfer}/entries/0"));
    let huge = huge.header("content-type", "application/json").body(vec![b' '; 6 << 20]);
    if let Ok(answer) = wire.send(huge) {
        assert_eq!(answer.problem(), "too-large");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(20_000));
    let many = format!("{{\"a\":[{}0]}}", "0,".repeat(300));
    for body in [deep, long, many] {
        let answer = wire.put_bytes(&transfer, "0", body);
        assert_eq!((answer.status, answer.problem().as_str()), (400, "limit-exceeded"));
    }
    nothing_is_held(&world);
}

#[test]
fn an_entry_that_lacks_something_is_told_what() {
    let world = world();
    let wire = world.wire("373", "330");
    let entry = offer(&world, "373", "330", 1, |_| {});
    let set = |pointer: &'static str, value: Value| {
        move |json: &mut Value| *json.pointer_mut(pointer).unwrap() = value
    };
    let remove =
        |name: &'static str| move |json: &mut Value| drop(json.as_object_mut().unwrap().remove(name));
    let problem = |answer: crate::wire::Answer| answer.problem();
    assert_eq!(problem(altered(&wire, &entry, set("/header/type", json!("adopt")))), "type-unknown");
    assert_eq!(
        problem(altered(&wire, &entry, set("/header/protocol", json!("2.0")))),
        "protocol-unsupported"
    );
    assert_eq!(problem(altered(&wire, &entry, set("/header/id", json!("not-a-uuid")))), "malformed");
    assert_eq!(
        problem(altered(&wire, &entry, set("/header/createdAt", json!("2026-11-24T09:00:00+00:00")))),
        "malformed"
    );
    assert_eq!(problem(altered(&wire, &entry, set("/header/recipient", json!("373")))), "malformed");
    assert_eq!(problem(altered(&wire, &entry, remove("body"))), "body-missing");
    assert_eq!(problem(altered(&wire, &entry, set("/body", json!(null)))), "body-missing");
    assert_eq!(problem(altered(&wire, &entry, remove("signature"))), "malformed");
    assert_eq!(problem(altered(&wire, &entry, set("/signature", json!("a..b")))), "signature-invalid");
    assert_eq!(
        problem(altered(&wire, &entry, set("/body/child/familyName", json!("Other")))),
        "body-digest-mismatch"
    );
    assert_eq!(
        problem(altered(&wire, &entry, set("/header/clockClass", json!("standard")))),
        "signature-invalid"
    );
    nothing_is_held(&world);
}

#[test]
fn a_body_of_the_wrong_form_is_pointed_at_and_never_quoted() {
    let world = world();
    let wire = world.wire("373", "330");
    let key = world.party("373").signing_key();
    for (pointer, value) in [
        ("/child/upn", json!("A0000000000000-secret")),
        ("/child/dateOfBirth", json!("secret-date")),
        ("/child/nhsNumber", json!("1111111111")),
        ("/circumstances/reason", json!("secret-reason")),
        ("/contacts/officer/name", json!(7)),
    ] {
        let mut body = example::body(EntryType::Offer).into_value();
        *body.pointer_mut(pointer).unwrap() = value;
        let header = offer(&world, "373", "330", 1, |_| {}).header().clone();
        let entry = Entry::sign(header, cme_spec::canonical::Json::from_typed(&body).unwrap(), &key);
        let answer = wire.put(&entry);
        assert_eq!((answer.status, answer.problem().as_str()), (422, "body-invalid"));
        assert_eq!(answer.json()["pointer"], pointer);
        assert!(!answer.body.contains("secret") && !answer.body.contains("1111111111"), "{}", answer.body);
    }
    nothing_is_held(&world);
}

#[test]
fn the_request_itself_must_fit() {
    let world = world();
    let wire = world.wire("373", "330");
    let entry = offer(&world, "373", "330", 1, |_| {});
    let (transfer, bytes) = (entry.header().transfer.to_string(), entry.to_json().canonical_bytes());
    let path = format!("/v1/transfers/{transfer}/entries/0");
    let text = wire.request("PUT", &path).header("content-type", "text/plain").body(bytes.clone());
    assert_eq!(wire.send(text).unwrap().problem(), "media-type");
    assert_eq!(wire.send(wire.request("PUT", &path).body(bytes.clone())).unwrap().problem(), "media-type");
    let charset = wire.request("PUT", &path).header("content-type", "application/json; charset=utf-8");
    for sequence in ["1", "00", "-1", "18446744073709551616", "x"] {
        let answer = wire.put_bytes(&transfer, sequence, bytes.clone());
        assert_eq!(answer.problem(), "path-mismatch", "{sequence}");
    }
    let other = example::transfer(2).to_string();
    assert_eq!(wire.put_bytes(&other, "0", bytes.clone()).problem(), "path-mismatch");
    assert_eq!(wire.put_bytes(&transfer.to_uppercase(), "0", bytes.clone()).problem(), "path-mismatch");
    nothing_is_held(&world);
    assert_eq!(wire.send(charset.body(bytes)).unwrap().status, 201);
}
