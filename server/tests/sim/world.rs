//! Three authorities, their deployments and the network, and what each operation does to them.

mod chances;
mod machines;
mod network;
mod officers;
mod rest;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cme_spec::example;
use cme_spec::ids::AuthorityCode;

use crate::audit::Audit;
use crate::deployment::{Deployment, Running};
use crate::history::History;
use crate::invariants::{self, Broken, Exported, Scene, When};
use crate::network::Network;
use crate::op::Op;

/// Who takes part.
pub(crate) const AUTHORITIES: [&str; 3] = ["373", "330", "383"];
/// When every run begins.
const BEGINS: &str = "2026-11-24T09:30:00Z";
/// Milliseconds that each operation takes.
const OPERATION_MS: i64 = 500;
/// The largest step in which time passes, below that of every wait.
const STEP_MS: i64 = 1_000;
/// Longest wait, in the machine's own time, for a task that only computes and writes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Which authorities share a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosting {
    /// Each has its own.
    Apart,
    /// 330 and 383 are served together.
    Shared,
}

pub(crate) struct World {
    deployments: Vec<Deployment>,
    network: Network,
    /// Pairs of deployments between which nothing passes.
    cut: BTreeSet<(usize, usize)>,
    truth: Arc<AtomicI64>,
    history: History,
    audit: Audit,
    _folder: tempfile::TempDir,
}

impl World {
    /// All servers are up, and nothing has happened yet.
    pub(crate) async fn new(seed: u64, hosting: Hosting) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let truth = Arc::new(AtomicI64::new(example::instant(BEGINS).milliseconds()));
        let network = Network::default();
        let hosted: &[&[&str]] = match hosting {
            Hosting::Apart => &[&["373"], &["330"], &["383"]],
            Hosting::Shared => &[&["373"], &["330", "383"]],
        };
        let mut deployments = Vec::new();
        for (number, codes) in hosted.iter().enumerate() {
            let home = folder.path().join(number.to_string());
            let codes = codes.iter().copied().map(example::code).collect();
            let mut deployment = Deployment::new(&home, number, codes, &truth, &network, seed);
            deployment.start().await.expect("a new deployment starts");
            deployments.push(deployment);
        }
        Self {
            deployments,
            network,
            cut: BTreeSet::new(),
            truth,
            history: History::default(),
            audit: Audit::default(),
            _folder: folder,
        }
    }

    /// Does one thing; says what came of it, in words that are the same in every run.
    pub(crate) async fn perform(&mut self, op: Op) -> String {
        self.pass(OPERATION_MS).await;
        let told = match op {
            Op::Offer { by, to, follow } => self.offer(by, to, follow).await,
            Op::Decide { by, kind, pick } => self.decide(by, kind, pick).await,
            Op::Resolve { by, pick, again } => self.resolve(by, pick, again).await,
            Op::Send { at } => self.send(self.place(at)).await,
            Op::Pull { at, pick } => self.pull(self.place(at), pick).await,
            Op::Reconcile { at } => self.reconcile(self.place(at)).await,
            Op::Exchange { at } => self.exchange(self.place(at)).await,
            Op::Carry { pick } => self.carry(pick).await,
            Op::LoseRequest { pick } => self.lose(pick, false).await,
            Op::LoseAnswer { pick } => self.lose(pick, true).await,
            Op::Repeat { pick } => self.repeat(pick),
            Op::GiveUp { pick } => self.give_up(pick).await,
            Op::Tear { pick } => self.tear(pick).await,
            Op::Cut { a, b } => self.cut(self.place(a), self.place(b), true),
            Op::Join { a, b } => self.cut(self.place(a), self.place(b), false),
            machines => self.machine(machines).await,
        };
        told + &self.bury_the_dead().await
    }

    /// Asks every invariant that must always hold.
    pub(crate) fn check(&mut self) -> Result<(), Broken> {
        self.check_with(When::Always, &[])
    }

    fn check_with(&mut self, when: When, exports: &[Exported]) -> Result<(), Broken> {
        let anew = when == When::AtRest;
        let now = Audit::take(&mut self.deployments, &self.audit, anew);
        let scene = Scene { before: &self.audit, now: &now, history: &self.history, exports };
        let told = invariants::check(when, &scene);
        self.audit = now;
        told
    }

    /// Time passes, step by step, so that whoever waits for it goes on at the right moment. What they do on a slow
    /// disk takes time of its own.
    async fn pass(&mut self, milliseconds: i64) {
        let mut now = self.truth.load(Ordering::Relaxed);
        let until = now + milliseconds;
        loop {
            now = until.min(now + STEP_MS);
            self.truth.fetch_max(now, Ordering::Relaxed);
            for place in 0..self.deployments.len() {
                while self.deployments[place].timers.let_one_go_on(now) {
                    self.settle(place).await;
                }
            }
            if now == until {
                return;
            }
        }
    }

    fn place(&self, at: u8) -> usize {
        usize::from(at) % self.deployments.len()
    }

    fn authority(by: u8) -> AuthorityCode {
        example::code(AUTHORITIES[usize::from(by) % AUTHORITIES.len()])
    }

    fn place_of(&self, code: AuthorityCode) -> usize {
        let hosts = |deployment: &Deployment| deployment.codes.contains(&code);
        self.deployments.iter().position(hosts).expect("every authority is hosted")
    }

    /// Lets what goes on in a deployment go on until all of it waits for the network.
    async fn settle(&mut self, place: usize) {
        let deployment = &mut self.deployments[place];
        let (Some(Running { worker, rounds, .. }), timers) = (&mut deployment.running, &deployment.timers)
        else {
            return;
        };
        // Each letter under way waits for an answer, and meanwhile for the time to renew its lease.
        let settled = async {
            while worker.under_way() + rounds.under_way() > self.network.waiting(place)
                || worker.letters_under_way() > timers.waiting()
            {
                tokio::select! {
                    () = worker.ended() => {}
                    () = rounds.ended() => {}
                    () = self.network.grown() => {}
                    () = timers.grown() => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("a task ends or sends something");
    }
}
