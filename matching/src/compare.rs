//! A query beside one child of the register: how far each field agrees, and what that weighs.

mod date;
mod name;

use std::cell::RefCell;
use std::collections::HashMap;

use crate::names::{Names, Role, TokenId};
use crate::probe::Probe;
use crate::rows::{Extras, Having, Stored};
use crate::weights::{FIELDS, Field, Level, Table, narrow};
use name::NameMatch;

/// A level for each field.
pub(crate) type Levels = [Level; FIELDS];

/// How far each field agrees, what each weighs, and all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    pub(crate) levels: Levels,
    pub(crate) bits: [f32; FIELDS],
}

impl Comparison {
    pub(crate) const fn level(&self, field: Field) -> Level {
        self.levels[field as usize]
    }

    pub(crate) fn weight(&self) -> f32 {
        self.bits.iter().sum()
    }
}

/// How many children here share a value that was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sharers {
    pub(crate) date: u32,
    pub(crate) postcode: u32,
}

/// Children that a frequency measured here has to outweigh: with fewer, the average frequency counts.
const AVERAGE_CHILDREN: f32 = 500.0;

/// What rarity is counted among.
pub(crate) struct Counts<'a> {
    /// All children of the register.
    pub(crate) children: u32,
    /// Those who have a value, by field.
    pub(crate) having: &'a Having,
    /// Those who share the query's values.
    pub(crate) sharers: Sharers,
}

/// Compares one query with many children.
pub(crate) struct Comparer<'a> {
    probe: &'a Probe,
    names: &'a Names,
    table: &'a Table,
    counts: Counts<'a>,
    /// Tokens of the query beside tokens of the register, whose letters were once compared: many children of
    /// one block bear one name.
    spelt: RefCell<HashMap<(usize, TokenId, Role), Level>>,
}

impl<'a> Comparer<'a> {
    pub(crate) fn new(probe: &'a Probe, names: &'a Names, table: &'a Table, counts: Counts<'a>) -> Self {
        Self { probe, names, table, counts, spelt: RefCell::default() }
    }

    /// The comparison with a child of the register.
    pub(crate) fn compare(&self, row: &Stored, extras: Option<&Extras>) -> Comparison {
        let mut levels = [Level::Missing; FIELDS];
        let mut rarity = [0.0; FIELDS];
        let (given, family) = self.names_of(row, extras);
        for (field, found) in [(Field::GivenName, given), (Field::FamilyName, family)] {
            levels[field as usize] = found.level;
            rarity[field as usize] = self.rarity(field, found.children) * share_of_rarity(found.level);
        }
        // A middle name that stood in for the given name has said what it has to say.
        if given.level != Level::Other {
            let middle = self.middle(row);
            levels[Field::MiddleNames as usize] = middle.level;
            rarity[Field::MiddleNames as usize] =
                self.rarity(Field::MiddleNames, middle.children) * share_of_rarity(middle.level);
        }
        levels[Field::DateOfBirth as usize] = date::level(self.probe.date, row.date());
        levels[Field::Sex as usize] = plain(self.probe.sex, row.sex(), |one, other| one == other);
        levels[Field::Upn as usize] = self.upn(row, extras);
        levels[Field::NhsNumber as usize] = match (self.probe.nhs_number, row.nhs_number()) {
            (Some(one), Some(other)) if one.is_near(other) => Level::Near,
            (one, other) => plain(one, other, |one, other| one == other),
        };
        levels[Field::Postcode as usize] = match (self.probe.postcode, row.postcode()) {
            (Some(one), Some(other)) if one != other && one.is_same_district(other) => Level::District,
            (one, other) => plain(one, other, |one, other| one == other),
        };
        for (field, sharers) in
            [(Field::DateOfBirth, self.counts.sharers.date), (Field::Postcode, self.counts.sharers.postcode)]
        {
            if levels[field as usize] == Level::Exact {
                rarity[field as usize] = self.rarity(field, sharers);
            }
        }
        let mut bits = [0.0; FIELDS];
        for field in Field::ALL {
            bits[field as usize] = self.table.bits(field, levels[field as usize]) + rarity[field as usize];
        }
        Comparison { levels, bits }
    }

    /// What agreement on a value weighs more than on average, because few children here share it.
    fn rarity(&self, field: Field, sharers: u32) -> f32 {
        let average = self.table.exact_u(field);
        (average / self.frequency(field, sharers)).log2()
    }

    fn frequency(&self, field: Field, sharers: u32) -> f32 {
        let average = self.table.exact_u(field);
        let having = real(self.counts.having.of(field));
        (real(sharers) + AVERAGE_CHILDREN * average) / (having + AVERAGE_CHILDREN)
    }

    /// What the full name weighs less, because `bearers` children here bear both names, more than chance
    /// would have it.
    pub(crate) fn full_name_bits(&self, row: &Stored, bearers: u32) -> f32 {
        let of = |phrase, role: Role| self.names.joined(phrase).children[role as usize];
        let given = self.frequency(Field::GivenName, of(row.given, Role::Given));
        let family = self.frequency(Field::FamilyName, of(row.family, Role::Family));
        let expected = given * family * real(self.counts.children);
        let others = real(bearers.saturating_sub(1));
        ((expected + 0.5) / (others + 0.5)).log2().min(0.0)
    }

    fn names_of(&self, row: &Stored, extras: Option<&Extras>) -> (NameMatch, NameMatch) {
        let probe = self.probe;
        let mut given = self.name(&probe.given, row.given, Role::Given);
        let mut family = self.name(&probe.family, row.family, Role::Family);
        if given.is_weak() && family.is_weak() {
            let crossed = self.name(&probe.given, row.family, Role::Family);
            let back = self.name(&probe.family, row.given, Role::Given);
            if crossed.is_strong() && back.is_strong() {
                // Whoever wrote them the wrong way round made two rare names of two that may be common.
                let bearers = |place: usize, held: NameMatch| {
                    let children = probe.tokens[place].token.children;
                    NameMatch {
                        level: Level::Swapped,
                        children: held.children.max(children[0]).max(children[1]),
                    }
                };
                return (bearers(probe.family.joined, back), bearers(probe.given.joined, crossed));
            }
        }
        if given.is_weak() {
            let stored = extras.iter().flat_map(|extras| &extras.given).copied();
            let mut other = NameMatch::MISSING;
            for phrase in std::iter::once(row.middle).chain(stored) {
                other = other.better(self.name(&probe.given, phrase, Role::Given));
            }
            for name in std::iter::once(&probe.middle).chain(&probe.other_given) {
                other = other.better(self.name(name, row.given, Role::Given));
            }
            given = given.or_other(other);
        }
        if family.is_weak() {
            let mut other = NameMatch::MISSING;
            for &phrase in extras.iter().flat_map(|extras| &extras.family) {
                other = other.better(self.name(&probe.family, phrase, Role::Family));
            }
            for name in &probe.other_family {
                other = other.better(self.name(name, row.family, Role::Family));
            }
            family = family.or_other(other);
        }
        (given, family)
    }

    fn middle(&self, row: &Stored) -> NameMatch {
        let found = self.name(&self.probe.middle, row.middle, Role::Middle);
        match found.level {
            Level::Nickname => found.at(Level::Variant),
            Level::Lookalike => found.at(Level::Different),
            _ => found,
        }
    }

    fn upn(&self, row: &Stored, extras: Option<&Extras>) -> Level {
        let stored = row.upn();
        let former = extras.map_or(&[][..], |extras| &extras.former_upns);
        let asked = self.probe.upn;
        let (Some(one), Some(other)) = (asked, stored) else {
            let was_asked = asked.is_some_and(|upn| former.contains(&upn));
            let is_former = stored.is_some_and(|upn| self.probe.former_upns.contains(&upn));
            return if was_asked || is_former { Level::Other } else { Level::Missing };
        };
        if one == other {
            Level::Exact
        } else if former.contains(&one) || self.probe.former_upns.contains(&other) {
            Level::Other
        } else if one.is_temporary() || other.is_temporary() {
            Level::Temporary
        } else if one.is_near(other) {
            Level::Near
        } else {
            Level::Different
        }
    }
}

fn plain<T>(one: Option<T>, other: Option<T>, agree: impl Fn(&T, &T) -> bool) -> Level {
    match (one, other) {
        (Some(one), Some(other)) if agree(&one, &other) => Level::Exact,
        (Some(_), Some(_)) => Level::Different,
        _ => Level::Missing,
    }
}

/// How much of a name's rarity counts: all of it where the name agrees in whatever spelling.
const fn share_of_rarity(level: Level) -> f32 {
    match level {
        Level::Exact
        | Level::Nickname
        | Level::Part
        | Level::Sound
        | Level::Variant
        | Level::Near
        | Level::Other
        | Level::Swapped => 1.0,
        _ => 0.0,
    }
}

fn real(count: u32) -> f32 {
    narrow(f64::from(count))
}
