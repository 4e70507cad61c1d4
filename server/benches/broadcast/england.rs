//! Every authority of England: one that asks, with its own folder and process, and the others as listeners here.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cme_client::Identity;
use cme_server::pki;
use cme_server::tls::server_config;
use cme_spec::authority_register::AuthorityRegister;
use cme_spec::codes::AnswerOutcome;
use cme_spec::ids::AuthorityCode;
use cme_spec::problem::ProblemType;
use cme_spec::signature::SigningKey;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::answering::{self, Reply, Script};
use crate::process::Process;

/// The authority that asks.
pub(crate) const ASKING: &str = "373";
/// The built server.
const BINARY: &str = env!("CARGO_BIN_EXE_cme-server");
/// When an authority that is well answers: at the end of the shortest interval that the text allows.
const ANSWERS_AFTER: Duration = Duration::from_millis(250);

/// How an authority behaves in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It answers.
    Well,
    /// It takes a request and says nothing.
    Hangs,
    /// It refuses connections.
    Refuses,
}

/// One authority that is asked.
struct Asked {
    code: AuthorityCode,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    signing: Arc<SigningKey>,
}

/// All of them.
pub(crate) struct England {
    folder: PathBuf,
    operations: SocketAddr,
    asked: Vec<Asked>,
}

/// Listeners of one round.
pub(crate) struct Listening(JoinSet<()>);

impl Listening {
    /// Nobody listens any more, and every connection is closed.
    pub(crate) async fn end(mut self) {
        self.0.shutdown().await;
    }
}

/// Ports below those that the system gives to outgoing connections, so that nobody takes one meanwhile.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// An address that nothing listens on, given once.
fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + place % (PORTS.end - PORTS.start);
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

impl England {
    /// Keys and certificates for everybody, and a signed directory; at most `count` are asked.
    pub(crate) fn new(folder: &Path, count: Option<usize>) -> Self {
        let operations = free_address();
        let mut init = Command::new(BINARY);
        let listen = free_address();
        init.args(["init", "--authority", ASKING, "--base-url", &format!("https://{listen}/{ASKING}")]);
        init.args(["--listen", &listen.to_string(), "--operations", &operations.to_string()]);
        run(init.args(["--folder", ASKING]), folder);
        let own: Value =
            serde_json::from_slice(&std::fs::read(folder.join("373/373.record.json")).unwrap()).unwrap();
        let today = jiff::Zoned::now().date();
        let rows = AuthorityRegister::england().rows().iter().filter(|row| row.is_live_on(today));
        let codes: Vec<AuthorityCode> =
            rows.filter_map(|row| row.code).filter(|code| code.as_ref() != ASKING).collect();
        let count = count.unwrap_or(codes.len());
        let mut make = Command::new(BINARY);
        make.args(["directory", "make", "--root-key", "root.sign.pem", "--out", "draft.json"]);
        let asking = directory_profiles(own.clone());
        std::fs::write(folder.join("373.json"), asking.to_string()).unwrap();
        make.args(["--record", "373.json"]);
        let mut asked = Vec::new();
        for code in codes.into_iter().take(count) {
            let (authority, record) = authority(code, &own);
            let name = format!("{code}.json");
            std::fs::write(folder.join(&name), record.to_string()).unwrap();
            make.arg("--record").arg(name);
            asked.push(authority);
        }
        run(&mut make, folder);
        let mut sign = Command::new(BINARY);
        sign.args(["directory", "sign", "draft.json", "--root-key", "root.sign.pem"]);
        run(sign.args(["--out", "373/directory.json"]), folder);
        Self { folder: folder.to_owned(), operations, asked }
    }

    /// The configuration of the one that asks.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("373/cme-server.toml")
    }

    /// The codes of those that are asked.
    pub(crate) fn codes(&self) -> impl Iterator<Item = AuthorityCode> {
        self.asked.iter().map(|asked| asked.code)
    }

    /// The server that asks, ready.
    pub(crate) fn start_server(&self) -> Process {
        let log = self.folder.join("server.log");
        let mut serve = Command::new(BINARY);
        serve.args(["serve", "--config"]).arg(self.config());
        serve.stderr(std::fs::File::create(&log).unwrap());
        let is_ready = || ready(self.operations).is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
        Process::start(&mut serve, Some(&log), is_ready)
    }

    /// Everybody listens; the first ones as `moods` says, the others are well.
    pub(crate) async fn listen(&self, moods: Vec<Mood>) -> Listening {
        let mut tasks = JoinSet::new();
        let moods = moods.into_iter().chain(std::iter::repeat(Mood::Well));
        for (asked, mood) in self.asked.iter().zip(moods) {
            if mood != Mood::Refuses {
                let listener = tokio::net::TcpListener::bind(asked.address).await.unwrap();
                tasks.spawn(answering::serve(listener, Arc::clone(&asked.tls), asked.script(mood)));
            }
        }
        Listening(tasks)
    }
}

impl Asked {
    fn script(&self, mood: Mood) -> Script {
        let (signing, own) = (Arc::clone(&self.signing), format!("/{}/v1/queries/", self.code));
        Arc::new(move |request| {
            if mood == Mood::Hangs {
                return (Duration::ZERO, Reply::Hang);
            }
            if !request.path.starts_with(&own) {
                return (Duration::ZERO, answering::refusal(ProblemType::HostedUnknown));
            }
            if request.method != "PUT" {
                return (Duration::ZERO, answering::refusal(ProblemType::QueryUnknown));
            }
            let now = cme_server::clock::Clock::system().now();
            let said = answering::answer(&request.query(), 0, AnswerOutcome::NotKnown, now);
            (ANSWERS_AFTER, answering::answers(&[said], &signing))
        })
    }
}

fn directory_profiles(mut record: Value) -> Value {
    record["profiles"] = json!(["core", "queries"]);
    record
}

/// An authority with keys of its own, and its record: that of the one that asks with these.
fn authority(code: AuthorityCode, like: &Value) -> (Asked, Value) {
    let address = free_address();
    let today = jiff::Zoned::now().date();
    let identity = || {
        let pair = pki::tls_pair("listener", &["127.0.0.1".to_owned()], today).unwrap();
        Identity::from_pem(pair.certificate_pem.as_bytes(), pair.key_pem.as_bytes()).unwrap()
    };
    let (server, client) = (identity(), identity());
    let (signing, _) = pki::signing_pair().unwrap();
    let row = AuthorityRegister::england().rows().iter().rfind(|row| row.code == Some(code)).unwrap();
    let mut record = directory_profiles(like.clone());
    record["code"] = json!(code);
    record["gss"] = json!(row.gss);
    record["name"] = json!(row.name);
    record["baseUrl"] = json!(format!("https://{address}/{code}"));
    record["serverPins"] = json!([server.pin().unwrap()]);
    record["clientPins"] = json!([client.pin().unwrap()]);
    record["keys"][0]["kid"] = json!(signing.id());
    record["keys"][0]["publicKey"] = json!(signing.public());
    let tls = Arc::new(server_config(&server, false).unwrap());
    (Asked { code, address, tls, signing: Arc::new(signing) }, record)
}

fn run(command: &mut Command, folder: &Path) {
    let output = command.current_dir(folder).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn ready(operations: SocketAddr) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(operations).ok()?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
