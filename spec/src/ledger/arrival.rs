//! What a party does with an entry that arrives: the order of checks of the text, as a pure function.
//!
//! [`Arrival`] is made by the checks that need nothing of the ledger: digest, body, signature. [`rule`] then
//! looks the id up, then the place, then asks the ledger's rules. It reads what the party holds through
//! [`Holdings`] and changes nothing: the caller stores what the [`Ruling`] says, in the transaction in which
//! it was reached.

use super::append::{AppendError, check_delivered, check_proposed};
use super::evidence::check_outcome;
use super::{Ledger, apply, fork};
use crate::body::check_entry;
use crate::canonical::ShapeError;
use crate::directory::Directory;
use crate::entry::{Body, Entry, EntryType, HeadRef};
use crate::envelope::Envelope;
use crate::ids::AuthorityCode;
use crate::instant::{EntryId, Instant};
use crate::problem::{Problem, ProblemType};
use crate::receipt::Receipt;
use crate::signature::SigningKey;

/// The party that judges, at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'a> {
    /// Whose copy is kept here.
    pub party: AuthorityCode,
    /// Signs its receipts.
    pub key: &'a SigningKey,
    /// The issue in use.
    pub directory: &'a Directory,
    /// How often the database was restored.
    pub incarnation: u64,
    /// Now.
    pub now: Instant,
}

impl Desk<'_> {
    /// This party's receipt for an entry.
    pub fn receipt(&self, entry: &Entry, received_at: Instant) -> Envelope<Receipt> {
        let header = entry.header();
        let content = Receipt {
            transfer: header.transfer,
            sequence: header.sequence,
            entry_id: header.id,
            header_digest: entry.header_digest(),
            received_at,
            by: self.party,
            incarnation: self.incarnation,
            directory_issue: self.directory.issue,
        };
        Envelope::sign(content, self.key)
    }
}

/// What a party holds of one ledger, as far as an arrival is judged by it.
pub trait Holdings {
    /// Why what is held can't be read.
    type Fault;
    /// The ledger, and whether a fork of it was proven.
    fn ledger(&mut self) -> Result<Option<(Ledger, bool)>, Self::Fault>;
    /// The entry of an id.
    fn entry_by_id(&mut self, id: EntryId) -> Result<Option<Entry>, Self::Fault>;
    /// Whether another ledger of the same two parties has an entry of that id.
    fn is_used_elsewhere(&mut self, id: EntryId) -> Result<bool, Self::Fault>;
    /// The entry at a place.
    fn entry_at(&mut self, sequence: u64) -> Result<Option<Entry>, Self::Fault>;
}

/// An entry whose digest, body and signature are right. Made by [`Arrival::sent`] and [`Arrival::fetched`] only.
#[derive(Clone, Debug)]
pub struct Arrival {
    entry: Entry,
    proposal: Option<Envelope<Receipt>>,
}

impl Arrival {
    /// An entry that a peer sent: its body is judged too.
    pub fn sent(entry: Entry, desk: &Desk<'_>) -> Result<Self, Problem> {
        if entry.body_matches() {
            let invalid = |error: ShapeError| Problem::new(ProblemType::BodyInvalid).pointer(error.pointer);
            check_entry(&entry).map_err(invalid)?;
            check_outcome(&entry, desk.directory).map_err(invalid)?;
        }
        Self::fetched(entry, desk)
    }

    /// An entry fetched from a peer: the sequencer has judged its body.
    ///
    /// A signature is looked at before anything is said about the ledger: whoever can't sign learns nothing.
    /// An entry without receipts can only be a proposal; its receipt is signed here already, so that the one
    /// writer of a store doesn't spend its time on signatures.
    pub fn fetched(entry: Entry, desk: &Desk<'_>) -> Result<Self, Problem> {
        if !entry.body_matches() {
            return Err(Problem::new(ProblemType::BodyDigestMismatch));
        }
        if entry.receipts().is_empty() {
            check_proposed(&entry, desk.directory, desk.now).map_err(|error| error.problem())?;
            let receipt = desk.receipt(&entry, desk.now);
            return Ok(Self { entry, proposal: Some(receipt) });
        }
        let signer = desk.directory.key(entry.header().author, entry.signature().key());
        let signer = signer.ok_or_else(|| Problem::new(ProblemType::KeyUnknown))?;
        entry.verify(&signer.public_key).map_err(|_| Problem::new(ProblemType::SignatureInvalid))?;
        Ok(Self { entry, proposal: None })
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// What is to be done with an arrival.
#[derive(Clone, Debug)]
pub enum Ruling {
    /// Store the entry with its receipts and the new state, then answer with the receipt.
    Append {
        /// The state after the entry.
        ledger: Box<Ledger>,
        /// The entry with the receipts to keep.
        entry: Box<Entry>,
        /// The receipt to answer with.
        receipt: Envelope<Receipt>,
    },
    /// The entry is held; keep this party's receipt with it, then answer with that.
    Vouch {
        /// The receipt to keep and to answer with.
        receipt: Envelope<Receipt>,
    },
    /// The entry is held; answer with the receipt given before.
    Repeat {
        /// The receipt to answer with.
        receipt: Envelope<Receipt>,
    },
    /// Keep the entry as evidence of a fork, close the ledger to more, and refuse.
    Fork {
        /// The refusal.
        problem: Problem,
    },
    /// Refuse; nothing changes.
    Refuse {
        /// The refusal.
        problem: Problem,
    },
}

impl Ruling {
    fn refuse(problem: Problem) -> Self {
        Self::Refuse { problem }
    }
}

/// What the party does with the arrival, given what it holds.
pub fn rule<H: Holdings>(desk: &Desk<'_>, arrival: &Arrival, holdings: &mut H) -> Result<Ruling, H::Fault> {
    let held = holdings.ledger()?;
    if let Some(ruling) = known_id(desk, arrival, held.as_ref().map(|(ledger, _)| ledger), holdings)? {
        return Ok(ruling);
    }
    if let Some(ruling) = out_of_place(desk, arrival, held.as_ref(), holdings)? {
        return Ok(ruling);
    }
    if holdings.is_used_elsewhere(arrival.entry.header().id)? {
        return Ok(Ruling::refuse(Problem::new(ProblemType::IdReused)));
    }
    let ledger = held.as_ref().map(|(ledger, _)| ledger);
    Ok(judge(desk, arrival, ledger).unwrap_or_else(|error| {
        let problem = error.problem();
        let told = problem.registered() == Some(ProblemType::SequenceConflict);
        Ruling::refuse(if told { problem.head(ledger.map(|ledger| ledger.head)) } else { problem })
    }))
}

/// The id is looked up before the place, so that a repeat is always known as one. Implements: TRN-018
///
/// An entry that carries the sequencer's receipt under an id that is held otherwise goes on: a fork must not
/// hide behind a repeat.
fn known_id<H: Holdings>(
    desk: &Desk<'_>,
    arrival: &Arrival,
    ledger: Option<&Ledger>,
    holdings: &mut H,
) -> Result<Option<Ruling>, H::Fault> {
    let header = arrival.entry.header();
    let reused = || Some(Ruling::refuse(Problem::new(ProblemType::IdReused)));
    let sequencer = ledger.map_or(header.recipient, |ledger| ledger.terms.receiving);
    let of_sequencer = header.author == sequencer || arrival.entry.receipt_by(sequencer).is_some();
    let stored = if ledger.is_some() { holdings.entry_by_id(header.id)? } else { None };
    let (Some(ledger), Some(stored)) = (ledger, stored) else {
        let roles_exchanged = header.kind == EntryType::Offer
            && header.sequence == 0
            && ledger.is_some_and(|ledger| ledger.terms.originating != header.author);
        let reuses = roles_exchanged || (!of_sequencer && holdings.is_used_elsewhere(header.id)?);
        return Ok(if reuses { reused() } else { None });
    };
    let same = stored.header_digest() == arrival.entry.header_digest();
    let ordered = arrival.entry.receipt_by(ledger.terms.receiving).is_some();
    let same_decision =
        stored.header().kind == header.kind && stored.header().body_digest == header.body_digest;
    if same || (same_decision && !ordered) {
        return Ok(Some(match stored.receipt_by(desk.party) {
            Some(given) => Ruling::Repeat { receipt: given.clone() },
            // Our own entry, in the ledger by the sequencer's receipt alone, is brought back to us.
            None => Ruling::Vouch { receipt: desk.receipt(&stored, desk.now) },
        }));
    }
    Ok(if ordered { None } else { reused() })
}

/// Implements: RCV-013
fn out_of_place<H: Holdings>(
    desk: &Desk<'_>,
    arrival: &Arrival,
    held: Option<&(Ledger, bool)>,
    holdings: &mut H,
) -> Result<Option<Ruling>, H::Fault> {
    let sequence = arrival.entry.header().sequence;
    let head = held.map(|(ledger, _)| ledger.head);
    let next = head.map_or(0, |head: HeadRef| head.sequence + 1);
    let refuse = |kind| Some(Ruling::refuse(Problem::new(kind).head(head)));
    if sequence > next {
        return Ok(refuse(ProblemType::SequenceGap));
    }
    let Some((ledger, forked)) = held else { return Ok(None) };
    if sequence == next {
        return Ok(if *forked { refuse(ProblemType::Forked) } else { None });
    }
    let ours = holdings.entry_at(sequence)?;
    let fork =
        ours.and_then(|ours| fork::proven_by(&ours, &arrival.entry, ledger.terms.receiving, desk.directory));
    Ok(match fork {
        Some(_) => Some(Ruling::Fork { problem: Problem::new(ProblemType::Forked).head(head) }),
        None => refuse(ProblemType::SequenceConflict),
    })
}

/// The pure rules, and this party's receipt. Implements: RCP-004, RCP-008
fn judge(desk: &Desk<'_>, arrival: &Arrival, ledger: Option<&Ledger>) -> Result<Ruling, AppendError> {
    let entry = &arrival.entry;
    let sequencer = ledger.map_or(entry.header().recipient, |ledger| ledger.terms.receiving);
    if desk.party == sequencer && entry.receipt_by(desk.party).is_none() {
        return proposed(desk, arrival, ledger);
    }
    if arrival.proposal.is_some() && !matches!(entry.body(), Body::Erased { .. }) {
        return Err(AppendError::ReceiptMissing);
    }
    let (next, _) = check_delivered(ledger, entry, desk.directory, desk.party, desk.now)?;
    let given = entry.receipt_by(desk.party).cloned();
    // An own receipt that comes back with the entry is kept: no second one is made.
    let receipt = given.unwrap_or_else(|| desk.receipt(entry, desk.now));
    let entry = entry.clone().with_receipt(receipt.clone());
    Ok(Ruling::Append { ledger: Box::new(next), entry: Box::new(entry), receipt })
}

/// The originating authority asks the sequencer, which is us, to append its decision.
///
/// Implements: RCP-002, RCP-003
fn proposed(desk: &Desk<'_>, arrival: &Arrival, ledger: Option<&Ledger>) -> Result<Ruling, AppendError> {
    let entry = &arrival.entry;
    // The sequencer's receipts never go back along a ledger, whatever its clock does.
    let received_at = ledger.map_or(desk.now, |ledger| desk.now.max(ledger.received_at));
    let signed = arrival.proposal.as_ref().filter(|receipt| receipt.content().received_at == received_at);
    let receipt = if let Some(receipt) = signed {
        receipt.clone()
    } else {
        check_proposed(entry, desk.directory, desk.now)?;
        desk.receipt(entry, received_at)
    };
    let next = apply(ledger, entry, receipt.content())?;
    let entry = entry.clone().with_receipt(receipt.clone());
    Ok(Ruling::Append { ledger: Box::new(next), entry: Box::new(entry), receipt })
}
