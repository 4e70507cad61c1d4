//! The state of one transfer, and the only function that changes it.
//!
//! [`apply`] is pure: the same ledger gives the same state to the server that stores it, the client that
//! fetched it and the verifier that reads an export years later. It decides by headers and receipts
//! alone, so it gives the same answer after the bodies have been erased.
//!
//! Two rules carry the design. Responsibility moves in exactly one place, the arm for `accept`; and no
//! arm looks at a clock, so silence can't move it.

pub mod append;
pub mod arrival;
pub mod due;
pub mod evidence;
pub mod export;
pub mod fork;
pub mod verify;

use serde::{Deserialize, Serialize};

use crate::codes::ClockClass;
use crate::entry::{Entry, EntryType, HeadRef, Header, LedgerPoint, ResponsibilityRef};
use crate::ids::AuthorityCode;
use crate::instant::{Instant, TransferId};
use crate::receipt::Receipt;

/// Where a ledger stands, as a code.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Offered; nobody at the receiving authority has been named yet.
    Offered,
    /// The receiving authority named who looks at it.
    Acknowledged,
    /// The receiving authority said why not; the originating authority has to act.
    Declined,
    /// The originating authority disagreed; the receiving authority has to decide again.
    Contested,
    /// The receiving authority is responsible and works on the case.
    Accepted,
    /// Closed: the decline was upheld; the originating authority stays responsible.
    Upheld,
    /// Closed: another authority was named; the originating authority stays responsible.
    Redirected,
    /// Closed: the offer was taken back.
    Withdrawn,
    /// Closed: the receiving authority recorded an outcome.
    Settled,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 9] = [
        Self::Offered,
        Self::Acknowledged,
        Self::Declined,
        Self::Contested,
        Self::Accepted,
        Self::Upheld,
        Self::Redirected,
        Self::Withdrawn,
        Self::Settled,
    ];

    /// The code on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Acknowledged => "acknowledged",
            Self::Declined => "declined",
            Self::Contested => "contested",
            Self::Accepted => "accepted",
            Self::Upheld => "upheld",
            Self::Redirected => "redirected",
            Self::Withdrawn => "withdrawn",
            Self::Settled => "settled",
        }
    }

    /// Holds when the ledger takes nothing more but corrections, and an outcome's retraction.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Upheld | Self::Redirected | Self::Withdrawn | Self::Settled)
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

/// What the offer fixed for the whole ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// The protocol version whose rules hold.
    pub protocol: String,
    /// The ledger.
    pub transfer: TransferId,
    /// The party that offered.
    pub originating: AuthorityCode,
    /// The party that was asked; the sequencer.
    pub receiving: AuthorityCode,
    /// The responsibility to hand over.
    pub responsibility: ResponsibilityRef,
    /// Which clocks hold.
    pub clock_class: ClockClass,
    /// The ledger that this one follows, if any.
    pub preceded_by: Option<LedgerPoint>,
}

/// The entry that moved the responsibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acceptance {
    /// Its place.
    pub sequence: u64,
    /// Its `createdAt`: the instant at which responsibility passed.
    pub at: Instant,
}

/// When a clock began, and under which directory issue it runs. Implements: CLK-001
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockStart {
    /// The sequencer's `receivedAt` of the entry that started it.
    pub at: Instant,
    /// The directory issue named in that receipt.
    pub directory_issue: u64,
}

/// Where a ledger stands, with what that moment needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum State {
    /// Waiting for the receiving authority to name somebody.
    Offered {
        /// Both the clock to acknowledge and the clock to decide began here.
        offered: ClockStart,
    },
    /// Waiting for a decision.
    Acknowledged {
        /// The clock to decide began with the offer.
        offered: ClockStart,
    },
    /// Waiting for the originating authority.
    Declined {
        /// The originating authority's clock.
        declined: ClockStart,
    },
    /// Waiting for the decision after the one contest.
    Contested {
        /// The clock to decide began anew.
        contested: ClockStart,
        /// Whether the receiving authority acknowledged since the contest.
        acknowledged: bool,
    },
    /// The receiving authority is responsible.
    Accepted {
        /// The accept.
        acceptance: Acceptance,
        /// The review clock: the newest entry that the receiving authority wrote.
        reviewed: ClockStart,
    },
    /// Closed; the decline stands.
    Upheld {
        /// The originating authority's clock.
        closed: ClockStart,
    },
    /// Closed; another authority was named.
    Redirected {
        /// The originating authority's clock.
        closed: ClockStart,
    },
    /// Closed; the offer was taken back.
    Withdrawn {
        /// The originating authority's clock.
        closed: ClockStart,
    },
    /// Closed with an outcome.
    Settled {
        /// The accept.
        acceptance: Acceptance,
    },
}

impl State {
    /// The code of this state.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Offered { .. } => Stage::Offered,
            Self::Acknowledged { .. } => Stage::Acknowledged,
            Self::Declined { .. } => Stage::Declined,
            Self::Contested { .. } => Stage::Contested,
            Self::Accepted { .. } => Stage::Accepted,
            Self::Upheld { .. } => Stage::Upheld,
            Self::Redirected { .. } => Stage::Redirected,
            Self::Withdrawn { .. } => Stage::Withdrawn,
            Self::Settled { .. } => Stage::Settled,
        }
    }

    /// The accept, if the ledger has one.
    pub const fn acceptance(&self) -> Option<Acceptance> {
        match self {
            Self::Accepted { acceptance, .. } | Self::Settled { acceptance } => Some(*acceptance),
            _ => None,
        }
    }
}

/// A ledger as far as its newest entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Fixed by the offer.
    pub terms: Terms,
    /// The newest entry.
    pub head: HeadRef,
    /// `createdAt` of the newest entry; the next is never before it.
    pub created_at: Instant,
    /// The sequencer's `receivedAt` of the newest entry; the next is never before it.
    pub received_at: Instant,
    /// The sequencer's incarnation in its receipt for the newest entry; the next is never lower. A state that was
    /// written without it says 0, below every incarnation.
    #[serde(default)]
    pub incarnation: u64,
    /// Where it stands.
    pub state: State,
}

/// Who is responsible, and how far that verdict reaches. Implements: LED-012
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The responsible authority.
    pub authority: AuthorityCode,
    /// The head as of which this holds; a later entry may say more about later instants.
    pub as_of: HeadRef,
}

/// Why an entry can't stand where it wants to. Each is the peer's fault, and each has a registered problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The first entry is not an offer.
    #[error("a ledger begins with an offer")]
    NotAnOffer,
    /// The sequence is not the one after the head.
    #[error("the sequence is not the next one")]
    Sequence,
    /// `previous` is not the digest of the head's header.
    #[error("previous does not name the head")]
    Previous,
    /// The receipt is about another entry, or not the sequencer's.
    #[error("the receipt is not the sequencer's for this entry")]
    Receipt,
    /// Protocol, transfer, parties, responsibility or clock class differ from the offer, or a link to
    /// another ledger stands where none may.
    #[error("a member that the offer fixed has changed, or a link stands where none may")]
    HeaderChanged,
    /// This party may not write an entry of this type.
    #[error("this party may not write {0}")]
    WrongAuthor(EntryType),
    /// The type is not allowed at this stage.
    #[error("{kind} is not allowed while {stage}")]
    NotAllowed {
        /// The type.
        kind: EntryType,
        /// Where the ledger stands.
        stage: Stage,
    },
    /// `createdAt` is before the predecessor's.
    #[error("createdAt is before the predecessor's")]
    CreatedAtOrder,
    /// The sequencer's `receivedAt` is before the predecessor's.
    #[error("receivedAt is before the predecessor's")]
    ReceivedAtOrder,
    /// The sequencer's incarnation is lower than in its receipt for the predecessor.
    #[error("the sequencer's incarnation is lower than at the predecessor")]
    IncarnationOrder,
}

impl Ledger {
    /// The ledger's stage.
    pub const fn stage(&self) -> Stage {
        self.state.stage()
    }

    /// The party opposite to `authority`, if that is a party.
    pub fn counterparty(&self, authority: AuthorityCode) -> Option<AuthorityCode> {
        let Terms { originating, receiving, .. } = self.terms;
        if authority == originating {
            Some(receiving)
        } else if authority == receiving {
            Some(originating)
        } else {
            None
        }
    }

    /// Who is responsible after the newest entry. Implements: LED-011
    pub fn responsible(&self) -> AuthorityCode {
        if self.state.acceptance().is_some() { self.terms.receiving } else { self.terms.originating }
    }

    /// What the offer of the next transfer of this responsibility names: one hand-over further once there is an
    /// accept, the same one again without.
    pub fn next_responsibility(&self) -> ResponsibilityRef {
        let ResponsibilityRef { id, epoch } = self.terms.responsibility;
        ResponsibilityRef { id, epoch: epoch + u64::from(self.state.acceptance().is_some()) }
    }

    /// Who was responsible at `instant`, as far as this copy knows. Implements: LED-011, LED-012
    pub fn responsible_at(&self, instant: Instant) -> Verdict {
        let accepted = self.state.acceptance().is_some_and(|acceptance| acceptance.at <= instant);
        let authority = if accepted { self.terms.receiving } else { self.terms.originating };
        Verdict { authority, as_of: self.head }
    }
}

/// The ledger after `entry`, or why it can't stand there.
///
/// `ledger` is `None` for the first entry. `receipt` is the sequencer's, whose signature the caller has
/// verified, as it has the entry's.
///
/// Implements: LED-002, LED-003, LED-007, RCP-003, RCP-011
pub fn apply(ledger: Option<&Ledger>, entry: &Entry, receipt: &Receipt) -> Result<Ledger, Refusal> {
    let header = entry.header();
    let Some(ledger) = ledger else { return begin(entry, receipt) };
    if header.sequence != ledger.head.sequence + 1 {
        return Err(Refusal::Sequence);
    }
    if header.previous != Some(ledger.head.header_digest) {
        return Err(Refusal::Previous);
    }
    if !receipt.is_for(entry) || receipt.by != ledger.terms.receiving {
        return Err(Refusal::Receipt);
    }
    keeps_the_terms(&ledger.terms, header)?;
    let state = next(ledger, header, clock_start(receipt))?;
    if header.created_at < ledger.created_at {
        return Err(Refusal::CreatedAtOrder);
    }
    if receipt.received_at < ledger.received_at {
        return Err(Refusal::ReceivedAtOrder);
    }
    if receipt.incarnation < ledger.incarnation {
        return Err(Refusal::IncarnationOrder);
    }
    Ok(Ledger {
        terms: ledger.terms.clone(),
        head: entry.point(),
        created_at: header.created_at,
        received_at: receipt.received_at,
        incarnation: receipt.incarnation,
        state,
    })
}

/// Holds when an entry of this type by this author could come next, without making one.
///
/// What an officer's command asks before it signs anything.
pub fn allows(ledger: &Ledger, kind: EntryType, author: AuthorityCode) -> Result<(), Refusal> {
    let start = ClockStart { at: ledger.received_at, directory_issue: 1 };
    transition(ledger, kind, author, ledger.head.sequence + 1, ledger.created_at, start).map(|_| ())
}

/// Whether a decision that lost its place needs an officer before it is signed again.
///
/// Information and corrections are still meant whatever came between. A decision that moves the ledger is not
/// when another one has: a withdrawal of an offer that has been declined since is a new decision.
///
/// Implements: DLV-014
pub fn needs_an_officer(kind: EntryType, between: impl IntoIterator<Item = EntryType>) -> bool {
    use EntryType as E;
    let informs = matches!(kind, E::RequestInformation | E::SupplyInformation | E::Correct);
    let decides = |kind| matches!(kind, E::Accept | E::Decline | E::Redirect | E::Uphold | E::Outcome);
    !informs && between.into_iter().any(decides)
}

fn clock_start(receipt: &Receipt) -> ClockStart {
    ClockStart { at: receipt.received_at, directory_issue: receipt.directory_issue }
}

/// Implements: LED-006, ENT-004
fn begin(entry: &Entry, receipt: &Receipt) -> Result<Ledger, Refusal> {
    let header = entry.header();
    if header.kind != EntryType::Offer {
        return Err(Refusal::NotAnOffer);
    }
    if header.sequence != 0 {
        return Err(Refusal::Sequence);
    }
    if header.previous.is_some() {
        return Err(Refusal::Previous);
    }
    if !receipt.is_for(entry) || receipt.by != header.recipient {
        return Err(Refusal::Receipt);
    }
    if header.links() > 1 {
        return Err(Refusal::HeaderChanged);
    }
    Ok(Ledger {
        terms: Terms {
            protocol: header.protocol.clone(),
            transfer: header.transfer,
            originating: header.author,
            receiving: header.recipient,
            responsibility: header.responsibility,
            clock_class: header.clock_class,
            preceded_by: header.preceded_by,
        },
        head: entry.point(),
        created_at: header.created_at,
        received_at: receipt.received_at,
        incarnation: receipt.incarnation,
        state: State::Offered { offered: clock_start(receipt) },
    })
}

/// Implements: ENT-004
fn keeps_the_terms(terms: &Terms, header: &Header) -> Result<(), Refusal> {
    let kept = header.protocol == terms.protocol
        && header.transfer == terms.transfer
        && header.is_between(terms.originating, terms.receiving)
        && header.responsibility == terms.responsibility
        && header.clock_class == terms.clock_class
        && header.links() == 0;
    if kept { Ok(()) } else { Err(Refusal::HeaderChanged) }
}

fn next(ledger: &Ledger, header: &Header, start: ClockStart) -> Result<State, Refusal> {
    transition(ledger, header.kind, header.author, header.sequence, header.created_at, start)
}

/// The transition table of the text, section 5. Implements: LED-005, LED-006, LED-007, LED-008
fn transition(
    ledger: &Ledger,
    kind: EntryType,
    author: AuthorityCode,
    sequence: u64,
    created_at: Instant,
    start: ClockStart,
) -> Result<State, Refusal> {
    use EntryType as E;
    use State as S;
    let by_receiving = author == ledger.terms.receiving;
    let may_write = match kind {
        E::Offer | E::Contest | E::Withdraw => !by_receiving,
        E::Acknowledge | E::Accept | E::Decline | E::Uphold | E::Redirect | E::Outcome | E::Retract => {
            by_receiving
        }
        E::RequestInformation | E::SupplyInformation | E::Correct => true,
    };
    if !may_write {
        return Err(Refusal::WrongAuthor(kind));
    }
    let state = ledger.state;
    let accept = S::Accepted { acceptance: Acceptance { sequence, at: created_at }, reviewed: start };
    Ok(match (kind, state) {
        (E::Acknowledge, S::Offered { offered }) => S::Acknowledged { offered },
        (E::Acknowledge, S::Contested { contested, acknowledged: false }) => {
            S::Contested { contested, acknowledged: true }
        }
        (E::Accept, S::Offered { .. } | S::Acknowledged { .. } | S::Contested { .. }) => accept,
        (E::Decline, S::Offered { .. } | S::Acknowledged { .. }) => S::Declined { declined: start },
        (E::Contest, S::Declined { .. }) => S::Contested { contested: start, acknowledged: false },
        (E::Uphold, S::Contested { .. }) => S::Upheld { closed: start },
        (E::Redirect, S::Offered { .. } | S::Acknowledged { .. } | S::Contested { .. }) => {
            S::Redirected { closed: start }
        }
        (
            E::Withdraw,
            S::Offered { .. } | S::Acknowledged { .. } | S::Declined { .. } | S::Contested { .. },
        ) => S::Withdrawn { closed: start },
        (E::Outcome, S::Accepted { acceptance, .. }) => S::Settled { acceptance },
        (E::Retract, S::Settled { acceptance }) => S::Accepted { acceptance, reviewed: start },
        (E::RequestInformation | E::SupplyInformation | E::Correct, S::Accepted { acceptance, reviewed }) => {
            S::Accepted { acceptance, reviewed: if by_receiving { start } else { reviewed } }
        }
        (
            E::RequestInformation | E::SupplyInformation,
            S::Offered { .. } | S::Acknowledged { .. } | S::Contested { .. },
        )
        | (E::Correct, _) => state,
        _ => return Err(Refusal::NotAllowed { kind, stage: state.stage() }),
    })
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
