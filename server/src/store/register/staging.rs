//! How an import comes into force: it is staged in parts under a number of its own, and committed at once.
//!
//! One import of an authority is under way at a time: it holds a lease, and each part of it makes sure in its own
//! transaction that no other has begun since. What a crash leaves behind is swept before the next is committed.

mod sweeping;

use std::sync::LazyLock;

use cme_matching::ChildId;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;

pub use self::sweeping::{
    Sweep, Version, delete, forget, is_old, lease_name, left_behind, superseded_after, sweep, swept,
};
use super::changes::{Block, note};
use super::{ChangeKind, Digest, Imported, Record, State, instant, keep_state, number, state};
use crate::store::leases::{self, Holder};
use crate::store::tables::{Statements, TABLES};
use crate::store::{Row, StoreError, Tx, Value};

/// What an import does to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The source knows the children of the file and no others.
    Replace,
    /// The source knows the children of the file too.
    Merge,
    /// Children are taken out.
    Delete,
}

impl Kind {
    /// Its name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Merge => "merge",
            Self::Delete => "delete",
        }
    }

    fn from_code(code: &str) -> Result<Self, StoreError> {
        let all = [Self::Replace, Self::Merge, Self::Delete];
        all.into_iter().find(|kind| kind.code() == code).ok_or(StoreError::Corrupt("a kind of import"))
    }
}

/// An import that is about to begin.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose register.
    pub hosted: AuthorityCode,
    /// Which source.
    pub source: String,
    /// What is done to it.
    pub kind: Kind,
    /// The date of which the source's word is.
    pub as_of: String,
}

/// Who works on an import, and for how long it is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// The process.
    pub holder: Holder,
    /// The instant.
    pub now: Instant,
    /// When others may take over.
    pub until: Instant,
}

/// An import that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    hosted: AuthorityCode,
    import: i64,
    /// The highest number of a child so far.
    pub last_child: i64,
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Children who were not known before.
    pub added: i64,
    /// Children of whom something else is said.
    pub changed: i64,
    /// Children of whom the same is said again.
    pub confirmed: i64,
    /// Children who are known no more.
    pub removed: i64,
    /// Rows that were refused.
    pub rejected: i64,
}

impl Counts {
    /// Changes that somebody may follow.
    pub const fn changes(&self) -> i64 {
        self.added + self.changed + self.removed
    }
}

/// A new version of a child.
#[derive(Clone, Debug)]
pub enum Staged {
    /// The child is as the record says.
    Said {
        /// Its number.
        child: ChildId,
        /// What the source says.
        record: Box<Record>,
        /// Whether that is news, and what its place among the import's changes is; none where it says the same
        /// again.
        news: Option<(ChangeKind, i64)>,
    },
    /// The child is known no more.
    Removed {
        /// Its number.
        child: ChildId,
        /// Its place among the import's changes.
        place: i64,
    },
}

const fn kind_code(news: Option<(ChangeKind, i64)>) -> &'static str {
    match news {
        Some((kind, _)) => kind.code(),
        None => "confirmed",
    }
}

/// Whoever holds works on the register from now on, unless another does. An import that is not committed comes to
/// nothing, even if it was only slow: what it staged may be swept.
pub fn take_over(tx: &mut dyn Tx, hosted: AuthorityCode, hold: Hold) -> Result<bool, StoreError> {
    const FORGET: &str = "DELETE FROM register_import WHERE hosted = ?1 AND committed_at IS NULL";
    if !leases::claim(tx, &lease_name(hosted), hold.holder, hold.now, hold.until)? {
        return Ok(false);
    }
    tx.exec(FORGET, &[hosted.as_ref().into()])?;
    Ok(true)
}

/// An import begins, unless another is under way. Whatever began before and was cut off can't go on any more.
pub fn begin(tx: &mut dyn Tx, order: &Order, hold: Hold) -> Result<Option<Begun>, StoreError> {
    const SQL: &str = "INSERT INTO register_import (hosted, import, source, kind, as_of, began_at, added, changed, \
                       confirmed, removed, rejected) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0)";
    let hosted = order.hosted;
    if !take_over(tx, hosted, hold)? {
        return Ok(None);
    }
    let state = state(tx, hosted)?;
    let import = state.last_import + 1;
    keep_state(tx, hosted, &State { last_import: import, ..state })?;
    let values = [
        hosted.as_ref().into(),
        import.into(),
        order.source.as_str().into(),
        order.kind.code().into(),
        order.as_of.as_str().into(),
        hold.now.milliseconds().into(),
    ];
    tx.exec(SQL, &values)?;
    Ok(Some(Begun { hosted, import, last_child: state.last_child }))
}

static CHILD: LazyLock<Statements> = LazyLock::new(|| {
    let table = TABLES.iter().find(|table| table.name == "register_child").expect("the table is listed");
    Statements::on(table, table.columns)
});

/// A part of an import is staged; false, and nothing is, when another import has begun meanwhile.
pub fn stage(
    tx: &mut dyn Tx,
    begun: &Begun,
    source: &str,
    part: &[Staged],
    hold: Hold,
) -> Result<bool, StoreError> {
    if !is_ours(tx, begun, hold)? {
        return Ok(false);
    }
    let row = |staged: &Staged| -> Result<Vec<Value>, StoreError> {
        let (child, kind, place) = match staged {
            Staged::Said { child, news, .. } => (child, kind_code(*news), news.map(|(_, place)| place)),
            Staged::Removed { child, place } => (child, ChangeKind::Removed.code(), Some(*place)),
        };
        let mut values = vec![
            begun.hosted.as_ref().into(),
            number(*child)?.into(),
            begun.import.into(),
            kind.into(),
            place.into(),
            source.into(),
        ];
        match staged {
            Staged::Said { record, .. } => values.extend(record.values()),
            Staged::Removed { .. } => {
                values.extend(std::iter::repeat_n(Value::Null, Record::default().values().len() - 1));
                values.push(0.into());
            }
        }
        Ok(values)
    };
    CHILD.insert(tx, &part.iter().map(row).collect::<Result<Vec<_>, _>>()?)?;
    Ok(true)
}

fn is_ours(tx: &mut dyn Tx, begun: &Begun, hold: Hold) -> Result<bool, StoreError> {
    const SQL: &str =
        "SELECT 1 FROM register_import WHERE hosted = ?1 AND import = ?2 AND committed_at IS NULL";
    Ok(!tx.rows(SQL, &[begun.hosted.as_ref().into(), begun.import.into()])?.is_empty()
        && leases::claim(tx, &lease_name(begun.hosted), hold.holder, hold.now, hold.until)?)
}

/// The import is in force from now on; false when another has begun meanwhile.
pub fn commit(
    tx: &mut dyn Tx,
    begun: &Begun,
    counts: &Counts,
    last_child: i64,
    hold: Hold,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE register_import SET committed_at = ?3, added = ?4, changed = ?5, confirmed = ?6, \
                       removed = ?7, rejected = ?8 WHERE hosted = ?1 AND import = ?2 AND committed_at IS NULL";
    if !is_ours(tx, begun, hold)? {
        return Ok(false);
    }
    let Counts { added, changed, confirmed, removed, rejected } = *counts;
    let numbers = [added, changed, confirmed, removed, rejected].map(Value::from);
    let mut values = vec![begun.hosted.as_ref().into(), begun.import.into(), hold.now.milliseconds().into()];
    values.extend(numbers);
    if tx.exec(SQL, &values)? != 1 {
        return Ok(false);
    }
    let mut state = state(tx, begun.hosted)?;
    if counts.changes() > 0 {
        let block = Block { kind: None, import: begun.import, child: None, count: counts.changes() };
        state.last_change = note(tx, begun.hosted, state.last_change, &block)?;
    }
    keep_state(
        tx,
        begun.hosted,
        &State { committed: begun.import, last_child: last_child.max(state.last_child), ..state },
    )?;
    Ok(true)
}

/// Whoever waits may begin.
pub fn end(tx: &mut dyn Tx, hosted: AuthorityCode, holder: Holder) -> Result<(), StoreError> {
    leases::release(tx, &lease_name(hosted), holder)
}

/// What an import compares its rows with: a child of its source.
#[derive(Clone)]
pub struct Known {
    /// The source's reference.
    pub reference: String,
    /// Its number.
    pub child: ChildId,
    /// What the source said last.
    pub digest: Digest,
}

/// The children in force of a source, in the order of their references, from the one after `after` on.
pub fn known_after(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    source: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Known>, StoreError> {
    const SQL: &str = concat!(
        "SELECT c.reference, c.child, c.digest FROM register_child c WHERE c.hosted = ?1 AND c.source = ?2 \
         AND c.reference > ?3 AND ",
        super::in_force!(),
        " ORDER BY c.reference LIMIT ?4"
    );
    let read = |row: &Row| {
        Ok(Known {
            reference: row.text(0)?.to_owned(),
            child: super::child_id(row, 1)?,
            digest: row.parsed(2)?,
        })
    };
    let values = [hosted.as_ref().into(), source.into(), after.into(), i64::from(limit).into()];
    tx.rows(SQL, &values)?.iter().map(read).collect()
}

/// The newest import of a source that is in force, of any kind or of one.
pub(super) fn last_import(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    source: &str,
    kind: Option<Kind>,
) -> Result<Option<Imported>, StoreError> {
    const SQL: &str = "SELECT import, kind, committed_at, as_of, added, changed, confirmed, removed, rejected \
                       FROM register_import WHERE hosted = ?1 AND source = ?2 AND committed_at IS NOT NULL \
                       AND (?3 = '' OR kind = ?3) ORDER BY import DESC LIMIT 1";
    let read = |row: &Row| {
        Ok(Imported {
            import: row.integer(0)?,
            kind: Kind::from_code(row.text(1)?)?,
            committed_at: instant(row, 2)?,
            as_of: row.text(3)?.to_owned(),
            counts: Counts {
                added: row.integer(4)?,
                changed: row.integer(5)?,
                confirmed: row.integer(6)?,
                removed: row.integer(7)?,
                rejected: row.integer(8)?,
            },
        })
    };
    let kind = kind.map_or("", Kind::code);
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), source.into(), kind.into()])?;
    rows.first().map(read).transpose()
}
