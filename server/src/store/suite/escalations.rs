//! What every engine must show of escalations.

use cme_spec::entry::EntryType as E;
use cme_spec::example::{Story, code, entry_id, instant};
use cme_spec::instant::Instant;
use uuid::Uuid;

use super::{Fixture, key, store_story};
use crate::store::escalations::{self, Event, Lease, NewTask, Occasion, State, Subject, Told};
use crate::store::leases::Holder;
use crate::store::outbox::{self, Task};
use crate::store::{Store, ledgers, officers};

const CHANNEL: &str = "webhook";

fn occasion(number: u64) -> Occasion {
    Occasion {
        subject: Subject::Ledger(key(number)),
        matter: "decide".to_owned(),
        detail: "2026-12-01".to_owned(),
    }
}

fn at(minute: i64) -> Instant {
    instant("2026-12-02T00:00:00Z").plus_seconds(60 * minute)
}

fn message(number: u128) -> NewTask {
    let document = format!("{{\"number\":{number}}}");
    NewTask { id: Uuid::from_u128(number), channel: CHANNEL, recipient: "contact", document }
}

/// Tells an occasion with one message; whether that was new.
async fn tell(store: &Store, ledger: u64, number: u128) -> bool {
    tell_again(store, ledger, number, None).await
}

async fn tell_again(store: &Store, ledger: u64, number: u128, known: Option<Told>) -> bool {
    let now = at(i64::from(known.is_some()) * 9);
    let job = store.write(move |tx| escalations::tell(tx, &occasion(ledger), known, &[message(number)], now));
    job.await.unwrap()
}

async fn claim(store: &Store, holder: u128, minute: i64) -> Vec<u128> {
    let lease = Lease { holder: Uuid::from_u128(holder), until: at(minute + 2) };
    let claimed =
        store.write(move |tx| escalations::claim(tx, CHANNEL, lease, at(minute), 10)).await.unwrap();
    claimed.into_iter().map(|task| task.id.as_u128()).collect()
}

async fn told(store: &Store) -> Told {
    store.read(|tx| escalations::told(tx, &occasion(1))).await.unwrap().unwrap()
}

async fn messages(store: &Store) -> Vec<u128> {
    let tasks = store.read(|tx| escalations::of_occasion(tx, &occasion(1))).await.unwrap();
    tasks.iter().map(|task| task.id.as_u128()).collect()
}

async fn sent(store: &Store, number: u128) {
    store.write(move |tx| escalations::sent(tx, Uuid::from_u128(number), at(1))).await.unwrap();
}

pub(crate) async fn an_occasion_is_told_once(fixture: &impl Fixture) {
    let store = fixture.open();
    assert!(store.read(|tx| escalations::told(tx, &occasion(1))).await.unwrap().is_none());
    assert!(tell(&store, 1, 1).await && tell(&store, 2, 2).await);
    sent(&store, 1).await;
    assert!(!tell(&store, 1, 3).await);
    assert_eq!(messages(&store).await, [1]);
    assert_eq!(told(&store).await, Told { told_at: at(0), reminders: 0, last_at: at(0) });
}

pub(crate) async fn a_reminder_follows_what_was_known(fixture: &impl Fixture) {
    let store = fixture.open();
    tell(&store, 1, 1).await;
    let known = told(&store).await;
    // While the first word waits, a reminder is noted and says nothing new.
    assert!(tell_again(&store, 1, 2, Some(known)).await);
    assert_eq!(messages(&store).await, [1]);
    sent(&store, 1).await;
    assert!(!tell_again(&store, 1, 3, Some(known)).await, "another process was faster");
    assert_eq!(messages(&store).await, [1]);
    let known = told(&store).await;
    assert_eq!(known, Told { told_at: at(0), reminders: 1, last_at: at(9) });
    assert!(tell_again(&store, 1, 4, Some(known)).await);
    assert_eq!(messages(&store).await, [1, 4]);
}

pub(crate) async fn what_was_told_is_listed_the_newest_first(fixture: &impl Fixture) {
    let store = fixture.open();
    for (ledger, minute) in [(1, 0), (2, 5), (3, 2)] {
        let told = store.write(move |tx| escalations::tell(tx, &occasion(ledger), None, &[], at(minute)));
        told.await.unwrap();
    }
    let list = |hosted, limit| {
        let read = store.read(move |tx| escalations::all_told(tx, code(hosted), limit));
        async { read.await.unwrap().into_iter().map(|(occasion, _)| occasion).collect::<Vec<_>>() }
    };
    assert_eq!(list("330", 2).await, [occasion(2), occasion(3)]);
    assert_eq!(list("330", 10).await.len(), 3);
    assert_eq!(list("373", 10).await, []);
}

pub(crate) async fn a_message_is_held_by_one_process_until_its_lease_is_over(fixture: &impl Fixture) {
    let store = fixture.open();
    for number in 1..=3 {
        tell(&store, u64::try_from(number).unwrap(), number).await;
    }
    assert_eq!(claim(&store, 91, 0).await, [1, 2, 3]);
    assert_eq!(claim(&store, 92, 1).await, [0; 0], "all are held");
    assert_eq!(claim(&store, 92, 2).await, [1, 2, 3], "the lease is over");
    // Who lost its lease postpones and refuses nothing; what it sent is sent.
    let (late, holder) = (Uuid::from_u128(91), Uuid::from_u128(92));
    let id = Uuid::from_u128;
    let noted = store.write(move |tx| {
        escalations::postpone(tx, (id(1), late), at(99), "slow")?;
        escalations::refuse(tx, (id(2), late), "slow")?;
        escalations::postpone(tx, (id(1), holder), at(5), "answered 500")?;
        escalations::refuse(tx, (id(2), holder), "answered 410")?;
        escalations::sent(tx, id(3), at(3))
    });
    noted.await.unwrap();
    let mut found = Vec::new();
    for ledger in 1..=3 {
        let tasks = store.read(move |tx| escalations::of_occasion(tx, &occasion(ledger))).await.unwrap();
        found.push((tasks[0].state, tasks[0].attempts, tasks[0].last_failure.clone()));
    }
    let failure = |what: &str| Some(what.to_owned());
    assert_eq!(
        found,
        [
            (State::Waiting, 1, failure("answered 500")),
            (State::Refused, 1, failure("answered 410")),
            (State::Sent, 0, None)
        ]
    );
    assert_eq!(claim(&store, 91, 4).await, [0; 0], "not before its time");
    assert_eq!(claim(&store, 91, 5).await, [1]);
    // A process that stops gives back what it holds.
    store.write(move |tx| escalations::release(tx, late)).await.unwrap();
    assert_eq!(claim(&store, 92, 5).await, [1]);
}

pub(crate) async fn a_message_that_was_refused_is_kept_until_it_is_resolved(fixture: &impl Fixture) {
    let store = fixture.open();
    for number in 1..=3 {
        tell(&store, u64::try_from(number).unwrap(), number).await;
    }
    assert_eq!(claim(&store, 91, 0).await, [1, 2, 3]);
    let (id, holder) = (Uuid::from_u128, Uuid::from_u128(91));
    let noted = store.write(move |tx| {
        escalations::refuse(tx, (id(2), holder), "answered 410")?;
        escalations::sent(tx, id(3), at(1))
    });
    noted.await.unwrap();
    let counts = || store.read(|tx| escalations::count(tx));
    let mut found = counts().await.unwrap();
    found.sort_by_key(|(_, state, _)| state.code());
    let of = |state, count| (CHANNEL.to_owned(), state, count);
    assert_eq!(found, [of(State::Refused, 1), of(State::Waiting, 1)]);
    let refused = store.read(|tx| escalations::refused(tx, code("330"))).await.unwrap();
    assert_eq!(refused.iter().map(|task| task.id).collect::<Vec<_>>(), [id(2)]);
    let resolved = store.write(move |tx| {
        let theirs = escalations::retry(tx, code("373"), id(2), at(5))?;
        let again = escalations::retry(tx, code("330"), id(2), at(5))?;
        let sent = escalations::retry(tx, code("330"), id(3), at(5))?;
        Ok([theirs, again, sent, escalations::give_up(tx, code("330"), id(1))?])
    });
    assert_eq!(resolved.await.unwrap(), [false, true, false, true]);
    assert_eq!(counts().await.unwrap(), [of(State::Waiting, 1)]);
    assert_eq!(claim(&store, 92, 5).await, [2]);
}

pub(crate) async fn events_are_found_until_they_are_told(fixture: &impl Fixture) {
    let store = fixture.open();
    let upheld = Story::of(1, &[E::Offer, E::Decline, E::Contest, E::Uphold]);
    store_story(&store, &upheld, 1).await;
    for number in [2, 3] {
        store_story(&store, &Story::of(number, &[E::Offer]), number).await;
    }
    let branch = upheld.entries()[0].clone();
    let stored = store.write(move |tx| {
        ledgers::mark_forked(tx, &key(2), &branch)?;
        officers::note_refused(tx, &key(3), 7, "body-invalid", at(0))?;
        outbox::enqueue(tx, &key(3), entry_id(5), Task::Propose, 1, at(0))?;
        let turn = outbox::Turn { now: at(0), per_peer_max: 1, letters_max: 1, after: None };
        let claimed = outbox::claim(tx, &turn, Holder::from_random([1; 16]), at(1))?;
        outbox::bury(tx, &claimed[0].lease, "not-a-party")?;
        outbox::enqueue(tx, &key(3), entry_id(6), Task::Propose, 1, at(0))
    });
    stored.await.unwrap();
    for (event, ledger, detail, what) in [
        (Event::Upheld, 1, String::new(), ""),
        (Event::Forked, 2, String::new(), ""),
        (Event::DeliveryRefused, 3, "7".to_owned(), "body-invalid"),
        (Event::LetterRefused, 3, entry_id(5).to_string(), "not-a-party"),
    ] {
        let untold = || store.read(move |tx| escalations::untold(tx, code("330"), event, 10));
        let found = untold().await.unwrap();
        assert_eq!(found.len(), 1, "{event:?}");
        assert_eq!((found[0].key, &found[0].detail, found[0].what.as_str()), (key(ledger), &detail, what));
        let occasion =
            Occasion { subject: Subject::Ledger(key(ledger)), matter: event.code().to_owned(), detail };
        store.write(move |tx| escalations::tell(tx, &occasion, None, &[], at(0))).await.unwrap();
        assert_eq!(untold().await.unwrap(), [], "{event:?}");
    }
}

pub(crate) async fn ledgers_with_clocks_come_a_part_at_a_time(fixture: &impl Fixture) {
    let store = fixture.open();
    for number in 1..=3 {
        store_story(&store, &Story::of(number, &[E::Offer]), number).await;
    }
    store_story(&store, &Story::of(4, &[E::Offer, E::Accept, E::Outcome]), 4).await;
    let page = |after| store.read(move |tx| ledgers::with_clocks_after(tx, code("330"), after, 2));
    let first = page(0).await.unwrap();
    let second = page(first[1].changed).await.unwrap();
    let keys: Vec<_> = first.iter().chain(&second).map(|held| held.key).collect();
    assert_eq!(keys, [key(1), key(2), key(3)], "and none that is settled");
    assert!(page(second[0].changed).await.unwrap().is_empty());
}
