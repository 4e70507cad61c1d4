//! Queries on their way to whom they ask, and the word that they are withdrawn.

use cme_spec::envelope::{Envelope, Signed};
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::query::Answer;

use super::{Failure, finish, peer, received, under_a_valid_key};
use crate::asking::{self, Kept};
use crate::node::Node;
use crate::peers;
use crate::store::asked::{self, QueryKey};
use crate::store::dispatch::{self, DispatchKey};

/// The query that a row is about; none where its id can't be read.
pub(super) fn name(key: &DispatchKey) -> Option<QueryKey> {
    key.id.parse().ok().map(|query| QueryKey { hosted: key.hosted, query })
}

fn read_name(key: &DispatchKey) -> Result<QueryKey, Failure> {
    name(key).ok_or_else(|| Failure::later("the stored id can't be read"))
}

/// The query is put, and its answers so far are kept: with them the row is gone, in one transaction.
///
/// Implements: QRY-013, QRY-017
pub(super) async fn put(node: &Node, key: &DispatchKey) -> Result<(), Failure> {
    let name = read_name(key)?;
    let held = node.store().read(move |tx| asked::find(tx, &name)).await?;
    let Some(mut query) = held.filter(|held| held.withdrawn_at.is_none()).and_then(|held| held.query) else {
        return finish(node, key, |_| Ok(())).await;
    };
    if let Some(anew) = under_a_valid_key(node, key.hosted, &query)? {
        query = anew.clone();
        node.store().write(move |tx| asked::keep_signature(tx, &name, &anew)).await?;
    }
    let answers = peer(node, key)?.put_query(&query).await?;
    peers::hear(node, key.hosted, key.counterparty, answers.newest().incarnation).await?;
    let answers: Vec<Envelope<Answer>> = answers.all().iter().map(Signed::envelope).cloned().collect();
    let (row, holder, now) = (key.clone(), node.holder(), node.now());
    let kept = node.store().write(move |tx| {
        let kept = asking::keep_answers(tx, &name, &answers, now)?;
        if kept == Kept::All {
            dispatch::finish(tx, &row, holder)?;
        }
        Ok(kept)
    });
    match kept.await? {
        Kept::All => Ok(()),
        Kept::Contradicted => Err(Failure::later("the answers are not those given before")),
    }
}

/// The other authority keeps nothing of the query any more, or never had it. Implements: STQ-012
pub(super) async fn withdraw(node: &Node, key: &DispatchKey) -> Result<(), Failure> {
    let name = read_name(key)?;
    let Some(held) = node.store().read(move |tx| asked::find(tx, &name)).await? else {
        return finish(node, key, |_| Ok(())).await;
    };
    match peer(node, key)?.withdraw_query(name.query, held.digest).await {
        Ok(stored) => {
            received(node, key, stored, move |tx, stored| asked::keep_withdrawal(tx, &name, stored)).await
        }
        Err(error) if error.problem().and_then(Problem::registered) == Some(ProblemType::QueryUnknown) => {
            finish(node, key, |_| Ok(())).await
        }
        Err(error) => Err(error.into()),
    }
}
