//! A query of Sheffield's to Birmingham with its answers, and a notice with its acknowledgement. All invented.

use serde_json::json;

use super::{SALT, code, known, numbered_uuid, signing_key};
use crate::body::StatedBasis;
use crate::canonical::Json;
use crate::codes::{AnswerOutcome, LegalBasis, MatchedField, NoticeDisposition, NoticeKind, QueryPurpose};
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::instant::{BroadcastId, Instant, NoticeId, QueryId};
use crate::notice::{Acknowledgement, Notice, NoticeHeader};
use crate::query::{Answer, Query, QueryHeader};
use crate::receipt::{Stored, StoredKind};

/// Identifiers of the examples.
pub fn query_id(number: u64) -> QueryId {
    known(&numbered_uuid(0xf54, number))
}

/// Identifiers of the examples.
pub fn broadcast_id(number: u64) -> BroadcastId {
    known(&numbered_uuid(0xf55, number))
}

/// Identifiers of the examples.
pub fn notice_id(number: u64) -> NoticeId {
    known(&numbered_uuid(0xf56, number))
}

fn legal_basis() -> Vec<StatedBasis> {
    vec![StatedBasis { code: LegalBasis::EducationAct1996S436a, as_of: jiff::civil::date(2026, 11, 24) }]
}

/// The header of the example query, without standing and broadcast; the body's digest is not yet right.
pub fn query_header(number: u64) -> QueryHeader {
    QueryHeader {
        protocol: "1.0".to_owned(),
        query: query_id(number),
        author: code("373"),
        recipient: code("330"),
        created_at: known("2026-11-24T09:00:00.25Z"),
        purpose: QueryPurpose::TraceMissingChild,
        legal_basis: legal_basis(),
        broadcast: None,
        standing_until: None,
        renews: None,
        body_digest: Digest::of(b"not yet"),
    }
}

/// The body of the example query.
///
/// # Panics
/// When the example breaks the canonical form: a bug that a test shows.
pub fn query_body() -> Json {
    let body = json!({
        "salt": SALT,
        "officer": { "id": "o-7f3a", "role": "CME officer" },
        "subject": {
            "familyName": "Testcase",
            "givenName": "Amina",
            "formerFamilyNames": ["Example"],
            "dateOfBirth": "2016-04-09",
            "sex": "F",
            "upns": ["B373000020001"],
            "lastPostcode": "S1 2HH",
        },
    });
    Json::from_typed(&body).expect("the example is within the rules")
}

/// The example query.
pub fn query() -> Query {
    Query::sign(query_header(1), query_body(), &signing_key("373"))
}

/// The example query in a broadcast, standing for 30 days.
///
/// # Panics
/// When the example breaks the canonical form: a bug that a test shows.
pub fn broadcast_query() -> Query {
    let header = QueryHeader {
        broadcast: Some(broadcast_id(1)),
        standing_until: Some(known("2026-12-24T09:00:00Z")),
        ..query_header(2)
    };
    let mut body = query_body().into_value();
    body["secondOfficer"] = json!({ "id": "o-11c2", "role": "head of inclusion" });
    let body = Json::from_typed(&body).expect("the example is within the rules");
    Query::sign(header, body, &signing_key("373"))
}

/// An answer of Birmingham's to a query.
pub fn answer(query: &Query, number: u64, outcome: AnswerOutcome, at: Instant) -> Answer {
    let matched = matches!(outcome, AnswerOutcome::Known | AnswerOutcome::Possible);
    let matched_on = [MatchedField::Name, MatchedField::DateOfBirth, MatchedField::Upn];
    Answer {
        query: query.header().query,
        query_digest: query.header_digest(),
        number,
        outcome,
        matched_on: if matched { matched_on.to_vec() } else { Vec::new() },
        referred_to: (outcome == AnswerOutcome::Referred).then(|| code("383")),
        team: super::contact("Children missing education team"),
        answered_at: at,
        by: query.header().recipient,
        incarnation: 1,
        directory_issue: 1,
    }
}

/// Birmingham's answer to the example query: known.
pub fn signed_answer() -> Envelope<Answer> {
    let answer = answer(&query(), 0, AnswerOutcome::Known, known("2026-11-24T09:00:01Z"));
    Envelope::sign(answer, &signing_key("330"))
}

/// The header of the example notice; the body's digest is not yet right.
pub fn notice_header() -> NoticeHeader {
    NoticeHeader {
        protocol: "1.0".to_owned(),
        notice: notice_id(1),
        kind: NoticeKind::RemovedFromRoll,
        author: code("373"),
        recipient: code("330"),
        created_at: known("2026-11-24T10:00:00Z"),
        legal_basis: legal_basis(),
        body_digest: Digest::of(b"not yet"),
    }
}

/// The body of the example notice.
///
/// # Panics
/// When the example breaks the canonical form: a bug that a test shows.
pub fn notice_body() -> Json {
    let body = json!({
        "salt": SALT,
        "child": {
            "familyName": "Testcase",
            "givenName": "Amina",
            "dateOfBirth": "2016-04-09",
            "sex": "F",
            "upns": ["B373000020001"],
        },
        "on": "2026-11-20",
        "school": { "name": "Invented Primary School" },
        "deletionGround": { "regulations": "2024", "letter": "g" },
        "lastAttended": "2026-10-09",
        "locationSensitivity": "standard",
        "contact": { "name": "Sam Invented", "role": "CME officer", "telephone": "01632 960001" },
    });
    Json::from_typed(&body).expect("the example is within the rules")
}

/// An example body of a notice of that kind.
///
/// # Panics
/// When an example breaks the canonical form: a bug that a test shows.
pub fn notice_body_of(kind: NoticeKind) -> Json {
    let mut body = notice_body().into_value();
    let foreign: &[&str] = match kind {
        NoticeKind::RemovedFromRoll => &[],
        NoticeKind::JoinedRoll => &["deletionGround", "lastAttended"],
        NoticeKind::Seen => &["school", "deletionGround", "lastAttended"],
    };
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !foreign.contains(&name.as_str()));
    }
    if kind == NoticeKind::Seen {
        body["byRole"] = json!("education welfare officer");
    }
    Json::from_typed(&body).expect("the example is within the rules")
}

/// The example notice.
pub fn notice() -> Notice {
    Notice::sign(notice_header(), notice_body(), &signing_key("373"))
}

/// Birmingham's acknowledgement of the example notice.
pub fn acknowledgement() -> Envelope<Acknowledgement> {
    let content = Acknowledgement {
        notice: notice_id(1),
        notice_digest: notice().header_digest(),
        disposition: NoticeDisposition::CaseOpened,
        acknowledged_at: known("2026-11-25T08:30:00Z"),
        by: code("330"),
        incarnation: 1,
        directory_issue: 1,
    };
    Envelope::sign(content, &signing_key("330"))
}

/// A storage receipt by an authority.
pub fn stored(kind: StoredKind, id: &str, digest: Digest, by: &str) -> Envelope<Stored> {
    let content = Stored {
        kind,
        id: id.to_owned(),
        digest,
        received_at: known("2026-11-25T08:30:01.5Z"),
        by: code(by),
        incarnation: 1,
        directory_issue: 1,
    };
    Envelope::sign(content, &signing_key(by))
}
