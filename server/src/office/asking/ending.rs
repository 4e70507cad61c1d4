//! What is asked no more, and what was refused and is asked again.

use std::collections::BTreeSet;

use cme_spec::codes::AnswerOutcome;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::query::stands_until;
use uuid::Uuid;

use super::view::{AskingDetails, asking_details};
use super::{OfficeError, resolve};
use crate::asking::{self, row};
use crate::node::Node;
use crate::store::asked::{self, Held};
use crate::store::dispatch::{self, Task};
use crate::store::{StoreError, Tx};

/// Asks no more: at every authority of the asking and of what renews it, or at those of them that are named. Gives what
/// was asked last. Implements: STQ-012
pub async fn withdraw_asking(
    node: &Node,
    by: AuthorityCode,
    id: Uuid,
    only: Vec<AuthorityCode>,
) -> Result<AskingDetails, OfficeError> {
    let now = node.now();
    let done = node.store().write(move |tx| {
        let Some(asking) = resolve(tx, by, id)? else { return Ok(Err(OfficeError::UnknownAsking(by, id))) };
        let (mut all, mut last) = (asked::of_asking(tx, by, asking.id)?, asking.id);
        while let Some(newer) = asked::renewed_by(tx, by, last)? {
            all.extend(asked::of_asking(tx, by, newer)?);
            last = newer;
        }
        if let Some(stranger) = only.iter().find(|code| all.iter().all(|held| held.counterparty != **code)) {
            return Ok(Err(OfficeError::NotAsked(*stranger)));
        }
        for held in all.iter().filter(|held| only.is_empty() || only.contains(&held.counterparty)) {
            withdraw_one(tx, held, now)?;
        }
        Ok(Ok(last))
    });
    let id = done.await??;
    asking_details(node, by, id).await
}

/// One query is withdrawn, with those that it renews where the authority may not have the renewal yet.
fn withdraw_one(tx: &mut dyn Tx, held: &Held, now: Instant) -> Result<(), StoreError> {
    let mut next = Some(held.clone());
    while let Some(held) = next {
        if held.withdrawn_at.is_none() {
            let by = held.key.hosted;
            let was_dead = dispatch::is_dead(tx, &row(by, &held.header, Task::Query))?;
            dispatch::call_off(tx, &row(by, &held.header, Task::Query), now)?;
            asking::withdrawn(tx, &held, now)?;
            if !was_dead && may_be_kept_there(&held, now) {
                dispatch::enqueue(tx, &row(by, &held.header, Task::Withdrawal), now)?;
            }
        }
        let before = held.header.renews.filter(|_| held.answers.is_empty());
        next = match before {
            Some(query) => asked::find(tx, &asked::QueryKey { hosted: held.key.hosted, query })?,
            None => None,
        };
    }
    Ok(())
}

/// Whether the authority that was asked may hold the query's body, or look for the child.
fn may_be_kept_there(held: &Held, now: Instant) -> bool {
    let said = held.said();
    match said.last().map(|answer| answer.outcome) {
        Some(AnswerOutcome::Withheld) => false,
        Some(AnswerOutcome::NotKnown) => stands_until(&held.header, &said).is_some_and(|until| now < until),
        Some(AnswerOutcome::Possible | AnswerOutcome::Known | AnswerOutcome::Referred) | None => true,
    }
}

/// What was refused for good about an asking is sent again: whatever stood in its way is mended.
pub async fn retry_asking(node: &Node, by: AuthorityCode, id: Uuid) -> Result<AskingDetails, OfficeError> {
    let now = node.now();
    let retried = node.store().write(move |tx| {
        let Some(asking) = resolve(tx, by, id)? else { return Ok(Err(OfficeError::UnknownAsking(by, id))) };
        let queries = asked::of_asking(tx, by, asking.id)?;
        let ids: BTreeSet<String> = queries.iter().map(|held| held.key.query.to_string()).collect();
        let letters = dispatch::of_hosted(tx, by)?;
        let dead: Vec<_> =
            letters.iter().filter(|letter| letter.dead && ids.contains(&letter.key.id)).collect();
        for letter in &dead {
            dispatch::enqueue(tx, &letter.key, now)?;
        }
        Ok(if dead.is_empty() { Err(OfficeError::NoRefusedQuery(asking.id)) } else { Ok(asking.id) })
    });
    let id = retried.await??;
    asking_details(node, by, id).await
}
