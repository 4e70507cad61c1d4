//! The unique pupil number.
//!
//! Thirteen characters: check letter, issuing authority (3 digits), establishment (4), year of allocation
//! (2), serial (3). The check letter is the sum of characters 2 to 13, each times its position, modulo 23,
//! looked up in [`ALPHABET`]. A temporary number has a letter in place of its last digit, counted as its
//! index in the same alphabet. Source: `DfE`, *Unique pupil numbers (UPNs): a guide for schools and local
//! authorities*, version 1.2, by way of rule 1510 of `data-to-insight/CIN-validator`.
//!
//! What the arithmetic guarantees: 23 is a prime above every weight (2 to 13) and every difference of two
//! digits (1 to 9), so one changed digit, and two digits exchanged anywhere, always change the letter. The
//! one blind spot is the last place, where a digit and the letter of equal value (`0` and `A`, `1` and `B`,
//! up to `9` and `K`) cannot be told apart.

use std::str::FromStr;

use super::{AuthorityCode, IdError, identifier, masked_debug};

/// Check letters by remainder. `I`, `O` and `S` are left out, being too like digits.
const ALPHABET: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";

const LENGTH: usize = 13;

/// A unique pupil number, permanent or temporary, whose check letter agrees.
///
/// It is not a case identifier: numbers are duplicated, replaced and mistyped. The authority inside it is the
/// one that issued it, at that time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upn(String);

identifier!(
    Upn,
    pattern: "^[A-HJ-NP-RT-Z][0-9]{11}[0-9A-HJ-NP-RT-Z]$",
    description: "Unique pupil number: check letter, issuing authority, establishment, year, serial. A letter in the last place marks a temporary number. The check letter must agree with the other twelve characters.",
    example: "Q801000005001"
);
masked_debug!(Upn, "*************");

impl Upn {
    /// The permanent number that these parts make, with its check letter.
    ///
    /// `establishment` has up to four digits, `year` up to two, `serial` up to three; a larger one is
    /// [`IdError::PartTooLarge`].
    pub fn from_parts(
        issuing_authority: AuthorityCode,
        establishment: u16,
        year: u8,
        serial: u16,
    ) -> Result<Self, IdError> {
        if establishment > 9_999 || year > 99 || serial > 999 {
            return Err(IdError::PartTooLarge);
        }
        Self::with_check_letter(&format!("{issuing_authority}{establishment:04}{year:02}{serial:03}"))
    }

    /// The temporary number that these parts make; `serial` has up to two digits, and `letter` is one of the
    /// check alphabet.
    pub fn temporary_from_parts(
        issuing_authority: AuthorityCode,
        establishment: u16,
        year: u8,
        serial: u8,
        letter: char,
    ) -> Result<Self, IdError> {
        if establishment > 9_999 || year > 99 || serial > 99 {
            return Err(IdError::PartTooLarge);
        }
        if !u8::try_from(letter).is_ok_and(|byte| ALPHABET.contains(&byte)) {
            return Err(IdError::WrongCharacter { position: LENGTH });
        }
        Self::with_check_letter(&format!("{issuing_authority}{establishment:04}{year:02}{serial:02}{letter}"))
    }

    /// Whether the number is temporary: given to a pupil whose permanent number is not yet known.
    pub fn is_temporary(&self) -> bool {
        self.0.ends_with(|last: char| last.is_ascii_uppercase())
    }

    /// The three digits of the authority that issued the number, at the time it did.
    ///
    /// Deliberately not looked up in any register: authorities end and begin, pupils keep their numbers.
    pub fn issuing_authority(&self) -> AuthorityCode {
        let bytes = self.0.as_bytes();
        AuthorityCode::from_digits([bytes[1], bytes[2], bytes[3]])
    }

    /// The four digits of the establishment that allocated the number.
    pub fn estab(&self) -> &str {
        &self.0[4..8]
    }

    fn with_check_letter(rest: &str) -> Result<Self, IdError> {
        let letter = check_letter(rest.as_bytes())?;
        Ok(Self(format!("{}{rest}", char::from(letter))))
    }
}

impl FromStr for Upn {
    type Err = IdError;

    /// Implements: IDN-003
    fn from_str(text: &str) -> Result<Self, IdError> {
        if let Some(index) = text.chars().position(|character| !character.is_ascii()) {
            return Err(IdError::WrongCharacter { position: index + 1 });
        }
        let bytes = text.as_bytes();
        if bytes.len() != LENGTH {
            return Err(IdError::WrongLength { expected: "13 characters" });
        }
        if !ALPHABET.contains(&bytes[0]) {
            return Err(IdError::WrongCharacter { position: 1 });
        }
        if check_letter(&bytes[1..])? == bytes[0] {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::CheckLetter)
        }
    }
}

/// The check letter of the twelve characters that follow it, or the position of a wrong one.
fn check_letter(rest: &[u8]) -> Result<u8, IdError> {
    let mut sum = 0;
    for (position, &byte) in (2_usize..).zip(rest) {
        let value = match ALPHABET.iter().position(|&letter| letter == byte) {
            Some(index) if position == LENGTH => index,
            _ if byte.is_ascii_digit() => usize::from(byte - b'0'),
            _ => return Err(IdError::WrongCharacter { position }),
        };
        sum += position * value;
    }
    Ok(ALPHABET[sum % ALPHABET.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Products in the order of the positions 2 to 13, noughts left out; establishment 0000 belongs to no
    /// school.
    #[test]
    fn agrees_with_letters_worked_by_hand() {
        for (authority, year, serial, sum) in [
            ("801", 5, 1, 16 + 4 + 50 + 13),
            ("373", 65, 432, 6 + 21 + 12 + 54 + 50 + 44 + 36 + 26),
            ("815", 12, 45, 16 + 3 + 20 + 9 + 20 + 48 + 65),
            ("943", 0, 7, 18 + 12 + 12 + 91),
        ] {
            let upn = Upn::from_parts(authority.parse().unwrap(), 0, year, serial).unwrap();
            assert_eq!(upn.as_str().as_bytes()[0], ALPHABET[sum % 23], "{authority}");
            assert_eq!(upn.as_str().parse::<Upn>().unwrap(), upn);
        }
    }

    #[test]
    fn agrees_with_the_published_worked_sums() {
        // (twelve characters, sum of products, letter), from the table of worked examples.
        for (rest, letter) in [
            ("801200001001", b'H'),
            ("373198765432", b'G'),
            ("815240312045", b'K'),
            ("202260004321", b'H'),
            ("83012300012T", b'H'),
            ("943262000007", b'K'),
            ("801200005001", b'B'),
        ] {
            assert_eq!(check_letter(rest.as_bytes()), Ok(letter));
        }
    }

    #[test]
    fn refuses_a_upn_whose_check_letter_is_wrong() {
        let good = Upn::from_parts("801".parse().unwrap(), 0, 5, 1).unwrap();
        let wrong = format!("A{}", &good.as_str()[1..]);
        assert_eq!(wrong.parse::<Upn>(), Err(IdError::CheckLetter));
    }

    #[test]
    fn accepts_an_issuing_authority_that_no_register_knows() {
        let upn = Upn::from_parts("099".parse().unwrap(), 0, 26, 1).unwrap();
        assert_eq!(upn.issuing_authority().as_str(), "099");
        assert_eq!(upn.estab(), "0000");
    }

    #[test]
    fn tells_a_temporary_number_from_a_permanent_one() {
        let authority = "830".parse().unwrap();
        assert!(Upn::temporary_from_parts(authority, 0, 0, 12, 'T').unwrap().is_temporary());
        assert!(!Upn::from_parts(authority, 0, 0, 12).unwrap().is_temporary());
        assert_eq!(
            Upn::temporary_from_parts(authority, 0, 0, 12, 'S'),
            Err(IdError::WrongCharacter { position: 13 })
        );
    }

    #[test]
    fn names_the_fault_by_kind_and_place() {
        assert_eq!("".parse::<Upn>(), Err(IdError::WrongLength { expected: "13 characters" }));
        assert_eq!("I801000005001".parse::<Upn>(), Err(IdError::WrongCharacter { position: 1 }));
        assert_eq!("q801000005001".parse::<Upn>(), Err(IdError::WrongCharacter { position: 1 }));
        assert_eq!("Q80100000T001".parse::<Upn>(), Err(IdError::WrongCharacter { position: 10 }));
        assert_eq!("Q80100000500S".parse::<Upn>(), Err(IdError::WrongCharacter { position: 13 }));
        assert_eq!("é801000005001".parse::<Upn>(), Err(IdError::WrongCharacter { position: 1 }));
        assert_eq!(Upn::from_parts("801".parse().unwrap(), 10_000, 5, 1), Err(IdError::PartTooLarge));
    }

    fn permanent() -> impl Strategy<Value = Upn> {
        (0_u16..1000, 0_u16..10_000, 0_u8..100, 0_u16..1000).prop_map(|(authority, estab, year, serial)| {
            Upn::from_parts(format!("{authority:03}").parse().unwrap(), estab, year, serial).unwrap()
        })
    }

    proptest! {
        #[test]
        fn round_trips_through_text_and_json(upn in permanent()) {
            prop_assert_eq!(&upn.to_string().parse::<Upn>().unwrap(), &upn);
            let json = serde_json::to_string(&upn).unwrap();
            prop_assert_eq!(serde_json::from_str::<Upn>(&json).unwrap(), upn);
        }

        #[test]
        fn detects_any_one_changed_digit(upn in permanent(), place in 1_usize..13, step in 1_u8..10) {
            let mut bytes = upn.as_str().as_bytes().to_vec();
            bytes[place] = b'0' + (bytes[place] - b'0' + step) % 10;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(changed.parse::<Upn>(), Err(IdError::CheckLetter));
        }

        #[test]
        fn detects_any_other_check_letter(upn in permanent(), step in 1_usize..23) {
            let first = upn.as_str().as_bytes()[0];
            let index = ALPHABET.iter().position(|&letter| letter == first).unwrap();
            let changed = format!("{}{}", char::from(ALPHABET[(index + step) % 23]), &upn.as_str()[1..]);
            prop_assert_eq!(changed.parse::<Upn>(), Err(IdError::CheckLetter));
        }

        #[test]
        fn detects_two_unequal_digits_exchanged(upn in permanent(), one in 1_usize..13, other in 1_usize..13) {
            let mut bytes = upn.as_str().as_bytes().to_vec();
            prop_assume!(bytes[one] != bytes[other]);
            bytes.swap(one, other);
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(changed.parse::<Upn>(), Err(IdError::CheckLetter));
        }

        #[test]
        fn takes_a_letter_for_the_last_digit_only_where_their_values_agree(upn in permanent(), index in 0_usize..23) {
            let digit = usize::from(upn.as_str().as_bytes()[12] - b'0');
            let changed = format!("{}{}", &upn.as_str()[..12], char::from(ALPHABET[index]));
            prop_assert_eq!(changed.parse::<Upn>().is_ok(), digit == index);
        }
    }
}
