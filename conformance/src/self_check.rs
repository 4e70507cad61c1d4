//! The judge is judged: offline, on loopback, from the program that a vendor holds.
//!
//! Three things are counted. Each fault of the reference peer has to make a case fail that cites the
//! requirement it breaks, and name that requirement. No case may pass against a server that does nothing. No
//! case may fail against the reference peer when it breaks nothing, however it puts its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::adapter::{Adapter, AdapterError};
use crate::cases::{self, Case};
use crate::court::{Bench, Idle, Issues, Waits};
use crate::host::Host;
use crate::identity::{Identity, IdentityError};
use crate::json::Json;
use crate::jws::{KeyError, SigningKey};
use crate::null::Null;
use crate::published::Publication;
use crate::reference::{Fault, Reference, Role, Variation, record};
use crate::report::Power;
use crate::shuffle::shuffled;
use crate::verdict::{Verdict, hear};
use crate::wire::{ListenError, Listener};
use crate::world::{RecordError, Subject, World, WorldError};

/// The authority that the reference peer plays.
const CODE: &str = "330";

/// Ordinary authorities of a bench.
const ORDINARY: usize = 240;

/// Benches that work at once: most of their time they wait, for what must not come.
const AT_ONCE: usize = 8;

/// Parts into which the cases are divided for a peer that all of them are set against.
const PARTS: usize = 4;

/// What the judge comes to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Score {
    /// Cases that there are.
    pub(crate) cases: usize,
    /// Faults that the reference peer can have.
    pub(crate) faults: usize,
    /// Faults that made a case fail.
    pub(crate) killed: usize,
    /// Faults that made a case fail which cites the requirement broken, and names it.
    pub(crate) attributed: usize,
    /// Passes against servers that do nothing.
    pub(crate) null_green: usize,
    /// Verdicts other than a pass on the peer without a fault, however it answers.
    pub(crate) false_alarms: usize,
    /// Requirements that bind.
    pub(crate) must_total: usize,
    /// Of them, those of which a fault was found by a case that cites them.
    pub(crate) must_covered: usize,
    /// Of them, those that the register calls untestable.
    pub(crate) must_untestable: usize,
    /// Whether every number is what it has to be.
    pub(crate) ok: bool,
    /// What is not, one line each.
    pub(crate) complaints: Vec<String>,
    pub(crate) covered: BTreeSet<&'static str>,
    pub(crate) milliseconds: u64,
}

impl Score {
    /// What a report says of it.
    pub(crate) const fn power(&self) -> Power {
        Power {
            cases: self.cases,
            faults: self.faults,
            killed: self.killed,
            attributed: self.attributed,
            null_green: self.null_green,
            false_alarms: self.false_alarms,
            must_total: self.must_total,
            must_covered: self.must_covered,
            must_untestable: self.must_untestable,
        }
    }
}

/// Why the judge can't be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelfCheckError {
    #[error(transparent)]
    World(#[from] WorldError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("the reference peer's record: {0}")]
    Record(#[from] RecordError),
    #[error("the reference peer as its own adapter: {0}")]
    Adapter(#[from] AdapterError),
    #[error("the requirements compiled in are not of their form: {0}")]
    Register(#[from] toml::de::Error),
}

/// What a bench is set against.
#[derive(Clone, Copy, Debug)]
enum Against {
    Fault(Fault),
    /// With the part of the cases that are set against it.
    Variation(Option<Variation>, usize),
    Null(Null, usize),
}

/// What came of it.
#[derive(Default)]
struct Tally {
    killed: usize,
    attributed: usize,
    null_green: usize,
    false_alarms: usize,
    covered: BTreeSet<&'static str>,
    kills: BTreeMap<&'static str, usize>,
    complaints: Vec<String>,
}

/// Judges the judge, or as much of it as has to do with the requirements and cases named.
pub(crate) fn run(only: &[String]) -> Result<Score, SelfCheckError> {
    let begun = std::time::Instant::now();
    let chosen = cases::chosen(only);
    let publication = Publication::compiled_in()?;
    // The long ones first, so that nobody waits for them at the end.
    let mut work = Vec::new();
    for part in 0..PARTS {
        work.extend(Null::ALL.into_iter().map(|null| Against::Null(null, part)));
        work.push(Against::Variation(None, part));
        work.extend(Variation::ALL.into_iter().map(|variation| Against::Variation(Some(variation), part)));
    }
    let asked = |fault: &Fault| chosen.iter().any(|case| case.checks.contains(&fault.breaks()));
    let faults: Vec<Fault> = Fault::ALL.iter().copied().filter(asked).collect();
    work.extend(faults.iter().copied().map(Against::Fault));
    work.reverse();
    let (work, tally) = (Mutex::new(work), Mutex::new(Tally::default()));
    let take = || work.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let booths = (0..AT_ONCE).map(|_| Booth::new(chosen.clone())).collect::<Result<Vec<_>, _>>()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = booths
            .iter()
            .map(|booth| {
                scope.spawn(|| {
                    while let Some(against) = take() {
                        booth.hear(against, &tally)?;
                    }
                    Ok::<_, SelfCheckError>(())
                })
            })
            .collect();
        // A case that panics is caught where it is heard; nothing else in a booth does.
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(score(&publication, (&chosen, &faults), tally, begun.elapsed()))
}

fn score(
    publication: &Publication,
    (chosen, faults): (&[&'static Case], &[Fault]),
    mut tally: Tally,
    elapsed: Duration,
) -> Score {
    let binding = publication.requirements().iter().filter(|row| row.level.starts_with("MUST"));
    let (testable, untestable): (Vec<_>, Vec<_>) = binding.partition(|row| row.testable);
    let must_covered = testable.iter().filter(|row| tally.covered.contains(row.id.as_str())).count();
    for case in chosen {
        if !tally.kills.contains_key(case.name) {
            tally.complaints.push(format!("{} finds no fault that it cites", case.name));
        }
        for id in case.checks.iter().filter(|id| !tally.covered.contains(*id)) {
            tally.complaints.push(format!("{} cites {id}, of which no fault is found", case.name));
        }
    }
    tally.complaints.sort();
    Score {
        cases: chosen.len(),
        faults: faults.len(),
        killed: tally.killed,
        attributed: tally.attributed,
        null_green: tally.null_green,
        false_alarms: tally.false_alarms,
        must_total: testable.len() + untestable.len(),
        must_covered,
        must_untestable: untestable.len(),
        ok: tally.complaints.is_empty() && tally.attributed == faults.len(),
        complaints: tally.complaints,
        covered: tally.covered,
        milliseconds: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    }
}

/// A network of its own, in which a reference peer is set up anew for each question.
struct Booth {
    chosen: Vec<&'static Case>,
    role: Arc<Role>,
    subject: Subject,
    directory: Arc<Json>,
    world: Arc<World>,
    host: Arc<Host>,
}

impl Booth {
    fn new(chosen: Vec<&'static Case>) -> Result<Self, SelfCheckError> {
        let loopback = || Listener::bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let socket = loopback()?;
        let address = socket.local_addr().map_err(ListenError::Socket)?;
        let world = World::of_size(CODE, &format!("https://{address}"), ORDINARY)?;
        let role = Role {
            code: CODE.to_owned(),
            key: SigningKey::generate()?,
            retired: SigningKey::generate()?,
            server: Identity::generate("reference peer", &["127.0.0.1".to_owned()])?,
            client: Identity::generate("reference peer", &[])?,
        };
        let subject =
            Subject::read(record(&role, &format!("https://127.0.0.1:1/{}", role.code))?.plain().as_bytes())?;
        let directory = Arc::new(world.directory(&subject)?);
        let world = Arc::new(world);
        let idle = Idle::new(world.clone(), &subject.code);
        let host = Arc::new(Host::start(socket, &world.server, idle)?);
        Ok(Self { chosen, role: Arc::new(role), subject, directory, world, host })
    }

    fn bench(&self, port: u16, waits: Waits) -> Bench {
        self.host.clear();
        let subject = Subject { port, ..self.subject.clone() };
        let order = shuffled((0..self.world.authorities.len()).collect(), u64::from(port));
        let directory = Issues::new(self.directory.as_ref().clone(), None);
        Bench::new(subject, (self.world.clone(), self.host.clone(), directory), waits, order)
    }

    /// A bench in front of a reference peer, which is its own adapter.
    fn bench_before(&self, peer: &Reference, waits: Waits) -> Result<Bench, SelfCheckError> {
        let adapter = Adapter::greet(peer.officer(), Vec::new())?;
        Ok(self.bench(peer.address.port(), waits).with_adapter(adapter))
    }

    fn hear(&self, against: Against, tally: &Mutex<Tally>) -> Result<(), SelfCheckError> {
        match against {
            Against::Fault(fault) => self.hear_fault(fault, tally),
            Against::Variation(variation, part) => self.hear_variation(variation, part, tally),
            Against::Null(null, part) => self.hear_null(null, part, tally),
        }
    }

    /// Most faults show at once. On a machine that is busy a case can run out of patience first: what was not found is
    /// heard once more, with the patience that a sound peer gets.
    fn hear_fault(&self, fault: Fault, tally: &Mutex<Tally>) -> Result<(), SelfCheckError> {
        let (mut failed, mut finders) = self.find(fault, waits(5_000, 2_000))?;
        if finders.is_empty() {
            (failed, finders) = self.find(fault, waits(10_000, 10_000))?;
        }
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        if finders.is_empty() {
            let complaint = format!("{} ({}) is not found: {failed:?}", fault.name(), fault.breaks());
            tally.complaints.push(complaint);
        } else {
            tally.attributed += 1;
            tally.covered.insert(fault.breaks());
        }
        tally.killed += usize::from(!failed.is_empty());
        for name in finders {
            *tally.kills.entry(name).or_default() += 1;
        }
        Ok(())
    }

    /// The cases that cite what the fault breaks and fail, and those of them that name it.
    fn find(
        &self,
        fault: Fault,
        waits: Waits,
    ) -> Result<(Vec<&'static str>, Vec<&'static str>), SelfCheckError> {
        let peer = Reference::start(self.role.clone(), self.directory.clone(), (Some(fault), None))?;
        let bench = self.bench_before(&peer, waits)?;
        let citing = self.chosen.iter().filter(|case| case.checks.contains(&fault.breaks()));
        let (mut failed, mut finders) = (Vec::new(), Vec::new());
        for case in citing {
            let finding = hear(&bench, case);
            if finding.verdict == Verdict::Fail {
                if finding.requirement.as_deref() == Some(fault.breaks()) {
                    finders.push(case.name);
                }
                failed.push(case.name);
            }
        }
        Ok((failed, finders))
    }

    fn hear_variation(
        &self,
        variation: Option<Variation>,
        part: usize,
        tally: &Mutex<Tally>,
    ) -> Result<(), SelfCheckError> {
        let peer = Reference::start(self.role.clone(), self.directory.clone(), (None, variation))?;
        let bench = self.bench_before(&peer, waits(10_000, 10_000))?;
        for case in part_of(&self.chosen, part) {
            let finding = hear(&bench, case);
            if finding.verdict != Verdict::Pass {
                let grounds = (finding.requirement, finding.expected, finding.actual);
                let complaint = format!(
                    "{} {:?} on the sound peer, {variation:?}: {grounds:?}",
                    case.name, finding.verdict
                );
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                tally.false_alarms += 1;
                tally.complaints.push(complaint);
            }
        }
        Ok(())
    }

    fn hear_null(&self, null: Null, part: usize, tally: &Mutex<Tally>) -> Result<(), SelfCheckError> {
        let listener = null.start(&self.role.server)?;
        let bench = self.bench(listener.address.port(), waits(200, 200));
        for case in part_of(&self.chosen, part) {
            if hear(&bench, case).verdict == Verdict::Pass {
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                tally.null_green += 1;
                tally.complaints.push(format!("{} passes against {null:?}", case.name));
            }
        }
        Ok(())
    }
}

/// The cases of a part, those that are heard alone last, as in a run.
fn part_of<'a>(cases: &'a [&'static Case], part: usize) -> impl Iterator<Item = &'static Case> + use<'a> {
    let of_part = move || cases.iter().copied().skip(part).step_by(PARTS);
    of_part().filter(|case| !case.alone).chain(of_part().filter(|case| case.alone))
}

fn waits(response: u64, act: u64) -> Waits {
    let milliseconds = Duration::from_millis;
    Waits {
        response: milliseconds(response),
        act: milliseconds(act),
        quiet: milliseconds(400),
        arrival: milliseconds(act.min(4_000)),
        connections_max: crate::reference::CONNECTIONS_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_all_the_cases() {
        let all = cases::all();
        let parts = (0..PARTS).flat_map(|part| part_of(&all, part));
        let mut names: Vec<&str> = parts.map(|case| case.name).collect();
        let mut all: Vec<&str> = cases::all().into_iter().map(|case| case.name).collect();
        names.sort_unstable();
        all.sort_unstable();
        assert_eq!(names, all);
    }
}
