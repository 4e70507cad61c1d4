//! `PUT /v1/queries/{query}/answers/{number}`: bring a later answer to who asked. Text: 15-queries.

use crate::instant::QueryId;
use crate::openapi::{SignedAnswer, SignedStored};
use crate::problem::ProblemType as P;

/// Bring a later answer to the authority that asked
///
/// The authority that was asked sends it, after an officer's decision, until it holds the storage receipt.
#[utoipa::path(
    put,
    path = "/v1/queries/{query}/answers/{number}",
    operation_id = "put_answer",
    params(
        ("query" = QueryId, Path, description = "The query"),
        ("number" = u64, Path, description = "The answer's number, from 0", maximum = 15),
    ),
    request_body(content = SignedAnswer, description = "The answer"),
    responses(
        (status = 201, description = "Stored", body = SignedStored),
        (status = 200, description = "Stored before; the receipt given then", body = SignedStored),
    ),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn put_answer() {}

super::operation!(
    put_answer,
    __path_put_answer,
    &[
        P::MediaType,
        P::TooLarge,
        P::LimitExceeded,
        P::PathMismatch,
        P::NotAParty,
        P::QueryUnknown,
        P::SignatureInvalid,
        P::KeyUnknown,
        P::KeyNotValid,
        P::IdReused,
        P::AnswerGap,
        P::AnswerNotAllowed,
    ],
    profile: "queries"
);
