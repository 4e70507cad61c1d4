use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::Sender;
use futures_util::future::try_join_all;
use futures_util::poll;
use tokio::task::JoinHandle;

use super::super::{Insertion, Question, Row, Store, StoreError};
use super::Fixture;

/// Jobs of a batch in these tests.
const JOBS: i64 = 50;
const COUNT: &str = "SELECT COUNT(*) FROM directory_issue";
const INSERT: &str = "INSERT INTO directory_issue (issue, document) VALUES (?1, ?2)";

/// A writer that one job holds back until it is let go.
struct HeldBack {
    job: JoinHandle<Result<(), StoreError>>,
    let_go: Sender<()>,
}

impl HeldBack {
    async fn begin(store: &Store) -> Self {
        let (let_go, gone) = crossbeam_channel::bounded(1);
        let (begun, has_begun) = crossbeam_channel::bounded(1);
        let store = store.clone();
        let job = tokio::spawn(async move {
            let job = store.write(move |_| {
                let _ = begun.send(());
                let _ = gone.recv();
                Ok(())
            });
            job.await
        });
        tokio::task::spawn_blocking(move || has_begun.recv()).await.unwrap().unwrap();
        Self { job, let_go }
    }

    /// All jobs wait; then the writer goes on.
    async fn release(self, store: &Store) {
        waits(store, JOBS).await;
        // Nobody else can see a row before the batch is committed.
        assert_eq!(count(store).await, 0);
        self.let_go.send(()).unwrap();
        self.job.await.unwrap().unwrap();
    }
}

/// So many jobs wait for the writer.
async fn waits(store: &Store, jobs: i64) {
    while store.0.writer.as_ref().unwrap().len() != usize::try_from(jobs).unwrap() {
        tokio::task::yield_now().await;
    }
}

async fn count(store: &Store) -> i64 {
    store.read(|tx| tx.rows(COUNT, &[])?[0].integer(0)).await.unwrap()
}

async fn in_order(jobs: Vec<JoinHandle<Result<i64, StoreError>>>) -> Vec<i64> {
    let mut seen = Vec::new();
    for job in jobs {
        seen.push(job.await.unwrap().unwrap());
    }
    seen.sort_unstable();
    seen
}

pub(crate) async fn jobs_that_wait_share_a_commit(fixture: &impl Fixture) {
    let (store, runs) = (fixture.open(), Arc::new(AtomicU64::new(0)));
    let held = HeldBack::begin(&store).await;
    let insert = |number: i64| {
        let (store, runs) = (store.clone(), Arc::clone(&runs));
        tokio::spawn(async move {
            let job = store.write(move |tx| {
                let before = tx.rows(COUNT, &[])?[0].integer(0)?;
                tx.exec(INSERT, &[number.into(), "{}".into()])?;
                runs.fetch_add(1, Ordering::SeqCst);
                Ok(before)
            });
            job.await
        })
    };
    let waiting: Vec<_> = (0..JOBS).map(insert).collect();
    held.release(&store).await;
    assert_eq!(in_order(waiting).await, (0..JOBS).collect::<Vec<_>>(), "each job saw those before it");
    assert_eq!((runs.load(Ordering::SeqCst), count(&store).await), (50, JOBS));
}

pub(crate) async fn jobs_of_a_batch_see_what_those_before_them_changed(fixture: &impl Fixture) {
    const OF_KIND: &str = "SELECT COUNT(*) FROM directory_issue WHERE document = ?1";
    let store = fixture.open();
    let held = HeldBack::begin(&store).await;
    // Two kinds of row, and what each job asks is known before any of them runs.
    let kind = |number: i64| if number % 2 == 0 { "even" } else { "odd" };
    let of_kind = |kind: &str| Question::new(OF_KIND, [kind.into()]).about(kind);
    let insert = |number: i64| {
        let (store, kind, question) = (store.clone(), kind(number), of_kind(kind(number)));
        tokio::spawn(async move {
            let asks = vec![question.clone()];
            let job = store.write_asking(asks, move |tx| {
                let before = tx.rows_of_each(std::slice::from_ref(&question))?[0][0].integer(0)?;
                tx.change(INSERT, &[number.into(), kind.into()])?;
                Ok(before)
            });
            job.await
        })
    };
    let (even, odd): (Vec<_>, Vec<_>) =
        (0..JOBS).map(|number| (number, insert(number))).partition(|(number, _)| number % 2 == 0);
    held.release(&store).await;
    for jobs in [even, odd] {
        let jobs = jobs.into_iter().map(|(_, job)| job).collect();
        assert_eq!(in_order(jobs).await, (0..JOBS / 2).collect::<Vec<_>>());
    }
}

pub(crate) async fn jobs_that_come_while_another_process_writes_share_a_commit(fixture: &impl Fixture) {
    let (store, other) = (fixture.open(), fixture.open());
    let held = HeldBack::begin(&other).await;
    let insert =
        |number: i64| store.write(move |tx| tx.exec(INSERT, &[number.into(), "{}".into()]).map(|_| number));
    let before = store.counts();
    // Each job is handed in when it is looked at first. The writer takes one, and waits for its turn.
    let mut first = std::pin::pin!(insert(0));
    assert!(poll!(first.as_mut()).is_pending());
    waits(&store, 0).await;
    let mut rest = std::pin::pin!(try_join_all((1..JOBS).map(insert)));
    assert!(poll!(rest.as_mut()).is_pending());
    waits(&store, JOBS - 1).await;
    held.let_go.send(()).unwrap();
    held.job.await.unwrap().unwrap();
    assert_eq!(first.await, Ok(0));
    assert_eq!(rest.await, Ok((1..JOBS).collect()));
    assert_eq!((store.counts().commits - before.commits, count(&store).await), (1, JOBS));
}

pub(crate) async fn rows_inserted_together_are_as_if_each_was_inserted_alone(fixture: &impl Fixture) {
    const ISSUE: Insertion = Insertion {
        one: "INSERT INTO directory_issue (issue, document) VALUES (?1, ?2) \
              ON CONFLICT (issue) DO UPDATE SET document = excluded.document",
        many: "INSERT INTO directory_issue (issue, document) SELECT * FROM unnest(?1::bigint[], ?2::text[]) \
               ON CONFLICT (issue) DO UPDATE SET document = excluded.document",
        key: 1,
    };
    let store = fixture.open();
    let inserted = store.write(|tx| {
        // Each key comes five times: the last row is the one that stays.
        for number in 0..JOBS {
            tx.insert(&ISSUE, &[(number % 10).into(), number.to_string().into()])?;
        }
        Ok(())
    });
    assert_eq!(inserted.await, Ok(()));
    let held = store.read(|tx| tx.rows("SELECT document FROM directory_issue ORDER BY issue", &[])).await;
    let held: Vec<i64> = held.unwrap().iter().map(|row| row.parsed(0).unwrap()).collect();
    assert_eq!(held, (40..50).collect::<Vec<_>>());
}

pub(crate) async fn questions_asked_together_are_answered_each_in_its_place(fixture: &impl Fixture) {
    const ONE: &str = "SELECT document FROM directory_issue WHERE issue = ?1";
    const SOME: &str = "SELECT document FROM directory_issue WHERE issue >= ?1 ORDER BY issue DESC LIMIT ?2";
    let store = fixture.open();
    let answers = store.write(|tx| {
        for number in 0..5_i64 {
            tx.change(INSERT, &[number.into(), number.to_string().into()])?;
        }
        let some = |from: i64, limit: i64| Question::new(SOME, [from.into(), limit.into()]);
        tx.rows_of_each(&[
            Question::new(ONE, [3.into()]),
            some(1, 2),
            Question::new(ONE, [99.into()]),
            some(0, 3),
            Question::new(COUNT, []),
            Question::new(ONE, [0.into()]),
            Question::new(COUNT, []),
        ])
    });
    let texts = |rows: &Vec<Row>| rows.iter().map(|row| row.text(0).unwrap_or("count").to_owned()).collect();
    let answers: Vec<Vec<String>> = answers.await.unwrap().iter().map(texts).collect();
    assert_eq!(answers, [&["3"] as &[_], &["4", "3"], &[], &["4", "3", "2"], &["count"], &["0"], &["count"]]);
}
