//! Section 8.3: new issues of the directory.

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, problem_of, refused};
use crate::draft::{Draft, bodies};
use crate::instant::{date, in_seconds, written};
use crate::json::Json;
use crate::jws::SigningKey;
use crate::wire::{Connection, Request};

/// A change to an issue.
type Spoil = fn(&mut Json);

/// A case in which the subject's operator puts issues in place.
const ISSUING: Case = Case { slow: true, needs: &["seed directory"], alone: true, ..CORE };

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "dir-takes-issues-that-follow-alone",
        claim: "An issue that breaks a rule of section 8.2 against the one held, or that no root key signed, is not taken.",
        checks: &["DIR-005"],
        run: follows,
        ..ISSUING
    },
    Case {
        name: "dir-takes-no-older-issue",
        claim: "An issue with a lower number, or another one with the same number, is not taken.",
        checks: &["DIR-006"],
        run: no_older,
        ..ISSUING
    },
    Case {
        name: "trn-looks-each-pin-up-in-the-issue-it-holds",
        claim: "A client pin that a new issue leaves out is unknown from then on, also on an open connection.",
        checks: &["TRN-004"],
        run: pin_goes,
        ..ISSUING
    },
    Case {
        name: "dir-goes-on-with-its-ledgers-past-grace",
        claim: "Past expiry and grace an offer of an unknown authority is unavailable, and existing ledgers go on.",
        checks: &["DIR-008"],
        run: past_grace,
        ..ISSUING
    },
    Case {
        name: "dir-takes-a-residuary-successor-for-its-authority",
        claim: "From the issue that names it, a successor writes and reads in the ledgers of an authority that ends.",
        checks: &["DIR-010"],
        run: successor,
        ..ISSUING
    },
];

/// Takes a good issue, after bad ones and before them, so that what was refused was refused for what it is.
fn good_issue(court: &mut Court<'_>) -> Found<()> {
    let good = court.next_issue(|_| {});
    court.take_issue(&good)
}

/// Hands over an issue that may not be taken.
fn not_taken(court: &mut Court<'_>, requirement: &'static str, what: &str, issue: &Json) -> Found<()> {
    let peer = court.peer()?;
    let before = court.held_issue(&peer)?;
    court.hand_issue(issue)?;
    let after = court.held_issue(&peer)?;
    ensure(before == after, requirement, &format!("no use of {what}"), "it is in use")
}

/// Changes the first authority of the suite in an issue.
fn first_of_suite(issue: &mut Json, change: impl FnOnce(&mut Json, &str)) {
    change(issue, "/authorities/1");
}

fn follows(court: &mut Court<'_>) -> Found<()> {
    good_issue(court)?;
    let stray = SigningKey::generate().map_err(|error| Miss::Suite(error.to_string()))?;
    let mut forged = court.next_issue(|_| {});
    let signature = stray.sign(forged.member("directory").unwrap_or(&Json::Null));
    forged.set("/signature", signature);
    not_taken(court, "DIR-005", "an issue that no root key signed", &forged)?;
    let changes: [(&str, Spoil); 9] = [
        ("an issue two numbers on", |issue| {
            let number = issue.integer_at("/issue").unwrap_or_default();
            issue.set("/issue", number + 1);
        }),
        ("an issue that names another before it", |issue| {
            issue.set("/previous", crate::encoding::digest_of_nothing());
        }),
        ("an issue that leaves an authority out", |issue| {
            let mut listed = issue.member("authorities").map(Json::items).unwrap_or_default().to_vec();
            listed.pop();
            issue.set("/authorities", listed);
        }),
        ("an issue that leaves a key out", |issue| {
            first_of_suite(issue, |issue, path| {
                let keys = issue.at(&format!("{path}/keys")).map(Json::items).unwrap_or_default();
                let kept = keys.iter().take(1).cloned().collect::<Vec<_>>();
                issue.set(&format!("{path}/keys"), kept);
            });
        }),
        ("an issue that undoes a revocation", |issue| {
            first_of_suite(issue, |issue, path| issue.remove(&format!("{path}/keys/2/revokedAt")));
        }),
        ("an issue with one code twice", |issue| {
            first_of_suite(issue, |issue, path| {
                let twin = issue.at(path).cloned().unwrap_or(Json::Null);
                let mut listed = issue.member("authorities").map(Json::items).unwrap_or_default().to_vec();
                listed.push(twin);
                issue.set("/authorities", listed);
            });
        }),
        ("an issue with one client pin twice", |issue| {
            let pins = issue.at("/authorities/2/clientPins").cloned().unwrap_or(Json::Null);
            issue.set("/authorities/1/clientPins", pins);
        }),
        ("an issue with a kid that is no thumbprint", |issue| {
            first_of_suite(issue, |issue, path| {
                let mut keys =
                    issue.at(&format!("{path}/keys")).map(Json::items).unwrap_or_default().to_vec();
                let mut added = keys.first().cloned().unwrap_or(Json::Null);
                added.set("/kid", crate::world::stray_kid());
                keys.push(added);
                issue.set(&format!("{path}/keys"), keys);
            });
        }),
        ("an issue that ended before it began", |issue| {
            issue.set("/expiresAt", written(in_seconds(-86_400)));
        }),
    ];
    for (what, change) in changes {
        let issue = court.next_issue(change);
        not_taken(court, "DIR-005", what, &issue)?;
    }
    good_issue(court)
}

fn no_older(court: &mut Court<'_>) -> Found<()> {
    let first = court.next_issue(|_| {});
    court.take_issue(&first)?;
    good_issue(court)?;
    not_taken(court, "DIR-006", "an older issue", &first)?;
    // The same number, in another wording.
    let held = court.bench.issues.newest();
    let mut other = held.member("directory").cloned().unwrap_or(Json::Null);
    other.set("/graceDays", other.integer_at("/graceDays").unwrap_or_default() + 1);
    let other = court.signed_issue(other);
    not_taken(court, "DIR-006", "another issue of the same number", &other)?;
    good_issue(court)
}

/// The place of an authority in the list of an issue.
fn place(issue: &Json, code: &str) -> String {
    let listed = issue.member("authorities").map(Json::items).unwrap_or_default();
    let at = listed.iter().position(|one| one.text_at("/code") == Some(code));
    format!("/authorities/{}", at.unwrap_or(usize::MAX))
}

fn pin_goes(court: &mut Court<'_>) -> Found<()> {
    let (peer, other) = (court.peer()?, court.peer()?);
    let target = court.target();
    let config = target.config(Some(&peer.client), false).map_err(Miss::Unreachable)?;
    let mut connection = Connection::open(&target, config).map_err(Miss::Unreachable)?;
    let request = Request::get(court.bench.subject.target("/v1/capabilities"));
    let first = connection.exchange(&request).map_err(Miss::Unreachable)?;
    if first.status != 200 {
        return Err(Miss::Unexercised(format!("capabilities: {}", first.status)));
    }
    let mut pins = Json::Null;
    let code = peer.code.clone();
    let issue = court.next_issue(|issue| {
        let path = format!("{}/clientPins", place(issue, &code));
        pins = issue.at(&path).cloned().unwrap_or(Json::Null);
        let fresh = crate::encoding::digest_of_bytes(format!("no certificate of {code}").as_bytes());
        issue.set(&path, vec![fresh.into()]);
    });
    court.take_issue(&issue)?;
    let again = connection.exchange(&request);
    court.read(&other, "/v1/capabilities")?;
    let back = court.next_issue(|issue| {
        let path = format!("{}/clientPins", place(issue, &code));
        issue.set(&path, pins);
    });
    court.take_issue(&back)?;
    let known = court.get(&peer, "/v1/capabilities")?;
    if known.status != 200 {
        return Err(Miss::Unexercised("the pin that came back is not known".into()));
    }
    match again {
        Ok(response) => refused("TRN-004", &["peer-unknown"], &response),
        // A server that ends connections of who has gone keeps the rule too.
        Err(_) => Ok(()),
    }
}

fn past_grace(court: &mut Court<'_>) -> Found<()> {
    let known = court.peer()?;
    let mut ledger = court.offered(&known)?;
    let stranger = court.stranger()?;
    let mut times = (Json::Null, Json::Null);
    let issue = court.next_issue(|issue| {
        let member = |name: &str| issue.member(name).cloned().unwrap_or(Json::Null);
        times = (member("expiresAt"), member("graceDays"));
        issue.set("/expiresAt", written(in_seconds(1)));
        issue.set("/graceDays", 0);
    });
    court.take_issue(&issue)?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let entry = court.draft(&stranger).sealed(&stranger.key);
    let response = court.put_once(&stranger, &entry)?;
    let goes_on = court.append(&known, &mut ledger, "supply-information");
    let offer = court.offered(&known);
    let back = court.next_issue(|issue| {
        issue.set("/expiresAt", times.0);
        issue.set("/graceDays", times.1);
    });
    court.take_issue(&back)?;
    let told = problem_of(&response).unwrap_or_else(|| response.status.to_string());
    ensure(told == "unavailable", "DIR-008", "unavailable to an offer of an unknown authority", told)?;
    for heard in [goes_on, offer.map(|_| ())] {
        if let Err(Miss::Unexercised(actual)) = heard {
            ensure(false, "DIR-008", "the ledgers of a known authority go on", actual)?;
        }
    }
    Ok(())
}

fn successor(court: &mut Court<'_>) -> Found<()> {
    let (ends, next) = (court.peer()?, court.peer()?);
    let ledger = court.offered(&ends)?;
    let (code, heir) = (ends.code.clone(), next.code.clone());
    let issue = court.next_issue(|issue| {
        let path = place(issue, &code);
        issue.set(&format!("{path}/validTo"), date(-1));
        let follows = Json::object([("code", heir.as_str().into()), ("residuary", true.into())]);
        issue.set(&format!("{path}/successors"), vec![follows]);
    });
    // By its own keys under the party's code.
    let entry =
        Draft::next(&ledger, "supply-information", bodies::of("supply-information")).sealed(&next.key);
    let before = court.put(&next, &entry)?;
    if !matches!(problem_of(&before).as_deref(), Some("not-a-party")) {
        return Err(Miss::Unexercised("a stranger could write into the ledger".into()));
    }
    court.take_issue(&issue)?;
    let response = court.put(&next, &entry)?;
    let told = court.receipted(&response, &entry, 201);
    ensure(told.is_ok(), "DIR-010", "201 to the residuary successor", told.err().unwrap_or_default())?;
    let page = court.read_ledger(&next, &ledger.transfer)?;
    let head = page.integer_at("/head/head/sequence");
    ensure(head == Some(1), "DIR-010", "the ledger for the residuary successor", format!("head {head:?}"))
}
