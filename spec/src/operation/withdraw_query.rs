//! `DELETE /v1/queries/{query}`: ask no more. Text: 15-queries.

use crate::instant::QueryId;
use crate::openapi::SignedStored;
use crate::problem::ProblemType as P;

/// Withdraw a query
///
/// It stands no longer, and the authority that was asked erases its body.
#[utoipa::path(
    delete,
    path = "/v1/queries/{query}",
    operation_id = "withdraw_query",
    params(
        ("query" = QueryId, Path, description = "The query"),
    ),
    responses((status = 200, description = "Withdrawn, now or before", body = SignedStored)),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn withdraw_query() {}

super::operation!(
    withdraw_query,
    __path_withdraw_query,
    &[P::QueryUnknown],
    profile: "queries"
);
