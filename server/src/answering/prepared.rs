//! An answer with everything that follows from it, ready to be committed.

use std::sync::Arc;

use cme_spec::codes::AnswerOutcome;
use cme_spec::directory::{Archive, Directory};
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
    /// The query follows another: what matches waits for a person.
    renewal: bool,
    /// The newest change of the register that was looked at; none if it was not.
    sequence: Option<i64>,
    answer: Envelope<Answer>,
    operator: String,
}

impl Prepared {
    /// The signed answer of a finding. A match that comes to light by a renewal is told by a person or not at all. Two
    /// answers with one outcome differ in nothing that the queries do not.
    ///
    /// Implements: QRY-007, QRY-009, QRY-022, STQ-005
    pub(super) fn of(
        desk: &Desk<'_>,
        hosted: &Hosted,
        asked: Arc<Asked>,
        (finding, sequence): (Finding, Option<i64>),
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
        Ok(Self { node, archive, asked, finding, renewal: waits, sequence, answer, operator })
    }

    /// The job: answers, unless the query was answered meanwhile, or others that came with it use up what may be asked.
    /// Answer, matches, record and word to officers are committed together.
    ///
    /// None, and nothing has changed, when the query is to stand and the register was compared with those that stand up to
    /// a later change than was looked at: nobody would compare it with what came between.
    ///
    /// Implements: QRY-026, QRY-028, QRY-029, STQ-004, STQ-006
    pub(super) fn commit(&self, tx: &mut dyn Tx) -> Result<Option<Reply>, StoreError> {
        let Asked { key, query, now, .. } = self.asked.as_ref();
        if let Some(reply) = put_before(tx, key, query.header_digest())? {
            return Ok(Some(reply));
        }
        if let Some(seconds) = quota::exceeded(tx, &self.node.config().queries, &self.asked)? {
            return Ok(Some(Reply::Later(Problem::new(ProblemType::QuotaExceeded), seconds)));
        }
        if let Some(sequence) = self.sequence.filter(|_| query.header().standing_until.is_some())
            && queries::followed(tx, key.hosted)?.is_some_and(|(followed, _)| followed > sequence)
        {
            return Ok(None);
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
        let open = self.meet(tx, &self.finding.met, false, kept)?;
        let shielded = self.meet(tx, &self.finding.shielded, true, kept)?;
        record_first(tx, &self.asked, &self.operator, answer)?;
        self.tell(tx, open, shielded)?;
        Ok(Some(Reply::Answers(vec![self.answer.clone()], false)))
    }

    /// Keeps matches by the children's numbers; whether one is new.
    fn meet(&self, tx: &mut dyn Tx, all: &[Met], shielded: bool, kept: bool) -> Result<bool, StoreError> {
        let Asked { key, now, .. } = self.asked.as_ref();
        let waits = self.renewal && kept;
        let mut new = false;
        for met in all {
            let fields = if kept { met.fields.clone() } else { Vec::new() };
            let state = if waits { MatchState::Waiting } else { MatchState::Told };
            let met = Match { child: met.child, met_at: *now, shielded, fields, state };
            many(tx, (&self.node, self.directory()?), key, &met)?;
            new |= queries::keep_match(tx, key, &met)?;
        }
        Ok(new)
    }

    /// Implements: QRY-011, QRY-024, STQ-007, STQ-009
    fn tell(&self, tx: &mut dyn Tx, open: bool, shielded: bool) -> Result<(), StoreError> {
        if open && self.renewal {
            self.alert(tx, &Matter::StandingMatch)?;
        } else if self.answer.content().outcome == AnswerOutcome::Possible {
            self.alert(tx, &Matter::PossibleMatch)?;
        }
        if shielded {
            let purpose = self.asked.query.header().purpose;
            self.alert(tx, &Matter::ShieldedMatch { purpose })?;
        }
        Ok(())
    }

    fn alert(&self, tx: &mut dyn Tx, matter: &Matter) -> Result<(), StoreError> {
        let Asked { key, now, .. } = self.asked.as_ref();
        Alert::of(&self.node, self.directory()?, key, matter, *now)?.queue(tx, *now).map(|_| ())
    }

    fn directory(&self) -> Result<&Directory, StoreError> {
        let newest = self.archive.newest().map(Signed::content);
        newest.ok_or(StoreError::Corrupt("no directory issue"))
    }
}

/// Tells an officer when this authority makes it many that ask for one child; before the match is kept.
///
/// Implements: QRY-027
pub(super) fn many(
    tx: &mut dyn Tx,
    (node, directory): (&Node, &Directory),
    key: &QueryKey,
    met: &Match,
) -> Result<(), StoreError> {
    let since = met.met_at.plus_seconds(-COUNTED_SECONDS);
    let mut authors = queries::authors_of(tx, key.hosted, met.child, since)?;
    let new = authors.insert(key.author);
    let authorities = authors.len();
    if !new || authorities < AUTHORITIES_MANY {
        return Ok(());
    }
    let matter = if met.shielded {
        Matter::ShieldedAskedByMany { authorities }
    } else {
        Matter::AskedByMany { authorities }
    };
    Alert::of(node, directory, key, &matter, met.met_at)?.queue(tx, met.met_at).map(|_| ())
}
