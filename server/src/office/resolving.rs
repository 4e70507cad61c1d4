//! Letters that were refused for good, until an officer has dealt with them.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::EntryId;

use super::OfficeError;
use crate::node::Node;
use crate::store::outbox::{self, Task};

/// What an officer does with a letter that was refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is sent again: whatever stood in its way is mended.
    Retry,
    /// A decision is given up. An entry that is in the ledger can't be: it can only be delivered.
    Drop,
}

/// An officer resolves a letter that was refused for good. Implements: DLV-009
pub async fn resolve(
    node: &Node,
    by: AuthorityCode,
    id: EntryId,
    resolution: Resolution,
) -> Result<(), OfficeError> {
    let now = node.now();
    let resolved = node.store().write(move |tx| {
        let Some(letter) = outbox::dead_letter(tx, by, id)? else {
            return Ok(Err(OfficeError::UnknownLetter(id)));
        };
        match (resolution, letter.task) {
            (Resolution::Retry, task) => outbox::enqueue(tx, &letter.key, id, task, letter.place, now)?,
            (Resolution::Drop, Task::Propose) => {
                outbox::drop_proposal(tx, &letter.key, id)?;
                outbox::done(tx, &letter.key, id)?;
            }
            (Resolution::Drop, Task::Deliver) => return Ok(Err(OfficeError::InTheLedger(id))),
        }
        Ok(Ok(()))
    });
    resolved.await??;
    node.wake_outbox();
    Ok(())
}
