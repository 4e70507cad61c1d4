//! What is read from the wire and what is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::example::{self, Story};

/// What is told of a sound offer after a change.
fn told(change: &dyn Fn(&mut serde_json::Value)) -> Option<ProblemType> {
    let mut json = Story::offered().entries()[0].to_json().into_value();
    change(&mut json);
    let json = Json::from_typed(&json).unwrap();
    Entry::read(&json).err().and_then(|error| error.problem().registered())
}

fn signed_as(typ: &str, alg: &str) -> String {
    let kid = example::signing_key("373").id();
    let protected = format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}"#);
    format!("{}..{}", URL_SAFE_NO_PAD.encode(protected), "A".repeat(86))
}

#[test]
fn a_missing_body_and_a_formless_signature_have_problems_of_their_own() {
    let gone = |json: &mut serde_json::Value| drop(json.as_object_mut().unwrap().remove("body"));
    assert_eq!(told(&|_| {}), None);
    assert_eq!(told(&gone), Some(ProblemType::BodyMissing));
    assert_eq!(told(&|json| json["body"] = json!(null)), Some(ProblemType::BodyMissing));
    assert_eq!(told(&|json| json["body"] = json!([])), Some(ProblemType::Malformed));
    assert_eq!(
        told(&|json| json["erasedAt"] = json!("2033-01-01T00:00:00Z")),
        Some(ProblemType::Malformed),
        "a body and the word that it was erased"
    );
    let formless = ["", "x", "a..b=", &signed_as("cme-entry", "none")];
    for text in formless {
        assert_eq!(told(&|json| json["signature"] = json!(text)), Some(ProblemType::SignatureInvalid));
        let receipt = |json: &mut serde_json::Value| json["receipts"][0]["signature"] = json!(text);
        assert_eq!(told(&receipt), Some(ProblemType::ReceiptInvalid), "{text}");
    }
    assert_eq!(told(&|json| json["signature"] = json!(1)), Some(ProblemType::Malformed));
    assert_eq!(told(&|json| json["receipts"][0]["signature"] = json!(null)), Some(ProblemType::Malformed));
    assert_eq!(told(&|json| json["header"]["type"] = json!("notice")), Some(ProblemType::TypeUnknown));
    assert_eq!(
        told(&|json| json["header"]["protocol"] = json!("2.0")),
        Some(ProblemType::ProtocolUnsupported)
    );
}

#[test]
fn a_signature_for_another_kind_of_value_does_not_hold() {
    let key = example::signing_key("373");
    let entry = Story::offered().entries()[0].clone();
    for (typ, expected) in [("cme-entry", SignatureError::Mismatch), ("cme-receipt", SignatureError::Typ)] {
        let mut json = entry.to_json().into_value();
        json["signature"] = json!(signed_as(typ, "EdDSA"));
        let read = Entry::read(&Json::from_typed(&json).unwrap()).unwrap();
        assert_eq!(read.verify(&key.public()), Err(expected), "{typ}");
    }
    let mut head = Story::offered().head("330").to_json().into_value();
    head["signature"] = json!(signed_as("cme-entry", "EdDSA"));
    let head: Envelope<crate::receipt::Head> = Envelope::read(&Json::from_typed(&head).unwrap()).unwrap();
    assert_eq!(head.verify(&key.public()).unwrap_err(), SignatureError::Typ);
}

#[test]
fn a_decision_made_anew_keeps_everything_but_its_place_and_date() {
    let story = Story::offered();
    let key = example::signing_key("373");
    let withdraw = story.draft(EntryType::Withdraw, "373", &key, example::body(EntryType::Withdraw));
    let later = story.then(EntryType::Acknowledge);
    let moved = withdraw.header().moved(later.ledger(), example::instant("2026-11-24T09:00:00Z"));
    assert_eq!((moved.sequence, moved.previous), (2, Some(later.ledger().head.header_digest)));
    assert_eq!(moved.created_at, later.ledger().created_at, "never before its predecessor");
    let old = withdraw.header().clone();
    let (sequence, previous, created_at) = (old.sequence, old.previous, old.created_at);
    assert_eq!(Header { sequence, previous, created_at, ..moved }, old);
}

#[test]
fn an_entry_leaves_room_for_receipts_within_the_recipients_limit() {
    let entry = Story::offered().entries()[0].clone();
    let bytes = entry.clone().without_receipts().to_json().canonical_bytes().len() - ",\"receipts\":[]".len();
    assert!(entry.leaves_room_for_receipts(bytes + RECEIPTS_BYTES), "receipts that it carries don't count");
    assert!(!entry.leaves_room_for_receipts(bytes + RECEIPTS_BYTES - 1));
    assert!(!entry.leaves_room_for_receipts(0));
}

#[test]
fn unknown_members_stay_under_the_digests() {
    let mut json = Story::offered().entries()[0].to_json().into_value();
    json["header"]["later"] = json!({ "b": 1, "a": [true] });
    json["body"]["later"] = json!("é");
    let entry = Entry::read(&Json::from_typed(&json).unwrap()).unwrap();
    assert_eq!(entry.to_json().value()["header"], json["header"]);
    assert_eq!(entry.to_json().value()["body"], json["body"]);
    assert_ne!(entry.header_digest(), Story::offered().entries()[0].header_digest());
    assert!(!entry.body_matches());
}
