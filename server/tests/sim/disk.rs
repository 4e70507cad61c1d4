//! SQLite on a disk that fails when it is told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cme_server::store::sqlite::Sqlite;
use cme_server::store::{Database, Engine, JobFn, StoreError};

/// What becomes of the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The machine dies just before it.
    DiesBefore,
    /// The machine dies just after it: nobody hears of it, but the data are there.
    DiesAfter,
    /// It takes effect and is told as failed, as by a database server whose connection breaks.
    Unheard,
}

/// What is wrong with a machine's disk.
#[derive(Debug, Default)]
struct State {
    full: bool,
    slow_ms: i64,
    busy: u8,
    forgets: bool,
    next: Option<Blow>,
    dead: bool,
}

/// The switch for one machine's faults. The disk of a dead machine does nothing more.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
    struck: Mutex<BTreeMap<&'static str, usize>>,
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often each fault met a commit.
    pub(crate) fn struck(&self) -> BTreeMap<&'static str, usize> {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn strikes(&self, name: &'static str) {
        *self.struck.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state().full
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.state().slow_ms > 0
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    pub(crate) fn set_slow(&self, milliseconds: i64) {
        self.state().slow_ms = milliseconds;
    }

    pub(crate) fn set_busy(&self, times: u8) {
        self.state().busy = times;
    }

    /// From now on the disk does what no disk that works does, but a store that answers before its commit is on
    /// disk: commits are told as done, and nothing of them is kept.
    pub(crate) fn forget(&self) {
        self.state().forgets = true;
    }

    pub(crate) fn strike(&self, blow: Blow) {
        self.state().next = Some(blow);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The machine starts again: what is left is the state of its disk.
    pub(crate) fn revive(&self) {
        let mut state = self.state();
        (state.dead, state.next, state.busy) = (false, None, 0);
    }

    /// All is well.
    pub(crate) fn heal(&self) {
        *self.state() = State::default();
    }
}

/// The database of one machine.
pub(crate) struct Disk {
    pub(crate) sqlite: Sqlite,
    pub(crate) faults: Arc<Faults>,
    /// Milliseconds since 1970: a slow commit takes time for all alike.
    pub(crate) truth: Arc<AtomicI64>,
}

impl Database for Disk {
    fn connect(&self) -> Result<Box<dyn Engine>, StoreError> {
        let (faults, truth) = (Arc::clone(&self.faults), Arc::clone(&self.truth));
        Ok(Box::new(Faulty { engine: self.sqlite.connect()?, faults, truth }))
    }

    fn connect_alone(&self) -> Result<Box<dyn Engine>, StoreError> {
        self.sqlite.connect_alone()
    }

    fn replace(&self, fill: JobFn<'_>) -> Result<(), StoreError> {
        self.sqlite.replace(fill)
    }

    fn tend(&self) -> Result<u64, StoreError> {
        self.sqlite.tend()
    }
}

struct Faulty {
    engine: Box<dyn Engine>,
    faults: Arc<Faults>,
    truth: Arc<AtomicI64>,
}

fn broken(what: &str) -> StoreError {
    StoreError::Engine(what.to_owned())
}

impl Engine for Faulty {
    fn write(&mut self, job: JobFn<'_>) -> Result<(), StoreError> {
        let (blow, full, slow_ms, forgets) = {
            let mut state = self.faults.state();
            if state.dead {
                return Err(broken("the machine is dead"));
            }
            if state.busy > 0 {
                state.busy -= 1;
                self.faults.strikes("database busy");
                return Err(StoreError::Busy);
            }
            (state.next.take(), state.full, state.slow_ms, state.forgets)
        };
        if slow_ms > 0 {
            self.faults.strikes("slow disk");
            self.truth.fetch_add(slow_ms, Ordering::Relaxed);
        }
        if forgets {
            let mut done = Ok(());
            // What the engine says of the job that it rolls back is known.
            let _ = self.engine.write(&mut |tx| {
                done = job(tx);
                Err(broken("not kept"))
            });
            return done;
        }
        if full {
            self.faults.strikes("disk full");
            return self.engine.write(&mut |tx| job(tx).and(Err(StoreError::Full)));
        }
        match blow {
            None => self.engine.write(job),
            Some(Blow::DiesBefore) => {
                self.faults.strikes("crash before commit");
                let told = self.engine.write(&mut |tx| job(tx).and(Err(broken("the machine died"))));
                self.faults.state().dead = true;
                told
            }
            Some(Blow::DiesAfter) => {
                self.faults.strikes("crash after commit");
                let told = self.engine.write(job);
                self.faults.state().dead = true;
                told.and(Err(broken("the machine died")))
            }
            Some(Blow::Unheard) => {
                self.faults.strikes("commit told as failed");
                self.engine.write(job)?;
                Err(broken("the connection broke at the commit"))
            }
        }
    }

    fn read(&mut self, job: JobFn<'_>) -> Result<(), StoreError> {
        if self.faults.is_dead() {
            return Err(broken("the machine is dead"));
        }
        self.engine.read(job)
    }
}
