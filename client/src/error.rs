//! What can go wrong with a peer, sorted by what to do next.

use std::time::Duration;

use cme_spec::canonical::{DecodeError, ShapeError};
use cme_spec::directory::KeyError;
use cme_spec::entry::EntryError;
use cme_spec::ids::AuthorityCode;
use cme_spec::ledger::append::AppendError;
use cme_spec::problem::{NextStep, Problem};
use cme_spec::query::AnswerFault;

/// Why a call to a peer did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The peer refused, with a registered problem.
    #[error("authority {peer} refused: {} ({})", .problem.title, .problem.kind)]
    Refused {
        /// Who refused.
        peer: AuthorityCode,
        /// What it said.
        problem: Box<Problem>,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Something that is not a refusal of this protocol answered: a proxy, an error page. Never final.
    #[error("authority {peer} answered {status} without a problem of this protocol")]
    NotOfThisProtocol {
        /// Whose address it was.
        peer: AuthorityCode,
        /// The HTTP status.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// No connection, or no whole answer in time.
    #[error("authority {peer} could not be reached: {what}")]
    Unreachable {
        /// Whose address it was.
        peer: AuthorityCode,
        /// What failed.
        what: Unreached,
    },
    /// The answer does not prove what it says.
    #[error("authority {peer} gave an answer that does not hold: {what}")]
    Unproven {
        /// Who answered.
        peer: AuthorityCode,
        /// What does not hold.
        what: Unproven,
    },
    /// The directory has no such authority, or gives no address for it.
    #[error("the directory gives no way to reach authority {0}")]
    NotConnected(AuthorityCode),
    /// No directory issue is held, so nobody can be found.
    #[error("no directory issue is held")]
    NoDirectory,
    /// The TLS configuration could not be made: a misconfigured identity.
    #[error("no TLS connection can be made with this identity")]
    Tls,
}

/// Why there is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// Nobody with a pinned key answers at the address.
    #[error("no connection")]
    NoConnection,
    /// The connection ended before the answer did.
    #[error("the connection broke")]
    Broken,
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// The answer was not read to its end.
    #[error("the answer is larger than the limit")]
    TooLarge,
}

/// What an answer failed to prove.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// Not strict JSON.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// Not of the expected shape.
    #[error("{0}")]
    Shape(#[from] ShapeError),
    /// Not an entry.
    #[error("{0}")]
    Entry(#[from] EntryError),
    /// A body that is not the one its header names.
    #[error("a body does not have the digest that its header names")]
    BodyDigest,
    /// A signature or its key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// An entry that does not follow the ones before it.
    #[error("{0}")]
    Append(#[from] AppendError),
    /// An answer that is none to the query, or not in this place.
    #[error("{0}")]
    Answer(#[from] AnswerFault),
    /// A receipt or head about something else.
    #[error("it is about something else")]
    OtherMatter,
}

impl ClientError {
    /// What to do next. Implements: DLV-006
    pub fn next_step(&self) -> NextStep {
        match self {
            Self::Refused { problem, .. } => {
                problem.registered().map_or(NextStep::Retry, cme_spec::problem::ProblemType::next_step)
            }
            // A broken answer is the peer's fault of the day, not its decision.
            _ => NextStep::Retry,
        }
    }

    /// The registered problem, if the peer refused with one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// How long the peer asks to wait. Implements: DLV-008
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::NotOfThisProtocol { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cme_spec::problem::ProblemType;

    fn refused(problem: Problem) -> ClientError {
        let problem = Box::new(problem);
        ClientError::Refused { peer: "330".parse().unwrap(), problem, retry_after: None }
    }

    #[test]
    fn only_a_registered_problem_is_a_refusal() {
        for kind in ProblemType::ALL {
            assert_eq!(refused(Problem::new(*kind)).next_step(), kind.next_step());
        }
        let mut later = Problem::new(ProblemType::Malformed);
        later.kind = "urn:cme:problem:v1:not-registered-yet".to_owned();
        assert_eq!(refused(later).next_step(), NextStep::Retry);
        for status in [301, 403, 404, 413, 422, 502] {
            let peer = "330".parse().unwrap();
            let page = ClientError::NotOfThisProtocol { peer, status, retry_after: None };
            assert_eq!(page.next_step(), NextStep::Retry, "{status}");
        }
    }
}
