//! One deployment: files, a database on a disk that can fail, a clock that can go wrong, and, while it is up, the
//! server itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use cme_server::clock::Clock;
use cme_server::config::{Config, Delivery, HostedConfig, Limits, Tls};
use cme_server::delivery::Worker;
use cme_server::node::{Machine, Node, NodeError};
use cme_server::pki::tls_pair;
use cme_server::random::Random;
use cme_server::reconciliation::Rounds;
use cme_server::store::sqlite::Sqlite;
use cme_server::store::{Database as _, Engine};
use cme_spec::digest::Digest;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;

use crate::dice::Dice;
use crate::disk::{Disk, Faults};
use crate::network::{Line, Network};
use crate::timers::Timers;
use crate::wire::Front;

/// Requests a second that no run comes near.
const RATE: u32 = 1_000_000;
/// Longest wait, in the machine's own time, for a crashed server's tasks and threads to be gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// The time that a deployment believes in.
#[derive(Clone)]
pub(crate) struct SimulatedClock {
    /// Milliseconds since 1970, for all alike.
    truth: Arc<AtomicI64>,
    /// Milliseconds by which this clock is ahead.
    ahead: Arc<AtomicI64>,
}

impl SimulatedClock {
    pub(crate) fn new(truth: &Arc<AtomicI64>) -> Self {
        Self { truth: Arc::clone(truth), ahead: Arc::default() }
    }

    pub(crate) fn milliseconds(&self) -> i64 {
        self.truth.load(Ordering::Relaxed) + self.ahead.load(Ordering::Relaxed)
    }

    pub(crate) fn set_ahead(&self, milliseconds: i64) {
        self.ahead.store(milliseconds, Ordering::Relaxed);
    }

    fn clock(&self, timers: &Timers) -> Clock {
        let (clock, timers) = (self.clone(), timers.clone());
        let tell = move || Instant::from_milliseconds(clock.milliseconds()).expect("a year of this age");
        Clock::from_fn(tell).with_wait(move |time| timers.wait(time))
    }
}

/// The server while it is up.
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) worker: Worker,
    pub(crate) rounds: Rounds,
    pub(crate) front: Front,
}

pub(crate) struct Deployment {
    pub(crate) number: usize,
    pub(crate) codes: Vec<AuthorityCode>,
    pub(crate) clock: SimulatedClock,
    pub(crate) timers: Timers,
    pub(crate) faults: Arc<Faults>,
    pub(crate) running: Option<Running>,
    /// Reads the database beside the server, whether that is up or not.
    pub(crate) auditor: Box<dyn Engine>,
    config: Config,
    database: PathBuf,
    random: Random,
    line: Arc<Line>,
}

/// A certificate that no connection shows: the network is simulated, but the configuration wants files.
fn unused_pair() -> &'static (String, String) {
    static PAIR: OnceLock<(String, String)> = OnceLock::new();
    PAIR.get_or_init(|| {
        let pair = tls_pair("simulation", &[], jiff::civil::date(2026, 11, 1)).expect("ring makes keys");
        (pair.certificate_pem, pair.key_pem)
    })
}

/// The example authority's signing key as PKCS#8 of version 1 in PEM.
fn signing_pem(code: AuthorityCode) -> String {
    use base64::Engine as _;
    let seed = Digest::of(format!("cme example signing key {code}").as_bytes());
    let prefix =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let text = base64::engine::general_purpose::STANDARD.encode([&prefix[..], &seed.as_bytes()[..]].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

/// Writes what a deployment of these authorities needs.
fn furnish(home: &Path, codes: &[AuthorityCode]) -> Config {
    let write = |name: &str, text: &str| {
        let path = home.join(name);
        std::fs::write(&path, text).expect("a temporary folder can be written to");
        let own = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, own).expect("an own file");
        path
    };
    std::fs::create_dir_all(home).expect("a temporary folder");
    let (certificate, key) = unused_pair();
    let (certificate, key) = (write("cert.pem", certificate), write("key.pem", key));
    let hosted = |code: &AuthorityCode| HostedConfig {
        code: *code,
        signing_key: write(&format!("{code}.sign.pem"), &signing_pem(*code)),
        certificate: certificate.clone(),
        key: key.clone(),
    };
    // The rate of requests is measured by the machine's own clock, which is no part of a simulation.
    let limits = Limits { requests_per_second: RATE, requests_burst: RATE, ..Limits::default() };
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = Config::new(
        (listen, listen),
        Tls { certificate: certificate.clone(), key: key.clone(), tls12: false },
        codes.iter().map(hosted).collect(),
        (limits, Delivery::default()),
    );
    config.directory = write("directory.json", &example::signed_directory().to_json().canonical_text());
    config.directory_root = Some(example::root_key().public());
    config.incarnation = write("incarnation", "1\n");
    config
}

impl Deployment {
    pub(crate) fn new(
        home: &Path,
        number: usize,
        codes: Vec<AuthorityCode>,
        truth: &Arc<AtomicI64>,
        network: &Network,
        seed: u64,
    ) -> Self {
        let config = furnish(home, &codes);
        let database = home.join("cme.sqlite");
        let dice = Mutex::new(Dice::named(seed, number as u64 + 1));
        let random =
            Random::from_fn(move |bytes| dice.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes));
        let auditor = Sqlite::at(&database).and_then(|sqlite| sqlite.connect()).expect("a new database");
        let line = Arc::new(Line { network: network.clone(), from: number });
        let (clock, timers) = (SimulatedClock::new(truth), Timers::new(truth));
        let faults = Arc::default();
        Self { number, codes, clock, timers, faults, running: None, auditor, config, database, random, line }
    }

    /// Starts the server, if it isn't up.
    pub(crate) async fn start(&mut self) -> Result<(), NodeError> {
        if self.running.is_some() {
            return Ok(());
        }
        self.faults.revive();
        let machine = Machine {
            clock: self.clock.clock(&self.timers),
            random: self.random.clone(),
            database: Some(Arc::new(Disk {
                sqlite: Sqlite::at(&self.database)?,
                faults: Arc::clone(&self.faults),
                truth: Arc::clone(&self.clock.truth),
            })),
            transport: Some(Arc::clone(&self.line) as Arc<dyn cme_client::Transport>),
        };
        let node = Node::open_on(self.config.clone(), machine).await?;
        let front = Front::open(&node).await;
        let (worker, rounds) = (Worker::new(node.clone()), Rounds::new(node.clone()));
        self.running = Some(Running { node, worker, rounds, front });
        Ok(())
    }

    /// The server is gone, with everything that was not on disk.
    pub(crate) async fn crash(&mut self) {
        let Some(running) = self.running.take() else { return };
        drop(running);
        self.line.network.forget_waiters(self.number);
        let begun = std::time::Instant::now();
        // The switch here is the last one when the store's threads have ended.
        while Arc::strong_count(&self.faults) > 1 {
            assert!(begun.elapsed() < PATIENCE, "something of a crashed server goes on");
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
    }
}
