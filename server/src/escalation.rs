//! Word to the escalation contact of each hosted authority: of clocks that have run out, with reminders, and
//! of what else needs a person (a decline upheld, a fork, a delivery refused for good).
//!
//! What is to be told is found in the ledgers themselves, so that a crash can't lose it: a look notes each
//! occasion and queues a message for each channel in one transaction, and a sender brings the messages out,
//! for ever. The log and the lists tell in any case; with no channel configured, they alone do. No state
//! changes: silence moves nothing, and word of it doesn't either.

mod asked;
mod channel;
mod email;
mod look;
mod send;
mod webhook;
mod word;

use futures_util::future::join_all;
use tokio::sync::watch;

pub use self::asked::Alert;
pub use self::channel::{Channel, ChannelError, ChannelKind, Failure};
pub use self::look::look;
pub use self::word::{About, Matter, Named, Recipient, Word};
use crate::node::Node;

/// Looks and sends until `stop` turns true. Implements: CLK-005
pub async fn run(node: Node, channels: Vec<Channel>, stop: watch::Receiver<bool>) {
    let senders = channels.into_iter().map(|channel| send::run(node.clone(), channel, stop.clone()));
    tokio::join!(look::run(node.clone(), stop.clone()), join_all(senders));
}
