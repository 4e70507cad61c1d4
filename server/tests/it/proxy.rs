//! Something else answers at a peer's address: a proxy's page, a broken server. Nothing of it is a refusal.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cme_client::Identity;
use cme_server::tls::server_config;

use crate::support::{PATIENCE, Party, World};

/// Answers every request at a party's address, under its certificate, with one fixed text.
struct Proxy {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Proxy {
    fn start(party: &Party, answer: &str) -> Self {
        let file = |name: &str| std::fs::read(party.home.join(name)).unwrap();
        let identity = Identity::from_pem(&file("server.cert.pem"), &file("server.key.pem")).unwrap();
        let config = Arc::new(server_config(&identity, false).unwrap());
        let listener = TcpListener::bind(party.listen).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted, answer) = (Arc::clone(&stop), Arc::clone(&asked), answer.to_owned());
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
                if stream.read(&mut request).is_ok_and(|read| read > 0) {
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

fn page(status: &str, media_type: &str, body: &str) -> String {
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
    let begun = Instant::now();
    let letter = loop {
        let list = world.party("373").office(&["list"], None);
        if let Some(letter) = list["refused"].get(0) {
            break letter.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{}", world.party("373").log());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(letter["lastFailure"], "body-invalid");
    drop(proxy);
    world.party_mut("330").start();
    world.party("373").office(&["resolve", "--id", letter["id"].as_str().unwrap(), "--retry"], None);
    world.party("373").wait_for(&transfer, "offered");
}
