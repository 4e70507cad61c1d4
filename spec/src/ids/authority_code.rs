//! The `DfE` code of a local authority.

use std::str::FromStr;

use super::{IdError, digit, text_conversions};

/// The three-digit `DfE` code of a local authority, as digits.
///
/// A code says nothing about whether such an authority exists, or existed on a given day: that is a question
/// for the register of authorities, which needs a date. Ordered as text, which is also the order of the
/// numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorityCode([u8; 3]);

text_conversions!(
    AuthorityCode,
    pattern: "^[0-9]{3}$",
    description: "Three-digit DfE code of a local authority. Which authority it means depends on the date.",
    example: "801"
);

impl AuthorityCode {
    /// The three digits.
    pub fn as_str(&self) -> &str {
        // The constructors let in ASCII digits alone, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// `digits` must be ASCII digits: the caller has checked them.
    pub(super) fn from_digits(digits: [u8; 3]) -> Self {
        debug_assert!(digits.iter().all(u8::is_ascii_digit), "callers check their digits");
        Self(digits)
    }
}

impl std::fmt::Debug for AuthorityCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AuthorityCode({})", self.as_str())
    }
}

impl FromStr for AuthorityCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits: [u8; 3] =
            text.as_bytes().try_into().map_err(|_| IdError::WrongLength { expected: "3 digits" })?;
        for (index, &byte) in digits.iter().enumerate() {
            digit(byte, index + 1)?;
        }
        Ok(Self(digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_three_digits_and_orders_them() {
        let camden: AuthorityCode = "202".parse().unwrap();
        assert_eq!(camden.to_string(), "202");
        assert_eq!(format!("{camden:?}"), "AuthorityCode(202)");
        assert!(camden < "943".parse().unwrap());
        assert_eq!("20".parse::<AuthorityCode>(), Err(IdError::WrongLength { expected: "3 digits" }));
        assert_eq!("2O2".parse::<AuthorityCode>(), Err(IdError::WrongCharacter { position: 2 }));
        assert_eq!("é1".parse::<AuthorityCode>(), Err(IdError::WrongCharacter { position: 1 }));
    }
}
