//! Section 15 for the asking authority: the subject asks on demand, and the suite answers.

use std::time::{Duration, Instant};

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, Played, Reply, Told, ensure, failed, refused, same_signed};
use crate::draft::header_of;
use crate::draft::statements::{id_of, subject};
use crate::encoding::{digest, digest_of_nothing};
use crate::host::{document, problem};
use crate::json::Json;
use crate::wire::{Request, Response};

/// A change to an answer.
type Spoil = fn(&mut Json);

/// A case in which officers of the subject ask.
const ASKING: Case = Case { profile: "queries", needs: &["trigger ask"], ..CORE };

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "qry-keeps-to-forms-and-rules",
        claim: "A query that the subject puts keeps the forms and rules, also where its officer did not.",
        checks: &["QRY-004"],
        run: forms,
        ..ASKING
    },
    Case {
        name: "qry-refuses-answers-that-do-not-fit",
        claim: "A later answer that does not fit its query, or may not follow the one before, is not allowed.",
        checks: &["QRY-012"],
        run: misfits,
        ..ASKING
    },
    Case {
        name: "qry-takes-proven-answers-alone",
        claim: "An answer to another query, by another authority or under another signature is none: the query comes again.",
        checks: &["QRY-013"],
        slow: true,
        run: proven_alone,
        ..ASKING
    },
    Case {
        name: "qry-asks-three-without-a-broadcast",
        claim: "A fourth authority is asked about a child by a broadcast alone, with two officers and one UUID in every query.",
        checks: &["QRY-014"],
        run: three,
        ..ASKING
    },
    Case {
        name: "qry-shows-who-is-silent",
        claim: "Of a broadcast is shown who has answered and who has yet to, and who is silent is asked again.",
        checks: &["QRY-015"],
        slow: true,
        needs: &["trigger ask", "observe asked"],
        run: silent,
        ..ASKING
    },
    Case {
        name: "qry-asks-until-it-is-answered",
        claim: "A query is sent again with the same bytes until it is answered.",
        checks: &["QRY-017"],
        slow: true,
        run: until_answered,
        ..ASKING
    },
    Case {
        name: "qry-receipts-a-later-answer-once",
        claim: "A later answer gets a storage receipt, and a repeat the same one.",
        checks: &["QRY-019"],
        run: stored_once,
        ..ASKING
    },
    Case {
        name: "stq-renews-by-a-new-query",
        claim: "A standing query is renewed by a new one with a new id that names the one before.",
        checks: &["STQ-003"],
        profile: "standing-queries",
        run: renewal,
        ..ASKING
    },
    Case {
        name: "stq-withdraws-where-it-stands",
        claim: "A query that is no longer needed is withdrawn at the authority where it stands.",
        checks: &["STQ-012"],
        profile: "standing-queries",
        needs: &["trigger ask", "trigger withdraw-query"],
        run: withdrawn,
        ..ASKING
    },
];

/// Lets the subject ask; gives the queries' ids in the order of the authorities, where it does not refuse.
fn ask(
    court: &mut Court<'_>,
    to: &[&Played],
    who: &Json,
    more: Vec<(&str, Json)>,
) -> Found<Option<Vec<String>>> {
    let codes: Vec<Json> = to.iter().map(|played| played.peer.code.as_str().into()).collect();
    let mut members =
        vec![("to", codes.into()), ("purpose", "trace-missing-child".into()), ("subject", who.clone())];
    members.extend(more);
    let told = court.wish("trigger", "ask", members)?;
    Ok(told.map(|told| {
        let queries = told.member("queries").map(Json::items).unwrap_or_default();
        to.iter()
            .filter_map(|played| {
                let of = |one: &&Json| one.text_at("/to") == Some(&played.peer.code);
                queries.iter().find(of)?.text_at("/query").map(str::to_owned)
            })
            .collect()
    }))
}

/// The same with one authority, where the subject has no reason to refuse.
fn asks(court: &mut Court<'_>, played: &Played, who: &Json, more: Vec<(&str, Json)>) -> Found<String> {
    let ids = ask(court, &[played], who, more)?;
    ids.and_then(|mut ids| ids.pop())
        .ok_or_else(|| Miss::Unexercised("trigger ask: the subject refused".into()))
}

fn heard(court: &Court<'_>, played: &Played, path: &str, count: usize) -> Found<Vec<Told>> {
    if played.wait(court.bench.waits.act, |played| played.told(path).len() >= count) {
        return Ok(played.told(path));
    }
    let seen = played.told(path).len();
    Err(Miss::Unexercised(format!("{path} came {seen} times, and {count} are needed")))
}

fn is_right(query: &Json) -> Result<(), String> {
    let (header, body) = (header_of(query), query.member("body").cloned().unwrap_or(Json::Null));
    if header.text_at("/bodyDigest") != Some(&digest(&body)) {
        return Err("bodyDigest is not the digest of the body".into());
    }
    crate::reference::right_statement(&body, &header, true)
}

fn forms(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let id = asks(court, &played, &subject(), Vec::new())?;
    let told = heard(court, &played, &format!("queries/{id}"), 1)?;
    let right = is_right(&told[0].document);
    ensure(right.is_ok(), "QRY-004", "a query that keeps section 15", right.err().unwrap_or_default())?;
    let (mut alone, mut more) = (subject(), subject());
    alone.remove("/dateOfBirth");
    more.set("/school", "Invented Primary School");
    for (what, who) in [("by name alone", alone), ("with a school", more)] {
        let ids = ask(court, &[&played], &who, Vec::new())?;
        let good = asks(court, &played, &subject(), Vec::new())?;
        heard(court, &played, &format!("queries/{good}"), 1)?;
        for id in ids.unwrap_or_default() {
            played.wait(court.bench.waits.quiet, |played| !played.told(&format!("queries/{id}")).is_empty());
            let wrong =
                played.told(&format!("queries/{id}")).iter().find_map(|told| is_right(&told.document).err());
            ensure(wrong.is_none(), "QRY-004", &format!("no query {what}"), wrong.unwrap_or_default())?;
        }
    }
    Ok(())
}

/// A put of a later answer to the subject.
fn answer(court: &mut Court<'_>, played: &Played, signed: &Json) -> Found<Response> {
    let id = signed.text_at("/answer/query").unwrap_or_default();
    let number = signed.integer_at("/answer/number").unwrap_or_default();
    let target = court.bench.subject.target(&format!("/v1/queries/{id}/answers/{number}"));
    court.ask(&played.peer, Request::put(target, signed.plain().into_bytes()))
}

/// A query of the subject's that was answered `possible`, and that answer.
fn possibly(court: &mut Court<'_>, played: &Played) -> Found<(Json, Json)> {
    played.plan(Vec::new(), Some(Reply::Bytes(problem(503, "unavailable", ""))));
    let id = asks(court, played, &subject(), Vec::new())?;
    let path = format!("queries/{id}");
    let query = heard(court, played, &path, 1)?[0].document.clone();
    let first = played.answer_to(&query, 0, "possible", &["name"]);
    let content = document(200, &Json::object([("answers", vec![first.clone()].into())]));
    played.plan(Vec::new(), Some(Reply::Bytes(content)));
    // Whether it has read the answer yet or not: now it holds it.
    let response = answer(court, played, &first)?;
    if matches!(response.status, 200 | 201) {
        return Ok((query, first));
    }
    Err(Miss::Unexercised(format!("answer 0, put to the subject, was answered {}", response.status)))
}

fn misfits(court: &mut Court<'_>) -> Found<()> {
    let names = ["answer-not-allowed"];
    let bad: [(&str, &[&str], Spoil); 6] = [
        ("another digest", &["name"], |answer| answer.set("/queryDigest", digest_of_nothing())),
        ("known without fields", &[], |_| {}),
        ("a field that the query lacks", &["upn"], |_| {}),
        ("a time before the answer before", &["name"], |answer| {
            answer.set("/answeredAt", "2020-01-01T00:00:00Z");
        }),
        ("a reference without an authority", &[], |answer| answer.set("/outcome", "referred")),
        ("withheld after possible", &[], |answer| answer.set("/outcome", "withheld")),
    ];
    for (what, matched, spoil) in bad {
        let played = court.play()?;
        let (query, _) = possibly(court, &played)?;
        let wrong = played.answer_with(&query, 1, ("known", matched), spoil);
        let response = answer(court, &played, &wrong)?;
        let right = played.answer_to(&query, 1, "known", &["name"]);
        let twin = answer(court, &played, &right)?;
        if response.status >= 300 && twin.status != 201 {
            return Err(Miss::Unexercised(format!(
                "a good answer beside {what} was answered {}",
                twin.status
            )));
        }
        refused("QRY-012", &names, &response)?;
    }
    Ok(())
}

fn proven_alone(court: &mut Court<'_>) -> Found<()> {
    let other = court.play()?;
    for forged in 0..4 {
        let played = court.play()?;
        played.plan(Vec::new(), Some(Reply::Bytes(problem(503, "unavailable", ""))));
        let id = asks(court, &played, &subject(), Vec::new())?;
        let path = format!("queries/{id}");
        let query = heard(court, &played, &path, 1)?[0].document.clone();
        let wrong = match forged {
            0 => other.answer_to(&query, 0, "not-known", &[]),
            1 => played.answer_with(&query, 0, ("not-known", &[]), |answer| {
                answer.set("/query", crate::draft::uuid());
            }),
            2 => played.answer_with(&query, 0, ("not-known", &[]), |answer| {
                answer.set("/queryDigest", digest_of_nothing());
            }),
            _ => {
                let mut signed = played.answer_to(&query, 0, "not-known", &[]);
                signed.set("/answer/outcome", "withheld");
                signed
            }
        };
        let content = Json::object([("answers", vec![wrong].into())]);
        let before = played.told(&path).len();
        played.plan(vec![Reply::Bytes(document(200, &content))], None);
        let again = heard(court, &played, &path, before + 2);
        ensure(again.is_ok(), "QRY-013", "the query again after what is no answer", content.plain())?;
    }
    Ok(())
}

fn three(court: &mut Court<'_>) -> Found<()> {
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(court.play()?);
    }
    let who = subject();
    for played in &all[..3] {
        let id = asks(court, played, &who, Vec::new())?;
        heard(court, played, &format!("queries/{id}"), 1)?;
    }
    let fourth = ask(court, &[&all[3]], &who, Vec::new())?;
    let twin = asks(court, &all[3], &subject(), Vec::new())?;
    heard(court, &all[3], &format!("queries/{twin}"), 1)?;
    if let Some(id) = fourth.and_then(|mut ids| ids.pop()) {
        let path = format!("queries/{id}");
        all[3].wait(court.bench.waits.quiet, |played| !played.told(&path).is_empty());
        let sent = all[3].told(&path);
        let alone = sent.iter().any(|told| told.document.at("/header/broadcast").is_none());
        ensure(!alone, "QRY-014", "no fourth query without a broadcast", "a query")?;
    }
    let to: Vec<&Played> = all.iter().collect();
    let ids = ask(court, &to, &subject(), vec![("secondOfficer", "o-2".into())])?;
    let ids = ids.ok_or_else(|| Miss::Unexercised("trigger ask: the subject refused a broadcast".into()))?;
    let mut named = Vec::new();
    for (played, id) in all.iter().zip(&ids) {
        let told = heard(court, played, &format!("queries/{id}"), 1)?;
        named.push(told[0].document.clone());
    }
    let part = |path: &str| named.iter().map(|query| query.at(path).map(Json::canonical)).collect::<Vec<_>>();
    for path in ["/header/broadcast", "/body/subject", "/body/secondOfficer/id"] {
        let values = part(path);
        let same = values.iter().all(|value| value.is_some() && *value == values[0]);
        ensure(same, "QRY-014", &format!("one {path} in every query"), format!("{values:?}"))?;
    }
    Ok(())
}

fn silent(court: &mut Court<'_>) -> Found<()> {
    let (speaks, hushed) = (court.play()?, court.play()?);
    hushed.plan(Vec::new(), Some(Reply::Close));
    let to = [&speaks, &hushed];
    let ids = ask(court, &to, &subject(), vec![("secondOfficer", "o-2".into())])?;
    let ids = ids.ok_or_else(|| Miss::Unexercised("trigger ask: the subject refused a broadcast".into()))?;
    heard(court, &speaks, &format!("queries/{}", ids[0]), 1)?;
    let again = heard(court, &hushed, &format!("queries/{}", ids[1]), 2);
    ensure(again.is_ok(), "QRY-015", "the silent authority asked again", "once")?;
    // The answer may have been read no sooner than at another try.
    let until = Instant::now() + court.bench.waits.act;
    loop {
        let shown = shown(court, &ids)?;
        if shown == ["answered", "waiting"] {
            break;
        }
        if Instant::now() > until {
            return failed("QRY-015", "the one answered, the silent one waiting", shown.join(", "));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    hushed.plan(Vec::new(), None);
    Ok(())
}

/// What the subject's officers are shown of each query.
fn shown(court: &mut Court<'_>, ids: &[String]) -> Found<Vec<String>> {
    let told = court.made_to("observe", "asked", Vec::new())?;
    let asked = told.member("asked").map(Json::items).unwrap_or_default();
    let state = |id: &String| {
        let of = |one: &&Json| one.text_at("/query") == Some(id);
        asked.iter().find(of).and_then(|one| one.text_at("/state")).unwrap_or("not shown").to_owned()
    };
    Ok(ids.iter().map(state).collect())
}

fn until_answered(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let busy = Reply::Bytes(problem(503, "unavailable", ""));
    played.plan(vec![Reply::Close, busy, Reply::StoredUnheard], None);
    let id = asks(court, &played, &subject(), Vec::new())?;
    let path = format!("queries/{id}");
    for count in 2..=4 {
        let again = heard(court, &played, &path, count);
        ensure(again.is_ok(), "QRY-017", "the query sent again", format!("{} times", count - 1))?;
    }
    let all = played.told(&path);
    let same = all.iter().all(|told| told.bytes == all[0].bytes);
    ensure(same, "QRY-017", "the same bytes each time", "other bytes")
}

fn stored_once(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let (query, _) = possibly(court, &played)?;
    let later = played.answer_to(&query, 1, "known", &["name"]);
    let (id, value) = (id_of(&query), later.member("answer").cloned().unwrap_or(Json::Null));
    let first = answer(court, &played, &later)?;
    let told = court.stored(&first, ("answer", &id), &value, &[201]);
    let actual = told.clone().err().unwrap_or_default();
    ensure(told.is_ok(), "QRY-019", "201 with a storage receipt", actual)?;
    let again = answer(court, &played, &later)?;
    let repeat = court.stored(&again, ("answer", &id), &value, &[200]);
    let same = matches!((&told, &repeat), (Ok(told), Ok(repeat)) if same_signed("stored", told, repeat));
    let actual = String::from_utf8_lossy(&again.content).into_owned();
    if !same && repeat.is_ok() {
        // Answer 0 may be put as well, and then twice.
        ensure(false, "QRY-019", "the same storage receipt for a repeat", actual.clone())?;
    }
    ensure(same, "QRY-019", "200 with the same storage receipt", actual)
}

fn renewal(court: &mut Court<'_>) -> Found<()> {
    let (played, who) = (court.play()?, subject());
    let until = || ("standingUntil", Json::from(super::standing::days(20)));
    let first = asks(court, &played, &who, vec![until()])?;
    heard(court, &played, &format!("queries/{first}"), 1)?;
    let renews = ("renews", Json::from(first.as_str()));
    let second = asks(court, &played, &who, vec![until(), renews])?;
    ensure(second != first, "STQ-003", "a new id", second.clone())?;
    let told = heard(court, &played, &format!("queries/{second}"), 1)?;
    let named = told[0].document.text_at("/header/renews").unwrap_or("none").to_owned();
    ensure(named == first, "STQ-003", &format!("renews {first}"), named)
}

fn withdrawn(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let until = vec![("standingUntil", super::standing::days(20).into())];
    let id = asks(court, &played, &subject(), until)?;
    let path = format!("queries/{id}");
    heard(court, &played, &path, 1)?;
    court.made_to("trigger", "withdraw-query", vec![("query", id.as_str().into())])?;
    let gone = |played: &Played| played.told(&path).iter().any(|told| told.method == "DELETE");
    let sent = played.wait(court.bench.waits.act, gone);
    ensure(sent, "STQ-012", "DELETE where the query stands", "none")
}
