//! Section 6: receipts and instants.

pub(super) mod durable;

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, same_receipt};
use crate::draft::{Draft, Ledger, bodies, header_of, receipt_by, signed_receipt, uuid, with_receipts};
use crate::instant::{in_seconds, read, written};
use crate::json::Json;

/// Seconds beyond the directory's allowance for clocks.
const FAR_AHEAD_SECONDS: i64 = 7_200;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "rcp-makes-one-receipt-for-each-entry",
        claim: "The receipt of the 201, of a repeat and of a read are one and the same.",
        checks: &["RCP-002"],
        run: one_receipt,
        ..CORE
    },
    Case {
        name: "rcp-never-goes-back-in-time",
        claim: "Along a ledger receivedAt never falls, and it is not before the request.",
        checks: &["RCP-003"],
        run: monotone,
        ..CORE
    },
    Case {
        name: "rcp-refuses-another-receipt-alone",
        claim: "An entry without the sequencer's receipt that carries its author's lacks a receipt.",
        checks: &["RCP-005"],
        run: other_receipt_alone,
        ..CORE
    },
    Case {
        name: "rcp-refuses-receipts-that-do-not-fit",
        claim: "A receipt by a third authority, for another entry or under another signature is invalid.",
        checks: &["RCP-006"],
        run: misfits,
        ..CORE
    },
    Case {
        name: "rcp-keeps-its-own-receipt",
        claim: "An entry that comes back with the subject's receipt is answered with that receipt.",
        checks: &["RCP-008"],
        run: own_receipt,
        ..CORE
    },
    Case {
        name: "rcp-refuses-entries-from-the-future",
        claim: "createdAt may lie ahead by clockSkewSecondsMax and not by more.",
        checks: &["RCP-010"],
        run: skew,
        ..CORE
    },
    Case {
        name: "rcp-refuses-entries-out-of-order",
        claim: "createdAt is not before that of the entry before; an old one is no ground for refusal.",
        checks: &["RCP-011"],
        run: order,
        ..CORE
    },
];

fn one_receipt(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut ledger = court.offered(&peer)?;
    court.append(&peer, &mut ledger, "supply-information")?;
    let page = court.read_ledger(&peer, &ledger.transfer)?;
    for (index, entry) in ledger.entries.iter().enumerate() {
        let given = entry.at("/receipts/0").cloned().unwrap_or(Json::Null);
        let mut bare = entry.clone();
        bare.remove("/receipts");
        let response = court.put(&peer, &bare)?;
        let again = Json::read(&response.content).unwrap_or(Json::Null);
        let held = page.at(&format!("/entries/{index}/receipts")).map(Json::items).unwrap_or_default();
        for (place, receipt) in [("a repeat", Some(&again)), ("a read", held.first())] {
            let same = receipt.is_some_and(|receipt| same_receipt(receipt, &given));
            let actual = receipt.map_or("none".into(), Json::canonical);
            ensure(same, "RCP-002", &format!("in {place} the receipt of the 201"), actual)?;
        }
        ensure(held.len() == 1, "RCP-002", "one receipt in a read", held.len().to_string())?;
    }
    Ok(())
}

fn monotone(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut ledger = court.offered(&peer)?;
    for _ in 0..5 {
        court.append(&peer, &mut ledger, "supply-information")?;
    }
    let times =
        ledger.entries.iter().map(|entry| entry.text_at("/receipts/0/receipt/receivedAt").and_then(read));
    let times: Option<Vec<_>> = times.collect();
    let times = times.ok_or_else(|| Miss::Suite("a receipt without a time was taken for one".into()))?;
    let rises = times.windows(2).all(|pair| pair[0] <= pair[1]);
    ensure(rises, "RCP-003", "receivedAt that does not fall", format!("{times:?}"))?;
    // Both ends' clocks are near each other, or the doctor would have said so.
    let slack = crate::world::CLOCK_SKEW_SECONDS_MAX;
    let near = times.iter().all(|time| *time > in_seconds(-slack) && *time < in_seconds(slack));
    ensure(near, "RCP-003", "receivedAt by the clock", format!("{times:?}"))
}

fn other_receipt_alone(court: &mut Court<'_>) -> Found<()> {
    court.refuses_entry("RCP-005", &["receipt-missing"], |draft, peer| {
        let entry = draft.sealed(&peer.key);
        let own = receipt_by(&peer.code, &peer.key, &entry);
        with_receipts(&entry, vec![own])
    })
}

fn misfits(court: &mut Court<'_>) -> Found<()> {
    let names = ["receipt-invalid"];
    let third = court.peer()?;
    let subject = court.bench.subject.code.clone();
    // It lacks the sequencer's receipt too, and both are of step 9.
    court.refuses_entry("RCP-006", &["receipt-invalid", "receipt-missing"], |draft, peer| {
        let entry = draft.sealed(&peer.key);
        let foreign = receipt_by(&third.code, &third.key, &entry);
        with_receipts(&entry, vec![foreign])
    })?;
    // In the subject's name, by a key that is not the subject's.
    court.refuses_entry("RCP-006", &["receipt-invalid", "key-unknown"], |draft, peer| {
        let entry = draft.sealed(&peer.key);
        let forged = receipt_by(&subject, &peer.key, &entry);
        with_receipts(&entry, vec![forged])
    })?;
    let changes: [(&str, Json); 4] = [
        ("/transfer", uuid().into()),
        ("/sequence", 1.into()),
        ("/entryId", uuid().into()),
        ("/headerDigest", crate::encoding::digest_of_nothing().into()),
    ];
    for (path, value) in changes {
        court.refuses_entry("RCP-006", &["receipt-invalid", "receipt-missing"], |draft, peer| {
            let entry = draft.sealed(&peer.key);
            let mut receipt =
                receipt_by(&peer.code, &peer.key, &entry).member("receipt").cloned().unwrap_or(Json::Null);
            receipt.set(path, value);
            with_receipts(&entry, vec![signed_receipt(receipt, &peer.key)])
        })?;
    }
    // The subject's own receipt of another entry.
    let peer = court.peer()?;
    let other = court.offered(&peer)?;
    let own = other.entries[0].at("/receipts/0").cloned().unwrap_or(Json::Null);
    let entry = with_receipts(&court.draft(&peer).sealed(&peer.key), vec![own]);
    court.between_twins(&peer, "RCP-006", &names, |court| court.put(&peer, &entry))
}

fn own_receipt(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    let entry = &ledger.entries[0];
    let response = court.put(&peer, entry)?;
    let told = court.receipted(&response, entry, 200);
    ensure(told.is_ok(), "RCP-008", "200 with the receipt", told.clone().err().unwrap_or_default())?;
    let (told, own) = (told.unwrap_or(Json::Null), entry.at("/receipts/0").cloned().unwrap_or(Json::Null));
    let expected = "the receipt that came back, not a second one";
    ensure(same_receipt(&told, &own), "RCP-008", expected, told.canonical())?;
    // Both receipts: the counter-receipt changes nothing about it.
    let both = with_receipts(entry, vec![own.clone(), receipt_by(&peer.code, &peer.key, entry)]);
    let response = court.put(&peer, &both)?;
    let again = Json::read(&response.content).unwrap_or(Json::Null);
    let fits = response.status == 200 && same_receipt(&again, &own);
    ensure(
        fits,
        "RCP-008",
        "200 with the same receipt",
        format!("{} {}", response.status, again.canonical()),
    )?;
    court.check_receipt(&own, &header_of(entry)).map_err(Miss::Suite)
}

fn skew(court: &mut Court<'_>) -> Found<()> {
    let allowed = crate::world::CLOCK_SKEW_SECONDS_MAX;
    court.refuses_draft("RCP-010", &["created-at-skew"], |draft| {
        draft.header.set("/createdAt", written(in_seconds(allowed + FAR_AHEAD_SECONDS)));
    })?;
    court.refuses_next("RCP-010", &["created-at-skew"], "withdraw", |draft, _| {
        draft.header.set("/createdAt", written(in_seconds(allowed + FAR_AHEAD_SECONDS)));
    })?;
    // A little ahead is nobody's fault. Half of the allowance leaves room for the two clocks.
    let peer = court.peer()?;
    let mut draft = court.draft(&peer);
    draft.header.set("/createdAt", written(in_seconds(allowed / 2)));
    let entry = draft.sealed(&peer.key);
    let response = court.put(&peer, &entry)?;
    let told = court.receipted(&response, &entry, 201);
    ensure(told.is_ok(), "RCP-010", "201 within the allowance", told.err().unwrap_or_default())
}

fn order(court: &mut Court<'_>) -> Found<()> {
    court.refuses_next("RCP-011", &["created-at-order"], "supply-information", |draft, ledger| {
        let before = ledger.offer.text_at("/createdAt").and_then(read).map(|at| at.as_second() - 1);
        let before = before.and_then(|second| jiff::Timestamp::from_second(second).ok());
        draft.header.set("/createdAt", written(before.unwrap_or_default()));
    })?;
    let peer = court.peer()?;
    let mut draft = court.draft(&peer);
    draft.header.set("/createdAt", "2026-01-05T09:00:00Z");
    let old = draft.sealed(&peer.key);
    let response = court.put(&peer, &old)?;
    let receipt = court.receipted(&response, &old, 201);
    ensure(
        receipt.is_ok(),
        "RCP-011",
        "201 for an old createdAt",
        receipt.clone().err().unwrap_or_default(),
    )?;
    let ledger = Ledger::begun(&old, receipt.unwrap_or(Json::Null));
    let mut next = Draft::next(&ledger, "supply-information", bodies::of("supply-information"));
    next.header.set("/createdAt", "2026-01-05T09:00:00Z");
    let next = next.sealed(&peer.key);
    let response = court.put(&peer, &next)?;
    let told = court.receipted(&response, &next, 201);
    ensure(told.is_ok(), "RCP-011", "201 for the same createdAt", told.err().unwrap_or_default())
}
