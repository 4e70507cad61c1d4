//! `PUT /v1/notices/{notice}`: tell a fact about a child of another authority's area. Text: 17-notices.

use crate::instant::NoticeId;
use crate::openapi::{SignedNotice, SignedStored};
use crate::problem::ProblemType as P;

/// Tell a fact about a child of another authority's area
///
/// It moves no responsibility. The receipt says that it is stored; that a person has read it is said later, by
/// an acknowledgement.
#[utoipa::path(
    put,
    path = "/v1/notices/{notice}",
    operation_id = "put_notice",
    params(
        ("notice" = NoticeId, Path, description = "The notice"),
    ),
    request_body(content = SignedNotice, description = "The notice; its digests are over the JSON value as sent"),
    responses(
        (status = 201, description = "Stored", body = SignedStored),
        (status = 200, description = "Stored before; the receipt given then", body = SignedStored),
    ),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn put_notice() {}

super::operation!(
    put_notice,
    __path_put_notice,
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
        P::SignatureInvalid,
        P::KeyUnknown,
        P::KeyNotValid,
        P::IdReused,
        P::CreatedAtSkew,
    ],
    profile: "notices"
);
