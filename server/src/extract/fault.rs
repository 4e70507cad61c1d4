//! Refusals and faults as answers. What went wrong here is logged; the peer is told only that it did.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use cme_spec::problem::{MEDIA_TYPE, Problem, ProblemType};

use crate::store::StoreError;

/// Seconds after which a peer may try again what this server couldn't do.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a handler has no answer of its own.
#[derive(Debug)]
pub enum Fault {
    /// The peer's fault: a registered problem.
    Refused(Box<Problem>),
    /// A registered problem that passes by itself, after so many seconds.
    Later(Box<Problem>, u64),
    /// Ours: logged in full, told in one word.
    Ours(StoreError),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl From<ProblemType> for Fault {
    fn from(kind: ProblemType) -> Self {
        Problem::new(kind).into()
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Ours(error)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(problem) | Self::Later(problem, _) => f.write_str(&problem.kind),
            Self::Ours(error) => error.fmt(f),
        }
    }
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused(problem) | Self::Later(problem, _) => {
                StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Ours(StoreError::Busy | StoreError::Full | StoreError::Closed | StoreError::HeldAlone) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Ours(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Refused(problem) => problem_response(problem),
            Self::Later(problem, seconds) => {
                let mut response = problem_response(problem);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*seconds));
                response
            }
            Self::Ours(error) => {
                tracing::error!(%error, "a request failed here");
                let overloaded = self.status_code() == StatusCode::SERVICE_UNAVAILABLE;
                let kind = if overloaded { ProblemType::Unavailable } else { ProblemType::Internal };
                problem_response(&Problem::new(kind))
            }
        }
    }
}

/// A problem as an answer. Implements: TRN-008, TRN-020
pub fn problem_response(problem: &Problem) -> HttpResponse {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.content_type(MEDIA_TYPE).insert_header((CACHE_CONTROL, "no-store"));
    if matches!(problem.status, 429 | 503) {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    response.json(problem)
}
