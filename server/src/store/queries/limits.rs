//! How much an authority, and an officer of it, has asked lately. Queries are counted where they are recorded for ever,
//! offers in a table of their own.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, TransferId};
use cme_spec::query::OfficerId;

use super::instant;
use crate::store::{Insertion, Row, StoreError, Tx};

/// An offer arrived: it counts as a query of its author.
pub fn note_offer(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    author: AuthorityCode,
    transfer: TransferId,
    now: Instant,
) -> Result<(), StoreError> {
    const OFFER: Insertion = Insertion {
        one: "INSERT INTO offer_arrival (hosted, counterparty, transfer, arrived_at) VALUES (?1, ?2, ?3, ?4) \
              ON CONFLICT (hosted, counterparty, transfer) DO NOTHING",
        many: "INSERT INTO offer_arrival (hosted, counterparty, transfer, arrived_at) \
               SELECT * FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::bigint[]) \
               ON CONFLICT (hosted, counterparty, transfer) DO NOTHING",
        key: 3,
    };
    let values = [
        hosted.as_ref().into(),
        author.as_ref().into(),
        transfer.to_string().into(),
        now.milliseconds().into(),
    ];
    tx.insert(&OFFER, &values)
}

/// Offers of before `then` are counted no more; gives the number that was forgotten.
pub fn forget_offers(tx: &mut dyn Tx, then: Instant) -> Result<u64, StoreError> {
    tx.exec("DELETE FROM offer_arrival WHERE arrived_at < ?1", &[then.milliseconds().into()])
}

/// How often an authority asked after `since`, offers counted.
pub fn count_asked_since(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    author: AuthorityCode,
    since: Instant,
) -> Result<u32, StoreError> {
    const SQL: &str = "SELECT (SELECT COUNT(*) FROM audit WHERE hosted = ?1 AND counterparty = ?2 \
                       AND recorded_at > ?3 AND number = 0) + (SELECT COUNT(*) FROM offer_arrival WHERE hosted = ?1 \
                       AND counterparty = ?2 AND arrived_at > ?3)";
    let values = [hosted.as_ref().into(), author.as_ref().into(), since.milliseconds().into()];
    let rows = tx.rows(SQL, &values)?;
    let count = rows.first().ok_or(StoreError::Corrupt("no count"))?.integer(0)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// When an authority asked after `since`, offers counted: the newest `limit` times, the newest first.
pub fn asked_since(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    author: AuthorityCode,
    since: Instant,
    limit: u32,
) -> Result<Vec<Instant>, StoreError> {
    const SQL: &str = "SELECT asked_at FROM (SELECT recorded_at AS asked_at FROM audit WHERE hosted = ?1 \
                       AND counterparty = ?2 AND recorded_at > ?3 AND number = 0 UNION ALL \
                       SELECT arrived_at FROM offer_arrival WHERE hosted = ?1 AND counterparty = ?2 \
                       AND arrived_at > ?3) asked ORDER BY asked_at DESC LIMIT ?4";
    let values = [
        hosted.as_ref().into(),
        author.as_ref().into(),
        since.milliseconds().into(),
        i64::from(limit).into(),
    ];
    tx.rows(SQL, &values)?.iter().map(|row: &Row| instant(row, 0)).collect()
}

/// The same of one officer of it.
pub fn officer_asked_since(
    tx: &mut dyn Tx,
    (hosted, author): (AuthorityCode, AuthorityCode),
    officer: &OfficerId,
    since: Instant,
    limit: u32,
) -> Result<Vec<Instant>, StoreError> {
    const SQL: &str = "SELECT recorded_at FROM audit WHERE hosted = ?1 AND counterparty = ?2 AND recorded_at > ?3 \
                       AND number = 0 AND officer = ?4 ORDER BY recorded_at DESC LIMIT ?5";
    let values = [
        hosted.as_ref().into(),
        author.as_ref().into(),
        since.milliseconds().into(),
        officer.to_string().into(),
        i64::from(limit).into(),
    ];
    tx.rows(SQL, &values)?.iter().map(|row: &Row| instant(row, 0)).collect()
}
