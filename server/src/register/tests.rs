use cme_matching::{Decision, Field, Reason};
use cme_spec::example::{code, instant};

use super::*;
use crate::store::leases::Holder;
use crate::store::register::staging::{self, Counts, Hold, Kind, Order, Staged};
use crate::store::register::{ChangeKind, Record, shield};
use crate::store::sqlite::Sqlite;

/// A database that is gone with this value, and a register of it.
struct Fixture {
    _folder: tempfile::TempDir,
    store: Store,
    live: LiveRegister,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("register.sqlite")).unwrap();
    let live = LiveRegister::new(store.clone(), Weights::shipped(), [code("330")]);
    Fixture { _folder: folder, store, live }
}

fn child(given: &str, family: &str, born: &str) -> Child {
    Child {
        given_name: Some(given.to_owned()),
        family_name: Some(family.to_owned()),
        date_of_birth: born.parse().ok(),
        sex: Some(cme_matching::Sex::Female),
        ..Child::default()
    }
}

fn anna() -> Child {
    Child { nhs_number: Some("9990000018".to_owned()), ..child("Anna", "Testcase", "2014-03-02") }
}

/// Some two hundred others, so that a name can be rare, and Anna as the last.
fn everybody() -> Vec<Child> {
    let other = |place: usize| {
        let born = format!("2013-{:02}-{:02}", place % 12 + 1, place % 28 + 1);
        child(&format!("Given{place}"), &format!("Family{place}"), &born)
    };
    (0..200).map(other).chain([anna()]).collect()
}

impl Fixture {
    /// Children of a source, numbered from `first` on, with references that are the numbers.
    async fn import(&self, source: &'static str, first: u64, children: Vec<Child>) {
        let staged = (first..).zip((1..).zip(children)).map(|(id, (place, child))| Staged::Said {
            child: ChildId(id),
            record: Box::new(Record { reference: id.to_string(), child, ..Record::default() }),
            news: Some((ChangeKind::Added, place)),
        });
        self.stage(source, staged.collect()).await;
    }

    async fn stage(&self, source: &'static str, staged: Vec<Staged>) {
        let now = instant("2026-11-24T09:00:00Z");
        let held = Hold { holder: Holder::from_random([1; 16]), now, until: now.plus_seconds(10) };
        let order = Order {
            hosted: code("330"),
            source: source.to_owned(),
            kind: Kind::Merge,
            as_of: "2026-11-24".to_owned(),
        };
        let counts = Counts { added: i64::try_from(staged.len()).unwrap(), ..Counts::default() };
        let done = self.store.write(move |tx| {
            let begun = staging::begin(tx, &order, held)?.unwrap();
            assert!(staging::stage(tx, &begun, &order.source, &staged, held)?);
            staging::commit(tx, &begun, &counts, 10_000, held)
        });
        assert!(done.await.unwrap());
    }

    async fn look(&self, query: &Child) -> Look {
        self.live.look(code("330"), query).await.unwrap()
    }

    async fn find(&self, query: &Child) -> Found {
        self.live.find(code("330"), query).await.unwrap()
    }
}

fn ids(candidates: &[FoundCandidate]) -> Vec<u64> {
    let mut ids: Vec<u64> = candidates.iter().map(|candidate| candidate.id().0).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_when_it_is_built_and_not_before() {
    let fixture = fixture();
    fixture.import("schools", 1, everybody()).await;
    let early = fixture.live.find(code("330"), &anna()).await;
    assert!(matches!(early, Err(FindError::NotReady)));
    assert_eq!(fixture.live.children(code("330")), None);
    fixture.live.bring_up_to_date(code("330")).await.unwrap();
    assert_eq!(fixture.live.children(code("330")), Some(201));
    let found = fixture.find(&child("Anna", "Testcase", "2014-03-02")).await;
    assert_eq!((found.decision, found.reason), (Decision::Match, Reason::Weight));
    let first = &found.candidates[0];
    assert_eq!((first.id(), first.bearer.reference.as_str(), first.possible), (ChildId(201), "201", true));
    let agreed: Vec<Field> = first.agreed().collect();
    assert_eq!(agreed, [Field::GivenName, Field::FamilyName, Field::DateOfBirth, Field::Sex]);
    assert!(matches!(fixture.live.find(code("373"), &anna()).await, Err(FindError::NotReady)), "not hosted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_officers_flag_counts_at_once() {
    let fixture = fixture();
    fixture.import("schools", 1, everybody()).await;
    fixture.live.bring_up_to_date(code("330")).await.unwrap();
    let look = fixture.look(&anna()).await;
    assert_eq!((look.open.decision, ids(&look.shielded)), (Decision::Match, vec![]));
    let now = instant("2026-11-24T10:00:00Z");
    let done = fixture.store.write(move |tx| shield(tx, code("330"), "schools", "201", now));
    assert!(done.await.unwrap());
    assert_eq!(fixture.find(&anna()).await.decision, Decision::Match);
    let look = fixture.look(&anna()).await;
    assert_eq!((look.open.decision, ids(&look.shielded)), (Decision::NoMatch, vec![201]));
    assert!(!ids(&look.open.candidates).contains(&201), "as if she were not there");
    let nobody = fixture.look(&child("Nobody", "Elsewhere", "2010-10-10")).await;
    assert_eq!(ids(&nobody.shielded), [] as [u64; 0], "of a shielded child who is not meant nobody is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_of_one_source_holds_for_the_same_child_of_another() {
    let fixture = fixture();
    fixture.import("schools", 1, everybody()).await;
    // Known worse than in the first source, so it comes second.
    fixture.import("social care", 500, vec![child("Anna", "Testcase", "2014-03")]).await;
    fixture.live.bring_up_to_date(code("330")).await.unwrap();
    let now = instant("2026-11-24T10:00:00Z");
    let done = fixture.store.write(move |tx| shield(tx, code("330"), "social care", "500", now));
    assert!(done.await.unwrap());
    let found = fixture.find(&anna()).await;
    assert_eq!((found.candidates[0].id(), found.candidates[0].bearer.shielded), (ChildId(201), false));
    let look = fixture.look(&anna()).await;
    assert_eq!((look.open.decision, ids(&look.shielded)), (Decision::NoMatch, vec![201, 500]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_is_known_whose_twin_is_shielded() {
    let fixture = fixture();
    fixture.import("schools", 1, everybody()).await;
    let born = |given: &str| child(given, "Testcase", "2014-03-02");
    fixture.import("clinic", 300, vec![born("Zebedee")]).await;
    fixture.live.bring_up_to_date(code("330")).await.unwrap();
    let now = instant("2026-11-24T10:00:00Z");
    let done = fixture.store.write(move |tx| shield(tx, code("330"), "schools", "201", now));
    assert!(done.await.unwrap());
    let look = fixture.look(&born("Zebedee")).await;
    assert_eq!((look.open.decision, look.open.candidates[0].id()), (Decision::Match, ChildId(300)));
    assert_eq!(ids(&fixture.look(&anna()).await.shielded), [201]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_what_is_changed_and_answers_with_nobody_who_is_gone() {
    let fixture = fixture();
    fixture.import("schools", 1, everybody()).await;
    fixture.live.bring_up_to_date(code("330")).await.unwrap();
    fixture.stage("schools", vec![Staged::Removed { child: ChildId(201), place: 1 }]).await;
    // Nobody has told the index yet.
    let found = fixture.find(&anna()).await;
    assert!(found.candidates.iter().all(|candidate| candidate.id() != ChildId(201)));
    assert_eq!(fixture.live.children(code("330")), Some(200));
    fixture.import("schools", 900, vec![anna()]).await;
    fixture.live.bring_up_to_date(code("330")).await.unwrap();
    assert_eq!(fixture.find(&anna()).await.candidates[0].id(), ChildId(900));
    let many = (0..=CHANGES_MAX).map(|place| child(&format!("Many{place}"), "Example", "2012")).collect();
    fixture.import("admissions", 1_000, many).await;
    fixture.live.bring_up_to_date(code("330")).await.unwrap();
    assert_eq!(fixture.live.children(code("330")), Some(201 + CHANGES_MAX + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_nothing_of_a_child_in_debug() {
    let fixture = fixture();
    fixture.import("schools", 1, everybody()).await;
    fixture.live.bring_up_to_date(code("330")).await.unwrap();
    let found = fixture.find(&anna()).await;
    let said = format!("{found:?}");
    assert!(
        !said.contains("Testcase") && !said.contains("9990000018") && !said.contains("\"201\""),
        "{said}"
    );
}
