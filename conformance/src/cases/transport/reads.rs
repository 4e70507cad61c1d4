//! Sections 9.2 and 9.3: what is read.

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, failed, refused};
use crate::draft::{Ledger, uuid};
use crate::encoding::digest;
use crate::json::Json;
use crate::wire::Response;
use crate::world::Authority;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "trn-ignores-unknown-query-members",
        claim: "A query member that the text does not know changes nothing.",
        checks: &["TRN-012"],
        run: unknown_query_members,
        ..CORE
    },
    Case {
        name: "trn-offers-every-operation",
        claim: "Each operation of section 9.3 is there, with the content that the text describes.",
        checks: &["TRN-013"],
        run: operations,
        ..CORE
    },
    Case {
        name: "trn-shows-a-ledger-to-its-parties-alone",
        claim: "A stranger to a ledger gets the bytes that a ledger nobody holds gets.",
        checks: &["TRN-014"],
        run: strangers,
        ..CORE
    },
    Case {
        name: "trn-gives-pages-in-order",
        claim: "Entries come in order without a gap from `from`, at most `limit`, and `more` is true when some are left.",
        checks: &["TRN-015"],
        run: pages,
        ..CORE
    },
];

/// A ledger of one offer and that many questions.
fn grown(court: &mut Court<'_>, peer: &Authority, questions: usize) -> Found<Ledger> {
    let mut ledger = court.offered(peer)?;
    for _ in 0..questions {
        court.append(peer, &mut ledger, "request-information")?;
    }
    Ok(ledger)
}

fn sequences(page: &Json) -> Vec<i64> {
    let entries = page.member("entries").map(Json::items).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.integer_at("/header/sequence")).collect()
}

fn unknown_query_members(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = grown(court, &peer, 1)?;
    let path = format!("/v1/transfers/{}/entries", ledger.transfer);
    for (path, query) in [
        (path.as_str(), "?conformance=1&from=1"),
        (&path, "?from=1&FROM=0&limit=1&x"),
        ("/v1/heads", "?conformance=1"),
        ("/v1/capabilities", "?conformance=1"),
        ("/v1/reconciliation", "?after=nothing"),
    ] {
        court.read(&peer, path)?;
        let response = court.get(&peer, &format!("{path}{query}"))?;
        let actual = response.status.to_string();
        ensure(response.status == 200, "TRN-012", &format!("200 for {query}"), actual)?;
        if query.contains("from=1") {
            let given = sequences(&Json::read(&response.content).unwrap_or(Json::Null));
            ensure(given == [1], "TRN-012", "the entry at 1 alone", format!("{given:?}"))?;
        }
    }
    Ok(())
}

fn operations(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    let capabilities = success(&court.get(&peer, "/v1/capabilities")?)?;
    check_capabilities(court, &capabilities)?;
    let page = success(&court.get(&peer, &format!("/v1/transfers/{}/entries", ledger.transfer))?)?;
    let told = court.check_head(page.member("head").unwrap_or(&Json::Null), 0, &ledger.digest, "offered");
    ensure(told.is_ok(), "TRN-013", "a signed head in a read", told.err().unwrap_or_default())?;
    let empty = page.member("forks").is_some_and(|forks| *forks == Json::Array(Vec::new()));
    ensure(empty, "TRN-013", "forks as an empty array", page.plain())?;
    let heads = success(&court.get(&peer, "/v1/heads")?)?;
    let cursor = heads.text_at("/next").unwrap_or_default().to_owned();
    let fits = (1..=64).contains(&cursor.len())
        && cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    ensure(fits, "TRN-013", "next as a cursor of section 9.3", cursor)?;
    let incarnation = heads.integer_at("/incarnation").is_some_and(|number| number >= 1);
    ensure(incarnation, "TRN-013", "incarnation in heads", heads.plain())?;
    let reconciliation = success(&court.get(&peer, "/v1/reconciliation")?)?;
    check_reconciliation(court, &peer, &reconciliation)
}

fn success(response: &Response) -> Found<Json> {
    let media_type = response.field("content-type").unwrap_or_default().to_ascii_lowercase();
    let document = Json::read(&response.content);
    match document {
        Ok(document) if response.status == 200 && media_type.starts_with("application/json") => Ok(document),
        _ => failed("TRN-013", "200 with a JSON object", format!("{} {media_type}", response.status)),
    }
}

fn check_capabilities(court: &Court<'_>, told: &Json) -> Found<()> {
    let own = told.text_at("/authority") == Some(court.bench.subject.code.as_str());
    ensure(own, "TRN-013", "the authority of this base URL", told.plain())?;
    let list = |name: &str, item: &str| {
        told.member(name).map(Json::items).unwrap_or_default().iter().any(|held| *held == Json::from(item))
    };
    ensure(
        list("protocols", "1.0") && list("profiles", "core"),
        "TRN-013",
        "protocol 1.0, profile core",
        told.plain(),
    )?;
    for path in ["/incarnation", "/directoryIssue", "/limits/depthMax", "/limits/pageItemsMax"] {
        let fits = told.integer_at(path).is_some_and(|number| number >= 1);
        ensure(fits, "TRN-013", &format!("{path} as an integer from 1"), told.plain())?;
    }
    for path in ["/software/name", "/software/version", "/directoryDigest"] {
        ensure(told.text_at(path).is_some(), "TRN-013", &format!("{path} as a string"), told.plain())?;
    }
    Ok(())
}

/// Count and digest are those of the heads that the subject lists (section 11.2).
fn check_reconciliation(court: &mut Court<'_>, peer: &Authority, signed: &Json) -> Found<()> {
    let told = court.check_signed(signed, "reconciliation", "cme-reconciliation", "/at");
    ensure(told.is_ok(), "TRN-013", "a signed reconciliation", told.err().unwrap_or_default())?;
    let mut heads: Vec<Json> = Vec::new();
    for head in crate::cases::recovery::all_heads(court, peer)? {
        let head = head.member("head").cloned().unwrap_or(Json::Null);
        let part = |name: &str| head.member(name).cloned().unwrap_or(Json::Null);
        heads.retain(|held| held.member("transfer") != head.member("transfer"));
        heads.push(Json::object([
            ("transfer", part("transfer")),
            ("sequence", part("sequence")),
            ("headerDigest", part("headerDigest")),
        ]));
    }
    heads.sort_by(|a, b| a.text_at("/transfer").cmp(&b.text_at("/transfer")));
    let count = i64::try_from(heads.len()).map_err(|error| Miss::Suite(error.to_string()))?;
    let expected = digest(&Json::object([("heads", heads.into())]));
    let content = signed.member("reconciliation").cloned().unwrap_or(Json::Null);
    let fits = content.integer_at("/ledgers") == Some(count)
        && content.text_at("/digest") == Some(&expected)
        && content.text_at("/by") == Some(&court.bench.subject.code)
        && content.text_at("/with") == Some(&peer.code);
    ensure(fits, "TRN-013", &format!("{count} ledgers and digest {expected}"), content.plain())
}

fn strangers(court: &mut Court<'_>) -> Found<()> {
    let (peer, other) = (court.peer()?, court.peer()?);
    let ledger = grown(court, &peer, 1)?;
    for query in ["", "?from=1&limit=1"] {
        let path = |transfer: &str| format!("/v1/transfers/{transfer}/entries{query}");
        court.read(&peer, &path(&ledger.transfer))?;
        let theirs = court.get(&other, &path(&ledger.transfer))?;
        let nobodys = court.get(&other, &path(&uuid()))?;
        court.read(&peer, &path(&ledger.transfer))?;
        for response in [&theirs, &nobodys] {
            refused("TRN-014", &["ledger-unknown"], response)?;
        }
        let same = shown(&theirs) == shown(&nobodys);
        ensure(same, "TRN-014", &shown(&nobodys), shown(&theirs))?;
    }
    // An id that is in no written form is unknown too.
    let response = court.get(&other, "/v1/transfers/1/entries")?;
    refused("TRN-014", &["ledger-unknown"], &response)
}

/// A response without what may differ from one to the next.
fn shown(response: &Response) -> String {
    let kept = |name: &str| !["date", "traceparent", "tracestate"].contains(&name);
    let mut fields: Vec<String> = response
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| kept(name))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    fields.sort();
    format!("{} {} {}", response.status, fields.join("; "), String::from_utf8_lossy(&response.content))
}

fn pages(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = grown(court, &peer, 4)?;
    let path = format!("/v1/transfers/{}/entries", ledger.transfer);
    let mut from = 0;
    while from <= ledger.sequence {
        let page = court.read(&peer, &format!("{path}?from={from}&limit=2"))?;
        let given = sequences(&page);
        let count = i64::try_from(given.len()).map_err(|error| Miss::Suite(error.to_string()))?;
        let in_order = given.iter().copied().eq(from..from + count);
        let fits = in_order && (1..=2).contains(&given.len());
        ensure(fits, "TRN-015", &format!("one or two entries from {from}"), format!("{given:?}"))?;
        let more = page.member("more") == Some(&Json::Bool(true));
        ensure(
            more == (from + count <= ledger.sequence),
            "TRN-015",
            "more exactly when entries are left",
            page.plain(),
        )?;
        from += count;
    }
    let page = court.read(&peer, &format!("{path}?from={from}"))?;
    let empty = sequences(&page).is_empty() && page.member("more") == Some(&Json::Bool(false));
    ensure(empty, "TRN-015", "no entries after the head, and no more", page.plain())?;
    for query in ["?limit=0", "?limit=1001", "?from=-1", "?from=x"] {
        let response = court.get(&peer, &format!("{path}{query}"))?;
        refused("TRN-015", &["cursor-invalid"], &response)?;
    }
    Ok(())
}
