//! What happens to machines: they die and start, their disks fail, their clocks go wrong.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use super::World;
use crate::disk::{Blow, Faults};
use crate::op::Op;

impl World {
    pub(super) async fn machine(&mut self, op: Op) -> String {
        match op {
            Op::Crash { at } => self.crash(self.place(at)).await,
            Op::Start { at } => self.start(self.place(at)).await,
            Op::CrashAtCommit { at, after: false } => self.disk(at, |disk| disk.strike(Blow::DiesBefore)),
            Op::CrashAtCommit { at, after: true } => self.disk(at, |disk| disk.strike(Blow::DiesAfter)),
            Op::UnheardCommit { at } => self.disk(at, |disk| disk.strike(Blow::Unheard)),
            Op::Forget { at } => self.disk(at, Faults::forget),
            Op::Full { at, on } => self.disk(at, |disk| disk.set_full(on)),
            Op::Busy { at, times } => self.disk(at, |disk| disk.set_busy(times)),
            Op::Slow { at, seconds } => self.disk(at, |disk| disk.set_slow(i64::from(seconds) * 1_000)),
            Op::Clock { at, seconds } => self.set_clock(self.place(at), seconds),
            Op::Pass { seconds } => self.let_time_pass(i64::from(seconds) * 1_000).await,
            Op::Stall { seconds } => self.stall(i64::from(seconds) * 1_000).await,
            other => unreachable!("{other:?} does not happen to a machine"),
        }
    }

    async fn crash(&mut self, place: usize) -> String {
        if self.deployments[place].running.is_some() {
            self.history.note_fault("crash between two steps");
        }
        self.deployments[place].crash().await;
        "down".to_owned()
    }

    async fn start(&mut self, place: usize) -> String {
        let started = self.deployments[place].start().await;
        started.map_or_else(|error| error.to_string(), |()| "up".to_owned())
    }

    fn disk(&self, at: u8, change: impl FnOnce(&Faults)) -> String {
        let place = self.place(at);
        change(&self.deployments[place].faults);
        format!("disk of {place}")
    }

    fn set_clock(&mut self, place: usize, seconds: i32) -> String {
        if seconds != 0 {
            self.history.note_fault("clock wrong");
        }
        self.deployments[place].clock.set_ahead(i64::from(seconds) * 1_000);
        format!("clock of {place}")
    }

    async fn let_time_pass(&mut self, milliseconds: i64) -> String {
        self.pass(milliseconds).await;
        "later".to_owned()
    }

    async fn stall(&mut self, milliseconds: i64) -> String {
        self.history.note_fault("stall");
        self.truth.fetch_add(milliseconds, Ordering::Relaxed);
        self.let_time_pass(0).await
    }

    /// A server whose machine died in the last operation is gone.
    pub(super) async fn bury_the_dead(&mut self) -> String {
        let mut told = String::new();
        for deployment in &mut self.deployments {
            if deployment.faults.is_dead() && deployment.running.is_some() {
                deployment.crash().await;
                let _ = write!(told, "; {} died", deployment.number);
            }
        }
        told
    }
}
