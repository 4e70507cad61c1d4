//! From a query to a hand-over, whichever end offers: what is known is written, an officer completes it, and the query
//! is noted as led to the transfer in the transaction in which the child is offered.

use cme_spec::entry::EntryType;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{QueryId, TransferId};
use cme_spec::ledger::Stage;
use serde_json::Value;

use super::OfficeError;
use crate::store::{StoreError, Tx, ledgers, outbox};

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

/// Holds unless the query has led to a transfer that goes on: one that was given up, or closed without acceptance, keeps
/// nobody from another.
pub(super) fn offered_once(
    tx: &mut dyn Tx,
    by: AuthorityCode,
    query: QueryId,
    led_to: Option<TransferId>,
) -> Result<Result<(), OfficeError>, StoreError> {
    let Some(transfer) = led_to else { return Ok(Ok(())) };
    let on_its_way = outbox::proposals(tx, by)?
        .iter()
        .any(|proposal| proposal.kind == EntryType::Offer && proposal.key.transfer == transfer);
    let closed = [Stage::Withdrawn, Stage::Upheld, Stage::Redirected];
    let goes_on = on_its_way
        || ledgers::of_transfer(tx, transfer)?
            .iter()
            .any(|held| held.key.hosted == by && !closed.contains(&held.ledger.stage()));
    Ok(if goes_on { Err(OfficeError::LedTo(query, transfer)) } else { Ok(()) })
}
