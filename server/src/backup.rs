//! Backups: a whole database as a file that any engine takes in again.
//!
//! The format, `cme-backup/1`, is lines of JSON in UTF-8, each ended by a line feed:
//!
//! 1. an object: `format`, `migration` (the newest of the database), `madeAt`, `software`, and `tables`, a list of
//!    objects with `name` and `columns`, those of the primary key first;
//! 2. for each row an array: the table's place in that list, then its values (integer, text or null);
//! 3. an object: `rows`, the number of rows of each table, and `sha256`, base64url, over all lines before it.
//!
//! A backup is one snapshot, made while servers run. It holds what the database holds, children's data
//! included; keys, certificates and the incarnation are not in it.

mod read;
mod write;

use std::path::PathBuf;

use cme_spec::canonical::DecodeError;
use serde::{Deserialize, Serialize};

pub use self::read::{Checked, check, fill};
pub use self::write::{Summary, sum_up, write};
use crate::store::StoreError;

/// The only format there is.
const FORMAT: &str = "cme-backup/1";

/// What a backup begins with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening {
    format: String,
    /// The newest migration of the database.
    pub migration: i64,
    /// When the snapshot was taken.
    pub made_at: String,
    software: String,
    tables: Vec<Columns>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Columns {
    name: String,
    columns: Vec<String>,
}

/// What a backup ends with.
#[derive(Debug, Serialize, Deserialize)]
struct Closing {
    rows: Vec<u64>,
    sha256: String,
}

/// Why a backup can't be made or taken in.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not a backup.
    #[error("{} is not a backup of this software", .0.display())]
    NotABackup(PathBuf),
    /// The file ends too early, or a byte of it has changed.
    #[error("{} is damaged: {what}; nothing was changed", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What does not hold.
        what: &'static str,
    },
    /// The backup was made by a newer version.
    #[error(
        "the backup has migration {found}, this software knows {known}: restore it with the newer version"
    )]
    Newer {
        /// The backup's.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// The database was made by an older version.
    #[error("the database has migration {found} of {known}: run `cme-server migrate` first")]
    Behind {
        /// The database's.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A line is not JSON.
    #[error("{0}")]
    Line(#[from] DecodeError),
}
