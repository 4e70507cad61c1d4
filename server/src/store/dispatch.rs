//! What is to be sent to a peer and stands in no ledger: one row for each thing, committed with it, and sent by
//! one process at a time, under a lease.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;

use super::leases::Holder;
use super::{Row, StoreError, Tx, Value};

/// Things that are under way to one peer at most, of all processes: one that hangs holds no more places.
pub const PER_PEER_MAX: i64 = 4;

/// What sending a row means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A notice goes to its recipient.
    Notice,
    /// The word that a notice was read goes to its author.
    Acknowledgement,
    /// A query goes to the authority that is asked.
    Query,
    /// The word that a query is withdrawn goes to the authority that was asked.
    Withdrawal,
    /// A later answer goes to whoever put the query.
    Answer,
}

impl Task {
    const fn code(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Acknowledgement => "acknowledgement",
            Self::Query => "query",
            Self::Withdrawal => "withdrawal",
            Self::Answer => "answer",
        }
    }

    fn of(code: &str) -> Result<Self, StoreError> {
        match code {
            "notice" => Ok(Self::Notice),
            "acknowledgement" => Ok(Self::Acknowledgement),
            "query" => Ok(Self::Query),
            "withdrawal" => Ok(Self::Withdrawal),
            "answer" => Ok(Self::Answer),
            _ => Err(StoreError::Corrupt("a task of the table dispatch")),
        }
    }
}

/// Names a thing to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchKey {
    /// The hosted authority that sends.
    pub hosted: AuthorityCode,
    /// The peer.
    pub counterparty: AuthorityCode,
    /// What to do.
    pub task: Task,
    /// The UUID of what it is about.
    pub id: String,
    /// Its number, where one thing is sent in several parts; else 0.
    pub number: i64,
}

impl DispatchKey {
    fn values(&self, rest: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut values = vec![
            self.hosted.as_ref().into(),
            self.counterparty.as_ref().into(),
            self.task.code().into(),
            self.id.as_str().into(),
            self.number.into(),
        ];
        values.extend(rest);
        values
    }
}

/// A thing to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Its name.
    pub key: DispatchKey,
    /// Whether it was given up: the peer's refusal was final, an officer has to look.
    pub dead: bool,
    /// Failures in a row.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: i64,
    /// The name of what failed last.
    pub last_failure: Option<String>,
}

fn dispatch(row: &Row) -> Result<Dispatch, StoreError> {
    Ok(Dispatch {
        key: DispatchKey {
            hosted: row.parsed(0)?,
            counterparty: row.parsed(1)?,
            task: Task::of(row.text(2)?)?,
            id: row.text(3)?.to_owned(),
            number: row.integer(4)?,
        },
        dead: row.text(5)? == "dead",
        attempts: u32::try_from(row.integer(6)?).unwrap_or(u32::MAX),
        next_at: row.integer(7)?,
        last_failure: row.optional_text(8)?.map(str::to_owned),
    })
}

/// It is to be sent from `now` on. One that is queued already, or was given up, waits anew.
pub fn enqueue(tx: &mut dyn Tx, key: &DispatchKey, now: Instant) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO dispatch (hosted, counterparty, task, id, number, state, attempts, next_at, leased_until) \
                       VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', 0, ?6, 0) \
                       ON CONFLICT (hosted, counterparty, task, id, number) DO UPDATE SET state = 'waiting', \
                       next_at = excluded.next_at";
    tx.exec(SQL, &key.values([now.milliseconds().into()])).map(|_| ())
}

/// What a hosted authority has to send.
pub fn of_hosted(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<Dispatch>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, task, id, number, state, attempts, next_at, last_failure \
                       FROM dispatch WHERE hosted = ?1 ORDER BY next_at, id, number";
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(dispatch).collect()
}

/// What is due at `now` and held by nobody, the oldest first; parts of one thing in their order, the withdrawal of
/// a query after the query itself, and to no peer more than [`PER_PEER_MAX`] with what is under way.
pub fn due(tx: &mut dyn Tx, now: Instant, limit: u32) -> Result<Vec<Dispatch>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, task, id, number, state, attempts, next_at, last_failure FROM \
                       (SELECT d.hosted, d.counterparty, d.task, d.id, d.number, d.state, d.attempts, d.next_at, \
                       d.last_failure, COALESCE(u.things, 0) AS under_way, ROW_NUMBER() OVER (PARTITION BY \
                       d.counterparty ORDER BY d.next_at, d.id, d.number) AS turn FROM dispatch d LEFT JOIN \
                       (SELECT counterparty, COUNT(*) AS things FROM dispatch WHERE leased_until > ?1 \
                       GROUP BY counterparty) u ON u.counterparty = d.counterparty WHERE d.state = 'waiting' \
                       AND d.next_at <= ?1 AND d.leased_until <= ?1 AND NOT EXISTS (SELECT 1 FROM dispatch p \
                       WHERE p.hosted = d.hosted AND p.counterparty = d.counterparty AND p.task = d.task \
                       AND p.id = d.id AND p.number < d.number) AND NOT (d.task = 'withdrawal' AND EXISTS \
                       (SELECT 1 FROM dispatch q WHERE q.hosted = d.hosted AND q.counterparty = d.counterparty \
                       AND q.task = 'query' AND q.id = d.id))) w WHERE w.turn + w.under_way <= ?3 \
                       ORDER BY w.next_at, w.id LIMIT ?2";
    let values = [now.milliseconds().into(), i64::from(limit).into(), PER_PEER_MAX.into()];
    tx.rows(SQL, &values)?.iter().map(dispatch).collect()
}

/// Leases what is due to `holder` until `until`.
pub fn claim(
    tx: &mut dyn Tx,
    now: Instant,
    limit: u32,
    holder: Holder,
    until: Instant,
) -> Result<Vec<Dispatch>, StoreError> {
    const SQL: &str = "UPDATE dispatch SET leased_by = ?6, leased_until = ?7 WHERE hosted = ?1 AND counterparty = ?2 \
                       AND task = ?3 AND id = ?4 AND number = ?5";
    let claimed = due(tx, now, limit)?;
    for dispatch in &claimed {
        tx.exec(SQL, &dispatch.key.values([holder.into(), until.milliseconds().into()]))?;
    }
    Ok(claimed)
}

/// It was sent and receipted; false when it is no longer the holder's.
pub fn finish(tx: &mut dyn Tx, key: &DispatchKey, holder: Holder) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM dispatch WHERE hosted = ?1 AND counterparty = ?2 AND task = ?3 AND id = ?4 \
                       AND number = ?5 AND leased_by = ?6";
    Ok(tx.exec(SQL, &key.values([holder.into()]))? == 1)
}

/// It is not to be sent any more, unless a process is about to: that one looks again before the next try.
pub fn call_off(tx: &mut dyn Tx, key: &DispatchKey, now: Instant) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM dispatch WHERE hosted = ?1 AND counterparty = ?2 AND task = ?3 AND id = ?4 \
                       AND number = ?5 AND leased_until <= ?6";
    Ok(tx.exec(SQL, &key.values([now.milliseconds().into()]))? == 1)
}

/// Whether it was given up: the peer's refusal was final.
pub fn is_dead(tx: &mut dyn Tx, key: &DispatchKey) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT state FROM dispatch WHERE hosted = ?1 AND counterparty = ?2 AND task = ?3 AND id = ?4 \
                       AND number = ?5";
    let rows = tx.rows(SQL, &key.values([]))?;
    rows.first().map_or(Ok(false), |row| Ok(row.text(0)? == "dead"))
}

/// Whether any process has one of a hosted authority's things under way at `now`.
pub fn is_any_under_way(tx: &mut dyn Tx, hosted: AuthorityCode, now: Instant) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM dispatch WHERE hosted = ?1 AND leased_until > ?2 LIMIT 1";
    Ok(!tx.rows(SQL, &[hosted.as_ref().into(), now.milliseconds().into()])?.is_empty())
}

/// It failed and is tried again at `next_at`, by whoever is free.
pub fn postpone(
    tx: &mut dyn Tx,
    key: &DispatchKey,
    holder: Holder,
    next_at: Instant,
    failure: &str,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE dispatch SET attempts = attempts + 1, next_at = ?7, last_failure = ?8, leased_by = NULL, \
                       leased_until = 0 WHERE hosted = ?1 AND counterparty = ?2 AND task = ?3 AND id = ?4 \
                       AND number = ?5 AND leased_by = ?6";
    let rest = [holder.into(), next_at.milliseconds().into(), failure.into()];
    tx.exec(SQL, &key.values(rest)).map(|_| ())
}

/// The peer's refusal was final: an officer has to look.
pub fn bury(tx: &mut dyn Tx, key: &DispatchKey, holder: Holder, failure: &str) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE dispatch SET state = 'dead', attempts = attempts + 1, last_failure = ?7, \
                       leased_by = NULL, leased_until = 0 WHERE hosted = ?1 AND counterparty = ?2 AND task = ?3 \
                       AND id = ?4 AND number = ?5 AND leased_by = ?6";
    tx.exec(SQL, &key.values([holder.into(), failure.into()])).map(|_| ())
}

/// The process ends: whatever it holds is free.
pub fn release_all(tx: &mut dyn Tx, holder: Holder) -> Result<u64, StoreError> {
    const SQL: &str =
        "UPDATE dispatch SET leased_by = NULL, leased_until = 0 WHERE leased_by = ?1 AND leased_until > 0";
    tx.exec(SQL, &[holder.into()])
}
