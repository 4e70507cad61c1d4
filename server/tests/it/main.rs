//! The server as a real process, over real mutual TLS, with real files.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that can't go on says why by panicking"
)]

mod answer_times;
#[path = "../../benches/broadcast/answering.rs"]
mod answering;
mod answers;
mod arriving;
mod asked;
mod asking;
mod backup;
#[cfg(feature = "postgres-tests")]
mod backup_on_postgres;
mod careless;
mod crash;
mod demo;
mod escalation;
mod escalation_channels;
mod later_answers;
mod leases;
mod leavers;
mod notices;
mod office;
mod operator;
mod proxy;
mod queries;
mod queries_later;
mod raw;
mod raw_requests;
mod recovery;
mod refused_bodies;
mod refused_entries;
mod refused_readers;
mod refused_references;
mod register;
mod restarted;
#[cfg(feature = "postgres-tests")]
mod several;
mod shielded;
mod support;
mod suspended;
mod taker;
mod told;
mod traced;
mod unfilled;
mod wire;
