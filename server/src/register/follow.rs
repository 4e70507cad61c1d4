//! Keeps the indexes as the database is.

use std::time::Duration;

use cme_spec::ids::AuthorityCode;
use tokio::sync::watch;

use super::tidy;
use crate::node::Node;
use crate::store::StoreError;

/// How often the database is asked what has changed.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// Looks at the changes between two looks at what is to be swept.
const SWEEP_EVERY_LOOKS: u64 = 120;

/// Builds the index of each hosted authority and follows its changes until `stop` turns true.
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    let mut looks: u64 = 0;
    loop {
        tokio::select! {
            () = look(&node, looks.is_multiple_of(SWEEP_EVERY_LOOKS)) => {}
            _ = stop.changed() => break,
        }
        looks += 1;
        tokio::select! {
            () = node.wait(FOLLOW_EVERY) => {}
            _ = stop.changed() => break,
        }
    }
    node.register().stop();
}

async fn look(node: &Node, sweep: bool) {
    for hosted in node.all_hosted() {
        let (code, was_ready) = (hosted.code, node.register().children(hosted.code).is_some());
        let followed = node.register().bring_up_to_date(code).await;
        let done = match followed {
            Ok(()) if sweep => tidy(node, code).await,
            followed => followed,
        };
        match done {
            Err(error) => warn(code, &error),
            Ok(()) if !was_ready => tell_ready(node, code),
            Ok(()) => {}
        }
    }
}

fn warn(authority: AuthorityCode, error: &StoreError) {
    tracing::warn!(%authority, %error, "the register can't be followed or swept");
}

fn tell_ready(node: &Node, authority: AuthorityCode) {
    let children = node.register().children(authority);
    tracing::info!(%authority, children, "the register is ready");
    if node.register().is_filled(authority) == Some(false) {
        tracing::warn!(
            %authority,
            "the register was never filled: queries are answered `unavailable` until `register import` has brought children in"
        );
    }
}
