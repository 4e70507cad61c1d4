//! Offers: the only decision that begins a ledger.

use cme_spec::body::Offer;
use cme_spec::canonical::Json;
use cme_spec::codes::ClockClass;
use cme_spec::directory::Availability;
use cme_spec::entry::{Entry, EntryType, Header, LedgerPoint, PROTOCOL, ResponsibilityRef};
use cme_spec::facts::clock_class_for;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{ResponsibilityId, TransferId};
use cme_spec::ledger::Stage;

use super::{Decided, DecidedStatus, OfficeError, complete, propose, salted};
use crate::node::Node;
use crate::random;
use crate::store::ledgers::{self, Held, LedgerKey};
use crate::store::{StoreError, Tx, outbox};

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
