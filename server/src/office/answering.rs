//! Queries that others put: what waits for a person, and what a person says.

mod arriving;
mod view;

use cme_matching::ChildId;
use cme_spec::codes::{AnswerOutcome, MatchedField};
use cme_spec::directory::Directory;
use cme_spec::envelope::{Envelope, Signed};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId};
use cme_spec::query::{Answer, Asked, OfficerId, check_answer};

pub use self::arriving::{arrival_draft, offer_arrived};
pub use self::view::{
    AnswerView, ChildView, QueriesView, QueryDetails, QueryView, RestrictedView, list_queries, restricted,
    show_query,
};
use super::OfficeError;
use crate::answering::{Decided, record_later};
use crate::node::Node;
use crate::store::dispatch::{self, DispatchKey, Task};
use crate::store::queries::{self, Held, Match, MatchState, QueryKey};
use crate::store::register::bearers;
use crate::store::{StoreError, Tx};

/// Which query, and who works on it.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The authority that was asked.
    pub by: AuthorityCode,
    /// The query.
    pub query: QueryId,
    /// The authority that asks; needed where two have used one id.
    pub from: Option<AuthorityCode>,
    /// The officer's pseudonym.
    pub officer: OfficerId,
    /// The officer acts in the role for restricted children.
    pub restricted: bool,
}

/// What an officer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// The child is known: that one of the matches, if there are several.
    Known(Option<ChildId>),
    /// The child is not known.
    NotKnown,
    /// Another authority is believed to know the child.
    Referred(AuthorityCode),
}

impl Say {
    const fn outcome(self) -> AnswerOutcome {
        match self {
            Self::Known(_) => AnswerOutcome::Known,
            Self::NotKnown => AnswerOutcome::NotKnown,
            Self::Referred(_) => AnswerOutcome::Referred,
        }
    }
}

/// Holds when that officer may act in the role for restricted children. Implements: STQ-009
pub(super) fn check_role(node: &Node, officer: &OfficerId) -> Result<(), OfficeError> {
    let role = node.config().queries.restricted_officer.as_ref();
    let role = role.filter(|role| !role.ids.is_empty()).ok_or(OfficeError::NoRestrictedOfficer)?;
    if role.ids.contains(officer) {
        Ok(())
    } else {
        Err(OfficeError::NotRestrictedOfficer(role.name.clone()))
    }
}

/// The query, of the authority that asks if it is named.
fn named(tx: &mut dyn Tx, asker: &Asker) -> Result<Result<Held, OfficeError>, StoreError> {
    let mut held = queries::of_id(tx, asker.by, asker.query)?;
    held.retain(|held| asker.from.is_none_or(|from| from == held.key.author));
    Ok(match (held.pop(), held.is_empty()) {
        (Some(held), true) => Ok(held),
        (Some(_), false) => Err(OfficeError::WhichAsker(asker.query)),
        (None, _) => Err(OfficeError::UnknownQuery(asker.by, asker.query)),
    })
}

/// An officer says more: the answer, its record and the order to bring it are committed together. To a query that stands
/// in silence only what releases a match is said.
///
/// Implements: QRY-008, QRY-011, QRY-018, QRY-021, STQ-008
pub async fn say(node: &Node, asker: Asker, say: Say) -> Result<QueryView, OfficeError> {
    if asker.restricted {
        check_role(node, &asker.officer)?;
    }
    let (now, reader) = (node.now(), asker.clone());
    let before = node.store().read(move |tx| named(tx, &reader)).await??.answers.len();
    let (job_node, job_asker) = (node.clone(), asker.clone());
    let said = node.store().write(move |tx| {
        let held = match named(tx, &job_asker)? {
            Ok(held) => held,
            Err(error) => return Ok(Err(error)),
        };
        let saying = Saying { node: &job_node, asker: &job_asker, held, now };
        saying.run(tx, say, before)
    });
    said.await??;
    Ok(show_query(node, asker).await?.view)
}

/// A decision in its transaction.
struct Saying<'a> {
    node: &'a Node,
    asker: &'a Asker,
    held: Held,
    now: Instant,
}

impl Saying<'_> {
    fn run(&self, tx: &mut dyn Tx, say: Say, before: usize) -> Result<Result<(), OfficeError>, StoreError> {
        let held = &self.held;
        let last = held.answers.last().map(Envelope::content);
        // In an earlier run of this job, whose commit took effect and was told as failed.
        let done =
            last.is_some_and(|last| last.outcome == say.outcome() && last.answered_at == self.said_at());
        match held.answers.len() {
            count if count == before => {}
            count if count == before + 1 && done => return Ok(Ok(())),
            _ => return Ok(Err(OfficeError::AnsweredMeanwhile(self.asker.query))),
        }
        if let Err(error) = self.may_say(say) {
            return Ok(Err(error));
        }
        let child = match self.released(tx, say)? {
            Ok(child) => child,
            Err(error) => return Ok(Err(error)),
        };
        let archive = self.node.archive();
        let Some(directory) = archive.newest().map(Signed::content) else {
            return Ok(Err(OfficeError::NoDirectory));
        };
        let answer = match self.answer(directory, say, child.as_ref())? {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let new = answer.content();
        if last.is_some_and(|last| {
            let said = |answer: &Answer| {
                (answer.outcome, answer.matched_on.clone(), answer.referred_to, answer.team.clone())
            };
            said(last) == said(new)
        }) {
            return Ok(Err(OfficeError::SaidAlready(self.asker.query)));
        }
        queries::keep_answer(tx, &held.key, &held.header, &held.said(), &answer)?;
        let decided = Decided::new(directory, held, self.asker.officer.clone(), self.now);
        record_later(tx, held, &decided, answer.content())?;
        if let Some(met) = child {
            queries::settle(tx, &held.key, met.child, MatchState::Released)?;
        }
        if !queries::may_keep(&held.header, &[held.said(), vec![answer.content().clone()]].concat()) {
            queries::end_matches(tx, &held.key)?;
        }
        let number = i64::try_from(answer.content().number).unwrap_or(i64::MAX);
        dispatch::enqueue(tx, &dispatch_key(&held.key, number), self.now)?;
        Ok(Ok(()))
    }

    /// Whether anything is still said to the query, whoever may match it.
    fn may_say(&self, say: Say) -> Result<(), OfficeError> {
        let (held, query) = (&self.held, self.asker.query);
        if held.withdrawal.is_some() {
            return Err(OfficeError::QueryWithdrawn(query));
        }
        let silent =
            held.answers.last().is_some_and(|last| last.content().outcome == AnswerOutcome::NotKnown);
        let stood = held.header.standing_until.is_some_and(|until| until <= self.now);
        if silent && stood {
            return Err(OfficeError::StandsNoLonger(query));
        }
        match say {
            Say::Referred(to) if [held.key.author, held.key.hosted].contains(&to) => {
                Err(OfficeError::ReferredToParty)
            }
            _ => Ok(()),
        }
    }

    /// The match that is told, where one is: among those that others may learn of.
    fn released(&self, tx: &mut dyn Tx, say: Say) -> Result<Result<Option<Match>, OfficeError>, StoreError> {
        let (key, query) = (&self.held.key, self.asker.query);
        let stands =
            self.held.answers.last().map(|last| last.content().outcome) == Some(AnswerOutcome::NotKnown);
        let wanted = match say {
            Say::Known(wanted) => wanted,
            Say::Referred(_) | Say::NotKnown if !stands => return Ok(Ok(None)),
            Say::Referred(_) | Say::NotKnown => None,
        };
        let all = queries::matches(tx, key)?;
        let mut shielded = false;
        let mut open = Vec::new();
        for met in all {
            let bearer = bearers(tx, key.hosted, &[met.child])?.pop();
            // Whoever was shielded when the query came was told from the others then.
            shielded |= !met.shielded && bearer.as_ref().is_some_and(|bearer| bearer.shielded);
            let usable = !met.fields.is_empty() && (!stands || met.state == MatchState::Waiting);
            let fits = usable && wanted.is_none_or(|wanted| wanted == met.child);
            open.extend(bearer.filter(|bearer| fits && !bearer.shielded && !met.shielded).map(|_| met));
        }
        if shielded && !self.asker.restricted && matches!(say, Say::Known(_)) {
            // Said without a word of the reason: the match is another officer's to judge.
            return Ok(Err(OfficeError::NoMatch(query)));
        }
        if open.len() > 1 && matches!(say, Say::Known(_)) {
            return Ok(Err(OfficeError::WhichChild(query)));
        }
        Ok(open.into_iter().next().map(Some).ok_or(OfficeError::NoMatch(query)))
    }

    fn said_at(&self) -> Instant {
        let last = self.held.answers.last().map(|last| last.content().answered_at);
        let now = self.now.whole_second();
        last.map_or(now, |last| last.max(now))
    }

    fn answer(
        &self,
        directory: &Directory,
        say: Say,
        child: Option<&Match>,
    ) -> Result<Result<Envelope<Answer>, OfficeError>, StoreError> {
        let (held, key) = (&self.held, &self.held.key);
        let Some(hosted) = self.node.speaking_for(directory, key.hosted) else {
            return Ok(Err(OfficeError::NotHosted(key.hosted)));
        };
        let Some(record) = directory.authority(key.hosted) else {
            return Ok(Err(OfficeError::UnknownAuthority(key.hosted)));
        };
        let referred_to = if let Say::Referred(to) = say { Some(to) } else { None };
        if let Some(to) = referred_to.filter(|to| directory.authority(*to).is_none()) {
            return Ok(Err(OfficeError::UnknownAuthority(to)));
        }
        let matched_on: Vec<MatchedField> = match (say, child) {
            (Say::Known(_), Some(met)) => met.fields.clone(),
            _ => Vec::new(),
        };
        let answer = Answer {
            query: key.query,
            query_digest: held.digest,
            number: held.answers.len() as u64,
            outcome: say.outcome(),
            matched_on,
            referred_to,
            team: record.team.clone(),
            answered_at: self.said_at(),
            by: key.hosted,
            incarnation: self.node.incarnation(),
            directory_issue: directory.issue,
        };
        let fields = held.typed_body()?.map(|body| body.subject.fields()).unwrap_or_default();
        let asked = Asked { header: &held.header, digest: held.digest, fields: &fields };
        let allowed = check_answer(&answer, &asked, &held.said());
        Ok(match allowed {
            Ok(()) => Ok(Envelope::sign(answer, &hosted.signing)),
            Err(fault) => Err(OfficeError::AnswerNotAllowed(fault)),
        })
    }
}

/// A match that waits is not told. Nothing is sent: the asking authority sees what it saw. Implements: STQ-008, STQ-010
pub async fn keep_silent(
    node: &Node,
    asker: Asker,
    child: Option<ChildId>,
) -> Result<QueryView, OfficeError> {
    if asker.restricted {
        check_role(node, &asker.officer)?;
    }
    let job_asker = asker.clone();
    let settled = node.store().write(move |tx| {
        let held = match named(tx, &job_asker)? {
            Ok(held) => held,
            Err(error) => return Ok(Err(error)),
        };
        let mut waiting = Vec::new();
        for met in queries::matches(tx, &held.key)? {
            let waits = met.state == MatchState::Waiting && child.is_none_or(|child| child == met.child);
            let hidden = is_hidden(tx, held.key.hosted, &met)?;
            if waits && hidden == job_asker.restricted {
                waiting.push(met.child);
            }
        }
        for child in &waiting {
            queries::settle(tx, &held.key, *child, MatchState::Silent)?;
        }
        let none = || OfficeError::NoMatch(job_asker.query);
        Ok(if waiting.is_empty() { Err(none()) } else { Ok(()) })
    });
    settled.await??;
    Ok(show_query(node, asker).await?.view)
}

/// Whether a match is for an officer for restricted children alone: the child was shielded when they met, or is now.
fn is_hidden(tx: &mut dyn Tx, hosted: AuthorityCode, met: &Match) -> Result<bool, StoreError> {
    let bearer = bearers(tx, hosted, &[met.child])?.pop();
    Ok(met.shielded || bearer.is_some_and(|bearer| bearer.shielded))
}

/// What was refused for good about a query's answers is sent again: whatever stood in its way is mended.
pub async fn retry_answers(node: &Node, asker: Asker) -> Result<QueryView, OfficeError> {
    let (now, job_asker) = (node.now(), asker.clone());
    let retried = node.store().write(move |tx| {
        let id = job_asker.query.to_string();
        let letters = dispatch::of_hosted(tx, job_asker.by)?;
        let of_query = |letter: &&dispatch::Dispatch| {
            letter.dead && letter.key.task == Task::Answer && letter.key.id == id
        };
        let dead: Vec<_> = letters.iter().filter(of_query).collect();
        dead.iter().try_for_each(|letter| dispatch::enqueue(tx, &letter.key, now))?;
        Ok(!dead.is_empty())
    });
    if !retried.await? {
        return Err(OfficeError::NoRefusedAnswer(asker.query));
    }
    Ok(show_query(node, asker).await?.view)
}

fn dispatch_key(key: &QueryKey, number: i64) -> DispatchKey {
    DispatchKey {
        hosted: key.hosted,
        counterparty: key.author,
        task: Task::Answer,
        id: key.query.to_string(),
        number,
    }
}
