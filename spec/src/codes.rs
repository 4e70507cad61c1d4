//! Code lists: every closed set of words that an entry may use, with the label people read and where it comes
//! from.
//!
//! A list is an enum made by one macro, so that its codes, labels, sources, JSON form and schema cannot
//! disagree. [`catalogue`] gives them all as data. Lists that the Department for Education publishes keep its
//! labels word for word; the kebab-case codes for them are this protocol's. A source that ends in
//! "unconfirmed" was not read in an original.
//!
//! What is absent is meant: no list by which a case ends has a word for "checks found nothing".

use crate::ids::text;

mod circumstances;
mod cme_reason;
mod deletion_ground;
mod duration_band;
mod enquiry;
mod legal_basis;
mod movement;
mod outcome;
mod pupil;
mod query;
mod safeguarding;
mod status_rule;
mod transfer;

pub use circumstances::{AreaResidence, EducationOtherwise, PlaceSought, SchoolRegistration, Whereabouts};
pub use cme_reason::CmeReason;
pub use deletion_ground::{DeletionGround, DeletionGroundError, DeletionGroundRef, DeletionRegulations};
pub use duration_band::DurationBand;
pub use enquiry::{EnquiryCheck, EnquiryResult};
pub use legal_basis::{InForce, LegalBasis};
pub use movement::{AddressKind, MoveEvidence, ResidenceKind};
pub use outcome::{LeftEnglandDestination, LeftEnglandEvidence, OtherProvisionKind, OutcomeKind};
pub use pupil::{LastKnownProvision, NcYear, Sex, UpnUnknownReason};
pub use query::{AnswerOutcome, MatchedField, NoticeDisposition, NoticeKind, QueryPurpose};
pub use safeguarding::{LocationSensitivity, RiskFlag, SocialCareStatus};
pub use status_rule::{CmeRule, NotCmeRule};
pub use transfer::{Capacity, ClockClass, DeclineReason, InformationTopic, UpholdReason, WithdrawReason};

/// Source of the lists that this protocol defines itself.
const THIS_PROTOCOL: &str = "CME transfer protocol, version 1";

/// Source of the lists whose labels are the Department for Education's.
const DFE_DATA_DICTIONARY: &str = "DfE, data dictionary of published statistics (dfe-analytical-services/dfe-published-data-qa, data/data-dictionary.csv, bcc7ca543e7f); labels are DfE's, codes are this protocol's";

/// A text is none of a list's codes. Names the list, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("not a code of the list {list}")]
pub struct UnknownCode {
    /// Name of the list, as in the schema.
    pub list: &'static str,
}

/// What every code list can do, for code that works on all of them.
pub trait CodeList: Copy + 'static {
    /// Name of the list, as in the schema.
    const NAME: &'static str;
    /// Every code, in the order of the list.
    const ALL: &'static [Self];
    /// The word on the wire.
    fn code(self) -> &'static str;
    /// What people read.
    fn label(self) -> &'static str;
    /// Where the code and its label come from.
    fn source(self) -> &'static str;

    /// The list as data.
    fn listing() -> CodeListing {
        let entries = Self::ALL
            .iter()
            .map(|&code| CodeEntry { code: code.code(), label: code.label(), source: code.source() })
            .collect();
        CodeListing { name: Self::NAME, entries }
    }
}

/// One code list as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeListing {
    /// Name of the list, as in the schema.
    pub name: &'static str,
    /// Its codes, in order.
    pub entries: Vec<CodeEntry>,
}

/// One code of a list as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeEntry {
    /// The word on the wire.
    pub code: &'static str,
    /// What people read.
    pub label: &'static str,
    /// Where the code and its label come from.
    pub source: &'static str,
}

/// The code that a JSON string holds; no error repeats the string.
pub(crate) fn deserialize_code<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr<Err = UnknownCode>,
{
    text::deserialize(deserializer, str::parse)
}

/// Schema of a list: a string enum whose description gives the label of each code.
pub(crate) fn code_list_schema<T: CodeList>(
    summary: &str,
) -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
    let mut description = summary.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    for code in T::ALL {
        description.push_str("\n- `");
        description.push_str(code.code());
        description.push_str("`: ");
        description.push_str(code.label());
    }
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(T::ALL.iter().map(|code| code.code())))
        .description(Some(description))
        .into()
}

/// Makes an enum of a documented list of `Variant = "code", "label";` lines. A line may name a source of its
/// own.
macro_rules! code_list {
    (@source $list:expr) => { $list };
    (@source $list:expr, $own:expr) => { $own };
    (
        $(#[doc = $doc:literal])+
        $name:ident, source: $source:expr;
        $( $variant:ident = $code:literal, $label:literal $(, source: $own:expr)? ; )+
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( #[doc = $label] $variant, )+
        }

        impl $name {
            /// Every code, in the order of the list.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The word on the wire.
            pub const fn code(self) -> &'static str {
                match self { $( Self::$variant => $code, )+ }
            }

            /// What people read.
            pub const fn label(self) -> &'static str {
                match self { $( Self::$variant => $label, )+ }
            }

            /// Where the code and its label come from.
            pub const fn source(self) -> &'static str {
                match self { $( Self::$variant => $crate::codes::code_list!(@source $source $(, $own)?), )+ }
            }
        }

        impl $crate::codes::CodeList for $name {
            const NAME: &'static str = stringify!($name);
            const ALL: &'static [Self] = Self::ALL;

            fn code(self) -> &'static str {
                Self::code(self)
            }

            fn label(self) -> &'static str {
                Self::label(self)
            }

            fn source(self) -> &'static str {
                Self::source(self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::codes::UnknownCode;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $( $code => Ok(Self::$variant), )+
                    _ => Err($crate::codes::UnknownCode { list: stringify!($name) }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.code())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::codes::deserialize_code(deserializer)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $crate::codes::code_list_schema::<Self>(concat!($($doc, "\n"),+))
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }
    };
}

pub(crate) use code_list;

/// Every code list, for documents that print them and tests that hold of all.
pub fn catalogue() -> Vec<CodeListing> {
    vec![
        AddressKind::listing(),
        AnswerOutcome::listing(),
        AreaResidence::listing(),
        Capacity::listing(),
        ClockClass::listing(),
        CmeReason::listing(),
        CmeRule::listing(),
        DeclineReason::listing(),
        DeletionGround::listing(),
        DeletionRegulations::listing(),
        DurationBand::listing(),
        EducationOtherwise::listing(),
        EnquiryCheck::listing(),
        EnquiryResult::listing(),
        InformationTopic::listing(),
        LastKnownProvision::listing(),
        LeftEnglandDestination::listing(),
        LeftEnglandEvidence::listing(),
        LegalBasis::listing(),
        LocationSensitivity::listing(),
        MatchedField::listing(),
        MoveEvidence::listing(),
        NcYear::listing(),
        NotCmeRule::listing(),
        NoticeDisposition::listing(),
        NoticeKind::listing(),
        OtherProvisionKind::listing(),
        OutcomeKind::listing(),
        PlaceSought::listing(),
        QueryPurpose::listing(),
        ResidenceKind::listing(),
        RiskFlag::listing(),
        SchoolRegistration::listing(),
        Sex::listing(),
        SocialCareStatus::listing(),
        UpholdReason::listing(),
        UpnUnknownReason::listing(),
        Whereabouts::listing(),
        WithdrawReason::listing(),
    ]
}

#[cfg(test)]
mod tests;
