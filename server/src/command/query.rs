//! `cme-server office query`: whether other authorities know a child.

mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use cme_client::broadcast::Selection;
use cme_spec::codes::{ClockClass, LegalBasis, QueryPurpose};
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::query::{OfficerId, STANDING_SECONDS_MAX};
use uuid::Uuid;

use self::watch::{Shown, watch};
use super::office::{As, body};
use super::{CommandError, open, output};
use crate::node::Node;
use crate::office::{self, AskDecision, AskedAuthorities, Deciders, RenewDecision};

/// Days for which a query can stand.
const STANDING_DAYS_MAX: i64 = STANDING_SECONDS_MAX / 86_400;
/// The post of an officer who names none.
const ROLE: &str = "CME officer";

#[derive(Debug, Subcommand)]
#[command(
    after_help = "A query asks whether an authority knows a child; the answer says whom to ring, never where the \
                        child is.\nWhat is asked is stored and sent by the server, also after the command has ended.\n\n\
                        Examples:\n  cme-server office query example > child.json\n  \
                        cme-server office query ask --to 330 --purpose confirm-arrival --officer o-7f3a --child child.json\n  \
                        cme-server office query broadcast --region \"West Midlands\" --officer o-7f3a \\\n      \
                        --second-officer o-11c2 --standing-days 30 --child child.json\n  \
                        cme-server office query show --id 019a...\n  \
                        cme-server office query withdraw --id 019a..."
)]
pub(super) enum QueryCommand {
    /// Ask one authority.
    Ask(Ask),
    /// Ask many authorities about one missing child, by the decision of two officers.
    Broadcast(Broadcast),
    /// List what was asked, the newest first.
    List(As),
    /// Show what was asked with what each authority said.
    Show(Named),
    /// Ask no more: the child was found, or nobody looks any longer.
    Withdraw(Withdraw),
    /// Go on asking where queries stand.
    Renew(Renew),
    /// Offer a missing child to an authority that knows the child.
    Offer(OfferFound),
    /// Send again what was refused for good.
    Retry(Named),
    /// Print an example of the child that is asked about.
    Example,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    by: As,
    /// The broadcast or query.
    #[arg(long)]
    id: Uuid,
}

#[derive(Debug, Args)]
struct Watching {
    /// Seconds to wait for answers; the server goes on asking afterwards.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    wait: u64,
    /// Print each answer as a line of JSON when it comes, and the whole as the last line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Officer {
    /// The pseudonym of the officer who decides: 1 to 32 letters, digits and hyphens.
    #[arg(long, value_name = "ID")]
    officer: OfficerId,
    /// That officer's post; never a name.
    #[arg(long, default_value = ROLE)]
    role: String,
}

#[derive(Debug, Args)]
struct About {
    /// For how many days the query stands: each authority tells you if the child comes into its register.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=STANDING_DAYS_MAX))]
    standing_days: Option<u32>,
    /// The law you ask under, as of today; may be given several times.
    #[arg(long, value_parser = bases(), default_value = LegalBasis::EducationAct1996S436a.code())]
    legal_basis: Vec<LegalBasis>,
    /// JSON of the child; - or nothing for standard input.
    #[arg(long, default_value = "-", value_name = "FILE")]
    child: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Ask {
    #[command(flatten)]
    by: As,
    /// The authority that you ask.
    #[arg(long)]
    to: AuthorityCode,
    /// Why you ask.
    #[arg(long, value_parser = purposes(), default_value = QueryPurpose::TraceMissingChild.code())]
    purpose: QueryPurpose,
    #[command(flatten)]
    officer: Officer,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    watching: Watching,
}

#[derive(Debug, Args)]
#[group(id = "whom", required = true, multiple = false, args = ["all", "region", "authorities"])]
pub(super) struct Broadcast {
    #[command(flatten)]
    by: As,
    /// Ask every authority.
    #[arg(long)]
    all: bool,
    /// Ask the authorities of a region of England, by its name or code.
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Ask these authorities.
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    authorities: Vec<AuthorityCode>,
    #[command(flatten)]
    officer: Officer,
    /// The pseudonym of the other officer who decides.
    #[arg(long, value_name = "ID")]
    second_officer: OfficerId,
    /// The other officer's post.
    #[arg(long, default_value = ROLE)]
    second_role: String,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    watching: Watching,
}

#[derive(Debug, Args)]
pub(super) struct Withdraw {
    #[command(flatten)]
    named: Named,
    /// Withdraw it at these authorities only.
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    only: Vec<AuthorityCode>,
}

#[derive(Debug, Args)]
pub(super) struct Renew {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    officer: Officer,
    /// The pseudonym of the other officer who decides; for a broadcast.
    #[arg(long, value_name = "ID")]
    second_officer: Option<OfficerId>,
    /// The other officer's post.
    #[arg(long, default_value = ROLE)]
    second_role: String,
    /// For how many days the new queries stand.
    #[arg(long, value_name = "DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=STANDING_DAYS_MAX))]
    standing_days: u32,
    #[command(flatten)]
    watching: Watching,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without FILE the offer is printed as far as it is known: save it, complete it and give it back.\n\n\
                        Example:\n  cme-server office query offer --id 019a... --from-answer 330 > offer.json\n  \
                        cme-server office query offer --id 019a... --from-answer 330 offer.json"
)]
pub(super) struct OfferFound {
    #[command(flatten)]
    named: Named,
    /// The authority that answered that it knows the child.
    #[arg(long, value_name = "CODE")]
    from_answer: AuthorityCode,
    /// The urgent clocks: a social worker, a child at risk, a shielded child.
    #[arg(long, requires = "file")]
    urgent: bool,
    /// JSON of the offer, or what is to be added to what is known; - for standard input.
    file: Option<PathBuf>,
}

fn purposes() -> impl TypedValueParser<Value = QueryPurpose> {
    let codes = QueryPurpose::ALL.iter().map(|code| code.code());
    PossibleValuesParser::new(codes.collect::<Vec<_>>()).try_map(|code| code.parse::<QueryPurpose>())
}

fn bases() -> impl TypedValueParser<Value = LegalBasis> {
    let codes = LegalBasis::ALL.iter().map(|code| code.code());
    PossibleValuesParser::new(codes.collect::<Vec<_>>()).try_map(|code| code.parse::<LegalBasis>())
}

impl QueryCommand {
    pub(super) async fn run(&self, config: &Path) -> Result<(), CommandError> {
        match self {
            Self::Ask(ask) => ask.run(config).await,
            Self::Broadcast(broadcast) => broadcast.run(config).await,
            Self::List(by) => {
                let (node, by) = opened(config, by).await?;
                output::json(&serde_json::json!({ "queries": office::list_askings(&node, by).await? }))
            }
            Self::Show(named) => {
                let (node, by) = opened(config, &named.by).await?;
                output::json(&office::show_asking(&node, by, named.id).await?)
            }
            Self::Withdraw(Withdraw { named, only }) => {
                let (node, by) = opened(config, &named.by).await?;
                output::json(&office::withdraw_asking(&node, by, named.id, only.clone()).await?)
            }
            Self::Renew(renew) => renew.run(config).await,
            Self::Offer(offer) => offer.run(config).await,
            Self::Retry(named) => {
                let (node, by) = opened(config, &named.by).await?;
                output::json(&office::retry_asking(&node, by, named.id).await?)
            }
            Self::Example => output::json(&example::query_body().into_value()["subject"]),
        }
    }
}

async fn opened(config: &Path, by: &As) -> Result<(Node, AuthorityCode), CommandError> {
    let node = open(config).await?;
    let by = office::officers_authority(&node, by.authority)?;
    Ok((node, by))
}

impl Watching {
    /// What was decided is stored; shows what comes of it while somebody waits, and then the whole.
    async fn follow(&self, node: &Node, by: AuthorityCode, id: Uuid) -> Result<(), CommandError> {
        let shown = if self.json { Shown::Lines } else { Shown::Whole };
        watch(node, by, id, Duration::from_secs(self.wait), shown).await
    }
}

impl Officer {
    fn deciders(&self, second: Option<(OfficerId, String)>) -> Deciders {
        office::deciders((self.officer.clone(), self.role.clone()), second)
    }
}

impl About {
    async fn ask(
        &self,
        config: &Path,
        by: &As,
        whom: AskedAuthorities,
        purpose: QueryPurpose,
        deciders: Deciders,
        watching: &Watching,
    ) -> Result<(), CommandError> {
        let subject = body(&self.child)?;
        let (node, by) = opened(config, by).await?;
        let decision = AskDecision {
            by,
            whom,
            purpose,
            legal_basis: self.legal_basis.clone(),
            deciders,
            standing_days: self.standing_days,
            subject,
        };
        let asked = office::ask(&node, decision).await?;
        watching.follow(&node, by, asked.view.id).await
    }
}

impl Ask {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let (whom, deciders) = (AskedAuthorities::One(self.to), self.officer.deciders(None));
        self.about.ask(config, &self.by, whom, self.purpose, deciders, &self.watching).await
    }
}

impl Broadcast {
    fn selection(&self) -> Result<Selection, CommandError> {
        Ok(match &self.region {
            Some(region) => Selection::Region(office::region(region)?),
            None if self.all => Selection::All,
            None => Selection::Authorities(self.authorities.clone()),
        })
    }

    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let whom = AskedAuthorities::Broadcast(self.selection()?);
        let second = (self.second_officer.clone(), self.second_role.clone());
        let (purpose, deciders) = (QueryPurpose::TraceMissingChild, self.officer.deciders(Some(second)));
        self.about.ask(config, &self.by, whom, purpose, deciders, &self.watching).await
    }
}

impl OfferFound {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let rest = self.file.as_deref().map(body).transpose()?;
        let (node, by) = opened(config, &self.named.by).await?;
        let Some(rest) = rest else {
            return output::json(&office::offer_draft(&node, by, self.named.id, self.from_answer).await?);
        };
        let clock_class = if self.urgent { ClockClass::Urgent } else { ClockClass::Standard };
        let found = (by, self.named.id, self.from_answer);
        output::json(&office::offer_found(&node, found, clock_class, rest).await?)
    }
}

impl Renew {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let (node, by) = opened(config, &self.named.by).await?;
        let second = self.second_officer.clone().map(|id| (id, self.second_role.clone()));
        let decision = RenewDecision {
            by,
            asking: self.named.id,
            deciders: self.officer.deciders(second),
            standing_days: self.standing_days,
        };
        let renewed = office::renew_asking(&node, decision).await?;
        self.watching.follow(&node, by, renewed.view.id).await
    }
}
