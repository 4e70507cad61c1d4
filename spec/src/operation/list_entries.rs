//! `GET /v1/transfers/{transfer}/entries`: the ledger with its receipts, to its two parties. Text: 09-transport.

use serde::Serialize;

use crate::canonical::{Json, ShapeError};
use crate::instant::TransferId;
use crate::openapi::LedgerEntry;
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
}

impl EntryPage {
    /// Reads a page; the entries are kept as received.
    pub fn read(json: &Json) -> Result<Self, ShapeError> {
        let more = json.member("more").and_then(|more| more.value().as_bool());
        let list = json.member("entries").ok_or_else(|| ShapeError::at("/entries"))?;
        let count = list.value().as_array().ok_or_else(|| ShapeError::at("/entries"))?.len();
        let entries = (0..count).filter_map(|index| list.item(index)).collect();
        Ok(Self { entries, more: more.ok_or_else(|| ShapeError::at("/more"))? })
    }
}

/// The ledger with its receipts
///
/// Only the two parties get it. Anyone else gets byte for byte the answer for a ledger that doesn't exist.
#[utoipa::path(
    get,
    path = "/v1/transfers/{transfer}/entries",
    operation_id = "list_entries",
    tag = "transfers",
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
