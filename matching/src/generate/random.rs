//! A seeded sequence: `SplitMix64` (Steele, Lea and Flood, 2014). Not for secrets.

/// Numbers that look random and are the same for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A sequence of its own, so that what one child draws changes nothing for the next.
    #[must_use]
    pub const fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below a bound, which is above nought.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    /// True `in_ten_thousand` times in ten thousand.
    pub fn happens(&mut self, in_ten_thousand: usize) -> bool {
        self.below(10_000) < in_ten_thousand
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}
