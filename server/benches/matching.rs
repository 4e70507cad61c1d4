//! Quality and speed of matching on invented children, beside PostgreSQL's `pg_trgm` in the same run.
//!
//! ```sh
//! cargo bench -p cme-server --bench matching -- --json
//! ```
//!
//! `docs/matching.md` says what came out.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

mod matching {
    pub(crate) mod options;
    pub(crate) mod quality;
    pub(crate) mod trigram;
    pub(crate) mod tuning;
}

use std::borrow::Cow;
use std::time::Instant;

use clap::Parser;
use cme_matching::generate::{Asked, Whom, World};
use cme_matching::{Child, ChildId, Register, Weights};
use matching::options::Options;
use matching::quality::{Quality, answered, print_misses};
use matching::trigram::Trigram;
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let weights = weights(&options);
    if let Some(path) = &options.write {
        std::fs::write(path, weights.to_json())?;
    }
    let world = World::new(options.children, options.seed);
    let sets = Sets::of(&world, &options, options.seed);
    let mut report = in_memory(&world, &sets, &weights, &options);
    if options.postgres_queries > 0 {
        let trigram = in_postgres(&world, &sets, &options)?;
        for (name, of_postgres) in &trigram {
            let rate = |report: &Value| report["perSecond"].as_f64().unwrap_or(0.0);
            let times = rate(&report["sets"][name]) / rate(of_postgres);
            eprintln!("{name}: {times:.0} times the rate of pg_trgm");
            report["sets"][name]["timesTheRateOfPgTrgm"] = json!(times);
        }
        report["pgTrgm"] = Value::Object(trigram);
    }
    if options.json {
        println!("{report:#}");
    }
    Ok(())
}

/// The shipped weights, or those made with the tuning seed.
fn weights(options: &Options) -> Weights {
    let mut weights = Weights::shipped();
    if !options.estimate && !options.tune {
        return weights;
    }
    let world = World::new(options.children, options.tuning_seed);
    let mut register = build(&world, &weights);
    let sets = Sets::of(&world, options, options.tuning_seed);
    if options.estimate {
        // The second time with rarities that fit the shares of the first.
        for _ in 0..2 {
            weights = matching::tuning::estimated(&register, &sets, &weights, options);
            register.set_weights(&weights).expect("estimated weights are complete");
        }
    }
    if options.tune {
        weights.thresholds = matching::tuning::thresholds(&mut register, &sets, &weights);
    }
    weights
}

/// What is asked.
struct Sets {
    anyone: Vec<Asked>,
    twins: Vec<Asked>,
}

/// What of a query is asked.
type Form = fn(&Asked) -> Child;

/// Everything that is known of the child.
fn whole(asked: &Asked) -> Child {
    asked.query.clone()
}

impl Sets {
    fn of(world: &World, options: &Options, seed: u64) -> Self {
        Self {
            anyone: world.queries(options.queries, Whom::Anyone, seed ^ 0xa1),
            twins: world.queries(options.queries, Whom::Twins, seed ^ 0xa2),
        }
    }

    /// Each kind of query by its name in the report.
    fn kinds(&self) -> [(&'static str, &[Asked], Form); 4] {
        [
            ("anyone", &self.anyone, whole),
            ("anyoneWithoutIdentifiers", &self.anyone, Asked::without_identifiers),
            ("twins", &self.twins, whole),
            ("twinsWithoutIdentifiers", &self.twins, Asked::without_identifiers),
        ]
    }
}

fn build(world: &World, weights: &Weights) -> Register {
    let children = world.register().map(|(id, child)| (id, Cow::Owned(child)));
    Register::build(weights, children).expect("weights are complete")
}

fn in_memory(world: &World, sets: &Sets, weights: &Weights, options: &Options) -> Value {
    let begun = Instant::now();
    world.register().for_each(drop);
    let invention_seconds = begun.elapsed().as_secs_f64();
    let before = resident_bytes();
    let begun = Instant::now();
    let mut register = build(world, weights);
    let build_seconds = begun.elapsed().as_secs_f64() - invention_seconds;
    let size = register.size();
    let children = size.children.max(1);
    let counted = (size.rows_bytes + size.index_bytes) / children;
    let measured = resident_bytes().saturating_sub(before) / children;
    let change_microseconds = changed(&mut register, world);
    eprintln!(
        "{children} children, built in {build_seconds:.1} s, changed in {change_microseconds:.0} µs each; {} index \
         entries; {counted} bytes a child counted, {measured} measured",
        size.index_entries
    );
    let mut of_sets = Map::new();
    for (name, asked, form) in sets.kinds() {
        let answers = answered(asked, form, |query| register.find(query));
        let quality = Quality::of(asked, &answers);
        eprintln!("{name}:\n  {quality}");
        if options.misses {
            print_misses(asked, &answers, form);
        }
        of_sets.insert(name.to_owned(), quality.to_json());
    }
    let everybody = World::everybodys_names(1_000);
    let heaviest = answered(&everybody, whole, |query| register.find(query));
    let heaviest = Quality::of(&everybody, &heaviest);
    eprintln!("queries that bear the commonest names of all:\n  {}", heaviest.times());
    json!({
        "children": children,
        "seed": options.seed,
        "weights": weights.source,
        "buildSeconds": build_seconds,
        "changeMicroseconds": change_microseconds,
        "bytesPerChildCounted": counted,
        "bytesPerChildMeasured": measured,
        "sets": of_sets,
        "everybodysNames": heaviest.times_to_json(),
    })
}

/// Takes some children out and puts them in again; what one change takes, in microseconds.
fn changed(register: &mut Register, world: &World) -> f64 {
    const CHANGES: usize = 10_000;
    let children: Vec<(ChildId, Child)> = world.register().take(CHANGES).collect();
    let begun = Instant::now();
    for (id, child) in &children {
        register.insert(*id, child);
    }
    begun.elapsed().as_secs_f64() * 1e6 / share(children.len().max(1), 1)
}

/// The sets of anyone, fewer of each.
fn in_postgres(
    world: &World,
    sets: &Sets,
    options: &Options,
) -> Result<Map<String, Value>, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let mut trigram = Trigram::load(world, options.postgres.as_deref())?;
    eprintln!("PostgreSQL loaded and indexed in {:.0} s", begun.elapsed().as_secs_f64());
    let mut of_sets = Map::new();
    for (name, asked, form) in sets.kinds().into_iter().take(2) {
        let asked = &asked[..asked.len().min(options.postgres_queries)];
        let queries: Vec<Child> = asked.iter().map(form).collect();
        let begun = Instant::now();
        let found = queries.iter().map(|query| trigram.find(query)).collect::<Result<Vec<_>, _>>()?;
        let seconds = begun.elapsed().as_secs_f64();
        let known = || asked.iter().zip(&found).filter(|(asked, _)| asked.truth.is_some());
        let hits = known().filter(|(asked, found)| found.iter().any(|id| Some(*id) == asked.truth)).count();
        let (rate, recall) = (share(asked.len(), 1) / seconds, share(hits, known().count()));
        eprintln!("pg_trgm, {name}: {rate:.0} a second, among ten {recall:.4}");
        let report = json!({ "queries": asked.len(), "perSecond": rate, "recallAmongTen": recall });
        of_sets.insert(name.to_owned(), report);
    }
    Ok(of_sets)
}

/// Memory of this process; nought where the system does not say.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[expect(clippy::cast_precision_loss, reason = "counts of queries")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
