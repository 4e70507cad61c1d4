//! Section 6 where the subject has to remember: receipts over a crash, and the other party's heads.

use crate::cases::{CORE, Case, OFFERING};
use crate::court::{Court, Found, ensure, same_receipt};
use crate::json::Json;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "rcp-receipts-what-a-crash-does-not-lose",
        claim: "Every entry that was receipted before a crash is in the ledger after it, with that receipt.",
        checks: &["RCP-001"],
        slow: true,
        needs: &["process kill", "process start"],
        alone: true,
        run: survives,
        ..CORE
    },
    Case {
        name: "rcp-keeps-the-heads-of-its-peer",
        claim: "An export has the newest signed head of the other party that the subject has seen.",
        checks: &["RCP-009"],
        needs: &["trigger offer", "trigger decide", "observe export"],
        run: keeps_heads,
        ..OFFERING
    },
    Case {
        name: "ver-exports-what-it-holds",
        claim: "An export has every entry with all receipts, and a signed head of the exporter for the newest.",
        checks: &["VER-001"],
        needs: &["trigger offer", "observe export"],
        run: exports,
        ..OFFERING
    },
];

fn survives(court: &mut Court<'_>) -> Found<()> {
    for _ in 0..3 {
        let peer = court.peer()?;
        let mut ledger = court.offered(&peer)?;
        court.append(&peer, &mut ledger, "supply-information")?;
        // At once after the receipt has arrived.
        court.made_to("process", "kill", Vec::new())?;
        court.made_to("process", "start", Vec::new())?;
        court.awake()?;
        let response = court.get(&peer, &format!("/v1/transfers/{}/entries", ledger.transfer))?;
        let page = Json::read(&response.content).unwrap_or(Json::Null);
        for (index, entry) in ledger.entries.iter().enumerate() {
            let given = entry.at("/receipts/0").cloned().unwrap_or(Json::Null);
            let held = page.at(&format!("/entries/{index}/receipts/0")).cloned().unwrap_or(Json::Null);
            let expected = format!("entry {index} with the receipt that was given");
            ensure(same_receipt(&given, &held), "RCP-001", &expected, held.plain())?;
        }
    }
    Ok(())
}

/// What the subject exports of a transfer.
fn export(court: &mut Court<'_>, transfer: &str) -> Found<Json> {
    let told = court.made_to("observe", "export", vec![("transfer", transfer.into())])?;
    Ok(told.member("export").cloned().unwrap_or(Json::Null))
}

fn keeps_heads(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    played.hide();
    played.append(&transfer, "request-information");
    // The conflict makes the subject read, and every read shows a head.
    court.made_to_decide(&transfer, "supply-information")?;
    let read = played.wait(court.bench.waits.act, |played| played.entries(&transfer).len() == 3);
    if !read {
        let told = "the subject did not catch up with the sequencer".to_owned();
        return Err(crate::court::Miss::Unexercised(told));
    }
    court.settled(&played, &transfer)?;
    let export = export(court, &transfer)?;
    let heads = export.member("peerHeads").map(Json::items).unwrap_or_default();
    let of = |head: &&Json| {
        head.text_at("/head/by") == Some(&played.peer.code) && head.integer_at("/head/sequence") >= Some(1)
    };
    let told = export.member("peerHeads").map(Json::plain).unwrap_or_default();
    ensure(heads.iter().any(|head| of(&head)), "RCP-009", "the sequencer's head that was read", told)
}

fn exports(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    for kind in ["acknowledge", "accept"] {
        let entry = played.append(&transfer, kind);
        court.delivered(&played, &entry)?;
    }
    let export = export(court, &transfer)?;
    let page = court.read_ledger(&played.peer, &transfer)?;
    let parties = [
        ("/format", "cme-ledger/1"),
        ("/transfer", &transfer),
        ("/originating", &court.bench.subject.code),
        ("/receiving", &played.peer.code),
        ("/exportedBy", &court.bench.subject.code),
    ];
    for (path, wanted) in parties {
        let told = export.text_at(path).unwrap_or_default().to_owned();
        ensure(told == wanted, "VER-001", &format!("{path} {wanted}"), told)?;
    }
    for index in 0..3 {
        let path = format!("/entries/{index}");
        let (told, held) = (export.at(&path).cloned().unwrap_or(Json::Null), page.at(&path));
        for part in ["/header", "/body", "/signature"] {
            let same = told.at(part).map(Json::canonical)
                == held.and_then(|held| held.at(part)).map(Json::canonical);
            ensure(same, "VER-001", &format!("{part} of entry {index} as in the ledger"), told.plain())?;
        }
        let receipts = |entry: &Json| entry.member("receipts").map(Json::items).unwrap_or_default().to_vec();
        let kept = held.map(receipts).unwrap_or_default();
        let all = kept.iter().all(|one| receipts(&told).iter().any(|other| same_receipt(one, other)));
        ensure(all && !kept.is_empty(), "VER-001", &format!("every receipt of entry {index}"), told.plain())?;
    }
    let head = export.member("head").cloned().unwrap_or(Json::Null);
    let signed = court.check_signed(&head, "head", "cme-head", "/at");
    let fits = signed.is_ok() && head.integer_at("/head/sequence") == Some(2);
    ensure(fits, "VER-001", "the exporter's signed head for entry 2", head.plain())
}
