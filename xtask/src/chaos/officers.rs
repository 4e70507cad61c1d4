//! Officers: one for each authority, deciding as fast as the command line lets them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::Value;

use super::seed::Seed;
use super::world::{Authority, World};
use crate::Trouble;

/// Commands in a hundred that are killed while they run.
const KILLED_PERCENT: usize = 4;
/// Of how many transfers an officer chooses, the newest.
const NEWEST: usize = 60;

/// A decision that an officer was told is kept.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) by: &'static str,
    pub(super) transfer: String,
    pub(super) id: String,
    /// When the command had ended: a backup that began before may lack it.
    pub(super) done_at: Instant,
    /// The one disk that held it was replaced by an older backup before any peer had it.
    pub(super) lost_with_disk: bool,
}

/// A transfer that was begun.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) transfer: String,
    pub(super) originating: &'static str,
    pub(super) receiving: &'static str,
    stage: String,
}

/// What the officers did.
#[derive(Debug, Default)]
pub(super) struct Acts {
    pub(super) all: Vec<Act>,
    /// Commands that were refused with a reason.
    pub(super) refused: u64,
    /// Commands that broke down.
    pub(super) panics: u64,
}

pub(super) type Shared<T> = Arc<Mutex<T>>;

pub(super) struct Officers {
    pub(super) known: Shared<Vec<Known>>,
    pub(super) acts: Shared<Acts>,
    threads: Vec<JoinHandle<Result<(), Trouble>>>,
}

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Officers {
    pub(super) fn start(world: &Arc<World>, stop: &Arc<AtomicBool>, mut seed: Seed) -> Self {
        let (known, acts) = (Shared::default(), Shared::default());
        let officer = |place: usize| {
            let officer = Officer {
                world: Arc::clone(world),
                place,
                known: Arc::clone(&known),
                acts: Arc::clone(&acts),
                seed: seed.branch(),
            };
            let stop = Arc::clone(stop);
            std::thread::spawn(move || officer.work(&stop))
        };
        let threads = (0..world.authorities.len()).map(officer).collect();
        Self { known, acts, threads }
    }

    pub(super) fn join(self) -> Result<Acts, Trouble> {
        for thread in self.threads {
            thread.join().map_err(|_| Trouble::Chaos("an officer died".to_owned()))??;
        }
        Ok(std::mem::take(&mut *lock(&self.acts)))
    }
}

struct Officer {
    world: Arc<World>,
    place: usize,
    known: Shared<Vec<Known>>,
    acts: Shared<Acts>,
    seed: Seed,
}

/// What the party at a stage would sensibly decide.
fn sensible(stage: &str, originating: bool) -> &'static [&'static str] {
    match (stage, originating) {
        ("offered", false) => &["acknowledge", "accept", "decline", "redirect", "ask"],
        ("acknowledged", false) => &["accept", "decline", "ask"],
        ("contested", false) => &["accept", "uphold", "redirect"],
        ("accepted", false) => &["outcome", "ask"],
        ("settled", false) => &["retract", "correct"],
        ("offered" | "acknowledged", true) => &["ask", "withdraw", "correct", "ask"],
        ("declined", true) => &["contest", "contest", "withdraw"],
        ("contested", true) => &["withdraw", "ask"],
        _ => &["correct"],
    }
}

/// The command's entry type, for its example.
fn example_of(decision: &str) -> &str {
    match decision {
        "ask" => "request-information",
        other => other,
    }
}

impl Officer {
    fn authority(&self) -> &Authority {
        &self.world.authorities[self.place]
    }

    fn work(mut self, stop: &AtomicBool) -> Result<(), Trouble> {
        let mut bodies: std::collections::HashMap<String, String> = std::collections::HashMap::new();
        while !stop.load(Ordering::Relaxed) {
            let (decision, transfer) = self.choose();
            if !bodies.contains_key(decision) {
                let example =
                    self.world.read(self.authority(), &["office", "example", example_of(decision)])?;
                bodies.insert(decision.to_owned(), example.to_string());
            }
            let body = bodies.get(decision).map(String::as_str);
            match transfer {
                Some(known) => self.decide(decision, &known, body)?,
                None => self.offer(body)?,
            }
        }
        Ok(())
    }

    fn choose(&mut self) -> (&'static str, Option<Known>) {
        let code = self.authority().code;
        let known = lock(&self.known);
        let mine: Vec<&Known> =
            known.iter().rev().filter(|known| [known.originating, known.receiving].contains(&code)).collect();
        let newest = &mine[..mine.len().min(NEWEST)];
        let chosen =
            if self.seed.percent(20) { None } else { self.seed.one_of(newest).map(|known| (*known).clone()) };
        drop(known);
        let Some(chosen) = chosen else { return ("offer", None) };
        let decisions = sensible(&chosen.stage, chosen.originating == code);
        (self.seed.one_of(decisions).copied().unwrap_or("correct"), Some(chosen))
    }

    fn offer(&mut self, body: Option<&str>) -> Result<(), Trouble> {
        let others: Vec<&'static str> = self.world.authorities.iter().map(|other| other.code).collect();
        let own = self.authority().code;
        let others: Vec<&'static str> = others.into_iter().filter(|code| *code != own).collect();
        let Some(to) = self.seed.one_of(&others).copied() else { return Ok(()) };
        let world = Arc::clone(&self.world);
        let _desk = world.authorities[self.place].desk.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = self.run(&["office", "offer", "--to", to], body)?
            && let Some(transfer) = self.note(&answer)
        {
            let stage = "offered".to_owned();
            lock(&self.known).push(Known { transfer, originating: own, receiving: to, stage });
        }
        Ok(())
    }

    fn decide(&mut self, decision: &str, known: &Known, body: Option<&str>) -> Result<(), Trouble> {
        let arguments = ["office", decision, "--transfer", &known.transfer];
        let world = Arc::clone(&self.world);
        let desk = world.authorities[self.place].desk.read().unwrap_or_else(PoisonError::into_inner);
        let answer = self.run(&arguments, body)?;
        if let Some(answer) = &answer {
            self.note(answer);
        }
        drop(desk);
        let stage = match &answer {
            Some(answer) => answer["stage"].as_str().map(str::to_owned),
            // Perhaps the other party has decided meanwhile.
            None => self.stage_of(&known.transfer)?,
        };
        if let Some(stage) = stage {
            let mut all = lock(&self.known);
            if let Some(held) = all.iter_mut().find(|held| held.transfer == known.transfer) {
                held.stage = stage;
            }
        }
        Ok(())
    }

    fn stage_of(&self, transfer: &str) -> Result<Option<String>, Trouble> {
        let output =
            self.world.command(self.authority(), &["office", "show", "--transfer", transfer], None, None)?;
        let shown: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        Ok(shown.and_then(|shown| shown["stage"].as_str().map(str::to_owned)))
    }

    /// The command's answer, if it was carried out. The caller holds the desk until the answer is noted, so that a
    /// restore knows of everything that was acknowledged before it.
    fn run(&mut self, arguments: &[&str], body: Option<&str>) -> Result<Option<Value>, Trouble> {
        let killed = self.seed.percent(KILLED_PERCENT).then(|| self.seed.millis(0, 40));
        let output = self.world.command_at_desk(self.authority(), arguments, body, killed)?;
        if output.status.success() {
            let answer = serde_json::from_slice(&output.stdout);
            return answer.map(Some).map_err(|error| Trouble::Chaos(error.to_string()));
        }
        let mut acts = lock(&self.acts);
        // A command that was killed has no exit code.
        match output.status.code() {
            Some(101) => acts.panics += 1,
            Some(_) => acts.refused += 1,
            None => {}
        }
        Ok(None)
    }

    fn note(&self, answer: &Value) -> Option<String> {
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        let (transfer, id) = (text("transfer")?, text("id")?);
        let by = self.authority().code;
        let done_at = Instant::now();
        let act = Act { by, transfer: transfer.clone(), id, done_at, lost_with_disk: false };
        lock(&self.acts).all.push(act);
        Some(transfer)
    }
}

/// The ids of the entries of a transfer at an authority, in the ledger and in branches.
pub(super) fn ids_at(
    world: &World,
    authority: &Authority,
    transfer: &str,
) -> Result<HashSet<String>, Trouble> {
    let output = world.command_at_desk(authority, &["office", "show", "--transfer", transfer], None, None)?;
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let ids = shown["entries"].as_array().into_iter().flatten();
    Ok(ids.filter_map(|entry| entry["header"]["id"].as_str().map(str::to_owned)).collect())
}
