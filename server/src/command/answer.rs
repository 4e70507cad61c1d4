//! `cme-server office answer`: queries that other authorities put, and what officers say to them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use cme_matching::ChildId;
use cme_spec::codes::ClockClass;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::QueryId;
use cme_spec::query::OfficerId;

use super::office::{As, body};
use super::{CommandError, open, output};
use crate::node::Node;
use crate::office::{self, Asker, OfficeError, Say};

#[derive(Debug, Subcommand)]
#[command(
    after_help = "An answer says whether the child is known here and whom to ring, and nothing else.\n\nExamples:\n  \
                  cme-server office answer list\n  cme-server office answer show --query 019a...\n  \
                  cme-server office answer known --query 019a... --officer o-7f3a\n  \
                  cme-server office answer not-known --query 019a... --officer o-7f3a\n  \
                  cme-server office answer release --query 019a... --officer o-7f3a\n  \
                  cme-server office answer offer --query 019a... --officer o-7f3a > offer.json\n  \
                  cme-server office answer offer --query 019a... --officer o-7f3a offer.json"
)]
pub(super) enum AnswerCommand {
    /// List queries that wait for an officer.
    List(List),
    /// Show one query with its answers and, while it is kept, what was asked.
    Show(Named),
    /// Say that the child is known here.
    Known(Known),
    /// Say that the child is not known here.
    NotKnown(Decide),
    /// Name the authority that you believe knows the child.
    Referred(Referred),
    /// Tell a match of a query that stands: the child is known here.
    Release(Known),
    /// Tell nothing of a match of a query that stands.
    Silent(Known),
    /// Offer a child who is known here to the authority in whose area the child has turned up.
    Offer(OfferArrived),
    /// Send again what was refused for good.
    Retry(Named),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    by: As,
    /// Those of the last 30 days that shielded children match; for the officers of that role.
    #[arg(long, requires = "officer")]
    restricted: bool,
    /// Your pseudonym.
    #[arg(long)]
    officer: Option<OfficerId>,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    by: As,
    /// The query.
    #[arg(long)]
    query: QueryId,
    /// The authority that asks; needed where two have used one id.
    #[arg(long)]
    from: Option<AuthorityCode>,
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    #[command(flatten)]
    named: Named,
    /// Your pseudonym, which the audit keeps.
    #[arg(long)]
    officer: OfficerId,
    /// You act in the role for restricted children.
    #[arg(long)]
    restricted: bool,
}

#[derive(Debug, Args)]
pub(super) struct Known {
    #[command(flatten)]
    decide: Decide,
    /// The child's number, as `list` shows it; needed where several may be the one.
    #[arg(long)]
    child: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without FILE the offer is printed as far as query and register say it: save it, complete it and give it back."
)]
pub(super) struct OfferArrived {
    #[command(flatten)]
    known: Known,
    /// The urgent clocks: a social worker, a child at risk, a shielded child.
    #[arg(long, requires = "file")]
    urgent: bool,
    /// JSON of the offer, or what is to be added to what is known; - for standard input.
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Referred {
    #[command(flatten)]
    decide: Decide,
    /// The authority.
    #[arg(long)]
    to: AuthorityCode,
}

impl Named {
    fn asker(&self, node: &Node, officer: &OfficerId, restricted: bool) -> Result<Asker, OfficeError> {
        Ok(Asker {
            by: office::officers_authority(node, self.by.authority)?,
            query: self.query,
            from: self.from,
            officer: officer.clone(),
            restricted,
        })
    }

    /// For looking, which no record is made of.
    fn looker(&self, node: &Node) -> Result<Asker, CommandError> {
        let nobody: OfficerId = "-".parse().map_err(|_| CommandError::said("no pseudonym"))?;
        Ok(self.asker(node, &nobody, false)?)
    }
}

impl Decide {
    async fn say(&self, config: &Path, say: Say) -> Result<(), CommandError> {
        let node = open(config).await?;
        let asker = self.named.asker(&node, &self.officer, self.restricted)?;
        output::json(&office::say(&node, asker, say).await?)
    }
}

impl AnswerCommand {
    pub(super) async fn run(&self, config: &Path) -> Result<(), CommandError> {
        match self {
            Self::List(list) => list.run(config).await,
            Self::Show(named) => {
                let node = open(config).await?;
                let asker = named.looker(&node)?;
                output::json(&office::show_query(&node, asker).await?)
            }
            Self::Known(known) | Self::Release(known) => {
                known.decide.say(config, Say::Known(known.child.map(ChildId))).await
            }
            Self::NotKnown(decide) => decide.say(config, Say::NotKnown).await,
            Self::Referred(referred) => referred.decide.say(config, Say::Referred(referred.to)).await,
            Self::Silent(Known { decide, child }) => {
                let node = open(config).await?;
                let asker = decide.named.asker(&node, &decide.officer, decide.restricted)?;
                output::json(&office::keep_silent(&node, asker, child.map(ChildId)).await?)
            }
            Self::Offer(offer) => offer.run(config).await,
            Self::Retry(named) => {
                let node = open(config).await?;
                let asker = named.looker(&node)?;
                output::json(&office::retry_answers(&node, asker).await?)
            }
        }
    }
}

impl OfferArrived {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let Known { decide, child } = &self.known;
        let rest = self.file.as_deref().map(body).transpose()?;
        let node = open(config).await?;
        let asker = decide.named.asker(&node, &decide.officer, decide.restricted)?;
        let child = child.map(ChildId);
        let Some(rest) = rest else {
            return output::json(&office::arrival_draft(&node, asker, child).await?);
        };
        let clock_class = if self.urgent { ClockClass::Urgent } else { ClockClass::Standard };
        output::json(&office::offer_arrived(&node, asker, child, clock_class, rest).await?)
    }
}

impl List {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let node = open(config).await?;
        let by = office::officers_authority(&node, self.by.authority)?;
        match self.officer.as_ref().filter(|_| self.restricted) {
            Some(officer) => {
                let found = office::restricted(&node, by, officer).await?;
                output::json(&serde_json::json!({ "restricted": found }))
            }
            None => output::json(&office::list_queries(&node, by).await?),
        }
    }
}
