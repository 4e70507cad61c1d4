//! Identifiers whose every value has passed its own arithmetic.
//!
//! A value of one of these types is in its normal form and satisfies its check letter or digit. It does not
//! follow that the child, school, property or authority exists.
//!
//! Two ways in, on purpose. [`FromStr`](std::str::FromStr) takes what a person types or a spreadsheet holds
//! (spaces in an NHS number, a slash in a school number, a postcode in lower case) and normalises it.
//! Deserialising takes the normal form alone, as the published pattern says: two implementations then refuse
//! the same documents.
//!
//! `Debug` of an identifier of a person or a home prints a mask, so a value that reaches a log by way of
//! `{:?}` tells nothing. No error of this module carries any part of its input.

mod authority_code;
mod gss_code;
mod laestab;
mod nhs_number;
mod partial_date;
mod postcode;
pub(crate) mod text;
mod uln;
mod upn;
mod uprn;
mod urn;

pub use authority_code::AuthorityCode;
pub use gss_code::GssCode;
pub use laestab::Laestab;
pub use nhs_number::NhsNumber;
pub use partial_date::PartialDate;
pub use postcode::Postcode;
pub use uln::Uln;
pub use upn::Upn;
pub use uprn::Uprn;
pub use urn::Urn;

/// Why a text is not the identifier it was offered as. Carries positions and rules, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IdError {
    /// The text has too few or too many characters; `expected` says how many are needed.
    #[error("wrong length: {expected} needed")]
    WrongLength {
        /// The lengths allowed, in words.
        expected: &'static str,
    },
    /// A character is not of the kind its place asks for. Positions count from 1, in characters of the
    /// text without the separators that the identifier allows.
    #[error("wrong character at position {position}")]
    WrongCharacter {
        /// Position of the first wrong character, from 1.
        position: usize,
    },
    /// The first digit may not be zero.
    #[error("may not begin with zero")]
    LeadingZero,
    /// The check letter is not the one that the other characters give.
    #[error("the check letter does not agree with the other characters")]
    CheckLetter,
    /// The check digit is not the one that the other digits give.
    #[error("the check digit does not agree with the other digits")]
    CheckDigit,
    /// The other digits give no check digit at all, so no number begins with them.
    #[error("no check digit exists for these digits")]
    NoCheckDigit,
    /// One digit fills the whole number: it passes the arithmetic and is a placeholder.
    #[error("one digit repeated is a placeholder, not a number")]
    Repeated,
    /// The characters are of the right kinds but not in an arrangement that the grammar allows.
    #[error("not an arrangement of letters and digits that is in use")]
    Form,
    /// A part given as a number has more digits than its place holds.
    #[error("a part has more digits than its place holds")]
    PartTooLarge,
    /// The text is valid but not in its normal form, which alone may be sent.
    #[error("not in the normal form")]
    NotNormalForm,
}

/// Adds what every identifier has: text access, `Display`, serde as a string, and an `OpenAPI` schema.
///
/// The type must be a tuple struct over a `String` and implement `FromStr<Err = IdError>`.
macro_rules! identifier {
    ($name:ident, pattern: $pattern:literal, description: $description:literal, example: $example:literal) => {
        impl $name {
            /// The normal form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        $crate::ids::text_conversions!(
            $name,
            pattern: $pattern,
            description: $description,
            example: $example
        );
    };
}

/// The part of [`identifier`] that does not depend on how the type stores its text.
macro_rules! text_conversions {
    ($name:ident, pattern: $pattern:literal, description: $description:literal, example: $example:literal) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::ids::text::deserialize(deserializer, |text| {
                    let parsed: Self = text.parse()?;
                    if parsed.as_str() == text {
                        Ok(parsed)
                    } else {
                        Err($crate::ids::IdError::NotNormalForm)
                    }
                })
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some($pattern))
                    .description(Some($description))
                    .examples([$example])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }
    };
}

/// Makes `Debug` print the type's name and a mask of fixed width, so not even the length shows.
macro_rules! masked_debug {
    ($name:ident, $mask:literal) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(concat!(stringify!($name), "(", $mask, ")"))
            }
        }
    };
}

pub(crate) use identifier;
pub(crate) use masked_debug;
pub(crate) use text_conversions;

/// Gives the digit that `character` stands for, or the position at fault.
fn digit(character: u8, position: usize) -> Result<u32, IdError> {
    if character.is_ascii_digit() {
        Ok(u32::from(character - b'0'))
    } else {
        Err(IdError::WrongCharacter { position })
    }
}

/// Leaves `text` known to hold exactly `length` ASCII digits.
fn exactly_digits(text: &str, length: usize, expected: &'static str) -> Result<(), IdError> {
    // Characters, not bytes: the position that an error names must be the one a person counts.
    for (index, character) in text.chars().enumerate().take(length) {
        if !character.is_ascii_digit() {
            return Err(IdError::WrongCharacter { position: index + 1 });
        }
    }
    if text.chars().count() == length { Ok(()) } else { Err(IdError::WrongLength { expected }) }
}

/// The sum of the first nine digits weighted 10 down to 2, modulo 11: the base of the check digits of both
/// NHS number and unique learner number. `digits` must hold at least nine ASCII digits.
fn mod_eleven(digits: &str) -> u32 {
    digits.bytes().zip((2..=10).rev()).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum::<u32>() % 11
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_name_no_part_of_a_refused_text() {
        let secret = "QWERTYUIOP123";
        for message in [
            secret.parse::<Upn>().unwrap_err().to_string(),
            secret.parse::<NhsNumber>().unwrap_err().to_string(),
            serde_json::from_value::<Upn>(secret.into()).unwrap_err().to_string(),
            serde_json::from_value::<Postcode>(secret.into()).unwrap_err().to_string(),
            serde_json::from_value::<Uln>(serde_json::json!(1_234_567_890_u64)).unwrap_err().to_string(),
            serde_json::from_value::<Uln>(serde_json::json!(-1_234_567_890_i64)).unwrap_err().to_string(),
            serde_json::from_value::<Uln>(serde_json::json!(1_234_567_890.5)).unwrap_err().to_string(),
        ] {
            assert!(!message.contains("QWE") && !message.contains("123"), "{message}");
        }
    }

    #[test]
    fn identifiers_of_people_and_homes_print_masked() {
        let upn = Upn::from_parts("801".parse().unwrap(), 0, 5, 1).unwrap();
        assert_eq!(format!("{upn:?}"), "Upn(*************)");
        let nhs = NhsNumber::from_first_nine(999_000_001).unwrap();
        assert_eq!(format!("{nhs:?}"), "NhsNumber(**********)");
        let uln = Uln::from_first_nine(600_000_000).unwrap();
        assert_eq!(format!("{uln:?}"), "Uln(**********)");
        let property: Uprn = "42".parse().unwrap();
        assert_eq!(format!("{property:?}"), "Uprn(************)");
        let postcode: Postcode = "s1 2hh".parse().unwrap();
        assert_eq!(format!("{postcode:?}"), "Postcode(********)");
    }

    #[test]
    fn deserialising_refuses_what_only_typing_allows() {
        let not_normal = IdError::NotNormalForm.to_string();
        for message in [
            serde_json::from_str::<NhsNumber>("\"999 000 0018\"").unwrap_err().to_string(),
            serde_json::from_str::<Postcode>("\"s12hh\"").unwrap_err().to_string(),
            serde_json::from_str::<Laestab>("\"801/0000\"").unwrap_err().to_string(),
        ] {
            assert!(message.contains(&not_normal), "{message}");
        }
    }

    #[test]
    fn every_schema_is_a_named_string_with_pattern_description_and_example() {
        use utoipa::{PartialSchema, ToSchema};
        fn check<T: PartialSchema + ToSchema + serde::de::DeserializeOwned>(name: &str) {
            assert_eq!(T::name(), name);
            let schema = serde_json::to_value(T::schema()).unwrap();
            assert_eq!(schema["type"], "string");
            assert!(schema["pattern"].as_str().unwrap().starts_with('^'));
            assert!(!schema["description"].as_str().unwrap().is_empty());
            let example = schema["examples"][0].clone();
            assert!(serde_json::from_value::<T>(example).is_ok(), "the example of {name} is not valid");
        }
        check::<Upn>("Upn");
        check::<NhsNumber>("NhsNumber");
        check::<Uln>("Uln");
        check::<Urn>("Urn");
        check::<Laestab>("Laestab");
        check::<Uprn>("Uprn");
        check::<Postcode>("Postcode");
        check::<AuthorityCode>("AuthorityCode");
        check::<GssCode>("GssCode");
        check::<PartialDate>("PartialDate");
    }

    proptest! {
        #[test]
        fn no_parser_panics_whatever_the_text(text in any::<String>()) {
            let _ = text.parse::<Upn>();
            let _ = text.parse::<NhsNumber>();
            let _ = text.parse::<Uln>();
            let _ = text.parse::<Urn>();
            let _ = text.parse::<Laestab>();
            let _ = text.parse::<Uprn>();
            let _ = text.parse::<Postcode>();
            let _ = text.parse::<AuthorityCode>();
            let _ = text.parse::<GssCode>();
            let _ = text.parse::<PartialDate>();
        }

        #[test]
        fn no_parser_panics_on_texts_close_to_valid(text in "[A-Z0-9é /-]{0,14}") {
            let _ = text.parse::<Upn>();
            let _ = text.parse::<NhsNumber>();
            let _ = text.parse::<Laestab>();
            let _ = text.parse::<Postcode>();
        }
    }
}
