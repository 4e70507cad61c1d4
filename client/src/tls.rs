//! Mutual TLS by pinned public keys.
//!
//! Certificates only carry keys here: who a key belongs to is said by the directory, in which the SHA-256 of
//! the key's SPKI is pinned. So a council can use a self-signed pair, one from its own authority or a
//! public one, and renewing a certificate under the same key changes nothing. Signatures of the handshake,
//! validity dates and (for ring) algorithms are checked by rustls as ever.

use std::sync::Arc;

use cme_spec::digest::Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate chain and its private key. `Debug` prints neither.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Why PEM text is not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No certificate in PEM form.
    #[error("no PEM certificate")]
    Certificate,
    /// No private key in PEM form.
    #[error("no PEM private key")]
    Key,
}

impl Identity {
    /// Reads a PEM certificate chain, the end entity's first, and a PEM private key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| IdentityError::Certificate)?;
        if chain.is_empty() {
            return Err(IdentityError::Certificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::Key)?;
        Ok(Self { chain, key })
    }

    /// The pin of this identity's key.
    pub fn pin(&self) -> Result<Digest, CertificateError> {
        pin_of(&self.chain[0])
    }

    /// The certificate chain.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// The pin of a certificate: SHA-256 of its SPKI.
pub fn pin_of(certificate: &CertificateDer<'_>) -> Result<Digest, CertificateError> {
    let (rest, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    if !rest.is_empty() {
        return Err(CertificateError::BadEncoding);
    }
    Ok(Digest::of(parsed.public_key().raw))
}

/// Holds when the certificate is within its validity dates.
pub fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).map_err(|_| CertificateError::Expired)?;
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        Err(CertificateError::NotValidYet)
    } else if now > validity.not_after.timestamp() {
        Err(CertificateError::Expired)
    } else {
        Ok(())
    }
}

/// The cryptography in use everywhere: ring.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A TLS client that shows `identity` and speaks only to a server whose key is pinned. TLS 1.3 only.
pub fn client_config(identity: &Identity, pins: Vec<Digest>) -> Result<ClientConfig, Error> {
    let verifier = PinnedServer { pins, signatures: HandshakeSignatures::new() };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(identity.chain().to_vec(), identity.key())?;
    // Resumption would skip the look at the certificate.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Checks that the other end of a handshake holds the key of the certificate that it shows.
#[derive(Debug)]
pub struct HandshakeSignatures(Arc<CryptoProvider>);

impl HandshakeSignatures {
    /// With ring's algorithms.
    pub fn new() -> Self {
        Self(provider())
    }

    /// Holds when the TLS 1.2 handshake is signed with the certificate's key.
    pub fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    /// Holds when the TLS 1.3 handshake is signed with the certificate's key.
    pub fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    /// The signature schemes that can be checked.
    pub fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl Default for HandshakeSignatures {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct PinnedServer {
    pins: Vec<Digest>,
    signatures: HandshakeSignatures,
}

impl ServerCertVerifier for PinnedServer {
    /// Implements: TRN-005
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        check_dates(end_entity, now)?;
        if self.pins.contains(&pin_of(end_entity)?) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
