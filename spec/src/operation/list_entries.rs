//! `GET /v1/transfers/{transfer}/entries`: the ledger with its receipts, to its two parties. Text: 09-transport.

use serde::Serialize;

use crate::canonical::{Json, ShapeError};
use crate::instant::TransferId;
use crate::openapi::{LedgerEntry, SignedHead};
use crate::problem::ProblemType as P;

/// Entries of one page when the caller names no number.
pub const PAGE_ITEMS_DEFAULT: u64 = 100;

/// A part of a ledger.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryPage {
    /// Entries in order, from the sequence asked for.
    #[schema(value_type = Vec<LedgerEntry>)]
    pub entries: Vec<Json>,
    /// Whether the ledger goes on after this page.
    pub more: bool,
    /// The answering authority's signed head, made for this answer.
    #[schema(value_type = SignedHead)]
    pub head: Json,
    /// Further branches of a forked ledger, each from the place where it parts; empty when there is no fork.
    #[schema(value_type = Vec<Branch>)]
    pub forks: Vec<Json>,
}

/// A further branch of a forked ledger.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// Its entries in order, from the place where it parts from the main copy.
    #[schema(value_type = Vec<LedgerEntry>)]
    pub entries: Vec<Json>,
}

impl EntryPage {
    /// Reads a page; entries, head and branches are kept as received.
    pub fn read(json: &Json) -> Result<Self, ShapeError> {
        let missing = |name: &str| ShapeError::at(format!("/{name}"));
        let list = |name: &str| -> Result<Vec<Json>, ShapeError> {
            json.member(name).and_then(|list| list.items()).ok_or_else(|| missing(name))
        };
        let more = json.member("more").and_then(|more| more.value().as_bool());
        Ok(Self {
            entries: list("entries")?,
            more: more.ok_or_else(|| missing("more"))?,
            head: json
                .member("head")
                .filter(|head| head.value().is_object())
                .ok_or_else(|| missing("head"))?,
            forks: list("forks")?,
        })
    }
}

/// The ledger with its receipts
///
/// Only the two parties get it. Anyone else gets byte for byte the answer for a ledger that doesn't exist.
#[utoipa::path(
    get,
    path = "/v1/transfers/{transfer}/entries",
    operation_id = "list_entries",
    params(
        ("transfer" = TransferId, Path, description = "The ledger"),
        ("from" = Option<u64>, Query, description = "The first sequence wanted; 0 when absent", maximum = 9_007_199_254_740_991_u64),
        ("limit" = Option<u64>, Query, description = "Entries wanted at most; 100 when absent", minimum = 1, maximum = 1_000),
    ),
    responses((status = 200, description = "Entries in order", body = EntryPage)),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn list_entries() {}

super::operation!(list_entries, __path_list_entries, &[P::CursorInvalid, P::LedgerUnknown]);
