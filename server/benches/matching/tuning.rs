//! Weights and thresholds from the tuning seed.

use cme_matching::estimate::Observations;
use cme_matching::generate::Asked;
use cme_matching::{Candidate, Child, Decision, Field, Level, Register, Thresholds, Weights};

use super::options::Options;
use super::quality::answered;
use crate::{Form, Sets, whole};

/// Precision of a match that thresholds have to reach on the tuning seed; the target and room beside it.
const PRECISION_MIN: f64 = 0.9994;

/// Evidence that is worth a person's look: one chance in sixty.
const POSSIBLE_BITS: f64 = -6.0;

/// Share of wrong twins that thresholds may let through on the tuning seed.
const WRONG_TWINS_MAX: f64 = 0.0007;

pub(crate) fn estimated(register: &Register, sets: &Sets, present: &Weights, options: &Options) -> Weights {
    let mut observations = Observations::default();
    observations.add(register, sets.anyone.iter().map(|asked| &asked.query));
    let without: Vec<Child> = sets.anyone.iter().map(Asked::without_identifiers).collect();
    observations.add(register, &without);
    let source = format!(
        "expectation-maximisation on {} queries to {} invented children, seed {}",
        sets.anyone.len(),
        register.len(),
        options.tuning_seed
    );
    let estimate = observations.estimate(present, &source);
    eprintln!(
        "estimated in {} rounds; {:.3} of the children asked for are here",
        estimate.rounds, estimate.known_share
    );
    estimate.weights
}

/// What a query would be answered at any threshold.
struct Outcome {
    evidence: f64,
    margin: f64,
    own: f64,
    given: Level,
    right: bool,
}

/// The thresholds with the highest recall of those precise enough.
pub(crate) fn thresholds(register: &mut Register, sets: &Sets, weights: &Weights) -> Thresholds {
    let open = Thresholds {
        match_bits: -20.0,
        possible_bits: -20.0,
        margin_bits: 0.0,
        own_bits: -40.0,
        variant_bits: -40.0,
    };
    register.set_weights(&Weights { thresholds: open, ..weights.clone() }).expect("weights are complete");
    let both = |register: &Register, asked: &[Asked]| {
        [whole as Form, Asked::without_identifiers].map(|form| outcomes(register, asked, form))
    };
    let (anyone, twins) = (both(register, &sets.anyone), both(register, &sets.twins));
    let mut best = (0, weights.thresholds);
    for thresholds in every_threshold() {
        let passes = |held: &&Outcome| {
            let own_needed = match held.given {
                Level::Exact | Level::Sound | Level::Near | Level::Swapped => f64::NEG_INFINITY,
                Level::Variant => thresholds.variant_bits,
                _ => thresholds.own_bits,
            };
            held.evidence >= thresholds.match_bits
                && held.margin >= thresholds.margin_bits
                && held.own >= own_needed
        };
        let judged = |held: &[Outcome]| {
            let right = held.iter().filter(passes).filter(|held| held.right).count();
            (right, held.iter().filter(passes).count())
        };
        let precise = anyone.iter().all(|held| {
            let (right, all) = judged(held);
            real(right) >= PRECISION_MIN * real(all)
        });
        let apart = || {
            twins.iter().all(|held| {
                let (right, all) = judged(held);
                real(all - right) <= WRONG_TWINS_MAX * real(sets.twins.len())
            })
        };
        let right = anyone.iter().map(|held| judged(held).0).sum();
        if right > best.0 && precise && apart() {
            best = (right, thresholds);
        }
    }
    if best.0 == 0 {
        eprintln!("no thresholds are precise enough; the present ones stay");
    }
    eprintln!("thresholds: {:?}", best.1);
    best.1
}

/// Thresholds a bit apart, half a bit for the first.
fn every_threshold() -> impl Iterator<Item = Thresholds> {
    let bits = |range: std::ops::Range<i32>| range.map(f64::from);
    let all =
        bits(6..24).flat_map(move |match_bits| bits(3..10).map(move |margin| (match_bits / 2.0, margin)));
    let all = all.flat_map(move |held| bits(-4..16).map(move |own_bits| (held, own_bits)));
    let all = all.flat_map(move |held| bits(-1..10).map(move |variant_bits| (held, variant_bits)));
    all.map(|(((match_bits, margin_bits), own_bits), variant_bits)| Thresholds {
        match_bits,
        possible_bits: POSSIBLE_BITS.min(match_bits),
        margin_bits,
        own_bits,
        variant_bits,
    })
}

fn outcomes(register: &Register, asked: &[Asked], form: Form) -> Vec<Outcome> {
    let answers = answered(asked, form, |query| register.find(query));
    let matches = asked.iter().zip(&answers).filter(|(_, (answer, _))| answer.decision == Decision::Match);
    let outcome = |(asked, (answer, _)): (&Asked, &super::quality::Timed)| {
        let first = &answer.candidates[0];
        let given = |held: &Candidate| {
            held.fields.iter().find(|held| held.field == Field::GivenName).map(|held| held.level)
        };
        // As the register does: a name that is a slip away yields to the very one.
        let yields = |next: &&Candidate| {
            given(first) == Some(Level::Exact) && matches!(given(next), Some(Level::Near | Level::Lookalike))
        };
        let next = answer.candidates[1..]
            .iter()
            .find(|next| !yields(next))
            .map_or(f32::NEG_INFINITY, |next| next.weight);
        let is_own = |field: Field| {
            matches!(
                field,
                Field::GivenName | Field::MiddleNames | Field::Sex | Field::Upn | Field::NhsNumber
            )
        };
        Outcome {
            given: given(first).unwrap_or(Level::Missing),
            own: first.fields.iter().filter(|held| is_own(held.field)).map(|held| f64::from(held.bits)).sum(),
            evidence: f64::from(first.weight - answer.register_bits),
            margin: f64::from(first.weight - next),
            right: Some(first.id) == asked.truth,
        }
    };
    matches.map(outcome).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of queries")]
const fn real(count: usize) -> f64 {
    count as f64
}
