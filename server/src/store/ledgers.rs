//! Ledgers and their entries.

use std::collections::BTreeSet;

use cme_spec::canonical::{Json, Limits};
use cme_spec::digest::Digest;
use cme_spec::entry::{Body, Entry};
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, TransferId};
use cme_spec::ledger::Ledger;
use cme_spec::receipt::{Head, Receipt};

use super::{Insertion, Question, Row, StoreError, Tx, Value};

/// Names a ledger among all that a deployment holds: whose copy, shared with whom, which transfer.
///
/// No peer can collide with another's: its own code is part of the key. Implements: LED-001
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LedgerKey {
    /// The party whose copy this is.
    pub hosted: AuthorityCode,
    /// The other party.
    pub counterparty: AuthorityCode,
    /// The transfer.
    pub transfer: TransferId,
}

impl LedgerKey {
    pub(super) fn values(&self) -> [Value; 3] {
        [self.hosted.as_ref().into(), self.counterparty.as_ref().into(), self.transfer.to_string().into()]
    }
}

/// A ledger as stored.
#[derive(Clone, Debug)]
pub struct Held {
    /// Which.
    pub key: LedgerKey,
    /// Where it stands.
    pub ledger: Ledger,
    /// Whether a fork was proven: it takes no more entries.
    pub forked: bool,
    /// Its place in commit order.
    pub changed: i64,
}

fn held(row: &Row) -> Result<Held, StoreError> {
    let key = LedgerKey { hosted: row.parsed(0)?, counterparty: row.parsed(1)?, transfer: row.parsed(2)? };
    let ledger = serde_json::from_str(row.text(3)?).map_err(|_| StoreError::Corrupt("a ledger's state"))?;
    Ok(Held { key, ledger, forked: row.integer(4)? != 0, changed: row.integer(5)? })
}

fn all_held(rows: &[Row]) -> Result<Vec<Held>, StoreError> {
    rows.iter().map(held).collect()
}

const ONE: &str = "SELECT hosted, counterparty, transfer, state, forked, changed FROM ledger \
                   WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3";

/// The ledger of that key.
pub fn find(tx: &mut dyn Tx, key: &LedgerKey) -> Result<Option<Held>, StoreError> {
    found(&tx.rows(ONE, &key.values())?)
}

/// What [`found`] reads the answer to.
pub(super) fn question(key: &LedgerKey) -> Question {
    Question::new(ONE, key.values()).about(key.transfer.to_string())
}

pub(super) fn found(rows: &[Row]) -> Result<Option<Held>, StoreError> {
    rows.first().map(held).transpose()
}

/// Every ledger of that transfer, whoever holds it here.
pub fn of_transfer(tx: &mut dyn Tx, transfer: TransferId) -> Result<Vec<Held>, StoreError> {
    const SQL: &str =
        "SELECT hosted, counterparty, transfer, state, forked, changed FROM ledger WHERE transfer = ?1";
    all_held(&tx.rows(SQL, &[transfer.to_string().into()])?)
}

/// Every ledger of a hosted authority, newest change last.
pub fn of_hosted(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, transfer, state, forked, changed FROM ledger \
                       WHERE hosted = ?1 ORDER BY changed";
    all_held(&tx.rows(SQL, &[hosted.as_ref().into()])?)
}

/// The ledgers shared by two parties that changed after a place in commit order, in that order.
pub fn changed_after(
    tx: &mut dyn Tx,
    (hosted, counterparty): (AuthorityCode, AuthorityCode),
    after: i64,
    limit: u64,
) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, transfer, state, forked, changed FROM ledger \
                       WHERE hosted = ?1 AND counterparty = ?2 AND changed > ?3 ORDER BY changed LIMIT ?4";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    all_held(
        &tx.rows(SQL, &[hosted.as_ref().into(), counterparty.as_ref().into(), after.into(), limit.into()])?,
    )
}

/// Ledgers of a hosted authority at each stage.
pub fn count_by_stage(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<(String, i64)>, StoreError> {
    const SQL: &str = "SELECT stage, COUNT(*) FROM ledger WHERE hosted = ?1 GROUP BY stage";
    let rows = tx.rows(SQL, &[hosted.as_ref().into()])?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.integer(1)?))).collect()
}

/// How many ledgers of a hosted authority are forked.
pub fn count_forked(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<i64, StoreError> {
    let rows =
        tx.rows("SELECT COUNT(*) FROM ledger WHERE hosted = ?1 AND forked = 1", &[hosted.as_ref().into()])?;
    rows.first().ok_or(StoreError::Corrupt("no count"))?.integer(0)
}

const ENTRY: Insertion = Insertion {
    one: "INSERT INTO entry (hosted, counterparty, transfer, sequence, id, header, header_digest, body, erased_at, \
          signature, sequencer_receipt, counter_receipt) \
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    many: "INSERT INTO entry (hosted, counterparty, transfer, sequence, id, header, header_digest, body, erased_at, \
           signature, sequencer_receipt, counter_receipt) \
           SELECT * FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::bigint[], ?5::text[], ?6::text[], \
           ?7::text[], ?8::text[], ?9::text[], ?10::text[], ?11::text[], ?12::text[])",
    key: 4,
};

/// The ledger has this entry as its newest. The caller has applied it.
///
/// No statement changes a header, a signature or a receipt afterwards. Implements: LED-004
pub fn append(tx: &mut dyn Tx, key: &LedgerKey, ledger: &Ledger, entry: &Entry) -> Result<(), StoreError> {
    let receiving = ledger.terms.receiving;
    let sequencer =
        entry.receipt_by(receiving).ok_or(StoreError::Corrupt("an entry without the sequencer's receipt"))?;
    let counter = entry.receipt_by(ledger.terms.originating);
    let (body, erased_at) = match entry.body() {
        Body::Present(body) => (Some(body.canonical_text()), None),
        Body::Erased { at } => (None, Some(at.to_string())),
    };
    let [hosted, counterparty, transfer] = key.values();
    tx.insert(
        &ENTRY,
        &[
            hosted.clone(),
            counterparty.clone(),
            transfer.clone(),
            place(entry.header().sequence)?.into(),
            entry.header().id.to_string().into(),
            entry.header_json().canonical_text().into(),
            entry.header_digest().to_string().into(),
            body.into(),
            erased_at.into(),
            entry.signature().as_str().into(),
            sequencer.canonical_text().into(),
            counter.map(Envelope::canonical_text).into(),
        ],
    )?;
    save(tx, key, ledger, entry.header().follows())
}

const LEDGER: Insertion = Insertion {
    one: "INSERT INTO ledger (hosted, counterparty, transfer, originating, stage, head_sequence, state, forked, \
          changed, preceded_by) \
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, (SELECT COALESCE(MAX(changed), 0) + 1 FROM ledger), ?8) \
          ON CONFLICT (hosted, counterparty, transfer) DO UPDATE SET stage = excluded.stage, \
          head_sequence = excluded.head_sequence, state = excluded.state, changed = excluded.changed",
    many: "INSERT INTO ledger (hosted, counterparty, transfer, originating, stage, head_sequence, state, forked, \
           changed, preceded_by) \
           SELECT hosted, counterparty, transfer, originating, stage, head_sequence, state, 0, \
           (SELECT COALESCE(MAX(changed), 0) FROM ledger) + place, preceded_by \
           FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[], ?7::text[], \
           ?8::text[]) WITH ORDINALITY AS new (hosted, counterparty, transfer, originating, stage, head_sequence, \
           state, preceded_by, place) \
           ON CONFLICT (hosted, counterparty, transfer) DO UPDATE SET stage = excluded.stage, \
           head_sequence = excluded.head_sequence, state = excluded.state, changed = excluded.changed",
    key: 3,
};

/// The change takes the next place in commit order: one writer at a time, so no reader can overtake it.
///
/// Implements: RCV-005
fn save(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    ledger: &Ledger,
    follows: Option<TransferId>,
) -> Result<(), StoreError> {
    let state = serde_json::to_string(ledger).map_err(|_| StoreError::Corrupt("a ledger's state"))?;
    let [hosted, counterparty, transfer] = key.values();
    let head = place(ledger.head.sequence)?;
    let values = [
        hosted,
        counterparty,
        transfer,
        ledger.terms.originating.as_ref().into(),
        ledger.stage().code().into(),
        head.into(),
        state.into(),
        follows.map(|earlier| earlier.to_string()).into(),
    ];
    tx.insert(&LEDGER, &values)
}

fn place(sequence: u64) -> Result<i64, StoreError> {
    i64::try_from(sequence).map_err(|_| StoreError::Corrupt("a sequence beyond 2^63"))
}

const COLUMNS: usize = 6;

/// An entry of its six columns.
pub(super) fn entry(row: &Row) -> Result<Entry, StoreError> {
    const BROKEN: StoreError = StoreError::Corrupt("a stored entry");
    if row.0.len() != COLUMNS {
        return Err(BROKEN);
    }
    let json = |text: &str| Json::decode(text.as_bytes(), &Limits::COLLECTION).map_err(|_| BROKEN);
    let mut receipts = vec![json(row.text(4)?)?];
    receipts.extend(row.optional_text(5)?.map(json).transpose()?);
    let mut members = vec![("header", json(row.text(0)?)?), ("signature", Json::text(row.text(3)?))];
    match (row.optional_text(1)?, row.optional_text(2)?) {
        (Some(body), _) => members.push(("body", json(body)?)),
        (None, Some(at)) => members.extend([("body", Json::null()), ("erasedAt", Json::text(at))]),
        (None, None) => return Err(BROKEN),
    }
    members.push(("receipts", Json::array(receipts)));
    Entry::from_json(Json::object(members)).map_err(|_| BROKEN)
}

/// Entries from a place on, in order.
pub fn entries(tx: &mut dyn Tx, key: &LedgerKey, from: u64, limit: u64) -> Result<Vec<Entry>, StoreError> {
    const SQL: &str = "SELECT header, body, erased_at, signature, sequencer_receipt, counter_receipt FROM entry \
                       WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND sequence >= ?4 \
                       ORDER BY sequence LIMIT ?5";
    let [hosted, counterparty, transfer] = key.values();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = tx.rows(SQL, &[hosted, counterparty, transfer, place(from)?.into(), limit.into()])?;
    rows.iter().map(entry).collect()
}

/// The entry at a place.
pub fn entry_at(tx: &mut dyn Tx, key: &LedgerKey, sequence: u64) -> Result<Option<Entry>, StoreError> {
    Ok(entries(tx, key, sequence, 1)?.into_iter().find(|entry| entry.header().sequence == sequence))
}

/// The entry of an id.
pub fn entry_by_id(tx: &mut dyn Tx, key: &LedgerKey, id: EntryId) -> Result<Option<Entry>, StoreError> {
    const SQL: &str = "SELECT header, body, erased_at, signature, sequencer_receipt, counter_receipt FROM entry \
                       WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 AND id = ?4";
    let [hosted, counterparty, transfer] = key.values();
    tx.rows(SQL, &[hosted, counterparty, transfer, id.to_string().into()])?.first().map(entry).transpose()
}

/// The originating authority's receipt is kept with the entry.
pub fn keep_counter_receipt(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    receipt: &Envelope<Receipt>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE entry SET counter_receipt = ?5 WHERE hosted = ?1 AND counterparty = ?2 \
                       AND transfer = ?3 AND sequence = ?4 AND header_digest = ?6 AND counter_receipt IS NULL";
    let [hosted, counterparty, transfer] = key.values();
    let (sequence, digest) =
        (place(receipt.content().sequence)?, receipt.content().header_digest.to_string());
    let text = receipt.canonical_text();
    tx.exec(SQL, &[hosted, counterparty, transfer, sequence.into(), text.into(), digest.into()]).map(|_| ())
}

const FORKED: &str = "UPDATE ledger SET forked = 1 WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3";

const BRANCH: &str = "INSERT INTO branch_entry (hosted, counterparty, transfer, header_digest, sequence, document) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                          ON CONFLICT (hosted, counterparty, transfer, header_digest) DO NOTHING";

/// The ledger is forked; the other branch's entry is kept as evidence. Says whether it is new here.
///
/// Implements: RCV-012
pub fn mark_forked(tx: &mut dyn Tx, key: &LedgerKey, branch: &Entry) -> Result<bool, StoreError> {
    let [hosted, counterparty, transfer] = key.values();
    let kept = tx.exec(
        BRANCH,
        &[
            hosted.clone(),
            counterparty.clone(),
            transfer.clone(),
            branch.header_digest().to_string().into(),
            place(branch.header().sequence)?.into(),
            branch.canonical_text().into(),
        ],
    )?;
    tx.exec(FORKED, &[hosted, counterparty, transfer])?;
    Ok(kept == 1)
}

/// Entries kept as evidence of a fork, by place.
pub fn branch_entries(tx: &mut dyn Tx, key: &LedgerKey) -> Result<Vec<Entry>, StoreError> {
    const SQL: &str = "SELECT document FROM branch_entry WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       ORDER BY sequence, header_digest";
    let rows = tx.rows(SQL, &key.values())?;
    let broken = StoreError::Corrupt("a stored branch");
    let read = |row: &Row| {
        let json = Json::decode(row.text(0)?.as_bytes(), &Limits::COLLECTION).map_err(|_| broken.clone())?;
        Entry::from_json(json).map_err(|_| broken.clone())
    };
    rows.iter().map(read).collect()
}

/// Every entry of an id: the ledger's, and those in other branches of a fork, the ledger's last.
pub fn all_by_id(tx: &mut dyn Tx, key: &LedgerKey, id: EntryId) -> Result<Vec<Entry>, StoreError> {
    let mut all = branch_entries(tx, key)?;
    all.retain(|entry| entry.header().id == id);
    all.extend(entry_by_id(tx, key, id)?);
    Ok(all)
}

/// The forked ledgers of two parties.
pub fn forked(
    tx: &mut dyn Tx,
    (hosted, counterparty): (AuthorityCode, AuthorityCode),
) -> Result<Vec<LedgerKey>, StoreError> {
    const SQL: &str = "SELECT transfer FROM ledger WHERE hosted = ?1 AND counterparty = ?2 AND forked = 1";
    let rows = tx.rows(SQL, &[hosted.as_ref().into(), counterparty.as_ref().into()])?;
    rows.iter().map(|row| Ok(LedgerKey { hosted, counterparty, transfer: row.parsed(0)? })).collect()
}

/// The newest head that a peer signed for each header that it named is kept: its newest word, and every other
/// one, so that none that contradicts this copy is written over. Implements: RCP-009
pub fn keep_peer_head(tx: &mut dyn Tx, key: &LedgerKey, head: &Envelope<Head>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO signed_head (hosted, counterparty, transfer, point, signed_at, document) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                       ON CONFLICT (hosted, counterparty, transfer, point) \
                       DO UPDATE SET signed_at = excluded.signed_at, document = excluded.document \
                       WHERE excluded.signed_at > signed_head.signed_at";
    let [hosted, counterparty, transfer] = key.values();
    let content = head.content();
    let point = format!("{}.{}", content.sequence, content.header_digest);
    let document = head.canonical_text();
    let values =
        [hosted, counterparty, transfer, point.into(), content.at.milliseconds().into(), document.into()];
    tx.exec(SQL, &values).map(|_| ())
}

/// The heads that the peer signed, oldest first.
pub fn peer_heads(tx: &mut dyn Tx, key: &LedgerKey) -> Result<Vec<Envelope<Head>>, StoreError> {
    const SQL: &str = "SELECT document FROM signed_head WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       ORDER BY signed_at, point";
    tx.rows(SQL, &key.values())?.iter().map(stored_head).collect()
}

/// The place of the newest head that the peer signed.
pub fn newest_peer_head(tx: &mut dyn Tx, key: &LedgerKey) -> Result<Option<u64>, StoreError> {
    const SQL: &str = "SELECT document FROM signed_head WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       ORDER BY signed_at DESC, point DESC LIMIT 1";
    let rows = tx.rows(SQL, &key.values())?;
    let head = rows.first().map(stored_head).transpose()?;
    Ok(head.map(|head| head.content().sequence))
}

/// The digest of the header at a place.
pub fn header_digest_at(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    sequence: u64,
) -> Result<Option<Digest>, StoreError> {
    const SQL: &str = "SELECT header_digest FROM entry WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       AND sequence = ?4";
    let [hosted, counterparty, transfer] = key.values();
    let rows = tx.rows(SQL, &[hosted, counterparty, transfer, place(sequence)?.into()])?;
    rows.first().map(|row| row.parsed(0)).transpose()
}

/// Ids of the entries from a place on, with their places.
pub fn ids_from(tx: &mut dyn Tx, key: &LedgerKey, from: u64) -> Result<Vec<(EntryId, i64)>, StoreError> {
    const SQL: &str = "SELECT id, sequence FROM entry WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       AND sequence >= ?4 ORDER BY sequence";
    let [hosted, counterparty, transfer] = key.values();
    let rows = tx.rows(SQL, &[hosted, counterparty, transfer, place(from)?.into()])?;
    rows.iter().map(|row| Ok((row.parsed(0)?, row.integer(1)?))).collect()
}

/// Ids of all entries of a forked ledger, those in other branches too, with their places.
pub fn ids_in_all_branches(tx: &mut dyn Tx, key: &LedgerKey) -> Result<Vec<(EntryId, i64)>, StoreError> {
    let mut ids = ids_from(tx, key, 0)?;
    for entry in branch_entries(tx, key)? {
        ids.push((entry.header().id, place(entry.header().sequence)?));
    }
    Ok(ids)
}

/// Whether an entry that is kept as evidence of a fork has this header.
pub fn is_in_a_branch(tx: &mut dyn Tx, key: &LedgerKey, header_digest: &Digest) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM branch_entry WHERE hosted = ?1 AND counterparty = ?2 AND transfer = ?3 \
                       AND header_digest = ?4";
    let [hosted, counterparty, transfer] = key.values();
    let rows = tx.rows(SQL, &[hosted, counterparty, transfer, header_digest.to_string().into()])?;
    Ok(!rows.is_empty())
}

/// The authorities with which a hosted one shares a ledger.
pub fn partners(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<BTreeSet<AuthorityCode>, StoreError> {
    const SQL: &str = "SELECT DISTINCT counterparty FROM ledger WHERE hosted = ?1";
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(|row| row.parsed(0)).collect()
}

fn stored_head(row: &Row) -> Result<Envelope<Head>, StoreError> {
    const BROKEN: StoreError = StoreError::Corrupt("a stored head");
    let json = Json::decode(row.text(0)?.as_bytes(), &Limits::COLLECTION).map_err(|_| BROKEN)?;
    Envelope::read(&json).map_err(|_| BROKEN)
}

/// Heads for the digest of a reconciliation.
pub fn reconciled(
    tx: &mut dyn Tx,
    (hosted, counterparty): (AuthorityCode, AuthorityCode),
) -> Result<Vec<(TransferId, u64, Digest)>, StoreError> {
    let all = changed_after(tx, (hosted, counterparty), 0, u64::MAX)?;
    Ok(all
        .iter()
        .map(|held| (held.key.transfer, held.ledger.head.sequence, held.ledger.head.header_digest))
        .collect())
}

/// Whether two parties share any ledger.
pub fn share_any(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    counterparty: AuthorityCode,
) -> Result<bool, StoreError> {
    Ok(!changed_after(tx, (hosted, counterparty), 0, 1)?.is_empty())
}

/// Transfers that another one of this authority carries on: its part in them is done.
pub fn followed(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<BTreeSet<TransferId>, StoreError> {
    const SQL: &str = "SELECT preceded_by FROM ledger WHERE hosted = ?1 AND preceded_by IS NOT NULL";
    tx.rows(SQL, &[hosted.as_ref().into()])?.iter().map(|row| row.parsed(0)).collect()
}

/// Ledgers of a hosted authority in which a clock runs.
pub fn with_clocks(tx: &mut dyn Tx, hosted: AuthorityCode) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, transfer, state, forked, changed FROM ledger \
                       WHERE hosted = ?1 AND stage <> 'settled' ORDER BY changed";
    all_held(&tx.rows(SQL, &[hosted.as_ref().into()])?)
}

/// The same, a part at a time: those that changed after a place in commit order.
pub fn with_clocks_after(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    after: i64,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    const SQL: &str = "SELECT hosted, counterparty, transfer, state, forked, changed FROM ledger \
                       WHERE hosted = ?1 AND stage <> 'settled' AND changed > ?2 ORDER BY changed LIMIT ?3";
    all_held(&tx.rows(SQL, &[hosted.as_ref().into(), after.into(), i64::from(limit).into()])?)
}
