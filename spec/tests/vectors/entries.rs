//! Entries alone and after a ledger.

use cme_spec::body;
use cme_spec::canonical::{Json, Limits};
use cme_spec::directory::Archive;
use cme_spec::entry::{Entry, EntryError};
use cme_spec::instant::Instant;
use cme_spec::ledger::{Ledger, Refusal, apply};
use cme_spec::problem::ProblemType;
use cme_spec::receipt::Receipt;
use serde_json::Value;

use super::{document, each_case, json, name, problem_of, str_of};

#[test]
fn entries_are_taken_or_refused_as_published() {
    let directory = document("ledgers/directory.json");
    let archive = Archive::start(&json(&directory), None).unwrap();
    each_case("entries.json", 20, 70, |case, take| {
        let outcome = judge(case, &archive);
        if take {
            let entry = outcome.unwrap_or_else(|problem| panic!("{}: {problem:?}", name(case)));
            assert_eq!(entry.header_json().canonical_text(), str_of(case, "canonicalHeader"));
            assert_eq!(entry.header_digest().to_string(), str_of(case, "headerDigest"));
            assert_eq!(entry.header().body_digest.to_string(), str_of(case, "bodyDigest"));
            assert_eq!(entry.signature().key().to_string(), str_of(case, "kid"));
            return;
        }
        let (problem, pointer) = outcome.expect_err(name(case));
        assert_eq!(problem, str_of(case, "problem"), "{} at {pointer:?}", name(case));
        assert!(ProblemType::ALL.iter().any(|known| known.name() == problem), "{problem} is not registered");
        if let Some(expected) = case["pointer"].as_str() {
            assert_eq!(pointer.as_deref(), Some(expected), "{}", name(case));
        }
    });
}

type Problem = (&'static str, Option<String>);

/// The checks in the order of section 9.4.
fn judge(case: &Value, archive: &Archive) -> Result<Entry, Problem> {
    let text = case["entryText"].as_str().map_or_else(|| case["entry"].to_string(), str::to_owned);
    let json = Json::decode(text.as_bytes(), &Limits::ENTRY).map_err(|error| (problem_of(&error), None))?;
    let entry = Entry::read(&json).map_err(|error| form(&error))?;
    if !entry.body_matches() {
        return Err(("body-digest-mismatch", None));
    }
    body::check_entry(&entry).map_err(|error| ("body-invalid", Some(error.pointer)))?;
    let directory = archive.newest().unwrap().content();
    let key = directory.key(entry.header().author, entry.signature().key()).ok_or(("key-unknown", None))?;
    entry.verify(&key.public_key).map_err(|_| ("signature-invalid", None))?;
    if let Some(before) = case["after"].as_array() {
        let ledger = ledger_of(before);
        let receipt = receipt_for(&entry, &ledger);
        apply(Some(&ledger), &entry, &receipt).map_err(|refusal| (place(&ledger, &entry, refusal), None))?;
    }
    Ok(entry)
}

fn form(error: &EntryError) -> Problem {
    let pointer = match error {
        EntryError::Shape(shape) => Some(shape.pointer.clone()),
        _ => None,
    };
    (error.problem().registered().map_or("unregistered", ProblemType::name), pointer)
}

fn place(ledger: &Ledger, entry: &Entry, refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Sequence if entry.header().sequence > ledger.head.sequence + 1 => "sequence-gap",
        Refusal::Sequence | Refusal::Previous => "sequence-conflict",
        Refusal::Receipt | Refusal::ReceivedAtOrder | Refusal::IncarnationOrder => "receipt-invalid",
        Refusal::HeaderChanged => "header-changed",
        Refusal::WrongAuthor(_) => "wrong-author",
        Refusal::NotAllowed { .. } | Refusal::NotAnOffer => "not-allowed-in-stage",
        Refusal::CreatedAtOrder => "created-at-order",
    }
}

/// The ledger of entries that each carry the sequencer's receipt.
pub(super) fn ledger_of(entries: &[Value]) -> Ledger {
    let mut ledger = None;
    for value in entries {
        let entry = Entry::read(&json(value)).unwrap();
        let receiving =
            ledger.as_ref().map_or(entry.header().recipient, |held: &Ledger| held.terms.receiving);
        let receipt = entry.receipt_by(receiving).unwrap().content().clone();
        ledger = Some(apply(ledger.as_ref(), &entry, &receipt).unwrap());
    }
    ledger.unwrap()
}

fn receipt_for(entry: &Entry, ledger: &Ledger) -> Receipt {
    let received_at: Instant = "2026-12-24T09:00:00Z".parse().unwrap();
    Receipt {
        transfer: entry.header().transfer,
        sequence: entry.header().sequence,
        entry_id: entry.header().id,
        header_digest: entry.header_digest(),
        received_at,
        by: ledger.terms.receiving,
        incarnation: 1,
        directory_issue: 1,
    }
}
