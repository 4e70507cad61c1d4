//! `GET /v1/capabilities`: what this authority's server can do. Text: 09-transport.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::AuthorityCode;

/// Profiles that the code of this repository implements.
pub const PROFILES: &[&str] = &["core", "recovery", "notices", "queries", "standing-queries"];

/// What an authority's server can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// The authority that answers.
    pub authority: AuthorityCode,
    /// Protocol versions it holds, newest first.
    #[schema(min_items = 1)]
    pub protocols: Vec<String>,
    /// Profiles it takes part in.
    #[schema(min_items = 1)]
    pub profiles: Vec<String>,
    /// Its limits.
    pub limits: CapabilityLimits,
    /// Software that answers.
    pub software: Software,
    /// How often its database was restored.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// Directory issue it works by.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub directory_issue: u64,
    /// Digest of that issue's `directory` object: peers that hold another issue of this number find out.
    pub directory_digest: Digest,
}

/// Limits that a peer can rely on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapabilityLimits {
    /// Bytes of one entry with its receipts.
    #[schema(minimum = 65_536, maximum = 9_007_199_254_740_991_u64)]
    pub entry_bytes_max: u64,
    /// Nesting of JSON.
    #[schema(minimum = 8, maximum = 128)]
    pub depth_max: u64,
    /// Entries or heads of one page.
    #[schema(minimum = 1, maximum = 1_000)]
    pub page_items_max: u64,
}

/// Software that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Software {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Versions, profiles and limits
///
/// A peer reads them before it first uses something that not every version has.
#[utoipa::path(
    get,
    path = "/v1/capabilities",
    operation_id = "get_capabilities",
    responses((status = 200, description = "What this authority's server can do", body = Capabilities)),
)]
#[expect(dead_code, reason = "carries the annotation; the server has the handler")]
fn get_capabilities() {}

super::operation!(get_capabilities, __path_get_capabilities, &[]);
