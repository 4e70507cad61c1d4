//! What an officer sees: transfers with their clocks, decisions on their way, letters that need a person.

use std::collections::{BTreeMap, BTreeSet};

use cme_spec::entry::{Body, EntryType, HeadRef, ResponsibilityRef};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, Instant, ResponsibilityId, TransferId};
use cme_spec::ledger::Stage;
use cme_spec::ledger::due::{Clock, Due};
use serde::Serialize;

use super::{OfficeError, clocks};
use crate::node::Node;
use crate::store::ledgers::{self, Held};
use crate::store::officers::{self, RefusedDelivery};
use crate::store::outbox::{self, Letter, Proposal};

/// One transfer in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferView {
    /// The transfer.
    pub transfer: TransferId,
    /// The party that offered.
    pub originating: AuthorityCode,
    /// The party that was asked.
    pub receiving: AuthorityCode,
    /// Where it stands.
    pub stage: Stage,
    /// Who is responsible.
    pub responsible: AuthorityCode,
    /// As of which entry.
    pub as_of: HeadRef,
    /// Whether a fork was proven.
    pub forked: bool,
    /// Running clocks.
    pub due: Vec<DueView>,
    /// Running clocks whose deadline can't be told: the directory's bank holidays don't reach that far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_computable: Vec<Clock>,
}

/// A running clock, and whether it has run out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DueView {
    /// The clock.
    #[serde(flatten)]
    pub due: Due,
    /// Whether it has run out.
    pub overdue: bool,
}

/// A decision that is not in a ledger yet.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionView {
    /// The transfer.
    pub transfer: TransferId,
    /// The other party.
    pub to: AuthorityCode,
    /// The decision.
    pub id: EntryId,
    /// What it does.
    #[serde(rename = "type")]
    pub kind: EntryType,
    /// When it was decided.
    pub decided_at: Instant,
}

/// Something that is still to be sent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterView {
    /// The transfer.
    pub transfer: TransferId,
    /// To whom.
    pub to: AuthorityCode,
    /// The entry.
    pub id: EntryId,
    /// `deliver` or `propose`.
    pub task: &'static str,
    /// Failures in a row.
    pub attempts: u32,
    /// When it is tried next; absent when it was given up and needs a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Instant>,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Who has to deal with it, once it was given up: the authority's team of the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Everything of one authority.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListView {
    /// The authority.
    pub authority: AuthorityCode,
    /// Its transfers, the newest change last.
    pub transfers: Vec<TransferView>,
    /// Its decisions that the sequencer has not receipted yet.
    pub proposed: Vec<DecisionView>,
    /// What is still to be sent.
    pub outbox: Vec<LetterView>,
    /// What was given up: the peer's refusal was final. The authority's team owns each.
    pub refused: Vec<LetterView>,
    /// Deliveries of peers that were refused here: their ledgers stand still until somebody looks.
    pub refused_here: Vec<RefusedView>,
    /// Transfers that were both accepted for one child and one hand-over: it was offered twice.
    pub accepted_twice: Vec<[TransferId; 2]>,
}

/// A delivery that was refused here.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedView {
    /// The transfer.
    pub transfer: TransferId,
    /// Who delivered it.
    pub from: AuthorityCode,
    /// The entry's place.
    pub sequence: u64,
    /// Name of the problem.
    pub problem: String,
    /// When it was last refused.
    pub refused_at: Instant,
}

/// One transfer with its entries.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    /// The transfer.
    #[serde(flatten)]
    pub transfer: TransferView,
    /// Its entries with their receipts, as on the wire.
    pub entries: Vec<serde_json::Value>,
    /// Places whose bodies are erased.
    pub erased: Vec<u64>,
}

fn transfer_view(node: &Node, held: &Held, followed: &BTreeSet<TransferId>, now: Instant) -> TransferView {
    let clocks = clocks(node, held, followed);
    let view = |due: Due| DueView { overdue: due.is_overdue(now), due };
    TransferView {
        transfer: held.key.transfer,
        originating: held.ledger.terms.originating,
        receiving: held.ledger.terms.receiving,
        stage: held.ledger.stage(),
        responsible: held.ledger.responsible(),
        as_of: held.ledger.head,
        forked: held.forked,
        due: clocks.due.into_iter().map(view).collect(),
        not_computable: clocks.not_computable,
    }
}

fn refused_view(refused: RefusedDelivery) -> RefusedView {
    RefusedView {
        transfer: refused.key.transfer,
        from: refused.key.counterparty,
        sequence: refused.sequence,
        problem: refused.problem,
        refused_at: refused.refused_at,
    }
}

fn letter_view(letter: Letter, team: &str) -> LetterView {
    LetterView {
        transfer: letter.key.transfer,
        to: letter.key.counterparty,
        id: letter.id,
        task: match letter.task {
            outbox::Task::Deliver => "deliver",
            outbox::Task::Propose => "propose",
        },
        attempts: letter.attempts,
        next_at: Instant::from_milliseconds(letter.next_at).filter(|_| !letter.dead),
        owner: letter.dead.then(|| team.to_owned()),
        last_failure: letter.last_failure,
    }
}

/// Pairs of transfers that were accepted under one responsibility and one epoch.
fn accepted_twice(transfers: &[Held]) -> Vec<[TransferId; 2]> {
    let mut first: BTreeMap<(ResponsibilityId, u64), TransferId> = BTreeMap::new();
    let mut pairs = Vec::new();
    for held in transfers.iter().filter(|held| held.ledger.state.acceptance().is_some()) {
        let ResponsibilityRef { id, epoch } = held.ledger.terms.responsibility;
        match first.get(&(id, epoch)) {
            Some(earlier) if *earlier != held.key.transfer => pairs.push([*earlier, held.key.transfer]),
            Some(_) => {}
            None => drop(first.insert((id, epoch), held.key.transfer)),
        }
    }
    pairs
}

/// Everything of one authority: its cases with their review dates, clocks that ran out, and what needs a
/// person. Implements: CLK-005, LED-013, LED-014, DLV-009
pub async fn list(node: &Node, authority: AuthorityCode) -> Result<ListView, OfficeError> {
    let read = node.store().read(move |tx| {
        let transfers = ledgers::of_hosted(tx, authority)?;
        let letters = (outbox::proposals(tx, authority)?, outbox::of_hosted(tx, authority)?);
        let followed = ledgers::followed(tx, authority)?;
        Ok((transfers, followed, letters, officers::refused(tx, authority)?))
    });
    let (transfers, followed, (proposals, letters), refused) = read.await?;
    let now = node.now();
    let (dead, waiting): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| letter.dead);
    let decision = |proposal: Proposal| DecisionView {
        transfer: proposal.key.transfer,
        to: proposal.key.counterparty,
        id: proposal.id,
        kind: proposal.kind,
        decided_at: proposal.decided_at,
    };
    let archive = node.archive();
    let record = archive.newest().and_then(|issue| issue.content().authority(authority));
    let team = record.map_or_else(String::new, |record| record.team.name.clone());
    Ok(ListView {
        authority,
        transfers: transfers.iter().map(|held| transfer_view(node, held, &followed, now)).collect(),
        proposed: proposals.into_iter().map(decision).collect(),
        outbox: waiting.into_iter().map(|letter| letter_view(letter, &team)).collect(),
        refused: dead.into_iter().map(|letter| letter_view(letter, &team)).collect(),
        refused_here: refused.into_iter().map(refused_view).collect(),
        accepted_twice: accepted_twice(&transfers),
    })
}

/// One transfer with its entries.
pub async fn show(
    node: &Node,
    authority: AuthorityCode,
    transfer: TransferId,
) -> Result<EntryView, OfficeError> {
    let read = node.store().read(move |tx| {
        let held = ledgers::of_transfer(tx, transfer)?.into_iter().find(|held| held.key.hosted == authority);
        let Some(held) = held else { return Ok(None) };
        let entries = ledgers::entries(tx, &held.key, 0, u64::MAX)?;
        Ok(Some((held, entries, ledgers::followed(tx, authority)?)))
    });
    let (held, entries, followed) = read.await?.ok_or(OfficeError::UnknownTransfer(authority, transfer))?;
    let erased = entries.iter().filter(|entry| matches!(entry.body(), Body::Erased { .. }));
    Ok(EntryView {
        transfer: transfer_view(node, &held, &followed, node.now()),
        erased: erased.map(|entry| entry.header().sequence).collect(),
        entries: entries.iter().map(|entry| entry.to_json().into_value()).collect(),
    })
}
