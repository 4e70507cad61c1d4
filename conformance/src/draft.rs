//! Entries that the suite writes: right by default, and open to any change before or after they are sealed.

pub(crate) mod bodies;
pub(crate) mod statements;

use crate::encoding::digest;
use crate::instant::{now, written};
use crate::json::Json;
use crate::jws::SigningKey;

/// A new UUID of version 7.
pub(crate) fn uuid() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// An entry before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) header: Json,
    pub(crate) body: Json,
}

impl Draft {
    /// An offer of an invented child that begins a new transfer.
    pub(crate) fn offer(author: &str, recipient: &str) -> Self {
        let responsibility = Json::object([("id", uuid().into()), ("epoch", 1.into())]);
        let header = Json::object([
            ("protocol", "1.0".into()),
            ("transfer", uuid().into()),
            ("sequence", 0.into()),
            ("previous", Json::Null),
            ("id", uuid().into()),
            ("type", "offer".into()),
            ("author", author.into()),
            ("recipient", recipient.into()),
            ("createdAt", written(now()).into()),
            ("responsibility", responsibility),
            ("clockClass", "standard".into()),
            ("bodyDigest", "".into()),
        ]);
        Self { header, body: bodies::offer() }
    }

    /// The entry after the head of a ledger, by its originating authority.
    pub(crate) fn next(ledger: &Ledger, kind: &str, body: Json) -> Self {
        let mut header = ledger.offer.clone();
        for member in ["precededBy", "supersedes", "successorOf"] {
            header.remove(&format!("/{member}"));
        }
        header.set("/sequence", ledger.sequence + 1);
        header.set("/previous", ledger.digest.as_str());
        header.set("/id", uuid());
        header.set("/type", kind);
        // An author whose clock is behind repeats what stands before.
        header.set("/createdAt", written(now()).max(ledger.created_at.clone()));
        Self { header, body }
    }

    /// The entry with its body's digest and a signature.
    pub(crate) fn sealed(mut self, key: &SigningKey) -> Json {
        self.header.set("/bodyDigest", digest(&self.body));
        self.signed(key)
    }

    /// The entry with a signature over the header as it stands.
    pub(crate) fn signed(self, key: &SigningKey) -> Json {
        let signature = key.sign(&self.header);
        self.with_signature(&signature)
    }

    /// The entry with any signature.
    pub(crate) fn with_signature(self, signature: &str) -> Json {
        Json::object([("header", self.header), ("body", self.body), ("signature", signature.into())])
    }
}

/// What the suite holds of a ledger of its own.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// The header of entry 0.
    pub(crate) offer: Json,
    pub(crate) transfer: String,
    pub(crate) sequence: i64,
    /// Digest of the newest header.
    pub(crate) digest: String,
    created_at: String,
    /// Every entry with the sequencer's receipt.
    pub(crate) entries: Vec<Json>,
}

impl Ledger {
    /// A ledger that an offer began.
    pub(crate) fn begun(entry: &Json, receipt: Json) -> Self {
        let header = header_of(entry);
        let mut ledger = Self {
            transfer: header.text_at("/transfer").unwrap_or_default().to_owned(),
            offer: header,
            sequence: -1,
            digest: String::new(),
            created_at: String::new(),
            entries: Vec::new(),
        };
        ledger.add(entry, receipt);
        ledger
    }

    /// The ledger with one more entry.
    pub(crate) fn add(&mut self, entry: &Json, receipt: Json) {
        let header = header_of(entry);
        self.sequence += 1;
        self.digest = digest(&header);
        header.text_at("/createdAt").unwrap_or_default().clone_into(&mut self.created_at);
        self.entries.push(with_receipts(entry, vec![receipt]));
    }
}

/// The entry with these receipts.
pub(crate) fn with_receipts(entry: &Json, receipts: Vec<Json>) -> Json {
    let mut entry = entry.clone();
    entry.set("/receipts", receipts);
    entry
}

/// The header of an entry.
pub(crate) fn header_of(entry: &Json) -> Json {
    entry.member("header").cloned().unwrap_or(Json::Null)
}

/// A receipt for an entry by an authority of the suite.
pub(crate) fn receipt_by(code: &str, key: &SigningKey, entry: &Json) -> Json {
    let header = header_of(entry);
    let text = |path: &str| Json::text(header.text_at(path).unwrap_or_default());
    let receipt = Json::object([
        ("transfer", text("/transfer")),
        ("sequence", header.integer_at("/sequence").unwrap_or_default().into()),
        ("entryId", text("/id")),
        ("headerDigest", digest(&header).into()),
        ("receivedAt", written(now()).into()),
        ("by", code.into()),
        ("incarnation", 1.into()),
        ("directoryIssue", 1.into()),
    ]);
    signed_receipt(receipt, key)
}

/// A receipt under a signature.
pub(crate) fn signed_receipt(receipt: Json, key: &SigningKey) -> Json {
    let signature = key.sign(&receipt);
    Json::object([("receipt", receipt), ("signature", signature.into())])
}
