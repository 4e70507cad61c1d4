//! The program as a vendor holds it: what a run leaves behind, what can be done with it, and what becomes of a run
//! that is disturbed. The subject is a process of its own, the suite's reference peer.

#![expect(clippy::unwrap_used, reason = "what a test stands on ends it where it does not hold")]

mod disturbed;
mod evidence;
mod report;
mod stage;
