//! `PUT /v1/transfers/{transfer}/entries/{sequence}`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use cme_spec::problem::{NextStep, Problem, ProblemType};

use super::answer_document;
use crate::append::{Answer, Incoming, Parties, arrive};
use crate::extract::{Caller, Fault, entry_body};
use crate::store::ledgers::LedgerKey;
use crate::store::officers;

/// The checks stand in the order of the text. Implements: TRN-017, DLV-012
pub(crate) async fn put_entry(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Fault> {
    let entry = entry_body(&request, payload).await?;
    let header = entry.header();
    let in_path = (request.match_info().get("transfer"), request.match_info().get("sequence"));
    let in_header = (header.transfer.to_string(), header.sequence.to_string());
    if in_path != (Some(in_header.0.as_str()), Some(in_header.1.as_str())) {
        return Err(ProblemType::PathMismatch.into());
    }
    let parties = Parties::of(caller.directory()?, &entry, caller.hosted()?.code, caller.authority)?;
    let (kind, author, sequence) = (header.kind, header.author, header.sequence);
    // Only the sequencer's entries come with a receipt: they are deliveries.
    let delivered = !entry.receipts().is_empty();
    let incoming = Incoming::sent(&caller.node, entry, parties, caller.archive.clone())?;
    let key = incoming.key();
    let told = caller.node.store().write(move |tx| arrive(tx, &incoming)).await?;
    let outcome = match &told {
        Answer::Stored(_) => "stored",
        Answer::Repeated(_) => "repeated",
        Answer::Refused(problem) => problem.registered().map_or("refused", ProblemType::name),
    };
    tracing::info!(transfer = %key.transfer, sequence, kind = %kind, %author, hosted = %key.hosted, outcome, "entry received");
    let outcome = outcome.to_owned();
    match told {
        Answer::Stored(receipt) => {
            caller.node.wake_outbox();
            Ok(answer_document(StatusCode::CREATED, &receipt.to_json()))
        }
        Answer::Repeated(receipt) => Ok(answer_document(StatusCode::OK, &receipt.to_json())),
        Answer::Refused(problem) => {
            if missing_here(&problem) {
                caller.node.ask_pull(key);
            }
            if delivered && problem.registered().is_some_and(is_final) {
                note_refused(&caller, key, sequence, outcome).await?;
            }
            Err(problem.into())
        }
    }
}

fn is_final(problem: ProblemType) -> bool {
    matches!(problem.next_step(), NextStep::Final | NextStep::DecideAgain)
}

/// A delivery that can't be taken stops the ledger here: an officer has to look. Implements: LED-014
async fn note_refused(caller: &Caller, key: LedgerKey, sequence: u64, problem: String) -> Result<(), Fault> {
    tracing::error!(transfer = %key.transfer, sequence, problem, peer = %key.counterparty, "a delivery was refused");
    let now = caller.node.now();
    Ok(caller.node.store().write(move |tx| officers::note_refused(tx, &key, sequence, &problem, now)).await?)
}

/// Whether the caller holds entries that this copy lacks.
fn missing_here(problem: &Problem) -> bool {
    problem.registered() == Some(ProblemType::SequenceGap)
}
