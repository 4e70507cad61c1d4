//! The flags that an officer sets: whatever a source says, nobody may learn that the child is known.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;

use super::changes::{Block, note};
use super::{ChangeKind, State, keep_state, number, registered, state};
use crate::store::{StoreError, Tx};

/// The child is shielded; false when no such child is known. It stays shielded whatever is imported later.
pub fn shield(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    source: &str,
    reference: &str,
    now: Instant,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO register_shield (hosted, source, reference, shielded_at) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT (hosted, source, reference) DO NOTHING";
    if registered(tx, hosted, source, reference)?.is_none() {
        return Ok(false);
    }
    let values = [hosted.as_ref().into(), source.into(), reference.into(), now.milliseconds().into()];
    if tx.exec(SQL, &values)? == 1 {
        tell(tx, hosted, source, reference, ChangeKind::Shielded)?;
    }
    Ok(true)
}

/// The officer's flag is gone; false when there was none. What the source itself says stays.
pub fn unshield(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    source: &str,
    reference: &str,
) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM register_shield WHERE hosted = ?1 AND source = ?2 AND reference = ?3";
    if tx.exec(SQL, &[hosted.as_ref().into(), source.into(), reference.into()])? == 0 {
        return Ok(false);
    }
    tell(tx, hosted, source, reference, ChangeKind::Unshielded)?;
    Ok(true)
}

/// The officer's flags of a reference, or of a whole source, are gone with the children.
pub fn forget_shields(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    source: &str,
    reference: Option<&str>,
) -> Result<(), StoreError> {
    const ONE: &str = "DELETE FROM register_shield WHERE hosted = ?1 AND source = ?2 AND reference = ?3";
    const ALL: &str = "DELETE FROM register_shield WHERE hosted = ?1 AND source = ?2";
    let (hosted, source) = (hosted.as_ref().into(), source.into());
    match reference {
        Some(reference) => tx.exec(ONE, &[hosted, source, reference.into()]).map(drop),
        None => tx.exec(ALL, &[hosted, source]).map(drop),
    }
}

fn tell(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    source: &str,
    reference: &str,
    kind: ChangeKind,
) -> Result<(), StoreError> {
    // Of a child who is not known at present nobody follows a change.
    let Some(known) = registered(tx, hosted, source, reference)? else { return Ok(()) };
    let state = state(tx, hosted)?;
    let child = number(known.id)?.into();
    let block = Block { kind: Some(kind), import: state.committed, child: Some(&child), count: 1 };
    let last_change = note(tx, hosted, state.last_change, &block)?;
    keep_state(tx, hosted, &State { last_change, ..state })
}
