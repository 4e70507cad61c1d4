//! `GET /v1/capabilities`.

use actix_web::HttpResponse;
use cme_spec::canonical::Limits;
use cme_spec::entry::PROTOCOL;
use cme_spec::operation::get_capabilities::{Capabilities, CapabilityLimits, PROFILES, Software};
use cme_spec::problem::ProblemType;

use super::ok;
use crate::extract::{Caller, Fault};

/// Entries or heads of one page at most.
pub const PAGE_ITEMS_MAX: u64 = 1_000;

pub(crate) async fn get_capabilities(caller: Caller) -> Result<HttpResponse, Fault> {
    let newest = caller.archive.newest().ok_or(ProblemType::Unavailable)?;
    Ok(ok(&Capabilities {
        authority: caller.hosted()?.code,
        protocols: vec![PROTOCOL.to_owned()],
        profiles: PROFILES.iter().map(|profile| (*profile).to_owned()).collect(),
        limits: CapabilityLimits {
            entry_bytes_max: Limits::ENTRY.bytes_max as u64,
            depth_max: Limits::ENTRY.depth_max as u64,
            page_items_max: PAGE_ITEMS_MAX,
        },
        software: Software {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        incarnation: caller.node.incarnation(),
        directory_issue: newest.content().issue,
        directory_digest: newest.envelope().digest(),
    }))
}
