//! Keys under which children are found, and the children under each.
//!
//! One ordered set of numbers, key in the upper half and row in the lower: the rows of a key stand together
//! and in order, a row is put in and taken out at once, and nothing has to be rebuilt. Two keys that hash
//! alike only bring a few children too many, whom the comparison sends away.

use std::collections::BTreeSet;

/// The place of a child among the register's rows.
pub(crate) type Row = u32;

/// A hashed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u32);

impl Key {
    /// The key of a kind and two values.
    pub(crate) const fn of(kind: u8, one: u64, two: u64) -> Self {
        let mut hash = mix(one ^ ((kind as u64) << 56) ^ 0x9e37_79b9_7f4a_7c15);
        hash = mix(hash ^ two.wrapping_mul(0xc2b2_ae3d_27d4_eb4f));
        Self((hash >> 32) as u32)
    }
}

/// The finalizer of `MurmurHash3`: every bit of the input moves half of the output.
const fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^= value >> 33;
    value = value.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

/// Rows by key.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: BTreeSet<u64>,
}

const fn entry(key: Key, row: Row) -> u64 {
    ((key.0 as u64) << 32) | row as u64
}

impl Index {
    /// The index of all these entries, made at once.
    pub(crate) fn of(entries: Vec<u64>) -> Self {
        // Sorts, and fills the tree's nodes to the last place.
        Self { entries: entries.into_iter().collect() }
    }

    /// An entry for [`Index::of`].
    pub(crate) const fn entry(key: Key, row: Row) -> u64 {
        entry(key, row)
    }

    pub(crate) fn insert(&mut self, key: Key, row: Row) {
        self.entries.insert(entry(key, row));
    }

    pub(crate) fn remove(&mut self, key: Key, row: Row) {
        self.entries.remove(&entry(key, row));
    }

    /// The rows under a key, in their order.
    pub(crate) fn rows(&self, key: Key) -> impl Iterator<Item = Row> + '_ {
        let range = self.entries.range(entry(key, 0)..=entry(key, Row::MAX));
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the row")]
        range.map(|&entry| entry as Row)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_rows_of_a_key_and_no_others() {
        let (one, two) = (Key::of(1, 7, 0), Key::of(2, 7, 0));
        let mut index = Index::of(vec![entry(one, 5), entry(two, 6), entry(one, 2), entry(one, 5)]);
        index.insert(one, Row::MAX);
        index.remove(one, 5);
        index.remove(one, 77);
        assert_eq!(index.rows(one).collect::<Vec<_>>(), [2, Row::MAX]);
        assert_eq!(index.rows(two).collect::<Vec<_>>(), [6]);
        assert_eq!(index.rows(Key::of(3, 7, 0)).count(), 0);
    }

    #[test]
    fn kinds_and_values_make_keys_of_their_own() {
        let keys: std::collections::HashSet<Key> = (0..10)
            .flat_map(|kind| (0..100).flat_map(move |one| (0..10).map(move |two| Key::of(kind, one, two))))
            .collect();
        assert!(keys.len() > 9_990, "{}", keys.len());
    }
}
