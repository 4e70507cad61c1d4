//! The reference peer as a client: it reads what a caller holds.

use std::sync::Arc;
use std::time::Duration;

use crate::json::Json;
use crate::wire::{Connection, Request, Response, Target, WireError};

use super::ledger::{Held, Key};
use super::{Fault, Peer, State};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most pages of a ledger that are read at once.
const PAGES_MAX: usize = 100;

impl Peer {
    /// Reads the caller's copy of a ledger, in a thread of its own (DLV-012).
    pub(super) fn read_ledger_of(self: &Arc<Self>, caller: &str, key: &Key) {
        let (peer, key) = (self.clone(), (caller.to_owned(), key.1.clone()));
        std::thread::spawn(move || peer.read_ledger(&key));
    }

    /// Reads what the other party's copy of a ledger has beyond this one, and gives how many entries were kept.
    /// What can't be read now is read after the next answer that asks for it.
    pub(super) fn read_ledger(self: &Arc<Self>, key: &Key) -> usize {
        let mut kept = 0;
        for _ in 0..PAGES_MAX {
            let signed_for = self.signed_for(key);
            let Some(page) = self.page(key) else { return kept };
            let entries = page.member("entries").map(Json::items).unwrap_or_default();
            let goes_on = page.member("more") == Some(&Json::Bool(true));
            if goes_on && self.is(Fault::WantsWholePages) {
                return kept;
            }
            let more: usize = entries.iter().map(|entry| usize::from(self.take_read(key, entry))).sum();
            let branches = page.member("forks").map(Json::items).unwrap_or_default();
            for branch in branches {
                for entry in branch.member("entries").map(Json::items).unwrap_or_default() {
                    self.take_read(key, entry);
                }
            }
            self.keep_head(key, signed_for, page.member("head").unwrap_or(&Json::Null));
            kept += more;
            if more == 0 || !goes_on {
                return kept;
            }
        }
        kept
    }

    fn page(&self, key: &Key) -> Option<Json> {
        let held = self.lock().ledgers.get(key).map_or(0, |held| held.entries.len());
        let child = if self.is(Fault::PutsAuthorsIntoUrls) { "&author=Kanarie" } else { "" };
        let path = format!("/v1/transfers/{}/entries?from={held}{child}", key.1);
        Json::read(&self.call(&key.0, Request::get, &path).ok()?.content).ok()
    }

    /// An entry that was read, judged as a delivery from step 5 on.
    fn take_read(self: &Arc<Self>, key: &Key, entry: &Json) -> bool {
        let header = crate::draft::header_of(entry);
        let own_ledger = self.lock().ledgers.get(key).is_some_and(|held| held.originating == self.role.code);
        if own_ledger {
            let sound = self.body(entry, &header).and_then(|()| self.signature(entry, &header));
            if sound.is_err() {
                return false;
            }
            let mut state = self.lock();
            return self.take_delivery(&mut state, key, entry, &header).is_ok();
        }
        let unread = self.is(Fault::StoresWhatItReads);
        let sound = self.body(entry, &header).and_then(|()| self.signature(entry, &header));
        let mut state = self.lock();
        let next = state.ledgers.get(key).map_or(0, |held| held.entries.len());
        if header.integer_at("/sequence") != i64::try_from(next).ok() {
            return false;
        }
        // What this peer receipted is new to it only after a restore.
        let judged = sound.and_then(|()| self.rule((&state, key), &key.0, entry, &header));
        let own = self.own_receipt(entry);
        if own.is_some() && judged.is_ok() {
            self.take_back(&mut state, key, entry, &header);
            return true;
        }
        if own.is_none() && unread {
            self.append(&mut state, key, entry, &header);
            return true;
        }
        false
    }

    /// The receipt for an entry that this peer gave, as it says.
    pub(super) fn own_receipt(&self, entry: &Json) -> Option<Json> {
        let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
        receipts.iter().find(|receipt| receipt.text_at("/receipt/by") == Some(&self.role.code)).cloned()
    }

    /// An entry that this peer receipted and has forgotten, with the receipt that it gave then.
    pub(super) fn take_back(&self, state: &mut State, key: &Key, entry: &Json, header: &Json) {
        let mut receipts = entry.member("receipts").map(Json::items).unwrap_or_default().to_vec();
        receipts.sort_by_key(|receipt| receipt.text_at("/receipt/by") != Some(&self.role.code));
        let held = state.ledgers.entry(key.clone()).or_insert_with(|| Held::begun(header));
        held.entries.push(crate::draft::with_receipts(entry, receipts));
        self.advance(held, header.text_at("/type").unwrap_or_default());
        state.changes.push(key.clone());
    }

    /// A request to an authority, at a path below its base URL.
    pub(super) fn call(
        &self,
        code: &str,
        request: impl FnOnce(String) -> Request,
        path: &str,
    ) -> Result<Response, WireError> {
        let authority = self.authority(code).ok_or(WireError::Closed)?;
        // What is sent to an authority that ends goes to its successor (section 8.4).
        let successor = self.successor(&authority).and_then(|code| self.authority(&code));
        let authority = successor.unwrap_or(authority);
        let url = authority.text_at("/baseUrl").unwrap_or_default().to_owned();
        let pins = authority.member("serverPins").map(Json::items).unwrap_or_default();
        let pins = pins.iter().filter_map(|pin| pin.text_at("").map(str::to_owned)).collect();
        let pins = if self.is(Fault::CallsAnyServer) { Vec::new() } else { pins };
        let response = self.exchange(&format!("{url}{path}"), pins, request)?;
        let elsewhere = response.field("location").filter(|_| (300..400).contains(&response.status));
        match elsewhere.filter(|_| self.is(Fault::FollowsRedirects)) {
            Some(location) => self.exchange(location, Vec::new(), Request::get),
            None => Ok(response),
        }
    }

    fn exchange(
        &self,
        url: &str,
        pins: Vec<String>,
        request: impl FnOnce(String) -> Request,
    ) -> Result<Response, WireError> {
        let rest = url.strip_prefix("https://").unwrap_or_default();
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        let port = port.parse().map_err(|_| WireError::NotHttp("port"))?;
        let target = Target { host: host.to_owned(), port, pins, patience: PATIENCE, tape: None };
        let config = target.config(Some(&self.role.client), false)?;
        let mut request = request(path.to_owned());
        if !self.is(Fault::TellsNoIncarnation) {
            request = request.with("CME-Incarnation", &self.incarnation().to_string());
        }
        Connection::open(&target, config)?.exchange(&request)
    }
}
