//! TLS of the protocol's listener: a client certificate is demanded, resumption is off.
//!
//! The handshake takes any certificate whose key the caller proves to hold and whose dates are right. Who
//! that is, is asked on every request (see [`crate::extract`]), so that a caller who isn't known gets a
//! typed problem, and one who was revoked is out at once, on an open connection too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cme_client::tls::{HandshakeSignatures, check_dates, pin_of, provider};
use cme_client::{Identity, IdentityError};
use cme_spec::digest::Digest;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

/// The pin of the certificate that a connection's client has shown, and the connection's place among that
/// client's.
#[derive(Debug)]
pub struct ShownPin {
    /// SHA-256 of the certificate's SPKI.
    pub pin: Digest,
    /// The place; none when the client has as many connections as it may.
    pub place: Option<Place>,
}

/// Open connections of each client.
#[derive(Clone, Debug)]
pub struct Connections {
    open: Arc<Mutex<HashMap<Digest, usize>>>,
    per_client_max: usize,
}

/// One open connection of a client; given back when it closes.
#[derive(Debug)]
pub struct Place {
    connections: Connections,
    pin: Digest,
}

impl Connections {
    /// Nobody is connected.
    pub fn new(per_client_max: usize) -> Self {
        Self { open: Arc::default(), per_client_max }
    }

    /// A place for one connection more, unless the client has as many as it may.
    pub fn take(&self, pin: Digest) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(pin).or_default();
        if *count >= self.per_client_max {
            return None;
        }
        *count += 1;
        Some(Place { connections: self.clone(), pin })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.pin) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.pin);
            }
        }
    }
}

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate or key files.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// rustls does not take them.
    #[error("the listener's certificate and key can't be used: {0}")]
    Rustls(#[from] Error),
}

/// The listener's configuration. Implements: TRN-001, TRN-002
pub fn server_config(identity: &Identity, tls12: bool) -> Result<ServerConfig, TlsError> {
    let versions: &[&rustls::SupportedProtocolVersion] =
        if tls12 { &[&rustls::version::TLS13, &rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let verifier = Arc::new(AnyHeldKey(HandshakeSignatures::new()));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain().to_vec(), identity.key())?;
    // A resumed session would skip the client's certificate.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct AnyHeldKey(HandshakeSignatures);

impl ClientCertVerifier for AnyHeldKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check_dates(end_entity, now)?;
        pin_of(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }
}
