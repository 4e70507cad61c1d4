//! Sections 9.4 and 9.5: what is put, in which order it is checked, and how it is refused.

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, PROBLEMS, ensure, failed, problem_of, refused, same_receipt};
use crate::draft::{Draft, bodies, uuid};
use crate::encoding::digest_of_nothing;
use crate::json::Json;
use crate::wire::{Request, Response};

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "trn-checks-in-the-order-of-the-text",
        claim: "Of two faults of different steps, the problem is that of the earlier step.",
        checks: &["TRN-017"],
        run: order,
        ..CORE
    },
    Case {
        name: "trn-answers-a-repeat-with-its-receipt",
        claim: "A repeat is answered 200 with the first receipt, whatever the stage, also under another signature.",
        checks: &["TRN-018"],
        run: repeats,
        ..CORE
    },
    Case {
        name: "trn-refuses-without-effect",
        claim: "A refused put leaves no ledger, no entry and no trace in the head.",
        checks: &["TRN-019"],
        run: no_effect,
        ..CORE
    },
    Case {
        name: "trn-refuses-as-problem-json",
        claim: "A refusal is application/problem+json with type, title and status, and with the members that the table names.",
        checks: &["TRN-020"],
        run: problems,
        ..CORE
    },
];

/// A spoilt offer, and the problem of the earlier of its two faults.
type Spoil = (&'static str, fn(&mut Draft));

fn order(court: &mut Court<'_>) -> Found<()> {
    // Each has a fault of the step that names the problem, and one of a later step.
    let spoils: [Spoil; 7] = [
        ("type-unknown", |draft| {
            draft.header.set("/type", "conformance-type");
            draft.header.set("/recipient", "999");
        }),
        ("protocol-unsupported", |draft| {
            draft.header.set("/protocol", "2.0");
            draft.header.set("/recipient", "999");
        }),
        ("not-a-party", |draft| {
            draft.header.set("/recipient", "999");
            draft.body.set("/capacity", "guest");
        }),
        ("not-a-party", |draft| {
            draft.header.set("/author", "999");
            draft.body.remove("/salt");
        }),
        ("body-invalid", |draft| {
            draft.body.set("/capacity", "guest");
            draft.header.set("/sequence", 5);
            draft.header.set("/previous", digest_of_nothing());
        }),
        ("sequence-gap", |draft| {
            draft.header.set("/sequence", 5);
            draft.header.set("/previous", digest_of_nothing());
            draft.header.set("/createdAt", "2200-01-01T00:00:00Z");
        }),
        ("created-at-skew", |draft| draft.header.set("/createdAt", "2200-01-01T00:00:00Z")),
    ];
    for (name, spoil) in spoils {
        let peer = court.peer()?;
        let mut draft = court.draft(&peer);
        spoil(&mut draft);
        let entry = draft.sealed(&peer.key);
        court.between_twins(&peer, "TRN-017", &[name], |court| court.put(&peer, &entry))?;
    }
    // The path is looked at before the parties, the signature before the place.
    let peer = court.peer()?;
    let mut draft = court.draft(&peer);
    draft.header.set("/recipient", "999");
    let bytes = draft.sealed(&peer.key).plain().into_bytes();
    let elsewhere = uuid();
    court.between_twins(&peer, "TRN-017", &["path-mismatch"], |court| {
        court.put_bytes(&peer, &elsewhere, 0, bytes)
    })?;
    let (peer, other) = (court.peer()?, court.peer()?);
    let ledger = court.offered(&peer)?;
    let mut draft = Draft::next(&ledger, "contest", bodies::of("contest"));
    draft.header.set("/sequence", 7);
    let entry = draft.sealed(&other.key);
    court.between_twins(&peer, "TRN-017", &["key-unknown"], |court| court.put(&peer, &entry))
}

fn repeats(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut ledger = court.offered(&peer)?;
    court.append(&peer, &mut ledger, "supply-information")?;
    court.append(&peer, &mut ledger, "withdraw")?;
    for entry in &ledger.entries {
        let mut bare = entry.clone();
        bare.remove("/receipts");
        let response = court.put(&peer, &bare)?;
        repeated(court, &response, &bare, entry)?;
    }
    // The same decision, signed anew for another place.
    let mut anew = Draft { header: crate::draft::header_of(&ledger.entries[1]), body: Json::Null };
    anew.body = ledger.entries[1].member("body").cloned().unwrap_or(Json::Null);
    anew.header.set("/sequence", ledger.sequence + 1);
    anew.header.set("/previous", ledger.digest.as_str());
    let anew = anew.sealed(&peer.key);
    let response = court.put(&peer, &anew)?;
    repeated(court, &response, &ledger.entries[1], &ledger.entries[1])?;
    // The same id with another body is no repeat.
    let mut reused = Draft::next(&ledger, "correct", bodies::of("correct"));
    reused.header.set("/id", ledger.entries[1].text_at("/header/id").unwrap_or_default());
    let reused = reused.sealed(&peer.key);
    court.between_twins(&peer, "TRN-018", &["id-reused"], |court| court.put(&peer, &reused))?;
    let page = court.read_ledger(&peer, &ledger.transfer)?;
    let head = page.integer_at("/head/head/sequence");
    ensure(head == Some(ledger.sequence), "TRN-018", "a ledger that did not grow", format!("head {head:?}"))
}

fn repeated(court: &Court<'_>, response: &Response, sent: &Json, held: &Json) -> Found<()> {
    let kind = sent.text_at("/header/type").unwrap_or_default();
    let expected = format!("200 with the receipt of the stored {kind}");
    match court.receipted(response, held, 200) {
        Ok(receipt) => {
            let same = held.at("/receipts/0").is_some_and(|given| same_receipt(given, &receipt));
            ensure(same, "TRN-018", &expected, receipt.canonical())
        }
        Err(actual) => failed("TRN-018", expected, actual),
    }
}

fn no_effect(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut ledger = court.offered(&peer)?;
    let spoils: [fn(&mut Draft); 4] = [
        |draft| draft.header.set("/createdAt", "2200-01-01T00:00:00Z"),
        |draft| draft.body.set("/capacity", "guest"),
        |draft| draft.header.set("/type", "withdraw"),
        |draft| draft.header.set("/successorOf", "x"),
    ];
    for spoil in spoils {
        let mut draft = court.draft(&peer);
        spoil(&mut draft);
        let entry = draft.sealed(&peer.key);
        let transfer = entry.text_at("/header/transfer").unwrap_or_default().to_owned();
        let response = court.put(&peer, &entry)?;
        if response.status < 400 {
            return failed("TRN-019", "a refusal", response.status.to_string());
        }
        let response = court.get(&peer, &format!("/v1/transfers/{transfer}/entries"))?;
        refused("TRN-019", &["ledger-unknown"], &response)?;
    }
    // Refused in the ledger: the place stays free and the head where it was.
    let mut early = Draft::next(&ledger, "withdraw", bodies::of("withdraw"));
    early.header.set("/createdAt", "2200-01-01T00:00:00Z");
    for entry in [
        early.sealed(&peer.key),
        Draft::next(&ledger, "contest", bodies::of("contest")).sealed(&peer.key),
        Draft::next(&ledger, "accept", bodies::of("accept")).sealed(&peer.key),
    ] {
        let response = court.put(&peer, &entry)?;
        if response.status < 400 {
            return failed("TRN-019", "a refusal", response.status.to_string());
        }
        let page = court.read_ledger(&peer, &ledger.transfer)?;
        let told = court.check_head(page.member("head").unwrap_or(&Json::Null), 0, &ledger.digest, "offered");
        ensure(told.is_ok(), "TRN-019", "the head as it was", told.err().unwrap_or_default())?;
    }
    court.append(&peer, &mut ledger, "withdraw")
}

fn problems(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    let target = |path: &str| court.bench.subject.target(path);
    let entry = court.draft(&peer).sealed(&peer.key);
    let transfer = entry.text_at("/header/transfer").unwrap_or_default();
    let path = target(&format!("/v1/transfers/{transfer}/entries/0"));
    let bytes = entry.plain().into_bytes();
    let text =
        Request { fields: vec![("Content-Type".into(), "text/plain".into())], ..Request::put(&path, bytes) };
    let deleted = Request { method: "DELETE".into(), ..Request::get(&path) };
    let nowhere = Request::get(target("/v1/nowhere"));
    let page = target(&format!("/v1/transfers/{}/entries?limit=0", ledger.transfer));
    let cases = [
        (text, "media-type"),
        (deleted, "method-not-allowed"),
        (nowhere, "route-unknown"),
        (Request::get(page), "cursor-invalid"),
        (Request::put(&path, b"[]".to_vec()), "malformed"),
    ];
    for (request, name) in cases {
        let response = court.ask(&peer, request)?;
        refused("TRN-020", &[name], &response)?;
        check_problem(&response)?;
    }
    // With the head that the table names.
    let mut gap = Draft::next(&ledger, "withdraw", bodies::of("withdraw"));
    gap.header.set("/sequence", 4);
    let response = court.put(&peer, &gap.sealed(&peer.key))?;
    check_problem(&response)?;
    let problem = Json::read(&response.content).unwrap_or(Json::Null);
    let fits = problem.integer_at("/head/sequence") == Some(0)
        && problem.text_at("/head/headerDigest") == Some(&ledger.digest);
    ensure(fits, "TRN-020", "sequence-gap with the head", problem.plain())?;
    let mut stray = court.draft(&peer);
    stray.header.set("/sequence", 1);
    stray.header.set("/previous", digest_of_nothing());
    let response = court.put(&peer, &stray.sealed(&peer.key))?;
    let problem = Json::read(&response.content).unwrap_or(Json::Null);
    let fits = problem.member("head") == Some(&Json::Null);
    ensure(fits, "TRN-020", "sequence-gap with head null", problem.plain())
}

/// Type, title and status as the table has them, in the right media type.
fn check_problem(response: &Response) -> Found<()> {
    let name = problem_of(response).unwrap_or_default();
    let status = PROBLEMS.iter().find(|(held, _)| *held == name).map(|(_, status)| *status);
    let media_type = response.field("content-type").unwrap_or_default().to_ascii_lowercase();
    let problem = Json::read(&response.content).unwrap_or(Json::Null);
    let fits = status == Some(response.status)
        && problem.integer_at("/status") == Some(i64::from(response.status))
        && problem.text_at("/title").is_some_and(|title| !title.is_empty())
        && media_type.starts_with("application/problem+json");
    let expected = format!("{name} as application/problem+json with title and status {status:?}");
    ensure(fits, "TRN-020", &expected, format!("{} {media_type} {}", response.status, problem.plain()))
}
