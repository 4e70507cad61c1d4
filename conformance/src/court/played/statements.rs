//! What such an authority makes of queries, notices and what follows from them.

use crate::draft::header_of;
use crate::encoding::digest;
use crate::host::document as document_of;
use crate::instant::{now, written};
use crate::json::Json;
use crate::wire::Answer;

use super::{Copy, Played, Reply, Told};

impl Played {
    pub(super) fn hear(&self, method: &str, path: &str, content: &[u8]) -> Answer {
        let document = Json::read(content).unwrap_or(Json::Null);
        let mut copy = self.lock();
        copy.told.push(Told {
            method: method.to_owned(),
            path: path.to_owned(),
            bytes: content.to_vec(),
            document: document.clone(),
        });
        match copy.plan.pop_front().or_else(|| copy.rest.clone()).unwrap_or(Reply::Sound) {
            Reply::Bytes(bytes) => Answer::Bytes(bytes),
            Reply::Close => Answer::Close,
            Reply::StoredUnheard => {
                self.store_told(&mut copy, method, path, &document);
                Answer::Close
            }
            Reply::After(time) => Answer::Later(time, self.store_told(&mut copy, method, path, &document)),
            Reply::Sound => Answer::Bytes(self.store_told(&mut copy, method, path, &document)),
        }
    }

    /// Stores what stands in no ledger, and gives the answer or the storage receipt.
    fn store_told(&self, copy: &mut Copy, method: &str, path: &str, document: &Json) -> Vec<u8> {
        let place = format!("{method} {path}");
        if let Some(stored) = copy.stored.get(&place) {
            return document_of(200, stored);
        }
        let steps: Vec<&str> = path.split('/').collect();
        let id = steps.get(1).copied().unwrap_or_default();
        let answer = match (method, &steps[..]) {
            ("PUT", ["queries", _]) => {
                let answer = self.answer_to(document, 0, "not-known", &[]);
                Json::object([("answers", vec![answer].into())])
            }
            ("PUT", ["queries", _, "answers", _]) => {
                self.storage_receipt("answer", id, document.member("answer").unwrap_or(&Json::Null))
            }
            ("PUT", ["notices", _]) => self.storage_receipt("notice", id, &header_of(document)),
            ("PUT", _) => {
                let value = document.member("acknowledgement").unwrap_or(&Json::Null);
                self.storage_receipt("acknowledgement", id, value)
            }
            _ => {
                let query = copy.told.iter().find(|told| told.method == "PUT" && told.path == path);
                let header = query.map_or(Json::Null, |told| header_of(&told.document));
                self.storage_receipt("withdrawal", id, &header)
            }
        };
        copy.stored.insert(place, answer.clone());
        let status = if steps.len() == 2 && steps[0] == "queries" { 200 } else { 201 };
        document_of(status, &answer)
    }

    /// A storage receipt of this authority's.
    pub(crate) fn storage_receipt(&self, kind: &str, id: &str, value: &Json) -> Json {
        let stored = Json::object([
            ("kind", kind.into()),
            ("id", id.into()),
            ("digest", digest(value).into()),
            ("receivedAt", written(now()).into()),
            ("by", self.peer.code.as_str().into()),
            ("incarnation", 1.into()),
            ("directoryIssue", 1.into()),
        ]);
        let signature = self.peer.key.sign(&stored);
        Json::object([("stored", stored), ("signature", signature.into())])
    }

    /// A signed answer of this authority's to a query.
    pub(crate) fn answer_to(&self, query: &Json, number: i64, outcome: &str, matched: &[&str]) -> Json {
        self.answer_with(query, number, (outcome, matched), |_| {})
    }

    /// The same, open to changes before it is signed.
    pub(crate) fn answer_with(
        &self,
        query: &Json,
        number: i64,
        (outcome, matched): (&str, &[&str]),
        spoil: impl FnOnce(&mut Json),
    ) -> Json {
        let header = header_of(query);
        let matched: Vec<Json> = matched.iter().map(|field| Json::from(*field)).collect();
        let now = written(now());
        let whole = now.split_once('.').map_or(now.clone(), |(whole, _)| format!("{whole}Z"));
        let mut answer = Json::object([
            ("query", header.member("query").cloned().unwrap_or(Json::Null)),
            ("queryDigest", digest(&header).into()),
            ("number", number.into()),
            ("outcome", outcome.into()),
            ("matchedOn", matched.into()),
            (
                "team",
                Json::object([
                    ("name", "Conformance team".into()),
                    ("email", "peer@conformance.example".into()),
                ]),
            ),
            ("answeredAt", whole.into()),
            ("by", self.peer.code.as_str().into()),
            ("incarnation", 1.into()),
            ("directoryIssue", 1.into()),
        ]);
        spoil(&mut answer);
        let signature = self.peer.key.sign(&answer);
        Json::object([("answer", answer), ("signature", signature.into())])
    }
}
