//! What is read from the wire and what is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::example::{self, Story};
use crate::receipt::StoredKind;

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
fn outside_a_body_null_is_no_way_to_leave_a_member_out() {
    for member in ["precededBy", "supersedes", "successorOf"] {
        assert_eq!(
            told(&|json| json["header"][member] = json!(null)),
            Some(ProblemType::Malformed),
            "{member}"
        );
    }
    assert_eq!(told(&|json| json["receipts"] = json!(null)), Some(ProblemType::Malformed));
    assert_eq!(told(&|json| json["erasedAt"] = json!(null)), Some(ProblemType::Malformed));
    let kid = example::signing_key("373").id();
    let protected = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":null}}"#));
    let signature = format!("{protected}..{}", "A".repeat(86));
    let signed = |json: &mut serde_json::Value| json["signature"] = json!(signature);
    assert_eq!(told(&signed), Some(ProblemType::SignatureInvalid));
}

#[test]
fn a_receipt_counts_incarnations_and_issues_from_one() {
    for member in ["incarnation", "directoryIssue"] {
        let counted = |number: i64| told(&|json| json["receipts"][0]["receipt"][member] = json!(number));
        assert_eq!(counted(0), Some(ProblemType::Malformed), "{member}");
        assert_eq!((counted(1), counted(7)), (None, None), "{member}");
    }
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

#[test]
fn the_canonical_text_is_that_of_the_wire_form() {
    let story = Story::of(2, &[EntryType::Offer, EntryType::Acknowledge, EntryType::Accept]);
    for entry in story.entries() {
        let erased = entry.clone().erased(example::instant("2026-12-01T10:00:00Z"));
        for entry in [entry.clone(), entry.clone().without_receipts(), erased] {
            assert_eq!(entry.canonical_text(), entry.to_json().canonical_text());
        }
        for receipt in entry.receipts() {
            assert_eq!(receipt.canonical_text(), receipt.to_json().canonical_text());
        }
    }
    // Its member comes after the signature.
    let stored = example::stored(StoredKind::Notice, "a notice", Digest::of(b"its header"), "330");
    assert_eq!(stored.canonical_text(), stored.to_json().canonical_text());
}

/// The first block of JSON in section 4.6 of the text, and the canonical header after it.
fn written_example() -> (Json, String) {
    let text = include_str!("../../text/04-entries.md");
    let mut blocks = text.split("```json\n").skip(1).map(|block| block.split("\n```").next().unwrap());
    let entry = Json::decode(blocks.next().unwrap().as_bytes(), &crate::canonical::Limits::ENTRY).unwrap();
    (entry, blocks.next().unwrap().to_owned())
}

#[test]
fn the_example_of_the_text_holds_to_the_last_byte() {
    let (json, header) = written_example();
    let entry = Entry::read(&json).unwrap();
    assert_eq!(entry.header_json().canonical_text(), header);
    assert_eq!(entry.header_digest().to_string(), "7NlAF0r5HVokJSMAF7uKGrDpTxVhpEwl_MBjuZlv1Gk");
    assert!(entry.body_matches());
    assert_eq!(crate::body::check_entry(&entry), Ok(()));
    // RFC 8037 appendix A.1, and RFC 8032 section 7.1, TEST 2.
    let author: PublicKey = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".parse().unwrap();
    let sequencer: PublicKey = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw".parse().unwrap();
    assert_eq!(entry.signature().key(), author.id());
    assert_eq!(entry.verify(&author), Ok(()));
    let receipt = entry.receipt_by(example::code("330")).unwrap();
    assert!(receipt.content().is_for(&entry));
    assert_eq!(receipt.key().to_string(), "FtIu-VbGrfe_KB6CH7GNwODB72MNxj_ml11dEvO-7kk");
    assert!(receipt.clone().verify(&sequencer).is_ok());
}

#[test]
fn the_examples_of_the_canonical_form_in_the_text_hold() {
    let text = include_str!("../../text/02-canonical-form.md");
    let decode = |text: &str| Json::decode(text.as_bytes(), &crate::canonical::Limits::ENTRY);
    let mut held = 0;
    for row in text.lines().filter(|line| line.starts_with("| `{")) {
        let cells: Vec<&str> = row.split('`').collect();
        let (value, canonical, digest) = (decode(cells[1]).unwrap(), cells[3], cells[5]);
        assert_eq!(
            (value.canonical_text().as_str(), value.digest().to_string().as_str()),
            (canonical, digest)
        );
        held += 1;
    }
    let refused = text.lines().find_map(|line| line.strip_prefix("Refused: ")).unwrap();
    for value in refused.split('`').skip(1).step_by(2) {
        let error = decode(value).unwrap_err();
        assert_eq!(error.problem().registered(), Some(ProblemType::Malformed), "{value}");
        held += 1;
    }
    assert_eq!(held, 9);
}
