//! Simulation: seeded random operations over real servers in one process, on a network, disks and clocks that
//! fail, with invariants asked after each. docs/simulation.md says how to run it long and repeat a failure.

mod audit;
mod deployment;
mod dice;
mod disk;
mod found;
mod history;
mod invariants;
mod network;
mod noticed;
mod op;
mod restored;
mod run;
mod timers;
mod wire;
mod world;

use cme_spec::entry::EntryType;

/// Seeds of one run of the test, and operations of each, when nothing else is said.
const SEEDS: u64 = 8;
const OPS: usize = 120;

/// What the seeds of every run of the test bring about.
const FAULTS: [&str; 16] = [
    "request lost",
    "answer lost",
    "request repeated",
    "request torn",
    "sender gives up",
    "overtaken",
    "partition",
    "crash between two steps",
    "crash before commit",
    "crash after commit",
    "commit told as failed",
    "slow disk",
    "disk full",
    "database busy",
    "clock wrong",
    "stall",
];

fn told(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_invariant_holds_whatever_happens() {
    let (seed, many, length) = (told("CME_SEED"), told("CME_SIM_SEEDS"), told("CME_SIM_OPS"));
    let first = seed.unwrap_or(0);
    let seeds = many.unwrap_or(if seed.is_some() { 1 } else { SEEDS });
    let ops = length.map_or(OPS, |ops| usize::try_from(ops).expect("a small number"));
    println!("seeds {first} to {}, {ops} operations each", first + seeds - 1);
    let mut tally = run::Tally::default();
    (first..first + seeds).for_each(|seed| tally.add(run::must_hold(seed, ops)));
    let run::Tally { entries, answers, faults } = tally;
    println!("entries {entries:?}\nanswers {answers:?}\nfaults {faults:?}");
    if (seed, many, length) == (None, None, None) {
        for kind in EntryType::ALL {
            assert!(entries.contains_key(&kind), "no run gets as far as {kind}");
        }
        for name in FAULTS {
            assert!(faults.contains_key(name), "{name}: that never comes about");
        }
    }
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    let again = || run::perform_drawn(1, OPS / 2);
    let (one, other) = (again(), again());
    assert_eq!(one.trace, other.trace);
    assert_eq!(one.heads, other.heads);
    assert!(one.heads.len() > 2, "the run gets somewhere: {:?}", one.heads);
}
