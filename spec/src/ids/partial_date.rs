//! A date of birth of which the day, or the day and the month, may be unknown.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use super::IdError;

/// A date of birth as far as it is known: `YYYY-MM-DD`, `YYYY-MM` or `YYYY`, on a day that the calendar has.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialDate(String);

impl FromStr for PartialDate {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let whole = match text.len() {
            4 => format!("{text}-01-01"),
            7 => format!("{text}-01"),
            10 => text.to_owned(),
            _ => return Err(IdError::WrongLength { expected: "4, 7 or 10" }),
        };
        let date: Date = whole.parse().map_err(|_| IdError::Form)?;
        // The parser also takes other spellings of a date; only this one comes out again.
        let fits = date.to_string() == whole && super::text::is_in_calendar(date);
        if fits { Ok(Self(text.to_owned())) } else { Err(IdError::Form) }
    }
}

impl From<Date> for PartialDate {
    fn from(date: Date) -> Self {
        Self(date.to_string())
    }
}

impl fmt::Debug for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartialDate(****-**-**)")
    }
}

super::identifier!(
    PartialDate,
    pattern: "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$",
    description: "Date of birth as far as it is known: YYYY-MM-DD, YYYY-MM or YYYY.",
    example: "2016-04"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_date_as_far_as_it_is_known_and_no_day_that_no_calendar_has() {
        for good in ["2016", "2016-04", "2016-02-29", "1999-12-31"] {
            assert_eq!(good.parse::<PartialDate>().unwrap().as_str(), good);
        }
        let bad = [
            "",
            "16",
            "2016-4",
            "2016-13",
            "2015-02-29",
            "20160401",
            "2016-04-",
            "2016/04",
            "+201",
            "2016-04-1é",
            "0000",
            "9999-12",
        ];
        for bad in bad {
            assert!(bad.parse::<PartialDate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prints_masked() {
        assert_eq!(format!("{:?}", "2016-04".parse::<PartialDate>().unwrap()), "PartialDate(****-**-**)");
    }
}
