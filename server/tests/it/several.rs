//! Two server processes on one PostgreSQL database serve one authority, behind a balancer that passes TCP
//! through. The peer is an ordinary server on SQLite.

mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cme_spec::entry::EntryType as E;
use cme_spec::example;
use cme_spec::ledger::verify::{LedgerFile, verify};
use serde_json::Value;

use crate::support::{PATIENCE, Party, World, entries_of, free_address};
use crate::wire::{Wire, offer};

/// A database of its own on the server that `CME_TEST_POSTGRES` names.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    pub(crate) fn new() -> Self {
        let server = std::env::var("CME_TEST_POSTGRES").expect("CME_TEST_POSTGRES names a PostgreSQL server");
        let name = format!("several_{}_{}", std::process::id(), free_address().port());
        let database = Self { server, name };
        database.administer(&format!("CREATE DATABASE {}", database.name));
        database
    }

    fn administer(&self, sql: &str) {
        let mut client = postgres::Client::connect(&self.server, postgres::NoTls).unwrap();
        client.batch_execute(sql).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    /// How many letters each process has under way.
    fn under_way(&self) -> BTreeMap<String, i64> {
        let mut client = postgres::Client::connect(&self.url(), postgres::NoTls).unwrap();
        let sql = "SELECT leased_by, COUNT(*) FROM outbox WHERE leased_by IS NOT NULL GROUP BY leased_by";
        let rows = client.query(sql, &[]).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    fn count(&self, sql: &str) -> i64 {
        let mut client = postgres::Client::connect(&self.url(), postgres::NoTls).unwrap();
        client.query_one(sql, &[]).unwrap().get(0)
    }

    /// Things that stand in no ledger and are under way.
    fn dispatched(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM dispatch WHERE leased_by IS NOT NULL")
    }

    /// Whether the standing queries were compared with all of the register.
    fn compared(&self) -> bool {
        let behind = "SELECT COUNT(*) FROM register_state s JOIN query_follow f ON f.hosted = s.hosted \
                      WHERE f.sequence < s.last_change";
        self.count(behind) == 0
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Gives each connection to the next of the servers that takes it.
struct Balancer {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Balancer {
    fn start(at: SocketAddr, behind: [SocketAddr; 2]) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut turn = 0;
            while !stopped.load(Ordering::Relaxed) {
                let Ok((client, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                };
                client.set_nonblocking(false).unwrap();
                turn += 1;
                let mut servers = (0..2).map(|next| behind[(turn + next) % 2]);
                if let Some(server) = servers.find_map(|server| TcpStream::connect(server).ok()) {
                    pass(&client, &server);
                    pass(&server, &client);
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

/// What one end sends reaches the other, and so does its end.
fn pass(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Sheffield (373) on SQLite; Birmingham (330) is two processes. Fields are dropped in order.
struct Deployment {
    world: World,
    birmingham: [Party; 2],
    _balancer: Balancer,
    database: Database,
}

impl Deployment {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// The same, once that is done with Birmingham's configuration and database.
    fn start_with(prepare: impl FnOnce(&Party)) -> Self {
        let database = Database::new();
        let world = World::new(&["373", "330"]);
        let party = world.party("330");
        // Its officers' commands work on the database that both processes share.
        party.set("database = \"cme.sqlite\"", &format!("database = \"{}\"", database.url()));
        party.set("per_peer_max = 4", "per_peer_max = 100");
        party.set("in_all_max = 64", "in_all_max = 6");
        prepare(party);
        let birmingham = ["330-one", "330-two"].map(|name| copy_of(party, &world.folder.path().join(name)));
        let balancer = Balancer::start(party.listen, birmingham.each_ref().map(|party| party.listen));
        let mut deployment = Self { world, birmingham, _balancer: balancer, database };
        deployment.birmingham.iter_mut().for_each(Party::start);
        deployment.world.party_mut("373").start();
        deployment
    }

    /// Children offered to Birmingham, whose officers have seen none yet.
    fn offered(&self, count: usize) -> Vec<String> {
        let transfers: Vec<_> = (0..count).map(|_| self.world.party("373").offer("330")).collect();
        for transfer in &transfers {
            self.world.party("330").wait_for(transfer, "offered");
        }
        transfers
    }

    fn wait_for_acceptance(&self, transfers: &[String]) {
        for transfer in transfers {
            self.world.party("373").wait_for(transfer, "accepted");
        }
    }

    /// How often Sheffield's log tells of an entry of one type that came in, by transfer.
    fn received(&self, kind: &str) -> BTreeMap<String, u64> {
        let mut received = BTreeMap::new();
        for line in self.world.party("373").log().lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if line["message"] == "entry received" && line["kind"] == kind {
                *received.entry(line["transfer"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        received
    }
}

/// The same authority at another address, with files of its own.
fn copy_of(party: &Party, home: &Path) -> Party {
    std::fs::create_dir(home).unwrap();
    for file in std::fs::read_dir(&party.home).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), home.join(file.file_name())).unwrap();
    }
    let (listen, operations) = (free_address(), free_address());
    let copy = Party::at(home, party.code.as_ref(), listen, operations);
    copy.set(&format!("listen = \"{}\"", party.listen), &format!("listen = \"{listen}\""));
    copy.set(&format!("operations = \"{}\"", party.operations), &format!("operations = \"{operations}\""));
    copy
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_entry_put_to_one_process_is_read_from_the_other() {
    let deployment = Deployment::start();
    let sheffield = deployment.world.party("373").identity();
    let wires = deployment.birmingham.each_ref().map(|party| Wire::new(party, &sheffield, "330"));
    for (number, to) in [(1, 0), (2, 1)] {
        let entry = offer(&deployment.world, "373", "330", number, |_| {});
        assert_eq!(wires[to].put(&entry).status, 201);
        let path = format!("/v1/transfers/{}/entries", entry.header().transfer);
        let read = wires.each_ref().map(|wire| wire.get(&path));
        assert!(read.iter().all(|answer| answer.status == 200), "{read:?}");
        let [one, two] = read.map(|answer| answer.json()["entries"].clone());
        assert_eq!((&one, one.as_array().unwrap().len()), (&two, 1));
        // A repeat at the other gives the receipt that was given before.
        let repeated = wires[1 - to].put(&entry);
        assert_eq!((repeated.status, repeated.json()), (200, one[0]["receipts"][0].clone()));
    }
}

#[test]
fn each_letter_is_sent_once_by_one_of_two_processes() {
    let mut deployment = Deployment::start();
    let transfers = deployment.offered(16);
    // Letters gather while the peer is away; then both processes have work at once.
    deployment.world.party_mut("373").stop();
    for transfer in &transfers {
        deployment.world.party("330").decide("accept", E::Accept, transfer);
    }
    deployment.world.party_mut("373").start();
    deployment.wait_for_acceptance(&transfers);
    wait_until("nothing is under way", || deployment.database.under_way().is_empty());
    // Sheffield may have read an entry from Birmingham before it was sent: once it is put, all the same.
    let once: BTreeMap<_, _> = transfers.into_iter().map(|transfer| (transfer, 1)).collect();
    assert_eq!(deployment.received("accept"), once);
}

#[test]
fn when_one_process_is_killed_the_other_sends_all_and_nothing_acknowledged_is_lost() {
    let mut deployment = Deployment::start();
    let transfers = deployment.offered(12);
    // The peer stands still, so that both processes have letters under way when one is killed.
    deployment.world.party("373").signal("-STOP");
    for transfer in &transfers {
        deployment.world.party("330").decide("accept", E::Accept, transfer);
    }
    wait_until("both processes send", || deployment.database.under_way().len() == 2);
    let sheffield = deployment.world.wire("373", "330");
    let (taken, killed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut acknowledged = BTreeSet::new();
    let (one, world) = (&mut deployment.birmingham[0], &deployment.world);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("offers come in", || taken.load(Ordering::Relaxed) > 20);
            one.kill();
            killed.store(true, Ordering::Relaxed);
        });
        // Offers come in all the while, through the balancer; who gets no answer asks again.
        let mut after = 20;
        for number in 1.. {
            let entry = offer(world, "373", "330", number, |_| {});
            let header = entry.header();
            let path = format!("/v1/transfers/{}/entries/{}", header.transfer, header.sequence);
            let put = || sheffield.request("PUT", &path).header("content-type", "application/json");
            let bytes = entry.to_json().canonical_bytes();
            wait_until("an offer is acknowledged", || {
                let answer = sheffield.send(put().body(bytes.clone()));
                answer.is_ok_and(|answer| matches!(answer.status, 200 | 201))
            });
            acknowledged.insert(header.transfer.to_string());
            taken.fetch_add(1, Ordering::Relaxed);
            after -= u32::from(killed.load(Ordering::Relaxed));
            if after == 0 {
                break;
            }
        }
    });
    deployment.world.party("373").signal("-CONT");
    deployment.wait_for_acceptance(&transfers);
    wait_until("nothing is under way", || deployment.database.under_way().is_empty());
    // What was acknowledged, by whichever process, is at the one that is left.
    let left = Wire::new(&deployment.birmingham[1], &deployment.world.party("373").identity(), "330");
    for transfer in &acknowledged {
        assert_eq!(left.get(&format!("/v1/transfers/{transfer}/entries")).status, 200, "{transfer}");
    }
    let archive = deployment.world.archive();
    for transfer in &transfers {
        let exports = ["373", "330"].map(|code| deployment.world.party(code).export(transfer));
        assert_eq!(entries_of(&exports[0]), entries_of(&exports[1]));
        let file = LedgerFile::read(exports[0].as_bytes()).unwrap();
        let proof = verify(&file, archive.newest().unwrap().content()).unwrap();
        assert_eq!((proof.stage.code(), proof.responsible), ("accepted", example::code("330")));
    }
}
