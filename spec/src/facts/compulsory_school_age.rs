//! Compulsory school age.
//!
//! Section 8 of the Education Act 1996 and the Education (Start of Compulsory School Age) Order 1998. The
//! rules are stated here from common knowledge and are **unconfirmed**: check them against the law before
//! relying on an edge.

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

/// Where a date lies relative to a child's compulsory school age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompulsorySchoolAge {
    /// Before its first day.
    Below,
    /// From its first day to its last, both included.
    Within,
    /// After its last day.
    Over,
}

/// The days on which compulsory school age may start, as month and day, in the order of the year.
const PRESCRIBED_DAYS: [(i8, i8); 3] = [(3, 31), (8, 31), (12, 31)];

const STARTS_AT_YEARS: i64 = 5;
const ENDS_AT_YEARS: i64 = 16;

/// First month of the school year.
const SEPTEMBER: i8 = 9;

/// Where `on` lies relative to the compulsory school age of a child born on `date_of_birth`.
///
/// Implements: FCT-001
pub fn compulsory_school_age(date_of_birth: Date, on: Date) -> CompulsorySchoolAge {
    if on < compulsory_school_age_starts_on(date_of_birth) {
        CompulsorySchoolAge::Below
    } else if on <= compulsory_school_age_ends_on(date_of_birth) {
        CompulsorySchoolAge::Within
    } else {
        CompulsorySchoolAge::Over
    }
}

/// The first day of compulsory school age: the first 31 March, 31 August or 31 December on or after the fifth
/// birthday.
pub fn compulsory_school_age_starts_on(date_of_birth: Date) -> Date {
    let birthday = birthday(date_of_birth, STARTS_AT_YEARS);
    PRESCRIBED_DAYS
        .into_iter()
        .filter_map(|(month, day)| Date::new(birthday.year(), month, day).ok())
        .find(|prescribed| *prescribed >= birthday)
        // 31 December is on or after every day of its year.
        .unwrap_or(birthday)
}

/// The last day of compulsory school age: the last Friday in June of the school year (1 September to 31
/// August) in which the child reaches 16.
pub fn compulsory_school_age_ends_on(date_of_birth: Date) -> Date {
    let birthday = birthday(date_of_birth, ENDS_AT_YEARS);
    let year =
        if birthday.month() >= SEPTEMBER { birthday.year().saturating_add(1) } else { birthday.year() };
    Date::new(year, 6, 1).and_then(|june| june.nth_weekday_of_month(-1, Weekday::Friday)).unwrap_or(Date::MAX)
}

/// The birthday of that age; of a child born on 29 February in a year without one, the day before 1 March. No
/// rule here depends on which of the two days it is.
fn birthday(date_of_birth: Date, years: i64) -> Date {
    let span: Span = years.years();
    date_of_birth.saturating_add(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn starts_on_the_prescribed_day_on_or_after_the_fifth_birthday() {
        for (birth, starts) in [
            (date(2020, 1, 1), date(2025, 3, 31)),
            (date(2020, 3, 31), date(2025, 3, 31)),
            (date(2020, 4, 1), date(2025, 8, 31)),
            (date(2020, 8, 31), date(2025, 8, 31)),
            (date(2020, 9, 1), date(2025, 12, 31)),
            (date(2020, 12, 31), date(2025, 12, 31)),
            (date(2020, 2, 29), date(2025, 3, 31)),
        ] {
            assert_eq!(compulsory_school_age_starts_on(birth), starts, "{birth}");
        }
    }

    #[test]
    fn ends_on_the_last_friday_in_june_of_the_school_year_of_the_sixteenth_birthday() {
        for (birth, ends) in [
            (date(2010, 8, 31), date(2026, 6, 26)),
            (date(2010, 9, 1), date(2027, 6, 25)),
            (date(2010, 12, 31), date(2027, 6, 25)),
            (date(2011, 1, 1), date(2027, 6, 25)),
            (date(2012, 2, 29), date(2028, 6, 30)),
        ] {
            assert_eq!(compulsory_school_age_ends_on(birth), ends, "{birth}");
        }
    }

    #[test]
    fn its_first_and_last_days_are_within() {
        let birth = date(2010, 8, 31);
        assert_eq!(compulsory_school_age(birth, date(2015, 8, 30)), CompulsorySchoolAge::Below);
        assert_eq!(compulsory_school_age(birth, date(2015, 8, 31)), CompulsorySchoolAge::Within);
        assert_eq!(compulsory_school_age(birth, date(2026, 6, 26)), CompulsorySchoolAge::Within);
        assert_eq!(compulsory_school_age(birth, date(2026, 6, 27)), CompulsorySchoolAge::Over);
    }

    proptest! {
        #[test]
        fn age_never_goes_back(born in 0_i64..20_000, one in 0_i64..30_000, other in 0_i64..30_000) {
            let day = |offset: i64| date(1990, 1, 1).checked_add(offset.days()).unwrap();
            let age = |offset| compulsory_school_age(day(born), day(offset));
            prop_assert!(age(one.min(other)) <= age(one.max(other)));
        }

        #[test]
        fn it_ends_on_a_friday_in_the_last_week_of_june_more_than_ten_years_after_it_starts(born in 0_i64..20_000) {
            let birth = date(1990, 1, 1).checked_add(born.days()).unwrap();
            let ends = compulsory_school_age_ends_on(birth);
            prop_assert_eq!((ends.weekday(), ends.month()), (Weekday::Friday, 6));
            prop_assert!(ends.day() >= 24);
            prop_assert!(ends > compulsory_school_age_starts_on(birth).checked_add(10.years()).unwrap());
        }

        #[test]
        fn no_date_of_birth_panics(year in -9999_i16..=9999, month in 1_i8..=12, day in 1_i8..=28) {
            let _ = compulsory_school_age(date(year, month, day), date(2026, 11, 24));
        }
    }
}
