//! Notices: a fact about a child of another authority's area. They move no responsibility.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::body::{
    Checked, DeletionGroundRef, Officer, Salt, StatedBasis, checked, optional_text, silent_debug, within,
};
use crate::canonical::ShapeError;
use crate::codes::{LocationSensitivity, NoticeDisposition, NoticeKind};
use crate::digest::Digest;
use crate::envelope::Document;
use crate::ids::{AuthorityCode, Laestab, Urn, text as strict};
use crate::instant::{Instant, NoticeId};
use crate::problem::{Problem, ProblemType};
use crate::query::{Subject, check_legal_basis};
use crate::statement::{Statement, StatementHeader};

silent_debug!(NoticeBody, NoticeSchool);

/// A notice as received.
pub type Notice = Statement<NoticeHeader>;

/// The signed part of a notice. It holds no direct personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeHeader {
    /// Protocol version.
    #[schema(pattern = "^1\\.[0-9]+$", example = "1.0")]
    pub protocol: String,
    /// Minted once, when the officer decided.
    pub notice: NoticeId,
    /// The fact.
    pub kind: NoticeKind,
    /// The authority that tells.
    pub author: AuthorityCode,
    /// The authority that is told.
    pub recipient: AuthorityCode,
    /// When the author decided.
    pub created_at: Instant,
    /// The law it is told under.
    #[schema(min_items = 1, max_items = 8)]
    pub legal_basis: Vec<StatedBasis>,
    /// Digest of the body.
    pub body_digest: Digest,
}

impl StatementHeader for NoticeHeader {
    const TYP: &'static str = "cme-notice";

    fn protocol(&self) -> &str {
        &self.protocol
    }

    fn author(&self) -> AuthorityCode {
        self.author
    }

    fn recipient(&self) -> AuthorityCode {
        self.recipient
    }

    fn created_at(&self) -> Instant {
        self.created_at
    }

    fn body_digest(&self) -> Digest {
        self.body_digest
    }

    fn with_body_digest(self, digest: Digest) -> Self {
        Self { body_digest: digest, ..self }
    }

    fn check_form(&self) -> Result<(), ShapeError> {
        check_legal_basis(&self.legal_basis)
    }
}

/// Body of a notice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeBody {
    /// Random.
    pub salt: Salt,
    /// The child.
    pub child: Subject,
    /// Date of the fact.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub on: Date,
    /// The school, of a fact about a roll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub school: Option<NoticeSchool>,
    /// Why the child was taken off the roll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_ground: Option<DeletionGroundRef>,
    /// When the child last attended the school that took it off its roll.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::deserialize_date_option"
    )]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_attended: Option<Date>,
    /// The post of who saw the child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000, example = "education welfare officer")]
    pub by_role: Option<String>,
    /// Whether the place where the child is may be told.
    pub location_sensitivity: LocationSensitivity,
    /// Whom to ring.
    pub contact: Officer,
}

/// A school, by at least one of its names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeSchool {
    /// Unique reference number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urn: Option<Urn>,
    /// Authority and establishment number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub laestab: Option<Laestab>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000, example = "Example Primary School")]
    pub name: Option<String>,
}

impl Checked for NoticeSchool {
    fn check(&self) -> Result<(), ShapeError> {
        optional_text("/name", self.name.as_ref())?;
        let named = self.urn.is_some() || self.laestab.is_some() || self.name.is_some();
        if named { Ok(()) } else { Err(ShapeError::at("")) }
    }
}

impl Checked for NoticeBody {
    fn check(&self) -> Result<(), ShapeError> {
        within("/child", &self.child)?;
        self.school.as_ref().map_or(Ok(()), |school| within("/school", school))?;
        optional_text("/byRole", self.by_role.as_ref())?;
        within("/contact", &self.contact)
    }
}

impl NoticeBody {
    /// The first member that the kind does not have, or lacks, or that tells where a child is whose place may
    /// not be told. Implements: NTC-003, NTC-005
    fn fits(&self, kind: NoticeKind) -> Result<(), &'static str> {
        let removed = kind == NoticeKind::RemovedFromRoll;
        let restricted = self.location_sensitivity != LocationSensitivity::Standard;
        if self.school.is_some() == (kind == NoticeKind::Seen) {
            Err("/school")
        } else if self.deletion_ground.is_some() && !removed {
            Err("/deletionGround")
        } else if self.last_attended.is_some() && !removed {
            Err("/lastAttended")
        } else if self.by_role.is_some() != (kind == NoticeKind::Seen) {
            Err("/byRole")
        } else if restricted && !removed {
            Err("/locationSensitivity")
        } else if restricted && self.child.last_postcode.is_some() {
            Err("/child/lastPostcode")
        } else {
            Ok(())
        }
    }
}

/// Holds when the notice's body has what its kind needs; gives it as typed.
///
/// The error points at a member of the body, or of the header where that is not of its form, and never quotes it. Implements: NTC-003, NTC-004, NTC-005
pub fn check(notice: &Notice) -> Result<NoticeBody, ShapeError> {
    // What was read has the form already; what is about to be signed may not.
    notice.header().check_form()?;
    let body: NoticeBody = checked(notice.body())?;
    body.fits(notice.header().kind).map_err(ShapeError::at)?;
    Ok(body)
}

/// The problem for a notice whose body breaks a rule. Implements: NTC-003, PRV-002
pub fn problem(error: &ShapeError) -> Problem {
    Problem::new(ProblemType::BodyInvalid).pointer(error.pointer.clone())
}

/// "A person has read this notice."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// The notice.
    pub notice: NoticeId,
    /// Digest of the notice's header.
    pub notice_digest: Digest,
    /// What the officer has done with it.
    pub disposition: NoticeDisposition,
    /// When.
    pub acknowledged_at: Instant,
    /// The authority whose officer it was.
    pub by: AuthorityCode,
    /// How often that server's database was restored.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// The directory issue that server works by.
    #[serde(deserialize_with = "crate::text::from_one")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub directory_issue: u64,
}

impl Document for Acknowledgement {
    const MEMBER: &'static str = "acknowledgement";
    const TYP: &'static str = "cme-acknowledgement";
}

/// Holds when the acknowledgement is of that notice and says no more than may be said of the child.
///
/// Whether a case was opened tells that the child is here. Implements: NTC-012
pub fn acknowledges(said: &Acknowledgement, notice: &Notice, sensitivity: LocationSensitivity) -> bool {
    let open = sensitivity == LocationSensitivity::Standard;
    said.notice == notice.header().notice
        && said.notice_digest == notice.header_digest()
        && said.by == notice.header().recipient
        && (open || said.disposition == NoticeDisposition::Read)
}

#[cfg(test)]
mod tests;
