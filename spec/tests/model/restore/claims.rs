//! What holds in every world, and what is reached.

use std::collections::BTreeSet;

use cme_spec::entry::EntryType;
use cme_spec::ledger::Stage;
use stateright::Property;

use super::super::parties::{Copy, Known};
use super::{Fault, Recovery, World};

pub(crate) const SOMEBODY: &str = "somebody holds itself responsible";
pub(crate) const NO_EARLY_END: &str = "nobody gives up responsibility before it holds the accept";
pub(crate) const ONE_HISTORY: &str = "one copy is a beginning of the other, and nothing is forked";
pub(crate) const LEVEL_HOLDS_ALL: &str = "a sequencer that may append holds all that the other holds";
pub(crate) const HEALS: &str = "two that reach each other hold all that either held, and go on";
pub(crate) const FORK_CLOSED: &str = "a forked ledger takes no more entries";
pub(crate) const FORK_HEALS: &str =
    "two that reach each other hold all branches, and agree who is responsible";

/// What holds always: for parties that raise their incarnation, or for those that fork because they don't. With
/// a chronicle, also what is reached.
pub(super) fn all(fault: Fault, chronicle: bool) -> Vec<Property<Recovery>> {
    let mut all = vec![
        Property::always(NO_EARLY_END, no_early_end),
        Property::always(FORK_CLOSED, |_, world: &World| !world.forked_and_receipted),
    ];
    if matches!(fault, Fault::NotRaised | Fault::NotRaisedForkUntold) {
        all.extend(of_forks());
    } else {
        all.extend(of_one_history());
    }
    if chronicle {
        all.extend(reached());
    }
    all
}

fn copies(world: &World) -> (&Copy, &Copy) {
    (&world.originating.disk.copy, &world.receiving.disk.copy)
}

fn no_early_end(model: &Recovery, world: &World) -> bool {
    let copy = &world.originating.disk.copy;
    let holds_an_accept = || copy.all().any(|entry| model.cast.kind(entry) == EntryType::Accept);
    model.holds_itself_responsible(world, Known::Originating) || holds_an_accept()
}

fn one_history(_: &Recovery, world: &World) -> bool {
    let (originating, receiving) = copies(world);
    let forked = originating.is_forked() || receiving.is_forked();
    !forked && (originating.begins(receiving) || receiving.begins(originating))
}

fn of_one_history() -> Vec<Property<Recovery>> {
    vec![
        Property::always(SOMEBODY, |model: &Recovery, world: &World| {
            Known::BOTH.iter().any(|party| model.holds_itself_responsible(world, *party))
        }),
        Property::always(ONE_HISTORY, one_history),
        Property::always(LEVEL_HOLDS_ALL, |_, world: &World| {
            let (originating, receiving) = copies(world);
            !world.standing(Known::Receiving).may_append() || originating.begins(receiving)
        }),
        Property::always(HEALS, |model: &Recovery, world: &World| {
            let healed = model.healed(world);
            let (originating, receiving) = copies(&healed);
            let (was_originating, was_receiving) = copies(world);
            originating == receiving
                && was_originating.begins(originating)
                && was_receiving.begins(receiving)
                && healed.originating.disk.pending.is_none()
                && Known::BOTH.iter().all(|party| healed.standing(*party).may_append())
        }),
    ]
}

/// Both hold the same, all that either held, and say the same: with an accept in any branch the receiving
/// authority is responsible, without one the originating authority.
fn fork_heals(model: &Recovery, world: &World) -> bool {
    let healed = model.healed(world);
    let before = copies(world);
    let (originating, receiving) = copies(&healed);
    let held = evidence(originating);
    let kept = before.0.all().chain(before.1.all()).all(|entry| held.contains(&entry));
    let parted = !before.0.begins(before.1) && !before.1.begins(before.0);
    let responsible = Known::BOTH.map(|party| model.holds_itself_responsible(&healed, party));
    let passed = model.cast.prove_an_accept(&held);
    kept && held == evidence(receiving)
        && originating.is_forked() == receiving.is_forked()
        && (originating.is_forked() || !parted)
        && responsible == [!passed, passed]
}

fn evidence(copy: &Copy) -> BTreeSet<usize> {
    copy.all().collect()
}

fn of_forks() -> Vec<Property<Recovery>> {
    vec![
        Property::always(FORK_HEALS, fork_heals),
        Property::sometimes("a ledger is forked", |_, world: &World| {
            let (originating, receiving) = copies(world);
            originating.is_forked() && receiving.is_forked()
        }),
        Property::sometimes("an accept stands in a branch alone", |model: &Recovery, world: &World| {
            let (originating, receiving) = copies(world);
            [originating, receiving]
                .iter()
                .any(|copy| copy.is_forked() && model.cast.accepts_in_a_branch(copy))
        }),
    ]
}

/// What a party lost with its disk and holds again, by its author.
fn came_back(model: &Recovery, world: &World, party: Known) -> bool {
    let lost = &world.chronicle.lost[usize::from(party == Known::Receiving)];
    let own = |entry: &&usize| model.cast.author(**entry) == party;
    lost.iter().filter(own).any(|entry| world.party(party).disk.copy.holds(*entry))
}

/// What happens in some world. The other stages are reached in the hand-over without restores.
fn reached() -> Vec<Property<Recovery>> {
    let mut reached = vec![
        Property::sometimes(
            "a sequencer gets an own entry back from the peer",
            |model: &Recovery, world: &World| came_back(model, world, Known::Receiving),
        ),
        Property::sometimes(
            "an originating authority gets an own entry back",
            |model: &Recovery, world: &World| came_back(model, world, Known::Originating),
        ),
        Property::sometimes(
            "a proposal refused as pair-suspended lands later",
            |model: &Recovery, world: &World| {
                let held = &world.receiving.disk.copy;
                world.chronicle.suspended.iter().any(|entry| model.cast.holds_decision(held, *entry))
            },
        ),
        Property::sometimes("a restored pair is level again and goes on", |_, world: &World| {
            let restored = Known::BOTH.iter().all(|party| world.party(*party).restores > 0);
            restored && Known::BOTH.iter().all(|party| world.standing(*party).may_append())
        }),
        Property::sometimes(
            "a decision lost with the disk is decided otherwise",
            |model: &Recovery, world: &World| {
                let (_, held) = copies(world);
                let replaced = |lost: &usize| {
                    let place = usize::try_from(model.cast.point(*lost).sequence).ok();
                    place.and_then(|place| held.entries.get(place)).is_some_and(|now| now != lost)
                };
                world.chronicle.lost[1].iter().any(replaced)
            },
        ),
        Property::sometimes("a stale request is refused", |_, world: &World| world.chronicle.stale),
        Property::sometimes("a doubt is settled", |_, world: &World| {
            world.chronicle.doubted && Known::BOTH.iter().all(|party| world.standing(*party).may_append())
        }),
    ];
    macro_rules! reached {
        ($($stage:ident $name:literal),+) => {$(
            reached.push(Property::sometimes($name, |model: &Recovery, world: &World| {
                model.cast.stage(&world.originating.disk.copy) == Some(Stage::$stage)
            }));
        )+};
    }
    reached!(
        Offered "offered is reached",
        Declined "declined is reached",
        Accepted "accepted is reached",
        Withdrawn "withdrawn is reached"
    );
    reached
}
