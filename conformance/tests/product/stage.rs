//! A folder with the suite's files and a peer's, and processes that are gone afterwards.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The program.
pub(crate) const SUITE: &str = env!("CARGO_BIN_EXE_cme-conformance");

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// An address that nothing listens on, below the ports that the system gives to outgoing connections.
fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + place % 22_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Ends with this value.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Its exit code once it has ended by itself.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the process has no end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What the commands work on.
pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    listen: SocketAddr,
    /// What `init` printed.
    pub(crate) told: String,
}

impl Stage {
    /// A peer's folder, the suite's around it, and the directory handed over. Nothing runs yet.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Self { folder, listen: free_address(), told: String::new() };
        let listen = stage.listen.to_string();
        let home = stage.home().display().to_string();
        let made = stage.ends(&["peer", "--home", &home, "--listen", &listen]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let record = stage.home().join("330.record.json").display().to_string();
        let peers = free_address().to_string();
        let made =
            stage.ends(&["init", "--subject", &record, "--folder", &stage.suite(), "--listen", &peers]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        stage.told = String::from_utf8(made.stdout).unwrap();
        std::fs::copy(stage.path("suite/directory.json"), stage.path("home/directory.json")).unwrap();
        stage
    }

    /// A file of the stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The suite's folder, as an argument.
    pub(crate) fn suite(&self) -> String {
        self.path("suite").display().to_string()
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SUITE);
        command.args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a command comes to.
    pub(crate) fn ends(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The peer, running, with a fault or sound.
    pub(crate) fn peer(&self, fault: Option<&str>) -> Process {
        let home = self.home().display().to_string();
        let mut arguments = vec!["peer", "--home", &home];
        arguments.extend(fault.iter().flat_map(|fault| ["--fault", fault]));
        let mut command = self.command(&arguments);
        let peer = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let begun = Instant::now();
        while TcpStream::connect(self.listen).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the peer does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        peer
    }

    /// Lets the suite start the peer, with a fault or sound, as its own adapter.
    pub(crate) fn adapter(&self, fault: Option<&str>) {
        let home = self.home().display().to_string();
        let mut command = vec![SUITE, "peer", "--home", &home, "--adapter"];
        command.extend(fault.iter().flat_map(|fault| ["--fault", fault]));
        let path = self.path("suite/conformance.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}\n[adapter]\ncommand = {command:?}\nseconds = 30\n")).unwrap();
    }

    /// A run that has heard some cases, and what it says from then on.
    pub(crate) fn run_begun(&self, arguments: &[&str]) -> (Process, Told) {
        let suite = self.suite();
        let all = [&["run", "--folder", &suite], arguments].concat();
        let mut run = self.command(&all).spawn().unwrap();
        let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
        for _ in 0..5 {
            lines.next().unwrap().unwrap();
        }
        (Process(run), Told(std::thread::spawn(move || lines.map_while(Result::ok).collect())))
    }

    /// Changes a line of the declaration.
    pub(crate) fn declare(&self, from: &str, to: &str) {
        let path = self.path("suite/conformance.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// A JSON document of the stage.
    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }
}

/// Lines that come until a process ends.
pub(crate) struct Told(std::thread::JoinHandle<Vec<String>>);

impl Told {
    /// All of them.
    pub(crate) fn lines(self) -> Vec<String> {
        self.0.join().unwrap()
    }
}
