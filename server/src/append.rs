//! What happens to an entry that arrives: the rules of `spec` over this store, in one transaction.

use std::sync::Arc;

use cme_spec::digest::Digest;
use cme_spec::directory::{Archive, Directory, Freshness};
use cme_spec::entry::{Body, Entry};
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, Instant};
use cme_spec::ledger::arrival::{self, Arrival, Desk, Holdings, Ruling};
use cme_spec::ledger::{Ledger, Stage};
use cme_spec::pair::{Heard, Standing};
use cme_spec::problem::{NextStep, Problem, ProblemType};
use cme_spec::receipt::Receipt;

use crate::node::{Hosted, Node};
use crate::peers;
use crate::store::ledgers::{self, LedgerKey};
use crate::store::{Question, StoreError, Tx, judging, officers, outbox, pairs, queries};

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
    /// Implements: LED-001
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

/// What the caller is told.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Stored now.
    Stored(Envelope<Receipt>),
    /// Stored before; the receipt given then, or the first one that is asked for.
    Repeated(Envelope<Receipt>),
    /// Refused; the ledger is unchanged.
    Refused(Problem),
}

/// An arrival that was checked, and all that judging it in a transaction takes.
pub struct Incoming {
    node: Node,
    archive: Arc<Archive>,
    parties: Parties,
    now: Instant,
    arrival: Arrival,
    told: Option<Told>,
}

/// The incarnation under which a peer sent an entry, or told of it.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The authority that was addressed.
    pub hosted: AuthorityCode,
    /// The peer.
    pub peer: AuthorityCode,
    /// Its incarnation.
    pub incarnation: u64,
}

impl Incoming {
    /// An entry that a peer sent. Implements: ENT-010
    pub fn sent(node: &Node, entry: Entry, parties: Parties, archive: Arc<Archive>) -> Result<Self, Problem> {
        let erased = matches!(entry.body(), Body::Erased { .. });
        if erased && entry.receipts().is_empty() {
            return Err(Problem::new(ProblemType::BodyMissing));
        }
        Self::checked(node, parties, archive, |desk| Arrival::sent(entry, desk))
    }

    /// An entry read from a peer: judged as one that was delivered. Implements: DLV-013
    pub fn fetched(
        node: &Node,
        entry: Entry,
        parties: Parties,
        archive: Arc<Archive>,
    ) -> Result<Self, Problem> {
        Self::checked(node, parties, archive, |desk| Arrival::fetched(entry, desk))
    }

    fn checked(
        node: &Node,
        parties: Parties,
        archive: Arc<Archive>,
        check: impl FnOnce(&Desk<'_>) -> Result<Arrival, Problem>,
    ) -> Result<Self, Problem> {
        let now = node.now();
        let arrival = {
            let (directory, hosted) = speaker(node, &archive, parties)?;
            check(&desk(node, directory, hosted, parties, now))?
        };
        Ok(Self { node: node.clone(), archive, parties, now, arrival, told: None })
    }

    /// The entry comes under that incarnation of the peer. It is looked at once more in the transaction in which
    /// the entry is judged: a newer one may have been heard since.
    #[must_use]
    pub fn told(mut self, told: Option<Told>) -> Self {
        self.told = told;
        self
    }

    /// Which ledger it is for.
    pub fn key(&self) -> LedgerKey {
        let Parties { ours, theirs } = self.parties;
        LedgerKey { hosted: ours, counterparty: theirs, transfer: self.arrival.entry().header().transfer }
    }

    /// What judging it asks the store first.
    pub fn questions(&self) -> Vec<Question> {
        judging::questions(&self.key(), self.arrival.entry().header().id).into()
    }
}

fn speaker<'a>(
    node: &'a Node,
    archive: &'a Archive,
    parties: Parties,
) -> Result<(&'a Directory, &'a Hosted), Problem> {
    let newest = archive.newest().ok_or_else(|| Problem::new(ProblemType::Unavailable))?;
    let directory = newest.content();
    let hosted = node.speaking_for(directory, parties.ours);
    let hosted = hosted.ok_or_else(|| Problem::new(ProblemType::HostedUnknown))?;
    if let Err(error) = hosted.check_key(directory, node.now()) {
        tracing::error!(%error, "nothing can be receipted");
        return Err(Problem::new(ProblemType::Unavailable));
    }
    Ok((directory, hosted))
}

fn desk<'a>(
    node: &Node,
    directory: &'a Directory,
    hosted: &'a Hosted,
    parties: Parties,
    now: Instant,
) -> Desk<'a> {
    Desk { party: parties.ours, key: &hosted.signing, directory, incarnation: node.incarnation(), now }
}

/// This store's copy of one ledger.
struct Stored<'a> {
    tx: &'a mut dyn Tx,
    key: LedgerKey,
    standing: Standing,
    /// What was read at once, and the entry id that it is of.
    held: (EntryId, judging::Held),
}

impl Stored<'_> {
    /// What is held, read anew for another id.
    fn of(&mut self, id: EntryId) -> Result<&judging::Held, StoreError> {
        if self.held.0 != id {
            self.held = (id, judging::held(self.tx, &self.key, id)?);
        }
        Ok(&self.held.1)
    }
}

impl Holdings for Stored<'_> {
    type Fault = StoreError;

    fn ledger(&mut self) -> Result<Option<(Ledger, bool)>, StoreError> {
        Ok(self.held.1.ledger.clone())
    }

    fn entry_by_id(&mut self, id: EntryId) -> Result<Option<Entry>, StoreError> {
        Ok(self.of(id)?.of_id.clone())
    }

    fn is_used_elsewhere(&mut self, id: EntryId) -> Result<bool, StoreError> {
        Ok(self.of(id)?.used_elsewhere)
    }

    fn entry_at(&mut self, sequence: u64) -> Result<Option<Entry>, StoreError> {
        ledgers::entry_at(self.tx, &self.key, sequence)
    }

    fn is_in_a_branch(&mut self, header_digest: &Digest) -> Result<bool, StoreError> {
        ledgers::is_in_a_branch(self.tx, &self.key, header_digest)
    }

    fn may_append(&mut self) -> Result<bool, StoreError> {
        Ok(self.standing.may_append())
    }
}

/// The job: stores the entry, or says why not. Entry, state and what follows from them commit together.
///
/// Nothing here looks at a register of children or at who is restricted: no answer can tell.
///
/// Implements: RCP-001, RCV-002, TRN-019, PRV-010
pub fn arrive(tx: &mut dyn Tx, incoming: &Incoming) -> Result<Answer, StoreError> {
    let key = incoming.key();
    let (directory, hosted) = match speaker(&incoming.node, &incoming.archive, incoming.parties) {
        Ok(speaker) => speaker,
        Err(problem) => return Ok(Answer::Refused(problem)),
    };
    let desk = desk(&incoming.node, directory, hosted, incoming.parties, incoming.now);
    let id = incoming.arrival.entry().header().id;
    let held = judging::held(tx, &key, id)?;
    let mut pair = held.pair;
    if let Some(Told { hosted, peer, incarnation }) = incoming.told {
        // A successor authority may speak for a pair that is kept under the codes of before.
        let same = (hosted, peer) == (key.hosted, key.counterparty);
        let (heard, known) = if same {
            peers::hear_of(tx, pair, (hosted, peer), incarnation)?
        } else {
            peers::hear_in(tx, hosted, peer, incarnation)?
        };
        if heard == Heard::Stale {
            return Ok(Answer::Refused(Problem::new(ProblemType::IncarnationStale)));
        }
        pair = if same { known } else { pair };
    }
    let standing = pair.standing(incoming.node.incarnation());
    let mut holdings = Stored { tx: &mut *tx, key, standing, held: (id, held) };
    match arrival::rule(&desk, &incoming.arrival, &mut holdings)? {
        Ruling::Append { ledger, entry, receipt } => {
            if let Some(problem) = stranger(tx, incoming, directory)? {
                return Ok(Answer::Refused(problem));
            }
            ledgers::append(tx, &key, &ledger, &entry)?;
            count_offer(tx, &key, &entry, incoming.now)?;
            settle_own_decision(tx, &key, &entry)?;
            if !incoming.arrival.entry().receipts().is_empty() {
                // Only deliveries are noted when they are refused.
                officers::forget_refused(tx, &key, entry.header().sequence)?;
            }
            if let Some(receipt) = entry.receipt_by(key.counterparty) {
                peers::hear_in(tx, key.hosted, key.counterparty, receipt.content().incarnation)?;
            }
            if standing == Standing::Restored && ledger.stage() != Stage::Settled {
                pairs::ask_to_confirm(tx, &key, incoming.node.incarnation())?;
            }
            Ok(Answer::Stored(receipt))
        }
        Ruling::Vouch { receipt } => {
            ledgers::keep_counter_receipt(tx, &key, &receipt)?;
            Ok(Answer::Repeated(receipt))
        }
        Ruling::Repeat { receipt } => Ok(Answer::Repeated(receipt)),
        Ruling::Fork { problem } => {
            let sequence = incoming.arrival.entry().header().sequence;
            tracing::error!(transfer = %key.transfer, sequence, "the sequencer signed two entries for one place");
            // Told once, when it is new: the peer may hold no branch but its own, with the same head as ours.
            if ledgers::mark_forked(tx, &key, incoming.arrival.entry())? {
                tell(tx, &key, incoming.arrival.entry(), incoming.now)?;
            }
            Ok(Answer::Refused(problem))
        }
        Ruling::CarryOn { ledger, entry, problem } => {
            ledgers::append(tx, &key, &ledger, &entry)?;
            settle_own_decision(tx, &key, &entry)?;
            tell(tx, &key, &entry, incoming.now)?;
            Ok(Answer::Refused(problem))
        }
        Ruling::Refuse { problem } => Ok(Answer::Refused(problem)),
    }
}

/// An entry of a forked ledger is new here: the peer is brought it. Implements: RCV-016
fn tell(tx: &mut dyn Tx, key: &LedgerKey, entry: &Entry, now: Instant) -> Result<(), StoreError> {
    let header = entry.header();
    let place = i64::try_from(header.sequence).unwrap_or(i64::MAX);
    outbox::enqueue_missing(tx, key, (header.id, place), now).map(|_| ())
}

/// A delivery that can't be taken stops its ledger here, whether it was sent or read: an officer has to look.
/// Problems that pass by themselves, and those that reading the ledger mends, are not for a person.
///
/// Implements: LED-009, LED-014
pub async fn note_refused(
    node: &Node,
    key: LedgerKey,
    sequence: u64,
    problem: &Problem,
) -> Result<(), StoreError> {
    let lasting =
        |problem: &ProblemType| matches!(problem.next_step(), NextStep::Final | NextStep::DecideAgain);
    let Some(problem) = problem.registered().filter(lasting) else { return Ok(()) };
    let (problem, now) = (problem.name(), node.now());
    tracing::error!(transfer = %key.transfer, sequence, problem, peer = %key.counterparty, "a delivery was refused");
    node.store().write(move |tx| officers::note_refused(tx, &key, sequence, problem, now)).await
}

/// An offer begins no ledger by or to an authority that has ended or is to come, and past the days of grace
/// nobody new is let in. An offer that comes back with a receipt was first received long ago.
///
/// Implements: DIR-008, DIR-011
fn stranger(
    tx: &mut dyn Tx,
    incoming: &Incoming,
    directory: &Directory,
) -> Result<Option<Problem>, StoreError> {
    let key = incoming.key();
    let entry = incoming.arrival.entry();
    let begins = entry.header().sequence == 0;
    let live = |party| directory.is_live(party, incoming.now);
    if begins && entry.receipts().is_empty() && !(live(key.hosted) && live(key.counterparty)) {
        return Ok(Some(Problem::new(ProblemType::NotAParty)));
    }
    let stale = begins && directory.freshness(incoming.now) == Freshness::Stale;
    if stale && !ledgers::share_any(tx, key.hosted, key.counterparty)? {
        let problem = Problem::new(ProblemType::Unavailable);
        return Ok(Some(problem.detail("the directory held here is too old to take a new peer")));
    }
    Ok(None)
}

/// An offer asks whether a child is known, as a query does, so it counts as one of its author; none is refused for it.
///
/// Implements: QRY-026
fn count_offer(tx: &mut dyn Tx, key: &LedgerKey, entry: &Entry, now: Instant) -> Result<(), StoreError> {
    let header = entry.header();
    let offered = header.sequence == 0 && header.author == key.counterparty;
    if offered { queries::note_offer(tx, key.hosted, key.counterparty, key.transfer, now) } else { Ok(()) }
}

/// A decision of ours that the sequencer has put into the ledger needs no sending any more.
fn settle_own_decision(tx: &mut dyn Tx, key: &LedgerKey, entry: &Entry) -> Result<(), StoreError> {
    let header = entry.header();
    if header.author == key.hosted {
        outbox::drop_proposal(tx, key, header.id)?;
        outbox::done(tx, key, header.id)?;
    }
    Ok(())
}
