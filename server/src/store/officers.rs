//! What is put before an officer beside the ledgers themselves.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, TransferId};

use super::ledgers::LedgerKey;
use super::{Row, StoreError, Tx};

/// A delivery of a peer that was refused here: its ledger stands still until somebody looks.
#[derive(Clone, Debug)]
pub struct RefusedDelivery {
    /// The ledger.
    pub key: LedgerKey,
    /// The entry's place.
    pub sequence: u64,
    /// Name of the problem.
    pub problem: String,
    /// When it was last refused.
    pub refused_at: Instant,
}

/// A refused delivery is noted; the newest refusal of a place is kept.
pub fn note_refused(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    sequence: u64,
    problem: &str,
    now: Instant,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO refused_delivery (hosted, counterparty, transfer, sequence, problem, refused_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (hosted, counterparty, transfer, sequence) \
                       DO UPDATE SET problem = excluded.problem, refused_at = excluded.refused_at";
    let [hosted, counterparty, transfer] = key.values();
    let sequence = i64::try_from(sequence).map_err(|_| StoreError::Corrupt("a sequence beyond 2^63"))?;
    let values = [hosted, counterparty, transfer, sequence.into(), problem.into(), now.milliseconds().into()];
    tx.exec(SQL, &values).map(|_| ())
}

/// The delivery was taken after all.
pub fn forget_refused(tx: &mut dyn Tx, key: &LedgerKey, sequence: u64) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM refused_delivery WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       AND sequence = ?4";
    let [hosted, counterparty, transfer] = key.values();
    let sequence = i64::try_from(sequence).map_err(|_| StoreError::Corrupt("a sequence beyond 2^63"))?;
    tx.exec(SQL, &[hosted, counterparty, transfer, sequence.into()]).map(|_| ())
}

/// Refused deliveries of a hosted authority's peers.
pub fn refused(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<RefusedDelivery>, StoreError> {
    const SQL: &str = "SELECT counterparty, transfer, sequence, problem, refused_at FROM refused_delivery \
                       WHERE hosted = ?1 ORDER BY refused_at";
    let read = |row: &Row| {
        Ok(RefusedDelivery {
            key: LedgerKey { hosted, counterparty: row.parsed(0)?, transfer: row.parsed::<TransferId>(1)? },
            sequence: u64::try_from(row.integer(2)?).map_err(|_| StoreError::Corrupt("a sequence"))?,
            problem: row.text(3)?.to_owned(),
            refused_at: Instant::from_milliseconds(row.integer(4)?)
                .ok_or(StoreError::Corrupt("an instant"))?,
        })
    };
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(read).collect()
}

/// How many deliveries of a hosted authority's peers stand refused.
pub fn count_refused(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<i64, StoreError> {
    let rows =
        tx.rows("SELECT COUNT(*) FROM refused_delivery WHERE hosted = ?1", &[hosted.as_ref().into()])?;
    rows.first().ok_or(StoreError::Corrupt("no count"))?.integer(0)
}
