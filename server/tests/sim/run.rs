//! One run of a list of operations, and what is left of a list when everything is taken out that its failure does
//! not need.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use cme_spec::entry::EntryType;
use futures_util::FutureExt as _;

use crate::invariants::Broken;
use crate::op::{Drawing, Op};
use crate::world::{Hosting, World};

/// Time that a failure gets to be cut down.
const SHRINK_WITHIN: Duration = Duration::from_mins(2);

/// What a run did, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// What happened.
    pub(crate) ops: Vec<Op>,
    /// Each operation and what came of it.
    pub(crate) trace: Vec<String>,
    /// Where every copy ends.
    pub(crate) heads: Vec<String>,
    pub(crate) tally: Tally,
    pub(crate) broken: Option<Broken>,
}

/// How often each thing came about.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Entries in the sequencers' copies.
    pub(crate) entries: BTreeMap<EntryType, usize>,
    /// Statuses and problems answered.
    pub(crate) answers: BTreeMap<String, usize>,
    /// Faults that came about.
    pub(crate) faults: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn of(world: &World) -> Self {
        let (audit, history) = world.known();
        let answers = history.answers.clone();
        let mut tally = Self { entries: BTreeMap::new(), answers, faults: world.faults() };
        for entry in audit.copies().filter(|copy| copy.is_sequencers()).flat_map(|copy| &copy.entries) {
            *tally.entries.entry(entry.kind).or_default() += 1;
        }
        tally
    }

    /// Counts what another run came to as well.
    pub(crate) fn add(&mut self, other: Self) {
        other.entries.into_iter().for_each(|(kind, count)| *self.entries.entry(kind).or_default() += count);
        other.faults.into_iter().for_each(|(name, count)| *self.faults.entry(name).or_default() += count);
        other.answers.into_iter().for_each(|(name, count)| *self.answers.entry(name).or_default() += count);
    }
}

/// Which deployments a seed's run has.
pub(crate) fn hosting(seed: u64) -> Hosting {
    if seed.is_multiple_of(3) { Hosting::Shared } else { Hosting::Apart }
}

/// Performs the operations on a new world, and brings it to rest.
pub(crate) fn perform(seed: u64, hosting: Hosting, ops: &[Op]) -> Run {
    let mut ops = ops.iter().copied();
    run(seed, hosting, move |_| ops.next())
}

/// Performs so many operations, as the seed has them.
pub(crate) fn perform_drawn(seed: u64, length: usize) -> Run {
    let (mut drawing, mut left) = (Drawing::new(seed), length);
    run(seed, hosting(seed), move |world| {
        left = left.checked_sub(1)?;
        Some(drawing.next(&world.chances()))
    })
}

fn run(seed: u64, hosting: Hosting, mut next: impl FnMut(&World) -> Option<Op>) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (mut ops, mut trace) = (Vec::new(), Vec::new());
        let mut world = World::new(seed, hosting).await;
        let all = perform_in(&mut world, &mut next, &mut ops, &mut trace);
        let ran = AssertUnwindSafe(all).catch_unwind().await;
        let broken = ran.unwrap_or_else(|panic| {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Broken { invariant: "nothing panics", what: what.unwrap_or_default() })
        });
        Run { ops, trace, heads: world.heads(), tally: Tally::of(&world), broken: broken.err() }
    })
}

async fn perform_in(
    world: &mut World,
    next: &mut impl FnMut(&World) -> Option<Op>,
    ops: &mut Vec<Op>,
    trace: &mut Vec<String>,
) -> Result<(), Broken> {
    while let Some(op) = next(world) {
        trace.push(format!("{:>4} {op:?}", ops.len()));
        ops.push(op);
        let told = world.perform(op).await;
        if let Some(line) = trace.last_mut() {
            let _ = write!(line, " -> {told}");
        }
        world.check()?;
    }
    trace.push("     at rest".to_owned());
    world.come_to_rest().await
}

/// Runs a seed; panics with all that it takes to repeat and understand a failure.
pub(crate) fn must_hold(seed: u64, length: usize) -> Tally {
    let hosting = hosting(seed);
    let run = perform_drawn(seed, length);
    let Some(broken) = run.broken else { return run.tally };
    let (ops, run) = shrunk(seed, hosting, run.ops, broken.invariant);
    let broken = run.broken.unwrap_or(broken);
    let list: String = ops.iter().fold(String::new(), |list, op| list + &format!("            {op:?},\n"));
    panic!(
        "seed {seed} of {length} operations: \"{}\" does not hold: {}\n\n{}\n\nThe operations that it takes \
         ({hosting:?}):\n{list}",
        broken.invariant,
        broken.what,
        run.trace.join("\n")
    );
}

/// A list that breaks the same invariant and from which nothing more can be taken, or as far as time allows.
fn shrunk(seed: u64, hosting: Hosting, ops: Vec<Op>, invariant: &str) -> (Vec<Op>, Run) {
    let begun = Instant::now();
    let mut kept = ops;
    let fails = |ops: &[Op]| {
        let run = perform(seed, hosting, ops);
        run.broken.as_ref().is_some_and(|broken| broken.invariant == invariant).then_some(run)
    };
    let mut part = kept.len() / 2;
    while part > 0 && begun.elapsed() < SHRINK_WITHIN {
        let mut from = 0;
        while from < kept.len() && begun.elapsed() < SHRINK_WITHIN {
            let rest: Vec<Op> = kept
                .iter()
                .enumerate()
                .filter(|(at, _)| !(from..from + part).contains(at))
                .map(|(_, op)| *op)
                .collect();
            if fails(&rest).is_some() {
                kept = rest;
            } else {
                from += part;
            }
        }
        part /= 2;
    }
    let run = perform(seed, hosting, &kept);
    (kept, run)
}
