//! `cme-server office leavers`: a school's deletion return, brought to where its children live.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cme_spec::codes::{CmeReason, LegalBasis};
use cme_spec::ids::{AuthorityCode, Upn};

use super::office::{As, body};
use super::{CommandError, open, output};
use crate::office::{self, Homes, LeaverResult, LeaversDecision, LeaversError, Leaving};

/// Children whose home one file can name.
const HOMES_MAX: usize = 100_000;

/// Tell the home authorities of a school's leavers, or offer the children, from a Common Transfer File (CTF 25 or 24).
#[derive(Debug, Args)]
#[command(
    after_help = "The file doesn't say where the children live: --homes or --to does. Run twice, the second run does \
                        nothing.\nThe report names a pupil by the place in the file.\n\n\
                        Example:\n  cme-server office leavers 3730000_CTF.xml --homes homes.csv --contact officer.json"
)]
pub(super) struct Leavers {
    #[command(flatten)]
    by: As,
    /// The school's file.
    file: PathBuf,
    /// CSV with the columns `upn` and `authority`: where each child lives.
    #[arg(long, value_name = "CSV")]
    homes: Option<PathBuf>,
    /// The authority in whose area every other child of the file lives.
    #[arg(long, value_name = "CODE")]
    to: Option<AuthorityCode>,
    /// JSON of the officer to ring: `name`, `role`, `email`, `telephone`.
    #[arg(long, value_name = "FILE")]
    contact: PathBuf,
    /// Offer the children who are at no school, instead of telling of all.
    #[arg(long)]
    offer: bool,
    /// Why the offered children are missing education.
    #[arg(long, requires = "offer", value_parser = reasons(), default_value = CmeReason::NotRecorded.code())]
    reason: CmeReason,
    /// The law you do it under, as of today; may be given several times.
    #[arg(long, value_parser = bases(), default_value = LegalBasis::EducationAct1996S436a.code())]
    legal_basis: Vec<LegalBasis>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

fn reasons() -> impl TypedValueParser<Value = CmeReason> {
    let codes = CmeReason::ALL.iter().map(|code| code.code());
    PossibleValuesParser::new(codes.collect::<Vec<_>>()).try_map(|code| code.parse::<CmeReason>())
}

fn bases() -> impl TypedValueParser<Value = LegalBasis> {
    let codes = LegalBasis::ALL.iter().map(|code| code.code());
    PossibleValuesParser::new(codes.collect::<Vec<_>>()).try_map(|code| code.parse::<LegalBasis>())
}

impl Leavers {
    pub(super) async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let of = self.homes.as_deref().map(homes).transpose()?.unwrap_or_default();
        let contact = body(&self.contact)?;
        let file =
            File::open(&self.file).map_err(|cause| CommandError::File { path: self.file.clone(), cause })?;
        let node = open(config).await?;
        let decision = LeaversDecision {
            by: office::officers_authority(&node, self.by.authority)?,
            homes: Homes { of, others: self.to },
            leaving: if self.offer { Leaving::Offer(self.reason) } else { Leaving::Notice },
            legal_basis: self.legal_basis.clone(),
            contact,
            dry_run: self.dry_run,
        };
        let leavers = office::leave(&node, std::io::BufReader::new(file), &decision).await;
        let leavers = leavers.map_err(|error| match error {
            LeaversError::File(error) => CommandError::CommonTransferFile(error),
            LeaversError::Office(error) => CommandError::Office(error),
        })?;
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for leaver in &leavers {
            *counts.entry(name(&leaver.result)).or_default() += 1;
        }
        output::json(&serde_json::json!({ "leavers": leavers, "counts": counts }))
    }
}

fn name(result: &LeaverResult) -> &'static str {
    match result {
        LeaverResult::Told { .. } => "told",
        LeaverResult::Offered { .. } => "offered",
        LeaverResult::Would { .. } => "would",
        LeaverResult::Before { .. } => "before",
        LeaverResult::OwnArea => "ownArea",
        LeaverResult::AtASchool => "atASchool",
        LeaverResult::Rejected { .. } => "rejected",
    }
}

/// Where each child lives; a row that isn't of its form ends the reading, as it would be a child told to nobody.
fn homes(path: &Path) -> Result<BTreeMap<Upn, AuthorityCode>, CommandError> {
    let said = |what: String| CommandError::said(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|cause| CommandError::File { path: path.to_owned(), cause })?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|_| said("not CSV".to_owned()))?.clone();
    let column = |name: &str| headers.iter().position(|header| header.eq_ignore_ascii_case(name));
    let (Some(upn), Some(authority)) = (column("upn"), column("authority")) else {
        return Err(said("the columns `upn` and `authority` are needed".to_owned()));
    };
    let mut homes = BTreeMap::new();
    for (place, row) in (2_u64..).zip(reader.records()) {
        let row = row.map_err(|_| said(format!("row {place} is not of its form")))?;
        let pair = row
            .get(upn)
            .and_then(|upn| upn.parse().ok())
            .zip(row.get(authority).and_then(|code| code.parse().ok()));
        let (upn, code) = pair.ok_or_else(|| said(format!("row {place} has no UPN or no authority code")))?;
        if homes.insert(upn, code).is_some_and(|other| other != code) {
            return Err(said(format!("row {place} gives a child of an earlier row another home")));
        }
        if homes.len() > HOMES_MAX {
            return Err(said(format!("more than {HOMES_MAX} children")));
        }
    }
    Ok(homes)
}
