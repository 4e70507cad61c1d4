//! Sections 11.1 and 11.2: a subject that comes back from a backup, and what it reads where copies differ.

use std::time::{Duration, Instant};

use super::heads_after;
use crate::cases::{Case, DECIDING};
use crate::court::{
    Court, Found, Miss, Played, ensure, header_digest, problem_of, refused, same_receipt, wishes,
};
use crate::draft::Ledger;
use crate::json::Json;
use crate::wire::Response;

/// A case in which the subject's operator restores a backup.
const RESTORING: Case = Case {
    profile: "recovery",
    slow: true,
    needs: &["trigger offer", "trigger decide", "process backup", "process restore"],
    alone: true,
    ..DECIDING
};

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "rcv-raises-its-incarnation-at-a-restore",
        claim: "After a restore everything that is answered, signed or sent tells a higher incarnation, and cursors of before have expired.",
        checks: &["RCV-001", "RCV-006"],
        run: raises,
        ..RESTORING
    },
    Case {
        name: "rcv-appends-nothing-before-it-has-reconciled",
        claim: "After a restore nothing is proposed, decided or taken with a peer whose ledgers have not been read.",
        checks: &["RCV-008"],
        run: appends_nothing,
        ..RESTORING
    },
    Case {
        name: "rcv-reads-what-differs",
        claim: "Where count or digest of a peer's reconciliation differ, its heads are read, and each ledger whose head differs.",
        checks: &["RCV-007"],
        needs: &["trigger offer", "process kill", "process start"],
        run: reads_what_differs,
        ..RESTORING
    },
];

/// How often the subject is asked whether it goes on.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// The answer to a new offer by that authority, which is put once.
pub(super) fn offer_once(court: &mut Court<'_>, played: &Played) -> Found<(Json, Response)> {
    let entry = court.draft(&played.peer).sealed(&played.peer.key);
    let response = court.put_once(&played.peer, &entry)?;
    Ok((entry, response))
}

/// The two go on within the time in which a subject acts by itself: the good twin of every refusal.
pub(super) fn goes_on(court: &mut Court<'_>, played: &Played) -> Found<()> {
    let until = Instant::now() + court.bench.waits.act;
    loop {
        let (entry, response) = offer_once(court, played)?;
        match court.receipted(&response, &entry, 201) {
            Ok(receipt) => {
                let ledger = Ledger::begun(&entry, receipt);
                ledger.entries.iter().for_each(|entry| played.store(&ledger.transfer, entry.clone()));
                return Ok(());
            }
            Err(told) if Instant::now() > until => {
                return Err(Miss::Unexercised(format!("the two do not go on: {told}")));
            }
            Err(_) => std::thread::sleep(ASK_EVERY),
        }
    }
}

/// A ledger that the authority offered and the subject orders, held on both sides.
pub(super) fn ordered_by_subject(court: &mut Court<'_>, played: &Played) -> Found<Ledger> {
    let ledger = court.offered(&played.peer)?;
    ledger.entries.iter().for_each(|entry| played.store(&ledger.transfer, entry.clone()));
    Ok(ledger)
}

/// Puts the backup back in place of what the subject holds.
fn restore(court: &mut Court<'_>) -> Found<()> {
    court.made_to("process", "restore", Vec::new())?;
    court.awake()
}

fn raises(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    court.offered_by_subject(&played)?;
    let peer = played.peer.clone();
    let told = |page: &Json| page.integer_at("/incarnation").unwrap_or_default();
    let before = told(&court.read(&peer, "/v1/capabilities")?);
    let (_, cursor) = heads_after(court, &peer, None)?;
    court.made_to("process", "backup", Vec::new())?;
    let sent_before = court.bench.host.seen(&peer.code, "/v1/").len();
    restore(court)?;
    let after = told(&court.read(&peer, "/v1/capabilities")?);
    let expected = format!("an incarnation above {before} in capabilities");
    ensure(after > before, "RCV-001", &expected, after.to_string())?;
    let ledger = court.offered(&peer)?;
    let signed = ledger.entries[0].integer_at("/receipts/0/receipt/incarnation").unwrap_or_default();
    ensure(signed == after, "RCV-001", &format!("{after} in a receipt"), signed.to_string())?;
    court.offered_by_subject(&played)?;
    // What was under way when the old process ended may still come in, but nothing of it after the new one spoke.
    let sent = court.bench.host.seen(&peer.code, "/v1/");
    let named = sent.iter().skip(sent_before).map(|seen| {
        let field = seen.request.field("CME-Incarnation").and_then(|text| text.parse::<i64>().ok());
        field.unwrap_or_default()
    });
    let named: Vec<i64> = named.skip_while(|told| *told == before).collect();
    let risen = !named.is_empty() && named.iter().all(|told| *told == after);
    ensure(risen, "RCV-001", &format!("{after} in every request"), format!("{named:?}"))?;
    let expired = court.get(&peer, &format!("/v1/heads?after={cursor}"))?;
    refused("RCV-006", &["cursor-expired"], &expired)
}

fn appends_nothing(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let peer = played.peer.clone();
    let mut ordered = ordered_by_subject(court, &played)?;
    let own = court.offered_by_subject(&played)?.transfer;
    court.made_to("process", "backup", Vec::new())?;
    // What the subject is going to forget.
    court.append(&peer, &mut ordered, "supply-information")?;
    let forgotten = ordered.entries[1].clone();
    played.store(&ordered.transfer, forgotten.clone());
    let entry = played.append(&own, "acknowledge");
    court.delivered(&played, &entry)?;
    played.show_heads(false);
    played.show_ledgers(false);
    restore(court)?;
    let (_, response) = offer_once(court, &played)?;
    refused("RCV-008", &["pair-suspended"], &response)?;
    for (transfer, kind) in [(&ordered.transfer, "acknowledge"), (&own, "supply-information")] {
        let wish =
            vec![("transfer", transfer.as_str().into()), ("type", kind.into()), ("body", wishes(kind))];
        // It may be refused, or wait.
        court.wish("trigger", "decide", wish)?;
    }
    let proposed = |played: &Played| {
        let puts = played.puts(&own);
        let by_subject = |put: &&crate::court::Put| {
            put.entry.text_at("/header/author") == Some(&court.bench.subject.code)
                && put.entry.integer_at("/header/sequence") != Some(0)
        };
        puts.iter().find(by_subject).map(|put| put.entry.plain())
    };
    played.wait(court.bench.waits.quiet, |played| proposed(played).is_some());
    let actual = proposed(&played);
    ensure(actual.is_none(), "RCV-008", "no proposal", actual.unwrap_or_default())?;
    let page = court.read_ledger(&peer, &ordered.transfer)?;
    let entries = page.member("entries").map(Json::items).unwrap_or_default();
    let decided = entries.iter().find(|entry| entry.text_at("/header/type") == Some("acknowledge"));
    let actual = decided.map(Json::plain).unwrap_or_default();
    ensure(decided.is_none(), "RCV-008", "no entry of the subject's own", actual)?;
    // The heads are shown, and the ledgers that they name are not.
    let path = format!("/v1/transfers/{}/entries", ordered.transfer);
    let reads = court.bench.host.seen(&peer.code, &path).len();
    played.show_heads(true);
    let read = played.wait(court.bench.waits.act, |_| court.bench.host.seen(&peer.code, &path).len() > reads);
    if !read {
        return Err(Miss::Unexercised("the subject reads no ledger that a head names".into()));
    }
    let until = Instant::now() + court.bench.waits.quiet;
    while Instant::now() < until {
        let (_, response) = offer_once(court, &played)?;
        refused("RCV-008", &["pair-suspended"], &response)?;
        std::thread::sleep(ASK_EVERY);
    }
    played.show_ledgers(true);
    goes_on(court, &played)?;
    let page = court.read_ledger(&peer, &ordered.transfer)?;
    let held = page.at("/entries/1").cloned().unwrap_or(Json::Null);
    let receipt = |entry: &Json| entry.at("/receipts/0").cloned().unwrap_or(Json::Null);
    let back = header_digest(&held) == header_digest(&forgotten)
        && same_receipt(&receipt(&held), &receipt(&forgotten));
    ensure(back, "RCV-008", "the entry that was forgotten, with the receipt of before", held.plain())
}

fn reads_what_differs(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    ordered_by_subject(court, &played)?;
    let own = court.offered_by_subject(&played)?.transfer;
    let seen = |path: &str| court.bench.host.seen(&played.peer.code, path).len();
    let (heads, ledgers) = (seen("/v1/heads"), played.reads(&own));
    played.append(&own, "acknowledge");
    let reconciliations = seen("/v1/reconciliation");
    court.made_to("process", "kill", Vec::new())?;
    court.made_to("process", "start", Vec::new())?;
    let act = court.bench.waits.act;
    let seen = |path: &str| court.bench.host.seen(&played.peer.code, path).len();
    if !played.wait(act, |_| seen("/v1/reconciliation") > reconciliations) {
        // The text gives it 24 hours, and no run lasts as long.
        return Err(Miss::Unexercised("the subject reads no reconciliation after its start".into()));
    }
    let read = played.wait(act, |_| seen("/v1/heads") > heads);
    ensure(read, "RCV-007", "the heads read where the digests differ", "no read")?;
    let read = played.wait(act, |played| played.reads(&own) > ledgers);
    ensure(read, "RCV-007", "the ledger read whose head differs", "no read")?;
    court.awake()?;
    let page = court.settled(&played, &own)?;
    let kind = page.text_at("/entries/1/header/type").unwrap_or_default().to_owned();
    ensure(kind == "acknowledge", "RCV-007", "the entry that was missing", kind)
}

/// Whether a response says that the two have to reconcile first.
pub(super) fn is_suspended(response: &Response) -> bool {
    problem_of(response).as_deref() == Some("pair-suspended")
}
