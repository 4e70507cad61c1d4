//! The cases, by the section of the text that they hold a server to.
//!
//! Each holds for any correct implementation, cites what it checks, and is kept only because a fault of the
//! reference peer is found by it (see [`crate::self_check`]).

mod canonical_form;
mod clocks;
mod delivery;
mod directory;
mod entries;
mod facts;
mod identifiers;
mod ledger;
mod notices;
mod privacy;
mod queries;
mod receipts;
mod recovery;
mod signatures;
mod transport;
mod verification;

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
    /// What an adapter has to be able to do for it, such as `trigger offer`. Without any, the messages of peers
    /// alone make the subject act.
    pub(crate) needs: &'static [&'static str],
    /// Whether it is heard alone, after all others: it stops the subject, or changes its directory.
    pub(crate) alone: bool,
    pub(crate) run: fn(&mut Court<'_>) -> Found<()>,
}

/// A case of the core profile that takes no time to speak of.
const CORE: Case = Case {
    name: "",
    claim: "",
    checks: &[],
    profile: "core",
    slow: false,
    needs: &[],
    alone: false,
    run: |_| Ok(()),
};

/// A case of the core profile in which the subject offers on demand.
const OFFERING: Case = Case { needs: &["trigger offer"], ..CORE };

/// A case of the core profile in which officers of the subject offer and decide on demand.
const DECIDING: Case = Case { needs: &["trigger offer", "trigger decide"], ..CORE };

/// How a case makes the subject act.
impl Case {
    pub(crate) const fn made_to_act_by(&self) -> &'static str {
        if self.needs.is_empty() { "peer" } else { "adapter" }
    }
}

/// Every case, in the order of the text.
pub(crate) fn all() -> Vec<&'static Case> {
    [
        identifiers::CASES,
        canonical_form::CASES,
        signatures::CASES,
        entries::CASES,
        entries::authors::CASES,
        entries::outcomes::CASES,
        ledger::CASES,
        ledger::deliveries::CASES,
        receipts::CASES,
        receipts::durable::CASES,
        clocks::CASES,
        directory::CASES,
        directory::issues::CASES,
        directory::starting::CASES,
        transport::CASES,
        transport::reads::CASES,
        transport::puts::CASES,
        transport::bounds::CASES,
        delivery::CASES,
        delivery::sending::CASES,
        delivery::retrying::CASES,
        delivery::catching_up::CASES,
        recovery::CASES,
        recovery::restores::CASES,
        recovery::suspended::CASES,
        recovery::forks::CASES,
        facts::CASES,
        privacy::CASES,
        privacy::silence::CASES,
        verification::CASES,
        verification::twice::CASES,
        queries::CASES,
        queries::shielded::CASES,
        queries::asking::CASES,
        queries::standing::CASES,
        notices::CASES,
        notices::telling::CASES,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The cases that a name asks for: its own, or those that cite it.
pub(crate) fn named(name: &str) -> Vec<&'static Case> {
    all().into_iter().filter(|case| case.name == name || case.checks.contains(&name)).collect()
}

/// The cases that any of the names asks for; all of them without a name.
pub(crate) fn chosen(only: &[String]) -> Vec<&'static Case> {
    let asked = |case: &&Case| {
        only.is_empty() || only.iter().any(|name| case.name == name || case.checks.contains(&name.as_str()))
    };
    all().into_iter().filter(asked).collect()
}
