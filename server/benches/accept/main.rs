//! How fast the server accepts signed entries: real processes, mutual TLS, receipts that are checked.
//!
//! `cargo bench -p cme-server --bench accept -- --json`. What is measured, and what came of it, is in
//! `docs/benchmarks.md`. The sides take turns within every round, since a machine that is shared tells the
//! truth in ratios alone.
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on says why by panicking")]

mod arguments;
mod floor;
mod growth;
mod letters;
mod load;
mod measure;
mod postgres;
mod process;
mod report;
mod side;

use std::sync::Arc;

use clap::Parser as _;

use crate::arguments::{Arguments, Part, Role};
use crate::load::Generator;
use crate::measure::Contender;
use crate::postgres::{Cluster, Pgbench};
use crate::report::{Pairing, Report, Round};
use crate::side::{Floor, Network, Server};

/// Transfers sent to each side before the first round, so that caches, connections and files are warm.
const WARM_UP_TRANSFERS: usize = 200;
/// Entries in the small database.
const SMALL_ENTRIES: u64 = 10_000;

fn main() {
    let arguments = Arguments::parse().scaled();
    if let Some(Role::Floor(arguments)) = &arguments.role {
        return floor::serve(arguments);
    }
    let folder = tempfile::tempdir_in(arguments.folder.clone().unwrap_or_else(std::env::temp_dir)).unwrap();
    let bench = Bench { network: Network::new(folder.path()), generator: Generator::new(), arguments };
    let mut report = Report::default();
    for part in &bench.arguments.only {
        match part {
            Part::Sqlite => bench.beside_the_floor(&mut report),
            Part::Postgres => bench.beside_pgbench(folder.path(), &mut report),
            Part::Growth => bench.as_the_table_grows(&mut report),
        }
    }
    report.print(bench.arguments.json).unwrap();
}

struct Bench {
    network: Network,
    generator: Generator,
    arguments: Arguments,
}

impl Bench {
    fn beside_the_floor(&self, report: &mut Report) {
        let server = Server::on_sqlite(&self.network, "cme.sqlite");
        let floor = Floor::start(&self.network, &self.generator);
        self.compare(&[(Pairing::SqliteToFloor, &server, &floor)], report);
    }

    fn beside_pgbench(&self, folder: &std::path::Path, report: &mut Report) {
        let cluster = Cluster::start(&folder.join("postgres"));
        let [one, two] = Server::on_postgres(&self.network, &cluster);
        let pgbench =
            Pgbench::new(&cluster, &folder.join("pgbench"), &self.network.author.body_of_some_entry());
        let pairings: [(Pairing, &dyn Contender, &dyn Contender); 2] =
            [(Pairing::PostgresToPgbench, &one, &pgbench), (Pairing::TwoProcessesToOne, &two, &one)];
        self.warm_up(&one);
        cluster.analyze(Server::DATABASE);
        self.compare(&pairings, report);
    }

    fn as_the_table_grows(&self, report: &mut Report) {
        let filled = |name: &str, entries: u64| {
            let path = self.network.database(name);
            self.generator.wait_for(growth::fill(&path, self.network.parties(), entries));
            Server::on_sqlite(&self.network, name)
        };
        let small = filled("small.sqlite", SMALL_ENTRIES);
        let large = filled("large.sqlite", self.arguments.large);
        self.compare(&[(Pairing::LargeToSmall, &large, &small)], report);
    }

    fn warm_up(&self, side: &dyn Contender) {
        side.take(&self.generator, 8, &Arc::new(self.network.author.transfers(WARM_UP_TRANSFERS)));
    }

    /// Measures every pairing in every round, and reports them.
    fn compare(&self, pairings: &[(Pairing, &dyn Contender, &dyn Contender)], report: &mut Report) {
        for (_, measured, beside) in pairings {
            self.warm_up(*measured);
            self.warm_up(*beside);
        }
        let mut rounds: Vec<Vec<Round>> = pairings.iter().map(|_| Vec::new()).collect();
        for round in 1..=self.arguments.rounds {
            for &connections in &self.arguments.connections {
                for ((_, measured, beside), rounds) in pairings.iter().zip(&mut rounds) {
                    let take = |side: &dyn Contender| {
                        let transfers = self.arguments.entries_at(connections) / 2;
                        let transfers = Arc::new(self.network.author.transfers(transfers));
                        side.take(&self.generator, connections, &transfers)
                    };
                    // Whoever comes second finds the machine as the first left it: they take turns in that too.
                    let (measured, beside) = if round % 2 == 1 {
                        let measured = take(*measured);
                        (measured, take(*beside))
                    } else {
                        let beside = take(*beside);
                        (take(*measured), beside)
                    };
                    rounds.push(Round::new(round, connections, measured, beside));
                }
            }
        }
        for ((pairing, ..), rounds) in pairings.iter().zip(rounds) {
            report.add(*pairing, &self.arguments.connections, rounds);
        }
    }
}
