//! Word of a clock that has run out, once, to the escalation contact of each hosted authority.
//!
//! The word goes to the log, with the contact that the directory names; the list shows it as overdue. No
//! state changes: silence moves nothing.

use std::time::Duration;

use tokio::sync::watch;

use crate::node::Node;
use crate::office::clocks;
use crate::store::{StoreError, ledgers, officers};

/// How often the clocks are looked at.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Watches the clocks until `stop` turns true. Implements: CLK-005
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = tell_once(&node).await {
            tracing::error!(%error, "the clocks can't be looked at");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Sends word of every clock that has run out and was not told before; gives their number.
pub async fn tell_once(node: &Node) -> Result<u64, StoreError> {
    let (archive, now, mut told) = (node.archive(), node.now(), 0);
    for hosted in node.all_hosted() {
        let code = hosted.code;
        let contact = archive.newest().and_then(|issue| issue.content().authority(code));
        let contact = contact.map_or_else(String::new, |authority| authority.escalation.name.clone());
        let read =
            node.store().read(move |tx| Ok((ledgers::with_clocks(tx, code)?, ledgers::followed(tx, code)?)));
        let (open, followed) = read.await?;
        for held in open {
            let clocks = clocks(node, &held, &followed);
            for clock in clocks.due.into_iter().filter(|clock| clock.is_overdue(now)) {
                let (key, name, day) = (held.key, clock.clock.code(), clock.due_on.to_string());
                let new =
                    node.store().write(move |tx| officers::note_escalated(tx, &key, name, &day, now)).await?;
                if new {
                    told += 1;
                    tracing::warn!(transfer = %key.transfer, clock = name, owner = %clock.owner, due_on = %clock.due_on,
                                   authority = %code, contact, "a clock has run out");
                }
            }
        }
    }
    Ok(told)
}
