//! The issues of the directory, for verification and for the clocks that run under them.

use cme_spec::canonical::{Json, Limits};

use super::{StoreError, Tx};

/// The issues after that number, or all of them, oldest first.
pub fn issues_after(tx: &mut dyn Tx, number: Option<u64>) -> Result<Vec<Json>, StoreError> {
    const SQL: &str = "SELECT document FROM directory_issue WHERE issue > ?1 ORDER BY issue";
    let number = number.map_or(-1, |number| i64::try_from(number).unwrap_or(i64::MAX));
    let rows = tx.rows(SQL, &[number.into()])?;
    let read = |text: &str| {
        Json::decode(text.as_bytes(), &Limits::COLLECTION)
            .map_err(|_| StoreError::Corrupt("a directory issue"))
    };
    rows.iter().map(|row| read(row.text(0)?)).collect()
}

/// An issue is kept. The caller has verified that it follows.
pub fn keep(tx: &mut dyn Tx, number: u64, document: &Json) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO directory_issue (issue, document) VALUES (?1, ?2) ON CONFLICT (issue) DO NOTHING";
    let number = i64::try_from(number).map_err(|_| StoreError::Corrupt("an issue beyond 2^63"))?;
    tx.exec(SQL, &[number.into(), document.canonical_text().into()]).map(|_| ())
}
