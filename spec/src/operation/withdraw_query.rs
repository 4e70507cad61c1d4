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
    tag = "queries",
    params(
        ("query" = QueryId, Path, description = "The query"),
        ("CME-Incarnation" = Option<u64>, Header, description = "How often the caller's database was restored", maximum = 9_007_199_254_740_991_u64),
    ),
    responses((status = 200, description = "Withdrawn, now or before", body = SignedStored)),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn withdraw_query() {}

super::operation!(
    withdraw_query,
    __path_withdraw_query,
    &[P::QueryUnknown, P::IncarnationStale],
    profile: "queries"
);
