//! One entry of a ledger: a signed header without personal data, and a body that can be erased.

mod header;
mod kind;
#[cfg(test)]
mod wire_tests;

pub use self::header::{HeadRef, Header, LedgerPoint, ResponsibilityRef};
pub use self::kind::{EntryType, EntryTypeError};
use crate::canonical::{Json, Members, ShapeError, canonical_object};
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::problem::{Problem, ProblemType};
use crate::receipt::Receipt;
use crate::signature::{DetachedJws, PublicKey, SignatureError, SigningKey};

/// The protocol version whose rules this crate holds.
pub const PROTOCOL: &str = "1.0";

/// `typ` of a protected header that says the signature is an entry's.
const TYP: &str = "cme-entry";

/// Room that an author leaves for receipts below the recipient's limit, in bytes.
pub const RECEIPTS_BYTES: usize = 4_096;

/// Receipts that one entry can carry: the sequencer's and the other party's.
pub const RECEIPTS_MAX: usize = 2;

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
    /// Reads the wire form.
    pub fn read(json: &Json) -> Result<Self, EntryError> {
        Self::from_json(json.clone())
    }

    /// Takes the wire form apart. Implements: ENT-001, ENT-002
    pub fn from_json(json: Json) -> Result<Self, EntryError> {
        let mut members = json.into_members();
        let header_json = members.take("header").ok_or_else(|| ShapeError::at("/header"))?;
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
        let body = read_body(&mut members)?;
        let receipts = read_receipts(&mut members)?;
        let signature = members.take("signature").ok_or_else(|| ShapeError::at("/signature"))?;
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

    /// The wire form in canonical bytes.
    pub fn canonical_text(&self) -> String {
        let header = self.header_json.kept_canonical();
        let signature = self.signature.canonical_text();
        let receipts: Vec<String> = self.receipts.iter().map(Envelope::canonical_text).collect();
        let receipts = format!("[{}]", receipts.join(","));
        let (header, signature, receipts) =
            (("header", header), ("signature", signature.as_str()), ("receipts", receipts.as_str()));
        match &self.body {
            Body::Present(body) => {
                canonical_object([header, ("body", body.kept_canonical()), signature, receipts])
            }
            Body::Erased { at } => {
                let at = format!("\"{at}\"");
                canonical_object([header, ("body", "null"), ("erasedAt", &at), signature, receipts])
            }
        }
    }
}

/// Any minor version of version 1, since minor versions only add.
pub(crate) fn is_supported(protocol: &str) -> bool {
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
fn read_body(members: &mut Members) -> Result<Body, EntryError> {
    let erased_at = members.take("erasedAt");
    match (members.take("body"), erased_at) {
        (Some(body), None) if body.value().is_object() => Ok(Body::Present(body)),
        (Some(body), Some(at)) if body.value().is_null() => {
            at.read().map(|at| Body::Erased { at }).map_err(|_| ShapeError::at("/erasedAt").into())
        }
        (Some(body), None) if !body.value().is_null() => Err(ShapeError::at("/body").into()),
        (_, Some(_)) => Err(ShapeError::at("/erasedAt").into()),
        _ => Err(EntryError::BodyMissing),
    }
}

fn read_receipts(members: &mut Members) -> Result<Vec<Envelope<Receipt>>, EntryError> {
    let Some(receipts) = members.take("receipts") else { return Ok(Vec::new()) };
    let items = receipts.items().filter(|items| items.len() <= RECEIPTS_MAX);
    let items = items.ok_or_else(|| ShapeError::at("/receipts"))?;
    let mut read = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let place = |pointer: &str| ShapeError::at(format!("/receipts/{index}{pointer}"));
        if let Some(text) = item.value().get("signature").and_then(|signature| signature.as_str()) {
            text.parse::<DetachedJws>().map_err(EntryError::ReceiptSignature)?;
        }
        let receipt: Envelope<Receipt> = Envelope::read(item).map_err(|error| place(&error.pointer))?;
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
