//! Orders that a seed gives.

use ring::rand::{SecureRandom as _, SystemRandom};

/// A seed for a run that was given none.
pub(crate) fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Without a random source every run has the same order, and says which.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// The items in the order of that seed (Fisher and Yates, over splitmix64).
pub(crate) fn shuffled<T>(mut items: Vec<T>, seed: u64) -> Vec<T> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    for last in (1..items.len()).rev() {
        let below = u64::try_from(last + 1).unwrap_or(u64::MAX);
        items.swap(last, usize::try_from(next() % below).unwrap_or_default());
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_order_of_all_items() {
        let items: Vec<u32> = (0..100).collect();
        let first = shuffled(items.clone(), 7);
        assert_eq!(first, shuffled(items.clone(), 7));
        assert_ne!(first, shuffled(items.clone(), 8));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, items);
    }
}
