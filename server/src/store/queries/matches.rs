//! Which children of a register a query met, by their numbers there.

use std::collections::BTreeSet;

use cme_matching::ChildId;
use cme_spec::codes::MatchedField;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId};

use super::{BROKEN, QueryKey, instant};
use crate::store::{Row, StoreError, Tx, Value};

/// What became of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchState {
    /// The answer told it, or, of a shielded child, hid it.
    Told,
    /// A person has to decide whether anything is told.
    Waiting,
    /// A person had it told.
    Released,
    /// A person decided that nothing is told.
    Silent,
}

impl MatchState {
    const ALL: [Self; 4] = [Self::Told, Self::Waiting, Self::Released, Self::Silent];

    /// The code, as in a list.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Waiting => "waiting",
            Self::Released => "released",
            Self::Silent => "silent",
        }
    }

    fn of(code: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|state| state.code() == code).ok_or(BROKEN)
    }
}

/// A child of the register that a query met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Which child.
    pub child: ChildId,
    /// When they met.
    pub met_at: Instant,
    /// Whether the child was shielded then.
    pub shielded: bool,
    /// The fields that agree; none once nobody has to decide any more, and of a shielded child whom the answer hid.
    pub fields: Vec<MatchedField>,
    /// What became of it.
    pub state: MatchState,
}

fn read(row: &Row) -> Result<Match, StoreError> {
    let fields: Vec<String> = match row.optional_text(3)? {
        None => Vec::new(),
        Some(text) => serde_json::from_str(text).map_err(|_| BROKEN)?,
    };
    let child = u64::try_from(row.integer(0)?).map_err(|_| BROKEN)?;
    Ok(Match {
        child: ChildId(child),
        met_at: instant(row, 1)?,
        shielded: row.integer(2)? > 0,
        fields: fields.iter().map(|field| field.parse().map_err(|_| BROKEN)).collect::<Result<_, _>>()?,
        state: MatchState::of(row.text(4)?)?,
    })
}

fn number(child: ChildId) -> Result<i64, StoreError> {
    i64::try_from(child.0).map_err(|_| BROKEN)
}

/// Keeps a match; false when the query has met that child before.
pub fn keep_match(tx: &mut dyn Tx, key: &QueryKey, met: &Match) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO query_match (hosted, counterparty, query, child, met_at, shielded, fields, state) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                       ON CONFLICT (hosted, counterparty, query, child) DO NOTHING";
    Ok(tx.exec(SQL, &values(key, met)?)? == 1)
}

/// The same; a child whom the query has met before is met anew when it agrees in other fields, or is shielded no longer,
/// or from now on.
pub fn bring_match(tx: &mut dyn Tx, key: &QueryKey, met: &Match) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO query_match (hosted, counterparty, query, child, met_at, shielded, fields, state) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                       ON CONFLICT (hosted, counterparty, query, child) DO UPDATE SET met_at = excluded.met_at, \
                       shielded = excluded.shielded, fields = excluded.fields, state = excluded.state \
                       WHERE query_match.shielded <> excluded.shielded \
                       OR COALESCE(query_match.fields, '') <> COALESCE(excluded.fields, '')";
    Ok(tx.exec(SQL, &values(key, met)?)? == 1)
}

fn values(key: &QueryKey, met: &Match) -> Result<Vec<Value>, StoreError> {
    let fields: Vec<&str> = met.fields.iter().map(|field| field.code()).collect();
    let written = serde_json::to_string(&fields).map_err(|_| BROKEN)?;
    Ok(key.values_and([
        number(met.child)?.into(),
        met.met_at.milliseconds().into(),
        i64::from(met.shielded).into(),
        (!fields.is_empty()).then_some(written).into(),
        met.state.code().into(),
    ]))
}

/// The children that a query met, in the order in which it met them.
pub fn matches(tx: &mut dyn Tx, key: &QueryKey) -> Result<Vec<Match>, StoreError> {
    const SQL: &str = "SELECT child, met_at, shielded, fields, state FROM query_match \
                       WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 ORDER BY met_at, child";
    tx.rows(SQL, &key.values())?.iter().map(read).collect()
}

/// A person has decided about a match that waited; false when it waits no longer.
pub fn settle(
    tx: &mut dyn Tx,
    key: &QueryKey,
    child: ChildId,
    state: MatchState,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE query_match SET state = ?5 WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 \
                       AND child = ?4 AND state = 'waiting'";
    Ok(tx.exec(SQL, &key.values_and([number(child)?.into(), state.code().into()]))? == 1)
}

/// Nobody has to decide about the query any more: no match waits, and none says what agreed.
pub fn end_matches(tx: &mut dyn Tx, key: &QueryKey) -> Result<(), StoreError> {
    const WAITING: &str = "DELETE FROM query_match WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 \
                           AND state = 'waiting'";
    const FIELDS: &str = "UPDATE query_match SET fields = NULL WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 \
                          AND fields IS NOT NULL";
    tx.exec(WAITING, &key.values())?;
    tx.exec(FIELDS, &key.values()).map(|_| ())
}

/// What a person has to decide, or has decided, under one query is the same under the one that follows it.
///
/// Implements: STQ-005
pub fn move_matches(tx: &mut dyn Tx, from: &QueryKey, to: QueryId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE query_match SET query = ?4 WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3 \
                       AND state IN ('waiting', 'silent') AND NOT EXISTS (SELECT 1 FROM query_match m \
                       WHERE m.hosted = query_match.hosted AND m.counterparty = query_match.counterparty \
                       AND m.query = ?4 AND m.child = query_match.child)";
    tx.exec(SQL, &from.values_and([to.to_string().into()])).map(|_| ())
}

/// The authorities whose queries met that child after `since`.
pub fn authors_of(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    child: ChildId,
    since: Instant,
) -> Result<BTreeSet<AuthorityCode>, StoreError> {
    const SQL: &str =
        "SELECT DISTINCT counterparty FROM query_match WHERE hosted = ?1 AND child = ?2 AND met_at > ?3";
    let values = [hosted.as_ref().into(), number(child)?.into(), since.milliseconds().into()];
    tx.rows(SQL, &values)?.iter().map(|row: &Row| row.parsed(0)).collect()
}

/// Matches of before `then` are counted no more, unless the query is still worked on.
pub fn forget_matches(tx: &mut dyn Tx, then: Instant) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM query_match WHERE met_at < ?1 AND state <> 'waiting' AND NOT EXISTS (SELECT 1 \
                       FROM query q WHERE q.hosted = query_match.hosted AND q.counterparty = query_match.counterparty \
                       AND q.query = query_match.query AND q.body IS NOT NULL)";
    tx.exec(SQL, &[then.milliseconds().into()])
}
