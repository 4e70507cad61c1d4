//! Section 14.2: two ledgers with an accept of one responsibility. The suite makes both, and their exports.

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, Played, ensure};
use crate::draft::{Draft, receipt_by, with_receipts};
use crate::instant::{now, written};
use crate::json::Json;
use crate::world::Authority;

pub(in crate::cases) const CASES: &[Case] = &[Case {
    name: "ver-names-who-offered-twice",
    claim: "Of two accepts of one responsibility and one epoch the verifier names who offered, and of two others nobody.",
    checks: &["VER-008"],
    needs: &["observe verdict"],
    run: offered_twice,
    ..CORE
}];

/// An export of a ledger between two authorities of the suite: an offer of that responsibility, and an accept
/// where there is to be one.
fn exported(court: &Court<'_>, author: &Authority, responsibility: &Json, accepts: bool) -> Found<Json> {
    let receiving = court.peer()?;
    let played = Played::between(&receiving, &author.code);
    let mut draft = Draft::offer(&author.code, &receiving.code);
    draft.header.set("/responsibility", responsibility.clone());
    let offer = draft.sealed(&author.key);
    let transfer = offer.text_at("/header/transfer").unwrap_or_default().to_owned();
    let receipt = receipt_by(&receiving.code, &receiving.key, &offer);
    played.store(&transfer, with_receipts(&offer, vec![receipt]));
    if accepts {
        played.append(&transfer, "accept");
    }
    let entries = played.entries(&transfer);
    Ok(Json::object([
        ("format", "cme-ledger/1".into()),
        ("transfer", transfer.as_str().into()),
        ("originating", author.code.as_str().into()),
        ("receiving", receiving.code.as_str().into()),
        ("exportedBy", receiving.code.as_str().into()),
        ("exportedAt", written(now()).into()),
        ("head", played.head(&entries)),
        ("entries", entries.into()),
        ("peerHeads", Json::Array(Vec::new())),
        ("forks", Json::Array(Vec::new())),
    ]))
}

fn offered_twice(court: &mut Court<'_>) -> Found<()> {
    let author = court.peer()?;
    // The program that verifies belongs to the subject that answers.
    court.read(&author, "/v1/capabilities")?;
    let directory = court.bench.issues.newest();
    let of = |epoch: i64| Json::object([("id", crate::draft::uuid().into()), ("epoch", epoch.into())]);
    let (one, other) = (of(1), of(1));
    let mut later = one.clone();
    later.set("/epoch", 2);
    let pairs = [
        ("one responsibility and epoch", (&one, true), true),
        ("another responsibility", (&other, true), false),
        ("another epoch", (&later, true), false),
        ("one that is not accepted", (&one, false), false),
    ];
    let first = exported(court, &author, &one, true)?;
    for (what, (responsibility, accepts), twice) in pairs {
        let second = exported(court, &author, responsibility, accepts)?;
        let members = vec![
            ("export", first.plain().into()),
            ("second", second.plain().into()),
            ("directory", directory.clone()),
        ];
        let told = court.made_to("observe", "verdict", members)?;
        let proof = told.member("proof").cloned().unwrap_or(Json::Null);
        if proof == Json::Null {
            let findings = told.member("findings").map(Json::plain).unwrap_or_default();
            return Err(Miss::Unexercised(format!("a sound export is not proven: {findings}")));
        }
        let named = told.member("offeredTwice").map(Json::items).unwrap_or_default();
        let fits = if twice { named.contains(&author.code.as_str().into()) } else { named.is_empty() };
        let expected = if twice { author.code.as_str() } else { "nobody" };
        let actual = Json::Array(named.to_vec()).plain();
        ensure(fits, "VER-008", &format!("{expected} named of {what}"), actual)?;
    }
    Ok(())
}
