//! A letter is one process's for as long as that process sends it, and no longer.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use cme_server::store::outbox::{self, Turn};
use cme_server::store::sqlite::Sqlite;
use cme_spec::entry::EntryType as E;

use crate::proxy::{Proxy, page};
use crate::support::{PATIENCE, Party, World};
use crate::wire::now;

/// Longer than a lease runs that nobody renews, and shorter than a request may take.
const LONG: Duration = Duration::from_secs(13);

/// A child that Sheffield has offered to Birmingham.
fn offered() -> (World, String) {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    (world, transfer)
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many letters any process could take now.
fn due(party: &Party) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = Sqlite::open(&party.home.join("cme.sqlite")).unwrap();
    let turn = Turn { now: now(), per_peer_max: 100, letters_max: 100, after: None };
    runtime.block_on(store.read(move |tx| outbox::due(tx, &turn))).unwrap().len()
}

#[test]
fn a_letter_stays_with_its_process_while_the_peer_takes_its_time() {
    let (mut world, transfer) = offered();
    world.party_mut("373").stop();
    // Somebody at Sheffield's address takes the entry and thinks about it.
    let (asked, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let slow = Proxy::answering(world.party("373"), move |request| {
        if request.starts_with("PUT") {
            let _ = asked.send(());
            let _ = released.recv_timeout(PATIENCE);
        }
        page("503 Service Unavailable", "text/html", "later")
    });
    world.party("330").decide("accept", E::Accept, &transfer);
    arrived.recv_timeout(PATIENCE).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < LONG {
        assert_eq!(due(world.party("330")), 0, "after {:?}", begun.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(release);
    drop(slow);
    world.party_mut("373").start();
    world.party("373").wait_for(&transfer, "accepted");
}

#[test]
fn a_server_that_stops_gives_back_what_it_could_not_finish() {
    let (mut world, transfer) = offered();
    world.party("373").signal("-STOP");
    world.party("330").decide("accept", E::Accept, &transfer);
    wait_until("the acceptance is on its way", || due(world.party("330")) == 0);
    assert_eq!(world.party_mut("330").stop(), Some(0));
    assert_eq!(due(world.party("330")), 1);
    world.party("373").signal("-CONT");
    world.party_mut("330").start();
    world.party("373").wait_for(&transfer, "accepted");
}
