//! The audit: what was asked, by whom, and what was answered. Records are added and never changed; each holds the digest
//! of the one before it, so that none can be changed or taken out unseen but from the end.

use cme_spec::canonical::{Json, Limits};
use cme_spec::digest::Digest;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId};

use super::{Row, StoreError, Tx};

/// What a record is counted by, beside what it says.
#[derive(Clone, Debug)]
pub struct Counted {
    /// When.
    pub at: Instant,
    /// The asking authority.
    pub author: AuthorityCode,
    /// The asking officer's pseudonym.
    pub officer: String,
    /// The query.
    pub query: QueryId,
    /// The answer's number.
    pub number: u64,
}

/// A record as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its place, from 1.
    pub place: i64,
    /// What it says, with its place and the digest of the record before.
    pub record: Json,
    /// Its digest, as it was noted.
    pub digest: Digest,
}

fn held(row: &Row) -> Result<Held, StoreError> {
    let record = Json::decode(row.text(1)?.as_bytes(), &Limits::COLLECTION);
    Ok(Held {
        place: row.integer(0)?,
        record: record.map_err(|_| StoreError::Corrupt("a record of the audit is not canonical JSON"))?,
        digest: row.parsed(2)?,
    })
}

/// The newest record of a hosted authority.
pub fn newest(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Option<(i64, Digest)>, StoreError> {
    const SQL: &str = "SELECT place, digest FROM audit WHERE hosted = ?1 ORDER BY place DESC LIMIT 1";
    let rows = tx.rows(SQL, &[hosted.as_ref().into()])?;
    rows.first().map(|row| Ok((row.integer(0)?, row.parsed(1)?))).transpose()
}

/// Adds the record that `write` makes of its place and the digest of the one before.
///
/// All writers of a database take turns, so a place is given once. Implements: QRY-028
pub fn add(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    counted: &Counted,
    write: impl FnOnce(i64, Option<Digest>) -> Result<Json, StoreError>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO audit (hosted, place, record, digest, recorded_at, counterparty, officer, query, \
                       number) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let before = newest(tx, hosted)?;
    let place = before.map_or(1, |(place, _)| place + 1);
    let record = write(place, before.map(|(_, digest)| digest))?;
    let number = i64::try_from(counted.number).map_err(|_| StoreError::Corrupt("an answer's number"))?;
    let values = [
        hosted.as_ref().into(),
        place.into(),
        record.canonical_text().into(),
        record.digest().to_string().into(),
        counted.at.milliseconds().into(),
        counted.author.as_ref().into(),
        counted.officer.as_str().into(),
        counted.query.to_string().into(),
        number.into(),
    ];
    tx.exec(SQL, &values).map(|_| ())
}

/// The record of the first answer to a query: what was asked, without a value.
pub fn first_of(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    author: AuthorityCode,
    query: QueryId,
) -> Result<Option<Held>, StoreError> {
    const SQL: &str = "SELECT place, record, digest FROM audit WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 \
                       AND number = 0 ORDER BY place LIMIT 1";
    let values = [hosted.as_ref().into(), author.as_ref().into(), query.to_string().into()];
    tx.rows(SQL, &values)?.first().map(held).transpose()
}

/// The records after a place, in order.
pub fn after(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    place: i64,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    const SQL: &str =
        "SELECT place, record, digest FROM audit WHERE hosted = ?1 AND place > ?2 ORDER BY place LIMIT ?3";
    let values = [hosted.as_ref().into(), place.into(), i64::from(limit).into()];
    tx.rows(SQL, &values)?.iter().map(held).collect()
}
