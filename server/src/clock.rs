//! The only reader of the machine's clock.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cme_spec::instant::Instant;

/// Time that passes.
pub type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time. Everything that needs an instant is handed one of these, or the instant itself.
#[derive(Clone)]
pub struct Clock {
    tell: Arc<dyn Fn() -> Instant + Send + Sync>,
    steady: Arc<dyn Fn() -> Duration + Send + Sync>,
    wait: Arc<dyn Fn(Duration) -> Wait + Send + Sync>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::from_fn(|| Instant::new(jiff::Timestamp::now()))
    }

    /// A clock that a test sets.
    pub fn from_fn(tell: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let begun = std::time::Instant::now();
        Self {
            tell: Arc::new(tell),
            steady: Arc::new(move || begun.elapsed()),
            wait: Arc::new(|time| Box::pin(tokio::time::sleep(time))),
        }
    }

    /// The same clock, in whose world time passes by itself.
    #[must_use]
    pub fn with_wait(self, wait: impl Fn(Duration) -> Wait + Send + Sync + 'static) -> Self {
        let tell = Arc::clone(&self.tell);
        let steady = move || Duration::from_millis(u64::try_from(tell().milliseconds()).unwrap_or_default());
        Self { steady: Arc::new(steady), wait: Arc::new(wait), ..self }
    }

    /// The instant now, in whole milliseconds.
    pub fn now(&self) -> Instant {
        (self.tell)()
    }

    /// Time since some moment. It never goes back, whatever the clock is set to meanwhile.
    pub fn steady(&self) -> Duration {
        (self.steady)()
    }

    /// Comes back when so much time has passed, whatever the clock is set to meanwhile.
    pub async fn wait(&self, time: Duration) {
        (self.wait)(time).await;
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
