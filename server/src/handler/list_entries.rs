//! `GET /v1/transfers/{transfer}/entries`.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use cme_spec::canonical::Json;
use cme_spec::entry::Entry;
use cme_spec::instant::TransferId;
use cme_spec::ledger::fork;
use cme_spec::operation::list_entries::{EntryPage, PAGE_ITEMS_DEFAULT};
use cme_spec::problem::{Problem, ProblemType};

use super::get_capabilities::PAGE_ITEMS_MAX;
use super::ok;
use crate::extract::{Caller, Fault};
use crate::node::Told;
use crate::store::ledgers::{self, LedgerKey};
use crate::store::{StoreError, Tx};

/// Bytes of one page's entries; a page ends early rather than grow beyond it.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Entries read from the store in one go.
const ENTRIES_AT_ONCE: u64 = 16;

/// Implements: TRN-012, TRN-014, TRN-015, RCV-012
pub(crate) async fn list_entries(
    caller: Caller,
    request: HttpRequest,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, Fault> {
    let from = number(&query, "from", 0)?;
    let limit = number(&query, "limit", PAGE_ITEMS_DEFAULT)?;
    if limit == 0 || limit > PAGE_ITEMS_MAX {
        return Err(Problem::new(ProblemType::CursorInvalid).detail("limit is out of range").into());
    }
    // A text that names no transfer gets what a transfer of somebody else gets.
    let transfer = request.match_info().get("transfer").and_then(|text| text.parse::<TransferId>().ok());
    let transfer = transfer.ok_or(ProblemType::LedgerUnknown)?;
    let (hosted, authority, archive) = (caller.hosted()?.code, caller.authority, caller.archive.clone());
    let found = caller.node.store().read(move |tx| {
        let Some(directory) = archive.newest().map(cme_spec::envelope::Signed::content) else {
            return Ok(None);
        };
        let held = ledgers::of_transfer(tx, transfer)?.into_iter().find(|held| {
            directory.acts_for(hosted, held.key.hosted)
                && directory.acts_for(authority, held.key.counterparty)
        });
        let Some(held) = held else { return Ok(None) };
        let page = page(tx, &held.key, from, limit)?;
        let branches = ledgers::branch_entries(tx, &held.key)?;
        Ok(Some((held, page, branches)))
    });
    let (held, page, branches) = found.await?.ok_or(ProblemType::LedgerUnknown)?;
    let after = from.saturating_add(page.len() as u64);
    let more = !page.is_empty() && after <= held.ledger.head.sequence;
    let told = Told {
        at: caller.node.now(),
        incarnation: caller.node.incarnation(),
        directory_issue: caller.directory()?.issue,
    };
    let head = caller.signer()?.head(&held.ledger, held.key.hosted, told).to_json();
    let branch =
        |entries: &Vec<Entry>| Json::object([("entries", Json::array(entries.iter().map(Entry::to_json)))]);
    let forks = fork::branches(branches).iter().map(branch).collect();
    Ok(ok(&EntryPage { entries: page, more, head, forks }))
}

/// Entries from a place on, read a few at a time: a page never holds much more than its bytes.
fn page(tx: &mut dyn Tx, key: &LedgerKey, from: u64, limit: u64) -> Result<Vec<Json>, StoreError> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    loop {
        let left = limit - page.len() as u64;
        let entries =
            ledgers::entries(tx, key, from.saturating_add(page.len() as u64), left.min(ENTRIES_AT_ONCE))?;
        if entries.is_empty() {
            return Ok(page);
        }
        for json in entries.iter().map(Entry::to_json) {
            bytes += json.canonical_bytes().len();
            if !page.is_empty() && bytes > PAGE_BYTES_MAX {
                return Ok(page);
            }
            page.push(json);
        }
    }
}

fn number(query: &HashMap<String, String>, name: &str, absent: u64) -> Result<u64, Fault> {
    let Some(text) = query.get(name) else { return Ok(absent) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text
        .parse()
        .ok()
        .filter(|number| digits && *number <= cme_spec::canonical::INTEGER_MAX.unsigned_abs());
    number.ok_or_else(|| {
        Problem::new(ProblemType::CursorInvalid).detail(format!("{name} is not a number")).into()
    })
}
