//! The clocks that run in a deployment's ledgers.

use std::collections::BTreeSet;

use cme_spec::instant::TransferId;
use cme_spec::ledger::due::{Clock, Due, each_due};

use crate::node::Node;
use crate::store::ledgers::Held;

/// The clocks that run at a ledger's newest entry.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    /// Those with a deadline.
    pub due: Vec<Due>,
    /// Those whose deadline can't be told: the bank holidays are not known that far, or the issue is not held.
    pub not_computable: Vec<Clock>,
}

/// The clocks that run at a ledger's newest entry. A transfer that another one follows asks nothing more of
/// its originating authority. Implements: CLK-003
pub fn clocks(node: &Node, held: &Held, followed: &BTreeSet<TransferId>) -> Clocks {
    let archive = node.archive();
    let running = each_due(&held.ledger, |issue| archive.issue(issue).map(|directory| &directory.policy));
    let done = followed.contains(&held.key.transfer);
    let mut clocks = Clocks::default();
    for (clock, due) in running.into_iter().filter(|(clock, _)| !done || *clock != Clock::OriginatingAct) {
        match due {
            Ok(due) => clocks.due.push(due),
            Err(error) => {
                tracing::warn!(transfer = %held.key.transfer, clock = clock.code(), %error, "a deadline can't be told");
                clocks.not_computable.push(clock);
            }
        }
    }
    clocks
}
