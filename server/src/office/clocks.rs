//! The clocks that run in a deployment's ledgers.

use std::collections::BTreeSet;

use cme_spec::instant::TransferId;
use cme_spec::ledger::due::{Clock, Due, due};

use crate::node::Node;
use crate::store::ledgers::Held;

/// The clocks that run at a ledger's newest entry. A transfer that another one follows asks nothing more of
/// its originating authority.
pub fn clocks(node: &Node, held: &Held, followed: &BTreeSet<TransferId>) -> Vec<Due> {
    let archive = node.archive();
    let running = due(&held.ledger, |issue| archive.issue(issue).map(|directory| &directory.policy));
    let mut running = running.unwrap_or_else(|error| {
        tracing::warn!(transfer = %held.key.transfer, %error, "a deadline can't be told");
        Vec::new()
    });
    if followed.contains(&held.key.transfer) {
        running.retain(|due| due.clock != Clock::OriginatingAct);
    }
    running
}
