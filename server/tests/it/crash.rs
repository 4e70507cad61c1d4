//! SIGKILL at any moment: no acknowledged entry is lost, and the hand-over ends where it would have.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cme_spec::entry::EntryType as E;
use cme_spec::ledger::verify::{LedgerFile, verify};
use serde_json::Value;

use crate::support::{PATIENCE, World, body, entries_of};

/// Kills in one run of the test.
const KILLS: u32 = 50;
/// The steps of a full hand-over after the offer: command, type, who decides.
const STEPS: [(&str, E, &str); 5] = [
    ("acknowledge", E::Acknowledge, "330"),
    ("ask", E::RequestInformation, "330"),
    ("supply", E::SupplyInformation, "373"),
    ("accept", E::Accept, "330"),
    ("outcome", E::Outcome, "330"),
];

/// A small generator: the seed is printed, so that a failing run can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn seed() -> u64 {
    let told = std::env::var("CME_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = told.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos()) << 20 | 1
    });
    println!("CME_SEED={seed}");
    seed
}

/// What every officer was told is in the ledger or on its way, by decision id.
struct Promised {
    transfer: String,
    ids: Vec<String>,
}

/// One hand-over, driven to its end while somebody kills the servers.
fn hand_over(world: &World) -> Promised {
    let (sheffield, birmingham) = (world.party("373"), world.party("330"));
    let offer = sheffield.office(&["offer", "--to", "330"], Some(&body(E::Offer)));
    let transfer = offer["transfer"].as_str().unwrap().to_owned();
    let mut ids = vec![offer["id"].as_str().unwrap().to_owned()];
    let mut head = 0;
    wait_for_head(world, &transfer, head);
    for (command, kind, by) in STEPS {
        let party = if by == "330" { birmingham } else { sheffield };
        let decided = party.office(&[command, "--transfer", &transfer], Some(&body(kind)));
        ids.push(decided["id"].as_str().unwrap().to_owned());
        head += 1;
        wait_for_head(world, &transfer, head);
    }
    Promised { transfer, ids }
}

fn wait_for_head(world: &World, transfer: &str, head: u64) {
    let begun = Instant::now();
    let behind = |code: &str| {
        let view = world.party(code).view(transfer);
        view.is_none_or(|view| view["asOf"]["sequence"].as_u64().unwrap() < head)
    };
    while behind("330") || behind("373") {
        assert!(begun.elapsed() < PATIENCE, "entry {head} never reached both copies");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Both copies hold every promised decision, are equal, and verify offline.
fn check(world: &World, promised: &Promised) {
    let begun = Instant::now();
    let copies = || ["373", "330"].map(|code| world.party(code).export(&promised.transfer));
    let mut exports = copies();
    // The originating authority's last receipt may still be on its way back.
    while entries_of(&exports[0]) != entries_of(&exports[1]) {
        assert!(begun.elapsed() < PATIENCE, "the copies of {} stay different", promised.transfer);
        std::thread::sleep(Duration::from_millis(20));
        exports = copies();
    }
    let archive = world.archive();
    for export in &exports {
        let file = LedgerFile::read(export.as_bytes()).unwrap();
        let proof = verify(&file, archive.newest().unwrap().content()).unwrap();
        assert_eq!((proof.stage.code(), proof.responsible.to_string()), ("settled", "330".to_owned()));
        let ids: Vec<String> = entries_of(export)
            .iter()
            .map(|entry| {
                serde_json::from_str::<Value>(entry).unwrap()["header"]["id"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(ids, promised.ids, "each decision stands once, in the order in which it was made");
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_servers_are_killed_at_random() {
    let mut dice = Dice(seed());
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let mut servers: Vec<_> = world.parties.iter_mut().map(crate::support::Party::take_server).collect();
    let (done, kills) = (AtomicBool::new(false), AtomicU32::new(0));
    let promised = std::thread::scope(|scope| {
        let (world, done, kills) = (&world, &done, &kills);
        let killer = scope.spawn(move || {
            while kills.load(Ordering::Relaxed) < KILLS {
                std::thread::sleep(Duration::from_millis(dice.below(250)));
                let victim = usize::try_from(dice.below(2)).unwrap();
                servers[victim].kill();
                // Sometimes it stays away for a while.
                std::thread::sleep(Duration::from_millis(dice.below(4) * dice.below(40)));
                servers[victim].start();
                kills.fetch_add(1, Ordering::Relaxed);
            }
            done.store(true, Ordering::Relaxed);
            servers
        });
        let mut promised = Vec::new();
        while !done.load(Ordering::Relaxed) || promised.len() < 3 {
            promised.push(hand_over(world));
        }
        // The servers go on until the last receipt is exchanged.
        let servers = killer.join().unwrap();
        for promised in &promised {
            check(world, promised);
        }
        drop(servers);
        promised
    });
    assert_eq!(kills.load(Ordering::Relaxed), KILLS);
    println!("{} hand-overs under {KILLS} kills", promised.len());
}
