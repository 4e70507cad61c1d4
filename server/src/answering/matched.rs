//! From a query's subject to the register's question, and from what the register says to an answer.

use cme_matching::{Child, ChildId, Decision, Field, Level, Sex as KnownSex};
use cme_spec::codes::{AnswerOutcome, MatchedField, Sex};
use cme_spec::query::Subject;

use crate::register::{FoundCandidate, Look};

/// The subject as a register is asked for it.
pub fn child_of(subject: &Subject) -> Child {
    let mut upns = subject.upns.iter().map(ToString::to_string);
    Child {
        given_name: subject.given_name.clone(),
        middle_names: subject.middle_names.clone(),
        family_name: Some(subject.family_name.clone()),
        former_family_names: subject.former_family_names.clone(),
        also_known_as: subject.also_known_as.clone(),
        date_of_birth: subject.date_of_birth.as_ref().and_then(|date| date.to_string().parse().ok()),
        sex: match subject.sex {
            Sex::Female => Some(KnownSex::Female),
            Sex::Male => Some(KnownSex::Male),
            Sex::Unknown => None,
        },
        upn: upns.next(),
        former_upns: upns.collect(),
        nhs_number: subject.nhs_number.as_ref().map(ToString::to_string),
        postcode: subject.last_postcode.as_ref().map(ToString::to_string),
    }
}

/// The fields of a query in which a child of the register agrees, of those that the query has.
///
/// Where none agrees as the text has it, those are named that agree but for a slip. Implements: QRY-007, QRY-008
pub fn fields_of(candidate: &FoundCandidate, asked: &[MatchedField]) -> Vec<MatchedField> {
    let level = |field: Field| {
        let found = candidate.fields.iter().find(|found| found.field == field);
        found.map_or(Level::Missing, |found| found.level)
    };
    let (given, family) = (level(Field::GivenName), level(Field::FamilyName));
    let same = |level: Level| {
        matches!(
            level,
            Level::Exact | Level::Nickname | Level::Part | Level::Sound | Level::Variant | Level::Near
        ) || level == Level::Swapped
    };
    let named = |level: Level| same(level) || level == Level::Other;
    let agrees = |field: &MatchedField| match field {
        MatchedField::Name => same(family) && (same(given) || given == Level::Missing),
        MatchedField::OtherName => {
            (family == Level::Other && (named(given) || given == Level::Missing))
                || (given == Level::Other && named(family))
        }
        MatchedField::DateOfBirth => {
            matches!(level(Field::DateOfBirth), Level::Exact | Level::YearAndMonth | Level::Year)
        }
        MatchedField::Sex => level(Field::Sex) == Level::Exact,
        MatchedField::Upn => matches!(level(Field::Upn), Level::Exact | Level::Other),
        MatchedField::NhsNumber => level(Field::NhsNumber) == Level::Exact,
        MatchedField::Postcode => level(Field::Postcode) == Level::Exact,
    };
    let strict: Vec<MatchedField> = asked.iter().copied().filter(agrees).collect();
    if strict.is_empty() { loosely(candidate, asked) } else { strict }
}

/// The fields that weigh for a child at all.
fn loosely(candidate: &FoundCandidate, asked: &[MatchedField]) -> Vec<MatchedField> {
    let mut fields: Vec<MatchedField> = candidate
        .agreed()
        .filter_map(|field| match field {
            Field::GivenName | Field::MiddleNames | Field::FamilyName => Some(MatchedField::Name),
            Field::DateOfBirth => Some(MatchedField::DateOfBirth),
            Field::Sex => Some(MatchedField::Sex),
            Field::Upn => Some(MatchedField::Upn),
            Field::NhsNumber => Some(MatchedField::NhsNumber),
            Field::Postcode => Some(MatchedField::Postcode),
            Field::FullName => None,
        })
        .filter(|field| asked.contains(field))
        .collect();
    fields.dedup();
    fields
}

/// A child of the register that may be the one.
#[derive(Clone, Debug)]
pub struct Met {
    /// Which.
    pub child: ChildId,
    /// The fields that agree.
    pub fields: Vec<MatchedField>,
}

/// What is answered, and what is not told.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What is answered.
    pub outcome: AnswerOutcome,
    /// The fields that agree with the likeliest child.
    pub matched_on: Vec<MatchedField>,
    /// The children of whom others may learn who are, or may be, the one; the likeliest first.
    pub met: Vec<Met>,
    /// The shielded children who may be the one.
    pub shielded: Vec<Met>,
}

impl Finding {
    /// Nobody was met.
    pub fn nothing(outcome: AnswerOutcome) -> Self {
        Self { outcome, matched_on: Vec::new(), met: Vec::new(), shielded: Vec::new() }
    }

    /// The answer of a register: of a child who matches, of children who may, or of none that may be told.
    pub fn of(look: &Look, asked: &[MatchedField]) -> Self {
        let met =
            |candidate: &FoundCandidate| Met { child: candidate.id(), fields: fields_of(candidate, asked) };
        let possible = look.open.candidates.iter().filter(|candidate| candidate.possible);
        let (outcome, count) = match look.open.decision {
            Decision::Match => (AnswerOutcome::Known, 1),
            Decision::Possible => (AnswerOutcome::Possible, usize::MAX),
            Decision::NoMatch => (AnswerOutcome::NotKnown, 0),
        };
        let open: Vec<Met> = possible.take(count).map(met).filter(|met| !met.fields.is_empty()).collect();
        let shielded = look.shielded.iter().map(met).collect();
        match open.first() {
            Some(first) => Self { outcome, matched_on: first.fields.clone(), met: open, shielded },
            None => Self { shielded, ..Self::nothing(AnswerOutcome::NotKnown) },
        }
    }
}
