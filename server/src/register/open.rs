//! Whether an authority's register knows a child of whom others may learn, as if those who are shielded were not there.

use std::collections::BTreeSet;

use cme_matching::{Child, ChildId};
use cme_spec::ids::AuthorityCode;

use super::{FIND_TRIES, FindError, Found, LiveRegister};
use crate::store::StoreError;
use crate::store::register::{bearers, children};

/// Looks at a register for one query. Each finds the likeliest children but those that are known to be shielded by
/// then; the last one's answer counts. A query makes all of them, so that their number tells nothing.
const LOOKS: usize = 3;

/// What a register says to a query of another authority.
#[derive(Clone, Debug)]
pub struct Look {
    /// The answer among the children who are not shielded.
    pub open: Found,
    /// Shielded children who may be the one, and those who may be the same child as one of them: a person is told, and
    /// the asking authority is not.
    pub shielded: Vec<super::FoundCandidate>,
    /// The newest change that the register has.
    pub sequence: i64,
}

impl LiveRegister {
    /// What may be told of a child, and which shielded children may be the one. Whether a child is shielded is read from
    /// the database now, and again for whoever comes to light when others are left out.
    ///
    /// A child that a second source tells of, without the flag, is shielded too. A register that was never filled says
    /// nothing of any child.
    ///
    /// Implements: QRY-021, QRY-025, QRY-031
    pub async fn look(&self, hosted: AuthorityCode, query: &Child) -> Result<Look, FindError> {
        for _ in 0..FIND_TRIES {
            if let Some(look) = self.look_once(hosted, query).await? {
                return Ok(look);
            }
            // Somebody was taken out a moment ago.
            self.bring_up_to_date(hosted).await?;
        }
        Err(FindError::NotReady)
    }

    async fn look_once(&self, hosted: AuthorityCode, query: &Child) -> Result<Option<Look>, FindError> {
        let Some(sequence) = self.sequence(hosted) else { return Err(FindError::NotReady) };
        if self.is_filled(hosted) != Some(true) {
            return Err(FindError::NeverFilled);
        }
        let (mut left_out, mut shielded) = (BTreeSet::new(), Vec::new());
        let mut open = None;
        let mut looks = 0;
        while looks < LOOKS || open.is_none() {
            looks += 1;
            let Some(found) = self.found(hosted, query, left_out.clone()).await? else { return Ok(None) };
            let hidden = self.hidden(hosted, &found).await?;
            let met = found.candidates.iter().filter(|met| met.possible && hidden.contains(&met.id()));
            shielded.extend(met.cloned());
            // Nobody is left out twice, so this ends.
            open = hidden.is_empty().then_some(found);
            left_out.extend(hidden);
        }
        Ok(open.map(|open| Look { open, shielded, sequence }))
    }

    /// The likeliest children but for these; none when one of them is known no more.
    pub(super) async fn found(
        &self,
        hosted: AuthorityCode,
        query: &Child,
        left_out: BTreeSet<ChildId>,
    ) -> Result<Option<Found>, FindError> {
        let (live, query) = (self.clone(), query.clone());
        let asked = tokio::task::spawn_blocking(move || live.ask(hosted, &query, &left_out)).await;
        let answer = asked.map_err(|_| StoreError::Closed)?.ok_or(FindError::NotReady)?;
        let ids: Vec<ChildId> = answer.candidates.iter().map(|candidate| candidate.id).collect();
        let bearers = self.0.store.read(move |tx| bearers(tx, hosted, &ids)).await?;
        Ok(Found::of(answer, bearers, self.0.weights.thresholds))
    }

    /// The candidates that are shielded, and those that may be the same child as one of them.
    async fn hidden(&self, hosted: AuthorityCode, found: &Found) -> Result<BTreeSet<ChildId>, FindError> {
        let shielded = found.candidates.iter().filter(|candidate| candidate.bearer.shielded);
        let ids: Vec<ChildId> = shielded.map(super::FoundCandidate::id).collect();
        let mut hidden: BTreeSet<ChildId> = ids.iter().copied().collect();
        let known = self.0.store.read(move |tx| children(tx, hosted, &ids)).await?;
        let Some(slot) = self.0.slots.get(&hosted) else { return Ok(hidden) };
        let index = slot.index.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(index) = index.as_ref() else { return Ok(hidden) };
        let others = found.candidates.iter().map(super::FoundCandidate::id);
        let twice =
            others.filter(|other| known.iter().any(|(_, child)| index.register.may_be_one(child, *other)));
        hidden.extend(twice.collect::<Vec<_>>());
        Ok(hidden)
    }
}
