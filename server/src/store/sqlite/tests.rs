//! What is SQLite's own; behaviour that every engine must show is in the suite.

use cme_spec::entry::EntryType;
use cme_spec::example::{Story, code, transfer};
use cme_spec::ledger::apply;

use super::*;
use crate::store::ledgers::{self, LedgerKey};
use crate::store::{judging, pairs};

/// Runs statements and notes how SQLite finds what they ask for.
struct Explaining<'a> {
    tx: &'a mut dyn Tx,
    plans: Vec<String>,
}

impl Explaining<'_> {
    fn explain(&mut self, sql: &str, parameters: &[Value]) -> Result<(), StoreError> {
        let question: &'static str = format!("EXPLAIN QUERY PLAN {sql}").leak();
        for step in self.tx.rows(question, parameters)? {
            self.plans.push(format!("{}: {sql}", step.text(3)?));
        }
        Ok(())
    }
}

impl Tx for Explaining<'_> {
    fn exec(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        self.explain(sql, parameters)?;
        self.tx.exec(sql, parameters)
    }

    fn rows(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.explain(sql, parameters)?;
        self.tx.rows(sql, parameters)
    }
}

#[tokio::test]
async fn what_an_arriving_entry_asks_is_found_without_a_walk_through_what_a_pair_shares() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("plans.sqlite")).unwrap();
    let plans = store.write(|tx| {
        let mut tx = Explaining { tx, plans: Vec::new() };
        let key = LedgerKey { hosted: code("330"), counterparty: code("373"), transfer: transfer(1) };
        let mut ledger = None;
        for entry in Story::of(1, &[EntryType::Offer, EntryType::Accept]).entries() {
            let id = entry.header().id;
            pairs::find(&mut tx, key.hosted, key.counterparty)?;
            ledgers::entry_by_id(&mut tx, &key, id)?;
            ledgers::find(&mut tx, &key)?;
            judging::held(&mut tx, &key, id)?;
            ledgers::entry_at(&mut tx, &key, entry.header().sequence)?;
            let receipt = entry.receipt_by(code("330")).unwrap().content();
            let next = apply(ledger.as_ref(), entry, receipt).unwrap();
            ledgers::append(&mut tx, &key, &next, entry)?;
            ledger = Some(next);
        }
        ledgers::changed_after(&mut tx, (key.hosted, key.counterparty), 0, 100)?;
        ledgers::followed(&mut tx, key.hosted)?;
        Ok(tx.plans)
    });
    for plan in plans.await.unwrap() {
        let (step, _) = plan.split_once(": ").unwrap();
        let walks = step.starts_with("SCAN") && step != "SCAN CONSTANT ROW";
        assert!(!walks && !step.contains("TEMP B-TREE"), "{plan}");
        let narrow = ["transfer=", "id=", "changed>", "ledger_by_change", "ledger_that_follows", " pair "];
        let looked_up = step.starts_with("SEARCH");
        assert!(!looked_up || narrow.iter().any(|word| step.contains(word)), "{plan}");
    }
}

#[test]
fn the_log_begins_again_while_entries_keep_coming() {
    const ROWS: i64 = 600;
    const LOG_BYTES_MAX: u64 = 40 << 20;
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(Sqlite::at(&folder.path().join("busy.sqlite")).unwrap());
    let mut engine = database.connect().unwrap();
    let make = "CREATE TABLE busy (number BIGINT, text TEXT)";
    engine.write(&mut |tx| tx.exec(make, &[]).map(|_| ())).unwrap();
    let (tended, done) = (Arc::clone(&database), Arc::new(AtomicBool::new(false)));
    let finished = Arc::clone(&done);
    let tending = std::thread::spawn(move || {
        while !finished.load(Ordering::Acquire) {
            tended.tend().unwrap();
        }
    });
    let text = "x".repeat(200_000);
    for number in 0..ROWS {
        let insert = "INSERT INTO busy (number, text) VALUES (?1, ?2)";
        let row = [number.into(), text.as_str().into()];
        engine.write(&mut |tx| tx.exec(insert, &row).map(|_| ())).unwrap();
    }
    done.store(true, Ordering::Release);
    tending.join().unwrap();
    let written = std::fs::metadata(database.companion("")).unwrap().len();
    let log = std::fs::metadata(database.companion("-wal")).unwrap().len();
    assert!(written > 2 * LOG_BYTES_MAX, "{written} bytes were written");
    assert!(log < LOG_BYTES_MAX, "the log has {log} bytes");
}
