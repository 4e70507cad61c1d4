//! Offline verification of a whole ledger by someone who trusts neither party.
//!
//! Input is an export and a directory; nothing else is asked. Every fault is named with the place of the
//! entry it was found at. A disputed entry is not a fault of the file: it is evidence that counts for
//! nothing, because its key was revoked and no older receipt of the other party vouches for it.

mod branch;
mod check;
mod file;
mod proof;

use self::check::Check;
pub use self::file::{FORMAT, LedgerFile, LedgerFileError};
use self::proof::proof;
pub use self::proof::{Disputed, Finding, Passed, Proof, Span, offered_twice};
use crate::directory::Directory;

/// Verifies the whole ledger from headers and receipts, which erasing leaves as they were.
///
/// Implements: VER-002, VER-003, VER-004, VER-005, VER-009
pub fn verify(file: &LedgerFile, directory: &Directory) -> Result<Proof, Vec<Finding>> {
    let mut check =
        Check { file, directory, findings: Vec::new(), disputed: Vec::new(), closed_through: None };
    let entries = check.entries();
    let Some(chain) = check.chain(entries) else { return Err(check.findings) };
    check.erasures(&chain.entries);
    let Some(ledger) = chain.states.last() else { return Err(check.findings) };
    check.head(ledger);
    let forks = check.forks(&chain);
    check.peer_heads(&chain);
    let definite_until = check.definite_until(ledger);
    if check.findings.is_empty() {
        Ok(proof(ledger, &chain.entries, check.disputed, forks, definite_until))
    } else {
        check.findings.sort_by_key(|finding| finding.sequence);
        Err(check.findings)
    }
}
