use std::sync::Mutex;
use std::sync::atomic::Ordering;

use cme_spec::canonical::Json;
use cme_spec::codes::AnswerOutcome;
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, signing_key};
use cme_spec::problem::ProblemType;
use cme_spec::query::QueryHeader;

use super::*;
use crate::scripted::{Scripted, client, directory, refusal};
use crate::transport::{Request, TransportError};

/// Queries of a broadcast, alternately to Birmingham and Leeds.
fn queries(count: u64) -> Vec<Query> {
    let of = |number: u64| {
        let recipient = example::code(if number.is_multiple_of(2) { "330" } else { "383" });
        let header = QueryHeader { recipient, ..example::query_header(number) };
        Query::sign(header, example::query_body(), &signing_key("373"))
    };
    (0..count).map(of).collect()
}

/// The signed answer to a request that puts a query.
fn answer(request: &Request) -> Json {
    let limits = cme_spec::canonical::Limits::ENTRY;
    let query = Query::from_json(Json::decode(request.body.as_ref().unwrap(), &limits).unwrap()).unwrap();
    let at = example::instant("2026-11-24T09:00:01Z");
    let answer = example::query_answer(&query, 0, AnswerOutcome::NotKnown, at);
    let by = query.header().recipient;
    let signed = Envelope::sign(answer, &signing_key(by.as_ref())).to_json();
    Json::object([("answers", Json::array([signed]))])
}

fn pace(in_flight_max: usize) -> Pace {
    Pace { in_flight_max, rounds_max: 3, pause: Duration::from_millis(1) }
}

#[tokio::test]
async fn asks_everybody_with_so_many_in_flight_and_no_more() {
    let transport = Scripted::new(|request| Ok((200, answer(request))));
    let client = client(&transport, directory(|_| {}));
    let told: Vec<Told> = broadcast(&client, queries(40), pace(4)).collect().await;
    assert_eq!(told.len(), 40);
    assert!(told.iter().all(|told| told.result.is_ok() && !told.again && told.round == 1));
    let mut ids: Vec<_> = told.iter().map(|told| told.query).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..40).map(example::query_id).collect::<Vec<_>>());
    assert_eq!(transport.most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_of_and_asked_again_after_the_others() {
    let failures = Mutex::new(0);
    let transport = Scripted::new(move |request| {
        let mut failures = failures.lock().unwrap();
        if request.url.contains("/383/") && *failures < 2 {
            *failures += 1;
            return Err(TransportError::NoConnection);
        }
        Ok((200, answer(request)))
    });
    let client = client(&transport, directory(|_| {}));
    let told: Vec<Told> = broadcast(&client, queries(4), pace(1)).collect().await;
    let seen: Vec<_> = told
        .iter()
        .map(|told| (told.authority.to_string(), told.round, told.again, told.result.is_ok()))
        .collect();
    let expected = [
        ("330", 1, false, true),
        ("383", 1, true, false),
        ("330", 1, false, true),
        ("383", 1, true, false),
        ("383", 2, false, true),
        ("383", 2, false, true),
    ];
    assert_eq!(seen, expected.map(|(code, round, again, ok)| (code.to_owned(), round, again, ok)));
}

#[tokio::test]
async fn the_last_word_about_who_stays_away_is_that_it_was_not_reached_and_a_refusal_is_not_asked_again() {
    let transport = Scripted::new(|request| {
        if request.url.contains("/383/") {
            return Err(TransportError::NoConnection);
        }
        Ok(refusal(ProblemType::QueryNotAllowed))
    });
    let client = client(&transport, directory(|_| {}));
    let told: Vec<Told> = broadcast(&client, queries(2), pace(8)).collect().await;
    let of =
        |code: &str| told.iter().filter(|told| told.authority == example::code(code)).collect::<Vec<_>>();
    assert_eq!(of("330").len(), 1);
    assert_eq!(of("330")[0].result.as_ref().unwrap_err().next_step(), NextStep::Final);
    assert_eq!(
        of("383").iter().map(|told| (told.round, told.again)).collect::<Vec<_>>(),
        [(1, true), (2, true), (3, false)]
    );
    assert!(of("383").iter().all(|told| matches!(told.result, Err(ClientError::Unreachable { .. }))));
}

#[tokio::test]
async fn who_asks_to_wait_for_long_is_left_for_another_time() {
    for (asked, rounds) in [("0", 3), ("31", 1)] {
        let transport = Scripted::asking_to_wait(asked);
        let client = client(&transport, directory(|_| {}));
        let told: Vec<Told> = broadcast(&client, queries(1), pace(8)).collect().await;
        assert_eq!(told.len(), rounds, "{asked}");
        assert!(!told[rounds - 1].again);
    }
}

#[test]
fn selects_who_can_be_asked_and_names_who_must_be_rung() {
    let asking = example::code("373");
    let shared = directory(|directory| {
        directory.authorities[1].profiles.push(PROFILE.to_owned());
        directory.authorities[2].profiles.push(PROFILE.to_owned());
        directory.authorities[2].availability = Availability::Unavailable;
        directory.authorities[0].profiles.push(PROFILE.to_owned());
    });
    let archive = shared.current();
    let directory = archive.newest().unwrap().content();
    let now = example::instant("2026-11-24T09:00:00Z");
    let of = |selection: Selection| {
        let selected = selection.of(directory, asking, now);
        let codes = |list: Vec<AuthorityCode>| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        (codes(selected.asked), codes(selected.to_ring))
    };
    let both = (vec!["330".to_owned()], vec!["383".to_owned()]);
    assert_eq!(of(Selection::All), both);
    assert_eq!(of(Selection::Region("West Midlands".to_owned())), (vec!["330".to_owned()], vec![]));
    assert_eq!(of(Selection::Region("Atlantis".to_owned())), (vec![], vec![]));
    let named =
        |codes: &[&str]| Selection::Authorities(codes.iter().map(|code| example::code(code)).collect());
    assert_eq!(of(named(&["373", "330", "383"])), both, "it never asks itself");
    assert_eq!(of(named(&["383"])), (vec![], vec!["383".to_owned()]));
    let without = example::directory();
    let selected = Selection::All.of(&without, asking, now);
    assert!(selected.asked.is_empty() && selected.to_ring.len() == 2, "nobody has the profile");
    let early = example::instant("2008-12-31T12:00:00Z");
    assert_eq!(Selection::All.of(directory, asking, early), Selected::default(), "nobody exists yet");
}

#[test]
fn pauses_double_from_round_to_round() {
    let first = Duration::from_secs(2);
    let full = |round| pause(first, round, u32::MAX).as_secs();
    assert_eq!([full(1), full(2), full(3)], [2, 4, 8]);
    assert_eq!(pause(first, u32::MAX, u32::MAX), crate::PAUSE_MAX);
}
