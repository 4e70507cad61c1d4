//! `cme-server init`: everything a deployment needs before it is in the directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use cme_spec::authority_register::AuthorityRegister;
use cme_spec::directory::{Authority, Availability, Contact, Key};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::operation::get_capabilities::PROFILES;

use super::{CommandError, output, write_new};
use crate::clock::Clock;
use crate::config::{Config, Delivery, HostedConfig, Limits, Tls};
use crate::pki::{TlsPair, signing_pair, tls_pair};

/// What the team is called when nothing else is said.
const TEAM: &str = "Children missing education team";

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cme-server init --authority 373 --base-url https://cme.council.example/373 \\\n      \
                  --team-email cme@council.example --team-telephone '01632 960001'\n\nSend 373.record.json to the \
                  operator of the directory; it holds no secret. Files that end in .key.pem and .sign.pem are secret."
)]
pub(super) struct Init {
    /// Folder to write to.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// DfE code of an authority to serve; may be given several times.
    #[arg(long = "authority", required = true)]
    authorities: Vec<AuthorityCode>,
    /// Base URL at which others reach the (first) authority. It ends in the authority's code.
    #[arg(long)]
    base_url: String,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Loopback address for health, readiness and metrics.
    #[arg(long, default_value = "127.0.0.1:9443")]
    operations: SocketAddr,
    /// Who runs the server; the authority's name when absent.
    #[arg(long)]
    operator: Option<String>,
    /// E-mail address of the CME team.
    #[arg(long)]
    team_email: Option<String>,
    /// Telephone number of the CME team.
    #[arg(long)]
    team_telephone: Option<String>,
    /// Who is told when a clock runs out; the CME team when absent.
    #[arg(long)]
    escalation_name: Option<String>,
    /// E-mail address of who is told when a clock runs out.
    #[arg(long)]
    escalation_email: Option<String>,
}

impl Init {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let config = self.write()?;
        output::progress(&format!("wrote {}", config.display()));
        for code in &self.authorities {
            let record = self.folder.join(format!("{code}.record.json"));
            output::progress(&format!("send {} to the operator of the directory", record.display()));
        }
        output::progress(
            "put the signed directory beside the configuration as directory.json, then: cme-server serve",
        );
        Ok(())
    }

    fn write(&self) -> Result<PathBuf, CommandError> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|cause| CommandError::File { path: self.folder.clone(), cause })?;
        let now = Clock::system().now();
        let host = self.host()?;
        // Before anything is written: a code that is none must leave nothing behind.
        self.authorities.iter().try_for_each(|code| row_of(*code, now).map(|_| ()))?;
        let config_path = self.folder.join("cme-server.toml");
        if config_path.exists() {
            return Err(CommandError::Exists(config_path));
        }
        let server = tls_pair(&host, std::slice::from_ref(&host), today(now))?;
        self.pair("server", &server)?;
        let mut hosted = Vec::new();
        for code in &self.authorities {
            hosted.push(self.authority(*code, &server, now)?);
        }
        let config = Config::new(
            (self.listen, self.operations),
            Tls { certificate: "server.cert.pem".into(), key: "server.key.pem".into(), tls12: false },
            hosted,
            (Limits::default(), Delivery::default()),
        );
        let text = toml::to_string(&config).map_err(|error| CommandError::said(error.to_string()))?;
        write_new(&self.folder.join("incarnation"), b"1\n", false)?;
        write_new(&config_path, text.as_bytes(), false)?;
        Ok(config_path)
    }

    /// The host of the base URL, for the certificate.
    fn host(&self) -> Result<String, CommandError> {
        let rest = self.base_url.strip_prefix("https://").filter(|rest| !rest.ends_with('/'));
        let host = rest.and_then(|rest| rest.split(['/', ':']).next()).filter(|host| !host.is_empty());
        host.map(str::to_owned).ok_or_else(|| {
            CommandError::said("--base-url must be https://host[:port]/CODE, without a slash at the end")
        })
    }

    fn base_url_of(&self, code: AuthorityCode) -> String {
        let first = self.authorities[0];
        let stem = self.base_url.strip_suffix(&format!("/{first}")).unwrap_or(&self.base_url);
        format!("{stem}/{code}")
    }

    fn pair(&self, name: &str, pair: &TlsPair) -> Result<(), CommandError> {
        let file = |suffix: &str| self.folder.join(format!("{name}.{suffix}.pem"));
        write_new(&file("key"), pair.key_pem.as_bytes(), true)?;
        write_new(&file("cert"), pair.certificate_pem.as_bytes(), false)?;
        write_new(&file("csr"), pair.request_pem.as_bytes(), false)
    }

    fn authority(
        &self,
        code: AuthorityCode,
        server: &TlsPair,
        now: Instant,
    ) -> Result<HostedConfig, CommandError> {
        let row = row_of(code, now)?;
        let client = tls_pair(&format!("{} ({code})", row.name), &[], today(now))?;
        self.pair(code.as_ref(), &client)?;
        let (signing, pem) = signing_pair()?;
        let signing_key = PathBuf::from(format!("{code}.sign.pem"));
        write_new(&self.folder.join(&signing_key), pem.as_bytes(), true)?;
        let contact = |name: &str| Contact {
            name: name.to_owned(),
            email: self.team_email.clone(),
            telephone: self.team_telephone.clone(),
        };
        let record = Authority {
            code,
            gss: row.gss.clone(),
            name: row.name.clone(),
            valid_from: row.valid_from.unwrap_or(jiff::civil::date(2009, 1, 1)),
            valid_to: row.valid_to,
            successors: Vec::new(),
            operator: self.operator.clone().unwrap_or_else(|| row.name.clone()),
            base_url: Some(self.base_url_of(code)),
            server_pins: vec![server.pin],
            client_pins: vec![client.pin],
            keys: vec![Key {
                kid: signing.id(),
                public_key: signing.public(),
                // An answer is dated to the second, so the first could be of a time before its key's.
                valid_from: now.whole_second(),
                retired_at: None,
                revoked_at: None,
            }],
            team: contact(TEAM),
            escalation: Contact {
                name: self.escalation_name.clone().unwrap_or_else(|| TEAM.to_owned()),
                email: self.escalation_email.clone().or_else(|| self.team_email.clone()),
                telephone: self.team_telephone.clone(),
            },
            profiles: PROFILES.iter().map(|profile| (*profile).to_owned()).collect(),
            availability: Availability::Available,
        };
        let text =
            serde_json::to_string_pretty(&record).map_err(|error| CommandError::said(error.to_string()))?;
        write_new(&self.folder.join(format!("{code}.record.json")), text.as_bytes(), false)?;
        Ok(HostedConfig {
            code,
            signing_key,
            certificate: format!("{code}.cert.pem").into(),
            key: format!("{code}.key.pem").into(),
        })
    }
}

fn row_of(
    code: AuthorityCode,
    now: Instant,
) -> Result<&'static cme_spec::authority_register::Authority, CommandError> {
    let row = AuthorityRegister::england().by_code(code, today(now));
    row.ok_or_else(|| {
        CommandError::said(format!("{code} is not the code of an English local authority today"))
    })
}

/// The London date of an instant.
pub(super) fn today(now: Instant) -> jiff::civil::Date {
    cme_spec::working_days::london_date(now.timestamp())
}

/// For the demo: a deployment in `folder`.
pub(super) fn deployment(
    folder: &Path,
    code: AuthorityCode,
    listen: SocketAddr,
    operations: SocketAddr,
) -> Result<PathBuf, CommandError> {
    let init = Init {
        folder: folder.to_owned(),
        authorities: vec![code],
        base_url: format!("https://{listen}/{code}"),
        listen,
        operations,
        operator: None,
        team_email: Some("cme@council.example".to_owned()),
        team_telephone: Some("01632 960001".to_owned()),
        escalation_name: None,
        escalation_email: None,
    };
    init.write()
}
