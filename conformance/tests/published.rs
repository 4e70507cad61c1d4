//! The published artefacts agree with each other, judged by a JSON Schema library and by nothing of ours.

use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

const OPENAPI: &str = include_str!("../../spec/v1/openapi.json");

/// The schema of the body of each entry type.
const BODIES: [(&str, &str); 13] = [
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

fn openapi() -> Value {
    serde_json::from_str(OPENAPI).expect("the document is JSON")
}

/// A schema of the document with everything that it refers to.
fn validator(document: &Value, schema: &Value) -> Validator {
    let whole = json!({ "allOf": [schema], "components": document["components"] });
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .offline()
        .build(&whole)
        .unwrap_or_else(|error| panic!("not a schema: {error}"))
}

fn component(document: &Value, name: &str) -> Validator {
    assert!(document["components"]["schemas"][name].is_object(), "no schema {name}");
    validator(document, &json!({ "$ref": format!("#/components/schemas/{name}") }))
}

fn complaints(validator: &Validator, instance: &Value) -> Vec<String> {
    let place = |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(instance).map(place).collect()
}

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/v1/vectors").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every entry of every ledger that verifies, branches of forks too, with the file it is in.
fn entries_of_sound_ledgers() -> Vec<(String, Value)> {
    let mut entries = Vec::new();
    let index = vectors("ledgers/index.json");
    for case in items(&index["cases"]).iter().filter(|case| case["verdict"] == "accept") {
        let file = format!("ledgers/{}", case["file"].as_str().unwrap_or_default());
        let export = vectors(&file);
        let branches = items(&export["forks"]).iter().flat_map(|fork| items(&fork["entries"]));
        for entry in items(&export["entries"]).iter().chain(branches) {
            entries.push((file.clone(), entry.clone()));
        }
    }
    assert!(entries.len() > 60, "only {} entries", entries.len());
    entries
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Media types with a schema and the examples of it, with the place they stand at.
fn examples(document: &Value) -> Vec<(String, Value, Value)> {
    let mut found = Vec::new();
    let mut collect = |place: &str, contents: &Value| {
        for (media, content) in contents.as_object().into_iter().flatten() {
            let named = content["examples"].as_object().into_iter().flatten();
            let named = named.map(|(name, example)| (name.clone(), example["value"].clone()));
            let alone = content.get("example").map(|example| ("example".to_owned(), example.clone()));
            for (name, example) in named.chain(alone) {
                found.push((format!("{place} {media} {name}"), content["schema"].clone(), example));
            }
        }
    };
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            collect(&format!("{method} {path} request"), &operation["requestBody"]["content"]);
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                collect(&format!("{method} {path} {status}"), &response["content"]);
            }
        }
    }
    found
}

#[test]
fn every_example_of_the_document_has_the_form_of_its_schema() {
    let document = openapi();
    let examples = examples(&document);
    assert!(examples.len() > 40, "only {} examples", examples.len());
    for (place, schema, example) in &examples {
        assert_eq!(complaints(&validator(&document, schema), example), [""; 0], "{place}");
    }
    let mut tried = 0;
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        for example in items(&schema["examples"]).iter().chain(schema.get("example")) {
            assert_eq!(complaints(&component(&document, name), example), [""; 0], "{name}");
            tried += 1;
        }
    }
    assert!(tried > 10, "only {tried} examples of schemas");
}

#[test]
fn every_entry_of_a_sound_ledger_has_the_form_of_the_document() {
    let document = openapi();
    let entry_form = component(&document, "LedgerEntry");
    let bodies = BODIES.map(|(kind, name)| (kind, component(&document, name)));
    let mut seen = std::collections::BTreeSet::new();
    for (file, entry) in entries_of_sound_ledgers() {
        assert_eq!(complaints(&entry_form, &entry), [""; 0], "{file}");
        if entry["body"].is_null() {
            continue;
        }
        let (kind, form) =
            bodies.iter().find(|(kind, _)| entry["header"]["type"] == *kind).expect("a type of this version");
        assert_eq!(complaints(form, &entry["body"]), [""; 0], "{file}: {kind}");
        seen.insert(*kind);
    }
    assert_eq!(seen.len(), BODIES.len(), "only {seen:?} were seen");
}

#[test]
fn a_body_without_a_member_that_it_needs_has_another_form() {
    let document = openapi();
    let mut tried = 0;
    for (kind, name) in BODIES {
        let form = component(&document, name);
        let required: Vec<&str> = items(&document["components"]["schemas"][name]["required"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(required.contains(&"salt"), "{name} needs no salt");
        let (_, entry) = entries_of_sound_ledgers()
            .into_iter()
            .find(|(_, entry)| entry["header"]["type"] == kind && entry["body"].is_object())
            .expect("an entry of that type");
        for member in required {
            let mut body = entry["body"].clone();
            body.as_object_mut().expect("a body is an object").remove(member);
            assert!(!form.is_valid(&body), "{name} without {member}");
            tried += 1;
        }
    }
    assert!(tried > 30, "only {tried} members");
}

#[test]
fn a_date_that_no_calendar_has_is_found() {
    let document = openapi();
    let (_, mut entry) = entries_of_sound_ledgers().swap_remove(0);
    let form = component(&document, "Offer");
    assert!(form.is_valid(&entry["body"]));
    entry["body"]["child"]["dateOfBirth"] = "2016-02-30".into();
    assert!(!form.is_valid(&entry["body"]), "formats are not checked");
}

#[test]
fn a_header_or_entry_without_a_member_that_it_needs_has_another_form() {
    let document = openapi();
    for (name, pointer) in [("LedgerEntry", ""), ("Header", "/header")] {
        let form = component(&document, name);
        let (_, entry) = entries_of_sound_ledgers().swap_remove(1);
        let whole = entry.pointer(pointer).expect("an entry has a header").clone();
        assert!(form.is_valid(&whole));
        for member in items(&document["components"]["schemas"][name]["required"]) {
            let mut without = whole.clone();
            without.as_object_mut().expect("an object").remove(member.as_str().unwrap_or_default());
            assert!(!form.is_valid(&without), "{name} without {member}");
        }
    }
}

#[test]
fn the_directories_of_the_vectors_have_the_form_of_the_document() {
    let document = openapi();
    let form = component(&document, "SignedDirectory");
    for file in ["directory.json", "directory-330-revoked-early.json", "directory-stranger.json"] {
        let directory = vectors(&format!("ledgers/{file}"));
        assert_eq!(complaints(&form, &directory), [""; 0], "{file}");
    }
}

/// Cases of a vector file with that verdict.
fn cases(file: &str, verdict: &str) -> Vec<Value> {
    let cases = vectors(file)["cases"].as_array().cloned().unwrap_or_default();
    cases.into_iter().filter(|case| case["verdict"] == verdict).collect()
}

#[test]
fn queries_answers_and_notices_of_the_vectors_have_the_form_of_the_document() {
    let document = openapi();
    let form = |name| component(&document, name);
    let (query, answer) = (form("SignedQuery"), form("SignedAnswer"));
    let (notice, acknowledgement) = (form("SignedNotice"), form("SignedAcknowledgement"));
    let mut tried = 0;
    for case in cases("queries.json", "accept").iter().chain(&cases("notices.json", "accept")) {
        let place = &case["name"];
        for (member, form) in [("query", &query), ("notice", &notice), ("acknowledgement", &acknowledgement)]
        {
            if let Some(value) = case.get(member) {
                assert_eq!(complaints(form, value), [""; 0], "{place}");
                tried += 1;
            }
        }
        for given in items(&case["answers"]) {
            assert_eq!(complaints(&answer, given), [""; 0], "{place}");
            tried += 1;
        }
    }
    assert!(tried > 50, "only {tried} documents");
}

#[test]
fn a_query_that_tells_more_than_is_asked_has_another_form() {
    let document = openapi();
    let form = component(&document, "SignedQuery");
    let mut found = 0;
    for case in cases("queries.json", "reject") {
        let more = [" with narrative", " with parents", " with address", " with school", " with a reason"];
        if more.iter().any(|end| case["name"].as_str().is_some_and(|name| name.ends_with(end))) {
            assert!(!form.is_valid(&case["query"]), "{}", case["name"]);
            found += 1;
        }
    }
    assert_eq!(found, 5);
}
