//! What has no clock and is told once, found where it stands: in the ledgers, the outbox and the deliveries
//! that were refused here.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;

use crate::store::ledgers::LedgerKey;
use crate::store::{Row, StoreError, Tx};

/// Something that has no clock and is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A decline was upheld.
    Upheld,
    /// A fork was proven.
    Forked,
    /// A peer refused a letter for good.
    LetterRefused,
    /// A peer's delivery was refused here.
    DeliveryRefused,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Upheld, Self::Forked, Self::LetterRefused, Self::DeliveryRefused];

    /// The name of the matter.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Upheld => "upheld",
            Self::Forked => "forked",
            Self::LetterRefused => "letter-refused",
            Self::DeliveryRefused => "delivery-refused",
        }
    }
}

/// An event that nobody was told of yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// The ledger.
    pub key: LedgerKey,
    /// What tells this occasion from the next.
    pub detail: String,
    /// The name of what went wrong; empty where nothing did.
    pub what: String,
}

macro_rules! select_untold {
    ($detail:literal, $what:literal, $from:literal) => {
        concat!(
            "SELECT t.counterparty, t.transfer, ",
            $detail,
            ", ",
            $what,
            " FROM ",
            $from,
            " AND NOT EXISTS (SELECT 1 FROM escalation e WHERE e.hosted = t.hosted \
              AND e.counterparty = t.counterparty AND e.transfer = t.transfer AND e.clock = ?2 AND e.due_on = ",
            $detail,
            ") ORDER BY t.transfer, t.counterparty LIMIT ?3"
        )
    };
}

/// Events of that kind in a hosted authority's ledgers that nobody was told of.
pub fn untold(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    event: Event,
    limit: u32,
) -> Result<Vec<Untold>, StoreError> {
    let sql = match event {
        Event::Upheld => select_untold!("''", "''", "ledger t WHERE t.hosted = ?1 AND t.stage = 'upheld'"),
        Event::Forked => select_untold!("''", "''", "ledger t WHERE t.hosted = ?1 AND t.forked = 1"),
        Event::LetterRefused => select_untold!(
            "t.id",
            "COALESCE(t.last_failure, '')",
            "outbox t WHERE t.hosted = ?1 AND t.state = 'dead'"
        ),
        Event::DeliveryRefused => {
            select_untold!("CAST(t.sequence AS TEXT)", "t.problem", "refused_delivery t WHERE t.hosted = ?1")
        }
    };
    let read = |row: &Row| {
        let key = LedgerKey { hosted, counterparty: row.parsed(0)?, transfer: row.parsed::<TransferId>(1)? };
        Ok(Untold { key, detail: row.text(2)?.to_owned(), what: row.text(3)?.to_owned() })
    };
    tx.rows(sql, &[hosted.as_ref().into(), event.code().into(), i64::from(limit).into()])?
        .iter()
        .map(read)
        .collect()
}
