//! `cme-server register`: the children an authority knows, for whoever keeps the register.

mod bulk;
mod import;

use std::path::Path;

use clap::{Args, Subcommand};
use cme_spec::ids::AuthorityCode;
use serde_json::{Value, json};

use super::{CommandError, open, output};
use crate::node::Node;
use crate::office;
use crate::register::import::delete;
use crate::store::register::{self, Imported, Registered, SourceStatus};

/// Signs of a source's name at most.
const SOURCE_CHARS_MAX: usize = 64;

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  cme-server register import schools.csv --source schools --replace --rejected rejected.csv\n  \
                  cme-server register import 3730000_CML.xml --source 3730000 --merge\n  \
                  cme-server register shield 4711 --source schools\n  \
                  cme-server register match queries.csv --out result.csv\n\n\
                  Columns and rules: docs/register.md"
)]
pub(super) enum RegisterCommand {
    Import(import::ImportFile),
    Match(bulk::Match),
    /// Let nobody learn that a child is known, whatever is imported later.
    Shield(One),
    /// Take that back; what the source itself says stays.
    Unshield(One),
    Delete(Delete),
    /// List the references of a source.
    List(List),
    /// Show what is known of one child, as JSON.
    Show(One),
    /// Show each source with its date, its children and how many are shielded, as JSON.
    Status(Whose),
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The authority whose register it is; needed when several are hosted.
    #[arg(long, value_name = "CODE")]
    authority: Option<AuthorityCode>,
}

#[derive(Debug, Args)]
pub(super) struct From {
    #[command(flatten)]
    whose: Whose,
    /// The source: a name for where the children are known from, such as `schools`.
    #[arg(long, value_parser = source_name)]
    source: String,
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[command(flatten)]
    from: From,
    /// The source's own reference of the child.
    reference: String,
}

/// Take children out, with everything that is known of them.
#[derive(Debug, Args)]
#[group(id = "deleted", required = true, multiple = false, args = ["reference", "everything"])]
pub(super) struct Delete {
    #[command(flatten)]
    from: From,
    /// The source's own reference of the child.
    reference: Option<String>,
    /// Every child of the source.
    #[arg(long)]
    everything: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    from: From,
    /// Begin after this reference.
    #[arg(long, default_value = "")]
    after: String,
    /// How many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

fn source_name(text: &str) -> Result<String, String> {
    let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.' | ' ');
    if text.trim().is_empty() || text.len() > SOURCE_CHARS_MAX || !text.chars().all(fits) {
        return Err(format!("1 to {SOURCE_CHARS_MAX} letters, digits, spaces and -_."));
    }
    Ok(text.to_owned())
}

impl Whose {
    fn of(&self, node: &Node) -> Result<AuthorityCode, CommandError> {
        Ok(office::officers_authority(node, self.authority)?)
    }
}

impl RegisterCommand {
    pub(super) async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let node = open(config).await?;
        match self {
            Self::Import(import) => import.run(&node).await,
            Self::Match(bulk) => bulk.run(&node).await,
            Self::Shield(one) => one.shield(&node).await,
            Self::Unshield(one) => one.unshield(&node).await,
            Self::Delete(delete) => delete.run(&node).await,
            Self::List(list) => list.run(&node).await,
            Self::Show(one) => one.show(&node).await,
            Self::Status(whose) => status(&node, whose.of(&node)?).await,
        }
    }
}

impl One {
    fn key(&self, node: &Node) -> Result<(AuthorityCode, String, String), CommandError> {
        Ok((self.from.whose.of(node)?, self.from.source.clone(), self.reference.clone()))
    }

    async fn shield(&self, node: &Node) -> Result<(), CommandError> {
        let ((hosted, source, reference), now) = (self.key(node)?, node.now());
        let done = node.store().write(move |tx| register::shield(tx, hosted, &source, &reference, now));
        if !done.await? {
            return Err(unknown());
        }
        output::line("the child is shielded: no query is answered with it")
    }

    async fn unshield(&self, node: &Node) -> Result<(), CommandError> {
        let (hosted, source, reference) = self.key(node)?;
        let done = node.store().write(move |tx| {
            let done = register::unshield(tx, hosted, &source, &reference)?;
            Ok((done, register::registered(tx, hosted, &source, &reference)?))
        });
        let (done, child) = done.await?;
        if !done {
            return Err(CommandError::said("no officer shielded such a child"));
        }
        output::line(match child {
            Some(child) if child.is_shielded() => {
                "the flag is taken back, and the child is still shielded: its source says so"
            }
            _ => "the child is shielded no more",
        })
    }

    async fn show(&self, node: &Node) -> Result<(), CommandError> {
        let (hosted, source, reference) = self.key(node)?;
        let read = node.store().read(move |tx| register::registered(tx, hosted, &source, &reference));
        output::json(&shown(&read.await?.ok_or_else(unknown)?))
    }
}

fn unknown() -> CommandError {
    CommandError::said("the source knows no child under that reference")
}

fn shown(child: &Registered) -> Value {
    json!({
        "source": child.source,
        "record": child.record,
        "shielded": child.is_shielded(),
        "shieldedByOfficer": child.shielded_by_officer,
        "importedAt": child.imported_at.to_string(),
        "asOf": child.as_of,
    })
}

impl Delete {
    async fn run(&self, node: &Node) -> Result<(), CommandError> {
        let hosted = self.from.whose.of(node)?;
        let deleted = delete(node, hosted, &self.from.source, self.reference.as_deref()).await?;
        if deleted == 0 {
            return Err(unknown());
        }
        output::line(&format!("{deleted} deleted. Backups of before still hold what was deleted"))
    }
}

impl List {
    async fn run(&self, node: &Node) -> Result<(), CommandError> {
        let (hosted, limit) = (self.from.whose.of(node)?, self.limit);
        let (source, after) = (self.from.source.clone(), self.after.clone());
        let read = node.store().read(move |tx| register::of_source(tx, hosted, &source, &after, limit));
        for child in read.await? {
            let shielded = if child.is_shielded() { "  shielded" } else { "" };
            output::line(&format!("{}  as of {}{shielded}", child.record.reference, child.as_of))?;
        }
        Ok(())
    }
}

async fn status(node: &Node, hosted: AuthorityCode) -> Result<(), CommandError> {
    let read = node.store().read(move |tx| {
        let state = register::state(tx, hosted)?;
        Ok((state, register::sources(tx, hosted)?))
    });
    let (state, sources) = read.await?;
    let import = |imported: &Imported| {
        json!({
            "import": imported.import,
            "kind": imported.kind.code(),
            "at": imported.committed_at.to_string(),
            "asOf": imported.as_of,
            "added": imported.counts.added,
            "changed": imported.counts.changed,
            "confirmed": imported.counts.confirmed,
            "removed": imported.counts.removed,
            "rejected": imported.counts.rejected,
        })
    };
    let source = |status: &SourceStatus| {
        json!({
            "source": status.source,
            "children": status.children,
            "shielded": status.shielded,
            "last": status.last.as_ref().map(import),
            "lastReplacement": status.last_replacement.as_ref().map(import),
        })
    };
    output::json(&json!({
        "authority": hosted.to_string(),
        "generation": state.committed,
        "changes": state.last_change,
        "sources": sources.iter().map(source).collect::<Vec<_>>(),
    }))
}
