//! Section 10, and what section 9 asks of a client: the subject reads from the suite.
//!
//! A server that answers `sequence-gap` reads the caller's copy. That makes it act as a client without any
//! trigger by its vendor.

pub(super) mod catching_up;
pub(super) mod retrying;
pub(super) mod sending;

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, failed};
use crate::draft::{Draft, Ledger, bodies, uuid};
use crate::encoding::digest_of_nothing;
use crate::host::{Seen, document, message, problem};
use crate::instant::{now, written};
use crate::json::Json;
use crate::wire::Answer;
use crate::world::{Authority, Kind};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "dlv-reads-the-ledger-after-a-gap",
        claim: "A server that answers sequence-gap reads the ledger from the caller's server.",
        checks: &["DLV-012"],
        slow: true,
        run: reads_after_a_gap,
        ..CORE
    },
    Case {
        name: "dlv-checks-what-it-reads",
        claim: "An entry that is read without the sequencer's receipt is not stored.",
        checks: &["DLV-013"],
        slow: true,
        run: checks_what_it_reads,
        ..CORE
    },
    Case {
        name: "trn-calls-pinned-servers-alone",
        claim: "No request goes to a server whose certificate is not pinned for the authority.",
        checks: &["TRN-005"],
        slow: true,
        run: pinned_servers_alone,
        ..CORE
    },
    Case {
        name: "trn-tells-its-incarnation",
        claim: "Requests carry CME-Incarnation as a decimal integer, that of the capabilities.",
        checks: &["TRN-009"],
        slow: true,
        run: tells_incarnation,
        ..CORE
    },
    Case {
        name: "trn-follows-no-redirect",
        claim: "A redirect is not followed.",
        checks: &["TRN-010"],
        slow: true,
        run: no_redirect,
        ..CORE
    },
    Case {
        name: "trn-puts-nothing-else-in-urls",
        claim: "URLs hold the base URL, the paths of section 9.3 and the query members from, limit and after.",
        checks: &["TRN-011"],
        slow: true,
        run: plain_urls,
        ..CORE
    },
];

/// Makes the subject answer `sequence-gap` to a ledger of one offer, so that it reads the suite's copy.
fn provoke(court: &mut Court<'_>, peer: &Authority, ledger: &Ledger) -> Found<()> {
    let mut draft = Draft::next(ledger, "supply-information", bodies::of("supply-information"));
    draft.header.set("/sequence", ledger.sequence + 2);
    draft.header.set("/previous", digest_of_nothing());
    let response = court.put(peer, &draft.sealed(&peer.key))?;
    if crate::court::problem_of(&response).as_deref() == Some("sequence-gap") {
        Ok(())
    } else {
        Err(Miss::Unexercised(format!("a gap was answered {}", response.status)))
    }
}

/// A head of the suite's for a ledger of its own.
fn head(court: &Court<'_>, peer: &Authority, ledger: &Ledger, sequence: i64, digest: &str) -> Json {
    let head = Json::object([
        ("transfer", ledger.transfer.as_str().into()),
        ("originating", peer.code.as_str().into()),
        ("receiving", court.bench.subject.code.as_str().into()),
        ("sequence", sequence.into()),
        ("headerDigest", digest.into()),
        ("stage", "offered".into()),
        ("at", written(now()).into()),
        ("by", peer.code.as_str().into()),
        ("incarnation", 1.into()),
        ("directoryIssue", 1.into()),
    ]);
    let signature = peer.key.sign(&head);
    Json::object([("head", head), ("signature", signature.into())])
}

/// A page with these entries.
fn page(entries: Vec<Json>, head: Json) -> Json {
    Json::object([
        ("entries", entries.into()),
        ("more", false.into()),
        ("head", head),
        ("forks", Json::Array(Vec::new())),
    ])
}

/// A peer that shows its copy of a ledger, the subject made to read it, and its requests.
fn read_by_subject(court: &mut Court<'_>) -> Found<(std::sync::Arc<Authority>, Vec<Seen>)> {
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    let shown = page(ledger.entries.clone(), head(court, &peer, &ledger, 0, &ledger.digest));
    court.bench.host.play(&peer.code, move |request| {
        let wanted = request.target.contains("/v1/transfers/");
        Answer::Bytes(if wanted {
            document(200, &shown)
        } else {
            problem(503, "unavailable", "Retry-After: 3600\r\n")
        })
    });
    provoke(court, &peer, &ledger)?;
    let path = format!("/v1/transfers/{}/entries", ledger.transfer);
    let seen = court.bench.host.wait(&peer.code, &path, court.bench.waits.act);
    Ok((peer, seen))
}

/// The same, where a read has to come for the case to go on.
fn has_read(court: &mut Court<'_>) -> Found<(std::sync::Arc<Authority>, Vec<Seen>)> {
    let (peer, seen) = read_by_subject(court)?;
    if seen.is_empty() {
        return Err(Miss::Unexercised("the subject did not read the ledger after a gap".into()));
    }
    Ok((peer, seen))
}

fn reads_after_a_gap(court: &mut Court<'_>) -> Found<()> {
    let (_, seen) = read_by_subject(court)?;
    let waited = court.bench.waits.act.as_secs_f32();
    ensure(!seen.is_empty(), "DLV-012", "a read of the ledger", format!("none in {waited} s"))?;
    let pin = seen[0].pin.clone().unwrap_or_default();
    let known = court.bench.subject.client_pins.contains(&pin);
    ensure(known, "DLV-012", "a read under a client pin of the subject", pin)
}

fn checks_what_it_reads(court: &mut Court<'_>) -> Found<()> {
    has_read(court)?;
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    // The author alone vouches for it: so it is no entry of the ledger.
    let stray = Draft::next(&ledger, "withdraw", bodies::of("withdraw")).sealed(&peer.key);
    let digest = crate::encoding::digest(&crate::draft::header_of(&stray));
    let mut entries = ledger.entries.clone();
    entries.push(stray);
    let head = head(court, &peer, &ledger, 1, &digest);
    court.bench.host.play(&peer.code, move |request| {
        let from: usize = query(&request.target, "from").and_then(|from| from.parse().ok()).unwrap_or(0);
        let left = entries.iter().skip(from).cloned().collect();
        let wanted = request.target.contains("/v1/transfers/");
        Answer::Bytes(if wanted {
            document(200, &page(left, head.clone()))
        } else {
            problem(503, "unavailable", "Retry-After: 3600\r\n")
        })
    });
    provoke(court, &peer, &ledger)?;
    let path = format!("/v1/transfers/{}/entries", ledger.transfer);
    if court.bench.host.wait(&peer.code, &path, court.bench.waits.act).is_empty() {
        return Err(Miss::Unexercised("the subject did not read the ledger after a gap".into()));
    }
    // The barrier: another read by the subject, provoked after this one.
    has_read(court)?;
    let page = court.read_ledger(&peer, &ledger.transfer)?;
    let head = page.integer_at("/head/head/sequence");
    ensure(head == Some(0), "DLV-013", "the ledger without what was read", format!("head {head:?}"))
}

fn query<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|member| member.strip_prefix(name)?.strip_prefix('='))
}

fn pinned_servers_alone(court: &mut Court<'_>) -> Found<()> {
    has_read(court)?;
    let wrong = court.authority(Kind::WrongPin)?;
    let ledger = court.offered(&wrong)?;
    provoke(court, &wrong, &ledger)?;
    has_read(court)?;
    // The first barrier may have overtaken it; a second one has been waited for as long again.
    has_read(court)?;
    let seen = court.bench.host.seen(&wrong.code, "");
    let actual = seen.first().map_or_else(String::new, |seen| seen.request.target.clone());
    ensure(seen.is_empty(), "TRN-005", "no request to a server that is not pinned", actual)
}

fn tells_incarnation(court: &mut Court<'_>) -> Found<()> {
    let (peer, seen) = has_read(court)?;
    let capabilities = court.read(&peer, "/v1/capabilities")?;
    let own = capabilities.integer_at("/incarnation").map(|number| number.to_string());
    for seen in seen {
        let told = seen.request.field("CME-Incarnation").map(str::to_owned);
        ensure(told.is_some() && told == own, "TRN-009", &format!("{own:?}"), format!("{told:?}"))?;
    }
    Ok(())
}

fn no_redirect(court: &mut Court<'_>) -> Found<()> {
    has_read(court)?;
    let (peer, elsewhere) = (court.peer()?, court.peer()?);
    let ledger = court.offered(&peer)?;
    let aside = format!("/v1/transfers/{}/entries", uuid());
    let location = format!("{}{aside}", court.bench.world.base_url_of(&elsewhere.code));
    court.bench.host.play(&peer.code, move |_| {
        Answer::Bytes(message(307, "text/html", &format!("Location: {location}\r\n"), ""))
    });
    provoke(court, &peer, &ledger)?;
    let path = format!("/v1/transfers/{}/entries", ledger.transfer);
    if court.bench.host.wait(&peer.code, &path, court.bench.waits.act).is_empty() {
        return Err(Miss::Unexercised("the subject did not read the ledger after a gap".into()));
    }
    has_read(court)?;
    let followed = court.bench.host.seen(&elsewhere.code, &aside);
    let actual = followed.first().map_or_else(String::new, |seen| seen.request.target.clone());
    ensure(followed.is_empty(), "TRN-010", "no request to where the redirect points", actual)
}

fn plain_urls(court: &mut Court<'_>) -> Found<()> {
    let (peer, _) = has_read(court)?;
    for seen in court.bench.host.seen(&peer.code, "") {
        let target = seen.request.target.clone();
        if !is_plain(&peer.code, &target) {
            return failed("TRN-011", "a path and query members of section 9.3", target);
        }
    }
    Ok(())
}

/// Whether a target is one of the operations, with nothing but their own members.
fn is_plain(code: &str, target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    let known = |allowed: &[&str]| {
        query.is_empty() || query.split('&').all(|member| allowed.iter().any(|name| member.starts_with(name)))
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match steps[..] {
        [own, "v1", "capabilities" | "reconciliation"] if own == code => query.is_empty(),
        [own, "v1", "heads"] if own == code => known(&["after="]),
        [own, "v1", "transfers", id, "entries"] if own == code => {
            id.len() == 36 && known(&["from=", "limit="])
        }
        [own, "v1", "transfers", id, "entries", at] if own == code => {
            id.len() == 36 && digits(at) && query.is_empty()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_plain_or_not() {
        let id = uuid();
        for plain in [
            "/001/v1/capabilities".to_owned(),
            format!("/001/v1/transfers/{id}/entries?from=1&limit=2"),
            format!("/001/v1/transfers/{id}/entries/0"),
            "/001/v1/heads?after=x".to_owned(),
        ] {
            assert!(is_plain("001", &plain), "{plain}");
        }
        for other in [
            "/001/v1/capabilities?child=Ada".to_owned(),
            format!("/001/v1/transfers/{id}/entries?from=1&name=Ada"),
            format!("/001/v2/transfers/{id}/entries"),
            "/002/v1/heads".to_owned(),
        ] {
            assert!(!is_plain("001", &other), "{other}");
        }
    }
}
