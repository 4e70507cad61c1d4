//! The command line.

mod catalogue;
mod judge;
mod peer;
mod replay;
mod terminal;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::declaration::{self, BenchError, DeclarationError};
use crate::evidence::EvidenceError;
use crate::interrupt;
use crate::results::ResultsError;
use crate::run::Exit;
use crate::self_check::SelfCheckError;
use crate::wire::ListenError;
use crate::world::WorldError;
use judge::RunWish;
use peer::PeerWish;

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
        /// Seconds within which your server, if it has just been started, begins to answer.
        #[arg(long, default_value_t = 0)]
        wait: u64,
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
        /// File for the results, beside those of the report.
        #[arg(long)]
        json: Option<PathBuf>,
        /// Folder for results.json, report.html, junit.xml and evidence.zip; the folder report in --folder
        /// when absent. What an earlier run left there is replaced.
        #[arg(long)]
        report: Option<PathBuf>,
        /// Results of an earlier run, whose failures are expected. The exit code then tells what changed.
        #[arg(long, value_name = "RESULTS")]
        baseline: Option<PathBuf>,
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
        /// The faults that a reference peer can have in their place.
        #[arg(long, conflicts_with_all = ["level", "section", "role", "cases"])]
        faults: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a requirement as it stands in the text, with its row of the register and its cases; or a case.
    Explain {
        /// Such as LED-002, or the name of a case.
        id: String,
    },
    /// Hear a case again that did not pass, step by step, and write its question to files for curl.
    Replay {
        /// Such as F01, or the name of a case.
        id: String,
        /// Folder that init wrote.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
        /// The results that hold it; those of the last run when absent.
        #[arg(long)]
        results: Option<PathBuf>,
    },
    /// Run a reference peer, sound or with a fault, until Ctrl-C.
    Peer {
        /// Folder that init wrote: the peer is one of its authorities, which your server can call.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
        /// Code of the authority that it plays; the first when absent.
        #[arg(long)]
        authority: Option<String>,
        /// Folder of a peer that stands where your server would, for the suite to judge. Made when it is not
        /// there.
        #[arg(long, conflicts_with_all = ["folder", "authority"])]
        home: Option<PathBuf>,
        /// Address of a peer whose folder is made.
        #[arg(long, default_value = "127.0.0.1:9464", requires = "home")]
        listen: SocketAddr,
        /// How it breaks the text: a name of list --faults.
        #[arg(long)]
        fault: Option<String>,
        /// Be the suite's adapter too: lines of JSON on standard input and output, until the input ends. The
        /// directory comes with the first.
        #[arg(long, requires = "home")]
        adapter: bool,
    },
    /// Look whether evidence is whole, signed, leaves nothing out, and says what follows from its transcript.
    Verify {
        /// Such as evidence.zip.
        evidence: PathBuf,
        /// Fingerprint of the key that has to have signed it, as init printed it.
        #[arg(long)]
        key: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Judge the judge, on loopback: which faults it finds, and whether it passes what does nothing.
    SelfCheck {
        /// A case, or a requirement whose cases are to be judged; may be given several times.
        #[arg(long)]
        only: Vec<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// As JSON, only what a report says of the suite's power.
        #[arg(long, conflicts_with = "json")]
        power: bool,
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
    #[error("{0} is no fault of the reference peer: see cme-conformance list --faults")]
    UnknownFault(String),
    #[error("{0} is no authority of peers.json")]
    UnknownAuthority(String),
    #[error("{} holds no finding {id}", path.display())]
    UnknownFinding { id: String, path: PathBuf },
    #[error("{0:?} is no seed")]
    Seed(String),
    #[error("{} is not what peer --home wrote", .0.display())]
    Home(PathBuf),
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error(transparent)]
    World(#[from] WorldError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("a line of the suite's is not one of an adapter")]
    AdapterLine,
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error("Ctrl-C can't be heard: {0}")]
    Interrupt(#[from] ctrlc::Error),
    #[error(transparent)]
    Earlier(#[from] ResultsError),
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
            | Self::UnknownFault(_)
            | Self::UnknownAuthority(_)
            | Self::UnknownFinding { .. }
            | Self::Seed(_)
            | Self::Home(_)
            | Self::AdapterLine
            | Self::File { .. }
            | Self::Earlier(_)
            | Self::Declaration(_)
            | Self::Bench(BenchError::Declaration(_)) => Exit::Usage,
            Self::Listen(_) | Self::Bench(BenchError::Listen(_) | BenchError::Adapter(_)) => {
                Exit::Environment
            }
            Self::Register(_)
            | Self::World(_)
            | Self::Evidence(_)
            | Self::Interrupt(_)
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
    let command = Arguments::parse().command;
    let said = interrupt::watch().map_err(Trouble::from).and_then(|()| answer(command));
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
            let fingerprint = declaration::init(&folder, &subject, listen, &base_url)?;
            Ok(format!(
                "wrote {file}, subject.json, peers.json, evidence.key and directory.json to {folder}\n\
                 evidence will be signed by the key {fingerprint}\n\
                 let your server load directory.json as its first issue, then: cme-conformance doctor --folder {folder}\n",
                file = declaration::FILE,
                folder = folder.display()
            )
            .into())
        }
        Command::Doctor { folder, wait, json } => judge::doctor(&folder, Duration::from_secs(wait), json),
        Command::Run { folder, quick, only, seed, json, report, baseline } => judge::run(&RunWish {
            folder: &folder,
            quick,
            only: &only,
            seed,
            json: json.as_deref(),
            report: report.as_deref(),
            baseline: baseline.as_deref(),
        }),
        Command::List { faults: true, json, .. } => Ok(catalogue::faults(json)?.into()),
        Command::List { cases: true, json, .. } => Ok(catalogue::cases(json)?.into()),
        Command::List { level, section, role, json, .. } => {
            Ok(catalogue::requirements([level, section, role], json)?.into())
        }
        Command::Explain { id } => Ok(catalogue::explain(&id)?.into()),
        Command::Replay { id, folder, results } => replay::replay(&folder, results.as_deref(), &id),
        Command::Peer { folder, authority, home, listen, fault, adapter } => Ok(peer::peer(&PeerWish {
            folder: &folder,
            authority: authority.as_deref(),
            home: home.as_deref(),
            listen,
            fault: fault.as_deref(),
            adapter,
        })?
        .into()),
        Command::Verify { evidence, key, json } => judge::verify(&evidence, key.as_deref(), json),
        Command::SelfCheck { only, json, power } => judge::self_check(&only, json, power),
    }
}
