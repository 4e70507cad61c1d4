//! Reading a text value without ever echoing it.
//!
//! serde's own errors quote what was found ("invalid type: integer `1234567890`, expected a string"). For an
//! identifier of a child that is a leak into problem documents and logs, so every kind of value that serde
//! would quote is refused here in words of our own.

use std::fmt;
use std::marker::PhantomData;

use jiff::civil::Date;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// Leaves the value that `parse` makes of a text; any other kind of value, and any refusal of `parse`,
/// becomes an error that holds no part of the input.
pub(crate) fn deserialize<'de, D, T, E>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    // `deserialize_str` would let the format refuse a number itself, quoting it.
    deserializer.deserialize_any(TextVisitor { parse, made: PhantomData })
}

struct TextVisitor<F, T> {
    parse: F,
    made: PhantomData<T>,
}

const NOT_A_STRING: &str = "a string is needed";

impl<F, T, E> Visitor<'_> for TextVisitor<F, T>
where
    F: FnOnce(&str) -> Result<T, E>,
    E: fmt::Display,
{
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<R: Error>(self, text: &str) -> Result<T, R> {
        (self.parse)(text).map_err(R::custom)
    }

    fn visit_bool<R: Error>(self, _: bool) -> Result<T, R> {
        Err(R::custom(NOT_A_STRING))
    }

    fn visit_i64<R: Error>(self, _: i64) -> Result<T, R> {
        Err(R::custom(NOT_A_STRING))
    }

    fn visit_i128<R: Error>(self, _: i128) -> Result<T, R> {
        Err(R::custom(NOT_A_STRING))
    }

    fn visit_u64<R: Error>(self, _: u64) -> Result<T, R> {
        Err(R::custom(NOT_A_STRING))
    }

    fn visit_u128<R: Error>(self, _: u128) -> Result<T, R> {
        Err(R::custom(NOT_A_STRING))
    }

    fn visit_f64<R: Error>(self, _: f64) -> Result<T, R> {
        Err(R::custom(NOT_A_STRING))
    }
}

/// A calendar date written `YYYY-MM-DD` and in no other form: `jiff` alone would also take `20260514` and
/// dates with a time. No error repeats the text, which may be a date of birth.
pub(crate) fn deserialize_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    deserialize(deserializer, |text| {
        let date = text.parse::<Date>().ok();
        date.filter(|date| date.to_string() == text && is_in_calendar(*date))
            .ok_or("a date written YYYY-MM-DD is needed")
    })
}

/// Whether a date lies in the years that the protocol knows, the first to the last but one of four digits, so that
/// every way to count days goes on past it.
pub(crate) fn is_in_calendar(date: Date) -> bool {
    (1..=9_998).contains(&date.year())
}

/// The same for a date that can be absent.
pub(crate) fn deserialize_date_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Date>, D::Error> {
    Ok(Option::<StrictDate>::deserialize(deserializer)?.map(|date| date.0))
}

/// The same for a list of dates.
pub(crate) fn deserialize_dates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Date>, D::Error> {
    Ok(Vec::<StrictDate>::deserialize(deserializer)?.into_iter().map(|date| date.0).collect())
}

/// A date in the one form, wherever it stands.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct StrictDate(#[serde(deserialize_with = "deserialize_date")] Date);
