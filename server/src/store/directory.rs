//! The issues of the directory, for verification and for the clocks that run under them.

use cme_spec::canonical::{Json, Limits};

use super::{StoreError, Tx};

/// Every issue held, oldest first.
pub fn issues(tx: &mut dyn Tx) -> Result<Vec<Json>, StoreError> {
    let rows = tx.rows("SELECT document FROM directory_issue ORDER BY issue", &[])?;
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
