//! What the reference peer lets itself be asked.

use crate::encoding::digest;
use crate::json::Json;

use super::ledger::Held;
use super::{ENTRY_BYTES_MAX, Fault, Outcome, PAGE_ITEMS_MAX, Peer, Refusal, cursor, form, now};

/// A query member of an operation.
fn member<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|member| member.strip_prefix(name)?.strip_prefix('='))
}

impl Peer {
    fn queries(&self, query: &str, known: &[&str]) -> Result<(), Refusal> {
        let foreign = query.split('&').any(|member| {
            let name = member.split('=').next().unwrap_or_default();
            !name.is_empty() && !known.contains(&name)
        });
        if foreign && self.is(Fault::RefusesUnknownQueries) {
            Err(Refusal::new("cursor-invalid"))
        } else {
            Ok(())
        }
    }

    pub(super) fn capabilities(&self, query: &str) -> Result<Json, Refusal> {
        self.queries(query, &[])?;
        let integer = |number: usize| Json::Integer(i64::try_from(number).unwrap_or_default());
        let limits = Json::object([
            ("entryBytesMax", integer(ENTRY_BYTES_MAX)),
            ("depthMax", 16.into()),
            ("pageItemsMax", integer(PAGE_ITEMS_MAX)),
        ]);
        let directory = self.directory().member("directory").cloned().unwrap_or(Json::Null);
        Ok(Json::object([
            ("authority", self.role.code.as_str().into()),
            ("protocols", vec!["1.0".into()].into()),
            ("profiles", super::PROFILES.map(Json::from).to_vec().into()),
            ("software", Json::object([("name", "reference peer".into()), ("version", "1".into())])),
            ("incarnation", self.incarnation().into()),
            ("directoryIssue", directory.member("issue").cloned().unwrap_or(Json::Null)),
            ("directoryDigest", digest(&directory).into()),
            ("limits", limits),
        ]))
    }

    /// A signed head of a ledger.
    pub(super) fn head(&self, held: &Held) -> Json {
        let sequence = i64::try_from(held.entries.len()).unwrap_or_default() - 1;
        let offer = held.header(0);
        let head = Json::object([
            ("transfer", offer.member("transfer").cloned().unwrap_or(Json::Null)),
            ("originating", held.originating.as_str().into()),
            ("receiving", held.receiving.as_str().into()),
            ("sequence", sequence.into()),
            ("headerDigest", held.head_digest().into()),
            ("stage", self.stage_of(held).into()),
            ("at", now().into()),
            ("by", self.role.code.as_str().into()),
            ("incarnation", self.incarnation().into()),
            ("directoryIssue", self.issue().into()),
        ]);
        self.signed("head", head)
    }

    pub(super) fn entries(&self, caller: &str, transfer: &str, query: &str) -> Outcome {
        self.queries(query, &["from", "limit"])?;
        let state = self.lock();
        let key = self.ledger_of(caller, transfer);
        let inherited = || {
            let found = state
                .ledgers
                .iter()
                .find(|((party, held), _)| held == transfer && self.follows(caller, party));
            found.map(|(_, held)| held)
        };
        let held = state.ledgers.get(&key).or_else(inherited).or_else(|| {
            let others = state.ledgers.iter().find(|((_, held), _)| held == transfer)?;
            Some(others.1).filter(|_| self.is(Fault::ShowsStrangers))
        });
        let known = state.ledgers.keys().any(|(_, held)| held == transfer);
        let Some(held) = held else {
            let told = known && self.is(Fault::TellsStrangers);
            return Err(Refusal::new(if told { "not-a-party" } else { "ledger-unknown" }));
        };
        let number = |name: &str, or: usize| match member(query, name) {
            None => Ok(or),
            Some(text) => text.parse::<usize>().map_err(|_| Refusal::new("cursor-invalid")),
        };
        let (from, limit) = (number("from", 0)?, number("limit", 100)?);
        if !(1..=1_000).contains(&limit) && !self.is(Fault::TakesAnyLimit) {
            return Err(Refusal::new("cursor-invalid"));
        }
        let most = if self.is(Fault::GivesTooMany) { 1_000 } else { limit.clamp(1, PAGE_ITEMS_MAX) };
        let given: Vec<Json> =
            held.entries.iter().skip(from).take(most).map(|entry| self.shown(entry)).collect();
        let more = from + given.len() < held.entries.len() && !self.is(Fault::NeverMore);
        let page = Json::object([
            ("entries", given.into()),
            ("more", more.into()),
            ("head", self.head(held)),
            ("forks", self.forks(held)),
        ]);
        Ok((200, page))
    }

    /// The further branches of a ledger.
    pub(super) fn forks(&self, held: &Held) -> Json {
        let branch = |entries: &Vec<Json>| Json::object([("entries", entries.clone().into())]);
        let shown = held.forks.iter().filter(|_| !self.is(Fault::HidesForks));
        shown.map(branch).collect::<Vec<_>>().into()
    }

    /// An entry as it is given back.
    fn shown(&self, entry: &Json) -> Json {
        let mut entry =
            if self.is(Fault::DropsUnknownMembers) { form::known_alone(entry) } else { entry.clone() };
        if self.is(Fault::RewritesHeaders) {
            let at = entry.text_at("/header/createdAt").unwrap_or_default().replace('Z', "000Z");
            entry.set("/header/createdAt", at);
        }
        if self.is(Fault::AddsReceiptsInReads) {
            let mut receipts = entry.member("receipts").map(Json::items).unwrap_or_default().to_vec();
            receipts.extend(receipts.first().cloned().map(|mut second| {
                second.set("/receipt/directoryIssue", 2);
                second
            }));
            entry.set("/receipts", Json::Array(receipts));
        }
        if self.is(Fault::ForgetsReceiptsInReads) {
            entry.set("/receipts", Json::Array(Vec::new()));
        }
        entry
    }

    pub(super) fn heads(&self, caller: &str, query: &str) -> Outcome {
        self.queries(query, &["after"])?;
        let mut state = self.lock();
        let from = match member(query, "after").filter(|cursor| !cursor.is_empty()) {
            None => 0,
            Some(cursor) => {
                let given = state.cursors.iter().any(|(held, text)| held == caller && text == cursor);
                if !given && !self.is(Fault::TakesAnyCursor) {
                    return Err(Refusal::new("cursor-invalid"));
                }
                let mut parts = cursor.split('.').map(|part| part.parse::<usize>().ok());
                let (place, incarnation) = (parts.next().flatten(), parts.next().flatten());
                let own = incarnation == usize::try_from(self.incarnation()).ok();
                if given && !own && !self.is(Fault::TakesOldCursors) {
                    return Err(Refusal::new("cursor-expired"));
                }
                place.unwrap_or(0)
            }
        };
        let mut listed: Vec<&(String, String)> = Vec::new();
        for key in state.changes.iter().skip(from).rev() {
            let shared = key.0 == caller || key.0.is_empty() || self.is(Fault::ListsEverybodys);
            if shared && !listed.contains(&key) {
                listed.push(key);
            }
        }
        let open = |held: &&Held| !self.is(Fault::ListsOpenLedgersAlone) || held.stage == "offered";
        let heads = listed.into_iter().rev().filter_map(|key| state.ledgers.get(key)).filter(open);
        let heads: Vec<Json> = heads.map(|held| self.head(held)).collect();
        let next = cursor(&mut state, caller, self.incarnation());
        let page = Json::object([
            ("incarnation", self.incarnation().into()),
            ("heads", heads.into()),
            ("next", next.into()),
            ("more", false.into()),
        ]);
        Ok((200, page))
    }

    pub(super) fn reconciliation(&self, caller: &str, query: &str) -> Outcome {
        self.queries(query, &[])?;
        if self.is(Fault::LacksReconciliation) {
            return Err(Refusal::new("route-unknown"));
        }
        let state = self.lock();
        let shared = state.ledgers.iter().filter(|((party, _), _)| party == caller || party.is_empty());
        let shared: Vec<Json> = shared
            .filter(|(_, held)| !self.is(Fault::DigestsOpenLedgersAlone) || held.entries.len() > 1)
            .map(|((_, transfer), held)| {
                let sequence = i64::try_from(held.entries.len()).unwrap_or_default() - 1;
                Json::object([
                    ("transfer", transfer.as_str().into()),
                    ("sequence", sequence.into()),
                    ("headerDigest", held.head_digest().into()),
                ])
            })
            .collect();
        let count = i64::try_from(shared.len()).unwrap_or_default();
        let reconciliation = Json::object([
            ("by", self.role.code.as_str().into()),
            ("with", caller.into()),
            ("ledgers", count.into()),
            ("digest", digest(&Json::object([("heads", shared.into())])).into()),
            ("at", now().into()),
            ("incarnation", self.incarnation().into()),
            ("directoryIssue", self.issue().into()),
        ]);
        Ok((200, self.signed("reconciliation", reconciliation)))
    }
}
