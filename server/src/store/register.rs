//! The children whom a hosted authority knows, each as its source tells of it.
//!
//! A child is a row for each version. In force is that of the newest committed import; what an import stages
//! ([`staging`]) has a higher number, and nobody sees it until the import is committed. So readers see the old
//! register or the new one, never half, and a commit is one short transaction. What is in force no more is swept
//! afterwards. A child keeps its number for as long as its source tells of it under one reference.

mod changes;
mod flags;
mod record;
pub mod staging;

use std::fmt;

use cme_matching::{Child, ChildId};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;

pub use self::changes::{Change, ChangeKind, Changes, changes_after};
pub use self::flags::{forget_shields, shield, unshield};
pub use self::record::{Digest, Record};
use super::{Row, StoreError, Tx, Value};

/// What the database knows of an authority's register as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The newest import that is in force.
    pub committed: i64,
    /// The newest import that has begun.
    pub last_import: i64,
    /// The highest number of a child.
    pub last_child: i64,
    /// The newest change.
    pub last_change: i64,
    /// Imports up to this one have left no row that is in force no more.
    pub swept: i64,
    /// Changes up to this one are told no more.
    pub forgotten: i64,
}

/// The state of an authority's register; all nought before the first import.
pub fn state(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<State, StoreError> {
    const SQL: &str = "SELECT committed, last_import, last_child, last_change, swept, forgotten FROM register_state \
                       WHERE hosted = ?1";
    let rows = tx.rows(SQL, &[hosted.as_ref().into()])?;
    let Some(row) = rows.first() else { return Ok(State::default()) };
    Ok(State {
        committed: row.integer(0)?,
        last_import: row.integer(1)?,
        last_child: row.integer(2)?,
        last_change: row.integer(3)?,
        swept: row.integer(4)?,
        forgotten: row.integer(5)?,
    })
}

/// Whether a file was ever brought into an authority's register, be it of no child. One of which every row was refused
/// says nothing of the children whom the authority knows.
pub fn is_filled(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM register_import WHERE hosted = ?1 AND committed_at IS NOT NULL \
                       AND kind <> 'delete' AND (rejected = 0 OR added + changed + confirmed > 0) LIMIT 1";
    Ok(!tx.rows(SQL, &[hosted.as_ref().into()])?.is_empty())
}

fn keep_state(tx: &mut dyn Tx, hosted: AuthorityCode, state: &State) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO register_state (hosted, committed, last_import, last_child, last_change, swept, \
                       forgotten) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (hosted) DO UPDATE SET \
                       committed = excluded.committed, last_import = excluded.last_import, \
                       last_child = excluded.last_child, last_change = excluded.last_change, swept = excluded.swept, \
                       forgotten = excluded.forgotten";
    let State { committed, last_import, last_child, last_change, swept, forgotten } = *state;
    let numbers = [committed, last_import, last_child, last_change, swept, forgotten].map(Value::from);
    let values: Vec<Value> = std::iter::once(hosted.as_ref().into()).chain(numbers).collect();
    tx.exec(SQL, &values).map(|_| ())
}

/// A child who is in force.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its number.
    pub id: ChildId,
    /// Which source tells of it.
    pub source: String,
    /// What the source says.
    pub record: Record,
    /// When the row was imported.
    pub imported_at: Instant,
    /// The date of which the source's word is.
    pub as_of: String,
    /// Whether an officer shielded it, whatever the source says.
    pub shielded_by_officer: bool,
}

impl Registered {
    /// Whether nobody may learn that this child is known.
    pub fn is_shielded(&self) -> bool {
        self.record.shielded || self.shielded_by_officer
    }
}

/// Whose child a number is, and whether anybody may learn of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Its number.
    pub id: ChildId,
    /// Which source tells of it.
    pub source: String,
    /// The source's reference.
    pub reference: String,
    /// Whether nobody may learn that this child is known.
    pub shielded: bool,
}

/// Says only which: a reference is a child's name in another system.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({})", self.id.0)
    }
}

/// In force, of a row `c`: committed, superseded by nothing that is committed, and not removed.
macro_rules! in_force {
    () => {
        "c.import <= (SELECT s.committed FROM register_state s WHERE s.hosted = c.hosted) AND c.kind <> 'removed' \
         AND NOT EXISTS (SELECT 1 FROM register_child n WHERE n.hosted = c.hosted AND n.child = c.child \
         AND n.import > c.import AND n.import <= (SELECT s.committed FROM register_state s WHERE s.hosted = c.hosted))"
    };
}
use in_force;

/// Whether an officer shielded the child of a row `c`.
macro_rules! by_officer {
    () => {
        "(SELECT COUNT(*) FROM register_shield f WHERE f.hosted = c.hosted AND f.source = c.source \
         AND f.reference = c.reference)"
    };
}

/// The day of which a row `c` is: that of its import, or of a later replacement of its source, which would have taken
/// the child out.
macro_rules! as_of {
    () => {
        "(SELECT MAX(r.as_of) FROM register_import r WHERE r.hosted = c.hosted AND r.source = c.source \
         AND r.committed_at IS NOT NULL AND (r.import = c.import OR (r.import > c.import AND r.kind = 'replace')))"
    };
}

fn number(id: ChildId) -> Result<i64, StoreError> {
    i64::try_from(id.0).map_err(|_| StoreError::Corrupt("a child's number beyond 2^63"))
}

fn child_id(row: &Row, column: usize) -> Result<ChildId, StoreError> {
    u64::try_from(row.integer(column)?).map(ChildId).map_err(|_| StoreError::Corrupt("a child's number"))
}

fn instant(row: &Row, column: usize) -> Result<Instant, StoreError> {
    Instant::from_milliseconds(row.integer(column)?).ok_or(StoreError::Corrupt("an instant"))
}

/// The children in force whose numbers follow `after`, in the order of their numbers: what an index is built of.
pub fn children_after(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    after: ChildId,
    limit: u32,
) -> Result<Vec<(ChildId, Child)>, StoreError> {
    const SQL: &str = concat!(
        "SELECT c.child, ",
        record::child_columns!(),
        " FROM register_child c WHERE c.hosted = ?1 AND c.child > ?2 AND ",
        in_force!(),
        " ORDER BY c.child LIMIT ?3"
    );
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), number(after)?.into(), i64::from(limit).into()])?;
    rows.iter().map(|row| Ok((child_id(row, 0)?, record::child(row, 1)?))).collect()
}

/// Those of these children who are in force, for an index that follows changes.
pub fn children(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    ids: &[ChildId],
) -> Result<Vec<(ChildId, Child)>, StoreError> {
    const SQL: &str = concat!(
        "SELECT c.child, ",
        record::child_columns!(),
        " FROM register_child c WHERE c.hosted = ?1 AND c.child = ?2 AND ",
        in_force!()
    );
    let mut found = Vec::new();
    for id in ids {
        let rows = tx.rows(SQL, &[hosted.as_ref().into(), number(*id)?.into()])?;
        found.extend(rows.first().map(|row| record::child(row, 1)).transpose()?.map(|child| (*id, child)));
    }
    Ok(found)
}

/// The children in force of whom nobody may learn that they are known.
pub fn shielded(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<Child>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        record::child_columns!(),
        " FROM register_child c WHERE c.hosted = ?1 AND c.shielded + ",
        by_officer!(),
        " > 0 AND ",
        in_force!(),
        " ORDER BY c.child"
    );
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(|row| record::child(row, 0)).collect()
}

/// Who these children are, as far as they are in force.
pub fn bearers(tx: &mut dyn Tx, hosted: AuthorityCode, ids: &[ChildId]) -> Result<Vec<Bearer>, StoreError> {
    const SQL: &str = concat!(
        "SELECT c.source, c.reference, c.shielded, ",
        by_officer!(),
        " FROM register_child c WHERE c.hosted = ?1 AND c.child = ?2 AND ",
        in_force!()
    );
    let mut found = Vec::new();
    for id in ids {
        let rows = tx.rows(SQL, &[hosted.as_ref().into(), number(*id)?.into()])?;
        let bearer = |row: &Row| -> Result<Bearer, StoreError> {
            let shielded = row.integer(2)? + row.integer(3)? > 0;
            Ok(Bearer {
                id: *id,
                source: row.text(0)?.to_owned(),
                reference: row.text(1)?.to_owned(),
                shielded,
            })
        };
        found.extend(rows.first().map(bearer).transpose()?);
    }
    Ok(found)
}

const REGISTERED: &str = concat!(
    "SELECT c.child, c.source, i.committed_at, ",
    as_of!(),
    ", ",
    by_officer!(),
    ", ",
    record::columns!(),
    " FROM register_child c, register_import i WHERE c.hosted = ?1 AND c.reference = ?2 AND c.source = ?3 \
     AND i.hosted = c.hosted AND i.import = c.import AND ",
    in_force!()
);

/// The child in force that a source knows under a reference.
pub fn registered(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    source: &str,
    reference: &str,
) -> Result<Option<Registered>, StoreError> {
    let rows = tx.rows(REGISTERED, &[hosted.as_ref().into(), reference.into(), source.into()])?;
    rows.first().map(registered_row).transpose()
}

/// The children in force of a source, in the order of their references, from the one after `after` on.
pub fn of_source(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    source: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Registered>, StoreError> {
    const SQL: &str = concat!(
        "SELECT c.child, c.source, i.committed_at, ",
        as_of!(),
        ", ",
        by_officer!(),
        ", ",
        record::columns!(),
        " FROM register_child c, register_import i WHERE c.hosted = ?1 AND c.source = ?2 AND c.reference > ?3 \
         AND i.hosted = c.hosted AND i.import = c.import AND ",
        in_force!(),
        " ORDER BY c.reference LIMIT ?4"
    );
    let values = [hosted.as_ref().into(), source.into(), after.into(), i64::from(limit).into()];
    tx.rows(SQL, &values)?.iter().map(registered_row).collect()
}

fn registered_row(row: &Row) -> Result<Registered, StoreError> {
    Ok(Registered {
        id: child_id(row, 0)?,
        source: row.text(1)?.to_owned(),
        imported_at: instant(row, 2)?,
        as_of: row.text(3)?.to_owned(),
        shielded_by_officer: row.integer(4)? > 0,
        record: record::record(row, 5)?,
    })
}

/// A source of an authority's register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its name.
    pub source: String,
    /// Children in force.
    pub children: i64,
    /// How many of them are shielded.
    pub shielded: i64,
    /// The last import, and the last full replacement.
    pub last: Option<Imported>,
    /// The last import that replaced everything.
    pub last_replacement: Option<Imported>,
}

/// An import that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its number.
    pub import: i64,
    /// What was done.
    pub kind: staging::Kind,
    /// When.
    pub committed_at: Instant,
    /// The date of which the source's word is.
    pub as_of: String,
    /// What came of it.
    pub counts: staging::Counts,
}

/// Every source that has children in force or was imported before, in order of names.
pub fn sources(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<SourceStatus>, StoreError> {
    const NAMES: &str = "SELECT DISTINCT source FROM register_import WHERE hosted = ?1 AND committed_at IS NOT NULL \
                         ORDER BY source";
    const COUNT: &str = concat!(
        "SELECT COUNT(*), COUNT(CASE WHEN c.shielded > 0 OR ",
        by_officer!(),
        " > 0 THEN 1 END) FROM register_child c WHERE c.hosted = ?1 AND c.source = ?2 AND ",
        in_force!()
    );
    let names = tx.rows(NAMES, &[hosted.as_ref().into()])?;
    let mut sources = Vec::new();
    for name in names.iter().map(|row| row.text(0)) {
        let name = name?;
        let rows = tx.rows(COUNT, &[hosted.as_ref().into(), name.into()])?;
        let row = rows.first().ok_or(StoreError::Corrupt("no count"))?;
        sources.push(SourceStatus {
            source: name.to_owned(),
            children: row.integer(0)?,
            shielded: row.integer(1)?,
            last: staging::last_import(tx, hosted, name, None)?,
            last_replacement: staging::last_import(tx, hosted, name, Some(staging::Kind::Replace))?,
        });
    }
    Ok(sources)
}
