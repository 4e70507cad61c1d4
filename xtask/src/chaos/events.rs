//! What is done to servers, doors and disks.

use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Defect;
use super::judge;
use super::officers::{Acts, Known, Officers, Shared, ids_at, lock};
use super::proxy::Mode;
use super::seed::Seed;
use super::world::{Authority, World};
use crate::Trouble;

/// How long a server is cut off after its restore, so that it can't ask its peers at once.
const CUT_AFTER_RESTORE: Duration = Duration::from_millis(1_500);
/// Kills after which the disk is held against the receipts of a peer, in a hundred.
const KILLS_LOOKED_INTO_PERCENT: usize = 60;
/// Backups that are kept of each authority.
const BACKUPS: usize = 3;

/// What was done.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    kills: u64,
    partitions: u64,
    answers_dropped: u64,
    slowed: u64,
    disks_filled: u64,
    backups: u64,
    restores: u64,
    /// Kills after which the disk was held against the receipts that a peer has.
    kills_looked_into: u64,
    /// Times that a server's log tells of a panic.
    pub(super) server_faults: u64,
    /// Entries that were acknowledged, and gone after a kill.
    #[serde(skip)]
    pub(super) gone: Vec<String>,
}

struct Backup {
    place: usize,
    at: Instant,
    file: PathBuf,
}

pub(super) struct Events {
    thread: JoinHandle<Result<Counts, Trouble>>,
}

impl Events {
    pub(super) fn start(
        world: &Arc<World>,
        officers: &Officers,
        stop: &Arc<AtomicBool>,
        seed: Seed,
        defect: Option<Defect>,
    ) -> Self {
        let storm = Storm {
            world: Arc::clone(world),
            known: Arc::clone(&officers.known),
            acts: Arc::clone(&officers.acts),
            seed,
            defect,
            counts: Counts::default(),
            backups: Vec::new(),
            restored: None,
        };
        let stop = Arc::clone(stop);
        Self { thread: std::thread::spawn(move || storm.rage(&stop)) }
    }

    pub(super) fn join(self) -> Result<Counts, Trouble> {
        self.thread.join().map_err(|_| Trouble::Chaos("the chaos died".to_owned()))?
    }
}

struct Storm {
    world: Arc<World>,
    known: Shared<Vec<Known>>,
    acts: Shared<Acts>,
    seed: Seed,
    defect: Option<Defect>,
    counts: Counts,
    backups: Vec<Backup>,
    /// Who was restored last.
    restored: Option<usize>,
}

impl Storm {
    fn rage(mut self, stop: &AtomicBool) -> Result<Counts, Trouble> {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(self.seed.millis(30, 250));
            let place = self.seed.below(self.world.authorities.len());
            match self.seed.below(20) {
                0..=5 => self.kill(place)?,
                6..=8 => self.disturb(place, Mode::Cut),
                9 | 10 => self.disturb(place, Mode::DropAnswers),
                11 => self.disturb(place, Mode::Slow),
                12 => self.fill_disk(place)?,
                13..=15 => self.back_up(place)?,
                _ => self.restore(place)?,
            }
        }
        self.counts.server_faults = self.world.authorities.iter().map(Authority::panics).sum();
        Ok(self.counts)
    }

    fn kill(&mut self, place: usize) -> Result<(), Trouble> {
        let world = Arc::clone(&self.world);
        World::kill(&world.authorities[place]);
        self.counts.kills += 1;
        if self.seed.percent(KILLS_LOOKED_INTO_PERCENT) {
            self.look_into(place);
        } else if self.seed.percent(30) {
            std::thread::sleep(self.seed.millis(50, 800));
        }
        world.start(&world.authorities[place])
    }

    /// Before the server starts again and its peers bring back what it lacks.
    fn look_into(&mut self, place: usize) {
        let all = &self.world.authorities;
        let originating = &all[(place + all.len() - 1) % all.len()];
        // A disk that is full, or a database that is down, is looked into another time.
        if let Ok(gone) = judge::gone_after_kill(&self.world, &all[place], originating) {
            self.counts.kills_looked_into += 1;
            self.counts.gone.extend(gone);
        }
    }

    fn disturb(&mut self, place: usize, mode: Mode) {
        let door = self.world.authorities[place].door.clone();
        door.set(mode);
        match mode {
            Mode::Cut => self.counts.partitions += 1,
            Mode::DropAnswers => self.counts.answers_dropped += 1,
            Mode::Slow => self.counts.slowed += 1,
            Mode::Open => {}
        }
        std::thread::sleep(self.seed.millis(100, 1_200));
        door.set(Mode::Open);
    }

    fn fill_disk(&mut self, place: usize) -> Result<(), Trouble> {
        let world = Arc::clone(&self.world);
        let authority = &world.authorities[place];
        authority.fill_disk()?;
        self.counts.disks_filled += 1;
        std::thread::sleep(self.seed.millis(200, 1_000));
        if self.seed.percent(30) {
            World::kill(authority);
        }
        authority.empty_disk();
        if let Some(postgres) = &world.postgres {
            postgres.ensure_up()?;
        }
        world.start(authority)
    }

    fn back_up(&mut self, place: usize) -> Result<(), Trouble> {
        let (world, at) = (Arc::clone(&self.world), Instant::now());
        let authority = &world.authorities[place];
        let file = world.aside("backups")?.join(format!("{}-{}", authority.code, self.counts.backups));
        if self.defect == Some(Defect::IncarnationNotRaised) {
            let _desk = authority.desk.write().unwrap_or_else(PoisonError::into_inner);
            World::kill(authority);
            authority.copy_files(&file)?;
            world.start(authority)?;
        } else {
            let output = world.command(authority, &["backup", &file.display().to_string()], None, None)?;
            succeeded(authority, "backup", &output)?;
        }
        self.counts.backups += 1;
        self.backups.push(Backup { place, at, file });
        let kept = self.backups.iter().filter(|backup| backup.place == place).count();
        if kept > BACKUPS
            && let Some(oldest) = self.backups.iter().position(|backup| backup.place == place)
        {
            let file = self.backups.remove(oldest).file;
            let _ = if file.is_dir() { std::fs::remove_dir_all(file) } else { std::fs::remove_file(file) };
        }
        Ok(())
    }

    /// Puts an older backup in the place of a server's database. One server at a time: the next is restored only
    /// when the last one has everything back, as no protocol brings back what both disks lost.
    fn restore(&mut self, place: usize) -> Result<(), Trouble> {
        let world = Arc::clone(&self.world);
        if !self.last_one_is_level()? {
            return Ok(());
        }
        let choices: Vec<usize> =
            (0..self.backups.len()).filter(|index| self.backups[*index].place == place).collect();
        let Some(backup) = self.seed.one_of(&choices).map(|index| &self.backups[*index]) else {
            return Ok(());
        };
        let authority = &world.authorities[place];
        let desk = authority.desk.write().unwrap_or_else(PoisonError::into_inner);
        World::kill(authority);
        self.note_lost_with_disk(authority, backup.at)?;
        if self.defect == Some(Defect::IncarnationNotRaised) {
            authority.put_files_back(&backup.file)?;
        } else {
            let file = backup.file.display().to_string();
            let output = world.command_at_desk(authority, &["restore", &file, "--replace"], None, None)?;
            succeeded(authority, "restore", &output)?;
        }
        self.counts.restores += 1;
        self.restored = Some(place);
        drop(desk);
        // Peers can't be asked at first: whoever goes on all the same, forks.
        let others = world.authorities.iter().filter(|other| other.code != authority.code);
        others.clone().for_each(|other| other.door.set(Mode::Cut));
        world.start(authority)?;
        std::thread::sleep(CUT_AFTER_RESTORE);
        others.for_each(|other| other.door.set(Mode::Open));
        Ok(())
    }

    fn last_one_is_level(&self) -> Result<bool, Trouble> {
        let Some(place) = self.restored else { return Ok(true) };
        let list = self.world.list(&self.world.authorities[place])?;
        Ok(list["peers"].as_array().is_some_and(Vec::is_empty))
    }

    /// What an officer decided after the backup and no peer has yet is lost with the disk, whatever the protocol.
    fn note_lost_with_disk(&self, authority: &Authority, backup_at: Instant) -> Result<(), Trouble> {
        let at_risk: Vec<(usize, String, String)> = {
            let acts = lock(&self.acts);
            let all = acts.all.iter().enumerate();
            let late = all.filter(|(_, act)| act.by == authority.code && act.done_at >= backup_at);
            late.map(|(index, act)| (index, act.transfer.clone(), act.id.clone())).collect()
        };
        for (index, transfer, id) in at_risk {
            let known = lock(&self.known).iter().find(|known| known.transfer == transfer).cloned();
            let peer = known.map(|known| {
                if known.originating == authority.code { known.receiving } else { known.originating }
            });
            let peer = self.world.authorities.iter().find(|other| Some(other.code) == peer);
            let held = match peer {
                Some(peer) => {
                    let _desk = peer.desk.read().unwrap_or_else(PoisonError::into_inner);
                    ids_at(&self.world, peer, &transfer)?.contains(&id)
                }
                None => false,
            };
            if !held {
                lock(&self.acts).all[index].lost_with_disk = true;
            }
        }
        Ok(())
    }
}

fn succeeded(authority: &Authority, what: &str, output: &Output) -> Result<(), Trouble> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Trouble::Chaos(format!("{what} of {}: {said}", authority.code)))
}
