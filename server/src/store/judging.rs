//! All that an arriving entry is judged by, each read once.

use cme_spec::entry::Entry;
use cme_spec::instant::EntryId;
use cme_spec::ledger::Ledger;
use cme_spec::pair::Pair;

use super::ledgers::{self, LedgerKey};
use super::{Row, StoreError, Tx, pairs};

/// What is held of the pair, of the ledger and under the entry's id.
#[derive(Clone, Debug)]
pub struct Held {
    /// What is known of the peer; of one never met, the default.
    pub pair: Pair,
    /// The ledger, and whether it is forked.
    pub ledger: Option<(Ledger, bool)>,
    /// The ledger's entry of that id.
    pub of_id: Option<Entry>,
    /// Whether another ledger of the same two parties has an entry of that id.
    pub used_elsewhere: bool,
}

/// Every entry of an id that the two parties hold, whichever ledger it is in.
const OF_ID: &str = "SELECT transfer, header, body, erased_at, signature, sequencer_receipt, counter_receipt FROM entry \
                     WHERE hosted = ?1 AND counterparty = ?2 AND id = ?3";

/// What is held of a ledger, of its parties and under an id.
pub fn held(tx: &mut dyn Tx, key: &LedgerKey, id: EntryId) -> Result<Held, StoreError> {
    let ledger = ledgers::find(tx, key)?.map(|held| (held.ledger, held.forked));
    let pair = pairs::find(tx, key.hosted, key.counterparty)?;
    let mut held = Held { pair, ledger, of_id: None, used_elsewhere: false };
    let [hosted, counterparty, transfer] = key.values();
    for mut row in tx.rows(OF_ID, &[hosted, counterparty, id.to_string().into()])? {
        if row.0.first() == Some(&transfer) {
            held.of_id = Some(ledgers::entry(&Row(row.0.split_off(1)))?);
        } else {
            held.used_elsewhere = true;
        }
    }
    Ok(held)
}
