//! The cases, by the section of the text that they hold a server to.
//!
//! Each holds for any correct implementation, cites what it checks, and is kept only because a fault of the
//! reference peer is found by it (see [`crate::self_check`]).

mod canonical_form;
mod delivery;
mod directory;
mod entries;
mod identifiers;
mod ledger;
mod privacy;
mod receipts;
mod recovery;
mod signatures;
mod transport;

use crate::court::{Court, Found};

/// One case.
pub(crate) struct Case {
    /// Its name, which `run --only` takes.
    pub(crate) name: &'static str,
    /// What holds of a server that passes.
    pub(crate) claim: &'static str,
    /// The requirements that it checks; a failure names one of them.
    pub(crate) checks: &'static [&'static str],
    /// The profile that a server declares which is held to it.
    pub(crate) profile: &'static str,
    /// Whether `run --quick` leaves it out: it waits for the subject to do something by itself, or sends much.
    pub(crate) slow: bool,
    pub(crate) run: fn(&mut Court<'_>) -> Found<()>,
}

/// A case of the core profile that takes no time to speak of.
const CORE: Case = Case { name: "", claim: "", checks: &[], profile: "core", slow: false, run: |_| Ok(()) };

/// Every case, in the order of the text.
pub(crate) fn all() -> Vec<&'static Case> {
    [
        identifiers::CASES,
        canonical_form::CASES,
        signatures::CASES,
        entries::CASES,
        ledger::CASES,
        receipts::CASES,
        directory::CASES,
        transport::CASES,
        transport::reads::CASES,
        transport::puts::CASES,
        delivery::CASES,
        recovery::CASES,
        privacy::CASES,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The cases that a name asks for: its own, or those that cite it.
pub(crate) fn named(name: &str) -> Vec<&'static Case> {
    all().into_iter().filter(|case| case.name == name || case.checks.contains(&name)).collect()
}
