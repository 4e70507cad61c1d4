//! `PUT /v1/notices/{notice}`.

use actix_web::{HttpRequest, HttpResponse, web};
use cme_spec::notice::Notice;
use cme_spec::problem::ProblemType;

use super::answer_stored;
use crate::extract::{Caller, Fault, statement_body};
use crate::notices::receive;

/// Implements: NTC-002, TRN-017
pub(crate) async fn put_notice(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Fault> {
    let notice: Notice = statement_body(&request, payload).await?;
    let (id, kind, author) = (notice.header().notice, notice.header().kind, notice.header().author);
    if request.match_info().get("notice") != Some(id.to_string().as_str()) {
        return Err(ProblemType::PathMismatch.into());
    }
    let told = receive(&caller.desk()?, notice).await?;
    tracing::info!(notice = %id, %kind, %author, outcome = told.name(), "notice received");
    answer_stored(told)
}
