//! What is left of a world when both servers run and the network works.

use cme_spec::pair::Difference;

use super::super::parties::Known;
use super::{Fault, Recovery, Round, World};

/// Rounds after which two parties that can agree have agreed.
const ROUNDS_MAX: usize = 12;

impl Recovery {
    /// Both servers send what waits and reconcile with each other, until nothing changes any more.
    pub(crate) fn healed(&self, world: &World) -> World {
        let mut world = world.clone();
        for _ in 0..ROUNDS_MAX {
            let before = world.clone();
            for party in Known::BOTH {
                world.party_mut(party).round = Round::Idle;
                self.reconcile(&mut world, party);
                self.tell_of_a_fork(&mut world, party);
            }
            self.propose(&mut world);
            if world == before {
                return world;
            }
        }
        panic!("two parties that reach each other do not come to rest: {world:?}")
    }

    fn propose(&self, world: &mut World) {
        if !world.standing(Known::Originating).may_append() {
            return;
        }
        self.send(world);
        let incarnation = world.originating.incarnation;
        if let Some(pending) = world.originating.disk.pending
            && self.hear(world, Known::Receiving, incarnation)
        {
            self.judge(world, Known::Receiving, pending);
            self.fetch(world, Known::Originating);
        }
    }

    /// A party that learns of a fork brings the peer what proves it.
    fn tell_of_a_fork(&self, world: &mut World, party: Known) {
        if world.party(party).disk.copy.is_forked() && self.fault != Fault::NotRaisedForkUntold {
            self.fetch(world, party.other());
        }
    }

    /// One round, unless equal digests make it needless.
    fn reconcile(&self, world: &mut World, party: Known) {
        let peer = party.other();
        let compares = self.fault != Fault::NotRaisedNorCompared;
        let same = world.party(party).disk.copy.entries == world.party(peer).disk.copy.entries;
        self.hear(world, party, world.party(peer).incarnation);
        if !compares || (same && world.standing(party).may_append()) {
            return;
        }
        self.ask(world, party);
        self.answer(world, party);
        self.note(world, party);
        let Round::Noted { head, .. } = world.party(party).round else { return };
        let lacks = |found| matches!(found, Difference::LackedHere | Difference::Contradiction);
        if lacks(self.differs(&world.party(party).disk.copy, head)) {
            self.fetch(world, party);
        }
        if matches!(self.settle(world, party), Difference::LackedThere { .. }) {
            // What is queued for the peer is delivered.
            self.hear(world, peer, world.party(party).incarnation);
            self.fetch(world, peer);
        }
    }

    /// Every entry of the peer's copy arrives, in order, then its evidence of forks.
    fn fetch(&self, world: &mut World, party: Known) {
        let held: Vec<usize> = world.party(party.other()).disk.copy.all().collect();
        for entry in held {
            self.judge(world, party, entry);
        }
    }
}
