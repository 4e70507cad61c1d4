//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Measures how fast the server accepts signed entries, beside what the machine could do at best.
#[derive(Debug, Parser)]
#[command(name = "accept", args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Rounds; in each one everything is measured once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Entries of one measurement; at one connection an eighth of them.
    #[arg(long, default_value_t = 12_000, value_parser = clap::value_parser!(u32).range(64..))]
    pub(crate) entries: u32,
    /// Connections, each with one request under way.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 20, 64])]
    pub(crate) connections: Vec<usize>,
    /// Only these parts.
    #[arg(long, value_delimiter = ',', default_values_t = Part::DEFAULT)]
    pub(crate) only: Vec<Part>,
    /// Entries in the large database; five million take some 16 GB of disk.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) large: u64,
    /// Where databases are kept meanwhile; the system's temporary folder by default.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// One short round: shows that the benchmark works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The server on SQLite beside the floor.
    Sqlite,
    /// The server on PostgreSQL beside pgbench, and two processes beside one.
    Postgres,
    /// The server on a large database beside a small one. Not by default: it needs the disk for it.
    Growth,
}

impl Part {
    const DEFAULT: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Growth => "growth",
        })
    }
}

/// What this process is instead of the benchmark.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// The floor's own process.
    #[command(hide = true)]
    Floor(FloorArguments),
}

/// Where the floor listens and what it reads.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FloorArguments {
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    #[arg(long)]
    pub(crate) database: PathBuf,
    /// PEM of its certificate.
    #[arg(long)]
    pub(crate) certificate: PathBuf,
    /// PEM of its private key.
    #[arg(long)]
    pub(crate) key: PathBuf,
    /// The key with which requests are signed, base64url.
    #[arg(long)]
    pub(crate) author: String,
}

impl Arguments {
    /// The same arguments, scaled down for `--quick`.
    pub(crate) fn scaled(mut self) -> Self {
        if self.quick {
            self.rounds = 1;
            self.entries = self.entries.min(800);
            self.connections.retain(|connections| *connections <= 20);
            self.large = self.large.min(40_000);
        }
        self
    }

    /// Entries of one measurement at that many connections.
    pub(crate) fn entries_at(&self, connections: usize) -> usize {
        let entries = usize::try_from(self.entries).unwrap_or(usize::MAX);
        if connections == 1 { entries / 8 } else { entries }
    }
}
