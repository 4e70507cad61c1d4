//! The `DfE` number of a school.

use std::str::FromStr;

use super::{AuthorityCode, IdError, exactly_digits, identifier};

/// A school's `DfE` number: three digits of the authority, four of the establishment.
///
/// Typed text may be written `801/2000`; the normal form is `8012000`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Laestab(String);

identifier!(
    Laestab,
    pattern: "^[0-9]{7}$",
    description: "DfE number of a school (LAESTAB): authority code (3 digits) and establishment number (4), without the slash.",
    example: "8010000"
);

impl Laestab {
    /// The authority whose establishment number this is. Not looked up in any register: a school keeps old
    /// numbers in old records.
    pub fn authority(&self) -> AuthorityCode {
        let bytes = self.0.as_bytes();
        AuthorityCode::from_digits([bytes[0], bytes[1], bytes[2]])
    }

    /// The four digits of the establishment.
    pub fn estab(&self) -> &str {
        &self.0[3..]
    }
}

impl FromStr for Laestab {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = match text.split_once('/') {
            Some((authority, estab)) if authority.len() == 3 => format!("{authority}{estab}"),
            Some((authority, _)) => {
                return Err(IdError::WrongCharacter { position: authority.chars().count() + 1 });
            }
            None => text.to_owned(),
        };
        exactly_digits(&digits, 7, "7 digits")?;
        Ok(Self(digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_both_ways_of_writing_and_keeps_seven_digits() {
        let number: Laestab = "801/2000".parse().unwrap();
        assert_eq!(number, "8012000".parse().unwrap());
        assert_eq!(number.as_str(), "8012000");
        assert_eq!(number.authority().as_str(), "801");
        assert_eq!(number.estab(), "2000");
    }

    #[test]
    fn refuses_a_slash_anywhere_else() {
        assert_eq!("80/12000".parse::<Laestab>(), Err(IdError::WrongCharacter { position: 3 }));
        assert_eq!("801/20/00".parse::<Laestab>(), Err(IdError::WrongCharacter { position: 6 }));
        assert_eq!("801/200".parse::<Laestab>(), Err(IdError::WrongLength { expected: "7 digits" }));
    }

    #[test]
    fn refuses_the_letters_of_an_unknown_destination() {
        assert_eq!("XXXXXXX".parse::<Laestab>(), Err(IdError::WrongCharacter { position: 1 }));
    }
}
