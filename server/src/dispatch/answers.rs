//! Later answers to queries, on their way to whoever put the query.

use cme_client::ClientError;
use cme_spec::directory::KeyStanding;
use cme_spec::envelope::{Envelope, Signed};
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::query::Answer;

use super::{Failure, finish, peer, received};
use crate::node::Node;
use crate::store::dispatch::{self, DispatchKey};
use crate::store::queries::{self, QueryKey};

/// Brings an answer; where the peer lacks those before it, all of them go in order from 0. Implements: QRY-018
pub(super) async fn put(node: &Node, key: &DispatchKey) -> Result<(), Failure> {
    let query = key.id.parse().map_err(|_| Failure::later("the stored id can't be read"))?;
    let name = QueryKey { hosted: key.hosted, author: key.counterparty, query };
    let held = node.store().read(move |tx| queries::answers(tx, &name)).await?;
    let answer = usize::try_from(key.number).ok().and_then(|number| held.into_iter().nth(number));
    let Some((answer, _)) = answer else { return finish(node, key, |_| Ok(())).await };
    let answer = under_a_valid_key(node, &name, answer).await?;
    match peer(node, key)?.put_answer(&answer).await {
        Ok(stored) => {
            let number = key.number;
            received(node, key, stored, move |tx, stored| {
                queries::keep_answer_stored(tx, &name, number, stored)
            })
            .await
        }
        Err(error) => {
            if is_gap(&error) && key.number > 0 {
                send_from_the_first(node, key).await?;
            }
            Err(error.into())
        }
    }
}

fn is_gap(error: &ClientError) -> bool {
    error.problem().and_then(Problem::registered) == Some(ProblemType::AnswerGap)
}

/// Every answer before this one is to be sent, and goes first.
async fn send_from_the_first(node: &Node, key: &DispatchKey) -> Result<(), Failure> {
    let (key, now) = (key.clone(), node.now());
    let queued = node.store().write(move |tx| {
        (0..key.number)
            .try_for_each(|number| dispatch::enqueue(tx, &DispatchKey { number, ..key.clone() }, now))
    });
    Ok(queued.await?)
}

/// The answer as it was signed, or, where that key was put away while it waited, the identical one under the key in use,
/// stored before it is sent. Implements: SIG-007
async fn under_a_valid_key(
    node: &Node,
    name: &QueryKey,
    answer: Envelope<Answer>,
) -> Result<Envelope<Answer>, Failure> {
    let (archive, now, name) = (node.archive(), node.now(), *name);
    let directory = archive.newest().map(Signed::content);
    let directory = directory.ok_or_else(|| Failure::later("no directory issue is held"))?;
    let signed_with = directory.key(name.hosted, answer.key());
    if signed_with.is_some_and(|signed_with| signed_with.standing(now) == KeyStanding::Valid) {
        return Ok(answer);
    }
    let hosted = node.speaking_for(directory, name.hosted);
    let hosted = hosted.ok_or_else(|| Failure::later("not hosted here any more"))?;
    if hosted.check_key(directory, now).is_err() {
        return Err(Failure::later("no signing key of this authority is valid now"));
    }
    let anew = Envelope::sign(answer.content().clone(), &hosted.signing);
    let kept = anew.clone();
    node.store().write(move |tx| queries::keep_answer_signature(tx, &name, &kept)).await?;
    Ok(anew)
}
