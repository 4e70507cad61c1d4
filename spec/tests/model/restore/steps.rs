//! What can happen next, and what it changes.

use std::collections::BTreeSet;

use cme_spec::entry::HeadRef;
use cme_spec::pair::{Difference, Pair, Standing, difference, went_back};

use super::super::parties::{Copy, Decision, Known, Taken};
use super::{BY_ORIGINATING, BY_RECEIVING, Comparison, Fault, Party, Recovery, Round, Step, World};

/// Entries that can reach a party, with the incarnation under which they come: what the peer holds, sent or
/// read, and what was on its way before the peer's disk was lost.
fn within_reach(world: &World, party: Known) -> BTreeSet<(usize, u64)> {
    let (here, peer) = (world.party(party), world.party(party.other()));
    let current = peer.disk.copy.all().map(|entry| (entry, peer.incarnation));
    let all = current.chain(here.wire.iter().copied());
    all.filter(|(entry, _)| !here.disk.copy.holds(*entry)).collect()
}

impl Recovery {
    pub(super) fn decisions(&self, world: &World, party: Known, steps: &mut Vec<Step>) {
        let disk = &world.party(party).disk;
        let (left, kinds) = match party {
            Known::Originating => (world.decided.0 < self.bound.decisions.0, &BY_ORIGINATING[..]),
            Known::Receiving => (world.decided.1 < self.bound.decisions.1, &BY_RECEIVING[..]),
        };
        // The sequencer appends at once; a decision of the other waits until it can be sent.
        let free = match party {
            Known::Originating => disk.pending.is_none(),
            Known::Receiving => self.may_append(world, party),
        };
        if left && free && !disk.copy.is_forked() {
            let may = |kind: &_| self.cast.may(party, &disk.copy, *kind);
            steps.extend(kinds.iter().copied().filter(may).map(|kind| Step::Decides(party, kind)));
        }
    }

    pub(super) fn arrivals(&self, world: &World, party: Known, steps: &mut Vec<Step>) {
        for (entry, under) in within_reach(world, party) {
            if self.fault == Fault::JudgedLater {
                steps.push(Step::IsAdmitted(party, entry, under));
            } else {
                steps.push(Step::Arrives(party, entry, under));
            }
            if self.fault == Fault::ReceiptBeforeDisk && party == Known::Receiving {
                steps.push(Step::IsReceiptedAndLost(entry));
            }
        }
        steps.extend(world.party(party).admitted.iter().map(|entry| Step::IsJudged(party, *entry)));
    }

    pub(super) fn rounds(&self, world: &World, party: Known, steps: &mut Vec<Step>) {
        let level = world.standing(party) == Standing::Level;
        let (here, peer) = (world.party(party), world.party(party.other()));
        // Equal digests end the daily check.
        let looks = match self.bound.comparison {
            Comparison::Never => false,
            Comparison::AfterARestore => here.restores + peer.restores > 0,
            Comparison::AtAnyTime => true,
        };
        if !level || (looks && here.disk.copy.entries != peer.disk.copy.entries) {
            steps.push(Step::Asks(party));
        }
        match here.round {
            Round::Idle => {}
            Round::Asked { .. } => steps.push(Step::IsAnswered(party)),
            Round::Answered { .. } => steps.push(Step::Notes(party)),
            Round::Noted { .. } => steps.push(Step::Settles(party)),
        }
    }

    pub(super) fn restores(&self, world: &World, party: Known, steps: &mut Vec<Step>) {
        let here = world.party(party);
        let restores_max = match party {
            Known::Originating => self.bound.restores.0,
            Known::Receiving => self.bound.restores.1,
        };
        if here.restores >= restores_max {
            return;
        }
        if here.backups < self.bound.backups && here.backup.as_deref() != Some(&here.disk) {
            steps.push(Step::BacksUp(party));
        }
        if here.backup.is_some() {
            steps.push(Step::IsRestored(party));
        }
    }

    pub(super) fn take_step(&self, world: &mut World, step: Step) {
        match step {
            Step::Decides(party, kind) => self.decide(world, party, kind),
            Step::Sends => self.send(world),
            Step::Arrives(party, entry, under) => {
                if self.is_let_in(world, party, entry, under) {
                    self.judge(world, party, entry);
                }
            }
            Step::IsReceiptedAndLost(entry) => self.receipt_and_lose(world, entry),
            Step::IsAdmitted(party, entry, under) => {
                if self.is_let_in(world, party, entry, under) {
                    world.party_mut(party).admitted.insert(entry);
                }
            }
            Step::IsJudged(party, entry) => {
                world.party_mut(party).admitted.remove(&entry);
                self.judge(world, party, entry);
            }
            Step::Asks(party) => self.ask(world, party),
            Step::IsAnswered(party) => self.answer(world, party),
            Step::Notes(party) => self.note(world, party),
            Step::Settles(party) => {
                self.settle(world, party);
            }
            Step::BacksUp(party) => {
                let here = world.party_mut(party);
                here.backup = Some(Box::new(here.disk.clone()));
                here.backups += 1;
            }
            Step::IsRestored(party) => self.restore(world, party),
        }
    }

    /// An officer decides; ids are random, so no decision after a restore has the id of one before.
    fn decide(&self, world: &mut World, party: Known, kind: cme_spec::entry::EntryType) {
        match party {
            Known::Originating => {
                let decision = Decision { by: party, number: world.decided.0, kind };
                let entry = self.cast.sign(&world.originating.disk.copy, decision);
                world.originating.disk.pending = Some(entry);
                world.decided.0 += 1;
            }
            Known::Receiving => {
                let decision = Decision { by: party, number: world.decided.1, kind };
                let entry = self.cast.record(&world.receiving.disk.copy, decision);
                world.receiving.disk.copy.entries.push(entry);
                world.decided.1 += 1;
            }
        }
    }

    /// The decision that waits is settled, given up, or sent as it can be made by now.
    pub(super) fn send(&self, world: &mut World) {
        let Party { disk, incarnation, .. } = &mut world.originating;
        let Some(pending) = disk.pending else { return };
        if self.cast.holds_decision(&disk.copy, pending) || disk.copy.is_forked() {
            disk.pending = None;
        } else if !self.cast.stands_next(&disk.copy, pending) {
            disk.pending = self.cast.sign_again(&disk.copy, pending);
        }
        if let Some(ready) = disk.pending {
            world.receiving.wire.insert((ready, *incarnation));
        }
    }

    pub(super) fn judge(&self, world: &mut World, party: Known, entry: usize) -> Taken {
        let may_append = self.may_append(world, party);
        let disk = &mut world.party_mut(party).disk;
        let forked = disk.copy.is_forked();
        let taken = self.cast.take(party, &mut disk.copy, entry, may_append);
        if disk.pending.is_some_and(|pending| self.cast.holds_decision(&disk.copy, pending)) {
            disk.pending = None;
        }
        world.forked_and_receipted |= forked && matches!(taken, Taken::Appended(_));
        if taken == Taken::PairSuspended {
            world.chronicle.suspended.insert(entry);
        }
        taken
    }

    fn receipt_and_lose(&self, world: &mut World, entry: usize) {
        let may_append = self.may_append(world, Known::Receiving);
        let mut copy = world.receiving.disk.copy.clone();
        if let Taken::Appended(entry) = self.cast.take(Known::Receiving, &mut copy, entry, may_append) {
            world.originating.wire.insert((entry, world.receiving.incarnation));
        }
    }

    /// Whether what comes under an incarnation is looked at.
    fn is_let_in(&self, world: &mut World, party: Known, entry: usize, under: u64) -> bool {
        let answer = party == Known::Originating && self.cast.author(entry) == Known::Originating;
        if self.fault == Fault::AnswersUnheard && answer {
            return true;
        }
        let current = self.hear(world, party, under);
        world.chronicle.stale |= !current;
        current
    }

    pub(super) fn hear(&self, world: &mut World, party: Known, incarnation: u64) -> bool {
        let pair = &mut world.party_mut(party).disk.pair;
        let heard = self.heard(*pair, incarnation);
        *pair = heard.unwrap_or(*pair);
        heard.is_some()
    }

    /// The place that the peer has signed for is read before its heads are asked for.
    pub(super) fn ask(&self, world: &mut World, party: Known) {
        let here = world.party_mut(party);
        let own_head = here.disk.copy.entries.last().map(|entry| self.cast.point(*entry).sequence);
        let receipted = own_head.filter(|_| party == Known::Originating);
        let signed_for = own_head.and_then(|_| here.disk.told.max(receipted));
        here.round = Round::Asked { signed_for };
    }

    /// The peer hears who asks, then reads what it holds. Under an incarnation that it knows to be over, the
    /// request is refused.
    pub(super) fn answer(&self, world: &mut World, party: Known) {
        let Round::Asked { signed_for } = world.party(party).round else { return };
        let current = self.hear(world, party.other(), world.party(party).incarnation);
        let peer = world.party(party.other());
        let (head, incarnation) = (peer.disk.copy.entries.last().copied(), peer.incarnation);
        let answered = Round::Answered { signed_for, head, incarnation };
        world.party_mut(party).round = if current { answered } else { Round::Idle };
    }

    /// The answer is dropped when the peer was replaced since; a head that contradicts is doubted.
    pub(super) fn note(&self, world: &mut World, party: Known) {
        let Round::Answered { signed_for, head, incarnation } = world.party(party).round else { return };
        if !self.hear(world, party, incarnation) {
            world.party_mut(party).round = Round::Idle;
            return;
        }
        let World { originating, receiving, chronicle, .. } = world;
        let here = if party == Known::Originating { originating } else { receiving };
        if let Some(head) = head {
            let point = self.cast.point(head);
            here.disk.told = Some(point.sequence);
            let at = self.header_at(&here.disk.copy, point.sequence);
            let other = at.is_some_and(|at| at != point.header_digest);
            if !here.disk.copy.is_forked() && (other || went_back(signed_for, point)) {
                here.disk.pair = here.disk.pair.doubted();
                chronicle.doubted = true;
            }
        }
        here.round = Round::Noted { head, incarnation, doubts: here.disk.pair.doubts().0 };
    }

    fn header_at(&self, copy: &Copy, sequence: u64) -> Option<cme_spec::digest::Digest> {
        let place = usize::try_from(sequence).ok()?;
        copy.entries.get(place).map(|entry| self.cast.point(*entry).header_digest)
    }

    /// What a copy and a told head lack of each other; nothing where the ledger is held as forked.
    pub(super) fn differs(&self, copy: &Copy, head: Option<usize>) -> Difference {
        if copy.is_forked() {
            return Difference::None;
        }
        let point = |entry: Option<usize>| -> Option<HeadRef> { entry.map(|entry| self.cast.point(entry)) };
        difference(point(copy.entries.last().copied()), point(head), |place| self.header_at(copy, place))
    }

    /// Compares, and notes how far the two are level; gives the difference.
    pub(super) fn settle(&self, world: &mut World, party: Known) -> Difference {
        let here = world.party_mut(party);
        let Round::Noted { head, incarnation, doubts } = here.round else { return Difference::None };
        let found = self.differs(&here.disk.copy, head);
        if !matches!(found, Difference::LackedHere | Difference::Contradiction) {
            let settled = (found == Difference::None).then_some(doubts);
            here.disk.pair = here.disk.pair.reconciled(here.incarnation, incarnation, settled);
        }
        here.round = Round::Idle;
        found
    }

    fn restore(&self, world: &mut World, party: Known) {
        let not_raised = self.fault.leaves_the_incarnation();
        let here = world.party_mut(party);
        let Some(backup) = here.backup.clone() else { return };
        let (before, under) = (std::mem::replace(&mut here.disk, *backup), here.incarnation);
        here.incarnation += u64::from(!not_raised);
        here.restores += 1;
        here.round = Round::Idle;
        here.admitted.clear();
        if self.fault != Fault::MessagesOutliveTheirAddressee {
            here.wire.clear();
        }
        let lost: BTreeSet<_> = before.copy.all().filter(|entry| !here.disk.copy.holds(*entry)).collect();
        world.party_mut(party.other()).wire.extend(before.copy.all().map(|entry| (entry, under)));
        world.chronicle.lost[usize::from(party == Known::Receiving)].extend(lost);
    }

    /// Drops what no later step can depend on, so that worlds that go on alike are one.
    pub(super) fn forget_what_changes_nothing(&self, world: &mut World, party: Known) {
        let (cast, outlive) = (&self.cast, self.fault == Fault::MessagesOutliveTheirAddressee);
        let (here, restores_max) = match party {
            Known::Originating => (&mut world.originating, self.bound.restores.0),
            Known::Receiving => (&mut world.receiving, self.bound.restores.1),
        };
        if here.restores >= restores_max {
            here.backup = None;
        }
        if !outlive {
            // Without a restore, after which nothing is on its way here, a copy only grows.
            let disk = &here.disk;
            here.wire.retain(|(entry, _)| !disk.copy.holds(*entry) && !cast.is_overtaken(&disk.copy, *entry));
        }
        // How often the pair was doubted says nothing; only whether a doubt is open, and younger than the heads.
        let pair = here.disk.pair;
        let (doubts, settled) = pair.doubts();
        let open = u64::from(settled < doubts);
        if let Round::Noted { doubts: noted, .. } = &mut here.round {
            *noted = if *noted < doubts { 0 } else { open };
        }
        here.disk.pair = Pair::stored(pair.own(), (pair.seen(), pair.read()), (open, 0));
    }
}
