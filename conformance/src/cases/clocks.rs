//! Section 7: what officers are shown of deadlines.
//!
//! A deadline is never seen on the wire, so what the adapter observes is the evidence here. The suite receipts
//! the subject's offers itself, and so chooses the instants at which deadlines start.

use jiff::civil::{Date, Weekday};

use super::{Case, OFFERING};
use crate::court::{Court, Found, Played, ensure};
use crate::draft::{receipt_by, signed_receipt, with_receipts};
use crate::instant::{read, written};
use crate::json::Json;

/// A case in which officers look at deadlines.
const LOOKING: Case = Case { needs: &["trigger offer", "trigger decide", "observe transfer"], ..OFFERING };

pub(super) const CASES: &[Case] = &[
    Case {
        name: "clk-starts-deadlines-at-the-receipt",
        claim: "A deadline starts at the receivedAt of the sequencer's receipt, not at createdAt.",
        checks: &["CLK-001"],
        run: starts,
        ..LOOKING
    },
    Case {
        name: "clk-counts-london-working-days",
        claim: "Weekends and bank holidays don't count, and a deadline ends with the day in London.",
        checks: &["CLK-002"],
        run: working_days,
        ..LOOKING
    },
    Case {
        name: "clk-applies-the-table",
        claim: "The deadlines that run in each stage are those of the table.",
        checks: &["CLK-004"],
        run: table,
        ..LOOKING
    },
    Case {
        name: "clk-computes-nothing-past-the-holidays",
        claim: "A deadline after holidaysThrough is shown as not computable.",
        checks: &["CLK-003"],
        slow: true,
        needs: &["trigger offer", "observe transfer", "seed directory"],
        alone: true,
        run: not_computable,
        ..LOOKING
    },
];

fn holidays(court: &Court<'_>) -> Vec<Json> {
    let newest = court.bench.issues.newest();
    newest.at("/directory/policy/bankHolidays").map(Json::items).unwrap_or_default().to_vec()
}

/// The last day and the end of a deadline, by section 7.1.
fn ends(start: jiff::Timestamp, days: i64, holidays: &[Json]) -> Option<(Date, String)> {
    let zone = crate::instant::london();
    let mut day = start.to_zoned(zone.clone()).date();
    for _ in 0..days {
        day = day.tomorrow().ok()?;
        while matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
            || holidays.contains(&day.to_string().into())
        {
            day = day.tomorrow().ok()?;
        }
    }
    Some((day, written(day.tomorrow().ok()?.to_zoned(zone).ok()?.timestamp())))
}

/// A transfer that the subject has offered, and that the suite says to have received at that time.
fn offered_at(court: &mut Court<'_>, at: jiff::Timestamp) -> Found<(Played, String)> {
    let played = court.play()?;
    played.plan(Vec::new(), Some(crate::court::Reply::Close));
    let offered = court.made_to_offer(&played)?;
    let receipt = receipt_by(&played.peer.code, &played.peer.key, &offered.entry);
    let mut receipt = receipt.member("receipt").cloned().unwrap_or(Json::Null);
    receipt.set("/receivedAt", written(at));
    let receipt = signed_receipt(receipt, &played.peer.key);
    played.store(&offered.transfer, with_receipts(&offered.entry, vec![receipt]));
    played.plan(Vec::new(), None);
    court.settled(&played, &offered.transfer)?;
    Ok((played, offered.transfer))
}

/// A deadline as officers are shown it.
fn deadline(court: &mut Court<'_>, transfer: &str, name: &str) -> Found<(String, String)> {
    let shown = court.shown(transfer)?;
    let deadlines = shown.member("deadlines").map(Json::items).unwrap_or_default();
    let found = deadlines.iter().find(|one| one.text_at("/deadline") == Some(name)).cloned();
    let text = |path: &str| found.as_ref().and_then(|one| one.text_at(path)).unwrap_or("none").to_owned();
    Ok((text("/dueOn"), text("/ends")))
}

fn check(
    court: &mut Court<'_>,
    requirement: &'static str,
    transfer: &str,
    (name, start, days): (&str, jiff::Timestamp, i64),
) -> Found<()> {
    let wanted = ends(start, days, &holidays(court));
    let (due, end) = wanted.map(|(due, end)| (due.to_string(), end)).unwrap_or_default();
    let told = deadline(court, transfer, name)?;
    let fits = told.0 == due && read(&told.1) == read(&end);
    let expected = format!("{name} on {due}, which ends {end}");
    ensure(fits, requirement, &expected, format!("{} which ends {}", told.0, told.1))
}

fn days_ago(days: i64) -> jiff::Timestamp {
    crate::instant::in_seconds(-days * 86_400)
}

fn starts(court: &mut Court<'_>) -> Found<()> {
    // A receipt long before the offer was signed: the sequencer's clock may be behind, and counts.
    for days in [30, 9] {
        let at = days_ago(days);
        let (_, transfer) = offered_at(court, at)?;
        check(court, "CLK-001", &transfer, ("acknowledge", at, 5))?;
    }
    Ok(())
}

fn working_days(court: &mut Court<'_>) -> Found<()> {
    for text in [
        // A Wednesday before Christmas, a Friday, a Saturday in London that is still Friday in UTC.
        "2025-12-24T12:00:00Z",
        "2026-02-06T23:59:59Z",
        "2026-07-10T23:30:00Z",
        "2026-03-27T10:00:00Z",
    ] {
        let at = read(text).unwrap_or_default();
        let (_, transfer) = offered_at(court, at)?;
        check(court, "CLK-002", &transfer, ("acknowledge", at, 5))?;
        check(court, "CLK-002", &transfer, ("decide", at, 10))?;
    }
    Ok(())
}

/// The names of the deadlines that run.
fn running(court: &mut Court<'_>, transfer: &str) -> Found<Vec<String>> {
    let shown = court.shown(transfer)?;
    let deadlines = shown.member("deadlines").map(Json::items).unwrap_or_default();
    let mut names: Vec<String> =
        deadlines.iter().filter_map(|one| one.text_at("/deadline").map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

fn table(court: &mut Court<'_>) -> Found<()> {
    let stages: [(&[&str], &[&str]); 6] = [
        (&[], &["acknowledge", "decide"]),
        (&["acknowledge"], &["decide"]),
        (&["request-information"], &["acknowledge", "decide"]),
        (&["decline"], &["originating-acts"]),
        (&["accept"], &["review"]),
        (&["accept", "outcome"], &[]),
    ];
    for (kinds, wanted) in stages {
        let played = court.play()?;
        let transfer = court.offered_by_subject(&played)?.transfer;
        for kind in kinds {
            let entry = played.append(&transfer, kind);
            court.delivered(&played, &entry)?;
        }
        let told = running(court, &transfer)?;
        let expected = format!("{wanted:?} after {kinds:?}");
        ensure(told == wanted, "CLK-004", &expected, format!("{told:?}"))?;
    }
    // After a contest the time to decide starts again.
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    let entry = played.append(&transfer, "decline");
    court.delivered(&played, &entry)?;
    court.made_to_decide(&transfer, "contest")?;
    court.puts(&played, &transfer, 2, 1)?;
    court.settled(&played, &transfer)?;
    let contest = played.entries(&transfer).pop().unwrap_or(Json::Null);
    let at = contest.text_at("/receipts/0/receipt/receivedAt").and_then(read).unwrap_or_default();
    check(court, "CLK-004", &transfer, ("decide", at, 10))
}

fn not_computable(court: &mut Court<'_>) -> Found<()> {
    let through = crate::instant::date(2);
    let before = court.bench.issues.newest();
    let usual = before.at("/directory/policy/holidaysThrough").cloned().unwrap_or(Json::Null);
    let issue = court.next_issue(|issue| issue.set("/policy/holidaysThrough", through.as_str()));
    court.take_issue(&issue)?;
    let heard = under_short_holidays(court, issue.integer_at("/directory/issue").unwrap_or_default());
    let back = court.next_issue(|issue| issue.set("/policy/holidaysThrough", usual));
    court.take_issue(&back)?;
    heard
}

fn under_short_holidays(court: &mut Court<'_>, issue: i64) -> Found<()> {
    let played = court.play()?;
    played.name_issue(issue);
    let transfer = court.offered_by_subject(&played)?.transfer;
    let shown = court.shown(&transfer)?;
    let open = shown.member("notComputable").cloned().unwrap_or(Json::Null);
    let told = deadline(court, &transfer, "decide")?;
    let fits = told.0 == "none" && open.items().contains(&"decide".into());
    ensure(fits, "CLK-003", "decide as not computable", format!("{} and {}", told.0, open.plain()))
}
