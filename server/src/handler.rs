//! One file for each operation: extract proofs, decide, persist, answer.

pub mod get_capabilities;
pub mod get_reconciliation;
pub mod list_entries;
pub mod list_heads;
pub mod put_entry;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;

/// An answer that no cache keeps. Implements: TRN-008
fn answer(status: actix_web::http::StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(body)
}

fn ok(body: &impl Serialize) -> HttpResponse {
    answer(actix_web::http::StatusCode::OK, body)
}
