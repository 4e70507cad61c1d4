//! Leases: who does what only one process of a deployment may do at a time, until when.
//!
//! A lease runs out by itself, so that what a dead process held is free again. Its times are those of its
//! holder's clock: processes on several machines have clocks kept by NTP, and a lease is renewed long before
//! it ends, so that they may differ by seconds. All writers of a database take turns (see
//! `super::postgres`), so a claim is a plain statement in a transaction: no row needs a lock of its own.

use std::fmt;

use cme_spec::instant::Instant;

use super::{StoreError, Tx, Value};

/// Names a process, newly made whenever one starts: what a process held before it died is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(u128);

impl Holder {
    /// A holder that no other process is.
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<Holder> for Value {
    fn from(holder: Holder) -> Self {
        holder.to_string().into()
    }
}

/// Takes the lease of that name, or renews it, unless another holds it at `now`; false when another does.
pub fn claim(
    tx: &mut dyn Tx,
    name: &str,
    holder: Holder,
    now: Instant,
    until: Instant,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO lease (name, leased_by, leased_until) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (name) DO UPDATE SET leased_by = excluded.leased_by, \
                       leased_until = excluded.leased_until \
                       WHERE lease.leased_by = excluded.leased_by OR lease.leased_until <= ?4";
    let values = [name.into(), holder.into(), until.milliseconds().into(), now.milliseconds().into()];
    Ok(tx.exec(SQL, &values)? == 1)
}

/// Gives the lease back, if it is still the holder's.
pub fn release(tx: &mut dyn Tx, name: &str, holder: Holder) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM lease WHERE name = ?1 AND leased_by = ?2";
    tx.exec(SQL, &[name.into(), holder.into()]).map(|_| ())
}
