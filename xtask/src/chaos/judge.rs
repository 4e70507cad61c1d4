//! What was promised, and what is there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cme_spec::canonical::{Json, Limits};
use cme_spec::directory::{Archive, Directory};
use cme_spec::ledger::verify::{LedgerFile, verify};
use serde::Serialize;
use serde_json::Value;

use super::officers::{Act, Acts, Known, Shared, lock};
use super::world::{Authority, World};
use crate::Trouble;

/// Longest wait until nothing is on its way any more.
const REST_WITHIN: Duration = Duration::from_mins(3);

/// Things not at rest that are named.
const RESTLESS_SHOWN_MAX: usize = 20;

/// Lost entries that are named.
const LOST_SHOWN_MAX: usize = 20;

/// What the copies show.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    #[serde(skip)]
    pub(super) acknowledged: u64,
    #[serde(skip)]
    pub(super) lost: u64,
    #[serde(skip)]
    pub(super) forks: u64,
    #[serde(skip)]
    pub(super) copies_differ: u64,
    #[serde(skip)]
    pub(super) transfers: u64,
    /// Decisions that the one disk which held them took away: no peer had them when it was replaced.
    lost_with_disk: u64,
    /// Decisions that lost to another one and are before an officer.
    overtaken: u64,
    /// Exports that did not verify.
    pub(super) not_verified: u64,
    /// What is lost, so far as there is room to say it.
    lost_entries: Vec<String>,
    /// Whether the servers came to rest.
    pub(super) at_rest: bool,
    /// What was still on its way, or in the way, if they did not: lists as `office list` gives them.
    restless: Vec<String>,
}

/// Looks again and again whether both parties of a ledger hold the other for responsible.
///
/// The originating copy is read first: what it says of an accept must be in the sequencer's copy by then.
pub(super) fn watch_responsibility(
    world: &Arc<World>,
    known: &Shared<Vec<Known>>,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<u64> {
    let (world, known, stop) = (Arc::clone(world), Arc::clone(known), Arc::clone(stop));
    std::thread::spawn(move || {
        let mut nobody = HashSet::new();
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(300));
            let all = lock(&known).clone();
            for (index, originating) in world.authorities.iter().enumerate() {
                let receiving = &world.authorities[(index + 1) % world.authorities.len()];
                nobody.extend(held_by_nobody(&world, &all, originating, receiving).unwrap_or_default());
            }
        }
        nobody.len() as u64
    })
}

fn held_by_nobody(
    world: &World,
    known: &[Known],
    originating: &Authority,
    receiving: &Authority,
) -> Result<Vec<String>, Trouble> {
    let first = responsible(&world.list(originating)?);
    let list = world.list(receiving)?;
    // Until it has read what the other holds, a restored authority takes every child of the pair for its own,
    // those too that it has forgotten.
    let peers = list["peers"].as_array().into_iter().flatten();
    let mut restored = peers.filter(|peer| peer["standing"] == "restored");
    if restored.any(|peer| peer["authority"] == originating.code) {
        return Ok(Vec::new());
    }
    let second = responsible(&list);
    let of_pair = |known: &&Known| known.originating == originating.code && known.receiving == receiving.code;
    let nobody = |known: &&Known| {
        let told = |copy: &HashMap<String, String>| copy.get(&known.transfer).cloned();
        let (theirs, ours) = (told(&first), told(&second));
        theirs.as_deref() == Some(receiving.code) && ours.as_deref() != Some(receiving.code)
    };
    Ok(known.iter().filter(of_pair).filter(nobody).map(|known| known.transfer.clone()).collect())
}

/// Who is responsible in each transfer of a list.
fn responsible(list: &Value) -> HashMap<String, String> {
    let transfers = list["transfers"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    transfers.filter_map(|view| Some((text(&view["transfer"])?, text(&view["responsible"])?))).collect()
}

/// What a sequencer that was killed a moment ago has given receipts for and does not have on its disk, by transfer:
/// the other party holds entries with its receipts that its own copy lacks. Peers would bring them back when it
/// starts, and nobody would know that it had broken its word.
///
/// Nothing is said of a pair in which a restore is not made good yet.
pub(super) fn gone_after_kill(
    world: &World,
    sequencer: &Authority,
    originating: &Authority,
) -> Result<Vec<String>, Trouble> {
    let (theirs, ours) = (world.list(originating)?, world.list(sequencer)?);
    let peers = |list: &Value| list["peers"].as_array().cloned().unwrap_or_default();
    let level = |list: &Value, other: &Authority| peers(list).iter().all(|it| it["authority"] != other.code);
    if !level(&ours, originating) || !level(&theirs, sequencer) {
        return Ok(Vec::new());
    }
    let held = heads(&ours, originating, sequencer);
    let receipted = heads(&theirs, originating, sequencer);
    let lacks = |(transfer, place): &(&String, &u64)| held.get(*transfer).is_none_or(|held| held < *place);
    let gone = receipted.iter().filter(lacks);
    let told = |(transfer, place)| format!("entry {place} of {transfer}, receipted by {}", sequencer.code);
    Ok(gone.map(told).collect())
}

/// Places of the newest entries of two parties' transfers, as a list has them; not of forked ones.
fn heads(list: &Value, originating: &Authority, receiving: &Authority) -> BTreeMap<String, u64> {
    let transfers = list["transfers"].as_array().into_iter().flatten();
    let shared = transfers.filter(|view| {
        view["originating"] == originating.code
            && view["receiving"] == receiving.code
            && view["forked"] == false
    });
    let head =
        |view: &Value| Some((view["transfer"].as_str()?.to_owned(), view["asOf"]["sequence"].as_u64()?));
    shared.filter_map(head).collect()
}

/// Waits until no entry is on its way and every pair is level; gives what still was, when it waited long enough.
pub(super) fn wait_for_rest(world: &World) -> Result<Vec<String>, Trouble> {
    let begun = Instant::now();
    loop {
        let mut restless = Vec::new();
        for authority in &world.authorities {
            let list = world.list(authority)?;
            for name in ["outbox", "proposed", "peers"] {
                let items = list[name].as_array().into_iter().flatten();
                restless.extend(items.map(|item| format!("{} of {}: {item}", name, authority.code)));
            }
        }
        if restless.is_empty() || begun.elapsed() >= REST_WITHIN {
            restless.truncate(RESTLESS_SHOWN_MAX);
            return Ok(restless);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// One authority's copies, by transfer.
struct Copies {
    entries: BTreeMap<String, Vec<Value>>,
    forked: HashSet<String>,
    not_verified: u64,
    /// Decisions before an officer.
    refused: HashSet<String>,
}

/// Reads every copy and counts. Marks in `acts` nothing; what was lost with a disk is marked there already, and what
/// was gone after a kill is told.
pub(super) fn judge(
    world: &World,
    acts: &mut Acts,
    restless: Vec<String>,
    gone: Vec<String>,
) -> Result<Verdict, Trouble> {
    let directory = directory(world)?;
    let mut copies = HashMap::new();
    for authority in &world.authorities {
        copies.insert(authority.code, read(world, authority, &directory)?);
    }
    let mut verdict = Verdict { at_rest: restless.is_empty(), restless, ..Verdict::default() };
    verdict.lost = gone.len() as u64;
    verdict.lost_entries.extend(gone.into_iter().take(LOST_SHOWN_MAX));
    let mut transfers: BTreeMap<&String, Vec<&Vec<Value>>> = BTreeMap::new();
    for copy in copies.values() {
        verdict.not_verified += copy.not_verified;
        for (transfer, entries) in &copy.entries {
            transfers.entry(transfer).or_default().push(entries);
        }
    }
    let forked: HashSet<&String> = copies.values().flat_map(|copy| &copy.forked).collect();
    verdict.forks = forked.len() as u64;
    verdict.transfers = transfers.len() as u64;
    let differ = |copies: &&Vec<&Vec<Value>>| copies.len() != 2 || copies[0] != copies[1];
    verdict.copies_differ = transfers.values().filter(differ).count() as u64;
    let held: HashMap<&String, HashSet<&str>> = transfers
        .iter()
        .map(|(transfer, copies)| (*transfer, copies.iter().flat_map(|entries| ids(entries)).collect()))
        .collect();
    for act in &acts.all {
        let is_held = held.get(&act.transfer).is_some_and(|ids| ids.contains(act.id.as_str()));
        let overtaken = copies.get(act.by).is_some_and(|copy| copy.refused.contains(&act.id));
        verdict.acknowledged += u64::from(is_held || !act.lost_with_disk);
        verdict.overtaken += u64::from(!is_held && overtaken);
        verdict.lost_with_disk += u64::from(!is_held && act.lost_with_disk);
        if !is_held && !overtaken && !act.lost_with_disk {
            verdict.lost += 1;
            if verdict.lost_entries.len() < LOST_SHOWN_MAX {
                let Act { by, transfer, id, .. } = act;
                verdict.lost_entries.push(format!("{id} of {by} in {transfer}"));
            }
        }
    }
    Ok(verdict)
}

fn ids(entries: &[Value]) -> impl Iterator<Item = &str> {
    entries.iter().filter_map(|entry| entry["header"]["id"].as_str())
}

fn directory(world: &World) -> Result<Directory, Trouble> {
    let bytes = std::fs::read(world.directory())?;
    let broken = |what: String| Trouble::Chaos(format!("the directory: {what}"));
    let json = Json::decode(&bytes, &Limits::COLLECTION).map_err(|error| broken(error.to_string()))?;
    let archive = Archive::start(&json, None).map_err(|error| broken(error.to_string()))?;
    let newest = archive.newest().ok_or_else(|| broken("no issue".to_owned()))?;
    Ok(newest.content().clone())
}

fn read(world: &World, authority: &Authority, directory: &Directory) -> Result<Copies, Trouble> {
    let folder = world.aside(&format!("exports/{}", authority.code))?;
    let out = folder.display().to_string();
    let output = world.command(authority, &["ledger", "export", "--all", "--out", &out], None, None)?;
    if !output.status.success() {
        return Err(Trouble::Chaos(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let list = world.list(authority)?;
    let refused = list["refused"].as_array().into_iter().flatten();
    let mut copies = Copies {
        entries: BTreeMap::new(),
        forked: HashSet::new(),
        not_verified: 0,
        refused: refused.filter_map(|letter| letter["id"].as_str().map(str::to_owned)).collect(),
    };
    for file in std::fs::read_dir(&folder)? {
        let bytes = std::fs::read(file?.path())?;
        let export: Value =
            serde_json::from_slice(&bytes).map_err(|error| Trouble::Chaos(error.to_string()))?;
        let transfer = export["transfer"].as_str().unwrap_or_default().to_owned();
        let verified = LedgerFile::read(&bytes).is_ok_and(|file| verify(&file, directory).is_ok());
        copies.not_verified += u64::from(!verified);
        if export["forks"].as_array().is_some_and(|forks| !forks.is_empty()) {
            copies.forked.insert(transfer.clone());
        }
        let entries = export["entries"].as_array().into_iter().flatten();
        copies.entries.insert(transfer, entries.map(shared_part).collect());
    }
    Ok(copies)
}

/// What both copies of an entry must have alike: all but the counter-receipt, which one may have lost.
fn shared_part(entry: &Value) -> Value {
    let mut shared = entry.clone();
    if let Some(receipts) = shared["receipts"].as_array_mut() {
        receipts.truncate(1);
    }
    shared
}
