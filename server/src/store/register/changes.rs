//! What came into force, in order: for an index that follows and for queries that wait for a child.

use cme_matching::ChildId;
use cme_spec::ids::AuthorityCode;

use super::{State, child_id, state};
use crate::store::{Row, StoreError, Tx, Value};

/// What happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is known from now on.
    Added,
    /// A source says something else of it.
    Changed,
    /// It is known no more.
    Removed,
    /// An officer shielded it.
    Shielded,
    /// An officer's shield was taken from it.
    Unshielded,
}

impl ChangeKind {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Shielded => "shielded",
            Self::Unshielded => "unshielded",
        }
    }

    fn from_code(code: &str) -> Result<Self, StoreError> {
        let all = [Self::Added, Self::Changed, Self::Removed, Self::Shielded, Self::Unshielded];
        all.into_iter().find(|kind| kind.code() == code).ok_or(StoreError::Corrupt("a kind of change"))
    }
}

/// The kind under which the changes of an import are told together.
const IMPORT: &str = "import";

/// A change of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place among all changes of the authority.
    pub sequence: i64,
    /// Whose.
    pub child: ChildId,
    /// What.
    pub kind: ChangeKind,
}

/// Changes in order, or word that one has to look at the whole register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The changes, and how far one knows all of them then. A child that changed again since is told of at its
    /// last change alone.
    Told {
        /// In order.
        changes: Vec<Change>,
        /// Where to go on.
        through: i64,
    },
    /// That point lies too far back, or after a restore not in this register at all.
    Forgotten,
}

/// The changes of an authority's register that follow `sequence`, about `limit` at most.
pub fn changes_after(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    sequence: i64,
    limit: usize,
) -> Result<Changes, StoreError> {
    const BLOCKS: &str = "SELECT last_change, first_change, kind, import, child FROM register_change \
                          WHERE hosted = ?1 AND last_change > ?2 ORDER BY last_change LIMIT ?3";
    const ROWS: &str = "SELECT child, kind, place FROM register_child WHERE hosted = ?1 AND import = ?2 \
                        AND place > ?3 ORDER BY place LIMIT ?4";
    let State { last_change, forgotten, .. } = state(tx, hosted)?;
    if sequence < forgotten || sequence > last_change {
        return Ok(Changes::Forgotten);
    }
    let count = |count: usize| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    let (mut changes, mut through) = (Vec::new(), sequence);
    for block in tx.rows(BLOCKS, &[hosted.as_ref().into(), sequence.into(), count(limit)])? {
        let (last, first) = (block.integer(0)?, block.integer(1)?);
        if block.text(2)? == IMPORT {
            let (known, room) = ((through - first + 1).max(0), limit - changes.len());
            let values = [hosted.as_ref().into(), block.integer(3)?.into(), known.into(), count(room)];
            let rows = tx.rows(ROWS, &values)?;
            let change = |row: &Row| {
                Ok(Change {
                    sequence: first + row.integer(2)? - 1,
                    child: child_id(row, 0)?,
                    kind: ChangeKind::from_code(row.text(1)?)?,
                })
            };
            for row in &rows {
                changes.push(change(row)?);
            }
            if rows.len() == room {
                // There may be more of this import.
                through = changes.last().map_or(last, |change: &Change| change.sequence);
                break;
            }
        } else {
            changes.push(Change {
                sequence: last,
                child: child_id(&block, 4)?,
                kind: ChangeKind::from_code(block.text(2)?)?,
            });
        }
        through = last;
        if changes.len() == limit {
            break;
        }
    }
    Ok(Changes::Told { changes, through })
}

/// Where a change or several stand among all.
pub(super) struct Block<'a> {
    pub(super) kind: Option<ChangeKind>,
    pub(super) import: i64,
    pub(super) child: Option<&'a Value>,
    pub(super) count: i64,
}

/// Notes changes that come into force with this transaction; gives the newest place.
pub(super) fn note(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    last_change: i64,
    block: &Block<'_>,
) -> Result<i64, StoreError> {
    const SQL: &str = "INSERT INTO register_change (hosted, last_change, first_change, kind, import, child) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let last = last_change + block.count;
    let kind = block.kind.map_or(IMPORT, ChangeKind::code);
    let child = block.child.cloned().unwrap_or(Value::Null);
    let first = last_change + 1;
    tx.exec(
        SQL,
        &[hosted.as_ref().into(), last.into(), first.into(), kind.into(), block.import.into(), child],
    )?;
    Ok(last)
}
