//! What is known of each peer's memory, and cases that a restore touched.

use std::collections::BTreeSet;

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, TransferId};
use cme_spec::pair::Pair;

use super::ledgers::LedgerKey;
use super::{Question, Row, StoreError, Tx, Value};

/// A pair as it is stored.
#[derive(Clone, Debug)]
pub struct KnownPair {
    /// The peer.
    pub counterparty: AuthorityCode,
    /// What is known of it.
    pub pair: Pair,
    /// When the two last reconciled.
    pub reconciled_at: Option<Instant>,
    /// What stood in the way since, without personal data.
    pub failure: Option<String>,
}

impl KnownPair {
    /// A peer of which nothing is known yet.
    pub fn unmet(counterparty: AuthorityCode) -> Self {
        Self { counterparty, pair: Pair::default(), reconciled_at: None, failure: None }
    }
}

fn number(row: &Row, column: usize) -> Result<u64, StoreError> {
    u64::try_from(row.integer(column)?).map_err(|_| StoreError::Corrupt("a pair's number"))
}

fn pair(row: &Row, first: usize) -> Result<Pair, StoreError> {
    let at = |offset| number(row, first + offset);
    Ok(Pair::stored(at(0)?, (at(1)?, at(2)?), (at(3)?, at(4)?)))
}

const ONE: &str = "SELECT own, seen, read_under, doubts, settled FROM pair \
                   WHERE hosted = ?1 AND counterparty = ?2";

/// What is known of a peer; a peer never met is as by default.
pub fn find(tx: &mut dyn Tx, hosted: AuthorityCode, counterparty: AuthorityCode) -> Result<Pair, StoreError> {
    found(&tx.rows(ONE, &[hosted.as_ref().into(), counterparty.as_ref().into()])?)
}

/// What [`found`] reads the answer to.
pub(super) fn question(hosted: AuthorityCode, counterparty: AuthorityCode) -> Question {
    // Pairs are never written by a change that may wait.
    Question::new(ONE, [hosted.as_ref().into(), counterparty.as_ref().into()])
}

pub(super) fn found(rows: &[Row]) -> Result<Pair, StoreError> {
    rows.first().map_or(Ok(Pair::default()), |row| pair(row, 0))
}

/// Keeps what is known of a peer.
pub fn keep(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    counterparty: AuthorityCode,
    pair: &Pair,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO pair (hosted, counterparty, own, seen, read_under, doubts, settled) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (hosted, counterparty) DO UPDATE SET \
                       own = excluded.own, seen = excluded.seen, read_under = excluded.read_under, \
                       doubts = excluded.doubts, settled = excluded.settled";
    let (doubts, settled) = pair.doubts();
    let mut values = vec![Value::from(hosted.as_ref()), counterparty.as_ref().into()];
    for number in [pair.own(), pair.seen(), pair.read(), doubts, settled] {
        values.push(i64::try_from(number).map_err(|_| StoreError::Corrupt("a number beyond 2^63"))?.into());
    }
    tx.exec(SQL, &values).map(|_| ())
}

/// The two have reconciled, or what stood in the way. The pair is kept already.
pub fn note_tried(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    counterparty: AuthorityCode,
    outcome: Result<Instant, &str>,
) -> Result<(), StoreError> {
    const DONE: &str =
        "UPDATE pair SET reconciled_at = ?3, failure = NULL WHERE hosted = ?1 AND counterparty = ?2";
    const FAILED: &str = "UPDATE pair SET failure = ?3 WHERE hosted = ?1 AND counterparty = ?2";
    let names: [Value; 2] = [hosted.as_ref().into(), counterparty.as_ref().into()];
    let [a, b] = names;
    match outcome {
        Ok(at) => tx.exec(DONE, &[a, b, at.milliseconds().into()]).map(|_| ()),
        Err(failure) => tx.exec(FAILED, &[a, b, failure.into()]).map(|_| ()),
    }
}

/// Every peer that a hosted authority knows something of.
pub fn of_hosted(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<KnownPair>, StoreError> {
    const SQL: &str = "SELECT counterparty, own, seen, read_under, doubts, settled, reconciled_at, failure FROM pair \
                       WHERE hosted = ?1 ORDER BY counterparty";
    let read = |row: &Row| {
        let reconciled_at = match row.0.get(6) {
            Some(Value::Null) => None,
            _ => Instant::from_milliseconds(row.integer(6)?),
        };
        Ok(KnownPair {
            counterparty: row.parsed(0)?,
            pair: pair(row, 1)?,
            reconciled_at,
            failure: row.optional_text(7)?.map(str::to_owned),
        })
    };
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(read).collect()
}

/// An officer is asked to confirm a case that a restore touched. Implements: RCV-011
pub fn ask_to_confirm(tx: &mut dyn Tx, key: &LedgerKey, incarnation: u64) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO confirmation (hosted, counterparty, transfer, incarnation) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT (hosted, counterparty, transfer, incarnation) DO NOTHING";
    let incarnation =
        i64::try_from(incarnation).map_err(|_| StoreError::Corrupt("an incarnation beyond 2^63"))?;
    let [hosted, counterparty, transfer] = key.values();
    tx.exec(SQL, &[hosted, counterparty, transfer, incarnation.into()]).map(|_| ())
}

/// Cases of a hosted authority that wait for an officer's confirmation.
pub fn to_confirm(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<BTreeSet<TransferId>, StoreError> {
    const SQL: &str = "SELECT transfer FROM confirmation WHERE hosted = ?1 AND confirmed_at IS NULL";
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(|row| row.parsed(0)).collect()
}

/// An officer has looked at the case; false when nobody was asked to.
pub fn confirm(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    transfer: TransferId,
    now: Instant,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE confirmation SET confirmed_at = ?3 WHERE hosted = ?1 AND transfer = ?2 \
                       AND confirmed_at IS NULL";
    let values = [hosted.as_ref().into(), transfer.to_string().into(), now.milliseconds().into()];
    Ok(tx.exec(SQL, &values)? > 0)
}
