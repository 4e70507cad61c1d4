//! A school's deletion return: each leaver's home authority is told, or offered the child, with one command.
//!
//! The file doesn't say where a child lives. An officer says it, for the whole file or for each UPN; what nobody
//! says is told to nobody. A child whose whereabouts must not be found out is left to the officer, as a wrong
//! authority for one row would tell of the child.

mod child;

use std::collections::BTreeMap;
use std::io::Read;

use cme_spec::body::Offer;
use cme_spec::canonical::Json;
use cme_spec::codes::{Capacity, ClockClass, CmeReason, LegalBasis, NoticeKind};
use cme_spec::entry::{Body, Entry, EntryType};
use cme_spec::ids::{AuthorityCode, Upn};
use cme_spec::instant::{NoticeId, TransferId};
use cme_spec::ledger::Stage;
use cme_spec::notice;
use cme_spec::query::Subject;
use cme_spec::working_days::london_date;
use serde::Serialize;
use serde_json::{Value, json};

use self::child::subject;
pub(super) use self::child::{offered_subject, registered_subject};
use super::{NoticeDecision, OfferDecision, OfficeError, offer, tell};
use crate::ctf::{CtfError, Destination, Leaver, leavers};
use crate::node::Node;
use crate::store::{StoreError, Tx, ledgers, notices, outbox, register};

/// Days for which what was told before is looked for.
const LOOKED_BACK_DAYS: i64 = 800;

/// Where children live, as far as an officer says it.
#[derive(Clone, Debug, Default)]
pub struct Homes {
    /// Of each UPN.
    pub of: BTreeMap<Upn, AuthorityCode>,
    /// Of everybody else in the file.
    pub others: Option<AuthorityCode>,
}

/// What is done for each leaver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The home authority is told a fact.
    Notice,
    /// A child who is at no school is offered to the home authority, for this reason.
    Offer(CmeReason),
}

/// What an officer decides for a file.
#[derive(Clone, Debug)]
pub struct LeaversDecision {
    /// The authority in whose area the school is.
    pub by: AuthorityCode,
    /// Where the children live.
    pub homes: Homes,
    /// What is done.
    pub leaving: Leaving,
    /// The law it is done under.
    pub legal_basis: Vec<LegalBasis>,
    /// Whom to ring: an officer of the text, section 4.3.
    pub contact: Json,
    /// Whether nothing is done, and only said what would be.
    pub dry_run: bool,
}

/// What became of one leaver. It names the pupil by the place in the file alone.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaverView {
    /// Place among the pupils of the file, from 1.
    pub pupil: u64,
    /// What became of it.
    #[serde(flatten)]
    pub result: LeaverResult,
}

/// What became of a leaver.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "result")]
pub enum LeaverResult {
    /// Told now.
    Told {
        /// The home authority.
        to: AuthorityCode,
        /// The notice.
        notice: NoticeId,
    },
    /// Offered now.
    Offered {
        /// The home authority.
        to: AuthorityCode,
        /// The transfer.
        transfer: TransferId,
    },
    /// Would be told, or offered.
    Would {
        /// The home authority.
        to: AuthorityCode,
    },
    /// Told or offered before: nothing is done.
    Before {
        /// The home authority.
        to: AuthorityCode,
    },
    /// The child lives here: nobody else is concerned.
    OwnArea,
    /// The child went to another school, so is not offered.
    AtASchool,
    /// Nothing was done, and an officer has to look.
    Rejected {
        /// Why.
        reason: Rejection,
        /// More about it, without anything of the child.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// Why nothing was done for a leaver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejection {
    /// Nobody said where the child lives.
    HomeUnknown,
    /// The file gives no day on which the child left.
    NoDay,
    /// The file doesn't name the school.
    NoSchool,
    /// The file gives no family name.
    NoName,
    /// The file gives neither a whole date of birth nor a UPN that satisfies its check.
    NoDateOrNumber,
    /// An offer needs a whole date of birth.
    NoDateOfBirth,
    /// An offer needs a UPN, or an officer who says why there is none.
    NoUpn,
    /// Nobody may find out where the child is: an officer rings.
    Shielded,
    /// The home authority can't be told, or the form doesn't hold.
    NotTaken,
}

/// Why a file can't be worked on.
#[derive(Debug, thiserror::Error)]
pub enum LeaversError {
    /// The file.
    #[error(transparent)]
    File(#[from] CtfError),
    /// What the office says.
    #[error(transparent)]
    Office(#[from] OfficeError),
}

impl From<StoreError> for LeaversError {
    fn from(error: StoreError) -> Self {
        Self::Office(error.into())
    }
}

/// A fact that was told, or a child who was offered, before.
struct Before {
    to: AuthorityCode,
    school: String,
    day: String,
    child: Subject,
}

impl Before {
    fn is(&self, to: AuthorityCode, fact: &Fact) -> bool {
        self.to == to && self.school == fact.school && self.day == fact.day && self.child.may_be(&fact.child)
    }
}

/// What a file says of one leaver, as far as it can be told.
struct Fact {
    child: Subject,
    school: String,
    day: String,
    ground: Value,
}

/// Tells, or offers, each leaver of the file; gives what became of each, in the order of the file. Done twice, it does
/// nothing the second time.
pub async fn leave(
    node: &Node,
    input: impl Read,
    decision: &LeaversDecision,
) -> Result<Vec<LeaverView>, LeaversError> {
    let leavers = leavers(input)?;
    let (by, now) = (decision.by, node.now());
    let from = now.plus_seconds(-LOOKED_BACK_DAYS * 86_400);
    let leaving = decision.leaving;
    let read = node.store().read(move |tx| {
        let before = match leaving {
            Leaving::Notice => told_before(tx, by, from)?,
            Leaving::Offer(_) => offered_before(tx, by)?,
        };
        Ok((before, register::shielded(tx, by)?))
    });
    let (mut before, shielded) = read.await?;
    let shielded: Vec<Subject> = shielded.iter().filter_map(registered_subject).collect();
    let mut views = Vec::with_capacity(leavers.len());
    for leaver in leavers {
        let result = match judged(&leaver, decision, &before, &shielded) {
            Err(result) => result,
            Ok((to, _)) if decision.dry_run => LeaverResult::Would { to },
            Ok((to, fact)) => done(node, decision, to, &fact).await.inspect(|_| {
                before.push(Before { to, school: fact.school, day: fact.day, child: fact.child });
            })?,
        };
        views.push(LeaverView { pupil: leaver.pupil.number, result });
    }
    Ok(views)
}

/// Whom to tell of a leaver and what, or why nobody.
fn judged(
    leaver: &Leaver,
    decision: &LeaversDecision,
    before: &[Before],
    shielded: &[Subject],
) -> Result<(AuthorityCode, Fact), LeaverResult> {
    let rejected = |reason| LeaverResult::Rejected { reason, detail: None };
    let child = subject(&leaver.pupil).map_err(rejected)?;
    if shielded.iter().any(|known| known.may_be(&child)) {
        return Err(rejected(Rejection::Shielded));
    }
    let of_upn = child.upns.first().and_then(|upn| decision.homes.of.get(upn)).copied();
    let to = of_upn.or(decision.homes.others).ok_or_else(|| rejected(Rejection::HomeUnknown))?;
    if to == decision.by {
        return Err(LeaverResult::OwnArea);
    }
    let offers = matches!(decision.leaving, Leaving::Offer(_));
    if offers && matches!(leaver.destination, Destination::School(_)) {
        return Err(LeaverResult::AtASchool);
    }
    let day = leaver.left_on.ok_or_else(|| rejected(Rejection::NoDay))?.to_string();
    let school = leaver.school.as_ref().ok_or_else(|| rejected(Rejection::NoSchool))?.to_string();
    if offers && child.upns.is_empty() {
        return Err(rejected(Rejection::NoUpn));
    }
    if offers && child.date_of_birth.is_none() {
        return Err(rejected(Rejection::NoDateOfBirth));
    }
    let fact = Fact { child, school, day, ground: json!(leaver.ground) };
    if before.iter().any(|before| before.is(to, &fact)) {
        return Err(LeaverResult::Before { to });
    }
    Ok((to, fact))
}

/// What the office does, or why the other authority is not told. A fault of this deployment ends the work.
async fn done(
    node: &Node,
    decision: &LeaversDecision,
    to: AuthorityCode,
    fact: &Fact,
) -> Result<LeaverResult, LeaversError> {
    let done = match decision.leaving {
        Leaving::Notice => told(node, decision, to, fact).await,
        Leaving::Offer(reason) => offered(node, decision, to, fact, reason).await,
    };
    match done {
        Ok(result) => Ok(result),
        Err(error @ (OfficeError::Store(_) | OfficeError::NoDirectory | OfficeError::NotHosted(_))) => {
            Err(error.into())
        }
        Err(error) => {
            Ok(LeaverResult::Rejected { reason: Rejection::NotTaken, detail: Some(error.to_string()) })
        }
    }
}

async fn told(
    node: &Node,
    decision: &LeaversDecision,
    to: AuthorityCode,
    fact: &Fact,
) -> Result<LeaverResult, OfficeError> {
    let mut body = json!({
        "child": fact.child,
        "on": fact.day,
        "school": { "laestab": fact.school },
        "lastAttended": fact.day,
        "locationSensitivity": "standard",
        "contact": decision.contact.value(),
    });
    if !fact.ground.is_null() {
        body["deletionGround"] = fact.ground.clone();
    }
    let notice = NoticeDecision {
        by: decision.by,
        to,
        kind: NoticeKind::RemovedFromRoll,
        legal_basis: decision.legal_basis.clone(),
        body: Json::from_typed(&body)?,
    };
    let notice = tell(node, notice).await?.notice;
    Ok(LeaverResult::Told { to, notice })
}

async fn offered(
    node: &Node,
    decision: &LeaversDecision,
    to: AuthorityCode,
    fact: &Fact,
    reason: CmeReason,
) -> Result<LeaverResult, OfficeError> {
    let as_of = london_date(node.now().timestamp());
    let mut school = json!({ "laestab": fact.school, "lastAttended": fact.day });
    if !fact.ground.is_null() {
        school["deletionGround"] = fact.ground.clone();
    }
    let basis = decision.legal_basis.iter().map(|code| json!({ "code": code, "asOf": as_of.to_string() }));
    let body = json!({
        "child": child::offered(&fact.child),
        "circumstances": {
            "reason": reason,
            "cmeSince": fact.day,
            "lastSchool": school,
            "locationSensitivity": "standard",
        },
        "capacity": Capacity::SchoolArea,
        "enquiries": [],
        "risks": [],
        "contacts": { "officer": decision.contact.value() },
        "legalBasis": basis.collect::<Vec<_>>(),
        "moveEvidence": [],
    });
    let decided = OfferDecision {
        by: decision.by,
        to,
        clock_class: ClockClass::Standard,
        link: None,
        body: Json::from_typed(&body)?,
    };
    let transfer = offer(node, decided).await?.transfer;
    Ok(LeaverResult::Offered { to, transfer })
}

fn told_before(
    tx: &mut dyn Tx,
    by: AuthorityCode,
    from: cme_spec::instant::Instant,
) -> Result<Vec<Before>, StoreError> {
    let told = notices::told_since(tx, by, NoticeKind::RemovedFromRoll, from)?;
    let before = told.into_iter().filter_map(|held| {
        let body = notice::check(&held.notice).ok()?;
        let school = body.school?.laestab?.to_string();
        Some(Before { to: held.key.counterparty, school, day: body.on.to_string(), child: body.child })
    });
    Ok(before.collect())
}

/// Children whom this authority has offered and who were not taken back.
fn offered_before(tx: &mut dyn Tx, by: AuthorityCode) -> Result<Vec<Before>, StoreError> {
    let mut before = Vec::new();
    for proposal in outbox::proposals(tx, by)? {
        before.extend(of_offer(&proposal.entry));
    }
    for held in ledgers::of_hosted(tx, by)? {
        let stands = !matches!(held.ledger.stage(), Stage::Withdrawn);
        if held.ledger.terms.originating == by && stands {
            before.extend(ledgers::entry_at(tx, &held.key, 0)?.as_ref().and_then(of_offer));
        }
    }
    Ok(before)
}

fn of_offer(entry: &Entry) -> Option<Before> {
    if entry.header().kind != EntryType::Offer {
        return None;
    }
    let Body::Present(body) = entry.body() else { return None };
    let offer: Offer = body.read().ok()?;
    let school = offer.circumstances.last_school.as_ref()?;
    Some(Before {
        to: entry.header().recipient,
        school: school.laestab.as_ref()?.to_string(),
        day: school.last_attended?.to_string(),
        child: offered_subject(&offer.child),
    })
}
