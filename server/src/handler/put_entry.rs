//! `PUT /v1/transfers/{transfer}/entries/{sequence}`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use cme_spec::problem::{Problem, ProblemType};

use super::answer;
use crate::append::{Answer, Incoming, Parties, arrive};
use crate::extract::{Caller, Fault, entry_body};

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
    let incoming = Incoming::sent(&caller.node, entry, parties, caller.archive.clone())?;
    let key = incoming.key();
    let told = caller.node.store().write(move |tx| arrive(tx, &incoming)).await?;
    let outcome = match &told {
        Answer::Stored(_) => "stored",
        Answer::Repeated(_) => "repeated",
        Answer::Refused(problem) => problem.registered().map_or("refused", ProblemType::name),
    };
    tracing::info!(transfer = %key.transfer, sequence, kind = %kind, %author, hosted = %key.hosted, outcome, "entry received");
    match told {
        Answer::Stored(receipt) => {
            caller.node.wake_outbox();
            Ok(answer(StatusCode::CREATED, &receipt.to_json()))
        }
        Answer::Repeated(receipt) => Ok(answer(StatusCode::OK, &receipt.to_json())),
        Answer::Refused(problem) => {
            if missing_here(&problem) {
                caller.node.ask_pull(key);
            }
            Err(problem.into())
        }
    }
}

/// Whether the caller holds entries that this copy lacks.
fn missing_here(problem: &Problem) -> bool {
    problem.registered() == Some(ProblemType::SequenceGap)
}
