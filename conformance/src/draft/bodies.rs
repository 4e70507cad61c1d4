//! A right body of each type, about nobody who lives.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::encoding::base64url;
use crate::instant::date;
use crate::json::Json;

/// How each family name of an invented child begins. A server that shows one where it doesn't belong is found
/// by it.
pub(crate) const CANARY: &str = "Kanarie";

/// A salt.
pub(crate) fn salt() -> Json {
    base64url(&drawn()).into()
}

/// Random bytes. Without a random source they are weak; of an invented child they protect nothing.
pub(super) fn drawn() -> [u8; 16] {
    let mut bytes = [0; 16];
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes
}

fn officer() -> Json {
    Json::object([
        ("name", "Sam Invented".into()),
        ("role", "CME officer".into()),
        ("telephone", "01632 960001".into()),
    ])
}

fn enquiry() -> Json {
    Json::object([
        ("check", "home-visit".into()),
        ("on", date(-20).into()),
        ("byRole", "education welfare officer".into()),
        ("result", "no-trace".into()),
    ])
}

fn evidence() -> Json {
    Json::object([("kind", "parent-statement".into()), ("on", date(-30).into())])
}

/// offer
pub(crate) fn offer() -> Json {
    let salt = salt();
    let mark: String = salt.text_at("").unwrap_or_default().bytes().map(letter).take(12).collect();
    let child = Json::object([
        ("familyName", format!("{CANARY}{mark}").into()),
        ("givenName", "Ada".into()),
        ("dateOfBirth", "2015-03-14".into()),
        ("sex", "F".into()),
        ("upn", "B373000020001".into()),
        ("nhsNumber", "9990000018".into()),
    ]);
    let circumstances = Json::object([
        ("reason", "believed-moved-to-another-la".into()),
        ("cmeSince", date(-40).into()),
        ("locationSensitivity", "standard".into()),
    ]);
    let basis = Json::object([("code", "education-act-1996-s436a".into()), ("asOf", date(0).into())]);
    Json::object([
        ("salt", salt),
        ("child", child),
        ("circumstances", circumstances),
        ("capacity", "residence".into()),
        ("enquiries", vec![enquiry()].into()),
        ("risks", Json::Array(Vec::new())),
        ("contacts", Json::object([("officer", officer())])),
        ("legalBasis", vec![basis].into()),
        ("moveEvidence", vec![evidence()].into()),
    ])
}

fn letter(byte: u8) -> char {
    char::from(b'a' + byte % 26)
}

/// A right body of the type; an offer's for a type that is unknown.
pub(crate) fn of(kind: &str) -> Json {
    let members: Vec<(&str, Json)> = match kind {
        "acknowledge" => vec![("officer", officer()), ("firstAction", "Visit the address.".into())],
        "request-information" => {
            vec![("topic", "residence".into()), ("question", "Who saw the child last?".into())]
        }
        "supply-information" => vec![("answer", "The class teacher.".into())],
        "accept" => vec![
            ("from", date(0).into()),
            ("residence", Json::object([("kind", "settled".into())])),
            ("contact", officer()),
        ],
        "decline" => vec![("reason", "never-resident-here".into()), ("checked", vec![enquiry()].into())],
        "contest" => {
            vec![("evidence", vec![evidence()].into()), ("explanation", "A tenancy was found.".into())]
        }
        "uphold" => vec![("reason", "child-traced-elsewhere".into())],
        "redirect" => vec![("authority", "383".into()), ("evidence", vec![evidence()].into())],
        "withdraw" => vec![("reason", "child-found".into())],
        "outcome" => {
            let outcome = Json::object([("kind", "deceased".into())]);
            vec![("outcome", outcome)]
        }
        "retract" => vec![("reason", "The outcome was another child's.".into())],
        "correct" => {
            let correction = Json::object([("pointer", "/child/givenName".into()), ("value", "Adah".into())]);
            vec![
                ("corrects", 0.into()),
                ("corrections", vec![correction].into()),
                ("reason", "Spelling.".into()),
            ]
        }
        _ => return offer(),
    };
    let mut body = Json::object([("salt", salt())]);
    for (name, value) in members {
        body.set(&format!("/{name}"), value);
    }
    body
}
