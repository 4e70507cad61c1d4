//! The configuration file. Paths in it are relative to the file's own folder.

mod escalation;
mod limits;
mod queries;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cme_spec::ids::AuthorityCode;
use cme_spec::signature::PublicKey;
use serde::{Deserialize, Serialize};

pub use self::escalation::{Escalation, Security, Smtp, Webhook};
pub use self::limits::{Delivery, Limits, LimitsError};
pub use self::queries::{NamedOfficer, Queries, QueriesError, RestrictedOfficer};
use crate::store::postgres::Postgres;
use crate::store::sqlite::Sqlite;
use crate::store::{Database, Store, StoreError};

/// What `cme-server.toml` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the protocol's listener.
    pub listen: SocketAddr,
    /// Loopback address of the listener for health, readiness and metrics.
    pub operations: SocketAddr,
    /// The database: a file for SQLite, or the URL of a PostgreSQL database.
    pub database: String,
    /// PEM of the certification authority of the PostgreSQL server; with it the connection is TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_authority: Option<PathBuf>,
    /// File with the number of restores. Keep it out of the database's backup.
    pub incarnation: PathBuf,
    /// The signed directory: a file, or a folder of issues.
    pub directory: PathBuf,
    /// Root key to which the first directory issue is held; compared by a person once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_root: Option<PublicKey>,
    /// The listener's certificate.
    pub tls: Tls,
    /// The authorities that this deployment serves.
    #[serde(rename = "authority")]
    pub authorities: Vec<HostedConfig>,
    /// Limits.
    #[serde(default)]
    pub limits: Limits,
    /// Delivery.
    #[serde(default)]
    pub delivery: Delivery,
    /// Word to the escalation contacts.
    #[serde(default, skip_serializing_if = "Escalation::is_default")]
    pub escalation: Escalation,
    /// The registers of children.
    #[serde(default, skip_serializing_if = "RegisterConfig::is_default")]
    pub register: RegisterConfig,
    /// How queries of other authorities are answered.
    #[serde(default, skip_serializing_if = "Queries::is_default")]
    pub queries: Queries,
    #[serde(skip)]
    folder: PathBuf,
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Whether TLS 1.2 is spoken too.
    #[serde(default)]
    pub tls12: bool,
}

/// One hosted authority.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostedConfig {
    /// DfE code.
    pub code: AuthorityCode,
    /// Ed25519 signing key, PKCS#8 in PEM.
    pub signing_key: PathBuf,
    /// Certificate with which it calls others.
    pub certificate: PathBuf,
    /// Private key of that certificate.
    pub key: PathBuf,
}

/// How the registers of children answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegisterConfig {
    /// Weights that were estimated from the authority's own data; without it those that this version ships.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

impl RegisterConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Why the configuration can't be used. Names the file, so that an officer of the IT department can mend it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read {}: {cause}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not TOML of the expected members.
    #[error("{} is not a configuration: {cause}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Why; TOML's own words, with line and column.
        cause: Box<toml::de::Error>,
    },
    /// No authority is named.
    #[error("{}: name at least one [[authority]]", .0.display())]
    NoAuthority(PathBuf),
    /// The health listener would be open to the network.
    #[error("{}: `operations` must be a loopback address, it tells without asking who asks", .0.display())]
    OperationsNotLoopback(PathBuf),
    /// The sections `[limits]` and `[delivery]`.
    #[error("{}: {cause}", path.display())]
    Limits {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: LimitsError,
    },
    /// The section `[queries]`.
    #[error("{}: {cause}", path.display())]
    Queries {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: QueriesError,
    },
}

/// Why the database can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Config {
    /// What `init` writes: everything beside the configuration file.
    pub fn new(
        (listen, operations): (SocketAddr, SocketAddr),
        tls: Tls,
        authorities: Vec<HostedConfig>,
        (limits, delivery): (Limits, Delivery),
    ) -> Self {
        Self {
            listen,
            operations,
            database: "cme.sqlite".to_owned(),
            database_authority: None,
            incarnation: "incarnation".into(),
            directory: "directory.json".into(),
            directory_root: None,
            tls,
            authorities,
            limits,
            delivery,
            escalation: Escalation::default(),
            register: RegisterConfig::default(),
            queries: Queries::default(),
            folder: PathBuf::new(),
        }
    }

    /// Reads a configuration file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|cause| ConfigError::Parse { path: path.to_owned(), cause: Box::new(cause) })?;
        config.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        if config.authorities.is_empty() {
            return Err(ConfigError::NoAuthority(path.to_owned()));
        }
        if !config.operations.ip().is_loopback() {
            return Err(ConfigError::OperationsNotLoopback(path.to_owned()));
        }
        limits::check(&config.limits, &config.delivery)
            .map_err(|cause| ConfigError::Limits { path: path.to_owned(), cause })?;
        config.queries.check().map_err(|cause| ConfigError::Queries { path: path.to_owned(), cause })?;
        Ok(config)
    }

    /// The database that the configuration names.
    pub fn open_database(&self) -> Result<Arc<dyn Database>, OpenError> {
        let authority = self.database_authority.as_deref().map(|path| self.read(path)).transpose()?;
        if self.database.starts_with("postgresql://") || self.database.starts_with("postgres://") {
            Ok(Arc::new(Postgres::at(&self.database, authority.as_deref())?))
        } else {
            Ok(Arc::new(Sqlite::at(&self.resolve(Path::new(&self.database)))?))
        }
    }

    /// A store on the database that the configuration names.
    pub fn open_store(&self) -> Result<Store, OpenError> {
        Ok(Store::open(self.open_database()?)?)
    }

    /// A path of the configuration, as the process sees it.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The content of a file that the configuration names.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, ConfigError> {
        let path = self.resolve(path);
        std::fs::read(&path).map_err(|cause| ConfigError::Read { path, cause })
    }
}
