//! Section 10.1: what the subject sends by itself, and in which order.

use std::time::Duration;

use crate::cases::{Case, DECIDING, OFFERING};
use crate::court::{Court, Found, Miss, Played, Reply, ensure};
use crate::json::Json;

/// How long the suite keeps the subject waiting for an answer.
const SLOWLY: Duration = Duration::from_millis(500);

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "dlv-keeps-an-entry-before-it-sends-it",
        claim: "A subject that is killed while it offers sends the offer again under the same id.",
        checks: &["DLV-001"],
        slow: true,
        needs: &["trigger offer", "process kill", "process start"],
        alone: true,
        run: kept_before_sent,
        ..OFFERING
    },
    Case {
        name: "dlv-delivers-what-it-decided-before-a-crash",
        claim: "An acceptance that is in the ledger after a crash is delivered, with the receipt that it has there.",
        checks: &["DLV-002"],
        slow: true,
        needs: &["trigger decide", "process kill", "process start"],
        alone: true,
        run: delivered_after_a_crash,
        ..DECIDING
    },
    Case {
        name: "dlv-sends-one-put-at-a-time",
        claim: "While a put of a ledger is under way no other of that ledger is sent.",
        checks: &["DLV-004"],
        slow: true,
        needs: &["trigger decide"],
        run: one_at_a_time,
        ..DECIDING
    },
    Case {
        name: "dlv-delivers-in-order-with-receipts",
        claim: "Deliveries of a ledger come in order of sequence, each with the sequencer's receipt.",
        checks: &["DLV-005"],
        needs: &["trigger decide"],
        run: in_order,
        ..DECIDING
    },
];

fn kept_before_sent(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    played.plan(vec![Reply::Close], Some(Reply::Bytes(crate::host::problem(503, "unavailable", ""))));
    let offered = court.made_to_offer(&played)?;
    court.made_to("process", "kill", Vec::new())?;
    let before = played.puts_of(&offered.transfer, 0).len();
    played.plan(Vec::new(), None);
    court.made_to("process", "start", Vec::new())?;
    court.awake()?;
    let puts = court.puts(&played, &offered.transfer, 0, before + 1);
    let Ok(puts) = puts else {
        let seen = played.puts(&offered.transfer).len();
        return ensure(false, "DLV-001", "the offer again after the crash", format!("{seen} puts"));
    };
    let told = puts.last().map(|put| id_of(&put.entry)).unwrap_or_default();
    ensure(told == id_of(&offered.entry), "DLV-001", &format!("id {}", id_of(&offered.entry)), told)
}

fn id_of(entry: &Json) -> String {
    entry.text_at("/header/id").unwrap_or_default().to_owned()
}

fn delivered_after_a_crash(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let transfer = court.taken_by_subject(&played)?;
    played.plan(Vec::new(), Some(Reply::Close));
    court.made_to_decide(&transfer, "accept")?;
    court.made_to("process", "kill", Vec::new())?;
    court.made_to("process", "start", Vec::new())?;
    court.awake()?;
    played.plan(Vec::new(), None);
    let page = court.read_ledger(&played.peer, &transfer)?;
    let Some(held) = page.at("/entries/1") else {
        return ensure(false, "DLV-002", "the acceptance that was decided", "the offer alone");
    };
    let arrived = played.wait(court.bench.waits.act, |played| played.entries(&transfer).len() == 2);
    ensure(arrived, "DLV-002", "the acceptance delivered after the crash", "no delivery of it")?;
    let delivered = played.entries(&transfer).pop().unwrap_or(Json::Null);
    for path in ["/header", "/receipts/0/receipt", "/receipts/0/signature"] {
        let (ours, theirs) = (delivered.at(path).map(Json::canonical), held.at(path).map(Json::canonical));
        let actual = ours.clone().unwrap_or_default();
        ensure(ours == theirs, "DLV-002", &format!("{path} as in the ledger"), actual)?;
    }
    Ok(())
}

/// A transfer in which the subject has decided three times, the first delivery answered late.
fn three_decisions(court: &mut Court<'_>, first: Reply) -> Found<(Played, String)> {
    let played = court.play()?;
    let transfer = court.taken_by_subject(&played)?;
    played.plan(vec![first], None);
    for kind in ["acknowledge", "request-information", "accept"] {
        court.made_to_decide(&transfer, kind)?;
    }
    if played.wait(court.bench.waits.act, |played| played.puts(&transfer).len() >= 3) {
        return Ok((played, transfer));
    }
    Err(Miss::Unexercised(format!("{} of three entries were delivered", played.puts(&transfer).len())))
}

fn one_at_a_time(court: &mut Court<'_>) -> Found<()> {
    let (played, transfer) = three_decisions(court, Reply::After(SLOWLY))?;
    let crowded = played.puts(&transfer).into_iter().find(|put| put.under_way > 0);
    let actual =
        crowded.map(|put| format!("entry {:?} beside another", put.entry.integer_at("/header/sequence")));
    ensure(actual.is_none(), "DLV-004", "one put of a ledger under way", actual.unwrap_or_default())
}

fn in_order(court: &mut Court<'_>) -> Found<()> {
    let busy = Reply::Bytes(crate::host::problem(503, "unavailable", ""));
    let (played, transfer) = three_decisions(court, busy)?;
    let arrived = played.wait(court.bench.waits.act, |played| played.entries(&transfer).len() == 4);
    let mut newest = 0;
    for put in played.puts(&transfer) {
        let sequence = put.entry.integer_at("/header/sequence").unwrap_or_default();
        let actual = format!("entry {sequence} after entry {newest}");
        ensure(
            sequence <= newest + 1 && sequence >= newest,
            "DLV-005",
            "entries in order of sequence",
            actual,
        )?;
        newest = sequence;
        let told = court.check_receipt(
            put.entry.at("/receipts/0").unwrap_or(&Json::Null),
            &crate::draft::header_of(&put.entry),
        );
        let wanted = format!("the sequencer's receipt with entry {sequence}");
        ensure(told.is_ok(), "DLV-005", &wanted, told.err().unwrap_or_default())?;
    }
    ensure(arrived, "DLV-005", "three entries delivered", format!("up to entry {newest}"))
}
