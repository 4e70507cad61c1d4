//! What a query is answered, and why.

use serde::{Deserialize, Serialize};

use crate::weights::{Field, Level};

/// Children that an answer names at most.
pub const CANDIDATES_MAX: usize = 10;

/// The place of a child in the register that the caller keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChildId(pub u64);

/// Whether a register knows a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// The first candidate is the child.
    Match,
    /// A person has to look.
    Possible,
    /// No child here is likely to be the one.
    NoMatch,
}

/// Why a candidate that weighs enough for a match is only a possible one, or why none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The weight alone decided.
    Weight,
    /// The person agrees; a unique pupil number or NHS number of the two does not, and none does, or it is
    /// another child's here.
    IdentifierDisagrees,
    /// An identifier agrees; the name or the date of birth does not, or is another child's here.
    PersonDisagrees,
    /// The given name, and what else a twin does not share, is missing, differs, or says too little: a family
    /// name, a date of birth and a postcode do not decide between twins.
    GivenNameUndecided,
    /// Another child here is nearly as likely.
    AnotherAsLikely,
}

/// A field of a candidate: how far it agrees, and what that weighs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldWeight {
    /// Field.
    pub field: Field,
    /// Level of agreement.
    pub level: Level,
    /// Weight in bits; nought if missing.
    pub bits: f32,
}

/// A child of the register beside the query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Which child.
    pub id: ChildId,
    /// What all fields weigh, in bits.
    pub weight: f32,
    /// Each field, for whoever has to explain the answer. It names no value.
    pub fields: Vec<FieldWeight>,
}

/// The answer to a query. It names no value of the query or the register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Whether the register knows the child.
    pub decision: Decision,
    /// What decided.
    pub reason: Reason,
    /// Bits that the size of the register takes: so much has to be weighed up before a child is as likely as
    /// not.
    pub register_bits: f32,
    /// The likeliest children, likeliest first, at most [`CANDIDATES_MAX`]; those that are not even possible
    /// are named too, so that thresholds can be judged.
    pub candidates: Vec<Candidate>,
}
