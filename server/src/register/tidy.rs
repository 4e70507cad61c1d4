//! Sweeps what a register needs no more, in parts that keep nobody waiting.

use cme_matching::ChildId;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;

use crate::node::Node;
use crate::store::StoreError;
use crate::store::leases;
use crate::store::register::staging::{self, Hold};
use crate::store::register::state;

/// Rows that are deleted in one transaction.
const ROWS_AT_ONCE: u32 = 500;
/// Seconds for which whoever works on a register has it for itself, renewed with every part of the work: so long
/// the next one waits for one that was killed.
const LEASE_SECONDS: i64 = 10;
/// Days for which word of changes is kept: who looks less often looks at the whole register.
const CHANGES_DAYS: i64 = 30;

/// This process's hold on a register, from now on.
pub(super) fn hold(node: &Node) -> Hold {
    let now = node.now();
    Hold { holder: node.holder(), now, until: now.plus_seconds(LEASE_SECONDS) }
}

/// What nobody needs any more of an authority's register is gone, unless somebody works on the register.
pub async fn tidy(node: &Node, hosted: AuthorityCode) -> Result<(), StoreError> {
    let old = node.now().plus_seconds(-CHANGES_DAYS * 24 * 60 * 60);
    let todo = node.store().read(move |tx| {
        let sweep = staging::sweep(tx, hosted)?;
        Ok(sweep.left_behind || sweep.superseded || staging::is_old(tx, hosted, old)?)
    });
    if !todo.await? {
        return Ok(());
    }
    let held = hold(node);
    if !node.store().write(move |tx| staging::take_over(tx, hosted, held)).await? {
        return Ok(());
    }
    let swept = async {
        sweep_left_behind(node, hosted).await?;
        sweep_superseded(node, hosted).await?;
        forget(node, hosted, old).await
    };
    let (swept, holder) = (swept.await, node.holder());
    node.store().write(move |tx| staging::end(tx, hosted, holder)).await?;
    swept
}

/// No row of a cut-off import is left. The caller holds the lease and has staged nothing.
pub(super) async fn sweep_left_behind(node: &Node, hosted: AuthorityCode) -> Result<(), StoreError> {
    loop {
        let held = hold(node);
        let swept = node.store().write(move |tx| {
            let rows = staging::left_behind(tx, hosted, ROWS_AT_ONCE)?;
            staging::delete(tx, hosted, &rows)?;
            renew(tx, hosted, held)?;
            Ok(rows.len())
        });
        if swept.await? == 0 {
            return Ok(());
        }
    }
}

/// No version of a child is left that is in force no more. The caller holds the lease.
pub(super) async fn sweep_superseded(node: &Node, hosted: AuthorityCode) -> Result<(), StoreError> {
    let committed = node.store().read(move |tx| state(tx, hosted)).await?.committed;
    let mut after = (ChildId(0), 0);
    loop {
        let rows = node.store().read(move |tx| staging::superseded_after(tx, hosted, after, ROWS_AT_ONCE));
        let rows = rows.await?;
        let Some(last) = rows.last() else { break };
        after = *last;
        let held = hold(node);
        let deleted = node.store().write(move |tx| {
            staging::delete(tx, hosted, &rows)?;
            renew(tx, hosted, held)
        });
        deleted.await?;
    }
    node.store().write(move |tx| staging::swept(tx, hosted, committed)).await
}

async fn forget(node: &Node, hosted: AuthorityCode, before: Instant) -> Result<(), StoreError> {
    loop {
        let held = hold(node);
        let forgotten = node.store().write(move |tx| {
            let forgotten = staging::forget(tx, hosted, before, ROWS_AT_ONCE)?;
            renew(tx, hosted, held)?;
            Ok(forgotten)
        });
        if forgotten.await? == 0 {
            return Ok(());
        }
    }
}

/// The lease runs on; whoever took it over has begun anew, and this work is not needed.
fn renew(tx: &mut dyn crate::store::Tx, hosted: AuthorityCode, held: Hold) -> Result<(), StoreError> {
    let name = staging::lease_name(hosted);
    if leases::claim(tx, &name, held.holder, held.now, held.until)? { Ok(()) } else { Err(StoreError::Busy) }
}
