//! `cme-server register import`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IsTerminal as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::{From, output};
use crate::command::CommandError;
use crate::ctf::CommonTransferFile;
use crate::node::Node;
use crate::register::import::Import;
use crate::register::row::{Fault, Judged, Row};
use crate::register::table::{Mapping, Table};
use crate::store::register::staging::{Counts, Kind, Order};

/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 10_000;
/// Rows that are named for each fault on the terminal.
const ROWS_NAMED: usize = 5;

/// Bring the children of a source into the register: from CSV, or from a Common Transfer File (CTF 25 or 24).
#[derive(Debug, Args)]
#[command(name = "import")]
#[group(id = "mode", required = true, multiple = false, args = ["replace", "merge"])]
#[command(
    after_help = "Queries are answered meanwhile, from the old register until all of the new one is there. Columns, and \
                        what is\nrejected: docs/register.md"
)]
pub(crate) struct ImportFile {
    #[command(flatten)]
    from: From,
    /// The file.
    file: PathBuf,
    /// What the file is; by default CTF if its name ends in .xml, and CSV otherwise.
    #[arg(long)]
    format: Option<Format>,
    /// The source knows the children of the file and no others.
    #[arg(long)]
    replace: bool,
    /// The source knows the children of the file too.
    #[arg(long)]
    merge: bool,
    /// A header of the CSV file that stands for a column, such as `Forename=given_name`.
    #[arg(long = "map", value_name = "HEADER=COLUMN")]
    mappings: Vec<Mapping>,
    /// Write what was rejected, or taken with something left out, to this new CSV file: row, reference, code, column.
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// The day of which the file is; by default the day on which a CTF says that it was made, or today.
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// The file may lack more than half of the children that the source knew.
    #[arg(long, requires = "replace")]
    allow_removal: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Comma-separated values with a header, in UTF-8.
    Csv,
    /// Common Transfer File.
    Ctf,
}

/// A file's rows.
enum Rows {
    Csv(Box<Table<File>>),
    Ctf(Box<CommonTransferFile<File>>),
}

impl Rows {
    fn next_row(&mut self) -> Result<Option<Row>, CommandError> {
        match self {
            Self::Csv(table) => Ok(table.next_row()?),
            Self::Ctf(file) => {
                let pupil = file.next_pupil()?;
                Ok(pupil.map(|pupil| Row::of_pupil(file.header(), &pupil)))
            }
        }
    }
}

impl ImportFile {
    pub(super) async fn run(&self, node: &Node) -> Result<(), CommandError> {
        let hosted = self.from.whose.of(node)?;
        let (mut rows, made_on) = self.open()?;
        let today = node.now().timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        let as_of = self.as_of.or(made_on).unwrap_or(today);
        if as_of > today {
            return Err(CommandError::said("the file is of a day to come: say --as-of with the right one"));
        }
        let mut report = Report::open(self.rejected.as_deref())?;
        let kind = if self.replace { Kind::Replace } else { Kind::Merge };
        let order = Order { hosted, source: self.from.source.clone(), kind, as_of: as_of.to_string() };
        let mut import = Import::begin(node, order).await?;
        if let Err(error) = take_all(&mut import, &mut rows, as_of, &mut report).await {
            import.abandon().await;
            return Err(error);
        }
        let counts = import.commit(self.allow_removal).await?;
        self.say(&counts, as_of)?;
        report.say()
    }

    fn open(&self) -> Result<(Rows, Option<Date>), CommandError> {
        let failed = |cause| CommandError::File { path: self.file.clone(), cause };
        let file = File::open(&self.file).map_err(failed)?;
        let is_xml = self.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml"));
        let format = self.format.unwrap_or(if is_xml { Format::Ctf } else { Format::Csv });
        Ok(match format {
            Format::Csv => {
                let table = Table::open(file, &self.mappings)?;
                if !table.unused().is_empty() {
                    output::progress(&format!("columns that are not used: {}", table.unused().join(", ")));
                }
                (Rows::Csv(Box::new(table)), None)
            }
            Format::Ctf if !self.mappings.is_empty() => {
                return Err(CommandError::said("--map is for CSV files"));
            }
            Format::Ctf => {
                let file = CommonTransferFile::open(file)?;
                let made_on = file.header().made_on;
                (Rows::Ctf(Box::new(file)), made_on)
            }
        })
    }

    fn say(&self, counts: &Counts, as_of: Date) -> Result<(), CommandError> {
        let Counts { added, changed, confirmed, removed, rejected } = counts;
        output::line(&format!(
            "{} as of {as_of}: {added} added, {changed} changed, {confirmed} as before, {removed} removed, \
             {rejected} rejected",
            self.from.source
        ))
    }
}

async fn take_all(
    import: &mut Import<'_>,
    rows: &mut Rows,
    as_of: Date,
    report: &mut Report,
) -> Result<(), CommandError> {
    let shows_progress = std::io::stderr().is_terminal();
    let mut read: u64 = 0;
    while let Some(row) = rows.next_row()? {
        let judged = row.judge(as_of);
        match &judged.record {
            Ok(record) if import.take(record.clone()).await? => {
                judged.warnings.iter().try_for_each(|fault| report.note(&judged, *fault))?;
            }
            Ok(_) => {
                import.refuse(None);
                report.note(&judged, Fault::DuplicateReference)?;
            }
            Err(fault) => {
                import.refuse(judged.reference.as_deref());
                report.note(&judged, *fault)?;
            }
        }
        read += 1;
        if shows_progress && read.is_multiple_of(PROGRESS_ROWS) {
            output::progress(&format!("{read} rows"));
        }
    }
    Ok(())
}

/// What was rejected or left out: counted for the terminal, and each row for a file.
struct Report {
    file: Option<(PathBuf, csv::Writer<File>)>,
    counts: BTreeMap<Fault, (u64, Vec<String>)>,
}

impl Report {
    fn open(path: Option<&Path>) -> Result<Self, CommandError> {
        let file = path.map(|path| new_table(path, &["row", "reference", "code", "column"])).transpose()?;
        let file = path.map(Path::to_owned).zip(file);
        Ok(Self { file, counts: BTreeMap::new() })
    }

    fn note(&mut self, judged: &Judged, fault: Fault) -> Result<(), CommandError> {
        let (count, rows) = self.counts.entry(fault).or_default();
        *count += 1;
        if rows.len() < ROWS_NAMED {
            rows.push(judged.number.to_string());
        }
        let Some((path, writer)) = &mut self.file else { return Ok(()) };
        let column = fault.column().map_or("", |column| column.name());
        let reference = judged.reference.as_deref().unwrap_or_default();
        let written = writer.write_record([&judged.number.to_string(), reference, fault.code(), column]);
        written.map_err(|error| unwritten(path, error))
    }

    fn say(&mut self) -> Result<(), CommandError> {
        for (fault, (count, rows)) in &self.counts {
            let more =
                if usize::try_from(*count).is_ok_and(|count| count > rows.len()) { ", ..." } else { "" };
            let what = if fault.rejects() { "rejected" } else { "taken" };
            let column = fault.column().map_or_else(String::new, |column| format!(" ({})", column.name()));
            output::line(&format!(
                "{what}: {}{column}: {count}, row {}{more}",
                fault.code(),
                rows.join(", ")
            ))?;
        }
        if let Some((path, writer)) = &mut self.file {
            writer.flush().map_err(|cause| CommandError::File { path: path.clone(), cause })?;
        }
        Ok(())
    }
}

/// A new CSV file with that header, for its owner's eyes only.
pub(super) fn new_table(path: &Path, header: &[&str]) -> Result<csv::Writer<File>, CommandError> {
    let opened = File::options().write(true).create_new(true).mode(0o600).open(path);
    let file = opened.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => CommandError::Exists(path.to_owned()),
        _ => CommandError::File { path: path.to_owned(), cause },
    })?;
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(header).map_err(|error| unwritten(path, error))?;
    Ok(writer)
}

pub(super) fn unwritten(path: &Path, error: csv::Error) -> CommandError {
    let cause = match error.into_kind() {
        csv::ErrorKind::Io(cause) => cause,
        _ => std::io::Error::other("not a row"),
    };
    CommandError::File { path: path.to_owned(), cause }
}
