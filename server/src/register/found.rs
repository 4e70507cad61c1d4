//! What an authority's register says to a query.

use cme_matching::{Answer, ChildId, Decision, Field, FieldWeight, Level, Reason, Thresholds};

use crate::store::register::Bearer;

/// The answer of a register, with what must be known before any of it is told.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whether the register knows the child, shielded children counted like any other.
    pub decision: Decision,
    /// What decided.
    pub reason: Reason,
    /// The likeliest children, likeliest first; those too that are not even possible.
    pub candidates: Vec<FoundCandidate>,
}

/// A child of the register beside the query. It has no value of the child but the source's reference.
#[derive(Clone, Debug)]
pub struct FoundCandidate {
    /// Whose child, and whether anybody may learn of it.
    pub bearer: Bearer,
    /// What all fields weigh, in bits.
    pub weight: f32,
    /// Each field.
    pub fields: Vec<FieldWeight>,
    /// Whether this may be the child: a person would have to look.
    pub possible: bool,
}

impl Found {
    /// The answer with its children's bearers; none when the child of a candidate is known no more.
    pub(super) fn of(answer: Answer, bearers: Vec<Bearer>, thresholds: Thresholds) -> Option<Self> {
        if bearers.len() != answer.candidates.len() {
            return None;
        }
        let paid = f64::from(answer.register_bits) + thresholds.possible_bits;
        let with_bearer = |(candidate, bearer): (cme_matching::Candidate, Bearer)| FoundCandidate {
            bearer,
            weight: candidate.weight,
            possible: f64::from(candidate.weight) >= paid || identifier_agrees(&candidate.fields),
            fields: candidate.fields,
        };
        let candidates = answer.candidates.into_iter().zip(bearers).map(with_bearer).collect();
        Some(Self { decision: answer.decision, reason: answer.reason, candidates })
    }
}

impl FoundCandidate {
    /// The child's number.
    pub fn id(&self) -> ChildId {
        self.bearer.id
    }

    /// The fields in which the child agrees with the query.
    pub fn agreed(&self) -> impl Iterator<Item = Field> {
        let agrees = |field: &&FieldWeight| {
            field.field != Field::FullName
                && field.bits > 0.0
                && !matches!(field.level, Level::Missing | Level::Different | Level::Lookalike)
        };
        self.fields.iter().filter(agrees).map(|field| field.field)
    }
}

fn identifier_agrees(fields: &[FieldWeight]) -> bool {
    fields.iter().any(|field| {
        matches!(
            (field.field, field.level),
            (Field::Upn, Level::Exact | Level::Other) | (Field::NhsNumber, Level::Exact)
        )
    })
}
