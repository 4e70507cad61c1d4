//! Notices: facts that an officer tells another authority, and those that were told here.

use cme_spec::body::StatedBasis;
use cme_spec::canonical::Json;
use cme_spec::codes::{ClockClass, LegalBasis, LocationSensitivity, NoticeDisposition, NoticeKind};
use cme_spec::digest::Digest;
use cme_spec::directory::{Availability, Directory};
use cme_spec::entry::PROTOCOL;
use cme_spec::envelope::{Envelope, Signed};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, NoticeId};
use cme_spec::notice::{self, Acknowledgement, Notice, NoticeHeader};
use cme_spec::working_days::{Deadline, WorkingDays, london_date};
use serde::Serialize;
use serde_json::Value;

use super::OfficeError;
use crate::node::Node;
use crate::store::dispatch::{self, Dispatch, DispatchKey, Task};
use crate::store::notices::{self, Held, NoticeKey};

/// Notices that one list shows.
const LISTED_MAX: u32 = 500;

/// The profile of an authority that takes notices.
const PROFILE: &str = "notices";

/// A fact that an officer tells another authority.
#[derive(Clone, Debug)]
pub struct NoticeDecision {
    /// The authority that tells.
    pub by: AuthorityCode,
    /// The authority that is told.
    pub to: AuthorityCode,
    /// The fact.
    pub kind: NoticeKind,
    /// The law it is told under.
    pub legal_basis: Vec<LegalBasis>,
    /// The body without salt.
    pub body: Json,
}

/// A notice in an officer's list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeView {
    /// The notice.
    pub notice: NoticeId,
    /// Whether this authority told it, or was told.
    pub direction: &'static str,
    /// The other authority.
    pub counterparty: AuthorityCode,
    /// The fact.
    pub kind: NoticeKind,
    /// When its author decided.
    pub created_at: Instant,
    /// When its recipient stored it; absent while it is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Instant>,
    /// When an officer of the recipient acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Instant>,
    /// What that officer did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<NoticeDisposition>,
    /// The last day for it, while nobody has acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_on: Option<String>,
    /// Whether that day is over.
    pub overdue: bool,
    /// What is still to be sent about it, and what stands in its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_send: Option<ToSend>,
}

/// What is still to be sent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToSend {
    /// Tries so far.
    pub attempts: u32,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Whether the other authority refused it for good: an officer has to look.
    pub refused: bool,
}

/// A notice with all that it tells.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeDetails {
    /// Where it stands.
    #[serde(flatten)]
    pub view: NoticeView,
    /// Digest of its header: the name by which receipts call it.
    pub header_digest: Digest,
    /// What it tells.
    pub body: Value,
}

/// Tells a fact: the notice is stored with the order to send it. Implements: NTC-001, NTC-004, NTC-007
pub async fn tell(node: &Node, decision: NoticeDecision) -> Result<NoticeView, OfficeError> {
    let now = node.now();
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content).ok_or(OfficeError::NoDirectory)?;
    takes_notices(directory, &decision)?;
    let hosted = node.hosted(decision.by).ok_or(OfficeError::NotHosted(decision.by))?;
    let as_of = london_date(now.timestamp());
    let header = NoticeHeader {
        protocol: PROTOCOL.to_owned(),
        notice: node.random().notice_id(now),
        kind: decision.kind,
        author: decision.by,
        recipient: decision.to,
        created_at: now,
        legal_basis: decision.legal_basis.iter().map(|code| StatedBasis { code: *code, as_of }).collect(),
        body_digest: decision.body.digest(),
    };
    let mut body = decision.body.into_value();
    if let Value::Object(members) = &mut body {
        members.insert("salt".to_owned(), Value::String(node.random().salt().to_string()));
    }
    let notice = Notice::sign(header, Json::from_typed(&body)?, &hosted.signing);
    notice::check(&notice).map_err(|error| match error.pointer.as_str() {
        "/legalBasis" => OfficeError::LegalBases,
        _ => OfficeError::NoticeBody(error, decision.kind),
    })?;
    let key = NoticeKey {
        hosted: decision.by,
        counterparty: decision.to,
        notice: notice.header().notice,
        outgoing: true,
    };
    let kept = node.store().write(move |tx| {
        if notices::find(tx, &key)?.is_none() {
            notices::keep(tx, &key, &notice, None)?;
            dispatch::enqueue(tx, &dispatch_key(&key), now)?;
        }
        Ok(())
    });
    kept.await?;
    Ok(show_notice(node, decision.by, key.notice).await?.view)
}

fn takes_notices(directory: &Directory, decision: &NoticeDecision) -> Result<(), OfficeError> {
    if decision.to == decision.by {
        return Err(OfficeError::NoticeToItself);
    }
    let record = directory.answering(decision.to).ok_or(OfficeError::UnknownAuthority(decision.to))?;
    if record.availability == Availability::ContactOnly {
        return Err(OfficeError::ContactOnly(decision.to, record.team.name.clone()));
    }
    let takes = record.profiles.iter().any(|profile| profile == PROFILE);
    if takes { Ok(()) } else { Err(OfficeError::NoNotices(decision.to, record.team.name.clone())) }
}

fn dispatch_key(key: &NoticeKey) -> DispatchKey {
    DispatchKey {
        hosted: key.hosted,
        counterparty: key.counterparty,
        task: if key.outgoing { Task::Notice } else { Task::Acknowledgement },
        id: key.notice.to_string(),
        number: 0,
    }
}

/// The newest notices, told and received. Implements: NTC-009
pub async fn list_notices(node: &Node, by: AuthorityCode) -> Result<Vec<NoticeView>, OfficeError> {
    let read =
        node.store().read(move |tx| Ok((notices::newest(tx, by, LISTED_MAX)?, dispatch::of_hosted(tx, by)?)));
    let (held, letters) = read.await?;
    Ok(held.iter().map(|held| view(node, held, &letters)).collect())
}

/// One notice with what it tells. It is of the one authority that it is shown to, told or received.
pub async fn show_notice(node: &Node, by: AuthorityCode, id: NoticeId) -> Result<NoticeDetails, OfficeError> {
    let read = node
        .store()
        .read(move |tx| Ok((notices::of_id(tx, by, id)?.into_iter().next(), dispatch::of_hosted(tx, by)?)));
    let (held, letters) = read.await?;
    let held = held.ok_or(OfficeError::UnknownNotice(by, id))?;
    let (view, header_digest) = (view(node, &held, &letters), held.notice.header_digest());
    Ok(NoticeDetails { view, header_digest, body: held.notice.body().value().clone() })
}

fn view(node: &Node, held: &Held, letters: &[Dispatch]) -> NoticeView {
    let wanted = dispatch_key(&held.key);
    let letter = letters.iter().find(|letter| letter.key == wanted);
    let said = held.acknowledgement.as_ref().map(Envelope::content);
    let due = if said.is_some() { None } else { due(node, held) };
    let header = held.notice.header();
    NoticeView {
        notice: header.notice,
        direction: if held.key.outgoing { "told" } else { "received" },
        counterparty: held.key.counterparty,
        kind: header.kind,
        created_at: header.created_at,
        received_at: held.stored.as_ref().map(|stored| stored.content().received_at),
        acknowledged_at: said.map(|said| said.acknowledged_at),
        disposition: said.map(|said| said.disposition),
        overdue: due.as_ref().is_some_and(|due| due.is_over_at(node.now().timestamp())),
        due_on: due.map(|due| due.due.to_string()),
        to_send: letter.map(|letter| ToSend {
            attempts: letter.attempts,
            last_failure: letter.last_failure.clone(),
            refused: letter.dead,
        }),
    }
}

/// Until when an officer of the recipient is to acknowledge a notice, counted from its storage receipt under the
/// directory issue that this names. Implements: NTC-009
fn due(node: &Node, held: &Held) -> Option<Deadline> {
    let stored = held.stored.as_ref()?.content();
    let archive = node.archive();
    let policy = &archive.issue(stored.directory_issue)?.policy;
    let days = policy.acknowledge_working_days.of(ClockClass::Standard);
    let calendar = WorkingDays::new(policy.bank_holidays.iter().copied(), policy.holidays_through);
    calendar.deadline(stored.received_at.timestamp(), u32::from(days)).ok()
}

/// An officer says that the notice was read, and what came of it. No case ends by it and no responsibility
/// moves. Implements: NTC-009, NTC-010, NTC-011
pub async fn acknowledge_notice(
    node: &Node,
    by: AuthorityCode,
    id: NoticeId,
    disposition: NoticeDisposition,
) -> Result<NoticeView, OfficeError> {
    let (now, node_in_job) = (node.now(), node.clone());
    let made = node.store().write(move |tx| {
        let held = notices::of_id(tx, by, id)?.into_iter().find(|held| !held.key.outgoing);
        let Some(held) = held else { return Ok(Err(OfficeError::UnknownNotice(by, id))) };
        if let Some(before) = &held.acknowledgement {
            let same = before.content().acknowledged_at == now;
            return Ok(if same { Ok(()) } else { Err(OfficeError::AcknowledgedAlready(id)) });
        }
        let said = match word(&node_in_job, &held, disposition, now) {
            Ok(said) => said,
            Err(error) => return Ok(Err(error)),
        };
        notices::keep_acknowledgement(tx, &held.key, &said)?;
        dispatch::enqueue(tx, &dispatch_key(&held.key), now)?;
        Ok(Ok(()))
    });
    made.await??;
    Ok(show_notice(node, by, id).await?.view)
}

/// The signed word, unless it would tell of a restricted child more than that a person has read it.
fn word(
    node: &Node,
    held: &Held,
    disposition: NoticeDisposition,
    now: Instant,
) -> Result<Envelope<Acknowledgement>, OfficeError> {
    let kind = held.notice.header().kind;
    let body = notice::check(&held.notice).map_err(|error| OfficeError::NoticeBody(error, kind))?;
    let open = body.location_sensitivity == LocationSensitivity::Standard;
    if !open && disposition != NoticeDisposition::Read {
        return Err(OfficeError::OnlyRead(held.key.notice));
    }
    let archive = node.archive();
    let directory = archive.newest().map(Signed::content).ok_or(OfficeError::NoDirectory)?;
    let hosted = node.speaking_for(directory, held.key.hosted);
    let hosted = hosted.ok_or(OfficeError::NotHosted(held.key.hosted))?;
    let content = Acknowledgement {
        notice: held.key.notice,
        notice_digest: held.notice.header_digest(),
        disposition,
        acknowledged_at: now,
        by: held.key.hosted,
        incarnation: node.incarnation(),
        directory_issue: directory.issue,
    };
    Ok(Envelope::sign(content, &hosted.signing))
}

/// What was refused for good about a notice is sent again: whatever stood in its way is mended.
pub async fn retry_notice(node: &Node, by: AuthorityCode, id: NoticeId) -> Result<NoticeView, OfficeError> {
    let now = node.now();
    let retried = node.store().write(move |tx| {
        let letters = dispatch::of_hosted(tx, by)?;
        let dead = letters.iter().find(|letter| letter.dead && letter.key.id == id.to_string());
        let Some(letter) = dead else { return Ok(false) };
        dispatch::enqueue(tx, &letter.key, now)?;
        Ok(true)
    });
    if !retried.await? {
        return Err(OfficeError::NoRefusedNotice(id));
    }
    Ok(show_notice(node, by, id).await?.view)
}
