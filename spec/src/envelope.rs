//! Signed documents other than entries: receipts, heads, reconciliations, directory issues.
//!
//! On the wire such a document is `{"<member>": {...}, "signature": "<detached JWS>"}`. An [`Envelope`]
//! has that form but proves nothing yet; verifying it against a key makes a [`Signed`], which can't be
//! had in another way.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::canonical::{Json, ShapeError, canonical_object};
use crate::digest::Digest;
use crate::signature::{DetachedJws, KeyId, PublicKey, SignatureError, SigningKey};

/// A document that travels signed, in an object under its own member name.
pub trait Document: Serialize + DeserializeOwned + Clone {
    /// The member that holds it.
    const MEMBER: &'static str;
    /// `typ` of a protected header that names its kind.
    const TYP: &'static str;
}

/// A signed document as received, its signature not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<T> {
    json: Json,
    content: T,
    signature: DetachedJws,
}

impl<T: Document> Envelope<T> {
    /// Reads the form; the signature is kept unverified.
    pub fn read(json: &Json) -> Result<Self, ShapeError> {
        let inner = json.member(T::MEMBER).ok_or_else(|| ShapeError::at(format!("/{}", T::MEMBER)))?;
        let content = inner
            .read()
            .map_err(|error: ShapeError| ShapeError::at(format!("/{}{}", T::MEMBER, error.pointer)))?;
        let signature = json
            .member("signature")
            .and_then(|signature| signature.read().ok())
            .ok_or_else(|| ShapeError::at("/signature"))?;
        Ok(Self { json: inner, content, signature })
    }

    /// Signs `content`.
    ///
    /// # Panics
    /// When the content can't be written as canonical JSON: the types of this crate always can.
    pub fn sign(content: T, key: &SigningKey) -> Self {
        let json = Json::from_typed(&content).expect("typed documents stay within the canonical form");
        let signature = key.sign(&json);
        Self { json, content, signature }
    }

    /// The name of the key it claims.
    pub fn key(&self) -> KeyId {
        self.signature.key()
    }

    /// What it says, whether or not it is true.
    pub fn content(&self) -> &T {
        &self.content
    }

    /// Digest of the signed value.
    pub fn digest(&self) -> Digest {
        self.json.digest()
    }

    /// The proof that `key` signed it. Implements: SIG-002
    pub fn verify(self, key: &PublicKey) -> Result<Signed<T>, SignatureError> {
        self.signature.is_typed(T::TYP)?;
        self.signature.verify(&self.json, key)?;
        Ok(Signed(self))
    }

    /// The wire form.
    pub fn to_json(&self) -> Json {
        Json::object([(T::MEMBER, self.json.clone()), ("signature", Json::text(self.signature.as_str()))])
    }

    /// The wire form in canonical bytes.
    pub fn canonical_text(&self) -> String {
        let signature = self.signature.canonical_text();
        canonical_object([(T::MEMBER, self.json.kept_canonical()), ("signature", &signature)])
    }
}

/// A document whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T>(Envelope<T>);

impl<T: Document> Signed<T> {
    /// What it says.
    pub fn content(&self) -> &T {
        &self.0.content
    }

    /// The document with its signature.
    pub fn envelope(&self) -> &Envelope<T> {
        &self.0
    }

    /// The document with its signature.
    pub fn into_envelope(self) -> Envelope<T> {
        self.0
    }
}
