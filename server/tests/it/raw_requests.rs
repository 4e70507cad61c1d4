//! What arrives below or beside HTTP as clients speak it: TLS versions, chunks, slow bodies, odd paths.

use std::time::Instant;

use cme_client::tls::{HandshakeSignatures, provider};
use cme_spec::example;
use serde_json::{Value, json};

use crate::raw::{Raw, put_head};
use crate::support::{PATIENCE, World};
use crate::wire::{Trusting, offer};

const CAPABILITIES: &str = "GET /330/v1/capabilities HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn world() -> World {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("330").start();
    world
}

fn problem(body: &str) -> Value {
    serde_json::from_str::<Value>(body).unwrap()["type"].take()
}

fn alive(world: &World) {
    assert_eq!(world.wire("373", "330").get("/v1/capabilities").status, 200);
    assert!(!world.party("330").log().contains("panicked"), "{}", world.party("330").log());
}

#[test]
fn tls_1_2_is_spoken_only_where_the_configuration_says_so() {
    let mut world = World::new(&["373", "330"]);
    let old = |world: &World| {
        let identity = world.party("373").identity();
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(std::sync::Arc::new(Trusting(HandshakeSignatures::new())))
            .with_client_auth_cert(identity.chain().to_vec(), identity.key())
            .unwrap();
        Raw::with(world.party("330"), config)
    };
    world.party_mut("330").start();
    assert!(old(&world).is_err());
    alive(&world);
    world.party_mut("330").stop();
    world.party("330").set("tls12 = false", "tls12 = true");
    world.party_mut("330").start();
    assert_eq!(old(&world).unwrap().status_of(CAPABILITIES), Some(200));
}

#[test]
fn a_body_without_a_told_length_has_the_same_limit() {
    let world = world();
    let entry = offer(&world, "373", "330", 1, |_| {});
    let transfer = entry.header().transfer.to_string();
    let identity = world.party("373").identity();
    let chunked = |bytes: &[u8]| {
        let mut raw = Raw::open(world.party("330"), &identity);
        raw.say(put_head(&transfer, "0", "transfer-encoding: chunked"));
        for chunk in bytes.chunks(40_000) {
            raw.say(format!("{:x}\r\n", chunk.len()));
            raw.say(chunk);
            raw.say("\r\n");
        }
        raw.say("0\r\n\r\n");
        raw.answer()
    };
    let (head, body) = chunked(&vec![b' '; 262_145]);
    assert!(head.starts_with("http/1.1 413"), "{head}");
    assert!(head.contains("cache-control: no-store") && head.contains("application/problem+json"), "{head}");
    assert_eq!(problem(&body), "urn:cme:problem:v1:too-large");
    let (head, body) = chunked(&entry.to_json().canonical_bytes());
    assert!(head.starts_with("http/1.1 201"), "{head} {body}");
    alive(&world);
}

#[test]
fn a_body_just_at_the_limit_is_taken_and_one_byte_more_is_not() {
    let world = world();
    let wire = world.wire("373", "330");
    let entry = offer(&world, "373", "330", 1, |_| {});
    let transfer = entry.header().transfer.to_string();
    let mut bytes = entry.to_json().canonical_bytes();
    bytes.resize(262_145, b' ');
    assert_eq!(wire.put_bytes(&transfer, "0", bytes.clone()).problem(), "too-large");
    bytes.pop();
    assert_eq!(wire.put_bytes(&transfer, "0", bytes).status, 201);
}

#[test]
fn a_body_that_comes_too_slowly_is_asked_for_again_and_not_refused() {
    let world = world();
    let mut raw = Raw::open(world.party("330"), &world.party("373").identity());
    raw.say(put_head(&example::transfer(1).to_string(), "0", "content-length: 100"));
    raw.say("{");
    let begun = Instant::now();
    let (head, body) = raw.answer();
    assert!(begun.elapsed() < PATIENCE);
    // A final problem would make a dead letter of an entry that has nothing wrong about it.
    assert_eq!(problem(&body), "urn:cme:problem:v1:unavailable", "{head}");
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: "), "{head}");
    alive(&world);
}

#[test]
fn a_request_that_can_be_read_in_two_ways_gets_no_entry_in() {
    let world = world();
    let entry = offer(&world, "373", "330", 1, |_| {});
    let transfer = entry.header().transfer.to_string();
    let bytes = entry.to_json().canonical_text();
    let length = bytes.len();
    for fields in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked"),
        format!("content-length: {length}\r\ncontent-length: 5"),
        format!("content-length: +{length}"),
        "content-length: -1".to_owned(),
    ] {
        let mut raw = Raw::open(world.party("330"), &world.party("373").identity());
        let status = raw.status_of(format!("{}{bytes}", put_head(&transfer, "0", &fields)));
        assert!(status.is_none_or(|status| status == 400), "{fields}: {status:?}");
    }
    assert_eq!(world.party("330").office(&["list"], None)["transfers"], json!([]));
    alive(&world);
}

#[test]
fn odd_paths_are_typed_problems_and_reach_no_file_or_ledger() {
    let world = world();
    let mut raw = Raw::open(world.party("330"), &world.party("373").identity());
    let transfer = example::transfer(1);
    for (path, name) in [
        ("/", "route-unknown"),
        ("/330", "route-unknown"),
        ("/330/", "route-unknown"),
        ("/330/v1", "route-unknown"),
        ("/330/v1/capabilities/", "route-unknown"),
        ("//330/v1/capabilities", "route-unknown"),
        ("/330/v1/../v1/capabilities", "route-unknown"),
        ("/330/v1/%2e%2e/%2e%2e/etc/passwd", "route-unknown"),
        ("/999/v1/capabilities", "hosted-unknown"),
        ("/%33%33x/v1/capabilities", "hosted-unknown"),
        ("/330/v1/transfers/%00/entries", "ledger-unknown"),
        ("/330/v1/transfers/%ff/entries", "ledger-unknown"),
        ("/330/v1/transfers/..%2f..%2fetc/entries", "ledger-unknown"),
    ] {
        raw.say(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        let (head, body) = raw.answer();
        assert_eq!(problem(&body), format!("urn:cme:problem:v1:{name}"), "{path}: {head}");
        assert!(head.contains("cache-control: no-store"), "{path}: {head}");
    }
    let bytes = offer(&world, "373", "330", 1, |_| {}).to_json().canonical_text();
    let length = format!("content-length: {}", bytes.len());
    for sequence in ["%2d0", "+0", "0%00", "0%20", "0x0", "%F0%9D%9F%8E"] {
        raw.say(format!("{}{bytes}", put_head(&transfer.to_string(), sequence, &length)));
        let (head, body) = raw.answer();
        assert_eq!(problem(&body), "urn:cme:problem:v1:path-mismatch", "{sequence}: {head}");
    }
    assert_eq!(world.party("330").office(&["list"], None)["transfers"], json!([]));
    alive(&world);
}

#[test]
fn what_is_under_way_when_the_server_stops_is_answered() {
    let mut world = world();
    let entry = offer(&world, "373", "330", 1, |_| {});
    let transfer = entry.header().transfer.to_string();
    let bytes = entry.to_json().canonical_text();
    let mut raw = Raw::open(world.party("330"), &world.party("373").identity());
    raw.say(put_head(&transfer, "0", &format!("content-length: {}\r\nexpect: 100-continue", bytes.len())));
    // The answer to `Expect` says that the request is being read.
    assert!(raw.answer().0.starts_with("http/1.1 100"));
    let birmingham = world.party_mut("330");
    let told = std::process::Command::new("kill").arg(birmingham.pid().to_string()).status().unwrap();
    assert!(told.success());
    let begun = Instant::now();
    while birmingham.get("/health/ready").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        assert!(begun.elapsed() < PATIENCE, "still said to be ready");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    raw.say(bytes);
    let (head, body) = raw.answer();
    assert!(head.starts_with("http/1.1 201"), "{head} {body}");
    drop(raw);
    assert_eq!(birmingham.ended(), Some(0));
    assert_eq!(birmingham.view(&transfer).unwrap()["stage"], "offered");
}

#[test]
fn a_peer_gets_so_many_connections_and_no_more() {
    let mut world = World::new(&["373", "330", "383"]);
    let party = world.party_mut("330");
    party.set("connections_per_peer_max = 100", "connections_per_peer_max = 2");
    party.start();
    let identity = world.party("373").identity();
    let mut held: Vec<Raw> = (0..2).map(|_| Raw::open(world.party("330"), &identity)).collect();
    assert!(held.iter_mut().all(|raw| raw.status_of(CAPABILITIES) == Some(200)));
    assert_eq!(Raw::open(world.party("330"), &identity).status_of(CAPABILITIES), Some(429));
    assert_eq!(world.wire("383", "330").get("/v1/capabilities").status, 200, "another peer is not held back");
    drop(held);
    let begun = Instant::now();
    while Raw::open(world.party("330"), &identity).status_of(CAPABILITIES) != Some(200) {
        assert!(begun.elapsed() < PATIENCE, "a closed connection keeps its place");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn more_connections_than_the_server_takes_wait_until_others_end() {
    let mut world = World::new(&["373", "330"]);
    let party = world.party_mut("330");
    party.set("connections_max = 2000", "connections_max = 5");
    party.set("workers = 4", "workers = 2");
    party.start();
    let (party, identity) = (world.party("330"), world.party("373").identity());
    let mut held: Vec<Raw> = (0..4).map(|_| Raw::open(party, &identity)).collect();
    assert!(held.iter_mut().all(|raw| raw.status_of(CAPABILITIES) == Some(200)));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || tell.send(Raw::open(party, &identity).status_of(CAPABILITIES)).unwrap());
        let early = told.recv_timeout(std::time::Duration::from_millis(500));
        drop(held);
        assert!(early.is_err(), "one more was answered");
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Some(200)), "who waits is forgotten");
    });
}
