//! `GET /v1/heads`.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use cme_spec::ids::AuthorityCode;
use cme_spec::operation::list_heads::{HeadPage, PAGE_ITEMS};
use cme_spec::problem::ProblemType;

use super::ok;
use crate::extract::{Caller, Fault};
use crate::node::Told;
use crate::store::ledgers;

/// Implements: RCV-004, TRN-012
pub(crate) async fn list_heads(
    caller: Caller,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, Fault> {
    let incarnation = caller.node.incarnation();
    let after = match query.get("after") {
        Some(cursor) => read_cursor(cursor, incarnation, caller.authority)?,
        None => 0,
    };
    let hosted = caller.signer()?;
    let pair = (hosted.code, caller.authority);
    let held =
        caller.node.store().read(move |tx| ledgers::changed_after(tx, pair, after, PAGE_ITEMS + 1)).await?;
    let more = held.len() as u64 > PAGE_ITEMS;
    let page = &held[..held.len().min(usize::try_from(PAGE_ITEMS).unwrap_or(usize::MAX))];
    let told = Told { at: caller.node.now(), incarnation, directory_issue: caller.directory()?.issue };
    let next = page.last().map_or(after, |held| held.changed);
    Ok(ok(&HeadPage {
        incarnation,
        heads: page.iter().map(|held| hosted.head(&held.ledger, held.key.hosted, told).to_json()).collect(),
        next: written(incarnation, next, caller.authority),
        more,
    }))
}

/// A cursor names whom it was given to.
fn written(incarnation: u64, place: i64, caller: AuthorityCode) -> String {
    format!("{incarnation}.{place}.{caller}")
}

/// A cursor has one written form: the one that was given out, to this caller. Implements: RCV-006
fn read_cursor(cursor: &str, incarnation: u64, caller: AuthorityCode) -> Result<i64, Fault> {
    let mut parts = cursor.split('.');
    let of = parts.next().and_then(|of| of.parse::<u64>().ok());
    let place = parts.next().and_then(|place| place.parse::<i64>().ok());
    let parts = of.zip(place).filter(|(of, place)| *place >= 0 && written(*of, *place, caller) == cursor);
    match parts {
        Some((of, place)) if of == incarnation => Ok(place),
        // An incarnation that is still to come gave out nothing.
        Some((of, _)) if (1..incarnation).contains(&of) => Err(ProblemType::CursorExpired.into()),
        _ => Err(ProblemType::CursorInvalid.into()),
    }
}
