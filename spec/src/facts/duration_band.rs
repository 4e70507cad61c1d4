//! The band of time for which a child has been missing education.
//!
//! The published labels overlap at their edges. The bands here are half open, by days: `[0, 14)`, `[14, 28)`,
//! `[28, 56)`, `[56, 84)`, `[84, 182)`, `[182, 364)` and from 364 on. That is this protocol's reading, not
//! the Department's: the day on which the time began is what a case keeps, and the band is derived.

use jiff::civil::Date;

use crate::codes::DurationBand;

/// The first day of each band after the first, with the band.
const BANDS: [(u32, DurationBand); 6] = [
    (364, DurationBand::OverFiftyTwoWeeks),
    (182, DurationBand::TwentySixToFiftyTwoWeeks),
    (84, DurationBand::TwelveToTwentySixWeeks),
    (56, DurationBand::EightToTwelveWeeks),
    (28, DurationBand::FourToEightWeeks),
    (14, DurationBand::TwoToFourWeeks),
];

/// The band of a number of whole days.
pub fn duration_band(days: u32) -> DurationBand {
    BANDS
        .into_iter()
        .find(|(first_day, _)| *first_day <= days)
        .map_or(DurationBand::LessThanTwoWeeks, |(_, band)| band)
}

/// The band of the time from `start` to `on`; `Unknown` where the start is not known or lies after `on`.
///
/// Implements: FCT-004
pub fn duration_band_between(start: Option<Date>, on: Date) -> DurationBand {
    start
        .and_then(|start| u32::try_from(start.duration_until(on).as_hours() / 24).ok())
        .map_or(DurationBand::Unknown, duration_band)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn each_band_begins_on_its_first_day_and_ends_the_day_before_the_next() {
        for (first_day, last_day, band) in [
            (0, 13, DurationBand::LessThanTwoWeeks),
            (14, 27, DurationBand::TwoToFourWeeks),
            (28, 55, DurationBand::FourToEightWeeks),
            (56, 83, DurationBand::EightToTwelveWeeks),
            (84, 181, DurationBand::TwelveToTwentySixWeeks),
            (182, 363, DurationBand::TwentySixToFiftyTwoWeeks),
            (364, u32::MAX, DurationBand::OverFiftyTwoWeeks),
        ] {
            assert_eq!((duration_band(first_day), duration_band(last_day)), (band, band));
        }
    }

    #[test]
    fn a_start_that_is_missing_or_still_to_come_is_unknown() {
        let on = date(2026, 11, 24);
        assert_eq!(duration_band_between(None, on), DurationBand::Unknown);
        assert_eq!(duration_band_between(Some(date(2026, 11, 25)), on), DurationBand::Unknown);
        assert_eq!(duration_band_between(Some(on), on), DurationBand::LessThanTwoWeeks);
    }

    proptest! {
        #[test]
        fn counts_calendar_days_across_changes_of_the_clocks(days in 0_u32..2_000) {
            let start = date(2024, 3, 1);
            let on = start.checked_add(i64::from(days).days()).unwrap();
            prop_assert_eq!(duration_band_between(Some(start), on), duration_band(days));
        }
    }
}
