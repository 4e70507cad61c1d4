//! Section 4 for who writes: what the subject puts into the entries that it makes.

use std::collections::BTreeSet;

use crate::cases::{Case, DECIDING, OFFERING};
use crate::court::{Court, Found, Miss, Played, ensure, header_digest, wishes};
use crate::encoding::from_base64url;
use crate::json::Json;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "idn-takes-new-uuids",
        claim: "Each offer of a new child has a transfer, an entry and a responsibility of its own, of version 7.",
        checks: &["IDN-001"],
        run: new_uuids,
        ..OFFERING
    },
    Case {
        name: "sig-signs-with-a-key-in-its-lifetime",
        claim: "What the subject sends is signed by a key of its authority that is in its lifetime.",
        checks: &["SIG-007"],
        run: valid_key,
        ..OFFERING
    },
    Case {
        name: "ent-links-a-later-offer",
        claim: "An offer after a withdrawn one links that ledger's head, under the same responsibility and epoch; after an accepted one the epoch is one higher.",
        checks: &["ENT-006"],
        run: linked,
        ..DECIDING
    },
    Case {
        name: "ent-offers-a-child-once-at-a-time",
        claim: "While an offer of a responsibility is undecided, no other is sent.",
        checks: &["ENT-007"],
        run: once,
        ..OFFERING
    },
    Case {
        name: "ent-chooses-the-urgent-class",
        claim: "An offer of a child at risk, restricted or with a social worker has the class urgent, whatever was wished.",
        checks: &["ENT-008"],
        run: urgent,
        ..OFFERING
    },
    Case {
        name: "ent-takes-a-salt-for-each-body",
        claim: "Two bodies that are alike otherwise have different salts of 16 bytes, and so different digests.",
        checks: &["ENT-009"],
        run: salts,
        ..DECIDING
    },
    Case {
        name: "ent-keeps-to-forms-and-rules",
        claim: "What the subject sends keeps the forms, code lists and rules, also where its officer did not.",
        checks: &["ENT-011"],
        run: forms,
        ..DECIDING
    },
    Case {
        name: "prv-puts-no-address-into-a-restricted-offer",
        claim: "An offer of a restricted child is sent without an address, or not at all.",
        checks: &["PRV-009"],
        run: no_address,
        ..OFFERING
    },
];

fn new_uuids(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let (mut seen, paths) = (BTreeSet::new(), ["/transfer", "/id", "/responsibility/id"]);
    for _ in 0..2 {
        let offered = court.made_to_offer(&played)?;
        for path in paths {
            let text = offered.entry.text_at(&format!("/header{path}")).unwrap_or_default().to_owned();
            let version = uuid::Uuid::try_parse(&text).map(|uuid| uuid.get_version_num());
            let fits = version == Ok(7) && text == text.to_ascii_lowercase() && text.len() == 36;
            ensure(fits, "IDN-001", &format!("a UUID of version 7 in {path}"), text.clone())?;
            ensure(seen.insert(text.clone()), "IDN-001", &format!("a new UUID in {path}"), text)?;
        }
    }
    Ok(())
}

fn valid_key(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let offered = court.made_to_offer(&played)?;
    let header = crate::draft::header_of(&offered.entry);
    let signature = offered.entry.text_at("/signature").unwrap_or_default();
    let told = court.bench.subject.verify(&header, signature, "cme-entry", "/createdAt");
    let actual = told.err().map(|error| error.to_string()).unwrap_or_default();
    ensure(told.is_ok(), "SIG-007", "a signature by a key of the subject's in its lifetime", actual)
}

/// The link that names the newest entry which the suite holds of a transfer.
pub(super) fn link_to(played: &Played, transfer: &str) -> Json {
    let entries = played.entries(transfer);
    let newest = entries.last().cloned().unwrap_or(Json::Null);
    Json::object([
        ("transfer", transfer.into()),
        ("sequence", newest.integer_at("/header/sequence").unwrap_or_default().into()),
        ("headerDigest", header_digest(&newest).into()),
    ])
}

fn linked(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let first = court.offered_by_subject(&played)?;
    court.made_to_decide(&first.transfer, "withdraw")?;
    court.puts(&played, &first.transfer, 1, 1)?;
    court.settled(&played, &first.transfer)?;
    let other = court.play()?;
    let second = court.made_to_offer_with(&other, vec![("precededBy", first.transfer.as_str().into())])?;
    check_link(&second.entry, &first.entry, &link_to(&played, &first.transfer), 0)?;
    // The subject accepts a child and offers it onward.
    let (from, onward) = (court.play()?, court.play()?);
    let taken = court.taken_by_subject(&from)?;
    court.made_to_decide(&taken, "accept")?;
    court.puts(&from, &taken, 1, 1)?;
    let third = court.made_to_offer_with(&onward, vec![("precededBy", taken.as_str().into())])?;
    let offer = from.entries(&taken).first().cloned().unwrap_or(Json::Null);
    check_link(&third.entry, &offer, &link_to(&from, &taken), 1)
}

fn check_link(entry: &Json, before: &Json, link: &Json, more: i64) -> Found<()> {
    let told = entry.at("/header/precededBy").cloned().unwrap_or(Json::Null);
    let same = told.canonical() == link.canonical();
    ensure(same, "ENT-006", &format!("precededBy {}", link.plain()), told.plain())?;
    let id = |entry: &Json| entry.text_at("/header/responsibility/id").unwrap_or_default().to_owned();
    ensure(id(entry) == id(before), "ENT-006", "the same responsibility", id(entry))?;
    let epoch = |entry: &Json| entry.integer_at("/header/responsibility/epoch").unwrap_or_default();
    let expected = format!("epoch {}", epoch(before) + more);
    ensure(epoch(entry) == epoch(before) + more, "ENT-006", &expected, epoch(entry).to_string())
}

/// An offer to a fresh authority that has to be sent: the twin beside one that may not be.
fn good_twin(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    court.made_to_offer(&played).map(|_| ())
}

/// Fails when that offer arrives at all; good offers are made before and after.
fn not_sent(
    court: &mut Court<'_>,
    requirement: &'static str,
    expected: &str,
    members: Vec<(&str, Json)>,
    wrong: impl Fn(&Json) -> bool,
) -> Found<()> {
    good_twin(court)?;
    let played = court.play()?;
    let transfer = court.trigger_offer(&played.peer.code, members)?;
    good_twin(court)?;
    let Some(transfer) = transfer else { return Ok(()) };
    let quiet = court.bench.waits.quiet;
    played.wait(quiet, |played| !played.puts(&transfer).is_empty());
    let sent = played.puts(&transfer).into_iter().find(|put| wrong(&put.entry));
    let actual = sent.map(|put| put.entry.member("header").map(Json::plain).unwrap_or_default());
    ensure(actual.is_none(), requirement, expected, actual.unwrap_or_default())
}

fn once(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let first = court.offered_by_subject(&played)?;
    let id = first.entry.text_at("/header/responsibility/id").unwrap_or_default().to_owned();
    let again = vec![("precededBy", first.transfer.as_str().into())];
    not_sent(court, "ENT-007", "no second offer while the first is undecided", again, |entry| {
        entry.text_at("/header/responsibility/id") == Some(&id)
    })
}

fn urgent(court: &mut Court<'_>) -> Found<()> {
    let risks: [(&str, Json); 5] = [
        ("/risks", vec!["exploitation".into()].into()),
        ("/risks", vec!["previously-known-to-social-care".into(), "child-in-need".into()].into()),
        ("/circumstances/locationSensitivity", "restricted".into()),
        ("/circumstances/socialCare", "section-47".into()),
        ("/circumstances/socialCare", "looked-after".into()),
    ];
    good_twin(court)?;
    for (path, value) in risks {
        let played = court.play()?;
        let mut body = wishes("offer");
        body.set(path, value.clone());
        // A subject that refuses to offer such a child as standard keeps the rule too.
        let Some(transfer) = court.trigger_offer(&played.peer.code, vec![("body", body)])? else { continue };
        let puts = court.puts(&played, &transfer, 0, 1)?;
        let class = puts[0].entry.text_at("/header/clockClass").unwrap_or_default().to_owned();
        ensure(class == "urgent", "ENT-008", &format!("urgent with {path} {}", value.plain()), class)?;
    }
    Ok(())
}

fn salts(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let mut seen = BTreeSet::new();
    let body = wishes("offer");
    for _ in 0..3 {
        let offered = court.made_to_offer_with(&played, vec![("body", body.clone())])?;
        check_salt(&offered.entry, &mut seen)?;
    }
    let transfer = court.taken_by_subject(&played)?;
    court.made_to_decide(&transfer, "acknowledge")?;
    let puts = court.puts(&played, &transfer, 1, 1)?;
    check_salt(&puts[0].entry, &mut seen)
}

fn check_salt(entry: &Json, seen: &mut BTreeSet<Vec<u8>>) -> Found<()> {
    let text = entry.text_at("/body/salt").unwrap_or_default().to_owned();
    let bytes = from_base64url(&text).filter(|bytes| bytes.len() == 16);
    let fresh = bytes.is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0) && seen.insert(bytes));
    ensure(fresh, "ENT-009", "a salt of 16 bytes that was in no body before", text)
}

/// Whether an entry keeps section 4, by the suite's own reading of the tables.
fn is_right(entry: &Json) -> Result<(), String> {
    let header = crate::draft::header_of(entry);
    let body = entry.member("body").cloned().unwrap_or(Json::Null);
    if entry.text_at("/header/bodyDigest") != Some(&crate::encoding::digest(&body)) {
        return Err("bodyDigest is not the digest of the body".into());
    }
    crate::reference::right_body(&body, &header)
}

fn forms(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let offered = court.offered_by_subject(&played)?;
    for kind in ["request-information", "supply-information", "withdraw", "correct"] {
        court.made_to_decide(&offered.transfer, kind)?;
    }
    let transfer = court.taken_by_subject(&played)?;
    for kind in ["acknowledge", "accept", "outcome", "retract", "correct"] {
        court.made_to_decide(&transfer, kind)?;
    }
    let all = |played: &Played| {
        played.entries(&offered.transfer).len() == 5 && played.entries(&transfer).len() == 6
    };
    if !played.wait(court.bench.waits.act, all) {
        return Err(Miss::Unexercised("not every decision was sent".into()));
    }
    for put in played.puts(&offered.transfer).into_iter().chain(played.puts(&transfer)) {
        let told = is_right(&put.entry);
        let kind = put.entry.text_at("/header/type").unwrap_or_default();
        ensure(
            told.is_ok(),
            "ENT-011",
            &format!("a {kind} that keeps section 4"),
            told.err().unwrap_or_default(),
        )?;
    }
    for (path, value) in [
        ("/circumstances/reason", Json::from("moved-to-the-moon")),
        ("/child/upn", "A000000000000".into()),
        ("/child/dateOfBirth", "14/03/2015".into()),
        ("/enquiries", Json::Null),
    ] {
        let mut body = wishes("offer");
        body.set(path, value);
        let members = vec![("body", body)];
        not_sent(court, "ENT-011", &format!("no offer with {path} out of form"), members, |entry| {
            is_right(entry).is_err()
        })?;
    }
    Ok(())
}

fn no_address(court: &mut Court<'_>) -> Found<()> {
    for sensitivity in ["restricted", "withheld"] {
        let mut body = wishes("offer");
        body.set("/circumstances/locationSensitivity", sensitivity);
        body.set(
            "/believedAddress",
            Json::object([("addressKind", "residential".into()), ("postcode", "S1 2HH".into())]),
        );
        let members = vec![("body", body), ("clockClass", "urgent".into())];
        not_sent(court, "PRV-009", &format!("no address in a {sensitivity} offer"), members, |entry| {
            entry.at("/body/believedAddress").is_some()
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::stages;

    #[test]
    fn every_decision_of_the_case_on_forms_is_allowed_where_it_is_made() {
        let mut stage = "offered";
        for kind in ["acknowledge", "accept", "outcome", "retract", "correct"] {
            stage = stages::next(stage, kind, false).unwrap_or_else(|| panic!("{kind} in {stage}"));
        }
    }
}
