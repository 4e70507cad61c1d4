//! Brings what a source tells into an authority's register: all of it at once, or nothing.
//!
//! Rows are compared with what the source said before and staged in parts, each in a transaction of its own, so
//! that nobody waits long. Then one short transaction brings them into force. Only what is news is written; a
//! merge also notes again what it was told again, as its date is newer.

use std::collections::HashMap;
use std::time::Duration;

use cme_matching::ChildId;
use cme_spec::ids::AuthorityCode;

use super::tidy::{hold, sweep_left_behind, sweep_superseded};
use crate::node::Node;
use crate::store::StoreError;
use crate::store::register::staging::{self, Begun, Counts, Kind, Order, Staged};
use crate::store::register::{ChangeKind, Digest, Record};

/// Versions that are staged in one transaction.
const PART_ROWS: usize = 500;
/// Between two parts, for whoever else wants to write.
const PART_PAUSE: Duration = Duration::from_millis(2);
/// Children that are read at one time.
const KNOWN_AT_ONCE: u32 = 10_000;
/// Children of one source at most.
const CHILDREN_MAX: usize = 10_000_000;
/// Seconds for which another import is waited for: one that was killed holds the register for ten.
const WAIT_SECONDS: u32 = 20;

/// Why an import came to nothing. The register is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Another one is under way.
    #[error("another import works on this register; try again when it is done")]
    UnderWay,
    /// Another one began meanwhile.
    #[error("another import took over; the register is as it was")]
    TakenOver,
    /// The file is not what it seems.
    #[error(
        "{removed} of the source's {known} children are not in the file; if that is right, say --allow-removal. The register is as it was"
    )]
    TooManyRemoved {
        /// Children who would be known no more.
        removed: usize,
        /// Children who are known.
        known: usize,
    },
    /// The file has too many children.
    #[error("a source can have {CHILDREN_MAX} children at most")]
    TooManyChildren,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an import has heard of a reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// A row that was refused: what was known before stays.
    Refused,
    Said,
}

struct Held {
    child: ChildId,
    digest: Digest,
    heard: Heard,
}

/// An import that is under way.
pub struct Import<'n> {
    node: &'n Node,
    order: Order,
    begun: Begun,
    known: HashMap<Box<str>, Held>,
    known_before: usize,
    last_child: i64,
    part: Vec<Staged>,
    counts: Counts,
}

impl<'n> Import<'n> {
    /// The import begins, as soon as no other is under way.
    pub async fn begin(node: &'n Node, order: Order) -> Result<Self, ImportError> {
        let begun = begin(node, &order).await?;
        let mut import = Self {
            node,
            begun,
            known: HashMap::new(),
            known_before: 0,
            last_child: begun.last_child,
            part: Vec::new(),
            counts: Counts::default(),
            order,
        };
        match import.prepare().await {
            Ok(()) => Ok(import),
            Err(error) => Err(import.given_up(error).await),
        }
    }

    async fn prepare(&mut self) -> Result<(), ImportError> {
        let hosted = self.order.hosted;
        sweep_left_behind(self.node, hosted).await?;
        let mut after = String::new();
        loop {
            let (source, from) = (self.order.source.clone(), after.clone());
            let page = self
                .node
                .store()
                .read(move |tx| staging::known_after(tx, hosted, &source, &from, KNOWN_AT_ONCE));
            let page = page.await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.reference);
            let held = |known: staging::Known| {
                let held = Held { child: known.child, digest: known.digest, heard: Heard::Nothing };
                (known.reference.into_boxed_str(), held)
            };
            self.known.extend(page.into_iter().map(held));
            // It takes a while, and the register must stay this import's.
            self.stage(Vec::new()).await?;
        }
        self.known_before = self.known.len();
        Ok(())
    }

    /// What the source says of a child is part of the import; false when it was told of before.
    pub async fn take(&mut self, record: Record) -> Result<bool, ImportError> {
        let digest = record.digest();
        let staged = match self.known.get_mut(record.reference.as_str()) {
            Some(held) if held.heard == Heard::Said => return Ok(false),
            Some(held) => {
                held.heard = Heard::Said;
                let (child, record) = (held.child, Box::new(record));
                if held.digest == digest {
                    self.counts.confirmed += 1;
                    (self.order.kind == Kind::Merge).then_some(Staged::Said { child, record, news: None })
                } else {
                    self.counts.changed += 1;
                    let news = Some((ChangeKind::Changed, self.counts.changes()));
                    Some(Staged::Said { child, record, news })
                }
            }
            None => {
                if self.known.len() == CHILDREN_MAX {
                    return Err(ImportError::TooManyChildren);
                }
                self.last_child += 1;
                self.counts.added += 1;
                let child = ChildId(self.last_child.unsigned_abs());
                let held = Held { child, digest, heard: Heard::Said };
                self.known.insert(record.reference.clone().into_boxed_str(), held);
                let news = Some((ChangeKind::Added, self.counts.changes()));
                Some(Staged::Said { child, record: Box::new(record), news })
            }
        };
        self.part.extend(staged);
        self.stage_if_full().await?;
        Ok(true)
    }

    /// A row was refused; if the child of its reference is known, it stays as it was.
    pub fn refuse(&mut self, reference: Option<&str>) {
        self.counts.rejected += 1;
        if let Some(held) = reference.and_then(|reference| self.known.get_mut(reference))
            && held.heard == Heard::Nothing
        {
            held.heard = Heard::Refused;
        }
    }

    /// The child of a reference is known no more; false when it isn't known anyway.
    pub async fn remove(&mut self, reference: &str) -> Result<bool, ImportError> {
        let Some(held) = self.known.remove(reference) else { return Ok(false) };
        self.remove_child(held.child).await?;
        Ok(true)
    }

    /// No child of the source is known any more.
    pub async fn remove_all(&mut self) -> Result<(), ImportError> {
        let children = self.children_of(|_| true);
        for child in children {
            self.remove_child(child).await?;
        }
        Ok(())
    }

    async fn remove_child(&mut self, child: ChildId) -> Result<(), ImportError> {
        self.counts.removed += 1;
        self.part.push(Staged::Removed { child, place: self.counts.changes() });
        self.stage_if_full().await
    }

    /// In the order of their numbers: what is staged does not depend on chance.
    fn children_of(&self, wanted: impl Fn(&Held) -> bool) -> Vec<ChildId> {
        let mut children: Vec<ChildId> =
            self.known.values().filter(|held| wanted(held)).map(|held| held.child).collect();
        children.sort_unstable();
        children
    }

    /// All of it is in force from now on. A replacement that would take out more than half of what is known is
    /// believed only if `removal_allowed`.
    pub async fn commit(mut self, removal_allowed: bool) -> Result<Counts, ImportError> {
        let committed = self.bring_into_force(removal_allowed).await;
        if let Err(error) = committed {
            return Err(self.given_up(error).await);
        }
        let hosted = self.order.hosted;
        let swept = sweep_superseded(self.node, hosted).await;
        self.release().await;
        swept?;
        Ok(self.counts)
    }

    async fn bring_into_force(&mut self, removal_allowed: bool) -> Result<(), ImportError> {
        if self.order.kind == Kind::Replace {
            let removed = self.children_of(|held| held.heard == Heard::Nothing);
            if removed.len() * 2 > self.known_before && !removal_allowed {
                return Err(ImportError::TooManyRemoved { removed: removed.len(), known: self.known_before });
            }
            for child in removed {
                self.remove_child(child).await?;
            }
        }
        let part = std::mem::take(&mut self.part);
        self.stage(part).await?;
        let (begun, counts, last_child, held) = (self.begun, self.counts, self.last_child, hold(self.node));
        let committed =
            self.node.store().write(move |tx| staging::commit(tx, &begun, &counts, last_child, held));
        if committed.await? { Ok(()) } else { Err(ImportError::TakenOver) }
    }

    async fn stage_if_full(&mut self) -> Result<(), ImportError> {
        if self.part.len() < PART_ROWS {
            return Ok(());
        }
        let part = std::mem::take(&mut self.part);
        self.stage(part).await?;
        self.node.wait(PART_PAUSE).await;
        Ok(())
    }

    async fn stage(&self, part: Vec<Staged>) -> Result<(), ImportError> {
        let (begun, source, held) = (self.begun, self.order.source.clone(), hold(self.node));
        let staged = self.node.store().write(move |tx| staging::stage(tx, &begun, &source, &part, held));
        if staged.await? { Ok(()) } else { Err(ImportError::TakenOver) }
    }

    /// The import comes to nothing, and the next need not wait for it.
    pub async fn abandon(self) {
        self.release().await;
    }

    async fn given_up(&self, error: ImportError) -> ImportError {
        self.release().await;
        error
    }

    async fn release(&self) {
        let (hosted, holder) = (self.order.hosted, self.node.holder());
        // Where that fails, the lease runs out by itself.
        let _ = self.node.store().write(move |tx| staging::end(tx, hosted, holder)).await;
    }
}

async fn begin(node: &Node, order: &Order) -> Result<Begun, ImportError> {
    for _ in 0..WAIT_SECONDS {
        let (order, held) = (order.clone(), hold(node));
        let begun = node.store().write(move |tx| staging::begin(tx, &order, held));
        if let Some(begun) = begun.await? {
            return Ok(begun);
        }
        node.wait(Duration::from_secs(1)).await;
    }
    Err(ImportError::UnderWay)
}

/// The children of these references, or all of the source, are known no more, nor are their flags. Gives how many.
pub async fn delete(
    node: &Node,
    hosted: AuthorityCode,
    source: &str,
    reference: Option<&str>,
) -> Result<i64, ImportError> {
    let as_of = node.now().timestamp().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let order = Order { hosted, source: source.to_owned(), kind: Kind::Delete, as_of };
    let mut import = Import::begin(node, order).await?;
    let removed = match reference {
        Some(reference) => import.remove(reference).await.map(drop),
        None => import.remove_all().await,
    };
    if let Err(error) = removed {
        return Err(import.given_up(error).await);
    }
    let counts = import.commit(true).await?;
    let (source, reference) = (source.to_owned(), reference.map(str::to_owned));
    let forgotten = node
        .store()
        .write(move |tx| crate::store::register::forget_shields(tx, hosted, &source, reference.as_deref()));
    forgotten.await?;
    Ok(counts.removed)
}
