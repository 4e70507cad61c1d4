//! The only reader of the machine's clock.

use std::sync::Arc;

use cme_spec::instant::Instant;

/// Tells the time. Everything that needs an instant is handed one of these, or the instant itself.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(|| Instant::new(jiff::Timestamp::now())))
    }

    /// A clock that a test sets.
    pub fn from_fn(tell: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The instant now, in whole milliseconds.
    pub fn now(&self) -> Instant {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
