//! The checks, entry by entry and then along the chain.

use super::file::LedgerFile;
use super::proof::{Disputed, Finding};
use crate::canonical::Json;
use crate::directory::{Directory, Key, KeyStanding};
use crate::entry::{Body, Entry, EntryError};
use crate::envelope::Envelope;
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::ledger::{Ledger, Refusal, apply};
use crate::receipt::{Head, Receipt};

pub(super) struct Check<'a> {
    pub(super) file: &'a LedgerFile,
    pub(super) directory: &'a Directory,
    pub(super) findings: Vec<Finding>,
    pub(super) disputed: Vec<Disputed>,
    pub(super) closed_through: Option<u64>,
}

/// The entries in order, and the ledger after each.
pub(super) struct Chain {
    pub(super) entries: Vec<Entry>,
    pub(super) states: Vec<Ledger>,
}

/// What an entry is worth once its signatures were looked at.
pub(super) enum Worth {
    Good,
    Disputed(String),
}

impl Check<'_> {
    pub(super) fn fault(&mut self, sequence: impl Into<Option<u64>>, what: impl Into<String>) {
        self.findings.push(Finding { sequence: sequence.into(), what: what.into() });
    }

    /// Each entry alone: form, place, digests, signatures.
    pub(super) fn entries(&mut self) -> Vec<(Entry, Worth)> {
        let mut sound = Vec::new();
        for (index, json) in self.file.entries.iter().enumerate() {
            let sequence = index as u64;
            match Entry::read(json) {
                Err(error) => self.fault(sequence, describe(&error)),
                Ok(entry) if entry.header().sequence != sequence => self.fault(
                    sequence,
                    format!(
                        "an entry of sequence {} stands here: missing or out of order",
                        entry.header().sequence
                    ),
                ),
                Ok(entry) => match self.signatures(&entry) {
                    Ok(worth) => sound.push((entry, worth)),
                    Err(what) => self.fault(sequence, what),
                },
            }
        }
        if self.file.entries.is_empty() {
            self.fault(0, "the ledger has no entry");
        }
        sound
    }

    /// The author's key of an entry of this ledger whose body and signature hold.
    ///
    /// Implements: VER-003, SIG-004
    pub(super) fn authored(&self, entry: &Entry) -> Result<&Key, String> {
        let header = entry.header();
        if header.transfer != self.file.transfer
            || !header.is_between(self.file.originating, self.file.receiving)
        {
            return Err("the entry is not of this ledger".to_owned());
        }
        if !entry.body_matches() {
            return Err("the body is not the one whose digest was signed".to_owned());
        }
        let key = self.directory.key(header.author, entry.signature().key());
        let key =
            key.ok_or_else(|| format!("authority {} has no such key in this directory", header.author))?;
        if entry.verify(&key.public_key).is_err() {
            return Err(format!("the signature of authority {} does not hold", header.author));
        }
        Ok(key)
    }

    /// Implements: VER-003
    fn signatures(&self, entry: &Entry) -> Result<Worth, String> {
        let header = entry.header();
        let key = self.authored(entry)?;
        let sequencer = entry.receipt_by(self.file.receiving).ok_or("the sequencer's receipt is missing")?;
        let mut doubt = self.receipt(entry, sequencer)?;
        let other = self.counterparty(header.author);
        let vouched = entry.receipt_by(other).map(|receipt| self.receipt(entry, receipt)).transpose()?;
        for receipt in entry.receipts() {
            let by = receipt.content().by;
            if by != self.file.originating && by != self.file.receiving {
                return Err("a receipt is by neither party".to_owned());
            }
        }
        let received_at = sequencer.content().received_at;
        match key.standing(received_at) {
            KeyStanding::OutOfTerm => {
                return Err(format!("the key of authority {} was not valid then", header.author));
            }
            KeyStanding::Revoked => {
                doubt = Some("its key was revoked before the sequencer received it".to_owned());
            }
            KeyStanding::Valid => {}
        }
        if let Some(revoked_at) = key.revoked_at {
            let older =
                entry.receipt_by(other).is_some_and(|receipt| receipt.content().received_at < revoked_at);
            if !(older && vouched == Some(None)) {
                doubt = Some(
                    "its key was revoked, and no older receipt of the other party vouches for it".to_owned(),
                );
            }
        }
        Ok(doubt.map_or(Worth::Good, Worth::Disputed))
    }

    fn counterparty(&self, author: AuthorityCode) -> AuthorityCode {
        if author == self.file.originating { self.file.receiving } else { self.file.originating }
    }

    /// `Ok(Some(why))` when the receipt is genuine but its key was revoked by then.
    fn receipt(&self, entry: &Entry, receipt: &Envelope<Receipt>) -> Result<Option<String>, String> {
        let content = receipt.content();
        let by = content.by;
        if !content.is_for(entry) {
            return Err(format!("the receipt of authority {by} is for another entry"));
        }
        let key = self.directory.key(by, receipt.key());
        let key = key.ok_or_else(|| format!("authority {by} has no such key in this directory"))?;
        if receipt.clone().verify(&key.public_key).is_err() {
            return Err(format!("the receipt's signature of authority {by} does not hold"));
        }
        match key.standing(content.received_at) {
            KeyStanding::Valid => Ok(None),
            KeyStanding::OutOfTerm => Err(format!("the key of authority {by}'s receipt was not valid then")),
            KeyStanding::Revoked => {
                Ok(Some(format!("the key of authority {by}'s receipt was revoked by then")))
            }
        }
    }

    /// The chain from the offer to the newest entry; stops at the first entry that does not follow.
    ///
    /// Beside the ledger without its disputed entries runs the one that both parties saw before anyone doubted
    /// them: an entry that only this one allows rests on what is disputed, one that neither allows is a fault.
    pub(super) fn chain(&mut self, entries: Vec<(Entry, Worth)>) -> Option<Chain> {
        let complete = entries.len() == self.file.entries.len();
        let (mut ledger, mut as_seen): (Option<Ledger>, Option<Ledger>) = (None, None);
        let mut incarnation = 0;
        let mut chain = Chain { entries: Vec::new(), states: Vec::new() };
        for (entry, worth) in entries {
            let sequence = entry.header().sequence;
            if ledger.as_ref().map_or(0, |ledger| ledger.head.sequence + 1) != sequence {
                break; // the fault before it is already named
            }
            let Some(receipt) = entry.receipt_by(self.file.receiving) else { break };
            let seen = apply(as_seen.as_ref(), &entry, receipt.content());
            if receipt.content().incarnation < incarnation {
                self.fault(sequence, "the sequencer's incarnation is lower than at the entry before");
                break;
            }
            incarnation = receipt.content().incarnation;
            match (apply(ledger.as_ref(), &entry, receipt.content()), worth, &mut ledger) {
                (Ok(next), Worth::Good, ledger) => *ledger = Some(next),
                (Ok(next), Worth::Disputed(why), ledger) => {
                    self.disputed.push(Disputed { sequence, why });
                    match ledger {
                        // An offer moves no responsibility, so a disputed one can stand as the beginning.
                        None => *ledger = Some(next),
                        Some(ledger) => pass_over(ledger, &entry),
                    }
                }
                (Err(Refusal::NotAllowed { .. }), _, Some(ledger)) if seen.is_ok() => {
                    let why = "it rests on a disputed entry".to_owned();
                    self.disputed.push(Disputed { sequence, why });
                    pass_over(ledger, &entry);
                }
                (Err(refusal), ..) => {
                    self.fault(sequence, refusal.to_string());
                    break;
                }
            }
            match (seen, &mut as_seen) {
                (Ok(next), as_seen) => *as_seen = Some(next),
                (Err(_), Some(as_seen)) => pass_over(as_seen, &entry),
                (Err(_), None) => {}
            }
            if ledger.as_ref().is_some_and(|ledger| ledger.stage().is_closed()) {
                self.closed_through = Some(sequence);
            }
            chain.states.extend(ledger.clone());
            chain.entries.push(entry);
        }
        let parties = ledger.as_ref().map(|ledger| (ledger.terms.originating, ledger.terms.receiving));
        if parties.is_some_and(|parties| parties != (self.file.originating, self.file.receiving)) {
            self.fault(0, "the offer is between other parties than the export says");
        }
        (complete && self.findings.is_empty()).then_some(chain)
    }

    /// Implements: VER-003
    pub(super) fn erasures(&mut self, entries: &[Entry]) {
        for entry in entries {
            let sequence = entry.header().sequence;
            // A fork ends a ledger too: it takes no more entries.
            let open =
                self.file.forks.is_empty() && self.closed_through.is_none_or(|closed| sequence > closed);
            if matches!(entry.body(), Body::Erased { .. }) && open {
                self.fault(sequence, "its body is erased although the case is open");
            }
        }
    }

    /// The exporter's own word on where its copy ends: it shows a file that was cut short.
    ///
    /// Implements: VER-006, VER-007
    pub(super) fn head(&mut self, ledger: &Ledger) {
        let Ok((head, _)) = self.signed_head(&self.file.head) else {
            self.fault(None, "the exporter's signed head does not hold");
            return;
        };
        let last = ledger.head.sequence;
        if head.by != self.file.exported_by || ledger.counterparty(head.by).is_none() {
            self.fault(None, "the signed head is not the exporter's");
        } else if head.sequence > last {
            self.fault(
                last + 1,
                format!("missing: the exporter's copy goes on to sequence {}", head.sequence),
            );
        } else if head.point() != ledger.head {
            self.fault(
                head.sequence,
                "the exporter's signed head names another entry here, or an earlier end",
            );
        } else if self.disputed.is_empty() && head.stage != ledger.stage() {
            self.fault(
                last,
                format!("the entries lead to {}, the signed head says {}", ledger.stage(), head.stage),
            );
        }
    }

    /// A head whose signature is genuine. Under a key that was ended by then it still tells where a copy
    /// ended, but it makes nothing definite.
    fn signed_head(&self, json: &Json) -> Result<(Head, KeyStanding), String> {
        let envelope: Envelope<Head> = Envelope::read(json).map_err(|error| error.to_string())?;
        let head = envelope.content().clone();
        let parties = [self.file.originating, self.file.receiving];
        if head.transfer != self.file.transfer || [head.originating, head.receiving] != parties {
            return Err("a head of another ledger".to_owned());
        }
        if !parties.contains(&head.by) {
            return Err(format!("authority {} is no party", head.by));
        }
        let key = self.directory.key(head.by, envelope.key());
        let key = key.ok_or_else(|| format!("authority {} has no such key in this directory", head.by))?;
        envelope.verify(&key.public_key).map_err(|error| error.to_string())?;
        Ok((head.clone(), key.standing(head.at)))
    }

    /// The other party's word on where its copies ended: one that goes on shows a file that was cut short.
    ///
    /// A head under a key that was ended by then shows nothing: whoever holds the key could have made it.
    pub(super) fn peer_heads(&mut self, chain: &Chain) {
        for (index, json) in self.file.peer_heads.iter().enumerate() {
            let head = match self.signed_head(json) {
                Ok((head, KeyStanding::Valid)) => head,
                Ok(_) => continue,
                Err(what) => {
                    self.fault(None, format!("peer head {index}: {what}"));
                    continue;
                }
            };
            let by = head.by;
            if chain.entries.iter().any(|entry| entry.point() == head.point()) || self.in_a_branch(&head) {
                continue;
            }
            match chain.entries.len() as u64 {
                next if head.sequence >= next => {
                    let what =
                        format!("missing: a copy of authority {by} goes on to sequence {}", head.sequence);
                    self.fault(next, what);
                }
                _ => {
                    self.fault(
                        head.sequence,
                        format!("a signed head of authority {by} names another entry here"),
                    );
                }
            }
        }
    }

    fn in_a_branch(&self, head: &Head) -> bool {
        let entries = self.file.forks.iter().flatten();
        entries.filter_map(|json| json.member("header")).any(|header| header.digest() == head.header_digest)
    }

    /// The earlier of the two parties' latest heads that stand at the newest entry.
    pub(super) fn definite_until(&self, ledger: &Ledger) -> Option<Instant> {
        let heads = std::iter::once(&self.file.head).chain(&self.file.peer_heads);
        let (mut originating, mut receiving) = (None, None);
        for json in heads {
            let Ok((head, KeyStanding::Valid)) = self.signed_head(json) else { continue };
            if head.point() == ledger.head {
                let slot =
                    if head.by == ledger.terms.originating { &mut originating } else { &mut receiving };
                *slot = (*slot).max(Some(head.at));
            }
        }
        Some(originating?.min(receiving?))
    }
}

/// The head moves on; the state does not. Implements: LED-010
fn pass_over(ledger: &mut Ledger, entry: &Entry) {
    ledger.head = entry.point();
}

fn describe(error: &EntryError) -> String {
    match error {
        EntryError::Shape(shape) => format!("not an entry: {shape}"),
        other => other.to_string(),
    }
}
