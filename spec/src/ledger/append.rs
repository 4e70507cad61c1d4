//! The checks before [`apply`](super::apply): whose signature, under which key, with which receipt.
//!
//! Both ends use them: the sequencer for a proposal, the originating authority for a delivery, either for
//! what it fetched from the other.

use super::{Ledger, Refusal, apply};
use crate::directory::{Directory, KeyError};
use crate::entry::{Body, Entry};
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
    /// A receipt is for another entry or by neither party, or its signature does not hold.
    #[error("a receipt does not hold, or is for another entry")]
    ReceiptInvalid,
    /// Erased, and not in a ledger yet: nobody could have judged it.
    #[error("the entry's body is missing")]
    BodyMissing,
    /// Dated too far ahead.
    #[error("createdAt or receivedAt is further ahead than the allowed clock skew")]
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
            Self::Receipt | Self::ReceivedAtOrder | Self::IncarnationOrder => ProblemType::ReceiptInvalid,
            Self::HeaderChanged => ProblemType::HeaderChanged,
            Self::WrongAuthor(_) => ProblemType::WrongAuthor,
            Self::CreatedAtOrder => ProblemType::CreatedAtOrder,
        }
    }
}

impl AppendError {
    /// The problem that a peer is told. Implements: TRN-020
    pub fn problem(&self) -> Problem {
        let kind = match self {
            Self::Key(error) => error.problem(),
            Self::ReceiptMissing => ProblemType::ReceiptMissing,
            Self::ReceiptInvalid => ProblemType::ReceiptInvalid,
            Self::BodyMissing => ProblemType::BodyMissing,
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

/// Holds when a new entry's author signed it with a key valid now. How far ahead it is dated is asked after its
/// place in the ledger, by [`check_skew`].
///
/// A receipt that the author itself gave for it is checked; one by anybody else has no business here.
///
/// Implements: SIG-005, RCP-006, ENT-002
pub fn check_proposed(entry: &Entry, directory: &Directory, now: Instant) -> Result<(), AppendError> {
    if matches!(entry.body(), Body::Erased { .. }) {
        return Err(AppendError::BodyMissing);
    }
    directory.check_entry(entry, now)?;
    check_receipts(entry, directory)
}

/// Holds when every receipt that came with the entry is by a party, for this entry, under a key that was
/// valid when it was given. Implements: RCP-006, SIG-004, SIG-005
fn check_receipts(entry: &Entry, directory: &Directory) -> Result<(), AppendError> {
    let header = entry.header();
    for receipt in entry.receipts() {
        let content = receipt.content();
        let by = content.by;
        if ![header.author, header.recipient].contains(&by) || !content.is_for(entry) {
            return Err(AppendError::ReceiptInvalid);
        }
        directory.check_document(receipt.clone(), by, content.received_at).map_err(of_receipt)?;
    }
    Ok(())
}

fn of_receipt(error: KeyError) -> AppendError {
    match error {
        KeyError::Signature(_) => AppendError::ReceiptInvalid,
        other => AppendError::Key(other),
    }
}

/// Holds when a time is no further ahead than clocks may differ. Implements: RCP-010
pub(super) fn check_skew(told: Instant, directory: &Directory, now: Instant) -> Result<(), AppendError> {
    if directory.is_too_far_ahead(told, now) { Err(AppendError::Skew) } else { Ok(()) }
}

/// The ledger after an entry that came with the sequencer's receipt, seen by the party `reader` at `now`.
///
/// A key that was retired since is judged at the sequencer's receipt: retiring is routine, and an entry may
/// be on its way for weeks. A key of the other party that was revoked by now vouches for nothing new, since
/// its holder can date things back; only the reader's own receipt from before the revocation, which a restored
/// reader gets back with the entry, still does.
///
/// Implements: DLV-013, LED-003, LED-009, RCP-005, RCP-010, SIG-005, SIG-006
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
    let (receipt_key, received_at) = (receipt.key(), receipt.content().received_at);
    directory.check_entry(entry, received_at)?;
    check_receipts(entry, directory)?;
    let receipt = directory.check_document(receipt, sequencer, received_at).map_err(of_receipt)?;
    let vouched_at = entry.receipt_by(reader).map(|own| own.content().received_at);
    for (authority, id) in [(header.author, entry.signature().key()), (sequencer, receipt_key)] {
        let revoked_at = directory.key(authority, id).and_then(|key| key.revoked_at);
        let counts = revoked_at.is_none_or(|revoked_at| {
            authority == reader || now < revoked_at || vouched_at.is_some_and(|at| at < revoked_at)
        });
        if !counts {
            return Err(AppendError::Key(KeyError::NotValid(authority)));
        }
    }
    check_skew(header.created_at.max(received_at), directory, now)?;
    let next = apply(ledger, entry, receipt.content())?;
    Ok((next, receipt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryType as E;
    use crate::envelope::Envelope;
    use crate::example::{self, Story, code, instant};

    fn now() -> Instant {
        instant("2026-11-25T09:00:00Z")
    }

    fn with_revoked(authority: &str, at: &str) -> Directory {
        let mut directory = example::directory();
        for record in directory.authorities.iter_mut().filter(|record| record.code == code(authority)) {
            record.keys[0].revoked_at = Some(instant(at));
        }
        directory
    }

    /// The newest entry of a story, delivered to `reader` after the ones before it.
    fn delivered(entry: &Entry, before: &Story, directory: &Directory, reader: &str) -> Option<ProblemType> {
        let checked = check_delivered(Some(before.ledger()), entry, directory, code(reader), now());
        checked.err().and_then(|error| error.problem().registered())
    }

    fn accept() -> (Story, Entry) {
        let before = Story::offered();
        let accept = before.clone().then(E::Accept).entries()[1].clone();
        (before, accept)
    }

    #[test]
    fn takes_a_delivery_with_the_sequencers_receipt_and_none_without() {
        let (before, accept) = accept();
        let directory = example::directory();
        assert_eq!(delivered(&accept, &before, &directory, "373"), None);
        let bare = accept.clone().without_receipts();
        assert_eq!(delivered(&bare, &before, &directory, "373"), Some(ProblemType::ReceiptMissing));
    }

    #[test]
    fn every_receipt_is_by_a_party_for_this_entry_and_genuine() {
        let (before, accept) = accept();
        let directory = example::directory();
        let sequencers = accept.receipt_by(code("330")).unwrap().clone();
        let second = |by: &str, key: &str, sequence: u64| {
            let mut content = sequencers.content().clone();
            (content.by, content.sequence) = (code(by), sequence);
            let receipt = Envelope::sign(content, &example::signing_key(key));
            accept.clone().without_receipts().with_receipt(sequencers.clone()).with_receipt(receipt)
        };
        assert_eq!(delivered(&second("373", "373", 1), &before, &directory, "373"), None);
        for (by, key, sequence) in [("383", "383", 1), ("373", "373", 0)] {
            let entry = second(by, key, sequence);
            assert_eq!(delivered(&entry, &before, &directory, "373"), Some(ProblemType::ReceiptInvalid));
            assert_eq!(check_proposed(&entry, &directory, now()), Err(AppendError::ReceiptInvalid));
        }
        let foreign = delivered(&second("373", "330", 1), &before, &directory, "373");
        assert_eq!(foreign, Some(ProblemType::KeyUnknown), "a key of the other party");
    }

    #[test]
    fn a_revoked_key_of_the_other_party_counts_only_with_the_readers_own_older_receipt() {
        let (before, accept) = accept();
        let own = accept.receipt_by(code("373")).unwrap().clone();
        let sequencers = accept.receipt_by(code("330")).unwrap().clone();
        assert!(own.content().received_at < instant("2026-11-24T12:00:00Z"));
        let unvouched = accept.clone().without_receipts().with_receipt(sequencers);
        let directory = with_revoked("330", "2026-11-24T12:00:00Z");
        assert_eq!(delivered(&accept, &before, &directory, "373"), None);
        assert_eq!(delivered(&unvouched, &before, &directory, "373"), Some(ProblemType::KeyNotValid));
        let later = with_revoked("330", "2026-11-25T09:00:01Z");
        assert_eq!(delivered(&unvouched, &before, &later, "373"), None, "not revoked yet");
        let earlier = with_revoked("330", "2026-11-24T09:30:00Z");
        assert_eq!(delivered(&accept, &before, &earlier, "373"), Some(ProblemType::KeyNotValid));
    }

    #[test]
    fn neither_date_of_an_entry_lies_too_far_ahead() {
        let (before, accept) = accept();
        let directory = example::directory();
        let at = |seconds: i64| {
            let received_at = accept.receipt_by(code("330")).unwrap().content().received_at;
            let now = received_at.plus_seconds(-seconds);
            check_delivered(Some(before.ledger()), &accept, &directory, code("373"), now).map(|_| ())
        };
        assert_eq!(at(300), Ok(()));
        assert_eq!(at(301), Err(AppendError::Skew), "createdAt is within, receivedAt is not");
        let created_at = accept.header().created_at;
        assert_eq!(check_skew(created_at, &directory, created_at.plus_seconds(-300)), Ok(()));
        assert_eq!(check_skew(created_at, &directory, created_at.plus_seconds(-301)), Err(AppendError::Skew));
    }

    #[test]
    fn the_sequencers_incarnation_never_falls() {
        let offered = Story::offered();
        let under = |incarnation: u64| {
            let draft =
                offered.draft(E::Accept, "330", &example::signing_key("330"), example::body(E::Accept));
            let mut receipt = offered.receipt(&draft, "330").content().clone();
            receipt.incarnation = incarnation;
            draft.with_receipt(Envelope::sign(receipt, &example::signing_key("330")))
        };
        let mut ledger = offered.ledger().clone();
        ledger.incarnation = 2;
        let told = |incarnation: u64| {
            let entry = under(incarnation);
            check_delivered(Some(&ledger), &entry, &example::directory(), code("373"), now()).map(|_| ())
        };
        assert_eq!((told(2), told(3)), (Ok(()), Ok(())), "a restore raises it");
        let fallen = told(1).unwrap_err();
        assert_eq!(fallen, AppendError::Refused(Refusal::IncarnationOrder));
        assert_eq!(fallen.problem().registered(), Some(ProblemType::ReceiptInvalid));
    }

    #[test]
    fn an_erased_body_is_delivered_and_never_proposed() {
        let (before, accept) = accept();
        let erased = accept.erased(now());
        let directory = example::directory();
        assert_eq!(delivered(&erased, &before, &directory, "373"), None);
        assert_eq!(check_proposed(&erased, &directory, now()), Err(AppendError::BodyMissing));
    }

    #[test]
    fn a_delivery_that_breaks_a_rule_is_refused_as_a_proposal_is() {
        let before = Story::offered();
        let key = example::signing_key("330");
        let outcome = before.draft(E::Outcome, "330", &key, example::body(E::Outcome));
        let receipt = before.receipt(&outcome, "330");
        let told = delivered(&outcome.with_receipt(receipt), &before, &example::directory(), "373");
        assert_eq!(told, Some(ProblemType::NotAllowedInStage));
    }
}
