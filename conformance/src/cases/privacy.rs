//! Section 13: privacy.

pub(super) mod silence;

use super::{CORE, Case};
use crate::court::{Court, Found, ensure, problem_of, same_receipt};
use crate::draft::{Draft, bodies};
use crate::instant::{now, written};
use crate::json::Json;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "prv-keeps-bodies-out-of-problems",
        claim: "No problem repeats a value of the body that it refuses.",
        checks: &["PRV-002"],
        run: no_values,
        ..CORE
    },
    Case {
        name: "prv-takes-erased-bodies-in-deliveries",
        claim: "An entry that comes back erased, with its receipts, is known, and what is held of it stays.",
        checks: &["PRV-006"],
        run: erased,
        ..CORE
    },
];

fn no_values(court: &mut Court<'_>) -> Found<()> {
    const CANARY: &str = "Kanarienvogel";
    let spoils: [fn(&mut Draft); 6] = [
        |draft| draft.body.set("/circumstances/reason", CANARY),
        |draft| draft.body.set("/child/dateOfBirth", CANARY),
        |draft| draft.body.set("/child/upn", CANARY),
        |draft| draft.body.set("/risks", vec![CANARY.into(), CANARY.into()]),
        |draft| draft.body.set("/child/sex", CANARY),
        |draft| draft.body.remove("/capacity"),
    ];
    let peer = court.peer()?;
    for spoil in spoils {
        let mut draft = court.draft(&peer);
        draft.body.set("/child/familyName", CANARY);
        spoil(&mut draft);
        let entry = draft.sealed(&peer.key);
        let mut content = String::new();
        court.between_twins(&peer, "PRV-002", &["body-invalid"], |court| {
            let response = court.put(&peer, &entry)?;
            content = String::from_utf8_lossy(&response.content).into_owned();
            Ok(response)
        })?;
        let silent = !content.contains(CANARY) && !content.contains(bodies::CANARY);
        ensure(silent, "PRV-002", "a problem without values of the body", content)?;
    }
    Ok(())
}

fn erased(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut ledger = court.offered(&peer)?;
    court.append(&peer, &mut ledger, "withdraw")?;
    let mut erased = ledger.entries[0].clone();
    erased.set("/body", Json::Null);
    erased.set("/erasedAt", written(now()));
    let response = court.put(&peer, &erased)?;
    let told = court.receipted(&response, &erased, 200);
    let actual = problem_of(&response).unwrap_or_else(|| told.clone().err().unwrap_or_default());
    ensure(told.is_ok(), "PRV-006", "200 with the receipt for an erased entry", actual)?;
    let page = court.read_ledger(&peer, &ledger.transfer)?;
    let held = page.at("/entries/0").cloned().unwrap_or(Json::Null);
    let whole =
        held.member("body").map(Json::canonical) == ledger.entries[0].member("body").map(Json::canonical);
    let gone = held.member("body") == Some(&Json::Null) && held.text_at("/erasedAt").is_some();
    let kept = ["header", "signature"].into_iter().all(|part| {
        held.member(part).map(Json::canonical) == ledger.entries[0].member(part).map(Json::canonical)
    });
    let receipt = |entry: &Json| entry.at("/receipts/0").cloned().unwrap_or(Json::Null);
    let kept = kept && same_receipt(&receipt(&held), &receipt(&ledger.entries[0]));
    ensure(
        kept && (whole || gone),
        "PRV-006",
        "header, signature and receipts, with the body or erasedAt",
        held.plain(),
    )
}
