//! `PUT /v1/transfers/{transfer}/entries/{sequence}`: append or deliver one entry. Text: 09-transport, 10-delivery.

use crate::instant::TransferId;
use crate::openapi::{LedgerEntry, SignedReceipt};
use crate::problem::ProblemType as P;

/// Append or deliver one entry
///
/// The originating authority proposes an entry without receipts and gets the sequencer's receipt. The
/// sequencer delivers an entry with its own receipt and gets the other party's. The same bytes can be sent
/// again without harm: the answer is then 200 with the receipt given before.
#[utoipa::path(
    put,
    path = "/v1/transfers/{transfer}/entries/{sequence}",
    operation_id = "put_entry",
    params(
        ("transfer" = TransferId, Path, description = "The ledger"),
        ("sequence" = u64, Path, description = "The entry's place, from 0", maximum = 9_007_199_254_740_991_u64),
    ),
    request_body(content = LedgerEntry, description = "The entry; its digests are over the JSON value as sent"),
    responses(
        (status = 201, description = "Stored; the receipt was given after the entry was on disk", body = SignedReceipt),
        (status = 200, description = "Stored before; the receipt given then", body = SignedReceipt),
    ),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn put_entry() {}

super::operation!(
    put_entry,
    __path_put_entry,
    &[
        P::MediaType,
        P::TooLarge,
        P::LimitExceeded,
        P::PathMismatch,
        P::NotAParty,
        P::TypeUnknown,
        P::ProtocolUnsupported,
        P::BodyMissing,
        P::BodyDigestMismatch,
        P::BodyInvalid,
        P::SignatureInvalid,
        P::KeyUnknown,
        P::KeyNotValid,
        P::IdReused,
        P::SequenceConflict,
        P::SequenceGap,
        P::Forked,
        P::WrongAuthor,
        P::ReceiptMissing,
        P::ReceiptInvalid,
        P::NotAllowedInStage,
        P::HeaderChanged,
        P::CreatedAtOrder,
        P::CreatedAtSkew,
        P::PairSuspended,
    ]
);
