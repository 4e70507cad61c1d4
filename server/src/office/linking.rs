//! How an offer carries on an earlier transfer of the child.

use cme_spec::directory::{Availability, Directory};
use cme_spec::entry::{HeadRef, LedgerPoint, ResponsibilityRef};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;
use cme_spec::ledger::Stage;

use super::OfficeError;
use super::forking::forked;
use crate::store::{StoreError, Tx, ledgers};

/// How an offer follows an earlier transfer of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// That one is closed without acceptance, or was accepted by the authority that offers now.
    PrecededBy(TransferId),
    /// That one is undecided, and the directory lists its receiving authority as unavailable.
    Supersedes(TransferId),
    /// That one is forked, and the authority that offers now is responsible for the child.
    SuccessorOf(TransferId),
}

impl Link {
    /// The transfer that stays undecided beside the new one.
    pub(super) const fn replaced(self) -> Option<TransferId> {
        match self {
            Self::Supersedes(earlier) | Self::SuccessorOf(earlier) => Some(earlier),
            Self::PrecededBy(_) => None,
        }
    }
}

/// What a new ledger begins with.
pub(super) struct Begun {
    pub(super) responsibility: ResponsibilityRef,
    pub(super) preceded_by: Option<LedgerPoint>,
    pub(super) supersedes: Option<LedgerPoint>,
    pub(super) successor_of: Option<Vec<LedgerPoint>>,
}

impl Begun {
    pub(super) const fn new(responsibility: ResponsibilityRef) -> Self {
        Self { responsibility, preceded_by: None, supersedes: None, successor_of: None }
    }
}

/// The responsibility that an offer after `earlier` carries on, if `by` still has it. Implements: ENT-006
fn follow(
    tx: &mut dyn Tx,
    by: AuthorityCode,
    earlier: TransferId,
) -> Result<Option<(ResponsibilityRef, LedgerPoint)>, StoreError> {
    let all = ledgers::of_transfer(tx, earlier)?;
    let Some(held) = all.into_iter().find(|held| held.key.hosted == by) else { return Ok(None) };
    let ledger = &held.ledger;
    let passed = ledger.state.acceptance().is_some();
    let may = match ledger.stage() {
        Stage::Upheld | Stage::Redirected | Stage::Withdrawn => true,
        Stage::Accepted => passed,
        _ => false,
    };
    if !may || held.forked || ledger.responsible() != by {
        return Ok(None);
    }
    Ok(Some((ledger.next_responsibility(), point(earlier, ledger.head))))
}

/// What an offer begins with that follows an earlier transfer, if it may.
pub(super) fn linked(
    tx: &mut dyn Tx,
    directory: &Directory,
    by: AuthorityCode,
    link: Link,
) -> Result<Result<Begun, OfficeError>, StoreError> {
    Ok(match link {
        Link::PrecededBy(earlier) => match follow(tx, by, earlier)? {
            Some((responsibility, point)) => {
                Ok(Begun { preceded_by: Some(point), ..Begun::new(responsibility) })
            }
            None => Err(OfficeError::CannotFollow(earlier, by)),
        },
        Link::Supersedes(earlier) => match supersede(tx, directory, by, earlier)? {
            Some((responsibility, point)) => {
                Ok(Begun { supersedes: Some(point), ..Begun::new(responsibility) })
            }
            None => Err(OfficeError::CannotSupersede(earlier)),
        },
        Link::SuccessorOf(earlier) => match succeed(tx, directory, by, earlier)? {
            Some((responsibility, points)) => {
                Ok(Begun { successor_of: Some(points), ..Begun::new(responsibility) })
            }
            None => Err(OfficeError::CannotSucceed(earlier, by)),
        },
    })
}

/// An undecided offer to an authority whose server is gone, with the newest header held of it.
///
/// Implements: RCV-015
fn supersede(
    tx: &mut dyn Tx,
    directory: &Directory,
    by: AuthorityCode,
    earlier: TransferId,
) -> Result<Option<(ResponsibilityRef, LedgerPoint)>, StoreError> {
    let held = ledgers::of_transfer(tx, earlier)?.into_iter().find(|held| held.key.hosted == by);
    let Some(held) = held.filter(|held| held.ledger.terms.originating == by && !held.forked) else {
        return Ok(None);
    };
    let ledger = &held.ledger;
    let undecided = [Stage::Offered, Stage::Acknowledged, Stage::Declined, Stage::Contested];
    let gone = directory.answering(ledger.terms.receiving).map(|peer| peer.availability)
        == Some(Availability::Unavailable);
    if !gone || !undecided.contains(&ledger.stage()) {
        return Ok(None);
    }
    Ok(Some((ledger.terms.responsibility, point(earlier, ledger.head))))
}

/// Both ends of a forked ledger for whose child `by` is responsible. Implements: RCV-014
fn succeed(
    tx: &mut dyn Tx,
    directory: &Directory,
    by: AuthorityCode,
    earlier: TransferId,
) -> Result<Option<(ResponsibilityRef, Vec<LedgerPoint>)>, StoreError> {
    let held = ledgers::of_transfer(tx, earlier)?.into_iter().find(|held| held.key.hosted == by);
    let Some(held) = held.filter(|held| held.forked) else { return Ok(None) };
    let fork = forked(tx, directory, &held)?;
    if fork.responsible != by {
        return Ok(None);
    }
    let terms = &held.ledger.terms;
    let epoch = terms.responsibility.epoch + u64::from(fork.accepted);
    let ends = vec![point(earlier, held.ledger.head), point(earlier, fork.other_end)];
    Ok(Some((ResponsibilityRef { id: terms.responsibility.id, epoch }, ends)))
}

fn point(transfer: TransferId, head: HeadRef) -> LedgerPoint {
    LedgerPoint { transfer, sequence: head.sequence, header_digest: head.header_digest }
}
