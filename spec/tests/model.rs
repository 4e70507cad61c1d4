//! Model checking of a hand-over: every order in which two parties can decide, send, lose, repeat and delay.
//!
//! The rules are the real ones: each arrival goes through `ledger::arrival::rule`, each decision through
//! `ledger::allows`, with real entries, signatures and receipts. Only the network and the officers are the
//! model's. Whatever a party ever had to send can arrive at any time, any number of times, in any order, or
//! never: that is loss, repetition, reordering and delay, and a crash that loses what was on its way. Parties
//! keep what they committed; `model/restore.rs` checks those that get an older disk back.
//!
//! Bounds: after the offer the originating authority decides up to so many times, the receiving one up to so
//! many times. CI uses the small bound; `CME_MODEL=large cargo test --release -p cme-spec --test model --
//! --nocapture` the large one. The counts are written in docs/model.md.

mod model {
    pub(crate) mod parties;
    pub(crate) mod restore;
}

use std::collections::BTreeSet;

use cme_spec::entry::EntryType;
use cme_spec::ledger::Stage;
use model::parties::{Cast, Copy, Decision, Known};
use stateright::{Checker as _, Model, Property};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    originating: Copy,
    receiving: Copy,
    /// Decision of the originating authority on its way, in its newest signed version.
    pending: Option<usize>,
    /// Every version that was ever signed: the network can bring each at any time.
    proposals: BTreeSet<usize>,
    /// Decisions given up: the ledger had moved on.
    given_up: BTreeSet<usize>,
    /// Entries for which a receipt was given, by either party.
    acknowledged: BTreeSet<usize>,
    decided: (u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    OriginatingDecides(EntryType),
    ReceivingDecides(EntryType),
    /// A proposal arrives at the sequencer; its answer is lost.
    ProposalArrives(usize),
    /// An entry of the sequencer's copy arrives at the originating authority, with the sequencer's receipt: as
    /// the answer to its proposal, or as a delivery.
    EntryArrives(usize),
    /// The originating authority fetches what it lacks.
    Fetches,
}

/// The originating authority's view of who is responsible.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// As the text says: only an accept moves it.
    OnlyAnAcceptMoves,
    /// A mutant: an offer that stays unanswered is taken as accepted.
    SilenceMoves,
}

struct HandOver {
    cast: Cast,
    rule: Rule,
    bound: (u8, u8),
}

const BY_ORIGINATING: [EntryType; 5] = [
    EntryType::Contest,
    EntryType::Withdraw,
    EntryType::RequestInformation,
    EntryType::SupplyInformation,
    EntryType::Correct,
];
const BY_RECEIVING: [EntryType; 10] = [
    EntryType::Acknowledge,
    EntryType::Accept,
    EntryType::Decline,
    EntryType::Uphold,
    EntryType::Redirect,
    EntryType::Outcome,
    EntryType::Retract,
    EntryType::RequestInformation,
    EntryType::SupplyInformation,
    EntryType::Correct,
];

impl HandOver {
    /// The originating authority says that the other is responsible.
    fn originating_gave_up(&self, world: &World) -> bool {
        let stage = self.cast.stage(&world.originating);
        let silent = self.rule == Rule::SilenceMoves && stage == Some(Stage::Offered);
        silent || self.cast.accepted(&world.originating)
    }

    fn arrives_at_originating(&self, world: &mut World, entry: usize) {
        if self.cast.arrive(Known::Originating, &mut world.originating, entry) {
            world.acknowledged.insert(entry);
        }
        if world.pending.is_some_and(|pending| self.cast.holds_decision(&world.originating, pending)) {
            world.pending = None;
        }
    }

    /// The sequencer's copy is fetched; a decision that lost its place is signed again or given up.
    fn fetch(&self, world: &mut World) {
        for entry in world.receiving.entries.clone().into_iter().skip(world.originating.entries.len()) {
            self.arrives_at_originating(world, entry);
        }
        let Some(pending) = world.pending else { return };
        if !self.cast.stands_next(&world.originating, pending) {
            world.pending = self.cast.sign_again(&world.originating, pending);
            match world.pending {
                Some(again) => world.proposals.insert(again),
                None => world.given_up.insert(pending),
            };
        }
    }

    /// The network works again: send and fetch until nothing is left to send.
    fn healed(&self, world: &World) -> World {
        let mut world = world.clone();
        loop {
            let before = world.clone();
            if let Some(pending) = world.pending {
                self.cast.propose(&mut world.receiving, pending);
            }
            self.fetch(&mut world);
            if world == before {
                return world;
            }
        }
    }
}

impl Model for HandOver {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let offer = self.cast.offer();
        vec![World {
            originating: Copy::default(),
            receiving: Copy::default(),
            pending: Some(offer),
            proposals: BTreeSet::from([offer]),
            given_up: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            decided: (0, 0),
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.decided.0 < self.bound.0 && world.pending.is_none() {
            let may = |kind: &EntryType| self.cast.may(Known::Originating, &world.originating, *kind);
            steps.extend(BY_ORIGINATING.into_iter().filter(may).map(Step::OriginatingDecides));
        }
        if world.decided.1 < self.bound.1 {
            let may = |kind: &EntryType| self.cast.may(Known::Receiving, &world.receiving, *kind);
            steps.extend(BY_RECEIVING.into_iter().filter(may).map(Step::ReceivingDecides));
        }
        steps.extend(world.proposals.iter().copied().map(Step::ProposalArrives));
        steps.extend(world.receiving.entries.iter().copied().map(Step::EntryArrives));
        steps.push(Step::Fetches);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::OriginatingDecides(kind) => {
                let decision = Decision { by: Known::Originating, number: world.decided.0, kind };
                let entry = self.cast.sign(&world.originating, decision);
                next.pending = Some(entry);
                next.proposals.insert(entry);
                next.decided.0 += 1;
            }
            Step::ReceivingDecides(kind) => {
                let decision = Decision { by: Known::Receiving, number: world.decided.1, kind };
                let entry = self.cast.record(&world.receiving, decision);
                next.receiving.entries.push(entry);
                next.decided.1 += 1;
            }
            Step::ProposalArrives(entry) => {
                next.acknowledged.extend(self.cast.propose(&mut next.receiving, entry));
            }
            Step::EntryArrives(entry) => self.arrives_at_originating(&mut next, entry),
            Step::Fetches => self.fetch(&mut next),
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("somebody is responsible", |model: &Self, world: &World| {
                !model.originating_gave_up(world) || model.cast.accepted(&world.receiving)
            }),
            Property::always("the originating copy is a beginning of the sequencer's", |_, world: &World| {
                let held = &world.originating.entries;
                world.receiving.entries.get(..held.len()) == Some(&held[..])
            }),
            Property::always("nothing receipted disappears", |_, world: &World| {
                world.acknowledged.iter().all(|entry| world.receiving.entries.contains(entry))
            }),
            Property::always("a network that heals makes the copies equal", |model: &Self, world: &World| {
                let healed = model.healed(world);
                healed.originating == healed.receiving && healed.pending.is_none()
            }),
            Property::sometimes("a decision is signed again and lands", |model: &Self, world: &World| {
                world.originating.entries.iter().any(|entry| model.cast.was_signed_again(*entry))
            }),
            Property::sometimes("a withdrawal loses to an accept", |model: &Self, world: &World| {
                model.cast.accepted(&world.originating)
                    && world.given_up.iter().any(|entry| model.cast.kind(*entry) == EntryType::Withdraw)
            }),
        ];
        macro_rules! reached {
            ($($stage:ident $name:literal),+) => {$(
                properties.push(Property::sometimes($name, |model: &Self, world: &World| {
                    model.cast.stage(&world.originating) == Some(Stage::$stage)
                }));
            )+};
        }
        reached!(
            Offered "offered is reached",
            Acknowledged "acknowledged is reached",
            Declined "declined is reached",
            Contested "contested is reached",
            Accepted "accepted is reached",
            Upheld "upheld is reached",
            Redirected "redirected is reached",
            Withdrawn "withdrawn is reached",
            Settled "settled is reached"
        );
        properties
    }
}

fn check(rule: Rule, bound: (u8, u8)) -> impl stateright::Checker<HandOver> {
    HandOver { cast: Cast::new(), rule, bound }.checker().threads(2).spawn_bfs().join()
}

#[test]
fn in_every_order_somebody_is_responsible_and_the_copies_converge() {
    let large = std::env::var("CME_MODEL").is_ok_and(|bound| bound == "large");
    let bound = if large { (2, 3) } else { (1, 2) };
    let checker = check(Rule::OnlyAnAcceptMoves, bound);
    println!("bound {bound:?}: {} states, {} distinct", checker.state_count(), checker.unique_state_count());
    checker.assert_properties();
    assert!(checker.unique_state_count() > 1_000, "the model does not move");
}

#[test]
fn a_rule_by_which_silence_moves_responsibility_is_caught() {
    let checker = check(Rule::SilenceMoves, (1, 1));
    checker.assert_any_discovery("somebody is responsible");
}
