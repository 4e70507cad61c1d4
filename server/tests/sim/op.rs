//! What can happen, as data: a run is a list of these, so that it can be repeated, cut down and written down.
//!
//! Operations name nothing by identifier. `at` and `by` are taken modulo the number of deployments or
//! authorities, `pick` modulo the number of things that it chooses among at that moment; where there is nothing
//! to choose, nothing happens. So any sublist of a run is a run.

use cme_spec::entry::EntryType;

use crate::dice::Dice;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// An officer offers a child: a new one, or one whose earlier transfer allows it.
    Offer { by: u8, to: u8, follow: u8 },
    /// An officer decides something that the authority's own copy allows.
    Decide { by: u8, kind: EntryType, pick: u8 },
    /// An officer deals with a refused letter: sends it again, or gives it up.
    Resolve { by: u8, pick: u8, again: bool },
    /// The delivery worker begins with one letter that is due.
    Send { at: u8 },
    /// The delivery worker fetches a ledger: one that it was asked for, or any.
    Pull { at: u8, pick: u8 },
    /// The reconciliation worker begins with one pair that is due.
    Reconcile { at: u8 },
    /// One letter that is due is sent and answered, with all that follows, and nothing goes wrong.
    Exchange { at: u8 },
    /// A request arrives, or an answer does.
    Carry { pick: u8 },
    /// A request is lost; its sender hears that the connection broke.
    LoseRequest { pick: u8 },
    /// An answer is lost; its sender hears that the connection broke.
    LoseAnswer { pick: u8 },
    /// A request is sent a second time.
    Repeat { pick: u8 },
    /// A sender's patience ends; what it sent may arrive later.
    GiveUp { pick: u8 },
    /// A request breaks off in the middle.
    Tear { pick: u8 },
    /// Nothing passes between two deployments.
    Cut { a: u8, b: u8 },
    /// Everything passes again.
    Join { a: u8, b: u8 },
    /// A server dies between two steps.
    Crash { at: u8 },
    /// A server that is down starts.
    Start { at: u8 },
    /// A server dies at its next commit: before it, or after it took effect.
    CrashAtCommit { at: u8, after: bool },
    /// The next commit takes effect and is told as failed.
    UnheardCommit { at: u8 },
    /// From now on commits are told as done and nothing of them is kept. It is never drawn: only a server that
    /// breaks its promises is like that, and the simulation has to notice.
    Forget { at: u8 },
    /// A disk is full, or has room again.
    Full { at: u8, on: bool },
    /// The database is held by another process for so many tries.
    Busy { at: u8, times: u8 },
    /// A disk is slow: each commit takes so many seconds more. Or fast again.
    Slow { at: u8, seconds: u8 },
    /// A clock is set: so many seconds ahead of the true time, or behind it.
    Clock { at: u8, seconds: i32 },
    /// Time passes everywhere.
    Pass { seconds: u8 },
    /// Time passes in which no process gets to run: what was lent to it for a time is lent no longer.
    Stall { seconds: u32 },
}

/// What can go wrong in a run. Each run has some of it: faults that come all at once hide each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Network,
    Partitions,
    Crashes,
    Commits,
    Disks,
    Clocks,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Network,
    Trouble::Partitions,
    Trouble::Crashes,
    Trouble::Commits,
    Trouble::Disks,
    Trouble::Clocks,
];

/// Seconds that clocks are set to: around the allowed skew of 300, and far beyond it.
const CLOCKS: [i32; 12] = [0, 1, -1, 299, -299, 301, -301, 3_600, -3_600, 86_400, -86_400, 5];

/// Seconds that a slow disk takes: below and above the time between two renewals of a lease, the lease itself and
/// the time that a sender waits for an answer.
const SLOW: [u8; 3] = [2, 12, 40];

/// What could happen in a world at one moment: nothing is drawn that could only come to nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chances {
    /// Deployments, up or not.
    pub(crate) deployments: u64,
    /// Each authority's deployment.
    pub(crate) homes: Vec<u8>,
    /// What is broken and can be mended: servers that are down, disks, the network between two deployments.
    pub(crate) mends: Vec<Op>,
    /// Deployments with a letter that is due.
    pub(crate) sends: Vec<u8>,
    /// Deployments that hold a ledger.
    pub(crate) holds: Vec<u8>,
    /// What authorities can decide.
    pub(crate) decides: Vec<(u8, EntryType)>,
    /// Authorities with a letter that was refused for good.
    pub(crate) resolves: Vec<u8>,
    /// Requests that lie on the network, answers, and senders that wait.
    pub(crate) requests: bool,
    pub(crate) answers: bool,
    pub(crate) waiters: bool,
    /// Transfers that are undecided, or on their way.
    pub(crate) undecided: usize,
}

/// Undecided transfers below which many more are offered, and from which on hardly any.
const UNDECIDED_FEW: usize = 2;
const UNDECIDED_MANY: usize = 5;

/// Where a run's operations come from: the seed, and what can happen.
pub(crate) struct Drawing {
    dice: Dice,
    troubles: Vec<Trouble>,
    /// What officers of this run like to decide.
    favourites: &'static [EntryType],
    /// What the last operation was drawn for.
    meant: Option<Op>,
}

/// How many lots a decision has among all that can be taken, and a favourite one.
const LOTS: usize = 1;
const LOTS_OF_FAVOURITES: usize = 15;

/// What leads to an entry of some kind. Each seed has the next, so that a few bring about every kind.
const FAVOURITES: [&[EntryType]; 6] = {
    use EntryType as E;
    [
        &[E::Accept, E::Outcome, E::Retract],
        &[E::Decline, E::Contest, E::Uphold],
        &[E::RequestInformation, E::SupplyInformation, E::Accept, E::Outcome],
        &[E::Acknowledge, E::Redirect, E::Withdraw],
        &[E::Acknowledge, E::Decline, E::Contest, E::Uphold],
        &[E::Decline, E::Withdraw, E::Correct],
    ]
};

impl Drawing {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let troubles = TROUBLES.into_iter().filter(|_| dice.below(2) == 0).collect();
        let favourites = FAVOURITES[usize::try_from(seed).unwrap_or(0) % FAVOURITES.len()];
        Self { dice, troubles, favourites, meant: None }
    }

    fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble)
    }

    /// The next operation.
    pub(crate) fn next(&mut self, chances: &Chances) -> Op {
        if let Some(op) = self.meant.take() {
            return op;
        }
        loop {
            let op = match self.dice.below(100) {
                0..60 => self.work(chances),
                60..74 if self.has(Trouble::Network) => Some(self.network()),
                74..76 if self.has(Trouble::Partitions) => {
                    Some(Op::Cut { a: self.place(chances), b: self.place(chances) })
                }
                76..79 if self.has(Trouble::Crashes) => Some(Op::Crash { at: self.place(chances) }),
                79..82 if self.has(Trouble::Commits) => Some(self.commit(chances)),
                82..86 if self.has(Trouble::Disks) => Some(self.disk(chances)),
                86..89 if self.has(Trouble::Clocks) => Some(self.clock(chances)),
                89..97 => self.one_of(&chances.mends),
                97..99 => Some(Op::Pass { seconds: self.dice.byte() / 16 }),
                99..100 => Some(Op::Stall { seconds: u32::from(self.dice.byte()) * 16 }),
                _ => None,
            };
            if let Some(op) = op.filter(|op| can_happen(*op, chances)) {
                return op;
            }
        }
    }

    fn place(&mut self, chances: &Chances) -> u8 {
        u8::try_from(self.dice.below(chances.deployments)).unwrap_or(0)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let count = u64::try_from(all.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(self.dice.below(count)).ok().map(|index| all[index])
    }

    fn decision(&mut self, chances: &Chances) -> Option<(u8, EntryType)> {
        let favourites = self.favourites;
        let lots = |kind: EntryType| if favourites.contains(&kind) { LOTS_OF_FAVOURITES } else { LOTS };
        let drawn =
            chances.decides.iter().flat_map(|decision| std::iter::repeat_n(*decision, lots(decision.1)));
        self.one_of(&drawn.collect::<Vec<_>>())
    }

    /// What officers and servers do where nothing goes wrong.
    fn work(&mut self, chances: &Chances) -> Option<Op> {
        let (pick, other) = (self.dice.byte(), self.dice.byte());
        let offers = match chances.undecided {
            ..UNDECIDED_FEW => 10,
            UNDECIDED_FEW..UNDECIDED_MANY => 4,
            _ => 1,
        };
        match self.dice.below(64) {
            lot if lot < offers => Some(Op::Offer { by: pick, to: other, follow: self.dice.byte() }),
            ..26 => self.decision(chances).map(|(by, kind)| Op::Decide { by, kind, pick }),
            26..27 => self.one_of(&chances.resolves).map(|by| Op::Resolve { by, pick, again: other < 64 }),
            27..33 => self.one_of(&chances.sends).map(|at| Op::Send { at }),
            33..34 => self.one_of(&chances.holds).map(|at| Op::Pull { at, pick }),
            34..35 => self.one_of(&chances.holds).map(|at| Op::Reconcile { at }),
            35..52 => self.one_of(&chances.sends).map(|at| Op::Exchange { at }),
            _ => Some(Op::Carry { pick }),
        }
    }

    fn network(&mut self) -> Op {
        let pick = self.dice.byte();
        match self.dice.below(10) {
            0..2 => Op::LoseRequest { pick },
            2..5 => Op::LoseAnswer { pick },
            5..7 => Op::Repeat { pick },
            7..9 => Op::GiveUp { pick },
            _ => Op::Tear { pick },
        }
    }

    /// Something for the next commit. Most are of leases, so half of the time a decision comes next.
    fn commit(&mut self, chances: &Chances) -> Op {
        let meant = if self.dice.below(2) == 0 { self.decision(chances) } else { None };
        let at = match meant {
            Some((by, _)) => chances.homes[usize::from(by)],
            None => self.place(chances),
        };
        self.meant = meant.map(|(by, kind)| Op::Decide { by, kind, pick: self.dice.byte() });
        match self.dice.below(3) {
            0 => Op::CrashAtCommit { at, after: false },
            1 => Op::CrashAtCommit { at, after: true },
            _ => Op::UnheardCommit { at },
        }
    }

    fn disk(&mut self, chances: &Chances) -> Op {
        let at = self.place(chances);
        match self.dice.below(4) {
            0 => Op::Full { at, on: true },
            1 => Op::Busy { at, times: 1 + self.dice.byte() % 4 },
            _ => Op::Slow { at, seconds: SLOW[usize::from(self.dice.byte()) % SLOW.len()] },
        }
    }

    fn clock(&mut self, chances: &Chances) -> Op {
        let at = self.place(chances);
        Op::Clock { at, seconds: CLOCKS[usize::from(self.dice.byte()) % CLOCKS.len()] }
    }
}

/// Whether the operation finds what it is about.
fn can_happen(op: Op, chances: &Chances) -> bool {
    match op {
        Op::Carry { .. } => chances.requests || chances.answers,
        Op::LoseRequest { .. } | Op::Repeat { .. } | Op::Tear { .. } => chances.requests,
        Op::LoseAnswer { .. } => chances.answers,
        Op::GiveUp { .. } => chances.waiters,
        Op::Cut { a, b } | Op::Join { a, b } => a != b,
        _ => true,
    }
}
