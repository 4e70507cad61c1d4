//! Identifiers in one word each: compared quickly, and without a check of their check digits, because a
//! register and a query both hold mistyped ones.

/// A unique pupil number: letter, eleven digits, digit or letter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Upn(u64);

/// An NHS number: ten digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NhsNumber(u64);

/// A postcode of five to seven letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Postcode(u64);

/// Says nothing of a child: a value may end up in a log.
macro_rules! print_masked {
    ($($name:ident),+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}
print_masked!(Upn, NhsNumber, Postcode);

/// Characters of an identifier that are looked at.
const CHARACTERS_MAX: usize = 40;

const UPN_LENGTH: usize = 13;
const NHS_NUMBER_LENGTH: usize = 10;
const INWARD_LENGTH: u32 = 3;
/// Letters and digits.
const SIGNS: u64 = 36;

fn plain(text: &str) -> Vec<u8> {
    let signs = text.bytes().take(CHARACTERS_MAX).filter(u8::is_ascii_alphanumeric);
    signs.map(|sign| sign.to_ascii_uppercase()).collect()
}

fn value(sign: u8) -> u64 {
    if sign.is_ascii_digit() { u64::from(sign - b'0') } else { u64::from(sign - b'A') + 10 }
}

fn sign(value: u64) -> u8 {
    let value = u8::try_from(value % SIGNS).unwrap_or(0);
    if value < 10 { b'0' + value } else { b'A' + value - 10 }
}

impl Upn {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let signs = plain(text);
        let formed = signs.len() == UPN_LENGTH
            && signs[0].is_ascii_alphabetic()
            && signs[1..UPN_LENGTH - 1].iter().all(u8::is_ascii_digit);
        if !formed {
            return None;
        }
        let digits = signs[1..UPN_LENGTH - 1].iter().fold(0, |sum, &digit| sum * 10 + value(digit));
        Some(Self(1 + (digits * SIGNS + value(signs[0])) * SIGNS + value(signs[UPN_LENGTH - 1])))
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// From [`Upn::number`]; nought is none.
    pub(crate) const fn from_number(number: u64) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// Whether it was given for a time, until the pupil's own is known.
    pub(crate) const fn is_temporary(self) -> bool {
        (self.0 - 1) % SIGNS >= 10
    }

    fn signs(self) -> [u8; UPN_LENGTH] {
        let mut rest = self.0 - 1;
        let mut signs = [0; UPN_LENGTH];
        signs[UPN_LENGTH - 1] = sign(rest);
        rest /= SIGNS;
        signs[0] = sign(rest);
        rest /= SIGNS;
        for place in signs[1..UPN_LENGTH - 1].iter_mut().rev() {
            *place = sign(rest % 10);
            rest /= 10;
        }
        signs
    }

    /// Whether a slip of the hand makes one of the other.
    pub(crate) fn is_near(self, other: Self) -> bool {
        // Most numbers differ in their letter and in their digits, and need no closer look.
        let (letter, digits) = self.letter_and_digits();
        let (other_letter, other_digits) = other.letter_and_digits();
        (letter == other_letter || digits == other_digits) && one_slip(&self.signs(), &other.signs())
    }

    const fn letter_and_digits(self) -> (u64, u64) {
        let rest = (self.0 - 1) / SIGNS;
        (rest % SIGNS, rest / SIGNS)
    }
}

impl NhsNumber {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let signs = plain(text);
        let formed = signs.len() == NHS_NUMBER_LENGTH && signs.iter().all(u8::is_ascii_digit);
        let same = signs.iter().all(|&digit| signs.first() == Some(&digit));
        (formed && !same).then(|| Self(1 + signs.iter().fold(0, |sum, &digit| sum * 10 + value(digit))))
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_number(number: u64) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    fn signs(self) -> [u8; NHS_NUMBER_LENGTH] {
        let mut rest = self.0 - 1;
        let mut signs = [0; NHS_NUMBER_LENGTH];
        for place in signs.iter_mut().rev() {
            *place = sign(rest % 10);
            rest /= 10;
        }
        signs
    }

    /// Its digits in order of size: the same for every transposition of them.
    pub(crate) fn sorted_digits(self) -> u64 {
        let mut signs = self.signs();
        signs.sort_unstable();
        signs.iter().fold(0, |sum, &digit| sum * 10 + value(digit))
    }

    /// Whether a slip of the hand makes one of the other.
    pub(crate) fn is_near(self, other: Self) -> bool {
        // A slip moves the number by a digit, or by nine times a digit, at some place.
        let mut apart = self.0.abs_diff(other.0);
        while apart > 0 && apart.is_multiple_of(10) {
            apart /= 10;
        }
        (apart <= 9 || (apart <= 81 && apart.is_multiple_of(9))) && one_slip(&self.signs(), &other.signs())
    }
}

impl Postcode {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let signs = plain(text);
        let formed = (5..=7).contains(&signs.len())
            && signs[0].is_ascii_alphabetic()
            && signs[signs.len() - 3].is_ascii_digit()
            && signs[signs.len() - 2..].iter().all(u8::is_ascii_alphabetic);
        formed.then(|| Self(1 + signs.iter().fold(1, |sum, &sign| sum * SIGNS + value(sign))))
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_number(number: u64) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// Whether both are of one post town's district: all but the last three signs agree.
    pub(crate) const fn is_same_district(self, other: Self) -> bool {
        (self.0 - 1) / SIGNS.pow(INWARD_LENGTH) == (other.0 - 1) / SIGNS.pow(INWARD_LENGTH)
    }
}

/// Whether two identifiers differ in one place, or in two places that exchanged their signs.
fn one_slip(one: &[u8], other: &[u8]) -> bool {
    let mut places = one.iter().zip(other).enumerate().filter(|(_, (left, right))| left != right);
    let (first, second, third) = (places.next(), places.next(), places.next());
    match (first, second, third) {
        (Some(_), None, None) => true,
        (Some((at, (a, b))), Some((next, (c, d))), None) => next == at + 1 && a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_identifiers_as_people_write_them() {
        assert_eq!(format!("{:?}", NhsNumber::read("999 000 0018").unwrap()), "NhsNumber(..)");
        assert_eq!(Upn::read("q801000005001"), Upn::read(" Q 8010000 05001 "));
        assert_eq!(NhsNumber::read("999 000 0018"), NhsNumber::read("999-000-0018"));
        assert_eq!(Postcode::read("zz9 9aa"), Postcode::read("ZZ99AA"));
        for text in ["", "Q80100000500", "0801000005001", "Q80100000500!"] {
            assert_eq!(Upn::read(text), None, "{text}");
        }
        for text in ["", "999000001", "9999999999", "99900000IX"] {
            assert_eq!(NhsNumber::read(text), None, "{text}");
        }
        for text in ["", "SW1", "SW1A", "12 3AB", "SW1A 11A"] {
            assert_eq!(Postcode::read(text), None, "{text}");
        }
    }

    #[test]
    fn knows_a_temporary_number_by_its_last_letter() {
        assert!(Upn::read("H83000000012T").unwrap().is_temporary());
        assert!(!Upn::read("Q801000005001").unwrap().is_temporary());
    }

    #[test]
    fn knows_a_slip_from_another_number() {
        let number = |text| NhsNumber::read(text).unwrap();
        let one = number("9990000018");
        assert!(one.is_near(number("9990000081")), "transposed");
        assert!(one.is_near(number("9990000019")), "one digit");
        assert!(!one.is_near(number("9990000027")), "two digits");
        assert!(!one.is_near(number("9980000019")), "two digits apart");
        assert!(!one.is_near(one), "no slip at all");
        assert_eq!(one.sorted_digits(), number("9990000081").sorted_digits());
        assert!(Upn::read("Q801000005001").unwrap().is_near(Upn::read("Q801000005010").unwrap()));
    }

    #[test]
    fn districts_are_the_outward_code() {
        let code = |text| Postcode::read(text).unwrap();
        assert!(code("XX1 2AB").is_same_district(code("XX1 9ZZ")));
        assert!(!code("XX1 2AB").is_same_district(code("XX12 2AB")));
    }

    proptest::proptest! {
        #[test]
        fn the_quick_look_at_two_numbers_misses_no_slip(text in "[A-Z][0-9]{11}[0-9A-Z]", place in 0..13_usize,
            sign in "[0-9]", exchange: bool) {
            let slipped = |text: &str, place: usize| {
                let mut signs = text.as_bytes().to_vec();
                if exchange && place + 1 < signs.len() {
                    signs.swap(place, place + 1);
                } else {
                    signs[place] = sign.as_bytes()[0];
                }
                String::from_utf8(signs).unwrap()
            };
            if let (Some(one), Some(other)) = (Upn::read(&text), Upn::read(&slipped(&text, place))) {
                proptest::prop_assert_eq!(one.is_near(other), one != other);
            }
            let digits = &text[1..11];
            let pair = (NhsNumber::read(digits), NhsNumber::read(&slipped(digits, place.min(9))));
            if let (Some(one), Some(other)) = pair {
                proptest::prop_assert_eq!(one.is_near(other), one != other);
            }
        }

        #[test]
        fn packing_a_upn_loses_nothing(text in "[A-Z][0-9]{11}[0-9A-Z]") {
            let upn = Upn::read(&text).unwrap();
            proptest::prop_assert_eq!(upn.signs().to_vec(), text.into_bytes());
            proptest::prop_assert_eq!(Upn::from_number(upn.number()), Some(upn));
        }

        #[test]
        fn packing_an_nhs_number_loses_nothing(text in "[0-8][0-9]{8}9") {
            proptest::prop_assert_eq!(NhsNumber::read(&text).unwrap().signs().to_vec(), text.into_bytes());
        }
    }
}
