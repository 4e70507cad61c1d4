//! `cme-server office`: an officer's decisions, each JSON in and JSON out.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use cme_spec::canonical::{Json, Limits};
use cme_spec::codes::ClockClass;
use cme_spec::entry::EntryType;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, TransferId};

use super::answer::AnswerCommand;
use super::escalation::Escalations;
use super::leavers::Leavers;
use super::notice::NoticeCommand;
use super::query::QueryCommand;
use super::{CommandError, open, output, read};
use crate::office::{self, Decision, Link, OfferDecision, Resolution};

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Each decision reads a JSON body from FILE or standard input and prints JSON. The salt is added.\n\n\
                        Examples:\n  cme-server office example offer > offer.json\n  cme-server office offer --to 330 offer.json\n  \
                        cme-server office list\n  cme-server office acknowledge --transfer 019a... < acknowledge.json"
)]
pub(super) enum OfficeCommand {
    /// Offer a child to another authority.
    Offer(Offer),
    /// List transfers with their clocks, and what is still to be sent.
    List(As),
    /// Show one transfer with its entries.
    Show(Named),
    /// Name who looks at an offer, and what they do first.
    Acknowledge(Decide),
    /// Ask the other authority something.
    Ask(Decide),
    /// Answer, or tell something new.
    Supply(Decide),
    /// Take responsibility for the child.
    Accept(Decide),
    /// Say why the child is not yours.
    Decline(Decide),
    /// Disagree with a decline, with new evidence; once.
    Contest(Decide),
    /// Stay with the decline; closes the transfer.
    Uphold(Decide),
    /// Name the authority you believe right; closes the transfer.
    Redirect(Decide),
    /// Take the offer back; closes the transfer.
    Withdraw(Decide),
    /// Record what became of the child; closes the transfer.
    Outcome(Outcome),
    /// Take an outcome back; the case is open again.
    Retract(Decide),
    /// Correct facts of an earlier entry.
    Correct(Decide),
    /// Say that a case which a restore touched is as its ledger says.
    Confirm(Named),
    /// Send a refused letter again, or give a refused decision up.
    Resolve(Resolve),
    /// Facts told to other authorities, and told by them; they move no responsibility.
    #[command(subcommand)]
    Notice(NoticeCommand),
    Leavers(Leavers),
    /// Whether other authorities know a child.
    #[command(subcommand)]
    Query(QueryCommand),
    /// Queries that other authorities put, and what you say to them.
    #[command(subcommand)]
    Answer(AnswerCommand),
    /// List what the escalation contact was told, the newest first.
    Escalations(Escalations),
    /// Print an example body for a decision.
    Example {
        /// The decision.
        #[arg(value_parser = example_kinds())]
        kind: EntryType,
    },
}

#[derive(Debug, Args)]
pub(super) struct As {
    /// The authority that you work for; needed when several are hosted.
    #[arg(long = "as", value_name = "CODE")]
    pub(super) authority: Option<AuthorityCode>,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    by: As,
    /// The transfer.
    #[arg(long)]
    transfer: TransferId,
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    #[command(flatten)]
    named: Named,
    /// JSON body; - or nothing for standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Offer {
    #[command(flatten)]
    by: As,
    /// The authority that you ask.
    #[arg(long)]
    to: AuthorityCode,
    /// The urgent clocks: a social worker, a child at risk, a shielded child.
    #[arg(long)]
    urgent: bool,
    /// The transfer that this one follows: closed without acceptance, or accepted by you.
    #[arg(long, value_name = "TRANSFER")]
    preceded_by: Option<TransferId>,
    /// Your undecided transfer that this one replaces: the directory lists the other authority as unavailable.
    #[arg(long, value_name = "TRANSFER", conflicts_with = "preceded_by")]
    supersedes: Option<TransferId>,
    /// The forked transfer that this one replaces.
    #[arg(long, value_name = "TRANSFER", conflicts_with_all = ["preceded_by", "supersedes"])]
    successor_of: Option<TransferId>,
    /// JSON body; - or nothing for standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
}

#[derive(Debug, Args)]
#[group(id = "resolution", required = true, multiple = false, args = ["retry", "drop"])]
pub(super) struct Resolve {
    #[command(flatten)]
    by: As,
    /// The letter's id, as `office list` shows it under `refused`.
    #[arg(long)]
    id: EntryId,
    /// Send it again: what stood in its way is mended.
    #[arg(long)]
    retry: bool,
    /// Give the decision up.
    #[arg(long)]
    drop: bool,
}

/// The commands' names beside the entry types', so that `example ask` works too.
fn example_kinds() -> impl TypedValueParser<Value = EntryType> {
    let words = EntryType::ALL.iter().map(|kind| kind.code()).chain(["ask", "supply"]);
    PossibleValuesParser::new(words.collect::<Vec<_>>()).map(|word| match word.as_str() {
        "ask" => EntryType::RequestInformation,
        "supply" => EntryType::SupplyInformation,
        other => other.parse().unwrap_or(EntryType::Offer),
    })
}

#[derive(Debug, Args)]
pub(super) struct Outcome {
    #[command(flatten)]
    named: Named,
    /// The transfer in which another authority accepted the child; makes the outcome `moved-on` by itself.
    #[arg(long, conflicts_with = "file")]
    moved_on: Option<TransferId>,
    /// JSON body; - or nothing for standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
}

pub(super) fn body(file: &Path) -> Result<Json, CommandError> {
    let place =
        if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
    Json::decode(&read(file)?, &Limits::ENTRY)
        .map_err(|error| CommandError::said(format!("{place}: {error}")))
}

impl OfficeCommand {
    pub(super) async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let (decide, kind) = match self {
            Self::Offer(offer) => return offer.run(config).await,
            Self::List(by) => return list(config, by).await,
            Self::Show(named) => return show(config, named).await,
            Self::Outcome(outcome) => return outcome.run(config).await,
            Self::Confirm(named) => return confirm(config, named).await,
            Self::Resolve(resolve) => return resolve.run(config).await,
            Self::Escalations(escalations) => return escalations.run(config).await,
            Self::Notice(notice) => return notice.run(config).await,
            Self::Leavers(leavers) => return leavers.run(config).await,
            Self::Query(query) => return query.run(config).await,
            Self::Answer(answer) => return answer.run(config).await,
            Self::Example { kind } => return print_example(*kind),
            Self::Acknowledge(decide) => (decide, EntryType::Acknowledge),
            Self::Ask(decide) => (decide, EntryType::RequestInformation),
            Self::Supply(decide) => (decide, EntryType::SupplyInformation),
            Self::Accept(decide) => (decide, EntryType::Accept),
            Self::Decline(decide) => (decide, EntryType::Decline),
            Self::Contest(decide) => (decide, EntryType::Contest),
            Self::Uphold(decide) => (decide, EntryType::Uphold),
            Self::Redirect(decide) => (decide, EntryType::Redirect),
            Self::Withdraw(decide) => (decide, EntryType::Withdraw),
            Self::Retract(decide) => (decide, EntryType::Retract),
            Self::Correct(decide) => (decide, EntryType::Correct),
        };
        decide.run(config, kind).await
    }
}

async fn list(config: &Path, by: &As) -> Result<(), CommandError> {
    let node = open(config).await?;
    let authority = office::officers_authority(&node, by.authority)?;
    output::json(&office::list(&node, authority).await?)
}

async fn show(config: &Path, named: &Named) -> Result<(), CommandError> {
    let node = open(config).await?;
    let authority = office::officers_authority(&node, named.by.authority)?;
    output::json(&office::show(&node, authority, named.transfer).await?)
}

async fn confirm(config: &Path, named: &Named) -> Result<(), CommandError> {
    let node = open(config).await?;
    let authority = office::officers_authority(&node, named.by.authority)?;
    office::confirm(&node, authority, named.transfer).await?;
    output::json(&office::show(&node, authority, named.transfer).await?)
}

fn print_example(kind: EntryType) -> Result<(), CommandError> {
    let mut body = example::body(kind).into_value();
    if let Some(members) = body.as_object_mut() {
        members.remove("salt");
    }
    output::json(&body)
}

impl Resolve {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let node = open(config).await?;
        let by = office::officers_authority(&node, self.by.authority)?;
        let resolution = if self.retry { Resolution::Retry } else { Resolution::Drop };
        office::resolve(&node, by, self.id, resolution).await?;
        output::json(&office::list(&node, by).await?)
    }
}

impl Offer {
    fn link(&self) -> Option<Link> {
        let preceded_by = self.preceded_by.map(Link::PrecededBy);
        preceded_by.or(self.supersedes.map(Link::Supersedes)).or(self.successor_of.map(Link::SuccessorOf))
    }

    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let body = body(&self.file)?;
        let node = open(config).await?;
        let decision = OfferDecision {
            by: office::officers_authority(&node, self.by.authority)?,
            to: self.to,
            clock_class: if self.urgent { ClockClass::Urgent } else { ClockClass::Standard },
            link: self.link(),
            body,
        };
        output::json(&office::offer(&node, decision).await?)
    }
}

impl Decide {
    async fn run(&self, config: &Path, kind: EntryType) -> Result<(), CommandError> {
        let body = body(&self.file)?;
        decide(config, &self.named, kind, Some(body)).await
    }
}

impl Outcome {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        match self.moved_on {
            None => decide(config, &self.named, EntryType::Outcome, Some(body(&self.file)?)).await,
            Some(onward) => {
                let node = open(config).await?;
                let by = office::officers_authority(&node, self.named.by.authority)?;
                let body = office::moved_on_body(&node, by, onward).await?;
                drop(node);
                decide(config, &self.named, EntryType::Outcome, Some(body)).await
            }
        }
    }
}

async fn decide(
    config: &Path,
    named: &Named,
    kind: EntryType,
    body: Option<Json>,
) -> Result<(), CommandError> {
    let node = open(config).await?;
    let by = office::officers_authority(&node, named.by.authority)?;
    let body = body.unwrap_or_else(|| Json::object([]));
    let decision = Decision { by, transfer: named.transfer, kind, body };
    output::json(&office::decide(&node, decision).await?)
}
