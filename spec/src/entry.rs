//! One entry of a ledger: a signed header without personal data, and a body that can be erased.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::canonical::{Json, ShapeError};
use crate::codes::ClockClass;
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::ids::AuthorityCode;
use crate::instant::{EntryId, Instant, ResponsibilityId, TransferId};
use crate::ledger::Ledger;
use crate::problem::{Problem, ProblemType};
use crate::receipt::Receipt;
use crate::signature::{DetachedJws, PublicKey, SignatureError, SigningKey};

#[cfg(test)]
mod wire_tests;

/// The protocol version whose rules this crate holds.
pub const PROTOCOL: &str = "1.0";

/// `typ` of a protected header that says the signature is an entry's.
const TYP: &str = "cme-entry";

/// Room that an author leaves for receipts below the recipient's limit, in bytes.
pub const RECEIPTS_BYTES: usize = 4_096;

/// Receipts that one entry can carry: the sequencer's and the other party's.
pub const RECEIPTS_MAX: usize = 2;

/// What an entry does. The codes are those of the wire.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum EntryType {
    /// The originating authority offers the child.
    Offer,
    /// The receiving authority names who looks at it.
    Acknowledge,
    /// Either asks.
    RequestInformation,
    /// Either answers.
    SupplyInformation,
    /// The receiving authority takes responsibility.
    Accept,
    /// The receiving authority says why not.
    Decline,
    /// The originating authority disagrees, once.
    Contest,
    /// The receiving authority stays with its decline.
    Uphold,
    /// The receiving authority names the authority it believes right.
    Redirect,
    /// The originating authority takes the offer back.
    Withdraw,
    /// The receiving authority closes the case.
    Outcome,
    /// The receiving authority takes its outcome back.
    Retract,
    /// Either corrects facts.
    Correct,
}

impl EntryType {
    /// Every type, in the order of the text.
    pub const ALL: [Self; 13] = [
        Self::Offer,
        Self::Acknowledge,
        Self::RequestInformation,
        Self::SupplyInformation,
        Self::Accept,
        Self::Decline,
        Self::Contest,
        Self::Uphold,
        Self::Redirect,
        Self::Withdraw,
        Self::Outcome,
        Self::Retract,
        Self::Correct,
    ];

    /// The code on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Acknowledge => "acknowledge",
            Self::RequestInformation => "request-information",
            Self::SupplyInformation => "supply-information",
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Contest => "contest",
            Self::Uphold => "uphold",
            Self::Redirect => "redirect",
            Self::Withdraw => "withdraw",
            Self::Outcome => "outcome",
            Self::Retract => "retract",
            Self::Correct => "correct",
        }
    }
}

impl fmt::Display for EntryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Text that is no entry type of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an entry type of this version")]
pub struct EntryTypeError;

impl FromStr for EntryType {
    type Err = EntryTypeError;
    fn from_str(code: &str) -> Result<Self, EntryTypeError> {
        Self::ALL.into_iter().find(|kind| kind.code() == code).ok_or(EntryTypeError)
    }
}

/// Names the responsibility that a ledger hands over, and which hand-over of it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponsibilityRef {
    /// The child's case, the same in every transfer of it.
    pub id: ResponsibilityId,
    /// 1 for the first hand-over; one more after each accepted one.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub epoch: u64,
}

/// Names one entry of one ledger by its header's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerPoint {
    /// The ledger.
    pub transfer: TransferId,
    /// The entry's place, from 0.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    /// Digest of the entry's header.
    pub header_digest: Digest,
}

/// The newest entry of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadRef {
    /// The entry's place, from 0.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    /// Digest of the entry's header.
    pub header_digest: Digest,
}

/// The signed part of an entry. It holds no direct personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Protocol version, fixed for a ledger by its offer.
    #[schema(pattern = "^1\\.[0-9]+$", example = "1.0")]
    pub protocol: String,
    /// The ledger.
    pub transfer: TransferId,
    /// Place in the ledger, from 0.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    /// Digest of the header before; null for the offer.
    #[serde(deserialize_with = "crate::text::present_or_null")]
    #[schema(required)]
    pub previous: Option<Digest>,
    /// Minted once, when the author decided.
    pub id: EntryId,
    /// What the entry does.
    #[serde(rename = "type")]
    pub kind: EntryType,
    /// The authority that decided and signed.
    pub author: AuthorityCode,
    /// The other party.
    pub recipient: AuthorityCode,
    /// When the author decided.
    pub created_at: Instant,
    /// The responsibility, fixed for a ledger by its offer.
    pub responsibility: ResponsibilityRef,
    /// Which clocks hold, fixed for a ledger by its offer.
    pub clock_class: ClockClass,
    /// Digest of the body.
    pub body_digest: Digest,
    /// Offer only: the head of the ledger that this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preceded_by: Option<LedgerPoint>,
    /// Offer only: the last seen head of a ledger whose sequencer the directory marks unavailable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<LedgerPoint>,
    /// Offer only: both heads of the forked ledger that this one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 2, max_items = 2)]
    pub successor_of: Option<Vec<LedgerPoint>>,
}

impl Header {
    /// The header of the entry after the ledger's newest; [`Entry::sign`] fills in the body's digest.
    ///
    /// `created_at` is raised to the predecessor's when the author's clock is behind it.
    /// Implements: LED-002
    pub fn following(
        ledger: &Ledger,
        kind: EntryType,
        author: AuthorityCode,
        id: EntryId,
        created_at: Instant,
    ) -> Self {
        let terms = &ledger.terms;
        let recipient = if author == terms.receiving { terms.originating } else { terms.receiving };
        Self {
            protocol: terms.protocol.clone(),
            transfer: terms.transfer,
            sequence: ledger.head.sequence + 1,
            previous: Some(ledger.head.header_digest),
            id,
            kind,
            author,
            recipient,
            created_at: created_at.max(ledger.created_at),
            responsibility: terms.responsibility,
            clock_class: terms.clock_class,
            body_digest: Digest::of(&[]),
            preceded_by: None,
            supersedes: None,
            successor_of: None,
        }
    }

    /// The same decision for another place: the header that takes its turn after the ledger's newest entry.
    ///
    /// Only `sequence`, `previous` and `createdAt` change, so the id stays. Whether the decision still holds is
    /// the author's to say first. Implements: ENT-005
    #[must_use]
    pub fn moved(&self, ledger: &Ledger, created_at: Instant) -> Self {
        Self {
            sequence: ledger.head.sequence + 1,
            previous: Some(ledger.head.header_digest),
            created_at: created_at.max(ledger.created_at),
            ..self.clone()
        }
    }

    /// How many ledgers this header links to: an offer may name one way of following another, the rest none.
    pub fn links(&self) -> usize {
        [self.preceded_by.is_some(), self.supersedes.is_some(), self.successor_of.is_some()]
            .into_iter()
            .filter(|present| *present)
            .count()
    }

    /// Holds when author and recipient are these two, in either order, and not one authority twice.
    pub fn is_between(&self, a: AuthorityCode, b: AuthorityCode) -> bool {
        let pair = (self.author, self.recipient);
        a != b && (pair == (a, b) || pair == (b, a))
    }
}

/// The body of an entry: as received, or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The JSON value under the header's `bodyDigest`.
    Present(Json),
    /// Erased; only the digest is left.
    Erased {
        /// When it was erased.
        at: Instant,
    },
}

/// Why a JSON value is not an entry of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A member is missing or not of its form.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The entry's type is none of this version.
    #[error("the entry's type is none of this version")]
    UnknownType,
    /// The protocol version is not one that this implementation holds.
    #[error("the entry's protocol version is not supported")]
    UnsupportedProtocol,
    /// The body is not there, and nothing says that it was erased.
    #[error("the entry's body is missing")]
    BodyMissing,
    /// The author's signature is not of its form.
    #[error("the entry's signature: {0}")]
    Signature(SignatureError),
    /// A receipt's signature is not of its form.
    #[error("the signature of a receipt: {0}")]
    ReceiptSignature(SignatureError),
}

impl EntryError {
    /// The problem that a peer is told. Implements: ENT-001, ENT-002, SIG-002, CAN-006
    pub fn problem(&self) -> Problem {
        let kind = match self {
            Self::Shape(_) => ProblemType::Malformed,
            Self::UnknownType => ProblemType::TypeUnknown,
            Self::UnsupportedProtocol => ProblemType::ProtocolUnsupported,
            Self::BodyMissing => ProblemType::BodyMissing,
            Self::Signature(_) => ProblemType::SignatureInvalid,
            Self::ReceiptSignature(_) => ProblemType::ReceiptInvalid,
        };
        Problem::new(kind).detail(self.to_string())
    }
}

/// An entry as received: its form is right, its digests and signature are not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    header: Header,
    header_json: Json,
    header_digest: Digest,
    body: Body,
    signature: DetachedJws,
    receipts: Vec<Envelope<Receipt>>,
}

impl Entry {
    /// Reads the wire form. Implements: ENT-001, ENT-002
    pub fn read(json: &Json) -> Result<Self, EntryError> {
        let header_json = json.member("header").ok_or_else(|| ShapeError::at("/header"))?;
        let kind = header_json.value().get("type").and_then(|kind| kind.as_str());
        if kind.is_some_and(|kind| kind.parse::<EntryType>().is_err()) {
            return Err(EntryError::UnknownType);
        }
        let header: Header =
            header_json.read().map_err(|error| ShapeError::at(format!("/header{}", error.pointer)))?;
        if !is_supported(&header.protocol) {
            return Err(EntryError::UnsupportedProtocol);
        }
        header_form(&header)?;
        let body = read_body(json)?;
        let receipts = read_receipts(json)?;
        let signature = json.member("signature").ok_or_else(|| ShapeError::at("/signature"))?;
        let signature = signature.value().as_str().ok_or_else(|| ShapeError::at("/signature"))?;
        let signature = signature.parse().map_err(EntryError::Signature)?;
        let header_digest = header_json.digest();
        Ok(Self { header, header_json, header_digest, body, signature, receipts })
    }

    /// Makes and signs an entry; `body_digest` of the header is set from the body.
    ///
    /// # Panics
    /// When the header can't be written as canonical JSON: a typed header always can.
    pub fn sign(mut header: Header, body: Json, key: &SigningKey) -> Self {
        header.body_digest = body.digest();
        let header_json = Json::from_typed(&header).expect("a typed header stays within the canonical form");
        let signature = key.sign(&header_json);
        let header_digest = header_json.digest();
        Self {
            header,
            header_json,
            header_digest,
            body: Body::Present(body),
            signature,
            receipts: Vec::new(),
        }
    }

    /// The header as typed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header as received.
    pub fn header_json(&self) -> &Json {
        &self.header_json
    }

    /// Digest of the header: the entry's name in the chain.
    pub fn header_digest(&self) -> Digest {
        self.header_digest
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The author's signature over the header.
    pub fn signature(&self) -> &DetachedJws {
        &self.signature
    }

    /// The receipts that came with it, unverified.
    pub fn receipts(&self) -> &[Envelope<Receipt>] {
        &self.receipts
    }

    /// The receipt that `authority` gave, unverified.
    pub fn receipt_by(&self, authority: AuthorityCode) -> Option<&Envelope<Receipt>> {
        self.receipts.iter().find(|receipt| receipt.content().by == authority)
    }

    /// The same entry with a receipt more; one that the same authority gave before is replaced.
    #[must_use]
    pub fn with_receipt(mut self, receipt: Envelope<Receipt>) -> Self {
        self.receipts.retain(|held| held.content().by != receipt.content().by);
        self.receipts.push(receipt);
        self.receipts.sort_by_key(|held| (held.content().received_at, held.content().by));
        self
    }

    /// The same entry without receipts: what an author first sends.
    #[must_use]
    pub fn without_receipts(mut self) -> Self {
        self.receipts.clear();
        self
    }

    /// The same entry with its body gone.
    #[must_use]
    pub fn erased(mut self, at: Instant) -> Self {
        self.body = Body::Erased { at };
        self
    }

    /// Holds when a body that is present has the digest that the header names.
    ///
    /// Implements: ENT-003
    pub fn body_matches(&self) -> bool {
        match &self.body {
            Body::Present(body) => body.digest() == self.header.body_digest,
            Body::Erased { .. } => true,
        }
    }

    /// Holds when `key` signed the header. Implements: SIG-002
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        self.signature.is_typed(TYP)?;
        self.signature.verify(&self.header_json, key)
    }

    /// Holds when the entry, without its receipts, leaves room for them within the recipient's limit.
    ///
    /// What an author asks before it sends; `entry_bytes_max` is the limit that the recipient's capabilities
    /// state. Implements: CAN-010
    pub fn leaves_room_for_receipts(&self, entry_bytes_max: usize) -> bool {
        let mut bare = self.to_json().into_value();
        if let Some(members) = bare.as_object_mut() {
            members.retain(|name, _| ["header", "body", "signature"].contains(&name.as_str()));
        }
        let bytes = Json::from_typed(&bare).map_or(usize::MAX, |json| json.canonical_bytes().len());
        bytes <= entry_bytes_max.saturating_sub(RECEIPTS_BYTES)
    }

    /// Where this entry stands.
    pub fn point(&self) -> HeadRef {
        HeadRef { sequence: self.header.sequence, header_digest: self.header_digest }
    }

    /// The wire form, header and body as they were received. Implements: CAN-005, PRV-006
    pub fn to_json(&self) -> Json {
        let mut members = vec![("header", self.header_json.clone())];
        match &self.body {
            Body::Present(body) => members.push(("body", body.clone())),
            Body::Erased { at } => {
                members.push(("body", Json::null()));
                members.push(("erasedAt", Json::text(at.to_string())));
            }
        }
        members.push(("signature", Json::text(self.signature.as_str())));
        members.push(("receipts", Json::array(self.receipts.iter().map(Envelope::to_json))));
        Json::object(members)
    }
}

/// Any minor version of version 1, since minor versions only add.
fn is_supported(protocol: &str) -> bool {
    let minor = protocol.strip_prefix("1.");
    minor.is_some_and(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()) && minor.parse::<u16>().is_ok())
}

/// Rules on a header that its types don't hold. Implements: ENT-001
fn header_form(header: &Header) -> Result<(), ShapeError> {
    let integer_max = crate::canonical::INTEGER_MAX.unsigned_abs();
    if header.sequence > integer_max {
        return Err(ShapeError::at("/header/sequence"));
    }
    if header.responsibility.epoch == 0 || header.responsibility.epoch > integer_max {
        return Err(ShapeError::at("/header/responsibility/epoch"));
    }
    if header.previous.is_none() != (header.sequence == 0) {
        return Err(ShapeError::at("/header/previous"));
    }
    if header.author == header.recipient {
        return Err(ShapeError::at("/header/recipient"));
    }
    if header.successor_of.as_ref().is_some_and(|heads| heads.len() != 2) {
        return Err(ShapeError::at("/header/successorOf"));
    }
    Ok(())
}

/// Implements: ENT-001, ENT-002, PRV-006
fn read_body(json: &Json) -> Result<Body, EntryError> {
    let erased_at = json.member("erasedAt");
    match (json.member("body"), erased_at) {
        (Some(body), None) if body.value().is_object() => Ok(Body::Present(body)),
        (Some(body), Some(at)) if body.value().is_null() => {
            at.read().map(|at| Body::Erased { at }).map_err(|_| ShapeError::at("/erasedAt").into())
        }
        (Some(body), None) if !body.value().is_null() => Err(ShapeError::at("/body").into()),
        (_, Some(_)) => Err(ShapeError::at("/erasedAt").into()),
        _ => Err(EntryError::BodyMissing),
    }
}

fn read_receipts(json: &Json) -> Result<Vec<Envelope<Receipt>>, EntryError> {
    let Some(receipts) = json.member("receipts") else { return Ok(Vec::new()) };
    let items = receipts.value().as_array().filter(|items| items.len() <= RECEIPTS_MAX);
    let count = items.ok_or_else(|| ShapeError::at("/receipts"))?.len();
    let mut read = Vec::with_capacity(count);
    for index in 0..count {
        let place = |pointer: &str| ShapeError::at(format!("/receipts/{index}{pointer}"));
        let item = receipts.item(index).ok_or_else(|| place(""))?;
        if let Some(text) = item.value().get("signature").and_then(|signature| signature.as_str()) {
            text.parse::<DetachedJws>().map_err(EntryError::ReceiptSignature)?;
        }
        let receipt: Envelope<Receipt> = Envelope::read(&item).map_err(|error| place(&error.pointer))?;
        if read.iter().any(|held: &Envelope<Receipt>| held.content().by == receipt.content().by) {
            return Err(place("/receipt/by").into());
        }
        read.push(receipt);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supports_every_minor_version_of_version_1_written_in_digits() {
        assert!(is_supported("1.0") && is_supported("1.12"));
        for other in ["2.0", "1", "1.", "1.+5", "1.-1", "1.0.0", "1.99999", "", "01.0"] {
            assert!(!is_supported(other), "{other}");
        }
    }
}
