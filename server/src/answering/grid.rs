//! When an answer leaves: at the end of the first interval, of a row of equal ones from the query's arrival, in which it
//! is ready. A minimum alone would go on telling of work that takes longer.
//!
//! The end of an interval is waited for from its beginning, beside the work. Of queries that came together those answers
//! would else leave first that were ready first, as timers that are set for one moment go off in the order in which
//! they were set.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use crate::node::Node;

/// The intervals that begin with an arrival.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    arrived: Duration,
    interval: Duration,
}

impl Grid {
    /// The intervals from now on. To be made when all of a request is there: whoever sends its last byte late would
    /// else choose where in an interval the work begins.
    pub fn begin(node: &Node) -> Self {
        Self { arrived: node.steady(), interval: node.config().queries.interval() }
    }

    /// Gives what the work gives, at the end of the interval in which it is done.
    pub async fn hold<T>(self, node: &Node, work: impl Future<Output = T>) -> T {
        self.at_ends(node, self.interval, work).await
    }

    /// The same at the end of half an interval.
    pub async fn hold_half<T>(self, node: &Node, work: impl Future<Output = T>) -> T {
        self.at_ends(node, self.interval / 2, work).await
    }

    async fn at_ends<T>(self, node: &Node, step: Duration, work: impl Future<Output = T>) -> T {
        let (mut work, mut done) = (pin!(work), None);
        loop {
            let passed = node.steady().saturating_sub(self.arrived);
            let mut end = pin!(node.wait(left(passed, step)));
            let at_end = poll_fn(|context| {
                let ended = end.as_mut().poll(context);
                if ended.is_pending() && done.is_none() {
                    done = match work.as_mut().poll(context) {
                        std::task::Poll::Ready(value) => Some(value),
                        std::task::Poll::Pending => None,
                    };
                }
                ended
            });
            at_end.await;
            if let Some(value) = done {
                return value;
            }
        }
    }
}

/// What is left of the step in which so much has passed; at an end, all of the next one.
fn left(passed: Duration, step: Duration) -> Duration {
    let step = step.max(Duration::from_nanos(1));
    let steps = passed.as_nanos() / step.as_nanos() + 1;
    step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)).saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_ends_where_an_interval_ends() {
        let millis = Duration::from_millis;
        for (passed, expected) in [(0, 250), (1, 249), (249, 1), (250, 250), (251, 249), (700, 50)] {
            assert_eq!(left(millis(passed), millis(250)), millis(expected), "{passed}");
        }
        let almost = Duration::from_nanos(250_000_001);
        assert_eq!(almost + left(almost, millis(250)), millis(500));
    }
}
