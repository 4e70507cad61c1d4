//! The end of a run: everything is mended, and goes on until nothing is left to do.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use cme_server::office;
use futures_util::FutureExt as _;

use super::World;
use crate::audit::Audit;
use crate::history::History;
use crate::invariants::{Broken, Exported, When};

/// Rounds that a run gets to come to rest.
const ROUNDS_MAX: usize = 400;
/// Milliseconds that pass when everything is mended: more than any clock was ever ahead.
const LATER_MS: i64 = 2 * 86_400_000;
/// Milliseconds that pass between two rounds, where nothing says when the next letter is due.
const ROUND_MS: i64 = 1_000;

impl World {
    /// Mends everything, lets the servers work until nothing is left to send, and asks every invariant.
    pub(crate) async fn come_to_rest(&mut self) -> Result<(), Broken> {
        self.mend().await?;
        for _ in 0..ROUNDS_MAX {
            self.round().await;
            self.check()?;
            if self.audit.is_idle() && self.network.lying().is_empty() {
                return self.check_at_rest().await;
            }
            self.wait_for_the_next_letter().await;
        }
        let letters = self.audit.0.values().flat_map(|books| &books.letters);
        let waiting: Vec<_> = letters.filter(|letter| !letter.dead).collect();
        Err(Broken { invariant: "everything comes to rest", what: format!("{waiting:?}") })
    }

    async fn mend(&mut self) -> Result<(), Broken> {
        self.cut.clear();
        // What was dated or leased by a clock that was ahead is in the past from now on.
        self.truth.fetch_add(LATER_MS, Ordering::Relaxed);
        self.pass(0).await;
        for deployment in &mut self.deployments {
            deployment.clock.set_ahead(0);
            deployment.faults.heal();
            let started = deployment.start().await;
            started
                .map_err(|error| Broken { invariant: "a server starts again", what: error.to_string() })?;
        }
        Ok(())
    }

    /// Every server sends what is due and fetches what it was asked for; everything arrives.
    async fn round(&mut self) {
        for place in 0..self.deployments.len() {
            while let Some(running) = &mut self.deployments[place].running {
                let asked = running.node.pull_asked().now_or_never().flatten();
                if let Some(key) = asked {
                    running.worker.start_pull(key);
                    self.settle(place).await;
                }
                let sent = self.send(place).await;
                let reconciled = self.reconcile(place).await;
                self.carry_all().await;
                if asked.is_none() && sent == "nothing is due" && reconciled == "no pair is due" {
                    break;
                }
            }
        }
    }

    async fn carry_all(&mut self) {
        while let Some(lying) = self.network.lying().first().cloned() {
            self.step(&lying).await;
        }
    }

    async fn wait_for_the_next_letter(&mut self) {
        let letters = self.audit.0.values().flat_map(|books| &books.letters);
        let next = letters.filter(|letter| !letter.dead).map(|letter| letter.next_at).min();
        self.truth.fetch_max(next.unwrap_or_default(), Ordering::Relaxed);
        self.pass(ROUND_MS).await;
    }

    async fn check_at_rest(&mut self) -> Result<(), Broken> {
        let exports = self.exports().await?;
        self.check_with(When::AtRest, &exports)
    }

    /// The export of every copy.
    pub(crate) async fn exports(&mut self) -> Result<Vec<Exported>, Broken> {
        let mut exports = Vec::new();
        let now = Audit::take(&mut self.deployments, &self.audit, true);
        for copy in now.copies() {
            let (hosted, transfer) = (copy.key.hosted, copy.key.transfer);
            let place = self.place_of(hosted);
            let running = self.deployments[place].running.as_ref().expect("everything is up at rest");
            let export = office::export(&running.node, hosted, transfer).await;
            let export = export.map_err(|error| Broken {
                invariant: "each ledger can be exported",
                what: error.to_string(),
            })?;
            exports.push((hosted, transfer, export));
        }
        Ok(exports)
    }

    /// Everything that is known of the world now.
    pub(crate) fn known(&self) -> (&Audit, &History) {
        (&self.audit, &self.history)
    }

    /// How often each fault came about.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, usize> {
        let mut faults = self.history.faults.clone();
        for (name, count) in self.deployments.iter().flat_map(|deployment| deployment.faults.struck()) {
            *faults.entry(name).or_default() += count;
        }
        faults
    }

    /// Where every copy of every ledger ends: two runs of one seed have the same.
    pub(crate) fn heads(&self) -> Vec<String> {
        let head = |copy: &crate::audit::Copy| {
            let (key, head) = (copy.key, copy.ledger.head);
            format!("{} {} {} {}", key.hosted, key.transfer, head.sequence, head.header_digest)
        };
        self.audit.copies().map(head).collect()
    }
}
