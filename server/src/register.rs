//! "Do you know this child?", answered from the register of a hosted authority.
//!
//! The register is in the database; what answers is an index of it in memory, one for each hosted authority. It is
//! built in the background when the server starts and follows the changes from then on, so that an import by
//! another process is seen without a restart. All that an import changes is seen at once: few changes are made
//! under one lock, many by an index that is built beside the old one.
//!
//! Whether a child is shielded is read from the database for every answer: an officer's flag counts from the
//! moment at which it is set, in every process.

mod follow;
mod found;
pub mod import;
mod open;
pub mod row;
pub mod table;
mod tidy;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use cme_matching::{Answer, Child, ChildId, Register, Weights};
use cme_spec::ids::AuthorityCode;
use tokio::runtime::Handle;

pub use self::follow::run;
pub use self::found::{Found, FoundCandidate};
pub use self::open::Look;
pub use self::tidy::tidy;
use crate::store::register::{Changes, changes_after, children, children_after, is_filled, state};
use crate::store::{Store, StoreError};

/// Children that are read at one time.
const CHILDREN_AT_ONCE: u32 = 1_000;
/// Changes that are made in place at most, in about a tenth of a second; of more a new index is built.
const CHANGES_MAX: usize = 4_000;
/// How often an answer is sought whose children are gone when they are looked up.
const FIND_TRIES: usize = 3;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The index is still being built; it will be ready soon.
    #[error("the register is not ready yet")]
    NotReady,
    /// No import has ever filled the register: that it has no such child says nothing.
    #[error("the register was never filled: see `register import`")]
    NeverFilled,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The registers of the hosted authorities, ready to be asked. Clones share them.
#[derive(Clone)]
pub struct LiveRegister(Arc<Inner>);

struct Inner {
    store: Store,
    weights: Weights,
    slots: BTreeMap<AuthorityCode, Slot>,
    stopping: AtomicBool,
}

#[derive(Default)]
struct Slot {
    index: RwLock<Option<Index>>,
    /// Whoever brings the index up to date does so alone.
    turn: tokio::sync::Mutex<()>,
}

/// The children in force, as of a change.
struct Index {
    register: Register,
    sequence: i64,
    /// Whether it was ever filled, be it with no child.
    filled: bool,
}

/// What an index lacks.
enum Pending {
    /// These children are so now, or are known no more.
    Few(Few),
    /// So much that a new one is better.
    Much,
}

/// Changes that are made in place.
struct Few {
    children: Vec<(ChildId, Option<Child>)>,
    /// The change as of which they are.
    through: i64,
    filled: bool,
}

impl Index {
    fn apply(&mut self, few: &Few) {
        for (id, child) in &few.children {
            match child {
                Some(child) => self.register.insert(*id, child),
                None => drop(self.register.remove(*id)),
            }
        }
        (self.sequence, self.filled) = (few.through, few.filled);
    }
}

impl LiveRegister {
    /// Registers that are not ready yet; [`run`] makes them.
    pub fn new(store: Store, weights: Weights, hosted: impl IntoIterator<Item = AuthorityCode>) -> Self {
        let slots = hosted.into_iter().map(|code| (code, Slot::default())).collect();
        Self(Arc::new(Inner { store, weights, slots, stopping: AtomicBool::new(false) }))
    }

    /// Whether an authority's register knows a child.
    pub async fn find(&self, hosted: AuthorityCode, query: &Child) -> Result<Found, FindError> {
        for _ in 0..FIND_TRIES {
            if let Some(found) = self.found(hosted, query, BTreeSet::new()).await? {
                return Ok(found);
            }
            // Somebody was taken out a moment ago.
            self.bring_up_to_date(hosted).await?;
        }
        Err(FindError::NotReady)
    }

    /// How many children an authority's register has; none while it isn't ready.
    pub fn children(&self, hosted: AuthorityCode) -> Option<usize> {
        let index = self.0.slots.get(&hosted)?.index.read().unwrap_or_else(PoisonError::into_inner);
        index.as_ref().map(|index| index.register.len())
    }

    fn ask(&self, hosted: AuthorityCode, query: &Child, left_out: &BTreeSet<ChildId>) -> Option<Answer> {
        let index = self.0.slots.get(&hosted)?.index.read().unwrap_or_else(PoisonError::into_inner);
        index.as_ref().map(|index| index.register.find_without(query, left_out))
    }

    /// The newest change that an authority's index has; none while it isn't there.
    fn sequence(&self, hosted: AuthorityCode) -> Option<i64> {
        let index = self.0.slots.get(&hosted)?.index.read().unwrap_or_else(PoisonError::into_inner);
        index.as_ref().map(|index| index.sequence)
    }

    /// Whether an authority's register was ever filled; none while it isn't ready.
    pub fn is_filled(&self, hosted: AuthorityCode) -> Option<bool> {
        let index = self.0.slots.get(&hosted)?.index.read().unwrap_or_else(PoisonError::into_inner);
        index.as_ref().map(|index| index.filled)
    }

    /// The authority's index has every change that is committed now; it is made if it isn't there.
    pub async fn bring_up_to_date(&self, hosted: AuthorityCode) -> Result<(), StoreError> {
        let Some(slot) = self.0.slots.get(&hosted) else { return Ok(()) };
        let _turn = slot.turn.lock().await;
        let pending = match self.sequence(hosted) {
            Some(sequence) => self.pending(hosted, sequence).await?,
            None => Pending::Much,
        };
        match pending {
            Pending::Few(few) => {
                let mut index = slot.index.write().unwrap_or_else(PoisonError::into_inner);
                if let Some(index) = index.as_mut() {
                    index.apply(&few);
                }
            }
            Pending::Much => {
                let built = self.build(hosted).await?;
                *slot.index.write().unwrap_or_else(PoisonError::into_inner) = Some(built);
            }
        }
        Ok(())
    }

    /// What an index as of a change lacks, all of one instant.
    async fn pending(&self, hosted: AuthorityCode, sequence: i64) -> Result<Pending, StoreError> {
        let read = self.0.store.read(move |tx| {
            let told = changes_after(tx, hosted, sequence, CHANGES_MAX + 1)?;
            let Changes::Told { changes, through } = told else { return Ok(Pending::Much) };
            if changes.len() > CHANGES_MAX {
                return Ok(Pending::Much);
            }
            let mut ids: Vec<ChildId> = changes.iter().map(|change| change.child).collect();
            ids.sort_unstable();
            ids.dedup();
            let known: BTreeMap<_, _> = children(tx, hosted, &ids)?.into_iter().collect();
            let children = ids.into_iter().map(|id| (id, known.get(&id).cloned())).collect();
            Ok(Pending::Few(Few { children, through, filled: is_filled(tx, hosted)? }))
        });
        read.await
    }

    /// A new index of the children in force.
    async fn build(&self, hosted: AuthorityCode) -> Result<Index, StoreError> {
        loop {
            // What changes while it is read, is read again.
            let sequence = self.0.store.read(move |tx| state(tx, hosted)).await?.last_change;
            let live = self.clone();
            let register = tokio::task::spawn_blocking(move || live.read_all(hosted)).await;
            let register = register.map_err(|_| StoreError::Closed)??;
            let mut index = Index { register, sequence, filled: false };
            if let Pending::Few(few) = self.pending(hosted, sequence).await? {
                index.apply(&few);
                return Ok(index);
            }
        }
    }

    /// Reads every child in force, on a thread that may wait.
    fn read_all(&self, hosted: AuthorityCode) -> Result<Register, StoreError> {
        let runtime = Handle::current();
        let (mut after, mut page, mut failed) = (ChildId(0), Vec::new().into_iter(), None);
        let children = std::iter::from_fn(|| {
            if let Some(child) = page.next() {
                return Some(child);
            }
            if self.0.stopping.load(Ordering::Relaxed) {
                failed = Some(StoreError::Closed);
                return None;
            }
            let read = self.0.store.read(move |tx| children_after(tx, hosted, after, CHILDREN_AT_ONCE));
            match runtime.block_on(read) {
                Ok(children) => {
                    after = children.last().map_or(after, |(id, _)| *id);
                    page = children.into_iter();
                    page.next()
                }
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        let register = Register::build(&self.0.weights, children.map(|(id, child)| (id, Cow::Owned(child))))
            .map_err(|_| StoreError::Corrupt("the weights, which were checked"))?;
        failed.map_or(Ok(register), Err)
    }

    fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
