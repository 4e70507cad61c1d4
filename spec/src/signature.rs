//! Detached JSON Web Signatures with Ed25519 over canonical JSON.
//!
//! The form is RFC 7515, appendix F (`protected..signature`), with `alg` `EdDSA` (RFC 8037). The payload is
//! never carried: each side makes it from the JSON value it holds, as RFC 8785 bytes. A key is named by
//! its RFC 7638 thumbprint, so a name can't be given to another key.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signature, Signer as _, Verifier as _, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::canonical::{Json, Limits};
use crate::digest::Digest;
use crate::text::text_form;

/// Bytes of the longest detached JWS that is read.
pub const JWS_BYTES_MAX: usize = 512;

/// Why a signature is not one, or does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not `protected..signature` in base64url, or longer than the limit.
    #[error("not a detached JWS")]
    NotDetachedJws,
    /// The protected header is not an object with `alg`, `kid` and at most `typ`.
    #[error("the protected header is not of its form")]
    ProtectedHeader,
    /// An algorithm other than `EdDSA`.
    #[error("an algorithm other than EdDSA")]
    Algorithm,
    /// The protected header says that the signature is for another kind of value.
    #[error("a signature for another kind of value")]
    Typ,
    /// The signature does not hold for these bytes and this key.
    #[error("the signature does not hold")]
    Mismatch,
    /// Not an Ed25519 public key of 32 bytes.
    #[error("not an Ed25519 public key")]
    PublicKey,
    /// Not an Ed25519 private key.
    #[error("not an Ed25519 private key in PKCS#8")]
    PrivateKey,
}

/// The name of a signing key: the RFC 7638 thumbprint of its JWK, SHA-256, base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Digest);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = crate::digest::DigestError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

text_form!(KeyId, "key id", "RFC 7638 thumbprint (SHA-256) of the Ed25519 public key", pattern: "^[A-Za-z0-9_-]{43}$", example: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

/// An Ed25519 public key (RFC 8032), on the wire the `x` of its JWK: base64url of 32 bytes.
#[derive(Clone)]
pub struct PublicKey {
    bytes: [u8; 32],
    /// The point that the bytes encode, if they encode one: it is found once, at the first verification.
    point: OnceLock<Option<Box<VerifyingKey>>>,
}

impl PublicKey {
    /// The key of these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { bytes, point: OnceLock::new() }
    }

    fn point(&self) -> Option<&VerifyingKey> {
        self.point.get_or_init(|| VerifyingKey::from_bytes(&self.bytes).ok().map(Box::new)).as_deref()
    }

    /// The key's name.
    pub fn id(&self) -> KeyId {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#);
        KeyId(Digest::of(jwk.as_bytes()))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = SignatureError;
    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SignatureError::PublicKey)?;
        bytes.try_into().map(Self::from_bytes).map_err(|_| SignatureError::PublicKey)
    }
}

text_form!(PublicKey, "public key", "Ed25519 public key (RFC 8037 member x): base64url of 32 bytes", pattern: "^[A-Za-z0-9_-]{43}$", example: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");

/// An Ed25519 private key. `Debug` prints its name only.
pub struct SigningKey {
    pair: ed25519_dalek::SigningKey,
    public: PublicKey,
    id: KeyId,
}

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032 private key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::of(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The key in a PKCS#8 document, version 1 (as OpenSSL writes it) or 2.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SignatureError> {
        let pair = ed25519_dalek::SigningKey::from_pkcs8_der(der);
        pair.map(Self::of).map_err(|_| SignatureError::PrivateKey)
    }

    fn of(pair: ed25519_dalek::SigningKey) -> Self {
        let public = PublicKey::from_bytes(pair.verifying_key().to_bytes());
        let id = public.id();
        Self { pair, public, id }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// The key's name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// A detached JWS over the canonical bytes of `payload`. Implements: SIG-001
    pub fn sign(&self, payload: &Json) -> DetachedJws {
        let protected = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.id));
        let signature = self.pair.sign(&signing_input(&protected, payload.kept_canonical().as_bytes()));
        let text = format!("{protected}..{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        DetachedJws { text, key: self.id, typ: None }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

/// A signature that has its form but has not been checked against a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachedJws {
    text: String,
    key: KeyId,
    typ: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Protected {
    alg: String,
    kid: KeyId,
    #[serde(default, deserialize_with = "crate::text::never_null")]
    typ: Option<String>,
}

impl DetachedJws {
    /// The key it claims to be made with.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The compact text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same as JSON. It is made of letters, digits, hyphens, underscores and dots, none of which is escaped.
    pub(crate) fn canonical_text(&self) -> String {
        format!("\"{}\"", self.text)
    }

    /// Holds when the protected header leaves `typ` out or says that the value is of this kind.
    ///
    /// Implements: SIG-002
    pub(crate) fn is_typed(&self, typ: &str) -> Result<(), SignatureError> {
        if self.typ.as_deref().is_none_or(|said| said == typ) { Ok(()) } else { Err(SignatureError::Typ) }
    }

    /// Holds when `key` made this signature over the canonical bytes of `payload`.
    ///
    /// Implements: SIG-003
    pub fn verify(&self, payload: &Json, key: &PublicKey) -> Result<(), SignatureError> {
        let (protected, signature) = self.text.split_once("..").ok_or(SignatureError::NotDetachedJws)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SignatureError::NotDetachedJws)?;
        let input = signing_input(protected, payload.kept_canonical().as_bytes());
        let signature = Signature::from_slice(&signature).map_err(|_| SignatureError::Mismatch)?;
        let point = key.point().ok_or(SignatureError::Mismatch)?;
        point.verify(&input, &signature).map_err(|_| SignatureError::Mismatch)
    }
}

impl fmt::Display for DetachedJws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for DetachedJws {
    type Err = SignatureError;

    /// Implements: SIG-002, CAN-006
    fn from_str(text: &str) -> Result<Self, SignatureError> {
        if text.len() > JWS_BYTES_MAX {
            return Err(SignatureError::NotDetachedJws);
        }
        let (protected, signature) = text.split_once("..").ok_or(SignatureError::NotDetachedJws)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SignatureError::NotDetachedJws)?;
        if signature.len() != 64 {
            return Err(SignatureError::NotDetachedJws);
        }
        let protected = URL_SAFE_NO_PAD.decode(protected).map_err(|_| SignatureError::NotDetachedJws)?;
        let protected: Protected = Json::decode(&protected, &Limits::ENTRY)
            .ok()
            .and_then(|json| json.read().ok())
            .ok_or(SignatureError::ProtectedHeader)?;
        if protected.alg != "EdDSA" {
            return Err(SignatureError::Algorithm);
        }
        Ok(Self { text: text.to_owned(), key: protected.kid, typ: protected.typ })
    }
}

text_form!(DetachedJws, "detached JWS", "Detached JWS (RFC 7515 appendix F, EdDSA) over the RFC 8785 bytes", pattern: "^[A-Za-z0-9_-]+\\.\\.[A-Za-z0-9_-]{86}$", example: "eyJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ..kEA7Jmz0Wy94fFa1v4LKHzyvWOJCHWVyTKVX3VBPAnNMxeVqmLHjrE8JA5vHxBfC0N0NSxSgLvbQLqJYzF8hCg");

fn signing_input(protected: &str, payload: &[u8]) -> Vec<u8> {
    let mut input = Vec::with_capacity(protected.len() + 1 + payload.len() * 4 / 3 + 4);
    input.extend_from_slice(protected.as_bytes());
    input.push(b'.');
    input.extend_from_slice(URL_SAFE_NO_PAD.encode(payload).as_bytes());
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    fn payload() -> Json {
        Json::decode(br#"{"b":2,"a":1}"#, &Limits::ENTRY).unwrap()
    }

    #[test]
    fn names_a_key_by_the_thumbprint_of_rfc_8037_appendix_a_3() {
        let key: PublicKey = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".parse().unwrap();
        assert_eq!(key.id().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn holds_for_the_signed_value_and_for_nothing_else() {
        let jws = key().sign(&payload());
        let read: DetachedJws = jws.as_str().parse().unwrap();
        assert_eq!(read.key(), key().id());
        assert_eq!(read.verify(&payload(), &key().public()), Ok(()));
        let other = Json::decode(br#"{"a":1,"b":3}"#, &Limits::ENTRY).unwrap();
        assert_eq!(read.verify(&other, &key().public()), Err(SignatureError::Mismatch));
        let stranger = SigningKey::from_seed(&[8; 32]);
        assert_eq!(read.verify(&payload(), &stranger.public()), Err(SignatureError::Mismatch));
    }

    #[test]
    fn nothing_holds_under_bytes_that_encode_no_point() {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        let nobody = PublicKey::from_bytes(bytes);
        assert_eq!(nobody.point(), None);
        for _ in 0..2 {
            assert_eq!(key().sign(&payload()).verify(&payload(), &nobody), Err(SignatureError::Mismatch));
        }
    }

    /// Keys and points at the edges, of few bits and of small order, are where two libraries could disagree about
    /// who signed: this one takes and refuses what `ring` does.
    #[test]
    fn what_holds_at_the_edges_is_what_holds_for_another_library() {
        use ring::signature::{ED25519, UnparsedPublicKey};
        // y of 0, 1 and p-1, and p and p+1, which are 0 and 1 in a form that is not canonical; with either sign.
        let edge = |last: u8, middle: u8, first: u8| {
            let mut bytes = [middle; 32];
            (bytes[0], bytes[31]) = (first, last);
            bytes
        };
        let ys = [
            edge(0, 0, 0),
            edge(0, 0, 1),
            edge(0x7f, 0xff, 0xec),
            edge(0x7f, 0xff, 0xed),
            edge(0x7f, 0xff, 0xee),
        ];
        let signed = |mut y: [u8; 32]| {
            y[31] |= 0x80;
            y
        };
        let points: Vec<[u8; 32]> = ys.iter().flat_map(|y| [*y, signed(*y)]).collect();
        let mut held = 0;
        for key in &points {
            for (r, message) in points.iter().flat_map(|r| (0..16_u8).map(move |message| (r, [message]))) {
                let signature = [*r, [0; 32]].concat();
                let theirs = UnparsedPublicKey::new(&ED25519, key).verify(&message, &signature).is_ok();
                let ours = PublicKey::from_bytes(*key).point().is_some_and(|point| {
                    point.verify(&message, &Signature::from_slice(&signature).unwrap()).is_ok()
                });
                assert_eq!(ours, theirs, "{key:?} {r:?} {message:?}");
                held += usize::from(ours);
            }
        }
        assert!(held > 0, "no signature of small order held: the edges were not met");
    }

    #[test]
    fn no_single_character_of_a_signature_can_change() {
        let text = key().sign(&payload()).to_string();
        for index in 0..text.len() {
            for replacement in ["A", "B", "-", "."] {
                let mut changed = text.clone();
                changed.replace_range(index..=index, replacement);
                if changed == text {
                    continue;
                }
                let holds = changed.parse::<DetachedJws>().map(|jws| jws.verify(&payload(), &key().public()));
                assert!(!matches!(holds, Ok(Ok(()))), "character {index} became {replacement}");
            }
        }
    }

    #[test]
    fn refuses_other_algorithms_and_extra_protected_members() {
        let signature = "A".repeat(86);
        let kid = key().id();
        for (protected, expected) in [
            (format!(r#"{{"alg":"none","kid":"{kid}"}}"#), SignatureError::Algorithm),
            (format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), SignatureError::Algorithm),
            (
                format!(r#"{{"alg":"EdDSA","kid":"{kid}","crit":["b64"],"b64":false}}"#),
                SignatureError::ProtectedHeader,
            ),
            (format!(r#"{{"alg":"EdDSA","alg":"EdDSA","kid":"{kid}"}}"#), SignatureError::ProtectedHeader),
            (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":null}}"#), SignatureError::ProtectedHeader),
            (r#"{"alg":"EdDSA"}"#.to_owned(), SignatureError::ProtectedHeader),
            ("[]".to_owned(), SignatureError::ProtectedHeader),
        ] {
            let text = format!("{}..{signature}", URL_SAFE_NO_PAD.encode(&protected));
            assert_eq!(text.parse::<DetachedJws>(), Err(expected), "{protected}");
        }
        assert_eq!("a.b.c".parse::<DetachedJws>(), Err(SignatureError::NotDetachedJws));
    }
}
