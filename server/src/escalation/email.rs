//! A letter through a mail relay.

use cme_spec::directory::Directory;
use lettre::Message;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Category, Severity};

use super::channel::{ChannelError, Failure, authorities, is_here, read_secret};
use super::word::{Recipient, Word};
use crate::config::{Config, Security, Smtp};

/// How a password is shown to a relay; only under TLS, or on this machine.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Sends through one relay.
pub struct Email {
    host: String,
    port: u16,
    security: Protection,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Mailbox,
    to: Option<Mailbox>,
    officer: Option<Mailbox>,
    restricted_officer: Option<Mailbox>,
}

enum Protection {
    Starttls(TlsParameters),
    Tls(TlsParameters),
    None,
}

/// The answer of a machine, for machines: nobody's absence note comes back (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn mailbox(text: &str) -> Option<Mailbox> {
    let ascii = |mailbox: &Mailbox| mailbox.email.to_string().is_ascii();
    text.parse().ok().filter(ascii)
}

/// The address of an officer of `[queries]`.
fn officer(email: Option<&str>) -> Result<Option<Mailbox>, ChannelError> {
    email.map(|email| mailbox(email).ok_or(ChannelError::OfficerAddress)).transpose()
}

impl Email {
    pub(super) fn open(config: &Config, smtp: &Smtp) -> Result<Self, ChannelError> {
        if smtp.host.is_empty() || smtp.host.contains(['/', '@', ' ']) || smtp.port == 0 {
            return Err(ChannelError::Relay);
        }
        let from = mailbox(&smtp.from).ok_or(ChannelError::Address("from"))?;
        let to = smtp.to.as_deref().map(|to| mailbox(to).ok_or(ChannelError::Address("to")));
        let credentials = match (&smtp.user, &smtp.password_file) {
            (None, None) => None,
            (Some(user), Some(path)) => {
                let password = read_secret(config, path)?;
                let password = String::from_utf8(password).ok().filter(|password| !password.is_empty());
                let none = || ChannelError::Password(config.resolve(path).display().to_string());
                Some(Credentials::new(user.clone(), password.ok_or_else(none)?))
            }
            _ => return Err(ChannelError::Account),
        };
        let security = match smtp.security {
            Security::Starttls => Protection::Starttls(tls(config, smtp)?),
            Security::Tls => Protection::Tls(tls(config, smtp)?),
            Security::None if is_here(&smtp.host) => Protection::None,
            Security::None => return Err(ChannelError::PlainRelay),
        };
        Ok(Self {
            host: smtp.host.clone(),
            port: smtp.port,
            security,
            credentials,
            hello: ClientId::Domain(from.email.domain().to_owned()),
            from,
            to: to.transpose()?,
            officer: officer(config.queries.officer.as_ref().and_then(|officer| officer.email.as_deref()))?,
            restricted_officer: officer(
                config.queries.restricted_officer.as_ref().and_then(|officer| officer.email.as_deref()),
            )?,
        })
    }

    /// The recipient and the relay.
    pub(super) fn describe(&self, directory: &Directory, word: &Word) -> String {
        let to = self.recipient(directory, word);
        let to = to.map_or_else(|failure| failure.what, |mailbox| mailbox.email.to_string());
        format!("{to}, through {}:{}", self.host, self.port)
    }

    /// Who is told, as the newest directory and the configuration have it.
    fn recipient(&self, directory: &Directory, word: &Word) -> Result<Mailbox, Failure> {
        let named = match word.to {
            Recipient::Contact => self.to.as_ref(),
            Recipient::Arbiter => None,
            Recipient::Officer => self.officer.as_ref().or(self.to.as_ref()),
            Recipient::RestrictedOfficer => self.restricted_officer.as_ref().or(self.to.as_ref()),
        };
        if let Some(named) = named {
            return Ok(named.clone());
        }
        let email = match word.to {
            Recipient::Arbiter => directory.arbiter.email.as_deref(),
            _ => {
                directory.authority(word.authority.code).and_then(|record| record.escalation.email.as_deref())
            }
        };
        let nobody = || Failure::later("the directory names no e-mail address for the recipient");
        email.and_then(mailbox).ok_or_else(nobody)
    }

    fn letter(&self, to: Mailbox, word: &Word) -> Result<Message, Failure> {
        let id = format!("<{}@{}>", word.id, self.from.email.domain());
        MessageBuilder::new()
            .from(self.from.clone())
            .to(to)
            .subject(word.subject())
            .date(word.noted_at.timestamp().into())
            .message_id(Some(id))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(word.text())
            .map_err(|error| Failure::later("the letter can't be written").saying(error.to_string()))
    }

    pub(super) async fn send(&self, directory: &Directory, word: &Word) -> Result<(), Failure> {
        let to = self.recipient(directory, word)?;
        let letter = self.letter(to.clone(), word)?.formatted();
        let mut relay = self.connect().await?;
        let from = Mail::new(Some(self.from.email.clone()), Vec::new());
        relay.command(from).await.map_err(|error| failed("the sender", &error))?;
        let named = relay.command(Rcpt::new(to.email, Vec::new())).await;
        named.map_err(|error| Failure { last: is_final(&error), ..failed("the recipient", &error) })?;
        relay.command(Data).await.map_err(|error| failed("the letter", &error))?;
        relay.message(&letter).await.map_err(|error| failed("the letter", &error))?;
        // It is taken by now, however the relay takes its leave.
        let _ = relay.quit().await;
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let (at_once, then) = match &self.security {
            Protection::Starttls(tls) => (None, Some(tls)),
            Protection::Tls(tls) => (Some(tls.clone()), None),
            Protection::None => (None, None),
        };
        let address = (self.host.as_str(), self.port);
        let greeted = AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, at_once, None).await;
        let mut relay = greeted.map_err(|error| failed("the greeting", &error))?;
        if let Some(tls) = then {
            let secured = relay.starttls(tls.clone(), &self.hello).await;
            secured.map_err(|error| failed("STARTTLS", &error))?;
        }
        if let Some(credentials) = &self.credentials {
            let known = relay.auth(&MECHANISMS, credentials).await;
            known.map_err(|error| failed("the account", &error))?;
        }
        Ok(relay)
    }
}

fn tls(config: &Config, smtp: &Smtp) -> Result<TlsParameters, ChannelError> {
    let mut builder = TlsParametersBuilder::new(smtp.host.clone());
    if let Some(path) = &smtp.authority {
        builder = builder.certificate_store(CertificateStore::None);
        for authority in authorities(config, path)? {
            let certificate = Certificate::from_der(authority.to_vec());
            builder = builder.add_root_certificate(certificate.map_err(unusable)?);
        }
    }
    builder.build_rustls().map_err(unusable)
}

#[expect(clippy::needless_pass_by_value, reason = "used as the function of map_err")]
fn unusable(error: SmtpError) -> ChannelError {
    ChannelError::Tls(error.to_string())
}

/// Whether the relay knows that this recipient can't be reached: 55x, of which 4yz and the rest of 5yz say
/// nothing. Only as the answer to a recipient; elsewhere it is about the account, the sender or the relay.
fn is_final(error: &SmtpError) -> bool {
    let code = error.status();
    code.is_some_and(|code| {
        code.severity == Severity::PermanentNegativeCompletion && code.category == Category::MailSystem
    })
}

fn failed(step: &str, error: &SmtpError) -> Failure {
    let what = match error.status() {
        Some(code) => format!("{step} was refused with {code}"),
        None if error.is_tls() => format!("{step} failed: no TLS as configured"),
        None => format!("{step} failed: no connection, or it broke"),
    };
    Failure::later(what).saying(error.to_string())
}
