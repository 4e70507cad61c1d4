//! Outcomes of the subject's: what ends a case, and on what evidence.

use crate::cases::{Case, DECIDING};
use crate::court::{Court, Found, Miss, Played, ensure, refused};
use crate::draft::with_receipts;
use crate::json::Json;

use super::authors::link_to;

/// A change to a header.
type Spoil = fn(&mut Json);

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "ent-appends-no-outcome-outside-the-list",
        claim: "An outcome that the list does not have, such as a child who could not be traced, is not appended.",
        checks: &["ENT-012"],
        run: no_other_outcome,
        ..DECIDING
    },
    Case {
        name: "ent-moves-on-with-the-onward-accept-alone",
        claim: "An outcome moved-on is not appended without the onward accept, verified and of the next epoch.",
        checks: &["ENT-013"],
        run: moved_on,
        ..DECIDING
    },
    Case {
        name: "ent-settles-a-duplicate-with-a-confirmation-alone",
        claim: "An outcome duplicate is not appended without the signed head of who is responsible.",
        checks: &["ENT-014"],
        run: duplicate,
        ..DECIDING
    },
    Case {
        name: "ent-takes-no-case-for-a-duplicate-of-itself",
        claim: "An outcome duplicate whose link names its own ledger is neither taken nor made.",
        checks: &["ENT-010", "ENT-011"],
        run: duplicate_of_itself,
        ..DECIDING
    },
    Case {
        name: "prv-leaves-the-onward-body-behind",
        claim: "An outcome moved-on is delivered with the onward accept, whose body is not in it.",
        checks: &["PRV-009"],
        run: onward_without_body,
        ..DECIDING
    },
];

/// A transfer that the subject has accepted.
fn accepted(court: &mut Court<'_>) -> Found<(Played, String)> {
    let played = court.play()?;
    let transfer = court.taken_by_subject(&played)?;
    court.made_to_decide(&transfer, "accept")?;
    court.puts(&played, &transfer, 1, 1)?;
    Ok((played, transfer))
}

/// Fails when that outcome gets into the ledger; one that is right gets there before and after.
fn not_appended(
    court: &mut Court<'_>,
    requirement: &'static str,
    expected: &str,
    outcome: impl FnOnce(&mut Court<'_>, &Json) -> Found<Json>,
) -> Found<()> {
    let (played, transfer) = accepted(court)?;
    court.made_to_decide(&transfer, "outcome")?;
    court.made_to_decide(&transfer, "retract")?;
    let offer = played.entries(&transfer).first().cloned().unwrap_or(Json::Null);
    let outcome = outcome(court, &offer)?;
    decides(court, &transfer, outcome)?;
    let page = court.read_ledger(&played.peer, &transfer)?;
    let head = page.integer_at("/head/head/sequence").unwrap_or_default();
    let newest = page.at("/entries/4").map(Json::plain).unwrap_or_default();
    ensure(head == 3, requirement, expected, newest)?;
    court.made_to_decide(&transfer, "outcome")
}

/// Lets the subject's officer try an outcome.
fn decides(court: &mut Court<'_>, transfer: &str, outcome: Json) -> Found<bool> {
    let body = Json::object([("outcome", outcome)]);
    let members = vec![("transfer", transfer.into()), ("type", "outcome".into()), ("body", body)];
    Ok(court.wish("trigger", "decide", members)?.is_some())
}

fn no_other_outcome(court: &mut Court<'_>) -> Found<()> {
    for kind in ["not-traced", "inconclusive", "case-closed"] {
        let outcome = Json::object([("kind", kind.into())]);
        not_appended(court, "ENT-012", &format!("no outcome {kind}"), |_, _| Ok(outcome))?;
    }
    Ok(())
}

/// An accept of the subject's child by another authority, in a ledger of the suite's making. The header is open
/// to changes before it is sealed.
fn onward_accept(court: &mut Court<'_>, offer: &Json, spoil: impl FnOnce(&mut Json)) -> Found<Json> {
    let next = court.peer()?;
    let mut header = crate::draft::header_of(offer);
    let now = crate::instant::written(crate::instant::now());
    for (path, value) in [
        ("/transfer", Json::from(crate::draft::uuid())),
        ("/id", crate::draft::uuid().into()),
        ("/sequence", 1.into()),
        ("/previous", crate::encoding::digest_of_nothing().into()),
        ("/type", "accept".into()),
        ("/author", next.code.as_str().into()),
        ("/recipient", court.bench.subject.code.as_str().into()),
        ("/createdAt", now.clone().into()),
        ("/responsibility/epoch", 2.into()),
    ] {
        header.set(path, value);
    }
    spoil(&mut header);
    let signature = next.key.sign(&header);
    let entry = Json::object([
        ("header", header),
        ("body", Json::Null),
        ("erasedAt", now.into()),
        ("signature", signature.into()),
    ]);
    Ok(with_receipts(&entry, vec![crate::draft::receipt_by(&next.code, &next.key, &entry)]))
}

fn moved_on(court: &mut Court<'_>) -> Found<()> {
    let moved = |onward: Json| Json::object([("kind", "moved-on".into()), ("onward", onward)]);
    let headers: [(&str, Spoil); 3] = [
        ("an accept of the same epoch", |header| header.set("/responsibility/epoch", 1)),
        ("an accept of another child", |header| header.set("/responsibility/id", crate::draft::uuid())),
        ("a decline", |header| header.set("/type", "decline")),
    ];
    for (what, spoil) in headers {
        not_appended(court, "ENT-013", &format!("no outcome moved-on with {what}"), |court, offer| {
            Ok(moved(onward_accept(court, offer, spoil)?))
        })?;
    }
    not_appended(court, "ENT-013", "no outcome moved-on with an accept without receipt", |court, offer| {
        let mut onward = onward_accept(court, offer, |_| {})?;
        onward.remove("/receipts");
        Ok(moved(onward))
    })?;
    not_appended(
        court,
        "ENT-013",
        "no outcome moved-on with an accept that nobody signed",
        |court, offer| {
            let mut onward = onward_accept(court, offer, |_| {})?;
            onward.set("/signature", offer.text_at("/signature").unwrap_or_default());
            Ok(moved(onward))
        },
    )?;
    // The right twin.
    let (played, transfer) = accepted(court)?;
    let offer = played.entries(&transfer).first().cloned().unwrap_or(Json::Null);
    let right = onward_accept(court, &offer, |_| {})?;
    if decides(court, &transfer, moved(right))? {
        return Ok(());
    }
    Err(Miss::Unexercised("the subject refused an outcome moved-on with the onward accept".into()))
}

fn onward_without_body(court: &mut Court<'_>) -> Found<()> {
    let (played, transfer) = accepted(court)?;
    let offer = played.entries(&transfer).first().cloned().unwrap_or(Json::Null);
    let onward = onward_accept(court, &offer, |_| {})?;
    let outcome = Json::object([("kind", "moved-on".into()), ("onward", onward)]);
    if !decides(court, &transfer, outcome)? {
        return Err(Miss::Unexercised(
            "the subject refused an outcome moved-on with the onward accept".into(),
        ));
    }
    let puts = court.puts(&played, &transfer, 2, 1)?;
    let onward = puts[0].entry.at("/body/outcome/onward").cloned().unwrap_or(Json::Null);
    let body = onward.member("body").cloned().unwrap_or(Json::Null);
    let erased = onward.text_at("/erasedAt").is_some();
    ensure(body == Json::Null && erased, "PRV-009", "onward without its body", onward.plain())
}

fn duplicate(court: &mut Court<'_>) -> Found<()> {
    // In the other ledger the suite's authority has accepted the child, and so it confirms.
    let played = court.play()?;
    let offered = court.offered_by_subject(&played)?;
    let offer = played.entries(&offered.transfer);
    let accept = played.append(&offered.transfer, "accept");
    court.delivered(&played, &accept)?;
    let of = link_to(&played, &offered.transfer);
    let right = played.head(&played.entries(&offered.transfer));
    let outcome = |confirmation: Option<Json>| {
        let mut outcome = Json::object([("kind", "duplicate".into()), ("of", of.clone())]);
        if let Some(confirmation) = confirmation {
            outcome.set("/confirmation", confirmation);
        }
        outcome
    };
    let mut forged = right.clone();
    forged.set("/head/at", crate::instant::written(crate::instant::in_seconds(1)));
    let bad = [
        ("without a confirmation", None),
        ("with a confirmation of an older head", Some(played.head(&offer))),
        ("with a confirmation that does not verify", Some(forged)),
    ];
    for (what, confirmation) in bad {
        not_appended(court, "ENT-014", &format!("no duplicate {what}"), |_, _| Ok(outcome(confirmation)))?;
    }
    let (_, transfer) = accepted(court)?;
    if decides(court, &transfer, outcome(Some(right)))? {
        return Ok(());
    }
    Err(Miss::Unexercised("the subject refused a duplicate that is confirmed".into()))
}

fn duplicate_of_itself(court: &mut Court<'_>) -> Found<()> {
    // The suite's authority has accepted the child, so that it is responsible and needs no confirmation.
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    let accept = played.append(&transfer, "accept");
    court.delivered(&played, &accept)?;
    let of = link_to(&played, &transfer);
    let own = played.next_receipted(&transfer, "outcome", |_, body| {
        body.set("/outcome", Json::object([("kind", "duplicate".into()), ("of", of)]));
    });
    let response = court.put(&played.peer, &own)?;
    refused("ENT-010", &["body-invalid"], &response)?;
    // The good twin at the same place: another outcome.
    let other = played.append(&transfer, "outcome");
    court.delivered(&played, &other)?;
    not_appended(court, "ENT-011", "no duplicate of the ledger itself", |_, offer| {
        let header = crate::draft::header_of(offer);
        let of = Json::object([
            ("transfer", header.member("transfer").cloned().unwrap_or(Json::Null)),
            ("sequence", 0.into()),
            ("headerDigest", crate::encoding::digest(&header).into()),
        ]);
        Ok(Json::object([("kind", "duplicate".into()), ("of", of)]))
    })
}
