//! Queries that other authorities put to a hosted one, with their answers.
//!
//! A body is written only where it may be kept, and gone when it may no longer be. What stays names no child.

mod follow;
mod limits;
mod matches;

use cme_spec::canonical::{Json, Limits};
use cme_spec::codes::QueryPurpose;
use cme_spec::digest::Digest;
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId};
use cme_spec::query::{Answer, Keeping, Query, QueryBody, QueryHeader, keeping, stands_until};
use cme_spec::receipt::Stored;

pub use self::follow::{followed, keep_followed};
pub use self::limits::{asked_since, count_asked_since, forget_offers, note_offer, officer_asked_since};
pub use self::matches::{
    Match, MatchState, authors_of, bring_match, end_matches, forget_matches, keep_match, matches,
    move_matches, settle,
};
use super::{Row, StoreError, Tx, Value};

/// Names a query: who was asked, by whom, and its id, which is its author's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueryKey {
    /// The hosted authority that was asked.
    pub hosted: AuthorityCode,
    /// The authority that asked.
    pub author: AuthorityCode,
    /// The query.
    pub query: QueryId,
}

impl QueryKey {
    pub(super) fn values(&self) -> [Value; 3] {
        [self.hosted.as_ref().into(), self.author.as_ref().into(), self.query.to_string().into()]
    }

    fn values_and(&self, rest: impl IntoIterator<Item = Value>) -> Vec<Value> {
        self.values().into_iter().chain(rest).collect()
    }
}

/// A query as it is held.
#[derive(Clone)]
pub struct Held {
    /// Its name.
    pub key: QueryKey,
    /// The signed part.
    pub header: QueryHeader,
    /// Digest of the header as it was received.
    pub digest: Digest,
    /// The body, while it is kept.
    pub body: Option<Json>,
    /// When it arrived.
    pub arrived_at: Instant,
    /// The directory issue under which it was answered, and whose clocks run.
    pub directory_issue: u64,
    /// The answers, from number 0.
    pub answers: Vec<Envelope<Answer>>,
    /// Until when it stands, while it does.
    pub standing_until: Option<Instant>,
    /// The receipt given for its withdrawal, if it was withdrawn.
    pub withdrawal: Option<Envelope<Stored>>,
}

/// Says only which: a body may be there.
impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({:?})", self.key)
    }
}

impl Held {
    /// What was answered, in order.
    pub fn said(&self) -> Vec<Answer> {
        self.answers.iter().map(|answer| answer.content().clone()).collect()
    }

    /// The body as typed, while it is kept.
    pub fn typed_body(&self) -> Result<Option<QueryBody>, StoreError> {
        self.body.as_ref().map(|body| body.read().map_err(|_| BROKEN)).transpose()
    }
}

const BROKEN: StoreError = StoreError::Corrupt("a stored query");

fn json(text: &str) -> Result<Json, StoreError> {
    Json::decode(text.as_bytes(), &Limits::COLLECTION).map_err(|_| BROKEN)
}

fn document<T: cme_spec::envelope::Document>(text: &str) -> Result<Envelope<T>, StoreError> {
    Envelope::read(&json(text)?).map_err(|_| BROKEN)
}

fn instant(row: &Row, column: usize) -> Result<Instant, StoreError> {
    Instant::from_milliseconds(row.integer(column)?).ok_or(StoreError::Corrupt("an instant"))
}

fn optional_instant(row: &Row, column: usize) -> Result<Option<Instant>, StoreError> {
    if row.0.get(column) == Some(&Value::Null) { Ok(None) } else { instant(row, column).map(Some) }
}

fn milliseconds(instant: Option<Instant>) -> Value {
    instant.map(Instant::milliseconds).into()
}

/// The columns of a query, in the order in which `held` reads them.
macro_rules! select_queries {
    ($rest:literal) => {
        concat!(
            "SELECT hosted, counterparty, query, header, header_digest, body, arrived_at, directory_issue, \
             standing_until, withdrawal FROM query ",
            $rest
        )
    };
}

fn held(tx: &mut dyn Tx, row: &Row) -> Result<Held, StoreError> {
    let key = QueryKey { hosted: row.parsed(0)?, author: row.parsed(1)?, query: row.parsed(2)? };
    Ok(Held {
        key,
        header: json(row.text(3)?)?.read().map_err(|_| BROKEN)?,
        digest: row.parsed(4)?,
        body: row.optional_text(5)?.map(json).transpose()?,
        arrived_at: instant(row, 6)?,
        directory_issue: u64::try_from(row.integer(7)?).map_err(|_| BROKEN)?,
        standing_until: optional_instant(row, 8)?,
        withdrawal: row.optional_text(9)?.map(document).transpose()?,
        answers: answers(tx, &key)?.into_iter().map(|(answer, _)| answer).collect(),
    })
}

fn all_held(tx: &mut dyn Tx, rows: &[Row]) -> Result<Vec<Held>, StoreError> {
    rows.iter().map(|row| held(tx, row)).collect()
}

/// The query of that name.
pub fn find(tx: &mut dyn Tx, key: &QueryKey) -> Result<Option<Held>, StoreError> {
    const SQL: &str = select_queries!("WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3");
    let rows = tx.rows(SQL, &key.values())?;
    rows.first().map(|row| held(tx, row)).transpose()
}

/// The queries of that id: each asking authority makes its ids by itself.
pub fn of_id(tx: &mut dyn Tx, hosted: AuthorityCode, query: QueryId) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = select_queries!("WHERE hosted = ?1 AND query = ?2 ORDER BY counterparty");
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), query.to_string().into()])?;
    all_held(tx, &rows)
}

/// The queries that wait for a person's answer, the oldest first.
pub fn unanswered(tx: &mut dyn Tx, hosted: AuthorityCode, limit: u32) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = select_queries!(
        "WHERE hosted = ?1 AND last_outcome = 'possible' AND withdrawal IS NULL ORDER BY arrived_at, query LIMIT ?2"
    );
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), i64::from(limit).into()])?;
    all_held(tx, &rows)
}

/// Queries about an arrival that were answered `known` and have led to no transfer, the oldest first, while what they
/// ask is kept.
pub fn arrivals(tx: &mut dyn Tx, hosted: AuthorityCode, limit: u32) -> Result<Vec<Held>, StoreError> {
    // Headers are stored in canonical form; whoever reads the rows looks at the purpose itself.
    const SQL: &str = select_queries!(
        "WHERE hosted = ?1 AND last_outcome = 'known' AND body IS NOT NULL AND led_to IS NULL \
         AND header LIKE '%\"purpose\":\"confirm-arrival\"%' ORDER BY arrived_at, query LIMIT ?2"
    );
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), i64::from(limit).into()])?;
    let mut held = all_held(tx, &rows)?;
    held.retain(|held| held.header.purpose == QueryPurpose::ConfirmArrival);
    Ok(held)
}

/// Queries with a match that waits for a person, the oldest first.
pub fn with_waiting_match(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = select_queries!(
        "WHERE hosted = ?1 AND standing_until IS NOT NULL AND EXISTS (SELECT 1 FROM query_match m \
         WHERE m.hosted = query.hosted AND m.counterparty = query.counterparty AND m.query = query.query \
         AND m.state = 'waiting') ORDER BY arrived_at, query LIMIT ?2"
    );
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), i64::from(limit).into()])?;
    all_held(tx, &rows)
}

/// The queries that met a child after `since`, the newest first.
pub fn with_match_since(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    since: Instant,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = select_queries!(
        "WHERE hosted = ?1 AND EXISTS (SELECT 1 FROM query_match m WHERE m.hosted = query.hosted \
         AND m.counterparty = query.counterparty AND m.query = query.query AND m.met_at > ?2) \
         ORDER BY arrived_at DESC, query LIMIT ?3"
    );
    let rows =
        tx.rows(SQL, &[hosted.as_ref().into(), since.milliseconds().into(), i64::from(limit).into()])?;
    all_held(tx, &rows)
}

/// The queries that stand at `now`, in the order of their names, from the one after `after` on.
pub fn standing(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    now: Instant,
    after: Option<(AuthorityCode, QueryId)>,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = select_queries!(
        "WHERE hosted = ?1 AND standing_until > ?2 AND body IS NOT NULL \
         AND (counterparty > ?3 OR (counterparty = ?3 AND query > ?4)) ORDER BY counterparty, query LIMIT ?5"
    );
    let (author, query) = after
        .map_or_else(Default::default, |(author, query)| (author.as_ref().to_owned(), query.to_string()));
    let values = [
        hosted.as_ref().into(),
        now.milliseconds().into(),
        author.into(),
        query.into(),
        i64::from(limit).into(),
    ];
    let rows = tx.rows(SQL, &values)?;
    all_held(tx, &rows)
}

/// Keeps a new query without its answer, which follows in the same transaction. `body` is there only where what is
/// answered lets it be kept.
pub fn keep(
    tx: &mut dyn Tx,
    key: &QueryKey,
    query: &Query,
    body: Option<&Json>,
    (arrived_at, directory_issue): (Instant, u64),
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO query (hosted, counterparty, query, header, header_digest, signature, body, \
                       arrived_at, directory_issue, last_outcome) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '')";
    let issue = i64::try_from(directory_issue).map_err(|_| BROKEN)?;
    let values = key.values_and([
        query.header_json().canonical_text().into(),
        query.header_digest().to_string().into(),
        query.signature().as_str().into(),
        body.map(Json::canonical_text).into(),
        arrived_at.milliseconds().into(),
        issue.into(),
    ]);
    tx.exec(SQL, &values).map(|_| ())
}

/// Whether the body of a query may be kept after these answers, for however long.
pub fn may_keep(header: &QueryHeader, answers: &[Answer]) -> bool {
    let newest = answers.last().map(|answer| answer.answered_at);
    match keeping(header, answers) {
        Keeping::UntilAnswered => true,
        Keeping::Until(until) => newest.is_none_or(|newest| newest < until),
    }
}

/// Keeps the next answer, with what follows from it: until when the query stands and its body is kept.
///
/// `before` are the answers before it. Implements: QRY-029, STQ-011
pub fn keep_answer(
    tx: &mut dyn Tx,
    key: &QueryKey,
    header: &QueryHeader,
    before: &[Answer],
    answer: &Envelope<Answer>,
) -> Result<(), StoreError> {
    const ANSWER: &str = "INSERT INTO answer (hosted, counterparty, query, number, answered_at, document) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    const QUERY: &str = "UPDATE query SET last_outcome = ?4, body_until = ?5, standing_until = ?6 \
                         WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3";
    const BODY: &str = "UPDATE query SET body = NULL WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 \
                        AND body IS NOT NULL";
    let said = answer.content();
    let number = i64::try_from(said.number).map_err(|_| BROKEN)?;
    let values = key.values_and([
        number.into(),
        said.answered_at.milliseconds().into(),
        answer.canonical_text().into(),
    ]);
    tx.exec(ANSWER, &values)?;
    let after: Vec<Answer> = before.iter().cloned().chain([said.clone()]).collect();
    let until = match keeping(header, &after) {
        Keeping::UntilAnswered => None,
        Keeping::Until(until) => Some(until),
    };
    let values = key.values_and([
        said.outcome.code().into(),
        milliseconds(until),
        milliseconds(stands_until(header, &after)),
    ]);
    tx.exec(QUERY, &values)?;
    if !may_keep(header, &after) {
        tx.exec(BODY, &key.values())?;
    }
    Ok(())
}

/// An answer, and the asking authority's storage receipt, if it is held.
pub type Brought = (Envelope<Answer>, Option<Envelope<Stored>>);

/// The answers of a query in order, each with the asking authority's storage receipt, if it is held.
pub fn answers(tx: &mut dyn Tx, key: &QueryKey) -> Result<Vec<Brought>, StoreError> {
    const SQL: &str = "SELECT document, stored FROM answer \
                       WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 ORDER BY number";
    let read = |row: &Row| Ok((document(row.text(0)?)?, row.optional_text(1)?.map(document).transpose()?));
    tx.rows(SQL, &key.values())?.iter().map(read).collect()
}

/// The identical answer under a newer signature.
pub fn keep_answer_signature(
    tx: &mut dyn Tx,
    key: &QueryKey,
    answer: &Envelope<Answer>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE answer SET document = ?5 WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 \
                       AND number = ?4";
    let number = i64::try_from(answer.content().number).map_err(|_| BROKEN)?;
    tx.exec(SQL, &key.values_and([number.into(), answer.canonical_text().into()])).map(|_| ())
}

/// The asking authority has the answer of that number.
pub fn keep_answer_stored(
    tx: &mut dyn Tx,
    key: &QueryKey,
    number: i64,
    stored: &Envelope<Stored>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE answer SET stored = ?5 WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 \
                       AND number = ?4 AND stored IS NULL";
    tx.exec(SQL, &key.values_and([number.into(), stored.canonical_text().into()])).map(|_| ())
}

/// The query was withdrawn: it stands no longer, its body is gone, and nobody has to look at it.
///
/// Implements: QRY-030, STQ-011
pub fn withdraw(tx: &mut dyn Tx, key: &QueryKey, receipt: &Envelope<Stored>) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE query SET withdrawal = ?4, body = NULL, body_until = NULL, standing_until = NULL \
                       WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 AND withdrawal IS NULL";
    tx.exec(SQL, &key.values_and([receipt.canonical_text().into()]))?;
    end_matches(tx, key)
}

/// The query stands no longer, its body is gone and nobody has to look at it, as another follows it; nothing changes
/// when it didn't stand.
///
/// Implements: STQ-004
pub fn end_standing(tx: &mut dyn Tx, key: &QueryKey, followed_by: QueryId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE query SET followed_by = ?4, body = NULL, body_until = NULL, standing_until = NULL \
                       WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 AND standing_until IS NOT NULL";
    if tx.exec(SQL, &key.values_and([followed_by.to_string().into()]))? == 0 {
        return Ok(());
    }
    end_matches(tx, key)
}

/// Bodies whose time is over at `now` are gone, and so is what waited with them; gives their number.
///
/// Implements: QRY-030, STQ-011
pub fn erase(tx: &mut dyn Tx, now: Instant, limit: u32) -> Result<usize, StoreError> {
    const DUE: &str = "SELECT hosted, counterparty, query FROM query WHERE body IS NOT NULL AND body_until <= ?1 \
                       ORDER BY body_until, query LIMIT ?2";
    const ERASE: &str = "UPDATE query SET body = NULL, body_until = NULL, standing_until = NULL \
                         WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3";
    let due = tx.rows(DUE, &[now.milliseconds().into(), i64::from(limit).into()])?;
    for row in &due {
        let key = QueryKey { hosted: row.parsed(0)?, author: row.parsed(1)?, query: row.parsed(2)? };
        tx.exec(ERASE, &key.values())?;
        end_matches(tx, &key)?;
    }
    Ok(due.len())
}

/// Whether anything is to be erased or forgotten at `now`.
pub fn is_untidy(tx: &mut dyn Tx, now: Instant, offers: Instant, met: Instant) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 WHERE EXISTS (SELECT 1 FROM query WHERE body IS NOT NULL AND body_until <= ?1) \
                       OR EXISTS (SELECT 1 FROM offer_arrival WHERE arrived_at < ?2) \
                       OR EXISTS (SELECT 1 FROM query_match m WHERE m.met_at < ?3 AND m.state <> 'waiting' \
                       AND NOT EXISTS (SELECT 1 FROM query q WHERE q.hosted = m.hosted \
                       AND q.counterparty = m.counterparty AND q.query = m.query AND q.body IS NOT NULL))";
    let values = [now, offers, met].map(|instant| Value::from(instant.milliseconds()));
    Ok(!tx.rows(SQL, &values)?.is_empty())
}
