//! What hosted authorities asked others, whom, and what came back.
//!
//! An officer's decision is an [`Asking`]: one query, or the queries of a broadcast. Each query is a [`Held`] with
//! its answers in order. A body goes when its time has come; what later answers are judged by stays.

use cme_spec::canonical::{Json, Limits};
use cme_spec::codes::{MatchedField, QueryPurpose};
use cme_spec::digest::Digest;
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId};
use cme_spec::query::{Answer, OfficerId, Query, QueryHeader};
use cme_spec::receipt::Stored;
use uuid::Uuid;

use super::{Row, StoreError, Tx, Value};

/// What an officer decided to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The hosted authority that asks.
    pub hosted: AuthorityCode,
    /// The broadcast, or the one query.
    pub id: Uuid,
    /// Why it asks.
    pub purpose: QueryPurpose,
    /// Who decided, under a pseudonym.
    pub officer: OfficerId,
    /// Who else decided a broadcast.
    pub second_officer: Option<OfficerId>,
    /// Authorities that can't be asked by this protocol: somebody has to ring them.
    pub to_ring: Vec<AuthorityCode>,
    /// The asking that this one renews.
    pub renews: Option<Uuid>,
    /// When it was decided.
    pub created_at: Instant,
}

/// Names a query of a hosted authority's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryKey {
    /// The hosted authority that asks.
    pub hosted: AuthorityCode,
    /// The query.
    pub query: QueryId,
}

impl QueryKey {
    fn values(&self, rest: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut values = vec![self.hosted.as_ref().into(), self.query.to_string().into()];
        values.extend(rest);
        values
    }
}

/// An answer as it is held.
#[derive(Clone, Debug)]
pub struct Received {
    /// The answer, proven when it came.
    pub answer: Envelope<Answer>,
    /// When it came.
    pub received_at: Instant,
    /// The storage receipt that was given for it; none where it came in the answer to the query alone.
    pub stored: Option<Envelope<Stored>>,
}

/// A query as it is held, with its answers.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its name.
    pub key: QueryKey,
    /// The authority that is asked.
    pub counterparty: AuthorityCode,
    /// What it is part of.
    pub asking: Uuid,
    /// Its header.
    pub header: QueryHeader,
    /// Digest of the header.
    pub digest: Digest,
    /// The query as it is sent, while its body is kept.
    pub query: Option<Query>,
    /// Fields in which a child can agree with it.
    pub fields: Vec<MatchedField>,
    /// When an officer withdrew it.
    pub withdrawn_at: Option<Instant>,
    /// The other authority's storage receipt for the withdrawal.
    pub withdrawal: Option<Envelope<Stored>>,
    /// Answers that an officer has looked at.
    pub seen: usize,
    /// Its answers in order from number 0.
    pub answers: Vec<Received>,
}

impl Held {
    /// What was answered, in order.
    pub fn said(&self) -> Vec<Answer> {
        self.answers.iter().map(|received| received.answer.content().clone()).collect()
    }

    /// The newest answer, which counts.
    pub fn newest(&self) -> Option<&Answer> {
        self.answers.last().map(|received| received.answer.content())
    }
}

const BROKEN: StoreError = StoreError::Corrupt("a stored query");

fn json(text: &str) -> Result<Json, StoreError> {
    Json::decode(text.as_bytes(), &Limits::COLLECTION).map_err(|_| BROKEN)
}

fn document<T: cme_spec::envelope::Document>(
    row: &Row,
    column: usize,
) -> Result<Option<Envelope<T>>, StoreError> {
    let Some(text) = row.optional_text(column)? else { return Ok(None) };
    Envelope::read(&json(text)?).map(Some).map_err(|_| BROKEN)
}

fn instant(milliseconds: i64) -> Result<Instant, StoreError> {
    Instant::from_milliseconds(milliseconds).ok_or(BROKEN)
}

fn optional_instant(row: &Row, column: usize) -> Result<Option<Instant>, StoreError> {
    match row.0.get(column) {
        Some(Value::Null) => Ok(None),
        _ => row.integer(column).and_then(instant).map(Some),
    }
}

/// Values in one column, with spaces between them.
fn listed<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, StoreError> {
    text.split_whitespace().map(|value| value.parse().map_err(|_| BROKEN)).collect()
}

fn list<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn optional<T: std::str::FromStr>(row: &Row, column: usize) -> Result<Option<T>, StoreError> {
    row.optional_text(column)?.map(|text| text.parse().map_err(|_| BROKEN)).transpose()
}

fn asking(row: &Row) -> Result<Asking, StoreError> {
    Ok(Asking {
        hosted: row.parsed(0)?,
        id: row.parsed(1)?,
        purpose: row.parsed(2)?,
        officer: row.parsed(3)?,
        second_officer: optional(row, 4)?,
        to_ring: listed(row.text(5)?)?,
        renews: optional(row, 6)?,
        created_at: instant(row.integer(7)?)?,
    })
}

fn held(row: &Row) -> Result<Held, StoreError> {
    let header_json = json(row.text(4)?)?;
    let header = header_json.read().map_err(|_| BROKEN)?;
    let whole = |body: &str| {
        let whole = Json::object([
            ("header", header_json.clone()),
            ("body", json(body)?),
            ("signature", Json::text(row.text(6)?)),
        ]);
        Query::from_json(whole).map_err(|_| BROKEN)
    };
    Ok(Held {
        key: QueryKey { hosted: row.parsed(0)?, query: row.parsed(1)? },
        counterparty: row.parsed(2)?,
        asking: row.parsed(3)?,
        header,
        digest: header_json.digest(),
        query: row.optional_text(5)?.map(whole).transpose()?,
        fields: listed(row.text(7)?)?,
        withdrawn_at: optional_instant(row, 8)?,
        withdrawal: document(row, 9)?,
        seen: usize::try_from(row.integer(10)?).map_err(|_| BROKEN)?,
        answers: Vec::new(),
    })
}

/// Keeps what was decided with its queries. Implements: QRY-001
pub fn keep(
    tx: &mut dyn Tx,
    asking: &Asking,
    queries: &[(Query, Vec<MatchedField>)],
) -> Result<(), StoreError> {
    const ASKING: &str = "INSERT INTO asking (hosted, asking, purpose, officer, second_officer, to_ring, renews, created_at) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    const QUERY: &str = "INSERT INTO asked_query (hosted, query, counterparty, asking, header, header_digest, body, signature, \
                         fields, created_at, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)";
    let values = [
        asking.hosted.as_ref().into(),
        asking.id.to_string().into(),
        asking.purpose.code().into(),
        asking.officer.to_string().into(),
        asking.second_officer.as_ref().map(ToString::to_string).into(),
        list(&asking.to_ring).into(),
        asking.renews.map(|renews| renews.to_string()).into(),
        asking.created_at.milliseconds().into(),
    ];
    tx.exec(ASKING, &values)?;
    for (query, fields) in queries {
        let header = query.header();
        let key = QueryKey { hosted: asking.hosted, query: header.query };
        let values = key.values([
            header.recipient.as_ref().into(),
            asking.id.to_string().into(),
            query.header_json().canonical_text().into(),
            query.header_digest().to_string().into(),
            query.body().canonical_text().into(),
            query.signature().as_str().into(),
            list(fields).into(),
            header.created_at.milliseconds().into(),
        ]);
        tx.change(QUERY, &values)?;
    }
    Ok(())
}

/// What was decided under that id.
pub fn find_asking(tx: &mut dyn Tx, hosted: AuthorityCode, id: Uuid) -> Result<Option<Asking>, StoreError> {
    const SQL: &str = "SELECT hosted, asking, purpose, officer, second_officer, to_ring, renews, created_at FROM asking \
                       WHERE hosted = ?1 AND asking = ?2";
    tx.rows(SQL, &[hosted.as_ref().into(), id.to_string().into()])?.first().map(asking).transpose()
}

/// The newest that a hosted authority asked, the newest first.
pub fn newest(tx: &mut dyn Tx, hosted: AuthorityCode, limit: u32) -> Result<Vec<Asking>, StoreError> {
    const SQL: &str = "SELECT hosted, asking, purpose, officer, second_officer, to_ring, renews, created_at FROM asking \
                       WHERE hosted = ?1 ORDER BY created_at DESC, asking LIMIT ?2";
    tx.rows(SQL, &[hosted.as_ref().into(), i64::from(limit).into()])?.iter().map(asking).collect()
}

/// The asking that renews this one.
pub fn renewed_by(tx: &mut dyn Tx, hosted: AuthorityCode, id: Uuid) -> Result<Option<Uuid>, StoreError> {
    const SQL: &str =
        "SELECT asking FROM asking WHERE hosted = ?1 AND renews = ?2 ORDER BY created_at DESC LIMIT 1";
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), id.to_string().into()])?;
    rows.first().map(|row| row.parsed(0)).transpose()
}

/// The query of that name with its answers.
pub fn find(tx: &mut dyn Tx, key: &QueryKey) -> Result<Option<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, query, counterparty, asking, header, body, signature, fields, withdrawn_at, \
                       withdrawal, seen FROM asked_query WHERE hosted = ?1 AND query = ?2";
    const ANSWERS: &str = "SELECT query, answer, received_at, stored FROM asked_answer WHERE hosted = ?1 AND query = ?2 \
                           ORDER BY number";
    let Some(row) = tx.rows(SQL, &key.values([]))?.into_iter().next() else { return Ok(None) };
    let mut held = held(&row)?;
    held.answers = tx.rows(ANSWERS, &key.values([]))?.iter().map(received).collect::<Result<_, _>>()?;
    Ok(Some(held))
}

/// The queries of an asking with their answers, by the authorities' codes.
pub fn of_asking(tx: &mut dyn Tx, hosted: AuthorityCode, id: Uuid) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, query, counterparty, asking, header, body, signature, fields, withdrawn_at, \
                       withdrawal, seen FROM asked_query WHERE hosted = ?1 AND asking = ?2 ORDER BY counterparty";
    const ANSWERS: &str = "SELECT a.query, a.answer, a.received_at, a.stored FROM asked_answer a JOIN asked_query q \
                           ON q.hosted = a.hosted AND q.query = a.query WHERE q.hosted = ?1 AND q.asking = ?2 \
                           ORDER BY a.query, a.number";
    let values = [hosted.as_ref().into(), id.to_string().into()];
    let mut all = tx.rows(SQL, &values)?.iter().map(held).collect::<Result<Vec<_>, _>>()?;
    for row in tx.rows(ANSWERS, &values)? {
        let query: QueryId = row.parsed(0)?;
        if let Some(held) = all.iter_mut().find(|held| held.key.query == query) {
            held.answers.push(received(&row)?);
        }
    }
    Ok(all)
}

/// Queries that a hosted authority decided on from `from` on, without their answers.
pub fn since(tx: &mut dyn Tx, hosted: AuthorityCode, from: Instant) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, query, counterparty, asking, header, body, signature, fields, withdrawn_at, \
                       withdrawal, seen FROM asked_query WHERE hosted = ?1 AND created_at >= ?2 ORDER BY created_at";
    tx.rows(SQL, &[hosted.as_ref().into(), from.milliseconds().into()])?.iter().map(held).collect()
}

/// Queries of a hosted authority that were not withdrawn and have their bodies, without their answers.
pub fn open(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, query, counterparty, asking, header, body, signature, fields, withdrawn_at, \
                       withdrawal, seen FROM asked_query WHERE hosted = ?1 AND body IS NOT NULL \
                       AND withdrawn_at IS NULL ORDER BY created_at, query";
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(held).collect()
}

/// Answers to a hosted authority that no officer has looked at.
pub fn unseen(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<u64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM asked_answer a JOIN asked_query q ON q.hosted = a.hosted \
                       AND q.query = a.query WHERE q.hosted = ?1 AND a.number >= q.seen";
    let rows = tx.rows(SQL, &[hosted.as_ref().into()])?;
    let count = rows.first().ok_or(BROKEN)?.integer(0)?;
    u64::try_from(count).map_err(|_| BROKEN)
}

fn received(row: &Row) -> Result<Received, StoreError> {
    Ok(Received {
        answer: document(row, 1)?.ok_or(BROKEN)?,
        received_at: instant(row.integer(2)?)?,
        stored: document(row, 3)?,
    })
}

/// An answer came. Whoever calls has proven it and that its number is the next.
pub fn keep_answer(
    tx: &mut dyn Tx,
    key: &QueryKey,
    answer: &Envelope<Answer>,
    received_at: Instant,
    stored: Option<&Envelope<Stored>>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO asked_answer (hosted, query, number, answer, received_at, stored) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let number = i64::try_from(answer.content().number).map_err(|_| BROKEN)?;
    let values = key.values([
        number.into(),
        answer.canonical_text().into(),
        received_at.milliseconds().into(),
        stored.map(Envelope::canonical_text).into(),
    ]);
    tx.exec(SQL, &values).map(|_| ())
}

/// A storage receipt was given for an answer; the first one stays.
pub fn keep_stored(
    tx: &mut dyn Tx,
    key: &QueryKey,
    number: u64,
    stored: &Envelope<Stored>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE asked_answer SET stored = ?4 WHERE hosted = ?1 AND query = ?2 AND number = ?3 \
                       AND stored IS NULL";
    let number = i64::try_from(number).map_err(|_| BROKEN)?;
    tx.exec(SQL, &key.values([number.into(), stored.canonical_text().into()])).map(|_| ())
}

/// The identical header under a newer signature.
pub fn keep_signature(tx: &mut dyn Tx, key: &QueryKey, query: &Query) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE asked_query SET signature = ?3 WHERE hosted = ?1 AND query = ?2";
    tx.exec(SQL, &key.values([query.signature().as_str().into()])).map(|_| ())
}

/// An officer withdrew it; the first time counts.
pub fn withdraw(tx: &mut dyn Tx, key: &QueryKey, at: Instant) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE asked_query SET withdrawn_at = ?3 WHERE hosted = ?1 AND query = ?2 AND withdrawn_at IS NULL";
    tx.exec(SQL, &key.values([at.milliseconds().into()])).map(|_| ())
}

/// The other authority has the withdrawal.
pub fn keep_withdrawal(tx: &mut dyn Tx, key: &QueryKey, stored: &Envelope<Stored>) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE asked_query SET withdrawal = ?3 WHERE hosted = ?1 AND query = ?2 AND withdrawal IS NULL";
    tx.exec(SQL, &key.values([stored.canonical_text().into()])).map(|_| ())
}

/// An officer has looked at what was answered so far.
pub fn mark_seen(tx: &mut dyn Tx, key: &QueryKey, answers: usize) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE asked_query SET seen = ?3 WHERE hosted = ?1 AND query = ?2 AND seen < ?3";
    let answers = i64::try_from(answers).map_err(|_| BROKEN)?;
    tx.exec(SQL, &key.values([answers.into()])).map(|_| ())
}

/// From when on the body may not be kept; none while nobody knows.
pub fn set_erasure(tx: &mut dyn Tx, key: &QueryKey, at: Option<Instant>) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE asked_query SET erase_at = ?3 WHERE hosted = ?1 AND query = ?2";
    tx.exec(SQL, &key.values([at.map(Instant::milliseconds).into()])).map(|_| ())
}

/// Bodies whose time is over at `now` are gone; gives their number, at most `limit`.
pub fn erase(tx: &mut dyn Tx, now: Instant, limit: u32) -> Result<u64, StoreError> {
    const DUE: &str =
        "SELECT hosted, query FROM asked_query WHERE erase_at <= ?1 AND body IS NOT NULL LIMIT ?2";
    const SQL: &str = "UPDATE asked_query SET body = NULL, erase_at = NULL WHERE hosted = ?1 AND query = ?2";
    let due = tx.rows(DUE, &[now.milliseconds().into(), i64::from(limit).into()])?;
    due.iter().try_for_each(|row| tx.exec(SQL, &row.0).map(|_| ()))?;
    Ok(due.len() as u64)
}
