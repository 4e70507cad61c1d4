//! A peer whose signed heads go back, played by the test at the peer's address.

use std::sync::{Arc, Mutex};

use cme_spec::entry::{Entry, EntryType as E};
use cme_spec::envelope::Envelope;
use cme_spec::example::code;
use cme_spec::ledger::Ledger;
use cme_spec::operation::list_heads::HeadPage;
use cme_spec::receipt::{Head, ReconciledHead, Reconciliation, reconciliation_digest};
use serde_json::{Value, json};

use crate::proxy::{Proxy, page};
use crate::support::{Party, World, body, until};
use crate::wire::{ledger_of, next, now, offer, receipt};

/// Sheffield, as the test plays it.
struct Sheffield {
    proxy: Option<Proxy>,
    /// The last entry of each ledger that it tells of.
    tells: Arc<Mutex<Vec<(Ledger, Entry)>>>,
}

impl Sheffield {
    fn answer(world: &World) -> Self {
        let tells: Arc<Mutex<Vec<(Ledger, Entry)>>> = Arc::default();
        let (told, key) = (Arc::clone(&tells), world.party("373").signing_key());
        let answer = move |request: &str| {
            let told = told.lock().unwrap();
            if request.starts_with("GET /373/v1/reconciliation") {
                let said = reconciliation(&told);
                let said = Envelope::sign(said, &key).to_json().canonical_text();
                return page("200 OK", "application/json", &said);
            }
            if !request.starts_with("GET /373/v1/heads") {
                return page("404 Not Found", "text/html", "nothing here");
            }
            let head = |(ledger, last): &(Ledger, Entry)| {
                let content = Head {
                    transfer: ledger.terms.transfer,
                    originating: code("373"),
                    receiving: code("330"),
                    sequence: last.header().sequence,
                    header_digest: last.header_digest(),
                    stage: ledger.stage(),
                    at: now(),
                    by: code("373"),
                    incarnation: 1,
                    directory_issue: 1,
                };
                Envelope::sign(content, &key).to_json()
            };
            let heads = told.iter().map(head).collect();
            let heads = HeadPage { incarnation: 1, heads, next: "1.1".to_owned(), more: false };
            page("200 OK", "application/json", &serde_json::to_string(&heads).unwrap())
        };
        Self { proxy: Some(Proxy::answering(world.party("373"), answer)), tells }
    }

    fn tells(&self, all: &[(&Ledger, &Entry)]) {
        let all = all.iter().map(|(ledger, entry)| ((*ledger).clone(), (*entry).clone()));
        *self.tells.lock().unwrap() = all.collect();
    }
}

fn reconciliation(told: &[(Ledger, Entry)]) -> Reconciliation {
    let head = |(ledger, last): &(Ledger, Entry)| ReconciledHead {
        transfer: ledger.terms.transfer,
        sequence: last.header().sequence,
        header_digest: last.header_digest(),
    };
    Reconciliation {
        by: code("373"),
        with: code("330"),
        // One more than it tells of: the heads are read whatever their digest.
        ledgers: told.len() as u64 + 1,
        digest: reconciliation_digest(told.iter().map(head).collect()),
        at: now(),
        incarnation: 1,
        directory_issue: 1,
    }
}

fn standing(party: &Party, of: &str) -> Value {
    let list = party.office(&["list"], None);
    let peers = list["peers"].as_array().unwrap();
    peers.iter().find(|peer| peer["authority"] == of).map_or(json!("level"), |peer| peer["standing"].clone())
}

fn entry(export: &str, place: usize) -> Entry {
    let text = &crate::support::entries_of(export)[place];
    let json = cme_spec::canonical::Json::decode(text.as_bytes(), &cme_spec::canonical::Limits::ENTRY);
    Entry::read(&json.unwrap()).unwrap()
}

/// Birmingham holds an offer and its own acknowledge; Sheffield has just told that it holds both.
fn level() -> (World, Sheffield, Ledger, [Entry; 2]) {
    let mut world = World::new(&["373", "330", "383"]);
    // A round follows each start; what a day would do is done by starting again.
    world.party_mut("330").start();
    let offer = offer(&world, "373", "330", 1, |_| {});
    assert_eq!(world.wire("373", "330").put(&offer).status, 201);
    let transfer = offer.header().transfer.to_string();
    world.party("330").decide("acknowledge", E::Acknowledge, &transfer);
    let export = world.party("330").export(&transfer);
    let (ledger, entries) = (ledger_of(&export), [entry(&export, 0), entry(&export, 1)]);
    let sheffield = Sheffield::answer(&world);
    sheffield.tells(&[(&ledger, &entries[1])]);
    restart(&mut world);
    until("the head is kept", || kept_heads(&world, &transfer) == 1, || world.party("330").log());
    assert_eq!(standing(world.party("330"), "373"), "level");
    (world, sheffield, ledger, entries)
}

fn kept_heads(world: &World, transfer: &str) -> usize {
    let export: Value = serde_json::from_str(&world.party("330").export(transfer)).unwrap();
    export["peerHeads"].as_array().unwrap().len()
}

fn restart(world: &mut World) {
    world.party_mut("330").stop();
    world.party_mut("330").start();
}

#[test]
fn a_pair_whose_heads_went_back_is_suspended_until_both_are_level_and_nobody_else_is() {
    let (mut world, sheffield, ledger, entries) = level();
    let transfer = ledger.terms.transfer.to_string();
    sheffield.tells(&[(&ledger, &entries[0])]);
    restart(&mut world);
    let birmingham = world.party("330");
    until("the pair is suspended", || standing(birmingham, "373") == "suspended", || birmingham.log());
    // Neither proposals of the peer nor decisions of one's own are appended ...
    let wire = world.wire("373", "330");
    let second = offer(&world, "373", "330", 2, |_| {});
    assert_eq!(wire.put(&second).problem(), "pair-suspended");
    let refused = birmingham.run(&["office", "accept", "--transfer", &transfer], Some(&body(E::Accept)));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("reconcile first (suspended)"), "{said}");
    // ... what the peer repeats is answered, and other pairs go on.
    assert_eq!(wire.put(&entries[0].clone().without_receipts()).status, 200);
    assert_eq!(world.wire("383", "330").put(&offer(&world, "383", "330", 3, |_| {})).status, 201);
    // Birmingham keeps bringing what the peer lacks; once the peer tells that it has it, the pair goes on.
    let outbox = birmingham.office(&["list"], None)["outbox"].to_string();
    assert!(outbox.contains(&entries[1].header().id.to_string()), "{outbox}");
    sheffield.tells(&[(&ledger, &entries[1])]);
    until("the pair is level", || standing(birmingham, "373") == "level", || birmingham.log());
    assert_eq!(wire.put(&second).status, 201);
}

#[test]
fn a_head_that_names_another_header_suspends_the_pair_until_the_fork_is_held() {
    let (mut world, mut sheffield, ledger, entries) = level();
    // The test has Birmingham's key: another entry for the place of the acknowledge.
    let key = world.party("330").signing_key();
    let before = ledger_of_one(&entries[0]);
    let other = next(&before, E::Decline, "330", &key, |_| {});
    let other = other.clone().with_receipt(receipt(&other, "330", &key));
    sheffield.tells(&[(&ledger, &other)]);
    restart(&mut world);
    let birmingham = world.party("330");
    until("the pair is suspended", || standing(birmingham, "373") == "suspended", || birmingham.log());
    // Sheffield brings the other branch: Birmingham, the sequencer, did sign both.
    sheffield.proxy.take();
    let told = world.wire("373", "330").put(&other);
    assert_eq!(told.problem(), "forked");
    let sheffield = Sheffield { proxy: Sheffield::answer(&world).proxy, tells: Arc::default() };
    until("the pair goes on", || standing(birmingham, "373") == "level", || birmingham.log());
    assert_eq!(birmingham.view(&ledger.terms.transfer.to_string()).unwrap()["forked"], true);
    drop(sheffield);
}

fn ledger_of_one(offer: &Entry) -> Ledger {
    let receipt = offer.receipt_by(code("330")).unwrap().content();
    cme_spec::ledger::apply(None, offer, receipt).unwrap()
}

#[test]
fn a_gap_makes_the_ledger_be_read_before_anything_is_sent_again() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("330").decide("acknowledge", E::Acknowledge, &transfer);
    world.party("373").wait_for(&transfer, "acknowledged");
    world.party_mut("330").stop();
    // Birmingham says that it has forgotten its acknowledge, and shows its ledger to nobody.
    let offer = entry(&world.party("373").export(&transfer), 0);
    let head = json!({ "sequence": 0, "headerDigest": offer.header_digest().to_string() });
    let problem = |name: &str, status: u16| json!({ "type": format!("urn:cme:problem:v1:{name}"), "title": name, "status": status, "head": head });
    let gap = page("409 Conflict", "application/problem+json", &problem("sequence-gap", 409).to_string());
    let later = page("503 Later", "application/problem+json", &problem("unavailable", 503).to_string());
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&lines);
    let proxy = Proxy::answering(world.party("330"), move |request| {
        let line = request.lines().next().unwrap_or_default().to_owned();
        let answer = if line.starts_with("PUT ") { gap.clone() } else { later.clone() };
        told.lock().unwrap().push(line);
        answer
    });
    world.party("373").decide("withdraw", E::Withdraw, &transfer);
    let of_ledger = || {
        let lines = lines.lock().unwrap();
        lines.iter().filter(|line| line.contains(&transfer)).cloned().collect::<Vec<_>>()
    };
    until("the decision is sent again", || of_ledger().len() >= 4, || format!("{:?}", of_ledger()));
    drop(proxy);
    let asked = of_ledger();
    for (index, line) in asked.iter().take(4).enumerate() {
        let wanted = if index % 2 == 0 { ("PUT ", "/entries/2") } else { ("GET ", "/entries?") };
        assert!(line.starts_with(wanted.0) && line.contains(wanted.1), "{asked:?}");
    }
}
