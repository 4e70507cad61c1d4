//! The unique learner number.
//!
//! Ten digits. The first nine are weighted 10 down to 2; the check digit is ten less the sum modulo 11, and a
//! remainder of 0 means that no number begins with those nine digits. Source:
//! `DFE-Digital/get-information-about-pupils`, `ValidationHelper`.

use std::str::FromStr;

use super::{IdError, exactly_digits, identifier, masked_debug, mod_eleven};

/// A unique learner number of ten digits whose check digit agrees.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uln(String);

identifier!(
    Uln,
    pattern: "^[0-9]{10}$",
    description: "Unique learner number: ten digits, the last a check digit (modulo 11).",
    example: "6000000005"
);
masked_debug!(Uln, "**********");

const NINE_DIGITS_MAX: u32 = 999_999_999;

impl Uln {
    /// The number that begins with these nine digits (zeros are put in front), or
    /// [`IdError::NoCheckDigit`] where none does.
    pub fn from_first_nine(digits: u32) -> Result<Self, IdError> {
        if digits > NINE_DIGITS_MAX {
            return Err(IdError::PartTooLarge);
        }
        let nine = format!("{digits:09}");
        let check = check_digit(&nine)?;
        Ok(Self(format!("{nine}{check}")))
    }
}

impl FromStr for Uln {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        exactly_digits(text, 10, "10 digits")?;
        let check = check_digit(text)?;
        if u32::from(text.as_bytes()[9] - b'0') == check {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::CheckDigit)
        }
    }
}

fn check_digit(digits: &str) -> Result<u32, IdError> {
    match mod_eleven(digits) {
        0 => Err(IdError::NoCheckDigit),
        remainder => Ok(10 - remainder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_the_published_worked_example() {
        assert_eq!(check_digit("600000000"), Ok(5));
        assert!("6000000005".parse::<Uln>().is_ok());
        assert_eq!("6000000006".parse::<Uln>(), Err(IdError::CheckDigit));
    }

    #[test]
    fn refuses_digits_that_no_number_begins_with() {
        assert_eq!("0000000000".parse::<Uln>(), Err(IdError::NoCheckDigit));
    }

    #[test]
    fn refuses_the_placeholder_of_nines() {
        assert_eq!("9999999999".parse::<Uln>(), Err(IdError::CheckDigit));
    }

    proptest! {
        #[test]
        fn round_trips_and_detects_any_one_changed_digit(
            nine in 0_u32..=NINE_DIGITS_MAX, place in 0_usize..10, step in 1_u8..10,
        ) {
            let Ok(number) = Uln::from_first_nine(nine) else { return Ok(()) };
            prop_assert_eq!(number.to_string().parse::<Uln>(), Ok(number.clone()));
            let mut bytes = number.as_str().as_bytes().to_vec();
            bytes[place] = b'0' + (bytes[place] - b'0' + step) % 10;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(changed.parse::<Uln>().is_err());
        }
    }
}
