//! `GET /v1/reconciliation`: count and digest of the ledgers shared with the caller. Text: 11-recovery.

use crate::openapi::SignedReconciliation;

/// Count and digest of the ledgers shared with the caller
///
/// Equal counts and digests at both ends finish the daily check in one call.
#[utoipa::path(
    get,
    path = "/v1/reconciliation",
    operation_id = "get_reconciliation",
    responses((status = 200, description = "Signed count and digest", body = SignedReconciliation)),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn get_reconciliation() {}

super::operation!(get_reconciliation, __path_get_reconciliation, &[]);
