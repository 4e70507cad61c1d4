//! Something else answers at a peer's address: a proxy's page, a broken server. Nothing of it is a refusal.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cme_client::Identity;
use cme_server::tls::server_config;
use cme_spec::canonical::{Json, Limits};
use cme_spec::entry::{Entry, EntryType as E};
use cme_spec::envelope::Envelope;
use cme_spec::example::code;
use cme_spec::ledger::{Ledger, Stage};
use cme_spec::operation::list_entries::EntryPage;
use cme_spec::receipt::Head;
use cme_spec::signature::SigningKey;
use serde_json::Value;

use crate::support::{PATIENCE, Party, World};
use crate::wire::{next, now, offered_then_alone, receipt};

/// Answers every request at a party's address, under its certificate.
pub(crate) struct Proxy {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A listener at the address, once nobody else holds it: a process that another test is just starting can
/// have the last proxy's listener for the moment between its fork and its exec.
fn bound(address: std::net::SocketAddr) -> TcpListener {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Proxy {
    /// With one fixed text.
    fn start(party: &Party, answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::answering(party, move |_| answer.clone())
    }

    /// With what `answer` makes of the beginning of the request.
    pub(crate) fn answering(party: &Party, answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let file = |name: &str| std::fs::read(party.home.join(name)).unwrap();
        let identity = Identity::from_pem(&file("server.cert.pem"), &file("server.key.pem")).unwrap();
        let config = Arc::new(server_config(&identity, false).unwrap());
        let listener = bound(party.listen);
        listener.set_nonblocking(true).unwrap();
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok((mut socket, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                socket.set_nonblocking(false).unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::Stream::new(&mut tls, &mut socket);
                let mut request = [0; 8_192];
                // One request a connection; the rest of it, if any, is not of interest.
                if let Some(read) = stream.read(&mut request).ok().filter(|read| *read > 0) {
                    let answer = answer(&String::from_utf8_lossy(&request[..read]));
                    while stream.read(&mut request).is_ok_and(|read| read > 0) {}
                    counted.fetch_add(1, Ordering::Relaxed);
                    let _ = stream.write_all(answer.as_bytes());
                    let _ = stream.flush();
                }
            }
        });
        Self { stop, asked, thread: Some(thread) }
    }

    fn wait_until_asked(&self, times: usize) {
        let begun = Instant::now();
        while self.asked.load(Ordering::Relaxed) < times {
            assert!(begun.elapsed() < PATIENCE, "not asked {times} times");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

pub(crate) fn page(status: &str, media_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[test]
fn a_proxys_page_is_never_a_refusal_and_the_offer_arrives_once_the_peer_answers() {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("373").start();
    let mut transfers = Vec::new();
    for answer in [
        page("403 Forbidden", "text/html", "<html>blocked by policy</html>"),
        page("413 Content Too Large", "text/html", "<html>too large</html>"),
        page("200 OK", "text/html", "<html>please log in</html>"),
        page("201 Created", "application/json", "{\"receipt\":{},\"signature\":\"a..b\"}"),
        page(
            "422 Unprocessable Content",
            "application/problem+json",
            "{\"type\":\"about:blank\",\"title\":\"x\",\"status\":422}",
        ),
        page("422 Unprocessable Content", "text/html", "{\"type\":\"urn:cme:problem:v1:malformed\"}"),
        "nonsense".to_owned(),
    ] {
        let proxy = Proxy::start(world.party("330"), &answer);
        transfers.push(world.party("373").offer("330"));
        proxy.wait_until_asked(2);
    }
    let list = world.party("373").office(&["list"], None);
    assert!(list["refused"].as_array().unwrap().is_empty(), "{list}");
    assert_eq!(list["proposed"].as_array().unwrap().len(), transfers.len());
    world.party_mut("330").start();
    for transfer in &transfers {
        world.party("373").wait_for(transfer, "offered");
    }
}

/// Waits for a letter that an officer has to look at.
fn refused_letter(party: &Party) -> Value {
    let begun = Instant::now();
    loop {
        let list = party.office(&["list"], None);
        if let Some(letter) = list["refused"].get(0) {
            return letter.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{}", party.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn refusal(status: &str, name: &str) -> String {
    let code = status.split(' ').next().unwrap();
    let body = format!("{{\"type\":\"urn:cme:problem:v1:{name}\",\"title\":\"x\",\"status\":{code}}}");
    page(status, "application/problem+json", &body)
}

/// An entry far ahead makes Sheffield read Birmingham's ledger.
fn put_far_ahead(world: &World, ledger: &Ledger, key: &SigningKey) {
    let ahead = next(ledger, E::Decline, "330", key, |header| header.sequence = 7);
    let ahead = ahead.clone().with_receipt(receipt(&ahead, "330", key));
    assert_eq!(world.wire("330", "373").put(&ahead).problem(), "sequence-gap");
}

#[test]
fn what_is_refused_as_a_delivery_does_not_come_in_by_being_read() {
    // The test is Birmingham: it has a decline with a reason that is in no list.
    let (world, transfer, ledger, key) = offered_then_alone();
    let header = next(&ledger, E::Decline, "330", &key, |_| {}).header().clone();
    let body = Json::object([("reason", Json::text("none of the list"))]);
    let spoilt = Entry::sign(header, body, &key);
    let spoilt = spoilt.clone().with_receipt(receipt(&spoilt, "330", &key));
    let head = Head {
        transfer: ledger.terms.transfer,
        originating: code("373"),
        receiving: code("330"),
        sequence: 1,
        header_digest: spoilt.header_digest(),
        stage: Stage::Declined,
        at: now(),
        by: code("330"),
        incarnation: 1,
        directory_issue: 1,
    };
    let head = Envelope::sign(head, &key).to_json();
    let read = EntryPage { entries: vec![spoilt.to_json()], more: false, head, forks: Vec::new() };
    let read = serde_json::to_string(&read).unwrap();
    let proxy = Proxy::start(world.party("330"), &page("200 OK", "application/json", &read));
    put_far_ahead(&world, &ledger, &key);
    proxy.wait_until_asked(1);
    let begun = Instant::now();
    let list = loop {
        let list = world.party("373").office(&["list"], None);
        if list["refusedHere"].get(0).is_some() {
            break list;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", world.party("373").log());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(list["refusedHere"][0]["problem"], "body-invalid");
    assert_eq!(list["transfers"][0]["stage"], "offered");
    let heads = &world.party("373").export(&transfer);
    assert!(heads.contains(&spoilt.header_digest().to_string()), "the head that says otherwise is kept");
}

/// Sheffield is told of a gap by a Birmingham that gives this answer to whoever reads its ledger; gives the number of
/// reads so far.
fn read_after_a_gap(answer: String) -> (World, Proxy, Arc<AtomicUsize>) {
    let (world, _, ledger, key) = offered_then_alone();
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let proxy = Proxy::answering(world.party("330"), move |request| {
        let line = request.lines().next().unwrap_or_default();
        counted.fetch_add(usize::from(line.contains("/entries?")), Ordering::Relaxed);
        answer.clone()
    });
    put_far_ahead(&world, &ledger, &key);
    (world, proxy, reads)
}

fn wait_until_read(world: &World, reads: &AtomicUsize, times: usize) {
    let begun = Instant::now();
    while reads.load(Ordering::Relaxed) < times {
        assert!(begun.elapsed() < PATIENCE, "{}", world.party("373").log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_read_that_breaks_off_is_made_again() {
    let (world, _proxy, reads) = read_after_a_gap(String::new());
    wait_until_read(&world, &reads, 2);
}

#[test]
fn an_answer_without_end_is_not_read_again() {
    let endless = " ".repeat(Limits::COLLECTION.bytes_max + 1);
    let (world, _proxy, reads) = read_after_a_gap(page("200 OK", "application/json", &endless));
    wait_until_read(&world, &reads, 1);
    let begun = Instant::now();
    while !world.party("373").log().contains("larger than the limit") {
        assert!(begun.elapsed() < PATIENCE, "{}", world.party("373").log());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}

#[test]
fn a_registered_final_problem_is_a_refusal_and_an_officer_sends_it_again() {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("373").start();
    let body = "{\"type\":\"urn:cme:problem:v1:body-invalid\",\"title\":\"x\",\"status\":422}";
    let proxy = Proxy::start(
        world.party("330"),
        &page("422 Unprocessable Content", "application/problem+json", body),
    );
    let transfer = world.party("373").offer("330");
    let letter = refused_letter(world.party("373"));
    assert_eq!(letter["lastFailure"], "body-invalid");
    drop(proxy);
    world.party_mut("330").start();
    world.party("373").office(&["resolve", "--id", letter["id"].as_str().unwrap(), "--retry"], None);
    world.party("373").wait_for(&transfer, "offered");
}

#[test]
fn a_pause_that_the_peer_asks_for_is_kept() {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("373").start();
    let busy = refusal("503 Service Unavailable", "unavailable")
        .replace("connection: close", "retry-after: 2\r\nconnection: close");
    let proxy = Proxy::start(world.party("330"), &busy);
    let transfer = world.party("373").offer("330");
    proxy.wait_until_asked(1);
    let begun = Instant::now();
    proxy.wait_until_asked(2);
    // The server's own pauses are 200 milliseconds at most here.
    assert!(begun.elapsed() > Duration::from_millis(1_700), "asked again after {:?}", begun.elapsed());
    drop(proxy);
    world.party_mut("330").start();
    world.party("373").wait_for(&transfer, "offered");
}

#[test]
fn a_decision_that_the_sequencer_does_not_allow_on_the_same_ledger_goes_before_an_officer() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("373").wait_for(&transfer, "offered");
    let nothing_newer = world.wire("373", "330").get(&format!("/v1/transfers/{transfer}/entries?from=1"));
    assert_eq!(nothing_newer.json()["entries"], serde_json::json!([]));
    world.party_mut("330").stop();
    let read = page("200 OK", "application/json", &nothing_newer.body);
    let refused = refusal("422 Unprocessable Content", "not-allowed-in-stage");
    let answer = move |request: &str| if request.starts_with("GET") { read.clone() } else { refused.clone() };
    let proxy = Proxy::answering(world.party("330"), answer);
    let withdrawn = world.party("373").decide("withdraw", E::Withdraw, &transfer);
    let letter = refused_letter(world.party("373"));
    assert_eq!((&letter["id"], &letter["lastFailure"]), (&withdrawn["id"], &"not-allowed-in-stage".into()));
    drop(proxy);
    world.party_mut("330").start();
    world.party("373").office(&["resolve", "--id", letter["id"].as_str().unwrap(), "--retry"], None);
    world.party("373").wait_for(&transfer, "withdrawn");
}

#[test]
fn a_decision_is_tried_again_while_the_ledger_it_is_made_on_cannot_be_read() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("373").wait_for(&transfer, "offered");
    world.party_mut("330").stop();
    let refused = refusal("422 Unprocessable Content", "not-allowed-in-stage");
    let proxy = Proxy::start(world.party("330"), &refused);
    world.party("373").decide("withdraw", E::Withdraw, &transfer);
    proxy.wait_until_asked(4);
    assert_eq!(world.party("373").office(&["list"], None)["refused"], serde_json::json!([]));
    drop(proxy);
    world.party_mut("330").start();
    world.party("373").wait_for(&transfer, "withdrawn");
}

#[test]
fn a_delivery_that_the_peer_does_not_allow_goes_before_an_officer() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("373").wait_for(&transfer, "offered");
    world.party_mut("373").stop();
    let refused = refusal("422 Unprocessable Content", "not-allowed-in-stage");
    let proxy = Proxy::start(world.party("373"), &refused);
    let acknowledged = world.party("330").decide("acknowledge", E::Acknowledge, &transfer);
    let letter = refused_letter(world.party("330"));
    assert_eq!(
        (&letter["id"], &letter["lastFailure"]),
        (&acknowledged["id"], &"not-allowed-in-stage".into())
    );
    drop(proxy);
    world.party_mut("373").start();
    world.party("330").office(&["resolve", "--id", letter["id"].as_str().unwrap(), "--retry"], None);
    world.party("373").wait_for(&transfer, "acknowledged");
}
