//! The unique reference number of a school.

use std::str::FromStr;

use super::{IdError, exactly_digits, identifier};

/// A school's unique reference number: six digits, the first not zero (form unconfirmed by a source).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Urn(String);

identifier!(
    Urn,
    pattern: "^[1-9][0-9]{5}$",
    description: "Unique reference number of an establishment in England: six digits, the first not zero.",
    example: "999999"
);

impl FromStr for Urn {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        exactly_digits(text, 6, "6 digits")?;
        if text.starts_with('0') { Err(IdError::LeadingZero) } else { Ok(Self(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_six_digits_that_do_not_begin_with_zero() {
        assert_eq!("123456".parse::<Urn>().unwrap().as_str(), "123456");
        assert_eq!("023456".parse::<Urn>(), Err(IdError::LeadingZero));
        assert_eq!("12345".parse::<Urn>(), Err(IdError::WrongLength { expected: "6 digits" }));
        assert_eq!("1234567".parse::<Urn>(), Err(IdError::WrongLength { expected: "6 digits" }));
        assert_eq!("12345x".parse::<Urn>(), Err(IdError::WrongCharacter { position: 6 }));
    }
}
