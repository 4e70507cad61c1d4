//! Section 8.3: by which directory the subject starts.

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure};
use crate::json::Json;
use crate::jws::SigningKey;

pub(in crate::cases) const CASES: &[Case] = &[Case {
    name: "dir-starts-by-the-root-of-its-configuration",
    claim: "An issue of another root key that stands in place at the start is not used, whatever its number.",
    checks: &["DIR-007"],
    slow: true,
    needs: &["seed directory", "process kill", "process start"],
    alone: true,
    run: starts,
    ..CORE
}];

/// Ends the process and puts an issue in place.
fn placed(court: &mut Court<'_>, issue: &Json) -> Found<()> {
    court.made_to("process", "kill", Vec::new())?;
    court.hand_issue(issue)
}

fn starts(court: &mut Court<'_>) -> Found<()> {
    let good = court.next_issue(|_| {});
    court.take_issue(&good)?;
    let peer = court.peer()?;
    let held = court.held_issue(&peer)?;
    let stray = SigningKey::generate().map_err(|error| Miss::Suite(error.to_string()))?;
    let roots = || Json::from(vec![Json::from(stray.public())]);
    let under_stray = |mut directory: Json| {
        directory.set("/rootKeys", roots());
        let signature = stray.sign(&directory);
        Json::object([("directory", directory), ("signature", signature.into())])
    };
    let part = |signed: &Json| signed.member("directory").cloned().unwrap_or(Json::Null);
    let next = under_stray(part(&court.next_issue(|_| {})));
    let mut first = part(&good);
    first.set("/issue", 1);
    first.set("/previous", Json::Null);
    let first = under_stray(first);
    let mut used = None;
    for (what, issue) in [("the next issue", next), ("a first issue", first)] {
        placed(court, &issue)?;
        // It may refuse to start as well.
        let started = court.bench.adapter.as_ref().map(|adapter| adapter.ask("process", "start", Vec::new()));
        if matches!(started, Some(Ok(_))) {
            court.awake()?;
            let now = court.held_issue(&peer)?;
            used = used.or_else(|| (now != held).then(|| format!("{what} of another root key is in use")));
        }
        let newest = court.bench.issues.newest();
        placed(court, &newest)?;
        court.made_to("process", "start", Vec::new())?;
        if used.is_some() {
            break;
        }
        court.awake()?;
        if court.held_issue(&peer)? != held {
            return Err(Miss::Unexercised("the subject does not come back by the issue that it held".into()));
        }
    }
    let told = used.clone().unwrap_or_default();
    ensure(used.is_none(), "DIR-007", "no use of an issue of another root key", told)
}
