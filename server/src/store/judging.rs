//! All that an arriving entry is judged by, each read once.

use cme_spec::entry::Entry;
use cme_spec::instant::EntryId;
use cme_spec::ledger::Ledger;
use cme_spec::pair::Pair;

use super::ledgers::{self, LedgerKey};
use super::{Question, Row, StoreError, Tx, pairs};

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

/// The questions that [`held`] asks.
pub fn questions(key: &LedgerKey, id: EntryId) -> [Question; 3] {
    let [hosted, counterparty, _] = key.values();
    let id = id.to_string();
    [
        ledgers::question(key),
        pairs::question(key.hosted, key.counterparty),
        Question::new(OF_ID, [hosted, counterparty, id.as_str().into()]).about(id),
    ]
}

/// What is held of a ledger, of its parties and under an id.
pub fn held(tx: &mut dyn Tx, key: &LedgerKey, id: EntryId) -> Result<Held, StoreError> {
    const SHORT: StoreError = StoreError::Corrupt("an answer is missing");
    let [ledger, pair, of_id]: [Vec<Row>; 3] =
        tx.rows_of_each(&questions(key, id))?.try_into().map_err(|_| SHORT)?;
    let ledger = ledgers::found(&ledger)?.map(|held| (held.ledger, held.forked));
    let mut held = Held { pair: pairs::found(&pair)?, ledger, of_id: None, used_elsewhere: false };
    let transfer = key.transfer.to_string();
    for mut row in of_id {
        if row.text(0)? == transfer {
            held.of_id = Some(ledgers::entry(&Row(row.0.split_off(1)))?);
        } else {
            held.used_elsewhere = true;
        }
    }
    Ok(held)
}
