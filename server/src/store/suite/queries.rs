//! Queries that others put, their answers, whom they met, how often was asked, and the record of it all.

use cme_matching::ChildId;
use cme_spec::canonical::Json;
use cme_spec::codes::{AnswerOutcome as O, MatchedField};
use cme_spec::digest::Digest;
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, code, instant};
use cme_spec::instant::Instant;
use cme_spec::query::{Answer, Query, QueryHeader};
use cme_spec::receipt::StoredKind;

use super::Fixture;
use crate::store::audit::{self, Counted};
use crate::store::queries::{self, Held, Match, MatchState, QueryKey};
use crate::store::{Store, StoreError, Tx};

const ARRIVED: &str = "2026-11-24T09:00:00Z";

fn query(number: u64, standing_until: Option<&str>) -> Query {
    let standing_until = standing_until.map(instant);
    let header = QueryHeader { standing_until, ..example::query_header(number) };
    Query::sign(header, example::query_body(), &example::signing_key("373"))
}

fn key(query: &Query) -> QueryKey {
    QueryKey { hosted: code("330"), author: code("373"), query: query.header().query }
}

fn answer(query: &Query, number: u64, outcome: O, at: &str) -> Envelope<Answer> {
    let answer = example::query_answer(query, number, outcome, instant(at));
    Envelope::sign(answer, &example::signing_key("330"))
}

/// Puts a query with these answers; the body is kept as the first lets it.
async fn put(store: &Store, query: &Query, answers: &[(O, &'static str)]) {
    let made: Vec<_> =
        (0..).zip(answers).map(|(number, (outcome, at))| answer(query, number, *outcome, at)).collect();
    let query = query.clone();
    let kept = store.write(move |tx| {
        let (key, header) = (key(&query), query.header());
        let first = made[0].content().clone();
        let body = queries::may_keep(header, &[first]).then(|| query.body());
        queries::keep(tx, &key, &query, body, (instant(ARRIVED), 1))?;
        for (count, answer) in made.iter().enumerate() {
            let before: Vec<Answer> = made[..count].iter().map(|answer| answer.content().clone()).collect();
            queries::keep_answer(tx, &key, header, &before, answer)?;
        }
        Ok(())
    });
    kept.await.unwrap();
}

async fn held(store: &Store, query: &Query) -> Held {
    let key = key(query);
    store.read(move |tx| queries::find(tx, &key)).await.unwrap().unwrap()
}

fn met(child: u64, at: &str, state: MatchState) -> Match {
    let fields = vec![MatchedField::Name, MatchedField::Upn];
    Match { child: ChildId(child), met_at: instant(at), shielded: false, fields, state }
}

async fn meet(store: &Store, query: &Query, child: u64, at: &'static str, state: MatchState) -> bool {
    let key = key(query);
    store.write(move |tx| queries::keep_match(tx, &key, &met(child, at, state))).await.unwrap()
}

async fn matches(store: &Store, query: &Query) -> Vec<(u64, MatchState, usize)> {
    let key = key(query);
    let found = store.read(move |tx| queries::matches(tx, &key)).await.unwrap();
    found.iter().map(|met| (met.child.0, met.state, met.fields.len())).collect()
}

pub(crate) async fn a_query_comes_back_with_its_answers(fixture: &impl Fixture) {
    let store = fixture.open();
    let (first, unknown) = (query(1, None), query(2, None));
    put(&store, &first, &[(O::Possible, ARRIVED)]).await;
    put(&store, &unknown, &[(O::NotKnown, ARRIVED)]).await;
    let found = held(&store, &first).await;
    assert_eq!((found.digest, found.header.purpose), (first.header_digest(), first.header().purpose));
    assert_eq!((found.body.as_ref(), found.directory_issue), (Some(first.body()), 1));
    assert_eq!(found.answers, [answer(&first, 0, O::Possible, ARRIVED)]);
    assert!(held(&store, &unknown).await.body.is_none(), "nothing of it is kept");
    let again = first.clone();
    let twice = store.write(move |tx| queries::keep(tx, &key(&again), &again, None, (instant(ARRIVED), 1)));
    assert_eq!(twice.await, Err(StoreError::Exists));
    let open = store.read(|tx| queries::unanswered(tx, code("330"), 10)).await.unwrap();
    assert_eq!(open.iter().map(|held| held.key).collect::<Vec<_>>(), [key(&first)]);
    let later = answer(&first, 1, O::Known, "2026-11-25T09:00:00Z");
    let receipt =
        example::stored(StoredKind::Answer, &first.header().query.to_string(), later.digest(), "373");
    let (query, stored) = (first.clone(), receipt.clone());
    let said = later.clone();
    let kept = store.write(move |tx| {
        let before = [answer(&query, 0, O::Possible, ARRIVED).content().clone()];
        queries::keep_answer(tx, &key(&query), query.header(), &before, &said)?;
        queries::keep_answer_stored(tx, &key(&query), 1, &stored)
    });
    kept.await.unwrap();
    let name = key(&first);
    let answers = store.read(move |tx| queries::answers(tx, &name)).await.unwrap();
    assert_eq!(answers, [(answer(&first, 0, O::Possible, ARRIVED), None), (later, Some(receipt))]);
    assert!(store.read(|tx| queries::unanswered(tx, code("330"), 10)).await.unwrap().is_empty());
    let id = first.header().query;
    assert_eq!(store.read(move |tx| queries::of_id(tx, code("330"), id)).await.unwrap().len(), 1);
    assert!(store.read(move |tx| queries::of_id(tx, code("383"), id)).await.unwrap().is_empty());
}

async fn erase(store: &Store, at: &str) -> usize {
    let now = instant(at);
    store.write(move |tx| queries::erase(tx, now, 10)).await.unwrap()
}

pub(crate) async fn a_body_is_gone_when_its_time_is_over(fixture: &impl Fixture) {
    let store = fixture.open();
    let (known, waits, stands) = (query(1, None), query(2, None), query(3, Some("2026-12-10T09:00:00Z")));
    put(&store, &known, &[(O::Known, ARRIVED)]).await;
    put(&store, &waits, &[(O::Possible, ARRIVED)]).await;
    put(&store, &stands, &[(O::NotKnown, ARRIVED)]).await;
    assert!(meet(&store, &stands, 7, ARRIVED, MatchState::Waiting).await);
    assert!(meet(&store, &stands, 8, ARRIVED, MatchState::Silent).await);
    assert!(!meet(&store, &stands, 8, ARRIVED, MatchState::Waiting).await, "once for each child");
    assert_eq!(held(&store, &stands).await.standing_until, Some(instant("2026-12-10T09:00:00Z")));
    let untidy = |at: &str, offers: &str, met: &str| {
        let [at, offers, met] = [at, offers, met].map(instant);
        store.read(move |tx| queries::is_untidy(tx, at, offers, met))
    };
    let early = "2026-11-23T09:00:00Z";
    assert_eq!(untidy("2026-12-10T08:59:59Z", early, early).await, Ok(false));
    assert_eq!(untidy("2026-12-10T09:00:00Z", early, early).await, Ok(true));
    assert_eq!(
        untidy("2026-12-10T08:59:59Z", early, "2026-12-09T09:00:00Z").await,
        Ok(false),
        "it still stands"
    );
    assert_eq!(erase(&store, "2026-12-10T08:59:59Z").await, 0);
    assert_eq!(erase(&store, "2026-12-10T09:00:00Z").await, 1);
    let ended = held(&store, &stands).await;
    assert_eq!((ended.body, ended.standing_until, ended.answers.len()), (None, None, 1));
    assert_eq!(
        matches(&store, &stands).await,
        [(8, MatchState::Silent, 0)],
        "nothing waits, nothing says what agreed"
    );
    assert_eq!(untidy("2026-12-10T09:00:00Z", early, "2026-12-09T09:00:00Z").await, Ok(true));
    assert_eq!(erase(&store, "2026-12-24T08:59:59Z").await, 0);
    assert_eq!(erase(&store, "2026-12-24T09:00:00Z").await, 1, "30 days after the last answer");
    assert!(held(&store, &known).await.body.is_none());
    assert_eq!(erase(&store, "2027-11-24T09:00:00Z").await, 0);
    assert!(held(&store, &waits).await.body.is_some(), "a person has still to look");
}

pub(crate) async fn a_query_that_was_withdrawn_waits_for_nobody(fixture: &impl Fixture) {
    let store = fixture.open();
    let (first, other) = (query(1, None), query(2, Some("2026-12-10T09:00:00Z")));
    put(&store, &first, &[(O::Possible, ARRIVED)]).await;
    put(&store, &other, &[(O::NotKnown, ARRIVED)]).await;
    meet(&store, &other, 7, ARRIVED, MatchState::Waiting).await;
    let waiting = store.read(|tx| queries::with_waiting_match(tx, code("330"), 10)).await.unwrap();
    assert_eq!(waiting.iter().map(|held| held.key).collect::<Vec<_>>(), [key(&other)]);
    let receipt = |digest, text: &str| example::stored(StoredKind::Withdrawal, text, digest, "330");
    for query in [&first, &other] {
        let (name, id) = (key(query), query.header().query.to_string());
        let (given, second) = (receipt(query.header_digest(), &id), receipt(Digest::of(b"2"), &id));
        let kept = given.clone();
        let withdrawn = store.write(move |tx| {
            queries::withdraw(tx, &name, &given)?;
            queries::withdraw(tx, &name, &second)
        });
        withdrawn.await.unwrap();
        let found = held(&store, query).await;
        assert_eq!((found.body, found.standing_until), (None, None));
        assert_eq!(found.withdrawal, Some(kept), "the first receipt stays");
    }
    assert!(store.read(|tx| queries::unanswered(tx, code("330"), 10)).await.unwrap().is_empty());
    assert!(store.read(|tx| queries::with_waiting_match(tx, code("330"), 10)).await.unwrap().is_empty());
    assert!(matches(&store, &other).await.is_empty());
}

fn record(tx: &mut dyn Tx, number: u64, officer: &str, at: Instant) -> Result<(), StoreError> {
    let counted = Counted {
        at,
        author: code("373"),
        officer: officer.to_owned(),
        query: example::query_id(number),
        number: 0,
    };
    audit::add(tx, code("330"), &counted, |place, previous| {
        let record = serde_json::json!({ "place": place, "previous": previous, "officer": officer });
        Ok(Json::from_typed(&record).unwrap())
    })
}

pub(crate) async fn who_asked_lately_is_counted_and_offers_with_it(fixture: &impl Fixture) {
    let store = fixture.open();
    let at = |hour: i64| instant(ARRIVED).plus_seconds(3_600 * hour);
    let noted = store.write(move |tx| {
        for (number, officer, hour) in [(1, "a", 0), (2, "b", 1), (3, "a", 2)] {
            record(tx, number, officer, at(hour))?;
        }
        for (number, hour) in [(1, 3), (2, 4), (1, 5)] {
            queries::note_offer(tx, code("330"), code("373"), example::transfer(number), at(hour))?;
        }
        queries::note_offer(tx, code("330"), code("383"), example::transfer(3), at(3))
    });
    noted.await.unwrap();
    let asked = |since: i64, limit: u32| {
        let store = store.clone();
        async move {
            let asked =
                store.read(move |tx| queries::asked_since(tx, code("330"), code("373"), at(since), limit));
            asked.await.unwrap()
        }
    };
    assert_eq!(asked(-1, 10).await, [4, 3, 2, 1, 0].map(at), "an offer counts once");
    assert_eq!(asked(1, 2).await, [at(4), at(3)], "the newest");
    assert_eq!(asked(4, 10).await, [], "what is as old as that is over");
    let count =
        |since| store.read(move |tx| queries::count_asked_since(tx, code("330"), code("373"), at(since)));
    assert_eq!((count(-1).await, count(2).await), (Ok(5), Ok(2)));
    let of_officer = store.read(move |tx| {
        let officer = "a".parse().unwrap();
        queries::officer_asked_since(tx, (code("330"), code("373")), &officer, at(-1), 10)
    });
    assert_eq!(of_officer.await.unwrap(), [at(2), at(0)]);
    assert_eq!(store.write(move |tx| queries::forget_offers(tx, at(4))).await, Ok(2));
    assert_eq!(asked(-1, 10).await, [4, 2, 1, 0].map(at));
}

pub(crate) async fn matches_are_counted_moved_and_forgotten(fixture: &impl Fixture) {
    let store = fixture.open();
    let (old, new) = (query(1, Some("2026-12-10T09:00:00Z")), query(2, Some("2026-12-20T09:00:00Z")));
    for query in [&old, &new] {
        put(&store, query, &[(O::NotKnown, ARRIVED)]).await;
    }
    for (child, state) in [(1, MatchState::Waiting), (2, MatchState::Silent), (3, MatchState::Told)] {
        meet(&store, &old, child, ARRIVED, state).await;
    }
    meet(&store, &new, 2, "2026-11-25T09:00:00Z", MatchState::Waiting).await;
    // Met anew where it agrees in something else, or is shielded now.
    let bring = |query: &Query, child: u64, change: fn(&mut Match)| {
        let (store, key) = (store.clone(), key(query));
        let mut again = met(child, "2026-11-26T09:00:00Z", MatchState::Waiting);
        change(&mut again);
        async move { store.write(move |tx| queries::bring_match(tx, &key, &again)).await.unwrap() }
    };
    assert!(!bring(&new, 2, |_| {}).await);
    assert!(bring(&new, 2, |met| met.shielded = true).await);
    assert!(bring(&new, 2, |met| met.shielded = false).await);
    let fewer = |met: &mut Match| met.fields.truncate(1);
    assert!(bring(&new, 2, fewer).await && !bring(&new, 2, fewer).await);
    assert!(bring(&new, 2, |_| {}).await);
    let since = |at: &str| {
        let at = instant(at);
        store.read(move |tx| queries::with_match_since(tx, code("330"), at, 10))
    };
    assert_eq!(since("2026-11-25T09:00:00Z").await.unwrap().len(), 1);
    assert_eq!(since("2026-11-23T09:00:00Z").await.unwrap().len(), 2);
    let authors = |since: &str| {
        let (store, since) = (store.clone(), instant(since));
        async move { store.read(move |tx| queries::authors_of(tx, code("330"), ChildId(1), since)).await.unwrap() }
    };
    assert_eq!(authors("2026-11-24T08:59:59Z").await.into_iter().collect::<Vec<_>>(), [code("373")]);
    assert!(authors(ARRIVED).await.is_empty());
    let (from, to) = (key(&old), key(&new));
    let moved = store.write(move |tx| {
        queries::move_matches(tx, &from, to.query)?;
        queries::end_standing(tx, &from, to.query)?;
        queries::settle(tx, &to, ChildId(1), MatchState::Released)
    });
    assert!(moved.await.unwrap());
    assert_eq!(held(&store, &old).await.standing_until, None);
    assert_eq!(
        matches(&store, &new).await,
        [(1, MatchState::Released, 2), (2, MatchState::Waiting, 2)],
        "what it has met itself stays"
    );
    let settled = store.write(move |tx| queries::settle(tx, &to, ChildId(1), MatchState::Silent));
    assert!(!settled.await.unwrap(), "a decision stands");
    let long_after = instant("2027-01-01T09:00:00Z");
    let forgotten = store.write(move |tx| queries::forget_matches(tx, long_after)).await;
    assert_eq!(forgotten, Ok(2), "those of a query that stands stay");
    assert_eq!(matches(&store, &new).await.len(), 2);
    let after = |after| store.read(move |tx| queries::standing(tx, code("330"), instant(ARRIVED), after, 10));
    let standing = after(None).await.unwrap();
    assert_eq!(standing.iter().map(|held| held.key).collect::<Vec<_>>(), [key(&new)]);
    assert!(after(Some((code("373"), new.header().query))).await.unwrap().is_empty());
    let followed = store.write(|tx| {
        queries::keep_followed(tx, code("330"), 5, 1)?;
        queries::keep_followed(tx, code("330"), 9, 2)?;
        Ok([queries::followed(tx, code("330"))?, queries::followed(tx, code("373"))?])
    });
    assert_eq!(followed.await, Ok([Some((9, 2)), None]));
}

pub(crate) async fn records_of_the_audit_are_chained(fixture: &impl Fixture) {
    let store = fixture.open();
    let at = instant(ARRIVED);
    store.write(move |tx| record(tx, 1, "a", at)).await.unwrap();
    let two = store.write(move |tx| {
        record(tx, 2, "b", at)?;
        record(tx, 3, "c", at)
    });
    two.await.unwrap();
    let records = store.read(|tx| audit::after(tx, code("330"), 0, 10)).await.unwrap();
    assert_eq!(records.iter().map(|held| held.place).collect::<Vec<_>>(), [1, 2, 3]);
    let mut chain = crate::audit::Chain::default();
    records.iter().for_each(|held| chain.follow(&held.record).unwrap());
    assert_eq!(chain.head(), (3, Some(records[2].digest)));
    let first = store.read(|tx| audit::first_of(tx, code("330"), code("373"), example::query_id(2)));
    assert_eq!(first.await.unwrap().unwrap(), records[1]);
    assert_eq!(store.read(|tx| audit::after(tx, code("330"), 2, 10)).await.unwrap(), records[2..]);
    assert!(store.read(|tx| audit::after(tx, code("373"), 0, 10)).await.unwrap().is_empty());
}
