//! Section 5 for the originating authority: what it makes of its own proposals and of the sequencer's entries.

use crate::cases::{Case, DECIDING, OFFERING};
use crate::court::{Court, Found, Miss, Played, Reply, ensure, header_digest, refused};
use crate::draft::{receipt_by, signed_receipt, with_receipts};
use crate::encoding::digest_of_nothing;
use crate::instant::{in_seconds, written};
use crate::json::Json;
use crate::wire::Response;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "led-counts-proposals-when-they-are-receipted",
        claim: "A decision that the sequencer has not receipted stands in no copy of the ledger.",
        checks: &["LED-003"],
        slow: true,
        run: receipted_alone,
        ..DECIDING
    },
    Case {
        name: "led-judges-deliveries",
        claim: "A delivery that breaks a rule is refused with that rule's problem, and the copy ends before it.",
        checks: &["LED-009"],
        run: judged,
        ..OFFERING
    },
    Case {
        name: "led-names-who-is-responsible",
        claim: "The originating authority is responsible until an accept, and the receiving authority from then on.",
        checks: &["LED-011"],
        needs: &["trigger offer", "trigger decide", "observe transfer"],
        run: responsible,
        ..OFFERING
    },
    Case {
        name: "led-names-the-head-as-of-which-it-answers",
        claim: "An answer about responsibility names sequence and digest of the newest entry.",
        checks: &["LED-012"],
        needs: &["trigger offer", "observe transfer"],
        run: as_of,
        ..OFFERING
    },
    Case {
        name: "rcp-counter-receipts-deliveries",
        claim: "A delivery is answered with a counter-receipt, and both receipts are kept with the entry.",
        checks: &["RCP-004"],
        run: counter_receipts,
        ..OFFERING
    },
    Case {
        name: "rcp-refuses-deliveries-without-receipt",
        claim: "An entry of the sequencer's without its receipt lacks a receipt.",
        checks: &["RCP-005"],
        run: without_receipt,
        ..OFFERING
    },
    Case {
        name: "sig-refuses-new-deliveries-under-a-revoked-key",
        claim: "An entry under a revoked key is refused, also one dated before the revocation, unless the subject receipted it then.",
        checks: &["SIG-006"],
        run: revoked,
        ..OFFERING
    },
];

fn receipted_alone(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    played.plan(Vec::new(), Some(Reply::Close));
    court.made_to_decide(&transfer, "supply-information")?;
    court.puts(&played, &transfer, 1, 2)?;
    let page = court.read_ledger(&played.peer, &transfer)?;
    let count = page.member("entries").map(Json::items).unwrap_or_default().len();
    let head = page.integer_at("/head/head/sequence");
    ensure(
        count == 1 && head == Some(0),
        "LED-003",
        "the offer alone, head 0",
        format!("{count}, head {head:?}"),
    )?;
    played.plan(Vec::new(), None);
    let taken = played.wait(court.bench.waits.act, |played| played.entries(&transfer).len() == 2);
    if !taken {
        return Err(Miss::Unexercised("the proposal was not sent again".into()));
    }
    let page = court.settled(&played, &transfer)?;
    let by = page.text_at("/entries/1/receipts/0/receipt/by").unwrap_or("nobody").to_owned();
    ensure(by == played.peer.code, "LED-003", "the entry with the sequencer's receipt", by)
}

/// A delivery that breaks a rule, between two that do not.
fn bad_delivery(
    court: &mut Court<'_>,
    requirement: &'static str,
    names: &[&str],
    bad: impl FnOnce(&Played, &str) -> Json,
) -> Found<()> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    let good = played.append(&transfer, "request-information");
    court.delivered(&played, &good)?;
    let bad = bad(&played, &transfer);
    let response: Response = court.put(&played.peer, &bad)?;
    // What was taken leaves no place for a good twin after it.
    if response.status < 300 {
        return refused(requirement, names, &response);
    }
    let page = court.read_ledger(&played.peer, &transfer)?;
    let good = played.append(&transfer, "request-information");
    court.delivered(&played, &good)?;
    refused(requirement, names, &response)?;
    let newest = page.integer_at("/head/head/sequence");
    ensure(
        newest == Some(1),
        requirement,
        "a copy that ends before the bad entry",
        format!("head {newest:?}"),
    )
}

fn judged(court: &mut Court<'_>) -> Found<()> {
    bad_delivery(court, "LED-009", &["not-allowed-in-stage"], |played, transfer| {
        played.next_receipted(transfer, "uphold", |_, _| {})
    })?;
    bad_delivery(court, "LED-009", &["not-allowed-in-stage"], |played, transfer| {
        played.next_receipted(transfer, "retract", |_, _| {})
    })?;
    bad_delivery(court, "LED-009", &["wrong-author"], |played, transfer| {
        played.next_receipted(transfer, "withdraw", |_, _| {})
    })?;
    bad_delivery(court, "LED-009", &["header-changed"], |played, transfer| {
        played.next_receipted(transfer, "accept", |header, _| header.set("/clockClass", "urgent"))
    })?;
    bad_delivery(court, "LED-009", &["header-changed"], |played, transfer| {
        played.next_receipted(transfer, "accept", |header, _| header.set("/responsibility/epoch", 2))
    })?;
    bad_delivery(court, "LED-009", &["created-at-order"], |played, transfer| {
        played.next_receipted(transfer, "accept", |header, _| {
            header.set("/createdAt", written(in_seconds(-900)));
        })
    })?;
    bad_delivery(court, "LED-009", &["sequence-conflict"], |played, transfer| {
        played.next_receipted(transfer, "accept", |header, _| header.set("/previous", digest_of_nothing()))
    })?;
    bad_delivery(court, "LED-009", &["receipt-invalid"], |played, transfer| {
        let entry = played.next(transfer, "accept", |_, _| {});
        with_receipts(&entry, vec![receipt_at(played, &entry, &played.peer.key, -900)])
    })
}

/// A sequencer's receipt of that age.
fn receipt_at(played: &Played, entry: &Json, key: &crate::jws::SigningKey, seconds: i64) -> Json {
    let receipt = receipt_by(&played.peer.code, key, entry);
    let mut receipt = receipt.member("receipt").cloned().unwrap_or(Json::Null);
    receipt.set("/receivedAt", written(in_seconds(seconds)));
    signed_receipt(receipt, key)
}

fn responsible(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    let subject = court.bench.subject.code.clone();
    check_responsible(court, &transfer, &subject)?;
    for (kind, who) in [
        ("acknowledge", &subject),
        ("request-information", &subject),
        ("accept", &played.peer.code),
        ("outcome", &played.peer.code),
        ("retract", &played.peer.code),
    ] {
        let entry = played.append(&transfer, kind);
        court.delivered(&played, &entry)?;
        check_responsible(court, &transfer, who)?;
    }
    let taken = court.taken_by_subject(&played)?;
    check_responsible(court, &taken, &played.peer.code)?;
    court.made_to_decide(&taken, "accept")?;
    check_responsible(court, &taken, &subject)
}

fn check_responsible(court: &mut Court<'_>, transfer: &str, who: &str) -> Found<()> {
    let shown = court.shown(transfer)?;
    let told = shown.text_at("/responsible").unwrap_or("nobody").to_owned();
    let stage = shown.text_at("/stage").unwrap_or_default();
    ensure(told == who, "LED-011", &format!("{who} responsible while {stage}"), told)
}

fn as_of(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let offered = court.offered_by_subject(&played)?;
    check_as_of(court, &offered.transfer, 0, &offered.entry)?;
    let entry = played.append(&offered.transfer, "accept");
    court.delivered(&played, &entry)?;
    check_as_of(court, &offered.transfer, 1, &entry)
}

fn check_as_of(court: &mut Court<'_>, transfer: &str, sequence: i64, newest: &Json) -> Found<()> {
    let shown = court.shown(transfer)?;
    let told = shown.member("asOf").cloned().unwrap_or(Json::Null);
    let fits = told.integer_at("/sequence") == Some(sequence)
        && told.text_at("/headerDigest") == Some(&header_digest(newest));
    ensure(fits, "LED-012", &format!("as of entry {sequence} and its header's digest"), told.plain())
}

fn counter_receipts(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    for (index, kind) in ["acknowledge", "accept"].into_iter().enumerate() {
        let entry = played.append(&transfer, kind);
        let response = court.put(&played.peer, &entry)?;
        let told = court.receipted(&response, &entry, 201);
        let actual = told.clone().err().unwrap_or_default();
        ensure(told.is_ok(), "RCP-004", "201 with a counter-receipt", actual)?;
        let counter = told.unwrap_or(Json::Null);
        let repeat = court.put(&played.peer, &entry)?;
        let again = Json::read(&repeat.content).unwrap_or(Json::Null);
        let same = crate::court::same_receipt(&again, &counter);
        ensure(same, "RCP-004", "the same counter-receipt for a repeat", again.plain())?;
        let page = court.read_ledger(&played.peer, &transfer)?;
        let held = page.at(&format!("/entries/{}/receipts", index + 1)).cloned().unwrap_or(Json::Null);
        let own = entry.at("/receipts/0").cloned().unwrap_or(Json::Null);
        let both = [&own, &counter]
            .iter()
            .all(|receipt| held.items().iter().any(|kept| crate::court::same_receipt(kept, receipt)));
        ensure(both, "RCP-004", "both receipts in a read", held.plain())?;
    }
    Ok(())
}

fn without_receipt(court: &mut Court<'_>) -> Found<()> {
    bad_delivery(court, "RCP-005", &["receipt-missing"], |played, transfer| {
        played.next(transfer, "accept", |_, _| {})
    })
}

fn revoked(court: &mut Court<'_>) -> Found<()> {
    // Its receipt says that it was there two hours ago, which only its own party vouches for.
    bad_delivery(court, "SIG-006", &["key-not-valid"], |played, transfer| {
        let entry = played.next(transfer, "accept", |_, _| {});
        let header = crate::draft::header_of(&entry);
        let mut entry = entry;
        entry.set("/signature", played.peer.revoked.sign(&header));
        with_receipts(&entry, vec![receipt_at(played, &entry, &played.peer.key, -7_200)])
    })?;
    bad_delivery(court, "SIG-006", &["key-not-valid"], |played, transfer| {
        let entry = played.next(transfer, "accept", |_, _| {});
        with_receipts(&entry, vec![receipt_at(played, &entry, &played.peer.revoked, -7_200)])
    })
}
