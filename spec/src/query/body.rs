//! What a query tells: who asks, and the least by which a child can be found.
//!
//! These objects are closed. A member that no version knows would tell an authority more than it needs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::body::{Checked, Salt, silent_debug, text, within};
use crate::canonical::ShapeError;
use crate::codes::{MatchedField, Sex};
use crate::ids::{NhsNumber, PartialDate, Postcode, Upn};
use crate::text::text_form;

silent_debug!(QueryBody, QueryOfficer, Subject);

/// Unicode scalar values of the longest name in a query.
pub const NAME_CHARS_MAX: usize = 100;

/// Former names, and other names, that a query can hold.
pub const NAMES_MAX: usize = 8;

/// Unique pupil numbers that a query can hold.
pub const UPNS_MAX: usize = 4;

/// A pseudonym of an officer, which the officer's own authority alone can resolve.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfficerId(String);

/// Text that is not an officer's pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to 32 letters, digits and hyphens")]
pub struct OfficerIdError;

impl FromStr for OfficerId {
    type Err = OfficerIdError;

    fn from_str(text: &str) -> Result<Self, OfficerIdError> {
        let fits = (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(OfficerIdError) }
    }
}

impl fmt::Display for OfficerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(OfficerId, "officer's pseudonym", "Pseudonym of an officer, which the officer's own authority alone can resolve", pattern: "^[A-Za-z0-9-]{1,32}$", example: "o-7f3a");

/// Body of a query.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryBody {
    /// Random.
    pub salt: Salt,
    /// Who asks.
    pub officer: QueryOfficer,
    /// Who else decided a broadcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_officer: Option<QueryOfficer>,
    /// The child.
    pub subject: Subject,
}

impl Checked for QueryBody {
    fn check(&self) -> Result<(), ShapeError> {
        within("/officer", &self.officer)?;
        self.second_officer.as_ref().map_or(Ok(()), |second| within("/secondOfficer", second))?;
        within("/subject", &self.subject)
    }
}

/// An officer under a pseudonym.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryOfficer {
    /// Pseudonym.
    pub id: OfficerId,
    /// The post, never a name.
    #[schema(min_length = 1, max_length = 100, example = "CME officer")]
    pub role: String,
}

impl Checked for QueryOfficer {
    fn check(&self) -> Result<(), ShapeError> {
        name("/role", &self.role)
    }
}

/// The least by which a child can be found.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// Family name, or the one name of a child who has one.
    #[schema(min_length = 1, max_length = 100, example = "Testcase")]
    pub family_name: String,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, example = "Amina")]
    pub given_name: Option<String>,
    /// Middle names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub middle_names: Option<String>,
    /// Former family names.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    #[schema(max_items = 8)]
    pub former_family_names: Vec<String>,
    /// Other names in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    #[schema(max_items = 8)]
    pub also_known_as: Vec<String>,
    /// Date of birth, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<PartialDate>,
    /// Sex, as on the birth certificate or gender recognition certificate.
    pub sex: Sex,
    /// Unique pupil numbers, the present one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    #[schema(max_items = 4)]
    pub upns: Vec<Upn>,
    /// NHS number; not beside a postcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nhs_number: Option<NhsNumber>,
    /// Last known postcode; not beside an NHS number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_postcode: Option<Postcode>,
}

impl Checked for Subject {
    fn check(&self) -> Result<(), ShapeError> {
        name("/familyName", &self.family_name)?;
        for (pointer, value) in [("/givenName", &self.given_name), ("/middleNames", &self.middle_names)] {
            value.as_ref().map_or(Ok(()), |value| name(pointer, value))?;
        }
        for (list, names) in
            [("/formerFamilyNames", &self.former_family_names), ("/alsoKnownAs", &self.also_known_as)]
        {
            if names.len() > NAMES_MAX {
                return Err(ShapeError::at(list));
            }
            for (index, value) in names.iter().enumerate() {
                name(&format!("{list}/{index}"), value)?;
            }
        }
        let twice = self.upns.iter().enumerate().any(|(index, upn)| self.upns[..index].contains(upn));
        if twice || self.upns.len() > UPNS_MAX {
            return Err(ShapeError::at("/upns"));
        }
        if self.nhs_number.is_some() && self.last_postcode.is_some() {
            return Err(ShapeError::at("/lastPostcode"));
        }
        // A name alone is no child but a list of children.
        if self.date_of_birth.is_none() && self.upns.is_empty() && self.nhs_number.is_none() {
            return Err(ShapeError::at("/dateOfBirth"));
        }
        Ok(())
    }
}

impl Subject {
    /// The fields in which a child of a register can agree with this one.
    pub fn fields(&self) -> Vec<MatchedField> {
        let has = |field: MatchedField| match field {
            MatchedField::Name | MatchedField::OtherName => true,
            MatchedField::DateOfBirth => self.date_of_birth.is_some(),
            MatchedField::Sex => self.sex != Sex::Unknown,
            MatchedField::Upn => !self.upns.is_empty(),
            MatchedField::NhsNumber => self.nhs_number.is_some(),
            MatchedField::Postcode => self.last_postcode.is_some(),
        };
        MatchedField::ALL.iter().copied().filter(|field| has(*field)).collect()
    }

    /// Names of the members that are there: what an audit says of a query, without a value.
    pub fn members(&self) -> Vec<&'static str> {
        let members = [
            ("familyName", true),
            ("givenName", self.given_name.is_some()),
            ("middleNames", self.middle_names.is_some()),
            ("formerFamilyNames", !self.former_family_names.is_empty()),
            ("alsoKnownAs", !self.also_known_as.is_empty()),
            ("dateOfBirth", self.date_of_birth.is_some()),
            ("sex", true),
            ("upns", !self.upns.is_empty()),
            ("nhsNumber", self.nhs_number.is_some()),
            ("lastPostcode", self.last_postcode.is_some()),
        ];
        members.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
    }
}

/// A text that is not blank and no longer than a name is.
fn name(pointer: &str, value: &str) -> Result<(), ShapeError> {
    text(pointer, value)?;
    if value.chars().count() <= NAME_CHARS_MAX { Ok(()) } else { Err(ShapeError::at(pointer)) }
}
