//! What becomes of the queries that hosted authorities put: answers that come with the query or are brought later,
//! judged by one set of rules, and bodies that go when their time has come.
//!
//! Queries are sent by the worker of the server, `dispatch`, and by it alone: an officer's command commits what is
//! to be asked with the order to ask it, and then watches the database. So a command that is cut off loses
//! nothing, as nothing of the work is its own; bounds on requests and the back-off from a peer that stays away hold
//! for everything that a deployment sends, not for each command; a command needs no way to the network; and an
//! answer is stored in one place. The price is a pause of one look at the table before the first query leaves.
//! Not chosen: that the command sends under a lease, which would send without a server, but leave who stays away
//! to the server all the same.

use std::time::Duration;

use cme_spec::directory::Directory;
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::query::{
    Answer, Asked, BODY_KEPT_SECONDS, Keeping, QueryHeader, UNBROADCAST_SECONDS, check_answer, keeping,
};
use cme_spec::receipt::StoredKind;
use tokio::sync::watch;

use crate::node::Node;
use crate::notices::{Desk, Matter, Told};
use crate::store::asked::{self, Held, QueryKey};
use crate::store::dispatch::{self, DispatchKey, Task};
use crate::store::{StoreError, Tx, deployment};

/// How often bodies whose time is over are looked for.
const ERASE_EVERY: Duration = Duration::from_mins(1);
/// Bodies that are erased in one transaction.
const ERASED_AT_ONCE: u32 = 200;

/// What became of answers that came with their query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of them are held now.
    All,
    /// They are not those that are held: nothing of them is kept.
    Contradicted,
}

/// Keeps answers that came in answer to the query, proven and in order from 0; those that are held already are the
/// same ones. Implements: QRY-013
pub fn keep_answers(
    tx: &mut dyn Tx,
    key: &QueryKey,
    answers: &[Envelope<Answer>],
    now: Instant,
) -> Result<Kept, StoreError> {
    let Some(held) = asked::find(tx, key)? else { return Ok(Kept::All) };
    let known = held.answers.iter().map(|received| received.answer.digest());
    if !known.zip(answers).all(|(known, answer)| known == answer.digest()) {
        return Ok(Kept::Contradicted);
    }
    let new = answers.get(held.answers.len()..).unwrap_or_default();
    for answer in new {
        asked::keep_answer(tx, key, answer, now, None)?;
    }
    if !new.is_empty() {
        let said: Vec<Answer> = answers.iter().map(|answer| answer.content().clone()).collect();
        settle_erasure(tx, &held, &said)?;
    }
    Ok(Kept::All)
}

/// Until when the own copy of a body is kept after these answers: as long as the authority that was asked may keep
/// its copy, and for as long as queries about one child are counted together.
fn kept_until(header: &QueryHeader, answers: &[Answer]) -> Option<Instant> {
    match keeping(header, answers) {
        Keeping::UntilAnswered => None,
        Keeping::Until(until) => Some(until.max(counted_until(header))),
    }
}

fn counted_until(header: &QueryHeader) -> Instant {
    header.created_at.plus_seconds(UNBROADCAST_SECONDS)
}

fn settle_erasure(tx: &mut dyn Tx, held: &Held, answers: &[Answer]) -> Result<(), StoreError> {
    // The end of a withdrawn one stands already.
    if held.withdrawn_at.is_some() {
        return Ok(());
    }
    asked::set_erasure(tx, &held.key, kept_until(&held.header, answers))
}

/// An officer withdrew the query: its body goes as soon as it is not counted any more.
pub fn withdrawn(tx: &mut dyn Tx, held: &Held, now: Instant) -> Result<(), StoreError> {
    asked::withdraw(tx, &held.key, now)?;
    asked::set_erasure(tx, &held.key, Some(now.max(counted_until(&held.header))))
}

/// The query was refused for good: its body is kept for an officer who mends what stood in the way.
pub fn refused(tx: &mut dyn Tx, key: &QueryKey) -> Result<(), StoreError> {
    let Some(held) = asked::find(tx, key)? else { return Ok(()) };
    asked::set_erasure(tx, key, Some(held.header.created_at.plus_seconds(BODY_KEPT_SECONDS)))
}

/// An answer is brought to who asked. The checks stand in the order of the text; the receipt is given for what is
/// on disk. Implements: QRY-012, QRY-019, RCP-010
pub async fn answered(desk: &Desk<'_>, said: Envelope<Answer>) -> Result<Told, StoreError> {
    let (content, now) = (said.content().clone(), desk.node.now());
    if desk.hosted == desk.caller || !desk.directory.acts_for(desk.caller, content.by) {
        return Ok(ProblemType::NotAParty.into());
    }
    let parties = parties(desk.directory, desk.hosted);
    let asked = desk.node.store().read(move |tx| put_to(tx, &parties, &content));
    let Some(key) = asked.await? else { return Ok(ProblemType::QueryUnknown.into()) };
    let content = said.content();
    if let Err(error) = desk.directory.check_document(said.clone(), content.by, now) {
        return Ok(error.problem().into());
    }
    let digest = said.digest();
    let matter = Matter { kind: StoredKind::Answer, id: content.query.to_string(), digest, at: now };
    let receipt = match desk.receipt(key.hosted, &matter) {
        Ok(receipt) => receipt,
        Err(problem) => return Ok(Told::Refused(problem)),
    };
    let stored = desk.node.store().write(move |tx| {
        let Some(held) = asked::find(tx, &key)? else { return Ok(ProblemType::QueryUnknown.into()) };
        let number = said.content().number;
        let before = usize::try_from(number).ok().and_then(|number| held.answers.get(number));
        if let Some(before) = before {
            if before.answer.digest() != digest {
                return Ok(ProblemType::IdReused.into());
            }
            if let Some(given) = &before.stored {
                return Ok(Told::Repeated(given.clone()));
            }
            asked::keep_stored(tx, &key, number, &receipt)?;
            return Ok(Told::Repeated(receipt.clone()));
        }
        if let Err(problem) = may_follow(&held, said.content()) {
            return Ok(Told::Refused(problem));
        }
        asked::keep_answer(tx, &key, &said, now, Some(&receipt))?;
        let mut answers = held.said();
        answers.push(said.content().clone());
        settle_erasure(tx, &held, &answers)?;
        Ok(Told::Stored(receipt.clone()))
    });
    stored.await
}

/// Holds when the answer is one to the query and may follow those that are held. It is judged without the body,
/// which may be erased.
fn may_follow(held: &Held, answer: &Answer) -> Result<(), Problem> {
    let asked = Asked { header: &held.header, digest: held.digest, fields: &held.fields };
    check_answer(answer, &asked, &held.said()).map_err(cme_spec::query::AnswerFault::problem)
}

/// The authorities for which the one that was called acts.
fn parties(directory: &Directory, hosted: AuthorityCode) -> Vec<AuthorityCode> {
    let codes = directory.authorities.iter().map(|authority| authority.code);
    codes.filter(|party| directory.acts_for(hosted, *party)).collect()
}

/// The query of one of these authorities that was put to whoever answers.
fn put_to(tx: &mut dyn Tx, parties: &[AuthorityCode], said: &Answer) -> Result<Option<QueryKey>, StoreError> {
    for hosted in parties {
        let key = QueryKey { hosted: *hosted, query: said.query };
        if asked::find(tx, &key)?.is_some_and(|held| held.counterparty == said.by) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The row by which a query, or its withdrawal, is sent.
pub fn row(hosted: AuthorityCode, header: &QueryHeader, task: Task) -> DispatchKey {
    let id = header.query.to_string();
    DispatchKey { hosted, counterparty: header.recipient, task, id, number: 0 }
}

/// Puts open queries again after a restore, and erases bodies whose time is over, until `stop` turns true.
pub async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        warn(ask_again(&node).await, "open queries could not be put again yet");
        warn(erase_due(&node).await, "bodies of queries could not be erased yet");
        tokio::select! {
            () = node.wait(ERASE_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

fn warn(done: Result<u64, StoreError>, what: &str) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}");
    }
}

/// Every query that is open is put again, once after each restore: the answers that the backup lacks come back with
/// it, as the same query gives all of them. Gives the number.
pub async fn ask_again(node: &Node) -> Result<u64, StoreError> {
    let incarnation = node.incarnation();
    if node.store().read(|tx| deployment::asked_again(tx)).await? == Some(incarnation) {
        return Ok(0);
    }
    let (now, hosted): (_, Vec<AuthorityCode>) =
        (node.now(), node.all_hosted().map(|hosted| hosted.code).collect());
    let again = node.store().write(move |tx| {
        if deployment::asked_again(tx)? == Some(incarnation) {
            return Ok(0);
        }
        let mut again = 0;
        for code in &hosted {
            for held in asked::open(tx, *code)? {
                let row = row(*code, &held.header, Task::Query);
                if !dispatch::is_dead(tx, &row)? {
                    dispatch::enqueue(tx, &row, now)?;
                    again += 1;
                }
            }
        }
        deployment::keep_asked_again(tx, incarnation)?;
        Ok(again)
    });
    again.await
}

/// No body is kept whose time is over; gives the number that went.
pub async fn erase_due(node: &Node) -> Result<u64, StoreError> {
    let (now, mut erased) = (node.now(), 0);
    loop {
        let count = node.store().write(move |tx| asked::erase(tx, now, ERASED_AT_ONCE)).await?;
        erased += count;
        if count < u64::from(ERASED_AT_ONCE) {
            return Ok(erased);
        }
    }
}

#[cfg(test)]
mod tests {
    use cme_spec::codes::AnswerOutcome;
    use cme_spec::example::{self, instant};

    use super::*;

    #[test]
    fn the_own_copy_of_a_body_is_kept_while_it_is_counted_and_while_the_other_one_may_be() {
        let (plain, standing) = (example::query(), example::broadcast_query());
        let at = instant("2026-11-24T09:00:01Z");
        let kept = |query: &cme_spec::query::Query, outcomes: &[AnswerOutcome]| {
            let answers: Vec<Answer> = (0..)
                .zip(outcomes)
                .map(|(number, outcome)| example::query_answer(query, number, *outcome, at))
                .collect();
            kept_until(query.header(), &answers)
        };
        let counted = Some(plain.header().created_at.plus_seconds(UNBROADCAST_SECONDS));
        assert_eq!(kept(&plain, &[]), None, "it is sent again until it is answered");
        assert_eq!(kept(&plain, &[AnswerOutcome::Possible]), None);
        assert_eq!(kept(&plain, &[AnswerOutcome::NotKnown]), counted);
        assert_eq!(kept(&plain, &[AnswerOutcome::Withheld]), counted);
        assert_eq!(kept(&plain, &[AnswerOutcome::Known]), Some(at.plus_seconds(BODY_KEPT_SECONDS)));
        assert_eq!(kept(&standing, &[AnswerOutcome::NotKnown]), standing.header().standing_until);
    }
}
