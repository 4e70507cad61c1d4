//! `PUT /v1/queries/{query}/answers/{number}`.

use actix_web::{HttpRequest, HttpResponse, web};
use cme_spec::problem::ProblemType;
use cme_spec::query::Answer;

use super::answer_stored;
use crate::asking::answered;
use crate::extract::{Caller, Fault, document_body};

pub(crate) async fn put_answer(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Fault> {
    let said = document_body::<Answer>(&request, payload).await?;
    let Answer { query, number, by, .. } = said.content().clone();
    let path = request.match_info();
    let named = path.get("query") == Some(query.to_string().as_str())
        && path.get("number") == Some(number.to_string().as_str());
    if !named {
        return Err(ProblemType::PathMismatch.into());
    }
    let told = answered(&caller.desk()?, said).await?;
    tracing::info!(%query, number, %by, outcome = told.name(), "answer received");
    answer_stored(told)
}
