//! Section 13.1 and 13.3: what logs hold, and what an answer to a put tells of the subject's own register.

use std::time::{Duration, Instant};

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, problem_of};
use crate::draft::bodies::CANARY;
use crate::draft::statements::subject;
use crate::json::Json;
use crate::wire::Response;
use crate::world::Authority;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "prv-keeps-bodies-out-of-logs",
        claim: "No value of a body that was taken, refused or written stands in logs, traces, metrics or alerts.",
        checks: &["PRV-001"],
        needs: &["trigger offer", "observe log"],
        run: no_logs,
        ..CORE
    },
    Case {
        name: "prv-answers-a-put-whoever-is-in-the-register",
        claim: "A put about a child of the register, shielded there or not, is answered as one about any other, and as soon.",
        checks: &["PRV-010"],
        profile: "queries",
        needs: &["seed child"],
        run: register_untold,
        ..CORE
    },
];

/// Values of the suite's bodies, each of which stands in bodies alone.
const VALUES: [&str; 5] = [CANARY, "Sam Invented", "B373000020001", "9990000018", "2015-03-14"];

/// Puts of each kind, of which the quickest counts.
const ROUNDS: usize = 5;

/// How much longer the quickest answer about one child may take than that about another: far more than
/// looking a child up costs, since a machine may be busy.
const APART_MAX: Duration = Duration::from_millis(200);

fn logged(court: &mut Court<'_>) -> Found<Vec<Json>> {
    let told = court.made_to("observe", "log", Vec::new())?;
    Ok(told.member("texts").map(Json::items).unwrap_or_default().to_vec())
}

fn no_logs(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let peer = played.peer.clone();
    let mut seen = logged(court)?;
    court.offered(&peer)?;
    for path in ["/child/sex", "/circumstances/reason"] {
        let mut draft = court.draft(&peer);
        draft.body.set(path, format!("{CANARY}nvogel"));
        let entry = draft.sealed(&peer.key);
        let response = court.put(&peer, &entry)?;
        let told = problem_of(&response).unwrap_or_else(|| response.status.to_string());
        if told != "body-invalid" {
            return Err(Miss::Unexercised(format!("a body out of form was answered {told}")));
        }
    }
    let mut broken = court.draft(&peer).sealed(&peer.key).plain().into_bytes();
    broken.pop();
    court.put_bytes(&peer, &crate::draft::uuid(), 0, broken)?;
    court.offered_by_subject(&played)?;
    let mut wish = crate::court::wishes("offer");
    wish.remove("/capacity");
    court.trigger_offer(&peer.code, vec![("body", wish)])?;
    seen.extend(logged(court)?);
    let texts: Vec<&str> = seen.iter().filter_map(|text| text.text_at("")).collect();
    if texts.iter().all(|text| text.trim().is_empty()) {
        return Err(Miss::Unexercised("the adapter shows an empty log".into()));
    }
    let lines = texts.iter().flat_map(|text| text.lines());
    let found = lines.filter_map(|line| {
        let value = VALUES.iter().find(|value| line.contains(**value))?;
        Some(format!("{value} in {line}"))
    });
    let told = found.take(1).collect::<String>();
    ensure(told.is_empty(), "PRV-001", "no value of a body", told)
}

/// What a response tells beside the values that differ anyway.
fn shape(response: &Response) -> String {
    let document = Json::read(&response.content).unwrap_or(Json::Null);
    let names = |value: Option<&Json>| -> Vec<String> {
        value.map(Json::members).unwrap_or_default().iter().map(|(name, _)| name.clone()).collect()
    };
    let problem = problem_of(response).unwrap_or_default();
    let pointer = document.text_at("/pointer").unwrap_or_default();
    let (all, receipt) = (names(Some(&document)), names(document.member("receipt")));
    format!("{} {problem} {pointer} {all:?} {receipt:?}", response.status)
}

/// The answer to an offer about a child, or to one out of form, and the shortest time that it took of several.
fn answer(court: &mut Court<'_>, peer: &Authority, child: &Json, right: bool) -> Found<(String, Duration)> {
    let (mut told, mut quickest) = (String::new(), Duration::MAX);
    for _ in 0..ROUNDS {
        let mut draft = court.draft(peer);
        for name in ["familyName", "givenName", "dateOfBirth", "sex"] {
            draft.body.set(&format!("/child/{name}"), child.member(name).cloned().unwrap_or(Json::Null));
        }
        if !right {
            draft.body.set("/capacity", "none");
        }
        let entry = draft.sealed(&peer.key);
        let begun = Instant::now();
        let response = court.put(peer, &entry)?;
        quickest = quickest.min(begun.elapsed());
        told = shape(&response);
    }
    Ok((told, quickest))
}

fn register_untold(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    court.offered(&peer)?;
    let (known, shielded) = (subject(), subject());
    court.made_to("seed", "child", vec![("child", known.clone()), ("shielded", false.into())])?;
    court.made_to("seed", "child", vec![("child", shielded.clone()), ("shielded", true.into())])?;
    for right in [true, false] {
        let (wanted, usual) = answer(court, &peer, &subject(), right)?;
        if right && !wanted.starts_with("201") {
            return Err(Miss::Unexercised(format!("an offer of a child whom nobody knows: {wanted}")));
        }
        for (who, child) in [("a child of the register", &known), ("a shielded child", &shielded)] {
            let (told, quickest) = answer(court, &peer, child, right)?;
            ensure(told == wanted, "PRV-010", &format!("{wanted} about {who}"), told)?;
            let expected = format!("an answer about {who} as soon as about another ({usual:?})");
            let alike = quickest.abs_diff(usual) <= APART_MAX;
            ensure(alike, "PRV-010", &expected, format!("{quickest:?}"))?;
        }
    }
    Ok(())
}
