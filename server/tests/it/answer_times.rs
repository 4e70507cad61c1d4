//! Whether size or time of an answer tells a shielded child from one who is not known: thousands of queries through the
//! code that answers, on a real database and the real timer, compared by a two-sample Kolmogorov-Smirnov test.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cme_server::answering::grid::Grid;
use cme_server::answering::{Reply, receive};
use cme_server::config::Config;
use cme_server::node::{Machine, Node};
use cme_server::notices::Desk;
use cme_server::store::sqlite::Sqlite;
use cme_server::store::{Database, Engine, JobFn, Row, StoreError, Tx, Value};
use cme_spec::canonical::Json;
use cme_spec::example::{self, code};
use cme_spec::instant::QueryId;
use cme_spec::query::{Query, QueryHeader};
use futures_util::stream::{self, StreamExt as _};
use serde_json::json;

use crate::asked::{import, subject};
use crate::support::World;
use crate::wire::now;

/// How unlikely a difference has to be, if there were none, before the test says that there is one.
const ALPHA: f64 = 0.000_1;
/// Children of each kind that are asked for.
const CHILDREN: u64 = 50;

/// A database on which what only a shielded child's match leaves behind takes longer.
struct Leaking {
    inner: Sqlite,
    delay: Duration,
}

struct LeakingEngine(Box<dyn Engine>, Duration);

struct LeakingTx<'a>(&'a mut dyn Tx, Duration);

impl Database for Leaking {
    fn connect(&self) -> Result<Box<dyn Engine>, StoreError> {
        Ok(Box::new(LeakingEngine(self.inner.connect()?, self.delay)))
    }

    fn connect_alone(&self) -> Result<Box<dyn Engine>, StoreError> {
        self.inner.connect_alone()
    }

    fn replace(&self, fill: JobFn<'_>) -> Result<(), StoreError> {
        self.inner.replace(fill)
    }
}

impl Engine for LeakingEngine {
    fn write(&mut self, job: JobFn<'_>) -> Result<(), StoreError> {
        let delay = self.1;
        self.0.write(&mut |tx| job(&mut LeakingTx(tx, delay)))
    }

    fn read(&mut self, job: JobFn<'_>) -> Result<(), StoreError> {
        self.0.read(job)
    }
}

impl Tx for LeakingTx<'_> {
    fn exec(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        if sql.starts_with("INSERT INTO escalation ") {
            std::thread::sleep(self.1);
        }
        self.0.exec(sql, parameters)
    }

    fn rows(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.0.rows(sql, parameters)
    }
}

/// A deployment in this process, and the keys of who asks it.
struct Court {
    world: World,
    node: Node,
    asked: AtomicU64,
}

impl Court {
    /// Birmingham with shielded children, answering at the end of intervals so long.
    async fn new(interval: Duration, leak: Duration) -> Self {
        let world = World::new(&["373", "330"]);
        let party = world.party("330");
        let mut rows = "reference,given_name,family_name,date_of_birth,sex,shielded\n".to_owned();
        for child in 0..CHILDREN {
            writeln!(rows, "s{child},{},{},{},F,yes", given(child), family(child), born(child)).unwrap();
        }
        for child in 0..400 {
            let (day, month) = (child % 28 + 1, child % 12 + 1);
            writeln!(rows, "{child},Given{child},Family{child},2013-{month:02}-{day:02},F,").unwrap();
        }
        import(party, &rows, "--replace");
        let mut config = Config::load(&party.config()).unwrap();
        config.queries.interval_ms = u64::try_from(interval.as_millis()).unwrap();
        (config.queries.per_authority_day, config.queries.per_officer_day) = (u32::MAX, 1_000_000);
        let inner = Sqlite::at(&party.home.join("cme.sqlite")).unwrap();
        let database: Arc<dyn Database> = Arc::new(Leaking { inner, delay: leak });
        let node =
            Node::open_on(config, Machine { database: Some(database), ..Machine::real() }).await.unwrap();
        Self { world, node, asked: AtomicU64::new(0) }
    }

    fn query(&self, subject: serde_json::Value) -> Query {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        // Another officer for every few queries, as in life.
        let query: QueryId = example::query_id(number);
        let header = QueryHeader { created_at: now(), query, ..example::query_header(number) };
        let mut body = example::query_body().into_value();
        body["subject"] = subject;
        body["officer"]["id"] = json!(format!("o-{:06}", number / 10));
        Query::sign(header, Json::from_typed(&body).unwrap(), &self.world.party("373").signing_key())
    }

    async fn ask(&self, query: Query) -> (Reply, Duration) {
        let archive = self.node.archive();
        let directory = archive.newest().unwrap().content();
        let desk = Desk { node: &self.node, directory, hosted: code("330"), caller: code("373") };
        let begun = Instant::now();
        let reply = receive(&desk, query, Grid::begin(&self.node)).await.unwrap();
        (reply, begun.elapsed())
    }

    /// Asks so often, for shielded children and for such as are not known in an order of chance: times of either, and
    /// the one size of all answers.
    async fn sample(&self, count: u64, at_once: usize, seed: u64) -> (Vec<Duration>, Vec<Duration>, usize) {
        self.node.register().bring_up_to_date(code("330")).await.unwrap();
        let mut dice = seed;
        let kinds = (0..count).map(|_| {
            // Xorshift, by George Marsaglia.
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            (dice >> 20).is_multiple_of(2)
        });
        let asked = stream::iter(kinds.collect::<Vec<_>>().into_iter().enumerate()).map(
            |(place, shielded)| async move {
                let child = place as u64 % CHILDREN;
                // As many letters, another name.
                let asked = if shielded {
                    subject(&given(child), &family(child), &born(child), "F")
                } else {
                    subject(&given(child + 500), &family(child + 500), &born(child), "F")
                };
                let (reply, time) = self.ask(self.query(asked)).await;
                let Reply::Answers(answers, false) = reply else { panic!("{reply:?}") };
                assert_eq!(answers[0].content().outcome.code(), "not-known");
                (shielded, time, Reply::content(&answers).canonical_bytes().len())
            },
        );
        let told: Vec<_> = asked.buffer_unordered(at_once).collect().await;
        let size = told[0].2;
        assert!(told.iter().all(|(_, _, other)| *other == size), "answers of other sizes");
        let times = |wanted: bool| {
            told.iter()
                .filter(|(shielded, ..)| *shielded == wanted)
                .map(|(_, time, _)| *time)
                .collect::<Vec<_>>()
        };
        (times(true), times(false), size)
    }
}

/// Names that share nothing with those of another number.
fn spelt(number: u64, letters: &[u8]) -> String {
    let number = usize::try_from(number).unwrap();
    let letter = |place: u32| char::from(letters[number / 7_usize.pow(place) % letters.len()]);
    (0..4).map(letter).collect()
}

fn given(number: u64) -> String {
    format!("Zo{}{number:03}", spelt(number * 131, b"abdefgh"))
}

fn family(number: u64) -> String {
    format!("Qu{}{number:03}", spelt(number * 257, b"iklmnop"))
}

fn born(child: u64) -> String {
    format!("2010-{:02}-{:02}", child % 12 + 1, child % 27 + 1)
}

fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// The greatest distance between the two empirical distributions.
fn distance(one: &[Duration], other: &[Duration]) -> f64 {
    let sorted = |sample: &[Duration]| {
        let mut sample = sample.to_vec();
        sample.sort_unstable();
        sample
    };
    let (one, other) = (sorted(one), sorted(other));
    let share = |sample: &[Duration], at: Duration| {
        real(sample.partition_point(|time| *time <= at)) / real(sample.len())
    };
    one.iter().chain(&other).map(|at| (share(&one, *at) - share(&other, *at)).abs()).fold(0.0, f64::max)
}

/// The distance that two samples of one distribution exceed with a probability of [`ALPHA`].
fn critical(one: usize, other: usize) -> f64 {
    let (one, other) = (real(one), real(other));
    (-(ALPHA / 2.0).ln() / 2.0).sqrt() * ((one + other) / (one * other)).sqrt()
}

fn seed() -> u64 {
    let given = std::env::var("CME_ANSWER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u64::try_from(now().milliseconds()).unwrap() | 1);
    println!("seed {seed}: CME_ANSWER_SEED={seed} repeats the order of queries");
    seed
}

fn tell(what: &str, hidden: &[Duration], unknown: &[Duration]) -> (f64, f64) {
    let (distance, critical) = (distance(hidden, unknown), critical(hidden.len(), unknown.len()));
    println!(
        "{what}: {} shielded, {} not known, distance {distance:.4}, critical {critical:.4} at {ALPHA}",
        hidden.len(),
        unknown.len()
    );
    (distance, critical)
}

/// With a leak of a millisecond in what only a match with a shielded child leaves behind.
async fn answers_do_not_tell(count: u64, at_once: usize) {
    let seed = seed();
    let interval = Duration::from_millis(250);
    let court = Court::new(interval, Duration::from_millis(1)).await;
    let (hidden, unknown, size) = court.sample(count, at_once, seed).await;
    println!("every answer has {size} bytes");
    let later = |times: &[Duration]| {
        real(times.iter().filter(|time| **time > interval * 3 / 2).count()) / real(times.len())
    };
    println!("left after the first interval: {:.4} and {:.4} of them", later(&hidden), later(&unknown));
    let (distance, critical) = tell("with intervals of 250 ms", &hidden, &unknown);
    assert!(
        hidden.iter().chain(&unknown).all(|time| *time >= interval),
        "an answer left before its interval ended"
    );
    assert!(distance <= critical, "the times tell shielded children from others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_answers_do_not_tell_a_shielded_child_by_size_or_time() {
    answers_do_not_tell(2_000, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes more than a minute; docs/benchmarks.md has the command"]
async fn ten_thousand_answers_do_not_tell_a_shielded_child_by_size_or_time() {
    answers_do_not_tell(10_000, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_comparison_notices_a_leak_where_answers_leave_as_soon_as_they_are_ready() {
    let court = Court::new(Duration::from_millis(1), Duration::from_millis(10)).await;
    let (hidden, unknown, _) = court.sample(500, 1, seed()).await;
    let (distance, critical) = tell("without intervals", &hidden, &unknown);
    assert!(distance > critical, "a leak of ten milliseconds is not noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_register_was_read_every_query_is_put_off_alike() {
    let court = Court::new(Duration::from_millis(250), Duration::ZERO).await;
    for child in [given(1), given(501)] {
        let (reply, time) = court.ask(court.query(subject(&child, &family(1), &born(1), "F"))).await;
        let Reply::Later(problem, seconds) = &reply else { panic!("{reply:?}") };
        assert_eq!((problem.status, reply.name(), *seconds), (503, "unavailable", 5));
        assert!(time >= Duration::from_millis(250), "{time:?}");
    }
    // The same query is answered once the register was read.
    let query = court.query(subject(&given(1), &family(1), &born(1), "F"));
    assert!(matches!(court.ask(query.clone()).await.0, Reply::Later(..)));
    court.node.register().bring_up_to_date(code("330")).await.unwrap();
    assert!(matches!(court.ask(query).await.0, Reply::Answers(_, false)));
}
