//! The reference peer as originating authority: it judges what the sequencer delivers (LED-009).

use std::sync::Arc;

use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::jws::Detached;
use crate::stages::{ORIGINATING, RECEIVING};

use super::ledger::{Held, Key};
use super::{Fault, Outcome, Peer, Refusal, State};

impl Peer {
    /// Judges an entry of a ledger of its own that the sequencer gives or delivers, and keeps it.
    pub(super) fn take_delivery(
        self: &Arc<Self>,
        state: &mut State,
        key: &Key,
        entry: &Json,
        header: &Json,
    ) -> Outcome {
        self.suspended(state, &key.0, true)?;
        let Some(held) = state.ledgers.get_mut(key) else { return Err(Refusal::new("sequence-gap")) };
        let branches = held.forks.iter().flatten().count();
        if let Err(refusal) = self.delivered_place(held, entry, header) {
            if held.forks.iter().flatten().count() > branches {
                self.tell_branch(state, key, entry);
            }
            let gap = refusal.name == "sequence-gap" && !self.is(Fault::ReadsNothing);
            if gap {
                self.read_ledger_of(&key.0, key);
            }
            return Err(refusal);
        }
        self.delivered_receipts(held, entry, header)?;
        let judged = self.delivered_rules(held, entry, header);
        if !self.is(Fault::BelievesTheSequencer) {
            judged?;
        }
        let mut receipts = entry.member("receipts").map(Json::items).unwrap_or_default().to_vec();
        receipts.retain(|receipt| receipt.text_at("/receipt/by") != Some(&self.role.code));
        let counter = self.receipt(header, None);
        if !self.is(Fault::KeepsNoCounterReceipt) {
            receipts.push(counter.clone());
        }
        held.entries.push(crate::draft::with_receipts(entry, receipts));
        self.advance(held, header.text_at("/type").unwrap_or_default());
        state.changes.push(key.clone());
        Self::settle(state, key, header);
        if self.is(Fault::GivesNoCounterReceipt) {
            return Ok((201, Json::object([("stored", true.into())])));
        }
        Ok((201, counter))
    }

    /// Step 8. A second header under the sequencer's signature is a fork, which is kept.
    fn delivered_place(&self, held: &mut Held, entry: &Json, header: &Json) -> Result<(), Refusal> {
        let sequence = header.integer_at("/sequence").unwrap_or_default();
        let next = i64::try_from(held.entries.len()).unwrap_or_default();
        let head = held.head();
        let refused = |name: &'static str| Err(Refusal::new(name).with("head", head.clone()));
        let stands = !self.is(Fault::GoesOnAfterAFork) && !held.forks.is_empty();
        let vouched = self.is_vouched(held, entry, header);
        if stands {
            self.keep_branch(held, entry, header);
            return refused("forked");
        }
        if sequence > next {
            return refused("sequence-gap");
        }
        let previous = header.text_at("/previous");
        let before = (sequence > 0).then(|| digest(&held.header(usize::try_from(sequence - 1).unwrap_or(0))));
        if previous != before.as_deref() {
            return refused("sequence-conflict");
        }
        if sequence < next {
            if vouched {
                self.keep_branch(held, entry, header);
                return refused("forked");
            }
            return refused("sequence-conflict");
        }
        Ok(())
    }

    /// Whether an entry carries the sequencer's signature, as author or in a receipt that verifies.
    fn is_vouched(&self, held: &Held, entry: &Json, header: &Json) -> bool {
        header.text_at("/author") == Some(&held.receiving)
            || self.delivered_receipts(held, entry, header).is_ok()
    }

    fn keep_branch(&self, held: &mut Held, entry: &Json, header: &Json) {
        if self.is(Fault::ForgetsForks) {
            return;
        }
        let own = digest(header);
        let known = |entry: &Json| digest(&crate::draft::header_of(entry)) == own;
        if held.entries.iter().chain(held.forks.iter().flatten()).any(known) {
            return;
        }
        let previous = header.text_at("/previous").map(str::to_owned);
        let follows = |branch: &&mut Vec<Json>| {
            branch.last().map(|last| digest(&crate::draft::header_of(last))) == previous
        };
        match held.forks.iter_mut().find(follows) {
            Some(branch) => branch.push(entry.clone()),
            None => held.forks.push(vec![entry.clone()]),
        }
    }

    /// Step 9, of an entry that the sequencer gives.
    fn delivered_receipts(&self, held: &Held, entry: &Json, header: &Json) -> Result<(), Refusal> {
        let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
        let own = |receipt: &&Json| receipt.text_at("/receipt/by") == Some(&held.receiving);
        if !receipts.iter().any(|receipt| own(&receipt)) && !self.is(Fault::TakesUnreceiptedDeliveries) {
            return Err(Refusal::new("receipt-missing"));
        }
        for receipt in receipts {
            let by = receipt.text_at("/receipt/by").unwrap_or_default();
            let fits = [("/transfer", "/transfer"), ("/entryId", "/id"), ("/sequence", "/sequence")]
                .iter()
                .all(|(named, held)| receipt.at(&format!("/receipt{named}")) == header.at(held))
                && receipt.text_at("/receipt/headerDigest") == Some(&digest(header));
            let signature = receipt.text_at("/signature").unwrap_or_default();
            let detached =
                Detached::read(signature, "cme-receipt").map_err(|_| Refusal::new("receipt-invalid"))?;
            let key = self.key(by, &detached.kid).ok_or(Refusal::new("key-unknown"))?;
            let at = receipt.text_at("/receipt/receivedAt").and_then(instant::read).unwrap_or_default();
            self.lifetime(&key, at)?;
            let content = receipt.member("receipt").cloned().unwrap_or(Json::Null);
            let party = by == held.originating || by == held.receiving;
            if !party || !fits || detached.verify(&content, key.text_at("/publicKey").unwrap_or("")).is_err()
            {
                return Err(Refusal::new("receipt-invalid"));
            }
        }
        if self.is(Fault::TakesRevokedDeliveries) { Ok(()) } else { self.evidence(held, entry, header) }
    }

    /// SIG-006: a key of the other party's that is revoked by now proves nothing without an older receipt of
    /// this peer's own.
    fn evidence(&self, held: &Held, entry: &Json, header: &Json) -> Result<(), Refusal> {
        let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
        let of = |receipts: &[Json], code: &str| {
            receipts.iter().find(|receipt| receipt.text_at("/receipt/by") == Some(code)).cloned()
        };
        let own = of(receipts, &self.role.code);
        let own_at = own.and_then(|own| own.text_at("/receipt/receivedAt").and_then(instant::read));
        let written =
            entry.text_at("/signature").filter(|_| header.text_at("/author") == Some(&held.receiving));
        let receipted = of(receipts, &held.receiving);
        let receipted = receipted.as_ref().and_then(|receipt| receipt.text_at("/signature"));
        for (signature, typ) in [(written, "cme-entry"), (receipted, "cme-receipt")] {
            let kid = signature.and_then(|text| Detached::read(text, typ).ok()).map(|read| read.kid);
            let key = kid.and_then(|kid| self.key(&held.receiving, &kid));
            let revoked = key.and_then(|key| key.text_at("/revokedAt").and_then(instant::read));
            let revoked = revoked.filter(|at| *at <= instant::now());
            if revoked.is_some_and(|at| own_at.is_none_or(|own| own >= at)) {
                return Err(Refusal::new("key-not-valid"));
            }
        }
        Ok(())
    }

    /// Step 10.
    fn delivered_rules(&self, held: &Held, entry: &Json, header: &Json) -> Result<(), Refusal> {
        let kind = header.text_at("/type").unwrap_or_default();
        let by_receiver = header.text_at("/author") == Some(&held.receiving);
        let foreign = if by_receiver { &ORIGINATING[..] } else { &RECEIVING[..] };
        if foreign.contains(&kind) {
            return Err(Refusal::new("wrong-author"));
        }
        self.fixed_members(Some(held), header)?;
        self.stage(Some(held), kind)?;
        self.times(Some(held), header)?;
        let at = |entry: &Json| {
            let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
            let own = receipts.iter().find(|one| one.text_at("/receipt/by") == Some(&held.receiving))?;
            own.text_at("/receipt/receivedAt").and_then(instant::read)
        };
        if held.entries.last().is_some_and(|before| at(before) > at(entry)) {
            return Err(Refusal::new("receipt-invalid"));
        }
        let ahead = instant::in_seconds(crate::world::CLOCK_SKEW_SECONDS_MAX);
        if at(entry) > Some(ahead) {
            return Err(Refusal::new("created-at-skew"));
        }
        Ok(())
    }
}
