//! `cme-server directory`: for who operates the directory, and for who wants to look at it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use cme_spec::canonical::{Json, Limits};
use cme_spec::directory::{Archive, Authority, Contact, Directory, FORMAT, Policy};
use cme_spec::envelope::{Envelope, Signed};
use cme_spec::instant::Instant;
use cme_spec::signature::{PublicKey, SigningKey};
use cme_spec::working_days::WorkingDays;

use super::{CommandError, output, read, write, write_new};
use crate::clock::Clock;
use crate::node::read_signing_key;
use crate::pki::signing_pair;

#[derive(Debug, Subcommand)]
pub(super) enum DirectoryCommand {
    /// Make an unsigned issue from the records that `init` wrote.
    #[command(
        after_help = "Example:\n  cme-server directory make --record 373.record.json --record 330.record.json \\\n      \
                            --root-key root.sign.pem --out draft.json\n\nWith --previous the issue follows that one: its \
                            authorities stay, and a record replaces the one with its code, older keys kept."
    )]
    Make(Make),
    /// Sign an issue that `make` wrote.
    #[command(
        after_help = "Example: cme-server directory sign draft.json --root-key root.sign.pem --out directory.json"
    )]
    Sign {
        /// The unsigned issue.
        draft: PathBuf,
        /// The root key, PKCS#8 in PEM.
        #[arg(long)]
        root_key: PathBuf,
        /// Where to write the signed issue.
        #[arg(long)]
        out: PathBuf,
    },
    /// Verify an issue, alone or as the one after another.
    #[command(after_help = "Example: cme-server directory verify directory.json --previous old.json")]
    Verify {
        /// The signed issue.
        file: PathBuf,
        /// The issue before it.
        #[arg(long)]
        previous: Option<PathBuf>,
        /// The root key that must have signed it, as `show` prints it.
        #[arg(long)]
        root: Option<PublicKey>,
    },
    /// Show who is in an issue.
    Show {
        /// The signed issue.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Make {
    /// A record that `init` wrote; may be given several times.
    #[arg(long = "record", required = true)]
    records: Vec<PathBuf>,
    /// The issue before.
    #[arg(long)]
    previous: Option<PathBuf>,
    /// The root key for the next issue, PKCS#8 in PEM; made when the file isn't there.
    #[arg(long)]
    root_key: PathBuf,
    /// Days until the issue expires.
    #[arg(long, default_value_t = 365)]
    days: u16,
    /// Who decides when two authorities can't.
    #[arg(long)]
    arbiter: Option<String>,
    /// Where to write the unsigned issue.
    #[arg(long)]
    out: PathBuf,
}

impl DirectoryCommand {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        match self {
            Self::Make(make) => make.run(),
            Self::Sign { draft, root_key, out } => sign(draft, root_key, out),
            Self::Verify { file, previous, root } => verify(file, previous.as_deref(), root.as_ref()),
            Self::Show { file, json } => show(file, *json),
        }
    }
}

impl Make {
    /// The arbiter named, or the one before, or a name that says that there is none yet.
    fn arbiter(&self, before: Option<&Directory>) -> Contact {
        let named = |name: &str| Contact { name: name.to_owned(), email: None, telephone: None };
        match (&self.arbiter, before) {
            (Some(name), _) => named(name),
            (None, Some(before)) => before.arbiter.clone(),
            (None, None) => named("Arbiter named by the directory's operator"),
        }
    }

    fn run(&self) -> Result<(), CommandError> {
        let root = root_key(&self.root_key)?;
        let previous = self.previous.as_deref().map(signed).transpose()?;
        let records: Vec<Authority> =
            self.records.iter().map(|path| record(path)).collect::<Result<_, _>>()?;
        let issue = self.issue(previous.as_ref(), records, &root, Clock::system().now());
        let text = serde_json::to_string_pretty(&serde_json::json!({ "directory": issue }));
        write(&self.out, text.map_err(|error| CommandError::said(error.to_string()))?.as_bytes())
    }

    fn issue(
        &self,
        previous: Option<&Signed<Directory>>,
        records: Vec<Authority>,
        root: &SigningKey,
        now: Instant,
    ) -> Directory {
        let calendar = WorkingDays::england_and_wales();
        let before = previous.map(Signed::content);
        let mut authorities = before.map(|issue| issue.authorities.clone()).unwrap_or_default();
        for mut record in records {
            match authorities.iter_mut().find(|held| held.code == record.code) {
                Some(held) => {
                    // Keys are only ever retired or revoked, never dropped.
                    let older =
                        held.keys.iter().filter(|key| record.keys.iter().all(|new| new.kid != key.kid));
                    record.keys.extend(older.cloned().collect::<Vec<_>>());
                    *held = record;
                }
                None => authorities.push(record),
            }
        }
        authorities.sort_by_key(|authority| authority.code);
        let mut root_keys = before.map(|issue| issue.root_keys.clone()).unwrap_or_default();
        if !root_keys.contains(&root.public()) {
            root_keys.push(root.public());
        }
        let policy = before.map(|issue| issue.policy.clone());
        Directory {
            format: FORMAT.to_owned(),
            issue: before.map_or(1, |issue| issue.issue + 1),
            previous: previous.map(|issue| issue.envelope().digest()),
            issued_at: now,
            expires_at: now.plus_seconds(i64::from(self.days) * 86_400),
            grace_days: before.map_or(14, |issue| issue.grace_days),
            authorities,
            policy: policy
                .unwrap_or_else(|| Policy::standard(calendar.holidays().collect(), calendar.through())),
            arbiter: self.arbiter(before),
            root_keys,
        }
    }
}

fn record(path: &Path) -> Result<Authority, CommandError> {
    let place = |what: String| CommandError::said(format!("{}: {what}", path.display()));
    let json = Json::decode(&read(path)?, &Limits::COLLECTION).map_err(|error| place(error.to_string()))?;
    json.read().map_err(|error| place(error.to_string()))
}

/// The root key of the file, made when there is none.
fn root_key(path: &Path) -> Result<SigningKey, CommandError> {
    if path.exists() {
        return Ok(read_signing_key(path)?);
    }
    let (key, pem) = signing_pair()?;
    write_new(path, pem.as_bytes(), true)?;
    output::progress(&format!("made a root key in {}; keep it offline", path.display()));
    Ok(key)
}

fn sign(draft: &Path, root_key: &Path, out: &Path) -> Result<(), CommandError> {
    let place = |what: String| CommandError::said(format!("{}: {what}", draft.display()));
    let json = Json::decode(&read(draft)?, &Limits::COLLECTION).map_err(|error| place(error.to_string()))?;
    let inner = json.member("directory").ok_or_else(|| place("there is no member `directory`".to_owned()))?;
    let issue: Directory = inner.read().map_err(|error| place(error.to_string()))?;
    let envelope = Envelope::sign(issue, &read_signing_key(root_key)?);
    let mut text = serde_json::to_string_pretty(&envelope.to_json())
        .map_err(|error| CommandError::said(error.to_string()))?;
    text.push('\n');
    write(out, text.as_bytes())
}

/// A signed issue, its own rules checked; its root key is the one that it names.
fn signed(path: &Path) -> Result<Signed<Directory>, CommandError> {
    let archive = start(path, None)?;
    archive.newest().cloned().ok_or_else(|| CommandError::said("no issue"))
}

fn start(path: &Path, root: Option<&PublicKey>) -> Result<Archive, CommandError> {
    let place = |what: String| CommandError::said(format!("{}: {what}", path.display()));
    let json = Json::decode(&read(path)?, &Limits::COLLECTION).map_err(|error| place(error.to_string()))?;
    Archive::start(&json, root).map_err(|error| place(error.to_string()))
}

fn verify(file: &Path, previous: Option<&Path>, root: Option<&PublicKey>) -> Result<(), CommandError> {
    let archive = match previous {
        None => start(file, root)?,
        Some(previous) => {
            let mut archive = start(previous, root)?;
            let place = |what: String| CommandError::said(format!("{}: {what}", file.display()));
            let json =
                Json::decode(&read(file)?, &Limits::COLLECTION).map_err(|error| place(error.to_string()))?;
            archive.add(&json).map_err(|error| place(error.to_string()))?;
            archive
        }
    };
    let issue = archive.newest().ok_or_else(|| CommandError::said("no issue"))?.content();
    output::line(&format!("issue {} holds: {} authorities", issue.issue, issue.authorities.len()))?;
    if root.is_none() {
        output::line("its root key was not compared: give --root to hold it to the one you know")?;
    }
    Ok(())
}

fn show(file: &Path, json: bool) -> Result<(), CommandError> {
    let issue = signed(file)?;
    if json {
        return output::json(issue.content());
    }
    let issue = issue.content();
    output::line(&format!(
        "issue {}, signed {}, expires {}",
        issue.issue, issue.issued_at, issue.expires_at
    ))?;
    for key in &issue.root_keys {
        output::line(&format!("root key {key}"))?;
    }
    for authority in &issue.authorities {
        let url = authority.base_url.as_deref().unwrap_or("contact only");
        let keys = authority.keys.len();
        output::line(&format!("{} {:<30} {url}  ({keys} keys)", authority.code, authority.name))?;
    }
    Ok(())
}

/// For the demo: a signed directory of these records, with a root key of its own.
pub(super) fn for_records(records: &[PathBuf], folder: &Path) -> Result<PathBuf, CommandError> {
    let (root, draft, out) =
        (folder.join("root.sign.pem"), folder.join("draft.json"), folder.join("directory.json"));
    let make = Make {
        records: records.to_vec(),
        previous: None,
        root_key: root.clone(),
        days: 365,
        arbiter: Some("Arbiter of the demonstration".to_owned()),
        out: draft.clone(),
    };
    make.run()?;
    sign(&draft, &root, &out)?;
    Ok(out)
}
