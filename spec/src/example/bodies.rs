//! One invented body for each entry type. Names, numbers and addresses belong to nobody: the UPN has the
//! establishment number 0000, the NHS number is of the test range, the telephone numbers are reserved for drama.

use serde_json::{Value, json};

use crate::canonical::Json;
use crate::entry::EntryType;

/// The salt of the example bodies. A real one is random.
pub const SALT: &str = "q83vEjRWeJCrze8SNFZ4kA";

/// An example body for an entry of that type, salt included.
///
/// # Panics
/// When an example breaks the canonical form: a bug that a test shows.
pub fn body(kind: EntryType) -> Json {
    let mut body = match kind {
        EntryType::Offer => offer(),
        EntryType::Acknowledge => json!({
            "officer": officer("J. Marsh", "01632 960102"),
            "firstAction": "Home visit booked; admissions asked for an application",
        }),
        EntryType::RequestInformation => json!({
            "topic": "education-history",
            "question": "Was a place at another school ever offered before the move?",
        }),
        EntryType::SupplyInformation => json!({
            "inReplyTo": 2,
            "answer": "No. The family left before the application was decided.",
            "corrections": [{ "pointer": "/child/middleNames", "value": "Noor" }],
        }),
        EntryType::Accept => json!({
            "from": "2026-11-27",
            "residence": { "kind": "settled" },
            "contact": officer("J. Marsh", "01632 960102"),
        }),
        EntryType::Decline => json!({
            "reason": "child-not-resident-here",
            "checked": [enquiry("home-visit", "2026-11-26", "no-trace")],
            "explanation": "The address has been empty since August.",
        }),
        EntryType::Contest => json!({
            "evidence": [{ "kind": "health-registration", "on": "2026-11-27",
                           "detail": "Registered with a practice in your area" }],
            "explanation": "The registration is newer than your visit.",
        }),
        EntryType::Uphold => json!({
            "reason": "evidence-does-not-show-residence",
            "explanation": "The practice confirms that the family never came.",
        }),
        EntryType::Redirect => json!({
            "authority": "383",
            "evidence": [{ "kind": "tenancy", "on": "2026-11-20", "detail": "Tenancy begun in Leeds" }],
        }),
        EntryType::Withdraw => json!({ "reason": "child-found" }),
        EntryType::Outcome => json!({
            "outcome": { "kind": "on-roll-attending", "urn": "100000", "attendanceBegan": "2026-12-07" },
        }),
        EntryType::Retract => json!({ "reason": "The school reports that the child never attended." }),
        EntryType::Correct => json!({
            "corrects": 0,
            "corrections": [{ "pointer": "/child/givenName", "replaces": "Amina", "value": "Aminah" }],
            "reason": "Spelling as on the birth certificate",
        }),
    };
    body["salt"] = json!(SALT);
    Json::from_typed(&body).expect("an example body is canonical")
}

fn officer(name: &str, telephone: &str) -> Value {
    json!({ "name": name, "role": "CME officer", "email": "cme@council.example", "telephone": telephone })
}

fn enquiry(check: &str, on: &str, result: &str) -> Value {
    json!({ "check": check, "on": on, "byRole": "education welfare officer", "result": result })
}

fn offer() -> Value {
    let upn =
        crate::ids::Upn::from_parts(super::code("373"), 0, 15, 42).expect("the parts are of their form");
    json!({
        "child": {
            "familyName": "Testcase",
            "givenName": "Amina",
            "alsoKnownAs": ["Mina Testcase"],
            "dateOfBirth": "2016-05-14",
            "sex": "F",
            "upn": upn.as_str(),
            "nhsNumber": "9990000018",
        },
        "circumstances": {
            "reason": "believed-moved-to-another-la",
            "cmeSince": "2026-10-16",
            "lastSchool": {
                "urn": "100000",
                "name": "Example Primary School",
                "lastAttended": "2026-09-18",
                "deletionGround": { "regulations": "2024", "letter": "g" },
            },
            "lastSeen": { "on": "2026-09-18", "by": "class teacher" },
            "yearGroup": "6",
            "locationSensitivity": "standard",
        },
        "capacity": "residence",
        "enquiries": [
            enquiry("home-visit", "2026-10-20", "no-trace"),
            enquiry("agency-databases", "2026-11-02", "trace-possible"),
        ],
        "risks": ["previously-known-to-social-care"],
        "contacts": { "officer": officer("R. Okafor", "01632 960101") },
        "legalBasis": [{ "code": "education-act-1996-s436a", "asOf": "2026-11-24" }],
        "moveEvidence": [{ "kind": "parent-statement", "on": "2026-11-19", "detail": "Parent says they have moved" }],
        "believedAddress": { "addressKind": "residential", "lines": ["1 Example Street"], "postcode": "XX1 1XX" },
    })
}
