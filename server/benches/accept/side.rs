//! What is measured: the server or the floor, each a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cme_client::{Identity, tls};
use cme_server::config::Config;
use cme_server::node::read_signing_key;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::signature::PublicKey;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rusqlite::{Connection, OpenFlags};

use crate::letters::{Author, Letter};
use crate::load::{Generator, Place};
use crate::postgres::Cluster;
use crate::process::{Process, free_address};

/// The built server.
const BINARY: &str = env!("CARGO_BIN_EXE_cme-server");
/// Sheffield sends, Birmingham is measured.
const ORIGINATING: &str = "373";
const RECEIVING: &str = "330";
/// No rate limit is what is measured.
const REQUESTS_PER_SECOND: u32 = 1_000_000;
/// Syncs that one checkpoint costs at most: the log before it, the database after it, the new log's header.
const SYNCS_PER_CHECKPOINT: u64 = 3;

/// One thing that is measured.
pub(crate) trait Side {
    /// Where it listens; more than one when it is several processes.
    fn places(&self) -> Vec<Place>;
    /// Its processes.
    fn processes(&self) -> &[Rc<Process>];
    /// Syncs of the disk so far.
    fn syncs(&self, generator: &Generator) -> u64;
    /// Entries in its database, which others may share.
    fn rows(&self) -> u64;
    /// Whether the answer proves that the entry is stored.
    fn is_receipted(&self, letter: &Letter, answer: &[u8]) -> bool;

    /// Processor time so far of its processes and of its database's.
    fn cpu(&self) -> Duration {
        self.processes().iter().map(|process| process.cpu()).sum()
    }

    /// Resident memory of its processes.
    fn memory_bytes(&self) -> u64 {
        self.processes().iter().map(|process| process.memory_bytes()).sum()
    }
}

/// Keys, certificates and a directory for two authorities, in a folder.
pub(crate) struct Network {
    folder: PathBuf,
    pub(crate) author: Author,
}

impl Network {
    pub(crate) fn new(folder: &Path) -> Self {
        for code in [ORIGINATING, RECEIVING] {
            let address = free_address();
            let mut init = cme_server(folder);
            init.args(["init", "--authority", code, "--folder", code, "--base-url"]);
            run(init.arg(format!("https://{address}/{code}")));
        }
        let mut make = cme_server(folder);
        make.args(["directory", "make", "--root-key", "root.sign.pem", "--out", "draft.json"]);
        run(make.args(["--record", "373/373.record.json", "--record", "330/330.record.json"]));
        let mut sign = cme_server(folder);
        sign.args(["directory", "sign", "draft.json", "--root-key", "root.sign.pem"]);
        run(sign.args(["--out", "330/directory.json"]));
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let author = Author {
            originating: example::code(ORIGINATING),
            receiving: example::code(RECEIVING),
            signing: read_signing_key(&folder.join("373/373.sign.pem")).unwrap(),
            floor_signing: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap(),
        };
        Self { folder: folder.to_owned(), author }
    }

    /// Whose ledgers are filled, and with whom they are shared.
    pub(crate) fn parties(&self) -> (AuthorityCode, AuthorityCode) {
        (self.author.receiving, self.author.originating)
    }

    /// A SQLite file of that name.
    pub(crate) fn database(&self, name: &str) -> PathBuf {
        self.receiving(name)
    }

    fn receiving(&self, name: &str) -> PathBuf {
        self.folder.join(RECEIVING).join(name)
    }

    /// The key under which the receiving authority signs receipts.
    fn receipt_key(&self) -> PublicKey {
        read_signing_key(&self.receiving("330.sign.pem")).unwrap().public()
    }

    fn identity(&self, certificate: &str, key: &str) -> Identity {
        let file = |name: &str| std::fs::read(self.folder.join(name)).unwrap();
        Identity::from_pem(&file(certificate), &file(key)).unwrap()
    }

    /// The originating authority's way to that address: its certificate is shown, the server's is pinned.
    fn place(&self, address: std::net::SocketAddr) -> Place {
        let caller = self.identity("373/373.cert.pem", "373/373.key.pem");
        let pin = self.identity("330/server.cert.pem", "330/server.key.pem").pin().unwrap();
        Place { address, tls: Arc::new(tls::client_config(&caller, vec![pin]).unwrap()) }
    }
}

fn cme_server(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder);
    command
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Where a server keeps its entries.
enum Kept<'a> {
    Sqlite(PathBuf),
    Postgres { cluster: &'a Cluster, database: &'static str },
}

/// The server under test: one process or several on one database.
pub(crate) struct Server<'a> {
    places: Vec<Place>,
    operations: Vec<std::net::SocketAddr>,
    processes: Vec<Rc<Process>>,
    key: PublicKey,
    kept: Kept<'a>,
}

impl<'a> Server<'a> {
    /// Its database on PostgreSQL.
    pub(crate) const DATABASE: &'static str = "cme";

    /// Starts it on a SQLite file of that name in the receiving authority's folder.
    pub(crate) fn on_sqlite(network: &Network, database: &str) -> Self {
        let (place, operations, process) = serve(network, database);
        Self {
            places: vec![place],
            operations: vec![operations],
            processes: vec![Rc::new(process)],
            key: network.receipt_key(),
            kept: Kept::Sqlite(network.receiving(database)),
        }
    }

    /// Starts two processes on one PostgreSQL database: the first alone as one side, and both as another.
    pub(crate) fn on_postgres(network: &Network, cluster: &'a Cluster) -> [Self; 2] {
        let (database, url) = (Self::DATABASE, cluster.database(Self::DATABASE));
        let all = [(); 2].map(|()| serve(network, &url));
        let all = all.map(|(place, operations, process)| (place, operations, Rc::new(process)));
        [1, 2].map(|count| Self {
            places: all.iter().take(count).map(|(place, ..)| place.clone()).collect(),
            operations: all.iter().take(count).map(|(_, operations, _)| *operations).collect(),
            processes: all.iter().take(count).map(|(.., process)| Rc::clone(process)).collect(),
            key: network.receipt_key(),
            kept: Kept::Postgres { cluster, database },
        })
    }

    fn count(&self, name: &str) -> u64 {
        let of = |address: &std::net::SocketAddr| {
            let page = page(*address, "/metrics").unwrap();
            let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse::<u64>().unwrap()
        };
        self.operations.iter().map(of).sum()
    }
}

/// One server process on that database.
fn serve(network: &Network, database: &str) -> (Place, std::net::SocketAddr, Process) {
    let (listen, operations) = (free_address(), free_address());
    let mut config = Config::load(&network.receiving("cme-server.toml")).unwrap();
    (config.listen, config.operations) = (listen, operations);
    database.clone_into(&mut config.database);
    config.limits.requests_per_second = REQUESTS_PER_SECOND;
    config.limits.requests_burst = REQUESTS_PER_SECOND;
    let name = format!("{}.toml", listen.port());
    std::fs::write(network.receiving(&name), toml::to_string(&config).unwrap()).unwrap();
    let log = network.receiving(&format!("{}.log", listen.port()));
    let mut serve = cme_server(&network.receiving(""));
    serve.args(["serve", "--config", &name]).stderr(std::fs::File::create(&log).unwrap());
    let is_ready =
        || page(operations, "/health/ready").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
    (network.place(listen), operations, Process::start(&mut serve, Some(&log), is_ready))
}

/// A page of an operator's listener, head included.
fn page(address: std::net::SocketAddr, path: &str) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn count_rows(database: &Path) -> u64 {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let rows: i64 = connection.query_row("SELECT COUNT(*) FROM entry", [], |row| row.get(0)).unwrap();
    rows.unsigned_abs()
}

impl Side for Server<'_> {
    fn places(&self) -> Vec<Place> {
        self.places.clone()
    }

    fn processes(&self) -> &[Rc<Process>] {
        &self.processes
    }

    /// Commits, each with one sync, and what checkpoints add.
    fn syncs(&self, _: &Generator) -> u64 {
        self.count("cme_store_commits_total ")
            + SYNCS_PER_CHECKPOINT * self.count("cme_store_checkpoints_total ")
    }

    fn rows(&self) -> u64 {
        match &self.kept {
            Kept::Sqlite(file) => count_rows(file),
            Kept::Postgres { cluster, database } => cluster.rows(database),
        }
    }

    fn is_receipted(&self, letter: &Letter, answer: &[u8]) -> bool {
        letter.is_receipted_by(answer, &self.key)
    }

    fn cpu(&self) -> Duration {
        let own: Duration = self.processes.iter().map(|process| process.cpu()).sum();
        match &self.kept {
            Kept::Sqlite(_) => own,
            Kept::Postgres { cluster, .. } => own + cluster.cpu(),
        }
    }
}

/// The floor, in a process of its own.
pub(crate) struct Floor {
    place: Place,
    process: [Rc<Process>; 1],
    database: PathBuf,
}

impl Floor {
    pub(crate) fn start(network: &Network, generator: &Generator) -> Self {
        let (listen, database) = (free_address(), network.receiving("floor.sqlite"));
        let place = network.place(listen);
        let mut floor = Command::new(std::env::current_exe().unwrap());
        floor.args(["floor", "--listen", &listen.to_string(), "--author"]);
        floor.arg(URL_SAFE_NO_PAD.encode(network.author.floor_signing.public_key()));
        floor.arg("--database").arg(&database);
        floor.arg("--certificate").arg(network.receiving("server.cert.pem"));
        floor.arg("--key").arg(network.receiving("server.key.pem"));
        let process = Process::start(&mut floor, None, || std::net::TcpStream::connect(listen).is_ok());
        let floor = Self { place, process: [Rc::new(process)], database };
        floor.syncs(generator);
        floor
    }
}

impl Side for Floor {
    fn places(&self) -> Vec<Place> {
        vec![self.place.clone()]
    }

    fn processes(&self) -> &[Rc<Process>] {
        &self.process
    }

    /// Commits alone: its few checkpoints are left out in its favour.
    fn syncs(&self, generator: &Generator) -> u64 {
        String::from_utf8(generator.get(&self.place, "/commits")).unwrap().parse().unwrap()
    }

    fn rows(&self) -> u64 {
        count_rows(&self.database)
    }

    fn is_receipted(&self, letter: &Letter, answer: &[u8]) -> bool {
        let digest = ring::digest::digest(&ring::digest::SHA256, letter.body());
        answer == URL_SAFE_NO_PAD.encode(digest).as_bytes()
    }
}
