//! What the operator's monitoring sees. No personal data: counts and codes of authorities.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use cme_spec::directory::Freshness;
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::pair::Standing;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::escalation::ChannelKind;
use crate::node::Node;
use crate::office::clocks;
use crate::store::escalations::State;
use crate::store::{Counts, StoreError, Tx, escalations, ledgers, officers, outbox, pairs};

/// Ledgers that are read at one time.
const LEDGERS_AT_ONCE: u32 = 500;

/// Looks at a deployment.
pub struct Health {
    node: Node,
    stopping: AtomicBool,
}

/// Whether the deployment can take requests, and why not.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyReport {
    /// Whether it can.
    pub ready: bool,
    /// Whether the database answers.
    pub database: bool,
    /// Whether the directory is current, in its days of grace, or stale.
    pub directory: &'static str,
    /// The issue in use.
    pub directory_issue: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    authority: String,
    stage: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EscalationLabels {
    channel: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuthorityLabel {
    authority: String,
}

/// What a restore leaves behind, by authority.
struct Recovery {
    not_level: Family<AuthorityLabel, Gauge>,
    to_confirm: Family<AuthorityLabel, Gauge>,
    forked: Family<AuthorityLabel, Gauge>,
}

impl Recovery {
    fn register(registry: &mut Registry) -> Self {
        let mut family = |name: &str, help: &str| {
            let family = Family::<AuthorityLabel, Gauge>::default();
            registry.register(name, help, family.clone());
            family
        };
        Self {
            not_level: family("peers_not_level", "Peers with which an authority has to reconcile first"),
            to_confirm: family("to_confirm", "Cases that a restore touched, for an officer to confirm"),
            forked: family("forked", "Ledgers of which a fork was proven"),
        }
    }

    async fn count(&self, node: &Node, code: AuthorityCode) -> Result<(), StoreError> {
        let (incarnation, label) = (node.incarnation(), AuthorityLabel { authority: code.to_string() });
        let read = node.store().read(move |tx| {
            let known = pairs::of_hosted(tx, code)?;
            let apart = known.iter().filter(|known| known.pair.standing(incarnation) != Standing::Level);
            Ok((apart.count(), pairs::to_confirm(tx, code)?.len(), ledgers::count_forked(tx, code)?))
        });
        let (apart, touched, forked) = read.await?;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.not_level.get_or_create(&label).set(number(apart));
        self.to_confirm.get_or_create(&label).set(number(touched));
        self.forked.get_or_create(&label).set(forked);
        Ok(())
    }
}

/// Messages to escalation contacts, by channel and state.
struct Escalations(Family<EscalationLabels, Gauge>);

impl Escalations {
    fn register(registry: &mut Registry) -> Self {
        let family = Family::<EscalationLabels, Gauge>::default();
        let help = "Messages to escalation contacts that are still to be sent, or were refused for good";
        registry.register("escalations", help, family.clone());
        Self(family)
    }

    async fn count(&self, node: &Node) -> Result<(), StoreError> {
        for channel in ChannelKind::configured(node.config()) {
            for state in [State::Waiting, State::Refused] {
                self.set(channel.code(), state, 0);
            }
        }
        for (channel, state, count) in node.store().read(|tx| escalations::count(tx)).await? {
            self.set(&channel, state, count);
        }
        Ok(())
    }

    fn set(&self, channel: &str, state: State, count: i64) {
        let labels = EscalationLabels { channel: channel.to_owned(), state: state.code() };
        self.0.get_or_create(&labels).set(count);
    }
}

impl Health {
    /// Looks at `node`.
    pub fn new(node: Node) -> Self {
        Self { node, stopping: AtomicBool::new(false) }
    }

    /// From now on not ready: load balancers send nothing new.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the deployment can take requests.
    pub async fn report(&self) -> ReadyReport {
        let store = self.node.store();
        let database =
            store.read(|tx| outbox::count(tx)).await.is_ok() && store.write(|_| Ok(())).await.is_ok();
        let archive = self.node.archive();
        let issue = archive.newest().map(Signed::content);
        let directory = match issue.map(|issue| issue.freshness(self.node.now())) {
            Some(Freshness::Current) => "current",
            Some(Freshness::Grace) => "grace",
            Some(Freshness::Stale) | None => "stale",
        };
        ReadyReport {
            ready: database && !self.stopping.load(Ordering::Relaxed),
            database,
            directory,
            directory_issue: issue.map_or(0, |issue| issue.issue),
        }
    }

    /// Counts as `OpenMetrics` text.
    pub async fn metrics(&self) -> Result<String, StoreError> {
        let mut registry = Registry::with_prefix("cme");
        let transfers = Family::<StageLabels, Gauge>::default();
        registry.register("transfers", "Transfers by stage", transfers.clone());
        let overdue = Family::<AuthorityLabel, Gauge>::default();
        registry.register("overdue", "Clocks that have run out, by whose turn it is", overdue.clone());
        let (waiting, refused) = (Gauge::<i64>::default(), Gauge::<i64>::default());
        registry.register("outbox_waiting", "Entries still to be delivered", waiting.clone());
        registry.register(
            "outbox_refused",
            "Entries refused for good, for an officer to look at",
            refused.clone(),
        );
        let refused_here = Family::<AuthorityLabel, Gauge>::default();
        registry.register(
            "deliveries_refused_here",
            "Deliveries of peers that were refused here, for an officer to look at",
            refused_here.clone(),
        );
        let recovery = Recovery::register(&mut registry);
        let told = Escalations::register(&mut registry);
        let children = Family::<AuthorityLabel, Gauge>::default();
        let help = "Children in the register that answers queries; none told while it is not ready";
        registry.register("register_children", help, children.clone());
        register_store(&mut registry, self.node.store().counts());
        let issue = Gauge::<i64>::default();
        registry.register("directory_issue", "Directory issue in use", issue.clone());

        let archive = self.node.archive();
        issue.set(
            archive.newest().map_or(0, |issue| i64::try_from(issue.content().issue).unwrap_or(i64::MAX)),
        );
        for hosted in self.node.all_hosted() {
            let code = hosted.code;
            let node = self.node.clone();
            let read = self.node.store().read(move |tx| {
                let overdue = overdue_of(tx, &node, code)?;
                Ok((ledgers::count_by_stage(tx, code)?, overdue, officers::count_refused(tx, code)?))
            });
            let (stages, run_out, stopped) = read.await?;
            recovery.count(&self.node, code).await?;
            if let Some(count) = self.node.register().children(code) {
                let label = AuthorityLabel { authority: code.to_string() };
                children.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            refused_here.get_or_create(&AuthorityLabel { authority: code.to_string() }).set(stopped);
            for (stage, count) in stages {
                transfers.get_or_create(&StageLabels { authority: code.to_string(), stage }).set(count);
            }
            for (owner, count) in run_out.into_iter().filter(|(_, count)| *count > 0) {
                overdue.get_or_create(&AuthorityLabel { authority: owner.to_string() }).inc_by(count);
            }
        }
        let (still, dead) = self.node.store().read(|tx| outbox::count(tx)).await?;
        waiting.set(still);
        refused.set(dead);
        told.count(&self.node).await?;
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)
            .map_err(|_| StoreError::Corrupt("metrics can't be written"))?;
        Ok(text)
    }
}

/// Clocks that have run out in the ledgers of a hosted authority, by whose turn it is. It may have very many
/// ledgers, so they are read a part at a time.
fn overdue_of(
    tx: &mut dyn Tx,
    node: &Node,
    code: AuthorityCode,
) -> Result<BTreeMap<AuthorityCode, i64>, StoreError> {
    let (now, followed) = (node.now(), ledgers::followed(tx, code)?);
    let (mut counts, mut after) = (BTreeMap::new(), 0);
    loop {
        let part = ledgers::with_clocks_after(tx, code, after, LEDGERS_AT_ONCE)?;
        let Some(last) = part.last() else { return Ok(counts) };
        after = last.changed;
        for clock in part.iter().flat_map(|held| clocks(node, held, &followed).due) {
            *counts.entry(clock.owner).or_default() += i64::from(clock.is_overdue(now));
        }
    }
}

/// How well writers share syncs: jobs to a commit.
fn register_store(registry: &mut Registry, counts: Counts) {
    for (name, help, count) in [
        ("store_jobs", "Jobs of the database's writer", counts.jobs),
        ("store_commits", "Transactions committed for them, each with one sync", counts.commits),
        ("store_checkpoints", "Checkpoints of a SQLite database", counts.checkpoints),
    ] {
        registry.register(name, help, ConstCounter::new(count));
    }
}
