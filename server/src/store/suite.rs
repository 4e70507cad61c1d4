//! What every engine must show. Each behaviour is a function over a fresh store; `for_engine!` makes a test
//! of each for one engine, through its real migrations.

mod asking;
mod batching;
mod dispatching;
mod escalations;
mod leasing;
mod queries;
mod register;

use std::sync::Arc;

use cme_spec::entry::{Entry, EntryType as E};
use cme_spec::example::{Story, code, instant};
use cme_spec::instant::EntryId;

pub(crate) use self::asking::{
    a_body_is_gone_when_its_time_is_over_and_the_rest_stays,
    a_peer_has_few_things_under_way_and_a_withdrawal_follows_its_query,
    a_query_is_withdrawn_once_and_renewed_by_another, answers_are_unseen_until_an_officer_has_looked,
    answers_come_back_in_the_order_of_their_numbers, what_is_asked_comes_back_as_it_was_decided,
};
pub(crate) use self::batching::{
    jobs_of_a_batch_see_what_those_before_them_changed,
    jobs_that_come_while_another_process_writes_share_a_commit, jobs_that_wait_share_a_commit,
    questions_asked_together_are_answered_each_in_its_place,
    rows_inserted_together_are_as_if_each_was_inserted_alone,
};
pub(crate) use self::dispatching::{
    a_dispatch_is_held_by_one_process_until_its_lease_has_run_out,
    a_dispatch_waits_or_is_given_up_until_an_officer_retries, a_notice_comes_back_with_what_was_said_of_it,
};
use self::escalations::{
    a_message_is_held_by_one_process_until_its_lease_is_over,
    a_message_that_was_refused_is_kept_until_it_is_resolved, a_reminder_follows_what_was_known,
    an_occasion_is_told_once, events_are_found_until_they_are_told,
    ledgers_with_clocks_come_a_part_at_a_time, what_was_told_is_listed_the_newest_first,
};
pub(crate) use self::leasing::{
    a_database_is_worked_on_by_many_or_held_by_one_alone,
    a_leased_letter_is_nobody_elses_until_its_lease_has_run_out, a_lost_lease_changes_nothing,
    a_process_that_stops_gives_its_letters_back, an_incarnation_begins_unless_a_later_one_did,
    one_letter_of_a_ledger_is_under_way_whoever_sends_it,
    peers_take_turns_and_none_has_more_under_way_than_its_bound,
    work_for_one_process_is_done_by_one_until_its_lease_has_run_out,
};
pub(crate) use self::queries::{
    a_body_is_gone_when_its_time_is_over, a_child_is_met_anew_when_it_agrees_in_something_else,
    a_query_comes_back_with_its_answers, a_query_that_was_withdrawn_waits_for_nobody,
    a_query_waits_for_a_person_until_a_later_answer_which_is_kept_with_its_receipt,
    authorities_that_asked_for_a_child_are_counted,
    queries_that_stand_are_gone_through_and_it_is_noted_how_far, records_of_the_audit_are_chained,
    what_is_to_be_erased_is_seen_before_the_writer_is_asked, what_stands_is_gone_when_its_standing_ends,
    what_waits_for_a_query_waits_for_the_one_that_follows_it, who_asked_lately_is_counted_and_offers_with_it,
};
pub(crate) use self::register::{
    a_child_comes_back_as_its_source_told_of_it, an_officers_flag_outlives_the_row,
    changes_are_told_in_order_and_a_part_at_a_time, changes_of_long_ago_are_forgotten_once_they_are_swept,
    one_import_is_under_way_and_one_that_was_cut_off_comes_to_nothing,
    what_an_import_stages_is_seen_when_it_is_committed,
};
use super::leases::Holder;
use super::ledgers::{self, LedgerKey};
use super::outbox::{self, Leased, Letter, Task, Turn};
use super::{Database, Store, StoreError, Tx, migrate, tables};

/// A store on an empty database, opened again by `reopen`; dropped with its database.
pub(crate) trait Fixture {
    /// This fixture's database.
    fn database(&self) -> Arc<dyn Database>;

    /// A store on it.
    fn open(&self) -> Store {
        Store::open(self.database()).unwrap()
    }
}

macro_rules! for_engine {
    ($engine:ident, $fixture:expr) => {
        mod $engine {
            use super::super::suite;

            for_engine!(@tests $fixture;
                holds_what_was_acknowledged_after_it_was_opened_again,
                a_job_that_fails_changes_nothing_and_spoils_no_other,
                a_change_that_fails_fails_its_own_job_and_is_in_order_with_all_else,
                a_job_that_panics_fails_and_the_store_goes_on,
                jobs_that_wait_share_a_commit,
                questions_asked_together_are_answered_each_in_its_place,
                rows_inserted_together_are_as_if_each_was_inserted_alone,
                jobs_of_a_batch_see_what_those_before_them_changed,
                jobs_that_come_while_another_process_writes_share_a_commit,
                a_ledger_comes_back_as_it_was_stored,
                an_entry_stands_once_in_a_ledger,
                heads_come_in_commit_order,
                a_peers_newest_head_is_kept_and_each_that_contradicts,
                the_first_letter_of_each_ledger_is_due_and_no_other,
                a_dead_delivery_holds_back_what_follows_and_a_dead_decision_does_not,
                letters_are_hastened_for_one_peer_only,
                a_leased_letter_is_nobody_elses_until_its_lease_has_run_out,
                a_lost_lease_changes_nothing,
                one_letter_of_a_ledger_is_under_way_whoever_sends_it,
                peers_take_turns_and_none_has_more_under_way_than_its_bound,
                a_process_that_stops_gives_its_letters_back,
                work_for_one_process_is_done_by_one_until_its_lease_has_run_out,
                an_incarnation_begins_unless_a_later_one_did,
                a_database_is_worked_on_by_many_or_held_by_one_alone,
                an_occasion_is_told_once,
                a_reminder_follows_what_was_known,
                a_message_is_held_by_one_process_until_its_lease_is_over,
                a_message_that_was_refused_is_kept_until_it_is_resolved,
                events_are_found_until_they_are_told,
                ledgers_with_clocks_come_a_part_at_a_time,
                what_was_told_is_listed_the_newest_first,
                a_child_comes_back_as_its_source_told_of_it,
                what_an_import_stages_is_seen_when_it_is_committed,
                changes_are_told_in_order_and_a_part_at_a_time,
                changes_of_long_ago_are_forgotten_once_they_are_swept,
                one_import_is_under_way_and_one_that_was_cut_off_comes_to_nothing,
                an_officers_flag_outlives_the_row,
                a_notice_comes_back_with_what_was_said_of_it,
                a_dispatch_is_held_by_one_process_until_its_lease_has_run_out,
                a_dispatch_waits_or_is_given_up_until_an_officer_retries,
                what_is_asked_comes_back_as_it_was_decided,
                answers_come_back_in_the_order_of_their_numbers,
                answers_are_unseen_until_an_officer_has_looked,
                a_body_is_gone_when_its_time_is_over_and_the_rest_stays,
                a_query_is_withdrawn_once_and_renewed_by_another,
                a_peer_has_few_things_under_way_and_a_withdrawal_follows_its_query,
                a_query_comes_back_with_its_answers,
                a_query_waits_for_a_person_until_a_later_answer_which_is_kept_with_its_receipt,
                what_stands_is_gone_when_its_standing_ends,
                a_body_is_gone_when_its_time_is_over,
                what_is_to_be_erased_is_seen_before_the_writer_is_asked,
                a_query_that_was_withdrawn_waits_for_nobody,
                who_asked_lately_is_counted_and_offers_with_it,
                authorities_that_asked_for_a_child_are_counted,
                what_waits_for_a_query_waits_for_the_one_that_follows_it,
                a_child_is_met_anew_when_it_agrees_in_something_else,
                queries_that_stand_are_gone_through_and_it_is_noted_how_far,
                records_of_the_audit_are_chained,
                a_connection_of_before_goes_on_while_the_tables_are_brought_up_to_date,
                a_whole_database_takes_the_place_of_another_or_nothing_changes,
                migrations_run_once,
            );
        }
    };
    (@tests $fixture:expr; $($name:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                suite::$name(&$fixture).await;
            }
        )+
    };
}

for_engine!(sqlite, suite::SqliteFixture::new());
#[cfg(feature = "postgres-tests")]
for_engine!(postgres, suite::PostgresFixture::new());

/// A folder with a database file.
struct SqliteFixture(tempfile::TempDir);

impl SqliteFixture {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Fixture for SqliteFixture {
    fn database(&self) -> Arc<dyn Database> {
        Arc::new(super::sqlite::Sqlite::at(&self.0.path().join("suite.sqlite")).unwrap())
    }
}

/// A database of its own on the server that `CME_TEST_POSTGRES` names.
#[cfg(feature = "postgres-tests")]
pub(crate) struct PostgresFixture {
    server: ::postgres::Config,
    name: String,
}

#[cfg(feature = "postgres-tests")]
impl PostgresFixture {
    pub(crate) fn new() -> Self {
        let url = std::env::var("CME_TEST_POSTGRES").expect("CME_TEST_POSTGRES names a PostgreSQL server");
        let server: ::postgres::Config = url.parse().unwrap();
        let name = format!("suite_{}", u64::from_le_bytes(crate::random::Random::system().bytes()));
        let fixture = Self { server, name };
        fixture.administer(format!("CREATE DATABASE {}", fixture.name));
        fixture
    }

    /// On a thread without a runtime, as the driver brings one.
    fn administer(&self, sql: String) {
        let server = self.server.clone();
        let done = std::thread::spawn(move || server.connect(::postgres::NoTls).unwrap().batch_execute(&sql));
        done.join().unwrap().unwrap();
    }
}

#[cfg(feature = "postgres-tests")]
impl Fixture for PostgresFixture {
    fn database(&self) -> Arc<dyn Database> {
        let url = std::env::var("CME_TEST_POSTGRES").unwrap();
        let (server, _) = url.rsplit_once('/').unwrap();
        Arc::new(super::postgres::Postgres::at(&format!("{server}/{}", self.name), None).unwrap())
    }
}

#[cfg(feature = "postgres-tests")]
impl Drop for PostgresFixture {
    fn drop(&mut self) {
        self.administer(format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn key(number: u64) -> LedgerKey {
    LedgerKey {
        hosted: code("330"),
        counterparty: code("373"),
        transfer: cme_spec::example::transfer(number),
    }
}

/// Stores a story's entries as they come in.
async fn store_story(store: &Store, story: &Story, number: u64) {
    let (key, entries) = (key(number), story.entries().to_vec());
    store
        .write(move |tx| {
            let mut ledger = None;
            for entry in &entries {
                let receipt = entry.receipt_by(code("330")).unwrap().content();
                let next = cme_spec::ledger::apply(ledger.as_ref(), entry, receipt).unwrap();
                ledgers::append(tx, &key, &next, entry)?;
                ledger = Some(next);
            }
            Ok(())
        })
        .await
        .unwrap();
}

async fn entries(store: &Store, number: u64) -> Vec<Entry> {
    store.read(move |tx| ledgers::entries(tx, &key(number), 0, 100)).await.unwrap()
}

pub(crate) async fn holds_what_was_acknowledged_after_it_was_opened_again(fixture: &impl Fixture) {
    let story = Story::accepted();
    let store = fixture.open();
    store_story(&store, &story, 1).await;
    drop(store);
    assert_eq!(entries(&fixture.open(), 1).await, story.entries());
}

pub(crate) async fn a_job_that_fails_changes_nothing_and_spoils_no_other(fixture: &impl Fixture) {
    let store = fixture.open();
    let jobs = (0..20_i64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let job = store.write(move |tx| {
                tx.exec(
                    "INSERT INTO directory_issue (issue, document) VALUES (?1, ?2)",
                    &[number.into(), "{}".into()],
                )?;
                if number == 7 { Err(StoreError::Corrupt("a bad job")) } else { Ok(number) }
            });
            job.await
        })
    });
    for (number, job) in jobs.collect::<Vec<_>>().into_iter().enumerate() {
        let expected = if number == 7 {
            Err(StoreError::Corrupt("a bad job"))
        } else {
            Ok(i64::try_from(number).unwrap())
        };
        assert_eq!(job.await.unwrap(), expected);
    }
    let rows =
        store.read(|tx| tx.rows("SELECT issue FROM directory_issue ORDER BY issue", &[])).await.unwrap();
    let held: Vec<i64> = rows.iter().map(|row| row.integer(0).unwrap()).collect();
    assert_eq!(held, (0..20).filter(|number| *number != 7).collect::<Vec<_>>());
    let twice = store
        .write(|tx| tx.exec("INSERT INTO directory_issue (issue, document) VALUES (1, '{}')", &[]))
        .await;
    assert_eq!(twice, Err(StoreError::Exists));
}

pub(crate) async fn a_change_that_fails_fails_its_own_job_and_is_in_order_with_all_else(
    fixture: &impl Fixture,
) {
    const INSERT: &str = "INSERT INTO directory_issue (issue, document) VALUES (?1, ?2)";
    const UPDATE: &str = "UPDATE directory_issue SET document = ?2 WHERE issue = ?1";
    const COUNT: &str = "SELECT COUNT(*) FROM directory_issue WHERE document = 'b'";
    let store = fixture.open();
    // More changes than wait to be sent together, then a count and a question that see all of them.
    let seen = store.write(|tx| {
        for number in 0..300_i64 {
            tx.change(INSERT, &[number.into(), "a".into()])?;
            tx.change(UPDATE, &[number.into(), "b".into()])?;
        }
        let rows = tx.rows(COUNT, &[])?;
        tx.change(INSERT, &[300_i64.into(), "c".into()])?;
        Ok((rows[0].integer(0)?, tx.exec(UPDATE, &[300_i64.into(), "b".into()])?))
    });
    assert_eq!(seen.await, Ok((300, 1)));
    // The last thing that a job does is a change that can't be.
    let jobs = (299..310_i64).map(|number| {
        let store = store.clone();
        tokio::spawn(
            async move { store.write(move |tx| tx.change(INSERT, &[number.into(), "b".into()])).await },
        )
    });
    for (number, job) in (299..310).zip(jobs.collect::<Vec<_>>()) {
        let expected = if number <= 300 { Err(StoreError::Exists) } else { Ok(()) };
        assert_eq!(job.await.unwrap(), expected, "{number}");
    }
    let rows = store.read(|tx| tx.rows(COUNT, &[])).await.unwrap();
    assert_eq!(rows[0].integer(0), Ok(310));
}

pub(crate) async fn a_job_that_panics_fails_and_the_store_goes_on(fixture: &impl Fixture) {
    let store = fixture.open();
    let broken = store.write(|tx| -> Result<(), StoreError> {
        tx.exec("INSERT INTO directory_issue (issue, document) VALUES (1, '{}')", &[])?;
        panic!("a bug in a job");
    });
    assert_eq!(broken.await, Err(StoreError::Engine("a job panicked".to_owned())));
    let rows = store.write(|tx| tx.rows("SELECT issue FROM directory_issue", &[])).await.unwrap();
    assert!(rows.is_empty());
}

pub(crate) async fn a_ledger_comes_back_as_it_was_stored(fixture: &impl Fixture) {
    let store = fixture.open();
    let story = Story::of(1, &[E::Offer, E::Decline, E::Contest]);
    store_story(&store, &story, 1).await;
    let held = store.read(|tx| ledgers::find(tx, &key(1))).await.unwrap().unwrap();
    assert_eq!(&held.ledger, story.ledger());
    assert!(!held.forked);
    assert!(store.read(|tx| ledgers::find(tx, &key(2))).await.unwrap().is_none());
    let by_id = story.entries()[1].header().id;
    let found = store.read(move |tx| ledgers::entry_by_id(tx, &key(1), by_id)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&story.entries()[1]));
    let part = store.read(|tx| ledgers::entries(tx, &key(1), 1, 1)).await.unwrap();
    assert_eq!(part, story.entries()[1..2]);
}

pub(crate) async fn an_entry_stands_once_in_a_ledger(fixture: &impl Fixture) {
    let store = fixture.open();
    let story = Story::offered();
    store_story(&store, &story, 1).await;
    let (entry, ledger) = (story.entries()[0].clone(), story.ledger().clone());
    let twice = store.write(move |tx| ledgers::append(tx, &key(1), &ledger, &entry)).await;
    assert_eq!(twice, Err(StoreError::Exists));
}

pub(crate) async fn heads_come_in_commit_order(fixture: &impl Fixture) {
    let store = fixture.open();
    for number in [3, 1, 2] {
        store_story(&store, &Story::of(number, &[E::Offer]), number).await;
    }
    // The first one changes again and moves to the end.
    let story = Story::of(3, &[E::Offer, E::Acknowledge]);
    let (entry, ledger) = (story.entries()[1].clone(), story.ledger().clone());
    store.write(move |tx| ledgers::append(tx, &key(3), &ledger, &entry)).await.unwrap();
    let pair = (code("330"), code("373"));
    let order = store.read(move |tx| ledgers::changed_after(tx, pair, 0, 10)).await.unwrap();
    let numbers: Vec<_> = order.iter().map(|held| held.key).collect();
    assert_eq!(numbers, [key(1), key(2), key(3)]);
    let after = order[0].changed;
    let rest = store.read(move |tx| ledgers::changed_after(tx, pair, after, 10)).await.unwrap();
    assert_eq!(rest.len(), 2);
    let stranger = (code("330"), code("383"));
    assert!(store.read(move |tx| ledgers::changed_after(tx, stranger, 0, 10)).await.unwrap().is_empty());
}

pub(crate) async fn a_peers_newest_head_is_kept_and_each_that_contradicts(fixture: &impl Fixture) {
    let store = fixture.open();
    let story = Story::accepted();
    let head = |minute: i64, digest: &[u8]| {
        let mut content = story.head("373").content().clone();
        content.at = instant("2026-11-24T09:00:00Z").plus_seconds(60 * minute);
        content.header_digest = cme_spec::digest::Digest::of(digest);
        cme_spec::envelope::Envelope::sign(content, &cme_spec::example::signing_key("373"))
    };
    let (ours, later, other) = (head(1, b"ours"), head(3, b"ours"), head(2, b"other"));
    // All of one day; an older word about the same header comes last and changes nothing.
    for told in [&ours, &other, &later, &ours] {
        let told = told.clone();
        store.write(move |tx| ledgers::keep_peer_head(tx, &key(1), &told)).await.unwrap();
    }
    let kept = store.read(|tx| ledgers::peer_heads(tx, &key(1))).await.unwrap();
    let texts = |heads: &[cme_spec::envelope::Envelope<cme_spec::receipt::Head>]| -> Vec<String> {
        heads.iter().map(|head| head.to_json().canonical_text()).collect()
    };
    assert_eq!(texts(&kept), texts(&[other, later]));
}

fn letter_id(number: u64) -> EntryId {
    cme_spec::example::entry_id(number)
}

async fn enqueue(store: &Store, ledger: u64, id: u64, task: Task, place: i64) {
    let now = instant("2026-11-24T09:00:00Z");
    store.write(move |tx| outbox::enqueue(tx, &key(ledger), letter_id(id), task, place, now)).await.unwrap();
}

fn turn(at: &str) -> Turn {
    Turn { now: instant(at), per_peer_max: 100, letters_max: 100, after: None }
}

async fn due(store: &Store, at: &str) -> Vec<EntryId> {
    let turn = turn(at);
    ids(store.read(move |tx| outbox::due(tx, &turn)).await.unwrap())
}

fn ids(letters: impl IntoIterator<Item = Letter>) -> Vec<EntryId> {
    letters.into_iter().map(|letter| letter.id).collect()
}

/// What a process takes at that time, for a minute.
async fn claim(store: &Store, holder: u8, turn: Turn) -> Vec<Leased> {
    let (holder, until) = (Holder::from_random([holder; 16]), turn.now.plus_seconds(60));
    store.write(move |tx| outbox::claim(tx, &turn, holder, until)).await.unwrap()
}

pub(crate) async fn the_first_letter_of_each_ledger_is_due_and_no_other(fixture: &impl Fixture) {
    let store = fixture.open();
    enqueue(&store, 1, 11, Task::Deliver, 1).await;
    enqueue(&store, 1, 12, Task::Deliver, 2).await;
    enqueue(&store, 2, 21, Task::Deliver, 1).await;
    assert_eq!(due(&store, "2026-11-24T08:59:59Z").await, []);
    assert_eq!(due(&store, "2026-11-24T09:00:00Z").await, [letter_id(11), letter_id(21)]);
    store.write(|tx| outbox::done(tx, &key(1), letter_id(11))).await.unwrap();
    assert_eq!(due(&store, "2026-11-24T09:00:00Z").await, [letter_id(12), letter_id(21)]);
    let claimed = claim(&store, 1, turn("2026-11-24T09:00:00Z")).await;
    let postponed = claimed.iter().find(|leased| leased.letter.id == letter_id(12)).unwrap().lease;
    let later = instant("2026-11-24T10:00:00Z");
    assert!(store.write(move |tx| outbox::postpone(tx, &postponed, later, "no connection")).await.unwrap());
    assert_eq!(due(&store, "2026-11-24T09:59:59Z").await, [letter_id(21)]);
    let letters = store.read(|tx| outbox::of_hosted(tx, code("330"))).await.unwrap();
    assert_eq!((letters[0].attempts, letters[0].last_failure.as_deref()), (1, Some("no connection")));
}

pub(crate) async fn a_dead_delivery_holds_back_what_follows_and_a_dead_decision_does_not(
    fixture: &impl Fixture,
) {
    let store = fixture.open();
    for (ledger, task) in [(1, Task::Deliver), (2, Task::Propose)] {
        enqueue(&store, ledger, ledger * 10 + 1, task, 1).await;
        enqueue(&store, ledger, ledger * 10 + 2, task, 2).await;
    }
    for first in claim(&store, 1, turn("2026-11-24T09:00:00Z")).await {
        assert!(store.write(move |tx| outbox::bury(tx, &first.lease, "not-a-party")).await.unwrap());
    }
    assert_eq!(due(&store, "2026-11-24T09:00:00Z").await, [letter_id(22)]);
    assert_eq!(store.read(|tx| outbox::count(tx)).await.unwrap(), (2, 2));
    // Queued again by whoever finds it missing at the peer, it lives again.
    enqueue(&store, 1, 11, Task::Deliver, 1).await;
    assert_eq!(due(&store, "2026-11-24T09:00:00Z").await, [letter_id(11), letter_id(22)]);
}

pub(crate) async fn letters_are_hastened_for_one_peer_only(fixture: &impl Fixture) {
    let store = fixture.open();
    enqueue(&store, 1, 11, Task::Deliver, 1).await;
    let other = LedgerKey { counterparty: code("383"), ..key(2) };
    let now = instant("2026-11-24T09:00:00Z");
    store.write(move |tx| outbox::enqueue(tx, &other, letter_id(21), Task::Deliver, 1, now)).await.unwrap();
    let later = instant("2026-11-24T10:00:00Z");
    for leased in claim(&store, 1, turn("2026-11-24T09:00:00Z")).await {
        let postponed =
            store.write(move |tx| outbox::postpone(tx, &leased.lease, later, "no connection")).await;
        assert!(postponed.unwrap());
    }
    store.write(move |tx| outbox::hasten(tx, code("330"), code("373"), now)).await.unwrap();
    assert_eq!(due(&store, "2026-11-24T09:00:00Z").await, [letter_id(11)]);
}

/// A row that the first version could write and read.
fn refuse_one(tx: &mut dyn Tx, sequence: i64) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO refused_delivery (hosted, counterparty, transfer, sequence, problem, refused_at) \
                       VALUES ('330', '373', 'a', ?1, 'body-invalid', 0)";
    tx.exec(SQL, &[sequence.into()]).map(|_| ())
}

pub(crate) async fn a_connection_of_before_goes_on_while_the_tables_are_brought_up_to_date(
    fixture: &impl Fixture,
) {
    let count = |tx: &mut dyn Tx| -> Result<i64, StoreError> {
        tx.rows("SELECT COUNT(*) FROM refused_delivery", &[])?[0].integer(0)
    };
    let database = fixture.database();
    let old = tokio::task::spawn_blocking(move || {
        let mut old = database.connect().unwrap();
        old.write(&mut |tx| migrate::up_to(tx, 2).map(|_| ())).unwrap();
        old.write(&mut |tx| refuse_one(tx, 1)).unwrap();
        old
    });
    let mut old = old.await.unwrap();
    let new = fixture.open();
    let applied = new.read(|tx| migrate::applied(tx)).await.unwrap();
    assert_eq!(applied, migrate::known());
    let old = tokio::task::spawn_blocking(move || {
        old.write(&mut |tx| refuse_one(tx, 2)).unwrap();
        let mut seen = 0;
        old.read(&mut |tx| {
            seen = count(tx)?;
            Ok(())
        })
        .unwrap();
        drop(old);
        seen
    });
    assert_eq!(old.await.unwrap(), 2);
    assert_eq!(new.read(move |tx| count(tx)).await.unwrap(), 2);
}

pub(crate) async fn a_whole_database_takes_the_place_of_another_or_nothing_changes(fixture: &impl Fixture) {
    let store = fixture.open();
    store.write(|tx| refuse_one(tx, 1)).await.unwrap();
    let database = fixture.database();
    let replace = |failing: bool| {
        let database = Arc::clone(&database);
        tokio::task::spawn_blocking(move || {
            database.replace(&mut |tx| {
                tables::drop_all(tx)?;
                migrate::up_to(tx, migrate::known())?;
                refuse_one(tx, 2)?;
                if failing { Err(StoreError::Closed) } else { Ok(()) }
            })
        })
    };
    let places = |store: Store| async move {
        let read = store.read(|tx| {
            let rows = tx.rows("SELECT sequence FROM refused_delivery", &[])?;
            rows.iter().map(|row| row.integer(0)).collect::<Result<Vec<_>, _>>()
        });
        read.await.unwrap()
    };
    assert_eq!(replace(false).await.unwrap(), Err(StoreError::InUse));
    drop(store);
    assert_eq!(replace(true).await.unwrap(), Err(StoreError::Closed));
    assert_eq!(places(fixture.open()).await, [1]);
    assert_eq!(replace(false).await.unwrap(), Ok(()));
    assert_eq!(places(fixture.open()).await, [2]);
}

pub(crate) async fn migrations_run_once(fixture: &impl Fixture) {
    drop(fixture.open());
    let store = fixture.open();
    let rows = store.read(|tx| tx.rows("SELECT number FROM migration", &[])).await.unwrap();
    assert_eq!(rows.len(), super::migrate::MIGRATIONS.len());
    store.write(|tx| tx.exec("INSERT INTO migration (number) VALUES (9999)", &[])).await.unwrap();
    drop(store);
}
