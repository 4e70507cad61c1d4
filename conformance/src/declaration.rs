//! `conformance.toml`: what the vendor declares of the subject, and `init`, which writes it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::adapter::{Adapter, AdapterError, Program};
use crate::court::{Bench, Idle, Issues, Waits};
use crate::encoding::{base64url, from_base64url};
use crate::evidence::Declared;
use crate::host::Host;
use crate::json::Json;
use crate::jws::SigningKey;
use crate::shuffle::shuffled;
use crate::wire::{ListenError, Listener};
use crate::world::{FileError, RecordError, Subject, World, WorldError};

/// The name of the file.
pub(crate) const FILE: &str = "conformance.toml";

const SUBJECT: &str = "subject.json";
const PEERS: &str = "peers.json";
const DIRECTORY: &str = "directory.json";
const EVIDENCE_KEY: &str = "evidence.key";

/// The revision of the text that this program judges by.
pub(crate) const REVISION: &str = "1.0-draft";

/// What the file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declaration {
    /// The revision of the text that the subject keeps.
    pub(crate) revision: String,
    /// Where the suite's authorities listen. The directory names it, so it can't be changed afterwards.
    pub(crate) listen: SocketAddr,
    /// Seconds within which the subject answers a request.
    pub(crate) response_seconds: u64,
    /// Seconds within which it does by itself what the text asks, such as reading a ledger after a gap.
    pub(crate) act_seconds: u64,
    /// Seconds after which a request that has not arrived is cut off.
    #[serde(default = "request_seconds")]
    pub(crate) request_seconds: u64,
    /// Connections that one authority may hold at a time.
    #[serde(default = "connections_max")]
    pub(crate) connections_max: usize,
    /// Each profile, had or not.
    pub(crate) profiles: Profiles,
    /// What makes the subject act; without it the cases that need it are not exercised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) adapter: Option<AdapterCommand>,
    #[serde(skip)]
    folder: PathBuf,
}

const fn request_seconds() -> u64 {
    60
}

const fn connections_max() -> usize {
    100
}

/// How the adapter is started.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdapterCommand {
    /// The program and its arguments; it is started in the folder of this file.
    pub(crate) command: Vec<String>,
    /// Seconds within which it answers a line.
    pub(crate) seconds: u64,
}

/// The profiles of section 0.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_excessive_bools, reason = "each profile is declared by itself")]
pub(crate) struct Profiles {
    pub(crate) core: bool,
    pub(crate) recovery: bool,
    pub(crate) records: bool,
    pub(crate) queries: bool,
    pub(crate) standing_queries: bool,
    pub(crate) notices: bool,
    /// No profile of the text: whether the product states what section 12 computes.
    #[serde(default)]
    pub(crate) facts: bool,
}

impl Profiles {
    /// Whether the subject declares that profile.
    pub(crate) fn has(self, name: &str) -> bool {
        match name {
            "core" => self.core,
            "recovery" => self.recovery,
            "records" => self.records,
            "queries" => self.queries,
            "standing-queries" => self.standing_queries,
            "notices" => self.notices,
            "facts" => self.facts,
            _ => false,
        }
    }
}

/// Why a declaration can't be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeclarationError {
    #[error("{}: {cause}", path.display())]
    Io { path: PathBuf, cause: std::io::Error },
    #[error("{} is there already: init overwrites nothing", .0.display())]
    Exists(PathBuf),
    #[error("{}: {cause}", path.display())]
    Record { path: PathBuf, cause: RecordError },
    #[error("{}: {cause}", path.display())]
    Toml { path: PathBuf, cause: Box<toml::de::Error> },
    #[error("the declaration can't be written: {0}")]
    Write(#[from] toml::ser::Error),
    #[error(transparent)]
    World(#[from] WorldError),
    #[error(transparent)]
    Peers(#[from] FileError),
    #[error("{} declares revision {told}; this program judges by {REVISION}", path.display())]
    Revision { path: PathBuf, told: String },
    #[error("{}: profile core is what every implementation has", .0.display())]
    NoCore(PathBuf),
    #[error("{} holds no key of evidence: run `cme-conformance init` in a new folder", .0.display())]
    EvidenceKey(PathBuf),
    #[error("a base URL of the suite's is https://host:port without a path, not {0}")]
    BaseUrl(String),
}

/// Writes everything that a run needs into a folder. Gives the fingerprint of the key that signs evidence.
pub(crate) fn init(
    folder: &Path,
    record: &Path,
    listen: SocketAddr,
    base_url: &str,
) -> Result<String, DeclarationError> {
    if crate::world::host_of(base_url).is_none() || base_url.matches('/').count() != 2 {
        return Err(DeclarationError::BaseUrl(base_url.to_owned()));
    }
    let bytes = read(record)?;
    let subject = subject_of(record, &bytes)?;
    let files = [FILE, SUBJECT, PEERS, DIRECTORY, EVIDENCE_KEY].map(|name| folder.join(name));
    if let Some(there) = files.iter().find(|path| path.exists()) {
        return Err(DeclarationError::Exists(there.clone()));
    }
    std::fs::create_dir_all(folder)
        .map_err(|cause| DeclarationError::Io { path: folder.to_owned(), cause })?;
    let world = World::generate(&subject.code, base_url)?;
    let directory = world.directory(&subject).map_err(WorldError::from)?;
    let listed = subject.record.member("profiles").map(Json::items).unwrap_or_default();
    let has = |name: &str| listed.contains(&name.into());
    let declaration = Declaration {
        revision: REVISION.to_owned(),
        listen,
        response_seconds: 10,
        act_seconds: 30,
        request_seconds: request_seconds(),
        connections_max: connections_max(),
        profiles: Profiles {
            core: true,
            recovery: has("recovery"),
            records: has("records"),
            queries: has("queries"),
            standing_queries: has("standing-queries"),
            notices: has("notices"),
            // Who states nothing of the kind says so.
            facts: true,
        },
        adapter: None,
        folder: PathBuf::new(),
    };
    let text = toml::to_string(&declaration)?;
    write(&files[1], &bytes)?;
    write_secret(&files[2], world.to_text().as_bytes())?;
    let key = SigningKey::generate().map_err(WorldError::from)?;
    write_secret(&files[4], (base64url(key.pkcs8()) + "\n").as_bytes())?;
    write(&files[3], directory.plain().as_bytes())?;
    // Last, so that what stands beside it is whole.
    write(&files[0], text.as_bytes())?;
    Ok(key.kid())
}

fn subject_of(path: &Path, bytes: &[u8]) -> Result<Subject, DeclarationError> {
    Subject::read(bytes).map_err(|cause| DeclarationError::Record { path: path.to_owned(), cause })
}

fn read(path: &Path) -> Result<Vec<u8>, DeclarationError> {
    std::fs::read(path).map_err(|cause| DeclarationError::Io { path: path.to_owned(), cause })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), DeclarationError> {
    std::fs::write(path, bytes).map_err(|cause| DeclarationError::Io { path: path.to_owned(), cause })
}

/// Readable by its owner alone, where the system can say so.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), DeclarationError> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|cause| DeclarationError::Io { path: path.to_owned(), cause })
}

impl Declaration {
    /// Reads the file of a folder.
    pub(crate) fn load(folder: &Path) -> Result<Self, DeclarationError> {
        let path = folder.join(FILE);
        let text = String::from_utf8_lossy(&read(&path)?).into_owned();
        let declaration: Self = toml::from_str(&text)
            .map_err(|cause| DeclarationError::Toml { path: path.clone(), cause: Box::new(cause) })?;
        if declaration.revision != REVISION {
            return Err(DeclarationError::Revision { path, told: declaration.revision });
        }
        if !declaration.profiles.core {
            return Err(DeclarationError::NoCore(path));
        }
        Ok(Self { folder: folder.to_owned(), ..declaration })
    }

    /// Reads the text of a declaration that stands in no folder.
    pub(crate) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The key that signs evidence.
    pub(crate) fn evidence_key(&self) -> Result<SigningKey, DeclarationError> {
        let path = self.folder.join(EVIDENCE_KEY);
        let text = String::from_utf8_lossy(&read(&path)?).into_owned();
        let key = from_base64url(text.trim_end()).and_then(|pkcs8| SigningKey::from_pkcs8(&pkcs8).ok());
        key.ok_or(DeclarationError::EvidenceKey(path))
    }

    /// What the vendor declared, byte for byte.
    pub(crate) fn declared(&self) -> Result<Declared, DeclarationError> {
        let file = |name: &str| read(&self.folder.join(name));
        Ok(Declared { declaration: file(FILE)?, subject: file(SUBJECT)?, directory: file(DIRECTORY)? })
    }

    /// The subject.
    pub(crate) fn subject(&self) -> Result<Subject, DeclarationError> {
        let path = self.folder.join(SUBJECT);
        subject_of(&path, &read(&path)?)
    }

    /// The directory that the subject has to have loaded.
    pub(crate) fn directory(&self) -> Result<Json, DeclarationError> {
        let path = self.folder.join(DIRECTORY);
        Json::read(&read(&path)?)
            .map_err(|cause| DeclarationError::Record { path, cause: RecordError::Json(cause) })
    }

    /// The suite's authorities.
    pub(crate) fn world(&self) -> Result<World, DeclarationError> {
        Ok(World::load(&self.folder.join(PEERS))?)
    }

    /// Everything that cases need, the suite's authorities listening, in the order that the seed gives.
    pub(crate) fn bench(&self, seed: u64) -> Result<Bench, BenchError> {
        let world = Arc::new(self.world()?);
        let socket = Listener::bind(self.listen)?;
        let subject = self.subject()?;
        let idle = Idle::new(world.clone(), &subject.code);
        let host = Arc::new(Host::start(socket, &world.server, idle)?);
        let order = shuffled((0..world.authorities.len()).collect(), seed);
        let act = Duration::from_secs(self.act_seconds);
        let waits = Waits {
            response: Duration::from_secs(self.response_seconds),
            act,
            quiet: act.min(Duration::from_secs(5)),
            arrival: Duration::from_secs(self.request_seconds),
            connections_max: self.connections_max,
        };
        let issues = Issues::new(self.directory()?, Some(self.folder.join(DIRECTORY)));
        let bench = Bench::new(subject, (world, host, issues), waits, order);
        Ok(match self.adapter()? {
            Some(adapter) => bench.with_adapter(adapter),
            None => bench,
        })
    }

    /// The adapter, started and greeted.
    fn adapter(&self) -> Result<Option<Adapter>, BenchError> {
        let Some(AdapterCommand { command, seconds }) = &self.adapter else { return Ok(None) };
        let program = Program::start(command, &self.folder, Duration::from_secs(*seconds))?;
        let (record, root) = (self.subject()?.record, self.world()?.root.public());
        let hello = vec![("subject", record), ("directory", self.directory()?), ("root", root.into())];
        Ok(Some(Adapter::greet(Box::new(program), hello)?))
    }
}

/// Why there is no bench.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}
