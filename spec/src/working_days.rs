//! English working days and the deadlines counted in them.
//!
//! A working day is Monday to Friday less the bank holidays of England and Wales, by London dates. It is not
//! a school day: those follow each school's terms. Which days are bank holidays is data, since one-off
//! holidays are proclaimed at short notice; past the last day for which the data speaks no answer is given,
//! because a deadline worked out without the holidays would fall due too early.
//!
//! Source of the list compiled in: GOV.UK's own bank holiday data (`alphagov/frontend`,
//! `lib/data/bank-holidays.json`), 2024 to 2028. The directory's signed policy carries the list that binds.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::authority_register::csv::split_line;

/// London's time zone, compiled in: no file of the machine decides a deadline.
///
/// Summer time runs from the last Sunday in March to the last Sunday in October and changes at 01:00 UTC
/// (Summer Time Act 1972 as it has stood since the Summer Time Order 2002; citation unconfirmed). The
/// protocol has no earlier dates.
static LONDON: LazyLock<TimeZone> = LazyLock::new(|| {
    TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0/2")
        .unwrap_or_else(|error| panic!("London's time zone compiled in is malformed: {error}"))
});

/// Why a date cannot be worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// The answer lies after the last day whose holidays are known.
    #[error("the bank holidays are known through {through} only")]
    PastHolidays {
        /// Last day whose holidays are known.
        through: Date,
    },
    /// The answer lies outside the dates that can be represented.
    #[error("outside the range of dates")]
    OutOfRange,
}

/// Which days are working days, through a stated day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingDays {
    holidays: BTreeSet<Date>,
    through: Date,
}

/// The moment by which something must have been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline {
    /// The London date on which it falls due; the whole of that day is in time.
    pub due: Date,
    /// The first instant that is late: the start of the next London day.
    pub expires_at: Timestamp,
}

impl Deadline {
    /// Whether `at` is late.
    pub fn is_over_at(&self, at: Timestamp) -> bool {
        at >= self.expires_at
    }
}

/// The London date at an instant.
pub fn london_date(at: Timestamp) -> Date {
    at.to_zoned(LONDON.clone()).date()
}

static BANK_HOLIDAYS: LazyLock<Vec<Date>> = LazyLock::new(|| {
    parse_bank_holidays(include_str!("../data/bank_holidays.csv"))
        .unwrap_or_else(|| panic!("the bank holidays compiled in are malformed"))
});

static ENGLAND_AND_WALES: LazyLock<WorkingDays> = LazyLock::new(|| {
    let holidays = england_and_wales_bank_holidays();
    // The source publishes whole years, so the last holiday's year is known to its end.
    let through = holidays.last().map_or(Date::MIN, |last| last.last_of_year());
    WorkingDays::new(holidays.iter().copied(), through)
});

/// The bank holidays of England and Wales compiled in, in order.
pub fn england_and_wales_bank_holidays() -> &'static [Date] {
    &BANK_HOLIDAYS
}

/// Reads `date,weekday,title,notes,division`, or gives nothing if a line is not that.
fn parse_bank_holidays(text: &str) -> Option<Vec<Date>> {
    let mut dates = Vec::new();
    for line in text.lines().skip(1) {
        let fields = split_line(line).ok()?;
        dates.push(fields.first()?.parse().ok()?);
    }
    dates.sort_unstable();
    Some(dates)
}

impl WorkingDays {
    /// The calendar in which `holidays` are no working days and of which nothing is known after `through`.
    /// Holidays after `through` are of no effect.
    pub fn new(holidays: impl IntoIterator<Item = Date>, through: Date) -> Self {
        Self { holidays: holidays.into_iter().filter(|holiday| *holiday <= through).collect(), through }
    }

    /// The calendar of the bank holidays compiled in.
    pub fn england_and_wales() -> &'static Self {
        &ENGLAND_AND_WALES
    }

    /// The last day of which the calendar speaks.
    pub fn through(&self) -> Date {
        self.through
    }

    /// The bank holidays, in order.
    pub fn holidays(&self) -> impl Iterator<Item = Date> + '_ {
        self.holidays.iter().copied()
    }

    /// Whether `date` is Monday to Friday and not a bank holiday that the calendar knows of.
    pub fn is_working_day(&self, date: Date) -> bool {
        !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !self.holidays.contains(&date)
    }

    /// The `count`-th working day after `date`; `date` itself for a count of 0. The day one starts from never
    /// counts, whether a working day or not. Implements: CLK-003
    pub fn add(&self, date: Date, count: u32) -> Result<Date, CalendarError> {
        let past = CalendarError::PastHolidays { through: self.through };
        if date > self.through {
            return Err(past);
        }
        let mut day = date;
        let mut left = count;
        // Ends at `through` at the latest.
        while left > 0 {
            if day >= self.through {
                return Err(past);
            }
            day = day.tomorrow().map_err(|_| CalendarError::OutOfRange)?;
            if self.is_working_day(day) {
                left -= 1;
            }
        }
        Ok(day)
    }

    /// The deadline `count` working days after the London date of `received_at`, at the end of that London
    /// day. Implements: CLK-002, CLK-003
    pub fn deadline(&self, received_at: Timestamp, count: u32) -> Result<Deadline, CalendarError> {
        let due = self.add(london_date(received_at), count)?;
        let next = due.tomorrow().map_err(|_| CalendarError::OutOfRange)?;
        let start = next.to_zoned(LONDON.clone()).map_err(|_| CalendarError::OutOfRange)?;
        Ok(Deadline { due, expires_at: start.timestamp() })
    }
}

#[cfg(test)]
mod tests;
