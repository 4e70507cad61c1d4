//! Standing queries that are followed by new ones, as an officer goes on looking.

use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::query::stands_until;
use uuid::Uuid;

use super::view::{AskingDetails, asking_details};
use super::{
    Deciders, Draft, OfficeError, Queries, STANDING_PROFILE, after_days, asking_of, commit, has_profile,
    resolve,
};
use crate::asking::row;
use crate::node::Node;
use crate::store::asked::{self, Held};
use crate::store::dispatch::{self, Task};

/// An officer goes on looking: the standing queries of an asking are renewed.
#[derive(Clone, Debug)]
pub struct RenewDecision {
    /// The authority that asks.
    pub by: AuthorityCode,
    /// What is renewed.
    pub asking: Uuid,
    /// Who decides.
    pub deciders: Deciders,
    /// For how many days the new queries stand.
    pub standing_days: u32,
}

/// Goes on asking where the queries of an asking stand, or are still to be answered: each is followed by a new one
/// to the same authority. Implements: STQ-003
pub async fn renew_asking(node: &Node, decision: RenewDecision) -> Result<AskingDetails, OfficeError> {
    let (by, id, now) = (decision.by, decision.asking, node.now());
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content).ok_or(OfficeError::NoDirectory)?;
    let hosted = node.hosted(by).ok_or(OfficeError::NotHosted(by))?;
    let read = node.store().read(move |tx| {
        let Some(asking) = resolve(tx, by, id)? else { return Ok(None) };
        let letters = dispatch::of_hosted(tx, by)?;
        Ok(Some((
            asked::of_asking(tx, by, asking.id)?,
            asked::renewed_by(tx, by, asking.id)?,
            letters,
            asking,
        )))
    });
    let (all, renewed, letters, before) = read.await?.ok_or(OfficeError::UnknownAsking(by, id))?;
    if let Some(renewed) = renewed {
        return Err(OfficeError::RenewedAlready(before.id, renewed));
    }
    let is_dead = |held: &Held| {
        let key = row(by, &held.header, Task::Query);
        letters.iter().any(|letter| letter.dead && letter.key == key)
    };
    let open: Vec<&Held> = all.iter().filter(|held| is_open(held, now) && !is_dead(held)).collect();
    let body = open.iter().find_map(|held| held.query.as_ref()).map(|query| query.body().value().clone());
    let first = open.first().ok_or(OfficeError::NothingStands(before.id))?;
    let subject = body.ok_or(OfficeError::NothingStands(before.id))?["subject"].take();
    let broadcast = first.header.broadcast.map(|_| node.random().broadcast_id(now));
    if broadcast.is_some() != decision.deciders.second.is_some() {
        return Err(OfficeError::TwoOfficers);
    }
    let draft = Draft {
        node,
        hosted,
        now,
        purpose: first.header.purpose,
        legal_basis: first.header.legal_basis.clone(),
        broadcast,
        standing_until: Some(after_days(now, decision.standing_days)),
        deciders: &decision.deciders,
        subject: &subject,
    };
    let queries = open
        .iter()
        .filter(|held| has_profile(directory, held.counterparty, STANDING_PROFILE))
        .map(|held| draft.query(directory, held.counterparty, Some(held.key.query)))
        .collect::<Result<Queries, _>>()?;
    let asking = asking_of(&draft, &queries, before.to_ring, Some(before.id))
        .map_err(|_| OfficeError::NothingStands(before.id))?;
    let renewed = asking.id;
    commit(node, asking, queries).await?;
    asking_details(node, by, renewed).await
}

/// Whether a query stands, or was not answered yet and is to stand.
fn is_open(held: &Held, now: Instant) -> bool {
    let stands = match held.newest() {
        None => held.header.standing_until,
        Some(_) => stands_until(&held.header, &held.said()),
    };
    held.withdrawn_at.is_none() && stands.is_some_and(|until| now < until)
}
