//! How far the standing queries of an authority were compared with its register.

use cme_spec::ids::AuthorityCode;

use super::BROKEN;
use crate::store::{Row, StoreError, Tx};

/// How far an authority's changes were compared with its standing queries, and under which incarnation.
pub fn followed(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Option<(i64, u64)>, StoreError> {
    const SQL: &str = "SELECT sequence, incarnation FROM query_follow WHERE hosted = ?1";
    let read = |row: &Row| Ok((row.integer(0)?, u64::try_from(row.integer(1)?).map_err(|_| BROKEN)?));
    tx.rows(SQL, &[hosted.as_ref().into()])?.first().map(read).transpose()
}

/// The changes up to `sequence` were compared.
pub fn keep_followed(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    sequence: i64,
    incarnation: u64,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO query_follow (hosted, sequence, incarnation) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (hosted) DO UPDATE SET sequence = excluded.sequence, \
                       incarnation = excluded.incarnation";
    let incarnation = i64::try_from(incarnation).map_err(|_| BROKEN)?;
    tx.exec(SQL, &[hosted.as_ref().into(), sequence.into(), incarnation.into()]).map(|_| ())
}
