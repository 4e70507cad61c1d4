//! `cme-server office notice`: facts told to other authorities, and told by them.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use cme_spec::codes::{LegalBasis, NoticeDisposition, NoticeKind};
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::NoticeId;

use super::office::{As, body};
use super::{CommandError, open, output};
use crate::office::{self, NoticeDecision};

#[derive(Debug, Subcommand)]
#[command(after_help = "A notice tells a fact and moves no responsibility.\n\nExamples:\n  \
                        cme-server office notice example removed-from-roll > notice.json\n  \
                        cme-server office notice tell --to 330 --kind removed-from-roll notice.json\n  \
                        cme-server office notice list\n  \
                        cme-server office notice acknowledge --id 019a... --disposition case-opened")]
pub(super) enum NoticeCommand {
    /// Tell another authority a fact about a child of its area.
    Tell(Tell),
    /// List notices, told and received, the newest first.
    List(As),
    /// Show one notice with what it tells.
    Show(Named),
    /// Say that you have read a notice, and what came of it.
    Acknowledge(Acknowledge),
    /// Send again what was refused for good.
    Retry(Named),
    /// Print an example body.
    Example {
        /// The fact.
        #[arg(value_parser = kinds())]
        kind: NoticeKind,
    },
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    by: As,
    /// The notice.
    #[arg(long)]
    id: NoticeId,
}

#[derive(Debug, Args)]
pub(super) struct Tell {
    #[command(flatten)]
    by: As,
    /// The authority that you tell.
    #[arg(long)]
    to: AuthorityCode,
    /// The fact.
    #[arg(long, value_parser = kinds())]
    kind: NoticeKind,
    /// The law you tell it under, as of today; may be given several times.
    #[arg(long, value_parser = bases(), default_value = LegalBasis::EducationAct1996S436a.code())]
    legal_basis: Vec<LegalBasis>,
    /// JSON body; - or nothing for standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Acknowledge {
    #[command(flatten)]
    named: Named,
    /// What came of it.
    #[arg(long, value_parser = dispositions(), default_value = NoticeDisposition::Read.code())]
    disposition: NoticeDisposition,
}

/// Takes the codes of a list, and shows them in the help.
macro_rules! codes_of {
    ($name:ident, $list:ident) => {
        fn $name() -> impl TypedValueParser<Value = $list> {
            let codes = $list::ALL.iter().map(|code| code.code());
            PossibleValuesParser::new(codes.collect::<Vec<_>>()).try_map(|code| code.parse::<$list>())
        }
    };
}

codes_of!(kinds, NoticeKind);
codes_of!(bases, LegalBasis);
codes_of!(dispositions, NoticeDisposition);

impl NoticeCommand {
    pub(super) async fn run(&self, config: &Path) -> Result<(), CommandError> {
        match self {
            Self::Tell(tell) => tell.run(config).await,
            Self::List(by) => {
                let node = open(config).await?;
                let by = office::officers_authority(&node, by.authority)?;
                output::json(&serde_json::json!({ "notices": office::list_notices(&node, by).await? }))
            }
            Self::Show(named) => {
                let node = open(config).await?;
                let by = office::officers_authority(&node, named.by.authority)?;
                output::json(&office::show_notice(&node, by, named.id).await?)
            }
            Self::Acknowledge(Acknowledge { named, disposition }) => {
                let node = open(config).await?;
                let by = office::officers_authority(&node, named.by.authority)?;
                output::json(&office::acknowledge_notice(&node, by, named.id, *disposition).await?)
            }
            Self::Retry(named) => {
                let node = open(config).await?;
                let by = office::officers_authority(&node, named.by.authority)?;
                output::json(&office::retry_notice(&node, by, named.id).await?)
            }
            Self::Example { kind } => output::json(&example_body(*kind)),
        }
    }
}

impl Tell {
    async fn run(&self, config: &Path) -> Result<(), CommandError> {
        let body = body(&self.file)?;
        let node = open(config).await?;
        let decision = NoticeDecision {
            by: office::officers_authority(&node, self.by.authority)?,
            to: self.to,
            kind: self.kind,
            legal_basis: self.legal_basis.clone(),
            body,
        };
        output::json(&office::tell(&node, decision).await?)
    }
}

/// The example body of that kind, without salt.
fn example_body(kind: NoticeKind) -> serde_json::Value {
    let mut body = example::notice_body_of(kind).into_value();
    if let Some(members) = body.as_object_mut() {
        members.remove("salt");
    }
    body
}
