//! Fills a SQLite database with the past: transfers that were settled long ago.

use std::path::Path;

use cme_server::store::ledgers::{self, LedgerKey};
use cme_server::store::sqlite::Sqlite;
use cme_spec::entry::EntryType::{Accept, Acknowledge, Offer, Outcome};
use cme_spec::example::{Story, transfer};
use cme_spec::ids::AuthorityCode;
use cme_spec::ledger::apply;
use rusqlite::Connection;

/// Transfers that are committed together.
const TRANSFERS_PER_COMMIT: u64 = 2_000;

/// The entries of one transfer again, under another transfer and other ids. Nothing reads what they hold.
const ENTRIES: &str = "INSERT INTO entry (hosted, counterparty, transfer, sequence, id, header, header_digest, body, \
                           erased_at, signature, sequencer_receipt, counter_receipt) \
                           SELECT hosted, counterparty, ?1, sequence, substr(?1, 1, 35) || sequence, header, \
                           header_digest, body, erased_at, signature, sequencer_receipt, counter_receipt \
                           FROM entry WHERE transfer = ?2 AND hosted = ?3 AND counterparty = ?4";
const LEDGER: &str = "INSERT INTO ledger (hosted, counterparty, transfer, originating, stage, head_sequence, state, \
                          forked, changed, preceded_by) \
                          SELECT hosted, counterparty, ?1, originating, stage, head_sequence, state, forked, ?5, \
                          preceded_by FROM ledger WHERE transfer = ?2 AND hosted = ?3 AND counterparty = ?4";

/// Adds settled transfers to a new database until it holds that many entries.
pub(crate) async fn fill(
    database: &Path,
    (hosted, counterparty): (AuthorityCode, AuthorityCode),
    entries: u64,
) {
    let story = Story::of(1, &[Offer, Acknowledge, Accept, Outcome]);
    let entries_each = story.entries().len() as u64;
    let store = Sqlite::open(database).unwrap();
    let written = store.write(move |tx| {
        let key = LedgerKey { hosted, counterparty, transfer: transfer(1) };
        let mut ledger = None;
        for entry in story.entries() {
            let receipt = entry.receipt_by(hosted).unwrap().content();
            let next = apply(ledger.as_ref(), entry, receipt).unwrap();
            ledgers::append(tx, &key, &next, entry)?;
            ledger = Some(next);
        }
        Ok(())
    });
    written.await.unwrap();
    drop(store);
    let connection = Connection::open(database).unwrap();
    connection.execute_batch("PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;").unwrap();
    let last = entries / entries_each;
    for first in (2..=last).step_by(usize::try_from(TRANSFERS_PER_COMMIT).unwrap()) {
        connection.execute_batch("BEGIN").unwrap();
        for number in first..=last.min(first + TRANSFERS_PER_COMMIT - 1) {
            let names = (
                number_to_sql(number),
                transfer(number).to_string(),
                transfer(1).to_string(),
                hosted.to_string(),
                counterparty.to_string(),
            );
            let (changed, new, model, hosted, counterparty) = names;
            let mut copy = connection.prepare_cached(ENTRIES).unwrap();
            copy.execute((&new, &model, &hosted, &counterparty)).unwrap();
            let mut copy = connection.prepare_cached(LEDGER).unwrap();
            copy.execute((&new, &model, &hosted, &counterparty, changed)).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
}

fn number_to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap()
}
