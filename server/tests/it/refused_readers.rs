//! Who may read what, and what the others get.

use cme_spec::example;
use cme_spec::operation::{self, Operation};
use cme_spec::receipt::{ReconciledHead, reconciliation_digest};
use serde_json::json;

use crate::support::World;
use crate::wire::{Wire, expired, nobody, now, offer, stranger};

fn world() -> World {
    let mut world = World::new(&["373", "330", "383"]);
    world.party_mut("330").start();
    world
}

#[test]
fn a_caller_without_a_certificate_or_with_an_expired_one_gets_no_answer() {
    let world = world();
    let party = world.party("330");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("https://{}/330/v1/capabilities", party.listen);
    assert!(runtime.block_on(nobody().get(&url).send()).is_err());
    let old = Wire::new(party, &expired(), "330");
    assert!(old.send(old.request("GET", "/v1/capabilities")).is_err());
}

#[test]
fn a_certificate_that_nobody_pinned_is_a_peer_unknown_whatever_it_says() {
    let world = world();
    let wire = Wire::new(world.party("330"), &stranger(), "330");
    for operation in operation::of_profiles(operation::get_capabilities::PROFILES) {
        let path = filled(&operation.path());
        let request = wire
            .request(operation.method(), &path)
            .header("x-forwarded-client-cert", "373")
            .header("client-cert", ":AAAA:")
            .header("cme-authority", "373");
        let answer = wire.send(request).unwrap();
        assert_eq!((answer.status, answer.problem().as_str()), (403, "peer-unknown"), "{}", operation.name);
    }
}

/// The path with something of the right form for each of its parts.
fn filled(path: &str) -> String {
    path.replace("{transfer}", &example::transfer(1).to_string())
        .replace("{notice}", &example::notice_id(1).to_string())
        .replace("{query}", &example::query_id(1).to_string())
        .replace("{sequence}", "0")
        .replace("{number}", "0")
}

#[test]
fn every_operation_is_bound_and_nothing_else_is() {
    let world = world();
    let wire = world.wire("373", "330");
    let operations = || operation::of_profiles(operation::get_capabilities::PROFILES);
    for path in operations().map(Operation::path) {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"] {
            let answer = wire.send(wire.request(method, &filled(&path))).unwrap();
            // Two operations may share a path.
            let bound = operations().find(|one| (one.method(), one.path()) == (method, path.clone()));
            assert_eq!(answer.status == 405, bound.is_none(), "{method} {path}");
            let Some(operation) = bound else {
                assert_eq!(answer.problem(), "method-not-allowed");
                continue;
            };
            if answer.status != 200 {
                let named = operation.every_refusal().any(|problem| problem.name() == answer.problem());
                assert!(
                    named,
                    "{} answers {}, which its document does not name",
                    operation.name,
                    answer.problem()
                );
            }
        }
    }
    assert_eq!(wire.get("/v1/nothing").problem(), "route-unknown");
    assert_eq!(wire.get("/v2/capabilities").problem(), "route-unknown");
    let elsewhere = Wire::new(world.party("330"), &world.party("373").identity(), "383");
    assert_eq!(elsewhere.get("/v1/capabilities").problem(), "hosted-unknown");
}

#[test]
fn a_ledger_of_others_looks_like_none() {
    let world = world();
    let entry = offer(&world, "373", "330", 1, |_| {});
    assert_eq!(world.wire("373", "330").put(&entry).status, 201);
    let transfer = entry.header().transfer;
    let own = world.wire("373", "330").get(&format!("/v1/transfers/{transfer}/entries"));
    assert_eq!((own.status, own.json()["entries"].as_array().unwrap().len()), (200, 1));
    let leeds = world.wire("383", "330");
    let theirs = leeds.get(&format!("/v1/transfers/{transfer}/entries"));
    let none = leeds.get(&format!("/v1/transfers/{}/entries", example::transfer(77)));
    assert_eq!(theirs, none, "byte for byte");
    assert_eq!((none.status, none.problem().as_str()), (404, "ledger-unknown"));
    assert_eq!(leeds.get("/v1/heads").json()["heads"], json!([]));
    assert_eq!(leeds.get("/v1/reconciliation").json()["reconciliation"]["ledgers"], 0);
}

#[test]
fn heads_and_digests_tell_of_shared_ledgers_only() {
    let world = world();
    let transfers = [("373", 1), ("383", 2)].map(|(from, number)| {
        let entry = offer(&world, from, "330", number, |_| {});
        let wire = world.wire(from, "330");
        assert_eq!(wire.put(&entry).status, 201);
        (wire, entry.header().transfer.to_string())
    });
    for (wire, transfer) in &transfers {
        let heads = wire.get("/v1/heads").json();
        let told: Vec<&str> = heads["heads"]
            .as_array()
            .unwrap()
            .iter()
            .map(|head| head["head"]["transfer"].as_str().unwrap())
            .collect();
        assert_eq!(told, [transfer]);
        assert_eq!(wire.get("/v1/reconciliation").json()["reconciliation"]["ledgers"], 1);
    }
    let [(sheffield, own), (_, other)] = &transfers;
    let read = |transfer: &str| sheffield.get(&format!("/v1/transfers/{transfer}/entries?from=0&limit=1"));
    assert_eq!(read(own).status, 200);
    let unknown = read(&example::transfer(99).to_string());
    assert_eq!(read(other), unknown, "body and header fields alike");
    assert_eq!(read("no-transfer-id"), unknown);
    assert_eq!(read(&own.to_uppercase()), unknown, "an id has one written form");
}

#[test]
fn pages_and_cursors_hold_to_their_forms() {
    let world = world();
    let wire = world.wire("373", "330");
    let entry = offer(&world, "373", "330", 1, |_| {});
    assert_eq!(wire.put(&entry).status, 201);
    let path = format!("/v1/transfers/{}/entries", entry.header().transfer);
    for query in [
        "from=%2B1",
        "limit=%2B1",
        "from=%00",
        "from=%ff",
        "limit=",
        "from=-1",
        "from=x",
        "from=",
        "limit=0",
        "limit=1001",
        "limit=1.5",
        "from=99999999999999999999",
    ] {
        assert_eq!(wire.get(&format!("{path}?{query}")).problem(), "cursor-invalid", "{query}");
    }
    let beyond = wire.get(&format!("{path}?from=5&colour=red")).json();
    assert_eq!((&beyond["entries"], &beyond["more"]), (&json!([]), &json!(false)));
    let heads = wire.get("/v1/heads").json();
    let cursor = heads["next"].as_str().unwrap();
    assert_eq!(wire.get(&format!("/v1/heads?after={cursor}")).json()["heads"], json!([]));
    for wrong in [
        "x",
        "1.-1.373",
        "1",
        ".",
        "",
        "%2B1.0.373",
        "1.%2B0.373",
        "01.0.373",
        "1.00.373",
        "1.0.373.0",
        "1.0",
        "1.0.383",
        "1.99999999999999999999.373",
        "7.1.373",
        "0.1.373",
    ] {
        assert_eq!(wire.get(&format!("/v1/heads?after={wrong}")).problem(), "cursor-invalid", "{wrong}");
    }
    let said = wire.get("/v1/reconciliation").json();
    let head = &heads["heads"][0]["head"];
    let digest = reconciliation_digest(vec![ReconciledHead {
        transfer: entry.header().transfer,
        sequence: head["sequence"].as_u64().unwrap(),
        header_digest: head["headerDigest"].as_str().unwrap().parse().unwrap(),
    }]);
    assert_eq!(said["reconciliation"]["digest"], digest.to_string());
}

#[test]
fn a_cursor_of_an_earlier_incarnation_has_expired() {
    let mut world = world();
    let cursor = world.wire("373", "330").get("/v1/heads").json()["next"].as_str().unwrap().to_owned();
    world.party_mut("330").stop();
    std::fs::write(world.party("330").home.join("incarnation"), "2\n").unwrap();
    world.party_mut("330").start();
    let gone = world.wire("373", "330").get(&format!("/v1/heads?after={cursor}"));
    assert_eq!((gone.status, gone.problem().as_str()), (410, "cursor-expired"));
}

#[test]
fn a_server_whose_key_is_put_away_while_it_runs_signs_nothing_more() {
    let world = world();
    let wire = world.wire("373", "330");
    let (first, second) = (offer(&world, "373", "330", 1, |_| {}), offer(&world, "373", "330", 2, |_| {}));
    assert_eq!(wire.put(&first).status, 201);
    world.reissue(|directory| {
        let authorities = directory["authorities"].as_array_mut().unwrap();
        let own = authorities.iter_mut().find(|authority| authority["code"] == "330").unwrap();
        own["keys"][0]["retiredAt"] = json!(now().plus_seconds(-5).to_string());
    });
    world.wait_for_issue("330", 2);
    let entries = format!("/v1/transfers/{}/entries", first.header().transfer);
    for answer in
        [wire.put(&second), wire.get(&entries), wire.get("/v1/heads"), wire.get("/v1/reconciliation")]
    {
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"));
    }
    assert_eq!(wire.get("/v1/capabilities").status, 200, "nothing in it is signed");
    let kid = world.party("330").signing_key().id().to_string();
    assert!(world.party("330").log().contains(&kid), "the operator is told which key");
}

#[test]
fn a_peer_that_leaves_the_directory_is_out_on_its_open_connection() {
    let world = world();
    let wire = world.wire("373", "330");
    assert_eq!(wire.get("/v1/capabilities").status, 200);
    world.reissue(|directory| {
        let sheffield =
            directory["authorities"].as_array_mut().unwrap().iter_mut().find(|a| a["code"] == "373").unwrap();
        sheffield["clientPins"] = json!([cme_spec::digest::Digest::of(b"a new certificate").to_string()]);
    });
    world.wait_for_issue("330", 2);
    assert_eq!(wire.get("/v1/capabilities").problem(), "peer-unknown");
}

#[test]
fn a_peer_that_asks_too_often_is_told_to_wait() {
    let mut world = World::new(&["373", "330", "383"]);
    world.party("330").set("requests_per_second = 200", "requests_per_second = 1");
    world.party("330").set("requests_burst = 400", "requests_burst = 5");
    world.party_mut("330").start();
    let (wire, leeds) = (world.wire("373", "330"), world.wire("383", "330"));
    let answers: Vec<_> = (0..10).map(|_| wire.get("/v1/capabilities")).collect();
    let limited = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(limited.problem(), "rate-limited");
    assert_eq!(limited.field("retry-after"), Some("1"));
    assert_eq!(leeds.get("/v1/capabilities").status, 200, "another peer is not held back");
}

#[test]
fn capabilities_tell_what_the_server_can_do() {
    let world = world();
    let said = world.wire("373", "330").get("/v1/capabilities").json();
    assert_eq!(
        (&said["authority"], &said["protocols"], &said["incarnation"]),
        (&json!("330"), &json!(["1.0"]), &json!(1))
    );
    assert_eq!(said["profiles"], json!(operation::get_capabilities::PROFILES));
    let digest = world.archive().newest().unwrap().envelope().digest();
    assert_eq!(said["directoryDigest"], digest.to_string());
    assert!(now().milliseconds() > 0);
}
