//! What is printed: every round, the medians, and the targets beside them.

use std::io::Write as _;

use serde::Serialize;

use crate::measure::{Measured, median};

/// What is measured, beside what it is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Pairing {
    /// The server on SQLite, by the floor.
    SqliteToFloor,
    /// The server on PostgreSQL, by pgbench.
    PostgresToPgbench,
    /// Two server processes on one PostgreSQL database, by one.
    TwoProcessesToOne,
    /// The server on a large SQLite database, by the same on a small one.
    LargeToSmall,
}

impl Pairing {
    fn sides(self) -> (&'static str, &'static str) {
        match self {
            Self::SqliteToFloor => ("server on SQLite", "floor"),
            Self::PostgresToPgbench => ("server on PostgreSQL", "pgbench"),
            Self::TwoProcessesToOne => ("two processes on PostgreSQL", "one process"),
            Self::LargeToSmall => ("server on a large database", "on a small one"),
        }
    }
}

/// The two sides in one round.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    number: u32,
    pub(crate) connections: usize,
    pub(crate) measured: Measured,
    pub(crate) beside: Measured,
    /// Entries a second, to those of the other side.
    pub(crate) ratio: f64,
    /// The 99th percentile of an answer's time, to that of the other side.
    pub(crate) p99_ratio: f64,
}

/// Medians over the rounds at one number of connections.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Medians {
    pub(crate) connections: usize,
    pub(crate) measured: Measured,
    pub(crate) beside: Measured,
    pub(crate) ratio: f64,
    pub(crate) p99_ratio: f64,
}

/// All rounds of one pairing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comparison {
    pub(crate) pairing: Pairing,
    pub(crate) rounds: Vec<Round>,
    pub(crate) medians: Vec<Medians>,
}

/// A number to reach.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    name: String,
    measured: f64,
    wanted: f64,
    met: bool,
}

impl Target {
    fn at_least(name: String, measured: f64, wanted: f64) -> Self {
        Self { name, measured, wanted, met: measured >= wanted }
    }

    fn at_most(name: String, measured: f64, wanted: f64) -> Self {
        Self { name, measured, wanted, met: measured <= wanted }
    }
}

/// The whole answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    comparisons: Vec<Comparison>,
    targets: Vec<Target>,
}

impl Round {
    pub(crate) fn new(number: u32, connections: usize, measured: Measured, beside: Measured) -> Self {
        let ratio = measured.entries_per_second / beside.entries_per_second;
        Self { number, connections, measured, beside, ratio, p99_ratio: measured.p99_ms / beside.p99_ms }
    }
}

impl Medians {
    fn of(connections: usize, rounds: &[Round]) -> Self {
        let here: Vec<Round> =
            rounds.iter().filter(|round| round.connections == connections).copied().collect();
        let over = |value: fn(&Round) -> f64| median(here.iter().map(value));
        Self {
            connections,
            measured: Measured::median(here.iter().map(|round| round.measured)),
            beside: Measured::median(here.iter().map(|round| round.beside)),
            ratio: over(|round| round.ratio),
            p99_ratio: over(|round| round.p99_ratio),
        }
    }

    /// What is asked of it.
    fn targets(&self, pairing: Pairing) -> Vec<Target> {
        let (measured, beside) = pairing.sides();
        let at = |what: &str| format!("{measured}: {what} to {beside} at {} connections", self.connections);
        let rate = |wanted| Target::at_least(at("rate"), self.ratio, wanted);
        let many = self.connections >= 20;
        match pairing {
            Pairing::SqliteToFloor if many => {
                let mut targets = vec![rate(0.5), Target::at_most(at("p99"), self.p99_ratio, 2.0)];
                if self.connections == 20 {
                    let name = format!("{measured}: syncs per entry at 20 connections");
                    targets.push(Target::at_most(name, self.measured.syncs_per_entry, 0.25));
                }
                targets
            }
            Pairing::PostgresToPgbench if many => vec![rate(0.35)],
            Pairing::TwoProcessesToOne if many => vec![rate(1.0)],
            Pairing::LargeToSmall if many => {
                let memory = self.measured.memory_mib / self.beside.memory_mib;
                vec![rate(0.8), Target::at_most(at("memory"), memory, 1.2)]
            }
            _ => Vec::new(),
        }
    }
}

impl Report {
    /// Adds the rounds of a pairing.
    pub(crate) fn add(&mut self, pairing: Pairing, connections: &[usize], rounds: Vec<Round>) {
        let medians: Vec<Medians> = connections.iter().map(|count| Medians::of(*count, &rounds)).collect();
        self.targets.extend(medians.iter().flat_map(|medians| medians.targets(pairing)));
        self.comparisons.push(Comparison { pairing, rounds, medians });
    }

    /// Prints it for a program or for a person.
    pub(crate) fn print(&self, json: bool) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            return writeln!(out);
        }
        for comparison in &self.comparisons {
            comparison.print(&mut out)?;
        }
        for target in &self.targets {
            let met = if target.met { "met" } else { "MISSED" };
            writeln!(out, "{met:>6}  {}: {:.3}, wanted {}", target.name, target.measured, target.wanted)?;
        }
        Ok(())
    }
}

impl Comparison {
    fn print(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let (measured, beside) = self.pairing.sides();
        writeln!(out, "{measured}, then {beside}: medians over the rounds")?;
        let columns = ["entries/s", "p50 ms", "p99 ms", "syncs/entry", "CPU us/entry", "memory MiB"];
        write!(out, "{:>11} {:>7}", "connections", "ratio")?;
        columns.iter().try_for_each(|column| write!(out, " {column:>15}"))?;
        writeln!(out)?;
        for medians in &self.medians {
            write!(out, "{:>11} {:>7.2}", medians.connections, medians.ratio)?;
            let (measured, beside) = (medians.measured, medians.beside);
            let mut both = |of: fn(&Measured) -> f64, digits: usize| {
                write!(out, " {:>7.digits$} {:>7.digits$}", of(&measured), of(&beside))
            };
            both(|side| side.entries_per_second, 0)?;
            both(|side| side.p50_ms, 2)?;
            both(|side| side.p99_ms, 2)?;
            both(|side| side.syncs_per_entry, 3)?;
            both(|side| side.cpu_micros_per_entry, 0)?;
            both(|side| side.memory_mib, 0)?;
            writeln!(out)?;
        }
        writeln!(out)
    }
}
