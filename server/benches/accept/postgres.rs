//! A PostgreSQL server of the benchmark's own, and pgbench on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::letters::Transfer;
use crate::load::Generator;
use crate::measure::{Contender, Measured, Tally};
use crate::process;

/// Starts and stops a server for tests.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/postgres");
/// From this version on, syncs of the write-ahead log are counted in another view.
const VERSION_OF_IO_VIEW: i32 = 180_000;
/// Bytes of a digest in base64url, as the floor's rows have one.
const DIGEST_CHARS: usize = 43;

/// The server. It ends with this value.
pub(crate) struct Cluster {
    folder: PathBuf,
    url: String,
}

impl Cluster {
    pub(crate) fn start(folder: &Path) -> Self {
        let started =
            Command::new(SCRIPT).arg("start").arg(folder).stderr(Stdio::inherit()).output().unwrap();
        assert!(started.status.success(), "PostgreSQL does not start");
        let url = String::from_utf8(started.stdout).unwrap().trim().to_owned();
        Self { folder: folder.to_owned(), url }
    }

    /// A new database; gives its URL.
    pub(crate) fn database(&self, name: &str) -> String {
        self.client("postgres").batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.url_of(name)
    }

    fn url_of(&self, database: &str) -> String {
        let (server, _) = self.url.rsplit_once('/').unwrap();
        format!("{server}/{database}")
    }

    fn client(&self, database: &str) -> Client {
        Client::connect(&self.url_of(database), NoTls).unwrap()
    }

    /// Has the server look at what the tables of a database hold, which by itself it does once a minute: until
    /// then it plans blindly.
    pub(crate) fn analyze(&self, database: &str) {
        self.client(database).batch_execute("ANALYZE").unwrap();
    }

    /// Rows in the table `entry` of that database.
    pub(crate) fn rows(&self, database: &str) -> u64 {
        let row = self.client(database).query_one("SELECT COUNT(*) FROM entry", &[]).unwrap();
        row.get::<_, i64>(0).unsigned_abs()
    }

    /// Processor time of all its processes so far, those too that have ended.
    pub(crate) fn cpu(&self) -> Duration {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        process::cpu_of_family(file.lines().next().unwrap().parse().unwrap())
    }

    /// Syncs of the write-ahead log that ended processes have counted.
    fn syncs(&self) -> u64 {
        let mut client = self.client("postgres");
        let version: i32 = client
            .query_one("SELECT current_setting('server_version_num')::int", &[])
            .map(|row| row.get(0))
            .unwrap();
        let counted = if version < VERSION_OF_IO_VIEW {
            "SELECT wal_sync FROM pg_stat_wal"
        } else {
            "SELECT COALESCE(SUM(fsyncs), 0)::bigint FROM pg_stat_io WHERE object = 'wal'"
        };
        client.query_one(counted, &[]).unwrap().get::<_, i64>(0).unsigned_abs()
    }

    fn program(&self, name: &str) -> PathBuf {
        // The server's own program tells where its companions are.
        let options = std::fs::read_to_string(self.folder.join("data/postmaster.opts")).unwrap();
        let program = Path::new(options.split_whitespace().next().unwrap());
        program.with_file_name(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(SCRIPT).arg("stop").arg(&self.folder).status();
    }
}

/// PostgreSQL's own load generator: a transaction inserts one row of an entry's size.
pub(crate) struct Pgbench<'a> {
    cluster: &'a Cluster,
    folder: PathBuf,
}

impl<'a> Pgbench<'a> {
    const DATABASE: &'static str = "pgbench";

    /// Makes its table and its script; the row holds what the floor's holds, with this body.
    pub(crate) fn new(cluster: &'a Cluster, folder: &Path, body: &str) -> Self {
        cluster.database(Self::DATABASE);
        let table = "CREATE TABLE entry (id TEXT PRIMARY KEY, digest TEXT, body TEXT)";
        cluster.client(Self::DATABASE).batch_execute(table).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        let (digest, body) = ("d".repeat(DIGEST_CHARS), body.replace('\'', "''").replace(':', " "));
        let insert = format!(
            "INSERT INTO entry (id, digest, body) VALUES (gen_random_uuid()::text, '{digest}', '{body}');"
        );
        std::fs::write(folder.join("insert.sql"), insert).unwrap();
        Self { cluster, folder: folder.to_owned() }
    }

    /// Times of all transactions, from its logs, which are removed.
    fn logged(&self) -> Vec<Duration> {
        let mut took = Vec::new();
        for file in std::fs::read_dir(&self.folder).unwrap() {
            let path = file.unwrap().path();
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("took")) {
                continue;
            }
            let log = std::fs::read_to_string(&path).unwrap();
            let micros = log.lines().map(|line| line.split(' ').nth(2).unwrap().parse().unwrap());
            took.extend(micros.map(Duration::from_micros));
            std::fs::remove_file(&path).unwrap();
        }
        took
    }
}

impl Contender for Pgbench<'_> {
    fn take(&self, _: &Generator, connections: usize, transfers: &Arc<Vec<Transfer>>) -> Measured {
        let each = transfers.len() * transfers[0].len() / connections;
        let (rows, syncs) = (self.cluster.rows(Self::DATABASE), self.cluster.syncs());
        let cpu = self.cluster.cpu();
        let mut pgbench = Command::new(self.cluster.program("pgbench"));
        pgbench.args(["--no-vacuum", "--protocol", "prepared", "--jobs", "1", "--log"]);
        pgbench.arg("--log-prefix").arg(self.folder.join("took"));
        pgbench.arg("--file").arg(self.folder.join("insert.sql"));
        pgbench.args(["--client", &connections.to_string(), "--transactions", &each.to_string()]);
        let output = pgbench.arg(self.cluster.url_of(Self::DATABASE)).output().unwrap();
        assert!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")).unwrap();
        let took = self.logged();
        assert_eq!(self.cluster.rows(Self::DATABASE) - rows, took.len() as u64, "rows and transactions");
        let tally = Tally {
            entries_per_second: rate.split(' ').next().unwrap().parse().unwrap(),
            took,
            syncs: self.cluster.syncs() - syncs,
            cpu: self.cluster.cpu().saturating_sub(cpu),
            memory_bytes: 0,
        };
        tally.measured()
    }
}
