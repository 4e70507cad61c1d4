//! From a query to a hand-over, whichever end offers: what is known is written, an officer completes it, and the query
//! is noted as led to the transfer in the transaction in which the child is offered.

use cme_spec::body::Child;
use cme_spec::canonical::Json;
use cme_spec::entry::{Body, Entry, EntryType};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{QueryId, TransferId};
use cme_spec::ledger::Stage;
use cme_spec::query::Subject;
use serde_json::Value;

use super::OfficeError;
use super::leaving::offered_subject;
use crate::store::ledgers::{self, Held};
use crate::store::{StoreError, Tx, outbox};

/// What the officer says counts; of the child and the circumstances, member by member.
pub(super) fn completed(body: &mut Value, rest: Value) {
    let (Value::Object(body), Value::Object(rest)) = (body, rest) else { return };
    for (name, value) in rest {
        match (body.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(said))
                if name == "child" || name == "circumstances" =>
            {
                known.extend(said);
            }
            (_, value) => drop(body.insert(name, value)),
        }
    }
}

/// Holds unless the query has led to a transfer that goes on, or that child is in another to the same authority, as from
/// another query. A transfer that was given up, or closed without acceptance, keeps nobody from another.
pub(super) fn offered_once(
    tx: &mut dyn Tx,
    (by, to): (AuthorityCode, AuthorityCode),
    (query, led_to): (QueryId, Option<TransferId>),
    child: Option<&Subject>,
) -> Result<Result<(), OfficeError>, StoreError> {
    let ended = [Stage::Withdrawn, Stage::Upheld, Stage::Redirected];
    let proposals = outbox::proposals(tx, by)?;
    let waiting = proposals.iter().filter(|proposal| proposal.kind == EntryType::Offer);
    let mut open: Vec<(TransferId, Option<Subject>)> = Vec::new();
    for proposal in waiting.filter(|proposal| proposal.key.counterparty == to) {
        open.push((proposal.key.transfer, child_of(&proposal.entry)));
    }
    for held in ledgers::with_clocks(tx, by)? {
        let is_ours = held.key.counterparty == to && held.ledger.terms.originating == by;
        if is_ours && !ended.contains(&held.ledger.stage()) {
            let offer = ledgers::entry_at(tx, &held.key, 0)?;
            open.push((held.key.transfer, offer.as_ref().and_then(child_of)));
        }
    }
    if let Some(transfer) = led_to {
        let of = ledgers::of_transfer(tx, transfer)?;
        let settled = |held: &Held| held.key.hosted == by && held.ledger.stage() == Stage::Settled;
        if open.iter().any(|(open, _)| *open == transfer) || of.iter().any(settled) {
            return Ok(Err(OfficeError::LedTo(query, transfer)));
        }
    }
    let same = |other: &Option<Subject>| child.zip(other.as_ref()).is_some_and(|(one, two)| one.may_be(two));
    let twice = open.iter().find(|(_, other)| same(other));
    Ok(twice.map_or(Ok(()), |(transfer, _)| Err(OfficeError::OfferedAlready(*transfer))))
}

/// The child of an offer's body, as it is compared.
pub(super) fn offered_child(body: &Value) -> Option<Subject> {
    let child: Child = Json::from_typed(&body["child"]).ok()?.read().ok()?;
    Some(offered_subject(&child))
}

fn child_of(offer: &Entry) -> Option<Subject> {
    let Body::Present(body) = offer.body() else { return None };
    offered_child(body.value())
}
