//! Chaos: real server processes under load, with everything done to them that councils' machines and networks
//! do, and at the end a count of what was promised and what is there.
//!
//! Officers decide through the command line, as people do. Meanwhile servers are killed, cut off, made to
//! answer into the void, filled to the last byte of their disk, and restored from older backups. Then all is
//! healed, the servers come to rest, and every ledger is read from both copies: nothing that was acknowledged
//! may be missing, no ledger forked, the copies equal, and at no time may both parties have held the other
//! for responsible. A defect that is put in on purpose must show.
//!
//! Everything runs in namespaces of its own (`unshare`): a disk that can be filled is a mount, and no process
//! outlives the command.

mod build;
mod events;
mod judge;
mod namespace;
mod officers;
mod postgres;
mod proxy;
mod seed;
mod world;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;

use self::events::Events;
use self::judge::Verdict;
use self::officers::Officers;
use self::seed::Seed;
use self::world::World;
use crate::Trouble;
use crate::tree::Tree;

/// Load and chaos over real processes, and a count of what is left.
#[derive(Args)]
pub(crate) struct Chaos {
    /// How long the chaos lasts; healing and judging come after.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Authorities, each with a server of its own.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=8))]
    authorities: u8,
    /// Where the servers keep their data.
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    database: Database,
    /// Repeats the choices of an earlier run; time and the operating system choose too.
    #[arg(long)]
    seed: Option<u64>,
    /// A defect that is put in on purpose; the run must then fail.
    #[arg(long, value_enum)]
    defect: Option<Defect>,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
    /// The command is in its namespaces already.
    #[arg(long, hide = true)]
    inside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Database {
    Sqlite,
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Defect {
    /// A server answers before its commit is on disk.
    AcknowledgeBeforeCommit,
    /// The operator puts older files of an SQLite database back by hand, and leaves the incarnation as it was.
    IncarnationNotRaised,
}

/// What happened and what is left.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    entries_acknowledged: u64,
    lost: u64,
    forks: u64,
    copies_differ: u64,
    responsible_none: u64,
    ok: bool,
    #[serde(flatten)]
    judged: Verdict,
    #[serde(flatten)]
    events: events::Counts,
    transfers: u64,
    refused_to_officers: u64,
    seconds: u64,
    seconds_to_heal: u64,
    authorities: u8,
    database: Database,
    defect: Option<Defect>,
    seed: u64,
}

pub(crate) fn run(tree: &Tree, chaos: &Chaos) -> Result<ExitCode, Trouble> {
    if !chaos.inside {
        return namespace::enter();
    }
    if chaos.defect == Some(Defect::IncarnationNotRaised) && chaos.database != Database::Sqlite {
        return Err(Trouble::Chaos("that defect is one of SQLite's files".to_owned()));
    }
    let binary = build::server(tree, chaos.defect)?;
    let chosen = chaos.seed.unwrap_or_else(seed::fresh);
    let say = |text: &str| {
        if !chaos.json {
            // Nobody misses a line of progress that can't be written.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    };
    say(&format!("seed {chosen}"));
    let world = Arc::new(World::make(tree, &binary, chaos)?);
    world.start_all()?;
    say(&format!("{} servers are up; chaos for {} s", chaos.authorities, chaos.seconds));
    let stop = Arc::new(AtomicBool::new(false));
    let officers = Officers::start(&world, &stop, Seed::new(chosen ^ 0x0ff1_ce25));
    let watch = judge::watch_responsibility(&world, &officers.known, &stop);
    let events = Events::start(&world, &officers, &stop, Seed::new(chosen ^ 0xc4a0_5000), chaos.defect);
    std::thread::sleep(Duration::from_secs(chaos.seconds));
    stop.store(true, Ordering::Relaxed);
    let mut counts = events.join()?;
    let mut acts = officers.join()?;
    let nobody = watch.join().map_err(|_| Trouble::Chaos("the watch over responsibility died".to_owned()))?;
    say("healing");
    let healing = Instant::now();
    world.heal()?;
    let restless = judge::wait_for_rest(&world)?;
    let seconds_to_heal = healing.elapsed().as_secs();
    say(&format!("{} things on their way after {seconds_to_heal} s; judging", restless.len()));
    let verdict = judge::judge(&world, &mut acts, restless, std::mem::take(&mut counts.gone))?;
    let report = report(chaos, chosen, (verdict, counts, nobody), &acts, seconds_to_heal);
    let text = serde_json::to_string(&report).map_err(|error| Trouble::Chaos(error.to_string()))?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(
    chaos: &Chaos,
    seed: u64,
    (judged, events, responsible_none): (Verdict, events::Counts, u64),
    acts: &officers::Acts,
    seconds_to_heal: u64,
) -> Report {
    let right = judged.lost == 0 && judged.forks == 0 && judged.copies_differ == 0 && responsible_none == 0;
    let sound = judged.at_rest && judged.not_verified == 0 && events.server_faults == 0 && acts.panics == 0;
    Report {
        entries_acknowledged: judged.acknowledged,
        lost: judged.lost,
        forks: judged.forks,
        copies_differ: judged.copies_differ,
        responsible_none,
        ok: right && sound && judged.acknowledged > 0,
        transfers: judged.transfers,
        refused_to_officers: acts.refused,
        judged,
        events,
        seconds: chaos.seconds,
        seconds_to_heal,
        authorities: chaos.authorities,
        database: chaos.database,
        defect: chaos.defect,
        seed,
    }
}
