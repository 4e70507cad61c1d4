//! The NHS number.
//!
//! Ten digits. The first nine are weighted 10 down to 2; eleven less the sum modulo 11 is the check digit,
//! where 11 counts as 0 and 10 means that no number begins with those nine digits. Source: NHS Data
//! Dictionary, by way of `DFE-Digital/SUI_Matcher`. Numbers that begin 999 are kept for tests (unconfirmed).

use std::str::FromStr;

use super::{IdError, exactly_digits, identifier, masked_debug, mod_eleven};

/// An NHS number of ten digits whose check digit agrees.
///
/// Typed text may hold spaces and hyphens; they are dropped. One digit repeated ten times is refused although
/// some pass the arithmetic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NhsNumber(String);

identifier!(
    NhsNumber,
    pattern: "^[0-9]{10}$",
    description: "NHS number: ten digits without spaces, the last a check digit (modulo 11). One digit repeated is refused.",
    example: "9990000018"
);
masked_debug!(NhsNumber, "**********");

const NINE_DIGITS_MAX: u32 = 999_999_999;

impl NhsNumber {
    /// The number that begins with these nine digits (zeros are put in front), or
    /// [`IdError::NoCheckDigit`] where none does.
    pub fn from_first_nine(digits: u32) -> Result<Self, IdError> {
        if digits > NINE_DIGITS_MAX {
            return Err(IdError::PartTooLarge);
        }
        let nine = format!("{digits:09}");
        let check = check_digit(&nine)?;
        format!("{nine}{check}").parse()
    }
}

impl FromStr for NhsNumber {
    type Err = IdError;

    /// Implements: IDN-004
    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits: String =
            text.chars().filter(|character| !character.is_whitespace() && *character != '-').collect();
        exactly_digits(&digits, 10, "10 digits")?;
        let first = digits.as_bytes()[0];
        if digits.bytes().all(|byte| byte == first) {
            return Err(IdError::Repeated);
        }
        let check = check_digit(&digits)?;
        if u32::from(digits.as_bytes()[9] - b'0') == check {
            Ok(Self(digits))
        } else {
            Err(IdError::CheckDigit)
        }
    }
}

fn check_digit(digits: &str) -> Result<u32, IdError> {
    match mod_eleven(digits) {
        0 => Ok(0),
        1 => Err(IdError::NoCheckDigit),
        remainder => Ok(11 - remainder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_the_published_worked_examples() {
        assert_eq!(check_digit("943476591"), Ok(9));
        assert_eq!(check_digit("943476587"), Ok(0));
        assert_eq!(check_digit("999123456"), Err(IdError::NoCheckDigit));
    }

    #[test]
    fn drops_the_spaces_and_hyphens_that_people_type() {
        let number = NhsNumber::from_first_nine(999_000_001).unwrap();
        assert_eq!(number.as_str(), "9990000018");
        assert_eq!("999 000 0018".parse(), Ok(number.clone()));
        assert_eq!(" 999-000-0018 ".parse(), Ok(number));
    }

    #[test]
    fn refuses_one_digit_repeated() {
        for digit in '0'..='9' {
            assert_eq!(digit.to_string().repeat(10).parse::<NhsNumber>(), Err(IdError::Repeated));
        }
    }

    #[test]
    fn refuses_a_wrong_check_digit_a_wrong_length_and_a_letter() {
        assert_eq!("9990000019".parse::<NhsNumber>(), Err(IdError::CheckDigit));
        assert_eq!("9991234560".parse::<NhsNumber>(), Err(IdError::NoCheckDigit));
        assert_eq!("99900000".parse::<NhsNumber>(), Err(IdError::WrongLength { expected: "10 digits" }));
        assert_eq!("99900000181".parse::<NhsNumber>(), Err(IdError::WrongLength { expected: "10 digits" }));
        assert_eq!("999000001O".parse::<NhsNumber>(), Err(IdError::WrongCharacter { position: 10 }));
    }

    proptest! {
        #[test]
        fn round_trips_and_detects_any_one_changed_digit(
            nine in 0_u32..=NINE_DIGITS_MAX, place in 0_usize..10, step in 1_u8..10,
        ) {
            let Ok(number) = NhsNumber::from_first_nine(nine) else { return Ok(()) };
            prop_assert_eq!(number.to_string().parse::<NhsNumber>(), Ok(number.clone()));
            let mut bytes = number.as_str().as_bytes().to_vec();
            bytes[place] = b'0' + (bytes[place] - b'0' + step) % 10;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(changed.parse::<NhsNumber>().is_err());
        }
    }
}
