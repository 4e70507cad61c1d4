//! The outcome: how a case is closed, with evidence. Nothing here closes a case because checks found nothing.

use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::parts::Salt;
use super::{Checked, optional_text, text};
use crate::canonical::{Json, ShapeError};
use crate::codes::{LeftEnglandDestination, LeftEnglandEvidence, OtherProvisionKind};
use crate::entry::LedgerPoint;
use crate::ids::{Urn, text as strict};
use crate::openapi::SignedHead;

super::silent_debug!(OutcomeEntry, Outcome, Retract);

/// Body of an outcome.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeEntry {
    /// Random.
    pub salt: Salt,
    /// What became of the child.
    pub outcome: Outcome,
}

/// What became of the child. There is no outcome for a child who could not be found.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind")]
pub enum Outcome {
    /// On a school's roll, and attending.
    #[serde(rename = "on-roll-attending", rename_all = "camelCase")]
    OnRollAttending {
        /// The school.
        urn: Urn,
        /// The first day attended.
        #[serde(deserialize_with = "strict::deserialize_date")]
        #[schema(value_type = String, format = Date)]
        attendance_began: Date,
    },
    /// Educated at home, and found suitable.
    #[serde(rename = "home-education-suitable", rename_all = "camelCase")]
    HomeEducationSuitable {
        /// When it was assessed.
        #[serde(deserialize_with = "strict::deserialize_date")]
        #[schema(value_type = String, format = Date)]
        assessed_on: Date,
    },
    /// Another provision that is suitable.
    #[serde(rename = "other-provision", rename_all = "camelCase")]
    OtherProvision {
        /// Its kind.
        provision: OtherProvisionKind,
        /// Its first day.
        #[serde(deserialize_with = "strict::deserialize_date")]
        #[schema(value_type = String, format = Date)]
        started_on: Date,
    },
    /// Another authority accepted the child.
    #[serde(rename = "moved-on", rename_all = "camelCase")]
    MovedOn {
        /// The onward ledger's accept with its receipts; its body stays there: `null` here, with `erasedAt`.
        #[schema(value_type = Object)]
        onward: serde_json::Value,
    },
    /// Lives outside England; hearsay is not enough.
    #[serde(rename = "left-england", rename_all = "camelCase")]
    LeftEngland {
        /// Where to.
        destination: LeftEnglandDestination,
        /// ISO 3166-1 alpha-2, when overseas.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(pattern = "^[A-Z]{2}$", example = "IE")]
        country: Option<String>,
        /// What shows it.
        evidence: LeftEnglandEvidence,
        /// Date of the evidence.
        #[serde(deserialize_with = "strict::deserialize_date")]
        #[schema(value_type = String, format = Date)]
        evidenced_on: Date,
        /// The body that accepted in writing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(min_length = 1, max_length = 4000)]
        accepted_by: Option<String>,
    },
    /// Died.
    #[serde(rename = "deceased", rename_all = "camelCase")]
    Deceased {
        /// When, if it is known.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "strict::deserialize_date_option"
        )]
        #[schema(value_type = Option<String>, format = Date)]
        on: Option<Date>,
    },
    /// Over compulsory school age.
    #[serde(rename = "over-compulsory-school-age", rename_all = "camelCase")]
    OverCompulsorySchoolAge {
        /// The last day of compulsory school age.
        #[serde(deserialize_with = "strict::deserialize_date")]
        #[schema(value_type = String, format = Date)]
        ended_on: Date,
    },
    /// The case is kept in another ledger.
    #[serde(rename = "duplicate", rename_all = "camelCase")]
    Duplicate {
        /// The head of that ledger.
        of: LedgerPoint,
        /// Its signed head by the authority that is responsible there; left out only when that is the author.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<SignedHead>)]
        confirmation: Option<serde_json::Value>,
    },
}

impl Checked for OutcomeEntry {
    /// Implements: ENT-012, PRV-009
    fn check(&self) -> Result<(), ShapeError> {
        match &self.outcome {
            Outcome::LeftEngland { destination, country, evidence, accepted_by, .. } => {
                let overseas = *destination == LeftEnglandDestination::Overseas;
                let form =
                    |code: &String| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
                if country.is_some() != overseas || !country.as_ref().is_none_or(form) {
                    return Err(ShapeError::at("/outcome/country"));
                }
                if (*evidence == LeftEnglandEvidence::WrittenAcceptance) != accepted_by.is_some() {
                    return Err(ShapeError::at("/outcome/acceptedBy"));
                }
                optional_text("/outcome/acceptedBy", accepted_by.as_ref())
            }
            Outcome::MovedOn { onward } if !onward.is_object() => Err(ShapeError::at("/outcome/onward")),
            Outcome::MovedOn { onward } if !onward["body"].is_null() => {
                Err(ShapeError::at("/outcome/onward/body"))
            }
            Outcome::Duplicate { confirmation: Some(head), .. } if !head.is_object() => {
                Err(ShapeError::at("/outcome/confirmation"))
            }
            _ => Ok(()),
        }
    }
}

/// What an outcome's member is read as; the error points into the member.
type Form = fn(&Json) -> Result<(), ShapeError>;

fn form<T: DeserializeOwned>(member: &Json) -> Result<(), ShapeError> {
    member.read::<T>().map(|_| ())
}

/// Where the fault lies in an outcome that could not be read. Which members it has depends on its kind, so a reader
/// takes it whole and says no more than that it is none.
pub(super) fn fault(body: &Json) -> Option<ShapeError> {
    let outcome = body.member("outcome")?;
    let kind = outcome.member("kind")?;
    let date = form::<strict::StrictDate>;
    let members: &[(&str, Form)] = match kind.value().as_str() {
        Some("on-roll-attending") => &[("urn", form::<Urn>), ("attendanceBegan", date)],
        Some("home-education-suitable") => &[("assessedOn", date)],
        Some("other-provision") => &[("provision", form::<OtherProvisionKind>), ("startedOn", date)],
        Some("moved-on") => &[],
        Some("left-england") => &[
            ("destination", form::<LeftEnglandDestination>),
            ("country", form::<Option<String>>),
            ("evidence", form::<LeftEnglandEvidence>),
            ("evidencedOn", date),
            ("acceptedBy", form::<Option<String>>),
        ],
        Some("deceased") => &[("on", form::<Option<strict::StrictDate>>)],
        Some("over-compulsory-school-age") => &[("endedOn", date)],
        Some("duplicate") => &[("of", form::<LedgerPoint>)],
        _ => return Some(ShapeError::at("/outcome/kind")),
    };
    members.iter().find_map(|(name, form)| {
        let error = form(&outcome.member(name)?).err()?;
        Some(ShapeError::at(format!("/outcome/{name}{}", error.pointer)))
    })
}

/// Body of a retraction: the case is open again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retract {
    /// Random.
    pub salt: Salt,
    /// Why.
    #[schema(min_length = 1, max_length = 4000)]
    pub reason: String,
}

impl Checked for Retract {
    fn check(&self) -> Result<(), ShapeError> {
        text("/reason", &self.reason)
    }
}
