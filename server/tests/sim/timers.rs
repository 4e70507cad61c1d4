//! Time that passes for a deployment: whoever waits goes on when the simulation has come so far.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cme_server::clock::Wait;
use tokio::sync::{Notify, oneshot};

/// Names a waiter: when it goes on, and its place among those that go on at one time.
type Name = (i64, u64);

#[derive(Default)]
struct State {
    next: u64,
    waiting: BTreeMap<Name, oneshot::Sender<()>>,
}

/// Who waits for time to pass. Clones share it.
#[derive(Clone)]
pub(crate) struct Timers {
    /// Milliseconds since 1970, never set back.
    truth: Arc<AtomicI64>,
    state: Arc<Mutex<State>>,
    grown: Arc<Notify>,
}

/// A waiter that goes on, or is gone, waits no longer.
struct Waiting {
    timers: Timers,
    name: Name,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.timers.state().waiting.remove(&self.name);
    }
}

impl Timers {
    pub(crate) fn new(truth: &Arc<AtomicI64>) -> Self {
        Self { truth: Arc::clone(truth), state: Arc::default(), grown: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes back when so much time has passed.
    pub(crate) fn wait(&self, time: Duration) -> Wait {
        let (go_on, told) = oneshot::channel();
        let due = self.truth.load(Ordering::Relaxed) + i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let name = {
            let mut state = self.state();
            state.next += 1;
            let name = (due, state.next);
            state.waiting.insert(name, go_on);
            name
        };
        let waiting = Waiting { timers: self.clone(), name };
        self.grown.notify_one();
        Box::pin(async move {
            let _ = told.await;
            drop(waiting);
        })
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// Waits until somebody has begun to wait.
    pub(crate) async fn grown(&self) {
        self.grown.notified().await;
    }

    /// Lets the one go on whose time has come first by `now`; false when nobody's has.
    pub(crate) fn let_one_go_on(&self, now: i64) -> bool {
        let mut state = self.state();
        match state.waiting.first_key_value() {
            Some(((due, _), _)) if *due <= now => {}
            _ => return false,
        }
        let first = state.waiting.pop_first();
        drop(state);
        first.is_some_and(|(_, go_on)| go_on.send(()).is_ok())
    }
}
