//! What nobody needs any more: versions that are in force no more, what a cut-off import left behind, and word of
//! changes that lie long back.

use cme_matching::ChildId;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;

use crate::store::register::{State, child_id, keep_state, number, state};
use crate::store::{Row, StoreError, Tx, Value};

/// The lease under which one process works on an authority's register.
pub fn lease_name(hosted: AuthorityCode) -> String {
    format!("register-{hosted}")
}

/// A version of a child, by the import that made it.
pub type Version = (ChildId, i64);

/// What is to be swept from a register, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// A cut-off import left rows behind.
    pub left_behind: bool,
    /// An import came into force whose older versions are still there.
    pub superseded: bool,
}

fn version(row: &Row) -> Result<Version, StoreError> {
    Ok((child_id(row, 0)?, row.integer(1)?))
}

/// What is to be swept.
pub fn sweep(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Sweep, StoreError> {
    let known = state(tx, hosted)?;
    let left_behind = !left_behind(tx, hosted, 1)?.is_empty();
    Ok(Sweep { left_behind, superseded: known.swept < known.committed })
}

/// Rows that belong to no committed import. Who holds the lease and stages nothing may delete them.
pub fn left_behind(tx: &mut dyn Tx, hosted: AuthorityCode, limit: u32) -> Result<Vec<Version>, StoreError> {
    const SQL: &str = "SELECT child, import FROM register_child WHERE hosted = ?1 AND import > ?2 LIMIT ?3";
    let committed = state(tx, hosted)?.committed;
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), committed.into(), i64::from(limit).into()])?;
    rows.iter().map(version).collect()
}

/// Versions in force no more of the children after `after`, in the order of their numbers.
pub fn superseded_after(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    after: Version,
    limit: u32,
) -> Result<Vec<Version>, StoreError> {
    const SQL: &str = "SELECT o.child, o.import FROM register_child o WHERE o.hosted = ?1 AND (o.child, o.import) > (?2, ?3) \
                       AND EXISTS (SELECT 1 FROM register_child n WHERE n.hosted = o.hosted AND n.child = o.child \
                       AND n.import > o.import AND n.import <= ?4) ORDER BY o.child, o.import LIMIT ?5";
    let committed = state(tx, hosted)?.committed;
    let values = [
        hosted.as_ref().into(),
        number(after.0)?.into(),
        after.1.into(),
        committed.into(),
        i64::from(limit).into(),
    ];
    tx.rows(SQL, &values)?.iter().map(version).collect()
}

/// These versions are gone.
pub fn delete(tx: &mut dyn Tx, hosted: AuthorityCode, versions: &[Version]) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM register_child WHERE hosted = ?1 AND child = ?2 AND import = ?3";
    versions.iter().try_for_each(|(child, import)| {
        tx.change(SQL, &[hosted.as_ref().into(), number(*child)?.into(), (*import).into()])
    })
}

/// No version of before that import is left that is in force no more.
pub fn swept(tx: &mut dyn Tx, hosted: AuthorityCode, import: i64) -> Result<(), StoreError> {
    let known = state(tx, hosted)?;
    keep_state(tx, hosted, &State { swept: known.swept.max(import), ..known })
}

/// Whether word of changes, or of a removed child, lies back before that instant.
pub fn is_old(tx: &mut dyn Tx, hosted: AuthorityCode, before: Instant) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM register_change c WHERE c.hosted = ?1 AND c.import <= (SELECT MAX(i.import) \
                       FROM register_import i WHERE i.hosted = ?1 AND i.committed_at < ?2) LIMIT 1";
    Ok(!tx.rows(SQL, &[hosted.as_ref().into(), before.milliseconds().into()])?.is_empty())
}

/// Word of changes that came into force before that instant is gone, a part at a time; gives how many removed
/// children were forgotten, until there are none.
pub fn forget(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    before: Instant,
    limit: u32,
) -> Result<usize, StoreError> {
    const LAST: &str =
        "SELECT COALESCE(MAX(import), 0) FROM register_import WHERE hosted = ?1 AND committed_at < ?2";
    const GONE: &str = "SELECT child, import FROM register_child WHERE hosted = ?1 AND import <= ?2 \
                        AND kind = 'removed' LIMIT ?3";
    const THROUGH: &str =
        "SELECT COALESCE(MAX(last_change), 0) FROM register_change WHERE hosted = ?1 AND import <= ?2";
    const FORGET: &str = "DELETE FROM register_change WHERE hosted = ?1 AND last_change <= ?2";
    let one = |rows: Vec<Row>| rows.first().ok_or(StoreError::Corrupt("no number"))?.integer(0);
    let authority = || Value::from(hosted.as_ref());
    let known = state(tx, hosted)?;
    // While an older version is still there, its removal must be too.
    let import = one(tx.rows(LAST, &[authority(), before.milliseconds().into()])?)?.min(known.swept);
    let through = one(tx.rows(THROUGH, &[authority(), import.into()])?)?;
    if through > known.forgotten {
        tx.exec(FORGET, &[authority(), through.into()])?;
        keep_state(tx, hosted, &State { forgotten: through, ..known })?;
    }
    let rows = tx.rows(GONE, &[authority(), import.into(), i64::from(limit).into()])?;
    let versions = rows.iter().map(version).collect::<Result<Vec<_>, _>>()?;
    delete(tx, hosted, &versions)?;
    Ok(versions.len())
}
