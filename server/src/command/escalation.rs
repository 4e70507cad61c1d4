//! `cme-server escalation`: how the escalation contacts are told, for the operator.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::office::As;
use super::{CommandError, open, output};
use crate::escalation::{Channel, Matter, Named, Recipient, Word};
use crate::office::{self, EscalationView, OfficeError, Resolution};

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  cme-server escalation test\n      Sends a test message over each channel of \
                        [escalation] and says what happened.\n  cme-server escalation resolve --id 019a... --retry"
)]
pub(super) enum EscalationCommand {
    /// Send a test message over each configured channel.
    Test(As),
    /// Send a message again, or give it up.
    Resolve(Resolve),
}

#[derive(Debug, Args)]
#[group(id = "escalation_resolution", required = true, multiple = false, args = ["retry", "drop"])]
pub(super) struct Resolve {
    #[command(flatten)]
    by: As,
    /// The message's id, as `office escalations` shows it.
    #[arg(long)]
    id: Uuid,
    /// Send it again, now.
    #[arg(long)]
    retry: bool,
    /// Give it up.
    #[arg(long)]
    drop: bool,
}

/// `cme-server office escalations`.
#[derive(Debug, Args)]
pub(super) struct Escalations {
    #[command(flatten)]
    by: As,
    /// How many, the newest first.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl EscalationCommand {
    pub(super) async fn run(&self, config: &Path) -> Result<ExitCode, CommandError> {
        match self {
            Self::Test(by) => test(config, by).await,
            Self::Resolve(resolve) => resolve.run(config).await,
        }
    }
}

/// One attempt over each channel; fails when any did.
async fn test(config: &Path, by: &As) -> Result<ExitCode, CommandError> {
    let node = open(config).await?;
    let authority = office::officers_authority(&node, by.authority)?;
    let channels = Channel::open_all(node.config())?;
    if channels.is_empty() {
        return Err(CommandError::said(
            "no channel is configured: add [escalation.webhook] or [escalation.smtp]; until then word goes to the \
             log and to `office escalations`",
        ));
    }
    let archive = node.archive();
    let directory = archive.newest().ok_or(OfficeError::NoDirectory)?.content();
    let now = node.now();
    let mut code = ExitCode::SUCCESS;
    for channel in channels {
        let word = Word {
            id: node.random().message_id(now),
            matter: Matter::Test,
            to: Recipient::Contact,
            authority: Named::of(directory, authority),
            about: None,
            noted_at: now,
            look: None,
        };
        let document = serde_json::to_string(&word).map_err(|error| CommandError::said(error.to_string()))?;
        let sent = channel.send(directory, &word, &document, node.config().escalation.attempt_max()).await;
        let to = channel.describe(directory, &word);
        let what = match sent {
            Ok(()) => format!("sent, message {}", word.id),
            Err(failure) => {
                code = ExitCode::FAILURE;
                let said = failure.said.map_or_else(String::new, |said| format!(" ({said})"));
                format!("failed: {}{said}", failure.what)
            }
        };
        output::line(&format!("{} to {to}: {what}", channel.kind().code()))?;
    }
    Ok(code)
}

impl Resolve {
    async fn run(&self, config: &Path) -> Result<ExitCode, CommandError> {
        let node = open(config).await?;
        let by = office::officers_authority(&node, self.by.authority)?;
        let resolution = if self.retry { Resolution::Retry } else { Resolution::Drop };
        office::resolve_escalation(&node, by, self.id, resolution).await?;
        output::line(if self.retry { "it is sent again" } else { "it is given up" })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Escalations {
    pub(super) async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let node = open(config).await?;
        let authority = office::officers_authority(&node, self.by.authority)?;
        let all = office::escalations(&node, authority, self.limit).await?;
        if self.json {
            return output::json(&all);
        }
        if all.is_empty() {
            output::progress("nothing was escalated");
        }
        all.iter().try_for_each(|escalation| lines(escalation).iter().try_for_each(|line| output::line(line)))
    }
}

fn lines(escalation: &EscalationView) -> Vec<String> {
    let EscalationView { transfer, query, peer, matter, detail, told_at, reminders, .. } = escalation;
    let about = match (transfer, query) {
        (Some(transfer), _) => format!("transfer {transfer} with"),
        (None, Some(query)) => format!("query {query} of"),
        (None, None) => String::new(),
    };
    let again = if *reminders == 0 { String::new() } else { format!(", reminders: {reminders}") };
    let first = format!("{told_at}  {matter} {detail}  {about} {peer}{again}");
    let mut lines = vec![first];
    if escalation.messages.is_empty() {
        lines.push("  told by the log alone: no channel was configured".to_owned());
    }
    for message in &escalation.messages {
        let failure = message.last_failure.as_ref().map_or_else(String::new, |what| format!(": {what}"));
        let when = match (message.sent_at, message.next_at) {
            (Some(sent), _) => format!("sent {sent}"),
            (None, Some(next)) if message.attempts == 0 => format!("waits, due {next}"),
            (None, Some(next)) => format!("waits, {} attempts, next {next}{failure}", message.attempts),
            (None, None) => format!("refused for good{failure}"),
        };
        lines.push(format!("  {} to the {}: {when}, id {}", message.channel, message.recipient, message.id));
    }
    lines
}
