//! Whether a run can tell anything at all: the subject is reached, is the one declared, and works by the
//! directory that `init` made.

use serde::Serialize;

use crate::adapter::Adapter;
use crate::court::{Bench, Court, Miss};
use crate::declaration::Profiles;
use crate::encoding::digest;
use crate::instant;
use crate::json::Json;

/// Seconds by which the two clocks may differ.
const CLOCKS_APART_SECONDS_MAX: i64 = 60;

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Look {
    pub(crate) what: &'static str,
    pub(crate) holds: bool,
    pub(crate) seen: String,
}

/// Looks at everything that a run rests on; the first that does not hold ends it.
pub(crate) fn look(bench: &Bench, profiles: Profiles, directory: &Json) -> Vec<Look> {
    let mut looks = Vec::new();
    let mut note = |what: &'static str, told: Result<String, String>| {
        let holds = told.is_ok();
        looks.push(Look { what, holds, seen: told.unwrap_or_else(|error| error) });
        holds
    };
    let mut court = Court::open(bench);
    let capabilities = court.peer().and_then(|peer| {
        let response = court.get(&peer, "/v1/capabilities")?;
        Ok((peer, response))
    });
    let (peer, response) = match capabilities {
        Ok(both) => both,
        Err(miss) => {
            note("the subject answers over TLS under a server pin of its record", Err(told(miss)));
            return looks;
        }
    };
    note("the subject answers over TLS under a server pin of its record", Ok("it does".into()));
    let capabilities = Json::read(&response.content).unwrap_or(Json::Null);
    let own = capabilities.text_at("/authority") == Some(&bench.subject.code);
    let seen = format!("{} {}", response.status, capabilities.plain());
    let fits = response.status == 200 && own;
    if !note(
        "it knows the suite's authorities and is the one declared",
        if fits { Ok("it does".into()) } else { Err(seen) },
    ) {
        return looks;
    }
    let expected = directory.member("directory").map(digest).unwrap_or_default();
    let held = capabilities.text_at("/directoryDigest").unwrap_or("none").to_owned();
    let same = held == expected;
    if !note(
        "it works by directory.json",
        if same { Ok(held) } else { Err(format!("its issue has digest {held}, not {expected}")) },
    ) {
        return looks;
    }
    let listed = capabilities.member("profiles").map(Json::items).unwrap_or_default();
    let differs = |name: &&str| listed.contains(&Json::from(*name)) != profiles.has(name);
    let differing: Vec<&str> = ["core", "recovery", "records"].into_iter().filter(differs).collect();
    let seen = format!("they differ in {}", differing.join(", "));
    note(
        "its capabilities list the profiles declared",
        if differing.is_empty() { Ok("they do".into()) } else { Err(seen) },
    );
    let reconciliation = court.read(&peer, "/v1/reconciliation").ok();
    let at = reconciliation
        .as_ref()
        .and_then(|signed| signed.text_at("/reconciliation/at"))
        .and_then(instant::read);
    let apart = at.map(|at| at.duration_since(instant::now()).as_secs());
    let seen =
        apart.map_or("it tells no time in its reconciliation".into(), |seconds| format!("{seconds} s apart"));
    let near = apart.is_some_and(|seconds| seconds.abs() <= CLOCKS_APART_SECONDS_MAX);
    note("its clock and this one agree within a minute", if near { Ok(seen) } else { Err(seen) });
    let adapter = bench.adapter.as_ref().map(Adapter::told);
    let without = "there is none: what needs one is not exercised";
    note("an adapter makes it act", Ok(adapter.unwrap_or_else(|| without.to_owned())));
    looks
}

fn told(miss: Miss) -> String {
    match miss {
        Miss::Unreachable(error) => error.to_string(),
        Miss::Unexercised(reason) | Miss::Suite(reason) => reason,
        Miss::Failed(failure) => failure.actual,
    }
}

/// Whether the subject still answers.
pub(crate) fn is_reached(bench: &Bench) -> bool {
    let mut court = Court::open(bench);
    court.peer().and_then(|peer| court.get(&peer, "/v1/capabilities")).is_ok()
}
