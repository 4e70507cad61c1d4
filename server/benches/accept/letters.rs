//! Signed entries, made before the clock starts.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cme_spec::body::Salt;
use cme_spec::canonical::{Json, Limits};
use cme_spec::codes::ClockClass;
use cme_spec::digest::Digest;
use cme_spec::entry::{Entry, EntryType, Header, PROTOCOL, ResponsibilityRef};
use cme_spec::envelope::Envelope;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::operation::INCARNATION_HEADER;
use cme_spec::receipt::Receipt;
use cme_spec::signature::{PublicKey, SigningKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::Ed25519KeyPair;
use uuid::Uuid;

/// Names the header with the floor's signature; the protocol knows nothing of it.
pub(crate) const FLOOR_SIGNATURE: &str = "floor-signature";

/// One entry, as a request and as what its receipt must name.
pub(crate) struct Letter {
    /// The whole HTTP request.
    pub(crate) request: Vec<u8>,
    /// Where the body begins.
    body_at: usize,
    digest: Digest,
}

/// The entries of one transfer, in the order in which they are sent.
pub(crate) type Transfer = [Letter; 2];

/// Who writes to whom, and with which keys.
pub(crate) struct Author {
    /// The originating authority.
    pub(crate) originating: AuthorityCode,
    /// The receiving authority.
    pub(crate) receiving: AuthorityCode,
    /// Signs entries.
    pub(crate) signing: SigningKey,
    /// Signs what the floor checks.
    pub(crate) floor_signing: Ed25519KeyPair,
}

impl Author {
    /// New transfers: an offer, and a question about it.
    pub(crate) fn transfers(&self, count: usize) -> Vec<Transfer> {
        (0..count).map(|_| self.transfer()).collect()
    }

    /// One transfer's entries, unsent.
    pub(crate) fn entries(&self) -> [Entry; 2] {
        let offer = self.sign(self.offer());
        let question = Header {
            sequence: 1,
            previous: Some(offer.header_digest()),
            id: example::known(&Uuid::now_v7().to_string()),
            kind: EntryType::RequestInformation,
            ..offer.header().clone()
        };
        let question = self.sign(question);
        [offer, question]
    }

    /// The body of a request, for what takes rows of the same size.
    pub(crate) fn body_of_some_entry(&self) -> String {
        let [offer, _] = self.transfer();
        String::from_utf8(offer.body().to_owned()).unwrap()
    }

    fn transfer(&self) -> Transfer {
        self.entries().map(|entry| self.letter(&entry))
    }

    fn offer(&self) -> Header {
        let now = jiff::Timestamp::now().as_millisecond();
        Header {
            protocol: PROTOCOL.to_owned(),
            transfer: example::known(&Uuid::now_v7().to_string()),
            sequence: 0,
            previous: None,
            id: example::known(&Uuid::now_v7().to_string()),
            kind: EntryType::Offer,
            author: self.originating,
            recipient: self.receiving,
            created_at: Instant::from_milliseconds(now).unwrap(),
            responsibility: ResponsibilityRef { id: example::known(&Uuid::now_v7().to_string()), epoch: 1 },
            clock_class: ClockClass::Standard,
            body_digest: Digest::of(&[]),
            preceded_by: None,
            supersedes: None,
            successor_of: None,
        }
    }

    fn sign(&self, header: Header) -> Entry {
        let mut salt = [0; 16];
        SystemRandom::new().fill(&mut salt).unwrap();
        let mut body = example::body(header.kind).into_value();
        body["salt"] = serde_json::to_value(Salt::from_random(salt)).unwrap();
        Entry::sign(header, Json::from_typed(&body).unwrap(), &self.signing)
    }

    fn letter(&self, entry: &Entry) -> Letter {
        let (header, body) = (entry.header(), entry.to_json().canonical_text());
        let signature = self.floor_signing.sign(Digest::of(body.as_bytes()).as_bytes());
        let mut request = String::with_capacity(body.len() + 512);
        write!(
            request,
            "PUT /{}/v1/transfers/{}/entries/{} HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n{INCARNATION_HEADER}: 1\r\n\
             {FLOOR_SIGNATURE}: {}\r\n\r\n",
            self.receiving,
            header.transfer,
            header.sequence,
            body.len(),
            URL_SAFE_NO_PAD.encode(signature.as_ref()),
        )
        .unwrap();
        let body_at = request.len();
        request.push_str(&body);
        Letter { request: request.into_bytes(), body_at, digest: entry.header_digest() }
    }
}

impl Letter {
    /// The request's body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.request[self.body_at..]
    }

    /// Whether the answer is this entry's receipt under that key.
    pub(crate) fn is_receipted_by(&self, answer: &[u8], key: &PublicKey) -> bool {
        let json = Json::decode(answer, &Limits::ENTRY).ok();
        let receipt = json.and_then(|json| Envelope::<Receipt>::read(&json).ok());
        let proven = receipt.and_then(|receipt| receipt.verify(key).ok());
        proven.is_some_and(|receipt| receipt.content().header_digest == self.digest)
    }
}
