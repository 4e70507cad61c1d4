//! A small JSON document, posted to a system of the authority's own.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use ring::hmac;
use rustls::RootCertStore;

use super::channel::{ChannelError, Failure, SECRET_BYTES_MIN, authorities, is_here, read_secret};
use super::word::Word;
use crate::config::{Config, Webhook as WebhookConfig};

/// Header field of the message's id, a string of RFC 9651: the same at each attempt.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Header field of the document's HMAC-SHA256 under the shared secret, as `sha256=` and hexadecimal digits.
const SIGNATURE: &str = "cme-signature";
/// Longest pause that a receiver can ask for; a longer one counts as this.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Posts documents to one address.
pub struct Webhook {
    url: Url,
    http: reqwest::Client,
    key: Option<hmac::Key>,
}

impl Webhook {
    pub(super) fn open(config: &Config, webhook: &WebhookConfig) -> Result<Self, ChannelError> {
        let url: Url = webhook.url.parse().map_err(|_| ChannelError::Url)?;
        let host = url.host_str().ok_or(ChannelError::Url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ChannelError::Url);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_here(host) => {}
            "http" => return Err(ChannelError::PlainUrl),
            _ => return Err(ChannelError::Url),
        }
        let mut roots = RootCertStore::empty();
        match &webhook.authority {
            Some(path) => {
                roots.add_parsable_certificates(authorities(config, path)?);
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let key = webhook.secret_file.as_ref().map(|path| {
            let secret = read_secret(config, path)?;
            if secret.len() < SECRET_BYTES_MIN {
                return Err(ChannelError::Secret(config.resolve(path).display().to_string()));
            }
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        });
        let key = key.transpose()?;
        let tls = |error: &dyn std::error::Error| ChannelError::Tls(error.to_string());
        let client = rustls::ClientConfig::builder_with_provider(cme_client::tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(client)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(config.escalation.attempt_max())
            .build()
            .map_err(|error| tls(&error))?;
        Ok(Self { url, http, key })
    }

    /// Scheme and host: the rest of the address can be a secret.
    pub(super) fn describe(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.url.authority())
    }

    pub(super) async fn post(&self, word: &Word, document: &str) -> Result<(), Failure> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, format!("\"{}\"", word.id))
            .body(document.to_owned());
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE, signature(key, document));
        }
        let answer = request.send().await.map_err(unreached)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Err(Failure {
            // Gone is the one answer by which a receiver says that it wants no more of it.
            last: status == StatusCode::GONE,
            asked: seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
            ..Failure::later(format!("answered {}", status.as_u16()))
        })
    }
}

fn signature(key: &hmac::Key, document: &str) -> String {
    let tag = hmac::sign(key, document.as_bytes());
    let digits: Vec<String> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={}", digits.concat())
}

fn unreached(error: reqwest::Error) -> Failure {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    let error = error.without_url();
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    Failure::later(what).saying(deepest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        // Test case 2.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        assert_eq!(
            signature(&key, "what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
