//! The sections `[limits]` and `[delivery]`: how much is taken at one time, and how patiently entries are sent.

use serde::{Deserialize, Serialize};

/// Limits of the listener.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a second of one peer, on average.
    pub requests_per_second: u32,
    /// Requests of one peer at once.
    pub requests_burst: u32,
    /// Open connections in all, shared out evenly among the threads that answer.
    pub connections_max: usize,
    /// Open connections of one peer.
    pub connections_per_peer_max: usize,
    /// Threads that answer: more than a small machine has processors, as all callers of one can wait for a commit.
    pub workers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: 200,
            requests_burst: 400,
            connections_max: 2_000,
            connections_per_peer_max: 100,
            workers: 4,
        }
    }
}

/// How entries are delivered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Pause after the first failure, in milliseconds.
    pub first_pause_ms: u64,
    /// The longest pause, in milliseconds.
    pub pause_ms_max: u64,
    /// Requests under way to one peer.
    pub per_peer_max: usize,
    /// Requests under way in all.
    pub in_all_max: usize,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { first_pause_ms: 1_000, pause_ms_max: 900_000, per_peer_max: 4, in_all_max: 64 }
    }
}

/// Why the limits can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// Nobody would be answered, nothing delivered, or peers that are ill given no rest.
    #[error("{0} must be above 0")]
    Zero(&'static str),
    /// A thread would take no connection.
    #[error("`connections_max` in [limits] must be {workers} or more, one for each of the `workers`")]
    FewConnections {
        /// Threads that answer.
        workers: usize,
    },
}

/// Holds when a server can work with these.
pub(super) fn check(limits: &Limits, delivery: &Delivery) -> Result<(), LimitsError> {
    let zero = [
        (limits.requests_per_second == 0, "`requests_per_second` in [limits]"),
        (limits.requests_burst == 0, "`requests_burst` in [limits]"),
        (limits.connections_max == 0, "`connections_max` in [limits]"),
        (limits.connections_per_peer_max == 0, "`connections_per_peer_max` in [limits]"),
        (limits.workers == 0, "`workers` in [limits]"),
        (delivery.first_pause_ms == 0, "`first_pause_ms` in [delivery]"),
        (delivery.pause_ms_max == 0, "`pause_ms_max` in [delivery]"),
        (delivery.per_peer_max == 0, "`per_peer_max` in [delivery]"),
        (delivery.in_all_max == 0, "`in_all_max` in [delivery]"),
    ];
    if let Some((_, name)) = zero.into_iter().find(|(is_zero, _)| *is_zero) {
        return Err(LimitsError::Zero(name));
    }
    if limits.connections_max < limits.workers {
        return Err(LimitsError::FewConnections { workers: limits.workers });
    }
    Ok(())
}
