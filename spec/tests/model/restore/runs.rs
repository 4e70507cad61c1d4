//! The runs: at which bounds, with which faults, and what each has to show.

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model as _};

use super::claims::{FORK_HEALS, NO_EARLY_END, ONE_HISTORY, SOMEBODY};
use super::{Bound, Comparison, Fault, Recovery};

/// Decisions and restores of originating and receiving authority, from the offer's first sending on.
const fn bound(decisions: (u8, u8), restores: (u8, u8), comparison: Comparison) -> Bound {
    Bound { decisions, begun: false, backups: 1, restores, comparison, chronicle: false }
}

/// The same, from a ledger that both hold on.
const fn begun(decisions: (u8, u8), restores: (u8, u8), comparison: Comparison) -> Bound {
    Bound { begun: true, ..bound(decisions, restores, comparison) }
}

fn is_large() -> bool {
    std::env::var("CME_MODEL").is_ok_and(|bound| bound == "large")
}

#[expect(clippy::print_stdout, reason = "the counts are for docs/model.md")]
fn run(fault: Fault, bound: Bound, until: HasDiscoveries) -> impl Checker<Recovery> {
    let checker = Recovery::new(fault, bound).checker().threads(2).finish_when(until).spawn_bfs().join();
    let (states, distinct) = (checker.state_count(), checker.unique_state_count());
    println!("{fault:?}, {bound:?}: {states} states, {distinct} distinct");
    checker
}

fn holds(fault: Fault, bound: Bound) {
    let checker = run(fault, bound, HasDiscoveries::AnyFailures);
    checker.assert_properties();
    assert!(checker.unique_state_count() > 400, "the model does not move");
}

/// The fault does this harm, within the bound.
fn is_caught(fault: Fault, bound: Bound, harm: &'static str) {
    run(fault, bound, HasDiscoveries::AnyOf(BTreeSet::from([harm]))).assert_any_discovery(harm);
}

#[test]
fn whoever_is_restored_there_is_one_history_and_nothing_held_is_lost() {
    use Comparison::{AfterARestore, AtAnyTime, Never};
    let small = [
        bound((0, 1), (0, 1), AfterARestore),
        bound((1, 0), (0, 1), AfterARestore),
        bound((0, 1), (1, 0), AfterARestore),
        begun((1, 1), (0, 1), Never),
        begun((1, 0), (1, 0), AtAnyTime),
    ];
    let large = [
        bound((1, 2), (0, 1), AfterARestore),
        bound((1, 2), (1, 0), AfterARestore),
        bound((1, 1), (1, 1), AfterARestore),
        begun((0, 2), (1, 1), AfterARestore),
        bound((0, 1), (0, 2), AtAnyTime),
    ];
    for bound in if is_large() { &large[..] } else { &small[..] } {
        holds(Fault::None, *bound);
    }
}

#[test]
fn every_stage_and_every_way_back_is_reached() {
    use Comparison::Never;
    let runs = [
        (
            begun((1, 1), (0, 1), Never),
            vec![
                "a sequencer gets an own entry back from the peer",
                "a proposal refused as pair-suspended lands later",
                "a decision lost with the disk is decided otherwise",
                "a stale request is refused",
                "a doubt is settled",
                "offered is reached",
                "declined is reached",
                "accepted is reached",
                "withdrawn is reached",
            ],
        ),
        (begun((1, 0), (1, 0), Never), vec!["an originating authority gets an own entry back"]),
        (begun((0, 0), (1, 1), Never), vec!["a restored pair is level again and goes on"]),
    ];
    let mut reached = BTreeSet::new();
    for (bound, names) in runs {
        let names = BTreeSet::from_iter(names);
        let bound = Bound { chronicle: true, ..bound };
        let checker = run(Fault::None, bound, HasDiscoveries::AllOf(names.clone()));
        for name in names {
            checker.assert_any_discovery(name);
            reached.insert(name);
        }
        let properties = checker.model().properties();
        let some = properties.iter().filter(|property| property.expectation == Expectation::Sometimes);
        let left: Vec<_> =
            some.map(|property| property.name).filter(|name| !reached.contains(name)).collect();
        if bound.restores == (1, 1) {
            assert!(left.is_empty(), "no run shows: {left:?}");
        }
    }
}

#[test]
fn silence_that_moves_responsibility_is_caught() {
    is_caught(Fault::SilenceMoves, bound((0, 1), (0, 1), Comparison::Never), NO_EARLY_END);
}

#[test]
fn a_restore_that_nobody_is_told_of_leaves_a_child_to_nobody() {
    is_caught(Fault::NotRaisedNorCompared, bound((0, 2), (0, 1), Comparison::Never), SOMEBODY);
    is_caught(Fault::NotRaisedNorCompared, bound((0, 2), (0, 1), Comparison::Never), ONE_HISTORY);
}

#[test]
fn a_restored_sequencer_that_appends_at_once_forks() {
    is_caught(Fault::AppendsAtOnce, begun((0, 2), (0, 1), Comparison::Never), ONE_HISTORY);
}

#[test]
fn a_receipt_that_leaves_before_its_entry_is_on_disk_forks() {
    is_caught(Fault::ReceiptBeforeDisk, bound((1, 1), (0, 0), Comparison::Never), ONE_HISTORY);
}

#[test]
fn an_incarnation_that_is_looked_at_before_the_transaction_forks() {
    is_caught(Fault::JudgedLater, begun((0, 2), (0, 1), Comparison::Never), ONE_HISTORY);
}

#[test]
fn an_answer_whose_incarnation_is_not_looked_at_forks() {
    is_caught(Fault::AnswersUnheard, begun((1, 1), (0, 1), Comparison::Never), ONE_HISTORY);
}

/// The limit of what incarnations can do; see docs/model.md.
#[test]
fn a_message_that_outlives_both_disks_forks() {
    is_caught(Fault::MessagesOutliveTheirAddressee, begun((0, 2), (1, 1), Comparison::Never), ONE_HISTORY);
}

/// Why that is so is in docs/model.md.
#[test]
fn a_peers_raised_incarnation_that_is_not_read_does_no_harm_here() {
    let decisions = if is_large() { (1, 1) } else { (0, 1) };
    let restores = if is_large() { (1, 1) } else { (1, 0) };
    holds(Fault::RaiseNotRead, bound(decisions, restores, Comparison::AfterARestore));
}

#[test]
fn a_fork_is_known_to_both_with_all_branches_and_never_leaves_a_child_to_nobody() {
    use Comparison::{AfterARestore, Never};
    let small = [bound((0, 2), (0, 1), Never), bound((1, 1), (0, 1), Never)];
    let large = [
        bound((0, 2), (0, 1), AfterARestore),
        bound((1, 2), (0, 1), Never),
        bound((0, 3), (0, 2), Never),
        bound((1, 1), (1, 1), Never),
        Bound { backups: 2, ..bound((0, 4), (0, 2), Never) },
    ];
    for bound in if is_large() { &large[..] } else { &small[..] } {
        holds(Fault::NotRaised, *bound);
    }
}

#[test]
fn a_fork_that_is_not_told_stays_unknown_to_one() {
    is_caught(Fault::NotRaisedForkUntold, bound((0, 2), (0, 1), Comparison::Never), FORK_HEALS);
}
