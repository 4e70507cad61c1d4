//! The checks before [`apply`](super::apply): whose signature, under which key, with which receipt.
//!
//! Both ends use them: the sequencer for a proposal, the originating authority for a delivery, either for
//! what it fetched from the other.

use super::{Ledger, Refusal, apply};
use crate::directory::{Directory, KeyError};
use crate::entry::Entry;
use crate::envelope::Signed;
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::problem::{Problem, ProblemType};
use crate::receipt::Receipt;

/// Why an entry is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A signature or its key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The sequencer's receipt is not there.
    #[error("the sequencer's receipt is missing")]
    ReceiptMissing,
    /// A receipt is for another entry, or its signature does not hold.
    #[error("a receipt does not hold, or is for another entry")]
    ReceiptInvalid,
    /// Dated too far ahead.
    #[error("createdAt is further ahead than the allowed clock skew")]
    Skew,
    /// A rule of the ledger.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Refusal {
    /// The problem that a peer is told.
    pub const fn problem_type(&self) -> ProblemType {
        match self {
            Self::NotAnOffer | Self::NotAllowed { .. } => ProblemType::NotAllowedInStage,
            Self::Sequence => ProblemType::SequenceGap,
            Self::Previous => ProblemType::SequenceConflict,
            Self::Receipt | Self::ReceivedAtOrder => ProblemType::ReceiptInvalid,
            Self::HeaderChanged => ProblemType::HeaderChanged,
            Self::WrongAuthor(_) => ProblemType::WrongAuthor,
            Self::CreatedAtOrder => ProblemType::CreatedAtOrder,
        }
    }
}

impl AppendError {
    /// The problem that a peer is told. Implements: TRN-022
    pub fn problem(&self) -> Problem {
        let kind = match self {
            Self::Key(KeyError::Unknown(_)) => ProblemType::KeyUnknown,
            Self::Key(KeyError::NotValid(_)) => ProblemType::KeyNotValid,
            Self::Key(KeyError::Signature(_)) => ProblemType::SignatureInvalid,
            Self::ReceiptMissing => ProblemType::ReceiptMissing,
            Self::ReceiptInvalid => ProblemType::ReceiptInvalid,
            Self::Skew => ProblemType::CreatedAtSkew,
            Self::Refused(refusal) => refusal.problem_type(),
        };
        let problem = Problem::new(kind).detail(self.to_string());
        match self {
            Self::Refused(Refusal::NotAllowed { stage, .. }) => problem.stage(*stage),
            _ => problem,
        }
    }
}

/// Holds when a new entry's author signed it with a key valid now, and its date is not too far ahead.
///
/// Implements: SIG-009, ENT-007
pub fn check_proposed(entry: &Entry, directory: &Directory, now: Instant) -> Result<(), AppendError> {
    directory.check_entry(entry, now)?;
    check_skew(entry, directory, now)
}

fn check_skew(entry: &Entry, directory: &Directory, now: Instant) -> Result<(), AppendError> {
    let latest = now.plus_seconds(i64::from(directory.policy.clock_skew_seconds_max));
    if entry.header().created_at > latest { Err(AppendError::Skew) } else { Ok(()) }
}

/// The ledger after an entry that came with the sequencer's receipt, seen by the party `reader` at `now`.
///
/// A key that was retired since is judged at the sequencer's receipt: retiring is routine, and an entry may
/// be on its way for weeks. A key that was revoked by now is refused for whatever the other party wrote:
/// its holder can date things back.
///
/// Implements: DLV-008, SIG-011
pub fn check_delivered(
    ledger: Option<&Ledger>,
    entry: &Entry,
    directory: &Directory,
    reader: AuthorityCode,
    now: Instant,
) -> Result<(Ledger, Signed<Receipt>), AppendError> {
    let header = entry.header();
    let sequencer = ledger.map_or(header.recipient, |ledger| ledger.terms.receiving);
    let receipt = entry.receipt_by(sequencer).ok_or(AppendError::ReceiptMissing)?.clone();
    let received_at = receipt.content().received_at;
    let receipt_key = receipt.key();
    let receipt = directory.check_document(receipt, sequencer, received_at).map_err(|error| match error {
        KeyError::Signature(_) => AppendError::ReceiptInvalid,
        other => AppendError::Key(other),
    })?;
    directory.check_entry(entry, received_at)?;
    let revoked = |authority: AuthorityCode, key| {
        let key = directory.key(authority, key);
        authority != reader && key.is_some_and(|key| key.revoked_at.is_some_and(|revoked| revoked <= now))
    };
    if revoked(header.author, entry.signature().key()) || revoked(sequencer, receipt_key) {
        return Err(AppendError::Key(KeyError::NotValid(header.author)));
    }
    check_skew(entry, directory, now)?;
    let next = apply(ledger, entry, receipt.content())?;
    Ok((next, receipt))
}
