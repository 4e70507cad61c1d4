//! The server under test, as the directory describes it.

use crate::encoding::from_base64url;
use crate::instant;
use crate::json::{Json, ParseError};
use crate::jws::{Detached, SignatureError, thumbprint};

/// The server under test.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) code: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path of the base URL, such as `/330`; empty when it has none.
    pub(crate) path: String,
    pub(crate) server_pins: Vec<String>,
    pub(crate) client_pins: Vec<String>,
    /// Its authority object, as the vendor wrote it.
    pub(crate) record: Json,
}

/// Why a file is no record of an authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("not a JSON document of section 2: {0}")]
    Json(#[from] ParseError),
    #[error("{0} is missing or not of the form of section 8.1")]
    Member(&'static str),
}

impl Subject {
    /// Reads an authority object of section 8.1.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let record = Json::read(bytes)?;
        let code = record.text_at("/code").filter(|code| is_code(code)).ok_or(RecordError::Member("code"))?;
        let url = record.text_at("/baseUrl").ok_or(RecordError::Member("baseUrl"))?;
        let (host, port, path) = parts(url).ok_or(RecordError::Member("baseUrl"))?;
        let pins = |member: &'static str| {
            let pins = strings(record.member(member));
            if pins.is_empty() { Err(RecordError::Member(member)) } else { Ok(pins) }
        };
        let (server_pins, client_pins) = (pins("serverPins")?, pins("clientPins")?);
        let keys = record.member("keys").map(Json::items).unwrap_or_default();
        let named = |key: &Json| {
            key.text_at("/publicKey").is_some_and(|public| key.text_at("/kid") == Some(&thumbprint(public)))
        };
        if keys.is_empty() || !keys.iter().all(named) {
            return Err(RecordError::Member("keys"));
        }
        Ok(Self { code: code.to_owned(), host, port, path, server_pins, client_pins, record })
    }

    /// A path of the protocol below the base URL.
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }

    /// The public key of that name, if it was in its lifetime at `at` (section 3.2).
    fn key_at(&self, kid: &str, at: jiff::Timestamp) -> Option<&str> {
        let keys = self.record.member("keys").map(Json::items).unwrap_or_default();
        let key = keys.iter().find(|key| key.text_at("/kid") == Some(kid))?;
        let time = |member: &str| key.text_at(member).and_then(instant::read);
        let begun = time("/validFrom").is_some_and(|from| from <= at);
        let over = [time("/retiredAt"), time("/revokedAt")].into_iter().flatten().any(|end| end <= at);
        if begun && !over { key.text_at("/publicKey") } else { None }
    }

    /// Holds when a value of this authority's is signed as section 3 says, by a key in its lifetime at the
    /// time that stands at `at`.
    pub(crate) fn verify(
        &self,
        signed: &Json,
        signature: &str,
        typ: &str,
        at: &str,
    ) -> Result<(), SignatureError> {
        let detached = Detached::read(signature, typ)?;
        let time = signed.text_at(at).and_then(instant::read).ok_or(SignatureError::Form)?;
        let public = self.key_at(&detached.kid, time).ok_or(SignatureError::UnknownKey)?;
        detached.verify(signed, public)
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Host, port and path of an `https` URL.
fn parts(url: &str) -> Option<(String, u16, String)> {
    let fits = |rest: &&str| !rest.ends_with('/') && !rest.contains(['?', '#']);
    let rest = url.strip_prefix("https://").filter(fits)?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = super::host_of(url)?;
    let port = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((_, port)) => port.parse().ok()?,
        None => 443,
    };
    Some((host.to_owned(), port, path.to_owned()))
}

/// The base64url strings of an array.
fn strings(value: Option<&Json>) -> Vec<String> {
    let text = |item: &Json| match item {
        Json::Text(text) if from_base64url(text).is_some_and(|bytes| bytes.len() == 32) => Some(text.clone()),
        _ => None,
    };
    value.map(Json::items).unwrap_or_default().iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_host_port_and_path() {
        let of = |url| parts(url);
        assert_eq!(of("https://cme.example/330"), Some(("cme.example".into(), 443, "/330".into())));
        assert_eq!(of("https://127.0.0.1:8443"), Some(("127.0.0.1".into(), 8443, String::new())));
        assert_eq!(of("https://[::1]:8443/a/b"), Some(("::1".into(), 8443, "/a/b".into())));
        for wrong in
            ["http://cme.example", "https://cme.example/", "https://cme.example/a?b", "https://a:b/c"]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
