//! A small network of authorities: each a folder made by `init`, and a server process of the built binary.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cme_client::{Client, Identity, RetryPolicy, SharedDirectory};
use cme_spec::canonical::{Json, Limits};
use cme_spec::digest::Digest;
use cme_spec::directory::Archive;
use cme_spec::entry::EntryType;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::signature::SigningKey;
use serde_json::Value;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The built server.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_cme-server");

/// Several authorities that know each other, in a folder that is gone afterwards.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) parties: Vec<Party>,
}

/// One authority.
pub(crate) struct Party {
    pub(crate) code: AuthorityCode,
    pub(crate) home: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) operations: SocketAddr,
    server: Server,
}

/// The server process of an authority; ends with this value.
pub(crate) struct Server {
    home: PathBuf,
    operations: SocketAddr,
    process: Option<Child>,
}

/// Ports given out: below those that the system gives to outgoing connections, so that nobody takes one while
/// its server is away.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// An address that nothing listens on, given once.
pub(crate) fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test processes that run side by side begin at different places.
        let place = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + place % (PORTS.end - PORTS.start);
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn success(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the command failed: {said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

impl World {
    /// Authorities with keys and a signed directory; none serves yet.
    pub(crate) fn new(codes: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let parties: Vec<Party> = codes.iter().map(|code| Party::init(folder.path(), code)).collect();
        let world = Self { folder, parties };
        world.direct(&[]);
        world
    }

    /// A first issue of the directory with everyone, and with the other authorities that the last one hosts.
    pub(crate) fn direct(&self, hosted_by_last: &[&str]) {
        let mut make = Command::new(BINARY);
        make.args(["directory", "make", "--out", "draft.json", "--root-key", "root.sign.pem"]);
        let last = self.parties.last().unwrap();
        let of_last = |code: &&str| (last.home.clone(), (*code).to_owned());
        let own = self.parties.iter().map(|party| (party.home.clone(), party.code.to_string()));
        let mut records: Vec<_> = own.chain(hosted_by_last.iter().map(of_last)).collect();
        records.sort();
        records.dedup();
        for (home, code) in records {
            make.arg("--record").arg(home.join(format!("{code}.record.json")));
        }
        success(&make.current_dir(self.folder.path()).output().unwrap());
        self.sign("draft.json");
    }

    /// Signs a draft and gives it to everyone as `directory.json`.
    pub(crate) fn sign(&self, draft: &str) {
        let mut sign = Command::new(BINARY);
        sign.args(["directory", "sign", draft, "--root-key", "root.sign.pem", "--out", "directory.json"]);
        success(&sign.current_dir(self.folder.path()).output().unwrap());
        for party in &self.parties {
            std::fs::copy(self.directory_file(), party.home.join("directory.json")).unwrap();
        }
    }

    /// The next issue of the directory, after a change to it, for everyone.
    pub(crate) fn reissue(&self, change: impl FnOnce(&mut Value)) {
        std::fs::copy(self.directory_file(), self.folder.path().join("previous.json")).unwrap();
        let mut make = Command::new(BINARY);
        make.args([
            "directory",
            "make",
            "--out",
            "draft.json",
            "--root-key",
            "root.sign.pem",
            "--previous",
            "previous.json",
        ]);
        let party = &self.parties[0];
        make.arg("--record").arg(party.home.join(format!("{}.record.json", party.code)));
        success(&make.current_dir(self.folder.path()).output().unwrap());
        let draft = self.folder.path().join("draft.json");
        let mut issue: Value = serde_json::from_slice(&std::fs::read(&draft).unwrap()).unwrap();
        change(&mut issue["directory"]);
        std::fs::write(&draft, issue.to_string()).unwrap();
        self.sign("draft.json");
    }

    /// Waits until a server works by that issue.
    pub(crate) fn wait_for_issue(&self, code: &str, issue: u64) {
        let begun = Instant::now();
        let told = format!("\"directoryIssue\":{issue}");
        while self.party(code).get("/health/ready").is_none_or(|answer| !answer.contains(&told)) {
            assert!(begun.elapsed() < PATIENCE, "issue {issue} is not taken: {}", self.party(code).log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn directory_file(&self) -> PathBuf {
        self.folder.path().join("directory.json")
    }

    pub(crate) fn archive(&self) -> Archive {
        let bytes = std::fs::read(self.directory_file()).unwrap();
        Archive::start(&Json::decode(&bytes, &Limits::COLLECTION).unwrap(), None).unwrap()
    }

    pub(crate) fn start_all(&mut self) {
        self.parties.iter_mut().for_each(Party::start);
    }

    pub(crate) fn party(&self, code: &str) -> &Party {
        self.parties.iter().find(|party| party.code == example::code(code)).unwrap()
    }

    pub(crate) fn party_mut(&mut self, code: &str) -> &mut Party {
        self.parties.iter_mut().find(|party| party.code == example::code(code)).unwrap()
    }

    /// A client that is this authority, as its own server would be.
    pub(crate) fn client(&self, code: &str) -> Client {
        let party = self.party(code);
        Client::new(party.code, party.identity(), SharedDirectory::new(self.archive()))
            .with_retry(RetryPolicy::once())
    }
}

impl Party {
    fn init(folder: &Path, code: &str) -> Self {
        let home = folder.join(code);
        let (listen, operations) = (free_address(), free_address());
        let mut init = Command::new(BINARY);
        init.args(["init", "--authority", code, "--base-url", &format!("https://{listen}/{code}")]);
        init.args(["--listen", &listen.to_string(), "--operations", &operations.to_string(), "--folder"]);
        success(&init.arg(&home).output().unwrap());
        let party = Self::at(&home, code, listen, operations);
        party.set("first_pause_ms = 1000", "first_pause_ms = 50");
        party.set("pause_ms_max = 900000", "pause_ms_max = 200");
        party
    }

    /// An authority whose folder was made already.
    pub(crate) fn at(home: &Path, code: &str, listen: SocketAddr, operations: SocketAddr) -> Self {
        let server = Server { home: home.to_owned(), operations, process: None };
        Self { code: example::code(code), home: home.to_owned(), listen, operations, server }
    }

    /// Changes a line of the configuration.
    pub(crate) fn set(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "the configuration has no {from:?}");
        std::fs::write(self.config(), text.replace(from, to)).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home.join("cme-server.toml")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("server.log")).unwrap_or_default()
    }

    /// What the authority calls others with.
    pub(crate) fn identity(&self) -> Identity {
        let file =
            |suffix: &str| std::fs::read(self.home.join(format!("{}.{suffix}.pem", self.code))).unwrap();
        Identity::from_pem(&file("cert"), &file("key")).unwrap()
    }

    /// The pin of what its server shows.
    pub(crate) fn server_pin(&self) -> Digest {
        let file = |name: &str| std::fs::read(self.home.join(name)).unwrap();
        let shown = Identity::from_pem(&file("server.cert.pem"), &file("server.key.pem")).unwrap();
        shown.pin().unwrap()
    }

    /// What the authority signs with.
    pub(crate) fn signing_key(&self) -> SigningKey {
        cme_server::node::read_signing_key(&self.home.join(format!("{}.sign.pem", self.code))).unwrap()
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(&mut self) {
        self.server.start();
    }

    /// SIGKILL, at once.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// SIGTERM; gives the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.server.stop()
    }

    /// The exit code of a server that was told to stop.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.server.ended()
    }

    /// Stops the server's process where it stands, or lets it go on: `-STOP`, `-CONT`.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap().success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.process.as_ref().unwrap().id()
    }

    /// A page of the operator's listener.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        self.server.get(path)
    }

    /// The process, for somebody else to kill and start.
    pub(crate) fn take_server(&mut self) -> Server {
        let without = Server { home: self.home.clone(), operations: self.operations, process: None };
        std::mem::replace(&mut self.server, without)
    }

    /// Runs a command of the binary with this authority's configuration.
    pub(crate) fn run(&self, arguments: &[&str], input: Option<&str>) -> Output {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--config").arg(self.config());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that refuses its arguments closes its input early.
        let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// An officer's command that must succeed.
    pub(crate) fn office(&self, arguments: &[&str], input: Option<&str>) -> Value {
        let arguments: Vec<&str> = std::iter::once("office").chain(arguments.iter().copied()).collect();
        serde_json::from_str(&success(&self.run(&arguments, input))).unwrap()
    }

    /// A decision with its example body.
    pub(crate) fn decide(&self, command: &str, kind: EntryType, transfer: &str) -> Value {
        self.office(&[command, "--transfer", transfer], Some(&body(kind)))
    }

    /// Offers the example child.
    pub(crate) fn offer(&self, to: &str) -> String {
        let answer = self.office(&["offer", "--to", to], Some(&body(EntryType::Offer)));
        answer["transfer"].as_str().unwrap().to_owned()
    }

    /// This authority's view of a transfer, if it holds it.
    pub(crate) fn view(&self, transfer: &str) -> Option<Value> {
        let list = self.office(&["list"], None);
        list["transfers"].as_array().unwrap().iter().find(|view| view["transfer"] == transfer).cloned()
    }

    /// Waits until this authority's copy of a transfer reaches that stage.
    pub(crate) fn wait_for(&self, transfer: &str, stage: &str) {
        let begun = Instant::now();
        while self.view(transfer).is_none_or(|view| view["stage"] != stage) {
            assert!(begun.elapsed() < PATIENCE, "{} does not reach {stage}: {}", self.code, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The export of a transfer.
    pub(crate) fn export(&self, transfer: &str) -> String {
        success(&self.run(&["ledger", "export", "--transfer", transfer], None))
    }
}

impl Server {
    fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("server.log")).unwrap_or_default()
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(&mut self) {
        let log =
            std::fs::File::options().create(true).append(true).open(self.home.join("server.log")).unwrap();
        let mut serve = Command::new(BINARY);
        serve.arg("serve").arg("--config").arg(self.home.join("cme-server.toml"));
        self.process = Some(serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let begun = Instant::now();
        while self.get("/health/ready").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {}", self.log());
            assert!(begun.elapsed() < PATIENCE, "the server does not become ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.operations).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// SIGKILL, at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn stop(&mut self) -> Option<i32> {
        let id = self.process.as_ref().unwrap().id();
        assert!(Command::new("kill").arg(id.to_string()).status().unwrap().success());
        self.ended()
    }

    fn ended(&mut self) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        let begun = Instant::now();
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The example body of a decision, without salt, as an officer would write it.
pub(crate) fn body(kind: EntryType) -> String {
    let mut body = example::body(kind).into_value();
    body.as_object_mut().unwrap().remove("salt");
    body.to_string()
}

/// The entries of an export, receipts included, each as canonical text.
pub(crate) fn entries_of(export: &str) -> Vec<String> {
    let json = Json::decode(export.as_bytes(), &Limits::COLLECTION).unwrap();
    json.member("entries").unwrap().items().unwrap().iter().map(Json::canonical_text).collect()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool, said: impl Fn() -> String) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not yet: {what}: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
}
