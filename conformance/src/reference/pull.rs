//! The reference peer as a client: it reads what a caller holds.

use std::sync::Arc;
use std::time::Duration;

use crate::json::Json;
use crate::wire::{Connection, Request, Response, Target, WireError};

use super::{Fault, INCARNATION, Peer};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Peer {
    /// Reads the caller's copy of a ledger, in a thread of its own (DLV-012).
    pub(super) fn read_ledger_of(self: &Arc<Self>, caller: &str, key: &(String, String)) {
        let (peer, caller, key) = (self.clone(), caller.to_owned(), key.clone());
        std::thread::spawn(move || {
            let held = peer.lock().ledgers.get(&key).map_or(0, |held| held.entries.len());
            let child = if peer.is(Fault::PutsAuthorsIntoUrls) { "&author=Kanarie" } else { "" };
            let path = format!("/v1/transfers/{}/entries?from={held}{child}", key.1);
            // What can't be read now is read after the next gap.
            let Ok(response) = peer.call(&caller, &path) else { return };
            let page = Json::read(&response.content).unwrap_or(Json::Null);
            for entry in page.member("entries").map(Json::items).unwrap_or_default() {
                let vouched = entry.member("receipts").map(Json::items).unwrap_or_default();
                let own =
                    vouched.iter().any(|receipt| receipt.text_at("/receipt/by") == Some(&peer.role.code));
                let header = crate::draft::header_of(entry);
                let mut state = peer.lock();
                let next = state.ledgers.get(&key).map_or(0, |held| held.entries.len());
                let follows = header.integer_at("/sequence") == i64::try_from(next).ok();
                // Nothing that the peer receipted can be new to it: it was never restored.
                if follows && !own && peer.is(Fault::StoresWhatItReads) {
                    peer.append(&mut state, &key, entry, &header);
                }
            }
        });
    }

    /// Reads the caller's heads from the start (RCV-003).
    pub(super) fn read_heads_of(self: &Arc<Self>, caller: &str) {
        let (peer, caller) = (self.clone(), caller.to_owned());
        std::thread::spawn(move || peer.call(&caller, "/v1/heads"));
    }

    fn call(&self, code: &str, path: &str) -> Result<Response, WireError> {
        let authority = self.authority(code).ok_or(WireError::Closed)?;
        let url = authority.text_at("/baseUrl").unwrap_or_default().to_owned();
        let pins = authority.member("serverPins").map(Json::items).unwrap_or_default();
        let pins = pins.iter().filter_map(|pin| pin.text_at("").map(str::to_owned)).collect();
        let pins = if self.is(Fault::CallsAnyServer) { Vec::new() } else { pins };
        let response = self.get(&format!("{url}{path}"), pins)?;
        let elsewhere = response.field("location").filter(|_| (300..400).contains(&response.status));
        match elsewhere.filter(|_| self.is(Fault::FollowsRedirects)) {
            Some(location) => self.get(location, Vec::new()),
            None => Ok(response),
        }
    }

    fn get(&self, url: &str, pins: Vec<String>) -> Result<Response, WireError> {
        let rest = url.strip_prefix("https://").unwrap_or_default();
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        let port = port.parse().map_err(|_| WireError::NotHttp("port"))?;
        let target = Target { host: host.to_owned(), port, pins, patience: PATIENCE, tape: None };
        let config = target.config(Some(&self.role.client), false)?;
        let mut request = Request::get(path);
        if !self.is(Fault::TellsNoIncarnation) {
            request = request.with("CME-Incarnation", &INCARNATION.to_string());
        }
        Connection::open(&target, config)?.exchange(&request)
    }
}
