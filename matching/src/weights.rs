//! How much each level of agreement weighs.
//!
//! For a field at a level, `m` is the share of pairs of one child that reach it, `u` the share of pairs of
//! two different children. The level weighs log2(m/u) bits (Fellegi and Sunter, *A theory for record
//! linkage*, 1969). A field that one side does not have weighs nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const DEFAULT: &str = include_str!("../data/weights.json");

/// Ends a logarithm of nought.
const PROBABILITY_MIN: f64 = 1e-9;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Field {
    /// Given name.
    GivenName,
    /// Middle names.
    MiddleNames,
    /// Family name.
    FamilyName,
    /// Given and family name together: what they weigh less because children here who bear one of them tend
    /// to bear the other too.
    FullName,
    /// Date of birth.
    DateOfBirth,
    /// Sex.
    Sex,
    /// Unique pupil number.
    Upn,
    /// NHS number.
    NhsNumber,
    /// Postcode.
    Postcode,
}

/// How far two values of a field agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// The same once written in one form.
    Exact,
    /// One name stands for the other: a nickname.
    Nickname,
    /// One name is a part of the other: one of several given names, half of a double surname.
    Part,
    /// Spelt differently, sounds alike, and one of the two is no established name here: a transliteration.
    Sound,
    /// Spelt differently, sounds alike, and both are established names here: Mohammed and Muhammad, but also
    /// Holly and Hailey.
    Variant,
    /// A slip of the hand away.
    Near,
    /// Agrees with a former name, another name in use, a middle name, or a former number.
    Other,
    /// Agrees with the other name, or with the day as month and the month as day.
    Swapped,
    /// The same initial, where one side has no more.
    Initial,
    /// Year and month agree, no day on one side.
    YearAndMonth,
    /// The year agrees, no month on one side.
    Year,
    /// Same district of a post town.
    District,
    /// Different, and one of the two numbers is temporary.
    Temporary,
    /// Alike, but both are established names here, or each has a part that the other lacks: rather two
    /// children than one name.
    Lookalike,
    /// Borne together by more children than chance would have it.
    Common,
    /// Different.
    Different,
    /// Missing on one side.
    Missing,
}

pub(crate) const FIELDS: usize = 9;
const LEVELS: usize = 17;

use Field::{DateOfBirth, FamilyName, FullName, GivenName, MiddleNames, NhsNumber, Postcode, Sex, Upn};
use Level::{
    Different, District, Exact, Initial, Lookalike, Near, Nickname, Other, Part, Sound, Swapped, Temporary,
    Variant, Year, YearAndMonth,
};

impl Field {
    /// Every field, in the order of an explanation.
    pub const ALL: [Self; FIELDS] =
        [GivenName, MiddleNames, FamilyName, FullName, DateOfBirth, Sex, Upn, NhsNumber, Postcode];

    /// Levels that have a weight of their own, best first.
    pub const fn levels(self) -> &'static [Level] {
        match self {
            GivenName => {
                &[Exact, Nickname, Part, Sound, Variant, Near, Other, Swapped, Initial, Lookalike, Different]
            }
            MiddleNames => &[Exact, Part, Sound, Variant, Near, Initial, Different],
            FamilyName => &[Exact, Part, Sound, Variant, Near, Other, Initial, Lookalike, Different],
            FullName => &[],
            DateOfBirth => &[Exact, Swapped, YearAndMonth, Near, Year, Different],
            Sex => &[Exact, Different],
            Upn => &[Exact, Other, Near, Temporary, Different],
            NhsNumber => &[Exact, Near, Different],
            Postcode => &[Exact, District, Different],
        }
    }
}

/// Share of pairs that reach a level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Of pairs of one child.
    pub m: f64,
    /// Of pairs of two children.
    pub u: f64,
}

impl Shares {
    fn bits(self) -> f64 {
        (self.m.max(PROBABILITY_MIN) / self.u.max(PROBABILITY_MIN)).log2()
    }
}

/// Where one answer ends and the next begins. The first two are in bits of evidence that is left once the
/// size of the register is paid for: 0 is an even chance if the child is known to be in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// A match has at least so much.
    pub match_bits: f64,
    /// A possible match has at least so much.
    pub possible_bits: f64,
    /// A match is ahead of every other child by at least so much.
    pub margin_bits: f64,
    /// What twins do not share, names of their own, sex and identifiers, weighs at least so much in a match
    /// of which the given name is not the same but for a slip, or its place.
    pub own_bits: f64,
    /// The same where the given name is an established one that sounds the same.
    pub variant_bits: f64,
}

/// Weights and thresholds, as they are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Weights {
    /// What they were estimated from.
    pub source: String,
    /// Shares by field and level.
    pub fields: BTreeMap<Field, BTreeMap<Level, Shares>>,
    /// Thresholds.
    pub thresholds: Thresholds,
}

/// Weights that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Not of the form.
    #[error("not weights: {0}")]
    Form(#[from] serde_json::Error),
    /// A level has no shares.
    #[error("no shares for {0:?} at {1:?}")]
    LevelMissing(Field, Level),
    /// Shares that are no shares.
    #[error("shares of {0:?} at {1:?} are not between 0 and 1")]
    OutOfRange(Field, Level),
    /// Thresholds that leave no room between them.
    #[error(
        "thresholds: a match must have at least as many bits as a possible match, and all must be finite"
    )]
    Thresholds,
}

impl Weights {
    /// The weights that this version ships, estimated from invented children (`data/README.md`).
    #[expect(clippy::missing_panics_doc, reason = "the shipped weights are tested")]
    pub fn shipped() -> Self {
        Self::from_json(DEFAULT).expect("the shipped weights are tested")
    }

    /// Reads weights.
    pub fn from_json(text: &str) -> Result<Self, WeightsError> {
        let weights: Self = serde_json::from_str(text)?;
        Table::new(&weights)?;
        Ok(weights)
    }

    /// Writes them as [`Weights::from_json`] reads them.
    #[expect(clippy::missing_panics_doc, reason = "names and numbers always have a JSON form")]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("names and numbers have a JSON form");
        text.push('\n');
        text
    }
}

/// Weights ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    bits: [[f32; LEVELS]; FIELDS],
    exact_u: [f32; FIELDS],
    pub(crate) thresholds: Thresholds,
}

impl Table {
    pub(crate) fn new(weights: &Weights) -> Result<Self, WeightsError> {
        let Thresholds { match_bits, possible_bits, margin_bits, own_bits, variant_bits } =
            weights.thresholds;
        let all = [match_bits, possible_bits, margin_bits, own_bits, variant_bits];
        let finite = all.iter().all(|bits| bits.is_finite());
        if !finite || match_bits < possible_bits || margin_bits < 0.0 {
            return Err(WeightsError::Thresholds);
        }
        let mut table =
            Self { bits: [[0.0; LEVELS]; FIELDS], exact_u: [1.0; FIELDS], thresholds: weights.thresholds };
        for field in Field::ALL {
            for &level in field.levels() {
                let shares = weights.fields.get(&field).and_then(|levels| levels.get(&level));
                let shares = *shares.ok_or(WeightsError::LevelMissing(field, level))?;
                if !(0.0..=1.0).contains(&shares.m) || !(0.0..=1.0).contains(&shares.u) {
                    return Err(WeightsError::OutOfRange(field, level));
                }
                table.bits[field as usize][level as usize] = narrow(shares.bits());
                if level == Exact {
                    table.exact_u[field as usize] = narrow(shares.u.max(PROBABILITY_MIN));
                }
            }
        }
        // What a swapped name is worth is the name's rarity, less how seldom names are swapped: by chance, a
        // given name is found in the family name's place too seldom to be counted.
        if let Some(swapped) = weights.fields.get(&GivenName).and_then(|levels| levels.get(&Swapped)) {
            let u = f64::from(table.exact_u(GivenName));
            table.bits[GivenName as usize][Swapped as usize] = narrow(Shares { m: swapped.m, u }.bits());
        }
        // The family name was swapped exactly when the given name was, which the given name's weight says.
        table.bits[FamilyName as usize][Swapped as usize] = table.bits[FamilyName as usize][Exact as usize];
        Ok(table)
    }

    /// What a field weighs at a level, before the frequency of the value.
    pub(crate) const fn bits(&self, field: Field, level: Level) -> f32 {
        self.bits[field as usize][level as usize]
    }

    /// How often two children agree exactly in a field, on average.
    pub(crate) const fn exact_u(&self, field: Field) -> f32 {
        self.exact_u[field as usize]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "weights need three digits")]
pub(crate) const fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_weights_are_complete_and_survive_writing() {
        let weights = Weights::shipped();
        assert_eq!(Weights::from_json(&weights.to_json()).unwrap(), weights);
        let table = Table::new(&weights).unwrap();
        for field in Field::ALL.into_iter().filter(|&field| field != FullName) {
            assert!(table.bits(field, Exact) > 0.0, "{field:?}");
            assert!(table.bits(field, Different) < 0.0, "{field:?}");
            assert!(table.bits(field, Level::Missing).abs() < f32::EPSILON, "{field:?}");
        }
    }

    #[test]
    fn refuses_weights_with_a_level_left_out() {
        let mut weights = Weights::shipped();
        weights.fields.get_mut(&Upn).unwrap().remove(&Temporary);
        let refused = Weights::from_json(&weights.to_json());
        assert!(matches!(refused, Err(WeightsError::LevelMissing(Upn, Temporary))), "{refused:?}");
    }

    #[test]
    fn refuses_shares_and_thresholds_that_are_none() {
        let mut weights = Weights::shipped();
        weights.fields.get_mut(&Sex).unwrap().insert(Exact, Shares { m: 1.5, u: 0.5 });
        assert!(matches!(Table::new(&weights), Err(WeightsError::OutOfRange(Sex, Exact))));
        let mut weights = Weights::shipped();
        weights.thresholds.possible_bits = weights.thresholds.match_bits + 1.0;
        assert!(matches!(Table::new(&weights), Err(WeightsError::Thresholds)));
    }
}
