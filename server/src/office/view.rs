//! What an officer sees: transfers with their clocks, decisions on their way, letters that need a person.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use cme_spec::entry::{Body, EntryType, HeadRef, ResponsibilityRef};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, Instant, ResponsibilityId, TransferId};
use cme_spec::ledger::Stage;
use cme_spec::ledger::due::{Clock, Due};
use cme_spec::pair::Standing;
use serde::Serialize;

use super::escalations::{MessageView, message_view};
use super::forking::forked;
use super::{OfficeError, clocks};
use crate::node::Node;
use crate::peers;
use crate::reconciliation::possible_partners;
use crate::store::asked;
use crate::store::escalations;
use crate::store::ledgers::{self, Held};
use crate::store::officers::{self, RefusedDelivery};
use crate::store::outbox::{self, Letter, Proposal};
use crate::store::pairs::{self, KnownPair};
use crate::store::{StoreError, Tx};

/// One transfer in a list.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of its own in the officer's list")]
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
    /// Whether a fork was proven: nothing more can be added, and whoever is responsible offers anew.
    pub forked: bool,
    /// Whether a clock has run out, or the copy may lack entries since this authority was restored.
    pub overdue: bool,
    /// Whether this authority was restored and has not read what the other one holds: until then the child
    /// counts as its own.
    pub not_reconciled: bool,
    /// Whether a restore touched the case and an officer has to confirm it.
    pub to_confirm: bool,
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
    /// Messages to the escalation contact that were refused for good.
    pub escalations_refused: Vec<MessageView>,
    /// Answers of other authorities to queries that no officer has looked at: `office query list` says to which.
    pub answers_unseen: u64,
    /// Transfers that were both accepted for one child and one hand-over: it was offered twice.
    pub accepted_twice: Vec<[TransferId; 2]>,
    /// Authorities with which this one has to reconcile before anything can be added to their ledgers.
    pub peers: Vec<PeerView>,
}

/// An authority with which this one has to reconcile.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// The authority.
    pub authority: AuthorityCode,
    /// Why: `restored`, `peer-restored` or `suspended`.
    pub standing: Standing,
    /// When the two last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciled_at: Option<Instant>,
    /// What stood in the way since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What is known of an authority's transfers beside their ledgers.
#[derive(Debug, Default)]
struct Around {
    followed: BTreeSet<TransferId>,
    to_confirm: BTreeSet<TransferId>,
    standings: BTreeMap<AuthorityCode, Standing>,
    /// Who is responsible by the branches of a forked ledger.
    by_branches: BTreeMap<TransferId, AuthorityCode>,
}

impl Around {
    fn read(
        tx: &mut dyn Tx,
        node: &Node,
        authority: AuthorityCode,
        transfers: &[Held],
    ) -> Result<Self, StoreError> {
        let mut around = Self {
            followed: ledgers::followed(tx, authority)?,
            to_confirm: pairs::to_confirm(tx, authority)?,
            ..Self::default()
        };
        let archive = node.archive();
        for held in transfers {
            if let Entry::Vacant(free) = around.standings.entry(held.key.counterparty) {
                free.insert(peers::standing(tx, node, &held.key)?);
            }
            if let Some(issue) = archive.newest().filter(|_| held.forked) {
                let forked = forked(tx, issue.content(), held)?;
                around.by_branches.insert(held.key.transfer, forked.responsible);
            }
        }
        Ok(around)
    }
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

/// A ledger that is not reconciled since a restore is shown as this authority's own. Implements: RCV-011
fn transfer_view(node: &Node, held: &Held, around: &Around, now: Instant) -> TransferView {
    let clocks = clocks(node, held, &around.followed);
    let transfer = held.key.transfer;
    let not_reconciled = around.standings.get(&held.key.counterparty) == Some(&Standing::Restored);
    let by_branches = around.by_branches.get(&transfer).copied();
    let responsible = by_branches.unwrap_or_else(|| held.ledger.responsible());
    let view = |due: Due| DueView { overdue: due.is_overdue(now), due };
    TransferView {
        transfer,
        originating: held.ledger.terms.originating,
        receiving: held.ledger.terms.receiving,
        stage: held.ledger.stage(),
        responsible: if not_reconciled { held.key.hosted } else { responsible },
        as_of: held.ledger.head,
        forked: held.forked,
        overdue: not_reconciled || clocks.due.iter().any(|due| due.is_overdue(now)),
        not_reconciled,
        to_confirm: around.to_confirm.contains(&transfer),
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

/// Every peer with which something stands in the way, also one that a restored database knows nothing of: it
/// may hold ledgers that were forgotten.
fn peer_views(
    node: &Node,
    authority: AuthorityCode,
    known: Vec<KnownPair>,
    transfers: &[Held],
) -> Vec<PeerView> {
    let mut all: BTreeMap<AuthorityCode, KnownPair> =
        possible_partners(node, authority).into_iter().map(|peer| (peer, KnownPair::unmet(peer))).collect();
    all.extend(transfers.iter().map(|held| held.key.counterparty).map(|peer| (peer, KnownPair::unmet(peer))));
    all.extend(known.into_iter().map(|known| (known.counterparty, known)));
    all.into_values().filter_map(|known| peer_view(known, node.incarnation())).collect()
}

fn peer_view(known: KnownPair, incarnation: u64) -> Option<PeerView> {
    let standing = known.pair.standing(incarnation);
    (standing != Standing::Level).then_some(PeerView {
        authority: known.counterparty,
        standing,
        reconciled_at: known.reconciled_at,
        failure: known.failure,
    })
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
    let in_job = node.clone();
    let read = node.store().read(move |tx| {
        let transfers = ledgers::of_hosted(tx, authority)?;
        let letters = (outbox::proposals(tx, authority)?, outbox::of_hosted(tx, authority)?);
        let around = Around::read(tx, &in_job, authority, &transfers)?;
        let looked_at = (officers::refused(tx, authority)?, pairs::of_hosted(tx, authority)?);
        let told = (escalations::refused(tx, authority)?, asked::unseen(tx, authority)?);
        Ok((transfers, around, letters, looked_at, told))
    });
    let (transfers, around, (proposals, letters), (refused, pairs), (untaken, unseen)) = read.await?;
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
        transfers: transfers.iter().map(|held| transfer_view(node, held, &around, now)).collect(),
        proposed: proposals.into_iter().map(decision).collect(),
        outbox: waiting.into_iter().map(|letter| letter_view(letter, &team)).collect(),
        refused: dead.into_iter().map(|letter| letter_view(letter, &team)).collect(),
        refused_here: refused.into_iter().map(refused_view).collect(),
        escalations_refused: untaken.into_iter().map(message_view).collect(),
        answers_unseen: unseen,
        accepted_twice: accepted_twice(&transfers),
        peers: peer_views(node, authority, pairs, &transfers),
    })
}

/// One transfer with its entries.
pub async fn show(
    node: &Node,
    authority: AuthorityCode,
    transfer: TransferId,
) -> Result<EntryView, OfficeError> {
    let in_job = node.clone();
    let read = node.store().read(move |tx| {
        let held = ledgers::of_transfer(tx, transfer)?.into_iter().find(|held| held.key.hosted == authority);
        let Some(held) = held else { return Ok(None) };
        let entries = ledgers::entries(tx, &held.key, 0, u64::MAX)?;
        let around = Around::read(tx, &in_job, authority, std::slice::from_ref(&held))?;
        Ok(Some((held, entries, around)))
    });
    let (held, entries, around) = read.await?.ok_or(OfficeError::UnknownTransfer(authority, transfer))?;
    let erased = entries.iter().filter(|entry| matches!(entry.body(), Body::Erased { .. }));
    Ok(EntryView {
        transfer: transfer_view(node, &held, &around, node.now()),
        erased: erased.map(|entry| entry.header().sequence).collect(),
        entries: entries.iter().map(|entry| entry.to_json().into_value()).collect(),
    })
}
