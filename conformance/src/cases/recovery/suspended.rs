//! Section 11.2: a peer whose signed heads contradict what it signed before.

use std::time::{Duration, Instant};

use super::restores::{goes_on, is_suspended, offer_once, ordered_by_subject};
use crate::cases::{Case, DECIDING};
use crate::court::{Court, Found, Miss, Played, Reply, ensure, failed, refusal, wishes};
use crate::draft::{Draft, Ledger, bodies};
use crate::encoding::digest;
use crate::host::problem;
use crate::json::Json;

/// A case in which a pair is suspended.
const SUSPENDING: Case = Case { profile: "recovery", slow: true, ..DECIDING };

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "rcv-suspends-a-pair-whose-head-went-back",
        claim: "When a peer's head ends before a place that it receipted, its proposals are refused and nothing is decided.",
        checks: &["RCV-009"],
        run: went_back,
        ..SUSPENDING
    },
    Case {
        name: "rcv-suspends-a-pair-whose-head-names-another-header",
        claim: "When a peer's head names another header than the subject holds there, its proposals are refused.",
        checks: &["RCV-009"],
        run: another_header,
        ..SUSPENDING
    },
    Case {
        name: "rcv-goes-on-with-every-other-peer",
        claim: "While a pair is suspended, others' proposals and this peer's deliveries are taken.",
        checks: &["RCV-010"],
        run: others_go_on,
        ..SUSPENDING
    },
];

/// How often the subject is asked whether it has suspended the pair.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A suspended pair.
struct Suspended {
    played: Played,
    /// Ordered by the authority, which has forgotten its own entry 1.
    forgotten: String,
    /// Offered by the subject too, and whole.
    whole: String,
    /// Ordered by the subject.
    ordered: Ledger,
}

/// The subject learns that an authority, the sequencer, has forgotten an entry that it signed.
fn forgets(court: &mut Court<'_>) -> Found<Suspended> {
    let played = court.play()?;
    let ordered = ordered_by_subject(court, &played)?;
    let forgotten = court.offered_by_subject(&played)?.transfer;
    let whole = court.offered_by_subject(&played)?.transfer;
    let entry = played.append(&forgotten, "acknowledge");
    court.delivered(&played, &entry)?;
    played.forget(&forgotten, 1);
    let offer = played.entries(&forgotten).first().map_or(Json::Null, crate::draft::header_of);
    let head = Json::object([("sequence", 0.into()), ("headerDigest", digest(&offer).into())]);
    let gap = Reply::Bytes(refusal("sequence-gap", &[("head", head)]));
    let later = Reply::Bytes(problem(503, "unavailable", "Retry-After: 1\r\n"));
    // After the gap the subject reads; what it brings back is not taken yet.
    played.plan(vec![gap], Some(later));
    court.made_to_decide(&forgotten, "supply-information")?;
    Ok(Suspended { played, forgotten, whole, ordered })
}

/// Whether the subject refuses the authority's proposals within the time in which it acts by itself.
fn is_refused(court: &mut Court<'_>, played: &Played) -> Found<Result<(), String>> {
    let until = Instant::now() + court.bench.waits.act;
    loop {
        let (entry, response) = offer_once(court, played)?;
        if is_suspended(&response) {
            return Ok(Ok(()));
        }
        let told = court.receipted(&response, &entry, 201);
        if let Ok(receipt) = told {
            let ledger = Ledger::begun(&entry, receipt);
            ledger.entries.iter().for_each(|entry| played.store(&ledger.transfer, entry.clone()));
        }
        if Instant::now() > until {
            return Ok(Err(format!("an offer was answered {}", response.status)));
        }
        std::thread::sleep(ASK_EVERY);
    }
}

fn went_back(court: &mut Court<'_>) -> Found<()> {
    let pair = forgets(court)?;
    if let Err(actual) = is_refused(court, &pair.played)? {
        return failed("RCV-009", "pair-suspended after a head before a place that was signed for", actual);
    }
    let transfer = pair.ordered.transfer.as_str();
    let wish =
        vec![("transfer", transfer.into()), ("type", "acknowledge".into()), ("body", wishes("acknowledge"))];
    court.wish("trigger", "decide", wish)?;
    let page = court.read_ledger(&pair.played.peer, transfer)?;
    let entries = page.member("entries").map(Json::items).unwrap_or_default().len();
    ensure(entries == 1, "RCV-009", "no entry of the subject's own", format!("{entries} entries"))?;
    // The authority takes back what it lacks: the two go on.
    pair.played.plan(Vec::new(), None);
    let brought = |played: &Played| played.entries(&pair.forgotten).len() >= 2;
    if !pair.played.wait(court.bench.waits.act, brought) {
        return Err(Miss::Unexercised("what the authority lacks was not brought to it".into()));
    }
    goes_on(court, &pair.played)
}

fn another_header(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let ledger = ordered_by_subject(court, &played)?;
    let right = played.entries(&ledger.transfer);
    // The authority's copy begins with another offer, of which the subject knows nothing.
    let mut other = court.draft(&played.peer);
    other.header.set("/transfer", ledger.transfer.as_str());
    played.forget(&ledger.transfer, 0);
    played.store(&ledger.transfer, other.sealed(&played.peer.key));
    // A gap makes the subject read.
    let mut far = Draft::next(&ledger, "supply-information", bodies::of("supply-information"));
    far.header.set("/sequence", 5);
    court.put(&played.peer, &far.sealed(&played.peer.key))?;
    let told = is_refused(court, &played)?;
    played.forget(&ledger.transfer, 0);
    for entry in &right {
        played.store(&ledger.transfer, entry.clone());
    }
    if let Err(actual) = told {
        return failed("RCV-009", "pair-suspended after a head that names another header", actual);
    }
    goes_on(court, &played)
}

fn others_go_on(court: &mut Court<'_>) -> Found<()> {
    let before = court.peer()?;
    court.offered(&before)?;
    let pair = forgets(court)?;
    if let Err(actual) = is_refused(court, &pair.played)? {
        return Err(Miss::Unexercised(format!("the pair is not suspended: {actual}")));
    }
    let offer = court.draft(&before).sealed(&before.key);
    let response = court.put_once(&before, &offer)?;
    let told = court.receipted(&response, &offer, 201);
    ensure(told.is_ok(), "RCV-010", "201 to another authority's offer", told.err().unwrap_or_default())?;
    let entry = pair.played.append(&pair.whole, "acknowledge");
    let response = court.put(&pair.played.peer, &entry)?;
    let told = court.receipted(&response, &entry, 201);
    ensure(
        told.is_ok(),
        "RCV-010",
        "201 to a delivery of the same authority",
        told.err().unwrap_or_default(),
    )?;
    let (_, still) = offer_once(court, &pair.played)?;
    if !is_suspended(&still) {
        return Err(Miss::Unexercised("the pair was not suspended any more".into()));
    }
    pair.played.plan(Vec::new(), None);
    goes_on(court, &pair.played)
}
