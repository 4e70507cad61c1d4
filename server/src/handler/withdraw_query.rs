//! `DELETE /v1/queries/{query}`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use cme_spec::instant::QueryId;
use cme_spec::problem::ProblemType;

use super::answer_document;
use crate::answering::grid::Grid;
use crate::answering::{Withdrawn, withdraw};
use crate::extract::{Caller, Fault};

/// Implements: QRY-020
pub(crate) async fn withdraw_query(caller: Caller, request: HttpRequest) -> Result<HttpResponse, Fault> {
    let arrived = Grid::begin(&caller.node);
    let id = request.match_info().get("query").and_then(|id| id.parse::<QueryId>().ok());
    let id = id.ok_or(ProblemType::QueryUnknown)?;
    match withdraw(&caller.desk()?, id, arrived).await? {
        Withdrawn::Receipt(receipt) => {
            tracing::info!(query = %id, author = %caller.authority, "query withdrawn");
            Ok(answer_document(StatusCode::OK, receipt.canonical_text()))
        }
        Withdrawn::Refused(problem) => Err(problem.into()),
    }
}
