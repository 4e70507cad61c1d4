//! `PUT /v1/queries/{query}`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use cme_spec::problem::ProblemType;
use cme_spec::query::Query;

use super::answer_document;
use crate::answering::grid::Grid;
use crate::answering::{Reply, receive};
use crate::extract::{Caller, Fault, statement_body};

/// Implements: QRY-002
pub(crate) async fn put_query(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Fault> {
    let query: Query = statement_body(&request, payload).await?;
    let arrived = Grid::begin(&caller.node);
    let (id, author) = (query.header().query, query.header().author);
    if request.match_info().get("query") != Some(id.to_string().as_str()) {
        return Err(ProblemType::PathMismatch.into());
    }
    let reply = receive(&caller.desk()?, query, arrived).await?;
    tracing::info!(query = %id, %author, outcome = reply.name(), "query received");
    match reply {
        Reply::Answers(answers, _) => {
            Ok(answer_document(StatusCode::OK, Reply::content(&answers).canonical_text()))
        }
        Reply::Refused(problem) => Err(problem.into()),
        Reply::Later(problem, seconds) => Err(Fault::Later(Box::new(problem), seconds)),
    }
}
