//! What a database remembers of the deployment that runs on it.

use super::{StoreError, Tx};

/// The name under which the number of restores is kept.
const INCARNATION: &str = "incarnation";

/// The name under which is kept which incarnation has put what is open again.
const ASKED_AGAIN: &str = "asked-again";

/// The incarnation that last ran on this database; none before the first.
pub fn incarnation(tx: &mut dyn Tx) -> Result<Option<u64>, StoreError> {
    number(tx, INCARNATION)
}

/// That incarnation runs on this database from now on.
pub fn keep_incarnation(tx: &mut dyn Tx, incarnation: u64) -> Result<(), StoreError> {
    keep_number(tx, INCARNATION, incarnation)
}

/// The incarnation that last put the queries again that were open when it began.
pub fn asked_again(tx: &mut dyn Tx) -> Result<Option<u64>, StoreError> {
    number(tx, ASKED_AGAIN)
}

/// That incarnation has put them again.
pub fn keep_asked_again(tx: &mut dyn Tx, incarnation: u64) -> Result<(), StoreError> {
    keep_number(tx, ASKED_AGAIN, incarnation)
}

fn number(tx: &mut dyn Tx, name: &str) -> Result<Option<u64>, StoreError> {
    let rows = tx.rows("SELECT value FROM deployment WHERE name = ?1", &[name.into()])?;
    rows.first().map(|row| row.parsed(0)).transpose()
}

fn keep_number(tx: &mut dyn Tx, name: &str, number: u64) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO deployment (name, value) VALUES (?1, ?2) \
                       ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.exec(SQL, &[name.into(), number.to_string().into()]).map(|_| ())
}

/// What a database says to an incarnation that is about to run on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// None ran on it before, or a version that kept no record.
    First,
    /// The same ran on it before.
    Again,
    /// An earlier one ran on it before: it was restored since.
    Restored {
        /// The earlier one.
        from: u64,
    },
    /// A later one ran on it before: this one must not, and nothing was noted.
    Outlived {
        /// The later one.
        by: u64,
    },
}

/// That incarnation begins to run on this database, unless a later one ran on it already.
pub fn begin(tx: &mut dyn Tx, incarnation: u64) -> Result<Begun, StoreError> {
    let begun = match self::incarnation(tx)? {
        None => Begun::First,
        Some(before) if before == incarnation => return Ok(Begun::Again),
        Some(before) if before > incarnation => return Ok(Begun::Outlived { by: before }),
        Some(before) => Begun::Restored { from: before },
    };
    keep_incarnation(tx, incarnation)?;
    Ok(begun)
}
