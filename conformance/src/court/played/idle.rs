//! What an authority of the suite answers that no case plays: a sound one that shares nothing, or what the subject
//! has brought to it since.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::host::problem;
use crate::instant::now;
use crate::json::Json;
use crate::wire::{Answer, Request};
use crate::world::{Kind, World};

use super::Played;

/// The authorities that no case plays.
///
/// A subject that was restored reads the heads of every authority that it may have forgotten, so each of them
/// has some to show. What the subject brings is kept, else it would be found missing again and again; whatever
/// asks for a decision waits.
pub(crate) struct Idle {
    world: Arc<World>,
    subject: String,
    /// The incarnation of those that are told by the clock: above what an earlier run told, and below what cases of
    /// this one tell.
    incarnation: i64,
    held: Mutex<BTreeMap<String, Played>>,
}

impl Idle {
    /// Authorities of that world beside that subject. They share nothing yet.
    pub(crate) fn new(world: Arc<World>, subject: &str) -> Self {
        let incarnation = now().as_millisecond();
        Self { world, subject: subject.to_owned(), incarnation, held: Mutex::default() }
    }

    /// Forgets what was brought.
    pub(crate) fn clear(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The answer of the authority that a request addresses.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        let code = request.target.split('/').nth(1).unwrap_or_default();
        let known = self.world.authorities.iter().find(|authority| authority.code == code);
        let Some(peer) = known.filter(|_| is_read(request) || is_brought(request)) else {
            return Answer::Bytes(problem(503, "unavailable", "Retry-After: 3600\r\n"));
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let played = Played::between(peer, &self.subject);
            if peer.kind == Kind::Restored {
                played.name_incarnation(self.incarnation);
            }
            played
        };
        held.entry(code.to_owned()).or_insert_with(new).answer(request, &Json::Null)
    }
}

/// Whether it is a read of ledgers, heads or the reconciliation.
fn is_read(request: &Request) -> bool {
    request.method == "GET" && !request.target.ends_with("/v1/capabilities")
}

/// Whether it is an entry that stands in a ledger already.
fn is_brought(request: &Request) -> bool {
    let receipts = || Json::read(&request.content).ok()?.member("receipts").map(|held| held.items().len());
    request.method == "PUT"
        && request.target.contains("/v1/transfers/")
        && receipts().is_some_and(|count| count > 0)
}
