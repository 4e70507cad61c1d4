//! Keys and certificates for a new deployment.

use cme_client::tls::pin_of;
use cme_spec::digest::Digest;
use cme_spec::signature::{SignatureError, SigningKey};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::random::Random;

/// Days for which a new certificate holds.
pub const CERTIFICATE_DAYS: i64 = 825;

/// Why keys could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// rcgen refused, most likely a name.
    #[error("the certificate can't be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate can't be read back.
    #[error("the certificate can't be read back")]
    Unreadable,
    /// The signing key can't be read back.
    #[error(transparent)]
    Signing(#[from] SignatureError),
}

/// A new TLS key with its self-signed certificate, and a request for a certificate by somebody else.
pub struct TlsPair {
    /// PKCS#8 in PEM.
    pub key_pem: String,
    /// Certificate in PEM.
    pub certificate_pem: String,
    /// Certificate signing request in PEM (RFC 2986), for the same key: the pin stays the same.
    pub request_pem: String,
    /// SHA-256 of the key's SPKI.
    pub pin: Digest,
}

/// Makes a TLS key and certificate for `names`, valid from the given day.
pub fn tls_pair(common_name: &str, names: &[String], today: jiff::civil::Date) -> Result<TlsPair, PkiError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let request_pem = params.serialize_request(&key)?.pem()?;
    let day = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let span = |days: i64| jiff::Span::new().days(days);
    params.not_before = day(today.saturating_sub(span(1)));
    params.not_after = day(today.saturating_add(span(CERTIFICATE_DAYS)));
    let certificate = params.self_signed(&key)?;
    let pin = pin_of(certificate.der()).map_err(|_| PkiError::Unreadable)?;
    Ok(TlsPair { key_pem: key.serialize_pem(), certificate_pem: certificate.pem(), request_pem, pin })
}

/// A new Ed25519 signing key, and its PKCS#8 in PEM.
pub fn signing_pair() -> Result<(SigningKey, String), PkiError> {
    let der = Random::system().signing_key_pkcs8();
    let key = SigningKey::from_pkcs8(PrivatePkcs8KeyDer::from(der.clone()).secret_pkcs8_der())?;
    Ok((key, pem("PRIVATE KEY", &der)))
}

/// PEM (RFC 7468), 64 characters a line.
fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(std::str::from_utf8(line).unwrap_or_default());
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}
