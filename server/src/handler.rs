//! One file for each operation: extract proofs, decide, persist, answer.

pub mod get_capabilities;
pub mod get_reconciliation;
pub mod list_entries;
pub mod list_heads;
pub mod put_acknowledgement;
pub mod put_answer;
pub mod put_entry;
pub mod put_notice;
pub mod put_query;
pub mod withdraw_query;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;

use crate::extract::Fault;
use crate::notices::Told;

/// An answer that no cache keeps. Implements: TRN-008
fn answer(status: actix_web::http::StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(body)
}

/// The canonical text of a signed document: the same document is the same bytes whenever it is asked for.
fn answer_document(status: actix_web::http::StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(text)
}

/// A storage receipt as an answer, or the refusal.
fn answer_stored(told: Told) -> Result<HttpResponse, Fault> {
    use actix_web::http::StatusCode;
    match told {
        Told::Stored(receipt) => Ok(answer_document(StatusCode::CREATED, receipt.canonical_text())),
        Told::Repeated(receipt) => Ok(answer_document(StatusCode::OK, receipt.canonical_text())),
        Told::Refused(problem) => Err(problem.into()),
    }
}

fn ok(body: &impl Serialize) -> HttpResponse {
    answer(actix_web::http::StatusCode::OK, body)
}
