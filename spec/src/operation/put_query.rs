//! `PUT /v1/queries/{query}`: ask whether an authority knows a child. Text: 15-queries.

use serde::Serialize;

use crate::canonical::{Json, ShapeError};
use crate::instant::QueryId;
use crate::openapi::{SignedAnswer, SignedQuery};
use crate::problem::ProblemType as P;
use crate::query::ANSWERS_MAX;

/// The answers to a query so far.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct QueryAnswers {
    /// Signed answers in order, from number 0.
    #[schema(value_type = Vec<SignedAnswer>, min_items = 1, max_items = 16)]
    pub answers: Vec<Json>,
}

impl QueryAnswers {
    /// Reads the answers; each is kept as received.
    pub fn read(json: &Json) -> Result<Self, ShapeError> {
        let fault = || ShapeError::at("/answers");
        let answers = json.member("answers").and_then(|list| list.items()).ok_or_else(fault)?;
        if answers.is_empty() || answers.len() as u64 > ANSWERS_MAX {
            return Err(fault());
        }
        Ok(Self { answers })
    }
}

/// Ask whether the authority knows a child
///
/// The same bytes can be sent again without harm: the answers are then those given before. An answer is
/// `possible` where a person has to look; that person's answer is put to the asking authority later.
#[utoipa::path(
    put,
    path = "/v1/queries/{query}",
    operation_id = "put_query",
    params(
        ("query" = QueryId, Path, description = "The query"),
    ),
    request_body(content = SignedQuery, description = "The query; its digests are over the JSON value as sent"),
    responses((status = 200, description = "Every answer so far, from number 0", body = QueryAnswers)),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn put_query() {}

super::operation!(
    put_query,
    __path_put_query,
    &[
        P::MediaType,
        P::TooLarge,
        P::LimitExceeded,
        P::PathMismatch,
        P::NotAParty,
        P::ProtocolUnsupported,
        P::BodyMissing,
        P::BodyDigestMismatch,
        P::BodyInvalid,
        P::QueryNotAllowed,
        P::SignatureInvalid,
        P::KeyUnknown,
        P::KeyNotValid,
        P::IdReused,
        P::CreatedAtSkew,
        P::QuotaExceeded,
    ],
    profile: "queries"
);
