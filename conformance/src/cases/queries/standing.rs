//! Section 16: standing queries.

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, Played, ensure, failed};
use crate::draft::statements::{id_of, subject};
use crate::draft::uuid;
use crate::instant::{in_seconds, written};
use crate::json::Json;

use super::{answer_again, outcome, withdraw};

/// A case of the profile standing-queries.
const STANDING: Case =
    Case { profile: "standing-queries", needs: &["seed child", "trigger answer", "observe matches"], ..CORE };

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "stq-lets-a-query-stand-for-thirty-days",
        claim: "standingUntil is after createdAt, and by thirty days at most.",
        checks: &["STQ-001"],
        needs: &[],
        run: thirty_days,
        ..STANDING
    },
    Case {
        name: "stq-lets-a-standing-query-renew-another",
        claim: "renews stands beside standingUntil, and names another query.",
        checks: &["STQ-002"],
        needs: &[],
        run: renews_another,
        ..STANDING
    },
    Case {
        name: "stq-ends-what-is-renewed",
        claim: "A child who comes after a renewal is matched with the renewal, and not with what was renewed.",
        checks: &["STQ-004"],
        run: ends_renewed,
        ..STANDING
    },
    Case {
        name: "stq-keeps-a-match-at-a-renewal-for-an-officer",
        claim: "A renewal that a child matches is answered not-known, and the match waits for an officer.",
        checks: &["STQ-005"],
        run: match_at_renewal,
        ..STANDING
    },
    Case {
        name: "stq-brings-a-match-to-an-officer",
        claim: "A match is shown to an officer, and nothing is sent until that officer releases it.",
        checks: &["STQ-007", "STQ-008"],
        slow: true,
        run: released,
        ..STANDING
    },
    Case {
        name: "stq-tells-nothing-of-a-match-that-waits",
        claim: "A query that is put again while a match waits gets the answers that it would get without one.",
        checks: &["STQ-010"],
        run: tells_nothing,
        ..STANDING
    },
    Case {
        name: "stq-ends-with-a-withdrawal",
        claim: "A withdrawn query stands no longer: a child who comes afterwards is no match.",
        checks: &["QRY-019"],
        profile: "queries",
        needs: &["seed child", "observe matches"],
        run: ends_with_withdrawal,
        ..STANDING
    },
];

/// A time that many days from now.
pub(super) fn days(days: i64) -> String {
    written(in_seconds(days * 86_400))
}

fn thirty_days(court: &mut Court<'_>) -> Found<()> {
    let names = ["query-not-allowed"];
    for until in [days(31), written(in_seconds(-60)), days(3_000)] {
        court.refuses_query("STQ-001", &names, |statement| statement.header.set("/standingUntil", until))?;
    }
    let peer = court.peer()?;
    let query = standing(court, &peer.clone(), subject(), None);
    court.answered(&peer, &query).map(|_| ())
}

fn renews_another(court: &mut Court<'_>) -> Found<()> {
    let names = ["query-not-allowed"];
    court.refuses_query("STQ-002", &names, |statement| statement.header.set("/renews", uuid()))?;
    court.refuses_query("STQ-002", &names, |statement| {
        let own = statement.header.text_at("/query").unwrap_or_default().to_owned();
        statement.header.set("/standingUntil", days(20));
        statement.header.set("/renews", own);
    })?;
    // One that nobody knows is a first query.
    let peer = court.peer()?;
    let query = standing(court, &peer.clone(), subject(), Some(&uuid()));
    court.answered(&peer, &query).map(|_| ())
}

/// A query that stands for twenty days.
fn standing(court: &Court<'_>, peer: &crate::world::Authority, who: Json, renews: Option<&str>) -> Json {
    let mut statement = court.query(peer, who);
    statement.header.set("/standingUntil", days(20));
    if let Some(renews) = renews {
        statement.header.set("/renews", renews);
    }
    statement.sealed(&peer.key)
}

/// A query that stands, put to the subject, which does not know the child.
fn put_standing(court: &mut Court<'_>, played: &Played, who: &Json, renews: Option<&str>) -> Found<Json> {
    let query = standing(court, &played.peer, who.clone(), renews);
    let answers = court.answered(&played.peer, &query)?;
    if outcome(&answers[0]) == "not-known" {
        return Ok(query);
    }
    Err(Miss::Unexercised(format!("a child whom nobody knows is answered {}", outcome(&answers[0]))))
}

/// Whether officers of the subject are shown a match of that query, once there is one.
fn is_matched(court: &mut Court<'_>, query: &Json, wanted: bool) -> Found<bool> {
    let until =
        std::time::Instant::now() + if wanted { court.bench.waits.act } else { court.bench.waits.quiet };
    loop {
        let told = court.made_to("observe", "matches", Vec::new())?;
        let matches = told.member("matches").map(Json::items).unwrap_or_default();
        if matches.iter().any(|one| one.text_at("/query") == Some(&id_of(query))) {
            return Ok(true);
        }
        if std::time::Instant::now() > until {
            return Ok(false);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn ends_renewed(court: &mut Court<'_>) -> Found<()> {
    let (played, who) = (court.play()?, subject());
    let first = put_standing(court, &played, &who, None)?;
    let second = put_standing(court, &played, &who, Some(&id_of(&first)))?;
    court.seed(&who, false)?;
    if !is_matched(court, &second, true)? {
        return Err(Miss::Unexercised("the renewal is not matched".into()));
    }
    let told = court.made_to("observe", "matches", Vec::new())?;
    let matches = told.member("matches").map(Json::items).unwrap_or_default();
    let old = matches.iter().any(|one| one.text_at("/query") == Some(&id_of(&first)));
    ensure(!old, "STQ-004", "no match of what was renewed", "it is matched")
}

fn match_at_renewal(court: &mut Court<'_>) -> Found<()> {
    let (played, who) = (court.play()?, subject());
    let first = put_standing(court, &played, &who, None)?;
    court.seed(&who, false)?;
    let query = standing(court, &played.peer, who, Some(&id_of(&first)));
    let answers = court.answered(&played.peer, &query)?;
    let told = outcome(&answers[0]);
    ensure(told == "not-known", "STQ-005", "not-known at the renewal", told)?;
    let waits = is_matched(court, &query, true)?;
    ensure(waits, "STQ-005", "the match before an officer", "no match is shown")
}

fn released(court: &mut Court<'_>) -> Found<()> {
    let (played, who) = (court.play()?, subject());
    let query = put_standing(court, &played, &who, None)?;
    let path = format!("queries/{}", id_of(&query));
    court.seed(&who, false)?;
    let shown = is_matched(court, &query, true)?;
    std::thread::sleep(court.bench.waits.quiet);
    // The barrier: a query is answered after the window.
    put_standing(court, &played, &subject(), None)?;
    let early = played.told(&path).len();
    ensure(early == 0, "STQ-008", "nothing sent before an officer releases", format!("{early} sent"))?;
    ensure(shown, "STQ-007", "the match before an officer", "no match is shown")?;
    answer_again(court, &query, "known", None)?;
    let sent = played.wait(court.bench.waits.act, |played| !played.told(&path).is_empty());
    let Some(told) = played.told(&path).pop().filter(|_| sent) else {
        return failed("STQ-008", "answer 1 when the officer has released", "none");
    };
    let proven = court.check_answer(&told.document, &query, 1);
    ensure(proven.is_ok(), "STQ-008", "answer 1, signed", proven.err().unwrap_or_default())
}

fn tells_nothing(court: &mut Court<'_>) -> Found<()> {
    let (played, who) = (court.play()?, subject());
    let (waits, silent) =
        (put_standing(court, &played, &who, None)?, put_standing(court, &played, &subject(), None)?);
    court.seed(&who, false)?;
    is_matched(court, &waits, true)?;
    let mut lengths = Vec::new();
    for query in [&waits, &silent] {
        let response = court.state(&played.peer, query)?;
        let answers = court.answered(&played.peer, query)?;
        let told = outcome(answers.last().unwrap_or(&Json::Null));
        ensure(told == "not-known", "STQ-010", "not-known and nothing else", told)?;
        lengths.push((response.status, response.content.len(), answers.len()));
    }
    ensure(lengths[0] == lengths[1], "STQ-010", &format!("{:?}", lengths[1]), format!("{:?}", lengths[0]))
}

fn ends_with_withdrawal(court: &mut Court<'_>) -> Found<()> {
    let (played, who) = (court.play()?, subject());
    let query = put_standing(court, &played, &who, None)?;
    let twin = put_standing(court, &played, &who, None)?;
    withdraw(court, &played.peer, &id_of(&query))?;
    court.seed(&who, false)?;
    if !is_matched(court, &twin, true)? {
        return Err(Miss::Unexercised("a query that stands is not matched".into()));
    }
    let told = court.made_to("observe", "matches", Vec::new())?;
    let matches = told.member("matches").map(Json::items).unwrap_or_default();
    let old = matches.iter().any(|one| one.text_at("/query") == Some(&id_of(&query)));
    ensure(!old, "QRY-019", "no match of a query that is withdrawn", "it is matched")
}
