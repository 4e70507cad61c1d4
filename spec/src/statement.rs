//! A signed header with a body beside it that stands in no ledger: a query, a notice.
//!
//! The form is an entry's: the header has no direct personal data and names the body by its digest, so a
//! body can go while header, signature and answers stay.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::canonical::{Json, ShapeError};
use crate::digest::Digest;
use crate::entry::is_supported;
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::problem::{Problem, ProblemType};
use crate::signature::{DetachedJws, PublicKey, SignatureError, SigningKey};

/// The signed part of a statement.
pub trait StatementHeader: Serialize + DeserializeOwned + Clone {
    /// `typ` of a protected header that names its kind.
    const TYP: &'static str;
    /// Protocol version.
    fn protocol(&self) -> &str;
    /// Who signed.
    fn author(&self) -> AuthorityCode;
    /// To whom it is addressed.
    fn recipient(&self) -> AuthorityCode;
    /// When the author decided.
    fn created_at(&self) -> Instant;
    /// Digest of the body.
    fn body_digest(&self) -> Digest;
    /// The same header with the digest of another body.
    #[must_use]
    fn with_body_digest(self, digest: Digest) -> Self;
    /// Rules on the form that the types don't hold; the pointer is into the header.
    fn check_form(&self) -> Result<(), ShapeError>;
}

/// Why a JSON value is not a statement of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A member is missing or not of its form.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The protocol version is not one that this implementation holds.
    #[error("the protocol version is not supported")]
    UnsupportedProtocol,
    /// The body is not there.
    #[error("the body is missing")]
    BodyMissing,
    /// The author's signature is not of its form.
    #[error("the signature: {0}")]
    Signature(SignatureError),
}

impl StatementError {
    /// The problem that a peer is told. Implements: QRY-002, NTC-002
    pub fn problem(&self) -> Problem {
        let kind = match self {
            Self::Shape(_) => ProblemType::Malformed,
            Self::UnsupportedProtocol => ProblemType::ProtocolUnsupported,
            Self::BodyMissing => ProblemType::BodyMissing,
            Self::Signature(_) => ProblemType::SignatureInvalid,
        };
        Problem::new(kind).detail(self.to_string())
    }
}

/// A statement as received: its form is right, its digest and signature are not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<H> {
    header: H,
    header_json: Json,
    header_digest: Digest,
    body: Json,
    signature: DetachedJws,
}

impl<H: StatementHeader> Statement<H> {
    /// Takes the wire form apart. Implements: QRY-002, NTC-002
    pub fn from_json(json: Json) -> Result<Self, StatementError> {
        let mut members = json.into_members();
        let header_json = members.take("header").ok_or_else(|| ShapeError::at("/header"))?;
        let in_header = |error: ShapeError| ShapeError::at(format!("/header{}", error.pointer));
        let header: H = header_json.read().map_err(in_header)?;
        if !is_supported(header.protocol()) {
            return Err(StatementError::UnsupportedProtocol);
        }
        if header.author() == header.recipient() {
            return Err(ShapeError::at("/header/recipient").into());
        }
        header.check_form().map_err(in_header)?;
        let body = members.take("body").filter(|body| !body.value().is_null());
        let body = body.ok_or(StatementError::BodyMissing)?;
        if !body.value().is_object() {
            return Err(ShapeError::at("/body").into());
        }
        let signature = members.take("signature").ok_or_else(|| ShapeError::at("/signature"))?;
        let signature = signature.value().as_str().ok_or_else(|| ShapeError::at("/signature"))?;
        let signature = signature.parse().map_err(StatementError::Signature)?;
        let header_digest = header_json.digest();
        Ok(Self { header, header_json, header_digest, body, signature })
    }

    /// Makes and signs a statement; the body digest of the header is set from the body.
    ///
    /// # Panics
    /// When the header can't be written as canonical JSON: a typed header always can.
    pub fn sign(header: H, body: Json, key: &SigningKey) -> Self {
        let header = header.with_body_digest(body.digest());
        let header_json = Json::from_typed(&header).expect("a typed header stays within the canonical form");
        let signature = key.sign(&header_json);
        let header_digest = header_json.digest();
        Self { header, header_json, header_digest, body, signature }
    }

    /// The identical header under another signature, as its author's key was put away meanwhile.
    #[must_use]
    pub fn signed_anew(mut self, key: &SigningKey) -> Self {
        self.signature = key.sign(&self.header_json);
        self
    }

    /// The header as typed.
    pub fn header(&self) -> &H {
        &self.header
    }

    /// The header as received.
    pub fn header_json(&self) -> &Json {
        &self.header_json
    }

    /// Digest of the header: the statement's name.
    pub fn header_digest(&self) -> Digest {
        self.header_digest
    }

    /// The body as received.
    pub fn body(&self) -> &Json {
        &self.body
    }

    /// The author's signature over the header.
    pub fn signature(&self) -> &DetachedJws {
        &self.signature
    }

    /// Holds when the body has the digest that the header names.
    pub fn body_matches(&self) -> bool {
        self.body.digest() == self.header.body_digest()
    }

    /// Holds when `key` signed the header. Implements: SIG-002
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        self.signature.is_typed(H::TYP)?;
        self.signature.verify(&self.header_json, key)
    }

    /// The wire form, header and body as they were received.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("header", self.header_json.clone()),
            ("body", self.body.clone()),
            ("signature", Json::text(self.signature.as_str())),
        ])
    }
}
