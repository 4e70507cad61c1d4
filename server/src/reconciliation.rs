//! Brings the ledgers of a pair of authorities level: what one copy lacks is fetched or sent, and what
//! contradicts is kept as evidence.
//!
//! Each peer is looked at once a day and after each start: one signed count and digest ends the check when
//! nothing differs. After a restore on either side, or when a peer's head went back, the heads are read to
//! their end, and until that is done nothing is appended to the pair's ledgers. Peers don't wait for each
//! other.

mod compare;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use cme_client::{ClientError, RetryPolicy};
use cme_spec::directory::Availability;
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::pair::Standing;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::compare::reconcile;
use crate::node::Node;
use crate::store::{StoreError, ledgers, outbox, pairs};

/// How often the pairs are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Seconds after which a pair is reconciled again: well within the day that the text allows.
const AGAIN_SECONDS: i64 = 20 * 3_600;
/// Pairs that are reconciled at one time.
const AT_ONCE_MAX: usize = 8;
/// First pause after a failure, and the longest.
const RETRY: RetryPolicy =
    RetryPolicy { first: Duration::from_secs(1), ceiling: Duration::from_mins(10), attempts_max: 1 };

/// What a reconciliation came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Entries fetched from the peer.
    pub fetched: u64,
    /// Entries queued for the peer.
    pub queued: u64,
    /// Ledgers that still differ: the next round looks at them.
    pub differing: u64,
}

/// Why two authorities could not reconcile now.
#[derive(Debug, thiserror::Error)]
pub enum Unreconciled {
    /// The peer did not answer as it should.
    #[error(transparent)]
    Peer(#[from] ClientError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The authority is not hosted here, or the peer is not in the directory.
    #[error("not hosted here any more")]
    NotHosted,
    /// The answer comes from a server that the peer has replaced.
    #[error("the answer is of an earlier incarnation of the peer")]
    Stale,
    /// The peer's list of heads doesn't end.
    #[error("the peer's list of heads has no end")]
    Endless,
}

type Who = (AuthorityCode, AuthorityCode);

/// The rounds of this process: those under way, and what is remembered of those before. Dropped, they are given
/// up where they stand, and made again after the next start.
pub struct Rounds {
    node: Node,
    tasks: JoinSet<(Who, bool)>,
    done_since_start: BTreeSet<Who>,
    under_way: BTreeSet<Who>,
    failures: HashMap<Who, (u32, Instant)>,
}

/// Reconciles with every peer until `stop` turns true. Implements: RCV-007
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    let mut rounds = Rounds::new(node.clone());
    while !*stop.borrow() {
        match rounds.start_due(usize::MAX).await {
            Ok(_) | Err(StoreError::Busy) => {}
            Err(error) => tracing::error!(%error, "the pairs can't be read"),
        }
        tokio::select! {
            () = node.reconcile_asked() => {}
            () = rounds.ended() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => break,
        }
    }
    rounds.tasks.shutdown().await;
}

impl Rounds {
    /// None is under way or was made.
    pub fn new(node: Node) -> Self {
        Self {
            node,
            tasks: JoinSet::new(),
            done_since_start: BTreeSet::new(),
            under_way: BTreeSet::new(),
            failures: HashMap::new(),
        }
    }

    /// Starts the rounds that are due, as many as may be under way and `rounds_max` more at most; gives their
    /// number.
    pub async fn start_due(&mut self, rounds_max: usize) -> Result<usize, StoreError> {
        let free = AT_ONCE_MAX.saturating_sub(self.tasks.len()).min(rounds_max);
        let mut started = 0;
        for who in due(&self.node, self).await?.into_iter().take(free) {
            started += 1;
            self.under_way.insert(who);
            let node = self.node.clone();
            self.tasks.spawn(async move { (who, round(&node, who).await) });
        }
        Ok(started)
    }

    /// How many rounds have not ended yet.
    pub fn under_way(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until one of them ends; for ever, when there is none.
    pub async fn ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok((who, level))) => self.end(who, level),
            Some(Err(_)) => {}
            None => std::future::pending().await,
        }
    }

    fn end(&mut self, who: Who, level: bool) {
        let now = self.node.now();
        self.under_way.remove(&who);
        if level {
            self.done_since_start.insert(who);
            self.failures.remove(&who);
        } else {
            let failures = self.failures.get(&who).map_or(1, |(failures, _)| failures.saturating_add(1));
            let pause = RETRY.pause(failures, self.node.random().spread()).as_millis();
            let next = now.milliseconds().saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
            self.failures.insert(who, (failures, Instant::from_milliseconds(next).unwrap_or(now)));
        }
    }

    fn may_begin(&self, who: Who, now: Instant) -> bool {
        !self.under_way.contains(&who) && self.failures.get(&who).is_none_or(|(_, next)| *next <= now)
    }
}

/// The pairs to be reconciled now, those first in which nothing can be appended.
async fn due(node: &Node, rounds: &Rounds) -> Result<Vec<Who>, StoreError> {
    let (now, incarnation) = (node.now(), node.incarnation());
    let mut due: BTreeMap<bool, Vec<Who>> = BTreeMap::new();
    for code in node.all_hosted().map(|hosted| hosted.code).collect::<Vec<_>>() {
        let read =
            node.store().read(move |tx| Ok((pairs::of_hosted(tx, code)?, ledgers::partners(tx, code)?)));
        let (known, partners) = read.await?;
        let known: BTreeMap<_, _> = known.into_iter().map(|known| (known.counterparty, known)).collect();
        let strangers = possible_partners(node, code);
        for peer in partners.iter().chain(known.keys()).chain(&strangers).copied().collect::<BTreeSet<_>>() {
            let pair = known.get(&peer).map(|known| known.pair).unwrap_or_default();
            let blocked = pair.standing(incarnation) != Standing::Level;
            let last = known.get(&peer).and_then(|known| known.reconciled_at);
            let old = last.is_none_or(|at| at.plus_seconds(AGAIN_SECONDS) <= now);
            let daily = partners.contains(&peer) && (old || !rounds.done_since_start.contains(&(code, peer)));
            if (blocked || daily) && rounds.may_begin((code, peer), now) {
                due.entry(!blocked).or_default().push((code, peer));
            }
        }
    }
    Ok(due.into_values().flatten().collect())
}

/// The authorities that a restored one may have shared ledgers with and forgotten: all that the directory
/// connects. One that was never restored has forgotten nothing.
pub fn possible_partners(node: &Node, code: AuthorityCode) -> BTreeSet<AuthorityCode> {
    if node.incarnation() == 1 {
        return BTreeSet::new();
    }
    let archive = node.archive();
    let authorities = archive.newest().map(Signed::content).into_iter().flat_map(|issue| &issue.authorities);
    authorities
        .filter(|peer| peer.code != code && peer.base_url.is_some())
        .filter(|peer| peer.availability == Availability::Available)
        .map(|peer| peer.code)
        .collect()
}

/// One round with one peer; tells whether the two are level.
async fn round(node: &Node, who: Who) -> bool {
    let outcome = reconcile(node, who.0, who.1).await;
    tell(who, &outcome);
    let level = matches!(outcome, Ok(done) if done.differing == 0);
    let failure = outcome.err().map_or_else(|| "copies differ".to_owned(), |error| error.to_string());
    let saved = note(node, who, if level { Ok(node.now()) } else { Err(failure) }).await;
    if let Err(error) = saved {
        tracing::error!(%error, "what became of a reconciliation could not be noted");
    }
    node.wake_outbox();
    level
}

fn tell((authority, peer): Who, outcome: &Result<Reconciled, Unreconciled>) {
    match outcome {
        Ok(done) if *done == Reconciled::default() => {}
        Ok(Reconciled { fetched, queued, differing }) => {
            tracing::warn!(%authority, %peer, fetched, queued, differing, "copies differed");
        }
        Err(error) => tracing::warn!(%authority, %peer, %error, "not reconciled yet"),
    }
}

async fn note(node: &Node, (hosted, peer): Who, outcome: Result<Instant, String>) -> Result<(), StoreError> {
    let noted = node.store().write(move |tx| {
        let pair = pairs::find(tx, hosted, peer)?;
        pairs::keep(tx, hosted, peer, &pair)?;
        if let Ok(now) = outcome {
            // What waited for the pair is sent now.
            outbox::hasten(tx, hosted, peer, now)?;
        }
        pairs::note_tried(tx, hosted, peer, outcome.as_ref().map(|now| *now).map_err(String::as_str))
    });
    noted.await
}
