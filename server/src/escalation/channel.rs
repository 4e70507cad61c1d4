//! The ways out: what the configuration says, checked and ready to send.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use cme_spec::directory::Directory;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

use super::email::Email;
use super::webhook::Webhook;
use super::word::Word;
use crate::config::{Config, ConfigError};

/// A way to tell somebody.
pub enum Channel {
    /// A document is posted to a system of the authority.
    Webhook(Webhook),
    /// A letter goes through a mail relay.
    Email(Email),
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// A document is posted to a system of the authority.
    Webhook,
    /// A letter goes through a mail relay.
    Email,
}

impl ChannelKind {
    /// Those that the configuration names.
    pub fn configured(config: &Config) -> Vec<Self> {
        let webhook = config.escalation.webhook.is_some().then_some(Self::Webhook);
        let email = config.escalation.smtp.is_some().then_some(Self::Email);
        webhook.into_iter().chain(email).collect()
    }

    /// The code, as in a list.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
        }
    }
}

/// Why a channel can't be used as it is configured. Names the member, so that an operator can mend it.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A file of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something that must not be nothing.
    #[error("[escalation]: `{0}` must be above 0")]
    Zero(&'static str),
    /// More days than a year of working days has.
    #[error("[escalation]: `reminder_working_days` must be at most {REMINDER_DAYS_MAX}")]
    Reminder,
    /// Not an address on the web.
    #[error("[escalation.webhook]: `url` must be https://host/..., without user or password")]
    Url,
    /// In the clear, to somebody else.
    #[error("[escalation.webhook]: `url` may be http to this machine only (127.0.0.1, [::1], localhost)")]
    PlainUrl,
    /// In the clear, to somebody else.
    #[error("[escalation.smtp]: `security` may be none to this machine only (127.0.0.1, ::1, localhost)")]
    PlainRelay,
    /// A host that is none.
    #[error("[escalation.smtp]: `host` is not a host name, or `port` is 0")]
    Relay,
    /// Not an address of a person.
    #[error("[escalation.smtp]: `{0}` is not an e-mail address in ASCII")]
    Address(&'static str),
    /// Not an address of a person.
    #[error("[queries]: `email` of an officer is not an e-mail address in ASCII")]
    OfficerAddress,
    /// Half of an account.
    #[error("[escalation.smtp]: `user` and `password_file` go together")]
    Account,
    /// A secret that is none.
    #[error("{0}: a secret of {SECRET_BYTES_MIN} bytes or more is needed")]
    Secret(String),
    /// A password that is none.
    #[error("{0}: no password in it")]
    Password(String),
    /// Certificates that are none.
    #[error("{0}: no certificate in PEM that can be used")]
    Authority(String),
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}

/// The most working days between two words of one clock.
const REMINDER_DAYS_MAX: u32 = 250;
/// The shortest secret that signs anything.
pub(super) const SECRET_BYTES_MIN: usize = 16;

/// Why a message is not taken yet. Without addresses and without a stranger's words, fit for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub what: String,
    /// What the other side said, for an operator who tries it.
    pub said: Option<String>,
    /// Whether trying again can't help.
    pub last: bool,
    /// The pause that the other side asks for.
    pub asked: Option<Duration>,
}

impl Failure {
    pub(super) fn later(what: impl Into<String>) -> Self {
        Self { what: what.into(), said: None, last: false, asked: None }
    }

    pub(super) fn saying(self, said: impl Into<String>) -> Self {
        Self { said: Some(said.into()), ..self }
    }
}

impl Channel {
    /// Every channel of the configuration, checked.
    pub fn open_all(config: &Config) -> Result<Vec<Self>, ChannelError> {
        let escalation = &config.escalation;
        let positive = [
            ("look_every_ms", escalation.look_every_ms),
            ("attempt_ms_max", escalation.attempt_ms_max),
            ("first_pause_ms", escalation.first_pause_ms),
            ("pause_ms_max", escalation.pause_ms_max),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(ChannelError::Zero(name));
        }
        if escalation.reminder_working_days > REMINDER_DAYS_MAX {
            return Err(ChannelError::Reminder);
        }
        let webhook = escalation.webhook.as_ref().map(|webhook| Webhook::open(config, webhook));
        let email = escalation.smtp.as_ref().map(|smtp| Email::open(config, smtp));
        let webhook = webhook.transpose()?.map(Self::Webhook);
        Ok(webhook.into_iter().chain(email.transpose()?.map(Self::Email)).collect())
    }

    /// Which way it is.
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::Webhook(_) => ChannelKind::Webhook,
            Self::Email(_) => ChannelKind::Email,
        }
    }

    /// Whom it tells, as an operator knows it.
    pub fn describe(&self, directory: &Directory, word: &Word) -> String {
        match self {
            Self::Webhook(webhook) => webhook.describe(),
            Self::Email(email) => email.describe(directory, word),
        }
    }

    /// One attempt: `document` is the word as it is stored. Ok when the other side has taken it.
    pub async fn send(
        &self,
        directory: &Directory,
        word: &Word,
        document: &str,
        within: Duration,
    ) -> Result<(), Failure> {
        let attempt = async {
            match self {
                Self::Webhook(webhook) => webhook.post(word, document).await,
                Self::Email(email) => email.send(directory, word).await,
            }
        };
        let slow = |_| Err(Failure::later("no answer in time"));
        tokio::time::timeout(within, attempt).await.unwrap_or_else(slow)
    }
}

/// Whether a host is this machine, so that nobody can listen on the way.
pub(super) fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The text of a file that only this account should read, without the line's end.
pub(super) fn read_secret(config: &Config, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let mut secret = config.read(path)?;
    let path = config.resolve(path);
    if std::fs::metadata(&path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "the secret can be read by others: chmod 600");
    }
    while secret.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        secret.pop();
    }
    Ok(secret)
}

/// The certification authorities of a PEM file.
pub(super) fn authorities(
    config: &Config,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ChannelError> {
    let broken = || ChannelError::Authority(config.resolve(path).display().to_string());
    let found = CertificateDer::pem_slice_iter(&config.read(path)?).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|_| broken())?;
    let mut usable = RootCertStore::empty();
    let all = found.iter().all(|certificate| usable.add(certificate.clone()).is_ok());
    if all && !found.is_empty() { Ok(found) } else { Err(broken()) }
}
