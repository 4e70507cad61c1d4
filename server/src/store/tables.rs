//! The tables of a database, as a whole: for copies that any engine can take in again.

use super::{Row, StoreError, Tx, Value};

/// Rows read or written with one statement.
pub const ROWS_AT_ONCE: usize = 100;

/// A table: its name, and its columns with those of its primary key first.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [&'static str],
    /// How many of them, from the first, are its primary key.
    pub key: usize,
}

macro_rules! tables {
    ($($name:ident ($($key:ident),+) $($column:ident),*;)+) => {
        /// Every table that holds what must not be lost. What processes agree on among themselves, in `lease`, is
        /// not among them, and `migration` is told by its newest number.
        pub const TABLES: &[Table] = &[$(Table {
            name: stringify!($name),
            columns: &[$(stringify!($key),)+ $(stringify!($column),)*],
            key: [$(stringify!($key)),+].len(),
        },)+];
    };
}

tables! {
    ledger (hosted, counterparty, transfer) originating, stage, head_sequence, state, forked, changed, preceded_by;
    entry (hosted, counterparty, transfer, sequence) id, header, header_digest, body, erased_at, signature,
        sequencer_receipt, counter_receipt;
    branch_entry (hosted, counterparty, transfer, header_digest) sequence, document;
    proposal (hosted, counterparty, transfer, id) kind, decided_at, document;
    outbox (hosted, counterparty, transfer, id) task, place, state, attempts, next_at, last_failure, leased_by,
        leased_until;
    directory_issue (issue) document;
    peer_head (hosted, counterparty, transfer, day) document;
    signed_head (hosted, counterparty, transfer, point) signed_at, document;
    refused_delivery (hosted, counterparty, transfer, sequence) problem, refused_at;
    escalation (hosted, counterparty, transfer, clock, due_on) told_at, reminders, reminded_at;
    pair (hosted, counterparty) own, seen, read_under, doubts, settled, reconciled_at, failure;
    confirmation (hosted, counterparty, transfer, incarnation) confirmed_at;
    deployment (name) value;
    escalation_task (id) hosted, counterparty, transfer, clock, due_on, channel, recipient, document, state, attempts,
        queued_at, next_at, sent_at, last_failure, leased_by, leased_until;
    register_state (hosted) committed, last_import, last_child, last_change, swept, forgotten;
    register_import (hosted, import) source, kind, as_of, began_at, committed_at, added, changed, confirmed, removed,
        rejected;
    register_child (hosted, child, import) kind, place, source, reference, digest, given_name, middle_names,
        family_name, former_family_names, also_known_as, date_of_birth, sex, upn, former_upns, nhs_number, uln,
        postcode, urn, laestab, shielded;
    register_shield (hosted, source, reference) shielded_at;
    register_change (hosted, last_change) first_change, kind, import, child;
    notice (hosted, counterparty, notice, outgoing) header, header_digest, body, signature, created_at, stored,
        acknowledgement, acknowledgement_stored;
    dispatch (hosted, counterparty, task, id, number) state, attempts, next_at, last_failure, leased_by, leased_until;
    query (hosted, counterparty, query) header, header_digest, signature, body, arrived_at, directory_issue,
        last_outcome, body_until, standing_until, followed_by, withdrawal, led_to;
    answer (hosted, counterparty, query, number) answered_at, document, stored;
    query_match (hosted, counterparty, query, child) met_at, shielded, fields, state;
    offer_arrival (hosted, counterparty, transfer) arrived_at;
    audit (hosted, place) record, digest, recorded_at, counterparty, officer, query, number;
    query_follow (hosted) sequence, incarnation;
    asking (hosted, asking) purpose, officer, second_officer, to_ring, renews, created_at;
    asked_query (hosted, query) counterparty, asking, header, header_digest, body, signature, fields, created_at, erase_at,
        withdrawn_at, withdrawal, seen, led_to;
    asked_answer (hosted, query, number) answer, received_at, stored;
}

/// Tables that a copy leaves out.
const OTHERS: [&str; 2] = ["lease", "migration"];

/// The statements on one table. They are made once for each copy, and live as long as the process.
#[derive(Debug)]
pub struct Statements {
    first: &'static str,
    next: &'static str,
    insert_one: &'static str,
    insert_many: &'static str,
    columns: usize,
    key: usize,
}

fn forever(sql: String) -> &'static str {
    // A connection keeps its prepared statements by the address of their text.
    String::leak(sql)
}

fn numbered(from: usize, count: usize) -> String {
    let places: Vec<String> = (from..from + count).map(|place| format!("?{place}")).collect();
    places.join(", ")
}

impl Statements {
    /// The statements on `table` with those columns of it, the primary key's first.
    pub fn on(table: &Table, columns: &[&str]) -> Self {
        let (all, key, name) = (columns.join(", "), table.columns[..table.key].join(", "), table.name);
        let select = format!("SELECT {all} FROM {name}");
        let page = format!("ORDER BY {key} LIMIT {ROWS_AT_ONCE}");
        let insert = |rows: usize| {
            let row = |row: usize| format!("({})", numbered(row * columns.len() + 1, columns.len()));
            let rows: Vec<String> = (0..rows).map(row).collect();
            format!("INSERT INTO {name} ({all}) VALUES {}", rows.join(", "))
        };
        Self {
            first: forever(format!("{select} {page}")),
            next: forever(format!("{select} WHERE ({key}) > ({}) {page}", numbered(1, table.key))),
            insert_one: forever(insert(1)),
            insert_many: forever(insert(ROWS_AT_ONCE)),
            columns: columns.len(),
            key: table.key,
        }
    }

    /// The rows after one, or the first, in the order of their keys.
    pub fn page(&self, tx: &mut dyn Tx, after: Option<&Row>) -> Result<Vec<Row>, StoreError> {
        match after {
            None => tx.rows(self.first, &[]),
            Some(row) => tx.rows(self.next, &row.0[..self.key]),
        }
    }

    /// Puts rows in.
    pub fn insert(&self, tx: &mut dyn Tx, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        if rows.iter().any(|row| row.len() != self.columns) {
            return Err(StoreError::Corrupt("a row has not the columns of its table"));
        }
        for part in rows.chunks(ROWS_AT_ONCE) {
            if part.len() == ROWS_AT_ONCE {
                tx.exec(self.insert_many, &part.concat())?;
            } else {
                part.iter().try_for_each(|row| tx.exec(self.insert_one, row).map(|_| ()))?;
            }
        }
        Ok(())
    }
}

/// Removes every table of this software, with all that is in it.
pub fn drop_all(tx: &mut dyn Tx) -> Result<(), StoreError> {
    for name in TABLES.iter().map(|table| table.name).chain(OTHERS) {
        tx.exec(forever(format!("DROP TABLE IF EXISTS {name}")), &[])?;
    }
    Ok(())
}

/// Whether no ledger, nothing still to be sent, no child and no query is held: what a restore would replace.
pub fn is_empty(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    for sql in [
        "SELECT 1 FROM ledger LIMIT 1",
        "SELECT 1 FROM proposal LIMIT 1",
        "SELECT 1 FROM register_child LIMIT 1",
        "SELECT 1 FROM register_shield LIMIT 1",
        "SELECT 1 FROM audit LIMIT 1",
    ] {
        if !tx.rows(sql, &[])?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// No process holds what a copy's processes held. Those are gone.
pub fn end_leases(tx: &mut dyn Tx) -> Result<(), StoreError> {
    for sql in [
        "UPDATE outbox SET leased_by = NULL, leased_until = 0 WHERE leased_by IS NOT NULL",
        "UPDATE escalation_task SET leased_by = NULL, leased_until = 0 WHERE leased_by IS NOT NULL",
        "UPDATE dispatch SET leased_by = NULL, leased_until = 0 WHERE leased_by IS NOT NULL",
    ] {
        tx.exec(sql, &[])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::sqlite::Sqlite;

    #[tokio::test]
    async fn the_list_has_every_table_and_column_that_the_migrations_make() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("cme.sqlite")).unwrap();
        let made = store.read(|tx| {
            let tables = tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'", &[])?;
            let mut made = Vec::new();
            for table in &tables {
                let name = table.text(0)?.to_owned();
                let columns =
                    tx.rows("SELECT name, pk FROM pragma_table_info(?1)", &[name.clone().into()])?;
                let column = |row: &Row| Ok((row.text(0)?.to_owned(), row.integer(1)? > 0));
                made.push((name, columns.iter().map(column).collect::<Result<BTreeSet<_>, StoreError>>()?));
            }
            Ok(made)
        });
        let made: BTreeSet<_> = made.await.unwrap().into_iter().collect();
        let listed = TABLES.iter().map(|table| {
            let column = |(place, name): (usize, &&str)| ((*name).to_owned(), place < table.key);
            (table.name.to_owned(), table.columns.iter().enumerate().map(column).collect::<BTreeSet<_>>())
        });
        let listed: BTreeSet<_> = listed.collect();
        let copied: BTreeSet<_> =
            made.into_iter().filter(|(name, _)| !OTHERS.contains(&name.as_str())).collect();
        assert_eq!(copied, listed);
    }
}
