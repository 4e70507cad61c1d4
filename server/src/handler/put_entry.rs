//! `PUT /v1/transfers/{transfer}/entries/{sequence}`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use cme_spec::problem::{Problem, ProblemType};

use super::answer_document;
use crate::append::{Answer, Incoming, Parties, arrive, note_refused};
use crate::extract::{Caller, Fault, entry_body};
use crate::store::ledgers::LedgerKey;

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
    let key = LedgerKey { hosted: parties.ours, counterparty: parties.theirs, transfer: header.transfer };
    // Only the sequencer's entries come with a receipt: they are deliveries.
    let delivered = !entry.receipts().is_empty();
    let told = match Incoming::sent(&caller.node, entry, parties, caller.archive.clone()) {
        Ok(incoming) => {
            let incoming = incoming.told(caller.told());
            caller.node.store().write_asking(incoming.questions(), move |tx| arrive(tx, &incoming)).await?
        }
        Err(problem) => Answer::Refused(problem),
    };
    let outcome = match &told {
        Answer::Stored(_) => "stored",
        Answer::Repeated(_) => "repeated",
        Answer::Refused(problem) => problem.registered().map_or("refused", ProblemType::name),
    };
    tracing::info!(transfer = %key.transfer, sequence, kind = %kind, %author, hosted = %key.hosted, outcome, "entry received");
    match told {
        Answer::Stored(receipt) => {
            // A proposal changes nothing for what waits to be sent; a delivery may let the next decision go.
            if delivered {
                caller.node.wake_outbox();
            }
            Ok(answer_document(StatusCode::CREATED, receipt.canonical_text()))
        }
        Answer::Repeated(receipt) => Ok(answer_document(StatusCode::OK, receipt.canonical_text())),
        Answer::Refused(problem) => {
            if missing_here(&problem) {
                caller.node.ask_pull(key);
            }
            if delivered {
                note_refused(&caller.node, key, sequence, &problem).await?;
            }
            Err(problem.into())
        }
    }
}

/// Whether the caller holds entries that this copy lacks.
fn missing_here(problem: &Problem) -> bool {
    problem.registered() == Some(ProblemType::SequenceGap)
}
