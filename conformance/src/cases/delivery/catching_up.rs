//! Section 10.3: what the subject does when the other party's copy is ahead of its own, or behind.

use crate::cases::{Case, DECIDING};
use crate::court::{Court, Found, Miss, Played, ensure, failed};
use crate::json::Json;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "dlv-reads-what-is-newer-before-it-sends-again",
        claim: "After sequence-conflict the ledger is read before the next put, which follows its head.",
        checks: &["DLV-010"],
        run: newer_first,
        ..DECIDING
    },
    Case {
        name: "ent-keeps-the-id-of-a-decision",
        claim: "A decision that is made anew at another sequence, and unchanged, keeps its id and its body.",
        checks: &["ENT-005"],
        run: same_id,
        ..DECIDING
    },
    Case {
        name: "dlv-delivers-what-the-peer-lacks",
        claim: "After sequence-gap with a lower head the entries above that head come, with their receipts.",
        checks: &["DLV-011"],
        slow: true,
        run: refill,
        ..DECIDING
    },
    Case {
        name: "dlv-decides-again-when-overtaken",
        claim: "A withdrawal that met an acceptance is not sent again.",
        checks: &["DLV-014"],
        slow: true,
        run: overtaken,
        ..DECIDING
    },
    Case {
        name: "trn-works-with-short-pages",
        claim: "A ledger that comes in pages of one entry is read to its end.",
        checks: &["TRN-016"],
        run: short_pages,
        ..DECIDING
    },
];

/// A ledger in which the sequencer has appended what the subject has not seen, and the subject decides.
fn met_by(court: &mut Court<'_>, newer: &[&str], decision: &str) -> Found<(Played, String)> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    // Else the subject might read what is newer before it decides.
    played.hide();
    for kind in newer {
        played.append(&transfer, kind);
    }
    court.made_to_decide(&transfer, decision)?;
    court.puts(&played, &transfer, 1, 1)?;
    Ok((played, transfer))
}

fn newer_first(court: &mut Court<'_>) -> Found<()> {
    let (played, transfer) = met_by(court, &["request-information"], "supply-information")?;
    let taken = played.wait(court.bench.waits.act, |played| played.entries(&transfer).len() == 3);
    let puts = played.puts(&transfer);
    let again = puts.iter().skip(1).find(|put| put.entry.integer_at("/header/sequence") != Some(0));
    let second = again.filter(|put| put.reads_before == 0 && puts.len() > 2);
    let told = puts.get(2).or(second).map_or(0, |put| put.reads_before);
    if puts.len() < 3 {
        return failed("DLV-010", "the decision sent again after a read", format!("{} puts", puts.len()));
    }
    ensure(told > 0, "DLV-010", "a read of the ledger before the next put", "none")?;
    ensure(taken, "DLV-010", "a decision that follows the head", "none was taken")?;
    let page = court.settled(&played, &transfer)?;
    let kind = page.text_at("/entries/1/header/type").unwrap_or_default().to_owned();
    ensure(kind == "request-information", "DLV-010", "the newer entry in the subject's copy", kind)
}

fn same_id(court: &mut Court<'_>) -> Found<()> {
    let (played, transfer) = met_by(court, &["request-information"], "supply-information")?;
    if !played.wait(court.bench.waits.act, |played| played.puts_of(&transfer, 2).len() == 1) {
        return Err(Miss::Unexercised("the decision was not made anew after the newer entry".into()));
    }
    let first = played.puts_of(&transfer, 1).first().map_or(Json::Null, |put| put.entry.clone());
    let anew = played.puts_of(&transfer, 2).first().map_or(Json::Null, |put| put.entry.clone());
    for path in ["/header/id", "/header/bodyDigest", "/header/type", "/body"] {
        let (was, is) = (first.at(path).map(Json::canonical), anew.at(path).map(Json::canonical));
        ensure(was == is, "ENT-005", &format!("{path} as before"), is.unwrap_or_default())?;
    }
    Ok(())
}

fn refill(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    court.made_to_decide(&transfer, "supply-information")?;
    court.puts(&played, &transfer, 1, 1)?;
    court.settled(&played, &transfer)?;
    // The sequencer's server was set back to before the offer.
    played.forget(&transfer, 0);
    court.made_to_decide(&transfer, "withdraw")?;
    court.puts(&played, &transfer, 2, 1)?;
    let whole = played.wait(court.bench.waits.act, |played| played.entries(&transfer).len() == 3);
    let held = played.entries(&transfer).len();
    ensure(whole, "DLV-011", "entries 0 and 1, and then the decision", format!("{held} entries"))?;
    for sequence in 0..2 {
        let puts = played.puts_of(&transfer, sequence);
        let again = puts.last().map_or(Json::Null, |put| put.entry.clone());
        let by = again.text_at("/receipts/0/receipt/by").unwrap_or("nobody").to_owned();
        let expected = format!("entry {sequence} with the sequencer's own receipt");
        ensure(by == played.peer.code && puts.len() > 1, "DLV-011", &expected, by)?;
    }
    Ok(())
}

fn overtaken(court: &mut Court<'_>) -> Found<()> {
    let (played, transfer) = met_by(court, &["accept"], "withdraw")?;
    // The subject reads the acceptance.
    if !played.wait(court.bench.waits.act, |played| played.reads(&transfer) > 0) {
        return Err(Miss::Unexercised("the subject did not read the ledger after a conflict".into()));
    }
    std::thread::sleep(court.bench.waits.quiet);
    let page = court.settled(&played, &transfer)?;
    let kind = page.text_at("/entries/1/header/type").unwrap_or_default().to_owned();
    ensure(kind == "accept", "DLV-014", "the acceptance in the subject's copy", kind)?;
    let insists = played.puts(&transfer).into_iter().find(|put| {
        put.entry.integer_at("/header/sequence") > Some(1)
            && put.entry.text_at("/header/type") == Some("withdraw")
    });
    let actual = insists.map(|put| put.entry.plain()).unwrap_or_default();
    ensure(actual.is_empty(), "DLV-014", "no withdrawal after the acceptance", actual)
}

fn short_pages(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    played.page_items_max(1);
    let transfer = court.offered_by_subject(&played)?.transfer;
    played.hide();
    for kind in ["acknowledge", "request-information", "request-information"] {
        played.append(&transfer, kind);
    }
    court.made_to_decide(&transfer, "supply-information")?;
    let taken = played.wait(court.bench.waits.act, |played| played.entries(&transfer).len() == 5);
    let newest =
        played.puts(&transfer).into_iter().filter_map(|put| put.entry.integer_at("/header/sequence"));
    let actual = format!("its newest put is at {:?}", newest.max());
    ensure(taken, "TRN-016", "a decision after four entries", actual)
}
