//! Whole ledgers, built entry by entry through the real rules.

use super::{body, code, directory, entry_id, instant, known, numbered_uuid, signing_key, transfer};
use crate::canonical::Json;
use crate::codes::ClockClass;
use crate::digest::Digest;
use crate::entry::{Entry, EntryType, Header, PROTOCOL, ResponsibilityRef};
use crate::envelope::Envelope;
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::ledger::export::Export;
use crate::ledger::{Ledger, apply};
use crate::receipt::{Head, Receipt};
use crate::signature::SigningKey;

/// A ledger between Sheffield (373) and Birmingham (330), grown by one entry at a time, an hour apart.
#[derive(Clone)]
pub struct Story {
    entries: Vec<Entry>,
    ledger: Option<Ledger>,
    number: u64,
    now: Instant,
}

impl Default for Story {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Story {
    /// A story whose ledger is still empty. `number` tells it from other stories.
    pub fn new(number: u64) -> Self {
        Self { entries: Vec::new(), ledger: None, number, now: instant("2026-11-24T09:00:00Z") }
    }

    /// Only the offer.
    pub fn offered() -> Self {
        Self::default().then(EntryType::Offer)
    }

    /// As far as the accept.
    pub fn accepted() -> Self {
        Self::offered().then(EntryType::Acknowledge).then(EntryType::Accept)
    }

    /// The whole story of these types, the offer first, each by the party that may write it.
    pub fn of(number: u64, kinds: &[EntryType]) -> Self {
        kinds.iter().fold(Self::new(number), |story, kind| story.then(*kind))
    }

    /// One entry more, by the party that may write it (the originating authority where both may).
    ///
    /// # Panics
    /// When the rules don't allow the entry: a story tells only what can happen.
    #[must_use]
    pub fn then(self, kind: EntryType) -> Self {
        let by_receiving = matches!(
            kind,
            EntryType::Acknowledge
                | EntryType::Accept
                | EntryType::Decline
                | EntryType::Uphold
                | EntryType::Redirect
                | EntryType::Outcome
                | EntryType::Retract
                | EntryType::RequestInformation
        );
        self.then_by(kind, if by_receiving { "330" } else { "373" })
    }

    /// One entry more, by that party.
    ///
    /// # Panics
    /// When the rules don't allow the entry.
    #[must_use]
    pub fn then_by(self, kind: EntryType, author: &str) -> Self {
        let key = signing_key(author);
        self.then_signed(kind, author, &key, body(kind))
    }

    /// One entry more, by that party, under a key and with a body of the caller's choice.
    ///
    /// # Panics
    /// When the rules don't allow the entry.
    #[must_use]
    pub fn then_signed(mut self, kind: EntryType, author: &str, key: &SigningKey, body: Json) -> Self {
        let entry = self.draft(kind, author, key, body);
        let receipt = self.receipt(&entry, "330");
        let ledger = apply(self.ledger.as_ref(), &entry, receipt.content());
        self.ledger = Some(ledger.unwrap_or_else(|refusal| panic!("the story breaks a rule: {refusal}")));
        let entry = entry.with_receipt(receipt);
        let by_receiving = author == "330";
        let entry = if by_receiving {
            let other = self.receipt(&entry, "373");
            entry.with_receipt(other)
        } else {
            entry
        };
        self.entries.push(entry);
        self.now = self.now.plus_seconds(3_600);
        self
    }

    /// The entry that could come next, signed but without receipts.
    pub fn draft(&self, kind: EntryType, author: &str, key: &SigningKey, body: Json) -> Entry {
        let id = entry_id(self.number * 1_000 + self.entries.len() as u64);
        let header = match &self.ledger {
            Some(ledger) => Header::following(ledger, kind, code(author), id, self.now),
            None => Header {
                protocol: PROTOCOL.to_owned(),
                transfer: transfer(self.number),
                sequence: 0,
                previous: None,
                id,
                kind,
                author: code(author),
                recipient: if author == "330" { code("373") } else { code("330") },
                created_at: self.now,
                responsibility: ResponsibilityRef { id: known(&numbered_uuid(0xf52, self.number)), epoch: 1 },
                clock_class: ClockClass::Standard,
                body_digest: Digest::of(&[]),
                preceded_by: None,
                supersedes: None,
                successor_of: None,
            },
        };
        Entry::sign(header, body, key)
    }

    /// A receipt of `by` for `entry`, a second after the story's present instant.
    pub fn receipt(&self, entry: &Entry, by: &str) -> Envelope<Receipt> {
        let header = entry.header();
        let content = Receipt {
            transfer: header.transfer,
            sequence: header.sequence,
            entry_id: header.id,
            header_digest: entry.header_digest(),
            received_at: self.now.plus_seconds(if by == "330" { 1 } else { 2 }),
            by: code(by),
            incarnation: 1,
            directory_issue: directory().issue,
        };
        Envelope::sign(content, &signing_key(by))
    }

    /// The entries so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries, to change.
    pub fn entries_mut(&mut self) -> &mut Vec<Entry> {
        &mut self.entries
    }

    /// The ledger so far.
    ///
    /// # Panics
    /// Before the offer.
    pub fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().expect("the story has begun")
    }

    /// The instant of the next entry.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The signed head of `by`.
    pub fn head(&self, by: &str) -> Envelope<Head> {
        let ledger = self.ledger();
        let by: AuthorityCode = code(by);
        let content = Head {
            transfer: ledger.terms.transfer,
            originating: ledger.terms.originating,
            receiving: ledger.terms.receiving,
            sequence: ledger.head.sequence,
            header_digest: ledger.head.header_digest,
            stage: ledger.stage(),
            at: self.now,
            by,
            incarnation: 1,
            directory_issue: 1,
        };
        Envelope::sign(content, &signing_key(by.as_ref()))
    }

    /// The export of `by`, with the other party's head.
    pub fn export(&self, by: &str) -> String {
        let other = if by == "330" { "373" } else { "330" };
        let (head, peer_heads) = (self.head(by), [self.head(other)]);
        let export = Export {
            entries: &self.entries,
            head: &head,
            peer_heads: &peer_heads,
            forks: &[],
            exported_at: self.now,
        };
        export.to_text()
    }
}
