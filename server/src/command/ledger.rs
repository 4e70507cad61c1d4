//! `cme-server ledger`: a ledger as a file, and what it proves to someone who trusts neither party.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use cme_spec::canonical::{Json, Limits};
use cme_spec::directory::{Archive, Directory};
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;
use cme_spec::ledger::verify::{Finding, LedgerFile, LedgerFileError, Proof, offered_twice, verify};
use cme_spec::signature::PublicKey;
use serde::Serialize;

use super::{CommandError, open, output, read, write};
use crate::node::Node;
use crate::office;

#[derive(Debug, Subcommand)]
pub(super) enum LedgerCommand {
    /// Write a transfer's ledger to a file, or every ledger to a folder.
    #[command(after_help = "Examples:\n  cme-server ledger export --transfer 019a... --out ledger.json\n  \
                            cme-server ledger export --all --out ledgers")]
    Export {
        /// The authority whose copy it is; needed when several are hosted.
        #[arg(long = "as", value_name = "CODE")]
        authority: Option<AuthorityCode>,
        /// The transfer.
        #[arg(long, required_unless_present = "all")]
        transfer: Option<TransferId>,
        /// Every transfer, each in a file of its own that is named after it.
        #[arg(long, conflicts_with = "transfer", requires = "out")]
        all: bool,
        /// Where to write: a file, or with --all a folder that is made; standard output when absent.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Verify an exported ledger. Asks no server; exit code 0 only if everything holds.
    #[command(
        after_help = "Examples:\n  cme-server ledger verify ledger.json --directory directory.json\n  \
                            cme-server ledger verify ledger.json --with other.json --directory directory.json\n      \
                            Names who offered one child twice."
    )]
    Verify {
        /// The export.
        file: PathBuf,
        /// Another export, which is verified too: where both hold an accept of one hand-over of one child, it is
        /// said who offered.
        #[arg(long, value_name = "FILE")]
        with: Option<PathBuf>,
        /// The signed directory.
        #[arg(long)]
        directory: PathBuf,
        /// The root key that must have signed the directory.
        #[arg(long)]
        root: Option<PublicKey>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What `verify --json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    findings: Vec<Finding>,
    /// Who offered in each of two ledgers that hold an accept of one hand-over; empty when they don't.
    #[serde(skip_serializing_if = "Option::is_none")]
    offered_twice: Option<Vec<AuthorityCode>>,
}

impl LedgerCommand {
    pub(super) async fn run(&self, config: &Path) -> Result<ExitCode, CommandError> {
        match self {
            Self::Export { authority, transfer, out, .. } => {
                let node = open(config).await?;
                let authority = office::officers_authority(&node, *authority)?;
                match (transfer, out) {
                    (Some(transfer), Some(path)) => {
                        write(path, office::export(&node, authority, *transfer).await?.as_bytes())?;
                    }
                    (Some(transfer), None) => {
                        output::line(office::export(&node, authority, *transfer).await?.trim_end())?;
                    }
                    (None, Some(folder)) => export_all(&node, authority, folder).await?,
                    (None, None) => return Err(CommandError::said("say which with --transfer".to_owned())),
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Verify { file, with, directory, root, json } => {
                let directory = read(directory)?;
                let mut report = check(&read(file)?, &directory, root.as_ref())?;
                if let Some(other) = with {
                    report.beside(check(&read(other)?, &directory, root.as_ref())?);
                }
                if *json {
                    output::json(&report)?;
                } else {
                    print(&report)?;
                }
                Ok(if report.verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        }
    }
}

impl Report {
    /// The same, with what another export says beside it. Implements: VER-008
    fn beside(&mut self, other: Self) {
        let twice = self.proof.as_ref().zip(other.proof.as_ref()).and_then(|(a, b)| offered_twice(a, b));
        self.offered_twice = Some(twice.map(Vec::from).unwrap_or_default());
        self.verified &= other.verified;
        let theirs = |found: Finding| Finding { what: format!("the other export: {}", found.what), ..found };
        self.findings.extend(other.findings.into_iter().map(theirs));
    }
}

async fn export_all(node: &Node, authority: AuthorityCode, folder: &Path) -> Result<(), CommandError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| CommandError::said(format!("{}: {error}", folder.display())))?;
    for transfer in office::transfers(node, authority).await? {
        let text = office::export(node, authority, transfer).await?;
        write(&folder.join(format!("{transfer}.json")), text.as_bytes())?;
    }
    Ok(())
}

/// Verifies an export. A directory whose own signature does not hold fails too, and the entries that its
/// keys don't fit are still named.
fn check(file: &[u8], directory: &[u8], root: Option<&PublicKey>) -> Result<Report, CommandError> {
    let mut findings = Vec::new();
    let Some(directory) = trusted(directory, root, &mut findings)? else {
        return Ok(Report { verified: false, proof: None, findings, offered_twice: None });
    };
    let proof = match LedgerFile::read(file) {
        Ok(file) => verify(&file, &directory).map_err(|found| findings.extend(found)).ok(),
        Err(LedgerFileError::Decode { cause, sequence }) => {
            findings.push(Finding { sequence, what: cause.to_string() });
            None
        }
        Err(other) => {
            findings.push(Finding { sequence: None, what: other.to_string() });
            None
        }
    };
    let proof = proof.filter(|_| findings.is_empty());
    Ok(Report { verified: proof.is_some(), proof, findings, offered_twice: None })
}

fn trusted(
    bytes: &[u8],
    root: Option<&PublicKey>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Directory>, CommandError> {
    let json = Json::decode(bytes, &Limits::COLLECTION)
        .map_err(|error| CommandError::said(format!("the directory: {error}")))?;
    match Archive::start(&json, root) {
        Ok(archive) => Ok(archive.newest().map(|issue| issue.content().clone())),
        Err(error) => {
            findings.push(Finding { sequence: None, what: format!("the directory: {error}") });
            let unproven: Option<Envelope<Directory>> = Envelope::read(&json).ok();
            Ok(unproven.map(|envelope| envelope.content().clone()))
        }
    }
}

fn print(report: &Report) -> Result<(), CommandError> {
    let proof = report.proof.as_ref().filter(|_| report.verified);
    let Some(proof) = proof else {
        for finding in &report.findings {
            match finding.sequence {
                Some(sequence) => output::line(&format!("sequence {sequence}: {}", finding.what))?,
                None => output::line(&finding.what)?,
            }
        }
        return output::line("NOT VERIFIED");
    };
    output::line(&format!("transfer {} from {} to {}", proof.transfer, proof.originating, proof.receiving))?;
    for span in &proof.spans {
        let until = span.until.map_or_else(|| "now".to_owned(), |until| until.to_string());
        output::line(&format!("  {} responsible from {} until {until}", span.authority, span.from))?;
    }
    for disputed in &proof.disputed {
        output::line(&format!("  sequence {} is disputed: {}", disputed.sequence, disputed.why))?;
    }
    for fork in &proof.forks {
        output::line(&format!("  forked at sequence {}: the sequencer signed two entries", fork.sequence))?;
    }
    if !proof.erased.is_empty() {
        output::line(&format!("  bodies erased at {:?}", proof.erased))?;
    }
    if let Some([first, second]) = report.offered_twice.as_deref() {
        let by = if first == second { first.to_string() } else { format!("{first} and {second}") };
        output::line(&format!(
            "  OFFERED TWICE by {by}: the other export has an accept of the same hand-over"
        ))?;
    }
    let as_of = proof.as_of;
    output::line(&format!(
        "VERIFIED: {} entries, {}, {} responsible, as of head {} ({})",
        proof.entries, proof.stage, proof.responsible, as_of.sequence, as_of.header_digest
    ))
}
