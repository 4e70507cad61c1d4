//! What is told once: a matter of a ledger or of a query.

use cme_spec::ids::AuthorityCode;

use crate::store::ledgers::LedgerKey;
use crate::store::queries::QueryKey;
use crate::store::{Row, StoreError, Value};

/// Matters of queries. Those of shielded children are for the officer for restricted children alone.
pub mod matters {
    /// A person has to say whether a child who may be the one is.
    pub const POSSIBLE: &str = "possible-match";
    /// A child who was added or changed matches a query that stands.
    pub const STANDING: &str = "standing-match";
    /// Several authorities ask about one child.
    pub const MANY: &str = "asked-by-many";
    /// A shielded child matches a query.
    pub const SHIELDED: &str = "shielded-match";
    /// A shielded child who was added or changed matches a query that stands.
    pub const SHIELDED_STANDING: &str = "shielded-standing-match";
    /// Several authorities ask about one shielded child.
    pub const SHIELDED_MANY: &str = "shielded-asked-by-many";
    /// All of them.
    pub(super) const ALL: [&str; 6] = [POSSIBLE, STANDING, MANY, SHIELDED, SHIELDED_STANDING, SHIELDED_MANY];
}

/// What an occasion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A transfer.
    Ledger(LedgerKey),
    /// A query that was put to a hosted authority.
    Query(QueryKey),
}

impl Subject {
    fn values(&self) -> [Value; 3] {
        match self {
            Self::Ledger(key) => key.values(),
            Self::Query(key) => key.values(),
        }
    }

    /// The hosted authority.
    pub const fn hosted(&self) -> AuthorityCode {
        match self {
            Self::Ledger(key) => key.hosted,
            Self::Query(key) => key.hosted,
        }
    }

    /// The other authority.
    pub const fn peer(&self) -> AuthorityCode {
        match self {
            Self::Ledger(key) => key.counterparty,
            Self::Query(key) => key.author,
        }
    }
}

/// The id of the transfer or query.
impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ledger(key) => key.transfer.fmt(f),
            Self::Query(key) => key.query.fmt(f),
        }
    }
}

/// What is told once: a matter of a ledger or a query, and what tells one such matter from the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// The ledger or query.
    pub subject: Subject,
    /// A clock's code, or the name of a matter without a clock.
    pub matter: String,
    /// The clock's last day, the letter's id, the entry's place, the instant; empty where there can be one only.
    pub detail: String,
}

/// The occasion whose columns begin at `from`: hosted, counterparty, transfer, clock, `due_on`.
pub(super) fn occasion(row: &Row, from: usize) -> Result<Occasion, StoreError> {
    let (hosted, peer) = (row.parsed(from)?, row.parsed(from + 1)?);
    let matter = row.text(from + 3)?.to_owned();
    let subject = if matters::ALL.contains(&matter.as_str()) {
        Subject::Query(QueryKey { hosted, author: peer, query: row.parsed(from + 2)? })
    } else {
        Subject::Ledger(LedgerKey { hosted, counterparty: peer, transfer: row.parsed(from + 2)? })
    };
    Ok(Occasion { subject, matter, detail: row.text(from + 4)?.to_owned() })
}

impl Occasion {
    /// Whether only an officer for restricted children may learn of it.
    pub fn is_restricted(&self) -> bool {
        [matters::SHIELDED, matters::SHIELDED_STANDING, matters::SHIELDED_MANY]
            .contains(&self.matter.as_str())
    }

    pub(super) fn values(&self) -> [Value; 5] {
        let [hosted, counterparty, transfer] = self.subject.values();
        [hosted, counterparty, transfer, self.matter.as_str().into(), self.detail.as_str().into()]
    }

    pub(super) fn values_and(&self, rest: impl IntoIterator<Item = Value>) -> Vec<Value> {
        self.values().into_iter().chain(rest).collect()
    }
}
