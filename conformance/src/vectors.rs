//! The suite's own reading of canonical form and signatures, held to the published vectors: so that what it
//! sends and what it judges by are not wrong together.

use std::path::Path;

use serde_json::Value;

use crate::draft::{Draft, bodies};
use crate::encoding::digest;
use crate::json::Json;
use crate::jws::{Detached, SigningKey, thumbprint, with_high_s};

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/v1").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The bytes of a case of the canonical form; none where it gives them in a way that says nothing here.
fn input(case: &Value) -> Option<Vec<u8>> {
    if let Some(text) = case["text"].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let encoded = case["base64"].as_str()?;
    let url = encoded.trim_end_matches('=').replace('+', "-").replace('/', "_");
    crate::encoding::from_base64url(&url)
}

#[test]
fn reads_and_writes_the_canonical_form_as_the_vectors_say() {
    let document = vectors("vectors/canonical.json");
    let (mut accepted, mut refused) = (0, 0);
    for case in document["cases"].as_array().unwrap() {
        let Some(bytes) = input(case) else { continue };
        let (name, read) = (text(&case["name"]), Json::read(&bytes));
        if case["verdict"] == "accept" {
            let value = read.unwrap_or_else(|error| panic!("{name}: {error}"));
            if let Some(canonical) = case["canonical"].as_str() {
                assert_eq!(value.canonical(), canonical, "{name}");
            }
            assert_eq!(digest(&value), text(&case["sha256"]), "{name}");
            accepted += 1;
        } else if case["problem"] == "malformed" {
            assert!(read.is_err(), "{name}");
            refused += 1;
        }
    }
    assert!(accepted > 5 && refused > 10, "{accepted} and {refused} cases");
}

#[test]
fn verifies_signatures_as_the_vectors_say() {
    let document = vectors("vectors/signatures.json");
    let keys = document["keys"].as_array().unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for case in document["cases"].as_array().unwrap() {
        let name = text(&case["name"]);
        if case["kind"] == "thumbprint" {
            assert_eq!(thumbprint(text(&case["publicKey"])), text(&case["kid"]), "{name}");
        }
        if case["kind"] != "detached" {
            continue;
        }
        let payload = Json::read(case["payload"].to_string().as_bytes()).unwrap();
        // The vectors don't say of what the payload is; the one that has a typ is a receipt's or the like.
        let typ = |typ: &&str| Detached::read(text(&case["signature"]), typ).is_ok();
        let typ = ["cme-entry", "cme-receipt", "cme-head", "cme-reconciliation", "cme-directory"]
            .into_iter()
            .find(typ)
            .unwrap_or("cme-entry");
        let told = Detached::read(text(&case["signature"]), typ).and_then(|detached| {
            let key = keys.iter().find(|key| key["kid"] == detached.kid.as_str());
            let key = key.ok_or(crate::jws::SignatureError::UnknownKey)?;
            detached.verify(&payload, text(&key["publicKey"]))
        });
        assert_eq!(told.is_ok(), case["verdict"] == "accept", "{name}: {told:?}");
        if told.is_ok() { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 0 && refused > 5, "{accepted} and {refused} cases");
}

#[test]
fn a_high_s_differs_in_its_second_half_and_a_lowered_one_is_the_first() {
    let key = SigningKey::generate().unwrap();
    let payload = Json::object([("a", 1.into())]);
    let signature = key.sign(&payload);
    let high = with_high_s(&signature).unwrap();
    assert_ne!(high, signature);
    assert_eq!(crate::jws::reduced(&high), Some(signature.clone()));
    let verified = |text: &str| Detached::read(text, "cme-entry").unwrap().verify(&payload, &key.public());
    assert!(verified(&signature).is_ok() && verified(&high).is_err());
}

#[test]
fn what_the_suite_sends_has_the_form_of_the_document() {
    let openapi = vectors("openapi.json");
    let form = |name: &str| {
        let whole = serde_json::json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": openapi["components"],
        });
        jsonschema::draft202012::options().should_validate_formats(true).offline().build(&whole).unwrap()
    };
    let key = SigningKey::generate().unwrap();
    let schemas = [
        ("offer", "Offer"),
        ("acknowledge", "Acknowledge"),
        ("request-information", "RequestInformation"),
        ("supply-information", "SupplyInformation"),
        ("accept", "Accept"),
        ("decline", "Decline"),
        ("contest", "Contest"),
        ("uphold", "Uphold"),
        ("redirect", "Redirect"),
        ("withdraw", "Withdraw"),
        ("outcome", "OutcomeEntry"),
        ("retract", "Retract"),
        ("correct", "Correct"),
    ];
    let entry_form = form("LedgerEntry");
    for (kind, schema) in schemas {
        let body: Value = serde_json::from_str(&bodies::of(kind).plain()).unwrap();
        let complaints: Vec<String> =
            form(schema).iter_errors(&body).map(|error| error.to_string()).collect();
        assert_eq!(complaints, [""; 0], "{kind}");
        let mut draft = Draft::offer("001", "330");
        draft.body = bodies::of(kind);
        let entry: Value = serde_json::from_str(&draft.sealed(&key).plain()).unwrap();
        assert!(entry_form.is_valid(&entry), "{kind}");
    }
}
