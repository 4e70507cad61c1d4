//! Weights estimated from data, without knowing which pairs are one child.
//!
//! `u` is counted on pairs drawn without regard to whether they agree, which are two different children. `m` is
//! found by expectation-maximisation (Dempster, Laird and Rubin, 1977; for record linkage Winkler, 1988) on the
//! likeliest candidates of real queries. A query has one answer or none, so its candidates share one probability
//! with "not here": from the present weights each gets its part, from the parts new shares are counted, and so
//! on until they stand still. (Estimating candidates one by one, the textbook's way, takes brothers and sisters
//! for a class of their own and calls them matches.) The evidence that a value's rarity gives is kept as it was
//! found; after a large change of weights, observe and estimate once more.
//!
//! ```
//! # use cme_matching::{Child, Register, Weights, estimate::Observations};
//! # let register = Register::new(&Weights::shipped())?;
//! # let queries: Vec<Child> = vec![];
//! let mut observations = Observations::default();
//! observations.add(&register, &queries);
//! let estimate = observations.estimate(&Weights::shipped(), "12 000 queries of 2026");
//! println!("{}", estimate.weights.to_json());
//! # Ok::<(), cme_matching::WeightsError>(())
//! ```
//!
//! The example program `estimate_weights` does this with two files.

use std::collections::BTreeMap;

use crate::answer::ChildId;
use crate::child::Child;
use crate::compare::Levels;
use crate::register::Register;
use crate::weights::{FIELDS, Field, Level, Shares, Weights};

/// Likeliest candidates of a query that are observed: the child, if it is there, and those who resemble it.
const CANDIDATES_OF_QUERY: usize = 5;

/// Children that are taken for strangers to a query, evenly spread over the register.
const STRANGERS_OF_QUERY: usize = 100;

/// Places from the strangers of one query to those of the next: a prime, so that all children have their turn.
const STRIDE: usize = 7_919;

/// Rounds of expectation-maximisation, at most.
const ROUNDS_MAX: usize = 200;

/// Share of the queries whose child is here: to begin with, and the least there can be.
const KNOWN_SHARE_AT_FIRST: f64 = 0.5;
const KNOWN_SHARE_MIN: f64 = 1e-6;

/// Change of a share between two rounds that no longer counts.
const STANDSTILL: f64 = 1e-6;

/// Pairs that the present shares count for, so that a level that was hardly observed keeps its share.
const PRIOR_PAIRS: f64 = 20.0;

/// No share is smaller: what was not seen in a sample can still happen.
const M_MIN: f64 = 5e-4;
/// Numbers are written down for other people.
const U_MIN: f64 = 1e-7;

/// Pairs of one child that have to show a level before its shares are estimated. The present ones stay until
/// then, because a share of what was not seen says nothing.
const PAIRS_MIN: f64 = 5.0;

/// Digits of a share that are worth writing down.
const SHARE_DIGITS: usize = 4;

/// Pairs of strangers that the present shares count for; agreement on an identifier is hardly seen among them,
/// and is none the less possible.
const PRIOR_STRANGERS: f64 = 1_000.0;

/// What was seen of queries, and of pairs of two children.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    queries: Vec<Observed>,
    strangers: BTreeMap<Levels, u64>,
}

/// The likeliest candidates of one query.
#[derive(Clone, Debug)]
struct Observed {
    /// Children it was asked of.
    children: f64,
    /// Levels, and bits beyond those of the levels: how rare the values are.
    candidates: Vec<(Levels, f64)>,
}

/// Estimated weights, and how they came about.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// Weights, with the thresholds that were there before.
    pub weights: Weights,
    /// Share of the queries whose child is in the register.
    pub known_share: f64,
    /// Rounds until nothing changed.
    pub rounds: usize,
}

/// Shares by field and level.
type Table = BTreeMap<Field, BTreeMap<Level, f64>>;

impl Observations {
    /// Keeps the likeliest candidates of each query, and counts it beside children who are likely to be none of
    /// them.
    pub fn add<'q>(&mut self, register: &Register, queries: impl IntoIterator<Item = &'q Child>) {
        let ids: Vec<ChildId> = register.ids().collect();
        for query in queries {
            let likeliest = register.likeliest(query, CANDIDATES_OF_QUERY);
            let first = self.queries.len() * STRIDE;
            for stranger in 0..STRANGERS_OF_QUERY.min(ids.len()) {
                let id = ids[(first + stranger * ids.len() / STRANGERS_OF_QUERY) % ids.len()];
                if likeliest.iter().all(|(held, ..)| *held != id)
                    && let Some(levels) = register.levels_with(query, id)
                {
                    *self.strangers.entry(levels).or_default() += 1;
                }
            }
            let candidates = likeliest.into_iter().map(|(_, levels, rarity)| (levels, rarity)).collect();
            self.queries.push(Observed { children: real(ids.len() as u64), candidates });
        }
    }

    /// The weights that explain the observations best, from the present ones on.
    pub fn estimate(&self, present: &Weights, source: &str) -> Estimate {
        let of = |side: fn(&Shares) -> f64| -> Table {
            let levels = |levels: &BTreeMap<Level, Shares>| {
                levels.iter().map(|(&level, shares)| (level, side(shares))).collect()
            };
            present.fields.iter().map(|(&field, held)| (field, levels(held))).collect()
        };
        let (present_m, present_u) = (of(|shares| shares.m), of(|shares| shares.u));
        let strangers = counts(self.strangers.iter().map(|(levels, &count)| (levels, real(count))));
        let u = shares(&strangers, &present_u, PRIOR_STRANGERS);
        let Maximum { m, of_one_child, known_share, rounds } = self.maximise(present_m, &present_u);
        let mut weights = present.clone();
        source.clone_into(&mut weights.source);
        for (&field, levels) in &mut weights.fields {
            for (&level, held) in levels {
                let seen = of_one_child[field as usize].get(&level).copied().unwrap_or(0.0);
                if seen >= PAIRS_MIN {
                    let (m, u) = (m[&field][&level].max(M_MIN), u[&field][&level].max(U_MIN));
                    *held = Shares { m: rounded(m), u: rounded(u) };
                }
            }
        }
        Estimate { weights, known_share, rounds }
    }

    fn maximise(&self, mut m: Table, u: &Table) -> Maximum {
        let prior = m.clone();
        let mut known = KNOWN_SHARE_AT_FIRST;
        let mut round = 1;
        loop {
            let mut parts: BTreeMap<Levels, f64> = BTreeMap::new();
            for query in &self.queries {
                let odds = query.candidates.iter().map(|(levels, rarity)| {
                    (levels, rarity.exp2() * likelihood(levels, &m) / likelihood_by_chance(levels, u))
                });
                let odds: Vec<(&Levels, f64)> = odds.collect();
                let not_here = query.children * (1.0 - known) / known;
                let total = not_here + odds.iter().map(|(_, odds)| odds).sum::<f64>();
                for (levels, odds) in odds {
                    *parts.entry(*levels).or_default() += odds / total;
                }
            }
            let found: f64 = parts.values().sum();
            known = (found / real(self.queries.len() as u64).max(1.0))
                .clamp(KNOWN_SHARE_MIN, 1.0 - KNOWN_SHARE_MIN);
            let of_one_child = counts(parts.iter().map(|(levels, &part)| (levels, part)));
            let new_m = shares(&of_one_child, &prior, PRIOR_PAIRS);
            let change = m.iter().flat_map(|(field, levels)| {
                levels.iter().map(|(level, old)| (old - new_m[field][level]).abs())
            });
            let still = change.fold(0.0, f64::max) < STANDSTILL;
            m = new_m;
            if still || round == ROUNDS_MAX {
                return Maximum { m, of_one_child, known_share: known, rounds: round };
            }
            round += 1;
        }
    }
}

/// Where expectation-maximisation came to rest.
struct Maximum {
    m: Table,
    /// Pairs of one child, by field and level.
    of_one_child: Counts,
    known_share: f64,
    rounds: usize,
}

/// The level whose shares count: a family name is swapped exactly when the given name is, so that the given
/// name's share says how often.
const fn counts_as(field: Field, level: Level) -> Level {
    match (field, level) {
        (Field::FamilyName, Level::Swapped) => Level::Exact,
        _ => level,
    }
}

/// The same among pairs of two children: a swapped given name agrees by chance as often as one in its place,
/// which is what its weight says too.
const fn by_chance_counts_as(field: Field, level: Level) -> Level {
    match (field, level) {
        (Field::GivenName, Level::Swapped) => Level::Exact,
        _ => counts_as(field, level),
    }
}

fn likelihood(levels: &Levels, table: &Table) -> f64 {
    product(levels, table, counts_as)
}

fn likelihood_by_chance(levels: &Levels, table: &Table) -> f64 {
    product(levels, table, by_chance_counts_as)
}

fn product(levels: &Levels, table: &Table, counts_as: fn(Field, Level) -> Level) -> f64 {
    let share = |field: Field| {
        let level = counts_as(field, levels[field as usize]);
        table.get(&field).and_then(|shares| shares.get(&level)).copied()
    };
    Field::ALL.into_iter().filter_map(share).product()
}

/// Pairs by field and level.
type Counts = [BTreeMap<Level, f64>; FIELDS];

fn counts<'p>(pairs: impl Iterator<Item = (&'p Levels, f64)>) -> Counts {
    let mut counts = Counts::default();
    for (levels, count) in pairs {
        for field in Field::ALL {
            *counts[field as usize].entry(counts_as(field, levels[field as usize])).or_default() += count;
        }
    }
    counts
}

/// Shares of each level among the pairs that have one; the prior counts for so many pairs.
fn shares(counts: &Counts, prior: &Table, prior_pairs: f64) -> Table {
    let mut table = Table::new();
    for (&field, levels) in prior {
        let counts = &counts[field as usize];
        let sum = |of: &dyn Fn(Level) -> f64| levels.keys().map(|&level| of(level)).sum::<f64>();
        let count = |level: Level| counts.get(&level).copied().unwrap_or(0.0);
        let (total, prior_total) = (sum(&count), sum(&|level| levels[&level]));
        let share = |level: Level| {
            let prior = levels[&level] / prior_total * prior_pairs;
            (count(level) + prior) / (total + prior_pairs)
        };
        table.insert(field, levels.keys().map(|&level| (level, share(level))).collect());
    }
    table
}

fn rounded(share: f64) -> f64 {
    format!("{share:.*e}", SHARE_DIGITS - 1).parse().unwrap_or(share)
}

#[expect(clippy::cast_precision_loss, reason = "counts of pairs are far below 2^52")]
const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Queries whose child agrees in known shares, among candidates that agree less; the shares come out.
    #[test]
    fn finds_the_shares_that_made_the_observations() {
        let fields = [
            (Field::GivenName, 0.9),
            (Field::FamilyName, 0.8),
            (Field::Sex, 0.95),
            (Field::DateOfBirth, 0.85),
            (Field::Postcode, 0.6),
        ];
        let mut observations = Observations::default();
        for query in 0..20_000_u64 {
            // A point of a lattice that fills the cube evenly, in place of randomness.
            let agrees = |place: usize, share: f64| {
                let step = [0.754_877, 0.569_840, 0.430_159, 0.324_717, 0.245_122][place];
                (real(query) * step).fract() < share
            };
            let mut child = [Level::Missing; FIELDS];
            for (place, &(field, share)) in fields.iter().enumerate() {
                child[field as usize] = if agrees(place, share) { Level::Exact } else { Level::Different };
            }
            let mut sibling = [Level::Missing; FIELDS];
            for (field, _) in fields {
                sibling[field as usize] = Level::Different;
            }
            sibling[Field::FamilyName as usize] = Level::Exact;
            sibling[Field::Postcode as usize] = Level::Exact;
            let siblings = usize::from(query % 10 == 0);
            let candidates = [(child, 0.0), (sibling, 0.0)][..=siblings].to_vec();
            observations.queries.push(Observed { children: 100.0, candidates });
        }
        let present = Weights::shipped();
        let estimate = observations.estimate(&present, "a test");
        assert!(estimate.known_share > 0.95, "{}", estimate.known_share);
        assert!(estimate.rounds < ROUNDS_MAX);
        for (field, m) in fields {
            let found = estimate.weights.fields[&field][&Level::Exact].m;
            assert!((found - m).abs() < 0.04, "{field:?}: {found} for {m}");
        }
        assert_eq!(estimate.weights.source, "a test");
        assert_eq!(estimate.weights.thresholds, present.thresholds);
    }

    #[test]
    fn swapped_names_agree_by_chance_as_often_as_names_in_their_place() {
        let both = |level| {
            let mut levels = [Level::Missing; FIELDS];
            levels[Field::GivenName as usize] = level;
            levels[Field::FamilyName as usize] = level;
            levels
        };
        let u = Weights::shipped().fields;
        let u = u.iter().map(|(&field, levels)| {
            (field, levels.iter().map(|(&level, shares)| (level, shares.u)).collect())
        });
        let u: Table = u.collect();
        let by_chance = |level| likelihood_by_chance(&both(level), &u);
        assert!((by_chance(Level::Swapped) - by_chance(Level::Exact)).abs() < f64::EPSILON);
        assert!(likelihood(&both(Level::Swapped), &u) < by_chance(Level::Exact));
    }

    #[test]
    fn what_was_not_observed_keeps_its_shares() {
        let present = Weights::shipped();
        assert_eq!(Observations::default().estimate(&present, &present.source).weights, present);
    }
}
