//! The postcode.
//!
//! The grammar is that of the regular expression in the Home Office *Bulk Data Transfer* specification of 12
//! November 2015, with one fault mended: there each of `^` and `$` binds to one branch of the alternation, so
//! text around a postcode passes. Pseudo-postcodes such as `ZZ99` fail by the grammar, as do BFPO numbers;
//! whoever has no fixed abode is described as such, not by a postcode.

use std::str::FromStr;

use super::{IdError, identifier, masked_debug};

/// A United Kingdom postcode in its normal form: upper case, one space before the last three characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Postcode(String);

identifier!(
    Postcode,
    pattern: "^(GIR 0AA|([A-Z][0-9]{1,2}|[A-Z][A-HJ-Y][0-9]{1,2}|[A-Z][0-9][A-Z]|[A-Z][A-HJ-Y][0-9]?[A-Z]) [0-9][A-Z]{2})$",
    description: "United Kingdom postcode in upper case with one space before the last three characters. Pseudo-postcodes (ZZ99) and BFPO numbers are refused.",
    example: "ZE9 9ZZ"
);
masked_debug!(Postcode, "********");

const INWARD_LENGTH: usize = 3;
const LENGTH_MIN: usize = 5;
const LENGTH_MAX: usize = 7;

impl Postcode {
    /// The part before the space, such as `S1`: a district, not a street.
    pub fn outward(&self) -> &str {
        &self.0[..self.0.len() - INWARD_LENGTH - 1]
    }

    /// The part up to the first character after the space, such as `S1 2`: the finest part that is no
    /// address.
    pub fn sector(&self) -> &str {
        &self.0[..=self.0.len() - INWARD_LENGTH]
    }
}

impl FromStr for Postcode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bare = String::new();
        for character in text.chars().filter(|character| !character.is_whitespace()) {
            if !character.is_ascii_alphanumeric() {
                return Err(IdError::WrongCharacter { position: bare.len() + 1 });
            }
            if bare.len() == LENGTH_MAX {
                return Err(IdError::WrongLength { expected: "5 to 7 letters and digits" });
            }
            bare.push(character.to_ascii_uppercase());
        }
        if bare.len() < LENGTH_MIN {
            return Err(IdError::WrongLength { expected: "5 to 7 letters and digits" });
        }
        let (outward, inward) = bare.split_at(bare.len() - INWARD_LENGTH);
        let girobank = outward == "GIR" && inward == "0AA";
        if girobank || (is_outward(outward.as_bytes()) && is_inward(inward.as_bytes())) {
            Ok(Self(format!("{outward} {inward}")))
        } else {
            Err(IdError::Form)
        }
    }
}

/// A district: the shapes `A9`, `A99`, `A9A`, `AA9`, `AA99`, `AA9A` and, since the published expression makes
/// the digit of the last one optional, `AAA`. `I` and `Z` never stand second.
fn is_outward(outward: &[u8]) -> bool {
    let letter = u8::is_ascii_uppercase;
    let digit = u8::is_ascii_digit;
    let Some((first, rest)) = outward.split_first() else { return false };
    if !letter(first) {
        return false;
    }
    match rest {
        [a] => digit(a),
        [a, b] if digit(a) => digit(b) || letter(b),
        [a, b] => may_stand_second(*a) && (digit(b) || letter(b)),
        [a, b, c] => may_stand_second(*a) && digit(b) && (digit(c) || letter(c)),
        _ => false,
    }
}

fn may_stand_second(letter: u8) -> bool {
    letter.is_ascii_uppercase() && letter != b'I' && letter != b'Z'
}

fn is_inward(inward: &[u8]) -> bool {
    matches!(inward, [a, b, c] if a.is_ascii_digit() && b.is_ascii_uppercase() && c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_each_shape_of_district() {
        for text in [
            "M1 1AA", "M60 1NW", "W1A 1HQ", "CR2 6XH", "DN55 1PT", "EC1A 1BB", "EAA 1AA", "BF1 0AX",
            "GIR 0AA",
        ] {
            assert_eq!(text.parse::<Postcode>().map(|postcode| postcode.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn writes_any_spacing_and_case_in_the_normal_form() {
        for text in ["ec1a1bb", " EC1A 1BB ", "e c1a 1 b b", "EC1A\u{a0}1bb"] {
            assert_eq!(text.parse::<Postcode>().unwrap().as_str(), "EC1A 1BB");
        }
        let postcode: Postcode = "ec1a1bb".parse().unwrap();
        assert_eq!((postcode.outward(), postcode.sector()), ("EC1A", "EC1A 1"));
    }

    #[test]
    fn refuses_pseudo_postcodes_and_forces_post_office_numbers() {
        for text in ["ZZ99 3VZ", "ZZ993CZ", "BFPO 1", "BFPO 80", "BFPO 801"] {
            assert_eq!(text.parse::<Postcode>(), Err(IdError::Form));
        }
    }

    #[test]
    fn refuses_text_around_a_postcode() {
        for text in ["GIR 0AA extra", "see EC1A 1BB", "EC1A 1BB, UK"] {
            assert!(text.parse::<Postcode>().is_err());
        }
    }

    #[test]
    fn refuses_letters_that_never_stand_second() {
        for text in ["AI1 1AA", "AZ1 1AA", "A1 AAA", "AA1 11A", "1A1 1AA"] {
            assert_eq!(text.parse::<Postcode>(), Err(IdError::Form));
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own_normal_form(
            text in "[a-zA-Z]{1,2}[0-9]{1,2}[a-zA-Z]? {0,2}[0-9] ?[a-zA-Z]{2}",
        ) {
            let Ok(postcode) = text.parse::<Postcode>() else { return Ok(()) };
            prop_assert_eq!(postcode.as_str().parse::<Postcode>(), Ok(postcode.clone()));
            prop_assert_eq!(postcode.as_str().matches(' ').count(), 1);
            let json = serde_json::to_string(&postcode).unwrap();
            prop_assert_eq!(serde_json::from_str::<Postcode>(&json).unwrap(), postcode);
        }

        #[test]
        fn what_parses_has_five_to_seven_letters_and_digits(text in any::<String>()) {
            if let Ok(postcode) = text.parse::<Postcode>() {
                prop_assert!((6..=8).contains(&postcode.as_str().len()));
            }
        }
    }
}
