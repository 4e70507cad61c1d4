//! What is asked of other authorities, and what they answer.

use cme_spec::codes::{AnswerOutcome, MatchedField, QueryPurpose};
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, code, instant, signing_key};
use cme_spec::instant::Instant;
use cme_spec::query::{Answer, Query};
use cme_spec::receipt::StoredKind;
use uuid::Uuid;

use super::Fixture;
use crate::store::asked::{self, Asking, QueryKey};
use crate::store::dispatch::{self, DispatchKey, PER_PEER_MAX, Task};
use crate::store::leases::Holder;
use crate::store::{Store, StoreError};

const NINE: &str = "2026-11-24T09:00:01Z";

fn asking(query: &Query) -> Asking {
    let header = query.header();
    Asking {
        hosted: code("373"),
        id: id_of(query),
        purpose: QueryPurpose::TraceMissingChild,
        officer: "o-7f3a".parse().unwrap(),
        second_officer: header.broadcast.map(|_| "o-11c2".parse().unwrap()),
        to_ring: vec![code("202"), code("383")],
        renews: None,
        created_at: Instant::from_milliseconds(header.created_at.milliseconds()).unwrap(),
    }
}

fn id_of(query: &Query) -> Uuid {
    let broadcast = query.header().broadcast.map(|broadcast| broadcast.to_string());
    broadcast.unwrap_or_else(|| query.header().query.to_string()).parse().unwrap()
}

fn key(query: &Query) -> QueryKey {
    QueryKey { hosted: code("373"), query: query.header().query }
}

async fn keep(store: &Store, query: &Query) -> Result<(), StoreError> {
    let query = query.clone();
    let fields = vec![MatchedField::Name, MatchedField::DateOfBirth, MatchedField::Upn];
    store.write(move |tx| asked::keep(tx, &asking(&query), &[(query.clone(), fields.clone())])).await
}

fn answer(query: &Query, number: u64, outcome: AnswerOutcome) -> Envelope<Answer> {
    let answer = example::query_answer(query, number, outcome, instant(NINE));
    Envelope::sign(answer, &signing_key("330"))
}

pub(crate) async fn what_is_asked_comes_back_as_it_was_decided(fixture: &impl Fixture) {
    let store = fixture.open();
    let (query, broadcast) = (example::query(), example::broadcast_query());
    keep(&store, &query).await.unwrap();
    keep(&store, &broadcast).await.unwrap();
    assert_eq!(keep(&store, &query).await, Err(StoreError::Exists), "a query stands once");
    let name = key(&query);
    let held = store.read(move |tx| asked::find(tx, &name)).await.unwrap().unwrap();
    assert_eq!((held.query.as_ref(), held.digest), (Some(&query), query.header_digest()));
    assert_eq!(held.fields, [MatchedField::Name, MatchedField::DateOfBirth, MatchedField::Upn]);
    assert_eq!((held.asking, held.counterparty), (id_of(&query), code("330")));
    assert!(held.answers.is_empty() && held.withdrawn_at.is_none() && held.seen == 0);
    let newest = store.read(|tx| asked::newest(tx, code("373"), 10)).await.unwrap();
    assert_eq!(newest.len(), 2);
    assert!(newest.contains(&asking(&query)) && newest.contains(&asking(&broadcast)));
    assert!(store.read(|tx| asked::newest(tx, code("330"), 10)).await.unwrap().is_empty());
}

pub(crate) async fn answers_come_back_in_the_order_of_their_numbers(fixture: &impl Fixture) {
    let store = fixture.open();
    let (query, broadcast) = (example::query(), example::broadcast_query());
    keep(&store, &query).await.unwrap();
    keep(&store, &broadcast).await.unwrap();
    let name = key(&query);
    let (first, second) =
        (answer(&query, 0, AnswerOutcome::Possible), answer(&query, 1, AnswerOutcome::Known));
    let of_other = answer(&broadcast, 0, AnswerOutcome::NotKnown);
    let (one, two, other, other_name) = (first.clone(), second.clone(), of_other.clone(), key(&broadcast));
    let id = query.header().query.to_string();
    let receipt = example::stored(StoredKind::Answer, &id, second.digest(), "373");
    let given = receipt.clone();
    let kept = store.write(move |tx| {
        asked::keep_answer(tx, &name, &two, instant(NINE), Some(&given))?;
        asked::keep_answer(tx, &name, &one, instant(NINE), None)?;
        asked::keep_answer(tx, &other_name, &other, instant(NINE), None)?;
        asked::keep_stored(tx, &name, 1, &example::stored(StoredKind::Answer, "x", two.digest(), "373"))?;
        asked::mark_seen(tx, &name, 2)?;
        asked::mark_seen(tx, &name, 1)
    });
    kept.await.unwrap();
    let twice = first.clone();
    let again = store.write(move |tx| asked::keep_answer(tx, &name, &twice, instant(NINE), None)).await;
    assert_eq!(again, Err(StoreError::Exists), "a number is given once");
    let single = id_of(&query);
    let all = store.read(move |tx| asked::of_asking(tx, code("373"), single)).await.unwrap();
    let found = store.read(move |tx| asked::find(tx, &name)).await.unwrap().unwrap();
    for held in [&all[0], &found] {
        let answers: Vec<_> = held.answers.iter().map(|received| received.answer.clone()).collect();
        assert_eq!(answers, [first.clone(), second.clone()], "in the order of their numbers");
        assert_eq!(held.answers[1].stored, Some(receipt.clone()), "the first receipt stays");
        assert_eq!((held.seen, held.newest()), (2, Some(second.content())));
    }
    let many = id_of(&broadcast);
    let all = store.read(move |tx| asked::of_asking(tx, code("373"), many)).await.unwrap();
    assert_eq!((all.len(), all[0].answers.len()), (1, 1));
    assert_eq!(all[0].answers[0].answer, of_other);
}

pub(crate) async fn answers_are_unseen_until_an_officer_has_looked(fixture: &impl Fixture) {
    let store = fixture.open();
    let query = example::query();
    keep(&store, &query).await.unwrap();
    let name = key(&query);
    let open = store.read(|tx| asked::open(tx, code("373"))).await.unwrap();
    assert_eq!(open.iter().map(|held| held.key).collect::<Vec<_>>(), [name]);
    let unseen = || store.read(|tx| asked::unseen(tx, code("373")));
    for (number, outcome) in [(0, AnswerOutcome::Possible), (1, AnswerOutcome::Known)] {
        let came = answer(&query, number, outcome);
        store.write(move |tx| asked::keep_answer(tx, &name, &came, instant(NINE), None)).await.unwrap();
    }
    assert_eq!(unseen().await, Ok(2));
    store.write(move |tx| asked::mark_seen(tx, &name, 1)).await.unwrap();
    assert_eq!(unseen().await, Ok(1));
    store.write(move |tx| asked::mark_seen(tx, &name, 2)).await.unwrap();
    assert_eq!(unseen().await, Ok(0));
    assert_eq!(store.read(|tx| asked::unseen(tx, code("330"))).await, Ok(0));
}

pub(crate) async fn a_body_is_gone_when_its_time_is_over_and_the_rest_stays(fixture: &impl Fixture) {
    let store = fixture.open();
    let (query, broadcast) = (example::query(), example::broadcast_query());
    keep(&store, &query).await.unwrap();
    keep(&store, &broadcast).await.unwrap();
    let (name, over) = (key(&query), instant("2026-11-25T09:00:00Z"));
    store.write(move |tx| asked::set_erasure(tx, &name, Some(over))).await.unwrap();
    let early = over.plus_seconds(-1);
    assert_eq!(store.write(move |tx| asked::erase(tx, early, 10)).await, Ok(0));
    assert_eq!(store.write(move |tx| asked::erase(tx, over, 10)).await, Ok(1));
    assert_eq!(store.write(move |tx| asked::erase(tx, over, 10)).await, Ok(0), "once");
    let held = store.read(move |tx| asked::find(tx, &name)).await.unwrap().unwrap();
    assert_eq!((held.query, held.digest), (None, query.header_digest()));
    assert_eq!((held.header, held.fields.len()), (query.header().clone(), 3), "answers can still be judged");
    let other = key(&broadcast);
    let held = store.read(move |tx| asked::find(tx, &other)).await.unwrap().unwrap();
    assert!(held.query.is_some(), "nobody knows yet how long this one is kept");
    let since = |from: &str| {
        let from = instant(from);
        store.read(move |tx| asked::since(tx, code("373"), from))
    };
    assert_eq!(since("2026-11-24T09:00:00.25Z").await.unwrap().len(), 2);
    assert_eq!(since("2026-11-24T09:00:00.251Z").await.unwrap().len(), 0);
}

pub(crate) async fn a_query_is_withdrawn_once_and_renewed_by_another(fixture: &impl Fixture) {
    let store = fixture.open();
    let (query, broadcast) = (example::query(), example::broadcast_query());
    keep(&store, &query).await.unwrap();
    let (name, first) = (key(&query), instant(NINE));
    let id = query.header().query.to_string();
    let receipt = example::stored(StoredKind::Withdrawal, &id, query.header_digest(), "330");
    let given = receipt.clone();
    let signed_anew = query.clone().signed_anew(&signing_key("383"));
    let anew = signed_anew.clone();
    let kept = store.write(move |tx| {
        asked::keep_signature(tx, &name, &anew)?;
        asked::withdraw(tx, &name, first)?;
        asked::withdraw(tx, &name, first.plus_seconds(60))?;
        asked::keep_withdrawal(tx, &name, &given)
    });
    kept.await.unwrap();
    assert!(store.read(|tx| asked::open(tx, code("373"))).await.unwrap().is_empty());
    let held = store.read(move |tx| asked::find(tx, &name)).await.unwrap().unwrap();
    assert_eq!((held.withdrawn_at, held.withdrawal), (Some(first), Some(receipt)));
    assert_eq!(held.query, Some(signed_anew));
    let before = id_of(&query);
    assert_eq!(store.read(move |tx| asked::renewed_by(tx, code("373"), before)).await, Ok(None));
    let follows = Asking { renews: Some(before), ..asking(&broadcast) };
    let (wanted, kept) = (follows.id, follows.clone());
    store.write(move |tx| asked::keep(tx, &kept, &[(broadcast.clone(), Vec::new())])).await.unwrap();
    assert_eq!(store.read(move |tx| asked::renewed_by(tx, code("373"), before)).await, Ok(Some(wanted)));
    assert_eq!(store.read(move |tx| asked::find_asking(tx, code("373"), wanted)).await, Ok(Some(follows)));
}

fn row(task: Task, counterparty: &str, number: u64) -> DispatchKey {
    let id = example::query_id(number).to_string();
    DispatchKey { hosted: code("373"), counterparty: code(counterparty), task, id, number: 0 }
}

pub(crate) async fn a_peer_has_few_things_under_way_and_a_withdrawal_follows_its_query(
    fixture: &impl Fixture,
) {
    let store = fixture.open();
    let now = instant(NINE);
    let queued = store.write(move |tx| {
        (0..10).try_for_each(|number| dispatch::enqueue(tx, &row(Task::Query, "330", number), now))?;
        dispatch::enqueue(tx, &row(Task::Withdrawal, "383", 20), now)?;
        dispatch::enqueue(tx, &row(Task::Query, "383", 20), now)
    });
    queued.await.unwrap();
    let claim = |holder: u8, at: Instant| {
        let holder = Holder::from_random([holder; 16]);
        let claimed = store.write(move |tx| dispatch::claim(tx, at, 100, holder, at.plus_seconds(60)));
        async move { claimed.await.unwrap().into_iter().map(|claimed| claimed.key).collect::<Vec<_>>() }
    };
    let first = claim(1, now).await;
    let to = |code: &str, keys: &[DispatchKey]| {
        keys.iter().filter(|key| key.counterparty.as_ref() == code).count()
    };
    assert_eq!(to("330", &first), usize::try_from(PER_PEER_MAX).unwrap());
    assert_eq!(to("383", &first), 1);
    assert!(first.contains(&row(Task::Query, "383", 20)), "the withdrawal waits for its query");
    assert!(claim(2, now).await.is_empty(), "another process takes no more of them");
    let one = row(Task::Query, "383", 20);
    let (holder, done) = (Holder::from_random([1; 16]), first[0].clone());
    let freed = store.write(move |tx| {
        dispatch::finish(tx, &done, holder)?;
        dispatch::finish(tx, &one, holder)
    });
    assert_eq!(freed.await, Ok(true));
    let second = claim(2, now).await;
    assert_eq!((to("330", &second), to("383", &second)), (1, 1), "what is done makes room");
    assert!(second.contains(&row(Task::Withdrawal, "383", 20)));
    assert_eq!(store.read(move |tx| dispatch::is_any_under_way(tx, code("373"), now)).await, Ok(true));
    let later = now.plus_seconds(60);
    assert_eq!(store.read(move |tx| dispatch::is_any_under_way(tx, code("373"), later)).await, Ok(false));
    let (waiting, leased) = (row(Task::Query, "330", 9), second[0].clone());
    let called_off = store
        .write(move |tx| Ok([dispatch::call_off(tx, &waiting, now)?, dispatch::call_off(tx, &leased, now)?]));
    assert_eq!(called_off.await, Ok([true, false]), "what is under way is its process's");
}
