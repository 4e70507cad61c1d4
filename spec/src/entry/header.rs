//! The signed part of an entry.

use serde::{Deserialize, Serialize};

use super::EntryType;
use crate::codes::ClockClass;
use crate::digest::Digest;
use crate::ids::AuthorityCode;
use crate::instant::{EntryId, Instant, ResponsibilityId, TransferId};
use crate::ledger::Ledger;

/// Names the responsibility that a ledger hands over, and which hand-over of it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponsibilityRef {
    /// The child's case, the same in every transfer of it.
    pub id: ResponsibilityId,
    /// 1 for the first hand-over; one more after each accepted one.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub epoch: u64,
}

/// Names one entry of one ledger by its header's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerPoint {
    /// The ledger.
    pub transfer: TransferId,
    /// The entry's place, from 0.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    /// Digest of the entry's header.
    pub header_digest: Digest,
}

/// The newest entry of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadRef {
    /// The entry's place, from 0.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    /// Digest of the entry's header.
    pub header_digest: Digest,
}

/// The signed part of an entry. It holds no direct personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Protocol version, fixed for a ledger by its offer.
    #[schema(pattern = "^1\\.[0-9]+$", example = "1.0")]
    pub protocol: String,
    /// The ledger.
    pub transfer: TransferId,
    /// Place in the ledger, from 0.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    /// Digest of the header before; null for the offer.
    #[serde(deserialize_with = "crate::text::present_or_null")]
    #[schema(required)]
    pub previous: Option<Digest>,
    /// Minted once, when the author decided.
    pub id: EntryId,
    /// What the entry does.
    #[serde(rename = "type")]
    pub kind: EntryType,
    /// The authority that decided and signed.
    pub author: AuthorityCode,
    /// The other party.
    pub recipient: AuthorityCode,
    /// When the author decided.
    pub created_at: Instant,
    /// The responsibility, fixed for a ledger by its offer.
    pub responsibility: ResponsibilityRef,
    /// Which clocks hold, fixed for a ledger by its offer.
    pub clock_class: ClockClass,
    /// Digest of the body.
    pub body_digest: Digest,
    /// Offer only: the head of the ledger that this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::text::never_null")]
    pub preceded_by: Option<LedgerPoint>,
    /// Offer only: the last seen head of a ledger whose sequencer the directory marks unavailable.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::text::never_null")]
    pub supersedes: Option<LedgerPoint>,
    /// Offer only: both heads of the forked ledger that this one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::text::never_null")]
    #[schema(min_items = 2, max_items = 2)]
    pub successor_of: Option<Vec<LedgerPoint>>,
}

impl Header {
    /// The header of the entry after the ledger's newest; [`Entry::sign`] fills in the body's digest.
    ///
    /// `created_at` is raised to the predecessor's when the author's clock is behind it.
    /// Implements: LED-002
    pub fn following(
        ledger: &Ledger,
        kind: EntryType,
        author: AuthorityCode,
        id: EntryId,
        created_at: Instant,
    ) -> Self {
        let terms = &ledger.terms;
        let recipient = if author == terms.receiving { terms.originating } else { terms.receiving };
        Self {
            protocol: terms.protocol.clone(),
            transfer: terms.transfer,
            sequence: ledger.head.sequence + 1,
            previous: Some(ledger.head.header_digest),
            id,
            kind,
            author,
            recipient,
            created_at: created_at.max(ledger.created_at),
            responsibility: terms.responsibility,
            clock_class: terms.clock_class,
            body_digest: Digest::of(&[]),
            preceded_by: None,
            supersedes: None,
            successor_of: None,
        }
    }

    /// The same decision for another place: the header that takes its turn after the ledger's newest entry.
    ///
    /// Only `sequence`, `previous` and `createdAt` change, so the id stays. Whether the decision still holds is
    /// the author's to say first. Implements: ENT-005
    #[must_use]
    pub fn moved(&self, ledger: &Ledger, created_at: Instant) -> Self {
        Self {
            sequence: ledger.head.sequence + 1,
            previous: Some(ledger.head.header_digest),
            created_at: created_at.max(ledger.created_at),
            ..self.clone()
        }
    }

    /// How many ledgers this header links to: an offer may name one way of following another, the rest none.
    pub fn links(&self) -> usize {
        [self.preceded_by.is_some(), self.supersedes.is_some(), self.successor_of.is_some()]
            .into_iter()
            .filter(|present| *present)
            .count()
    }

    /// The transfer that an offer carries on, however it does.
    pub fn follows(&self) -> Option<TransferId> {
        let forked = self.successor_of.as_ref().and_then(|ends| ends.first());
        let point = self.preceded_by.as_ref().or(self.supersedes.as_ref()).or(forked);
        point.map(|point| point.transfer)
    }

    /// Holds when author and recipient are these two, in either order, and not one authority twice.
    pub fn is_between(&self, a: AuthorityCode, b: AuthorityCode) -> bool {
        let pair = (self.author, self.recipient);
        a != b && (pair == (a, b) || pair == (b, a))
    }
}
