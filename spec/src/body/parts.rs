//! Parts that several bodies share.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Checked, optional_text, text};
use crate::canonical::ShapeError;
use crate::codes::{EnquiryCheck, EnquiryResult, MoveEvidence};
use crate::ids::text as strict;
use crate::text::text_form;

super::silent_debug!(Officer, Enquiry, Evidence, Correction);

/// 128 random bits: a digest that outlives its body confirms nothing to someone who guesses at the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 16]);

/// Text that is not a salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 16 bytes in base64url without padding")]
pub struct SaltError;

impl Salt {
    /// The salt of 16 bytes from a cryptographic random source.
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl FromStr for Salt {
    type Err = SaltError;
    fn from_str(text: &str) -> Result<Self, SaltError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SaltError)?;
        bytes.try_into().map(Self).map_err(|_| SaltError)
    }
}

text_form!(Salt, "salt", "16 random bytes, base64url without padding", pattern: "^[A-Za-z0-9_-]{22}$", example: "q83vEjRWeJCrze8SNFZ4kA");

/// A person in their role, for a colleague elsewhere to ring.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Officer {
    /// Name, or the name of a team.
    #[schema(min_length = 1, max_length = 4000, example = "R. Okafor")]
    pub name: String,
    /// Role.
    #[schema(min_length = 1, max_length = 4000, example = "CME officer")]
    pub role: String,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000, example = "cme@council.example")]
    pub email: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000, example = "01632 960001")]
    pub telephone: Option<String>,
}

impl Checked for Officer {
    fn check(&self) -> Result<(), ShapeError> {
        text("/name", &self.name)?;
        text("/role", &self.role)?;
        optional_text("/email", self.email.as_ref())?;
        optional_text("/telephone", self.telephone.as_ref())
    }
}

/// A check that was made, so that nobody makes it again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enquiry {
    /// What was asked.
    pub check: EnquiryCheck,
    /// When.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub on: Date,
    /// The role of who asked.
    #[schema(min_length = 1, max_length = 4000, example = "education welfare officer")]
    pub by_role: String,
    /// What came of it.
    pub result: EnquiryResult,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub note: Option<String>,
}

impl Checked for Enquiry {
    fn check(&self) -> Result<(), ShapeError> {
        text("/byRole", &self.by_role)?;
        optional_text("/note", self.note.as_ref())
    }
}

/// What points to a move.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Its kind.
    pub kind: MoveEvidence,
    /// Its date.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::deserialize_date_option"
    )]
    #[schema(value_type = Option<String>, format = Date)]
    pub on: Option<Date>,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub detail: Option<String>,
}

impl Checked for Evidence {
    fn check(&self) -> Result<(), ShapeError> {
        optional_text("/detail", self.detail.as_ref())
    }
}

/// A fact put right.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Correction {
    /// RFC 6901 pointer into the body that is corrected.
    #[schema(min_length = 1, max_length = 4000, example = "/child/dateOfBirth")]
    pub pointer: String,
    /// What stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<serde_json::Value>,
    /// What is right.
    pub value: serde_json::Value,
}

impl Checked for Correction {
    fn check(&self) -> Result<(), ShapeError> {
        text("/pointer", &self.pointer)?;
        let escapes = self.pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if self.pointer.starts_with('/') && escapes { Ok(()) } else { Err(ShapeError::at("/pointer")) }
    }
}
