//! Offers: the only decision that begins a ledger.

use cme_spec::body::Offer;
use cme_spec::canonical::Json;
use cme_spec::codes::ClockClass;
use cme_spec::directory::{Availability, Directory};
use cme_spec::entry::{Entry, EntryType, Header, PROTOCOL, ResponsibilityRef};
use cme_spec::envelope::Signed;
use cme_spec::facts::clock_class_for;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{ResponsibilityId, TransferId};
use cme_spec::ledger::Stage;

use super::linking::{Begun, Link, linked};
use super::{Decided, DecidedStatus, OfficeError, complete, propose, salted, taken_already};
use crate::node::Node;
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
    /// The transfer that this one follows, if one does.
    pub link: Option<Link>,
    /// The body without salt.
    pub body: Json,
}

/// Offers a child.
pub async fn offer(node: &Node, decision: OfferDecision) -> Result<Decided, OfficeError> {
    offer_and(node, decision, |_, _| Ok(Ok(()))).await
}

/// Offers a child if `also` holds, which writes in the same transaction what goes with the transfer.
pub(super) async fn offer_and<A>(
    node: &Node,
    decision: OfferDecision,
    also: A,
) -> Result<Decided, OfficeError>
where
    A: Fn(&mut dyn Tx, TransferId) -> Result<Result<(), OfficeError>, StoreError> + Send + 'static,
{
    let body = salted(node, decision.body.clone(), EntryType::Offer)?;
    let offer: Offer = body.read().map_err(|error| OfficeError::Body(error, EntryType::Offer))?;
    // What the child's situation asks for can be raised by an officer, never lowered.
    let clock_class = match clock_class_for(&offer) {
        ClockClass::Urgent => ClockClass::Urgent,
        ClockClass::Standard => decision.clock_class,
    };
    let archive = node.archive();
    can_be_asked(archive.newest().ok_or(OfficeError::NoDirectory)?.content(), &decision)?;
    let (node_in_job, now) = (node.clone(), node.now());
    let random = node.random();
    let (transfer, id, fresh) =
        (random.transfer_id(now), random.entry_id(now), random.responsibility_id(now));
    let key = LedgerKey { hosted: decision.by, counterparty: decision.to, transfer };
    let made = node.store().write(move |tx| {
        if let Some((taken, _)) = taken_already(tx, &key, id)? {
            return Ok(Ok(taken));
        }
        let archive = node_in_job.archive();
        let Some(directory) = archive.newest().map(Signed::content) else {
            return Ok(Err(OfficeError::NoDirectory));
        };
        let begun = match decision.link {
            None => Ok(Begun::new(ResponsibilityRef { id: fresh, epoch: 1 })),
            Some(link) => linked(tx, directory, decision.by, link)?,
        };
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(error)),
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
            responsibility: begun.responsibility,
            clock_class,
            body_digest: body.digest(),
            preceded_by: begun.preceded_by,
            supersedes: begun.supersedes,
            successor_of: begun.successor_of,
        };
        let entry = Entry::sign(header, body.clone(), &hosted.signing);
        if let Err(error) = complete(&entry, &node_in_job) {
            return Ok(Err(error));
        }
        let replaced = decision.link.and_then(Link::replaced);
        let open = offered_already(tx, decision.by, begun.responsibility.id)?;
        if let Some(open) = open.into_iter().find(|open| Some(*open) != replaced) {
            return Ok(Err(OfficeError::OfferedAlready(open)));
        }
        if let Err(error) = also(tx, transfer)? {
            return Ok(Err(error));
        }
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

/// Holds when the directory lists another authority there, with a server.
fn can_be_asked(directory: &Directory, decision: &OfferDecision) -> Result<(), OfficeError> {
    let peer = directory.authority(decision.to).ok_or(OfficeError::UnknownAuthority(decision.to))?;
    if peer.availability == Availability::ContactOnly {
        return Err(OfficeError::ContactOnly(decision.to, peer.team.email.clone().unwrap_or_default()));
    }
    if decision.by == decision.to {
        return Err(OfficeError::ToItself);
    }
    Ok(())
}

/// Transfers of the same responsibility that are still undecided, or on their way. Implements: ENT-007
fn offered_already(
    tx: &mut dyn Tx,
    by: AuthorityCode,
    responsibility: ResponsibilityId,
) -> Result<Vec<TransferId>, StoreError> {
    let undecided = |held: &Held| {
        let terms = &held.ledger.terms;
        let open = [Stage::Offered, Stage::Acknowledged, Stage::Declined, Stage::Contested];
        terms.originating == by
            && terms.responsibility.id == responsibility
            && open.contains(&held.ledger.stage())
    };
    let mut open: Vec<TransferId> = ledgers::with_clocks(tx, by)?
        .iter()
        .filter(|held| undecided(held))
        .map(|held| held.key.transfer)
        .collect();
    let on_its_way = |proposal: &outbox::Proposal| {
        proposal.kind == EntryType::Offer && proposal.entry.header().responsibility.id == responsibility
    };
    let waiting = outbox::proposals(tx, by)?;
    let waiting = waiting.iter().filter(|proposal| on_its_way(proposal));
    open.extend(waiting.map(|proposal| proposal.key.transfer));
    Ok(open)
}
