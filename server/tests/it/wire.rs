//! Raw requests as any identity, and entries that no honest party would sign.

use cme_client::tls::client_config;
use cme_client::{Identity, tls};
use cme_spec::canonical::{Json, Limits};
use cme_spec::digest::Digest;
use cme_spec::entry::{Entry, EntryType, Header, PROTOCOL, ResponsibilityRef};
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, code};
use cme_spec::instant::Instant;
use cme_spec::ledger::Ledger;
use cme_spec::receipt::Receipt;
use cme_spec::signature::SigningKey;
use serde_json::Value;

use crate::support::{Party, World};

/// An answer as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    pub(crate) cache_control: String,
    /// Every header field but `date`, in order of names.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The name of the registered problem, checked to be told as one.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.media_type, "application/problem+json", "{self:?}");
        assert_eq!(self.cache_control, "no-store");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        if self.status == 429 || self.status == 503 {
            let pause = self.field("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
            assert!(pause.is_some(), "{self:?}");
        }
        json["type"].as_str().unwrap().strip_prefix("urn:cme:problem:v1:").unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A caller with an identity of its own, speaking to one server.
pub(crate) struct Wire {
    http: reqwest::Client,
    base: String,
    runtime: tokio::runtime::Runtime,
}

impl Wire {
    /// Calls the server of `to` with `identity`; with a path segment of another authority if one is named.
    pub(crate) fn new(to: &Party, identity: &Identity, hosted: &str) -> Self {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(identity, vec![to.server_pin()]).unwrap())
            .no_proxy()
            .timeout(crate::support::PATIENCE)
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { http, base: format!("https://{}/{hosted}", to.listen), runtime }
    }

    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            let pair = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
            let mut fields: Vec<_> =
                response.headers().iter().map(pair).filter(|(name, _)| name != "date").collect();
            fields.sort();
            let field = |wanted: &str| {
                let found = fields.iter().find(|(name, _)| name == wanted);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let (media_type, cache_control) = (field("content-type"), field("cache-control"));
            let status = response.status().as_u16();
            Ok(Answer { status, media_type, cache_control, fields, body: response.text().await? })
        })
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.base))).unwrap()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.base))
    }

    /// Puts bytes as JSON to where an entry of that transfer and sequence goes.
    pub(crate) fn put_bytes(&self, transfer: &str, sequence: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        let path = format!("/v1/transfers/{transfer}/entries/{sequence}");
        let request =
            self.request("PUT", &path).header("content-type", "application/json").body(bytes.into());
        self.send(request).unwrap()
    }

    pub(crate) fn put(&self, entry: &Entry) -> Answer {
        let header = entry.header();
        let bytes = entry.to_json().canonical_bytes();
        self.put_bytes(&header.transfer.to_string(), &header.sequence.to_string(), bytes)
    }
}

impl World {
    /// What calls a server as that authority.
    pub(crate) fn wire(&self, from: &str, to: &str) -> Wire {
        Wire::new(self.party(to), &self.party(from).identity(), to)
    }
}

/// Now, as the server's clock has it.
pub(crate) fn now() -> Instant {
    cme_server::clock::Clock::system().now()
}

/// A new offer of `from` to `to`, whose header a test may spoil before it is signed.
pub(crate) fn offer(
    world: &World,
    from: &str,
    to: &str,
    number: u64,
    spoil: impl FnOnce(&mut Header),
) -> Entry {
    let mut header = Header {
        protocol: PROTOCOL.to_owned(),
        transfer: example::transfer(number),
        sequence: 0,
        previous: None,
        id: example::entry_id(number * 100),
        kind: EntryType::Offer,
        author: code(from),
        recipient: code(to),
        created_at: now(),
        responsibility: ResponsibilityRef {
            id: example::known(&example::numbered_uuid(0xf52, number)),
            epoch: 1,
        },
        clock_class: cme_spec::codes::ClockClass::Urgent,
        body_digest: Digest::of(&[]),
        preceded_by: None,
        supersedes: None,
        successor_of: None,
    };
    spoil(&mut header);
    Entry::sign(header, example::body(EntryType::Offer), &world.party(from).signing_key())
}

/// The next entry of a ledger, whose header a test may spoil before it is signed.
pub(crate) fn next(
    ledger: &Ledger,
    kind: EntryType,
    author: &str,
    key: &SigningKey,
    spoil: impl FnOnce(&mut Header),
) -> Entry {
    let id = example::entry_id(900_000 + ledger.head.sequence);
    let mut header = Header::following(ledger, kind, code(author), id, now());
    spoil(&mut header);
    Entry::sign(header, example::body(kind), key)
}

/// A receipt by whoever holds the key.
pub(crate) fn receipt(entry: &Entry, by: &str, key: &SigningKey) -> Envelope<Receipt> {
    let content = Receipt {
        transfer: entry.header().transfer,
        sequence: entry.header().sequence,
        entry_id: entry.header().id,
        header_digest: entry.header_digest(),
        received_at: now(),
        by: code(by),
        incarnation: 1,
        directory_issue: 1,
    };
    Envelope::sign(content, key)
}

/// Sheffield holds its offer as receipted by Birmingham, whose server is gone; the test signs in its place.
pub(crate) fn offered_then_alone() -> (World, String, Ledger, SigningKey) {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("373").wait_for(&transfer, "offered");
    world.party_mut("330").kill();
    let ledger = ledger_of(&world.party("373").export(&transfer));
    let key = world.party("330").signing_key();
    (world, transfer, ledger, key)
}

/// The ledger of an export.
pub(crate) fn ledger_of(export: &str) -> Ledger {
    let mut ledger = None;
    for text in crate::support::entries_of(export) {
        let entry = Entry::read(&Json::decode(text.as_bytes(), &Limits::ENTRY).unwrap()).unwrap();
        let receipt = entry
            .receipts()
            .iter()
            .find(|receipt| receipt.content().by == entry_sequencer(ledger.as_ref(), &entry));
        ledger = Some(cme_spec::ledger::apply(ledger.as_ref(), &entry, receipt.unwrap().content()).unwrap());
    }
    ledger.unwrap()
}

fn entry_sequencer(ledger: Option<&Ledger>, entry: &Entry) -> cme_spec::ids::AuthorityCode {
    ledger.map_or(entry.header().recipient, |ledger| ledger.terms.receiving)
}

/// An identity that nobody knows.
pub(crate) fn stranger() -> Identity {
    let today = cme_spec::working_days::london_date(now().timestamp());
    let pair = cme_server::pki::tls_pair("a stranger", &[], today).unwrap();
    Identity::from_pem(pair.certificate_pem.as_bytes(), pair.key_pem.as_bytes()).unwrap()
}

/// An identity whose certificate has run out, over the key of nobody.
pub(crate) fn expired() -> Identity {
    let long_ago = jiff::civil::date(2015, 1, 1);
    let pair = cme_server::pki::tls_pair("expired", &[], long_ago).unwrap();
    Identity::from_pem(pair.certificate_pem.as_bytes(), pair.key_pem.as_bytes()).unwrap()
}

/// A TLS configuration that shows no certificate.
pub(crate) fn nobody() -> reqwest::Client {
    let config = rustls::ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(Trusting(tls::HandshakeSignatures::new())))
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap()
}

/// Takes any server: what is tested is what the server takes.
#[derive(Debug)]
pub(crate) struct Trusting(pub(crate) tls::HandshakeSignatures);

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.schemes()
    }
}
