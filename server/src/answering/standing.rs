//! Compares the queries that stand with each child who is added to a register or changed there. What matches is brought to
//! an officer, and nothing is sent.
//!
//! How far the changes were compared is in the database: a restart loses none, and of several processes one compares.
//! After a restore, and where the changes are told no more, the whole register is compared.

use std::collections::BTreeSet;
use std::time::Duration;

use cme_matching::ChildId;
use cme_spec::directory::Directory;
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId};
use tokio::sync::watch;

use super::matched::{child_of, fields_of};
use super::prepared::many;
use crate::escalation::{Alert, Matter};
use crate::node::Node;
use crate::register::{FindError, FoundCandidate, Look};
use crate::store::queries::{self, Held, Match, MatchState, QueryKey};
use crate::store::register::{ChangeKind, Changes, changes_after, state};
use crate::store::{StoreError, Tx, leases};

/// How often it is looked whether a register has changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Changes that are compared in one go.
const CHANGES_AT_ONCE: usize = 50_000;
/// Queries that are read at one time.
const QUERIES_AT_ONCE: u32 = 200;
/// Seconds for which one process has the work for itself, renewed with each part of it.
const LEASE_SECONDS: i64 = 60;

/// Compares now and then until `stop` turns true.
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        tokio::select! {
            () = look(&node) => {}
            _ = stop.changed() => return,
        }
        tokio::select! {
            () = node.wait(LOOK_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

async fn look(node: &Node) {
    for hosted in node.all_hosted() {
        // There may be more than is compared in one go.
        loop {
            match compare(node, hosted.code).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(authority = %hosted.code, %error, "standing queries can't be compared with the register");
                    break;
                }
            }
        }
    }
}

/// What a register has that the standing queries were not compared with.
struct Part {
    /// Children who were added or changed; none for all of them.
    children: Option<BTreeSet<ChildId>>,
    /// The change up to which all are compared then.
    through: i64,
}

/// Compares the next part of the changes; false when there is none, or another process is at it.
///
/// Implements: STQ-006
pub async fn compare(node: &Node, hosted: AuthorityCode) -> Result<bool, StoreError> {
    let incarnation = node.incarnation();
    let Some(part) = node.store().read(move |tx| next_part(tx, hosted, incarnation)).await? else {
        return Ok(false);
    };
    if !claim(node, hosted).await? {
        return Ok(false);
    }
    let compared = compare_part(node, hosted, &part).await;
    let (name, holder) = (lease_name(hosted), node.holder());
    node.store().write(move |tx| leases::release(tx, &name, holder)).await?;
    compared.map(|()| true)
}

fn next_part(tx: &mut dyn Tx, hosted: AuthorityCode, incarnation: u64) -> Result<Option<Part>, StoreError> {
    let newest = state(tx, hosted)?.last_change;
    let whole = Some(Part { children: None, through: newest });
    let Some((sequence, _)) = queries::followed(tx, hosted)?.filter(|(_, under)| *under == incarnation)
    else {
        return Ok(whole);
    };
    match changes_after(tx, hosted, sequence, CHANGES_AT_ONCE)? {
        Changes::Forgotten => Ok(whole),
        Changes::Told { through, .. } if through == sequence => Ok(None),
        Changes::Told { changes, through } => {
            let there = changes.iter().filter(|change| change.kind != ChangeKind::Removed);
            Ok(Some(Part { children: Some(there.map(|change| change.child).collect()), through }))
        }
    }
}

fn lease_name(hosted: AuthorityCode) -> String {
    format!("standing queries of {hosted}")
}

async fn claim(node: &Node, hosted: AuthorityCode) -> Result<bool, StoreError> {
    let (name, holder, now) = (lease_name(hosted), node.holder(), node.now());
    let until = now.plus_seconds(LEASE_SECONDS);
    node.store().write(move |tx| leases::claim(tx, &name, holder, now, until)).await
}

async fn compare_part(node: &Node, hosted: AuthorityCode, part: &Part) -> Result<(), StoreError> {
    node.register().bring_up_to_date(hosted).await?;
    let mut after: Option<(AuthorityCode, QueryId)> = None;
    loop {
        let now = node.now();
        let read = node.store().read(move |tx| queries::standing(tx, hosted, now, after, QUERIES_AT_ONCE));
        let page = read.await?;
        let Some(last) = page.last() else { break };
        after = Some((last.key.author, last.key.query));
        for held in &page {
            compare_query(node, hosted, held, part).await?;
        }
        if !claim(node, hosted).await? {
            // Another process begins anew where this one did.
            return Ok(());
        }
    }
    let (through, incarnation) = (part.through, node.incarnation());
    node.store().write(move |tx| queries::keep_followed(tx, hosted, through, incarnation)).await
}

/// The children of the part who may be the one are brought to an officer.
async fn compare_query(
    node: &Node,
    hosted: AuthorityCode,
    held: &Held,
    part: &Part,
) -> Result<(), StoreError> {
    let Some(body) = held.typed_body()? else { return Ok(()) };
    let look = match node.register().look(hosted, &child_of(&body.subject)).await {
        Ok(look) => look,
        Err(FindError::NotReady) => return Err(StoreError::Busy),
        Err(FindError::NeverFilled) => return Ok(()),
        Err(FindError::Store(error)) => return Err(error),
    };
    let asked = body.subject.fields();
    let Look { open, shielded, .. } = look;
    let now = node.now();
    let met = |candidate: &FoundCandidate, shielded: bool| Match {
        child: candidate.id(),
        met_at: now,
        shielded,
        fields: fields_of(candidate, &asked),
        state: MatchState::Waiting,
    };
    let open = open.candidates.iter().filter(|candidate| candidate.possible).map(|one| met(one, false));
    let all = open.chain(shielded.iter().map(|one| met(one, true)));
    let wanted = |met: &Match| part.children.as_ref().is_none_or(|children| children.contains(&met.child));
    let all: Vec<Match> = all.filter(|met| wanted(met) && !met.fields.is_empty()).collect();
    if all.is_empty() {
        return Ok(());
    }
    let (key, node_in_job) = (held.key, node.clone());
    node.store().write(move |tx| bring(tx, &node_in_job, &key, &all, now)).await
}

/// Brings new matches to an officer while the query stands, in one transaction. Implements: STQ-007, STQ-009, STQ-010
fn bring(
    tx: &mut dyn Tx,
    node: &Node,
    key: &QueryKey,
    all: &[Match],
    now: Instant,
) -> Result<(), StoreError> {
    let held = queries::find(tx, key)?;
    if held.and_then(|held| held.standing_until).is_none_or(|until| until <= now) {
        return Ok(());
    }
    let archive = node.archive();
    let directory: &Directory =
        archive.newest().map(Signed::content).ok_or(StoreError::Corrupt("no directory issue"))?;
    let (mut open, mut shielded) = (false, false);
    for met in all {
        many(tx, (node, directory), key, met)?;
        if queries::bring_match(tx, key, met)? {
            *(if met.shielded { &mut shielded } else { &mut open }) = true;
        }
    }
    for matter in [open.then_some(Matter::StandingMatch), shielded.then_some(Matter::ShieldedStandingMatch)]
        .into_iter()
        .flatten()
    {
        Alert::of(node, directory, key, &matter, now)?.queue(tx, now)?;
    }
    Ok(())
}
