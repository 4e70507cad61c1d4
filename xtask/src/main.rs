//! Checks and generators of this repository: `cargo xtask <command>`.

mod chaos;
mod layering;
mod published;
mod requirements;
mod tree;
mod vectors;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tree::Tree;

/// Checks and generators of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write spec/v1/openapi.json from the types of cme-spec.
    Openapi {
        /// Write nothing; fail when the file differs.
        #[arg(long)]
        check: bool,
    },
    /// Write the test vectors of spec/v1/vectors from the rules of cme-spec.
    Vectors {
        /// Write nothing; fail when a file differs.
        #[arg(long)]
        check: bool,
    },
    /// Put real servers under load and chaos, and count what is left.
    Chaos(chaos::Chaos),
    /// Check who may import whom.
    Layering,
    /// Check the requirements of the text against their register and the citations in code.
    Requirements,
}

/// What a command has to say.
#[derive(Debug, Default)]
struct Report {
    /// Facts, printed in any case.
    notes: Vec<String>,
    /// What does not hold; the command fails when there is one.
    faults: Vec<String>,
}

/// Why a command could not do its work at all.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// A file could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Path from the root of the repository.
        path: String,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// A TOML file is not of its form.
    #[error("{path}: {cause}")]
    Toml {
        /// Path from the root of the repository.
        path: String,
        /// What the reader says.
        cause: Box<toml::de::Error>,
    },
    /// The chaos could not be made or judged.
    #[error("{0}")]
    Chaos(String),
    /// The terminal could not be written to.
    #[error("output: {0}")]
    Output(#[from] std::io::Error),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let tree = Tree::of_this_repository();
    let report = match arguments.command {
        Command::Chaos(chaos) => return end(chaos::run(&tree, &chaos)),
        Command::Openapi { check } => published::openapi(&tree, check),
        Command::Vectors { check } => vectors::run(&tree, check),
        Command::Layering => layering::run(&tree),
        Command::Requirements => requirements::run(&tree),
    };
    end(report.and_then(|report| print(&report)))
}

fn end(outcome: Result<ExitCode, Trouble>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(trouble) => {
            // Nothing is left to tell when even this can't be written.
            let _ = writeln!(std::io::stderr(), "{trouble}");
            ExitCode::from(2)
        }
    }
}

fn print(report: &Report) -> Result<ExitCode, Trouble> {
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    for fault in &report.faults {
        writeln!(err, "{fault}")?;
    }
    for note in &report.notes {
        writeln!(out, "{note}")?;
    }
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
