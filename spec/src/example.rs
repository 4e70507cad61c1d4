//! Invented material: one body of every type, keys, a directory, whole ledgers.
//!
//! The OpenAPI document's examples, the test vectors, `office example` and the tests of every crate are
//! made from it, so that they can't drift apart. Keys are derived from a public text: they protect nothing.

mod bodies;
mod queries;
mod story;

use serde_json::{Value, json};

pub use self::bodies::{SALT, body};
pub use self::queries::{
    acknowledgement, answer as query_answer, broadcast_id, broadcast_query, notice, notice_body,
    notice_body_of, notice_header, notice_id, query, query_body, query_header, query_id, signed_answer,
    stored,
};
pub use self::story::Story;
use crate::directory::{Authority, Availability, Contact, Directory, FORMAT, Key, Policy};
use crate::entry::{EntryType, HeadRef};
use crate::envelope::Envelope;
use crate::ids::{AuthorityCode, GssCode};
use crate::instant::{EntryId, Instant, TransferId};
use crate::ledger::Stage;
use crate::problem::{Problem, ProblemType};
use crate::receipt::{ReconciledHead, Reconciliation, StoredKind, reconciliation_digest};
use crate::signature::SigningKey;
use crate::{digest::Digest, operation, working_days};

/// Sheffield, Birmingham and Leeds: codes of the public register; everything else about them is invented.
pub const AUTHORITIES: [(&str, &str, &str); 3] =
    [("373", "E08000039", "Sheffield"), ("330", "E08000025", "Birmingham"), ("383", "E08000035", "Leeds")];

/// Reads a constant of this module.
///
/// # Panics
/// When the text is not of the type's form.
pub fn known<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not of its form"))
}

/// The signing key of an authority in the examples.
pub fn signing_key(authority: &str) -> SigningKey {
    let seed = Digest::of(format!("cme example signing key {authority}").as_bytes());
    SigningKey::from_seed(seed.as_bytes())
}

/// The root key of the example directory.
pub fn root_key() -> SigningKey {
    let seed = Digest::of(b"cme example root key");
    SigningKey::from_seed(seed.as_bytes())
}

fn contact(name: &str) -> Contact {
    Contact {
        name: name.to_owned(),
        email: Some("cme@council.example".to_owned()),
        telephone: Some("01632 960001".to_owned()),
    }
}

/// The example directory's first issue, unsigned.
pub fn directory() -> Directory {
    let authority = |(code, gss, name): (&str, &str, &str)| Authority {
        code: known(code),
        gss: known::<GssCode>(gss),
        name: name.to_owned(),
        valid_from: jiff::civil::date(2009, 1, 1),
        valid_to: None,
        successors: Vec::new(),
        operator: format!("{name} City Council"),
        base_url: Some(format!("https://cme.council.example/{code}")),
        server_pins: vec![Digest::of(format!("server certificate of {code}").as_bytes())],
        client_pins: vec![Digest::of(format!("client certificate of {code}").as_bytes())],
        keys: vec![Key {
            kid: signing_key(code).id(),
            public_key: signing_key(code).public(),
            valid_from: known("2026-09-01T00:00:00Z"),
            retired_at: None,
            revoked_at: None,
        }],
        team: contact("Children missing education team"),
        escalation: contact("Head of education inclusion"),
        profiles: vec!["core".to_owned()],
        availability: Availability::Available,
    };
    let calendar = working_days::WorkingDays::england_and_wales();
    Directory {
        format: FORMAT.to_owned(),
        issue: 1,
        previous: None,
        issued_at: known("2026-09-01T00:00:00Z"),
        expires_at: known("2027-09-01T00:00:00Z"),
        grace_days: 14,
        authorities: AUTHORITIES.into_iter().map(authority).collect(),
        policy: Policy::standard(calendar.holidays().collect(), calendar.through()),
        arbiter: contact("Regional CME panel"),
        root_keys: vec![root_key().public()],
    }
}

/// The example directory, signed.
pub fn signed_directory() -> Envelope<Directory> {
    Envelope::sign(directory(), &root_key())
}

/// A version 7 UUID that depends on nothing but its number.
///
/// # Panics
/// Never: the text is always a version 7 UUID.
pub fn numbered_uuid(kind: u16, number: u64) -> String {
    format!("019a1b2c-3d4e-7{:03x}-8a6b-{:012x}", kind & 0xfff, number & 0xffff_ffff_ffff)
}

/// The request's content of an operation in the OpenAPI document; for an entry an offer.
///
/// # Panics
/// When the operation has no example: a bug that a test shows.
pub fn request(operation: &str) -> Value {
    let json = match operation {
        "put_entry" => Story::offered().entries()[0].clone().without_receipts().to_json(),
        "put_query" => query().to_json(),
        "put_answer" => signed_answer().to_json(),
        "put_notice" => notice().to_json(),
        "put_acknowledgement" => acknowledgement().to_json(),
        other => panic!("operation {other} has no example of a request"),
    };
    json.into_value()
}

/// The answer of an operation in the OpenAPI document.
///
/// # Panics
/// When the operation has no example: a bug that a test shows.
pub fn answer(operation: &str) -> Value {
    let story = Story::accepted();
    let entries = || story.entries().iter().map(crate::entry::Entry::to_json);
    match operation {
        "get_capabilities" => json!(operation::get_capabilities::Capabilities {
            authority: known("330"),
            protocols: vec!["1.0".to_owned()],
            profiles: vec!["core".to_owned()],
            limits: operation::get_capabilities::CapabilityLimits {
                entry_bytes_max: 262_144,
                depth_max: 16,
                page_items_max: 1_000,
            },
            software: operation::get_capabilities::Software {
                name: "cme-server".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            incarnation: 1,
            directory_issue: 1,
            directory_digest: signed_directory().digest(),
        }),
        "put_entry" => {
            let receipt = story.entries()[0].receipts()[0].to_json();
            receipt.into_value()
        }
        "list_entries" => {
            json!(operation::list_entries::EntryPage {
                entries: entries().collect(),
                more: false,
                head: story.head("330").to_json(),
                forks: Vec::new(),
            })
        }
        "list_heads" => json!(operation::list_heads::HeadPage {
            incarnation: 1,
            heads: vec![story.head("330").to_json()],
            next: "1.17".to_owned(),
            more: false,
        }),
        "get_reconciliation" => {
            let head = story.head("330").content().clone();
            let content = Reconciliation {
                by: known("330"),
                with: known("373"),
                ledgers: 1,
                digest: reconciliation_digest(vec![ReconciledHead {
                    transfer: head.transfer,
                    sequence: head.sequence,
                    header_digest: head.header_digest,
                }]),
                at: head.at,
                incarnation: 1,
                directory_issue: 1,
            };
            Envelope::sign(content, &signing_key("330")).to_json().into_value()
        }
        other => stored_answer(other).unwrap_or_else(|| panic!("operation {other} has no example")),
    }
}

/// The answer of an operation about a query or a notice.
fn stored_answer(operation: &str) -> Option<Value> {
    let query_id = query_id(1).to_string();
    let receipt = match operation {
        "put_query" => {
            let answers = vec![signed_answer().to_json()];
            return Some(json!(operation::put_query::QueryAnswers { answers }));
        }
        "put_answer" => stored(StoredKind::Answer, &query_id, signed_answer().digest(), "373"),
        "withdraw_query" => stored(StoredKind::Withdrawal, &query_id, query().header_digest(), "330"),
        "put_notice" => {
            stored(StoredKind::Notice, &notice_id(1).to_string(), notice().header_digest(), "330")
        }
        "put_acknowledgement" => {
            let id = notice_id(1).to_string();
            stored(StoredKind::Acknowledgement, &id, acknowledgement().digest(), "373")
        }
        _ => return None,
    };
    Some(receipt.to_json().into_value())
}

/// A problem as a server would answer it.
pub fn problem(kind: ProblemType) -> Problem {
    let problem = Problem::new(kind);
    let head = HeadRef { sequence: 3, header_digest: Digest::of(b"an example header") };
    match kind {
        ProblemType::SequenceConflict | ProblemType::SequenceGap | ProblemType::Forked => {
            problem.head(Some(head))
        }
        ProblemType::BodyInvalid => problem.pointer("/child/dateOfBirth"),
        ProblemType::QueryNotAllowed => problem.pointer("/standingUntil"),
        ProblemType::Malformed => problem.detail("not JSON at line 1 column 17"),
        ProblemType::TooLarge => problem.limit(262_144),
        ProblemType::NotAllowedInStage => problem
            .stage(Stage::Accepted)
            .detail(format!("{} is not allowed while accepted", EntryType::Decline)),
        _ => problem,
    }
}

/// Identifiers of the examples.
pub fn transfer(number: u64) -> TransferId {
    known(&numbered_uuid(0xf50, number))
}

/// Identifiers of the examples.
pub fn entry_id(number: u64) -> EntryId {
    known(&numbered_uuid(0xf51, number))
}

/// An authority code of the examples.
pub fn code(text: &str) -> AuthorityCode {
    known(text)
}

/// An instant of the examples.
pub fn instant(text: &str) -> Instant {
    known(text)
}
