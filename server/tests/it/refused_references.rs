//! Ids, signatures and erasures that refer to something else than they say, and refusals that leave no trace.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cme_spec::canonical::Json;
use cme_spec::entry::{Entry, EntryType as E};
use cme_spec::envelope::Envelope;
use cme_spec::example;
use serde_json::{Value, json};

use crate::support::World;
use crate::wire::{Answer, Wire, ledger_of, next, now, offer, receipt};

fn offered() -> (World, Wire, Entry) {
    let mut world = World::new(&["373", "330", "383"]);
    world.party_mut("330").start();
    let wire = world.wire("373", "330");
    let entry = offer(&world, "373", "330", 1, |_| {});
    assert_eq!(wire.put(&entry).status, 201);
    (world, wire, entry)
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status, answer.problem())
}

fn with_signature(entry: &Entry, signature: &str) -> String {
    let mut json = entry.to_json().into_value();
    json["signature"] = json!(signature);
    json.to_string()
}

/// An export without what tells when it was made.
fn undated(export: &str) -> Value {
    let mut export: Value = serde_json::from_str(export).unwrap();
    export["exportedAt"].take();
    export["head"]["head"]["at"].take();
    export["head"]["signature"].take();
    export
}

#[test]
fn an_id_of_another_ledger_of_the_pair_is_reused() {
    let (world, wire, entry) = offered();
    let second = offer(&world, "373", "330", 2, |header| header.id = entry.header().id);
    assert_eq!(told(&wire.put(&second)), (409, "id-reused".to_owned()));
    // Another pair may use it: its ledgers are apart.
    let leeds = offer(&world, "383", "330", 2, |header| header.id = entry.header().id);
    assert_eq!(world.wire("383", "330").put(&leeds).status, 201);
    assert_eq!(wire.put(&entry).status, 200, "the first is still known by it");
}

/// Sheffield's server alone, and Birmingham, whose server it is not, bringing what it has ordered.
fn brought_to() -> (World, Wire, Entry) {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("373").start();
    let wire = world.wire("330", "373");
    let offer = offer(&world, "373", "330", 1, |_| {});
    let offer = ordered(&world, offer, 1);
    assert_eq!(wire.put(&offer).status, 201, "the copy of a server that has lost its own");
    (world, wire, offer)
}

/// The entry with Birmingham's receipt under an incarnation.
fn ordered(world: &World, entry: Entry, incarnation: u64) -> Entry {
    let key = world.party("330").signing_key();
    let mut content = receipt(&entry, "330", &key).content().clone();
    content.incarnation = incarnation;
    entry.with_receipt(Envelope::sign(content, &key))
}

#[test]
fn an_id_that_the_sequencer_uses_twice_is_refused_for_good_and_shown_to_an_officer() {
    let (world, wire, offer) = brought_to();
    let transfer = offer.header().transfer.to_string();
    let ledger = ledger_of(&world.party("373").export(&transfer));
    let key = world.party("330").signing_key();
    let again = next(&ledger, E::Accept, "330", &key, |header| header.id = offer.header().id);
    assert_eq!(told(&wire.put(&ordered(&world, again, 1))), (409, "id-reused".to_owned()));
    let view = world.party("373").view(&transfer).unwrap();
    assert_eq!((&view["stage"], &view["responsible"]), (&json!("offered"), &json!("373")));
    let list = world.party("373").office(&["list"], None);
    assert_eq!(list["refusedHere"][0]["problem"], "id-reused");
    let accept = next(&ledger, E::Accept, "330", &key, |_| {});
    assert_eq!(wire.put(&ordered(&world, accept, 1)).status, 201, "its good twin");
}

#[test]
fn the_sequencers_incarnation_never_falls_along_a_ledger() {
    let (world, wire, offer) = brought_to();
    let transfer = offer.header().transfer.to_string();
    let key = world.party("330").signing_key();
    let after = |kind, incarnation| {
        let ledger = ledger_of(&world.party("373").export(&transfer));
        ordered(&world, next(&ledger, kind, "330", &key, |_| {}), incarnation)
    };
    assert_eq!(wire.put(&after(E::Acknowledge, 3)).status, 201, "a restore raises it");
    assert_eq!(told(&wire.put(&after(E::Accept, 2))), (422, "receipt-invalid".to_owned()));
    assert_eq!(wire.put(&after(E::Accept, 3)).status, 201);
}

#[test]
fn an_own_entry_that_is_brought_back_was_there_and_gets_its_receipt_now() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("373").wait_for(&transfer, "offered");
    let held = |code: &str| {
        let export: Value = serde_json::from_str(&world.party(code).export(&transfer)).unwrap();
        Entry::read(&Json::from_typed(&export["entries"][0]).unwrap()).unwrap()
    };
    assert_eq!(held("373").receipts().len(), 1, "the sequencer's answer completes it");
    let wire = world.wire("330", "373");
    let first = wire.put(&held("330"));
    assert_eq!((first.status, &first.json()["receipt"]["by"]), (200, &json!("373")), "{first:?}");
    assert_eq!(wire.put(&held("330")), first, "one receipt for each");
    assert_eq!(held("373").receipts().len(), 2);
}

#[test]
fn a_transfer_id_serves_one_direction_only() {
    let (world, _, entry) = offered();
    let back = offer(&world, "330", "373", 1, |header| header.id = example::entry_id(77));
    let carried = back.clone().with_receipt(receipt(&back, "373", &world.party("373").signing_key()));
    let answer = world.wire("373", "330").put(&carried);
    assert_eq!(told(&answer), (409, "id-reused".to_owned()));
    let view = world.party("330").view(&entry.header().transfer.to_string()).unwrap();
    assert_eq!((&view["stage"], &view["responsible"]), (&json!("offered"), &json!("373")));
}

#[test]
fn a_signature_of_another_form_is_none() {
    let (world, wire, _) = offered();
    let entry = offer(&world, "373", "330", 3, |_| {});
    let transfer = entry.header().transfer.to_string();
    let (protected, signature) = entry.signature().as_str().split_once("..").unwrap();
    let kid = entry.signature().key().to_string();
    let encoded = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let mut turned = URL_SAFE_NO_PAD.decode(signature).unwrap();
    turned[0] ^= 1;
    let payload = URL_SAFE_NO_PAD.encode(entry.header_json().canonical_bytes());
    for (why, jws) in [
        ("no algorithm", format!("{}..", encoded(json!({ "alg": "none", "kid": kid })))),
        ("alg none", format!("{}..{signature}", encoded(json!({ "alg": "none", "kid": kid })))),
        ("another alg", format!("{}..{signature}", encoded(json!({ "alg": "HS256", "kid": kid })))),
        (
            "a critical extension",
            format!(
                "{}..{signature}",
                encoded(json!({ "alg": "EdDSA", "kid": kid, "crit": ["b64"], "b64": false }))
            ),
        ),
        (
            "a key of its own",
            format!(
                "{}..{signature}",
                encoded(json!({ "alg": "EdDSA", "kid": kid, "jwk": { "kty": "OKP" } }))
            ),
        ),
        (
            "a receipt's",
            format!("{}..{signature}", encoded(json!({ "alg": "EdDSA", "kid": kid, "typ": "cme-receipt" }))),
        ),
        ("no kid", format!("{}..{signature}", encoded(json!({ "alg": "EdDSA" })))),
        ("one bit turned", format!("{protected}..{}", URL_SAFE_NO_PAD.encode(turned))),
        ("a payload inside", format!("{protected}.{payload}.{signature}")),
        ("padding", format!("{protected}..{signature}==")),
        ("too short", format!("{protected}..{}", &signature[..40])),
        ("empty", String::new()),
        ("long", "a".repeat(2_000)),
    ] {
        let answer = wire.put_bytes(&transfer, "0", with_signature(&entry, &jws));
        assert_eq!(told(&answer), (422, "signature-invalid".to_owned()), "{why}");
    }
    assert_eq!(wire.put(&entry).status, 201, "the good twin of all of these");
}

#[test]
fn an_erased_body_is_not_proposed_and_nothing_is_half_erased() {
    let (world, wire, _) = offered();
    let entry = offer(&world, "373", "330", 4, |_| {});
    let transfer = entry.header().transfer.to_string();
    let put = |change: &dyn Fn(&mut Value)| {
        let mut json = entry.to_json().into_value();
        change(&mut json);
        told(&wire.put_bytes(&transfer, "0", json.to_string())).1
    };
    let erased = |at: Value| {
        move |json: &mut Value| {
            json["body"] = Value::Null;
            json["erasedAt"] = at.clone();
        }
    };
    assert_eq!(put(&erased(json!("2026-11-24T09:00:00Z"))), "body-missing");
    assert_eq!(put(&erased(json!("yesterday"))), "malformed");
    assert_eq!(put(&erased(Value::Null)), "malformed");
    assert_eq!(put(&|json| json["erasedAt"] = json!("2026-11-24T09:00:00Z")), "malformed");
    assert_eq!(put(&|json| json["body"] = json!("text")), "malformed");
    assert_eq!(put(&|json| json["body"] = json!([])), "malformed");
    assert_eq!(put(&|json| json["receipts"] = json!([1])), "malformed");
    assert_eq!(put(&|json| json["receipts"] = json!("none")), "malformed");
    assert_eq!(wire.put(&entry).status, 201, "the good twin of all of these");
}

#[test]
fn a_clock_that_is_a_little_ahead_is_borne() {
    let (world, wire, entry) = offered();
    let ahead = offer(&world, "373", "330", 5, |header| header.created_at = now().plus_seconds(290));
    assert_eq!(wire.put(&ahead).status, 201);
    let beyond = offer(&world, "373", "330", 6, |header| header.created_at = now().plus_seconds(330));
    assert_eq!(told(&wire.put(&beyond)), (422, "created-at-skew".to_owned()));
    let old = offer(&world, "373", "330", 7, |header| header.created_at = now().plus_seconds(-8_000_000));
    assert_eq!(wire.put(&old).status, 201, "a peer may have been away for long");
    assert_eq!(wire.put(&entry).status, 200);
}

#[test]
fn no_refusal_changes_an_export() {
    let (world, wire, entry) = offered();
    let (party, transfer) = (world.party("330"), entry.header().transfer.to_string());
    let before = undated(&party.export(&transfer));
    let ledger = ledger_of(&party.export(&transfer));
    let key = world.party("373").signing_key();
    let bytes = entry.to_json().canonical_text();
    let wrong = [
        next(&ledger, E::Accept, "373", &key, |_| {}),
        next(&ledger, E::Contest, "373", &key, |_| {}),
        next(&ledger, E::Withdraw, "373", &key, |header| header.sequence = 9),
        next(&ledger, E::Withdraw, "373", &key, |header| header.id = entry.header().id),
        next(&ledger, E::Withdraw, "373", &key, |header| header.responsibility.epoch = 3),
        next(&ledger, E::Withdraw, "373", &key, |header| header.created_at = now().plus_seconds(9_000)),
        next(&ledger, E::Withdraw, "373", &example::signing_key("nobody"), |_| {}),
    ];
    let mut refusals: Vec<String> = wrong.iter().map(|entry| wire.put(entry).problem()).collect();
    for (sequence, bytes) in
        [("0", bytes[1..].to_owned()), ("1", bytes.clone()), ("0", bytes.replace("Amina", "A"))]
    {
        refusals.push(wire.put_bytes(&transfer, sequence, bytes).problem());
    }
    refusals.push(world.wire("383", "330").put(&wrong[0]).problem());
    let distinct: std::collections::BTreeSet<_> = refusals.iter().collect();
    assert_eq!(
        distinct.len(),
        refusals.len(),
        "each of these is refused for a reason of its own: {refusals:?}"
    );
    assert_eq!(undated(&party.export(&transfer)), before);
    assert!(!party.log().contains("panicked"));
}
