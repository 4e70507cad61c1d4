//! How long a broadcast takes when some authorities hang and some can't be reached: one real server process that
//! asks, and every other authority of England as a listener with mutual TLS and keys of its own.
//!
//! `cargo bench -p cme-server --bench broadcast -- --json`. What is measured, and what came of it, is in
//! `docs/benchmarks.md`.
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on says why by panicking")]

mod answering;
mod england;
#[path = "../accept/process.rs"]
#[expect(dead_code, reason = "the other benchmark asks a process for more")]
mod process;
mod report;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clap::Parser as _;
use cme_client::broadcast::Selection;
use cme_server::clock::Clock;
use cme_server::config::Config;
use cme_server::node::Node;
use cme_server::office::{self, AskDecision, AskedAuthorities, AuthorityStatus};
use cme_server::store::{asked, dispatch};
use cme_spec::canonical::Json;
use cme_spec::codes::{LegalBasis, QueryPurpose};
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use uuid::Uuid;

use crate::england::{ASKING, England, Mood};
use crate::report::{Report, Round};

/// Longest wait for a round.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often the database is looked at. The time of an answer is the one that its row has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Measures how long a broadcast takes beside authorities that hang or can't be reached.
#[derive(Debug, clap::Parser)]
#[command(name = "broadcast")]
struct Arguments {
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Rounds; in each one both cases are measured once, in turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Authorities that are asked; all of England's by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(20..))]
    authorities: Option<u32>,
    /// Authorities that take a query and say nothing.
    #[arg(long, default_value_t = 10)]
    hung: usize,
    /// Authorities that refuse connections.
    #[arg(long, default_value_t = 5)]
    refusing: usize,
    /// One short round with fewer authorities: shows that the benchmark works.
    #[arg(long)]
    quick: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn scaled(mut self) -> Self {
        if self.quick {
            (self.rounds, self.authorities, self.hung, self.refusing) = (1, Some(24), 3, 2);
        }
        self
    }
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse().scaled();
    let folder = tempfile::tempdir().unwrap();
    let count = arguments.authorities.and_then(|count| usize::try_from(count).ok());
    let england = England::new(folder.path(), count);
    let server = england.start_server();
    let config = Config::load(&england.config()).unwrap();
    let bench = Bench {
        node: Node::open(config, Clock::system()).await.unwrap(),
        well: england.codes().skip(arguments.hung + arguments.refusing).collect(),
        england,
    };
    let mut report = Report::new(bench.well.len(), arguments.hung, arguments.refusing);
    // Connections, files and caches are warm.
    bench.round((0, 0)).await;
    for number in 1..=arguments.rounds {
        // Neither case is always the first.
        let mut ill = None;
        if number.is_multiple_of(2) {
            ill = Some(bench.round((arguments.hung, arguments.refusing)).await);
        }
        let healthy = bench.round((0, 0)).await;
        let ill = match ill {
            Some(ill) => ill,
            None => bench.round((arguments.hung, arguments.refusing)).await,
        };
        report.add(Round::new(number, healthy, ill));
    }
    drop(server);
    report.print(arguments.json).unwrap();
}

struct Bench {
    node: Node,
    england: England,
    /// Authorities that answer in every round.
    well: BTreeSet<AuthorityCode>,
}

impl Bench {
    /// One broadcast to all; gives the milliseconds from the officers' decision until every authority that is well
    /// has answered.
    async fn round(&self, (hung, refusing): (usize, usize)) -> f64 {
        let moods =
            std::iter::repeat_n(Mood::Hangs, hung).chain(std::iter::repeat_n(Mood::Refuses, refusing));
        let listening = self.england.listen(moods.collect()).await;
        let by = example::code(ASKING);
        let second = Some(("o-11c2".parse().unwrap(), "head of inclusion".to_owned()));
        let decision = AskDecision {
            by,
            whom: AskedAuthorities::Broadcast(Selection::All),
            purpose: QueryPurpose::TraceMissingChild,
            legal_basis: vec![LegalBasis::EducationAct1996S436a],
            deciders: office::deciders(("o-7f3a".parse().unwrap(), "CME officer".to_owned()), second),
            standing_days: None,
            subject: Json::from_typed(&example::query_body().into_value()["subject"]).unwrap(),
        };
        let id = office::ask(&self.node, decision).await.unwrap().view.id;
        self.until_the_well_have_answered(by, id).await;
        let milliseconds = self.last_of_the_well(by, id).await;
        // What hangs is cut off, and nothing of this round is left for the next.
        office::withdraw_asking(&self.node, by, id, Vec::new()).await.unwrap();
        listening.end().await;
        let calm = self.england.listen(Vec::new()).await;
        self.until_nothing_is_to_be_sent(by).await;
        calm.end().await;
        milliseconds
    }

    async fn until_the_well_have_answered(&self, by: AuthorityCode, id: Uuid) {
        let begun = Instant::now();
        loop {
            let details = office::asking_details(&self.node, by, id).await.unwrap();
            let answered =
                details.authorities.iter().filter(|asked| asked.status == AuthorityStatus::NotKnown);
            let answered: BTreeSet<AuthorityCode> = answered.map(|asked| asked.authority).collect();
            if self.well.is_subset(&answered) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{} have answered", answered.len());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// When the last answer of those that are well was committed, from the decision on.
    async fn last_of_the_well(&self, by: AuthorityCode, id: Uuid) -> f64 {
        let all = self.node.store().read(move |tx| asked::of_asking(tx, by, id)).await.unwrap();
        let well = all.iter().filter(|held| self.well.contains(&held.counterparty));
        let came = well.map(|held| {
            let came = held.answers[0].received_at.milliseconds();
            came - held.header.created_at.milliseconds()
        });
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of minutes")]
        let milliseconds = came.max().unwrap() as f64;
        milliseconds
    }

    async fn until_nothing_is_to_be_sent(&self, by: AuthorityCode) {
        let begun = Instant::now();
        while !self.node.store().read(move |tx| dispatch::of_hosted(tx, by)).await.unwrap().is_empty() {
            assert!(begun.elapsed() < PATIENCE, "something is still to be sent");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
