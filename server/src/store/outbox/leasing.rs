//! Which letters a process may send: the rows of the outbox, dealt out to the processes of a deployment.
//!
//! A process sends a letter only under a lease. One letter of a ledger is leased at a time and a bounded
//! number of those to a peer, whatever the number of processes. Peers take turns, so that a long queue to one
//! keeps no other waiting.

use std::collections::{BTreeMap, HashSet};

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, Instant};

use super::{Letter, letter};
use crate::store::leases::Holder;
use crate::store::ledgers::LedgerKey;
use crate::store::{Row, StoreError, Tx, Value};

/// How many letters may be under way, and whose turn it is.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The instant at which letters are due and leases run.
    pub now: Instant,
    /// Letters under way to one peer at most, of all processes.
    pub per_peer_max: usize,
    /// Letters that are taken now at most.
    pub letters_max: usize,
    /// The peer that had the last turn.
    pub after: Option<AuthorityCode>,
}

/// A letter that one process may send while its lease runs.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The letter.
    pub letter: Letter,
    /// What whoever changes its row shows.
    pub lease: Lease,
}

/// The right to send a letter and to say what became of it. Only a claim makes one.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    key: LedgerKey,
    id: EntryId,
    holder: Holder,
}

impl Lease {
    fn values(&self, rest: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut values = self.key.values().to_vec();
        values.extend([self.id.to_string().into(), self.holder.into()]);
        values.extend(rest);
        values
    }
}

/// Peers with a letter whose time has come. Each step looks for the next code in the index, so that a long
/// queue to one peer costs no more than a short one.
const PEERS: &str = "WITH RECURSIVE peer (code) AS (SELECT MIN(counterparty) FROM outbox WHERE state = 'waiting' \
                     UNION ALL SELECT (SELECT MIN(o.counterparty) FROM outbox o WHERE o.state = 'waiting' \
                     AND o.counterparty > peer.code) FROM peer WHERE peer.code IS NOT NULL) \
                     SELECT code FROM peer WHERE code IS NOT NULL AND EXISTS (SELECT 1 FROM outbox w \
                     WHERE w.state = 'waiting' AND w.counterparty = peer.code AND w.next_at <= ?1) ORDER BY code";

/// The letters that may be sent now: the first of each ledger, if its time has come and none of its ledger is
/// under way. Peers take turns, from the one after `turn.after` on.
///
/// A dead delivery holds back what follows it, as the peer could not take it; a dead decision doesn't.
/// Implements: DLV-004
pub fn due(tx: &mut dyn Tx, turn: &Turn) -> Result<Vec<Letter>, StoreError> {
    let now = turn.now.milliseconds();
    let peers = tx.rows(PEERS, &[now.into()])?;
    let mut peers = peers.iter().map(|row| row.parsed(0)).collect::<Result<Vec<AuthorityCode>, _>>()?;
    if peers.is_empty() || turn.letters_max == 0 {
        return Ok(Vec::new());
    }
    let next = peers.partition_point(|peer| Some(*peer) <= turn.after);
    peers.rotate_left(next);
    let under_way = under_way(tx, now)?;
    let mut queues = Vec::new();
    for peer in peers {
        let room = turn.per_peer_max.saturating_sub(under_way.get(&peer).copied().unwrap_or_default());
        let letters = if room > 0 { first_letters(tx, peer, now, room)? } else { Vec::new() };
        if !letters.is_empty() {
            queues.push(letters);
        }
        // One of each fills the turn already.
        if queues.len() == turn.letters_max {
            break;
        }
    }
    Ok(in_turns(queues, turn.letters_max))
}

fn under_way(tx: &mut dyn Tx, now: i64) -> Result<BTreeMap<AuthorityCode, usize>, StoreError> {
    const SQL: &str =
        "SELECT counterparty, COUNT(*) FROM outbox WHERE leased_until > ?1 GROUP BY counterparty";
    let count = |row: &Row| Ok((row.parsed(0)?, usize::try_from(row.integer(1)?).unwrap_or(usize::MAX)));
    tx.rows(SQL, &[now.into()])?.iter().map(count).collect()
}

fn first_letters(
    tx: &mut dyn Tx,
    peer: AuthorityCode,
    now: i64,
    limit: usize,
) -> Result<Vec<Letter>, StoreError> {
    const SQL: &str = "SELECT o.hosted, o.counterparty, o.transfer, o.id, o.task, o.place, o.state, o.attempts, o.next_at, \
                       o.last_failure FROM outbox o WHERE o.state = 'waiting' AND o.counterparty = ?1 \
                       AND o.next_at <= ?2 AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.hosted = o.hosted \
                       AND p.counterparty = o.counterparty AND p.transfer = o.transfer AND (p.leased_until > ?2 \
                       OR (p.place < o.place AND (p.state = 'waiting' OR p.task = 'deliver')))) \
                       ORDER BY o.next_at, o.transfer, o.place LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = tx.rows(SQL, &[peer.as_ref().into(), now.into(), limit.into()])?;
    let mut letters = rows.iter().map(letter).collect::<Result<Vec<_>, _>>()?;
    // Decisions of one millisecond have one place.
    let mut ledgers = HashSet::new();
    letters.retain(|letter| ledgers.insert(letter.key));
    Ok(letters)
}

/// One of each queue, then the second of each, and so on.
fn in_turns(queues: Vec<Vec<Letter>>, limit: usize) -> Vec<Letter> {
    let longest = queues.iter().map(Vec::len).max().unwrap_or_default();
    let mut queues: Vec<_> = queues.into_iter().map(Vec::into_iter).collect();
    let mut letters: Vec<Letter> = Vec::new();
    for _ in 0..longest {
        letters.extend(queues.iter_mut().filter_map(Iterator::next));
    }
    letters.truncate(limit);
    letters
}

/// Leases what is due to `holder` until `until`. Who looks often looks with [`due`] first: it writes nothing.
pub fn claim(
    tx: &mut dyn Tx,
    turn: &Turn,
    holder: Holder,
    until: Instant,
) -> Result<Vec<Leased>, StoreError> {
    const SQL: &str = "UPDATE outbox SET leased_by = ?5, leased_until = ?6 WHERE hosted = ?1 AND counterparty = ?2 \
                       AND transfer = ?3 AND id = ?4";
    let mut claimed = Vec::new();
    for letter in due(tx, turn)? {
        let lease = Lease { key: letter.key, id: letter.id, holder };
        tx.exec(SQL, &lease.values([until.milliseconds().into()]))?;
        claimed.push(Leased { letter, lease });
    }
    Ok(claimed)
}

/// The lease runs until `until`; false when it is no longer the holder's.
pub fn renew(tx: &mut dyn Tx, lease: &Lease, until: Instant) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE outbox SET leased_until = ?6 WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       AND id = ?4 AND leased_by = ?5";
    Ok(tx.exec(SQL, &lease.values([until.milliseconds().into()]))? == 1)
}

/// The holder sends it no further now: it is due as it was before.
pub fn release(tx: &mut dyn Tx, lease: &Lease) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE outbox SET leased_by = NULL, leased_until = 0 WHERE hosted = ?1 AND counterparty = ?2 \
                       AND transfer = ?3 AND id = ?4 AND leased_by = ?5";
    Ok(tx.exec(SQL, &lease.values([]))? == 1)
}

/// The process ends: whatever it holds is free.
pub fn release_all(tx: &mut dyn Tx, holder: Holder) -> Result<u64, StoreError> {
    const SQL: &str =
        "UPDATE outbox SET leased_by = NULL, leased_until = 0 WHERE leased_by = ?1 AND leased_until > 0";
    tx.exec(SQL, &[holder.into()])
}

/// It was sent and receipted. A holder that lost its lease changes nothing: what it learnt may be older than
/// what the next one learnt.
pub fn finish(tx: &mut dyn Tx, lease: &Lease) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM outbox WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND id = ?4 \
                       AND leased_by = ?5";
    Ok(tx.exec(SQL, &lease.values([]))? == 1)
}

/// It failed and is tried again at `next_at`, by whoever is free; false when it is no longer the holder's.
pub fn postpone(tx: &mut dyn Tx, lease: &Lease, next_at: Instant, failure: &str) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE outbox SET attempts = attempts + 1, next_at = ?6, last_failure = ?7, leased_by = NULL, \
                       leased_until = 0 WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND id = ?4 \
                       AND leased_by = ?5";
    Ok(tx.exec(SQL, &lease.values([next_at.milliseconds().into(), failure.into()]))? == 1)
}

/// The peer's refusal was final: an officer has to look; false when it is no longer the holder's.
pub fn bury(tx: &mut dyn Tx, lease: &Lease, failure: &str) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE outbox SET state = 'dead', attempts = attempts + 1, last_failure = ?6, leased_by = NULL, \
                       leased_until = 0 WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND id = ?4 \
                       AND leased_by = ?5";
    Ok(tx.exec(SQL, &lease.values([failure.into()]))? == 1)
}
