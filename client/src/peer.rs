//! The client of one authority, and its view of one peer.

mod ask;

use std::sync::Arc;
use std::time::Duration;

use cme_spec::body::check_entry;
use cme_spec::canonical::{Json, Limits};
use cme_spec::digest::Digest;
use cme_spec::directory::{Archive, Directory};
use cme_spec::entry::Entry;
use cme_spec::envelope::{Document, Envelope, Signed};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, TransferId};
use cme_spec::ledger::Ledger;
use cme_spec::ledger::append::check_delivered;
use cme_spec::ledger::evidence::check_outcome;
use cme_spec::operation::get_capabilities::Capabilities;
use cme_spec::operation::list_entries::EntryPage;
use cme_spec::operation::list_heads::HeadPage;
use cme_spec::operation::{
    INCARNATION_HEADER, Operation, get_capabilities, get_reconciliation, list_entries, list_heads, put_entry,
};
use cme_spec::problem::{MEDIA_TYPE, NextStep, Problem};
use cme_spec::receipt::{Head, Receipt, Reconciliation};
use ring::rand::SecureRandom as _;

pub use self::ask::{Answers, proven_answer};
use crate::directory::SharedDirectory;
use crate::error::{ClientError, Unproven, Unreached};
use crate::retry::RetryPolicy;
use crate::tls::Identity;
use crate::transport::{PinnedHttps, Request, Transport, TransportError};

/// Longest wait for a whole answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest pause that a peer can ask for; a longer one counts as this.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Media type of what is sent.
const JSON: &str = "application/json";

/// Speaks for one authority to all others. Clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    authority: AuthorityCode,
    transport: Arc<dyn Transport>,
    directory: SharedDirectory,
    retry: RetryPolicy,
    incarnation: Option<u64>,
}

impl Client {
    /// A client for `authority`, which shows `identity` to its peers.
    pub fn new(authority: AuthorityCode, identity: Identity, directory: SharedDirectory) -> Self {
        Self::over(Arc::new(PinnedHttps::new(identity)), authority, directory)
    }

    /// A client for `authority` over a transport that has the identity to show.
    pub fn over(transport: Arc<dyn Transport>, authority: AuthorityCode, directory: SharedDirectory) -> Self {
        Self { authority, transport, directory, retry: RetryPolicy::default(), incarnation: None }
    }

    /// The same client with another retry policy.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The same client over another transport, which has the identity to show.
    #[must_use]
    pub fn with_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = transport;
        self
    }

    /// The same client, telling peers how often its database was restored.
    #[must_use]
    pub fn with_incarnation(mut self, incarnation: u64) -> Self {
        self.incarnation = Some(incarnation);
        self
    }

    /// The authority it speaks for.
    pub fn authority(&self) -> AuthorityCode {
        self.authority
    }

    /// The peer that answers for `code`: itself, or its residuary successor.
    pub fn peer(&self, code: AuthorityCode) -> Result<PeerClient, ClientError> {
        let archive = self.directory.current();
        let directory = archive.newest().ok_or(ClientError::NoDirectory)?.content();
        let record = directory.answering(code).ok_or(ClientError::NotConnected(code))?;
        let base_url = record.base_url.clone().ok_or(ClientError::NotConnected(code))?;
        Ok(PeerClient {
            client: self.clone(),
            code,
            base_url,
            server: record.code,
            server_pins: record.server_pins.clone(),
            archive: Arc::clone(&archive),
        })
    }
}

/// Whether the peer stored the entry now or had it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// 201: stored now.
    Stored,
    /// 200: stored before.
    Repeated,
}

/// What a peer answered to an entry.
#[derive(Clone, Debug)]
pub enum Delivered {
    /// It holds exactly this entry.
    Held {
        /// Stored now or before.
        status: ReceiptStatus,
        /// Its receipt.
        receipt: Signed<Receipt>,
    },
    /// It holds the same decision, signed by us before at another place: fetch the ledger.
    HeldElsewhere {
        /// Its receipt for that version.
        receipt: Signed<Receipt>,
    },
}

/// A ledger that was fetched, verified and applied.
#[derive(Clone, Debug)]
pub struct FetchedLedger {
    /// All entries, with their receipts.
    pub entries: Vec<Entry>,
    /// Where they lead.
    pub ledger: Ledger,
}

/// A part of a ledger as the peer holds it.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Entries in order; each has an entry's form, nothing more is checked.
    pub entries: Vec<Entry>,
    /// Whether the ledger goes on.
    pub more: bool,
    /// The peer's word on where its copy ends.
    pub head: Signed<Head>,
    /// Entries of further branches of a forked ledger, each branch in order; nothing more is checked.
    pub forks: Vec<Entry>,
}

/// Verified heads of one page.
#[derive(Clone, Debug)]
pub struct Heads {
    /// How often the peer's database was restored.
    pub incarnation: u64,
    /// Heads in commit order.
    pub heads: Vec<Signed<Head>>,
    /// Cursor for the next call.
    pub next: String,
    /// Whether more heads wait already.
    pub more: bool,
}

/// One peer, at its address and pins of the directory.
#[derive(Clone, Debug)]
pub struct PeerClient {
    client: Client,
    code: AuthorityCode,
    base_url: String,
    server: AuthorityCode,
    server_pins: Vec<Digest>,
    archive: Arc<Archive>,
}

impl PeerClient {
    /// The peer's code.
    pub fn code(&self) -> AuthorityCode {
        self.code
    }

    fn directory(&self) -> Result<&Directory, ClientError> {
        self.archive.newest().map(Signed::content).ok_or(ClientError::NoDirectory)
    }

    /// What the peer can do.
    pub async fn capabilities(&self) -> Result<Capabilities, ClientError> {
        let answer = self.call(&get_capabilities::OPERATION, &self.url("/v1/capabilities"), None).await?;
        self.proven(answer.json.read().map_err(Unproven::from))
    }

    /// Appends or delivers one entry, and gives the peer's verified receipt.
    pub async fn put_entry(&self, entry: &Entry) -> Result<Delivered, ClientError> {
        let header = entry.header();
        let url = self.url(&format!("/v1/transfers/{}/entries/{}", header.transfer, header.sequence));
        let bytes = entry.canonical_text().into_bytes();
        let answer = self.call(&put_entry::OPERATION, &url, Some(bytes)).await?;
        let receipt: Signed<Receipt> =
            self.document(&answer.json, |receipt: &Receipt| (receipt.by, receipt.received_at))?;
        self.proven(delivered(entry, answer.status, receipt))
    }

    /// Entries from a place on, as the peer holds them; each has an entry's form, nothing more is checked.
    pub async fn entries(&self, transfer: TransferId, from: u64) -> Result<Entries, ClientError> {
        let url = self.url(&format!("/v1/transfers/{transfer}/entries?from={from}"));
        let answer = self.call(&list_entries::OPERATION, &url, None).await?;
        let page = self.proven(EntryPage::read(&answer.json).map_err(Unproven::from))?;
        let entries: Result<Vec<Entry>, _> = page.entries.iter().map(Entry::read).collect();
        let entries = self.proven(entries.map_err(Unproven::from))?;
        let in_order = entries.iter().zip(from..).all(|(entry, sequence)| {
            entry.header().transfer == transfer && entry.header().sequence == sequence
        });
        if !in_order || (page.more && entries.is_empty()) {
            return self.proven(Err(Unproven::OtherMatter));
        }
        let head = self.document(&page.head, |head: &Head| (head.by, head.at))?;
        if head.content().transfer != transfer {
            return self.proven(Err(Unproven::OtherMatter));
        }
        let forks = self.proven(branches(&page.forks))?;
        if forks.iter().any(|entry| entry.header().transfer != transfer) {
            return self.proven(Err(Unproven::OtherMatter));
        }
        Ok(Entries { entries, more: page.more, head, forks })
    }

    /// The whole ledger, every signature and rule checked as of `now`, whatever the length of its pages.
    ///
    /// Implements: DLV-013, TRN-016
    pub async fn ledger(&self, transfer: TransferId, now: Instant) -> Result<FetchedLedger, ClientError> {
        let (mut entries, mut ledger): (Vec<Entry>, Option<Ledger>) = (Vec::new(), None);
        loop {
            let page = self.entries(transfer, entries.len() as u64).await?;
            for entry in page.entries {
                if !entry.body_matches() {
                    return self.proven(Err(Unproven::BodyDigest));
                }
                self.proven(check_entry(&entry).map_err(Unproven::from))?;
                self.proven(check_outcome(&entry, self.directory()?).map_err(Unproven::from))?;
                let reader = self.client.authority;
                let checked = check_delivered(ledger.as_ref(), &entry, self.directory()?, reader, now);
                let (next, _) = self.proven(checked.map_err(Unproven::from))?;
                ledger = Some(next);
                entries.push(entry);
            }
            if !page.more {
                break;
            }
        }
        let ledger = ledger.ok_or(Unproven::OtherMatter);
        Ok(FetchedLedger { entries, ledger: self.proven(ledger)? })
    }

    /// Heads of the ledgers shared with the peer, in the order in which they last changed there.
    pub async fn heads(&self, after: Option<&str>) -> Result<Heads, ClientError> {
        let query = after.map(|cursor| format!("?after={cursor}")).unwrap_or_default();
        let url = self.url(&format!("/v1/heads{query}"));
        let answer = self.call(&list_heads::OPERATION, &url, None).await?;
        let page = self.proven(HeadPage::read(&answer.json).map_err(Unproven::from))?;
        let heads: Result<Vec<_>, _> =
            page.heads.iter().map(|json| self.document(json, |head: &Head| (head.by, head.at))).collect();
        Ok(Heads { incarnation: page.incarnation, heads: heads?, next: page.next, more: page.more })
    }

    /// Count and digest of the ledgers shared with the peer.
    pub async fn reconciliation(&self) -> Result<Signed<Reconciliation>, ClientError> {
        let answer = self.call(&get_reconciliation::OPERATION, &self.url("/v1/reconciliation"), None).await?;
        let said = self.document(&answer.json, |said: &Reconciliation| (said.by, said.at))?;
        if self.directory()?.acts_for(self.client.authority, said.content().with) {
            Ok(said)
        } else {
            self.proven(Err(Unproven::OtherMatter))
        }
    }

    /// A document of the peer's, its signature checked under a key valid when it was made.
    fn document<T: Document>(
        &self,
        json: &Json,
        told: impl Fn(&T) -> (AuthorityCode, Instant),
    ) -> Result<Signed<T>, ClientError> {
        let envelope: Envelope<T> = self.proven(Envelope::read(json).map_err(Unproven::from))?;
        let (by, at) = told(envelope.content());
        let directory = self.directory()?;
        if by != self.code && !directory.acts_for(by, self.code) && !directory.acts_for(self.code, by) {
            return self.proven(Err(Unproven::OtherMatter));
        }
        self.proven(directory.check_document(envelope, by, at).map_err(Unproven::from))
    }

    fn proven<T>(&self, result: Result<T, Unproven>) -> Result<T, ClientError> {
        result.map_err(|what| ClientError::Unproven { peer: self.code, what })
    }

    /// Implements: TRN-011
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// Sends the same bytes until an answer comes that is not a reason to try again, as the policy says.
    ///
    /// Implements: DLV-008
    async fn call(
        &self,
        operation: &Operation,
        url: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ClientError> {
        let mut failures = 0;
        loop {
            match self.attempt(operation, url, body.clone()).await {
                // An identity that can't be used now can't be used in a moment either.
                Err(error @ ClientError::Tls) => return Err(error),
                Err(error)
                    if error.next_step() == NextStep::Retry
                        && failures + 1 < self.client.retry.attempts_max =>
                {
                    failures += 1;
                    let pause = self.client.retry.pause(failures, random());
                    let asked = error.retry_after().unwrap_or_default();
                    // Whoever waits here does not wait for hours: the caller hears what the peer asks for.
                    if asked > self.client.retry.ceiling {
                        return Err(error);
                    }
                    tokio::time::sleep(asked.max(pause)).await;
                }
                result => return result,
            }
        }
    }

    /// Implements: TRN-009
    async fn attempt(
        &self,
        operation: &Operation,
        url: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ClientError> {
        let exchange = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(operation, url, body));
        let raw = exchange.await.unwrap_or(Err(self.unreachable(Unreached::TimedOut)))?;
        let Raw { status, media_type, retry_after, bytes } = raw;
        let json = Json::decode(&bytes, &Limits::COLLECTION);
        if status == 200 || status == 201 {
            return Ok(Answer { status, json: self.proven(json.map_err(Unproven::from))? });
        }
        let is_problem = media_type.is_some_and(|media_type| media_type.starts_with(MEDIA_TYPE));
        let problem: Option<Problem> = json.ok().filter(|_| is_problem).and_then(|json| json.read().ok());
        match problem.filter(|problem| problem.registered().is_some()) {
            Some(problem) => {
                Err(ClientError::Refused { peer: self.code, problem: Box::new(problem), retry_after })
            }
            None => Err(ClientError::NotOfThisProtocol { peer: self.code, status, retry_after }),
        }
    }

    /// One request, and its whole answer.
    async fn exchange(
        &self,
        operation: &Operation,
        url: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Raw, ClientError> {
        let incarnation = self.client.incarnation.map(|number| (INCARNATION_HEADER, number.to_string()));
        let media_type = body.as_ref().map(|_| ("content-type", JSON.to_owned()));
        let request = Request {
            caller: self.client.authority,
            peer: self.server,
            server_pins: self.server_pins.clone(),
            method: operation.method(),
            url: url.to_owned(),
            headers: incarnation.into_iter().chain(media_type).collect(),
            body,
        };
        let failed = |error| match error {
            TransportError::NoConnection => self.unreachable(Unreached::NoConnection),
            TransportError::Broken => self.unreachable(Unreached::Broken),
            TransportError::TimedOut => self.unreachable(Unreached::TimedOut),
            TransportError::Identity => ClientError::Tls,
        };
        let mut response = self.client.transport.send(request).await.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.body.next().await.map_err(failed)? {
            if bytes.len() + chunk.len() > Limits::COLLECTION.bytes_max {
                return Err(self.unreachable(Unreached::TooLarge));
            }
            bytes.extend_from_slice(&chunk);
        }
        let retry_after = response.retry_after.as_deref().and_then(asked_pause);
        Ok(Raw { status: response.status, media_type: response.content_type, retry_after, bytes })
    }

    fn unreachable(&self, what: Unreached) -> ClientError {
        ClientError::Unreachable { peer: self.code, what }
    }
}

struct Answer {
    status: u16,
    json: Json,
}

/// The entries of all further branches.
fn branches(forks: &[Json]) -> Result<Vec<Entry>, Unproven> {
    let mut entries = Vec::new();
    for branch in forks {
        let list = branch.member("entries").and_then(|list| list.items()).ok_or(Unproven::OtherMatter)?;
        for json in list {
            entries.push(Entry::from_json(json)?);
        }
    }
    Ok(entries)
}

/// An answer as it came, within the limit of bytes.
struct Raw {
    status: u16,
    media_type: Option<String>,
    retry_after: Option<Duration>,
    bytes: Vec<u8>,
}

/// What a receipt says of the entry that was sent: that it is held, or an earlier version of it. A receipt by
/// anybody but the two parties says nothing of it. Implements: RCP-007
fn delivered(entry: &Entry, status: u16, receipt: Signed<Receipt>) -> Result<Delivered, Unproven> {
    let (header, content) = (entry.header(), receipt.content());
    let by_party = [header.author, header.recipient].contains(&content.by);
    let other_version = content.transfer == header.transfer && content.entry_id == header.id;
    if by_party && content.is_for(entry) {
        let status = if status == 201 { ReceiptStatus::Stored } else { ReceiptStatus::Repeated };
        Ok(Delivered::Held { status, receipt })
    } else if by_party && other_version && status == 200 {
        Ok(Delivered::HeldElsewhere { receipt })
    } else {
        Err(Unproven::OtherMatter)
    }
}

/// The pause that a `Retry-After` in seconds asks for. Implements: DLV-008
fn asked_pause(value: &str) -> Option<Duration> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number holds is a longer pause than any.
    digits.then(|| value.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX))
}

/// Spreads retries; a failing random source only makes them less spread.
pub(crate) fn random() -> u32 {
    let mut bytes = [0; 4];
    match ring::rand::SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes),
        Err(_) => u32::MAX / 2,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::transport::{BoxFuture, Chunks, Response};
    use cme_spec::example::{self, Story, signing_key};

    #[test]
    fn a_receipt_counts_only_for_the_entry_that_was_sent_and_by_its_party() {
        let story = Story::offered();
        let sent = story.entries()[0].clone();
        let told = |status: u16, change: &dyn Fn(&mut Receipt)| {
            let mut content = story.receipt(&sent, "330").content().clone();
            change(&mut content);
            let (by, at) = (content.by, content.received_at);
            let receipt = Envelope::sign(content, &signing_key(by.as_ref()));
            let receipt = example::directory().check_document(receipt, by, at).unwrap();
            match delivered(&sent, status, receipt) {
                Ok(Delivered::Held { status, .. }) => Some(Some(status)),
                Ok(Delivered::HeldElsewhere { .. }) => Some(None),
                Err(_) => None,
            }
        };
        assert_eq!(told(201, &|_| {}), Some(Some(ReceiptStatus::Stored)));
        assert_eq!(told(200, &|_| {}), Some(Some(ReceiptStatus::Repeated)));
        assert_eq!(told(200, &|receipt| receipt.sequence = 4), Some(None));
        assert_eq!(told(201, &|receipt| receipt.sequence = 4), None);
        assert_eq!(told(200, &|receipt| receipt.transfer = example::transfer(9)), None);
        assert_eq!(told(200, &|receipt| receipt.entry_id = example::entry_id(9)), None);
        assert_eq!(told(201, &|receipt| receipt.by = example::code("383")), None, "a third authority");
    }

    /// Answers every request with parts that never end.
    #[derive(Debug, Default)]
    struct Endless(Arc<AtomicUsize>);

    impl Transport for Endless {
        fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            let body = Box::new(Self(Arc::clone(&self.0)));
            let response = Response { status: 200, content_type: None, retry_after: None, body };
            Box::pin(std::future::ready(Ok(response)))
        }
    }

    impl Chunks for Endless {
        fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<u8>>, TransportError>> {
            self.0.fetch_add(PART_BYTES, Ordering::Relaxed);
            Box::pin(std::future::ready(Ok(Some(vec![b' '; PART_BYTES]))))
        }
    }

    const PART_BYTES: usize = 1 << 20;

    #[tokio::test]
    async fn reads_no_answer_beyond_the_limit_whatever_brings_it() {
        let read = Arc::new(AtomicUsize::new(0));
        let directory = Archive::start(&example::signed_directory().to_json(), None).unwrap();
        let transport = Arc::new(Endless(Arc::clone(&read)));
        let client = Client::over(transport, example::code("373"), SharedDirectory::new(directory))
            .with_retry(RetryPolicy::once());
        let told = client.peer(example::code("330")).unwrap().capabilities().await;
        assert!(matches!(told, Err(ClientError::Unreachable { what: Unreached::TooLarge, .. })));
        assert!(read.load(Ordering::Relaxed) <= Limits::COLLECTION.bytes_max + PART_BYTES);
    }

    #[test]
    fn obeys_a_retry_after_in_seconds_up_to_a_day() {
        assert_eq!(asked_pause("0"), Some(Duration::ZERO));
        assert_eq!(asked_pause("7200"), Some(Duration::from_hours(2)));
        for long in ["86401", "99999999999999999999999"] {
            assert_eq!(asked_pause(long), Some(RETRY_AFTER_MAX), "{long}");
        }
        for other in ["", "-1", "+5", "1.5", "Tue, 24 Nov 2026 09:00:00 GMT"] {
            assert_eq!(asked_pause(other), None, "{other}");
        }
    }
}
