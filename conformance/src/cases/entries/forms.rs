//! Bodies, right and wrong, by the tables of section 4.4.

use crate::court::{Court, Found, ensure};
use crate::draft::{Draft, bodies, uuid};
use crate::instant::date;
use crate::json::Json;

/// A member of an offer's body and a wrong value for it; none leaves it out.
pub(super) fn spoilt_offers() -> Vec<(&'static str, Option<Json>)> {
    let mut spoilt: Vec<(&'static str, Option<Json>)> = [
        "/salt",
        "/child",
        "/child/familyName",
        "/child/dateOfBirth",
        "/child/sex",
        "/child/upn",
        "/circumstances",
        "/circumstances/reason",
        "/circumstances/cmeSince",
        "/circumstances/locationSensitivity",
        "/capacity",
        "/enquiries",
        "/enquiries/0/byRole",
        "/risks",
        "/contacts/officer",
        "/contacts/officer/role",
        "/legalBasis",
        "/moveEvidence",
        "/moveEvidence/0/kind",
    ]
    .map(|path| (path, None))
    .to_vec();
    let empty = || Json::Array(Vec::new());
    let values: Vec<(&'static str, Json)> = vec![
        ("/salt", "AAAA".into()),
        ("/child/familyName", " ".into()),
        ("/child/givenName", 7.into()),
        ("/child/middleNames", "x".repeat(4_001).into()),
        ("/child/dateOfBirth", "2015-02-30".into()),
        ("/child/dateOfBirth", "14/03/2015".into()),
        ("/child/sex", "X".into()),
        ("/child/upnUnknownReason", "UN8".into()),
        ("/child/uln", "1000000001".into()),
        ("/circumstances/reason", "missing".into()),
        ("/circumstances/lastSchool", Json::object([])),
        ("/circumstances/lastSchool", deletion_ground("2006", "o")),
        ("/circumstances/yearGroup", "15".into()),
        ("/capacity", "guest".into()),
        ("/enquiries/0/result", "inconclusive".into()),
        ("/risks", vec!["exploitation".into(), "exploitation".into()].into()),
        ("/risks", vec!["restricted-location".into()].into()),
        ("/legalBasis", empty()),
        ("/family", Json::object([("group", uuid().into()), ("siblings", 65.into())])),
        ("/believedAddress", Json::object([("addressKind", "refuge".into())])),
        (
            "/believedAddress",
            Json::object([("addressKind", "residential".into()), ("postcode", "s1 2hh".into())]),
        ),
    ];
    spoilt.extend(values.into_iter().map(|(path, value)| (path, Some(value))));
    spoilt
}

/// Members of the bodies that an originating authority may send to a ledger that is offered.
pub(super) fn spoilt_bodies(kind: &str) -> Vec<(&'static str, Option<Json>)> {
    let wrong = |value: Json| Some(value);
    match kind {
        "supply-information" => {
            vec![("/answer", None), ("/inReplyTo", wrong(1.into())), ("/answer", wrong("".into()))]
        }
        "request-information" => {
            vec![
                ("/topic", None),
                ("/topic", wrong("address".into())),
                ("/question", wrong(Json::Bool(true))),
            ]
        }
        "withdraw" => vec![("/reason", None), ("/reason", wrong("untraced".into()))],
        _ => vec![
            ("/corrects", None),
            ("/corrects", wrong(1.into())),
            ("/corrections", wrong(Json::Array(Vec::new()))),
            ("/corrections/0/pointer", wrong("child/givenName".into())),
            ("/corrections/0/value", None),
        ],
    }
}

fn deletion_ground(regulations: &str, letter: &str) -> Json {
    let ground = Json::object([("regulations", regulations.into()), ("letter", letter.into())]);
    Json::object([("name", "Invented Primary School".into()), ("deletionGround", ground)])
}

/// An offer with every optional member of the tables.
fn full_offer() -> Json {
    let mut body = bodies::offer();
    let texts = || Json::Array(vec!["One".into(), "Two".into()]);
    let officer = Json::object([
        ("name", "CME duty desk".into()),
        ("role", "team on duty".into()),
        ("email", "duty@conformance.example".into()),
    ]);
    let mut school = deletion_ground("2024", "o");
    school.set("/urn", "100001");
    school.set("/laestab", "3730000");
    school.set("/lastAttended", date(-45));
    let seen = Json::object([("on", date(-45).into()), ("by", "class teacher".into())]);
    let address = Json::object([
        ("addressKind", "temporary".into()),
        ("lines", texts()),
        ("postcode", "AB99 1ZZ".into()),
        ("uprn", "100000000001".into()),
    ]);
    let members: Vec<(&str, Json)> = vec![
        ("/child/middleNames", "One Two".into()),
        ("/child/formerFamilyNames", texts()),
        ("/child/alsoKnownAs", texts()),
        ("/child/formerUpns", vec!["B373000020001".into()].into()),
        ("/circumstances/lastSchool", school),
        ("/circumstances/lastSeen", seen),
        ("/circumstances/lastKnownProvision", "academy".into()),
        ("/circumstances/yearGroup", "N2".into()),
        ("/circumstances/homeEducation", "unknown".into()),
        ("/circumstances/socialCare", "early-help".into()),
        ("/enquiries/0/note", "No answer.".into()),
        ("/risks", vec!["previously-known-to-social-care".into()].into()),
        ("/contacts/duty", officer),
        ("/moveEvidence/0/detail", "A forwarding note.".into()),
        ("/believedAddress", address),
        ("/family", Json::object([("group", uuid().into()), ("siblings", 2.into())])),
    ];
    for (path, value) in members {
        body.set(path, value);
    }
    body
}

/// Right bodies are taken.
pub(super) fn are_taken(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut without_upn = bodies::offer();
    without_upn.remove("/child/upn");
    without_upn.set("/child/upnUnknownReason", "UN8");
    let mut nulls = bodies::offer();
    for member in
        ["/child/upnUnknownReason", "/child/uln", "/circumstances/lastSchool", "/believedAddress", "/family"]
    {
        nulls.set(member, Json::Null);
    }
    let mut longest = bodies::offer();
    longest.set("/child/givenName", "\u{e9}".repeat(4_000));
    for body in [full_offer(), without_upn, nulls, longest] {
        let entry = Draft { body, ..court.draft(&peer) }.sealed(&peer.key);
        taken(court, &peer, &entry)?;
    }
    let mut ledger = court.offered(&peer)?;
    for kind in ["request-information", "supply-information", "correct"] {
        let mut draft = Draft::next(&ledger, kind, bodies::of(kind));
        if kind == "supply-information" {
            draft.body.set("/inReplyTo", 1);
            let correction = Json::object([
                ("pointer", "/child/givenName".into()),
                ("replaces", "Ada".into()),
                ("value", "Adah".into()),
            ]);
            draft.body.set("/corrections", vec![correction]);
        }
        let entry = draft.sealed(&peer.key);
        let receipt = taken(court, &peer, &entry)?;
        ledger.add(&entry, receipt);
    }
    Ok(())
}

fn taken(court: &mut Court<'_>, peer: &crate::world::Authority, entry: &Json) -> Found<Json> {
    let response = court.put(peer, entry)?;
    match court.receipted(&response, entry, 201) {
        Ok(receipt) => Ok(receipt),
        Err(actual) => {
            let kind = entry.text_at("/header/type").unwrap_or_default();
            ensure(false, "ENT-010", &format!("201 for a right body of {kind}"), actual).map(|()| Json::Null)
        }
    }
}
