//! Failures that the simulation has found, each cut down to what it takes. They stay mended.

use cme_spec::entry::EntryType;

use crate::op::Op::{self, Decide, Exchange, Offer, UnheardCommit};
use crate::run::{self, Run};
use crate::world::Hosting;

fn holds(seed: u64, hosting: Hosting, ops: &[Op]) -> Run {
    let run = run::perform(seed, hosting, ops);
    assert_eq!(run.broken, None, "{}", run.trace.join("\n"));
    run
}

/// What an officer was told last.
fn told(run: &Run) -> &str {
    run.trace.iter().rev().nth(1).map_or("", |line| line.rsplit(" -> ").next().unwrap_or_default())
}

/// The connection broke after the commit took effect, so the store ran the job again, and that decided under a
/// second id.
#[test]
fn a_decision_whose_commit_was_told_as_failed_is_taken_once() {
    let ops = [
        Offer { by: 2, to: 1, follow: 1 },
        Exchange { at: 2 },
        UnheardCommit { at: 2 },
        Decide { by: 2, kind: EntryType::Correct, pick: 0 },
    ];
    assert_eq!(told(&holds(8, Hosting::Apart, &ops)), "383 correct in T1: Proposed T1");
}

/// The same of the sequencer: the entry was appended, and the officer was told that it is not allowed any more.
#[test]
fn an_entry_whose_commit_was_told_as_failed_is_appended_once() {
    let ops = [
        Offer { by: 0, to: 1, follow: 1 },
        Exchange { at: 0 },
        UnheardCommit { at: 1 },
        Decide { by: 1, kind: EntryType::Acknowledge, pick: 0 },
    ];
    assert_eq!(told(&holds(1, Hosting::Apart, &ops)), "330 acknowledge in T1: Recorded T1");
}

/// The same of an offer: it was made, and the officer was told that the child was offered already.
#[test]
fn an_offer_whose_commit_was_told_as_failed_is_told_as_made() {
    let ops = [UnheardCommit { at: 0 }, Offer { by: 0, to: 1, follow: 1 }];
    assert_eq!(told(&holds(8, Hosting::Apart, &ops)), "373 offers to 330: Proposed T1");
}
