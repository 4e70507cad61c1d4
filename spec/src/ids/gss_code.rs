//! The ONS nine-character code of an area.

use std::str::FromStr;

use super::{IdError, digit, identifier};

/// An ONS (GSS) code: the nation's letter (`E`, `W`, `S` or `N`) and eight digits.
///
/// It changes when a boundary does, while the `DfE` code stays (Barnsley and Sheffield in 2025), so it never
/// identifies an authority by itself. Source: ONS code history, by way of `DfE`'s list of authorities.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GssCode(String);

identifier!(
    GssCode,
    pattern: "^[EWSN][0-9]{8}$",
    description: "ONS (GSS) code of an area: E, W, S or N and eight digits.",
    example: "E06000023"
);

impl FromStr for GssCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if let Some(index) = text.chars().position(|character| !character.is_ascii()) {
            return Err(IdError::WrongCharacter { position: index + 1 });
        }
        let bytes = text.as_bytes();
        if bytes.len() != 9 {
            return Err(IdError::WrongLength { expected: "9 characters" });
        }
        if !b"EWSN".contains(&bytes[0]) {
            return Err(IdError::WrongCharacter { position: 1 });
        }
        for (index, &byte) in bytes.iter().enumerate().skip(1) {
            digit(byte, index + 1)?;
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_letter_of_a_nation_and_eight_digits() {
        assert_eq!("E08000039".parse::<GssCode>().unwrap().as_str(), "E08000039");
        assert_eq!("X08000039".parse::<GssCode>(), Err(IdError::WrongCharacter { position: 1 }));
        assert_eq!("e08000039".parse::<GssCode>(), Err(IdError::WrongCharacter { position: 1 }));
        assert_eq!("E0800003".parse::<GssCode>(), Err(IdError::WrongLength { expected: "9 characters" }));
        assert_eq!("E0800003O".parse::<GssCode>(), Err(IdError::WrongCharacter { position: 9 }));
    }
}
