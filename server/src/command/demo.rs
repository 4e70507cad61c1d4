//! `cme-server demo`: three real authorities on this machine, each a process of its own, hand over children
//! over mutual TLS, and the ledgers they end with are verified offline.

mod later;
mod party;
mod scenes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cme_spec::canonical::{Json, Limits};
use cme_spec::directory::Archive;
use cme_spec::entry::Entry;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, TransferId};
use cme_spec::ledger::verify::{LedgerFile, Proof, verify};
use serde::Serialize;

pub(super) use self::later::Child;
use self::party::{Party, start_all};
use self::scenes::{Played, Traced};
use super::{CommandError, output, write};

/// Longest wait for something that is on its way.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// What passes in the last scene between the first answers and the child's arrival.
const WEEK_SECONDS: i64 = 7 * 86_400;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cme-server demo\n  cme-server demo --json --out ledgers\n  cme-server demo --keep\n      \
                        Leaves the three servers running and says how to talk to them."
)]
pub(super) struct Demo {
    /// Leave the servers running and say how to talk to them.
    #[arg(long)]
    keep: bool,
    /// Print one JSON object instead of the story.
    #[arg(long)]
    json: bool,
    /// Folder for the exported ledgers and the directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What `demo --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    transfers: Vec<TransferReport>,
    traced: Traced,
    ok: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TransferReport {
    transfer: TransferId,
    scene: &'static str,
    originating: AuthorityCode,
    receiving: AuthorityCode,
    state: String,
    responsible: AuthorityCode,
    entries: u64,
    /// When the first entry was decided, as its author signed it.
    begun_at: Instant,
    /// The same of the last.
    ended_at: Instant,
    copies_equal: bool,
    verified: bool,
}

impl Demo {
    pub(super) async fn run(&self) -> Result<ExitCode, CommandError> {
        let folder = tempfile::Builder::new().prefix("cme-demo-").tempdir()?;
        let mut parties = start_all(folder.path()).await?;
        // Whoever goes on with the servers does so by the clock of this machine.
        let passes = if self.keep { 0 } else { WEEK_SECONDS };
        let played = tokio::select! {
            played = scenes::play(&mut parties, passes) => played?,
            _ = tokio::signal::ctrl_c() => {
                party::stop_all(&mut parties).await;
                return Err(CommandError::said("stopped; the servers were ended"));
            }
        };
        let (played, traced) = played;
        let mut report = Report { transfers: Vec::new(), ok: traced.is_later_by(passes), traced };
        let mut story = Vec::new();
        for played in &played {
            let (line, proof) = self.examine(folder.path(), &parties, played).await?;
            report.ok &= line.copies_equal && line.verified;
            report.transfers.push(line);
            story.push((played, proof));
        }
        if self.json {
            let text =
                serde_json::to_string(&report).map_err(|error| CommandError::said(error.to_string()))?;
            output::line(&text)?;
        } else {
            tell(&parties, &story, &report)?;
        }
        self.finish(folder, parties).await?;
        Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn finish(&self, folder: tempfile::TempDir, mut parties: Vec<Party>) -> Result<(), CommandError> {
        if !self.keep {
            party::stop_all(&mut parties).await;
            return Ok(());
        }
        let folder = folder.keep();
        output::progress("\nThe servers go on. Talk to one of them with:");
        for party in &parties {
            output::progress(&format!(
                "  cme-server --config {} office list   # {}",
                party.config.display(),
                party.name
            ));
        }
        let pids: Vec<String> =
            parties.iter().filter_map(|party| party.pid().map(|pid| pid.to_string())).collect();
        output::progress(&format!("End them with: kill {} && rm -r {}", pids.join(" "), folder.display()));
        parties.iter_mut().for_each(Party::let_go);
        Ok(())
    }

    /// Exports both copies, compares them, verifies one offline against the directory file.
    async fn examine(
        &self,
        folder: &Path,
        parties: &[Party],
        played: &Played,
    ) -> Result<(TransferReport, Option<Proof>), CommandError> {
        let copy = |code: AuthorityCode| {
            let party = parties.iter().find(|party| party.code == code);
            party.ok_or_else(|| CommandError::said(format!("authority {code} is not in the demonstration")))
        };
        let (originating, receiving) = (copy(played.originating)?, copy(played.receiving)?);
        let (mut left, mut right) = (String::new(), String::new());
        let mut equal = false;
        let deadline = std::time::Instant::now() + WAIT_MAX;
        // The last receipt may still be on its way to one of the two.
        while !equal && std::time::Instant::now() < deadline {
            left = originating.export(played.transfer).await?;
            right = receiving.export(played.transfer).await?;
            equal = entries(&left)? == entries(&right)?;
            if !equal {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let directory = std::fs::read(folder.join("directory.json"))?;
        if let Some(out) = &self.out {
            std::fs::create_dir_all(out)?;
            write(&out.join(format!("{}.json", played.transfer)), left.as_bytes())?;
            write(&out.join("directory.json"), &directory)?;
        }
        let proofs = [verified(&left, &directory), verified(&right, &directory)];
        let [Some(proof), Some(other)] = &proofs else {
            return Err(CommandError::said(format!("transfer {} does not verify", played.transfer)));
        };
        let signed: Vec<Instant> = entries(&left)?.iter().map(|entry| entry.header().created_at).collect();
        let (Some(begun_at), Some(ended_at)) = (signed.first().copied(), signed.last().copied()) else {
            return Err(CommandError::said(format!("transfer {} has no entry", played.transfer)));
        };
        let line = TransferReport {
            transfer: played.transfer,
            scene: played.scene,
            originating: proof.originating,
            receiving: proof.receiving,
            state: proof.stage.code().to_owned(),
            responsible: proof.responsible,
            entries: proof.entries,
            begun_at,
            ended_at,
            copies_equal: equal,
            verified: proof.as_of == other.as_of
                && proof.stage == played.ends
                && proof.responsible == played.responsible,
        };
        Ok((line, Some(proof.clone())))
    }
}

fn verified(export: &str, directory: &[u8]) -> Option<Proof> {
    let json = Json::decode(directory, &Limits::COLLECTION).ok()?;
    let archive = Archive::start(&json, None).ok()?;
    let file = LedgerFile::read(export.as_bytes()).ok()?;
    verify(&file, archive.newest()?.content()).ok()
}

/// The entries of an export, receipts included.
fn entries(export: &str) -> Result<Vec<Entry>, CommandError> {
    let broken = || CommandError::said("an export can't be read back");
    let json = Json::decode(export.as_bytes(), &Limits::COLLECTION).map_err(|_| broken())?;
    let list = json.member("entries").and_then(|list| list.items()).ok_or_else(broken)?;
    list.into_iter().map(|item| Entry::from_json(item).map_err(|_| broken())).collect()
}

/// Who was responsible when, for people.
fn tell(parties: &[Party], story: &[(&Played, Option<Proof>)], report: &Report) -> Result<(), CommandError> {
    let name = |code: AuthorityCode| {
        parties
            .iter()
            .find(|party| party.code == code)
            .map_or_else(|| code.to_string(), |party| party.name.clone())
    };
    output::line("")?;
    output::line("Who was responsible, and when (times in UTC):")?;
    for (played, proof) in story {
        let Some(proof) = proof else { continue };
        output::line("")?;
        output::line(&format!(
            "{}: {} to {}",
            played.scene,
            name(played.originating),
            name(played.receiving)
        ))?;
        for span in &proof.spans {
            let until = span.until.map_or_else(|| "still".to_owned(), |until| format!("until {until}"));
            output::line(&format!("  {:<12} from {}, {until}", name(span.authority), span.from))?;
        }
        output::line(&format!(
            "  {} after {} entries; both copies are equal and verify offline, as of head {}",
            proof.stage, proof.entries, proof.as_of.sequence
        ))?;
    }
    output::line("")?;
    let verdict = if report.ok { "Everything holds." } else { "Something does not hold; see --json." };
    output::line(&format!("{} transfers. {verdict}", report.transfers.len()))
}
