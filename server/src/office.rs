//! The local side: what an officer decides, and what an officer sees.
//!
//! A command works on the same store as the server, from another process if need be, so it works while the
//! server is down; the server's delivery worker finds what it wrote. The receiving authority's decisions
//! are appended here and delivered; the originating authority's are proposed to the sequencer.

mod answering;
mod asking;
mod clocks;
mod confirming;
mod duplicates;
mod error;
mod escalations;
mod export;
mod forking;
mod handing;
mod leaving;
mod linking;
mod noticing;
mod offering;
mod resolving;
mod view;

use cme_spec::canonical::{Json, Limits};
use cme_spec::entry::{Entry, EntryType, Header, RECEIPTS_BYTES};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, Instant, TransferId};
use cme_spec::ledger::arrival::Desk;
use cme_spec::ledger::evidence::check_outcome;
use cme_spec::ledger::{Ledger, Stage, allows, apply};
use serde_json::Value;

pub use self::answering::{
    AnswerView, Asker, ChildView, QueriesView, QueryDetails, QueryView, RestrictedView, Say, arrival_draft,
    keep_silent, list_queries, offer_arrived, restricted, retry_answers, say, show_query,
};
pub use self::asking::{
    AskDecision, AskedAuthorities, AskedView, AskingDetails, AskingView, AuthorityStatus, Deciders,
    RenewDecision, RingView, Tally, ask, asking_details, deciders, list_askings, offer_draft, offer_found,
    region, renew_asking, retry_asking, show_asking, withdraw_asking,
};
pub use self::clocks::clocks;
pub use self::confirming::confirm;
pub use self::error::OfficeError;
pub use self::escalations::{EscalationView, MessageView, escalations, resolve_escalation};
pub use self::export::{export, transfers};
pub use self::leaving::{
    Homes, LeaverResult, LeaverView, LeaversDecision, LeaversError, Leaving, Rejection, leave,
};
pub use self::linking::Link;
pub use self::noticing::{
    NoticeDecision, NoticeDetails, NoticeView, ToSend, acknowledge_notice, list_notices, retry_notice,
    show_notice, tell,
};
pub use self::offering::{OfferDecision, offer};
pub use self::resolving::{Resolution, resolve};
pub use self::view::{
    DecisionView, DueView, EntryView, LetterView, ListView, PeerView, RefusedView, TransferView, list, show,
};
use crate::node::{Hosted, Node};
use crate::peers;
use crate::store::ledgers::{self, Held, LedgerKey};
use crate::store::outbox::{self, Task};
use crate::store::{StoreError, Tx};

/// Places of proposals in the outbox lie behind every sequence.
const PROPOSAL_PLACE_BASE: i64 = 1 << 60;

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

/// Decides something in a ledger that exists.
///
/// The sequencer appends nothing while the pair has to reconcile; the originating authority's decision waits.
/// Implements: RCV-008, RCV-009
pub async fn decide(node: &Node, decision: Decision) -> Result<Decided, OfficeError> {
    let body = salted(node, decision.body.clone(), decision.kind)?;
    let (node_in_job, now) = (node.clone(), node.now());
    let id = node.random().entry_id(now);
    let made = node.store().write(move |tx| {
        let held = ledgers::of_transfer(tx, decision.transfer)?;
        let Some(held) = held.into_iter().find(|held| held.key.hosted == decision.by) else {
            return Ok(Err(OfficeError::UnknownTransfer(decision.by, decision.transfer)));
        };
        if let Some((entry, status)) = taken_already(tx, &held.key, id)? {
            return Ok(Ok(decided(&held.ledger, &entry, status)));
        }
        if held.forked {
            return Ok(Err(OfficeError::Forked(decision.transfer)));
        }
        let Some(hosted) = node_in_job.hosted(decision.by) else {
            return Ok(Err(OfficeError::NotHosted(decision.by)));
        };
        if let Err(refusal) = allows(&held.ledger, decision.kind, decision.by) {
            return Ok(Err(refusal.into()));
        }
        let header = Header::following(&held.ledger, decision.kind, decision.by, id, now);
        let entry = Entry::sign(header, body.clone(), &hosted.signing);
        if decision.by == held.ledger.terms.receiving {
            let standing = peers::standing(tx, &node_in_job, &held.key)?;
            if !standing.may_append() {
                return Ok(Err(OfficeError::NotReconciled(held.key.counterparty, standing.name())));
            }
            record(tx, &node_in_job, hosted, &held, &entry, now)
        } else {
            propose_next(tx, &node_in_job, &held, &entry, now)
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
    entry: &Entry,
    now: Instant,
) -> Result<Result<Decided, OfficeError>, StoreError> {
    let archive = node.archive();
    let Some(directory) = archive.newest().map(cme_spec::envelope::Signed::content) else {
        return Ok(Err(OfficeError::NoDirectory));
    };
    if let Err(error) = complete(entry, node) {
        return Ok(Err(error));
    }
    if let Some(of) = duplicates::unconfirmed(tx, hosted.code, entry)? {
        return Ok(Err(OfficeError::Unconfirmed(of.transfer)));
    }
    let incarnation = node.incarnation();
    let desk = Desk { party: hosted.code, key: &hosted.signing, directory, incarnation, now };
    let receipt = desk.receipt(entry, now.max(held.ledger.received_at));
    let next = match apply(Some(&held.ledger), entry, receipt.content()) {
        Ok(next) => next,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    ledgers::append(tx, &held.key, &next, &entry.clone().with_receipt(receipt))?;
    let place =
        i64::try_from(entry.header().sequence).map_err(|_| StoreError::Corrupt("a sequence beyond 2^63"))?;
    outbox::enqueue(tx, &held.key, entry.header().id, Task::Deliver, place, now)?;
    Ok(Ok(decided(&next, entry, DecidedStatus::Recorded)))
}

/// The originating authority proposes; a decision that waits already holds the next one back, unless both
/// are information.
fn propose_next(
    tx: &mut dyn Tx,
    node: &Node,
    held: &Held,
    entry: &Entry,
    now: Instant,
) -> Result<Result<Decided, OfficeError>, StoreError> {
    let waiting = outbox::proposals(tx, held.key.hosted)?;
    let waiting = waiting.iter().find(|proposal| proposal.key == held.key && moves(proposal.kind));
    if let Some(waiting) = waiting.filter(|_| moves(entry.header().kind)) {
        return Ok(Err(OfficeError::DecisionPending(waiting.kind)));
    }
    if let Err(error) = complete(entry, node) {
        return Ok(Err(error));
    }
    propose(tx, &held.key, entry, now)?;
    Ok(Ok(decided(&held.ledger, entry, DecidedStatus::Proposed)))
}

/// What became of a decision in an earlier run of its job, whose commit took effect and was told as failed.
fn taken_already(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    id: EntryId,
) -> Result<Option<(Entry, DecidedStatus)>, StoreError> {
    if let Some(entry) = ledgers::entry_by_id(tx, key, id)? {
        return Ok(Some((entry, DecidedStatus::Recorded)));
    }
    Ok(outbox::find_proposal(tx, key, id)?.map(|proposal| (proposal.entry, DecidedStatus::Proposed)))
}

/// Holds when the entry would pass the other party's checks of its body, whatever limit above the least that party
/// has: receipts come to it on the way.
fn complete(entry: &Entry, node: &Node) -> Result<(), OfficeError> {
    let kind = entry.header().kind;
    let least = Limits::ENTRY_MINIMUM.bytes_max;
    if !entry.leaves_room_for_receipts(least) {
        return Err(OfficeError::TooLong(least - RECEIPTS_BYTES));
    }
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
        sequence: (status == DecidedStatus::Recorded).then_some(entry.header().sequence),
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

/// The body with a fresh salt, if it has what its type needs.
fn salted(node: &Node, body: Json, kind: EntryType) -> Result<Json, OfficeError> {
    let mut value = body.into_value();
    if let Value::Object(members) = &mut value {
        members.insert("salt".to_owned(), Value::String(node.random().salt().to_string()));
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
