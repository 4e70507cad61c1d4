//! What is printed: every round, the medians, and the target beside them.

use std::io::Write as _;

use serde::Serialize;

/// How much longer the others may take to answer.
const RATIO_WANTED: f64 = 1.2;

/// One round: milliseconds until all that are well had answered.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    number: u32,
    /// With everybody well.
    healthy_ms: f64,
    /// Beside those that hang or refuse.
    beside_ill_ms: f64,
    ratio: f64,
}

impl Round {
    pub(crate) fn new(number: u32, healthy_ms: f64, beside_ill_ms: f64) -> Self {
        Self { number, healthy_ms, beside_ill_ms, ratio: beside_ill_ms / healthy_ms }
    }
}

/// The whole answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Authorities that answer in both cases, and whose answers are waited for.
    well: usize,
    hung: usize,
    refusing: usize,
    rounds: Vec<Round>,
    healthy_ms: f64,
    beside_ill_ms: f64,
    ratio: f64,
    ratio_wanted: f64,
    met: bool,
}

impl Report {
    pub(crate) fn new(well: usize, hung: usize, refusing: usize) -> Self {
        Self {
            well,
            hung,
            refusing,
            rounds: Vec::new(),
            healthy_ms: 0.0,
            beside_ill_ms: 0.0,
            ratio: 0.0,
            ratio_wanted: RATIO_WANTED,
            met: false,
        }
    }

    pub(crate) fn add(&mut self, round: Round) {
        self.rounds.push(round);
        let over = |value: fn(&Round) -> f64| median(self.rounds.iter().map(value).collect());
        self.healthy_ms = over(|round| round.healthy_ms);
        self.beside_ill_ms = over(|round| round.beside_ill_ms);
        self.ratio = over(|round| round.ratio);
        self.met = self.ratio <= RATIO_WANTED;
    }

    pub(crate) fn print(&self, json: bool) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            return writeln!(out, "{}", serde_json::to_string_pretty(self)?);
        }
        for Round { number, healthy_ms, beside_ill_ms, ratio } in &self.rounds {
            writeln!(
                out,
                "round {number}: {healthy_ms:.0} ms, beside the ill {beside_ill_ms:.0} ms, ratio {ratio:.2}"
            )?;
        }
        let Self { well, hung, refusing, healthy_ms, beside_ill_ms, ratio, .. } = self;
        writeln!(out, "{well} answers in after {healthy_ms:.0} ms when all are well")?;
        writeln!(out, "and after {beside_ill_ms:.0} ms beside {hung} that hang and {refusing} that refuse")?;
        let met = if self.met { "reached" } else { "not reached" };
        writeln!(out, "ratio {ratio:.2}, at most {RATIO_WANTED} wanted: {met}")
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
