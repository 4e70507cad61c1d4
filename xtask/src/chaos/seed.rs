//! Choices that a seed repeats.

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// A stream of choices (`SplitMix64`).
#[derive(Clone, Debug)]
pub(super) struct Seed(u64);

/// A seed that the system chooses.
pub(super) fn fresh() -> u64 {
    // The hasher's keys are random; 32 bits are easier to copy.
    std::hash::RandomState::new().build_hasher().finish() >> 32
}

impl Seed {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is above 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() { None } else { all.get(self.below(all.len())) }
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub(super) fn percent(&mut self, cases: usize) -> bool {
        self.below(100) < cases
    }

    pub(super) fn millis(&mut self, from: usize, to: usize) -> Duration {
        let extra = self.below(to.saturating_sub(from) + 1);
        Duration::from_millis(u64::try_from(from + extra).unwrap_or(0))
    }

    /// Another stream, that this one decides.
    pub(super) fn branch(&mut self) -> Self {
        Self(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_choices_and_spreads_them() {
        let draw = |seed| {
            let mut seed = Seed::new(seed);
            (0..1_000).map(|_| seed.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        for number in 0..10 {
            assert!(draw(7).iter().filter(|drawn| **drawn == number).count() > 50);
        }
        assert!(Seed::new(1).one_of::<u8>(&[]).is_none());
    }
}
