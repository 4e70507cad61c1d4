//! What an officer sees of what was asked.

use std::collections::BTreeMap;

use cme_spec::codes::{AnswerOutcome, MatchedField, QueryPurpose};
use cme_spec::directory::{Contact, Directory};
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId, TransferId};
use cme_spec::query::{OfficerId, stands_until};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::resolve;
use crate::asking::row;
use crate::node::Node;
use crate::office::OfficeError;
use crate::store::asked::{self, Asking, Held};
use crate::store::dispatch::{self, Dispatch, Task};
use crate::store::{StoreError, Tx, led};

/// Askings that one list shows.
const LISTED_MAX: u32 = 50;

/// How many authorities said what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Know the child.
    pub known: usize,
    /// Have somebody look.
    pub possible: usize,
    /// Name another authority.
    pub referred: usize,
    /// Have no record that may be disclosed.
    pub not_known: usize,
    /// Don't answer this query.
    pub withheld: usize,
    /// Refused it for good: an officer has to look.
    pub refused: usize,
    /// Are still to answer.
    pub to_answer: usize,
    /// Were not heard before the query was withdrawn.
    pub withdrawn: usize,
}

impl Tally {
    /// Of all these authorities.
    pub fn of(authorities: &[AskedView]) -> Self {
        let mut tally = Self::default();
        for asked in authorities {
            let count = match asked.status {
                AuthorityStatus::Known => &mut tally.known,
                AuthorityStatus::Possible => &mut tally.possible,
                AuthorityStatus::Referred => &mut tally.referred,
                AuthorityStatus::NotKnown => &mut tally.not_known,
                AuthorityStatus::Withheld => &mut tally.withheld,
                AuthorityStatus::Refused => &mut tally.refused,
                AuthorityStatus::ToAnswer => &mut tally.to_answer,
                AuthorityStatus::Withdrawn => &mut tally.withdrawn,
            };
            *count += 1;
        }
        tally
    }
}

/// Where one authority stands: what it answered, or why there is no answer. Implements: QRY-015
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityStatus {
    /// It knows the child: ring the team.
    Known,
    /// It names another authority.
    Referred,
    /// A person looks there; another answer follows.
    Possible,
    /// It refused the query for good.
    Refused,
    /// It was not reached yet, or not heard; it is asked again for ever.
    ToAnswer,
    /// It doesn't answer this query.
    Withheld,
    /// It has no record that may be disclosed.
    NotKnown,
    /// The query was withdrawn before an answer came.
    Withdrawn,
}

impl From<AnswerOutcome> for AuthorityStatus {
    fn from(outcome: AnswerOutcome) -> Self {
        match outcome {
            AnswerOutcome::Known => Self::Known,
            AnswerOutcome::Possible => Self::Possible,
            AnswerOutcome::NotKnown => Self::NotKnown,
            AnswerOutcome::Referred => Self::Referred,
            AnswerOutcome::Withheld => Self::Withheld,
        }
    }
}

/// What was asked, in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AskingView {
    /// The broadcast, or the one query.
    pub id: Uuid,
    /// Whether many authorities were asked by the decision of two officers.
    pub broadcast: bool,
    /// Why.
    pub purpose: QueryPurpose,
    /// When it was decided.
    pub created_at: Instant,
    /// Who decided.
    pub officer: OfficerId,
    /// Who else decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_officer: Option<OfficerId>,
    /// Authorities that were asked.
    pub asked: usize,
    /// What they said.
    pub tally: Tally,
    /// Answers that no officer has looked at since they came.
    pub unseen: usize,
    /// At how many authorities it stands now.
    pub standing: usize,
    /// The last instant at which it stands anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing_until: Option<Instant>,
    /// What it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renews: Option<Uuid>,
    /// What follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed_by: Option<Uuid>,
}

/// One authority that was asked.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedView {
    /// The authority.
    pub authority: AuthorityCode,
    /// Its name in the directory.
    pub name: String,
    /// The query to it.
    pub query: QueryId,
    /// Where it stands.
    pub status: AuthorityStatus,
    /// The fields that agreed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matched_on: Vec<MatchedField>,
    /// The authority that it believes to know the child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred_to: Option<AuthorityCode>,
    /// Whom to ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Contact>,
    /// When it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Instant>,
    /// Its answers so far.
    pub answers: usize,
    /// The transfer in which the child was offered to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub led_to: Option<TransferId>,
    /// Until when the query stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_until: Option<Instant>,
    /// When an officer withdrew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Instant>,
    /// When the authority stored the withdrawal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawal_stored_at: Option<Instant>,
    /// Tries so far of what is still to be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// An authority that can't be asked by this protocol.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RingView {
    /// The authority.
    pub authority: AuthorityCode,
    /// Its name in the directory.
    pub name: String,
    /// Whom to ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Contact>,
}

/// What was asked, with every authority.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AskingDetails {
    /// The whole.
    #[serde(flatten)]
    pub view: AskingView,
    /// Those that were asked: who knows the child first, who doesn't last.
    pub authorities: Vec<AskedView>,
    /// Those that somebody has to ring.
    pub to_ring: Vec<RingView>,
    /// The child, while it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Value>,
}

/// What is read of an asking.
struct Read {
    asking: Asking,
    queries: Vec<Held>,
    led_to: BTreeMap<QueryId, TransferId>,
    renewed_by: Option<Uuid>,
}

impl Read {
    fn of(tx: &mut dyn Tx, asking: Asking) -> Result<Self, StoreError> {
        let queries = asked::of_asking(tx, asking.hosted, asking.id)?;
        let led_to = led::of_asking(tx, asking.hosted, asking.id)?;
        let renewed_by = asked::renewed_by(tx, asking.hosted, asking.id)?;
        Ok(Self { asking, queries, led_to, renewed_by })
    }
}

/// The newest that was asked, the newest first: an officer's worklist.
pub async fn list_askings(node: &Node, by: AuthorityCode) -> Result<Vec<AskingView>, OfficeError> {
    let read = node.store().read(move |tx| {
        let newest = asked::newest(tx, by, LISTED_MAX)?;
        let all = newest.into_iter().map(|asking| Read::of(tx, asking)).collect::<Result<Vec<_>, _>>()?;
        Ok((all, dispatch::of_hosted(tx, by)?))
    });
    let (all, letters) = read.await?;
    Ok(all.iter().map(|read| details(node, read, &letters).view).collect())
}

/// What was asked, with every authority; what it shows counts as seen.
pub async fn show_asking(node: &Node, by: AuthorityCode, id: Uuid) -> Result<AskingDetails, OfficeError> {
    let details = asking_details(node, by, id).await?;
    if details.view.unseen > 0 {
        let shown: Vec<_> = details.authorities.iter().map(|asked| (asked.query, asked.answers)).collect();
        let seen = node.store().write(move |tx| {
            shown.iter().try_for_each(|(query, answers)| {
                asked::mark_seen(tx, &asked::QueryKey { hosted: by, query: *query }, *answers)
            })
        });
        seen.await?;
    }
    Ok(details)
}

/// The same for whoever only watches.
pub async fn asking_details(node: &Node, by: AuthorityCode, id: Uuid) -> Result<AskingDetails, OfficeError> {
    let read = node.store().read(move |tx| {
        let Some(asking) = resolve(tx, by, id)? else { return Ok(None) };
        Ok(Some((Read::of(tx, asking)?, dispatch::of_hosted(tx, by)?)))
    });
    let (read, letters) = read.await?.ok_or(OfficeError::UnknownAsking(by, id))?;
    Ok(details(node, &read, &letters))
}

fn details(node: &Node, read: &Read, letters: &[Dispatch]) -> AskingDetails {
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content);
    let now = node.now();
    let view = |held: &Held| AskedView {
        led_to: read.led_to.get(&held.key.query).copied(),
        ..asked_view(held, directory, letters, now)
    };
    let mut authorities: Vec<AskedView> = read.queries.iter().map(view).collect();
    authorities.sort_by_key(|asked| (asked.status, asked.authority));
    let body = read.queries.iter().find_map(|held| held.query.as_ref());
    let asking = &read.asking;
    AskingDetails {
        view: AskingView {
            id: asking.id,
            broadcast: read.queries.iter().any(|held| held.header.broadcast.is_some()),
            purpose: asking.purpose,
            created_at: asking.created_at,
            officer: asking.officer.clone(),
            second_officer: asking.second_officer.clone(),
            asked: authorities.len(),
            tally: Tally::of(&authorities),
            unseen: read.queries.iter().map(|held| held.answers.len().saturating_sub(held.seen)).sum(),
            standing: authorities.iter().filter(|asked| asked.stands_until.is_some()).count(),
            standing_until: authorities.iter().filter_map(|asked| asked.stands_until).max(),
            renews: asking.renews,
            renewed_by: read.renewed_by,
        },
        to_ring: asking.to_ring.iter().map(|code| ring_view(*code, directory)).collect(),
        subject: body.map(|query| query.body().value()["subject"].clone()),
        authorities,
    }
}

fn name(code: AuthorityCode, directory: Option<&Directory>) -> String {
    let record = directory.and_then(|directory| directory.authority(code));
    record.map_or_else(String::new, |record| record.name.clone())
}

fn ring_view(code: AuthorityCode, directory: Option<&Directory>) -> RingView {
    let record = directory.and_then(|directory| directory.answering(code));
    RingView { authority: code, name: name(code, directory), team: record.map(|record| record.team.clone()) }
}

fn asked_view(held: &Held, directory: Option<&Directory>, letters: &[Dispatch], now: Instant) -> AskedView {
    let letter_of = |task| {
        let key = row(held.key.hosted, &held.header, task);
        letters.iter().find(|letter| letter.key == key)
    };
    let put = letter_of(Task::Query);
    let letter = put.or_else(|| letter_of(Task::Withdrawal));
    let newest = held.newest();
    let status = match (newest, held.withdrawn_at) {
        (Some(answer), _) => answer.outcome.into(),
        (None, Some(_)) => AuthorityStatus::Withdrawn,
        (None, None) if put.is_some_and(|put| put.dead) => AuthorityStatus::Refused,
        (None, None) => AuthorityStatus::ToAnswer,
    };
    let until = stands_until(&held.header, &held.said());
    AskedView {
        authority: held.counterparty,
        name: name(held.counterparty, directory),
        query: held.key.query,
        status,
        matched_on: newest.map(|answer| answer.matched_on.clone()).unwrap_or_default(),
        referred_to: newest.and_then(|answer| answer.referred_to),
        team: newest.map(|answer| answer.team.clone()),
        answered_at: newest.map(|answer| answer.answered_at),
        answers: held.answers.len(),
        led_to: None,
        stands_until: until.filter(|until| held.withdrawn_at.is_none() && now < *until),
        withdrawn_at: held.withdrawn_at,
        withdrawal_stored_at: held.withdrawal.as_ref().map(|stored| stored.content().received_at),
        attempts: letter.map(|letter| letter.attempts),
        last_failure: letter.and_then(|letter| letter.last_failure.clone()),
    }
}
