//! Deadlines of a ledger: computed the same way at both ends, shown, counted, never acted on by a state.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{ClockStart, Ledger, State};
use crate::directory::Policy;
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::working_days::{CalendarError, WorkingDays};

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// Name somebody who looks at the offer.
    Acknowledge,
    /// Accept, decline or redirect.
    Decide,
    /// Show a sign of work on an accepted case.
    Review,
    /// Act on a decline, or after an uphold, redirect or withdrawal.
    OriginatingAct,
}

impl Clock {
    /// The code, as in an officer's list.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Decide => "decide",
            Self::Review => "review",
            Self::OriginatingAct => "originating-act",
        }
    }
}

/// A running clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// Which clock.
    pub clock: Clock,
    /// Whose turn it is.
    pub owner: AuthorityCode,
    /// The sequencer's `receivedAt` at which it began.
    pub started_at: Instant,
    /// The last day, in London.
    pub due_on: Date,
    /// The end of that day.
    pub expires_at: Instant,
}

impl Due {
    /// Holds when the time is over. Overdue is said, and changes nothing.
    pub fn is_overdue(&self, now: Instant) -> bool {
        now >= self.expires_at
    }
}

/// Why a deadline can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DueError {
    /// The directory issue named in the receipt is not held.
    #[error("directory issue {0} is not held")]
    IssueNotHeld(u64),
    /// The bank holidays are not known that far ahead.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
}

/// The clocks that run at the ledger's newest entry.
///
/// `policy` gives the policy of a directory issue by its number: each clock runs under the issue named in
/// the receipt that started it, so that two servers with different newest issues find the same day.
///
/// Implements: CLK-001, CLK-004
pub fn due<'a>(ledger: &Ledger, policy: impl Fn(u64) -> Option<&'a Policy>) -> Result<Vec<Due>, DueError> {
    each_due(ledger, policy).into_iter().map(|(_, due)| due).collect()
}

/// The clocks that run, each by itself: one that can't be told hides no other.
///
/// Implements: CLK-001, CLK-003, CLK-004
pub fn each_due<'a>(
    ledger: &Ledger,
    policy: impl Fn(u64) -> Option<&'a Policy>,
) -> Vec<(Clock, Result<Due, DueError>)> {
    let terms = &ledger.terms;
    let deadline = |clock: Clock, start: ClockStart| -> Result<Due, DueError> {
        let policy = policy(start.directory_issue).ok_or(DueError::IssueNotHeld(start.directory_issue))?;
        let (days, owner) = match clock {
            Clock::Acknowledge => (policy.acknowledge_working_days.of(terms.clock_class), terms.receiving),
            Clock::Decide => (policy.decide_working_days.of(terms.clock_class), terms.receiving),
            Clock::Review => (policy.review_working_days, terms.receiving),
            Clock::OriginatingAct => (policy.origin_act_working_days, terms.originating),
        };
        let calendar = WorkingDays::new(policy.bank_holidays.iter().copied(), policy.holidays_through);
        let deadline = calendar.deadline(start.at.timestamp(), u32::from(days))?;
        let expires_at = Instant::new(deadline.expires_at);
        Ok(Due { clock, owner, started_at: start.at, due_on: deadline.due, expires_at })
    };
    let running = |clock: Clock, start: ClockStart| (clock, deadline(clock, start));
    match ledger.state {
        State::Offered { offered } => {
            vec![running(Clock::Acknowledge, offered), running(Clock::Decide, offered)]
        }
        State::Acknowledged { offered } => vec![running(Clock::Decide, offered)],
        State::Contested { contested, .. } => vec![running(Clock::Decide, contested)],
        State::Accepted { reviewed, .. } => vec![running(Clock::Review, reviewed)],
        State::Declined { declined: start }
        | State::Upheld { closed: start }
        | State::Redirected { closed: start }
        | State::Withdrawn { closed: start } => vec![running(Clock::OriginatingAct, start)],
        State::Settled { .. } => Vec::new(),
    }
}
