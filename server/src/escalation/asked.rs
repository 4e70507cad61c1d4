//! Word of queries that need a person: made beforehand, and queued in the transaction in which the query is answered.

use cme_spec::directory::Directory;
use cme_spec::instant::Instant;

use super::channel::ChannelKind;
use super::word::{About, Matter, Named, Recipient, Word};
use crate::node::Node;
use crate::store::escalations::{self, NewTask, Occasion, Subject, matters};
use crate::store::queries::QueryKey;
use crate::store::{StoreError, Tx};

/// A word that waits to be queued.
#[derive(Clone, Debug)]
pub struct Alert {
    occasion: Occasion,
    tasks: Vec<NewTask>,
}

const fn code(matter: &Matter) -> Option<&'static str> {
    match matter {
        Matter::PossibleMatch => Some(matters::POSSIBLE),
        Matter::StandingMatch => Some(matters::STANDING),
        Matter::AskedByMany { .. } => Some(matters::MANY),
        Matter::ShieldedMatch { .. } => Some(matters::SHIELDED),
        Matter::ShieldedStandingMatch => Some(matters::SHIELDED_STANDING),
        Matter::ShieldedAskedByMany { .. } => Some(matters::SHIELDED_MANY),
        _ => None,
    }
}

impl Alert {
    /// Word of a query, to the officer whom it is for: what is about a shielded child goes to no other.
    ///
    /// Implements: QRY-024, QRY-027, STQ-007, STQ-009
    pub fn of(
        node: &Node,
        directory: &Directory,
        key: &QueryKey,
        matter: &Matter,
        now: Instant,
    ) -> Result<Self, StoreError> {
        let code = code(matter).ok_or(StoreError::Corrupt("a matter that is no query's"))?;
        let detail = if code.ends_with(matters::STANDING) { now.to_string() } else { String::new() };
        let occasion = Occasion { subject: Subject::Query(*key), matter: code.to_owned(), detail };
        let restricted = occasion.is_restricted();
        let to = if restricted { Recipient::RestrictedOfficer } else { Recipient::Officer };
        let more = if restricted { " --restricted" } else { "" };
        let channels = ChannelKind::configured(node.config()).into_iter();
        let tasks = channels.map(|channel| {
            let word = Word {
                id: node.random().message_id(now),
                matter: matter.clone(),
                to,
                authority: Named::of(directory, key.hosted),
                about: Some(About {
                    transfer: None,
                    query: Some(key.query),
                    peer: Named::of(directory, key.author),
                }),
                noted_at: now,
                look: Some(format!("cme-server office answer list --as {}{more}", key.hosted)),
            };
            let document = serde_json::to_string(&word).map_err(|_| StoreError::Corrupt("a message"))?;
            Ok(NewTask { id: word.id, channel: channel.code(), recipient: to.code(), document })
        });
        Ok(Self { occasion, tasks: tasks.collect::<Result<_, StoreError>>()? })
    }

    /// Queues it, in the caller's transaction; nothing happens when it was told before. Of a shielded child not even the
    /// log tells.
    pub fn queue(&self, tx: &mut dyn Tx, now: Instant) -> Result<bool, StoreError> {
        let new = escalations::tell(tx, &self.occasion, None, &self.tasks, now)?;
        let (subject, matter) = (&self.occasion.subject, &self.occasion.matter);
        if new && !self.occasion.is_restricted() {
            tracing::warn!(query = %subject, matter, peer = %subject.peer(), authority = %subject.hosted(),
                           "a person has to look");
        }
        Ok(new)
    }
}
