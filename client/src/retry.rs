//! When to try again. Every request of the protocol is the same bytes each time and does no harm twice, so
//! one policy serves all of them.

use std::time::Duration;

/// The longest pause between two attempts, whatever a policy's ceiling says.
pub const PAUSE_MAX: Duration = Duration::from_hours(1);

/// Exponential back-off with jitter and a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub ceiling: Duration,
    /// Attempts of one call, the first included.
    pub attempts_max: u32,
}

impl Default for RetryPolicy {
    /// Three attempts within a few seconds, for a person who waits.
    fn default() -> Self {
        Self { first: Duration::from_millis(250), ceiling: Duration::from_secs(5), attempts_max: 3 }
    }
}

impl RetryPolicy {
    /// One attempt: for a caller that keeps a durable outbox and tries again by itself.
    pub const fn once() -> Self {
        Self { first: Duration::from_millis(250), ceiling: Duration::from_mins(15), attempts_max: 1 }
    }

    /// The pause after `failures` failures in a row; `random` spreads it over its upper half, so that many
    /// callers don't come back at one moment. Implements: DLV-007
    pub fn pause(&self, failures: u32, random: u32) -> Duration {
        let doubled = self.first.saturating_mul(1_u32 << failures.saturating_sub(1).min(20));
        let full = doubled.min(self.ceiling).min(PAUSE_MAX);
        let half = full / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_ceiling_and_stay_within_their_upper_half() {
        let policy = RetryPolicy {
            first: Duration::from_millis(100),
            ceiling: Duration::from_mins(1),
            attempts_max: 9,
        };
        let patient = RetryPolicy { ceiling: Duration::from_hours(24), ..policy };
        assert_eq!(patient.pause(u32::MAX, u32::MAX), PAUSE_MAX);
        for (failures, full) in [(1, 100), (2, 200), (5, 1_600), (11, 60_000), (u32::MAX, 60_000)] {
            assert_eq!(policy.pause(failures, 0), Duration::from_millis(full / 2));
            assert_eq!(policy.pause(failures, u32::MAX), Duration::from_millis(full));
        }
    }
}
