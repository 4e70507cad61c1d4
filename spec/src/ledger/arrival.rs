//! What a party does with an entry that arrives: the order of checks of the text, as a pure function.
//!
//! [`Arrival`] is made by the checks that need nothing of the ledger: digest, body, signature. [`rule`] then
//! looks the id up, then the place, then asks the ledger's rules. It reads what the party holds through
//! [`Holdings`] and changes nothing: the caller stores what the [`Ruling`] says, in the transaction in which
//! it was reached.

use super::append::{AppendError, check_delivered, check_proposed, check_skew};
use super::evidence::check_outcome;
use super::{Ledger, apply, fork};
use crate::body::check_entry;
use crate::canonical::ShapeError;
use crate::digest::Digest;
use crate::directory::Directory;
use crate::entry::{Body, Entry, EntryType, HeadRef, Header};
use crate::envelope::Envelope;
use crate::ids::AuthorityCode;
use crate::instant::{EntryId, Instant};
use crate::problem::{Problem, ProblemType};
use crate::receipt::Receipt;
use crate::signature::SigningKey;

/// The party that judges, at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'a> {
    /// Whose copy is kept here.
    pub party: AuthorityCode,
    /// Signs its receipts.
    pub key: &'a SigningKey,
    /// The issue in use.
    pub directory: &'a Directory,
    /// How often the database was restored.
    pub incarnation: u64,
    /// Now.
    pub now: Instant,
}

impl Desk<'_> {
    /// This party's receipt for an entry.
    pub fn receipt(&self, entry: &Entry, received_at: Instant) -> Envelope<Receipt> {
        let header = entry.header();
        let content = Receipt {
            transfer: header.transfer,
            sequence: header.sequence,
            entry_id: header.id,
            header_digest: entry.header_digest(),
            received_at,
            by: self.party,
            incarnation: self.incarnation,
            directory_issue: self.directory.issue,
        };
        Envelope::sign(content, self.key)
    }
}

/// What a party holds of one ledger, as far as an arrival is judged by it.
pub trait Holdings {
    /// Why what is held can't be read.
    type Fault;
    /// The ledger, and whether a fork of it was proven.
    fn ledger(&mut self) -> Result<Option<(Ledger, bool)>, Self::Fault>;
    /// The entry of an id.
    fn entry_by_id(&mut self, id: EntryId) -> Result<Option<Entry>, Self::Fault>;
    /// Whether another ledger of the same two parties has an entry of that id.
    fn is_used_elsewhere(&mut self, id: EntryId) -> Result<bool, Self::Fault>;
    /// The entry at a place.
    fn entry_at(&mut self, sequence: u64) -> Result<Option<Entry>, Self::Fault>;
    /// Whether an entry that is kept as evidence of a fork has this header.
    fn is_in_a_branch(&mut self, header_digest: &Digest) -> Result<bool, Self::Fault>;
    /// Whether the pair's standing allows to append what is proposed; see [`Standing::may_append`].
    ///
    /// [`Standing::may_append`]: crate::pair::Standing::may_append
    fn may_append(&mut self) -> Result<bool, Self::Fault>;
}

/// An entry whose digest, body and signature are right. Made by [`Arrival::sent`] and [`Arrival::fetched`] only.
#[derive(Clone, Debug)]
pub struct Arrival {
    entry: Entry,
    proposal: Option<Envelope<Receipt>>,
    /// Read from the peer, who waits for no receipt.
    read: bool,
}

impl Arrival {
    /// An entry that a peer sent.
    ///
    /// A signature is looked at before anything is said about the ledger: whoever can't sign learns nothing.
    /// An entry without receipts can only be a proposal; its receipt is signed here already, so that the one
    /// writer of a store doesn't spend its time on signatures.
    pub fn sent(entry: Entry, desk: &Desk<'_>) -> Result<Self, Problem> {
        if !entry.body_matches() {
            return Err(Problem::new(ProblemType::BodyDigestMismatch));
        }
        let invalid = |error: ShapeError| Problem::new(ProblemType::BodyInvalid).pointer(error.pointer);
        check_entry(&entry).map_err(invalid)?;
        check_outcome(&entry, desk.directory).map_err(invalid)?;
        if entry.receipts().is_empty() {
            check_proposed(&entry, desk.directory, desk.now).map_err(|error| error.problem())?;
            let receipt = desk.receipt(&entry, desk.now);
            return Ok(Self { entry, proposal: Some(receipt), read: false });
        }
        let signer = desk.directory.key(entry.header().author, entry.signature().key());
        let signer = signer.ok_or_else(|| Problem::new(ProblemType::KeyUnknown))?;
        entry.verify(&signer.public_key).map_err(|_| Problem::new(ProblemType::SignatureInvalid))?;
        Ok(Self { entry, proposal: None, read: false })
    }

    /// An entry read from a peer: judged as a delivery, so that nothing refused on one way comes in by the other.
    ///
    /// Implements: DLV-013
    pub fn fetched(entry: Entry, desk: &Desk<'_>) -> Result<Self, Problem> {
        if entry.receipts().is_empty() {
            return Err(AppendError::ReceiptMissing.problem());
        }
        Self::sent(entry, desk).map(|arrival| Self { read: true, ..arrival })
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// What is to be done with an arrival.
#[derive(Clone, Debug)]
pub enum Ruling {
    /// Store the entry with its receipts and the new state, then answer with the receipt.
    Append {
        /// The state after the entry.
        ledger: Box<Ledger>,
        /// The entry with the receipts to keep.
        entry: Box<Entry>,
        /// The receipt to answer with.
        receipt: Envelope<Receipt>,
    },
    /// The entry is held; keep this party's receipt with it, then answer with that.
    Vouch {
        /// The receipt to keep and to answer with.
        receipt: Envelope<Receipt>,
    },
    /// The entry is held; answer with the receipt given before.
    Repeat {
        /// The receipt to answer with.
        receipt: Envelope<Receipt>,
    },
    /// Keep the entry as evidence of a fork, close the ledger to more, and refuse.
    Fork {
        /// The refusal.
        problem: Problem,
    },
    /// The entry carries this copy of a forked ledger on, which the sequencer did before it knew of the fork:
    /// store it with its receipts and the state that follows, and refuse.
    CarryOn {
        /// The state after the entry.
        ledger: Box<Ledger>,
        /// The entry with the receipts to keep.
        entry: Box<Entry>,
        /// The refusal.
        problem: Problem,
    },
    /// Refuse; nothing changes.
    Refuse {
        /// The refusal.
        problem: Problem,
    },
}

impl Ruling {
    fn refuse(problem: Problem) -> Self {
        Self::Refuse { problem }
    }
}

/// What the party does with the arrival, given what it holds.
pub fn rule<H: Holdings>(desk: &Desk<'_>, arrival: &Arrival, holdings: &mut H) -> Result<Ruling, H::Fault> {
    let held = holdings.ledger()?;
    if let Some(ruling) = known_id(desk, arrival, held.as_ref().map(|(ledger, _)| ledger), holdings)? {
        return Ok(ruling);
    }
    if let Some(ruling) = out_of_place(desk, arrival, held.as_ref(), holdings)? {
        return Ok(ruling);
    }
    if is_held(arrival, holdings)? {
        return Ok(Ruling::refuse(Problem::new(ProblemType::IdReused)));
    }
    let ledger = held.as_ref().map(|(ledger, _)| ledger);
    if is_proposed(desk, arrival, ledger) && !holdings.may_append()? {
        return Ok(Ruling::refuse(Problem::new(ProblemType::PairSuspended)));
    }
    Ok(judge(desk, arrival, ledger).unwrap_or_else(|error| {
        let problem = error.problem();
        let told = problem.registered() == Some(ProblemType::SequenceConflict);
        Ruling::refuse(if told { problem.head(ledger.map(|ledger| ledger.head)) } else { problem })
    }))
}

/// Whether this ledger or another of the same two parties has an entry of that id.
fn is_held<H: Holdings>(arrival: &Arrival, holdings: &mut H) -> Result<bool, H::Fault> {
    let id = arrival.entry.header().id;
    Ok(holdings.entry_by_id(id)?.is_some() || holdings.is_used_elsewhere(id)?)
}

/// The id is looked up before the place, so that a repeat is always known as one. Implements: TRN-018
///
/// An entry that carries the sequencer's signature under an id that is held otherwise goes on: a fork must not
/// hide behind a repeat. [`rule`] looks at the id again once the place is right.
fn known_id<H: Holdings>(
    desk: &Desk<'_>,
    arrival: &Arrival,
    ledger: Option<&Ledger>,
    holdings: &mut H,
) -> Result<Option<Ruling>, H::Fault> {
    let header = arrival.entry.header();
    let reused = || Some(Ruling::refuse(Problem::new(ProblemType::IdReused)));
    let sequencer = ledger.map_or(header.recipient, |ledger| ledger.terms.receiving);
    let of_sequencer = header.author == sequencer || arrival.entry.receipt_by(sequencer).is_some();
    let stored = if ledger.is_some() { holdings.entry_by_id(header.id)? } else { None };
    let Some(stored) = stored else {
        let roles_exchanged = header.kind == EntryType::Offer
            && header.sequence == 0
            && ledger.is_some_and(|ledger| ledger.terms.originating != header.author);
        let reuses = roles_exchanged || (!of_sequencer && holdings.is_used_elsewhere(header.id)?);
        return Ok(if reuses { reused() } else { None });
    };
    let same = stored.header_digest() == arrival.entry.header_digest();
    let decision = |header: &Header| (header.kind, header.author, header.body_digest);
    if same || (!of_sequencer && decision(stored.header()) == decision(header)) {
        return Ok(Some(match stored.receipt_by(desk.party) {
            Some(given) => Ruling::Repeat { receipt: given.clone() },
            // Our own entry, in the ledger by the sequencer's receipt alone, is brought back to us.
            None => Ruling::Vouch { receipt: desk.receipt(&stored, desk.now) },
        }));
    }
    Ok(if of_sequencer { None } else { reused() })
}

/// An entry that carries a branch of a forked ledger on is kept with it, refused as it is: an accept in it counts.
///
/// Implements: RCV-012, RCV-013
fn out_of_place<H: Holdings>(
    desk: &Desk<'_>,
    arrival: &Arrival,
    held: Option<&(Ledger, bool)>,
    holdings: &mut H,
) -> Result<Option<Ruling>, H::Fault> {
    let sequence = arrival.entry.header().sequence;
    let head = held.map(|(ledger, _)| ledger.head);
    let next = head.map_or(0, |head: HeadRef| head.sequence + 1);
    let refuse = |kind| Some(Ruling::refuse(Problem::new(kind).head(head)));
    let Some((ledger, forked)) = held else {
        return Ok(if sequence > next { refuse(ProblemType::SequenceGap) } else { None });
    };
    let fork = || Some(Ruling::Fork { problem: Problem::new(ProblemType::Forked).head(head) });
    if *forked && carries_a_branch_on(desk, arrival, ledger, holdings)? {
        return Ok(fork());
    }
    if sequence > next {
        return Ok(refuse(ProblemType::SequenceGap));
    }
    if sequence == next && *forked {
        let held = is_held(arrival, holdings)?;
        let carried = if held { None } else { carries_this_copy_on(desk, arrival, ledger) };
        return Ok(carried.or_else(|| refuse(ProblemType::Forked)));
    }
    if sequence == next {
        return Ok(None);
    }
    let ours = holdings.entry_at(sequence)?;
    let proven =
        ours.and_then(|ours| fork::proven_by(&ours, &arrival.entry, ledger.terms.receiving, desk.directory));
    Ok(if proven.is_some() { fork() } else { refuse(ProblemType::SequenceConflict) })
}

fn carries_a_branch_on<H: Holdings>(
    desk: &Desk<'_>,
    arrival: &Arrival,
    ledger: &Ledger,
    holdings: &mut H,
) -> Result<bool, H::Fault> {
    let Some(previous) = arrival.entry.header().previous else { return Ok(false) };
    Ok(holdings.is_in_a_branch(&previous)?
        && fork::bears_the_sequencers_signature(&arrival.entry, ledger.terms.receiving, desk.directory))
}

fn carries_this_copy_on(desk: &Desk<'_>, arrival: &Arrival, ledger: &Ledger) -> Option<Ruling> {
    let entry = &arrival.entry;
    let (next, _) = check_delivered(Some(ledger), entry, desk.directory, desk.party, desk.now).ok()?;
    let problem = Problem::new(ProblemType::Forked).head(Some(ledger.head));
    Some(Ruling::CarryOn { ledger: Box::new(next), entry: Box::new(entry.clone()), problem })
}

/// Whether the entry asks us, as the sequencer, to append it: only the other party proposes, and what carries
/// any receipt is a delivery.
fn is_proposed(desk: &Desk<'_>, arrival: &Arrival, ledger: Option<&Ledger>) -> bool {
    let header = arrival.entry.header();
    let sequencer = ledger.map_or(header.recipient, |ledger| ledger.terms.receiving);
    desk.party == sequencer && arrival.entry.receipts().is_empty() && header.author != desk.party
}

/// The pure rules, and this party's receipt. Implements: RCP-004, RCP-005, RCP-008
fn judge(desk: &Desk<'_>, arrival: &Arrival, ledger: Option<&Ledger>) -> Result<Ruling, AppendError> {
    let entry = &arrival.entry;
    let sequencer = ledger.map_or(entry.header().recipient, |ledger| ledger.terms.receiving);
    if desk.party == sequencer && entry.receipt_by(desk.party).is_none() {
        let proposal = is_proposed(desk, arrival, ledger);
        return if proposal { proposed(desk, arrival, ledger) } else { Err(AppendError::ReceiptMissing) };
    }
    if arrival.proposal.is_some() && !matches!(entry.body(), Body::Erased { .. }) {
        return Err(AppendError::ReceiptMissing);
    }
    let (next, _) = check_delivered(ledger, entry, desk.directory, desk.party, desk.now)?;
    let given = entry.receipt_by(desk.party).cloned();
    // An own receipt that comes back with the entry is kept: no second one is made.
    let receipt = given.unwrap_or_else(|| desk.receipt(entry, desk.now));
    // An own entry that was read needs no receipt of its author's: nobody would ever have the same.
    let own = arrival.read && entry.header().author == desk.party;
    let entry = if own { entry.clone() } else { entry.clone().with_receipt(receipt.clone()) };
    Ok(Ruling::Append { ledger: Box::new(next), entry: Box::new(entry), receipt })
}

/// The originating authority asks the sequencer, which is us, to append its decision.
///
/// Implements: RCP-002, RCP-003
fn proposed(desk: &Desk<'_>, arrival: &Arrival, ledger: Option<&Ledger>) -> Result<Ruling, AppendError> {
    let entry = &arrival.entry;
    // The sequencer's receipts never go back along a ledger, whatever its clock does.
    let received_at = ledger.map_or(desk.now, |ledger| desk.now.max(ledger.received_at));
    let signed = arrival.proposal.as_ref().filter(|receipt| receipt.content().received_at == received_at);
    let receipt = if let Some(receipt) = signed {
        receipt.clone()
    } else {
        check_proposed(entry, desk.directory, desk.now)?;
        desk.receipt(entry, received_at)
    };
    check_skew(entry.header().created_at, desk.directory, desk.now)?;
    let next = apply(ledger, entry, receipt.content())?;
    let entry = entry.clone().with_receipt(receipt.clone());
    Ok(Ruling::Append { ledger: Box::new(next), entry: Box::new(entry), receipt })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Json;
    use crate::entry::EntryType as E;
    use crate::example::{self, Story, code, instant, signing_key};

    /// What one party holds: the entries of a story.
    struct Copy<'a> {
        story: &'a Story,
        may_append: bool,
        forked: bool,
        elsewhere: bool,
    }

    impl Holdings for Copy<'_> {
        type Fault = std::convert::Infallible;

        fn ledger(&mut self) -> Result<Option<(Ledger, bool)>, Self::Fault> {
            Ok(Some((self.story.ledger().clone(), self.forked)))
        }

        fn entry_by_id(&mut self, id: EntryId) -> Result<Option<Entry>, Self::Fault> {
            Ok(self.story.entries().iter().find(|entry| entry.header().id == id).cloned())
        }

        fn is_used_elsewhere(&mut self, _: EntryId) -> Result<bool, Self::Fault> {
            Ok(self.elsewhere)
        }

        fn entry_at(&mut self, sequence: u64) -> Result<Option<Entry>, Self::Fault> {
            Ok(self.story.entries().iter().find(|entry| entry.header().sequence == sequence).cloned())
        }

        fn is_in_a_branch(&mut self, _: &Digest) -> Result<bool, Self::Fault> {
            Ok(false)
        }

        fn may_append(&mut self) -> Result<bool, Self::Fault> {
            Ok(self.may_append)
        }
    }

    /// The problem that `party` tells of an entry after `story`, or `None` where the entry is taken.
    fn refused(
        story: &Story,
        party: &str,
        entry: Entry,
        come: fn(Entry, &Desk<'_>) -> Result<Arrival, Problem>,
    ) -> Option<ProblemType> {
        let (directory, key) = (example::directory(), signing_key(party));
        let now = instant("2026-11-25T09:00:00Z");
        let desk = Desk { party: code(party), key: &key, directory: &directory, incarnation: 1, now };
        match come(entry, &desk) {
            Ok(arrival) => judged(
                &desk,
                &arrival,
                &mut Copy { story, may_append: true, forked: false, elsewhere: false },
            ),
            Err(problem) => problem.registered(),
        }
    }

    fn judged(desk: &Desk<'_>, arrival: &Arrival, copy: &mut Copy<'_>) -> Option<ProblemType> {
        match rule(desk, arrival, copy).unwrap_or_else(|never| match never {}) {
            Ruling::Refuse { problem } | Ruling::Fork { problem } | Ruling::CarryOn { problem, .. } => {
                problem.registered()
            }
            _ => None,
        }
    }

    #[test]
    fn a_pair_that_has_to_reconcile_takes_deliveries_and_repeats_and_no_proposal() {
        let story = Story::offered();
        let (directory, now) = (example::directory(), instant("2026-11-25T09:00:00Z"));
        let told = |party: &str, entry: Entry| {
            let key = signing_key(party);
            let desk = Desk { party: code(party), key: &key, directory: &directory, incarnation: 1, now };
            let arrival = Arrival::sent(entry, &desk).unwrap();
            judged(
                &desk,
                &arrival,
                &mut Copy { story: &story, may_append: false, forked: false, elsewhere: false },
            )
        };
        let proposal = story.draft(E::Withdraw, "373", &signing_key("373"), example::body(E::Withdraw));
        assert_eq!(told("330", proposal.clone()), Some(ProblemType::PairSuspended));
        let receipted = proposal.clone().with_receipt(story.receipt(&proposal, "330"));
        assert_eq!(told("330", receipted), None, "the other party brings back what we receipted");
        assert_eq!(told("330", story.entries()[0].clone().without_receipts()), None, "a repeat");
        let decline = story.draft(E::Decline, "330", &signing_key("330"), example::body(E::Decline));
        let delivered = decline.clone().with_receipt(story.receipt(&decline, "330"));
        assert_eq!(told("373", delivered), None);
    }

    #[test]
    fn what_the_sequencer_added_before_it_knew_of_a_fork_is_refused_and_kept() {
        let story = Story::offered();
        let (directory, key) = (example::directory(), signing_key("373"));
        let now = instant("2026-11-25T09:00:00Z");
        let desk = Desk { party: code("373"), key: &key, directory: &directory, incarnation: 1, now };
        let told = |entry: Entry| {
            let arrival = Arrival::sent(entry, &desk).unwrap();
            let mut copy = Copy { story: &story, may_append: true, forked: true, elsewhere: false };
            rule(&desk, &arrival, &mut copy).unwrap_or_else(|never| match never {})
        };
        let next = story.clone().then(E::Accept);
        match told(next.entries()[1].clone()) {
            Ruling::CarryOn { ledger, entry, problem } => {
                assert_eq!(ledger.responsible(), code("330"));
                assert_eq!(entry.header_digest(), next.entries()[1].header_digest());
                assert_eq!(problem.registered(), Some(ProblemType::Forked));
            }
            other => panic!("{other:?}"),
        }
        let proposal = story.draft(E::Withdraw, "373", &key, example::body(E::Withdraw));
        match told(proposal) {
            Ruling::Refuse { problem } => assert_eq!(problem.registered(), Some(ProblemType::Forked)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_id_that_the_sequencer_uses_twice_is_refused_wherever_it_stood_before() {
        let story = Story::offered();
        let (directory, key) = (example::directory(), signing_key("373"));
        let now = instant("2026-11-25T09:00:00Z");
        let desk = Desk { party: code("373"), key: &key, directory: &directory, incarnation: 1, now };
        let receipted = |id: EntryId| {
            let mut header =
                Header::following(story.ledger(), E::Accept, code("330"), id, story.ledger().created_at);
            header.body_digest = example::body(E::Accept).digest();
            let accept = Entry::sign(header, example::body(E::Accept), &signing_key("330"));
            let receipt = story.receipt(&accept, "330");
            Arrival::sent(accept.with_receipt(receipt), &desk).unwrap()
        };
        let (offers, new) = (story.entries()[0].header().id, example::entry_id(77));
        let told = |id: EntryId, elsewhere: bool, forked: bool| {
            judged(&desk, &receipted(id), &mut Copy { story: &story, may_append: true, forked, elsewhere })
        };
        assert_eq!(told(new, false, false), None);
        assert_eq!(told(offers, false, false), Some(ProblemType::IdReused), "the id of this ledger's offer");
        assert_eq!(told(new, true, false), Some(ProblemType::IdReused), "an id of another ledger");
        // A forked copy takes only what it can hold.
        let carried_on = |id: EntryId, elsewhere: bool| {
            let mut copy = Copy { story: &story, may_append: true, forked: true, elsewhere };
            let ruling = rule(&desk, &receipted(id), &mut copy).unwrap_or_else(|never| match never {});
            matches!(ruling, Ruling::CarryOn { .. })
        };
        assert!(carried_on(new, false));
        assert!(!carried_on(offers, false) && !carried_on(new, true));
    }

    #[test]
    fn a_repeat_is_by_the_same_author_and_not_one_that_the_sequencer_made_anew() {
        let asked = Story::of(1, &[E::Offer, E::RequestInformation]);
        let question = &asked.entries()[1];
        let again = |author: &str| {
            let mut header = Header::following(
                asked.ledger(),
                E::RequestInformation,
                code(author),
                question.header().id,
                asked.ledger().created_at,
            );
            header.body_digest = question.header().body_digest;
            Entry::sign(header, example::body(E::RequestInformation), &signing_key(author))
        };
        assert_eq!(question.header().author, code("330"));
        assert_eq!(refused(&asked, "330", again("373"), Arrival::sent), Some(ProblemType::IdReused));
        assert_eq!(refused(&asked, "373", again("330"), Arrival::sent), Some(ProblemType::IdReused));
    }

    #[test]
    fn an_own_entry_that_is_read_is_kept_as_the_sequencer_keeps_it() {
        let story = Story::offered();
        let (directory, key) = (example::directory(), signing_key("373"));
        let now = instant("2026-11-25T09:00:00Z");
        let desk = Desk { party: code("373"), key: &key, directory: &directory, incarnation: 1, now };
        let next = story.clone().then(E::Withdraw).entries()[1].clone().without_receipts();
        let receipt = story.receipt(&next, "330");
        let next = next.with_receipt(receipt);
        let kept = |arrival: Arrival| {
            let mut copy = Copy { story: &story, may_append: true, forked: false, elsewhere: false };
            match rule(&desk, &arrival, &mut copy).unwrap_or_else(|never| match never {}) {
                Ruling::Append { entry, .. } => entry.receipts().len(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(kept(Arrival::fetched(next.clone(), &desk).unwrap()), 1);
        assert_eq!(
            kept(Arrival::sent(next, &desk).unwrap()),
            2,
            "who brings it gets a receipt, and keeps it too"
        );
    }

    #[test]
    fn an_entry_that_is_read_is_judged_as_one_that_is_delivered() {
        let story = Story::offered();
        let with_receipt = |body: Json| {
            let entry = story.draft(E::Decline, "330", &signing_key("330"), body);
            let receipt = story.receipt(&entry, "330");
            entry.with_receipt(receipt)
        };
        let good = with_receipt(example::body(E::Decline));
        let spoilt = with_receipt(Json::object([("reason", Json::text("no such reason"))]));
        for come in [Arrival::sent, Arrival::fetched] {
            assert_eq!(refused(&story, "373", good.clone(), come), None);
            assert_eq!(refused(&story, "373", spoilt.clone(), come), Some(ProblemType::BodyInvalid));
        }
        let bare = good.without_receipts();
        assert_eq!(refused(&story, "373", bare, Arrival::fetched), Some(ProblemType::ReceiptMissing));
        let proposal = story.draft(E::Withdraw, "373", &signing_key("373"), example::body(E::Withdraw));
        assert_eq!(refused(&story, "330", proposal.clone(), Arrival::sent), None);
        assert_eq!(refused(&story, "330", proposal, Arrival::fetched), Some(ProblemType::ReceiptMissing));
    }

    #[test]
    fn the_sequencer_takes_only_a_bare_entry_of_the_other_party_for_a_proposal() {
        let story = Story::offered();
        let proposal = story.draft(E::Withdraw, "373", &signing_key("373"), example::body(E::Withdraw));
        let counter = story.receipt(&proposal, "373");
        let countered = proposal.with_receipt(counter);
        let missing = Some(ProblemType::ReceiptMissing);
        assert_eq!(refused(&story, "330", countered, Arrival::sent), missing, "another receipt alone");
        let own = story.draft(E::Decline, "330", &signing_key("330"), example::body(E::Decline));
        assert_eq!(refused(&story, "330", own, Arrival::sent), missing, "the sequencer's own, brought back");
    }
}
