//! The suite against the reference server, as a vendor runs it: two programs and the files between them.

#![expect(clippy::unwrap_used, reason = "what a test stands on ends it where it does not hold")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

const SUITE: &str = env!("CARGO_BIN_EXE_cme-conformance");

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);

/// The reference server, built as this test was. It is no dependency of the suite's.
fn server_binary() -> PathBuf {
    let folder = Path::new(SUITE).parent().expect("the suite's program is in a folder");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--package", "cme-server", "--bin", "cme-server"]);
    build.arg("--target-dir").arg(folder.parent().expect("a profile is in the target folder"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let built = build.current_dir(workspace).status().expect("cargo runs");
    assert!(built.success(), "the reference server does not build");
    folder.join("cme-server")
}

/// An address that nothing listens on, below the ports that the system gives to outgoing connections.
fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(89).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + place % 22_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A subject with the suite's files beside it; both are gone afterwards.
struct Bench {
    folder: tempfile::TempDir,
    operations: SocketAddr,
    server: PathBuf,
    subject: Option<Child>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(mut subject) = self.subject.take() {
            let _ = subject.kill();
            let _ = subject.wait();
        }
    }
}

impl Bench {
    /// `init` on both sides, and the directory handed over. Nothing runs yet.
    fn new() -> Self {
        let (folder, server) = (tempfile::tempdir().unwrap(), server_binary());
        let (listen, operations) = (free_address(), free_address());
        let bench = Self { folder, operations, server, subject: None };
        let mut init = Command::new(&bench.server);
        init.args(["init", "--authority", "330", "--base-url", &format!("https://{listen}/330")]);
        init.args(["--listen", &listen.to_string(), "--operations", &operations.to_string(), "--folder"]);
        assert!(init.arg(bench.home()).output().unwrap().status.success());
        let record = bench.home().join("330.record.json");
        let mut init = Command::new(SUITE);
        init.arg("init").arg("--subject").arg(record).arg("--folder").arg(bench.files());
        let made = init.args(["--listen", &free_address().to_string()]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::copy(bench.files().join("directory.json"), bench.home().join("directory.json")).unwrap();
        // A register that was never filled answers no query.
        let children = bench.home().join("children.csv");
        std::fs::write(&children, "reference,family_name\n").unwrap();
        let mut import = Command::new(&bench.server);
        import.args(["register", "import", "--source", "schools", "--replace"]).arg(&children);
        let imported = import.arg("--config").arg(bench.home().join("cme-server.toml")).output().unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        bench
    }

    fn started() -> Self {
        let mut bench = Self::new();
        let log = std::fs::File::create(bench.home().join("log")).unwrap();
        let mut serve = Command::new(&bench.server);
        serve.arg("serve").arg("--config").arg(bench.home().join("cme-server.toml"));
        bench.subject = Some(serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let begun = Instant::now();
        while !bench.is_ready() {
            assert!(begun.elapsed() < PATIENCE, "the server does not become ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        bench
    }

    /// The suite's adapter starts the server and makes its officers act. Retries come soon enough to be seen.
    fn adapted() -> Self {
        let bench = Self::new();
        let config = bench.home().join("cme-server.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let changes = [
            ("first_pause_ms = 1000", "first_pause_ms = 100"),
            ("requests_per_second = 200", "requests_per_second = 2000"),
            ("requests_burst = 400", "requests_burst = 4000"),
        ];
        let changed = changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{from} in {text}");
            text.replace(from, to)
        });
        std::fs::write(config, changed).unwrap();
        let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/cme_server.py");
        let (server, home) = (bench.server.display().to_string(), bench.home().display().to_string());
        let adapter = adapter.display().to_string();
        let command = ["python3", &adapter, "--server", &server, "--folder", &home];
        let path = bench.files().join("conformance.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}\n[adapter]\ncommand = {command:?}\nseconds = 120\n")).unwrap();
        bench
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("subject")
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("suite")
    }

    fn is_ready(&self) -> bool {
        use std::io::Write as _;
        let Ok(mut stream) = TcpStream::connect(self.operations) else { return false };
        let mut answer = String::new();
        let asked = write!(stream, "GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
    }

    /// Changes a line of the declaration.
    fn declare(&self, from: &str, to: &str) {
        let path = self.files().join("conformance.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    fn suite(&self, arguments: &[&str]) -> Command {
        let mut suite = Command::new(SUITE);
        suite.args(arguments).arg("--folder").arg(self.files());
        suite.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        suite
    }

    fn ends(&self, arguments: &[&str]) -> Output {
        self.suite(arguments).output().unwrap()
    }

    /// Starts a run, does that to the subject once some cases have been heard, and gives the exit code.
    fn run_and_lose(&self, signal: &str) -> Option<i32> {
        let results = self.folder.path().join("lost.json");
        let mut run = self.suite(&["run", "--json", results.to_str().unwrap()]).spawn().unwrap();
        let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
        for _ in 0..5 {
            lines.next().unwrap().unwrap();
        }
        let subject = self.subject.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &subject]).status().unwrap().success());
        let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<String>>());
        let begun = Instant::now();
        let code = loop {
            if let Some(status) = run.try_wait().unwrap() {
                break status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the run has no end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let told = rest.join().unwrap();
        assert!(told.iter().any(|line| line.starts_with("NOT-EXERCISED")), "{told:?}");
        code
    }
}

#[test]
fn the_reference_server_passes_every_case() {
    let bench = Bench::adapted();
    let healthy = bench.ends(&["doctor"]);
    let told = String::from_utf8_lossy(&healthy.stdout).into_owned();
    assert_eq!(healthy.status.code(), Some(0), "{told}");
    assert!(told.contains("ok  an adapter makes it act: cme-server, which can: "), "{told}");
    let listed = Command::new(SUITE).args(["list", "--cases", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let listed = listed.as_array().unwrap();
    let results = bench.folder.path().join("results.json");
    // The second time authorities of the suite are known to the subject, and its ledgers are there.
    for (seed, scope) in [("1", vec![]), ("2", vec!["--quick"])] {
        let arguments = ["run", "--seed", seed, "--json", results.to_str().unwrap()];
        let run = bench.ends(&[&arguments[..], &scope[..]].concat());
        let told = String::from_utf8_lossy(&run.stderr);
        let wrong: Vec<&str> = told.lines().filter(|line| !line.starts_with("PASS")).collect();
        assert_eq!(run.status.code(), Some(0), "{wrong:#?}");
        let report: Value = serde_json::from_slice(&std::fs::read(&results).unwrap()).unwrap();
        assert_eq!(report["seed"], seed);
        let findings = report["findings"].as_array().unwrap();
        let asked = listed.iter().filter(|case| scope.is_empty() || case["slow"] == false);
        assert_eq!(findings.len(), asked.count());
        for finding in findings {
            assert_eq!(finding["verdict"], "PASS", "{finding:#}");
        }
    }
}

#[test]
fn without_an_adapter_what_needs_one_is_not_exercised() {
    let bench = Bench::started();
    let run = bench.ends(&["run", "--only", "IDN-001", "--only", "TRN-007"]);
    assert_eq!(run.status.code(), Some(4), "{}", String::from_utf8_lossy(&run.stderr));
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(told.contains("it needs `trigger offer`, and there is no adapter"), "{told}");
}

#[test]
fn a_subject_that_is_killed_on_the_way_gets_no_verdict() {
    let bench = Bench::started();
    assert_eq!(bench.run_and_lose("-KILL"), Some(3));
    let report: Value =
        serde_json::from_slice(&std::fs::read(bench.folder.path().join("lost.json")).unwrap()).unwrap();
    assert_eq!(report["subjectLost"], true);
}

#[test]
fn a_subject_that_hangs_on_the_way_gets_no_verdict() {
    let bench = Bench::started();
    bench.declare("response_seconds = 10", "response_seconds = 1");
    bench.declare("act_seconds = 30", "act_seconds = 1");
    assert_eq!(bench.run_and_lose("-STOP"), Some(3));
}

#[test]
fn what_can_tell_nothing_does_not_end_as_a_pass() {
    let bench = Bench::new();
    assert_eq!(bench.ends(&["run"]).status.code(), Some(3), "nothing listens there");
    assert_eq!(bench.ends(&["doctor"]).status.code(), Some(3));
    let unknown = bench.ends(&["run", "--only", "LED-999"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("LED-999"));
    bench.declare("revision = \"1.0-draft\"", "revision = \"2.0\"");
    assert_eq!(bench.ends(&["run"]).status.code(), Some(2), "another revision of the text");
    std::fs::remove_dir_all(bench.files()).unwrap();
    assert_eq!(bench.ends(&["run"]).status.code(), Some(2), "no declaration");
}

#[test]
fn a_subject_with_another_directory_is_not_judged() {
    let bench = Bench::started();
    let path = bench.files().join("directory.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"graceDays\":14", "\"graceDays\":15", 1)).unwrap();
    let run = bench.ends(&["run"]);
    assert_eq!(run.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&run.stdout).contains("NO  it works by directory.json"));
}

#[test]
fn results_that_cannot_be_written_are_an_error_of_the_suite() {
    let bench = Bench::started();
    let nowhere = bench.folder.path().join("missing/results.json");
    let run = bench.ends(&["run", "--only", "TRN-007", "--json", nowhere.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(5));
}

#[test]
fn init_overwrites_nothing() {
    let bench = Bench::new();
    let record = bench.home().join("330.record.json");
    let again = bench.ends(&["init", "--subject", record.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"));
}
