//! What stands in no ledger: the form of queries and notices, and storage receipts (sections 6.4, 15 and 17).

use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::jws::Detached;
use crate::wire::Request;
use crate::world::CLOCK_SKEW_SECONDS_MAX;

use super::{Fault, Peer, Refusal, body, form, now};

/// Longest standing of a query.
const STANDING_SECONDS_MAX: i64 = 2_592_000;

/// Which of the two a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    Query,
    Notice,
}

impl Statement {
    const fn id(self) -> &'static str {
        if matches!(self, Self::Query) { "/query" } else { "/notice" }
    }

    const fn typ(self) -> &'static str {
        if matches!(self, Self::Query) { "cme-query" } else { "cme-notice" }
    }
}

impl Peer {
    /// Steps 2 to 6 for a query or a notice: the document and its header.
    pub(super) fn statement(
        &self,
        which: Statement,
        (caller, path): (&str, &str),
        request: &Request,
    ) -> Result<(Json, Json), Refusal> {
        let document = self.content(request)?;
        let header = crate::draft::header_of(&document);
        let signature = document.text_at("/signature").ok_or(Refusal::new("malformed"))?;
        if !self.is_statement_header(which, &header) {
            return Err(Refusal::new("malformed"));
        }
        let body = document.member("body").filter(|body| **body != Json::Null);
        let body = body.ok_or(Refusal::new("body-missing"))?;
        let detached =
            Detached::read(signature, which.typ()).map_err(|_| Refusal::new("signature-invalid"))?;
        if header.text_at(which.id()) != Some(path) {
            return Err(Refusal::new("path-mismatch"));
        }
        let parties = (header.text_at("/author"), header.text_at("/recipient"));
        if parties != (Some(caller), Some(self.role.code.as_str())) {
            return Err(Refusal::new("not-a-party"));
        }
        if header.text_at("/bodyDigest") != Some(&digest(body)) {
            return Err(Refusal::new("body-digest-mismatch"));
        }
        if which == Statement::Query {
            self.query_rules(&header)?;
        }
        body::check_statement(body, &header, (which == Statement::Query, self.fault))?;
        let key = self.key(caller, &detached.kid).ok_or(Refusal::new("key-unknown"))?;
        self.lifetime(&key, instant::now())?;
        let verified = detached.verify(&header, key.text_at("/publicKey").unwrap_or_default());
        verified.map_err(|_| Refusal::new("signature-invalid"))?;
        Ok((document, header))
    }

    /// The time of a statement that is new.
    pub(super) fn statement_time(header: &Json) -> Result<(), Refusal> {
        let at = header.text_at("/createdAt").and_then(instant::read);
        let ahead = at > Some(instant::in_seconds(CLOCK_SKEW_SECONDS_MAX));
        if ahead { Err(Refusal::new("created-at-skew")) } else { Ok(()) }
    }

    fn is_statement_header(&self, which: Statement, header: &Json) -> bool {
        let text = |name: &str| header.text_at(name).unwrap_or_default();
        let code = match which {
            Statement::Notice => ["removed-from-roll", "joined-roll", "seen"].contains(&text("/kind")),
            Statement::Query => ["trace-missing-child", "confirm-arrival", "background-for-new-arrival"]
                .contains(&text("/purpose")),
        };
        let bases = header.member("legalBasis").is_some_and(body::are_legal_bases);
        let lenient = match which {
            Statement::Notice => self.is(Fault::TakesNoticesWithoutBasis),
            Statement::Query => self.is(Fault::TakesQueriesWithoutBasis),
        };
        let optional = |name: &str, fits: fn(&str) -> bool| match header.member(name) {
            None => true,
            Some(Json::Text(text)) => fits(text),
            Some(_) => false,
        };
        form::is_uuid(text(which.id()))
            && text("/protocol").starts_with("1.")
            && form::is_code(text("/author"))
            && form::is_code(text("/recipient"))
            && text("/author") != text("/recipient")
            && instant::read(text("/createdAt")).is_some()
            && form::is_digest(text("/bodyDigest"))
            && code
            && (bases || (lenient && header.member("legalBasis").is_none()))
            && optional("broadcast", form::is_uuid)
            && optional("renews", form::is_uuid)
            && optional("standingUntil", |text| instant::read(text).is_some())
    }

    /// QRY-005, STQ-001 and STQ-002.
    fn query_rules(&self, header: &Json) -> Result<(), Refusal> {
        let refused = |pointer: &str| Err(Refusal::new("query-not-allowed").with("pointer", pointer));
        let tracing = header.text_at("/purpose") == Some("trace-missing-child");
        for name in ["broadcast", "standingUntil"] {
            if header.member(name).is_some() && !tracing && !self.is(Fault::LetsAnyPurposeStand) {
                return refused(&format!("/{name}"));
            }
        }
        let time = |path: &str| header.text_at(path).and_then(instant::read);
        if let (Some(until), Some(from)) = (time("/standingUntil"), time("/createdAt")) {
            let seconds = until.as_second() - from.as_second();
            let ends = until > from && seconds <= STANDING_SECONDS_MAX;
            if !ends && !self.is(Fault::LetsQueriesStandForEver) {
                return refused("/standingUntil");
            }
        }
        let renews = header.text_at("/renews");
        let stands = header.member("standingUntil").is_some() && renews != header.text_at("/query");
        if renews.is_some() && !stands && !self.is(Fault::RenewsAnything) {
            return refused("/renews");
        }
        Ok(())
    }

    /// A storage receipt (section 6.4).
    pub(super) fn stored(&self, kind: &str, id: &str, value: &Json) -> Json {
        let stored = Json::object([
            ("kind", kind.into()),
            ("id", id.into()),
            ("digest", digest(value).into()),
            ("receivedAt", now().into()),
            ("by", self.role.code.as_str().into()),
            ("incarnation", self.incarnation().into()),
            ("directoryIssue", self.issue().into()),
        ]);
        self.signed("stored", stored)
    }

    /// RCP-012: whether a success holds the storage receipt of that authority for what was sent.
    pub(super) fn is_stored(&self, by: &str, signed: &Json, (kind, id): (&str, &str), value: &Json) -> bool {
        let stored = signed.member("stored").cloned().unwrap_or(Json::Null);
        let fits = stored.text_at("/by") == Some(by)
            && stored.text_at("/kind") == Some(kind)
            && stored.text_at("/id") == Some(id)
            && stored.text_at("/digest") == Some(&digest(value));
        let verified = self.holds(by, &stored, signed.text_at("/signature"), "cme-stored");
        (fits && verified) || self.is(Fault::TakesAnySuccessAsStored)
    }
}
