//! Bodies of everything between the offer and the outcome.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::parts::{Correction, Enquiry, Evidence, Officer, Salt};
use super::{Checked, each, not_empty, optional_text, text, within};
use crate::canonical::ShapeError;
use crate::codes::{DeclineReason, InformationTopic, ResidenceKind, UpholdReason, WithdrawReason};
use crate::ids::{AuthorityCode, text as strict};

super::silent_debug!(
    Acknowledge,
    RequestInformation,
    SupplyInformation,
    Accept,
    Residence,
    Decline,
    Contest,
    Uphold,
    Redirect,
    Withdraw,
    Correct
);

/// Body of an acknowledgement.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledge {
    /// Random.
    pub salt: Salt,
    /// Who looks at it.
    pub officer: Officer,
    /// What they do first.
    #[schema(min_length = 1, max_length = 4000, example = "Home visit booked for 26 November")]
    pub first_action: String,
}

impl Checked for Acknowledge {
    fn check(&self) -> Result<(), ShapeError> {
        within("/officer", &self.officer)?;
        text("/firstAction", &self.first_action)
    }
}

/// Body of a request for information. It never pauses a clock.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestInformation {
    /// Random.
    pub salt: Salt,
    /// What it is about.
    pub topic: InformationTopic,
    /// The question.
    #[schema(
        min_length = 1,
        max_length = 4000,
        example = "Which school holds the admission register entry?"
    )]
    pub question: String,
}

impl Checked for RequestInformation {
    fn check(&self) -> Result<(), ShapeError> {
        text("/question", &self.question)
    }
}

/// Body of an answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupplyInformation {
    /// Random.
    pub salt: Salt,
    /// Sequence of the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub in_reply_to: Option<u64>,
    /// The answer.
    #[schema(min_length = 1, max_length = 4000)]
    pub answer: String,
    /// Facts put right on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    #[schema(max_items = 256)]
    pub corrections: Vec<Correction>,
}

impl Checked for SupplyInformation {
    fn check(&self) -> Result<(), ShapeError> {
        text("/answer", &self.answer)?;
        each("/corrections", &self.corrections)
    }
}

/// Body of an accept: responsibility passes at the header's `createdAt`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accept {
    /// Random.
    pub salt: Salt,
    /// The day from which the authority takes the child to live in its area.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// How the child lives there.
    pub residence: Residence,
    /// Who has the case now.
    pub contact: Officer,
}

impl Checked for Accept {
    fn check(&self) -> Result<(), ShapeError> {
        within("/contact", &self.contact)?;
        let ends = self.residence.ends_on.is_some_and(|end| end < self.from);
        if ends { Err(ShapeError::at("/residence/endsOn")) } else { Ok(()) }
    }
}

/// How the child lives there. Never the evidence itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Residence {
    /// Its kind.
    pub kind: ResidenceKind,
    /// When it is to end, if that is known.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::deserialize_date_option"
    )]
    #[schema(value_type = Option<String>, format = Date)]
    pub ends_on: Option<Date>,
}

/// Body of a decline.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decline {
    /// Random.
    pub salt: Salt,
    /// Why. Temporary accommodation alone is no ground, and neither is that checks found nothing.
    pub reason: DeclineReason,
    /// What was checked.
    #[schema(min_items = 1, max_items = 256)]
    pub checked: Vec<Enquiry>,
    /// More.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub explanation: Option<String>,
}

impl Checked for Decline {
    fn check(&self) -> Result<(), ShapeError> {
        not_empty("/checked", &self.checked)?;
        each("/checked", &self.checked)?;
        optional_text("/explanation", self.explanation.as_ref())
    }
}

/// Body of a contest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contest {
    /// Random.
    pub salt: Salt,
    /// New evidence.
    #[schema(min_items = 1, max_items = 256)]
    pub evidence: Vec<Evidence>,
    /// Why the decline is wrong.
    #[schema(min_length = 1, max_length = 4000)]
    pub explanation: String,
}

impl Checked for Contest {
    fn check(&self) -> Result<(), ShapeError> {
        not_empty("/evidence", &self.evidence)?;
        each("/evidence", &self.evidence)?;
        text("/explanation", &self.explanation)
    }
}

/// Body of an uphold.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Uphold {
    /// Random.
    pub salt: Salt,
    /// Why the decline stands.
    pub reason: UpholdReason,
    /// More.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub explanation: Option<String>,
}

impl Checked for Uphold {
    fn check(&self) -> Result<(), ShapeError> {
        optional_text("/explanation", self.explanation.as_ref())
    }
}

/// Body of a redirect.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    /// Random.
    pub salt: Salt,
    /// The authority believed right.
    pub authority: AuthorityCode,
    /// Why.
    #[schema(min_items = 1, max_items = 256)]
    pub evidence: Vec<Evidence>,
    /// More.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub explanation: Option<String>,
}

impl Checked for Redirect {
    fn check(&self) -> Result<(), ShapeError> {
        not_empty("/evidence", &self.evidence)?;
        each("/evidence", &self.evidence)?;
        optional_text("/explanation", self.explanation.as_ref())
    }
}

/// Body of a withdrawal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Withdraw {
    /// Random.
    pub salt: Salt,
    /// Why.
    pub reason: WithdrawReason,
    /// More.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub explanation: Option<String>,
}

impl Checked for Withdraw {
    fn check(&self) -> Result<(), ShapeError> {
        optional_text("/explanation", self.explanation.as_ref())
    }
}

/// Body of a correction. It never changes who the child is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Correct {
    /// Random.
    pub salt: Salt,
    /// Sequence of the entry whose body is corrected.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub corrects: u64,
    /// The facts.
    #[schema(min_items = 1, max_items = 256)]
    pub corrections: Vec<Correction>,
    /// Why.
    #[schema(min_length = 1, max_length = 4000)]
    pub reason: String,
}

impl Checked for Correct {
    fn check(&self) -> Result<(), ShapeError> {
        not_empty("/corrections", &self.corrections)?;
        each("/corrections", &self.corrections)?;
        text("/reason", &self.reason)
    }
}
