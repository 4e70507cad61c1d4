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
    /// Open connections in all.
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

impl Limits {
    /// A number that is 0, at which nobody would be answered.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let zero = [
            (self.requests_per_second == 0, "`requests_per_second` in [limits]"),
            (self.requests_burst == 0, "`requests_burst` in [limits]"),
            (self.connections_max == 0, "`connections_max` in [limits]"),
            (self.connections_per_peer_max == 0, "`connections_per_peer_max` in [limits]"),
            (self.workers == 0, "`workers` in [limits]"),
        ];
        zero.into_iter().find_map(|(is_zero, name)| is_zero.then_some(name))
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

impl Delivery {
    /// A number that is 0, at which nothing would be delivered, or peers that are ill would be given no rest.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let zero = [
            (self.first_pause_ms == 0, "`first_pause_ms` in [delivery]"),
            (self.pause_ms_max == 0, "`pause_ms_max` in [delivery]"),
            (self.per_peer_max == 0, "`per_peer_max` in [delivery]"),
            (self.in_all_max == 0, "`in_all_max` in [delivery]"),
        ];
        zero.into_iter().find_map(|(is_zero, name)| is_zero.then_some(name))
    }
}
