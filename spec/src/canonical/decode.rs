//! The strict reading: `serde_json` parses, a visitor holds the rules that it doesn't.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{DecodeError, INTEGER_MAX, Limits};

/// The value that the bytes spell, if every rule holds.
pub(super) fn decode_value(bytes: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
    if bytes.len() > limits.bytes_max {
        return Err(DecodeError::TooLarge { limit: limits.bytes_max });
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| DecodeError::NotUtf8 { offset: error.valid_up_to() })?;
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let strict = Strict { limits, depth: 0, fault: &fault };
    strict
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| typed(&error, fault.take()))
}

/// Rules that `serde_json` itself doesn't hold, found while it reads.
#[derive(Clone, Copy)]
enum Fault {
    Duplicate,
    NotInteger,
    OutOfRange,
    Deep(usize),
    Long(usize),
    Items(usize),
    Members(usize),
}

fn typed(error: &serde_json::Error, fault: Option<Fault>) -> DecodeError {
    let (line, column) = (error.line(), error.column());
    match fault {
        Some(Fault::Duplicate) => DecodeError::DuplicateMember { line, column },
        Some(Fault::NotInteger) => DecodeError::NumberNotInteger { line, column },
        Some(Fault::OutOfRange) => DecodeError::IntegerOutOfRange { line, column },
        Some(Fault::Deep(limit)) => DecodeError::TooDeep { limit },
        Some(Fault::Long(limit)) => DecodeError::StringTooLong { limit },
        Some(Fault::Items(limit)) => DecodeError::ArrayTooLong { limit },
        Some(Fault::Members(limit)) => DecodeError::ObjectTooLarge { limit },
        // The reader has no code for these two; a test of each holds its words to ours.
        None if error.to_string().contains("surrogate") => DecodeError::LoneSurrogate { line, column },
        None if error.to_string().contains("unexpected end of hex escape") => {
            DecodeError::LoneSurrogate { line, column }
        }
        None if error.to_string().contains("number out of range") => {
            DecodeError::NumberNotInteger { line, column }
        }
        None => DecodeError::Syntax { line, column },
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    limits: &'a Limits,
    depth: usize,
    fault: &'a Cell<Option<Fault>>,
}

impl Strict<'_> {
    fn refuse<T, E: serde::de::Error>(&self, fault: Fault) -> Result<T, E> {
        self.fault.set(Some(fault));
        Err(E::custom("outside the rules of the canonical form"))
    }

    fn short<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        let limit = self.limits.string_chars_max;
        // A string has no more characters than bytes, so most are not counted.
        let long = text.len() > limit && text.chars().count() > limit;
        if long { self.refuse(Fault::Long(limit)) } else { Ok(()) }
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let limit = self.limits.depth_max;
        if self.depth == limit {
            return self.refuse(Fault::Deep(limit));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value < -INTEGER_MAX {
            return self.refuse(Fault::OutOfRange);
        }
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > INTEGER_MAX.unsigned_abs() {
            return self.refuse(Fault::OutOfRange);
        }
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        self.refuse(Fault::NotInteger)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.short(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let limit = self.limits.array_items_max;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            if items.len() == limit {
                return self.refuse(Fault::Items(limit));
            }
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let limit = self.limits.object_members_max;
        let mut members = Map::new();
        while let Some(Name(name)) = map.next_key()? {
            self.short(&name)?;
            if members.len() == limit {
                return self.refuse(Fault::Members(limit));
            }
            let value = map.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return self.refuse(Fault::Duplicate);
            }
        }
        Ok(Value::Object(members))
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Name(String);
