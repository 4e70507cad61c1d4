//! An answer with everything that follows from it, ready to be committed.

use std::sync::Arc;

use cme_spec::codes::AnswerOutcome;
use cme_spec::directory::Archive;
use cme_spec::envelope::{Envelope, Signed};
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::query::Answer;

use super::matched::{Finding, Met};
use super::record::record_first;
use super::{Asked, Reply, put_before, quota};
use crate::escalation::{Alert, Matter};
use crate::node::{Hosted, Node};
use crate::notices::Desk;
use crate::store::queries::{self, Match, MatchState, QueryKey};
use crate::store::{StoreError, Tx};

/// The time in which authorities that ask about one child are counted: 30 days.
const COUNTED_SECONDS: i64 = 30 * 86_400;
/// Authorities that ask about one child, from which on an officer is told.
const AUTHORITIES_MANY: usize = 3;

/// An answer that is signed, and not yet given.
pub(super) struct Prepared {
    node: Node,
    archive: Arc<Archive>,
    asked: Arc<Asked>,
    finding: Finding,
    /// The query follows a standing one: what matches waits for a person.
    renewal: bool,
    answer: Envelope<Answer>,
    operator: String,
}

impl Prepared {
    /// The signed answer of a finding. A match that comes to light by a renewal is told by a person or not at all.
    ///
    /// Implements: QRY-007, QRY-009, STQ-005
    pub(super) fn of(
        desk: &Desk<'_>,
        hosted: &Hosted,
        asked: Arc<Asked>,
        finding: Finding,
        renewal: bool,
    ) -> Result<Self, Problem> {
        let unavailable = || Problem::new(ProblemType::Unavailable);
        let waits = renewal && finding.outcome != AnswerOutcome::Withheld;
        let (outcome, matched_on) = if waits {
            (AnswerOutcome::NotKnown, Vec::new())
        } else {
            (finding.outcome, finding.matched_on.clone())
        };
        let record = desk.directory.authority(asked.key.hosted).ok_or_else(unavailable)?;
        let operator = desk.directory.authority(asked.key.author).ok_or_else(unavailable)?.operator.clone();
        let answer = Answer {
            query: asked.key.query,
            query_digest: asked.query.header_digest(),
            number: 0,
            outcome,
            matched_on,
            referred_to: None,
            team: record.team.clone(),
            answered_at: asked.now.whole_second(),
            by: asked.key.hosted,
            incarnation: desk.node.incarnation(),
            directory_issue: desk.directory.issue,
        };
        let answer = Envelope::sign(answer, &hosted.signing);
        let (node, archive) = (desk.node.clone(), desk.node.archive());
        Ok(Self { node, archive, asked, finding, renewal: waits, answer, operator })
    }

    /// The job: answers, unless the query was answered meanwhile, or others that came with it use up what may be asked.
    /// Answer, matches, record and word to officers are committed together.
    ///
    /// Implements: QRY-026, QRY-028, QRY-029, STQ-004
    pub(super) fn commit(&self, tx: &mut dyn Tx) -> Result<Reply, StoreError> {
        let Asked { key, query, now, .. } = self.asked.as_ref();
        if let Some(reply) = put_before(tx, key, query.header_digest())? {
            return Ok(reply);
        }
        if let Some(seconds) = quota::exceeded(tx, &self.node.config().queries, &self.asked)? {
            return Ok(Reply::Later(Problem::new(ProblemType::QuotaExceeded), seconds));
        }
        let answer = self.answer.content();
        let kept = queries::may_keep(query.header(), std::slice::from_ref(answer));
        let body = kept.then(|| query.body());
        queries::keep(tx, key, query, body, (*now, answer.directory_issue))?;
        queries::keep_answer(tx, key, query.header(), &[], &self.answer)?;
        if let Some(earlier) = query.header().renews {
            let earlier = QueryKey { query: earlier, ..*key };
            if kept {
                queries::move_matches(tx, &earlier, key.query)?;
            }
            queries::end_standing(tx, &earlier, key.query)?;
        }
        for met in &self.finding.met {
            self.keep(tx, met, false, kept)?;
        }
        for met in &self.finding.shielded {
            self.keep(tx, met, true, kept)?;
        }
        record_first(tx, &self.asked, &self.operator, answer)?;
        self.tell(tx)?;
        Ok(Reply::Answers(vec![self.answer.clone()], false))
    }

    /// Keeps a match by the child's number, and tells an officer when this authority makes it many that ask for the
    /// child. Implements: QRY-027
    fn keep(&self, tx: &mut dyn Tx, met: &Met, shielded: bool, kept: bool) -> Result<(), StoreError> {
        let Asked { key, now, .. } = self.asked.as_ref();
        let mut authors = queries::authors_of(tx, key.hosted, met.child, now.plus_seconds(-COUNTED_SECONDS))?;
        let fields = if kept { met.fields.clone() } else { Vec::new() };
        let state = if self.renewal { MatchState::Waiting } else { MatchState::Told };
        queries::keep_match(tx, key, &Match { child: met.child, met_at: *now, shielded, fields, state })?;
        if authors.insert(key.author) && authors.len() >= AUTHORITIES_MANY {
            let authorities = authors.len();
            let matter = if shielded {
                Matter::ShieldedAskedByMany { authorities }
            } else {
                Matter::AskedByMany { authorities }
            };
            self.alert(tx, &matter)?;
        }
        Ok(())
    }

    /// Implements: QRY-011, QRY-024, STQ-007, STQ-009
    fn tell(&self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        if !self.finding.met.is_empty() && self.renewal {
            self.alert(tx, &Matter::StandingMatch)?;
        } else if self.answer.content().outcome == AnswerOutcome::Possible {
            self.alert(tx, &Matter::PossibleMatch)?;
        }
        if !self.finding.shielded.is_empty() {
            let purpose = self.asked.query.header().purpose;
            self.alert(tx, &Matter::ShieldedMatch { purpose })?;
        }
        Ok(())
    }

    fn alert(&self, tx: &mut dyn Tx, matter: &Matter) -> Result<(), StoreError> {
        let Asked { key, now, .. } = self.asked.as_ref();
        let directory = self.archive.newest().map(Signed::content);
        let directory = directory.ok_or(StoreError::Corrupt("no directory issue"))?;
        Alert::of(&self.node, directory, key, matter, *now)?.queue(tx, *now).map(|_| ())
    }
}
