//! Rules of the CME transfer protocol that are true of every implementation.
//!
//! This crate is pure: it reads no clock, no file, no network and no random source. A server, a client and
//! a verifier that share it can't disagree about a digest, a state or a deadline; one that doesn't share it
//! has the text, the OpenAPI document and the vectors beside it.

pub mod authority_register;
pub mod body;
pub mod canonical;
pub mod codes;
pub mod digest;
pub mod directory;
pub mod entry;
pub mod envelope;
pub mod example;
pub mod facts;
pub mod ids;
pub mod instant;
pub mod ledger;
pub mod notice;
pub mod openapi;
pub mod operation;
pub mod pair;
pub mod problem;
pub mod query;
pub mod receipt;
pub mod signature;
pub mod statement;
mod text;
pub mod working_days;
