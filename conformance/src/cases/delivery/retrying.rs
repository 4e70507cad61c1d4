//! Section 10.2: what the subject does when an offer of its own is not receipted.

use std::time::{Duration, Instant};

use crate::cases::{Case, DECIDING, OFFERING};
use crate::court::{Court, Found, Miss, Played, Put, Reply, ensure, failed, refusal};
use crate::draft::{receipt_by, signed_receipt, uuid};
use crate::host::{document, message, problem};
use crate::json::Json;

/// Tries that are waited for, from which a rhythm shows.
const TRIES: usize = 5;

/// Offers whose rhythm is taken together, since each has its jitter.
const OFFERS: usize = 6;

/// By how much the pauses of several offers differ at least, of the shortest.
const SPREAD_MIN: f64 = 0.02;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "dlv-sends-again-until-it-is-receipted",
        claim: "An offer whose answers are lost comes again with the same id, until its receipt arrives.",
        checks: &["DLV-003"],
        slow: true,
        run: until_receipted,
        ..OFFERING
    },
    Case {
        name: "dlv-takes-registered-refusals-alone-for-final",
        claim: "Pages of proxies, redirects, unknown problems and problems of class retry end no delivery.",
        checks: &["DLV-006"],
        slow: true,
        run: registered_alone,
        ..OFFERING
    },
    Case {
        name: "dlv-waits-longer-each-time",
        claim: "Pauses between tries grow, and those of several offers differ.",
        checks: &["DLV-007"],
        slow: true,
        run: back_off,
        ..OFFERING
    },
    Case {
        name: "dlv-obeys-retry-after",
        claim: "Nothing is sent again before a Retry-After has passed.",
        checks: &["DLV-008"],
        slow: true,
        run: retry_after,
        ..OFFERING
    },
    Case {
        name: "dlv-makes-a-dead-letter-of-a-final-refusal",
        claim: "What was refused for good is not sent again, and is shown to officers with an owner.",
        checks: &["DLV-009"],
        slow: true,
        needs: &["trigger offer", "observe refused"],
        run: dead_letter,
        ..OFFERING
    },
    Case {
        name: "rcp-takes-receipts-alone-for-receipts",
        claim: "A success without the addressed authority's receipt for what was sent is no receipt.",
        checks: &["RCP-007"],
        slow: true,
        run: receipts_alone,
        ..DECIDING
    },
];

fn until_receipted(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let lost = vec![
        Reply::Close,
        Reply::Bytes(problem(503, "unavailable", "")),
        Reply::Bytes(problem(500, "internal", "")),
        Reply::Close,
        Reply::StoredUnheard,
    ];
    let wanted = lost.len() + 1;
    played.plan(lost, None);
    let offered = court.made_to_offer(&played)?;
    let (of, waits) = (|played: &Played| played.puts_of(&offered.transfer, 0), court.bench.waits);
    for tries in 2..=wanted {
        let again = played.wait(waits.act, |played| of(played).len() >= tries);
        ensure(again, "DLV-003", "the offer sent again", format!("no try after {} tries", tries - 1))?;
    }
    let header = offered.entry.member("header").map(Json::canonical);
    let other = of(&played).into_iter().find(|put| put.entry.member("header").map(Json::canonical) != header);
    let told = other.map(|put| put.entry.plain()).unwrap_or_default();
    ensure(told.is_empty(), "DLV-003", "the identical header in each try", told)?;
    court.settled(&played, &offered.transfer)?;
    // The barrier: another offer to the same authority, sent after the receipt.
    court.offered_by_subject(&played)?;
    let tries = of(&played).len();
    ensure(tries == wanted, "DLV-003", "no try after the receipt", format!("{tries} tries"))
}

fn registered_alone(court: &mut Court<'_>) -> Found<()> {
    let page = "<html><title>403 Forbidden</title></html>";
    let unknown = Json::object([("type", "https://proxy.example/refused".into()), ("status", 422.into())]);
    let unlisted =
        Json::object([("type", "urn:cme:problem:v1:of-a-later-version".into()), ("status", 422.into())]);
    let as_problem = |document: &Json| message(422, "application/problem+json", "", &document.plain());
    let answers: Vec<(&str, Vec<u8>)> = vec![
        ("403 with HTML", message(403, "text/html", "", page)),
        ("413 of a proxy", message(413, "text/html", "", page)),
        ("404 without content", message(404, "text/plain", "", "")),
        ("302", message(302, "text/html", "Location: https://proxy.example/\r\n", "")),
        ("an unknown problem", as_problem(&unknown)),
        ("a problem that is not in the table", as_problem(&unlisted)),
        ("peer-unknown", problem(403, "peer-unknown", "")),
        ("key-unknown", problem(422, "key-unknown", "")),
        ("created-at-skew", problem(422, "created-at-skew", "")),
        ("route-unknown", problem(404, "route-unknown", "")),
    ];
    // Several offers at once, each with one kind of answer.
    let mut asked = Vec::new();
    for (told, answer) in answers {
        let played = court.play()?;
        played.plan(vec![Reply::Bytes(answer)], None);
        let offered = court.made_to_offer(&played)?;
        asked.push((told, played, offered));
    }
    for (told, played, offered) in asked {
        let again = court.puts(&played, &offered.transfer, 0, 2);
        let expected = format!("another try after {told}");
        ensure(again.is_ok(), "DLV-006", &expected, "none")?;
    }
    Ok(())
}

/// The pauses between the tries of some offers that are answered 503 each time.
fn pauses(court: &mut Court<'_>) -> Found<Vec<Vec<Duration>>> {
    let mut asked = Vec::new();
    for _ in 0..OFFERS {
        let played = court.play()?;
        played.plan(Vec::new(), Some(Reply::Bytes(problem(503, "unavailable", ""))));
        let offered = court.made_to_offer(&played)?;
        asked.push((played, offered));
    }
    let mut all = Vec::new();
    for (played, offered) in asked {
        let longest = court.bench.waits.act * 2;
        let enough = |played: &Played| played.puts_of(&offered.transfer, 0).len() >= TRIES;
        if !played.wait(longest, enough) {
            let tries = played.puts_of(&offered.transfer, 0).len();
            return Err(Miss::Unexercised(format!(
                "{tries} tries in {} s are too few to tell",
                longest.as_secs()
            )));
        }
        let puts = played.puts_of(&offered.transfer, 0);
        // Not every try is to go on for the rest of the run.
        played.plan(Vec::new(), None);
        all.push(puts[..TRIES].windows(2).map(|pair: &[Put]| pair[1].at - pair[0].at).collect());
    }
    Ok(all)
}

fn back_off(court: &mut Court<'_>) -> Found<()> {
    let all = pauses(court)?;
    // Three doublings, with room for jitter and for a ceiling that is soon reached. Jitter over the whole of a pause
    // makes the shortest of a few tell little, and a slow machine adds to short pauses: either figure may show it.
    let of = |at: usize| all.iter().filter_map(move |pauses| pauses.get(at));
    let (first, last) = (of(0).sum::<Duration>(), of(TRIES - 2).sum::<Duration>());
    let shortest = |at: usize| of(at).min().copied().unwrap_or_default();
    let grow = last > first * 2 || shortest(TRIES - 2) > shortest(0) * 2;
    let actual = format!("the first {first:?}, the last {last:?} in {OFFERS} offers");
    ensure(grow, "DLV-007", "pauses that grow", actual)?;
    // The offers compared, by their longest pauses and by all that each waited: a sender that looks at its clock
    // now and then makes short pauses alike, and a busy machine makes one pause differ rather than both figures.
    let spread = |waited: fn(&Vec<Duration>) -> Duration| {
        let waited = all.iter().map(waited);
        let (most, least) = (waited.clone().max()?, waited.min()?);
        Some(most.as_secs_f64() / least.as_secs_f64() - 1.0)
    };
    let figures = [spread(|pauses| pauses[TRIES - 2]), spread(|pauses| pauses.iter().sum())];
    let least = figures.into_iter().flatten().fold(f64::INFINITY, f64::min);
    let actual = format!("the pauses of {OFFERS} offers are alike to {:.1} %", least * 100.0);
    ensure(least > SPREAD_MIN, "DLV-007", "pauses with jitter", actual)
}

fn retry_after(court: &mut Court<'_>) -> Found<()> {
    let asked = Duration::from_secs(2);
    for (status, name) in [(503, "unavailable"), (429, "rate-limited")] {
        let played = court.play()?;
        played.plan(vec![Reply::Bytes(problem(status, name, "Retry-After: 2\r\n"))], None);
        let offered = court.made_to_offer(&played)?;
        let puts = court.puts(&played, &offered.transfer, 0, 2)?;
        let pause = puts[1].at - puts[0].at;
        // The suite notes the request when it has come in, and that is before the answer leaves.
        ensure(pause >= asked, "DLV-008", &format!("at least {asked:?} after {name}"), format!("{pause:?}"))?;
    }
    Ok(())
}

fn dead_letter(court: &mut Court<'_>) -> Found<()> {
    let finals = ["body-invalid", "not-a-party", "too-large", "signature-invalid"];
    let mut asked = Vec::new();
    for name in finals {
        let played = court.play()?;
        played.plan(Vec::new(), Some(Reply::Bytes(refusal(name, &[]))));
        let offered = court.made_to_offer(&played)?;
        asked.push((name, played, offered));
    }
    let waits = court.bench.waits;
    let until = Instant::now() + waits.act;
    for (name, _, offered) in &asked {
        loop {
            let told = court.made_to("observe", "refused", Vec::new())?;
            let letters = told.member("refused").map(Json::items).unwrap_or_default().to_vec();
            let of = |letter: &&Json| letter.text_at("/transfer") == Some(&offered.transfer);
            if letters.iter().find(of).is_some_and(|letter| letter.text_at("/owner").is_some()) {
                break;
            }
            if Instant::now() > until {
                return failed(
                    "DLV-009",
                    format!("a dead letter with an owner after {name}"),
                    "none is shown",
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    std::thread::sleep(waits.quiet);
    // The barrier: the window counts when the subject offers at its end.
    let played = court.play()?;
    court.offered_by_subject(&played)?;
    for (name, played, offered) in asked {
        let tries = played.puts_of(&offered.transfer, 0).len();
        ensure(tries == 1, "DLV-009", &format!("no try after {name}"), format!("{tries} tries"))?;
    }
    Ok(())
}

fn receipts_alone(court: &mut Court<'_>) -> Found<()> {
    let other = court.peer()?;
    for forged in 0..5 {
        let played = court.play()?;
        let stray = court.draft(&played.peer).sealed(&played.peer.key);
        let right = |entry: &Json| receipt_by(&played.peer.code, &played.peer.key, entry);
        played.plan(Vec::new(), Some(Reply::Bytes(problem(503, "unavailable", ""))));
        let offered = court.made_to_offer(&played)?;
        let answer = match forged {
            0 => Json::object([("ok", true.into())]),
            1 => right(&stray),
            2 => receipt_by(&played.peer.code, &other.key, &offered.entry),
            3 => receipt_by(&other.code, &other.key, &offered.entry),
            _ => {
                let mut receipt = right(&offered.entry).member("receipt").cloned().unwrap_or(Json::Null);
                receipt.set("/transfer", uuid());
                signed_receipt(receipt, &played.peer.key)
            }
        };
        let before = played.puts_of(&offered.transfer, 0).len();
        played.plan(vec![Reply::Bytes(document(201, &answer))], None);
        // One try is answered by what is no receipt, and another has to follow.
        let again = court.puts(&played, &offered.transfer, 0, before + 2);
        ensure(again.is_ok(), "RCP-007", "another try after a success without its receipt", answer.plain())?;
    }
    Ok(())
}
