//! `PUT /v1/notices/{notice}/acknowledgement`: say that a person has read a notice. Text: 17-notices.

use crate::instant::NoticeId;
use crate::openapi::{SignedAcknowledgement, SignedStored};
use crate::problem::ProblemType as P;

/// Say that a person has read a notice
///
/// The authority that was told sends it to the author of the notice, on an officer's decision.
#[utoipa::path(
    put,
    path = "/v1/notices/{notice}/acknowledgement",
    operation_id = "put_acknowledgement",
    params(
        ("notice" = NoticeId, Path, description = "The notice"),
    ),
    request_body(content = SignedAcknowledgement, description = "The acknowledgement"),
    responses(
        (status = 201, description = "Stored", body = SignedStored),
        (status = 200, description = "Stored before; the receipt given then", body = SignedStored),
    ),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn put_acknowledgement() {}

super::operation!(
    put_acknowledgement,
    __path_put_acknowledgement,
    &[
        P::MediaType,
        P::TooLarge,
        P::LimitExceeded,
        P::PathMismatch,
        P::NotAParty,
        P::NoticeUnknown,
        P::SignatureInvalid,
        P::KeyUnknown,
        P::KeyNotValid,
        P::IdReused,
    ],
    profile: "notices"
);
