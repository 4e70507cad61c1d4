//! `PUT /v1/notices/{notice}/acknowledgement`.

use actix_web::{HttpRequest, HttpResponse, web};
use cme_spec::notice::Acknowledgement;
use cme_spec::problem::ProblemType;

use super::answer_stored;
use crate::extract::{Caller, Fault, document_body};
use crate::notices::acknowledged;

pub(crate) async fn put_acknowledgement(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Fault> {
    let said = document_body::<Acknowledgement>(&request, payload).await?;
    let id = said.content().notice;
    if request.match_info().get("notice") != Some(id.to_string().as_str()) {
        return Err(ProblemType::PathMismatch.into());
    }
    let told = acknowledged(&caller.desk()?, said).await?;
    tracing::info!(notice = %id, outcome = told.name(), "acknowledgement received");
    answer_stored(told)
}
