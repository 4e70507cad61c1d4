//! Section 15.6 and 15.7: what an answer does not tell, and how many there are.

use std::time::{Duration, Instant};

use crate::cases::Case;
use crate::court::{Court, Found, Miss, ensure, failed, problem_of};
use crate::draft::statements::{OTHER_DATE, id_of, subject};
use crate::draft::uuid;
use crate::json::Json;
use crate::wire::{Request, Response};
use crate::world::Authority;

use super::{KNOWING, QUERIES, outcome};

/// The shortest interval after which an answer leaves.
const INTERVAL: Duration = Duration::from_millis(250);

/// Queries by one officer after which a limit has to show.
const QUERIES_MAX: usize = 2_000;

/// Queries that are put at once where the limit is looked for.
const AT_ONCE: usize = 16;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "qry-knows-no-shielded-child",
        claim: "A query that a shielded child alone matches is answered as one that nobody matches, for each purpose.",
        checks: &["QRY-021", "QRY-022"],
        run: shielded,
        ..KNOWING
    },
    Case {
        name: "qry-answers-at-the-end-of-an-interval",
        claim: "No answer to a new query comes earlier than the shortest interval allows, whatever the register holds.",
        checks: &["QRY-023"],
        run: interval,
        ..KNOWING
    },
    Case {
        name: "qry-finds-a-child-beside-a-shielded-one",
        claim: "A shielded child changes nothing of the answer about another who matches.",
        checks: &["QRY-025"],
        run: beside,
        ..KNOWING
    },
    Case {
        name: "qry-limits-the-queries-of-an-officer",
        claim: "An officer who asks without end is answered quota-exceeded with Retry-After, and offers go on.",
        checks: &["QRY-026"],
        slow: true,
        run: quota,
        ..QUERIES
    },
];

fn shielded(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let (hidden, open) = (subject(), subject());
    court.seed(&hidden, true)?;
    court.seed(&open, false)?;
    for purpose in ["trace-missing-child", "confirm-arrival", "background-for-new-arrival"] {
        let mut given = Vec::new();
        for who in [hidden.clone(), subject()] {
            let mut statement = court.query(&peer, who);
            statement.header.set("/purpose", purpose);
            let query = statement.sealed(&peer.key);
            let response = court.state(&peer, &query)?;
            let answers = court.answered(&peer, &query)?;
            given.push((response.content.len(), answers[0].clone()));
        }
        let told = outcome(&given[0].1);
        ensure(told == "not-known", "QRY-021", &format!("not-known for {purpose}"), told)?;
        let names = |signed: &Json| -> Vec<String> {
            let answer = signed.member("answer").map(Json::members).unwrap_or_default();
            answer.iter().map(|(name, _)| name.clone()).collect()
        };
        let alike = given[0].0 == given[1].0 && names(&given[0].1) == names(&given[1].1);
        let values = ["outcome", "matchedOn", "team", "number", "by", "checked"].iter().all(|name| {
            given[0].1.at(&format!("/answer/{name}")) == given[1].1.at(&format!("/answer/{name}"))
        });
        let actual = format!("{} and {} bytes", given[0].0, given[1].0);
        ensure(alike && values, "QRY-022", "answers of the same form and length", actual)?;
    }
    // The twin: the child who is not shielded is found.
    let query = court.query(&peer, open).sealed(&peer.key);
    let answers = court.answered(&peer, &query)?;
    if outcome(&answers[0]) != "known" {
        return Err(Miss::Unexercised(format!(
            "a child of the register is answered {}",
            outcome(&answers[0])
        )));
    }
    Ok(())
}

fn interval(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let known = subject();
    court.seed(&known, false)?;
    for who in [subject(), known, subject()] {
        let query = court.query(&peer, who).sealed(&peer.key);
        let begun = Instant::now();
        let answers = court.answered(&peer, &query)?;
        let taken = begun.elapsed();
        let expected = format!("at least {INTERVAL:?} for {}", outcome(&answers[0]));
        ensure(taken >= INTERVAL, "QRY-023", &expected, format!("{taken:?}"))?;
    }
    Ok(())
}

fn beside(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let child = subject();
    // A namesake, who can't be the same child: the flag would be that child's too.
    let mut hidden = child.clone();
    hidden.set("/dateOfBirth", OTHER_DATE);
    for (seeded, shielded, wanted) in [(hidden, true, "not-known"), (child.clone(), false, "known")] {
        court.seed(&seeded, shielded)?;
        let query = court.query(&peer, child.clone()).sealed(&peer.key);
        let answers = court.answered(&peer, &query)?;
        ensure(outcome(&answers[0]) == wanted, "QRY-025", wanted, outcome(&answers[0]))?;
    }
    Ok(())
}

/// The first refusal of as many queries by one officer, several at a time.
fn until_refused(court: &Court<'_>, peer: &Authority) -> Option<Response> {
    let officer = Json::object([("id", uuid().replace('-', "").into()), ("role", "CME officer".into())]);
    let ask = || {
        let mut statement = court.query(peer, subject());
        statement.body.set("/officer", officer.clone());
        let query = statement.sealed(&peer.key);
        let mut court = Court::open(court.bench);
        let target = court.bench.subject.target(&format!("/v1/queries/{}", id_of(&query)));
        let request = Request::put(target, query.plain().into_bytes()).with("CME-Incarnation", "1");
        court.once(peer, &request).ok().filter(|response| response.status != 200)
    };
    (0..QUERIES_MAX / AT_ONCE).find_map(|_| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(ask)).collect();
            let answers = threads.into_iter().filter_map(|thread| thread.join().ok().flatten());
            answers.collect::<Vec<_>>().pop()
        })
    })
}

fn quota(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let good = court.query(&peer, subject()).sealed(&peer.key);
    court.answered(&peer, &good)?;
    let Some(response) = until_refused(court, &peer) else {
        return failed(
            "QRY-026",
            format!("quota-exceeded before {QUERIES_MAX} queries of one officer"),
            "none",
        );
    };
    let told = problem_of(&response).unwrap_or_else(|| response.status.to_string());
    ensure(told == "quota-exceeded", "QRY-026", "quota-exceeded", told)?;
    let after = response.field("retry-after").unwrap_or("none").to_owned();
    ensure(after.parse::<u64>().is_ok(), "QRY-026", "Retry-After in seconds", after)?;
    if let Err(Miss::Unexercised(actual)) = court.offered(&peer) {
        return failed("QRY-026", "an offer that goes on", actual);
    }
    Ok(())
}
