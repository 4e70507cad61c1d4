//! What a verification says: a proof, or findings.

use serde::Serialize;

use super::branch::Forked;
use crate::entry::{Body, Entry, EntryType, HeadRef, ResponsibilityRef};
use crate::ids::AuthorityCode;
use crate::instant::{Instant, TransferId};
use crate::ledger::fork::Fork;
use crate::ledger::{Ledger, Stage};

/// Something that does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Place of the entry, when the fault is at one.
    pub sequence: Option<u64>,
    /// What does not hold, in words without personal data.
    pub what: String,
}

/// An entry that counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disputed {
    /// Its place.
    pub sequence: u64,
    /// Why.
    pub why: String,
}

/// A stretch of time in which one authority was responsible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// The responsible authority.
    pub authority: AuthorityCode,
    /// From when; the offer's `createdAt` for the first.
    pub from: Instant,
    /// Until when; open for the last.
    pub until: Option<Instant>,
}

/// When responsibility passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// The accept's `createdAt`.
    pub at: Instant,
    /// The originating authority's receipt of the accept, once there is one.
    pub received_by_originating: Option<Instant>,
}

/// What a sound ledger proves. Implements: LED-012, VER-009
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The ledger.
    pub transfer: TransferId,
    /// The party that offered.
    pub originating: AuthorityCode,
    /// The party that was asked.
    pub receiving: AuthorityCode,
    /// The responsibility, and which hand-over of it this is.
    pub responsibility: ResponsibilityRef,
    /// Where the ledger stands.
    pub stage: Stage,
    /// Who is responsible.
    pub responsible: AuthorityCode,
    /// The head as of which all this holds.
    pub as_of: HeadRef,
    /// Who was responsible when.
    pub spans: Vec<Span>,
    /// The interval in which responsibility provably passed, if it did.
    pub passed: Option<Passed>,
    /// Until when the verdict can't change any more: both parties' signed heads at this point are later.
    pub definite_until: Option<Instant>,
    /// Number of entries.
    pub entries: u64,
    /// Places whose bodies are erased.
    pub erased: Vec<u64>,
    /// Entries that count for nothing.
    pub disputed: Vec<Disputed>,
    /// Proven forks.
    pub forks: Vec<Fork>,
}

/// The authorities that offered, when two ledgers hold an accept for one and the same hand-over: whoever offered
/// the child twice is named by its own signatures.
///
/// Implements: VER-008
pub fn offered_twice(a: &Proof, b: &Proof) -> Option<[AuthorityCode; 2]> {
    let twice = a.transfer != b.transfer
        && a.responsibility == b.responsibility
        && a.passed.is_some()
        && b.passed.is_some();
    twice.then_some([a.originating, b.originating])
}

pub(super) fn proof(
    ledger: &Ledger,
    entries: &[Entry],
    disputed: Vec<Disputed>,
    forked: Option<Forked>,
    definite_until: Option<Instant>,
) -> Proof {
    let terms = &ledger.terms;
    let acceptance = ledger.state.acceptance();
    let passed_at = match &forked {
        Some(forked) => forked.accepted_at,
        None => acceptance.map(|acceptance| acceptance.at),
    };
    let begun = entries.first().map_or(ledger.created_at, |offer| offer.header().created_at);
    let accept = acceptance.and_then(|acceptance| {
        entries.iter().find(|entry| {
            entry.header().kind == EntryType::Accept && entry.header().sequence == acceptance.sequence
        })
    });
    let received = accept
        .and_then(|accept| accept.receipt_by(terms.originating))
        .map(|receipt| receipt.content().received_at);
    let mut spans = vec![Span { authority: terms.originating, from: begun, until: passed_at }];
    spans.extend(passed_at.map(|at| Span { authority: terms.receiving, from: at, until: None }));
    let erased = entries.iter().filter(|entry| matches!(entry.body(), Body::Erased { .. }));
    Proof {
        transfer: terms.transfer,
        originating: terms.originating,
        receiving: terms.receiving,
        responsibility: terms.responsibility,
        stage: ledger.stage(),
        responsible: if passed_at.is_some() { terms.receiving } else { terms.originating },
        as_of: ledger.head,
        spans,
        passed: passed_at.map(|at| Passed { at, received_by_originating: received }),
        definite_until,
        entries: entries.len() as u64,
        erased: erased.map(|entry| entry.header().sequence).collect(),
        disputed,
        forks: forked.map(|forked| forked.forks).unwrap_or_default(),
    }
}
