//! Notices, told and received, with their storage receipts and acknowledgements.

use cme_spec::canonical::{Json, Limits};
use cme_spec::codes::NoticeKind;
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, NoticeId};
use cme_spec::notice::{Acknowledgement, Notice};
use cme_spec::receipt::Stored;

use super::{Row, StoreError, Tx, Value};

/// Names a notice: one that a hosted authority told a peer, or was told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeKey {
    /// The hosted authority.
    pub hosted: AuthorityCode,
    /// The other.
    pub counterparty: AuthorityCode,
    /// The notice.
    pub notice: NoticeId,
    /// Whether the hosted authority told it.
    pub outgoing: bool,
}

impl NoticeKey {
    fn values(&self) -> [Value; 4] {
        [
            self.hosted.as_ref().into(),
            self.counterparty.as_ref().into(),
            self.notice.to_string().into(),
            i64::from(self.outgoing).into(),
        ]
    }
}

/// A notice as it is held.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its name.
    pub key: NoticeKey,
    /// The notice.
    pub notice: Notice,
    /// The recipient's storage receipt; none for one that is still on its way.
    pub stored: Option<Envelope<Stored>>,
    /// The recipient's word that a person has read it.
    pub acknowledgement: Option<Envelope<Acknowledgement>>,
    /// The author's storage receipt for that word; none while it is on its way.
    pub acknowledgement_stored: Option<Envelope<Stored>>,
}

const BROKEN: StoreError = StoreError::Corrupt("a stored notice");

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

fn held(row: &Row) -> Result<Held, StoreError> {
    let whole = Json::object([
        ("header", json(row.text(4)?)?),
        ("body", json(row.text(5)?)?),
        ("signature", Json::text(row.text(6)?)),
    ]);
    Ok(Held {
        key: NoticeKey {
            hosted: row.parsed(0)?,
            counterparty: row.parsed(1)?,
            notice: row.parsed(2)?,
            outgoing: row.integer(3)? == 1,
        },
        notice: Notice::from_json(whole).map_err(|_| BROKEN)?,
        stored: document(row, 7)?,
        acknowledgement: document(row, 8)?,
        acknowledgement_stored: document(row, 9)?,
    })
}

/// Keeps a new notice, with its storage receipt if it was told to a hosted authority.
pub fn keep(
    tx: &mut dyn Tx,
    key: &NoticeKey,
    notice: &Notice,
    stored: Option<&Envelope<Stored>>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO notice (hosted, counterparty, notice, outgoing, header, header_digest, body, \
                       signature, created_at, stored) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut values = key.values().to_vec();
    values.extend([
        notice.header_json().canonical_text().into(),
        notice.header_digest().to_string().into(),
        notice.body().canonical_text().into(),
        notice.signature().as_str().into(),
        notice.header().created_at.milliseconds().into(),
        stored.map(Envelope::canonical_text).into(),
    ]);
    tx.exec(SQL, &values).map(|_| ())
}

/// The notice of that name.
pub fn find(tx: &mut dyn Tx, key: &NoticeKey) -> Result<Option<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, notice, outgoing, header, body, signature, stored, acknowledgement, \
                       acknowledgement_stored FROM notice WHERE hosted = ?1 AND counterparty = ?2 AND notice = ?3 \
                       AND outgoing = ?4";
    tx.rows(SQL, &key.values())?.first().map(held).transpose()
}

/// Notices of a hosted authority with that id, told and received, whoever the other is.
pub fn of_id(tx: &mut dyn Tx, hosted: AuthorityCode, notice: NoticeId) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, notice, outgoing, header, body, signature, stored, acknowledgement, \
                       acknowledgement_stored FROM notice WHERE hosted = ?1 AND notice = ?2 ORDER BY outgoing";
    tx.rows(SQL, &[hosted.as_ref().into(), notice.to_string().into()])?.iter().map(held).collect()
}

/// The newest notices of a hosted authority, told and received, the newest first.
pub fn newest(tx: &mut dyn Tx, hosted: AuthorityCode, limit: u32) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, notice, outgoing, header, body, signature, stored, acknowledgement, \
                       acknowledgement_stored FROM notice WHERE hosted = ?1 ORDER BY created_at DESC, notice LIMIT ?2";
    tx.rows(SQL, &[hosted.as_ref().into(), i64::from(limit).into()])?.iter().map(held).collect()
}

/// What a hosted authority has told others of one kind from `from` on.
pub fn told_since(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    kind: NoticeKind,
    from: Instant,
) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, notice, outgoing, header, body, signature, stored, acknowledgement, \
                       acknowledgement_stored FROM notice WHERE hosted = ?1 AND created_at >= ?2 AND outgoing = 1 \
                       ORDER BY created_at";
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), from.milliseconds().into()])?;
    let mut told = rows.iter().map(held).collect::<Result<Vec<_>, _>>()?;
    told.retain(|held| held.notice.header().kind == kind);
    Ok(told)
}

fn set(tx: &mut dyn Tx, sql: &'static str, key: &NoticeKey, document: String) -> Result<(), StoreError> {
    let mut values = key.values().to_vec();
    values.push(document.into());
    tx.exec(sql, &values).map(|_| ())
}

/// The identical header under a newer signature.
pub fn keep_signature(tx: &mut dyn Tx, key: &NoticeKey, notice: &Notice) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE notice SET signature = ?5 WHERE hosted = ?1 AND counterparty = ?2 AND notice = ?3 \
                       AND outgoing = ?4";
    set(tx, SQL, key, notice.signature().as_str().to_owned())
}

/// The recipient has it.
pub fn keep_stored(tx: &mut dyn Tx, key: &NoticeKey, stored: &Envelope<Stored>) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE notice SET stored = ?5 WHERE hosted = ?1 AND counterparty = ?2 AND notice = ?3 \
                       AND outgoing = ?4 AND stored IS NULL";
    set(tx, SQL, key, stored.canonical_text())
}

/// A person has read it.
pub fn keep_acknowledgement(
    tx: &mut dyn Tx,
    key: &NoticeKey,
    said: &Envelope<Acknowledgement>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE notice SET acknowledgement = ?5 WHERE hosted = ?1 AND counterparty = ?2 \
                       AND notice = ?3 AND outgoing = ?4 AND acknowledgement IS NULL";
    set(tx, SQL, key, said.canonical_text())
}

/// The author has the word that a person has read it.
pub fn keep_acknowledgement_stored(
    tx: &mut dyn Tx,
    key: &NoticeKey,
    stored: &Envelope<Stored>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE notice SET acknowledgement_stored = ?5 WHERE hosted = ?1 AND counterparty = ?2 \
                       AND notice = ?3 AND outgoing = ?4 AND acknowledgement_stored IS NULL";
    set(tx, SQL, key, stored.canonical_text())
}
