//! Certificates that the suite makes: for its peers, and for strangers.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;

use crate::encoding::digest_of_bytes;

/// Years around today in which a certificate of the suite holds.
const YEARS: i32 = 5;

/// A certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// Why a certificate can't be made or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("a certificate can't be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("a certificate can't be read: {0}")]
    Read(#[from] rustls::Error),
}

impl Identity {
    /// A new key with a self-signed certificate.
    pub(crate) fn generate(name: &str, hosts: &[String]) -> Result<Self, IdentityError> {
        Self::certify(&KeyPair::generate()?, name, hosts)
    }

    /// The same key under another certificate: other subject, issuer and serial number.
    pub(crate) fn renamed(&self, name: &str) -> Result<Self, IdentityError> {
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        Self::certify(&KeyPair::try_from(&der)?, name, &[])
    }

    fn certify(key: &KeyPair, name: &str, hosts: &[String]) -> Result<Self, IdentityError> {
        let mut params = CertificateParams::new(hosts.to_vec())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let first = |years: i32| rcgen::date_time_ymd(i32::from(today.year()) + years, 1, 1);
        params.not_before = first(-1);
        params.not_after = first(YEARS);
        let certificate = params.self_signed(key)?;
        Ok(Self { certificate: certificate.der().to_vec(), key: key.serialize_der() })
    }

    /// The pin of the certificate's key.
    pub(crate) fn pin(&self) -> Result<String, IdentityError> {
        pin_of(&CertificateDer::from(self.certificate.as_slice()))
    }

    /// The chain that is shown.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from(self.certificate.clone())]
    }

    /// The private key.
    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

/// The base64url SHA-256 of a certificate's `SubjectPublicKeyInfo`.
pub(crate) fn pin_of(certificate: &CertificateDer<'_>) -> Result<String, IdentityError> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(digest_of_bytes(&parsed.subject_public_key_info()))
}
