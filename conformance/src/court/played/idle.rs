//! What an authority of the suite answers that no case plays: a sound one that shares nothing.

use std::sync::{Arc, Condvar, Mutex};

use crate::host::problem;
use crate::instant::now;
use crate::json::Json;
use crate::wire::{Answer, Request};
use crate::world::{Kind, World};

use super::{Copy, Played};

/// A subject that was restored reads the heads of every authority that it may have forgotten, so each of them
/// has some to show. What is put to one that nobody plays waits.
pub(crate) fn idle(world: Arc<World>, subject: String) -> impl Fn(&Request) -> Answer + Send + Sync {
    move |request| {
        let code = request.target.split('/').nth(1).unwrap_or_default();
        let known = world.authorities.iter().find(|authority| authority.code == code);
        match known.filter(|_| request.method == "GET" && !request.target.ends_with("/v1/capabilities")) {
            Some(peer) => {
                // One that is told by the clock has been told before, in an earlier run.
                let restored = peer.kind == Kind::Restored;
                let incarnation = if restored { now().as_millisecond() } else { 1 };
                let copy = Copy { page: 1, incarnation, ..Copy::default() };
                let copy = Arc::new((Mutex::new(copy), Condvar::new()));
                let played = Played { peer: peer.clone(), subject: subject.clone(), copy };
                played.answer(request, &Json::Null)
            }
            None => Answer::Bytes(problem(503, "unavailable", "Retry-After: 3600\r\n")),
        }
    }
}
