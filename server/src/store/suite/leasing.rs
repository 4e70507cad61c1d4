//! What several processes on one database see of each other's work.

use std::sync::Arc;

use cme_spec::example::{code, instant};
use cme_spec::instant::EntryId;

use super::{Fixture, claim, due, enqueue, ids, key, letter_id, turn};
use crate::store::deployment::{self, Begun};
use crate::store::leases::{self, Holder};
use crate::store::ledgers::LedgerKey;
use crate::store::outbox::{self, Leased, Task, Turn};
use crate::store::{Store, StoreError};

fn letters(leased: &[Leased]) -> Vec<EntryId> {
    ids(leased.iter().map(|leased| leased.letter.clone()))
}

pub(crate) async fn a_leased_letter_is_nobody_elses_until_its_lease_has_run_out(fixture: &impl Fixture) {
    let store = fixture.open();
    enqueue(&store, 1, 11, Task::Deliver, 1).await;
    let nine = "2026-11-24T09:00:00Z";
    assert_eq!(letters(&claim(&store, 1, turn(nine)).await), [letter_id(11)]);
    assert_eq!(due(&store, nine).await, []);
    assert_eq!(letters(&claim(&store, 2, turn("2026-11-24T09:00:59Z")).await), []);
    let taken_over = claim(&store, 2, turn("2026-11-24T09:01:00Z")).await;
    assert_eq!(letters(&taken_over), [letter_id(11)]);
    // A renewed lease runs on; one that is given back is free at once.
    let (lease, until) = (taken_over[0].lease, instant("2026-11-24T09:05:00Z"));
    assert!(store.write(move |tx| outbox::renew(tx, &lease, until)).await.unwrap());
    assert_eq!(due(&store, "2026-11-24T09:04:59Z").await, []);
    assert!(store.write(move |tx| outbox::release(tx, &lease)).await.unwrap());
    assert_eq!(due(&store, nine).await, [letter_id(11)]);
}

pub(crate) async fn a_lost_lease_changes_nothing(fixture: &impl Fixture) {
    let store = fixture.open();
    enqueue(&store, 1, 11, Task::Deliver, 1).await;
    let lost = claim(&store, 1, turn("2026-11-24T09:00:00Z")).await[0].lease;
    let held = claim(&store, 2, turn("2026-11-24T09:01:00Z")).await[0].lease;
    let later = instant("2026-11-24T12:00:00Z");
    let tried = store.write(move |tx| {
        Ok([
            outbox::finish(tx, &lost)?,
            outbox::postpone(tx, &lost, later, "no connection")?,
            outbox::bury(tx, &lost, "not-a-party")?,
            outbox::renew(tx, &lost, later)?,
            outbox::release(tx, &lost)?,
        ])
    });
    assert_eq!(tried.await.unwrap(), [false; 5]);
    let letter = store.read(|tx| outbox::of_hosted(tx, code("330"))).await.unwrap().remove(0);
    assert_eq!((letter.dead, letter.attempts, letter.last_failure), (false, 0, None));
    assert_eq!(due(&store, "2026-11-24T09:01:59Z").await, [], "the other's lease still runs");
    assert!(store.write(move |tx| outbox::finish(tx, &held)).await.unwrap());
    assert_eq!(store.read(|tx| outbox::count(tx)).await.unwrap(), (0, 0));
}

pub(crate) async fn one_letter_of_a_ledger_is_under_way_whoever_sends_it(fixture: &impl Fixture) {
    let store = fixture.open();
    enqueue(&store, 1, 12, Task::Deliver, 2).await;
    // Decisions of one millisecond have one place.
    enqueue(&store, 2, 21, Task::Propose, 5).await;
    enqueue(&store, 2, 22, Task::Propose, 5).await;
    let nine = "2026-11-24T09:00:00Z";
    let first = claim(&store, 1, turn(nine)).await;
    let ledgers: Vec<_> = first.iter().map(|leased| leased.letter.key).collect();
    assert_eq!(ledgers, [key(1), key(2)]);
    // What the peer lacks is put before the letter that is under way, and waits for it.
    enqueue(&store, 1, 11, Task::Deliver, 1).await;
    assert_eq!(letters(&claim(&store, 2, turn(nine)).await), []);
    for leased in first {
        assert!(store.write(move |tx| outbox::release(tx, &leased.lease)).await.unwrap());
    }
    assert_eq!(due(&store, nine).await.first(), Some(&letter_id(11)));
}

pub(crate) async fn peers_take_turns_and_none_has_more_under_way_than_its_bound(fixture: &impl Fixture) {
    let store = fixture.open();
    let early = instant("2026-11-24T08:00:00Z");
    // A long queue to one peer, older than what waits for the others.
    let waiting = [("301", 30_u64), ("302", 1), ("303", 2)];
    let queued = store.write(move |tx| {
        for (peer, count) in waiting {
            for number in 0..count {
                let id = code(peer).as_ref().parse::<u64>().unwrap() * 100 + number;
                let key = LedgerKey { counterparty: code(peer), ..key(id) };
                let at = if peer == "301" { early } else { early.plus_seconds(60) };
                outbox::enqueue(tx, &key, letter_id(id), Task::Deliver, 1, at)?;
            }
        }
        Ok(())
    });
    queued.await.unwrap();
    let nine = Turn { per_peer_max: 3, letters_max: 4, ..turn("2026-11-24T09:00:00Z") };
    let peers = |leased: &[Leased]| -> Vec<String> {
        leased.iter().map(|leased| leased.letter.key.counterparty.to_string()).collect()
    };
    let first = claim(&store, 1, nine).await;
    assert_eq!(peers(&first), ["301", "302", "303", "301"]);
    // Another process goes on where it stands itself; what the first has under way counts against the bound.
    let second = claim(&store, 2, Turn { after: Some(code("302")), ..nine }).await;
    assert_eq!(peers(&second), ["303", "301"]);
    assert_eq!(peers(&claim(&store, 1, nine).await), Vec::<String>::new());
    // A turn for one letter comes round to everybody.
    let done = first[0].lease;
    assert!(store.write(move |tx| outbox::finish(tx, &done)).await.unwrap());
    let (one, none) =
        (Turn { letters_max: 1, after: Some(code("303")), ..nine }, Turn { letters_max: 0, ..nine });
    assert_eq!(peers(&claim(&store, 1, none).await), Vec::<String>::new());
    assert_eq!(peers(&claim(&store, 1, one).await), ["301"]);
}

pub(crate) async fn a_process_that_stops_gives_its_letters_back(fixture: &impl Fixture) {
    let store = fixture.open();
    let nine = Turn { letters_max: 2, ..turn("2026-11-24T09:00:00Z") };
    for number in [1, 2, 3] {
        enqueue(&store, number, number * 10 + 1, Task::Deliver, 1).await;
    }
    assert_eq!(letters(&claim(&store, 1, nine).await), [letter_id(11), letter_id(21)]);
    assert_eq!(letters(&claim(&store, 2, nine).await), [letter_id(31)]);
    let stopped = Holder::from_random([1; 16]);
    assert_eq!(store.write(move |tx| outbox::release_all(tx, stopped)).await.unwrap(), 2);
    assert_eq!(due(&store, "2026-11-24T09:00:00Z").await, [letter_id(11), letter_id(21)]);
}

pub(crate) async fn work_for_one_process_is_done_by_one_until_its_lease_has_run_out(fixture: &impl Fixture) {
    let store = fixture.open();
    let take = async |name: &'static str, holder: u8, at: &str| {
        let (holder, now) = (Holder::from_random([holder; 16]), instant(at));
        store.write(move |tx| leases::claim(tx, name, holder, now, now.plus_seconds(60))).await.unwrap()
    };
    assert!(take("clocks", 1, "2026-11-24T09:00:00Z").await);
    assert!(!take("clocks", 2, "2026-11-24T09:00:59Z").await);
    assert!(take("other work", 2, "2026-11-24T09:00:00Z").await);
    assert!(take("clocks", 1, "2026-11-24T09:00:30Z").await, "its holder renews it");
    assert!(!take("clocks", 2, "2026-11-24T09:01:29Z").await);
    assert!(take("clocks", 2, "2026-11-24T09:01:30Z").await, "it has run out");
    let [first, second] = [1, 2].map(|holder| Holder::from_random([holder; 16]));
    store.write(move |tx| leases::release(tx, "clocks", first)).await.unwrap();
    assert!(!take("clocks", 1, "2026-11-24T09:01:30Z").await, "only its holder gives it back");
    store.write(move |tx| leases::release(tx, "clocks", second)).await.unwrap();
    assert!(take("clocks", 1, "2026-11-24T09:01:30Z").await);
}

pub(crate) async fn an_incarnation_begins_unless_a_later_one_did(fixture: &impl Fixture) {
    let store = fixture.open();
    let begin = async |incarnation| store.write(move |tx| deployment::begin(tx, incarnation)).await.unwrap();
    assert_eq!(store.read(|tx| deployment::incarnation(tx)).await.unwrap(), None);
    assert_eq!(begin(9).await, Begun::First);
    assert_eq!(begin(9).await, Begun::Again);
    assert_eq!(begin(10).await, Begun::Restored { from: 9 });
    // Compared as numbers, not as texts.
    assert_eq!(begin(9).await, Begun::Outlived { by: 10 });
    assert_eq!(store.read(|tx| deployment::incarnation(tx)).await.unwrap(), Some(10));
}

pub(crate) async fn a_database_is_worked_on_by_many_or_held_by_one_alone(fixture: &impl Fixture) {
    let database = fixture.database();
    // On threads without a runtime: the driver of PostgreSQL brings one.
    let alone = || {
        let database = Arc::clone(&database);
        tokio::task::spawn_blocking(move || {
            let held = database.connect_alone();
            held.map(|engine| (engine, Store::open(database).err()))
        })
    };
    let many = [fixture.open(), fixture.open()];
    let refused = alone().await.unwrap();
    assert_eq!(refused.err(), Some(StoreError::InUse));
    // Who has it already goes on.
    enqueue(&many[0], 1, 11, Task::Deliver, 1).await;
    drop(many);
    let (engine, beside) = alone().await.unwrap().unwrap();
    assert_eq!(beside, Some(StoreError::HeldAlone));
    tokio::task::spawn_blocking(move || drop(engine)).await.unwrap();
    assert_eq!(due(&fixture.open(), "2026-11-24T09:00:00Z").await, [letter_id(11)]);
}
