//! The offer: who the child is, what is known, what was already asked.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::parts::{Enquiry, Evidence, Officer, Salt};
use super::{Checked, each, not_empty, optional_text, text, within};
use crate::canonical::ShapeError;
pub use crate::codes::DeletionGroundRef;
use crate::codes::{
    AddressKind, Capacity, CmeReason, EducationOtherwise, LastKnownProvision, LegalBasis,
    LocationSensitivity, NcYear, RiskFlag, Sex, SocialCareStatus, UpnUnknownReason,
};
use crate::ids::{Laestab, NhsNumber, Postcode, Uln, Upn, Uprn, Urn, text as strict};
use crate::instant::FamilyId;

super::silent_debug!(
    Offer,
    Child,
    Circumstances,
    LastSchool,
    LastSeen,
    Contacts,
    StatedBasis,
    BelievedAddress,
    Family
);

/// Siblings that one offer can count.
pub const SIBLINGS_MAX: u8 = 64;

/// Body of an offer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Random.
    pub salt: Salt,
    /// The child.
    pub child: Child,
    /// What is known of the case.
    pub circumstances: Circumstances,
    /// Why this authority has the case: residence, or the school's area.
    pub capacity: Capacity,
    /// Checks already made.
    #[schema(max_items = 256)]
    pub enquiries: Vec<Enquiry>,
    /// Risks to know before anyone calls.
    #[schema(max_items = 256)]
    pub risks: Vec<RiskFlag>,
    /// Whom to ring.
    pub contacts: Contacts,
    /// The law it is shared under.
    #[schema(min_items = 1, max_items = 256)]
    pub legal_basis: Vec<StatedBasis>,
    /// What points to the move.
    #[schema(max_items = 256)]
    pub move_evidence: Vec<Evidence>,
    /// Where the child is believed to be; left out for a restricted child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub believed_address: Option<BelievedAddress>,
    /// Siblings who are offered too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
}

impl Checked for Offer {
    /// Implements: PRV-009
    fn check(&self) -> Result<(), ShapeError> {
        within("/child", &self.child)?;
        within("/circumstances", &self.circumstances)?;
        each("/enquiries", &self.enquiries)?;
        within("/contacts", &self.contacts)?;
        not_empty("/legalBasis", &self.legal_basis)?;
        each("/moveEvidence", &self.move_evidence)?;
        for (index, risk) in self.risks.iter().enumerate() {
            if self.risks[..index].contains(risk) {
                return Err(ShapeError::at(format!("/risks/{index}")));
            }
        }
        // A restricted child's address is told by telephone to a named contact, never written here.
        let restricted = self.circumstances.location_sensitivity != LocationSensitivity::Standard;
        if !restricted && self.risks.contains(&RiskFlag::RestrictedLocation) {
            return Err(ShapeError::at("/circumstances/locationSensitivity"));
        }
        if restricted && self.believed_address.is_some() {
            return Err(ShapeError::at("/believedAddress"));
        }
        self.believed_address.as_ref().map_or(Ok(()), |address| within("/believedAddress", address))?;
        self.family.as_ref().map_or(Ok(()), |family| within("/family", family))
    }
}

/// The child.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Child {
    /// Family name.
    #[schema(min_length = 1, max_length = 4000, example = "Testcase")]
    pub family_name: String,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000, example = "Amina")]
    pub given_name: Option<String>,
    /// Middle names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub middle_names: Option<String>,
    /// Former family names.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    #[schema(max_items = 256)]
    pub former_family_names: Vec<String>,
    /// Other names in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    #[schema(max_items = 256)]
    pub also_known_as: Vec<String>,
    /// Date of birth.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub date_of_birth: Date,
    /// Sex, as on the birth certificate or gender recognition certificate.
    pub sex: Sex,
    /// Unique pupil number; exactly one of this and `upnUnknownReason` is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upn: Option<Upn>,
    /// Why there is no UPN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upn_unknown_reason: Option<UpnUnknownReason>,
    /// UPNs held before.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    #[schema(max_items = 256)]
    pub former_upns: Vec<Upn>,
    /// NHS number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nhs_number: Option<NhsNumber>,
    /// Unique learner number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uln: Option<Uln>,
}

impl Checked for Child {
    fn check(&self) -> Result<(), ShapeError> {
        text("/familyName", &self.family_name)?;
        optional_text("/givenName", self.given_name.as_ref())?;
        optional_text("/middleNames", self.middle_names.as_ref())?;
        for (list, names) in
            [("/formerFamilyNames", &self.former_family_names), ("/alsoKnownAs", &self.also_known_as)]
        {
            for (index, name) in names.iter().enumerate() {
                text(&format!("{list}/{index}"), name)?;
            }
        }
        if self.upn.is_some() == self.upn_unknown_reason.is_some() {
            return Err(ShapeError::at("/upn"));
        }
        Ok(())
    }
}

/// What is known of the case.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Circumstances {
    /// DfE's reason.
    pub reason: CmeReason,
    /// Since when the child misses education; the duration band is computed from it.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub cme_since: Date,
    /// The last school.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_school: Option<LastSchool>,
    /// When and by whom the child was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<LastSeen>,
    /// The last known provision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known_provision: Option<LastKnownProvision>,
    /// National curriculum year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year_group: Option<NcYear>,
    /// Education otherwise than at school, as far as the authority knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_education: Option<EducationOtherwise>,
    /// Whether the place where the child is may be told.
    pub location_sensitivity: LocationSensitivity,
    /// What social care knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub social_care: Option<SocialCareStatus>,
}

impl Checked for Circumstances {
    fn check(&self) -> Result<(), ShapeError> {
        self.last_school.as_ref().map_or(Ok(()), |school| within("/lastSchool", school))?;
        self.last_seen.as_ref().map_or(Ok(()), |seen| text("/lastSeen/by", &seen.by))
    }
}

/// The last school.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastSchool {
    /// Unique reference number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urn: Option<Urn>,
    /// DfE number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub laestab: Option<Laestab>,
    /// Name, for people, and for schools without a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub name: Option<String>,
    /// The last day attended.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::deserialize_date_option"
    )]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_attended: Option<Date>,
    /// Ground on which the name was deleted from the admission register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_ground: Option<DeletionGroundRef>,
}

impl Checked for LastSchool {
    fn check(&self) -> Result<(), ShapeError> {
        if self.urn.is_none() && self.laestab.is_none() && self.name.is_none() {
            return Err(ShapeError::at("/urn"));
        }
        optional_text("/name", self.name.as_ref())
    }
}

/// A sighting.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastSeen {
    /// When.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub on: Date,
    /// The role of who saw the child.
    #[schema(min_length = 1, max_length = 4000, example = "school attendance officer")]
    pub by: String,
}

/// Whom to ring.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contacts {
    /// Who has the case.
    pub officer: Officer,
    /// Who answers out of hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<Officer>,
}

impl Checked for Contacts {
    fn check(&self) -> Result<(), ShapeError> {
        within("/officer", &self.officer)?;
        self.duty.as_ref().map_or(Ok(()), |duty| within("/duty", duty))
    }
}

/// A law, as it stood on a day.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatedBasis {
    /// Which law.
    pub code: LegalBasis,
    /// The day on which it was relied on.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub as_of: Date,
}

/// Where the child is believed to be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BelievedAddress {
    /// What sort of place it is. Alone it says that no better address is known.
    pub address_kind: AddressKind,
    /// Address lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    #[schema(max_items = 256)]
    pub lines: Vec<String>,
    /// Postcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postcode: Option<Postcode>,
    /// Unique property reference number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uprn: Option<Uprn>,
}

impl Checked for BelievedAddress {
    fn check(&self) -> Result<(), ShapeError> {
        self.lines.iter().enumerate().try_for_each(|(index, line)| text(&format!("/lines/{index}"), line))
    }
}

/// Siblings who are offered too.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Family {
    /// The same in each sibling's offer.
    pub group: FamilyId,
    /// How many siblings are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 64)]
    pub siblings: Option<u8>,
}

impl Checked for Family {
    fn check(&self) -> Result<(), ShapeError> {
        let too_many = self.siblings.is_some_and(|siblings| siblings > SIBLINGS_MAX);
        if too_many { Err(ShapeError::at("/siblings")) } else { Ok(()) }
    }
}
