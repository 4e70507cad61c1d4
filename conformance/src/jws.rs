//! Detached JSON Web Signatures with Ed25519, as section 3 of the text has them.

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::encoding::{base64url, digest_of_bytes, from_base64url};
use crate::json::Json;

/// The group order of Ed25519, little endian (RFC 8032, section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A private key.
pub(crate) struct SigningKey {
    pair: Ed25519KeyPair,
    pkcs8: Vec<u8>,
}

/// Why a key can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key in PKCS#8")]
pub(crate) struct KeyError;

impl SigningKey {
    /// A new key.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// A key from a file's bytes.
    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| KeyError)?;
        Ok(Self { pair, pkcs8: pkcs8.to_vec() })
    }

    /// The key as PKCS#8.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key, base64url of 32 bytes.
    pub(crate) fn public(&self) -> String {
        base64url(self.pair.public_key().as_ref())
    }

    /// The key's name.
    pub(crate) fn kid(&self) -> String {
        thumbprint(&self.public())
    }

    /// A detached signature over a value.
    pub(crate) fn sign(&self, payload: &Json) -> String {
        self.sign_with(&protected(&self.kid()), payload)
    }

    /// A detached signature under a protected header of any text.
    pub(crate) fn sign_with(&self, protected: &str, payload: &Json) -> String {
        let protected = base64url(protected.as_bytes());
        let signature = self.pair.sign(signing_input(&protected, payload).as_bytes());
        format!("{protected}..{}", base64url(signature.as_ref()))
    }
}

/// The protected header of a well-formed signature.
pub(crate) fn protected(kid: &str) -> String {
    Json::object([("alg", "EdDSA".into()), ("kid", kid.into())]).canonical()
}

/// The RFC 7638 thumbprint of a public key in base64url.
pub(crate) fn thumbprint(public: &str) -> String {
    digest_of_bytes(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#).as_bytes())
}

fn signing_input(protected: &str, payload: &Json) -> String {
    format!("{protected}.{}", base64url(payload.canonical().as_bytes()))
}

/// Why a signature doesn't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("not of the form protected..signature with alg EdDSA, a kid and at most a fitting typ")]
    Form,
    #[error("its kid is not in the directory for the signer")]
    UnknownKey,
    #[error("it does not verify")]
    Wrong,
}

/// A signature of the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detached {
    protected: String,
    pub(crate) kid: String,
    signature: Vec<u8>,
}

impl Detached {
    /// Reads a signature over a value of which `typ` is the type (SIG-002).
    pub(crate) fn read(text: &str, typ: &str) -> Result<Self, SignatureError> {
        let parts: Vec<&str> = text.split('.').collect();
        let [protected, "", signature] = parts[..] else { return Err(SignatureError::Form) };
        let signature =
            from_base64url(signature).filter(|bytes| bytes.len() == 64).ok_or(SignatureError::Form)?;
        let header = from_base64url(protected).ok_or(SignatureError::Form)?;
        let header = Json::read(&header).map_err(|_| SignatureError::Form)?;
        let known = |name: &String| ["alg", "kid", "typ"].contains(&name.as_str());
        let typ_fits = match header.member("typ") {
            None => true,
            Some(Json::Text(held)) => held == typ,
            Some(_) => false,
        };
        let kid =
            header.text_at("/kid").filter(|kid| from_base64url(kid).is_some_and(|bytes| bytes.len() == 32));
        match kid {
            Some(kid)
                if typ_fits
                    && header.members().iter().all(|(name, _)| known(name))
                    && header.text_at("/alg") == Some("EdDSA") =>
            {
                Ok(Self { protected: protected.to_owned(), kid: kid.to_owned(), signature })
            }
            _ => Err(SignatureError::Form),
        }
    }

    /// Reads a signature whatever its `alg` says: what a careless reader would do.
    pub(crate) fn read_with_alg(text: &str) -> Result<Self, SignatureError> {
        Self::read_loosely(text, &["alg", "kid", "typ"])
    }

    /// Reads a signature whatever else its protected header holds.
    pub(crate) fn read_with_members(text: &str) -> Result<Self, SignatureError> {
        Self::read_loosely(text, &["alg", "kid", "typ", "crit", "b64"])
    }

    fn read_loosely(text: &str, members: &[&str]) -> Result<Self, SignatureError> {
        let (protected, signature) = text.split_once("..").ok_or(SignatureError::Form)?;
        let header = from_base64url(protected).and_then(|bytes| Json::read(&bytes).ok());
        let header = header.ok_or(SignatureError::Form)?;
        let kid = header.text_at("/kid").ok_or(SignatureError::Form)?;
        let signature = from_base64url(signature).ok_or(SignatureError::Form)?;
        if header.members().iter().any(|(name, _)| !members.contains(&name.as_str())) {
            return Err(SignatureError::Form);
        }
        Ok(Self { protected: protected.to_owned(), kid: kid.to_owned(), signature })
    }

    /// Holds when it verifies under the key (RFC 8032, section 5.1.7).
    pub(crate) fn verify(&self, payload: &Json, public: &str) -> Result<(), SignatureError> {
        let key = from_base64url(public).ok_or(SignatureError::UnknownKey)?;
        let input = signing_input(&self.protected, payload);
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(input.as_bytes(), &self.signature).map_err(|_| SignatureError::Wrong)
    }
}

/// The same signature with the group order added to its second half: it satisfies the equation, and RFC 8032
/// refuses it.
pub(crate) fn with_high_s(signature: &str) -> Option<String> {
    let (protected, tail) = signature.rsplit_once('.')?;
    let mut bytes = from_base64url(tail)?;
    let mut carry = 0_u16;
    for (byte, order) in bytes.get_mut(32..)?.iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = u8::try_from(sum & 0xff).ok()?;
        carry = sum >> 8;
    }
    Some(format!("{protected}.{}", base64url(&bytes)))
}

/// A signature with its second half brought below the group order: what a lenient reader would do.
pub(crate) fn reduced(signature: &str) -> Option<String> {
    let (protected, tail) = signature.rsplit_once('.')?;
    let mut bytes = from_base64url(tail)?;
    let mut borrow = 0_i16;
    for (byte, order) in bytes.get_mut(32..)?.iter_mut().zip(ORDER) {
        let rest = i16::from(*byte) - i16::from(order) - borrow;
        borrow = i16::from(rest < 0);
        *byte = u8::try_from(rest.rem_euclid(256)).ok()?;
    }
    Some(format!("{protected}.{}", base64url(&bytes)))
}
