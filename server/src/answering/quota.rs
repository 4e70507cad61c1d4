//! How many queries an authority, and an officer of it, may put in a day.

use cme_spec::instant::Instant;

use super::Asked;
use crate::config::Queries;
use crate::store::queries::{asked_since, count_asked_since, officer_asked_since};
use crate::store::{StoreError, Tx};

/// The time in which queries are counted: 24 hours.
const COUNTED_SECONDS: i64 = 86_400;

/// The seconds until the next query is answered, when as many were within a day as may be. Offers of the authority
/// count, as they ask the same. Implements: QRY-026
pub(super) fn exceeded(tx: &mut dyn Tx, limits: &Queries, asked: &Asked) -> Result<Option<u64>, StoreError> {
    let (hosted, author, officer) = (asked.key.hosted, asked.key.author, &asked.body.officer.id);
    let since = asked.now.plus_seconds(-COUNTED_SECONDS);
    let limit = limits.per_authority_day;
    let full = count_asked_since(tx, hosted, author, since)? >= limit;
    let of_authority = if full { asked_since(tx, hosted, author, since, limit)? } else { Vec::new() };
    let of_officer = officer_asked_since(tx, (hosted, author), officer, since, limits.per_officer_day)?;
    let waits = [wait(&of_authority, limit, asked.now), wait(&of_officer, limits.per_officer_day, asked.now)];
    Ok(waits.into_iter().flatten().max())
}

/// The seconds until fewer than `limit` of these, which are the newest, are of the last day.
fn wait(newest: &[Instant], limit: u32, now: Instant) -> Option<u64> {
    let full = u32::try_from(newest.len()).is_ok_and(|count| count >= limit);
    let oldest = newest.last().filter(|_| full)?;
    let left = oldest.plus_seconds(COUNTED_SECONDS).milliseconds() - now.milliseconds();
    Some(u64::try_from(left).unwrap_or_default().div_ceil(1_000).clamp(1, COUNTED_SECONDS.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_enough_waits_until_the_oldest_of_them_is_a_day_old() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let now = at("2026-11-24T12:00:00Z");
        let asked = [at("2026-11-24T11:00:00Z"), at("2026-11-23T12:00:01.5Z")];
        assert_eq!(wait(&asked, 3, now), None);
        assert_eq!(wait(&asked, 2, now), Some(2), "no fraction of a second too early");
        assert_eq!(wait(&asked[..1], 1, now), Some(82_800));
        assert_eq!(wait(&[at("2026-11-24T12:00:05Z")], 1, now), Some(86_400), "of a clock that was ahead");
    }
}
