//! Section 8: the directory.

pub(super) mod issues;
pub(super) mod starting;

use super::{CORE, Case};
use crate::court::{Court, Found, ensure, problem_of, refused};
use crate::world::Kind;

pub(super) const CASES: &[Case] = &[Case {
    name: "dir-refuses-offers-outside-the-validity",
    claim: "An offer by an authority that has ended, or has yet to begin, is by no party.",
    checks: &["DIR-011"],
    run: outside_validity,
    ..CORE
}];

fn outside_validity(court: &mut Court<'_>) -> Found<()> {
    for kind in [Kind::Ended, Kind::ToCome] {
        let (live, other) = (court.peer()?, court.authority(kind)?);
        let entry = court.draft(&other).sealed(&other.key);
        court.offered(&live)?;
        let response = court.put(&other, &entry)?;
        court.offered(&live)?;
        refused("DIR-011", &["not-a-party"], &response)?;
        // It is known all the same: only its offers are refused.
        let capabilities = court.get(&other, "/v1/capabilities")?;
        let known = problem_of(&capabilities).is_none_or(|name| name != "peer-unknown");
        ensure(known, "DIR-011", "an authority that is in the directory is known", "peer-unknown")?;
    }
    Ok(())
}
