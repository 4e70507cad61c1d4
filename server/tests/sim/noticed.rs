//! The invariants are able to fail: each is shown a world in which what it is there to notice has happened, and
//! says so.

use cme_server::store::outbox::Letter;
use cme_spec::entry::EntryType;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::ledger::State;

use crate::audit::{Audit, Books, Copy};
use crate::history::History;
use crate::invariants::{self, Exported, Invariant, Scene};
use crate::op::Op::{self, Carry, Decide, Exchange, Forget, Offer, Send};
use crate::run;
use crate::world::{Hosting, World};

/// What is known of a world that came to rest.
#[derive(Clone)]
struct Known {
    before: Audit,
    now: Audit,
    history: History,
    exports: Vec<Exported>,
}

impl Known {
    fn books(&mut self, code: &str) -> &mut Books {
        self.now.0.get_mut(&example::code(code)).expect("a party")
    }

    /// An authority's copy of the transfer that was offered first or second.
    fn copy(&mut self, code: &str, number: usize) -> &mut Copy {
        let mut transfers: Vec<_> = self.history.decisions.iter().map(|made| made.transfer).collect();
        transfers.dedup();
        self.books(code).copies.get_mut(&transfers[number]).expect("a copy")
    }

    /// The invariants that don't hold.
    fn broken(&self) -> Vec<&'static str> {
        let Self { before, now, history, exports } = self;
        let scene = Scene { before, now, history, exports };
        let broken = |invariant: &Invariant| invariant.ask(&scene).err().map(|broken| broken.invariant);
        invariants::ALL.iter().filter_map(broken).collect()
    }
}

/// 373 offers two children to 330, which accepts both.
const STORY: [Op; 8] = [
    Offer { by: 0, to: 1, follow: 1 },
    Exchange { at: 0 },
    Decide { by: 1, kind: EntryType::Accept, pick: 0 },
    Exchange { at: 1 },
    Offer { by: 0, to: 1, follow: 1 },
    Exchange { at: 0 },
    Decide { by: 1, kind: EntryType::Accept, pick: 0 },
    Exchange { at: 1 },
];

fn world_at_rest() -> Known {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut world = World::new(1, Hosting::Apart).await;
        for op in STORY {
            world.perform(op).await;
            world.check().expect("nothing goes wrong");
        }
        world.come_to_rest().await.expect("nothing goes wrong");
        let exports = world.exports().await.expect("all can be exported");
        let (audit, history) = world.known();
        Known { before: audit.clone(), now: audit.clone(), history: history.clone(), exports }
    })
}

fn letter(known: &mut Known, code: &str) -> Letter {
    let key = known.copy(code, 0).key;
    let id = known.copy(code, 0).entries[1].id;
    let task = cme_server::store::outbox::Task::Deliver;
    Letter { key, id, task, place: 1, dead: false, attempts: 0, next_at: 0, last_failure: None }
}

type Change = fn(&mut Known);

/// For each invariant, something that it must notice.
const FAULTS: &[(&str, Change)] = &[
    ("nobody's child", |known| {
        let offered = State::Offered { offered: start(known) };
        known.copy("330", 0).ledger.state = offered;
    }),
    ("responsibility moves by an accept alone", |known| {
        known.copy("373", 0).ledger.state = State::Offered { offered: start(known) };
    }),
    ("a hand-over is accepted once", |known| {
        let first = known.copy("330", 0).ledger.terms.responsibility;
        known.copy("330", 1).ledger.terms.responsibility = first;
    }),
    ("the originating copy is a beginning of the sequencer's", |known| {
        known.copy("330", 0).entries.swap(0, 1);
    }),
    ("a copy only grows", |known| known.copy("373", 0).entries.truncate(1)),
    ("what was promised is kept", |known| {
        known.history.decisions[0].id = example::entry_id(7);
    }),
    ("what was promised is kept", |known| {
        known.history.receipts[0].header_digest = cme_spec::digest::Digest::of(b"another header");
    }),
    ("no entry stands twice", |known| {
        let first = known.copy("330", 0).entries[0].body;
        known.copy("330", 1).entries[0].body = first;
    }),
    ("no fork, no refused delivery", |known| known.copy("330", 0).forked = true),
    ("no fork, no refused delivery", |known| {
        let transfer = known.copy("373", 0).key.transfer;
        known.books("373").refused.push((transfer, 1, "key-unknown".to_owned()));
    }),
    ("nobody who lost nothing is suspended", |known| {
        known.books("373").not_level.push((code("330"), "suspended"));
    }),
    ("what is owed is in the outbox", |known| {
        known.copy("330", 0).entries[1].vouched = false;
    }),
    ("copies are equal", |known| {
        let copy = known.copy("373", 0);
        let transfer = copy.key.transfer;
        known.books("373").copies.remove(&transfer);
    }),
    ("the outbox is empty, and what was given up was superseded", |known| {
        let letter = letter(known, "330");
        known.books("330").letters.push(letter);
    }),
    ("the outbox is empty, and what was given up was superseded", |known| {
        let letter = Letter { dead: true, ..letter(known, "330") };
        known.books("330").letters.push(letter);
    }),
    ("each ledger verifies offline", |known| {
        let text = &mut known.exports[0].2;
        *text = text.replace("\"acceptance\"", "\"accepted\"").replace("Testcase", "Testfall");
    }),
];

fn code(code: &str) -> AuthorityCode {
    example::code(code)
}

fn start(known: &mut Known) -> cme_spec::ledger::ClockStart {
    let at = known.copy("330", 0).ledger.received_at;
    cme_spec::ledger::ClockStart { at, directory_issue: 1 }
}

#[test]
fn each_invariant_notices_what_it_is_there_for() {
    let sound = world_at_rest();
    assert!(sound.broken().is_empty(), "{:?}", sound.broken());
    for (name, change) in FAULTS {
        let mut known = sound.clone();
        change(&mut known);
        assert!(known.broken().contains(name), "{name} is not noticed, {:?} are", known.broken());
    }
    for invariant in invariants::ALL {
        assert!(FAULTS.iter().any(|(name, _)| *name == invariant.name), "{} is never shown", invariant.name);
    }
}

/// What a run is found out by in which a server breaks its promises.
fn noticed(ops: &[Op]) -> Option<&'static str> {
    run::perform(1, Hosting::Apart, ops).broken.map(|broken| broken.invariant)
}

#[test]
fn a_receipt_that_leaves_before_its_commit_is_on_disk_is_noticed() {
    let ops = [Offer { by: 0, to: 1, follow: 1 }, Forget { at: 1 }, Send { at: 0 }, Carry { pick: 0 }];
    assert_eq!(noticed(&ops), Some("what was promised is kept"));
}

#[test]
fn an_officer_who_is_told_of_a_decision_that_is_not_kept_is_noticed() {
    let ops = [Forget { at: 0 }, Offer { by: 0, to: 1, follow: 1 }];
    assert_eq!(noticed(&ops), Some("what was promised is kept"));
}
