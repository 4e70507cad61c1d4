//! A backup, checked as a whole before a row of it is used.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{Context, SHA256};

use super::{BackupError, Closing, FORMAT, Opening};
use crate::store::tables::{ROWS_AT_ONCE, Statements, TABLES, Table, drop_all, end_leases};
use crate::store::{StoreError, Tx, Value, deployment, migrate};

/// Bytes of the longest line: an entry with its receipts, several times over.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// A backup whose every byte is as it was written. Made by [`check`] only.
#[derive(Debug)]
pub struct Checked {
    path: PathBuf,
    opening: Opening,
    /// The rows of all tables.
    pub rows: u64,
}

impl Checked {
    /// What the backup begins with.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }
}

struct Lines<'a> {
    path: &'a Path,
    input: BufReader<File>,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(|cause| BackupError::File { path: path.to_owned(), cause })?;
        Ok(Self { path, input: BufReader::with_capacity(1 << 20, file) })
    }

    /// The next line, with its end; `None` after the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let mut line = Vec::new();
        let mut input = std::io::Read::take(&mut self.input, LINE_BYTES_MAX);
        let read = input.read_until(b'\n', &mut line);
        read.map_err(|cause| BackupError::File { path: self.path.to_owned(), cause })?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(self.damaged("its last line has no end")),
        }
    }

    fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::Damaged { path: self.path.to_owned(), what }
    }
}

/// Reads the whole file: its digest, its counts, and that this version knows its tables. Changes nothing.
pub fn check(path: &Path) -> Result<Checked, BackupError> {
    let mut lines = Lines::open(path)?;
    let not_a_backup = || BackupError::NotABackup(path.to_owned());
    let first = lines.next().map_err(|_| not_a_backup())?.ok_or_else(not_a_backup)?;
    let opening: Opening = serde_json::from_slice(&first).map_err(|_| not_a_backup())?;
    if opening.format != FORMAT {
        return Err(not_a_backup());
    }
    if opening.migration > migrate::known() {
        return Err(BackupError::Newer { found: opening.migration, known: migrate::known() });
    }
    tables(&opening).ok_or_else(not_a_backup)?;
    let mut context = Context::new(&SHA256);
    let mut counts = vec![0_u64; opening.tables.len()];
    let mut last = first;
    while let Some(line) = lines.next()? {
        context.update(&last);
        if last[0] == b'[' {
            let place = place(&last).and_then(|place| counts.get_mut(place));
            *place.ok_or_else(|| lines.damaged("a row is of no table"))? += 1;
        }
        last = line;
    }
    let closing: Closing = serde_json::from_slice(&last).map_err(|_| lines.damaged("it ends too early"))?;
    if closing.sha256 != URL_SAFE_NO_PAD.encode(context.finish()) {
        return Err(lines.damaged("its digest is another"));
    }
    if closing.rows != counts {
        return Err(lines.damaged("it has not the rows that it tells of"));
    }
    Ok(Checked { path: path.to_owned(), opening, rows: counts.iter().sum() })
}

/// The table's place that a row begins with.
fn place(line: &[u8]) -> Option<usize> {
    let digits: Vec<u8> = line[1..].iter().copied().take_while(u8::is_ascii_digit).collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

/// The tables of a backup, as this version knows them, each with the columns that the backup has.
fn tables(opening: &Opening) -> Option<Vec<(&'static Table, Vec<&'static str>)>> {
    let known = |told: &super::Columns| {
        let table = TABLES.iter().find(|table| table.name == told.name)?;
        let column = |name: &String| table.columns.iter().copied().find(|known| known == name);
        let columns: Vec<&'static str> = told.columns.iter().map(column).collect::<Option<_>>()?;
        (columns.get(..table.key)? == &table.columns[..table.key]).then_some((table, columns))
    };
    opening.tables.iter().map(known).collect()
}

/// The job that makes a database of a backup: tables as they were then, the rows, and then today's tables. With
/// an incarnation, no earlier one runs on it any more.
pub fn fill(tx: &mut dyn Tx, backup: &Checked, incarnation: Option<u64>) -> Result<(), StoreError> {
    let broken = |_| StoreError::Corrupt("the backup changed while it was read");
    drop_all(tx)?;
    migrate::up_to(tx, backup.opening.migration)?;
    let tables = tables(&backup.opening).ok_or(StoreError::Corrupt("a table of no known name"))?;
    let statements: Vec<Statements> =
        tables.iter().map(|(table, columns)| Statements::on(table, columns)).collect();
    let mut lines = Lines::open(&backup.path).map_err(broken)?;
    let (mut of, mut rows): (usize, Vec<Vec<Value>>) = (0, Vec::new());
    while let Some(line) = lines.next().map_err(broken)? {
        let Some((place, values)) = row(&line)? else { continue };
        if place != of || rows.len() == ROWS_AT_ONCE {
            put(tx, &statements, of, &mut rows)?;
            of = place;
        }
        rows.push(values);
    }
    put(tx, &statements, of, &mut rows)?;
    migrate::up_to(tx, migrate::known())?;
    end_leases(tx)?;
    incarnation.map_or(Ok(()), |incarnation| deployment::keep_incarnation(tx, incarnation))
}

fn put(
    tx: &mut dyn Tx,
    statements: &[Statements],
    of: usize,
    rows: &mut Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let statements = statements.get(of).ok_or(StoreError::Corrupt("a row of no table"))?;
    statements.insert(tx, rows)?;
    rows.clear();
    Ok(())
}

/// A row and the place of its table; `None` for the first line and the last.
fn row(line: &[u8]) -> Result<Option<(usize, Vec<Value>)>, StoreError> {
    const BROKEN: StoreError = StoreError::Corrupt("a row of the backup");
    if line.first() != Some(&b'[') {
        return Ok(None);
    }
    let values: Vec<serde_json::Value> = serde_json::from_slice(line).map_err(|_| BROKEN)?;
    let place =
        values.first().and_then(serde_json::Value::as_u64).and_then(|place| usize::try_from(place).ok());
    let value = |value: &serde_json::Value| match value {
        serde_json::Value::Null => Ok(Value::Null),
        serde_json::Value::String(text) => Ok(Value::Text(text.clone())),
        other => other.as_i64().map(Value::Integer).ok_or(BROKEN),
    };
    Ok(Some((place.ok_or(BROKEN)?, values[1..].iter().map(value).collect::<Result<_, _>>()?)))
}
