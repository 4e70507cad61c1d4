//! Section 11: incarnations, heads and reconciliation.

pub(super) mod forks;
pub(super) mod restores;
pub(super) mod suspended;

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, refused};
use crate::draft::uuid;
use crate::host::{document, problem};
use crate::instant::now;
use crate::json::Json;
use crate::wire::{Answer, Request};
use crate::world::{Authority, Kind};

/// Most pages of heads that are read.
const PAGES_MAX: usize = 200;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "rcv-refuses-an-older-incarnation",
        claim: "After a higher incarnation of an authority a lower one is stale, on every operation.",
        checks: &["RCV-002"],
        profile: "recovery",
        run: older_incarnation,
        ..CORE
    },
    Case {
        name: "rcv-reads-heads-of-a-restored-peer",
        claim: "A higher incarnation makes the subject read that peer's heads from the start.",
        checks: &["RCV-003"],
        profile: "recovery",
        slow: true,
        run: reads_heads,
        ..CORE
    },
    Case {
        name: "rcv-lists-every-shared-ledger",
        claim: "Heads list each ledger shared with the caller, closed ones too, and nobody else's.",
        checks: &["RCV-004"],
        run: lists_all,
        ..CORE
    },
    Case {
        name: "rcv-lists-a-changed-ledger-again",
        claim: "A ledger that grew since a cursor was given stands after that cursor.",
        checks: &["RCV-005"],
        run: lists_again,
        ..CORE
    },
    Case {
        name: "rcv-refuses-foreign-cursors",
        claim: "Text that is no cursor, and a cursor that was given to another caller, are invalid.",
        checks: &["RCV-006"],
        run: foreign_cursors,
        ..CORE
    },
];

/// An incarnation above every one that an earlier run has told.
pub(super) fn next_incarnation() -> i64 {
    now().as_millisecond()
}

fn older_incarnation(court: &mut Court<'_>) -> Found<()> {
    let peer = court.authority(Kind::Restored)?;
    let newer = next_incarnation();
    let target = |path: &str| court.bench.subject.target(path);
    let paths = [target("/v1/capabilities"), target("/v1/heads"), target("/v1/reconciliation")];
    for path in paths {
        let with = |number: i64| Request::get(&path).with("CME-Incarnation", &number.to_string());
        let first = court.ask(&peer, with(newer))?;
        let second = court.ask(&peer, with(newer - 1))?;
        let third = court.ask(&peer, with(newer))?;
        if (first.status, third.status) != (200, 200) {
            return Err(Miss::Unexercised(format!("{path}: {} and {}", first.status, third.status)));
        }
        refused("RCV-002", &["incarnation-stale"], &second)?;
    }
    Ok(())
}

fn reads_heads(court: &mut Court<'_>) -> Found<()> {
    let peer = court.authority(Kind::Restored)?;
    court
        .bench
        .host
        .play(&peer.code, |_| Answer::Bytes(problem(503, "unavailable", "Retry-After: 3600\r\n")));
    let told = next_incarnation();
    // Shares a ledger with the subject, so that there is something to read for.
    let entry = court.draft(&peer).sealed(&peer.key);
    let transfer = entry.text_at("/header/transfer").unwrap_or_default();
    let target = court.bench.subject.target(&format!("/v1/transfers/{transfer}/entries/0"));
    let put = |incarnation: i64| {
        Request::put(&target, entry.plain().into_bytes()).with("CME-Incarnation", &incarnation.to_string())
    };
    let empty = Json::object([
        ("incarnation", (told + 1).into()),
        ("heads", Json::Array(Vec::new())),
        ("next", "start".into()),
        ("more", false.into()),
    ]);
    let before = court.bench.host.seen(&peer.code, "/v1/heads").len();
    court.bench.host.play(&peer.code, move |request| {
        let wanted = request.target.contains("/v1/heads");
        Answer::Bytes(if wanted {
            document(200, &empty)
        } else {
            problem(503, "unavailable", "Retry-After: 1\r\n")
        })
    });
    let first = court.ask(&peer, put(told))?;
    if first.status != 201 && crate::court::problem_of(&first).as_deref() != Some("pair-suspended") {
        return Err(Miss::Unexercised(format!("the offer was answered {}", first.status)));
    }
    court.ask(&peer, put(told + 1))?;
    let until = std::time::Instant::now() + court.bench.waits.act;
    let mut seen = court.bench.host.wait(&peer.code, "/v1/heads", court.bench.waits.act);
    while seen.len() <= before && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
        seen = court.bench.host.seen(&peer.code, "/v1/heads");
    }
    let fresh = seen.get(before).map(|seen| seen.request.target.clone()).unwrap_or_default();
    let from_start = fresh.ends_with("/v1/heads") || fresh.ends_with("/v1/heads?");
    ensure(from_start, "RCV-003", "GET /v1/heads without a cursor", fresh)
}

/// Every head that the subject lists for a caller, from the start.
pub(super) fn all_heads(court: &mut Court<'_>, peer: &Authority) -> Found<Vec<Json>> {
    Ok(heads_after(court, peer, None)?.0)
}

/// The heads after a cursor, and the cursor at their end.
pub(super) fn heads_after(
    court: &mut Court<'_>,
    peer: &Authority,
    after: Option<String>,
) -> Found<(Vec<Json>, String)> {
    let (mut heads, mut after) = (Vec::new(), after);
    for _ in 0..PAGES_MAX {
        let query = after.map(|cursor| format!("?after={cursor}")).unwrap_or_default();
        let page = court.read(peer, &format!("/v1/heads{query}"))?;
        heads.extend(page.member("heads").map(Json::items).unwrap_or_default().iter().cloned());
        let next = page.text_at("/next").unwrap_or_default().to_owned();
        if page.member("more") != Some(&Json::Bool(true)) {
            return Ok((heads, next));
        }
        after = Some(next);
    }
    Err(Miss::Unexercised(format!("heads have no end after {PAGES_MAX} pages")))
}

fn names(heads: &[Json], transfer: &str) -> bool {
    heads.iter().any(|head| head.text_at("/head/transfer") == Some(transfer))
}

fn lists_all(court: &mut Court<'_>) -> Found<()> {
    let (peer, other) = (court.peer()?, court.peer()?);
    let mut closed = court.offered(&peer)?;
    court.append(&peer, &mut closed, "withdraw")?;
    let open = court.offered(&peer)?;
    let foreign = court.offered(&other)?;
    let heads = all_heads(court, &peer)?;
    for (ledger, stage) in [(&closed, "withdrawn"), (&open, "offered")] {
        let newest = heads.iter().rfind(|head| head.text_at("/head/transfer") == Some(&ledger.transfer));
        let told = court.check_head(newest.unwrap_or(&Json::Null), ledger.sequence, &ledger.digest, stage);
        ensure(
            told.is_ok(),
            "RCV-004",
            &format!("the head of a ledger that is {stage}"),
            told.err().unwrap_or_default(),
        )?;
    }
    ensure(!names(&heads, &foreign.transfer), "RCV-004", "no ledger of another authority", foreign.transfer)
}

fn lists_again(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut first = court.offered(&peer)?;
    let quiet = court.offered(&peer)?;
    let (heads, cursor) = heads_after(court, &peer, None)?;
    if !names(&heads, &first.transfer) || !names(&heads, &quiet.transfer) {
        return Err(Miss::Unexercised("the ledgers are not listed at all".into()));
    }
    court.append(&peer, &mut first, "supply-information")?;
    let (heads, cursor) = heads_after(court, &peer, Some(cursor))?;
    let newest = heads.iter().rfind(|head| head.text_at("/head/transfer") == Some(&first.transfer));
    let told = court.check_head(newest.unwrap_or(&Json::Null), 1, &first.digest, "offered");
    ensure(told.is_ok(), "RCV-005", "the ledger that grew", told.err().unwrap_or_default())?;
    let later = court.offered(&peer)?;
    let (heads, _) = heads_after(court, &peer, Some(cursor))?;
    ensure(
        names(&heads, &later.transfer),
        "RCV-005",
        "the ledger that was begun since",
        format!("{} heads", heads.len()),
    )
}

fn foreign_cursors(court: &mut Court<'_>) -> Found<()> {
    let (peer, other) = (court.peer()?, court.peer()?);
    court.offered(&peer)?;
    court.offered(&other)?;
    let (_, own) = heads_after(court, &peer, None)?;
    let (_, theirs) = heads_after(court, &other, None)?;
    let unwritten = "%7Bx%7D".to_owned();
    for cursor in [format!("{}x", uuid()), "x".repeat(65), unwritten, theirs] {
        if cursor == own {
            return Err(Miss::Unexercised("two callers have the same cursor".into()));
        }
        let response = court.get(&peer, &format!("/v1/heads?after={cursor}"))?;
        refused("RCV-006", &["cursor-invalid"], &response)?;
    }
    heads_after(court, &peer, Some(own)).map(|_| ())
}
