//! What a running deployment knows: its store, its authorities with their keys, the directory, the clock.
//!
//! The server, the delivery worker and an officer's command line all work on a [`Node`]; none of them keeps
//! a copy of a ledger in memory, so that they can share one database from several processes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cme_client::{Client, Identity, IdentityError, RetryPolicy, SharedDirectory, Transport};
use cme_matching::{Weights, WeightsError};
use cme_spec::canonical::DecodeError;
use cme_spec::directory::{Archive, Directory, DirectoryError, KeyStanding};
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::ledger::Ledger;
use cme_spec::receipt::Head;
use cme_spec::signature::{SignatureError, SigningKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, HostedConfig, OpenError};
use crate::incarnation::{self, IncarnationError};
use crate::issues::{self, Seen, issue_files};
use crate::random::Random;
use crate::register::LiveRegister;
use crate::store::leases::Holder;
use crate::store::ledgers::LedgerKey;
use crate::store::{Database, Store, StoreError};

/// Ledgers that wait to be completed at most; one more is completed when its peer asks again.
const PULLS_WAITING_MAX: usize = 1_024;
/// Seconds for which a peer's incarnation is taken as known: another process on the database may hear a newer.
const HEARD_SECONDS: i64 = 1;

/// One authority that this deployment serves.
pub struct Hosted {
    /// Its code.
    pub code: AuthorityCode,
    /// Signs its entries and receipts.
    pub signing: SigningKey,
    /// Calls its peers.
    pub client: Client,
}

/// A deployment. Clones share it.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    config: Config,
    store: Store,
    register: LiveRegister,
    directory: SharedDirectory,
    issues_seen: tokio::sync::Mutex<Seen>,
    hosted: BTreeMap<AuthorityCode, Hosted>,
    clock: Clock,
    random: Random,
    incarnation: u64,
    holder: Holder,
    outbox: tokio::sync::Notify,
    pulls: Mutex<BTreeSet<LedgerKey>>,
    pull_asked: tokio::sync::Notify,
    reconcile_asked: tokio::sync::Notify,
    heard: Mutex<HashMap<(AuthorityCode, AuthorityCode), (u64, Instant)>>,
}

/// What a deployment takes from the machine that it runs on, beside its files. A simulation brings its own.
pub struct Machine {
    /// Tells the time.
    pub clock: Clock,
    /// Gives random values.
    pub random: Random,
    /// The database, where it isn't the one that the configuration names.
    pub database: Option<Arc<dyn Database>>,
    /// Carries requests to peers, where it isn't mutual TLS with the configured certificates.
    pub transport: Option<Arc<dyn Transport>>,
}

impl Machine {
    /// The machine as it is.
    pub fn real() -> Self {
        Self { clock: Clock::system(), random: Random::system(), database: None, transport: None }
    }
}

/// Why a deployment can't start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A file of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database, or a file that opening it needs.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A signing key.
    #[error("{path}: {cause}")]
    SigningKey {
        /// Which file.
        path: String,
        /// Why.
        cause: SignatureError,
    },
    /// A certificate or its key.
    #[error("{path}: {cause}")]
    Identity {
        /// Which file.
        path: String,
        /// Why.
        cause: IdentityError,
    },
    /// The directory file is not JSON of the protocol.
    #[error("the directory file {path}: {cause}")]
    DirectoryFile {
        /// Which file.
        path: String,
        /// Why.
        cause: DecodeError,
    },
    /// The directory is refused.
    #[error("the directory file {path}: {cause}")]
    Directory {
        /// Which file.
        path: String,
        /// Why.
        cause: DirectoryError,
    },
    /// The incarnation file, or what the database says to it.
    #[error(transparent)]
    Incarnation(#[from] IncarnationError),
    /// The file of weights is none.
    #[error("the weights of {path}: {cause}")]
    Weights {
        /// Which file.
        path: String,
        /// Why.
        cause: WeightsError,
    },
    /// A hosted authority's key is not valid yet, or no longer.
    #[error("the signing key {kid} of authority {code} is not valid now: retired, revoked, or not valid yet")]
    KeyNotInTerm {
        /// The authority.
        code: AuthorityCode,
        /// The key's name.
        kid: String,
    },
    /// The directory does not know a hosted authority's key.
    #[error(
        "the directory has no signing key of authority {code} that is {kid}: send the operator of the directory the record that `init` wrote"
    )]
    KeyNotInDirectory {
        /// The authority.
        code: AuthorityCode,
        /// Its key's name.
        kid: String,
    },
}

impl Node {
    /// Opens everything that the configuration names.
    pub async fn open(config: Config, clock: Clock) -> Result<Self, NodeError> {
        Self::open_on(config, Machine { clock, ..Machine::real() }).await
    }

    /// The same on a machine of the caller's.
    pub async fn open_on(config: Config, machine: Machine) -> Result<Self, NodeError> {
        let files = issue_files(&config.resolve(&config.directory))?;
        if let Some(missing) = files.iter().find(|file| !file.exists()) {
            let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "the directory is not there yet");
            return Err(ConfigError::Read { path: missing.clone(), cause }.into());
        }
        let incarnation_file = config.resolve(&config.incarnation);
        let incarnation = incarnation::read(&incarnation_file)?;
        let store = match machine.database {
            Some(database) => Store::open(database)?,
            None => config.open_store()?,
        };
        incarnation::begin(&store, incarnation, &incarnation_file).await?;
        let (archive, seen) = issues::load(&config, &store).await?;
        if config.directory_root.is_none() {
            tracing::warn!(
                "the directory's root key was not compared: set directory_root in the configuration"
            );
        }
        let directory = SharedDirectory::new(archive);
        let mut hosted = BTreeMap::new();
        for record in &config.authorities {
            let mut opened = open_hosted(&config, record, &directory, incarnation, machine.clock.now())?;
            if let Some(transport) = &machine.transport {
                opened.client = opened.client.with_transport(Arc::clone(transport));
            }
            hosted.insert(record.code, opened);
        }
        let holder = machine.random.holder();
        let register = LiveRegister::new(store.clone(), weights(&config)?, hosted.keys().copied());
        let inner = Inner {
            config,
            store,
            register,
            directory,
            issues_seen: tokio::sync::Mutex::new(seen),
            hosted,
            clock: machine.clock,
            random: machine.random,
            incarnation,
            holder,
            outbox: tokio::sync::Notify::new(),
            pulls: Mutex::default(),
            pull_asked: tokio::sync::Notify::new(),
            reconcile_asked: tokio::sync::Notify::new(),
            heard: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The registers of the hosted authorities.
    pub fn register(&self) -> &LiveRegister {
        &self.0.register
    }

    /// The instant now.
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// Time since some moment, which no setting of the clock changes.
    pub fn steady(&self) -> std::time::Duration {
        self.0.clock.steady()
    }

    /// Comes back when so much time has passed.
    pub async fn wait(&self, time: std::time::Duration) {
        self.0.clock.wait(time).await;
    }

    /// Where it draws random values.
    pub fn random(&self) -> &Random {
        &self.0.random
    }

    /// How often the database was restored.
    pub fn incarnation(&self) -> u64 {
        self.0.incarnation
    }

    /// The name under which this process holds leases.
    pub fn holder(&self) -> Holder {
        self.0.holder
    }

    /// Every issue held.
    pub fn archive(&self) -> Arc<Archive> {
        self.0.directory.current()
    }

    /// The authority of that code, if it is hosted here.
    pub fn hosted(&self, code: AuthorityCode) -> Option<&Hosted> {
        self.0.hosted.get(&code)
    }

    /// All authorities hosted here.
    pub fn all_hosted(&self) -> impl Iterator<Item = &Hosted> {
        self.0.hosted.values()
    }

    /// The hosted authority that speaks for `party`: itself, or a hosted successor of it.
    pub fn speaking_for(&self, directory: &Directory, party: AuthorityCode) -> Option<&Hosted> {
        self.hosted(party).or_else(|| self.all_hosted().find(|hosted| directory.acts_for(hosted.code, party)))
    }

    /// Tells the delivery worker that the outbox has grown.
    pub fn wake_outbox(&self) {
        self.0.outbox.notify_one();
    }

    /// Waits until the outbox has grown.
    pub async fn outbox_woken(&self) {
        self.0.outbox.notified().await;
    }

    /// Asks the delivery worker to fetch what this copy of a ledger lacks. Asking twice does no more.
    pub fn ask_pull(&self, key: LedgerKey) {
        let mut pulls = self.0.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        if pulls.len() < PULLS_WAITING_MAX {
            pulls.insert(key);
        }
        self.0.pull_asked.notify_one();
    }

    /// Waits until a copy is asked to be completed.
    pub async fn pull_asked(&self) -> Option<LedgerKey> {
        loop {
            {
                let mut pulls = self.0.pulls.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(key) = pulls.pop_first() {
                    return Some(key);
                }
            }
            self.0.pull_asked.notified().await;
        }
    }

    /// Asks for a look at the pairs that have to reconcile.
    pub fn ask_reconcile(&self) {
        self.0.reconcile_asked.notify_one();
    }

    /// Waits until a look at the pairs is asked for.
    pub async fn reconcile_asked(&self) {
        self.0.reconcile_asked.notified().await;
    }

    /// Whether that incarnation of a peer was noted a moment ago.
    pub fn was_heard(&self, hosted: AuthorityCode, peer: AuthorityCode, incarnation: u64) -> bool {
        let heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(&(hosted, peer)).is_some_and(|(known, at)| {
            *known == incarnation && self.now() <= at.plus_seconds(HEARD_SECONDS) && *at <= self.now()
        })
    }

    /// That incarnation of a peer is the highest noted.
    pub fn note_heard(&self, hosted: AuthorityCode, peer: AuthorityCode, incarnation: u64) {
        let mut heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert((hosted, peer), (incarnation, self.now()));
    }

    /// Looks for newer issues where the configuration says they appear. Gives the newest issue's number.
    pub async fn refresh_directory(&self) -> Result<u64, NodeError> {
        let number = |archive: &Archive| archive.newest().map_or(0, |issue| issue.content().issue);
        let mut seen = self.0.issues_seen.lock().await;
        let held = self.archive();
        let (refreshed, taken) = issues::refreshed(&held, &mut seen, (&self.0.config, &self.0.store)).await;
        let newest = refreshed.as_ref().map_or(number(&held), number);
        if let Some(archive) = refreshed.filter(|_| newest > number(&held)) {
            tracing::info!(issue = newest, "a newer directory issue is in use");
            self.0.directory.replace(archive);
        }
        taken.map(|()| newest)
    }
}

impl Hosted {
    /// Holds when this authority's key may sign at `now`, by that directory. A key is retired or revoked while
    /// the server runs, so whoever is about to sign asks again. Implements: SIG-007
    pub fn check_key(&self, directory: &Directory, now: Instant) -> Result<(), NodeError> {
        in_term(self.code, &self.signing, directory, now)
    }

    /// This authority's word on where its copy of a ledger ends.
    pub fn head(&self, ledger: &Ledger, party: AuthorityCode, told: Told) -> Envelope<Head> {
        let content = Head {
            transfer: ledger.terms.transfer,
            originating: ledger.terms.originating,
            receiving: ledger.terms.receiving,
            sequence: ledger.head.sequence,
            header_digest: ledger.head.header_digest,
            stage: ledger.stage(),
            at: told.at,
            by: party,
            incarnation: told.incarnation,
            directory_issue: told.directory_issue,
        };
        Envelope::sign(content, &self.signing)
    }
}

/// What every signed word of a server says beside its matter.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// How often the database was restored.
    pub incarnation: u64,
    /// The directory issue in use.
    pub directory_issue: u64,
}

/// Implements: SIG-007
fn in_term(
    code: AuthorityCode,
    signing: &SigningKey,
    directory: &Directory,
    now: Instant,
) -> Result<(), NodeError> {
    let kid = || signing.id().to_string();
    match directory.key(code, signing.id()).map(|key| key.standing(now)) {
        Some(KeyStanding::Valid) => Ok(()),
        Some(KeyStanding::OutOfTerm | KeyStanding::Revoked) => {
            Err(NodeError::KeyNotInTerm { code, kid: kid() })
        }
        None => Err(NodeError::KeyNotInDirectory { code, kid: kid() }),
    }
}

fn open_hosted(
    config: &Config,
    record: &HostedConfig,
    directory: &SharedDirectory,
    incarnation: u64,
    now: Instant,
) -> Result<Hosted, NodeError> {
    let signing = read_signing_key(&config.resolve(&record.signing_key))?;
    let archive = directory.current();
    let issue = archive.newest().map(cme_spec::envelope::Signed::content);
    let issue = issue
        .ok_or_else(|| NodeError::KeyNotInDirectory { code: record.code, kid: signing.id().to_string() })?;
    in_term(record.code, &signing, issue, now)?;
    let identity =
        Identity::from_pem(&config.read(&record.certificate)?, &config.read(&record.key)?).map_err(
            |cause| NodeError::Identity { path: config.resolve(&record.key).display().to_string(), cause },
        )?;
    let client = Client::new(record.code, identity, directory.clone())
        .with_retry(RetryPolicy::once())
        .with_incarnation(incarnation);
    Ok(Hosted { code: record.code, signing, client })
}

/// The weights by which a query is answered: those that this version ships, unless the configuration names others.
pub fn weights(config: &Config) -> Result<Weights, NodeError> {
    let Some(path) = &config.register.weights else { return Ok(Weights::shipped()) };
    let text = String::from_utf8_lossy(&config.read(path)?).into_owned();
    Weights::from_json(&text)
        .map_err(|cause| NodeError::Weights { path: config.resolve(path).display().to_string(), cause })
}

/// Reads an Ed25519 key from PKCS#8 in PEM.
pub fn read_signing_key(path: &Path) -> Result<SigningKey, NodeError> {
    let unreadable = |cause| ConfigError::Read { path: path.to_owned(), cause };
    let pem = std::fs::read(path).map_err(unreadable)?;
    if std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the signing key can be read by others: chmod 600");
    }
    let wrong = |cause| NodeError::SigningKey { path: path.display().to_string(), cause };
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| wrong(SignatureError::PrivateKey))?;
    SigningKey::from_pkcs8(der.secret_pkcs8_der()).map_err(wrong)
}
