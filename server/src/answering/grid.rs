//! When an answer leaves: at the end of the first interval, of a row of equal ones from the query's arrival, in which it
//! is ready. A minimum alone would go on telling of work that takes longer.

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

    /// Comes back at the next end of an interval.
    pub async fn end(self, node: &Node) {
        self.wait(node, self.interval).await;
    }

    /// Comes back at the next end of half an interval.
    pub async fn half(self, node: &Node) {
        self.wait(node, self.interval / 2).await;
    }

    async fn wait(self, node: &Node, step: Duration) {
        node.wait(left(node.steady().saturating_sub(self.arrived), step)).await;
    }
}

/// What is left of the step in which so much has passed; at an end, nothing, but at the beginning all of it.
fn left(passed: Duration, step: Duration) -> Duration {
    let steps = passed.as_nanos().div_ceil(step.as_nanos().max(1)).max(1);
    let end = step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
    end.saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_ends_where_an_interval_ends() {
        let millis = Duration::from_millis;
        for (passed, expected) in [(0, 250), (1, 249), (249, 1), (250, 0), (251, 249), (700, 50)] {
            assert_eq!(left(millis(passed), millis(250)), millis(expected), "{passed}");
        }
        let almost = Duration::from_nanos(250_000_001);
        assert_eq!(almost + left(almost, millis(250)), millis(500));
    }
}
