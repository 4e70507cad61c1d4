//! Entries that are well formed and yet must not stand: each gets its typed problem, the ledger is unchanged.

use cme_spec::entry::EntryType as E;
use cme_spec::example::code;
use serde_json::json;

use crate::support::{World, entries_of};
use crate::wire::{Wire, ledger_of, next, now, offer, offered_then_alone, receipt};

/// Sheffield has offered, Birmingham holds the offer; Sheffield's own server is not running.
fn offered() -> (World, Wire, String) {
    let mut world = World::new(&["373", "330", "383"]);
    world.party_mut("330").start();
    let wire = world.wire("373", "330");
    let entry = offer(&world, "373", "330", 1, |_| {});
    assert_eq!(wire.put(&entry).status, 201);
    let transfer = entry.header().transfer.to_string();
    (world, wire, transfer)
}

fn entries(world: &World, transfer: &str) -> Vec<String> {
    entries_of(&world.party("330").export(transfer))
}

#[test]
fn the_same_bytes_again_get_the_same_receipt_and_other_bytes_do_not() {
    let (world, wire, transfer) = offered();
    let entry = offer(&world, "373", "330", 7, |_| {});
    let first = wire.put(&entry);
    let again = wire.put(&entry);
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body, again.body, "the receipt given then");
    let before = entries(&world, &transfer);
    // The same id for another decision, and another id at the same place.
    let reused = offer(&world, "373", "330", 7, |header| header.kind = E::Withdraw);
    assert_eq!(wire.put(&reused).problem(), "body-invalid");
    let conflict = offer(&world, "373", "330", 7, |header| header.id = cme_spec::example::entry_id(99));
    let answer = wire.put(&conflict);
    assert_eq!((answer.status, answer.problem().as_str()), (409, "sequence-conflict"));
    assert_eq!(answer.json()["head"]["sequence"], 0);
    assert_eq!(entries(&world, &transfer), before);
}

#[test]
fn an_id_serves_one_decision_only() {
    let (world, wire, transfer) = offered();
    let ledger = ledger_of(&world.party("330").export(&transfer));
    let key = world.party("373").signing_key();
    let withdraw =
        next(&ledger, E::Withdraw, "373", &key, |header| header.id = cme_spec::example::entry_id(100));
    assert_eq!(wire.put(&withdraw).problem(), "id-reused");
    assert_eq!(entries(&world, &transfer).len(), 1);
}

#[test]
fn entries_out_of_order_are_told_the_head() {
    let (world, wire, transfer) = offered();
    let ledger = ledger_of(&world.party("330").export(&transfer));
    let key = world.party("373").signing_key();
    let early = next(&ledger, E::Withdraw, "373", &key, |header| header.sequence = 5);
    let answer = wire.put(&early);
    assert_eq!((answer.status, answer.problem().as_str()), (409, "sequence-gap"));
    assert_eq!(answer.json()["head"]["headerDigest"], ledger.head.header_digest.to_string());
    let early = next(&ledger, E::Withdraw, "373", &key, |header| {
        header.sequence = 5;
        header.created_at = now().plus_seconds(86_400);
    });
    assert_eq!(wire.put(&early).problem(), "sequence-gap", "the place is looked at before the time");
    let unknown =
        next(&ledger, E::Withdraw, "373", &key, |header| header.transfer = cme_spec::example::transfer(50));
    let answer = wire.put(&unknown);
    assert_eq!((answer.problem().as_str(), &answer.json()["head"]), ("sequence-gap", &json!(null)));
    let elsewhere = next(&ledger, E::Withdraw, "373", &key, |header| {
        header.previous = Some(cme_spec::digest::Digest::of(b"another history"));
    });
    assert_eq!(wire.put(&elsewhere).problem(), "sequence-conflict");
    assert_eq!(entries(&world, &transfer).len(), 1);
}

#[test]
fn who_has_ended_offers_nothing_and_finishes_what_was_begun() {
    let (world, wire, transfer) = offered();
    let yesterday = cme_spec::working_days::london_date(now().timestamp()).yesterday().unwrap();
    world.reissue(|directory| {
        let authorities = directory["authorities"].as_array_mut().unwrap();
        let ended = authorities.iter_mut().find(|authority| authority["code"] == "373").unwrap();
        ended["validTo"] = json!(yesterday.to_string());
        ended["successors"] = json!([{ "code": "383", "residuary": true }]);
    });
    world.wait_for_issue("330", 2);
    let answer = wire.put(&offer(&world, "373", "330", 7, |_| {}));
    assert_eq!((answer.status, answer.problem().as_str()), (403, "not-a-party"));
    let twin = offer(&world, "383", "330", 8, |_| {});
    assert_eq!(
        world.wire("383", "330").put(&twin).status,
        201,
        "the good twin: its successor in its own name"
    );
    let ledger = ledger_of(&world.party("330").export(&transfer));
    let withdraw = next(&ledger, E::Withdraw, "373", &world.party("373").signing_key(), |_| {});
    assert_eq!(wire.put(&withdraw).status, 201, "in a ledger that is there");
}

#[test]
fn what_the_rules_forbid_is_refused_by_name() {
    let (world, wire, transfer) = offered();
    let ledger = ledger_of(&world.party("330").export(&transfer));
    let key = world.party("373").signing_key();
    let attempt = |kind, spoil: &dyn Fn(&mut cme_spec::entry::Header)| {
        wire.put(&next(&ledger, kind, "373", &key, spoil))
    };
    assert_eq!(attempt(E::Accept, &|_| {}).problem(), "wrong-author");
    let answer = attempt(E::Contest, &|_| {});
    assert_eq!(
        (answer.status, answer.problem().as_str(), &answer.json()["stage"]),
        (422, "not-allowed-in-stage", &json!("offered"))
    );
    assert_eq!(attempt(E::Withdraw, &|header| header.responsibility.epoch = 2).problem(), "header-changed");
    assert_eq!(
        attempt(E::Withdraw, &|header| header.clock_class = cme_spec::codes::ClockClass::Standard).problem(),
        "header-changed"
    );
    assert_eq!(
        attempt(E::Withdraw, &|header| header.created_at = now().plus_seconds(86_400)).problem(),
        "created-at-skew"
    );
    assert_eq!(
        attempt(E::Withdraw, &|header| header.created_at = now().plus_seconds(-86_400)).problem(),
        "created-at-order"
    );
    assert_eq!(entries(&world, &transfer).len(), 1);
    assert_eq!(attempt(E::Withdraw, &|_| {}).status, 201, "the good twin of all of these");
}

#[test]
fn a_signature_must_be_the_authors_own() {
    let (world, wire, transfer) = offered();
    let ledger = ledger_of(&world.party("330").export(&transfer));
    let leeds = world.party("383").signing_key();
    assert_eq!(wire.put(&next(&ledger, E::Withdraw, "373", &leeds, |_| {})).problem(), "key-unknown");
    let nobody = cme_spec::example::signing_key("nobody");
    assert_eq!(wire.put(&next(&ledger, E::Withdraw, "373", &nobody, |_| {})).problem(), "key-unknown");
    // Sheffield's key name over somebody else's signature.
    let key = world.party("373").signing_key();
    let mut json = next(&ledger, E::Withdraw, "373", &key, |_| {}).to_json().into_value();
    let other = next(&ledger, E::Withdraw, "373", &key, |header| {
        header.created_at = now().plus_seconds(1);
    });
    json["signature"] = json!(other.signature().as_str());
    let answer = wire.put_bytes(&transfer, "1", json.to_string());
    assert_eq!((answer.status, answer.problem().as_str()), (422, "signature-invalid"));
    assert_eq!(entries(&world, &transfer).len(), 1);
}

#[test]
fn receipts_that_prove_nothing_are_refused() {
    let mut world = World::new(&["373", "330", "383"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("373").wait_for(&transfer, "offered");
    // From here the test is Birmingham, the sequencer.
    world.party_mut("330").kill();
    let ledger = ledger_of(&world.party("373").export(&transfer));
    let (wire, key) = (world.wire("330", "373"), world.party("330").signing_key());
    let entry = next(&ledger, E::Acknowledge, "330", &key, |_| {});
    assert_eq!(wire.put(&entry).problem(), "receipt-missing");
    let leeds = world.party("383").signing_key();
    assert_eq!(
        wire.put(&entry.clone().with_receipt(receipt(&entry, "330", &leeds))).problem(),
        "key-unknown"
    );
    let third =
        entry.clone().with_receipt(receipt(&entry, "330", &key)).with_receipt(receipt(&entry, "383", &leeds));
    assert_eq!(wire.put(&third).problem(), "receipt-invalid");
    let other = next(&ledger, E::Decline, "330", &key, |header| header.id = cme_spec::example::entry_id(5));
    assert_eq!(
        wire.put(&entry.clone().with_receipt(receipt(&other, "330", &key))).problem(),
        "receipt-invalid"
    );
    let good = entry.clone().with_receipt(receipt(&entry, "330", &key));
    assert_eq!(wire.put(&good).status, 201);
    // Two entries for one place under the sequencer's signature are a fork: the ledger takes nothing more.
    let fork = wire.put(&other.clone().with_receipt(receipt(&other, "330", &key)));
    assert_eq!((fork.status, fork.problem().as_str()), (409, "forked"));
    let view = || world.party("373").view(&transfer).unwrap();
    assert_eq!((&view()["forked"], &view()["responsible"]), (&json!(true), &json!("373")));
    let ledger = ledger_of(&world.party("373").export(&transfer));
    let after = next(&ledger, E::Accept, "330", &key, |header| header.id = cme_spec::example::entry_id(6));
    assert_eq!(wire.put(&after.clone().with_receipt(receipt(&after, "330", &key))).problem(), "forked");
    // Refused, and kept as evidence: an accept binds whoever signed it, in whatever branch.
    assert_eq!((&view()["forked"], &view()["responsible"]), (&json!(true), &json!("330")));
    let output = world
        .party("373")
        .run(&["office", "withdraw", "--transfer", &transfer], Some(r#"{"reason":"child-found"}"#));
    assert!(String::from_utf8_lossy(&output.stderr).contains("forked"));
}

#[test]
fn a_delivery_that_breaks_a_rule_goes_before_an_officer() {
    let (world, _, ledger, key) = offered_then_alone();
    let wire = world.wire("330", "373");
    let entry = next(&ledger, E::Uphold, "330", &key, |_| {});
    let answer = wire.put(&entry.clone().with_receipt(receipt(&entry, "330", &key)));
    assert_eq!(answer.problem(), "not-allowed-in-stage");
    let list = world.party("373").office(&["list"], None);
    assert_eq!(list["refusedHere"][0]["problem"], "not-allowed-in-stage");
    assert_eq!(list["transfers"][0]["stage"], "offered");
    // One whose body breaks a rule is refused before the ledger is looked at, and told to the officer too.
    let spoilt = cme_spec::canonical::Json::object([("reason", cme_spec::canonical::Json::text("none"))]);
    let header = next(&ledger, E::Decline, "330", &key, |header| header.sequence = 1).header().clone();
    let entry = cme_spec::entry::Entry::sign(header, spoilt, &key);
    assert_eq!(wire.put(&entry.clone().with_receipt(receipt(&entry, "330", &key))).problem(), "body-invalid");
    let list = world.party("373").office(&["list"], None);
    assert_eq!(list["refusedHere"][0]["problem"], "body-invalid");
    let metrics = world.party("373").get("/metrics").unwrap();
    assert!(metrics.contains("cme_deliveries_refused_here{authority=\"373\"} 1"), "{metrics}");
}

#[test]
fn nobody_but_the_parties_writes_into_a_ledger() {
    let (world, _, transfer) = offered();
    let ledger = ledger_of(&world.party("330").export(&transfer));
    // Leeds brings an entry of Sheffield's, and one of its own.
    let leeds = world.wire("383", "330");
    let entry = next(&ledger, E::Withdraw, "373", &world.party("373").signing_key(), |_| {});
    let answer = leeds.put(&entry);
    assert_eq!((answer.status, answer.problem().as_str()), (403, "not-a-party"));
    let own = next(&ledger, E::Withdraw, "383", &world.party("383").signing_key(), |header| {
        header.recipient = code("330");
    });
    assert_eq!(leeds.put(&own).problem(), "sequence-gap", "Leeds and Birmingham share no such ledger");
    let for_others = offer(&world, "373", "383", 9, |_| {});
    assert_eq!(world.wire("373", "330").put(&for_others).problem(), "not-a-party");
    assert_eq!(entries(&world, &transfer).len(), 1);
    // The same transfer id between other parties is another ledger.
    let same_id = offer(&world, "383", "330", 1, |_| {});
    assert_eq!(leeds.put(&same_id).status, 201);
    assert_eq!(world.party("330").office(&["list"], None)["transfers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_key_that_is_retired_or_revoked_signs_nothing_new() {
    for (member, at) in [("retiredAt", -5), ("revokedAt", -5)] {
        let (world, wire, transfer) = offered();
        let ledger = ledger_of(&world.party("330").export(&transfer));
        let key = world.party("373").signing_key();
        world.reissue(|directory| {
            let sheffield = directory["authorities"]
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .find(|a| a["code"] == "373")
                .unwrap();
            sheffield["keys"][0][member] = json!(now().plus_seconds(at).to_string());
        });
        world.wait_for_issue("330", 2);
        let answer = wire.put(&next(&ledger, E::Withdraw, "373", &key, |_| {}));
        assert_eq!((answer.status, answer.problem().as_str()), (422, "key-not-valid"), "{member}");
        assert_eq!(entries(&world, &transfer).len(), 1);
    }
}
