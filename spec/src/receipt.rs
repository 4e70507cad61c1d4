//! What the storing server signs: receipts of entries, heads of ledgers, and the count of a pair's ledgers.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::entry::{Entry, HeadRef};
use crate::envelope::Document;
use crate::ids::AuthorityCode;
use crate::instant::{EntryId, Instant, TransferId};
use crate::ledger::Stage;

/// "I hold this entry, on disk." Never an acceptance of responsibility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The ledger.
    pub transfer: TransferId,
    /// The entry's place.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    /// The entry's id.
    pub entry_id: EntryId,
    /// Digest of the entry's header.
    pub header_digest: Digest,
    /// When the entry was stored.
    pub received_at: Instant,
    /// The authority whose server stored it.
    pub by: AuthorityCode,
    /// How often that server's database was restored.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// The directory issue under which the entry was judged, and whose clocks start here.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub directory_issue: u64,
}

impl Receipt {
    /// Holds when this receipt is about that entry. Implements: RCP-006
    pub fn is_for(&self, entry: &Entry) -> bool {
        let header = entry.header();
        self.transfer == header.transfer
            && self.sequence == header.sequence
            && self.entry_id == header.id
            && self.header_digest == entry.header_digest()
    }
}

impl Document for Receipt {
    const MEMBER: &'static str = "receipt";
    const TYP: &'static str = "cme-receipt";
}

/// "My copy of this ledger ends here."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The ledger.
    pub transfer: TransferId,
    /// The party that offered.
    pub originating: AuthorityCode,
    /// The party that was asked, and that orders the entries.
    pub receiving: AuthorityCode,
    /// Place of the newest entry.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    /// Digest of the newest entry's header.
    pub header_digest: Digest,
    /// Stage after the newest entry.
    pub stage: Stage,
    /// When this was said.
    pub at: Instant,
    /// Whose copy.
    pub by: AuthorityCode,
    /// How often that server's database was restored.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// The directory issue that server works by.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub directory_issue: u64,
}

impl Head {
    /// The newest entry.
    pub fn point(&self) -> HeadRef {
        HeadRef { sequence: self.sequence, header_digest: self.header_digest }
    }
}

impl Document for Head {
    const MEMBER: &'static str = "head";
    const TYP: &'static str = "cme-head";
}

/// "These are all the ledgers that you and I share": a count and one digest, to end the daily check in one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliation {
    /// Whose copies.
    pub by: AuthorityCode,
    /// The other party.
    pub with: AuthorityCode,
    /// Ledgers that both are parties of, closed ones too.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub ledgers: u64,
    /// Digest of the list of heads; see [`reconciliation_digest`].
    pub digest: Digest,
    /// When this was said.
    pub at: Instant,
    /// How often that server's database was restored.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// The directory issue that server works by.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub directory_issue: u64,
}

impl Document for Reconciliation {
    const MEMBER: &'static str = "reconciliation";
    const TYP: &'static str = "cme-reconciliation";
}

/// One ledger in the digest of a reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconciledHead {
    /// The ledger.
    pub transfer: TransferId,
    /// Place of the newest entry.
    pub sequence: u64,
    /// Digest of the newest entry's header.
    pub header_digest: Digest,
}

/// Digest over the canonical bytes of `{"heads":[{transfer, sequence, headerDigest}, ...]}`, sorted by transfer.
///
/// Implements: RCV-007
///
/// # Panics
/// When a sequence is beyond 2^53-1, which no ledger reaches.
pub fn reconciliation_digest(mut heads: Vec<ReconciledHead>) -> Digest {
    heads.sort_unstable();
    let items =
        heads.iter().map(|head| crate::canonical::Json::from_typed(head).expect("a typed head is canonical"));
    crate::canonical::Json::object([("heads", crate::canonical::Json::array(items))]).digest()
}

/// What a storage receipt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoredKind {
    /// A later answer to a query.
    Answer,
    /// The withdrawal of a query.
    Withdrawal,
    /// A notice.
    Notice,
    /// The acknowledgement of a notice.
    Acknowledgement,
}

/// "I hold this, on disk": of what stands in no ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// What it is.
    pub kind: StoredKind,
    /// The query or notice.
    #[schema(
        pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        example = "019a1b2c-3d4e-7f54-8a6b-0c1d2e3f4a5f"
    )]
    pub id: String,
    /// Digest of the signed value: of a header, an answer or an acknowledgement.
    pub digest: Digest,
    /// When it was stored.
    pub received_at: Instant,
    /// The authority whose server stored it.
    pub by: AuthorityCode,
    /// How often that server's database was restored.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// The directory issue that server works by.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub directory_issue: u64,
}

impl Document for Stored {
    const MEMBER: &'static str = "stored";
    const TYP: &'static str = "cme-stored";
}
