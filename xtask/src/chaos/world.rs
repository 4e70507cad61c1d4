//! Authorities with their servers, their officers' command line, their disks and their doors.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::postgres::Postgres;
use super::proxy::{Door, Mode};
use super::{Chaos, Database, namespace, seed};
use crate::Trouble;
use crate::tree::Tree;

/// Codes of real authorities; all that happens to them here is invented.
const CODES: [&str; 8] = ["373", "330", "383", "352", "380", "204", "301", "888"];
/// Bytes of a disk at least, and for each second of load.
const DISK_BYTES: u64 = 96 << 20;
const DISK_BYTES_PER_SECOND: u64 = 2 << 20;
/// Longest wait for a server to be ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// Longest time for an officer's command.
const COMMAND_WITHIN: Duration = Duration::from_mins(1);

/// One authority.
pub(super) struct Authority {
    pub(super) code: &'static str,
    home: PathBuf,
    /// Where the database, or PostgreSQL's data, lies: a mount that can be filled.
    disk: PathBuf,
    operations: SocketAddr,
    pub(super) door: Door,
    server: Mutex<Option<Child>>,
    /// Held for reading by each command, for writing while the database is replaced.
    pub(super) desk: RwLock<()>,
}

/// The whole network.
pub(super) struct World {
    folder: tempfile::TempDir,
    binary: PathBuf,
    pub(super) authorities: Vec<Authority>,
    pub(super) postgres: Option<Postgres>,
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An address that nothing listens on, below those that the system gives to outgoing connections: nobody takes
/// it while its server is away.
fn free_address() -> Result<SocketAddr, Trouble> {
    // Runs side by side begin at different places.
    static GIVEN: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(seed::fresh()));
    for _ in 0..2_000 {
        let place = GIVEN.fetch_add(1, Ordering::Relaxed) % 20_000;
        let port = 10_000 + u16::try_from(place).unwrap_or(0);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(Trouble::Chaos("no free port between 10000 and 30000".to_owned()))
}

impl World {
    pub(super) fn make(tree: &Tree, binary: &Path, chaos: &Chaos) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir()?;
        // The account of PostgreSQL has to reach its disk.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open)?;
        let bytes = DISK_BYTES + chaos.seconds * DISK_BYTES_PER_SECOND;
        let shared = folder.path().join("disks/postgres");
        let postgres = match chaos.database {
            Database::Sqlite => None,
            Database::Postgres => {
                namespace::mount(&shared, bytes * u64::from(chaos.authorities))?;
                Some(Postgres::start(tree, &shared.join("server"))?)
            }
        };
        let mut authorities = Vec::new();
        for code in &CODES[..usize::from(chaos.authorities)] {
            let disk =
                if postgres.is_some() { shared.clone() } else { folder.path().join("disks").join(code) };
            if postgres.is_none() {
                namespace::mount(&disk, bytes)?;
            }
            let authority = Authority::make(folder.path(), binary, code, disk)?;
            let database = match &postgres {
                Some(postgres) => postgres.database(&format!("cme_{code}"))?,
                None => authority.disk.join("cme.sqlite").display().to_string(),
            };
            authority.set("database = \"cme.sqlite\"", &format!("database = \"{database}\""))?;
            authorities.push(authority);
        }
        let binary = binary.to_owned();
        let world = Self { folder, binary, authorities, postgres };
        world.direct()?;
        Ok(world)
    }

    /// A directory with everybody in it.
    fn direct(&self) -> Result<(), Trouble> {
        let mut make = Command::new(&self.binary);
        make.args(["directory", "make", "--out", "draft.json", "--root-key", "root.sign.pem"]);
        for authority in &self.authorities {
            let record = authority.home.join(format!("{}.record.json", authority.code));
            make.arg("--record").arg(record);
        }
        let mut sign = Command::new(&self.binary);
        sign.args(["directory", "sign", "draft.json", "--root-key", "root.sign.pem"]);
        sign.args(["--out", "directory.json"]);
        for mut command in [make, sign] {
            let output = command.current_dir(self.folder.path()).output()?;
            if !output.status.success() {
                return Err(Trouble::Chaos(said(&output)));
            }
        }
        for authority in &self.authorities {
            std::fs::copy(self.directory(), authority.home.join("directory.json"))?;
        }
        Ok(())
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.folder.path().join("directory.json")
    }

    /// A folder beside the disks, for backups and exports.
    pub(super) fn aside(&self, name: &str) -> Result<PathBuf, Trouble> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub(super) fn start_all(&self) -> Result<(), Trouble> {
        self.authorities.iter().try_for_each(|authority| self.start(authority))
    }

    /// Starts a server and waits until it is ready; one that a full disk ends is started again.
    pub(super) fn start(&self, authority: &Authority) -> Result<(), Trouble> {
        let begun = Instant::now();
        let mut server = lock(&authority.server);
        while begun.elapsed() < READY_WITHIN {
            let running = server.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
            if !running {
                *server = Some(self.serve(authority)?);
            }
            if authority.is_ready() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Trouble::Chaos(format!("{} does not become ready: {}", authority.code, authority.log_end())))
    }

    fn serve(&self, authority: &Authority) -> Result<Child, Trouble> {
        let log = std::fs::File::options().create(true).append(true).open(authority.log())?;
        let mut serve = Command::new(&self.binary);
        serve.arg("serve").arg("--config").arg(authority.config());
        Ok(serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?)
    }

    /// SIGKILL, at once.
    pub(super) fn kill(authority: &Authority) {
        if let Some(mut child) = lock(&authority.server).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Everything works again.
    pub(super) fn heal(&self) -> Result<(), Trouble> {
        for authority in &self.authorities {
            authority.door.set(Mode::Open);
            authority.empty_disk();
        }
        if let Some(postgres) = &self.postgres {
            postgres.ensure_up()?;
        }
        self.start_all()
    }

    /// Runs a command for an authority; with a time after which it is killed, if one is given.
    pub(super) fn command(
        &self,
        authority: &Authority,
        arguments: &[&str],
        input: Option<&str>,
        killed_after: Option<Duration>,
    ) -> Result<Output, Trouble> {
        let _desk = authority.desk.read().unwrap_or_else(PoisonError::into_inner);
        self.command_at_desk(authority, arguments, input, killed_after)
    }

    /// The same for a caller who holds the desk.
    pub(super) fn command_at_desk(
        &self,
        authority: &Authority,
        arguments: &[&str],
        input: Option<&str>,
        killed_after: Option<Duration>,
    ) -> Result<Output, Trouble> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--config").arg(authority.config());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that refuses its arguments closes its input early.
            let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
        }
        let killer = killed_after.unwrap_or(COMMAND_WITHIN);
        let (ended, over) = std::sync::mpsc::channel::<()>();
        let pid = child.id().to_string();
        let watch = std::thread::spawn(move || {
            if over.recv_timeout(killer) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                // It may just have ended by itself.
                let _ = Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status();
            }
        });
        let output = child.wait_with_output();
        drop(ended);
        let _ = watch.join();
        Ok(output?)
    }

    /// A command that must succeed, and its JSON.
    pub(super) fn read(&self, authority: &Authority, arguments: &[&str]) -> Result<Value, Trouble> {
        let output = self.command(authority, arguments, None, None)?;
        if !output.status.success() {
            return Err(Trouble::Chaos(format!("{}: {}", authority.code, said(&output))));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| Trouble::Chaos(error.to_string()))
    }

    pub(super) fn list(&self, authority: &Authority) -> Result<Value, Trouble> {
        self.read(authority, &["office", "list"])
    }
}

impl Authority {
    fn make(folder: &Path, binary: &Path, code: &'static str, disk: PathBuf) -> Result<Self, Trouble> {
        let (listen, operations) = (free_address()?, free_address()?);
        let door = Door::to(listen)?;
        let home = folder.join(code);
        let mut init = Command::new(binary);
        init.args(["init", "--authority", code, "--base-url", &format!("https://{}/{code}", door.address)]);
        init.args(["--listen", &listen.to_string(), "--operations", &operations.to_string(), "--folder"]);
        let output = init.arg(&home).output()?;
        if !output.status.success() {
            return Err(Trouble::Chaos(said(&output)));
        }
        let authority =
            Self { code, home, disk, operations, door, server: Mutex::default(), desk: RwLock::default() };
        authority.set("first_pause_ms = 1000", "first_pause_ms = 50")?;
        authority.set("pause_ms_max = 900000", "pause_ms_max = 1000")?;
        Ok(authority)
    }

    /// Changes a line of the configuration.
    fn set(&self, from: &str, to: &str) -> Result<(), Trouble> {
        let text = std::fs::read_to_string(self.config())?;
        if !text.contains(from) {
            return Err(Trouble::Chaos(format!("the configuration has no {from:?}")));
        }
        Ok(std::fs::write(self.config(), text.replace(from, to))?)
    }

    fn config(&self) -> PathBuf {
        self.home.join("cme-server.toml")
    }

    fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// What the server said last.
    fn log_end(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Times that the server's log tells of a panic.
    pub(super) fn panics(&self) -> u64 {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        text.matches("panicked").count() as u64
    }

    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(self.operations)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 200"))
        };
        ask().unwrap_or(false)
    }

    /// Copies the files of an SQLite database away, as a careless operator would; nothing runs on it.
    pub(super) fn copy_files(&self, to: &Path) -> Result<(), Trouble> {
        std::fs::create_dir_all(to)?;
        for ending in ["", "-wal"] {
            let name = format!("cme.sqlite{ending}");
            if self.disk.join(&name).exists() {
                std::fs::copy(self.disk.join(&name), to.join(&name))?;
            }
        }
        Ok(())
    }

    /// Puts such copies back; nothing runs on the database.
    pub(super) fn put_files_back(&self, from: &Path) -> Result<(), Trouble> {
        for ending in ["", "-wal", "-shm"] {
            let name = format!("cme.sqlite{ending}");
            let _ = std::fs::remove_file(self.disk.join(&name));
            if from.join(&name).exists() {
                std::fs::copy(from.join(&name), self.disk.join(&name))?;
            }
        }
        Ok(())
    }

    /// Writes until nothing more fits.
    pub(super) fn fill_disk(&self) -> Result<(), Trouble> {
        let mut filler = std::fs::File::create(self.disk.join("filler"))?;
        for piece in [1 << 20, 4_096, 1] {
            let zeros = vec![0; piece];
            while filler.write_all(&zeros).is_ok() {}
        }
        Ok(())
    }

    pub(super) fn empty_disk(&self) {
        let _ = std::fs::remove_file(self.disk.join("filler"));
    }
}
