//! The unique property reference number.

use std::str::FromStr;

use super::{IdError, identifier, masked_debug};

const LENGTH_MAX: usize = 12;

/// A unique property reference number: 1 to 12 digits, the first not zero, kept as text.
///
/// It finds a front door as surely as an address does, so `Debug` masks it. Source:
/// `alphagov/data-standards-authority`, UPRN standard.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uprn(String);

identifier!(
    Uprn,
    pattern: "^[1-9][0-9]{0,11}$",
    description: "Unique property reference number: 1 to 12 digits, no leading zero, as a string.",
    example: "999999999999"
);
masked_debug!(Uprn, "************");

impl FromStr for Uprn {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if let Some(index) = text.chars().position(|character| !character.is_ascii_digit()) {
            return Err(IdError::WrongCharacter { position: index + 1 });
        }
        if text.is_empty() || text.len() > LENGTH_MAX {
            return Err(IdError::WrongLength { expected: "1 to 12 digits" });
        }
        if text.starts_with('0') { Err(IdError::LeadingZero) } else { Ok(Self(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_to_twelve_digits_without_a_leading_zero() {
        assert_eq!("1".parse::<Uprn>().unwrap().as_str(), "1");
        assert_eq!("999999999999".parse::<Uprn>().unwrap().as_str().len(), 12);
        assert_eq!("0".parse::<Uprn>(), Err(IdError::LeadingZero));
        assert_eq!("".parse::<Uprn>(), Err(IdError::WrongLength { expected: "1 to 12 digits" }));
        assert_eq!("1000000000000".parse::<Uprn>(), Err(IdError::WrongLength { expected: "1 to 12 digits" }));
        assert_eq!("12a".parse::<Uprn>(), Err(IdError::WrongCharacter { position: 3 }));
    }
}
