//! One letter: what is sent, and what the answer means.

use std::time::Duration;

use cme_client::{ClientError, Delivered, PeerClient};
use cme_spec::directory::KeyStanding;
use cme_spec::entry::{Body, Entry};
use cme_spec::envelope::Signed;
use cme_spec::instant::EntryId;
use cme_spec::ledger::{allows, apply, needs_an_officer};
use cme_spec::pair::Heard;
use cme_spec::problem::{NextStep, Problem, ProblemType};
use cme_spec::receipt::Receipt;

use super::fetch::{fetch_from, pull};
use crate::node::Node;
use crate::peers;
use crate::store::ledgers::{self, LedgerKey};
use crate::store::outbox::{self, Lease, Letter, Proposal, Task};
use crate::store::{StoreError, Tx};

/// What became of a letter.
pub(super) enum Sent {
    /// Receipted, or no longer needed: the row is gone.
    Done,
    /// Something changed: try again at once.
    Again,
}

/// Why a letter is not receipted yet.
pub(super) enum Failure {
    /// Tried again after a pause, or after the one the peer asks for.
    Later {
        /// A name for it, without personal data.
        what: String,
        /// What the peer asks for.
        asked: Option<Duration>,
    },
    /// The peer's refusal is final.
    Final {
        /// The problem's name.
        what: String,
    },
}

impl Failure {
    fn later(what: &str) -> Self {
        Self::Later { what: what.to_owned(), asked: None }
    }

    /// The same failure, which time doesn't mend.
    fn for_good(self) -> Self {
        match self {
            Self::Later { what, .. } | Self::Final { what } => Self::Final { what },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Later { what: error.to_string(), asked: None }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let asked = error.retry_after();
        match error.problem().and_then(Problem::registered) {
            Some(problem) if problem.next_step() == NextStep::Final => {
                Self::Final { what: problem.name().to_owned() }
            }
            Some(problem) => Self::Later { what: problem.name().to_owned(), asked },
            None => Self::Later { what: error.to_string(), asked },
        }
    }
}

pub(super) async fn send(node: &Node, letter: &Letter, lease: &Lease) -> Result<Sent, Failure> {
    match letter.task {
        Task::Deliver => deliver(node, letter, lease).await,
        Task::Propose => propose(node, letter).await,
    }
}

pub(super) fn peer(node: &Node, key: &LedgerKey) -> Result<PeerClient, Failure> {
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content);
    let hosted = directory.and_then(|directory| node.speaking_for(directory, key.hosted));
    let hosted = hosted.ok_or_else(|| Failure::later("not hosted here any more"))?;
    Ok(hosted.client.peer(key.counterparty)?)
}

/// The sequencer brings an entry to the other party, or either of them a branch of a fork.
///
/// Implements: DLV-005, RCV-016
async fn deliver(node: &Node, letter: &Letter, lease: &Lease) -> Result<Sent, Failure> {
    let (key, id) = (letter.key, letter.id);
    let entries = node.store().read(move |tx| ledgers::all_by_id(tx, &key, id)).await?;
    let Some((last, before)) = entries.split_last() else {
        node.store().write(move |tx| outbox::done(tx, &key, id)).await?;
        return Ok(Sent::Done);
    };
    // A fork may have the same decision in more than one branch; the row stays until all of them are told.
    for entry in before {
        match peer(node, &key)?.put_entry(entry).await {
            Ok(_) => {}
            Err(error) if is_forked(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bring(node, letter, lease, last).await
}

async fn bring(node: &Node, letter: &Letter, lease: &Lease, entry: &Entry) -> Result<Sent, Failure> {
    let (key, lease) = (letter.key, *lease);
    match peer(node, &key)?.put_entry(entry).await {
        Ok(Delivered::Held { receipt, .. }) => {
            let receipt = receipt.into_envelope();
            peers::hear(node, key.hosted, key.counterparty, receipt.content().incarnation).await?;
            // A sequencer that gets an entry back answers with the receipt that came with it.
            let new = entry.receipt_by(receipt.content().by).is_none();
            let noted = node.store().write(move |tx| {
                if new {
                    ledgers::keep_counter_receipt(tx, &key, &receipt)?;
                }
                outbox::finish(tx, &lease)
            });
            noted.await?;
            Ok(Sent::Done)
        }
        Ok(Delivered::HeldElsewhere { .. }) => {
            Err(Failure::later("the peer holds another version of this entry"))
        }
        Err(error) => {
            if let Some(from) = gap_from(&error) {
                return refill(node, letter, from).await;
            }
            let (step, forked) = (error.next_step(), is_forked(&error));
            let failure = Failure::from(error);
            match step {
                NextStep::Pull if forked => after_fork(node, letter, failure).await,
                // What the peer holds instead is evidence, and may be ours from before a restore.
                NextStep::Pull => after_pull(node, &key, failure).await,
                // The sequencer can't take back what stands in the ledger: there is nothing to decide anew.
                NextStep::DecideAgain => Err(failure.for_good()),
                _ => Err(failure),
            }
        }
    }
}

/// The place from which on the peer lacks entries, where it says that it does; the first when it lacks the ledger.
fn gap_from(error: &ClientError) -> Option<u64> {
    let gap = |problem: &&Problem| problem.registered() == Some(ProblemType::SequenceGap);
    let problem = error.problem().filter(gap)?;
    Some(problem.head.flatten().map_or(0, |head| head.sequence.saturating_add(1)))
}

fn is_forked(error: &ClientError) -> bool {
    error.problem().and_then(Problem::registered) == Some(ProblemType::Forked)
}

/// Whether the peer holds nothing of the ledger: then there is nothing to read.
fn is_unknown(error: &ClientError) -> bool {
    error.problem().and_then(Problem::registered) == Some(ProblemType::LedgerUnknown)
}

/// The peer knows of a fork: its evidence is fetched. Once the ledger is held as forked here too, both have all
/// branches, and there is nothing left to deliver. Implements: RCV-012, RCV-013
async fn after_fork(node: &Node, letter: &Letter, failure: Failure) -> Result<Sent, Failure> {
    let (key, id) = (letter.key, letter.id);
    if fetch_from(node, &key, 0).await.is_err() {
        return Err(failure);
    }
    let done = node.store().write(move |tx| {
        let forked = ledgers::find(tx, &key)?.is_some_and(|held| held.forked);
        if forked {
            outbox::done(tx, &key, id)?;
        }
        Ok(forked)
    });
    if done.await? { Ok(Sent::Done) } else { Err(failure) }
}

/// The peer lacks entries before this one: they are sent first, once the peer's ledger has been read, whose head
/// may show that it went back. Implements: DLV-010, DLV-011, RCV-009
async fn refill(node: &Node, letter: &Letter, from: u64) -> Result<Sent, Failure> {
    let (key, now) = (letter.key, node.now());
    match pull(node, &key).await {
        Err(error) if !is_unknown(&error) => {
            return Err(Failure::later(ProblemType::SequenceGap.name()));
        }
        Ok(_) | Err(_) => {}
    }
    let before = u64::try_from(letter.place).unwrap_or(0);
    let queued = node.store().write(move |tx| {
        let missing = ledgers::entries(tx, &key, from, before.saturating_sub(from))?;
        for entry in &missing {
            let place = i64::try_from(entry.header().sequence).unwrap_or(i64::MAX);
            outbox::enqueue(tx, &key, entry.header().id, Task::Deliver, place, now)?;
        }
        Ok(missing.len())
    });
    let count = queued.await?;
    tracing::info!(transfer = %key.transfer, peer = %key.counterparty, count, "the peer lacks entries; they go first");
    // This one waits its pause: a peer that says so whatever it is sent must not be asked without end.
    Err(Failure::later(ProblemType::SequenceGap.name()))
}

/// What to do with a decision before it is sent.
enum Ready {
    Send(Box<Entry>),
    Settled,
    Impossible(ProblemType),
    /// The two authorities have to reconcile first.
    NotLevel,
    /// No key of ours may sign it now: the operator has to configure one that does.
    NoKey,
}

/// The originating authority asks the sequencer to append its decision.
async fn propose(node: &Node, letter: &Letter) -> Result<Sent, Failure> {
    let (key, id, in_job) = (letter.key, letter.id, node.clone());
    let entry = match node.store().write(move |tx| prepare(tx, &in_job, &key, id)).await? {
        Ready::Send(entry) => *entry,
        Ready::Settled => return Ok(Sent::Done),
        Ready::NoKey => return Err(Failure::later("no signing key of this authority is valid now")),
        Ready::NotLevel => return Err(Failure::later(ProblemType::PairSuspended.name())),
        Ready::Impossible(problem) => return Err(Failure::Final { what: problem.name().to_owned() }),
    };
    match peer(node, &key)?.put_entry(&entry).await {
        Ok(Delivered::Held { receipt, .. }) => settle(node, key, entry, receipt).await,
        Ok(Delivered::HeldElsewhere { .. }) => {
            after_pull(node, &key, Failure::later("the sequencer holds an earlier version of this decision"))
                .await
        }
        Err(error) => {
            // The sequencer may have been set back: then it lacks what it once receipted.
            if let Some(from) = gap_from(&error) {
                return refill(node, letter, from).await;
            }
            // The sequencer may be ahead: what it holds decides whether the decision can still be made.
            let (step, forked) = (error.next_step(), is_forked(&error));
            let failure = Failure::from(error);
            match step {
                NextStep::Retry => Err(failure),
                NextStep::Pull if forked => match fetch_from(node, &key, 0).await {
                    Ok(_) => Ok(Sent::Again),
                    Err(_) => Err(failure),
                },
                NextStep::DecideAgain => decide_again(node, &key, &entry, failure).await,
                _ => after_pull(node, &key, failure).await,
            }
        }
    }
}

/// Fetches what the sequencer is ahead by; without anything new, the failure stands. Implements: DLV-010
async fn after_pull(node: &Node, key: &LedgerKey, failure: Failure) -> Result<Sent, Failure> {
    match pull(node, key).await {
        Ok(0) | Err(_) => Err(failure),
        Ok(_) => Ok(Sent::Again),
    }
}

/// Decides again on the ledger as the sequencer holds it. Where that is the very ledger on which the decision
/// was made, its author has nothing to decide anew by: an officer has to look. A sequencer that can't be read
/// from is asked again.
///
/// Implements: DLV-009, DLV-014
async fn decide_again(node: &Node, key: &LedgerKey, sent: &Entry, failure: Failure) -> Result<Sent, Failure> {
    let Ok(fetched) = pull(node, key).await else { return Err(failure) };
    let (key, previous) = (*key, sent.header().previous);
    let held = node.store().read(move |tx| ledgers::find(tx, &key)).await?;
    let unmoved = fetched == 0 && held.map(|held| held.ledger.head.header_digest) == previous;
    if unmoved { Err(failure.for_good()) } else { Ok(Sent::Again) }
}

/// The newest signed version of a decision, made anew under the same id and with the same body when the
/// ledger has moved on. It is stored before it is sent, so that a crash repeats the same bytes.
///
/// Implements: DLV-001, DLV-014, RCV-008
fn prepare(tx: &mut dyn Tx, node: &Node, key: &LedgerKey, id: EntryId) -> Result<Ready, StoreError> {
    let proposal = outbox::find_proposal(tx, key, id)?;
    let (Some(proposal), None) = (proposal, ledgers::entry_by_id(tx, key, id)?) else {
        outbox::drop_proposal(tx, key, id)?;
        outbox::done(tx, key, id)?;
        return Ok(Ready::Settled);
    };
    if !peers::standing(tx, node, key)?.may_append() {
        return Ok(Ready::NotLevel);
    }
    let Some(held) = ledgers::find(tx, key)? else { return under_a_valid_key(tx, node, key, proposal) };
    if held.forked {
        return Ok(Ready::Impossible(ProblemType::Forked));
    }
    let header = proposal.entry.header();
    if header.previous == Some(held.ledger.head.header_digest) {
        return under_a_valid_key(tx, node, key, proposal);
    }
    let between = ledgers::entries(tx, key, header.sequence, u64::MAX)?;
    let decided_since = needs_an_officer(proposal.kind, between.iter().map(|entry| entry.header().kind));
    if decided_since || allows(&held.ledger, proposal.kind, header.author).is_err() {
        return Ok(Ready::Impossible(ProblemType::NotAllowedInStage));
    }
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content);
    let hosted = directory.and_then(|directory| node.speaking_for(directory, key.hosted));
    let (Some(hosted), Body::Present(body)) = (hosted, proposal.entry.body()) else {
        return Ok(Ready::Impossible(ProblemType::BodyMissing));
    };
    if directory.is_none_or(|directory| hosted.check_key(directory, node.now()).is_err()) {
        return Ok(Ready::NoKey);
    }
    let header = header.moved(&held.ledger, proposal.decided_at);
    let entry = Entry::sign(header, body.clone(), &hosted.signing);
    outbox::keep_proposal(tx, key, proposal.decided_at, &entry)?;
    Ok(Ready::Send(Box::new(entry)))
}

/// The decision as it was signed, or, where that key was retired or revoked while it waited, its identical
/// header under the key in use. Implements: SIG-007
fn under_a_valid_key(
    tx: &mut dyn Tx,
    node: &Node,
    key: &LedgerKey,
    proposal: Proposal,
) -> Result<Ready, StoreError> {
    let (archive, now) = (node.archive(), node.now());
    let Some(directory) = archive.newest().map(Signed::content) else { return Ok(Ready::NoKey) };
    let signed_with = directory.key(key.hosted, proposal.entry.signature().key());
    if signed_with.is_some_and(|signed_with| signed_with.standing(now) == KeyStanding::Valid) {
        return Ok(Ready::Send(Box::new(proposal.entry)));
    }
    let hosted = node.speaking_for(directory, key.hosted);
    let hosted = hosted.filter(|hosted| hosted.check_key(directory, now).is_ok());
    let (Some(hosted), Body::Present(body)) = (hosted, proposal.entry.body()) else {
        return Ok(Ready::NoKey);
    };
    let entry = Entry::sign(proposal.entry.header().clone(), body.clone(), &hosted.signing);
    outbox::keep_proposal(tx, key, proposal.decided_at, &entry)?;
    Ok(Ready::Send(Box::new(entry)))
}

/// The decision is in the ledger, with the sequencer's receipt. Implements: LED-003
async fn settle(
    node: &Node,
    key: LedgerKey,
    entry: Entry,
    receipt: Signed<Receipt>,
) -> Result<Sent, Failure> {
    let id = entry.header().id;
    let settled = node.store().write(move |tx| {
        let incarnation = receipt.content().incarnation;
        if peers::hear_in(tx, key.hosted, key.counterparty, incarnation)?.0 == Heard::Stale {
            // The sequencer may have forgotten this receipt since: its ledger as it is now decides.
            return Ok(false);
        }
        let held = ledgers::find(tx, &key)?;
        if ledgers::entry_by_id(tx, &key, id)?.is_none() {
            let ledger = held.as_ref().map(|held| &held.ledger);
            let Ok(next) = apply(ledger, &entry, receipt.content()) else { return Ok(false) };
            ledgers::append(tx, &key, &next, &entry.clone().with_receipt(receipt.envelope().clone()))?;
        }
        outbox::drop_proposal(tx, &key, id)?;
        outbox::done(tx, &key, id)?;
        Ok(true)
    });
    if settled.await? {
        return Ok(Sent::Done);
    }
    after_pull(node, &key, Failure::later("the sequencer's receipt does not fit the ledger held here")).await
}
