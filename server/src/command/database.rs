//! `cme-server migrate`, `backup`, `restore` and `move`: the database as a whole, for the operator.

use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{CommandError, output};
use crate::backup::{self, BackupError, Summary};
use crate::clock::Clock;
use crate::config::Config;
use crate::incarnation;
use crate::store::{Database, StoreError, deployment, migrate, tables};

/// Bring the tables up to date.
#[derive(Debug, Args)]
#[command(
    after_help = "Servers that run go on: a migration only adds. `serve` does the same when it starts.\n\n\
                        Example: cme-server migrate --check || cme-server migrate"
)]
pub(super) struct Migrate {
    /// Change nothing; the exit code is 1 when there is something to do.
    #[arg(long)]
    check: bool,
}

/// Write a backup while servers run.
#[derive(Debug, Args)]
#[command(after_help = "Keys, certificates and the incarnation are not in it: keep those elsewhere.\n\n\
                        Example: cme-server backup /backup/cme-2026-11-24.jsonl")]
pub(super) struct Backup {
    /// The file to write; it must not be there yet.
    file: PathBuf,
}

/// Put a backup in the place of the database, and raise the incarnation.
#[derive(Debug, Args)]
#[command(
    after_help = "No server and no office command may run meanwhile. The incarnation is raised first, so that \
                        peers know\nthat this server has forgotten something; what they hold comes back by itself.\n\n\
                        Example: cme-server restore /backup/cme-2026-11-24.jsonl --replace"
)]
pub(super) struct Restore {
    /// The backup.
    file: PathBuf,
    /// The database holds something, and is to be replaced.
    #[arg(long)]
    replace: bool,
}

/// Copy the database to another one, for instance from SQLite to PostgreSQL.
#[derive(Debug, Args)]
#[command(name = "move")]
#[command(
    after_help = "No server and no office command may run meanwhile, nor on the old database afterwards. The \
                        configuration\nis not changed: the command says what to write into it.\n\n\
                        Example: cme-server move --to postgresql://cme@db.council.example/cme --authority db-ca.pem"
)]
pub(super) struct Move {
    /// The other database, as the configuration would name it: a file, or the URL of a PostgreSQL database. It
    /// must be empty.
    #[arg(long)]
    to: String,
    /// PEM of the certification authority of the other PostgreSQL server; with it the connection is TLS.
    #[arg(long)]
    authority: Option<PathBuf>,
}

impl Migrate {
    pub(super) fn run(&self, config: &Path) -> Result<ExitCode, CommandError> {
        let database = Config::load(config)?.open_database()?;
        let (known, mut from) = (migrate::known(), 0);
        let through = if self.check { 0 } else { known };
        database.connect()?.write(&mut |tx| {
            from = migrate::up_to(tx, through)?;
            Ok(())
        })?;
        if from == known {
            output::line(&format!("the database has migration {known}: nothing to do"))?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.check {
            output::line(&format!("the database has migration {from}, this software {known}"))?;
            return Ok(ExitCode::FAILURE);
        }
        output::line(&format!("migrated from {from} to {known}"))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Backup {
    pub(super) fn run(&self, config: &Path) -> Result<(), CommandError> {
        let database = Config::load(config)?.open_database()?;
        let summary = write_file(database.as_ref(), &self.file)?;
        output::line(&format!("{} rows in {}", summary.all(), self.file.display()))
    }
}

/// The file is whole and on disk afterwards, or not there.
fn write_file(database: &dyn Database, path: &Path) -> Result<Summary, CommandError> {
    let failed = |cause| CommandError::File { path: path.to_owned(), cause };
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = opened.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => CommandError::Exists(path.to_owned()),
        _ => failed(cause),
    })?;
    let written = || -> Result<Summary, CommandError> {
        let mut out = BufWriter::with_capacity(1 << 20, &file);
        let summary = backup::write(database, Clock::system().now(), &mut out)?;
        out.flush().map_err(failed)?;
        drop(out);
        file.sync_all().map_err(failed)?;
        Ok(summary)
    };
    written().inspect_err(|_| {
        // Half a backup is none. Where it can't be removed, its missing end says so.
        let _ = std::fs::remove_file(path);
    })
}

impl Restore {
    pub(super) fn run(&self, config: &Path) -> Result<(), CommandError> {
        let config = Config::load(config)?;
        let backup = backup::check(&self.file)?;
        let database = config.open_database()?;
        let recorded = match look(database.as_ref()) {
            Ok((false, _)) if !self.replace => {
                return Err(CommandError::said(
                    "the database is not empty: say --replace if the backup is to take its place",
                ));
            }
            Ok((_, recorded)) => recorded,
            // What can't be read can still be replaced; what is in use can't.
            Err(error @ (StoreError::InUse | StoreError::HeldAlone)) => return Err(error.into()),
            Err(error) if !self.replace => return Err(error.into()),
            Err(_) => None,
        };
        // First of all, and on disk: from here on nobody takes this server for the one that knew more.
        // Implements: RCV-001
        let incarnation =
            incarnation::raise(&config.resolve(&config.incarnation), recorded.unwrap_or_default())?;
        database.replace(&mut |tx| backup::fill(tx, &backup, Some(incarnation)))?;
        output::line(&format!(
            "restored {} rows of {}; the incarnation is {incarnation} now",
            backup.rows,
            backup.opening().made_at
        ))?;
        output::progress(
            "start the server: it reads what its peers hold, and until then decides nothing with them. \
             Officers confirm the cases that came back (`office list`, `toConfirm`).",
        );
        Ok(())
    }
}

/// Whether the database is empty, and the incarnation that last ran on it.
fn look(database: &dyn Database) -> Result<(bool, Option<u64>), StoreError> {
    let mut found = (true, None);
    database.connect_alone()?.write(&mut |tx| {
        migrate::up_to(tx, migrate::known())?;
        found = (tables::is_empty(tx)?, deployment::incarnation(tx)?);
        Ok(())
    })?;
    Ok(found)
}

impl Move {
    pub(super) fn run(&self, config: &Path) -> Result<(), CommandError> {
        let from = Config::load(config)?;
        let mut to = from.clone();
        to.database.clone_from(&self.to);
        to.database_authority.clone_from(&self.authority);
        if to.database == from.database {
            return Err(CommandError::said("that is the database of the configuration itself"));
        }
        let (source, target) = (from.open_database()?, to.open_database()?);
        let (is_empty, _) = look(target.as_ref())?;
        if !is_empty {
            return Err(CommandError::said("the other database is not empty; nothing was changed"));
        }
        // Nobody writes to the source until the copy is made: what came later would be left behind.
        drop(source.connect_alone()?);
        let folder = tempfile::tempdir_in(from.resolve(Path::new(".")))
            .map_err(|cause| CommandError::File { path: from.resolve(Path::new(".")), cause })?;
        let file = folder.path().join("moved.jsonl");
        let summary = write_file(source.as_ref(), &file)?;
        let backup = backup::check(&file)?;
        target.replace(&mut |tx| backup::fill(tx, &backup, None))?;
        let now = Clock::system().now();
        if backup::sum_up(target.as_ref(), now)? != summary
            || backup::sum_up(source.as_ref(), now)? != summary
        {
            return Err(CommandError::said(
                "the two databases differ afterwards: something still wrote to the old one; keep to it, and move again",
            ));
        }
        output::line(&format!(
            "{} rows are in the other database too. Change the configuration:",
            summary.all()
        ))?;
        output::line(&format!("database = {:?}", self.to))?;
        match &self.authority {
            Some(authority) => {
                output::line(&format!("database_authority = {:?}", authority.display().to_string()))
            }
            None => Ok(()),
        }
    }
}

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        Self::said(error.to_string())
    }
}

impl From<incarnation::IncarnationError> for CommandError {
    fn from(error: incarnation::IncarnationError) -> Self {
        Self::said(error.to_string())
    }
}

impl From<crate::config::OpenError> for CommandError {
    fn from(error: crate::config::OpenError) -> Self {
        Self::said(error.to_string())
    }
}
