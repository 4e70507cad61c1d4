//! What such an authority shows of its copies.

use crate::draft::header_of;
use crate::encoding::digest;
use crate::host::{document, problem};
use crate::instant::{now, written};
use crate::json::Json;

use super::{Played, stage_of};

impl Played {
    pub(super) fn page(&self, transfer: &str, query: &str) -> Vec<u8> {
        let member = |name: &str| {
            let value = query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
            value.parse::<usize>().ok()
        };
        let mut copy = self.lock();
        *copy.reads.entry(transfer.to_owned()).or_default() += 1;
        let Some(entries) = copy.ledgers.get(transfer).filter(|entries| !entries.is_empty()) else {
            return problem(404, "ledger-unknown", "");
        };
        let (from, limit) = (member("from").unwrap_or(0), member("limit").unwrap_or(100));
        let given: Vec<Json> = entries.iter().skip(from).take(limit.min(copy.page)).cloned().collect();
        let branches = copy.branches.get(transfer).cloned();
        let branches = branches.map(|entries| Json::object([("entries", entries.into())]));
        let page = Json::object([
            ("more", (from + given.len() < entries.len()).into()),
            ("entries", given.into()),
            ("head", self.head_at(entries, copy.incarnation)),
            ("forks", branches.into_iter().collect::<Vec<_>>().into()),
        ]);
        document(200, &page)
    }

    /// A signed head of these entries.
    pub(crate) fn head(&self, entries: &[Json]) -> Json {
        let incarnation = self.lock().incarnation;
        self.head_at(entries, incarnation)
    }

    fn head_at(&self, entries: &[Json], incarnation: i64) -> Json {
        let header = entries.last().map_or(Json::Null, header_of);
        let party = |path: &str| entries.first().and_then(|first| first.text_at(path)).unwrap_or_default();
        let head = Json::object([
            ("transfer", header.member("transfer").cloned().unwrap_or(Json::Null)),
            ("originating", party("/header/author").into()),
            ("receiving", party("/header/recipient").into()),
            ("sequence", header.member("sequence").cloned().unwrap_or(Json::Null)),
            ("headerDigest", digest(&header).into()),
            ("stage", stage_of(entries).into()),
            ("at", written(now()).into()),
            ("by", self.peer.code.as_str().into()),
            ("incarnation", incarnation.into()),
            ("directoryIssue", 1.into()),
        ]);
        let signature = self.peer.key.sign(&head);
        Json::object([("head", head), ("signature", signature.into())])
    }

    pub(super) fn heads(&self) -> Json {
        let copy = self.lock();
        let held = copy.ledgers.values().filter(|entries| !entries.is_empty());
        let heads: Vec<Json> = held.map(|entries| self.head_at(entries, copy.incarnation)).collect();
        Json::object([
            ("incarnation", copy.incarnation.into()),
            ("heads", heads.into()),
            ("next", "end".into()),
            ("more", false.into()),
        ])
    }

    pub(super) fn reconciliation(&self) -> Json {
        let copy = self.lock();
        let head = |(transfer, entries): (&String, &Vec<Json>)| {
            let header = entries.last().map_or(Json::Null, header_of);
            Json::object([
                ("transfer", transfer.as_str().into()),
                ("sequence", header.member("sequence").cloned().unwrap_or(Json::Null)),
                ("headerDigest", digest(&header).into()),
            ])
        };
        let heads: Vec<Json> =
            copy.ledgers.iter().filter(|(_, entries)| !entries.is_empty()).map(head).collect();
        let reconciliation = Json::object([
            ("by", self.peer.code.as_str().into()),
            ("with", self.subject.as_str().into()),
            ("ledgers", i64::try_from(heads.len()).unwrap_or_default().into()),
            ("digest", digest(&Json::object([("heads", heads.into())])).into()),
            ("at", written(now()).into()),
            ("incarnation", copy.incarnation.into()),
            ("directoryIssue", 1.into()),
        ]);
        let signature = self.peer.key.sign(&reconciliation);
        Json::object([("reconciliation", reconciliation), ("signature", signature.into())])
    }

    pub(super) fn capabilities(&self, issue: &Json) -> Json {
        let copy = self.lock();
        let directory = issue.member("directory").cloned().unwrap_or(Json::Null);
        let limits = Json::object([
            ("entryBytesMax", 65_536.into()),
            ("depthMax", 16.into()),
            ("pageItemsMax", 100.into()),
        ]);
        Json::object([
            ("authority", self.peer.code.as_str().into()),
            ("protocols", vec!["1.0".into()].into()),
            ("profiles", vec!["core".into()].into()),
            ("software", Json::object([("name", "cme-conformance".into()), ("version", "1".into())])),
            ("incarnation", copy.incarnation.into()),
            ("directoryIssue", directory.member("issue").cloned().unwrap_or(Json::Null)),
            ("directoryDigest", digest(&directory).into()),
            ("limits", limits),
        ])
    }
}
