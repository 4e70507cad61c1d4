//! Section 5: the ledger, its stages and transitions.

pub(super) mod deliveries;

use super::{CORE, Case};
use crate::court::{Court, Found, ensure, same_receipt};
use crate::draft::{Draft, Ledger, bodies};
use crate::encoding::digest_of_nothing;
use crate::json::Json;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "led-keeps-ledgers-apart-by-party",
        claim: "A transfer id that another authority uses too names another ledger.",
        checks: &["LED-001"],
        run: apart,
        ..CORE
    },
    Case {
        name: "led-appends-after-the-head-alone",
        claim: "A proposal is taken one above the head, with the head's digest as previous, and nowhere else.",
        checks: &["LED-002"],
        run: after_the_head,
        ..CORE
    },
    Case {
        name: "led-changes-nothing-of-an-entry",
        claim: "Header, signature and receipts of an entry stay as they are while the ledger grows.",
        checks: &["LED-004"],
        run: unchanged,
        ..CORE
    },
    Case {
        name: "led-refuses-types-of-the-other-party",
        claim: "An originating authority may not write what the table gives to the receiving authority.",
        checks: &["LED-005"],
        run: wrong_author,
        ..CORE
    },
    Case {
        name: "led-refuses-what-the-stage-does-not-allow",
        claim: "What the table of section 5.3 does not allow is refused, with the stage, and so is a first entry that is no offer.",
        checks: &["LED-006"],
        run: not_in_stage,
        ..CORE
    },
    Case {
        name: "led-computes-the-stage-by-the-table",
        claim: "The stage in a head is what the entries give by the table alone.",
        checks: &["LED-007"],
        run: stage,
        ..CORE
    },
    Case {
        name: "led-does-nothing-because-time-passes",
        claim: "A ledger in which nobody writes stays as it is.",
        checks: &["LED-008"],
        slow: true,
        run: silence,
        ..CORE
    },
];

fn apart(court: &mut Court<'_>) -> Found<()> {
    let (first, second) = (court.peer()?, court.peer()?);
    let ledger = court.offered(&first)?;
    let mut draft = court.draft(&second);
    draft.header.set("/transfer", ledger.transfer.as_str());
    let entry = draft.sealed(&second.key);
    let response = court.put(&second, &entry)?;
    let told = court.receipted(&response, &entry, 201);
    ensure(told.is_ok(), "LED-001", "201: it is another ledger", told.err().unwrap_or_default())?;
    for (peer, code) in [(&first, &first.code), (&second, &second.code)] {
        let page = court.read_ledger(peer, &ledger.transfer)?;
        let author = page.text_at("/entries/0/header/author").unwrap_or_default().to_owned();
        let alone = page.member("entries").map(Json::items).unwrap_or_default().len() == 1;
        ensure(alone && author == *code, "LED-001", &format!("the one entry of {code}"), author)?;
    }
    Ok(())
}

fn after_the_head(court: &mut Court<'_>) -> Found<()> {
    let conflict = ["sequence-conflict"];
    court.refuses_next("LED-002", &["sequence-gap"], "supply-information", |draft, _| {
        draft.header.set("/sequence", 2);
    })?;
    court.refuses_next("LED-002", &conflict, "supply-information", |draft, _| {
        draft.header.set("/previous", digest_of_nothing());
    })?;
    // Another header at a place that is taken.
    let peer = court.peer()?;
    let mut ledger = court.offered(&peer)?;
    let late =
        Draft::next(&ledger, "request-information", bodies::of("request-information")).sealed(&peer.key);
    court.append(&peer, &mut ledger, "supply-information")?;
    court.between_twins(&peer, "LED-002", &conflict, |court| court.put(&peer, &late))?;
    // A ledger that is not held.
    let peer = court.peer()?;
    let mut draft = court.draft(&peer);
    draft.header.set("/sequence", 1);
    draft.header.set("/previous", digest_of_nothing());
    draft.header.set("/type", "supply-information");
    draft.body = bodies::of("supply-information");
    let entry = draft.sealed(&peer.key);
    court.between_twins(&peer, "LED-002", &["sequence-gap"], |court| court.put(&peer, &entry))
}

fn unchanged(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut ledger = court.offered(&peer)?;
    for kind in ["supply-information", "request-information", "withdraw", "correct"] {
        court.append(&peer, &mut ledger, kind)?;
        let page = court.read_ledger(&peer, &ledger.transfer)?;
        for (index, entry) in ledger.entries.iter().enumerate() {
            for part in ["header", "signature"] {
                let given = page.at(&format!("/entries/{index}/{part}")).map(Json::canonical);
                let sent = entry.member(part).map(Json::canonical);
                let expected = format!("{part} of entry {index} as it was");
                ensure(given == sent, "LED-004", &expected, given.unwrap_or_default())?;
            }
            let receipts = page.at(&format!("/entries/{index}/receipts")).cloned().unwrap_or(Json::Null);
            let given = entry.at("/receipts/0");
            let expected = format!("the receipt of entry {index} as it was");
            let kept = given.is_some_and(|given| is_kept(given, receipts.items(), &peer.code));
            ensure(kept, "LED-004", &expected, receipts.plain())?;
        }
    }
    Ok(())
}

/// Whether the subject's only receipt is the one that it gave. The other party's for the same header may stand beside
/// it, once the subject has reconciled.
fn is_kept(given: &Json, held: &[Json], other: &str) -> bool {
    let (theirs, own): (Vec<&Json>, Vec<&Json>) =
        held.iter().partition(|receipt| receipt.text_at("/receipt/by") == Some(other));
    let header = |receipt: &Json| receipt.text_at("/receipt/headerDigest").map(str::to_owned);
    matches!(own[..], [own] if same_receipt(given, own))
        && theirs.len() <= 1
        && theirs.iter().all(|receipt| header(receipt) == header(given))
}

fn wrong_author(court: &mut Court<'_>) -> Found<()> {
    for kind in ["acknowledge", "accept", "decline", "redirect"] {
        court.refuses_next("LED-005", &["wrong-author"], kind, |_, _| {})?;
    }
    // Types that are allowed neither to this party nor in this stage: both are of step 10.
    for kind in ["uphold", "outcome", "retract"] {
        court.refuses_next("LED-005", &["wrong-author", "not-allowed-in-stage"], kind, |_, _| {})?;
    }
    Ok(())
}

fn not_in_stage(court: &mut Court<'_>) -> Found<()> {
    let names = ["not-allowed-in-stage"];
    court.refuses_next("LED-006", &names, "contest", |_, _| {})?;
    for kind in ["withdraw", "supply-information", "request-information", "contest"] {
        let peer = court.peer()?;
        let mut ledger = court.offered(&peer)?;
        court.append(&peer, &mut ledger, "withdraw")?;
        let entry = Draft::next(&ledger, kind, bodies::of(kind)).sealed(&peer.key);
        let mut stage = None;
        court.between_twins(&peer, "LED-006", &names, |court| {
            let response = court.put(&peer, &entry)?;
            let problem = Json::read(&response.content).unwrap_or(Json::Null);
            stage = problem.text_at("/stage").map(str::to_owned);
            Ok(response)
        })?;
        ensure(
            stage.as_deref() == Some("withdrawn"),
            "LED-006",
            "stage withdrawn in the problem",
            format!("{stage:?}"),
        )?;
    }
    for kind in ["withdraw", "supply-information"] {
        court.refuses_draft("LED-006", &names, |draft| {
            draft.header.set("/type", kind);
            draft.body = bodies::of(kind);
        })?;
    }
    // A second offer in the ledger.
    court.refuses_next("LED-006", &names, "offer", |_, _| {})
}

fn stage(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut ledger = court.offered(&peer)?;
    check_stage(court, &peer, &ledger, "offered")?;
    for (kind, stage) in [
        ("request-information", "offered"),
        ("supply-information", "offered"),
        ("correct", "offered"),
        ("withdraw", "withdrawn"),
        ("correct", "withdrawn"),
    ] {
        court.append(&peer, &mut ledger, kind)?;
        check_stage(court, &peer, &ledger, stage)?;
    }
    Ok(())
}

fn check_stage(
    court: &mut Court<'_>,
    peer: &crate::world::Authority,
    ledger: &Ledger,
    stage: &str,
) -> Found<()> {
    let page = court.read_ledger(peer, &ledger.transfer)?;
    let head = page.member("head").cloned().unwrap_or(Json::Null);
    let told = court.check_head(&head, ledger.sequence, &ledger.digest, stage);
    let kind = ledger.entries.last().and_then(|entry| entry.text_at("/header/type")).unwrap_or_default();
    ensure(
        told.is_ok(),
        "LED-007",
        &format!("a head with stage {stage} after {kind}"),
        told.err().unwrap_or_default(),
    )
}

fn silence(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    // Overdue on the day that it is offered, as far as a clock could tell from the header.
    let mut draft = court.draft(&peer);
    draft.header.set("/createdAt", "2020-01-06T09:00:00Z");
    draft.header.set("/clockClass", "urgent");
    let old = draft.sealed(&peer.key);
    let receipt = court.taken(&peer, &old)?;
    let old = Ledger::begun(&old, receipt);
    std::thread::sleep(court.bench.waits.quiet);
    // The barrier: the window counts only when the subject answers at its end.
    court.offered(&peer)?;
    for ledger in [&ledger, &old] {
        let page = court.read_ledger(&peer, &ledger.transfer)?;
        let head = page.member("head").cloned().unwrap_or(Json::Null);
        let told = court.check_head(&head, 0, &ledger.digest, "offered");
        ensure(told.is_ok(), "LED-008", "the ledger as it was", told.err().unwrap_or_default())?;
    }
    Ok(())
}
