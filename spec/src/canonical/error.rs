//! Why bytes are not a document, or a member not of its form.

use crate::problem::{Problem, ProblemType};

/// Why bytes are not a document of this protocol. Never carries any of the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the limit.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are not UTF-8.
    #[error("not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// Not JSON.
    #[error("not JSON at line {line} column {column}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An object has a member name twice.
    #[error("a member name stands twice in one object, line {line} column {column}")]
    DuplicateMember {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A number with a fraction or an exponent, or minus zero.
    #[error("a number that is not a plain integer, line {line} column {column}")]
    NumberNotInteger {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An integer beyond plus or minus 2^53-1.
    #[error("an integer beyond 2^53-1, line {line} column {column}")]
    IntegerOutOfRange {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An escaped surrogate without its partner.
    #[error("a lone surrogate in a string, line {line} column {column}")]
    LoneSurrogate {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Objects and arrays nested too deeply.
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A string longer than the limit.
    #[error("a string of more than {limit} characters")]
    StringTooLong {
        /// The limit in Unicode scalar values.
        limit: usize,
    },
    /// An array with more items than the limit.
    #[error("an array of more than {limit} items")]
    ArrayTooLong {
        /// The limit.
        limit: usize,
    },
    /// An object with more members than the limit.
    #[error("an object of more than {limit} members")]
    ObjectTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The document is JSON but not an object.
    #[error("not a JSON object")]
    NotAnObject,
}

impl DecodeError {
    /// The problem that a peer is told. Implements: CAN-001, CAN-002, CAN-003, CAN-008, CAN-009
    pub fn problem(&self) -> Problem {
        match *self {
            Self::TooLarge { limit } => Problem::new(ProblemType::TooLarge).limit(limit),
            Self::TooDeep { limit }
            | Self::StringTooLong { limit }
            | Self::ArrayTooLong { limit }
            | Self::ObjectTooLarge { limit } => {
                Problem::new(ProblemType::LimitExceeded).limit(limit).detail(self.to_string())
            }
            Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::DuplicateMember { .. }
            | Self::NumberNotInteger { .. }
            | Self::IntegerOutOfRange { .. }
            | Self::LoneSurrogate { .. }
            | Self::NotAnObject => Problem::new(ProblemType::Malformed).detail(self.to_string()),
        }
    }

    /// Line and column where decoding stopped, when the fault has a place.
    pub fn position(&self) -> Option<(usize, usize)> {
        match *self {
            Self::Syntax { line, column }
            | Self::DuplicateMember { line, column }
            | Self::NumberNotInteger { line, column }
            | Self::IntegerOutOfRange { line, column }
            | Self::LoneSurrogate { line, column } => Some((line, column)),
            _ => None,
        }
    }
}

/// A JSON member that is missing or not of its type; `pointer` (RFC 6901) says where, never what.
///
/// Implements: PRV-002
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a member {} is missing, not of its form, or has no place here", place(pointer))]
pub struct ShapeError {
    /// RFC 6901 pointer to the innermost place that could be read.
    pub pointer: String,
}

fn place(pointer: &str) -> String {
    if pointer.is_empty() { "at the top level".to_owned() } else { format!("at or under {pointer}") }
}

impl ShapeError {
    /// A fault at `pointer`.
    pub fn at(pointer: impl Into<String>) -> Self {
        Self { pointer: pointer.into() }
    }
}
