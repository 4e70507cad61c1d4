//! Section 17 for the author of a notice, and for the officer who reads one: the subject acts on demand.

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, Played, Reply, Told, ensure, failed, refused};
use crate::draft::header_of;
use crate::draft::statements::{Statement, id_of, subject};
use crate::encoding::digest;
use crate::host::{document, problem};
use crate::instant::{now, written};
use crate::json::Json;
use crate::wire::{Request, Response};

/// A case in which officers of the subject tell notices.
const TELLING: Case = Case { profile: "notices", needs: &["trigger tell"], ..CORE };

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "ntc-keeps-to-forms-and-rules",
        claim: "A notice that the subject tells keeps the forms and rules, also where its officer did not.",
        checks: &["NTC-004"],
        run: forms,
        ..TELLING
    },
    Case {
        name: "ntc-tells-until-it-is-stored",
        claim: "A notice is sent again with the same bytes until its storage receipt is there.",
        checks: &["NTC-007"],
        slow: true,
        run: until_stored,
        ..TELLING
    },
    Case {
        name: "rcp-takes-storage-receipts-alone-for-storage-receipts",
        claim: "A success without the addressed authority's storage receipt for what was sent is none.",
        checks: &["RCP-012"],
        slow: true,
        run: storage_receipts_alone,
        ..TELLING
    },
    Case {
        name: "ntc-acknowledges-when-an-officer-has-read",
        claim: "A notice is acknowledged when an officer decides it, and not before.",
        checks: &["NTC-009"],
        slow: true,
        needs: &["trigger acknowledge-notice"],
        run: acknowledged,
        ..TELLING
    },
    Case {
        name: "ntc-takes-read-alone-of-a-restricted-child",
        claim: "An acknowledgement of a notice of a restricted child says read, or is malformed.",
        checks: &["NTC-012"],
        run: read_alone,
        ..TELLING
    },
];

/// A notice's body as a wish has it.
fn wish(child: Json) -> Json {
    let mut body = Statement::notice("001", "330", child).body;
    body.remove("/salt");
    body
}

/// Lets the subject tell a notice; gives its id, where it does not refuse.
fn trigger(court: &mut Court<'_>, played: &Played, kind: &str, body: Json) -> Found<Option<String>> {
    let members = vec![("to", played.peer.code.as_str().into()), ("kind", kind.into()), ("body", body)];
    let told = court.wish("trigger", "tell", members)?;
    Ok(told.and_then(|told| told.text_at("/notice").map(str::to_owned)))
}

/// The same, where the subject has no reason to refuse.
fn tells(court: &mut Court<'_>, played: &Played, body: Json) -> Found<String> {
    let id = trigger(court, played, "removed-from-roll", body)?;
    id.ok_or_else(|| Miss::Unexercised("trigger tell: the subject refused".into()))
}

/// What came in about a notice, once there is so much of it.
fn heard(court: &Court<'_>, played: &Played, path: &str, count: usize) -> Found<Vec<Told>> {
    if played.wait(court.bench.waits.act, |played| played.told(path).len() >= count) {
        return Ok(played.told(path));
    }
    let seen = played.told(path).len();
    Err(Miss::Unexercised(format!("{path} came {seen} times, and {count} are needed")))
}

fn is_right(notice: &Json) -> Result<(), String> {
    let (header, body) = (header_of(notice), notice.member("body").cloned().unwrap_or(Json::Null));
    if header.text_at("/bodyDigest") != Some(&digest(&body)) {
        return Err("bodyDigest is not the digest of the body".into());
    }
    crate::reference::right_statement(&body, &header, false)
}

fn forms(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let id = tells(court, &played, wish(subject()))?;
    let told = heard(court, &played, &format!("notices/{id}"), 1)?;
    let notice = &told[0].document;
    let right = is_right(notice);
    ensure(right.is_ok(), "NTC-004", "a notice that keeps section 17", right.err().unwrap_or_default())?;
    let header = header_of(notice);
    let signature = notice.text_at("/signature").unwrap_or_default();
    let signed = court.bench.subject.verify(&header, signature, "cme-notice", "/createdAt");
    let actual = signed.err().map(|error| error.to_string()).unwrap_or_default();
    ensure(signed.is_ok(), "NTC-004", "a notice under a key of its author", actual)?;
    let mut hidden = wish(subject());
    hidden.set("/locationSensitivity", "restricted");
    let mut listed = subject();
    listed.remove("/dateOfBirth");
    for (what, kind, body) in [
        ("where a restricted child has joined a roll", "joined-roll", hidden),
        ("a child by name alone", "removed-from-roll", wish(listed)),
    ] {
        let id = trigger(court, &played, kind, body)?;
        let good = tells(court, &played, wish(subject()))?;
        heard(court, &played, &format!("notices/{good}"), 1)?;
        let Some(id) = id else { continue };
        played.wait(court.bench.waits.quiet, |played| !played.told(&format!("notices/{id}")).is_empty());
        let sent = played.told(&format!("notices/{id}"));
        let wrong = sent.iter().find_map(|told| is_right(&told.document).err());
        ensure(wrong.is_none(), "NTC-004", &format!("no notice of {what}"), wrong.unwrap_or_default())?;
    }
    Ok(())
}

fn until_stored(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let busy = Reply::Bytes(problem(503, "unavailable", ""));
    played.plan(vec![Reply::Close, busy, Reply::StoredUnheard], None);
    let id = tells(court, &played, wish(subject()))?;
    let path = format!("notices/{id}");
    for count in 2..=4 {
        let again = heard(court, &played, &path, count);
        ensure(again.is_ok(), "NTC-007", "the notice sent again", format!("{} times", count - 1))?;
    }
    let all = played.told(&path);
    let same = all.iter().all(|told| told.bytes == all[0].bytes);
    ensure(same, "NTC-007", "the same bytes each time", "other bytes")?;
    let good = tells(court, &played, wish(subject()))?;
    heard(court, &played, &format!("notices/{good}"), 1)?;
    let count = played.told(&path).len();
    ensure(count == 4, "NTC-007", "nothing after the storage receipt", format!("{count} times"))
}

fn storage_receipts_alone(court: &mut Court<'_>) -> Found<()> {
    for forged in 0..4 {
        let (played, other) = (court.play()?, court.play()?);
        played.plan(Vec::new(), Some(Reply::Bytes(problem(503, "unavailable", ""))));
        let id = tells(court, &played, wish(subject()))?;
        let path = format!("notices/{id}");
        let first = heard(court, &played, &path, 1)?;
        let header = header_of(&first[0].document);
        let answer = match forged {
            0 => Json::object([("ok", true.into())]),
            1 => other.storage_receipt("notice", &id, &header),
            2 => played.storage_receipt("answer", &id, &header),
            _ => played.storage_receipt("notice", &id, &Json::object([])),
        };
        let before = played.told(&path).len();
        played.plan(vec![Reply::Bytes(document(201, &answer))], None);
        let again = heard(court, &played, &path, before + 2);
        ensure(
            again.is_ok(),
            "RCP-012",
            "another try after a success without its storage receipt",
            answer.plain(),
        )?;
    }
    Ok(())
}

fn acknowledged(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let notice = court.noticed(&played.peer)?;
    let path = format!("notices/{}", id_of(&notice));
    std::thread::sleep(court.bench.waits.quiet);
    // The barrier: another notice is taken after the window.
    court.noticed(&played.peer)?;
    let early = played.told(&path).len();
    ensure(early == 0, "NTC-009", "no acknowledgement before an officer decides", format!("{early}"))?;
    let wish = vec![("notice", id_of(&notice).into()), ("disposition", "case-opened".into())];
    court.made_to("trigger", "acknowledge-notice", wish)?;
    let Ok(told) = heard(court, &played, &format!("{path}/acknowledgement"), 1) else {
        return failed("NTC-009", "an acknowledgement when the officer has decided", "none");
    };
    let signed = &told[0].document;
    let facts = [
        ("/notice", id_of(&notice)),
        ("/noticeDigest", digest(&header_of(&notice))),
        ("/disposition", "case-opened".to_owned()),
        ("/by", court.bench.subject.code.clone()),
    ];
    for (name, wanted) in facts {
        let held = signed.text_at(&format!("/acknowledgement{name}")).unwrap_or_default().to_owned();
        ensure(held == wanted, "NTC-009", &format!("{name} {wanted}"), held)?;
    }
    let proven = court.check_signed(signed, "acknowledgement", "cme-acknowledgement", "/acknowledgedAt");
    ensure(proven.is_ok(), "NTC-009", "a signed acknowledgement", proven.err().unwrap_or_default())
}

/// Puts an acknowledgement of a notice that the subject told.
fn acknowledge(
    court: &mut Court<'_>,
    played: &Played,
    notice: &Json,
    disposition: &str,
) -> Found<(Json, Response)> {
    let id = id_of(notice);
    let content = Json::object([
        ("notice", id.as_str().into()),
        ("noticeDigest", digest(&header_of(notice)).into()),
        ("disposition", disposition.into()),
        ("acknowledgedAt", written(now()).into()),
        ("by", played.peer.code.as_str().into()),
        ("incarnation", 1.into()),
        ("directoryIssue", 1.into()),
    ]);
    let signature = played.peer.key.sign(&content);
    let signed = Json::object([("acknowledgement", content.clone()), ("signature", signature.into())]);
    let target = court.bench.subject.target(&format!("/v1/notices/{id}/acknowledgement"));
    let response = court.ask(&played.peer, Request::put(target, signed.plain().into_bytes()))?;
    Ok((content, response))
}

fn read_alone(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    for (sensitivity, bad, good) in [
        ("restricted", Some("case-opened"), "read"),
        ("withheld", Some("not-of-this-area"), "read"),
        ("standard", None, "case-opened"),
    ] {
        let mut body = wish(subject());
        body.set("/locationSensitivity", sensitivity);
        let id = tells(court, &played, body)?;
        let told = heard(court, &played, &format!("notices/{id}"), 1)?;
        let notice = told[0].document.clone();
        let refusal = match bad {
            Some(bad) => Some(acknowledge(court, &played, &notice, bad)?.1),
            None => None,
        };
        let (content, response) = acknowledge(court, &played, &notice, good)?;
        // The good twin differs in the disposition alone; one that is there already was taken before.
        if let Some(refusal) = refusal {
            refused("NTC-012", &["malformed"], &refusal)?;
        }
        let told = court.stored(&response, ("acknowledgement", &id), &content, &[201]);
        told.map_err(|actual| Miss::Unexercised(format!("a good acknowledgement was not taken: {actual}")))?;
    }
    Ok(())
}
