//! A snapshot, written row by row.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cme_spec::instant::Instant;
use ring::digest::{Context, SHA256, digest};

use super::{BackupError, Closing, Columns, FORMAT, Opening};
use crate::store::tables::{Statements, TABLES, Table};
use crate::store::{Database, Row, StoreError, Tx, Value, migrate};

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The number of rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// Equal when the rows are, in whatever order.
    sum: u128,
}

impl Summary {
    /// All rows.
    pub fn all(&self) -> u64 {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }
}

/// Writes a backup of the database as it is at one instant.
pub fn write(database: &dyn Database, now: Instant, out: &mut dyn Write) -> Result<Summary, BackupError> {
    let mut out = Hashed { out, context: Context::new(&SHA256) };
    let mut summary = None;
    let mut engine = database.connect()?;
    let mut failed = None;
    engine
        .read(&mut |tx| match snapshot(tx, now, &mut out) {
            Ok(done) => {
                summary = Some(done);
                Ok(())
            }
            Err(BackupError::Store(error)) => Err(error),
            Err(other) => {
                failed = Some(other);
                Err(StoreError::Closed)
            }
        })
        .map_err(|error| failed.take().unwrap_or(BackupError::Store(error)))?;
    let summary = summary.ok_or(StoreError::Closed)?;
    let sha256 = URL_SAFE_NO_PAD.encode(out.context.clone().finish());
    let closing = Closing { rows: summary.rows.iter().map(|(_, rows)| *rows).collect(), sha256 };
    out.line(&serde_json::to_string(&closing).map_err(|_| StoreError::Corrupt("a count"))?)?;
    Ok(summary)
}

/// What the database holds now, without writing it anywhere.
pub fn sum_up(database: &dyn Database, now: Instant) -> Result<Summary, BackupError> {
    write(database, now, &mut std::io::sink())
}

struct Hashed<'a> {
    out: &'a mut dyn Write,
    context: Context,
}

impl Hashed<'_> {
    fn line(&mut self, text: &str) -> Result<(), BackupError> {
        for bytes in [text.as_bytes(), b"\n"] {
            self.context.update(bytes);
            let written = self.out.write_all(bytes);
            written.map_err(|cause| BackupError::File { path: "the backup".into(), cause })?;
        }
        Ok(())
    }
}

fn snapshot(tx: &mut dyn Tx, now: Instant, out: &mut Hashed<'_>) -> Result<Summary, BackupError> {
    let (found, known) = (migrate::applied(tx)?, migrate::known());
    if found > known {
        return Err(StoreError::Newer { found, known }.into());
    }
    if found < known {
        return Err(BackupError::Behind { found, known });
    }
    let columns = |table: &Table| Columns {
        name: table.name.to_owned(),
        columns: table.columns.iter().map(|column| (*column).to_owned()).collect(),
    };
    let opening = Opening {
        format: FORMAT.to_owned(),
        migration: found,
        made_at: now.to_string(),
        software: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
        tables: TABLES.iter().map(columns).collect(),
    };
    out.line(&serde_json::to_string(&opening).map_err(|_| StoreError::Corrupt("an opening"))?)?;
    let mut summary = Summary { rows: Vec::new(), sum: 0 };
    for (place, table) in TABLES.iter().enumerate() {
        let statements = Statements::on(table, table.columns);
        let (mut count, mut last): (u64, Option<Row>) = (0, None);
        loop {
            let page = statements.page(tx, last.as_ref())?;
            for row in &page {
                let text = line(place, row);
                summary.sum = summary.sum.wrapping_add(weight(&text));
                out.line(&text)?;
                count += 1;
            }
            match page.last() {
                Some(row) => last = Some(row.clone()),
                None => break,
            }
        }
        summary.rows.push((table.name, count));
    }
    Ok(summary)
}

fn line(place: usize, row: &Row) -> String {
    let value = |value: &Value| match value {
        Value::Integer(number) => serde_json::Value::from(*number),
        Value::Text(text) => serde_json::Value::from(text.as_str()),
        Value::Null => serde_json::Value::Null,
    };
    let values = std::iter::once(serde_json::Value::from(place)).chain(row.0.iter().map(value));
    serde_json::Value::Array(values.collect()).to_string()
}

/// Half of the row's digest: their sum doesn't depend on the order in which an engine sorts texts.
fn weight(line: &str) -> u128 {
    let digest = digest(&SHA256, line.as_bytes());
    digest.as_ref().iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}
