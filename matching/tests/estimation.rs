//! Weights from queries alone, held against the truth about invented children.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cme_matching::estimate::Observations;
use cme_matching::generate::{Whom, World};
use cme_matching::{Child, Field, Level, Register, Shares, Weights};

const CHILDREN: usize = 5_000;
const QUERIES: usize = 1_500;

/// Weights of somebody who knows nothing of this register: every level of a field equally likely but the first.
fn ignorant() -> Weights {
    let mut weights = Weights::shipped();
    for levels in weights.fields.values_mut() {
        let others = f64::from(u32::try_from(levels.len()).expect("few levels")) - 1.0;
        for (level, shares) in levels {
            let exact = *level == Level::Exact;
            *shares = Shares { m: if exact { 0.6 } else { 0.4 / others }, u: shares.u };
        }
    }
    weights
}

#[test]
fn comes_near_the_true_shares_without_knowing_who_is_who() {
    let world = World::new(CHILDREN, 11);
    let children = world.register().map(|(id, child)| (id, Cow::Owned(child)));
    let mut register = Register::build(&ignorant(), children).expect("the weights are complete");
    let asked = world.queries(QUERIES, Whom::Anyone, 12);
    let queries: Vec<Child> = asked.iter().map(|asked| asked.query.clone()).collect();
    let mut weights = ignorant();
    let mut known_share = 0.0;
    for _ in 0..2 {
        let mut observations = Observations::default();
        observations.add(&register, &queries);
        let estimate = observations.estimate(&weights, "a test");
        assert_eq!(
            observations.estimate(&weights, "a test").weights,
            estimate.weights,
            "no luck is involved"
        );
        (weights, known_share) = (estimate.weights, estimate.known_share);
        register.set_weights(&weights).expect("the weights are complete");
    }
    assert!((0.82..0.88).contains(&known_share), "85 in 100 are here, not {known_share}");

    let mut true_pairs: BTreeMap<Field, BTreeMap<Level, f64>> = BTreeMap::new();
    for asked in &asked {
        let candidates = register.find(&asked.query).candidates;
        let child = candidates.iter().find(|candidate| Some(candidate.id) == asked.truth);
        for held in child.iter().flat_map(|child| &child.fields).filter(|held| held.level != Level::Missing) {
            *true_pairs.entry(held.field).or_default().entry(held.level).or_default() += 1.0;
        }
    }
    for (field, level) in [
        (Field::GivenName, Level::Exact),
        (Field::GivenName, Level::Nickname),
        (Field::FamilyName, Level::Exact),
        (Field::FamilyName, Level::Part),
        (Field::DateOfBirth, Level::Exact),
        (Field::DateOfBirth, Level::Swapped),
        (Field::Sex, Level::Exact),
        (Field::Upn, Level::Exact),
        (Field::Postcode, Level::Exact),
    ] {
        let levels = &true_pairs[&field];
        let truth = levels[&level] / levels.values().sum::<f64>();
        let found = weights.fields[&field][&level].m;
        assert!((found - truth).abs() < 0.02, "{field:?} {level:?}: {found} for {truth}");
    }
}
