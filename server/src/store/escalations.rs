//! What the escalation contacts were told, once for each occasion, and the messages that carry it.
//!
//! A note and its tasks are written in one transaction, so that no occasion is noted without its word being
//! on its way. A task is sent by the process that holds its lease; a lease that has run out is anybody's.

mod events;
mod occasion;

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use uuid::Uuid;

pub use self::events::{Event, Untold, untold};
use self::occasion::occasion;
pub use self::occasion::{Occasion, Subject, matters};
use super::{Row, StoreError, Tx, Value};

/// That an occasion was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When first.
    pub told_at: Instant,
    /// How often since.
    pub reminders: u32,
    /// When last.
    pub last_at: Instant,
}

fn instant(milliseconds: i64) -> Result<Instant, StoreError> {
    Instant::from_milliseconds(milliseconds).ok_or(StoreError::Corrupt("an instant"))
}

fn told_of(row: &Row, first: usize) -> Result<Told, StoreError> {
    Ok(Told {
        told_at: instant(row.integer(first)?)?,
        reminders: u32::try_from(row.integer(first + 1)?).unwrap_or(u32::MAX),
        last_at: instant(row.integer(first + 2)?)?,
    })
}

/// What is known of an occasion, if it was told.
pub fn told(tx: &mut dyn Tx, occasion: &Occasion) -> Result<Option<Told>, StoreError> {
    const SQL: &str = "SELECT told_at, reminders, COALESCE(reminded_at, told_at) FROM escalation \
                       WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND clock = ?4 AND due_on = ?5";
    tx.rows(SQL, &occasion.values())?.first().map(|row| told_of(row, 0)).transpose()
}

/// Tells an occasion: notes it and queues its messages. `known` is what the caller knew of it before; false, and
/// nothing is queued, when another process was faster.
pub fn tell(
    tx: &mut dyn Tx,
    occasion: &Occasion,
    known: Option<Told>,
    messages: &[NewTask],
    now: Instant,
) -> Result<bool, StoreError> {
    let noted = match known {
        None => note(tx, occasion, now)?,
        Some(known) => note_reminder(tx, occasion, known, now)?,
    };
    for message in messages.iter().filter(|_| noted) {
        // What still waits says it already.
        if !waits(tx, occasion, message)? {
            queue(tx, occasion, message, now)?;
        }
    }
    Ok(noted)
}

fn note(tx: &mut dyn Tx, occasion: &Occasion, now: Instant) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO escalation (hosted, counterparty, transfer, clock, due_on, told_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                       ON CONFLICT (hosted, counterparty, transfer, clock, due_on) DO NOTHING";
    Ok(tx.exec(SQL, &occasion.values_and([now.milliseconds().into()]))? == 1)
}

fn note_reminder(
    tx: &mut dyn Tx,
    occasion: &Occasion,
    known: Told,
    now: Instant,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE escalation SET reminders = reminders + 1, reminded_at = ?6 \
                       WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND clock = ?4 AND due_on = ?5 \
                       AND reminders = ?7";
    let rest = [now.milliseconds().into(), i64::from(known.reminders).into()];
    Ok(tx.exec(SQL, &occasion.values_and(rest))? == 1)
}

/// Everything that an authority's contact and officers were told, the newest first, but of shielded children.
pub fn all_told(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    limit: u32,
) -> Result<Vec<(Occasion, Told)>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, transfer, clock, due_on, told_at, reminders, \
                       COALESCE(reminded_at, told_at) FROM escalation WHERE hosted = ?1 \
                       AND clock NOT LIKE 'shielded-%' ORDER BY told_at DESC, transfer, clock LIMIT ?2";
    let read = |row: &Row| Ok((occasion(row, 0)?, told_of(row, 5)?));
    tx.rows(SQL, &[hosted.as_ref().into(), i64::from(limit).into()])?.iter().map(read).collect()
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is sent as soon as that can be done.
    Waiting,
    /// It was taken over there.
    Sent,
    /// It was refused for good: an operator has to look.
    Refused,
}

impl State {
    /// The code, as in a list.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Refused => "refused",
        }
    }

    fn of(code: &str) -> Result<Self, StoreError> {
        match code {
            "waiting" => Ok(Self::Waiting),
            "sent" => Ok(Self::Sent),
            "refused" => Ok(Self::Refused),
            _ => Err(StoreError::Corrupt("the state of an escalation task")),
        }
    }
}

/// One message to one recipient over one channel.
#[derive(Clone, Debug)]
pub struct Task {
    /// Names it for ever, at the receiver too.
    pub id: Uuid,
    /// What it is about.
    pub occasion: Occasion,
    /// The channel's code.
    pub channel: String,
    /// The recipient's code.
    pub recipient: String,
    /// What is told, as JSON.
    pub document: String,
    /// Where it is.
    pub state: State,
    /// Failures in a row.
    pub attempts: u32,
    /// When it was queued.
    pub queued_at: Instant,
    /// When it is tried next.
    pub next_at: Instant,
    /// When it was taken.
    pub sent_at: Option<Instant>,
    /// What failed last.
    pub last_failure: Option<String>,
}

/// The columns of a task, in the order in which `task` reads them.
macro_rules! select_tasks {
    ($rest:literal) => {
        concat!(
            "SELECT id, hosted, counterparty, transfer, clock, due_on, channel, recipient, document, state, \
             attempts, queued_at, next_at, sent_at, last_failure FROM escalation_task ",
            $rest
        )
    };
}

fn task(row: &Row) -> Result<Task, StoreError> {
    let sent_at = match row.0.get(13) {
        Some(Value::Null) => None,
        _ => Some(instant(row.integer(13)?)?),
    };
    Ok(Task {
        id: row.parsed(0)?,
        occasion: occasion(row, 1)?,
        channel: row.text(6)?.to_owned(),
        recipient: row.text(7)?.to_owned(),
        document: row.text(8)?.to_owned(),
        state: State::of(row.text(9)?)?,
        attempts: u32::try_from(row.integer(10)?).unwrap_or(u32::MAX),
        queued_at: instant(row.integer(11)?)?,
        next_at: instant(row.integer(12)?)?,
        sent_at,
        last_failure: row.optional_text(14)?.map(str::to_owned),
    })
}

/// A message that is to be sent.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Names it for ever.
    pub id: Uuid,
    /// The channel's code.
    pub channel: &'static str,
    /// The recipient's code.
    pub recipient: &'static str,
    /// What is told, as JSON.
    pub document: String,
}

fn queue(tx: &mut dyn Tx, occasion: &Occasion, new: &NewTask, now: Instant) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO escalation_task (hosted, counterparty, transfer, clock, due_on, id, channel, \
                       recipient, document, state, attempts, queued_at, next_at, leased_until) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'waiting', 0, ?10, ?10, 0)";
    let rest = [
        new.id.to_string().into(),
        new.channel.into(),
        new.recipient.into(),
        new.document.as_str().into(),
        now.milliseconds().into(),
    ];
    tx.exec(SQL, &occasion.values_and(rest)).map(|_| ())
}

/// Whether a message about the occasion still waits for this recipient on that channel.
fn waits(tx: &mut dyn Tx, occasion: &Occasion, new: &NewTask) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM escalation_task WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       AND clock = ?4 AND due_on = ?5 AND channel = ?6 AND recipient = ?7 AND state = 'waiting' LIMIT 1";
    Ok(!tx.rows(SQL, &occasion.values_and([new.channel.into(), new.recipient.into()]))?.is_empty())
}

/// Who sends, and for how long nobody else does.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// The process.
    pub holder: Uuid,
    /// From when the task is anybody's again.
    pub until: Instant,
}

/// Tasks of a channel whose time has come and that nobody holds.
pub fn due(
    tx: &mut dyn Tx,
    channel: &'static str,
    now: Instant,
    limit: u32,
) -> Result<Vec<Task>, StoreError> {
    const SQL: &str = select_tasks!(
        "WHERE state = 'waiting' AND channel = ?1 AND next_at <= ?2 AND leased_until <= ?2 \
         ORDER BY next_at, id LIMIT ?3"
    );
    let values = [channel.into(), now.milliseconds().into(), i64::from(limit).into()];
    tx.rows(SQL, &values)?.iter().map(task).collect()
}

/// Takes what is due: nobody else does before the lease runs out. In the writer's transaction, of which there
/// is one at a time.
pub fn claim(
    tx: &mut dyn Tx,
    channel: &'static str,
    lease: Lease,
    now: Instant,
    limit: u32,
) -> Result<Vec<Task>, StoreError> {
    const SQL: &str = "UPDATE escalation_task SET leased_by = ?2, leased_until = ?3 WHERE id = ?1";
    let tasks = due(tx, channel, now, limit)?;
    for task in &tasks {
        let values =
            [task.id.to_string().into(), lease.holder.to_string().into(), lease.until.milliseconds().into()];
        tx.exec(SQL, &values)?;
    }
    Ok(tasks)
}

/// Gives back what a process holds: it stops.
pub fn release(tx: &mut dyn Tx, holder: Uuid) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE escalation_task SET leased_until = 0 WHERE leased_by = ?1 AND state = 'waiting'";
    tx.exec(SQL, &[holder.to_string().into()]).map(|_| ())
}

/// It was taken over there, whoever holds it now.
pub fn sent(tx: &mut dyn Tx, id: Uuid, now: Instant) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE escalation_task SET state = 'sent', sent_at = ?2, last_failure = NULL, leased_until = 0 \
                       WHERE id = ?1 AND sent_at IS NULL";
    tx.exec(SQL, &[id.to_string().into(), now.milliseconds().into()]).map(|_| ())
}

/// It failed and is tried again at `next_at`, unless another process has it by now.
pub fn postpone(
    tx: &mut dyn Tx,
    (id, holder): (Uuid, Uuid),
    next_at: Instant,
    failure: &str,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE escalation_task SET attempts = attempts + 1, next_at = ?3, last_failure = ?4, \
                       leased_until = 0 WHERE id = ?1 AND leased_by = ?2 AND state = 'waiting'";
    let values =
        [id.to_string().into(), holder.to_string().into(), next_at.milliseconds().into(), failure.into()];
    tx.exec(SQL, &values).map(|_| ())
}

/// It was refused for good.
pub fn refuse(tx: &mut dyn Tx, (id, holder): (Uuid, Uuid), failure: &str) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE escalation_task SET state = 'refused', attempts = attempts + 1, last_failure = ?3, \
                       leased_until = 0 WHERE id = ?1 AND leased_by = ?2 AND state = 'waiting'";
    tx.exec(SQL, &[id.to_string().into(), holder.to_string().into(), failure.into()]).map(|_| ())
}

/// Sends again what is not sent yet; false when there is no such task.
pub fn retry(tx: &mut dyn Tx, hosted: AuthorityCode, id: Uuid, now: Instant) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE escalation_task SET state = 'waiting', attempts = 0, next_at = ?3 \
                       WHERE hosted = ?1 AND id = ?2 AND state <> 'sent'";
    let values = [hosted.as_ref().into(), id.to_string().into(), now.milliseconds().into()];
    Ok(tx.exec(SQL, &values)? == 1)
}

/// Gives up what is not sent yet; false when there is no such task.
pub fn give_up(tx: &mut dyn Tx, hosted: AuthorityCode, id: Uuid) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM escalation_task WHERE hosted = ?1 AND id = ?2 AND state <> 'sent'";
    Ok(tx.exec(SQL, &[hosted.as_ref().into(), id.to_string().into()])? == 1)
}

/// The messages about an occasion, the oldest first.
pub fn of_occasion(tx: &mut dyn Tx, occasion: &Occasion) -> Result<Vec<Task>, StoreError> {
    const SQL: &str = select_tasks!(
        "WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND clock = ?4 AND due_on = ?5 \
         ORDER BY queued_at, channel, recipient, id"
    );
    tx.rows(SQL, &occasion.values())?.iter().map(task).collect()
}

/// The messages of a hosted authority that were refused for good.
pub fn refused(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<Task>, StoreError> {
    const SQL: &str = select_tasks!("WHERE hosted = ?1 AND state = 'refused' ORDER BY queued_at, id");
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(task).collect()
}

/// Messages by channel and state, but for those that were sent.
pub fn count(tx: &mut dyn Tx) -> Result<Vec<(String, State, i64)>, StoreError> {
    const SQL: &str = "SELECT channel, state, COUNT(*) FROM escalation_task WHERE state IN ('waiting', 'refused') \
                       GROUP BY channel, state";
    let read = |row: &Row| Ok((row.text(0)?.to_owned(), State::of(row.text(1)?)?, row.integer(2)?));
    tx.rows(SQL, &[])?.iter().map(read).collect()
}
