//! Bytes in, proof types out. A handler that lacks one of these can't be written.

mod body;
mod caller;
mod fault;

pub use self::body::{document_body, entry_body, statement_body};
pub use self::caller::{Caller, RateLimits};
pub use self::fault::{Fault, problem_response};
