//! The directory that the subject loads: one issue, signed by the suite's root key.

use crate::encoding::{digest_of_bytes, digest_of_nothing};
use crate::identity::IdentityError;
use crate::instant::{date, in_seconds, written};
use crate::json::Json;
use crate::jws::SigningKey;

use super::{Authority, Kind, Subject, World};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Seconds by which an author's clock may be ahead.
pub(crate) const CLOCK_SKEW_SECONDS_MAX: i64 = 300;

/// Profiles that the suite's authorities have.
const PROFILES: [&str; 4] = ["core", "queries", "standing-queries", "notices"];

impl World {
    /// The first issue of the directory, with the subject and every authority of the suite.
    pub(crate) fn directory(&self, subject: &Subject) -> Result<Json, IdentityError> {
        let successor = self.authorities.first().map(|first| first.code.as_str()).unwrap_or_default();
        let mut authorities = vec![subject.record.clone()];
        for authority in &self.authorities {
            authorities.push(self.record(authority, successor)?);
        }
        let directory = Json::object([
            ("format", "cme-directory/1".into()),
            ("issue", 1.into()),
            ("previous", Json::Null),
            ("issuedAt", written(in_seconds(-HOUR)).into()),
            ("expiresAt", written(in_seconds(365 * DAY)).into()),
            ("graceDays", 14.into()),
            ("authorities", authorities.into()),
            ("policy", policy()),
            ("arbiter", contact("Conformance arbiter")),
            ("rootKeys", vec![self.root.public().into()].into()),
        ]);
        let signature = self.root.sign(&directory);
        Ok(Json::object([("directory", directory), ("signature", signature.into())]))
    }

    fn record(&self, authority: &Authority, successor: &str) -> Result<Json, IdentityError> {
        let code = authority.code.as_str();
        let server_pin = match authority.kind {
            Kind::WrongPin => digest_of_bytes(code.as_bytes()),
            _ => self.server.pin()?,
        };
        let mut record = Json::object([
            ("code", code.into()),
            ("gss", format!("E99000{code}").into()),
            ("name", format!("Invented authority {code}").into()),
            ("validFrom", "2009-04-01".into()),
            ("successors", Json::Array(Vec::new())),
            ("operator", "Conformance suite".into()),
            ("baseUrl", self.base_url_of(code).into()),
            ("serverPins", vec![server_pin.into()].into()),
            ("clientPins", vec![authority.client.pin()?.into()].into()),
            ("keys", keys(authority)),
            ("team", contact("Conformance team")),
            ("escalation", contact("Conformance escalation")),
            ("profiles", PROFILES.map(Json::from).to_vec().into()),
            ("availability", "available".into()),
        ]);
        match authority.kind {
            Kind::Ended => {
                record.set("/validTo", date(-2));
                let follows = Json::object([("code", successor.into()), ("residuary", true.into())]);
                record.set("/successors", vec![follows]);
            }
            Kind::ToCome => record.set("/validFrom", date(30)),
            Kind::Ordinary | Kind::WrongPin | Kind::Restored => {}
        }
        Ok(record)
    }
}

fn keys(authority: &Authority) -> Json {
    let begun = written(in_seconds(-365 * DAY));
    let key = |key: &SigningKey| {
        Json::object([
            ("kid", key.kid().into()),
            ("publicKey", key.public().into()),
            ("validFrom", begun.clone().into()),
        ])
    };
    let (mut retired, mut revoked) = (key(&authority.retired), key(&authority.revoked));
    let mut to_come = key(&authority.to_come);
    retired.set("/retiredAt", written(in_seconds(-HOUR)));
    revoked.set("/revokedAt", written(in_seconds(-HOUR)));
    to_come.set("/validFrom", written(in_seconds(30 * DAY)));
    vec![key(&authority.key), retired, revoked, to_come].into()
}

fn policy() -> Json {
    let days =
        |standard: i64, urgent: i64| Json::object([("standard", standard.into()), ("urgent", urgent.into())]);
    Json::object([
        ("acknowledgeWorkingDays", days(5, 1)),
        ("decideWorkingDays", days(10, 3)),
        ("reviewWorkingDays", 20.into()),
        ("originActWorkingDays", 5.into()),
        ("clockSkewSecondsMax", CLOCK_SKEW_SECONDS_MAX.into()),
        ("bankHolidays", vec!["2026-12-25".into(), "2026-12-28".into()].into()),
        ("holidaysThrough", date(400).into()),
    ])
}

fn contact(name: &str) -> Json {
    Json::object([("name", name.into()), ("email", "peer@conformance.example".into())])
}

/// A kid that no directory lists.
pub(crate) fn stray_kid() -> String {
    digest_of_nothing()
}
