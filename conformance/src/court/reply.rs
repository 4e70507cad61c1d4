//! What can be said of a response: receipts, heads, problems.

use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::wire::Response;

use super::{Court, Found, Miss, failed};

/// The problems of section 9.5 with their status.
pub(crate) const PROBLEMS: &[(&str, u16)] = &[
    ("malformed", 400),
    ("too-large", 413),
    ("limit-exceeded", 400),
    ("path-mismatch", 422),
    ("peer-unknown", 403),
    ("not-a-party", 403),
    ("type-unknown", 422),
    ("protocol-unsupported", 422),
    ("body-missing", 422),
    ("body-digest-mismatch", 422),
    ("body-invalid", 422),
    ("signature-invalid", 422),
    ("key-unknown", 422),
    ("key-not-valid", 422),
    ("id-reused", 409),
    ("sequence-conflict", 409),
    ("sequence-gap", 409),
    ("forked", 409),
    ("wrong-author", 422),
    ("receipt-missing", 422),
    ("receipt-invalid", 422),
    ("not-allowed-in-stage", 422),
    ("header-changed", 422),
    ("created-at-order", 422),
    ("created-at-skew", 422),
    ("incarnation-stale", 409),
    ("ledger-unknown", 404),
    ("query-not-allowed", 422),
    ("query-unknown", 404),
    ("answer-not-allowed", 422),
    ("answer-gap", 409),
    ("notice-unknown", 404),
    ("quota-exceeded", 429),
    ("cursor-expired", 410),
    ("cursor-invalid", 400),
    ("rate-limited", 429),
    ("unavailable", 503),
    ("pair-suspended", 503),
    ("media-type", 415),
    ("method-not-allowed", 405),
    ("route-unknown", 404),
    ("hosted-unknown", 404),
    ("internal", 500),
];

/// The start of each problem's `type`.
const PREFIX: &str = "urn:cme:problem:v1:";

/// Longest part of a content that a report shows.
const SHOWN_CHARACTERS_MAX: usize = 160;

/// The name of the problem that a response holds, whatever its status and media type.
pub(crate) fn problem_of(response: &Response) -> Option<String> {
    let problem = Json::read(&response.content).ok()?;
    problem.text_at("/type")?.strip_prefix(PREFIX).map(str::to_owned)
}

/// A response in one line.
pub(crate) fn told(response: &Response) -> String {
    let problem = Json::read(&response.content).unwrap_or(Json::Null);
    match (problem_of(response), problem.text_at("/pointer")) {
        (Some(name), Some(pointer)) => format!("{} {name} at {pointer:?}", response.status),
        (Some(name), None) => format!("{} {name}", response.status),
        (None, _) => {
            let content = String::from_utf8_lossy(&response.content);
            let shown: String = content.chars().take(SHOWN_CHARACTERS_MAX).collect();
            format!("{} {shown}", response.status)
        }
    }
}

/// Whether two signed receipts are one and the same, whatever else stands beside receipt and signature.
pub(crate) fn same_receipt(a: &Json, b: &Json) -> bool {
    same_signed("receipt", a, b)
}

/// Whether two signed values are one and the same, whatever else stands beside value and signature.
pub(crate) fn same_signed(member: &str, a: &Json, b: &Json) -> bool {
    let signed = |of: &Json| Some((of.member(member)?.canonical(), of.text_at("/signature")?.to_owned()));
    signed(a).is_some() && signed(a) == signed(b)
}

impl Court<'_> {
    /// The storage receipt of a response, if it is the subject's for that value (section 6.4), or what is
    /// wrong.
    pub(crate) fn stored(
        &self,
        response: &Response,
        (kind, id): (&str, &str),
        value: &Json,
        statuses: &[u16],
    ) -> Result<Json, String> {
        if !statuses.contains(&response.status) {
            return Err(told(response));
        }
        let signed = Json::read(&response.content).map_err(|error| error.to_string())?;
        let digest = digest(value);
        for (path, wanted) in
            [("/kind", kind), ("/id", id), ("/digest", &digest), ("/by", &self.bench.subject.code)]
        {
            let held = signed.text_at(&format!("/stored{path}"));
            if held != Some(wanted) {
                return Err(format!("the storage receipt's {path} is {held:?}, not {wanted:?}"));
            }
        }
        self.check_signed(&signed, "stored", "cme-stored", "/receivedAt").map(|()| signed)
    }

    /// The signed receipt of a response, if it is the subject's for that entry (section 6.1), or what is
    /// wrong.
    pub(crate) fn receipted(&self, response: &Response, entry: &Json, status: u16) -> Result<Json, String> {
        if response.status != status {
            return Err(told(response));
        }
        let signed = Json::read(&response.content).map_err(|error| format!("{status} with {error}"))?;
        let header = crate::draft::header_of(entry);
        self.check_receipt(&signed, &header).map(|()| signed)
    }

    /// Holds when a signed receipt is the subject's for the entry with that header.
    pub(crate) fn check_receipt(&self, signed: &Json, header: &Json) -> Result<(), String> {
        let receipt = signed.member("receipt").ok_or("there is no member receipt")?;
        let digest = digest(header);
        for (path, wanted) in [
            ("/transfer", header.text_at("/transfer")),
            ("/entryId", header.text_at("/id")),
            ("/headerDigest", Some(digest.as_str())),
            ("/by", Some(self.bench.subject.code.as_str())),
        ] {
            if receipt.text_at(path) != wanted {
                return Err(format!("the receipt's {path} is {:?}, not {wanted:?}", receipt.text_at(path)));
            }
        }
        if receipt.integer_at("/sequence") != header.integer_at("/sequence") {
            return Err("the receipt's /sequence is another".into());
        }
        for path in ["/incarnation", "/directoryIssue"] {
            if receipt.integer_at(path).is_none_or(|number| number < 1) {
                return Err(format!("the receipt's {path} is no integer from 1"));
            }
        }
        self.check_signed(signed, "receipt", "cme-receipt", "/receivedAt")
    }

    /// Holds when the member is signed by a key of the subject's in its lifetime.
    pub(crate) fn check_signed(
        &self,
        signed: &Json,
        member: &str,
        typ: &str,
        at: &str,
    ) -> Result<(), String> {
        let value = signed.member(member).ok_or_else(|| format!("there is no member {member}"))?;
        let signature = signed.text_at("/signature").ok_or("there is no signature")?;
        if value.text_at(at).and_then(instant::read).is_none() {
            return Err(format!("{at} of the {member} is no timestamp"));
        }
        let subject = &self.bench.subject;
        subject
            .verify(value, signature, typ, at)
            .map_err(|error| format!("the signature of the {member}: {error}"))
    }

    /// Holds when a head is the subject's, names that entry as the newest, and gives that stage.
    pub(crate) fn check_head(
        &self,
        signed: &Json,
        sequence: i64,
        header_digest: &str,
        stage: &str,
    ) -> Result<(), String> {
        self.check_signed(signed, "head", "cme-head", "/at")?;
        let head = signed.member("head").ok_or("there is no head")?;
        let subject = self.bench.subject.code.as_str();
        let facts =
            [("/headerDigest", header_digest), ("/stage", stage), ("/by", subject), ("/receiving", subject)];
        for (path, wanted) in facts {
            if head.text_at(path) != Some(wanted) {
                return Err(format!("{path} of the head is {:?}, not {wanted:?}", head.text_at(path)));
            }
        }
        if head.integer_at("/sequence") == Some(sequence) {
            Ok(())
        } else {
            Err(format!("/sequence of the head is {:?}, not {sequence}", head.integer_at("/sequence")))
        }
    }
}

/// Fails unless the response is one of those problems.
pub(crate) fn refused(requirement: &'static str, names: &[&str], response: &Response) -> Found<()> {
    let expected = names.join(" or ");
    match problem_of(response) {
        Some(name) if names.contains(&name.as_str()) => Ok(()),
        Some(name) if ["rate-limited", "unavailable"].contains(&name.as_str()) => {
            Err(Miss::Unexercised(format!("the subject answers {name} and nothing else")))
        }
        _ => failed(requirement, expected, told(response)),
    }
}
