//! The published vectors, read as any other implementation reads them: the committed files are the oracle.
//!
//! Each test counts the cases it has checked, so an empty file or a case of an unknown kind is a failure.
#![expect(clippy::unwrap_used, reason = "a vector that can't be read fails the test")]

#[path = "vectors/directory.rs"]
mod directory;
#[path = "vectors/documents.rs"]
mod documents;
#[path = "vectors/entries.rs"]
mod entries;
#[path = "vectors/facts.rs"]
mod facts;
#[path = "vectors/identifiers.rs"]
mod identifiers;
#[path = "vectors/ledgers.rs"]
mod ledgers;
#[path = "vectors/queries.rs"]
mod queries;
#[path = "vectors/working_days.rs"]
mod working_days;

use std::path::Path;

use cme_spec::canonical::{DecodeError, Json};
use serde_json::Value;

/// The text of a file of `spec/v1/vectors`.
fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("v1/vectors").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Gives each case of a file to `check` with the word whether it is to be taken, and checks that there are
/// at least as many of both kinds as were published first.
fn each_case(name: &str, accepted: usize, rejected: usize, check: impl Fn(&Value, bool)) {
    let document = document(name);
    let (mut taken, mut refused) = (0, 0);
    for case in document["cases"].as_array().unwrap() {
        let take = match case["verdict"].as_str() {
            Some("accept") => true,
            Some("reject") => false,
            other => panic!("{name}: verdict {other:?}"),
        };
        check(case, take);
        *(if take { &mut taken } else { &mut refused }) += 1;
    }
    assert!(taken >= accepted && refused >= rejected, "{name}: only {taken} accepted, {refused} refused");
}

fn name(case: &Value) -> &str {
    case["name"].as_str().expect("a case has a name")
}

fn str_of<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap_or_else(|| panic!("{}: no {member}", name(case)))
}

/// The value as one within the rules, member order and all.
fn json(value: &Value) -> Json {
    Json::from_typed(value).expect("a vector is within the rules")
}

/// The problem with which a document is refused that can't be decoded.
fn problem_of(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::TooLarge { .. } => "too-large",
        DecodeError::TooDeep { .. }
        | DecodeError::StringTooLong { .. }
        | DecodeError::ArrayTooLong { .. }
        | DecodeError::ObjectTooLarge { .. } => "limit-exceeded",
        DecodeError::NotUtf8 { .. }
        | DecodeError::Syntax { .. }
        | DecodeError::DuplicateMember { .. }
        | DecodeError::NumberNotInteger { .. }
        | DecodeError::IntegerOutOfRange { .. }
        | DecodeError::LoneSurrogate { .. }
        | DecodeError::NotAnObject => "malformed",
    }
}
