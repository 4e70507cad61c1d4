//! The commands of `cme-server`.

mod answer;
mod audit;
mod database;
mod demo;
mod directory;
mod escalation;
mod facts;
mod init;
mod leavers;
mod ledger;
mod notice;
mod office;
mod output;
mod query;
mod register;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::app::{ServeError, serve};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::node::{Node, NodeError};
use crate::office::OfficeError;
use crate::pki::PkiError;

/// Hands over responsibility for children missing education between English local authorities.
#[derive(Debug, Parser)]
#[command(
    name = "cme-server",
    version,
    about,
    after_help = "Examples:\n  cme-server demo\n      Three authorities on this machine hand over children and prove it.\n  \
                  cme-server init --authority 373 --base-url https://cme.council.example/373\n      \
                  Keys, certificates and a configuration for Sheffield in the current folder.\n  \
                  cme-server serve\n      Serves what ./cme-server.toml says.\n  \
                  cme-server office list\n      What waits for an officer."
)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, short, global = true, env = "CME_CONFIG", default_value = "cme-server.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make keys, certificates and a configuration in a folder.
    Init(init::Init),
    /// Serve the protocol until stopped.
    Serve,
    /// Make, sign, verify or show the directory.
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// What an officer decides and sees.
    #[command(subcommand)]
    Office(office::OfficeCommand),
    /// The children an authority knows: import, shield, look, match many queries at once.
    #[command(subcommand)]
    Register(register::RegisterCommand),
    /// Try how the escalation contacts are told, or resolve a message.
    #[command(subcommand)]
    Escalation(escalation::EscalationCommand),
    /// Export a ledger, or verify an export without any server.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Check or print the record of what was asked and answered.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    Facts(facts::FactsCommand),
    Migrate(database::Migrate),
    Backup(database::Backup),
    Restore(database::Restore),
    Move(database::Move),
    /// Run three real authorities on this machine and hand over children between them.
    Demo(demo::Demo),
    #[command(hide = true)]
    DemoChild(demo::Child),
    /// Print a completion script for a shell.
    #[command(after_help = "Example: cme-server completions bash > /etc/bash_completion.d/cme-server")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Why a command failed, in words for who typed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Office(#[from] OfficeError),
    #[error(transparent)]
    Escalation(#[from] crate::escalation::ChannelError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Import(#[from] crate::register::import::ImportError),
    #[error(transparent)]
    Table(#[from] crate::register::table::TableError),
    #[error(transparent)]
    CommonTransferFile(#[from] crate::ctf::CtfError),
    #[error("the audit is not whole: {0}")]
    Audit(#[from] crate::audit::AuditError),
    #[error(transparent)]
    Find(#[from] crate::register::FindError),
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{} exists already; choose another folder or move it away", .0.display())]
    Exists(PathBuf),
    #[error("{0}")]
    Said(String),
    #[error("the output can't be written: {0}")]
    Output(#[from] std::io::Error),
}

impl CommandError {
    fn said(what: impl Into<String>) -> Self {
        Self::Said(what.into())
    }
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, CommandError> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|cause| CommandError::File { path: path.to_owned(), cause })
}

/// Writes a file that must not be there yet.
fn write_new(path: &std::path::Path, content: &[u8], private: bool) -> Result<(), CommandError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mode = if private { 0o600 } else { 0o644 };
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => CommandError::Exists(path.to_owned()),
        _ => CommandError::File { path: path.to_owned(), cause },
    })?;
    file.write_all(content).map_err(|cause| CommandError::File { path: path.to_owned(), cause })
}

fn write(path: &std::path::Path, content: &[u8]) -> Result<(), CommandError> {
    std::fs::write(path, content).map_err(|cause| CommandError::File { path: path.to_owned(), cause })
}

tokio::task_local! {
    /// The clock that a command goes by, where it is not the machine's: in the demonstration alone.
    static CLOCK: Clock;
}

async fn open(config: &std::path::Path) -> Result<Node, CommandError> {
    let clock = CLOCK.try_with(Clock::clone).unwrap_or_else(|_| Clock::system());
    Ok(Node::open(Config::load(config)?, clock).await?)
}

/// Runs the command line; the exit code is 0 when the command did what it says.
pub async fn run(cli: Cli) -> ExitCode {
    match dispatch(cli).await {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(cli: Cli) -> Result<ExitCode, CommandError> {
    match cli.command {
        Command::Init(init) => init.run()?,
        Command::Serve => serve(open(&cli.config).await?).await?,
        Command::Directory(command) => command.run()?,
        Command::Office(command) => command.run(&cli.config).await?,
        Command::Register(command) => command.run(&cli.config).await?,
        Command::Escalation(command) => return command.run(&cli.config).await,
        Command::Ledger(command) => return command.run(&cli.config).await,
        Command::Audit(command) => command.run(&cli.config).await?,
        Command::Facts(command) => command.run()?,
        Command::Migrate(migrate) => return apart(|| migrate.run(&cli.config)),
        Command::Backup(backup) => apart(|| backup.run(&cli.config))?,
        Command::Restore(restore) => apart(|| restore.run(&cli.config))?,
        Command::Move(moved) => apart(|| moved.run(&cli.config))?,
        Command::Demo(demo) => return demo.run().await,
        Command::DemoChild(child) => return child.run(cli.config).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cme-server", &mut script);
            output::line(String::from_utf8_lossy(&script).trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs on a thread that has no runtime: a driver brings its own.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, CommandError> + Send) -> Result<T, CommandError> {
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Cli {
    /// Whether the command is a server that runs for long, and logs as one.
    pub fn serves(&self) -> bool {
        match &self.command {
            Command::DemoChild(child) => child.serves(),
            command => matches!(command, Command::Serve),
        }
    }
}
