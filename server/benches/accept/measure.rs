//! One measurement of one side.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::letters::Transfer;
use crate::load::Generator;
use crate::side::Side;

/// What one side showed in one round.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    pub(crate) entries_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) syncs_per_entry: f64,
    /// Processor time of the side and of its database, not of the generator.
    pub(crate) cpu_micros_per_entry: f64,
    /// Resident memory of the side's own processes afterwards.
    pub(crate) memory_mib: f64,
}

/// What takes entries, or rows of the same size, and proves that it stored them.
pub(crate) trait Contender {
    /// Takes as many as there are entries in the transfers, over that many connections.
    fn take(&self, generator: &Generator, connections: usize, transfers: &Arc<Vec<Transfer>>) -> Measured;
}

/// Counts of one measurement, before they are divided.
pub(crate) struct Tally {
    pub(crate) took: Vec<Duration>,
    pub(crate) entries_per_second: f64,
    pub(crate) syncs: u64,
    pub(crate) cpu: Duration,
    pub(crate) memory_bytes: u64,
}

impl Tally {
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
    pub(crate) fn measured(mut self) -> Measured {
        self.took.sort_unstable();
        let count = self.took.len();
        let millis =
            |of_hundred: usize| self.took[(count * of_hundred / 100).min(count - 1)].as_secs_f64() * 1e3;
        Measured {
            entries_per_second: self.entries_per_second,
            p50_ms: millis(50),
            p99_ms: millis(99),
            syncs_per_entry: self.syncs as f64 / count as f64,
            cpu_micros_per_entry: self.cpu.as_secs_f64() * 1e6 / count as f64,
            memory_mib: self.memory_bytes as f64 / f64::from(1 << 20),
        }
    }
}

impl<S: Side> Contender for S {
    /// Every answer must be a receipt that holds, and the rows that came into the database as many as receipts
    /// were given: what is fast but loses entries is not measured, it ends the benchmark.
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
    fn take(&self, generator: &Generator, connections: usize, transfers: &Arc<Vec<Transfer>>) -> Measured {
        let (rows, syncs, cpu) = (self.rows(), self.syncs(generator), self.cpu());
        let run = generator.send(&self.places(), connections, transfers);
        // Counting syncs costs the side time of its own.
        let cpu = self.cpu().saturating_sub(cpu);
        let syncs = self.syncs(generator) - syncs;
        for answer in &run.answers {
            let (transfer, entry) = answer.letter;
            let receipted =
                answer.status == 201 && self.is_receipted(&transfers[transfer][entry], &answer.body);
            assert!(receipted, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        assert_eq!(self.rows() - rows, run.answers.len() as u64, "rows stored and receipts given");
        let tally = Tally {
            entries_per_second: run.answers.len() as f64 / run.elapsed.as_secs_f64(),
            took: run.answers.iter().map(|answer| answer.took).collect(),
            syncs,
            cpu,
            memory_bytes: self.memory_bytes(),
        };
        tally.measured()
    }
}

impl Measured {
    /// The middle of each value.
    pub(crate) fn median(all: impl Iterator<Item = Self>) -> Self {
        let all: Vec<Self> = all.collect();
        let over = |value: fn(&Self) -> f64| median(all.iter().map(value));
        Self {
            entries_per_second: over(|measured| measured.entries_per_second),
            p50_ms: over(|measured| measured.p50_ms),
            p99_ms: over(|measured| measured.p99_ms),
            syncs_per_entry: over(|measured| measured.syncs_per_entry),
            cpu_micros_per_entry: over(|measured| measured.cpu_micros_per_entry),
            memory_mib: over(|measured| measured.memory_mib),
        }
    }
}

/// The middle value.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
