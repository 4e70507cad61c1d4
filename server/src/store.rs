//! The store: one seam for every database, synchronous jobs, one writer with group commit.
//!
//! A job is a closure over [`Tx`]. It can run more than once: each job of a batch that failed runs alone
//! afterwards. It does nothing but read and write through `Tx`, and does no harm twice, for a commit that a
//! database server told as failed, as its connection broke, may have taken effect. The writer takes whatever jobs
//! wait, runs them in one transaction and tells each caller after the commit is on disk: the more callers,
//! the fewer syncs for each. Reads run beside it on connections of their own.
//!
//! Not chosen: a query builder or an ORM (some thirty statements; the common subset of SQL is enough), one
//! transaction for each request (a tenth of the rate, measured), an async driver for the writer (the writer
//! is one thread whatever the driver).

mod ahead;
pub mod asked;
pub mod audit;
pub mod deployment;
pub mod directory;
pub mod dispatch;
pub mod escalations;
pub mod judging;
pub mod leases;
pub mod led;
pub mod ledgers;
pub mod migrate;
pub mod notices;
pub mod officers;
pub mod outbox;
pub mod pairs;
pub mod postgres;
pub mod queries;
pub mod register;
pub mod sqlite;
#[cfg(test)]
mod suite;
pub mod tables;
mod throng;
mod writer;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

pub use self::ahead::Question;
use self::throng::Throng;
use self::writer::write_loop;

/// Jobs that wait at most; more callers wait to hand theirs in.
const QUEUE_JOBS_MAX: usize = 4_096;
/// Connections for reading.
const READERS: usize = 2;

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// BIGINT.
    Integer(i64),
    /// TEXT.
    Text(String),
    /// NULL.
    Null,
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer.
#[derive(Clone, Debug)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// The integer in a column.
    pub fn integer(&self, column: usize) -> Result<i64, StoreError> {
        match self.0.get(column) {
            Some(Value::Integer(value)) => Ok(*value),
            _ => Err(StoreError::Corrupt("a column is not an integer")),
        }
    }

    /// The text in a column.
    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.optional_text(column)?.ok_or(StoreError::Corrupt("a column is null"))
    }

    /// The text in a column, or null.
    pub fn optional_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            _ => Err(StoreError::Corrupt("a column is not text")),
        }
    }

    /// The typed value of a text column.
    pub fn parsed<T: std::str::FromStr>(&self, column: usize) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::Corrupt("a column is not of its form"))
    }
}

/// What the store could not do. None of it is the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the database for too long.
    #[error("the database is busy")]
    Busy,
    /// A row that must be new is there already.
    #[error("a row exists already")]
    Exists,
    /// What was read is not what was written.
    #[error("the database holds what it should not: {0}")]
    Corrupt(&'static str),
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The engine failed.
    #[error("the database failed: {0}")]
    Engine(String),
    /// A server or a command works on the database, which somebody wants for themselves.
    #[error("a server or a command works on this database; stop it first")]
    InUse,
    /// Somebody has the database for themselves.
    #[error("this database is being restored or moved; try again afterwards")]
    HeldAlone,
    /// The store is shut down.
    #[error("the store is shut down")]
    Closed,
    /// The database was made by a newer version of this software.
    #[error("the database has migration {found}, this software knows {known}")]
    Newer {
        /// The newest migration found.
        found: i64,
        /// The newest migration known.
        known: i64,
    },
}

/// What a job can do. SQL is the common subset, with `?1`, `?2`, ... for parameters.
pub trait Tx {
    /// Runs a statement; gives the number of rows it changed.
    fn exec(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError>;
    /// Runs a statement whose count nobody asks for, and which touches no rows but those that its parameters name.
    /// An engine may keep it and send it with what comes next; what goes wrong is told by a later call then, at
    /// the latest by the commit.
    fn change(&mut self, sql: &'static str, parameters: &[Value]) -> Result<(), StoreError> {
        self.exec(sql, parameters).map(|_| ())
    }
    /// The row is there. Like [`Tx::change`], and an engine may send rows of several jobs as one statement.
    fn insert(&mut self, insertion: &Insertion, parameters: &[Value]) -> Result<(), StoreError> {
        self.change(insertion.one, parameters)
    }
    /// Runs a query.
    fn rows(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError>;
    /// Runs queries of which none needs another's answer; the answers are in their order.
    fn rows_of_each(&mut self, questions: &[Question]) -> Result<Vec<Vec<Row>>, StoreError> {
        questions.iter().map(|question| self.rows(question.sql, &question.parameters)).collect()
    }
    /// The transaction has begun, and nobody else's writes come between. An engine may begin it only with its first
    /// statement otherwise.
    fn begun(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How a row of a table comes there, whether it is new or takes the place of one with the same key. It bears on no
/// other table.
#[derive(Clone, Copy, Debug)]
pub struct Insertion {
    /// One row, of a parameter for each value.
    pub one: &'static str,
    /// Rows with different keys, in their order, of an array for each value: for engines that have arrays.
    pub many: &'static str,
    /// Of so many parameters from the first on the key is made.
    pub key: usize,
}

/// A closure over a transaction.
pub type JobFn<'a> = &'a mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>;

/// A connection to a database.
pub trait Engine: Send {
    /// Runs the job in one transaction: all of it is on disk afterwards, or nothing.
    fn write(&mut self, job: JobFn<'_>) -> Result<(), StoreError>;
    /// Runs the job on one snapshot.
    fn read(&mut self, job: JobFn<'_>) -> Result<(), StoreError>;
    /// Whether each call is a way to a server and back: many questions are better asked at once, and a transaction
    /// takes a while to begin, in which more jobs come by themselves.
    fn is_far(&self) -> bool {
        false
    }
}

/// Opens connections to one database. Either any number of them work on it or one alone, which may replace
/// what it holds: the right to it belongs to the connection, so that none outlives what it stands on.
pub trait Database: Send + Sync {
    /// A new connection beside others; refused while somebody has the database alone.
    fn connect(&self) -> Result<Box<dyn Engine>, StoreError>;
    /// The only connection, for as long as it is open; refused while there is any other.
    fn connect_alone(&self) -> Result<Box<dyn Engine>, StoreError>;
    /// What `fill` makes, in one transaction, takes the place of the whole database at once, while nobody else works
    /// on it. `fill` finds either no table or those of before.
    fn replace(&self, fill: JobFn<'_>) -> Result<(), StoreError>;
    /// Work that is better done beside the writer, now and then; gives the number of checkpoints it made.
    fn tend(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

type Run = Box<dyn FnMut(&mut dyn Tx) -> Result<(), StoreError> + Send>;

struct Job {
    work: Work,
    done: Box<dyn FnOnce(Result<(), StoreError>, Work) + Send>,
}

/// What a job does. It goes back to its caller when it is done, who gives back what it holds: the one writer has
/// the next batch to begin.
struct Work {
    run: Run,
    /// What it will ask first.
    asks: Vec<Question>,
}

impl Job {
    fn end(self, result: Result<(), StoreError>) {
        (self.done)(result, self.work);
    }
}

/// A handle on the store. Clones share it; when the last is gone, the threads end.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    writer: Option<Sender<Job>>,
    throng: Arc<Throng>,
    readers: Option<Sender<Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop_tending: Option<Sender<()>>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    jobs: AtomicU64,
    commits: AtomicU64,
    checkpoints: AtomicU64,
}

/// What the store has done since it was opened: jobs to a commit say how well callers share syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Jobs of the writer that succeeded.
    pub jobs: u64,
    /// Transactions that were committed for them, each with one sync.
    pub commits: u64,
    /// Checkpoints, where the engine leaves them to the store.
    pub checkpoints: u64,
}

impl Store {
    /// Opens the database, brings its tables up to date and starts the threads.
    pub fn open(database: Arc<dyn Database>) -> Result<Self, StoreError> {
        let (writer, jobs) = bounded(QUEUE_JOBS_MAX);
        let (readers, reads) = bounded(QUEUE_JOBS_MAX);
        let (stop_tending, stopped) = bounded(0);
        let (tally, throng) = (Arc::new(Tally::default()), Arc::new(Throng::new()));
        let (counted, tended, waits) = (Arc::clone(&tally), Arc::clone(&tally), Arc::clone(&throng));
        // Each thread connects by itself: a driver may need the thread to have no runtime of its own.
        let migrated = spawn(
            Arc::clone(&database),
            |engine| migrate::up(engine),
            move |engine| {
                write_loop(engine, &jobs, &waits, &counted);
            },
        )?;
        let mut threads = vec![migrated];
        for _ in 0..READERS {
            let reads = reads.clone();
            threads.push(spawn(Arc::clone(&database), |_| Ok(()), move |engine| read_loop(engine, &reads))?);
        }
        threads.push(std::thread::spawn(move || tend_loop(database.as_ref(), &stopped, &tended)));
        let inner = Inner {
            writer: Some(writer),
            throng,
            readers: Some(readers),
            threads: Mutex::new(threads),
            stop_tending: Some(stop_tending),
            tally,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        let Tally { jobs, commits, checkpoints } = self.0.tally.as_ref();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts { jobs: read(jobs), commits: read(commits), checkpoints: read(checkpoints) }
    }

    /// Runs a job in a transaction that it may share with others; what it gives is durable.
    pub async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_asking(Vec::new(), job).await
    }

    /// The same for a job that is known to ask these questions: an engine that is far away is asked those of
    /// all jobs of a batch at once.
    pub async fn write_asking<T, F>(&self, asks: Vec<Question>, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    {
        send(self.0.writer.as_ref(), Some(&self.0.throng), asks, job).await
    }

    /// Runs a job on one snapshot, beside the writer.
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    {
        send(self.0.readers.as_ref(), None, Vec::new(), job).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.writer = None;
        self.readers = None;
        self.stop_tending = None;
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // The last handle can be dropped by a job of one of the threads itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

async fn send<T, F>(
    to: Option<&Sender<Job>>,
    throng: Option<&Throng>,
    asks: Vec<Question>,
    job: F,
) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Fn(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
{
    let to = to.ok_or(StoreError::Closed)?;
    let slot = Arc::new(Mutex::new(None));
    let (answer, told) = tokio::sync::oneshot::channel();
    let filled = Arc::clone(&slot);
    let run: Run = Box::new(move |tx| {
        let value = job(tx)?;
        *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    });
    let job = Job {
        work: Work { run, asks },
        done: Box::new(move |result, work| {
            let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            let _ = answer.send((result.and_then(|()| value.ok_or(StoreError::Closed)), work));
        }),
    };
    match to.try_send(job) {
        Ok(()) => {
            if let Some(throng) = throng {
                throng.has_grown_to(to.len());
            }
        }
        Err(crossbeam_channel::TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
        // Thousands wait already; the caller is told to come again instead of blocking its thread.
        Err(crossbeam_channel::TrySendError::Full(_)) => return Err(StoreError::Busy),
    }
    let (result, _work) = told.await.map_err(|_| StoreError::Closed)?;
    result
}

/// A thread with a connection of its own; gives what connecting and preparing gave.
fn spawn(
    database: Arc<dyn Database>,
    prepare: impl FnOnce(&mut dyn Engine) -> Result<(), StoreError> + Send + 'static,
    work: impl FnOnce(&mut dyn Engine) + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let (tell, told) = bounded(1);
    let thread = std::thread::spawn(move || {
        let engine = database.connect().and_then(|mut engine| prepare(engine.as_mut()).map(|()| engine));
        match engine {
            Ok(mut engine) => {
                let _ = tell.send(Ok(()));
                work(engine.as_mut());
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        }
    });
    told.recv().map_err(|_| StoreError::Closed)??;
    Ok(thread)
}

/// The job's result; a job that panics is a bug of its own and must not take the thread with it.
fn run(job: &mut Job, tx: &mut dyn Tx) -> Result<(), StoreError> {
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| (job.work.run)(tx)));
    result.unwrap_or_else(|_| Err(StoreError::Engine("a job panicked".to_owned())))
}

fn read_loop(engine: &mut dyn Engine, jobs: &Receiver<Job>) {
    while let Ok(mut job) = jobs.recv() {
        let result = engine.read(&mut |tx| run(&mut job, tx));
        job.end(result);
    }
}

fn tend_loop(database: &dyn Database, stopped: &Receiver<()>, tally: &Tally) {
    let pause = std::time::Duration::from_secs(1);
    while stopped.recv_timeout(pause) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
        match database.tend() {
            Ok(checkpoints) => {
                tally.checkpoints.fetch_add(checkpoints, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, "the database could not be tended"),
        }
    }
}
