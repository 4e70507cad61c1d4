//! The incarnation: how often a deployment's database was restored. It lives in a file of its own, outside
//! the database and its backups, as it must not go back with them.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::store::deployment::{self, Begun};
use crate::store::{Store, StoreError};

/// The largest number that the protocol's JSON carries exactly (2^53 - 1).
const INCARNATION_MAX: u64 = 9_007_199_254_740_991;

/// Why the incarnation can't be told or raised.
#[derive(Debug, thiserror::Error)]
pub enum IncarnationError {
    /// The file can't be read.
    #[error("can't read the incarnation file {}: {cause}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} must hold one number: how often the database was restored, counted from 1", .0.display())]
    Form(PathBuf),
    /// The file can't be written; it still holds what it held.
    #[error("can't write the incarnation file {}: {cause}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The database remembers a later incarnation.
    #[error(
        "{} says incarnation {found}, but {recorded} ran on this database already: the file was lost, or an old copy of it was put back. Write {recorded} into it if the database is as it last ran; write the next number if the database was restored as well",
        path.display()
    )]
    Outlived {
        /// Which file.
        path: PathBuf,
        /// Its number.
        found: u64,
        /// The number that the database remembers.
        recorded: u64,
    },
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The next number is beyond what peers can read.
    #[error("{} holds the last number that there is", .0.display())]
    Last(PathBuf),
}

/// The number in the file.
pub fn read(path: &Path) -> Result<u64, IncarnationError> {
    let bytes =
        std::fs::read(path).map_err(|cause| IncarnationError::Read { path: path.to_owned(), cause })?;
    let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
    let in_range = |number: &u64| (1..=INCARNATION_MAX).contains(number);
    number.filter(in_range).ok_or_else(|| IncarnationError::Form(path.to_owned()))
}

/// The incarnation runs on this database from now on, unless a later one did already: then what it signs
/// could not be told from what that one signed.
pub async fn begin(store: &Store, incarnation: u64, path: &Path) -> Result<(), IncarnationError> {
    // Looked at first: most processes find nothing to note, and need no write for that.
    if store.read(|tx| deployment::incarnation(tx)).await? == Some(incarnation) {
        return Ok(());
    }
    match store.write(move |tx| deployment::begin(tx, incarnation)).await? {
        Begun::First | Begun::Again => Ok(()),
        Begun::Restored { from } => {
            tracing::warn!(from, incarnation, "the database was restored since it last ran");
            Ok(())
        }
        Begun::Outlived { by: recorded } => {
            Err(IncarnationError::Outlived { path: path.to_owned(), found: incarnation, recorded })
        }
    }
}

/// The file holds a number above its own and above `known`; that is on disk when this returns.
///
/// `known` is what else is known to have been used: what the database says of its last run. The new file
/// stands beside the old one until it is whole, so that a crash leaves the one or the other.
pub fn raise(path: &Path, known: u64) -> Result<u64, IncarnationError> {
    let next = read(path)?.max(known) + 1;
    if next > INCARNATION_MAX {
        return Err(IncarnationError::Last(path.to_owned()));
    }
    replace(path, next).map_err(|cause| IncarnationError::Write { path: path.to_owned(), cause })?;
    Ok(next)
}

fn replace(path: &Path, number: u64) -> std::io::Result<()> {
    // The file itself, where the configuration names a link to it.
    let path = path.canonicalize()?;
    let folder = path.parent().ok_or(std::io::ErrorKind::NotFound)?;
    let permissions: Permissions = std::fs::metadata(&path)?.permissions();
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(new, "{number}")?;
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(&path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("incarnation");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_raised_number_is_above_the_files_and_above_the_databases() {
        let (folder, path) = file("1\n");
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(raise(&path, 1).unwrap(), 2);
        assert_eq!(raise(&path, 7).unwrap(), 8);
        assert_eq!(raise(&path, 7).unwrap(), 9);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "9\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_link_stays_a_link_to_the_raised_file() {
        let (folder, path) = file("3");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(raise(&link, 0).unwrap(), 4);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&path).unwrap(), 4);
    }

    #[test]
    fn what_is_no_number_of_restores_is_neither_read_nor_raised() {
        for text in ["", "0", "-1", "one", "1 2", "9007199254740992"] {
            let (_folder, path) = file(text);
            assert!(matches!(read(&path), Err(IncarnationError::Form(_))), "{text:?}");
            assert!(matches!(raise(&path, 0), Err(IncarnationError::Form(_))), "{text:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let (_folder, path) = file("9007199254740991");
        assert!(matches!(raise(&path, 0), Err(IncarnationError::Last(_))));
        assert!(matches!(read(&path.with_extension("lost")), Err(IncarnationError::Read { .. })));
    }
}
