//! Entry types and their codes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an entry does. The codes are those of the wire.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum EntryType {
    /// The originating authority offers the child.
    Offer,
    /// The receiving authority names who looks at it.
    Acknowledge,
    /// Either asks.
    RequestInformation,
    /// Either answers.
    SupplyInformation,
    /// The receiving authority takes responsibility.
    Accept,
    /// The receiving authority says why not.
    Decline,
    /// The originating authority disagrees, once.
    Contest,
    /// The receiving authority stays with its decline.
    Uphold,
    /// The receiving authority names the authority it believes right.
    Redirect,
    /// The originating authority takes the offer back.
    Withdraw,
    /// The receiving authority closes the case.
    Outcome,
    /// The receiving authority takes its outcome back.
    Retract,
    /// Either corrects facts.
    Correct,
}

impl EntryType {
    /// Every type, in the order of the text.
    pub const ALL: [Self; 13] = [
        Self::Offer,
        Self::Acknowledge,
        Self::RequestInformation,
        Self::SupplyInformation,
        Self::Accept,
        Self::Decline,
        Self::Contest,
        Self::Uphold,
        Self::Redirect,
        Self::Withdraw,
        Self::Outcome,
        Self::Retract,
        Self::Correct,
    ];

    /// The code on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Acknowledge => "acknowledge",
            Self::RequestInformation => "request-information",
            Self::SupplyInformation => "supply-information",
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Contest => "contest",
            Self::Uphold => "uphold",
            Self::Redirect => "redirect",
            Self::Withdraw => "withdraw",
            Self::Outcome => "outcome",
            Self::Retract => "retract",
            Self::Correct => "correct",
        }
    }
}

impl fmt::Display for EntryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Text that is no entry type of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an entry type of this version")]
pub struct EntryTypeError;

impl FromStr for EntryType {
    type Err = EntryTypeError;
    fn from_str(code: &str) -> Result<Self, EntryTypeError> {
        Self::ALL.into_iter().find(|kind| kind.code() == code).ok_or(EntryTypeError)
    }
}
