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
    let id = first.header().query;
    let of = |asked: &'static str| store.read(move |tx| queries::of_id(tx, code(asked), id));
    assert_eq!((of("330").await.unwrap().len(), of("383").await.unwrap().len()), (1, 0));
}

pub(crate) async fn a_query_waits_for_a_person_until_a_later_answer_which_is_kept_with_its_receipt(
    fixture: &impl Fixture,
) {
    let store = fixture.open();
    let (first, unknown) = (query(1, None), query(2, None));
    put(&store, &first, &[(O::Possible, ARRIVED)]).await;
    put(&store, &unknown, &[(O::NotKnown, ARRIVED)]).await;
    let waiting = || async {
        let open = store.read(|tx| queries::unanswered(tx, code("330"), 10)).await.unwrap();
        open.iter().map(|held| held.key).collect::<Vec<_>>()
    };
    assert_eq!(waiting().await, [key(&first)]);
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
    assert_eq!(waiting().await, []);
}

async fn erase(store: &Store, at: &str) -> usize {
    let now = instant(at);
    store.write(move |tx| queries::erase(tx, now, 10)).await.unwrap()
}

async fn is_untidy(store: &Store, at: &str, met: &str) -> bool {
    let [at, offers, met] = [at, "2026-11-23T09:00:00Z", met].map(instant);
    store.read(move |tx| queries::is_untidy(tx, at, offers, met)).await.unwrap()
}

async fn has_body(store: &Store, query: &Query) -> bool {
    held(store, query).await.body.is_some()
}

pub(crate) async fn what_stands_is_gone_when_its_standing_ends(fixture: &impl Fixture) {
    let store = fixture.open();
    let stands = query(3, Some("2026-12-10T09:00:00Z"));
    put(&store, &stands, &[(O::NotKnown, ARRIVED)]).await;
    let new = [
        meet(&store, &stands, 7, ARRIVED, MatchState::Waiting).await,
        meet(&store, &stands, 8, ARRIVED, MatchState::Silent).await,
        meet(&store, &stands, 8, ARRIVED, MatchState::Waiting).await,
    ];
    assert_eq!(new, [true, true, false], "once for each child");
    assert_eq!(held(&store, &stands).await.standing_until, Some(instant("2026-12-10T09:00:00Z")));
    assert_eq!(erase(&store, "2026-12-10T08:59:59Z").await, 0);
    assert_eq!(erase(&store, "2026-12-10T09:00:00Z").await, 1);
    let ended = held(&store, &stands).await;
    assert_eq!((ended.body, ended.standing_until, ended.answers.len()), (None, None, 1));
    let left = matches(&store, &stands).await;
    assert_eq!(left, [(8, MatchState::Silent, 0)], "nothing waits, nothing says what agreed");
}

pub(crate) async fn a_body_is_gone_when_its_time_is_over(fixture: &impl Fixture) {
    let store = fixture.open();
    let (known, waits) = (query(1, None), query(2, None));
    put(&store, &known, &[(O::Known, ARRIVED)]).await;
    put(&store, &waits, &[(O::Possible, ARRIVED)]).await;
    assert_eq!(erase(&store, "2026-12-24T08:59:59Z").await, 0);
    assert_eq!(erase(&store, "2026-12-24T09:00:00Z").await, 1, "30 days after the last answer");
    assert_eq!(erase(&store, "2027-11-24T09:00:00Z").await, 0);
    let kept = [has_body(&store, &known).await, has_body(&store, &waits).await];
    assert_eq!(kept, [false, true], "a person has still to look");
}

pub(crate) async fn what_is_to_be_erased_is_seen_before_the_writer_is_asked(fixture: &impl Fixture) {
    let store = fixture.open();
    let stands = query(3, Some("2026-12-10T09:00:00Z"));
    put(&store, &stands, &[(O::NotKnown, ARRIVED)]).await;
    meet(&store, &stands, 8, ARRIVED, MatchState::Silent).await;
    let (early, late) = ("2026-11-23T09:00:00Z", "2026-12-09T09:00:00Z");
    let seen = [
        is_untidy(&store, "2026-12-10T08:59:59Z", early).await,
        is_untidy(&store, "2026-12-10T08:59:59Z", late).await,
        is_untidy(&store, "2026-12-10T09:00:00Z", early).await,
    ];
    assert_eq!(seen, [false, false, true], "a match of a query that stands stays");
    assert_eq!(erase(&store, "2026-12-10T09:00:00Z").await, 1);
    let seen = [
        is_untidy(&store, "2026-12-10T09:00:00Z", early).await,
        is_untidy(&store, "2026-12-10T09:00:00Z", late).await,
    ];
    assert_eq!(seen, [false, true]);
    let long_after = instant(late);
    assert_eq!(store.write(move |tx| queries::forget_matches(tx, long_after)).await, Ok(1));
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

/// A query that stands, and one that follows it, each with whom it met.
async fn two_that_stand(store: &Store) -> (Query, Query) {
    let (old, new) = (query(1, Some("2026-12-10T09:00:00Z")), query(2, Some("2026-12-20T09:00:00Z")));
    for query in [&old, &new] {
        put(store, query, &[(O::NotKnown, ARRIVED)]).await;
    }
    for (child, state) in [(1, MatchState::Waiting), (2, MatchState::Silent), (3, MatchState::Told)] {
        meet(store, &old, child, ARRIVED, state).await;
    }
    meet(store, &new, 2, "2026-11-25T09:00:00Z", MatchState::Waiting).await;
    (old, new)
}

pub(crate) async fn authorities_that_asked_for_a_child_are_counted(fixture: &impl Fixture) {
    let store = fixture.open();
    two_that_stand(&store).await;
    let authors = |since: &str| {
        let (store, since) = (store.clone(), instant(since));
        async move { store.read(move |tx| queries::authors_of(tx, code("330"), ChildId(1), since)).await.unwrap() }
    };
    assert_eq!(authors("2026-11-24T08:59:59Z").await.into_iter().collect::<Vec<_>>(), [code("373")]);
    assert!(authors(ARRIVED).await.is_empty());
    let since = |at: &str| {
        let at = instant(at);
        store.read(move |tx| queries::with_match_since(tx, code("330"), at, 10))
    };
    let found = [since(ARRIVED).await.unwrap().len(), since("2026-11-23T09:00:00Z").await.unwrap().len()];
    assert_eq!(found, [1, 2]);
}

pub(crate) async fn what_waits_for_a_query_waits_for_the_one_that_follows_it(fixture: &impl Fixture) {
    let store = fixture.open();
    let (old, new) = two_that_stand(&store).await;
    let (from, to) = (key(&old), key(&new));
    let moved = store.write(move |tx| {
        queries::move_matches(tx, &from, to.query)?;
        queries::end_standing(tx, &from, to.query)?;
        let settled = queries::settle(tx, &to, ChildId(1), MatchState::Released)?;
        Ok([settled, queries::settle(tx, &to, ChildId(1), MatchState::Silent)?])
    });
    assert_eq!(moved.await.unwrap(), [true, false], "a decision stands");
    assert_eq!(held(&store, &old).await.standing_until, None);
    let met = matches(&store, &new).await;
    let expected = [(1, MatchState::Released, 2), (2, MatchState::Waiting, 2)];
    assert_eq!(met, expected, "what it has met itself stays");
    let long_after = instant("2027-01-01T09:00:00Z");
    let forgotten = store.write(move |tx| queries::forget_matches(tx, long_after)).await;
    assert_eq!(forgotten, Ok(2), "those of a query that stands stay");
    assert_eq!(matches(&store, &new).await, expected);
}

pub(crate) async fn a_child_is_met_anew_when_it_agrees_in_something_else(fixture: &impl Fixture) {
    let store = fixture.open();
    let (_, new) = two_that_stand(&store).await;
    let bring = |change: fn(&mut Match)| {
        let (store, key) = (store.clone(), key(&new));
        let mut again = met(2, "2026-11-26T09:00:00Z", MatchState::Waiting);
        change(&mut again);
        async move { store.write(move |tx| queries::bring_match(tx, &key, &again)).await.unwrap() }
    };
    let mut brought = Vec::new();
    let changes: [fn(&mut Match); 6] = [
        |_| {},
        |met| met.shielded = true,
        |met| met.shielded = false,
        |met| met.fields.truncate(1),
        |met| met.fields.truncate(1),
        |_| {},
    ];
    for change in changes {
        brought.push(bring(change).await);
    }
    assert_eq!(brought, [false, true, true, true, false, true]);
}

pub(crate) async fn queries_that_stand_are_gone_through_and_it_is_noted_how_far(fixture: &impl Fixture) {
    let store = fixture.open();
    let (old, new) = two_that_stand(&store).await;
    let after = |after, at: &str| {
        let now = instant(at);
        let standing = store.read(move |tx| queries::standing(tx, code("330"), now, after, 10));
        async move { standing.await.unwrap().iter().map(|held| held.key).collect::<Vec<_>>() }
    };
    assert_eq!(after(None, ARRIVED).await, [key(&old), key(&new)]);
    assert_eq!(after(Some((code("373"), old.header().query)), ARRIVED).await, [key(&new)]);
    assert_eq!(after(None, "2026-12-10T09:00:00Z").await, [key(&new)], "one has ended");
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
    for held in &records {
        chain.follow(&held.record).unwrap();
    }
    assert_eq!(chain.head(), (3, Some(records[2].digest)));
    let first = store.read(|tx| audit::first_of(tx, code("330"), code("373"), example::query_id(2)));
    assert_eq!(first.await.unwrap().unwrap(), records[1]);
    assert_eq!(store.read(|tx| audit::after(tx, code("330"), 2, 10)).await.unwrap(), records[2..]);
    assert!(store.read(|tx| audit::after(tx, code("373"), 0, 10)).await.unwrap().is_empty());
}
