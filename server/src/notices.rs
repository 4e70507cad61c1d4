//! What happens to a notice, or to the word that one was read, that arrives: judged by the rules of `spec`, and
//! stored with its storage receipt in one transaction.
//!
//! Nothing here looks at a register or a ledger: what a peer is told does not depend on who is known here, and
//! no responsibility moves. Implements: NTC-008, NTC-011

use cme_spec::digest::Digest;
use cme_spec::directory::Directory;
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::notice::{self, Acknowledgement, Notice, acknowledges};
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::receipt::{Stored, StoredKind};

use crate::node::Node;
use crate::store::StoreError;
use crate::store::notices::{self, NoticeKey};

/// Where something arrived, from whom, and under which directory it is judged.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The deployment.
    pub node: &'a Node,
    /// The directory.
    pub directory: &'a Directory,
    /// The authority that was called.
    pub hosted: AuthorityCode,
    /// The authority that calls.
    pub caller: AuthorityCode,
}

/// What the caller is told.
#[derive(Clone, Debug)]
pub enum Told {
    /// Stored now.
    Stored(Envelope<Stored>),
    /// Stored before; the receipt given then.
    Repeated(Envelope<Stored>),
    /// Refused; nothing has changed.
    Refused(Problem),
}

impl Told {
    /// What came of it, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Repeated(_) => "repeated",
            Self::Refused(problem) => problem.registered().map_or("refused", ProblemType::name),
        }
    }
}

impl From<ProblemType> for Told {
    fn from(problem: ProblemType) -> Self {
        Self::Refused(Problem::new(problem))
    }
}

/// What a storage receipt says of what was stored.
pub(crate) struct Matter {
    /// What it is.
    pub(crate) kind: StoredKind,
    /// Its UUID.
    pub(crate) id: String,
    /// Digest of the signed value.
    pub(crate) digest: Digest,
    /// When it is stored.
    pub(crate) at: Instant,
}

impl Desk<'_> {
    /// A storage receipt of `party`'s, unless its key may not sign now.
    pub(crate) fn receipt(&self, party: AuthorityCode, matter: &Matter) -> Result<Envelope<Stored>, Problem> {
        let hosted = self.node.speaking_for(self.directory, party);
        let hosted = hosted.ok_or_else(|| Problem::new(ProblemType::HostedUnknown))?;
        if let Err(error) = hosted.check_key(self.directory, matter.at) {
            tracing::error!(%error, "nothing can be receipted");
            return Err(Problem::new(ProblemType::Unavailable));
        }
        let content = Stored {
            kind: matter.kind,
            id: matter.id.clone(),
            digest: matter.digest,
            received_at: matter.at,
            by: party,
            incarnation: self.node.incarnation(),
            directory_issue: self.directory.issue,
        };
        Ok(Envelope::sign(content, &hosted.signing))
    }
}

/// A notice arrives. The checks stand in the order of the text; the receipt is given for what is on disk.
///
/// Implements: NTC-003, NTC-006, RCP-010, SIG-005
pub async fn receive(desk: &Desk<'_>, notice: Notice) -> Result<Told, StoreError> {
    let (header, now) = (notice.header().clone(), desk.node.now());
    let (ours, theirs) = (header.recipient, header.author);
    let acts = |who, party| desk.directory.acts_for(who, party);
    if desk.hosted == desk.caller || !acts(desk.hosted, ours) || !acts(desk.caller, theirs) {
        return Ok(ProblemType::NotAParty.into());
    }
    if !notice.body_matches() {
        return Ok(ProblemType::BodyDigestMismatch.into());
    }
    if let Err(error) = notice::check(&notice) {
        return Ok(Told::Refused(notice::problem(&error)));
    }
    if let Err(error) = desk.directory.check_statement(&notice, now) {
        return Ok(error.problem().into());
    }
    let digest = notice.header_digest();
    let matter = Matter { kind: StoredKind::Notice, id: header.notice.to_string(), digest, at: now };
    let receipt = match desk.receipt(ours, &matter) {
        Ok(receipt) => receipt,
        Err(problem) => return Ok(Told::Refused(problem)),
    };
    let ahead = desk.directory.is_too_far_ahead(header.created_at, now);
    let key = NoticeKey { hosted: ours, counterparty: theirs, notice: header.notice, outgoing: false };
    let stored = desk.node.store().write(move |tx| {
        if let Some(held) = notices::find(tx, &key)? {
            let same = held.notice.header_digest() == digest;
            let given = held.stored.filter(|_| same);
            return Ok(given.map_or_else(|| ProblemType::IdReused.into(), Told::Repeated));
        }
        if ahead {
            return Ok(ProblemType::CreatedAtSkew.into());
        }
        notices::keep(tx, &key, &notice, Some(&receipt))?;
        Ok(Told::Stored(receipt.clone()))
    });
    stored.await
}

/// The word arrives that a person has read a notice of ours. Implements: NTC-006, NTC-012
pub async fn acknowledged(desk: &Desk<'_>, said: Envelope<Acknowledgement>) -> Result<Told, StoreError> {
    let (content, now) = (said.content().clone(), desk.node.now());
    if desk.hosted == desk.caller || !desk.directory.acts_for(desk.caller, content.by) {
        return Ok(ProblemType::NotAParty.into());
    }
    let Some(key) = told_by_us(desk, &content).await? else {
        return Ok(ProblemType::NoticeUnknown.into());
    };
    let checked = desk.directory.check_document(said.clone(), content.by, content.acknowledged_at);
    if let Err(error) = checked {
        return Ok(error.problem().into());
    }
    let digest = said.digest();
    let matter =
        Matter { kind: StoredKind::Acknowledgement, id: content.notice.to_string(), digest, at: now };
    let receipt = match desk.receipt(key.hosted, &matter) {
        Ok(receipt) => receipt,
        Err(problem) => return Ok(Told::Refused(problem)),
    };
    let stored = desk.node.store().write(move |tx| {
        let Some(held) = notices::find(tx, &key)? else { return Ok(ProblemType::NoticeUnknown.into()) };
        if let Some(before) = &held.acknowledgement {
            let same = before.digest() == digest;
            let given = held.acknowledgement_stored.filter(|_| same);
            return Ok(given.map_or_else(|| ProblemType::IdReused.into(), Told::Repeated));
        }
        let sensitivity = notice::check(&held.notice).map(|body| body.location_sensitivity);
        let fits =
            sensitivity.is_ok_and(|sensitivity| acknowledges(said.content(), &held.notice, sensitivity));
        if !fits {
            return Ok(ProblemType::Malformed.into());
        }
        notices::keep_acknowledgement(tx, &key, &said)?;
        notices::keep_acknowledgement_stored(tx, &key, &receipt)?;
        Ok(Told::Stored(receipt.clone()))
    });
    stored.await
}

/// The notice that was told to whoever acknowledges it, by the authority that was called or one that it follows.
async fn told_by_us(desk: &Desk<'_>, said: &Acknowledgement) -> Result<Option<NoticeKey>, StoreError> {
    let parties: Vec<AuthorityCode> = desk
        .directory
        .authorities
        .iter()
        .map(|authority| authority.code)
        .filter(|party| desk.directory.acts_for(desk.hosted, *party))
        .collect();
    let (counterparty, notice) = (said.by, said.notice);
    let found = desk.node.store().read(move |tx| {
        for hosted in &parties {
            let key = NoticeKey { hosted: *hosted, counterparty, notice, outgoing: true };
            if notices::find(tx, &key)?.is_some() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    });
    found.await
}
