//! The section `[escalation]`: over which channels the escalation contacts are told, and how patiently.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the escalation contacts are told. With no channel, word goes to the log and the lists alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Escalation {
    /// Working days after which word of a clock that is still out is sent again; 0 for never.
    pub reminder_working_days: u32,
    /// Pause between two looks at what is to be told, in milliseconds.
    pub look_every_ms: u64,
    /// Time that one attempt to send may take, in milliseconds.
    pub attempt_ms_max: u64,
    /// Pause after the first failure, in milliseconds.
    pub first_pause_ms: u64,
    /// The longest pause, in milliseconds.
    pub pause_ms_max: u64,
    /// A system of the authority's own that takes small JSON documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// A mail relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Smtp>,
}

impl Default for Escalation {
    fn default() -> Self {
        Self {
            reminder_working_days: 5,
            look_every_ms: 60_000,
            attempt_ms_max: 30_000,
            first_pause_ms: 10_000,
            pause_ms_max: 900_000,
            webhook: None,
            smtp: None,
        }
    }
}

impl Escalation {
    /// Whether nothing is configured.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Time that one attempt to send may take.
    pub fn attempt_max(&self) -> Duration {
        Duration::from_millis(self.attempt_ms_max)
    }
}

/// Where documents are posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// An `https` address; `http` to this machine only.
    pub url: String,
    /// File with the secret under which documents are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// PEM of the certification authorities of the receiver; without it, the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<PathBuf>,
}

/// The mail relay, and what letters say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its host name.
    pub host: String,
    /// Its port: mostly 587 for STARTTLS, 465 for TLS.
    pub port: u16,
    /// The sender, an e-mail address.
    pub from: String,
    /// Who is told, in place of the escalation contact in the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How the connection is protected.
    #[serde(default)]
    pub security: Security,
    /// Account at the relay, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// File with that account's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// PEM of the certification authorities of the relay; without it, the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<PathBuf>,
}

/// How the connection to the relay is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS after a greeting in the clear; a relay that doesn't offer it is told nothing.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: for a relay on this machine only.
    None,
}
