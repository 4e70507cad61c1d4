//! `GET /v1/heads`: the signed heads of all ledgers shared with the caller, in commit order. Text: 11-recovery.

use std::num::NonZeroU64;

use serde::Serialize;

use crate::canonical::{Json, ShapeError};
use crate::openapi::SignedHead;
use crate::problem::ProblemType as P;

/// Heads of one page.
pub const PAGE_ITEMS: u64 = 200;

/// Characters of the longest cursor.
pub const CURSOR_CHARS_MAX: usize = 64;

/// Whether a text can be a cursor: what a client puts into a URL as it is.
pub fn is_cursor(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=CURSOR_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Heads in the order in which the ledgers last changed.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadPage {
    /// How often the answering server's database was restored; a cursor holds within one incarnation.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// Signed heads.
    #[schema(value_type = Vec<SignedHead>)]
    pub heads: Vec<Json>,
    /// Cursor for the next call.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub next: String,
    /// Whether more heads wait already.
    pub more: bool,
}

impl HeadPage {
    /// Reads a page; the heads are kept as received.
    pub fn read(json: &Json) -> Result<Self, ShapeError> {
        let member = |name: &str| json.member(name).ok_or_else(|| ShapeError::at(format!("/{name}")));
        let heads = member("heads")?.items().ok_or_else(|| ShapeError::at("/heads"))?;
        Ok(Self {
            incarnation: member("incarnation")?.read::<NonZeroU64>()?.get(),
            heads,
            next: member("next")?
                .read::<String>()
                .ok()
                .filter(|next| is_cursor(next))
                .ok_or_else(|| ShapeError::at("/next"))?,
            more: member("more")?.read()?,
        })
    }
}

/// Signed heads of all ledgers shared with the caller
///
/// Closed ledgers too. A ledger that changed since the cursor stands once, with its newest head.
#[utoipa::path(
    get,
    path = "/v1/heads",
    operation_id = "list_heads",
    params(("after" = Option<String>, Query, description = "Cursor of an earlier answer; from the start when absent", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = 200, description = "Heads in commit order", body = HeadPage)),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn list_heads() {}

super::operation!(list_heads, __path_list_heads, &[P::CursorInvalid, P::CursorExpired]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_can_stand_in_a_url_as_it_is() {
        assert!(is_cursor("1.17") && is_cursor("a-Z_9") && is_cursor(&"x".repeat(CURSOR_CHARS_MAX)));
        for wrong in ["", "a&b", "a b", "%41", "é", "a/b", &"x".repeat(CURSOR_CHARS_MAX + 1)] {
            assert!(!is_cursor(wrong), "{wrong}");
        }
        let page = r#"{"incarnation":1,"heads":[],"next":"a&from=0","more":false}"#;
        let page = Json::decode(page.as_bytes(), &crate::canonical::Limits::ENTRY).unwrap();
        assert_eq!(HeadPage::read(&page).unwrap_err().pointer, "/next");
    }
}
