//! The test vectors of `spec/v1/vectors`, made from the rules of `cme-spec`.
//!
//! What is committed is the oracle, not this code: a test of `cme-spec` and a program that shares nothing
//! with it both read the files. Values of published standards are written down here by hand, so that
//! the rules are held to something outside this repository.

mod canonical;
mod directory;
mod entries;
mod facts;
mod identifiers;
mod ledgers;
mod mutation;
mod notices;
mod queries;
mod reconciliation;
mod signatures;
mod working_days;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::published::publish;
use crate::tree::{TextFile, Tree};
use crate::{Report, Trouble};

const FOLDER: &str = "spec/v1/vectors";

/// Writes or checks every vector file.
pub(crate) fn run(tree: &Tree, check: bool) -> Result<Report, Trouble> {
    let present = tree.files(FOLDER, ".json")?;
    publish(tree, &all(), &present, "vectors", check)
}

fn all() -> Vec<TextFile> {
    let mut files = vec![
        canonical::file(),
        signatures::file(),
        entries::file(),
        directory::file(),
        facts::file(),
        working_days::file(),
        identifiers::file(),
        reconciliation::file(),
        queries::file(),
        notices::file(),
    ];
    files.extend(ledgers::files());
    files
}

/// A vector file: what it is about, members that all cases share, and the cases.
fn vectors(name: &str, about: &str, shared: Value, cases: Vec<Value>) -> TextFile {
    let mut document = Map::new();
    document.insert("about".to_owned(), about.into());
    if let Value::Object(shared) = shared {
        document.extend(shared);
    }
    document.insert("cases".to_owned(), cases.into());
    text_file(name, &Value::Object(document))
}

fn text_file(name: &str, document: &Value) -> TextFile {
    TextFile { path: format!("{FOLDER}/{name}"), text: format!("{document:#}\n") }
}

/// A case that every implementation takes.
fn accept(name: &str, members: Value) -> Value {
    case(name, "accept", members)
}

/// A case that every implementation refuses.
fn reject(name: &str, members: Value) -> Value {
    case(name, "reject", members)
}

fn case(name: &str, verdict: &str, members: Value) -> Value {
    let mut case = Map::new();
    case.insert("name".to_owned(), name.into());
    case.insert("verdict".to_owned(), verdict.into());
    if let Value::Object(members) = members {
        case.extend(members);
    }
    Value::Object(case)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The digest of some bytes in both spellings.
fn digests(bytes: &[u8]) -> Value {
    let digest = cme_spec::digest::Digest::of(bytes);
    json!({ "sha256Hex": hex(digest.as_bytes()), "sha256": digest })
}

/// Leaves the members of both objects in one.
fn joined(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_files_are_made_every_time_and_each_has_cases_of_its_own_name() {
        let files = all();
        assert_eq!(files, all());
        for file in files.iter().filter(|file| !file.path.contains("ledgers/")) {
            let document: Value = serde_json::from_str(&file.text).unwrap();
            let cases = document["cases"].as_array().unwrap();
            let names: BTreeSet<&str> = cases.iter().map(|case| case["name"].as_str().unwrap()).collect();
            assert_eq!(names.len(), cases.len(), "{}: a name stands twice", file.path);
            assert!(cases.len() > 3, "{}", file.path);
        }
    }
}
