//! SQLite: the embedded default.
//!
//! `synchronous=FULL` in WAL mode: a commit that was told is on disk. Checkpoints run beside the writer, so
//! that no entry waits for one. SQLite begins its log again only where all of it was copied while nobody
//! wrote, so the writer copies the little that is left then, between two batches: else the log of a busy
//! server would grow without end, and a log that grows takes twice the time to sync.
//!
//! What is erased is overwritten (`secure_delete`): a body that is gone must not be read in the file's free space.
//!
//! Each connection holds a lock of the operating system on a file beside the database, shared or alone. The
//! database itself would not do: SQLite locks it by rules of its own, and a restore puts another in its place.

#[cfg(test)]
mod tests;

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};

use super::{Database, Engine, JobFn, Row, Store, StoreError, Tx, Value};

/// Size of the log, in pages, from which it is copied back.
const LOG_PAGES_CHECKPOINT: i64 = 1_024;
/// Pages that the writer copies by itself at most, unless the log grows faster than it can be copied.
const LOG_PAGES_LEFT: i64 = 256;
/// Copies in a row, each of what came while the one before was made.
const COPIES_MAX: u64 = 4;

/// A database file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    /// The log is copied but for its end: the writer may finish it.
    nearly_copied: Arc<AtomicBool>,
}

impl Sqlite {
    /// The database file; a new one is for its owner's eyes only, and SQLite gives its companions the same
    /// mode: they hold personal data.
    pub fn at(path: &Path) -> Result<Self, StoreError> {
        private_file(path)?;
        let path = path.canonicalize().map_err(|error| unusable(path, &error))?;
        Ok(Self { path, nearly_copied: Arc::default() })
    }

    /// Opens, or makes, the database file and starts a store on it.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        Store::open(Arc::new(Self::at(path)?))
    }

    /// The file whose name is the database's with that ending.
    fn companion(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn lock_file(&self) -> Result<(PathBuf, File), StoreError> {
        let path = self.companion(".lock");
        let file = private_file(&path)?;
        Ok((path, file))
    }

    /// No log of the old database may be left for the new one. What it holds goes into the old file; where that
    /// can't be done, the file is damaged, and its log is kept beside it.
    fn set_old_wal_aside(&self) -> Result<(), StoreError> {
        let wal = self.companion("-wal");
        let connection = Connection::open(&self.path).map_err(fault)?;
        let emptied = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
        drop(connection);
        if emptied.is_err() && wal.exists() {
            let aside = self.companion("-wal.damaged");
            return std::fs::rename(&wal, &aside).map_err(|error| unusable(&wal, &error));
        }
        gone(&wal)
    }

    fn connected(&self, lock: File) -> Result<Box<dyn Engine>, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(fault)?;
        connection
            .execute_batch(
                "PRAGMA busy_timeout=10000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; \
                 PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;",
            )
            .map_err(fault)?;
        connection.set_prepared_statement_cache_capacity(64);
        let nearly_copied = Arc::clone(&self.nearly_copied);
        Ok(Box::new(SqliteEngine { connection, nearly_copied, _lock: lock }))
    }
}

fn unusable(path: &Path, cause: &std::io::Error) -> StoreError {
    StoreError::Engine(format!("{}: {cause}", path.display()))
}

fn private_file(path: &Path) -> Result<File, StoreError> {
    let opened = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| unusable(path, &error))
}

/// The file is not there.
fn gone(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(path, &error)),
        _ => Ok(()),
    }
}

/// Makes a whole database in a new file; it is on disk afterwards. A crash leaves a file that nobody reads.
fn build(path: &Path, fill: JobFn<'_>) -> Result<(), StoreError> {
    let mut connection = Connection::open(path).map_err(fault)?;
    let settings = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536; BEGIN;";
    connection.execute_batch(settings).map_err(fault)?;
    fill(&mut connection)?;
    connection.execute_batch("COMMIT; PRAGMA journal_mode=WAL;").map_err(fault)?;
    drop(connection);
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| unusable(path, &error))
}

impl Database for Sqlite {
    fn connect(&self) -> Result<Box<dyn Engine>, StoreError> {
        let (path, lock) = self.lock_file()?;
        lock.try_lock_shared().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::HeldAlone,
            TryLockError::Error(error) => unusable(&path, &error),
        })?;
        self.connected(lock)
    }

    fn connect_alone(&self) -> Result<Box<dyn Engine>, StoreError> {
        let (path, lock) = self.lock_file()?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::InUse,
            TryLockError::Error(error) => unusable(&path, &error),
        })?;
        self.connected(lock)
    }

    /// The new database is built in a file beside the old one, which stays as it is until the new one is whole and
    /// on disk: then it is renamed over it.
    fn replace(&self, fill: JobFn<'_>) -> Result<(), StoreError> {
        let (lock_path, lock) = self.lock_file()?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::InUse,
            TryLockError::Error(error) => unusable(&lock_path, &error),
        })?;
        let new = self.companion(".new");
        gone(&new)?;
        drop(private_file(&new)?);
        build(&new, fill)?;
        self.set_old_wal_aside()?;
        std::fs::rename(&new, &self.path).map_err(|error| unusable(&new, &error))?;
        gone(&self.companion("-shm"))?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| unusable(folder, &error))
    }

    fn tend(&self) -> Result<u64, StoreError> {
        let connection = Connection::open(&self.path).map_err(fault)?;
        connection.execute_batch("PRAGMA busy_timeout=1000;").map_err(fault)?;
        if left_to_copy(&connection, "NOOP")? < LOG_PAGES_CHECKPOINT {
            return Ok(0);
        }
        let mut copies = 1;
        while left_to_copy(&connection, "PASSIVE")? > LOG_PAGES_LEFT && copies < COPIES_MAX {
            copies += 1;
        }
        self.nearly_copied.store(true, Ordering::Release);
        Ok(copies + 1)
    }
}

/// A checkpoint of that mode; gives the pages of the log that are not copied after it.
fn left_to_copy(connection: &Connection, mode: &str) -> Result<i64, StoreError> {
    let sizes = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], sizes).map_err(fault)
}

struct SqliteEngine {
    connection: Connection,
    nearly_copied: Arc<AtomicBool>,
    /// Closed, and with that given back, after the connection.
    _lock: File,
}

impl SqliteEngine {
    /// What begins and commits is prepared once, as all statements are.
    fn within(&mut self, begin: &'static str, job: JobFn<'_>) -> Result<(), StoreError> {
        self.connection.exec(begin, &[])?;
        let result = job(&mut self.connection).and_then(|()| self.connection.exec("COMMIT", &[]));
        if result.is_err() {
            // Fails only when SQLite has rolled back by itself already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        result.map(|_| ())
    }
}

impl Engine for SqliteEngine {
    fn write(&mut self, job: JobFn<'_>) -> Result<(), StoreError> {
        if self.nearly_copied.swap(false, Ordering::AcqRel) {
            left_to_copy(&self.connection, "PASSIVE")?;
        }
        self.within("BEGIN IMMEDIATE", job)
    }

    fn read(&mut self, job: JobFn<'_>) -> Result<(), StoreError> {
        self.within("BEGIN DEFERRED", job)
    }
}

impl Tx for Connection {
    fn exec(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        let mut statement = self.prepare_cached(sql).map_err(fault)?;
        statement.execute(params_from_iter(parameters)).map(|rows| rows as u64).map_err(fault)
    }

    fn rows(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.prepare_cached(sql).map_err(fault)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(parameters)).map_err(fault)?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next().map_err(fault)? {
            let values = (0..columns).map(|column| value(row.get_ref(column).map_err(fault)?));
            answer.push(Row(values.collect::<Result<_, StoreError>>()?));
        }
        Ok(answer)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Integer(value) => ToSqlOutput::Owned(SqlValue::Integer(*value)),
            Self::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Self::Null => ToSqlOutput::Owned(SqlValue::Null),
        })
    }
}

fn value(column: ValueRef<'_>) -> Result<Value, StoreError> {
    match column {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(value) => Ok(Value::Integer(value)),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| StoreError::Corrupt("a text is not UTF-8"))?;
            Ok(Value::Text(text.to_owned()))
        }
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(StoreError::Corrupt("a column of no known type")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as the function of map_err")]
fn fault(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::ConstraintViolation) => StoreError::Exists,
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt("not a sound SQLite file")
        }
        // SQLite's message names tables and columns, never values.
        _ => StoreError::Engine(error.to_string()),
    }
}
