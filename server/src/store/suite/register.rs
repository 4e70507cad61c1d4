//! The register of children: versions, imports, changes, flags.

use cme_matching::{Child, ChildId};
use cme_spec::example::code;

use super::{Fixture, instant};
use crate::store::leases::Holder;
use crate::store::register::staging::{self, Counts, Hold, Kind, Order, Staged};
use crate::store::register::{self, Change, ChangeKind, Changes, Record};
use crate::store::{Store, StoreError, Tx};

const SOURCE: &str = "schools";

fn hold(process: u8, at: &str) -> Hold {
    let now = instant(at);
    Hold { holder: Holder::from_random([process; 16]), now, until: now.plus_seconds(30) }
}

fn record(reference: &str, family_name: &str) -> Record {
    let child = Child {
        given_name: Some("Anna".to_owned()),
        family_name: Some(family_name.to_owned()),
        former_family_names: vec!["Before".to_owned(), "Earlier; still".to_owned()],
        also_known_as: vec!["Annie".to_owned()],
        date_of_birth: "2014-03".parse().ok(),
        sex: Some(cme_matching::Sex::Female),
        nhs_number: Some("9990000018".to_owned()),
        ..Child::default()
    };
    Record { reference: reference.to_owned(), child, urn: Some("100000".to_owned()), ..Record::default() }
}

fn said(child: u64, reference: &str, family_name: &str, kind: ChangeKind, place: i64) -> Staged {
    Staged::Said {
        child: ChildId(child),
        record: Box::new(record(reference, family_name)),
        news: Some((kind, place)),
    }
}

fn order(kind: Kind) -> Order {
    Order { hosted: code("330"), source: SOURCE.to_owned(), kind, as_of: "2026-11-20".to_owned() }
}

/// Begins and stages, and commits if told to.
fn import(
    tx: &mut dyn Tx,
    rows: &[Staged],
    counts: Counts,
    held: Hold,
    commit: bool,
) -> Result<(), StoreError> {
    let begun = staging::begin(tx, &order(Kind::Merge), held)?.expect("nobody else is at it");
    assert!(staging::stage(tx, &begun, SOURCE, rows, held)?);
    if commit {
        assert!(staging::commit(tx, &begun, &counts, 10, held)?);
        staging::end(tx, code("330"), held.holder)?;
    }
    Ok(())
}

async fn imported(store: &Store, rows: Vec<Staged>, counts: Counts, at: &'static str) {
    let held = hold(1, at);
    store.write(move |tx| import(tx, &rows, counts, held, true)).await.unwrap();
}

async fn in_force(store: &Store) -> Vec<(u64, String)> {
    let read = store.read(|tx| register::children_after(tx, code("330"), ChildId(0), 100));
    let name = |(id, child): (ChildId, Child)| (id.0, child.family_name.unwrap());
    read.await.unwrap().into_iter().map(name).collect()
}

async fn changes(store: &Store, after: i64, limit: usize) -> Changes {
    store.read(move |tx| register::changes_after(tx, code("330"), after, limit)).await.unwrap()
}

fn told(changes: &[(i64, u64, ChangeKind)], through: i64) -> Changes {
    let change = |&(sequence, child, kind)| Change { sequence, child: ChildId(child), kind };
    Changes::Told { changes: changes.iter().map(change).collect(), through }
}

fn added(count: i64) -> Counts {
    Counts { added: count, ..Counts::default() }
}

async fn two_children(store: &Store) {
    let rows =
        vec![said(1, "A", "Testcase", ChangeKind::Added, 1), said(2, "B", "Example", ChangeKind::Added, 2)];
    imported(store, rows, added(2), "2026-11-24T09:00:00Z").await;
}

pub(crate) async fn a_child_comes_back_as_its_source_told_of_it(fixture: &impl Fixture) {
    let store = fixture.open();
    two_children(&store).await;
    let read = store.read(|tx| register::registered(tx, code("330"), SOURCE, "A"));
    let child = read.await.unwrap().unwrap();
    assert!(child.record == record("A", "Testcase"));
    assert_eq!((child.id, child.as_of.as_str(), child.is_shielded()), (ChildId(1), "2026-11-20", false));
    assert_eq!(child.imported_at, instant("2026-11-24T09:00:00Z"));
    for (authority, source, reference) in [("373", SOURCE, "A"), ("330", "health", "A"), ("330", SOURCE, "C")]
    {
        let read = store.read(move |tx| register::registered(tx, code(authority), source, reference));
        assert!(read.await.unwrap().is_none(), "{authority} {source} {reference}");
    }
    let known = store.read(|tx| staging::known_after(tx, code("330"), SOURCE, "A", 10)).await.unwrap();
    assert_eq!((known.len(), known[0].child), (1, ChildId(2)));
    assert!(known[0].digest == record("B", "Example").digest());
}

pub(crate) async fn what_an_import_stages_is_seen_when_it_is_committed(fixture: &impl Fixture) {
    let store = fixture.open();
    two_children(&store).await;
    let held = hold(1, "2026-11-24T10:00:00Z");
    let rows = [
        said(1, "A", "Changed", ChangeKind::Changed, 1),
        said(3, "C", "New", ChangeKind::Added, 2),
        Staged::Removed { child: ChildId(2), place: 3 },
    ];
    let begun = store.write(move |tx| {
        let begun = staging::begin(tx, &order(Kind::Replace), held)?.unwrap();
        assert!(staging::stage(tx, &begun, SOURCE, &rows, held)?);
        Ok(begun)
    });
    let begun = begun.await.unwrap();
    let old = [(1, "Testcase".to_owned()), (2, "Example".to_owned())];
    assert_eq!(in_force(&store).await, old);
    assert_eq!(changes(&store, 2, 10).await, told(&[], 2));
    let counts = Counts { added: 1, changed: 1, removed: 1, ..Counts::default() };
    assert!(store.write(move |tx| staging::commit(tx, &begun, &counts, 3, held)).await.unwrap());
    let new = [(1, "Changed".to_owned()), (3, "New".to_owned())];
    assert_eq!(in_force(&store).await, new);
    let bearers = store.read(|tx| register::bearers(tx, code("330"), &[1, 2, 3].map(ChildId)));
    let references: Vec<_> = bearers.await.unwrap().into_iter().map(|bearer| bearer.reference).collect();
    assert_eq!(references, ["A", "C"]);
    let status = store.read(|tx| register::sources(tx, code("330"))).await.unwrap().remove(0);
    assert_eq!((status.children, status.shielded), (2, 0));
    assert_eq!(status.last_replacement.unwrap().counts, counts);
    // What is in force no more is swept, and nothing else.
    let superseded = store.write(|tx| {
        let rows = staging::superseded_after(tx, code("330"), (ChildId(0), 0), 10)?;
        staging::delete(tx, code("330"), &rows)?;
        Ok(rows)
    });
    assert_eq!(superseded.await.unwrap(), [(ChildId(1), 1), (ChildId(2), 1)]);
    assert_eq!(in_force(&store).await, new);
}

/// Two children are added, one is shielded, one changed, and the shielded one removed: five changes.
async fn five_changes(store: &Store) {
    two_children(store).await;
    let at = instant("2026-11-24T09:30:00Z");
    let shield = |reference: &'static str| {
        store.write(move |tx| register::shield(tx, code("330"), SOURCE, reference, at))
    };
    assert!(shield("B").await.unwrap());
    assert!(shield("B").await.unwrap(), "twice does no more");
    assert!(!shield("C").await.unwrap());
    let changed = said(1, "A", "Changed", ChangeKind::Changed, 1);
    let rows = vec![changed, Staged::Removed { child: ChildId(2), place: 2 }];
    let counts = Counts { changed: 1, removed: 1, ..Counts::default() };
    imported(store, rows, counts, "2026-11-24T10:00:00Z").await;
}

pub(crate) async fn changes_are_told_in_order_and_a_part_at_a_time(fixture: &impl Fixture) {
    let store = fixture.open();
    five_changes(&store).await;
    let all = [
        (1, 1, ChangeKind::Added),
        (2, 2, ChangeKind::Added),
        (3, 2, ChangeKind::Shielded),
        (4, 1, ChangeKind::Changed),
        (5, 2, ChangeKind::Removed),
    ];
    assert_eq!(changes(&store, 0, 10).await, told(&all, 5));
    for after in 0..5 {
        let from = usize::try_from(after).unwrap();
        let some = &all[from..(from + 2).min(5)];
        assert_eq!(changes(&store, after, 2).await, told(some, some.last().unwrap().0), "after {after}");
    }
    assert_eq!(changes(&store, 5, 2).await, told(&[], 5));
    assert_eq!(changes(&store, 6, 2).await, Changes::Forgotten, "a register that was restored");
}

pub(crate) async fn changes_of_long_ago_are_forgotten_once_they_are_swept(fixture: &impl Fixture) {
    let store = fixture.open();
    five_changes(&store).await;
    let (early, late) = (instant("2026-11-24T08:00:00Z"), instant("2026-12-24T09:59:00Z"));
    let is_old = |before| store.read(move |tx| staging::is_old(tx, code("330"), before));
    assert!(!is_old(early).await.unwrap());
    assert!(is_old(late).await.unwrap());
    let forget = || store.write(move |tx| staging::forget(tx, code("330"), late, 10));
    assert_eq!(forget().await.unwrap(), 0, "an older version would be in force again");
    let swept = store.write(|tx| {
        let rows = staging::superseded_after(tx, code("330"), (ChildId(0), 0), 10)?;
        staging::delete(tx, code("330"), &rows)?;
        staging::swept(tx, code("330"), 2)
    });
    swept.await.unwrap();
    assert_eq!(forget().await.unwrap(), 1);
    assert_eq!(changes(&store, 4, 2).await, Changes::Forgotten);
    assert_eq!(changes(&store, 5, 2).await, told(&[], 5));
    assert_eq!(in_force(&store).await, [(1, "Changed".to_owned())]);
}

pub(crate) async fn one_import_is_under_way_and_one_that_was_cut_off_comes_to_nothing(
    fixture: &impl Fixture,
) {
    let store = fixture.open();
    two_children(&store).await;
    let (first, second) = (hold(1, "2026-11-24T10:00:00Z"), hold(2, "2026-11-24T10:00:29Z"));
    let begun = store.write(move |tx| {
        let begun = staging::begin(tx, &order(Kind::Replace), first)?.unwrap();
        staging::stage(tx, &begun, SOURCE, &[said(1, "A", "Half", ChangeKind::Changed, 1)], first)?;
        Ok(begun)
    });
    let begun = begun.await.unwrap();
    let busy = store.write(move |tx| staging::begin(tx, &order(Kind::Merge), second)).await.unwrap();
    assert!(busy.is_none());
    let later = hold(2, "2026-11-24T10:00:30Z");
    let next = store.write(move |tx| staging::begin(tx, &order(Kind::Merge), later)).await.unwrap().unwrap();
    // The first wakes up again and finds that it is over.
    let tried = store.write(move |tx| {
        let part = [said(3, "C", "Late", ChangeKind::Added, 2)];
        Ok([
            staging::stage(tx, &begun, SOURCE, &part, first)?,
            staging::commit(tx, &begun, &added(1), 3, first)?,
        ])
    });
    assert_eq!(tried.await.unwrap(), [false, false]);
    let left = store.read(|tx| staging::left_behind(tx, code("330"), 10)).await.unwrap();
    assert_eq!(left, [(ChildId(1), 2)]);
    let done = store.write(move |tx| {
        staging::delete(tx, code("330"), &left)?;
        staging::commit(tx, &next, &Counts::default(), 2, later)
    });
    assert!(done.await.unwrap());
    assert_eq!(in_force(&store).await, [(1, "Testcase".to_owned()), (2, "Example".to_owned())]);
    // Whoever sweeps what a slow import staged has ended it, even if it has the register for itself again.
    let slow = hold(1, "2026-11-24T11:00:00Z");
    let tried = store.write(move |tx| {
        let begun = staging::begin(tx, &order(Kind::Replace), slow)?.unwrap();
        let sweeper = hold(3, "2026-11-24T11:00:30Z");
        assert!(staging::take_over(tx, code("330"), sweeper)?);
        staging::end(tx, code("330"), sweeper.holder)?;
        let again = hold(1, "2026-11-24T11:00:31Z");
        let part = [said(3, "C", "Late", ChangeKind::Added, 1)];
        Ok([
            staging::stage(tx, &begun, SOURCE, &part, again)?,
            staging::commit(tx, &begun, &added(1), 3, again)?,
        ])
    });
    assert_eq!(tried.await.unwrap(), [false, false]);
}

pub(crate) async fn an_officers_flag_outlives_the_row(fixture: &impl Fixture) {
    let store = fixture.open();
    two_children(&store).await;
    let at = instant("2026-11-24T09:30:00Z");
    assert!(store.write(move |tx| register::shield(tx, code("330"), SOURCE, "A", at)).await.unwrap());
    let shielded = || {
        let store = store.clone();
        async move {
            let read = store.read(|tx| register::registered(tx, code("330"), SOURCE, "A"));
            read.await.unwrap().map(|child| (child.id.0, child.is_shielded()))
        }
    };
    assert_eq!(shielded().await, Some((1, true)));
    let gone = vec![Staged::Removed { child: ChildId(1), place: 1 }];
    let counts = Counts { removed: 1, ..Counts::default() };
    imported(&store, gone, counts, "2026-11-24T10:00:00Z").await;
    assert_eq!(shielded().await, None);
    imported(&store, vec![said(7, "A", "Testcase", ChangeKind::Added, 1)], added(1), "2026-11-24T11:00:00Z")
        .await;
    assert_eq!(shielded().await, Some((7, true)));
    let bearer = store.read(|tx| register::bearers(tx, code("330"), &[ChildId(7)])).await.unwrap().remove(0);
    assert!(bearer.shielded);
    assert!(store.write(|tx| register::unshield(tx, code("330"), SOURCE, "A")).await.unwrap());
    assert!(!store.write(|tx| register::unshield(tx, code("330"), SOURCE, "A")).await.unwrap());
    assert_eq!(shielded().await, Some((7, false)));
}
