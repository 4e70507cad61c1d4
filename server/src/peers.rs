//! What peers' words say about their memory: incarnations and heads, noted wherever they are heard.

use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::pair::{Heard, Pair, Standing, went_back};
use cme_spec::receipt::Head;

use crate::node::Node;
use crate::store::ledgers::{self, LedgerKey};
use crate::store::{StoreError, Tx, pairs};

/// Notes the incarnation that a peer shows; false when a higher one was seen before: whoever speaks has been
/// replaced.
///
/// A higher one than before asks for a reconciliation. Implements: RCV-002, RCV-003
pub async fn hear(
    node: &Node,
    hosted: AuthorityCode,
    peer: AuthorityCode,
    incarnation: u64,
) -> Result<bool, StoreError> {
    if node.was_heard(hosted, peer, incarnation) {
        return Ok(true);
    }
    let (heard, _) = node.store().write(move |tx| hear_in(tx, hosted, peer, incarnation)).await?;
    if let Heard::Raised(pair) = heard {
        tracing::info!(authority = %hosted, %peer, incarnation, "a peer's incarnation is higher than before");
        if !pair.standing(node.incarnation()).may_append() {
            node.ask_reconcile();
        }
    }
    if heard != Heard::Stale {
        node.note_heard(hosted, peer, incarnation);
    }
    Ok(heard != Heard::Stale)
}

/// The same, in the caller's transaction, and the pair as it is known now.
pub fn hear_in(
    tx: &mut dyn Tx,
    hosted: AuthorityCode,
    peer: AuthorityCode,
    incarnation: u64,
) -> Result<(Heard, Pair), StoreError> {
    let before = pairs::find(tx, hosted, peer)?;
    hear_of(tx, before, (hosted, peer), incarnation)
}

/// The same, where the pair was read in this transaction.
pub fn hear_of(
    tx: &mut dyn Tx,
    before: Pair,
    (hosted, peer): (AuthorityCode, AuthorityCode),
    incarnation: u64,
) -> Result<(Heard, Pair), StoreError> {
    let heard = before.hear(incarnation);
    if let Heard::Raised(pair) = heard {
        pairs::keep(tx, hosted, peer, &pair)?;
        return Ok((heard, pair));
    }
    Ok((heard, before))
}

/// Where the pair of a ledger's parties stands. Implements: RCV-008, RCV-009
pub fn standing(tx: &mut dyn Tx, node: &Node, key: &LedgerKey) -> Result<Standing, StoreError> {
    Ok(pairs::find(tx, key.hosted, key.counterparty)?.standing(node.incarnation()))
}

/// The place that the peer has signed for in a ledger, so far as is known here: in its newest head, or, where
/// it is the sequencer, in its receipt for our newest entry.
///
/// To be read before a head is asked for; see [`cme_spec::pair::went_back`].
pub fn signed_for(tx: &mut dyn Tx, key: &LedgerKey) -> Result<Option<u64>, StoreError> {
    let told = ledgers::newest_peer_head(tx, key)?;
    let held = ledgers::find(tx, key)?.filter(|held| held.ledger.terms.receiving == key.counterparty);
    Ok(told.max(held.map(|held| held.ledger.head.sequence)))
}

/// Keeps a head that the peer signed. When it contradicts what the peer signed before, or our copy, the pair
/// is suspended until the two have reconciled; gives whether it does.
///
/// Implements: RCP-009, RCV-009
pub fn note_head(
    tx: &mut dyn Tx,
    key: &LedgerKey,
    signed_for: Option<u64>,
    head: &Envelope<Head>,
) -> Result<bool, StoreError> {
    ledgers::keep_peer_head(tx, key, head)?;
    let point = head.content().point();
    let Some(held) = ledgers::find(tx, key)? else { return doubt(tx, key, went_back(signed_for, point)) };
    if held.forked {
        return Ok(false);
    }
    let ours = ledgers::header_digest_at(tx, key, point.sequence)?;
    let other = ours.is_some_and(|ours| ours != point.header_digest);
    doubt(tx, key, other || went_back(signed_for, point))
}

fn doubt(tx: &mut dyn Tx, key: &LedgerKey, doubted: bool) -> Result<bool, StoreError> {
    if doubted {
        let pair: Pair = pairs::find(tx, key.hosted, key.counterparty)?.doubted();
        pairs::keep(tx, key.hosted, key.counterparty, &pair)?;
        tracing::error!(transfer = %key.transfer, peer = %key.counterparty,
                        "a head of the peer contradicts what it signed before, or our copy: the pair is suspended");
    }
    Ok(doubted)
}
