//! The command line.

mod catalogue;
mod judge;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::declaration::{self, BenchError, DeclarationError};
use crate::run::Exit;
use crate::self_check::SelfCheckError;

/// Conformance to the CME transfer protocol.
#[derive(Parser)]
#[command(name = "cme-conformance", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a test network around your server: authorities, keys, certificates, and the directory to load.
    Init {
        /// The record of your server: its authority object of section 8.1, as JSON.
        #[arg(long)]
        subject: PathBuf,
        /// Folder to write to.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
        /// Address at which the suite's authorities listen.
        #[arg(long, default_value = "127.0.0.1:9463")]
        listen: SocketAddr,
        /// Where your server reaches them: https://host:port. From --listen when absent.
        #[arg(long)]
        base_url: Option<String>,
    },
    /// Look whether a run could tell anything: your server answers, knows the suite, has its directory.
    Doctor {
        /// Folder that init wrote.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Hear the cases.
    Run {
        /// Folder that init wrote.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
        /// Leave out the cases that wait for your server to do something, or nothing, by itself.
        #[arg(long)]
        quick: bool,
        /// A case, or a requirement whose cases are to be heard; may be given several times.
        #[arg(long)]
        only: Vec<String>,
        /// Gives the order of cases and authorities; a random one when absent.
        #[arg(long)]
        seed: Option<u64>,
        /// File for the results.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// List the requirements of the protocol, or the cases.
    List {
        /// Only those of this level, such as MUST or "MUST NOT".
        #[arg(long)]
        level: Option<String>,
        /// Only those of this section, such as 05-ledger.
        #[arg(long)]
        section: Option<String>,
        /// Only those that bind this role, such as verifier.
        #[arg(long)]
        role: Option<String>,
        /// The cases in their place.
        #[arg(long, conflicts_with_all = ["level", "section", "role"])]
        cases: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a requirement as it stands in the text, with its row of the register and its cases; or a case.
    Explain {
        /// Such as LED-002, or the name of a case.
        id: String,
    },
    /// Judge the judge, on loopback: which faults it finds, and whether it passes what does nothing.
    SelfCheck {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Why a command could not answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the requirements compiled in are not of their form: {0}")]
    Register(#[from] toml::de::Error),
    #[error("no requirement is selected: {0} is no such level, section or role")]
    Nothing(String),
    #[error("{0} is no requirement of this version, and no case")]
    UnknownId(String),
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("the judge can't be judged: {0}")]
    SelfCheck(#[from] SelfCheckError),
    #[error("the output can't be written: {0}")]
    Output(#[from] std::io::Error),
    #[error("{}: {cause}", path.display())]
    Results { path: PathBuf, cause: std::io::Error },
    #[error("the output can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Trouble {
    /// No trouble is a pass.
    const fn exit(&self) -> Exit {
        match self {
            Self::Nothing(_)
            | Self::UnknownId(_)
            | Self::Declaration(_)
            | Self::Bench(BenchError::Declaration(_)) => Exit::Usage,
            Self::Bench(BenchError::Listen(_)) => Exit::Environment,
            Self::Register(_)
            | Self::SelfCheck(_)
            | Self::Output(_)
            | Self::Results { .. }
            | Self::Json(_) => Exit::SuiteError,
        }
    }
}

/// What a command says, and what the program ends with.
struct Said {
    text: String,
    exit: Exit,
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self { text, exit: Exit::Passed }
    }
}

pub(crate) fn main() -> ExitCode {
    let said = answer(Arguments::parse().command);
    let written = said.and_then(|said| {
        std::io::stdout().write_all(said.text.as_bytes())?;
        Ok(said.exit)
    });
    let exit = written.unwrap_or_else(|trouble| {
        // Nothing is left to tell when even this can't be written.
        let _ = writeln!(std::io::stderr(), "{trouble}");
        trouble.exit()
    });
    ExitCode::from(exit.code())
}

fn answer(command: Command) -> Result<Said, Trouble> {
    match command {
        Command::Init { subject, folder, listen, base_url } => {
            let base_url = base_url.unwrap_or_else(|| format!("https://{listen}"));
            declaration::init(&folder, &subject, listen, &base_url)?;
            Ok(format!(
                "wrote {file}, subject.json, peers.json and directory.json to {folder}\n\
                 let your server load directory.json as its first issue, then: cme-conformance doctor --folder {folder}\n",
                file = declaration::FILE,
                folder = folder.display()
            )
            .into())
        }
        Command::Doctor { folder, json } => judge::doctor(&folder, json),
        Command::Run { folder, quick, only, seed, json } => {
            judge::run(&folder, quick, &only, seed, json.as_deref())
        }
        Command::List { cases: true, json, .. } => Ok(catalogue::cases(json)?.into()),
        Command::List { level, section, role, json, .. } => {
            Ok(catalogue::requirements([level, section, role], json)?.into())
        }
        Command::Explain { id } => Ok(catalogue::explain(&id)?.into()),
        Command::SelfCheck { json } => judge::self_check(json),
    }
}
