//! Who a child is, as a register or a query says it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What identifies a child, in a register and in a query alike; whatever is not known stays empty.
///
/// Values are taken as they were written. Nothing here has to be valid: a register holds mistyped
/// identifiers, and so does a query.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Child {
    /// Given name, or all given names in one.
    pub given_name: Option<String>,
    /// Middle names.
    pub middle_names: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Family names that were used before.
    pub former_family_names: Vec<String>,
    /// Other names in use: a given name, or a given name and a family name.
    pub also_known_as: Vec<String>,
    /// Date of birth.
    pub date_of_birth: Option<PartialDate>,
    /// Sex, where recorded.
    pub sex: Option<Sex>,
    /// Unique pupil number.
    pub upn: Option<String>,
    /// Unique pupil numbers that were replaced.
    pub former_upns: Vec<String>,
    /// NHS number.
    pub nhs_number: Option<String>,
    /// Last known postcode.
    pub postcode: Option<String>,
}

/// Says nothing of the child: a value may end up in a log.
impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Child(..)")
    }
}

/// Sex, as on the birth certificate or gender recognition certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// A date of birth of which the day, or the day and the month, may be unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartialDate {
    year: u16,
    month: u8,
    day: u8,
}

/// Text or numbers that are no date of birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date of birth: YYYY-MM-DD, YYYY-MM or YYYY from 1900 to 2099")]
pub struct DateError;

impl PartialDate {
    /// The date of these parts; days are checked against the longest month of that number.
    pub fn new(year: u16, month: Option<u8>, day: Option<u8>) -> Result<Self, DateError> {
        let days = match month {
            Some(2) => 29,
            Some(4 | 6 | 9 | 11) => 30,
            _ => 31,
        };
        let month_fits = month.is_none_or(|month| (1..=12).contains(&month));
        let day_fits = day.is_none_or(|day| month.is_some() && (1..=days).contains(&day));
        if !(1900..2100).contains(&year) || !month_fits || !day_fits {
            return Err(DateError);
        }
        Ok(Self { year, month: month.unwrap_or(0), day: day.unwrap_or(0) })
    }

    /// Year.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// Month, where known.
    pub const fn month(self) -> Option<u8> {
        if self.month == 0 { None } else { Some(self.month) }
    }

    /// Day of the month, where known.
    pub const fn day(self) -> Option<u8> {
        if self.day == 0 { None } else { Some(self.day) }
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if self.month > 0 {
            write!(f, "-{:02}", self.month)?;
        }
        if self.day > 0 {
            write!(f, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

impl fmt::Debug for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartialDate(..)")
    }
}

impl FromStr for PartialDate {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let number = |part: &str, digits: usize| {
            let right = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            if right { part.parse::<u16>().map_err(|_| DateError) } else { Err(DateError) }
        };
        let two = |part: &str| number(part, 2).and_then(|value| u8::try_from(value).map_err(|_| DateError));
        let mut parts = text.split('-');
        let year = number(parts.next().unwrap_or_default(), 4)?;
        let month = parts.next().map(two).transpose()?;
        let day = parts.next().map(two).transpose()?;
        if parts.next().is_some() {
            return Err(DateError);
        }
        Self::new(year, month, day)
    }
}

impl TryFrom<String> for PartialDate {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<PartialDate> for String {
    fn from(date: PartialDate) -> Self {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whole_and_partial_dates_and_writes_them_back() {
        for text in ["2014-03-02", "2014-03", "2014", "2016-02-29"] {
            assert_eq!(text.parse::<PartialDate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_date_of_birth() {
        for text in
            ["", "14", "2014-3", "2014-13", "2014-00", "2014-02-30", "2014-01-01-01", "1899", "2100", "+014"]
        {
            assert_eq!(text.parse::<PartialDate>(), Err(DateError), "{text}");
        }
    }

    #[test]
    fn prints_nothing_of_a_child() {
        let child = Child { family_name: Some("Testcase".to_owned()), ..Child::default() };
        assert_eq!(format!("{child:?}"), "Child(..)");
        assert_eq!(format!("{:?}", "2014-03-02".parse::<PartialDate>().unwrap()), "PartialDate(..)");
    }
}
