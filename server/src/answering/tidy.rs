//! Erases what may be kept no longer: bodies whose time is over, counts of long ago.

use std::time::Duration;

use tokio::sync::watch;

use crate::node::Node;
use crate::store::StoreError;
use crate::store::queries;

/// How often it is looked whether there is anything to erase.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Bodies that are erased in one transaction.
const BODIES_AT_ONCE: u32 = 200;
/// Seconds for which an offer counts as a query of its author.
const OFFER_SECONDS: i64 = 86_400;
/// Seconds for which it counts who asked about a child.
const MATCH_SECONDS: i64 = 30 * 86_400;

/// Erases now and then until `stop` turns true.
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = tidy(&node).await {
            tracing::error!(%error, "bodies of queries whose time is over can't be erased");
        }
        tokio::select! {
            () = node.wait(LOOK_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Nothing is left that may be kept no longer. Implements: QRY-030, STQ-011
pub async fn tidy(node: &Node) -> Result<(), StoreError> {
    let now = node.now();
    let (offers, met) = (now.plus_seconds(-OFFER_SECONDS), now.plus_seconds(-MATCH_SECONDS));
    // A look that finds nothing doesn't keep the writer.
    if !node.store().read(move |tx| queries::is_untidy(tx, now, offers, met)).await? {
        return Ok(());
    }
    while node.store().write(move |tx| queries::erase(tx, now, BODIES_AT_ONCE)).await? > 0 {}
    let forgotten = node.store().write(move |tx| {
        queries::forget_offers(tx, offers)?;
        queries::forget_matches(tx, met)
    });
    forgotten.await.map(|_| ())
}
