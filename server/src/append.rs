//! What happens to an entry that arrives: the order of checks of the text, and one transaction.
//!
//! Everything that needs no database (form, digests, parties, signatures) is done before; [`arrive`] is the
//! job. It looks the id up first, then the place, then asks the pure rules, and commits entry, state and,
//! where there is one, the receipt's companion rows together.

use std::sync::Arc;

use cme_spec::canonical::ShapeError;
use cme_spec::directory::{Archive, Directory, Freshness};
use cme_spec::entry::{Body, Entry, EntryType, HeadRef};
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::ledger::append::{AppendError, check_delivered, check_proposed};
use cme_spec::ledger::evidence::check_outcome;
use cme_spec::ledger::{Ledger, apply, fork};
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::receipt::Receipt;

use crate::node::{Node, Told};
use crate::store::ledgers::{self, Held, LedgerKey};
use crate::store::{StoreError, Tx, outbox};

/// The two parties of an entry, as this deployment sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    /// The party whose copy is kept here.
    pub ours: AuthorityCode,
    /// The other.
    pub theirs: AuthorityCode,
}

impl Parties {
    /// Which of author and recipient is hosted here and which calls, if that is so.
    ///
    /// Implements: TRN-006
    pub fn of(
        directory: &Directory,
        entry: &Entry,
        hosted: AuthorityCode,
        caller: AuthorityCode,
    ) -> Result<Self, Problem> {
        let (author, recipient) = (entry.header().author, entry.header().recipient);
        let fits = |ours, theirs| directory.acts_for(hosted, ours) && directory.acts_for(caller, theirs);
        if hosted != caller && fits(recipient, author) {
            Ok(Self { ours: recipient, theirs: author })
        } else if hosted != caller && fits(author, recipient) {
            Ok(Self { ours: author, theirs: recipient })
        } else {
            Err(Problem::new(ProblemType::NotAParty))
        }
    }
}

/// An entry whose form, digests, parties and signature are right. Made by [`Arrival::check`] and
/// [`Arrival::fetched`] only.
#[derive(Clone, Debug)]
pub struct Arrival {
    key: LedgerKey,
    entry: Entry,
    archive: Arc<Archive>,
    now: Instant,
    proposal: Option<Envelope<Receipt>>,
}

/// What the caller is told.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Stored now.
    Stored(Envelope<Receipt>),
    /// Stored before; the receipt given then.
    Repeated(Envelope<Receipt>),
    /// Refused; the ledger is unchanged.
    Refused(Problem),
}

impl Arrival {
    /// The checks that need no database. Implements: TRN-010, TRN-011
    pub fn check(
        node: &Node,
        entry: Entry,
        parties: Parties,
        archive: Arc<Archive>,
    ) -> Result<Self, Problem> {
        if matches!(entry.body(), Body::Erased { .. }) {
            return Err(Problem::new(ProblemType::BodyMissing));
        }
        if entry.body_matches() {
            let invalid = |error: ShapeError| Problem::new(ProblemType::BodyInvalid).pointer(error.pointer);
            cme_spec::body::check_entry(&entry).map_err(invalid)?;
            let newest = archive.newest().ok_or_else(|| Problem::new(ProblemType::Unavailable))?;
            check_outcome(&entry, newest.content()).map_err(invalid)?;
        }
        Self::fetched(node, entry, parties, archive)
    }

    /// An entry fetched from a peer: its body may be gone, and its form was judged by the sequencer.
    ///
    /// A signature is looked at before anything is said about the ledger: whoever can't sign learns
    /// nothing. An entry without receipts can only be a proposal; its receipt is signed here already, so
    /// that the one writer doesn't spend its time on signatures.
    pub fn fetched(
        node: &Node,
        entry: Entry,
        parties: Parties,
        archive: Arc<Archive>,
    ) -> Result<Self, Problem> {
        if !entry.body_matches() {
            return Err(Problem::new(ProblemType::BodyDigestMismatch));
        }
        let (Parties { ours, theirs }, now) = (parties, node.now());
        let key = LedgerKey { hosted: ours, counterparty: theirs, transfer: entry.header().transfer };
        let newest = archive.newest().ok_or_else(|| Problem::new(ProblemType::Unavailable))?;
        let directory = newest.content();
        let proposal = if entry.receipts().is_empty() {
            check_proposed(&entry, directory, now).map_err(|error| error.problem())?;
            let hosted =
                node.speaking_for(directory, ours).ok_or_else(|| Problem::new(ProblemType::HostedUnknown))?;
            Some(hosted.receipt(&entry, ours, told(node, directory, now)))
        } else {
            let author = entry.header().author;
            let signer = directory.key(author, entry.signature().key());
            let signer = signer.ok_or_else(|| Problem::new(ProblemType::KeyUnknown))?;
            entry.verify(&signer.public_key).map_err(|_| Problem::new(ProblemType::SignatureInvalid))?;
            None
        };
        Ok(Self { key, entry, archive, now, proposal })
    }

    /// Which ledger it is for.
    pub fn key(&self) -> &LedgerKey {
        &self.key
    }

    fn directory(&self) -> Result<&Directory, StoreError> {
        let newest = self.archive.newest().ok_or(StoreError::Corrupt("no directory issue"))?;
        Ok(newest.content())
    }
}

fn told(node: &Node, directory: &Directory, at: Instant) -> Told {
    Told { at, incarnation: node.incarnation(), directory_issue: directory.issue }
}

/// The job: stores the entry, or says why not. Implements: DLV-001, DLV-002, RCP-001
pub fn arrive(tx: &mut dyn Tx, node: &Node, arrival: &Arrival) -> Result<Answer, StoreError> {
    let held = ledgers::find(tx, &arrival.key)?;
    let directory = arrival.directory()?;
    if let Some(answer) = known_id(tx, node, arrival, held.as_ref())? {
        return Ok(answer);
    }
    if let Some(problem) = out_of_place(tx, arrival, held.as_ref())? {
        return Ok(Answer::Refused(problem));
    }
    if let Some(problem) = stranger(tx, arrival, held.as_ref(), directory)? {
        return Ok(Answer::Refused(problem));
    }
    let ledger = held.as_ref().map(|held| &held.ledger);
    match judge(node, arrival, ledger, directory) {
        Ok((next, entry, receipt)) => {
            ledgers::append(tx, &arrival.key, &next, &entry)?;
            settle_own_decision(tx, arrival)?;
            Ok(Answer::Stored(receipt))
        }
        Err(error) => {
            let problem = error.problem();
            let with_head = problem.registered() == Some(ProblemType::SequenceConflict);
            let head = ledger.map(|ledger| ledger.head);
            Ok(Answer::Refused(if with_head { problem.head(head) } else { problem }))
        }
    }
}

/// The id is looked up before the place, so that a repeat is always known as one. Implements: DLV-003
fn known_id(
    tx: &mut dyn Tx,
    node: &Node,
    arrival: &Arrival,
    held: Option<&Held>,
) -> Result<Option<Answer>, StoreError> {
    let Some(held) = held else { return Ok(None) };
    let header = arrival.entry.header();
    let Some(stored) = ledgers::entry_by_id(tx, &arrival.key, header.id)? else {
        let roles_exchanged = header.kind == EntryType::Offer
            && header.sequence == 0
            && held.ledger.terms.originating != header.author;
        return Ok(roles_exchanged.then(|| Answer::Refused(Problem::new(ProblemType::IdReused))));
    };
    let same = stored.header_digest() == arrival.entry.header_digest();
    let ordered = arrival.entry.receipt_by(held.ledger.terms.receiving).is_some();
    let same_decision =
        stored.header().kind == header.kind && stored.header().body_digest == header.body_digest;
    if same || (same_decision && !ordered) {
        if let Some(given) = stored.receipt_by(arrival.key.hosted) {
            return Ok(Some(Answer::Repeated(given.clone())));
        }
        // Our own entry, in the ledger by the sequencer's receipt alone, is brought back to us.
        let directory = arrival.directory()?;
        let Some(hosted) = node.speaking_for(directory, arrival.key.hosted) else { return Ok(None) };
        let receipt = hosted.receipt(&stored, arrival.key.hosted, told(node, directory, arrival.now));
        ledgers::keep_counter_receipt(tx, &arrival.key, &receipt)?;
        return Ok(Some(Answer::Stored(receipt)));
    }
    if ordered {
        return Ok(None);
    }
    Ok(Some(Answer::Refused(Problem::new(ProblemType::IdReused))))
}

/// Implements: DLV-007, RCV-012
fn out_of_place(
    tx: &mut dyn Tx,
    arrival: &Arrival,
    held: Option<&Held>,
) -> Result<Option<Problem>, StoreError> {
    let sequence = arrival.entry.header().sequence;
    let head = held.map(|held| held.ledger.head);
    let next = head.map_or(0, |head: HeadRef| head.sequence + 1);
    if sequence > next {
        return Ok(Some(Problem::new(ProblemType::SequenceGap).head(head)));
    }
    let Some(held) = held else { return Ok(None) };
    if sequence < next {
        let receiving = held.ledger.terms.receiving;
        let ours =
            ledgers::entry_at(tx, &arrival.key, sequence)?.ok_or(StoreError::Corrupt("a gap in a ledger"))?;
        if fork::proven_by(&ours, &arrival.entry, receiving, arrival.directory()?).is_some() {
            tracing::error!(transfer = %arrival.key.transfer, sequence, "the sequencer signed two entries for one place");
            ledgers::mark_forked(tx, &arrival.key, &arrival.entry)?;
            return Ok(Some(Problem::new(ProblemType::Forked).head(head)));
        }
        return Ok(Some(Problem::new(ProblemType::SequenceConflict).head(head)));
    }
    Ok(held.forked.then(|| Problem::new(ProblemType::Forked).head(head)))
}

/// Past the days of grace, nobody new is let in. Implements: DIR-010
fn stranger(
    tx: &mut dyn Tx,
    arrival: &Arrival,
    held: Option<&Held>,
    directory: &Directory,
) -> Result<Option<Problem>, StoreError> {
    let stale = held.is_none() && directory.freshness(arrival.now) == Freshness::Stale;
    if stale && !ledgers::share_any(tx, arrival.key.hosted, arrival.key.counterparty)? {
        let problem = Problem::new(ProblemType::Unavailable);
        return Ok(Some(problem.detail("the directory held here is too old to take a new peer")));
    }
    Ok(None)
}

/// The pure rules, and this party's receipt.
fn judge(
    node: &Node,
    arrival: &Arrival,
    ledger: Option<&Ledger>,
    directory: &Directory,
) -> Result<(Ledger, Entry, Envelope<Receipt>), AppendError> {
    let ours = arrival.key.hosted;
    let sequencer = ledger.map_or(arrival.entry.header().recipient, |ledger| ledger.terms.receiving);
    let hosted = node.speaking_for(directory, ours).ok_or(AppendError::ReceiptMissing)?;
    if let Some(receipt) = &arrival.proposal {
        if ours != sequencer {
            return Err(AppendError::ReceiptMissing);
        }
        // The sequencer's receipts never go back along a ledger, whatever its clock does.
        let earliest = ledger.map_or(arrival.now, |ledger| ledger.received_at);
        let receipt = if arrival.now < earliest {
            hosted.receipt(&arrival.entry, ours, told(node, directory, earliest))
        } else {
            receipt.clone()
        };
        let next = apply(ledger, &arrival.entry, receipt.content())?;
        return Ok((next, arrival.entry.clone().with_receipt(receipt.clone()), receipt));
    }
    let (next, _) = check_delivered(ledger, &arrival.entry, directory, ours, arrival.now)?;
    if ours == sequencer {
        // Our own receipted entry comes back to us: no second receipt is made for it.
        let receipt = arrival.entry.receipt_by(ours).ok_or(AppendError::ReceiptMissing)?.clone();
        return Ok((next, arrival.entry.clone(), receipt));
    }
    let receipt = match arrival.entry.receipt_by(ours) {
        Some(given) => given.clone(),
        None => hosted.receipt(&arrival.entry, ours, told(node, directory, arrival.now)),
    };
    directory
        .check_document(receipt.clone(), ours, receipt.content().received_at)
        .map_err(|_| AppendError::ReceiptInvalid)?;
    if !receipt.content().is_for(&arrival.entry) {
        return Err(AppendError::ReceiptInvalid);
    }
    Ok((next, arrival.entry.clone().with_receipt(receipt.clone()), receipt))
}

/// A decision of ours that the sequencer has put into the ledger needs no sending any more.
fn settle_own_decision(tx: &mut dyn Tx, arrival: &Arrival) -> Result<(), StoreError> {
    let header = arrival.entry.header();
    if header.author == arrival.key.hosted {
        outbox::drop_proposal(tx, &arrival.key, header.id)?;
        outbox::done(tx, &arrival.key, header.id)?;
    }
    Ok(())
}
