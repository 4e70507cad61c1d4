//! Two parties that keep their memory on a disk, and get an older one back after a restore.
//!
//! What a restore takes back is the copy, the waiting decision and what is known of the peer ([`Disk`]); the
//! incarnation is kept elsewhere and raised. What is on its way, and what a process only remembers, is not on
//! any disk. Each step is one transaction of one party's store, so that everything that can come between two
//! transactions of a server does.

mod claims;
mod healing;
mod runs;
mod steps;

use std::collections::BTreeSet;

use cme_spec::entry::EntryType;
use cme_spec::pair::{Heard, Pair, Standing};
use stateright::{Model, Property};

use super::parties::{Cast, Copy, Known};

/// What a party keeps, and what a backup of it brings back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    pub(crate) copy: Copy,
    /// Decision that waits for the sequencer, in its newest signed version.
    pub(crate) pending: Option<usize>,
    pub(crate) pair: Pair,
    /// The place in the newest head that the peer told.
    pub(crate) told: Option<u64>,
}

/// How far a party is with reading the peer's heads; only a running process remembers it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Round {
    #[default]
    Idle,
    /// Asked, with what the peer had signed for before.
    Asked { signed_for: Option<u64> },
    /// The answer is on its way: the peer's newest entry, if it holds the ledger, and its incarnation.
    Answered { signed_for: Option<u64>, head: Option<usize>, incarnation: u64 },
    /// The head is noted; what is lacking is fetched and the rest settled.
    Noted { head: Option<usize>, incarnation: u64, doubts: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Party {
    pub(crate) disk: Disk,
    pub(crate) incarnation: u64,
    pub(crate) round: Round,
    /// What was on its way to this party when its sender's disk was lost, and proposals sent: at any time, any
    /// number of times, or never, each under the incarnation of its sender.
    pub(crate) wire: BTreeSet<(usize, u64)>,
    /// Entries that came under an incarnation that was looked at, not judged yet. Empty where both are done in
    /// one transaction.
    pub(crate) admitted: BTreeSet<usize>,
    pub(crate) backup: Option<Box<Disk>>,
    pub(crate) backups: u8,
    pub(crate) restores: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) originating: Party,
    pub(crate) receiving: Party,
    /// Decisions so far, of originating and receiving.
    pub(crate) decided: (u8, u8),
    /// An entry was receipted for a ledger that was held as forked.
    pub(crate) forked_and_receipted: bool,
    /// Kept only where it is asked for: it tells worlds apart that go on alike.
    pub(crate) chronicle: Chronicle,
}

/// What has happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Chronicle {
    /// Entries that went with a disk of the originating or the receiving authority.
    pub(crate) lost: [BTreeSet<usize>; 2],
    /// Proposals that were refused as `pair-suspended`.
    pub(crate) suspended: BTreeSet<usize>,
    /// A request was refused as stale.
    pub(crate) stale: bool,
    /// A pair was suspended because of a head.
    pub(crate) doubted: bool,
}

impl World {
    pub(crate) fn party(&self, party: Known) -> &Party {
        match party {
            Known::Originating => &self.originating,
            Known::Receiving => &self.receiving,
        }
    }

    pub(crate) fn standing(&self, party: Known) -> Standing {
        let Party { disk, incarnation, .. } = self.party(party);
        disk.pair.standing(*incarnation)
    }

    pub(crate) fn party_mut(&mut self, party: Known) -> &mut Party {
        match party {
            Known::Originating => &mut self.originating,
            Known::Receiving => &mut self.receiving,
        }
    }
}

/// A rule of the text, or an assumption, that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// An offer that stays unanswered is taken as accepted.
    SilenceMoves,
    /// The incarnation stays as it was at a restore (RCV-001).
    NotRaised,
    /// The same, and who learns of a fork does not bring the peer its branches.
    NotRaisedForkUntold,
    /// The same, and no heads are compared either (RCV-007).
    NotRaisedNorCompared,
    /// A restored sequencer appends before it has reconciled (RCV-008).
    AppendsAtOnce,
    /// A peer's raised incarnation does not make a party read its heads (RCV-003).
    RaiseNotRead,
    /// A receipt leaves, and the entry is lost in a crash (RCP-001).
    ReceiptBeforeDisk,
    /// A request's incarnation is looked at before the transaction in which its entry is judged.
    JudgedLater,
    /// An answer to a proposal is taken without a look at the receipt's incarnation.
    AnswersUnheard,
    /// A message reaches a party that was restored after it was sent, over a connection that must be gone.
    MessagesOutliveTheirAddressee,
}

impl Fault {
    const fn leaves_the_incarnation(self) -> bool {
        matches!(self, Self::NotRaised | Self::NotRaisedForkUntold | Self::NotRaisedNorCompared)
    }
}

/// When two that may append compare their copies all the same. Where nothing was restored that changes
/// nothing but what is known of the peer's heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Never,
    AfterARestore,
    AtAnyTime,
}

/// How much of each may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) decisions: (u8, u8),
    /// Whether both hold the offer already and have met.
    pub(crate) begun: bool,
    /// Backups of each party.
    pub(crate) backups: u8,
    /// Restores of each.
    pub(crate) restores: (u8, u8),
    /// When two that may append compare their copies.
    pub(crate) comparison: Comparison,
    /// Whether what has happened is remembered.
    pub(crate) chronicle: bool,
}

/// What is decided: one entry of each effect, moving responsibility, refusing, taking back, changing nothing.
const BY_ORIGINATING: [EntryType; 2] = [EntryType::Withdraw, EntryType::Correct];
const BY_RECEIVING: [EntryType; 3] = [EntryType::Accept, EntryType::Decline, EntryType::Correct];

/// A hand-over between parties that can lose their disks.
pub(crate) struct Recovery {
    pub(crate) cast: Cast,
    pub(crate) fault: Fault,
    pub(crate) bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Decides(Known, EntryType),
    /// The originating authority sends its decision, signed again if need be.
    Sends,
    /// An entry reaches a party, under an incarnation of the peer, and is judged.
    Arrives(Known, usize, u64),
    /// A proposal is answered with a receipt, and the crash that follows takes the entry.
    IsReceiptedAndLost(usize),
    /// An entry comes under a current incarnation, and waits to be judged.
    IsAdmitted(Known, usize, u64),
    /// An entry that was admitted is judged.
    IsJudged(Known, usize),
    /// A party asks for the peer's heads.
    Asks(Known),
    /// Its peer answers.
    IsAnswered(Known),
    /// The answer arrives, and is noted.
    Notes(Known),
    /// What the peer told is compared with the copy as it is by now.
    Settles(Known),
    BacksUp(Known),
    IsRestored(Known),
}

impl Recovery {
    pub(crate) fn new(fault: Fault, bound: Bound) -> Self {
        Self { cast: Cast::new(), fault, bound }
    }

    fn may_append(&self, world: &World, party: Known) -> bool {
        let careless = self.fault == Fault::AppendsAtOnce;
        careless || world.standing(party).may_append()
    }

    /// The pair after an incarnation was heard; `None` when it is stale.
    fn heard(&self, pair: Pair, incarnation: u64) -> Option<Pair> {
        match pair.hear(incarnation) {
            Heard::Stale => None,
            Heard::Same => Some(pair),
            Heard::Raised(raised) if self.fault == Fault::RaiseNotRead => {
                Some(Pair::stored(raised.own(), (incarnation, incarnation), raised.doubts()))
            }
            Heard::Raised(raised) => Some(raised),
        }
    }

    /// Who is responsible, as a party sees it: by its ledger, or by any branch of a forked one.
    ///
    /// A ledger that is not reconciled after a restore counts as the party's own.
    pub(crate) fn holds_itself_responsible(&self, world: &World, party: Known) -> bool {
        let copy = &world.party(party).disk.copy;
        if world.standing(party) == Standing::Restored {
            return true;
        }
        let silent = self.fault == Fault::SilenceMoves && self.cast.is_unanswered(copy);
        let passed = silent || self.cast.has_passed(copy);
        passed == (party == Known::Receiving)
    }
}

impl Model for Recovery {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let party = || Party {
            disk: Disk::default(),
            incarnation: 1,
            round: Round::Idle,
            wire: BTreeSet::new(),
            admitted: BTreeSet::new(),
            backup: None,
            backups: 0,
            restores: 0,
        };
        let mut world = World {
            originating: party(),
            receiving: party(),
            decided: (0, 0),
            forked_and_receipted: false,
            chronicle: Chronicle::default(),
        };
        world.originating.disk.pending = Some(self.cast.offer());
        vec![if self.bound.begun { self.healed(&world) } else { world }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for party in Known::BOTH {
            self.decisions(world, party, steps);
            self.arrivals(world, party, steps);
            self.rounds(world, party, steps);
            self.restores(world, party, steps);
        }
        let pending = world.originating.disk.pending.is_some();
        if pending && world.standing(Known::Originating).may_append() {
            steps.push(Step::Sends);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        self.take_step(&mut next, step);
        for party in Known::BOTH {
            self.forget_what_changes_nothing(&mut next, party);
        }
        if !self.bound.chronicle {
            next.chronicle = Chronicle::default();
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        claims::all(self.fault, self.bound.chronicle)
    }
}
