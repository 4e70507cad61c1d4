//! The children of a register, ready to be asked for.

mod search;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::answer::ChildId;
use crate::blocking;
use crate::child::Child;
use crate::compare::{Comparer, Comparison, Counts, Levels, Sharers};
use crate::index::{Index, Row};
use crate::names::{Names, number};
use crate::probe::Probe;
use crate::rows::{Extras, Having, Stored};
use crate::weights::{Field, Level, Table, Weights, WeightsError};

/// The children an authority knows, with every way to find them.
///
/// It keeps what comparison needs and nothing else, about 200 bytes for each child, and holds no more of a
/// name than its folded form. The same children make the same answers, whether they were put in at once or one
/// by one, as long as no more than some ten thousand of them share two facts.
pub struct Register {
    rows: Vec<Stored>,
    /// Rows whose child was taken out.
    free: Vec<Row>,
    extras: HashMap<Row, Box<Extras>>,
    row_of: HashMap<u64, Row>,
    names: Names,
    having: Having,
    index: Index,
    table: Table,
}

/// Says nothing of the children: a value may end up in a log.
impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Register({} children)", self.len())
    }
}

/// What a register takes in memory, about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Children.
    pub children: usize,
    /// Entries of the index.
    pub index_entries: usize,
    /// Bytes that rows, names and other parts take, without the index.
    pub rows_bytes: usize,
    /// Bytes that the index takes.
    pub index_bytes: usize,
}

impl Register {
    /// A register without children.
    pub fn new(weights: &Weights) -> Result<Self, WeightsError> {
        Ok(Self {
            rows: Vec::new(),
            free: Vec::new(),
            extras: HashMap::new(),
            row_of: HashMap::new(),
            names: Names::default(),
            having: Having::default(),
            index: Index::default(),
            table: Table::new(weights)?,
        })
    }

    /// The register of these children. Of two with one id the later stands.
    ///
    /// The same children put in one by one make the same answers, more slowly.
    pub fn build<'c>(
        weights: &Weights,
        children: impl IntoIterator<Item = (ChildId, Cow<'c, Child>)>,
    ) -> Result<Self, WeightsError> {
        let mut register = Self::new(weights)?;
        for (id, child) in children {
            register.remove_row(id, false);
            register.put_row(id, &child);
        }
        let mut entries = Vec::with_capacity(register.rows.len() * 12);
        for &row in register.row_of.values() {
            register.keys_of(row, |key| entries.push(Index::entry(key, row)));
        }
        register.index = Index::of(entries);
        register.rows.shrink_to_fit();
        Ok(register)
    }

    /// Puts a child in, in place of what was known under the id.
    pub fn insert(&mut self, id: ChildId, child: &Child) {
        self.remove(id);
        let row = self.put_row(id, child);
        let mut keys = Vec::new();
        self.keys_of(row, |key| keys.push(key));
        for key in keys {
            self.index.insert(key, row);
        }
    }

    /// Takes a child out; whether there was one.
    ///
    /// Nothing leads from a name to the child any more. The folded name itself stays, borne by nobody, until
    /// the register is built anew.
    pub fn remove(&mut self, id: ChildId) -> bool {
        self.remove_row(id, true)
    }

    /// Children in the register.
    pub fn len(&self) -> usize {
        self.row_of.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.row_of.is_empty()
    }

    /// The children's ids, in no order that means anything, but always the same.
    pub fn ids(&self) -> impl Iterator<Item = ChildId> + '_ {
        let held = self.rows.iter().enumerate();
        held.filter(|(row, held)| self.row_of.get(&held.id) == Some(&number(*row)))
            .map(|(_, held)| ChildId(held.id))
    }

    /// What the register takes in memory.
    pub fn size(&self) -> Size {
        /// A full node of the ordered set has 11 entries of 8 bytes and 16 bytes beside them.
        const ENTRY_BYTES_TENTHS: usize = 97;
        let rows = self.rows.capacity() * size_of::<Stored>() + self.free.capacity() * size_of::<Row>();
        let ids = self.row_of.capacity() * (size_of::<(u64, Row)>() + 1);
        let extras: usize = self.extras.values().map(|extras| extras.bytes()).sum::<usize>()
            + self.extras.capacity() * (size_of::<(Row, Box<Extras>)>() + 1);
        Size {
            children: self.len(),
            index_entries: self.index.len(),
            rows_bytes: rows + ids + extras + self.names.bytes(),
            index_bytes: self.index.len() * ENTRY_BYTES_TENTHS / 10,
        }
    }

    /// Uses other weights from now on.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), WeightsError> {
        self.table = Table::new(weights)?;
        Ok(())
    }

    /// The likeliest candidates for estimation, with levels, and bits beyond those of the levels.
    pub(crate) fn likeliest(&self, query: &Child, count: usize) -> Vec<(ChildId, Levels, f64)> {
        let levels_and_rarity = |held: search::Weighed| {
            let Comparison { levels, .. } = held.comparison;
            let plain = Field::ALL.into_iter().map(|field| self.table.bits(field, levels[field as usize]));
            (ChildId(held.id), levels, f64::from(held.comparison.weight() - plain.sum::<f32>()))
        };
        self.best(query, count, &BTreeSet::new()).into_iter().map(levels_and_rarity).collect()
    }

    /// Levels of a query beside one child, for estimation.
    pub(crate) fn levels_with(&self, query: &Child, id: ChildId) -> Option<Levels> {
        let row = *self.row_of.get(&id.0)?;
        let probe = Probe::new(query, &self.names);
        let children = number(self.len());
        let counts = Counts { children, having: &self.having, sharers: Sharers::default() };
        let comparer = Comparer::new(&probe, &self.names, &self.table, counts);
        Some(comparer.compare(self.row(row), self.extras_of(row)).levels)
    }

    /// Whether a child of the register may be the same as this one, who is a candidate beside it: known twice, by two
    /// sources. An identifier says so, or a given name and a date of birth that agree as far as they are known; the
    /// family name does not count, as it is what changes. Twins, who share all but the given name, are two children.
    pub fn may_be_one(&self, one: &Child, other: ChildId) -> bool {
        let Some(levels) = self.levels_with(one, other) else { return false };
        let level = |field: Field| levels[field as usize];
        let identified = matches!(level(Field::Upn), Level::Exact | Level::Other)
            || level(Field::NhsNumber) == Level::Exact;
        let named = !matches!(level(Field::GivenName), Level::Missing | Level::Different | Level::Lookalike);
        let born = !matches!(level(Field::DateOfBirth), Level::Missing | Level::Different);
        identified || (named && born)
    }

    fn row(&self, row: Row) -> &Stored {
        &self.rows[row as usize]
    }

    fn extras_of(&self, row: Row) -> Option<&Extras> {
        let held = self.row(row);
        if held.has_extras() { self.extras.get(&row).map(AsRef::as_ref) } else { None }
    }

    fn keys_of(&self, row: Row, give: impl FnMut(crate::index::Key)) {
        blocking::stored_keys(self.row(row), self.extras_of(row), &self.names, give);
    }

    fn put_row(&mut self, id: ChildId, child: &Child) -> Row {
        let (stored, extras) = Stored::new(id.0, child, &mut self.names);
        self.having.count(&stored, true);
        let row = if let Some(row) = self.free.pop() {
            self.rows[row as usize] = stored;
            row
        } else {
            self.rows.push(stored);
            number(self.rows.len() - 1)
        };
        if let Some(extras) = extras {
            self.extras.insert(row, extras);
        }
        self.row_of.insert(id.0, row);
        row
    }

    fn remove_row(&mut self, id: ChildId, from_index: bool) -> bool {
        let Some(row) = self.row_of.remove(&id.0) else { return false };
        if from_index {
            let mut keys = Vec::new();
            self.keys_of(row, |key| keys.push(key));
            for key in keys {
                self.index.remove(key, row);
            }
        }
        let stored = *self.row(row);
        stored.count(&mut self.names, false);
        self.having.count(&stored, false);
        self.extras.remove(&row);
        self.free.push(row);
        true
    }
}
