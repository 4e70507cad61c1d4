//! Notices and what is sent beside ledgers.

use cme_spec::digest::Digest;
use cme_spec::example::{self, code, instant};
use cme_spec::receipt::StoredKind;

use super::Fixture;
use crate::store::dispatch::{self, Dispatch, DispatchKey, Task};
use crate::store::leases::Holder;
use crate::store::notices::{self, NoticeKey};
use crate::store::{Store, StoreError};

fn notice_key(outgoing: bool) -> NoticeKey {
    NoticeKey { hosted: code("373"), counterparty: code("330"), notice: example::notice_id(1), outgoing }
}

pub(crate) async fn a_notice_comes_back_with_what_was_said_of_it(fixture: &impl Fixture) {
    let store = fixture.open();
    let key = notice_key(true);
    let keep = move || store_notice(key);
    store.write(keep()).await.unwrap();
    assert_eq!(store.write(keep()).await, Err(StoreError::Exists), "a notice stands once");
    let found = store.read(move |tx| notices::find(tx, &key)).await.unwrap().unwrap();
    assert_eq!((found.notice, found.stored.is_none()), (example::notice(), true));
    assert!(store.read(move |tx| notices::find(tx, &notice_key(false))).await.unwrap().is_none());
    let id = example::notice_id(1).to_string();
    let receipt = |text: &str, by| example::stored(StoredKind::Notice, &id, Digest::of(text.as_bytes()), by);
    let (first, second, third) = (receipt("1", "330"), receipt("2", "330"), receipt("3", "373"));
    let (stored, given) = (first.clone(), third.clone());
    let said = example::acknowledgement();
    let kept = store.write(move |tx| {
        notices::keep_stored(tx, &key, &first)?;
        notices::keep_stored(tx, &key, &second)?;
        notices::keep_acknowledgement(tx, &key, &said)?;
        notices::keep_acknowledgement_stored(tx, &key, &third)
    });
    kept.await.unwrap();
    let found = store.read(|tx| notices::newest(tx, code("373"), 10)).await.unwrap().remove(0);
    assert_eq!(found.stored, Some(stored), "the first receipt stays");
    assert_eq!(found.acknowledgement, Some(example::acknowledgement()));
    assert_eq!(found.acknowledgement_stored, Some(given));
    assert!(store.read(|tx| notices::newest(tx, code("330"), 10)).await.unwrap().is_empty());
}

fn store_notice(key: NoticeKey) -> impl Fn(&mut dyn crate::store::Tx) -> Result<(), StoreError> + Send {
    move |tx| notices::keep(tx, &key, &example::notice(), None)
}

fn dispatch_key(number: u64, part: i64) -> DispatchKey {
    DispatchKey {
        hosted: code("373"),
        counterparty: code("330"),
        task: Task::Notice,
        id: example::notice_id(number).to_string(),
        number: part,
    }
}

async fn claim(store: &Store, holder: u8, at: &str) -> Vec<DispatchKey> {
    let (now, holder) = (instant(at), Holder::from_random([holder; 16]));
    let claimed = store.write(move |tx| dispatch::claim(tx, now, 10, holder, now.plus_seconds(60)));
    claimed.await.unwrap().into_iter().map(|claimed: Dispatch| claimed.key).collect()
}

async fn queue(store: &Store, things: &'static [(u64, i64)]) {
    let begun = instant("2026-11-24T09:00:00Z");
    let queued = store.write(move |tx| {
        things
            .iter()
            .try_for_each(|(number, part)| dispatch::enqueue(tx, &dispatch_key(*number, *part), begun))
    });
    queued.await.unwrap();
}

pub(crate) async fn a_dispatch_is_held_by_one_process_until_its_lease_has_run_out(fixture: &impl Fixture) {
    let store = fixture.open();
    queue(&store, &[(1, 0), (1, 1), (2, 0)]).await;
    assert_eq!(claim(&store, 1, "2026-11-24T08:59:59Z").await, [], "its time has not come");
    let first = [dispatch_key(1, 0), dispatch_key(2, 0)];
    assert_eq!(claim(&store, 1, "2026-11-24T09:00:00Z").await, first, "parts go in their order");
    assert_eq!(claim(&store, 2, "2026-11-24T09:00:59Z").await, []);
    assert_eq!(claim(&store, 2, "2026-11-24T09:01:00Z").await, first, "the lease has run out");
    let (lost, held) = (Holder::from_random([1; 16]), Holder::from_random([2; 16]));
    let finished = store.write(move |tx| {
        let by_other = dispatch::finish(tx, &dispatch_key(1, 0), lost)?;
        Ok([by_other, dispatch::finish(tx, &dispatch_key(1, 0), held)?])
    });
    assert_eq!(finished.await.unwrap(), [false, true], "who lost the lease changes nothing");
    assert_eq!(claim(&store, 3, "2026-11-24T09:01:30Z").await, [dispatch_key(1, 1)]);
    assert_eq!(store.write(move |tx| dispatch::release_all(tx, Holder::from_random([3; 16]))).await, Ok(1));
    assert_eq!(claim(&store, 4, "2026-11-24T09:01:30Z").await, [dispatch_key(1, 1)], "it was given back");
}

pub(crate) async fn a_dispatch_waits_or_is_given_up_until_an_officer_retries(fixture: &impl Fixture) {
    let store = fixture.open();
    queue(&store, &[(2, 0)]).await;
    assert_eq!(claim(&store, 2, "2026-11-24T09:00:00Z").await, [dispatch_key(2, 0)]);
    let (lost, held) = (Holder::from_random([1; 16]), Holder::from_random([2; 16]));
    let (now, later) = (instant("2026-11-24T09:00:01Z"), instant("2026-11-24T09:30:00Z"));
    let noted = store.write(move |tx| {
        dispatch::postpone(tx, &dispatch_key(2, 0), held, later, "no answer in time")?;
        dispatch::postpone(tx, &dispatch_key(2, 0), lost, now, "no connection")?;
        dispatch::bury(tx, &dispatch_key(2, 0), lost, "id-reused")
    });
    noted.await.unwrap();
    assert_eq!(claim(&store, 3, "2026-11-24T09:29:59Z").await, []);
    assert_eq!(claim(&store, 3, "2026-11-24T09:30:00Z").await, [dispatch_key(2, 0)]);
    let holder = Holder::from_random([3; 16]);
    store.write(move |tx| dispatch::bury(tx, &dispatch_key(2, 0), holder, "id-reused")).await.unwrap();
    let dead = store.read(|tx| dispatch::of_hosted(tx, code("373"))).await.unwrap().remove(0);
    assert_eq!((dead.dead, dead.attempts, dead.last_failure.as_deref()), (true, 2, Some("id-reused")));
    assert_eq!(claim(&store, 4, "2026-11-24T12:00:00Z").await, []);
    store.write(move |tx| dispatch::enqueue(tx, &dispatch_key(2, 0), later)).await.unwrap();
    assert_eq!(claim(&store, 5, "2026-11-24T09:30:30Z").await, [dispatch_key(2, 0)], "an officer retries");
}
