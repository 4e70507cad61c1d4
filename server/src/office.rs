//! The local side: what an officer decides, and what an officer sees.
//!
//! A command works on the same store as the server, from another process if need be, so it works while the
//! server is down; the server's delivery worker finds what it wrote. The receiving authority's decisions
//! are appended here and delivered; the originating authority's are proposed to the sequencer.

mod clocks;
mod export;
mod view;

use cme_spec::body::Offer;
use cme_spec::canonical::{DecodeError, Json, ShapeError};
use cme_spec::codes::ClockClass;
use cme_spec::directory::Availability;
use cme_spec::entry::{Entry, EntryType, Header, LedgerPoint, PROTOCOL, ResponsibilityRef};
use cme_spec::facts::clock_class_for;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, Instant, ResponsibilityId, TransferId};
use cme_spec::ledger::append::AppendError;
use cme_spec::ledger::evidence::check_outcome;
use cme_spec::ledger::{Ledger, Refusal, Stage, allows, apply};
use serde_json::Value;

pub use self::clocks::clocks;
pub use self::export::export;
pub use self::view::{
    DecisionView, DueView, EntryView, LetterView, ListView, RefusedView, TransferView, list, show,
};
use crate::node::{Hosted, Node, Told};
use crate::random;
use crate::store::ledgers::{self, Held, LedgerKey};
use crate::store::outbox::{self, Task};
use crate::store::{StoreError, Tx};

/// Places of proposals in the outbox lie behind every sequence.
const PROPOSAL_PLACE_BASE: i64 = 1 << 60;

/// Why an officer's command is not carried out. Said to the officer, in the officer's words.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// The authority is not in the configuration.
    #[error("authority {0} is not hosted here; see [[authority]] in the configuration")]
    NotHosted(AuthorityCode),
    /// Several authorities are hosted, and none was named.
    #[error("several authorities are hosted here: say which with --as CODE")]
    WhichAuthority,
    /// The directory has no such authority.
    #[error("authority {0} is not in the directory")]
    UnknownAuthority(AuthorityCode),
    /// The directory has the authority for contact only.
    #[error("authority {0} is not connected: telephone or write to its team ({1})")]
    ContactOnly(AuthorityCode, String),
    /// An authority can't offer to itself.
    #[error("an authority can't hand a child over to itself")]
    ToItself,
    /// No such ledger.
    #[error("authority {0} holds no transfer {1}")]
    UnknownTransfer(AuthorityCode, TransferId),
    /// The input is not JSON.
    #[error("the input: {0}")]
    Input(#[from] DecodeError),
    /// The body lacks something.
    #[error("the input: {0}; `office example {1}` shows what is needed")]
    Body(ShapeError, EntryType),
    /// The rules don't allow it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// An entry can't be verified.
    #[error("{0}")]
    Append(#[from] AppendError),
    /// A decision waits for the sequencer already, and this one would contradict it.
    #[error("your {0} has not reached the receiving authority yet; wait for it before the next decision")]
    DecisionPending(EntryType),
    /// The ledger is forked.
    #[error("transfer {0} is forked: the responsible authority starts a successor transfer")]
    Forked(TransferId),
    /// The offer's link names a ledger that doesn't allow it.
    #[error(
        "transfer {0} can't be followed by an offer of authority {1}: it must be closed without acceptance and yours, or accepted by you"
    )]
    CannotFollow(TransferId, AuthorityCode),
    /// No refused letter has this id.
    #[error("no refused letter has the id {0}; `office list` shows them under `refused`")]
    UnknownLetter(EntryId),
    /// A delivery can't be given up.
    #[error("the entry {0} is in the ledger: it can only be delivered; use --retry")]
    InTheLedger(EntryId),
    /// The same child is offered already.
    #[error("the child is offered already, in transfer {0}: wait for its decision or withdraw it")]
    OfferedAlready(TransferId),
    /// The embedded onward accept does not prove the move.
    #[error("the onward transfer {0} is not accepted yet, or is not of this child's responsibility")]
    NotMovedOn(TransferId),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No directory.
    #[error("no directory issue is held")]
    NoDirectory,
}

/// What an officer decides in a ledger that exists.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The authority that decides.
    pub by: AuthorityCode,
    /// The transfer.
    pub transfer: TransferId,
    /// What.
    pub kind: EntryType,
    /// The body without salt.
    pub body: Json,
}

/// A new offer.
#[derive(Clone, Debug)]
pub struct OfferDecision {
    /// The authority that offers.
    pub by: AuthorityCode,
    /// The authority that is asked.
    pub to: AuthorityCode,
    /// Which clocks hold.
    pub clock_class: ClockClass,
    /// The transfer that this one follows.
    pub preceded_by: Option<TransferId>,
    /// The body without salt.
    pub body: Json,
}

/// What became of a decision.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// The transfer.
    pub transfer: TransferId,
    /// What was decided.
    #[serde(rename = "type")]
    pub kind: EntryType,
    /// The decision's id.
    pub id: EntryId,
    /// Whether it is in the ledger already, or waits for the sequencer's receipt.
    pub status: DecidedStatus,
    /// Its place in the ledger, once it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Where the ledger stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Who is responsible now.
    pub responsible: AuthorityCode,
}

/// Where a decision is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedStatus {
    /// In the ledger, with the sequencer's receipt; it is being delivered.
    Recorded,
    /// On its way to the sequencer.
    Proposed,
}

/// The hosted authority that an officer works for.
pub fn officers_authority(node: &Node, named: Option<AuthorityCode>) -> Result<AuthorityCode, OfficeError> {
    if let Some(code) = named {
        return node.hosted(code).map(|hosted| hosted.code).ok_or(OfficeError::NotHosted(code));
    }
    let mut all = node.all_hosted();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only.code),
        _ => Err(OfficeError::WhichAuthority),
    }
}

/// Offers a child.
pub async fn offer(node: &Node, decision: OfferDecision) -> Result<Decided, OfficeError> {
    let body = salted(decision.body.clone(), EntryType::Offer)?;
    let offer: Offer = body.read().map_err(|error| OfficeError::Body(error, EntryType::Offer))?;
    // What the child's situation asks for can be raised by an officer, never lowered.
    let clock_class = match clock_class_for(&offer) {
        ClockClass::Urgent => ClockClass::Urgent,
        ClockClass::Standard => decision.clock_class,
    };
    let archive = node.archive();
    let directory = archive.newest().ok_or(OfficeError::NoDirectory)?.content();
    let peer = directory.authority(decision.to).ok_or(OfficeError::UnknownAuthority(decision.to))?;
    if peer.availability == Availability::ContactOnly {
        return Err(OfficeError::ContactOnly(decision.to, peer.team.email.clone().unwrap_or_default()));
    }
    if decision.by == decision.to {
        return Err(OfficeError::ToItself);
    }
    let (node_in_job, now) = (node.clone(), node.now());
    let (transfer, id, fresh) =
        (random::transfer_id(now), random::entry_id(now), random::responsibility_id(now));
    let made = node.store().write(move |tx| {
        let (responsibility, preceded_by) = match decision.preceded_by {
            None => (ResponsibilityRef { id: fresh, epoch: 1 }, None),
            Some(earlier) => match follow(tx, decision.by, earlier)? {
                Some((responsibility, point)) => (responsibility, Some(point)),
                None => return Ok(Err(OfficeError::CannotFollow(earlier, decision.by))),
            },
        };
        let Some(hosted) = node_in_job.hosted(decision.by) else {
            return Ok(Err(OfficeError::NotHosted(decision.by)));
        };
        let header = Header {
            protocol: PROTOCOL.to_owned(),
            transfer,
            sequence: 0,
            previous: None,
            id,
            kind: EntryType::Offer,
            author: decision.by,
            recipient: decision.to,
            created_at: now,
            responsibility,
            clock_class,
            body_digest: body.digest(),
            preceded_by,
            supersedes: None,
            successor_of: None,
        };
        let entry = Entry::sign(header, body.clone(), &hosted.signing);
        if let Err(error) = complete(&entry, &node_in_job) {
            return Ok(Err(error));
        }
        if let Some(open) = offered_already(tx, decision.by, responsibility.id)? {
            return Ok(Err(OfficeError::OfferedAlready(open)));
        }
        let key = LedgerKey { hosted: decision.by, counterparty: decision.to, transfer };
        propose(tx, &key, &entry, now)?;
        Ok(Ok(entry))
    });
    let entry = made.await??;
    node.wake_outbox();
    Ok(Decided {
        transfer,
        kind: EntryType::Offer,
        id: entry.header().id,
        status: DecidedStatus::Proposed,
        sequence: None,
        stage: None,
        responsible: decision.by,
    })
}

/// The responsibility that an offer after `earlier` carries on, if `by` still has it. Implements: ENT-006
fn follow(
    tx: &mut dyn Tx,
    by: AuthorityCode,
    earlier: TransferId,
) -> Result<Option<(ResponsibilityRef, LedgerPoint)>, StoreError> {
    let all = ledgers::of_transfer(tx, earlier)?;
    let Some(held) = all.into_iter().find(|held| held.key.hosted == by) else { return Ok(None) };
    let ledger = &held.ledger;
    let passed = ledger.state.acceptance().is_some();
    let may = match ledger.stage() {
        Stage::Upheld | Stage::Redirected | Stage::Withdrawn => true,
        Stage::Accepted => passed,
        _ => false,
    };
    if !may || held.forked || ledger.responsible() != by {
        return Ok(None);
    }
    let point = LedgerPoint {
        transfer: earlier,
        sequence: ledger.head.sequence,
        header_digest: ledger.head.header_digest,
    };
    Ok(Some((ledger.next_responsibility(), point)))
}

/// A transfer of the same responsibility that is still undecided, or on its way. Implements: ENT-007
fn offered_already(
    tx: &mut dyn Tx,
    by: AuthorityCode,
    responsibility: ResponsibilityId,
) -> Result<Option<TransferId>, StoreError> {
    let undecided = |held: &Held| {
        let terms = &held.ledger.terms;
        let open = [Stage::Offered, Stage::Acknowledged, Stage::Declined, Stage::Contested];
        terms.originating == by
            && terms.responsibility.id == responsibility
            && open.contains(&held.ledger.stage())
    };
    if let Some(held) = ledgers::with_clocks(tx, by)?.iter().find(|held| undecided(held)) {
        return Ok(Some(held.key.transfer));
    }
    let on_its_way = |proposal: &outbox::Proposal| {
        proposal.kind == EntryType::Offer && proposal.entry.header().responsibility.id == responsibility
    };
    let waiting = outbox::proposals(tx, by)?;
    Ok(waiting.iter().find(|proposal| on_its_way(proposal)).map(|proposal| proposal.key.transfer))
}

/// Decides something in a ledger that exists.
pub async fn decide(node: &Node, decision: Decision) -> Result<Decided, OfficeError> {
    let body = salted(decision.body.clone(), decision.kind)?;
    let (node_in_job, now) = (node.clone(), node.now());
    let made = node.store().write(move |tx| {
        let held = ledgers::of_transfer(tx, decision.transfer)?;
        let Some(held) = held.into_iter().find(|held| held.key.hosted == decision.by) else {
            return Ok(Err(OfficeError::UnknownTransfer(decision.by, decision.transfer)));
        };
        if held.forked {
            return Ok(Err(OfficeError::Forked(decision.transfer)));
        }
        let Some(hosted) = node_in_job.hosted(decision.by) else {
            return Ok(Err(OfficeError::NotHosted(decision.by)));
        };
        if let Err(refusal) = allows(&held.ledger, decision.kind, decision.by) {
            return Ok(Err(refusal.into()));
        }
        if decision.by == held.ledger.terms.receiving {
            record(tx, &node_in_job, hosted, &held, &decision, &body, now)
        } else {
            propose_next(tx, &node_in_job, hosted, &held, &decision, &body, now)
        }
    });
    let decided = made.await??;
    node.wake_outbox();
    Ok(decided)
}

/// The receiving authority is the sequencer: its decision is in the ledger at once, receipt included.
///
/// Implements: DLV-002, RCP-002
fn record(
    tx: &mut dyn Tx,
    node: &Node,
    hosted: &Hosted,
    held: &Held,
    decision: &Decision,
    body: &Json,
    now: Instant,
) -> Result<Result<Decided, OfficeError>, StoreError> {
    let archive = node.archive();
    let Some(directory) = archive.newest().map(cme_spec::envelope::Signed::content) else {
        return Ok(Err(OfficeError::NoDirectory));
    };
    let header = Header::following(&held.ledger, decision.kind, decision.by, random::entry_id(now), now);
    let entry = Entry::sign(header, body.clone(), &hosted.signing);
    if let Err(error) = complete(&entry, node) {
        return Ok(Err(error));
    }
    let told = Told {
        at: now.max(held.ledger.received_at),
        incarnation: node.incarnation(),
        directory_issue: directory.issue,
    };
    let receipt = hosted.receipt(&entry, decision.by, told);
    let next = match apply(Some(&held.ledger), &entry, receipt.content()) {
        Ok(next) => next,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    ledgers::append(tx, &held.key, &next, &entry.clone().with_receipt(receipt))?;
    let place =
        i64::try_from(entry.header().sequence).map_err(|_| StoreError::Corrupt("a sequence beyond 2^63"))?;
    outbox::enqueue(tx, &held.key, entry.header().id, Task::Deliver, place, now)?;
    Ok(Ok(decided(&next, &entry, DecidedStatus::Recorded)))
}

/// The originating authority proposes; a decision that waits already holds the next one back, unless both
/// are information.
fn propose_next(
    tx: &mut dyn Tx,
    node: &Node,
    hosted: &Hosted,
    held: &Held,
    decision: &Decision,
    body: &Json,
    now: Instant,
) -> Result<Result<Decided, OfficeError>, StoreError> {
    let waiting = outbox::proposals(tx, decision.by)?;
    let waiting = waiting.iter().find(|proposal| proposal.key == held.key && moves(proposal.kind));
    if let Some(waiting) = waiting.filter(|_| moves(decision.kind)) {
        return Ok(Err(OfficeError::DecisionPending(waiting.kind)));
    }
    let header = Header::following(&held.ledger, decision.kind, decision.by, random::entry_id(now), now);
    let entry = Entry::sign(header, body.clone(), &hosted.signing);
    if let Err(error) = complete(&entry, node) {
        return Ok(Err(error));
    }
    propose(tx, &held.key, &entry, now)?;
    let mut decided = decided(&held.ledger, &entry, DecidedStatus::Proposed);
    decided.sequence = None;
    Ok(Ok(decided))
}

/// Holds when the entry would pass the other party's checks of its body.
fn complete(entry: &Entry, node: &Node) -> Result<(), OfficeError> {
    let kind = entry.header().kind;
    cme_spec::body::check_entry(entry).map_err(|error| OfficeError::Body(error, kind))?;
    let archive = node.archive();
    let directory = archive.newest().ok_or(OfficeError::NoDirectory)?.content();
    check_outcome(entry, directory).map_err(|error| OfficeError::Body(error, kind))
}

/// Whether an entry of this type can change where a ledger stands.
const fn moves(kind: EntryType) -> bool {
    !matches!(kind, EntryType::RequestInformation | EntryType::SupplyInformation | EntryType::Correct)
}

fn decided(ledger: &Ledger, entry: &Entry, status: DecidedStatus) -> Decided {
    Decided {
        transfer: ledger.terms.transfer,
        kind: entry.header().kind,
        id: entry.header().id,
        status,
        sequence: Some(entry.header().sequence),
        stage: Some(ledger.stage()),
        responsible: ledger.responsible(),
    }
}

/// Decision and outbox row, in the caller's transaction. Implements: DLV-001
fn propose(tx: &mut dyn Tx, key: &LedgerKey, entry: &Entry, now: Instant) -> Result<(), StoreError> {
    outbox::keep_proposal(tx, key, now, entry)?;
    let place = PROPOSAL_PLACE_BASE + now.milliseconds();
    outbox::enqueue(tx, key, entry.header().id, Task::Propose, place, now)
}

/// What an officer does with a letter that was refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is sent again: whatever stood in its way is mended.
    Retry,
    /// A decision is given up. An entry that is in the ledger can't be: it can only be delivered.
    Drop,
}

/// An officer resolves a letter that was refused for good. Implements: DLV-009
pub async fn resolve(
    node: &Node,
    by: AuthorityCode,
    id: EntryId,
    resolution: Resolution,
) -> Result<(), OfficeError> {
    let now = node.now();
    let resolved = node.store().write(move |tx| {
        let Some(letter) = outbox::dead_letter(tx, by, id)? else {
            return Ok(Err(OfficeError::UnknownLetter(id)));
        };
        match (resolution, letter.task) {
            (Resolution::Retry, task) => outbox::enqueue(tx, &letter.key, id, task, letter.place, now)?,
            (Resolution::Drop, Task::Propose) => {
                outbox::drop_proposal(tx, &letter.key, id)?;
                outbox::done(tx, &letter.key, id)?;
            }
            (Resolution::Drop, Task::Deliver) => return Ok(Err(OfficeError::InTheLedger(id))),
        }
        Ok(Ok(()))
    });
    resolved.await??;
    node.wake_outbox();
    Ok(())
}

/// The body with a fresh salt, if it has what its type needs.
fn salted(body: Json, kind: EntryType) -> Result<Json, OfficeError> {
    let mut value = body.into_value();
    if let Value::Object(members) = &mut value {
        members.insert("salt".to_owned(), Value::String(random::salt().to_string()));
    }
    let body = Json::from_typed(&value)?;
    cme_spec::body::check(kind, &body).map_err(|error| OfficeError::Body(error, kind))?;
    Ok(body)
}

/// The body of the outcome `moved-on`: embeds the accept of the onward transfer, without its personal data.
pub async fn moved_on_body(node: &Node, by: AuthorityCode, onward: TransferId) -> Result<Json, OfficeError> {
    let now = node.now();
    let accept = node.store().read(move |tx| {
        let held = ledgers::of_transfer(tx, onward)?.into_iter().find(|held| held.key.hosted == by);
        let Some(held) = held else { return Ok(None) };
        match held.ledger.state.acceptance() {
            Some(acceptance) if held.ledger.terms.originating == by => {
                ledgers::entry_at(tx, &held.key, acceptance.sequence)
            }
            _ => Ok(None),
        }
    });
    let accept = accept.await?.ok_or(OfficeError::NotMovedOn(onward))?;
    let onward = accept.erased(now).to_json().into_value();
    let body = serde_json::json!({ "outcome": { "kind": "moved-on", "onward": onward } });
    Ok(Json::from_typed(&body)?)
}
