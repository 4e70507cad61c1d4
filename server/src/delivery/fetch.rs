//! What the other party holds, read and judged as if it had been delivered.

use cme_client::{ClientError, Entries};
use cme_spec::entry::Entry;
use cme_spec::problem::{Problem, ProblemType};

use super::send::peer;
use crate::append::{Answer, Incoming, Parties, Told, arrive, note_refused};
use crate::node::Node;
use crate::peers;
use crate::store::ledgers::{self, LedgerKey};

/// Fetches and appends what the other party holds beyond this copy; gives the number of entries.
///
/// Implements: DLV-010
pub async fn pull(node: &Node, key: &LedgerKey) -> Result<u64, ClientError> {
    let ledger_key = *key;
    let held = node.store().read(move |tx| ledgers::find(tx, &ledger_key)).await;
    let held = held.map_err(|_| ClientError::NotConnected(key.counterparty))?;
    fetch_from(node, key, held.map_or(0, |held| held.ledger.head.sequence + 1)).await
}

/// Reads the ledger from a place on, appends what this copy lacks and keeps what contradicts it; gives the
/// number of entries appended.
///
/// The peer's signed head is kept. What is refused ends the copy before it and goes before an officer; what
/// proves a fork, or carries a branch on, is evidence, and what follows it too.
///
/// Implements: LED-009, RCP-009, RCV-012
pub async fn fetch_from(node: &Node, key: &LedgerKey, from: u64) -> Result<u64, ClientError> {
    let (mut next, mut appended) = (from, 0);
    loop {
        let page = read_page(node, key, next).await?;
        next += page.entries.len() as u64;
        let (more, forks, told) = (page.more, page.forks, page.head.content().incarnation);
        for entry in page.entries {
            match take(node, key, entry, told).await? {
                Taken::Stored => appended += 1,
                Taken::Held => {}
                Taken::Refused => return Ok(appended),
            }
        }
        if !more {
            for entry in forks {
                take(node, key, entry, told).await?;
            }
            return Ok(appended);
        }
    }
}

/// One page, its head noted.
async fn read_page(node: &Node, key: &LedgerKey, from: u64) -> Result<Entries, ClientError> {
    let (ledger_key, failed) = (*key, |_| ClientError::NotConnected(key.counterparty));
    let client = peer(node, key).map_err(|_| ClientError::NotConnected(key.counterparty))?;
    let signed_for = node.store().read(move |tx| peers::signed_for(tx, &ledger_key)).await.map_err(failed)?;
    let page = client.entries(key.transfer, from).await?;
    let incarnation = page.head.content().incarnation;
    if !peers::hear(node, key.hosted, key.counterparty, incarnation).await.map_err(failed)? {
        // A server that the peer has replaced: what it tells is of no use.
        return Err(ClientError::NotConnected(key.counterparty));
    }
    let head = page.head.envelope().clone();
    let noted = node.store().write(move |tx| peers::note_head(tx, &ledger_key, signed_for, &head));
    if noted.await.map_err(failed)? {
        node.ask_reconcile();
    }
    Ok(page)
}

enum Taken {
    Stored,
    Held,
    Refused,
}

async fn take(node: &Node, key: &LedgerKey, entry: Entry, incarnation: u64) -> Result<Taken, ClientError> {
    let failed = |_| ClientError::NotConnected(key.counterparty);
    let parties = Parties { ours: key.hosted, theirs: key.counterparty };
    let sequence = entry.header().sequence;
    let incoming = if entry.header().is_between(parties.ours, parties.theirs) {
        Incoming::fetched(node, entry, parties, node.archive())
    } else {
        Err(Problem::new(ProblemType::NotAParty))
    };
    let told = match incoming {
        Ok(incoming) => {
            let told = Told { hosted: key.hosted, peer: key.counterparty, incarnation };
            let incoming = incoming.told(Some(told));
            node.store().write(move |tx| arrive(tx, &incoming)).await.map_err(failed)?
        }
        Err(problem) => Answer::Refused(problem),
    };
    match told {
        Answer::Stored(_) => Ok(Taken::Stored),
        Answer::Repeated(_) => Ok(Taken::Held),
        Answer::Refused(problem) if problem.registered() == Some(ProblemType::Forked) => Ok(Taken::Held),
        Answer::Refused(problem) => {
            tracing::error!(transfer = %key.transfer, sequence, problem = problem.kind, "a fetched entry is refused");
            note_refused(node, *key, sequence, &problem).await.map_err(failed)?;
            Ok(Taken::Refused)
        }
    }
}
