//! The transfers that queries have led to, at either end.

use std::collections::BTreeMap;

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{QueryId, TransferId};
use uuid::Uuid;

use super::{Row, StoreError, Tx, Value, asked, queries};

fn noted(rows: &[Row]) -> Result<Option<TransferId>, StoreError> {
    let text = rows.first().map(|row| row.optional_text(0)).transpose()?.flatten();
    text.map(|text| text.parse().map_err(|_| StoreError::Corrupt("a transfer's id"))).transpose()
}

/// What a query of another authority has led to.
pub fn of_query(tx: &mut dyn Tx, key: &queries::QueryKey) -> Result<Option<TransferId>, StoreError> {
    const SQL: &str = "SELECT led_to FROM query WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3";
    noted(&tx.rows(SQL, &key.values())?)
}

/// A query of another authority has led to that transfer.
pub fn note_query(tx: &mut dyn Tx, key: &queries::QueryKey, transfer: TransferId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE query SET led_to = ?4 WHERE hosted = ?1 AND counterparty = ?2 AND query = ?3";
    let values: Vec<Value> = key.values().into_iter().chain([transfer.to_string().into()]).collect();
    tx.exec(SQL, &values).map(|_| ())
}

/// What a query that a hosted authority put has led to.
pub fn of_asked(tx: &mut dyn Tx, key: &asked::QueryKey) -> Result<Option<TransferId>, StoreError> {
    const SQL: &str = "SELECT led_to FROM asked_query WHERE hosted = ?1 AND query = ?2";
    noted(&tx.rows(SQL, &[key.hosted.as_ref().into(), key.query.to_string().into()])?)
}

/// A query that a hosted authority put has led to that transfer.
pub fn note_asked(tx: &mut dyn Tx, key: &asked::QueryKey, transfer: TransferId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE asked_query SET led_to = ?3 WHERE hosted = ?1 AND query = ?2";
    let values = [key.hosted.as_ref().into(), key.query.to_string().into(), transfer.to_string().into()];
    tx.exec(SQL, &values).map(|_| ())
}

/// What the queries of an asking have led to, as far as they have.
pub fn of_asking(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    asking: Uuid,
) -> Result<BTreeMap<QueryId, TransferId>, StoreError> {
    const SQL: &str =
        "SELECT query, led_to FROM asked_query WHERE hosted = ?1 AND asking = ?2 AND led_to IS NOT NULL";
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), asking.to_string().into()])?;
    rows.iter().map(|row| Ok((row.parsed(0)?, row.parsed(1)?))).collect()
}
