use cme_spec::canonical::Json;
use cme_spec::codes::AnswerOutcome as O;
use cme_spec::example::{self, signing_key};
use cme_spec::problem::ProblemType;
use serde_json::json;

use super::*;
use crate::scripted::{Scripted, client, directory, refusal};

const AT: &str = "2026-11-24T09:00:01Z";

/// Birmingham's answers with these outcomes, one second apart, after a change.
fn answers(query: &Query, outcomes: &[O], change: impl Fn(&mut Answer)) -> Json {
    let signed = (0..).zip(0..).zip(outcomes).map(|((number, seconds), outcome)| {
        let at = example::instant(AT).plus_seconds(seconds);
        let mut answer = example::query_answer(query, number, *outcome, at);
        change(&mut answer);
        Envelope::sign(answer, &signing_key("330")).to_json()
    });
    Json::object([("answers", Json::array(signed))])
}

async fn asked(content: Json) -> Result<Answers, ClientError> {
    let transport = Scripted::new(move |request| {
        assert_eq!(request.method, "PUT");
        assert!(request.url.ends_with(&format!("/330/v1/queries/{}", example::query_id(1))));
        Ok((200, content.clone()))
    });
    let peer = client(&transport, directory(|_| {})).peer(example::code("330")).unwrap();
    peer.put_query(&example::query()).await
}

#[tokio::test]
async fn gives_every_proven_answer_and_the_newest_counts() {
    let query = example::query();
    let told = asked(answers(&query, &[O::Possible, O::Known], |_| {})).await.unwrap();
    assert_eq!(told.all().len(), 2);
    assert_eq!(told.newest().outcome, O::Known);
}

#[tokio::test]
async fn an_answer_that_proves_nothing_is_none() {
    let query = example::query();
    let no = [
        Json::object([("answers", Json::array([]))]),
        Json::object([]),
        answers(&query, &[O::Withheld, O::Known], |_| {}),
        answers(&query, &[O::Known], |answer| answer.query = example::query_id(2)),
        answers(&query, &[O::Known], |answer| answer.query_digest = Digest::of(b"another")),
        answers(&query, &[O::Known], |answer| answer.by = example::code("383")),
        answers(&query, &[O::Known], |answer| answer.number = 1),
        answers(&query, &[O::Known], |answer| answer.matched_on.clear()),
        answers(&query, &[O::Known], |answer| answer.answered_at = example::instant("2020-01-01T00:00:00Z")),
    ];
    for (number, content) in no.into_iter().enumerate() {
        let told = asked(content).await;
        assert!(matches!(told, Err(ClientError::Unproven { .. })), "{number}: {told:?}");
    }
    let answer = example::query_answer(&query, 0, O::Known, example::instant(AT));
    let forged = Envelope::sign(answer, &signing_key("383")).to_json();
    let told = asked(Json::object([("answers", Json::array([forged]))])).await;
    assert!(matches!(told, Err(ClientError::Unproven { what: Unproven::Key(_), .. })), "{told:?}");
}

#[tokio::test]
async fn a_storage_receipt_counts_for_what_was_sent_and_nothing_else() {
    let digest = example::query().header_digest();
    let id = example::query_id(1).to_string();
    let withdrawn = async |kind: StoredKind, id: &str, digest: Digest, by: &str| {
        let receipt = example::stored(kind, id, digest, by).to_json();
        let transport = Scripted::new(move |request| {
            assert_eq!((request.method, request.body.is_none()), ("DELETE", true));
            Ok((200, receipt.clone()))
        });
        let peer = client(&transport, directory(|_| {})).peer(example::code("330")).unwrap();
        peer.withdraw_query(example::query_id(1), example::query().header_digest()).await
    };
    assert!(withdrawn(StoredKind::Withdrawal, &id, digest, "330").await.is_ok());
    let other = Digest::of(b"another");
    let another_id = example::query_id(2).to_string();
    for (kind, id, digest, by) in [
        (StoredKind::Answer, &id, digest, "330"),
        (StoredKind::Withdrawal, &another_id, digest, "330"),
        (StoredKind::Withdrawal, &id, other, "330"),
        (StoredKind::Withdrawal, &id, digest, "383"),
    ] {
        let told = withdrawn(kind, id, digest, by).await;
        assert!(matches!(told, Err(ClientError::Unproven { .. })), "{kind:?} {told:?}");
    }
}

#[tokio::test]
async fn answers_notices_and_acknowledgements_go_to_their_paths_as_they_were_signed() {
    let (answer, notice, said) = (example::signed_answer(), example::notice(), example::acknowledgement());
    let (sent_answer, sent_notice, sent_said) = (answer.to_json(), notice.to_json(), said.to_json());
    let (query_id, notice_id) = (example::query_id(1).to_string(), example::notice_id(1).to_string());
    let (answer_digest, notice_digest, said_digest) =
        (answer.digest(), notice.header_digest(), said.digest());
    let transport = Scripted::new(move |request| {
        let path = request.url.split("/330").nth(1).unwrap();
        let (kind, id, digest, sent) = if path == format!("/v1/queries/{query_id}/answers/0") {
            (StoredKind::Answer, &query_id, answer_digest, &sent_answer)
        } else if path == format!("/v1/notices/{notice_id}") {
            (StoredKind::Notice, &notice_id, notice_digest, &sent_notice)
        } else {
            assert_eq!(path, format!("/v1/notices/{notice_id}/acknowledgement"));
            (StoredKind::Acknowledgement, &notice_id, said_digest, &sent_said)
        };
        assert_eq!(request.body.as_deref(), Some(sent.canonical_bytes().as_slice()));
        Ok((201, example::stored(kind, id, digest, "330").to_json()))
    });
    let peer = client(&transport, directory(|_| {})).peer(example::code("330")).unwrap();
    assert_eq!(peer.put_answer(&answer).await.unwrap().content().kind, StoredKind::Answer);
    assert_eq!(peer.put_notice(&notice).await.unwrap().content().kind, StoredKind::Notice);
    let stored = peer.put_acknowledgement(&said).await.unwrap();
    assert_eq!(stored.content().kind, StoredKind::Acknowledgement);
    let kinds = json!([StoredKind::Answer, StoredKind::Withdrawal, StoredKind::Notice]);
    assert_eq!(kinds, json!(["answer", "withdrawal", "notice"]));
}

#[tokio::test]
async fn a_refusal_of_a_query_is_told_as_one() {
    let transport = Scripted::new(|_| Ok(refusal(ProblemType::QueryNotAllowed)));
    let peer = client(&transport, directory(|_| {})).peer(example::code("330")).unwrap();
    let error = peer.put_query(&example::query()).await.unwrap_err();
    let problem = error.problem().and_then(cme_spec::problem::Problem::registered);
    assert_eq!(problem, Some(ProblemType::QueryNotAllowed));
}
