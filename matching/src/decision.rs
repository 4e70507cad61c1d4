//! From weights to an answer.

use crate::answer::{Decision, Reason};
use crate::compare::Comparison;
use crate::weights::{Field, Level, Thresholds, narrow};

/// The candidate that weighs most, and what stands beside it.
pub(crate) struct Standing<'a> {
    /// The comparison with the first candidate.
    pub(crate) first: &'a Comparison,
    /// Its weight.
    pub(crate) weight: f32,
    /// Weight of the next child that is not the same one over again.
    pub(crate) next_weight: Option<f32>,
    /// Whether an identifier that was asked for is another child's here.
    pub(crate) identifier_is_anothers: bool,
    /// Whether name and date of birth are another child's here.
    pub(crate) person_is_another: bool,
    /// Bits that the size of the register takes.
    pub(crate) register_bits: f32,
}

/// The decision about the first candidate.
pub(crate) fn decide(standing: &Standing<'_>, thresholds: Thresholds) -> (Decision, Reason) {
    let evidence = standing.weight - standing.register_bits;
    let identified = identifier_agrees(standing.first);
    let person_disagrees = identified
        && (person_disagrees(standing.first) || (standing.person_is_another && !is_person(standing.first)));
    if evidence < narrow(thresholds.possible_bits) {
        // An identifier that agrees is never passed over in silence: it may be mistyped here or there.
        return if identified {
            (Decision::Possible, Reason::PersonDisagrees)
        } else if standing.identifier_is_anothers {
            (Decision::Possible, Reason::IdentifierDisagrees)
        } else {
            (Decision::NoMatch, Reason::Weight)
        };
    }
    if person_disagrees {
        return (Decision::Possible, Reason::PersonDisagrees);
    }
    if standing.identifier_is_anothers || (identifier_disagrees(standing.first) && !identified) {
        return (Decision::Possible, Reason::IdentifierDisagrees);
    }
    if evidence < narrow(thresholds.match_bits) {
        return (Decision::Possible, Reason::Weight);
    }
    // A slip leaves a name what it was; a nickname, a second name, or an established name that sounds alike may
    // be a twin's.
    let own_needed = match standing.first.level(Field::GivenName) {
        Level::Exact | Level::Sound | Level::Near | Level::Swapped => f64::NEG_INFINITY,
        Level::Variant => thresholds.variant_bits,
        _ => thresholds.own_bits,
    };
    if own_bits(standing.first) < narrow(own_needed) {
        return (Decision::Possible, Reason::GivenNameUndecided);
    }
    let margin = narrow(thresholds.margin_bits);
    if standing.next_weight.is_some_and(|next| standing.weight - next < margin) {
        return (Decision::Possible, Reason::AnotherAsLikely);
    }
    (Decision::Match, Reason::Weight)
}

/// Whether a unique pupil number, present or former, or the NHS number agrees.
pub(crate) fn identifier_agrees(comparison: &Comparison) -> bool {
    matches!(comparison.level(Field::Upn), Level::Exact | Level::Other)
        || comparison.level(Field::NhsNumber) == Level::Exact
}

fn identifier_disagrees(comparison: &Comparison) -> bool {
    comparison.level(Field::Upn) == Level::Different || comparison.level(Field::NhsNumber) == Level::Different
}

/// Whether given name, family name and date of birth all agree.
pub(crate) fn is_person(comparison: &Comparison) -> bool {
    let named = |field| {
        !matches!(
            comparison.level(field),
            Level::Missing | Level::Different | Level::Lookalike | Level::Initial
        )
    };
    named(Field::GivenName)
        && named(Field::FamilyName)
        && matches!(comparison.level(Field::DateOfBirth), Level::Exact | Level::Swapped)
}

/// What twins do not share.
fn own_bits(comparison: &Comparison) -> f32 {
    let own = [Field::GivenName, Field::MiddleNames, Field::Sex, Field::Upn, Field::NhsNumber];
    own.into_iter().map(|field| comparison.bits[field as usize]).sum()
}

/// Whether two of given name, family name and date of birth differ: the identifier is then another child's,
/// or the rest is.
fn person_disagrees(comparison: &Comparison) -> bool {
    let differs = |field| matches!(comparison.level(field), Level::Different | Level::Lookalike);
    let differing = [Field::GivenName, Field::FamilyName, Field::DateOfBirth];
    differing.into_iter().filter(|&field| differs(field)).count() >= 2
}
