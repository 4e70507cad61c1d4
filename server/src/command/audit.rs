//! `cme-server audit`: what was asked and answered, and whether the record of it is whole.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use cme_spec::digest::Digest;

use super::office::As;
use super::{CommandError, open, output, read};
use crate::audit::{AuditError, Chain, follow, record};
use crate::office;

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Each query and each later answer leaves a record. Note the number and digest that `verify` prints \
                  outside this machine: records could be taken from the end unseen.\n\nExamples:\n  \
                  cme-server audit verify\n  cme-server audit verify --expect 120:0JHDLlF1...\n  \
                  cme-server audit export > audit.jsonl\n  cme-server audit verify --file audit.jsonl"
)]
pub(super) enum AuditCommand {
    /// Check that no record was changed or taken out.
    Verify(Verify),
    /// Print every record, a line of JSON for each.
    Export(As),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    by: As,
    /// An export to check in place of the database.
    #[arg(long)]
    file: Option<PathBuf>,
    /// A record's number and digest, as an earlier run printed them.
    #[arg(long, value_parser = noted, value_name = "NUMBER:DIGEST")]
    expect: Option<(i64, Digest)>,
}

fn noted(text: &str) -> Result<(i64, Digest), String> {
    let parts =
        text.split_once(':').and_then(|(place, digest)| Some((place.parse().ok()?, digest.parse().ok()?)));
    parts.filter(|(place, _)| *place > 0).ok_or_else(|| "not NUMBER:DIGEST".to_owned())
}

impl AuditCommand {
    pub(super) async fn run(&self, config: &Path) -> Result<(), CommandError> {
        match self {
            Self::Verify(verify) => verify.run(config).await,
            Self::Export(by) => {
                let node = open(config).await?;
                let authority = office::officers_authority(&node, by.authority)?;
                follow(&node, authority, |record, _| output::line(&record.canonical_text())).await.map(|_| ())
            }
        }
    }
}

impl Verify {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let chain = if let Some(path) = &self.file {
            self.of_file(path)?
        } else {
            let node = open(config).await?;
            let authority = office::officers_authority(&node, self.by.authority)?;
            follow(&node, authority, |_, chain| self.compare(chain)).await?
        };
        let (records, digest) = chain.head();
        if let Some((expected, _)) = self.expect.filter(|(expected, _)| *expected > records) {
            return Err(AuditError::Ends(expected).into());
        }
        let last = digest.map_or_else(String::new, |digest| format!(", {records}:{digest}"));
        output::line(&format!("VERIFIED: {records} records{last}"))
    }

    fn of_file(&self, path: &Path) -> Result<Chain, CommandError> {
        let bytes = read(path)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut chain = Chain::default();
        for (place, line) in (1..).zip(text.lines()) {
            chain.follow(&record(line, place)?)?;
            self.compare(&chain)?;
        }
        Ok(chain)
    }

    fn compare(&self, chain: &Chain) -> Result<(), CommandError> {
        let (place, digest) = chain.head();
        let other = self.expect.filter(|(expected, _)| *expected == place);
        match other.filter(|(_, expected)| Some(*expected) != digest) {
            Some(_) => Err(AuditError::Unexpected(place).into()),
            None => Ok(()),
        }
    }
}
