//! `cme-server register match`.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use cme_matching::CANDIDATES_MAX;
use cme_spec::ids::AuthorityCode;
use jiff::civil::Date;
use serde::Serialize;

use super::import::{new_table, unwritten};
use super::{Whose, output};
use crate::command::CommandError;
use crate::node::Node;
use crate::register::Found;
use crate::register::row::Row;
use crate::register::table::{Mapping, Table};

const HEADER: [&str; 9] =
    ["query", "rank", "decision", "reason", "source", "reference", "shielded", "weight", "fields"];

/// Ask the register for every row of a CSV file, and write who may be meant.
#[derive(Debug, Args)]
#[command(name = "match")]
#[command(
    after_help = "For the authority's own use: shielded children are among the answers, and marked. Columns: docs/register.md"
)]
pub(crate) struct Match {
    #[command(flatten)]
    whose: Whose,
    /// The queries: CSV with the columns of an import; `reference` is the query's own.
    queries: PathBuf,
    /// The new CSV file with the answers.
    #[arg(long)]
    out: PathBuf,
    /// A header of the file that stands for a column, such as `Forename=given_name`.
    #[arg(long = "map", value_name = "HEADER=COLUMN")]
    mappings: Vec<Mapping>,
    /// Children that are named for each query.
    #[arg(long, default_value_t = CANDIDATES_MAX, value_parser = limit)]
    limit: usize,
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=CANDIDATES_MAX).contains(limit));
    limit.ok_or_else(|| format!("1 to {CANDIDATES_MAX}"))
}

/// What came of a file of queries.
#[derive(Default)]
struct Tally {
    asked: u64,
    matches: u64,
    possible: u64,
    not_asked: u64,
}

impl Match {
    pub(super) async fn run(&self, node: &Node) -> Result<(), CommandError> {
        let hosted = self.whose.of(node)?;
        let failed = |cause| CommandError::File { path: self.queries.clone(), cause };
        let mut table = Table::open(File::open(&self.queries).map_err(failed)?, &self.mappings)?;
        let mut writer = new_table(&self.out, &HEADER)?;
        let answered = self.answer_all(node, hosted, &mut table, &mut writer).await;
        let tally = answered.inspect_err(|_| {
            // Half an answer is none.
            let _ = std::fs::remove_file(&self.out);
        })?;
        let Tally { asked, matches, possible, not_asked } = tally;
        output::line(&format!(
            "{asked} queries: {matches} matches, {possible} possible, {} none, {not_asked} not asked; {}",
            asked - matches - possible - not_asked,
            self.out.display()
        ))
    }

    async fn answer_all(
        &self,
        node: &Node,
        hosted: AuthorityCode,
        table: &mut Table<File>,
        writer: &mut csv::Writer<File>,
    ) -> Result<Tally, CommandError> {
        let today = node.now().timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        node.register().bring_up_to_date(hosted).await?;
        let mut tally = Tally::default();
        while let Some(row) = table.next_row()? {
            for answer in self.answer(node, hosted, &row, today, &mut tally).await? {
                writer.write_record(answer).map_err(|error| unwritten(&self.out, error))?;
            }
        }
        writer.flush().map_err(|cause| CommandError::File { path: self.out.clone(), cause })?;
        Ok(tally)
    }

    /// The rows that answer a query.
    async fn answer(
        &self,
        node: &Node,
        hosted: AuthorityCode,
        row: &Row,
        today: Date,
        tally: &mut Tally,
    ) -> Result<Vec<[String; 9]>, CommandError> {
        let judged = row.judge(today);
        let query = judged.reference.clone().unwrap_or_else(|| format!("row {}", judged.number));
        tally.asked += 1;
        let record = match judged.record {
            Ok(record) => record,
            Err(fault) => {
                tally.not_asked += 1;
                return Ok(vec![bare(query, "notAsked", fault.code())]);
            }
        };
        let found = node.register().find(hosted, &record.child).await?;
        match found.decision {
            cme_matching::Decision::Match => tally.matches += 1,
            cme_matching::Decision::Possible => tally.possible += 1,
            cme_matching::Decision::NoMatch => {}
        }
        Ok(rows(&query, &found, self.limit))
    }
}

fn bare(query: String, decision: &str, reason: &str) -> [String; 9] {
    let mut row: [String; 9] = Default::default();
    row[0] = query;
    decision.clone_into(&mut row[2]);
    reason.clone_into(&mut row[3]);
    row
}

/// The name that a value has in JSON.
fn name(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn rows(query: &str, found: &Found, limit: usize) -> Vec<[String; 9]> {
    let (decision, reason) = (name(&found.decision), name(&found.reason));
    if found.candidates.is_empty() {
        return vec![bare(query.to_owned(), &decision, &reason)];
    }
    let row = |(rank, candidate): (usize, &crate::register::FoundCandidate)| {
        let level =
            |field: &cme_matching::FieldWeight| format!("{}:{}", name(&field.field), name(&field.level));
        let agreed: Vec<_> = candidate.agreed().collect();
        let fields = candidate.fields.iter().filter(|field| agreed.contains(&field.field)).map(level);
        [
            query.to_owned(),
            (rank + 1).to_string(),
            decision.clone(),
            reason.clone(),
            candidate.bearer.source.clone(),
            candidate.bearer.reference.clone(),
            if candidate.bearer.shielded { "yes" } else { "no" }.to_owned(),
            format!("{:.1}", candidate.weight),
            fields.collect::<Vec<_>>().join(" "),
        ]
    };
    found.candidates.iter().take(limit).enumerate().map(row).collect()
}
