//! What is still to be sent, and decisions that are not in a ledger yet.

mod leasing;

use cme_spec::canonical::{Json, Limits};
use cme_spec::entry::{Entry, EntryType};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, Instant};

pub use self::leasing::{
    Lease, Leased, Turn, bury, claim, due, finish, postpone, release, release_all, renew,
};
use super::ledgers::LedgerKey;
use super::{Row, StoreError, Tx};

/// What sending a row means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The sequencer brings a stored entry to the other party.
    Deliver,
    /// The originating authority asks the sequencer to append its decision.
    Propose,
}

impl Task {
    const fn code(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Propose => "propose",
        }
    }

    fn of(code: &str) -> Result<Self, StoreError> {
        match code {
            "deliver" => Ok(Self::Deliver),
            "propose" => Ok(Self::Propose),
            _ => Err(StoreError::Corrupt("an outbox task")),
        }
    }
}

/// A row of the outbox.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The ledger.
    pub key: LedgerKey,
    /// The entry or decision.
    pub id: EntryId,
    /// What to do.
    pub task: Task,
    /// The entry's sequence, or the order of decisions.
    pub place: i64,
    /// Whether it was given up: the peer's refusal was final, an officer has to look.
    pub dead: bool,
    /// Failures in a row.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: i64,
    /// The name of what failed last.
    pub last_failure: Option<String>,
}

fn letter(row: &Row) -> Result<Letter, StoreError> {
    Ok(Letter {
        key: LedgerKey { hosted: row.parsed(0)?, counterparty: row.parsed(1)?, transfer: row.parsed(2)? },
        id: row.parsed(3)?,
        task: Task::of(row.text(4)?)?,
        place: row.integer(5)?,
        dead: row.text(6)? == "dead",
        attempts: u32::try_from(row.integer(7)?).unwrap_or(u32::MAX),
        next_at: row.integer(8)?,
        last_failure: row.optional_text(9)?.map(str::to_owned),
    })
}

/// An entry or a decision is to be sent. One that is queued already stays as it is.
pub fn enqueue(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    id: EntryId,
    task: Task,
    place: i64,
    now: Instant,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO outbox (hosted, counterparty, transfer, id, task, place, state, attempts, next_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', 0, ?7) \
                       ON CONFLICT (hosted, counterparty, transfer, id) DO UPDATE SET state = 'waiting', \
                       next_at = excluded.next_at";
    let [hosted, counterparty, transfer] = key.values();
    let values = [
        hosted,
        counterparty,
        transfer,
        id.to_string().into(),
        task.code().into(),
        place.into(),
        now.milliseconds().into(),
    ];
    tx.exec(SQL, &values).map(|_| ())
}

/// An entry that the peer lacks is to be delivered, unless it is queued already or an officer has to look.
pub fn enqueue_missing(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    (id, place): (EntryId, i64),
    now: Instant,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO outbox (hosted, counterparty, transfer, id, task, place, state, attempts, next_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', 0, ?7) \
                       ON CONFLICT (hosted, counterparty, transfer, id) DO NOTHING";
    let [hosted, counterparty, transfer] = key.values();
    let code = Task::Deliver.code();
    let values = [
        hosted,
        counterparty,
        transfer,
        id.to_string().into(),
        code.into(),
        place.into(),
        now.milliseconds().into(),
    ];
    Ok(tx.exec(SQL, &values)? == 1)
}

/// Every row of a hosted authority.
pub fn of_hosted(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<Letter>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, transfer, id, task, place, state, attempts, next_at, last_failure \
                       FROM outbox WHERE hosted = ?1 ORDER BY transfer, place";
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(letter).collect()
}

/// Whoever holds it, it needs no sending any more: the ledger says so, or an officer.
pub fn done(tx: &mut dyn Tx, key: &LedgerKey, id: EntryId) -> Result<(), StoreError> {
    const SQL: &str =
        "DELETE FROM outbox WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND id = ?4";
    let [hosted, counterparty, transfer] = key.values();
    tx.exec(SQL, &[hosted, counterparty, transfer, id.to_string().into()]).map(|_| ())
}

/// What waits for a peer is tried now: the peer was just heard.
pub fn hasten(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    counterparty: AuthorityCode,
    now: Instant,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE outbox SET next_at = ?3 WHERE hosted = ?1 AND counterparty = ?2 AND state = 'waiting' \
                       AND next_at > ?3";
    tx.exec(SQL, &[hosted.as_ref().into(), counterparty.as_ref().into(), now.milliseconds().into()])
        .map(|_| ())
}

/// A decision of the originating authority.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The ledger.
    pub key: LedgerKey,
    /// The decision.
    pub id: EntryId,
    /// What it does.
    pub kind: EntryType,
    /// When the officer decided.
    pub decided_at: Instant,
    /// Its newest signed version.
    pub entry: Entry,
}

/// A decision is kept, or its newer signed version.
pub fn keep_proposal(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    decided_at: Instant,
    entry: &Entry,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO proposal (hosted, counterparty, transfer, id, kind, decided_at, document) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                       ON CONFLICT (hosted, counterparty, transfer, id) DO UPDATE SET document = excluded.document";
    let [hosted, counterparty, transfer] = key.values();
    let values = [
        hosted,
        counterparty,
        transfer,
        entry.header().id.to_string().into(),
        entry.header().kind.code().into(),
        decided_at.milliseconds().into(),
        entry.canonical_text().into(),
    ];
    tx.exec(SQL, &values).map(|_| ())
}

fn proposal(row: &Row) -> Result<Proposal, StoreError> {
    const BROKEN: StoreError = StoreError::Corrupt("a stored proposal");
    let json = Json::decode(row.text(4)?.as_bytes(), &Limits::COLLECTION).map_err(|_| BROKEN)?;
    let entry = Entry::read(&json).map_err(|_| BROKEN)?;
    Ok(Proposal {
        key: LedgerKey { hosted: row.parsed(0)?, counterparty: row.parsed(1)?, transfer: row.parsed(2)? },
        id: entry.header().id,
        kind: entry.header().kind,
        decided_at: Instant::from_milliseconds(row.integer(3)?).ok_or(BROKEN)?,
        entry,
    })
}

/// The decision of an id.
pub fn find_proposal(tx: &mut dyn Tx, key: &LedgerKey, id: EntryId) -> Result<Option<Proposal>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, transfer, decided_at, document FROM proposal \
                       WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND id = ?4";
    let [hosted, counterparty, transfer] = key.values();
    tx.rows(SQL, &[hosted, counterparty, transfer, id.to_string().into()])?.first().map(proposal).transpose()
}

/// Decisions of a hosted authority that are on their way to a sequencer, oldest first. One that was refused
/// for good is no longer among them: it is a dead letter.
pub fn proposals(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<Proposal>, StoreError> {
    const SQL: &str = "SELECT p.hosted, p.counterparty, p.transfer, p.decided_at, p.document FROM proposal p \
                       WHERE p.hosted = ?1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.hosted = p.hosted \
                       AND o.counterparty = p.counterparty AND o.transfer = p.transfer AND o.id = p.id \
                       AND o.state = 'dead') ORDER BY p.decided_at, p.id";
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(proposal).collect()
}

/// The decision is in the ledger.
pub fn drop_proposal(tx: &mut dyn Tx, key: &LedgerKey, id: EntryId) -> Result<(), StoreError> {
    const SQL: &str =
        "DELETE FROM proposal WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND id = ?4";
    let [hosted, counterparty, transfer] = key.values();
    tx.exec(SQL, &[hosted, counterparty, transfer, id.to_string().into()]).map(|_| ())
}

/// The dead letter of an id, whoever it was for.
pub fn dead_letter(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    id: EntryId,
) -> Result<Option<Letter>, StoreError> {
    Ok(of_hosted(tx, hosted)?.into_iter().find(|letter| letter.dead && letter.id == id))
}

/// Rows that wait, and rows that were given up.
pub fn count(tx: &mut dyn Tx) -> Result<(i64, i64), StoreError> {
    let rows = tx.rows("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'", &[])?;
    let dead = tx.rows("SELECT COUNT(*) FROM outbox WHERE state = 'dead'", &[])?;
    let number = |rows: &[Row]| rows.first().ok_or(StoreError::Corrupt("no count"))?.integer(0);
    Ok((number(&rows)?, number(&dead)?))
}
