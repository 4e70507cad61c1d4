//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// How well and how fast a register answers, on invented children.
///
/// Weights and thresholds are made with one seed; what is reported comes from another.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Options {
    /// Children in the register.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) children: usize,
    /// Queries of each kind.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) queries: usize,
    /// Seed of the children that are reported.
    #[arg(long, default_value_t = 2)]
    pub(crate) seed: u64,
    /// Seed of the children that weights and thresholds are made with.
    #[arg(long, default_value_t = 1)]
    pub(crate) tuning_seed: u64,
    /// Estimate weights first, instead of the shipped ones.
    #[arg(long)]
    pub(crate) estimate: bool,
    /// Look for thresholds first, instead of the shipped ones.
    #[arg(long)]
    pub(crate) tune: bool,
    /// Keep weights and thresholds in this file.
    #[arg(long)]
    pub(crate) write: Option<PathBuf>,
    /// Show some of the children who were not found and of the matches that were wrong.
    #[arg(long)]
    pub(crate) misses: bool,
    /// Print the report as JSON; what is for people goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
    /// Queries of each kind that PostgreSQL with `pg_trgm` is asked in turn; 0 leaves it out.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) postgres_queries: usize,
    /// A database to use, instead of a PostgreSQL server started for the purpose.
    #[arg(long)]
    pub(crate) postgres: Option<String>,
    /// Said by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}
