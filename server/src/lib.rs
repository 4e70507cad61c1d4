//! Reference server of the CME transfer protocol.
//!
//! The binary `cme-server` is made of these parts; they are public so that the benchmarks and tests of this
//! repository can drive them.

pub mod answering;
pub mod app;
pub mod append;
pub mod asking;
pub mod audit;
pub mod backup;
mod bounded;
pub mod clock;
pub mod command;
pub mod config;
pub mod ctf;
pub mod delivery;
pub mod dispatch;
pub mod escalation;
pub mod extract;
pub mod handler;
pub mod health;
pub mod incarnation;
mod issues;
pub mod node;
pub mod notices;
pub mod office;
pub mod peers;
pub mod pki;
pub mod random;
pub mod reconciliation;
pub mod register;
pub mod routes;
pub mod store;
pub mod tls;
