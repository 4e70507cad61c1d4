//! Strict JSON in, canonical bytes out.
//!
//! Everything that is signed or digested is JSON, and two implementations must agree on its bytes. So
//! the decoder refuses whatever two JSON libraries are known to read differently (duplicate member
//! names, fractions, integers beyond 2^53-1, lone surrogates, invalid UTF-8), and the encoder writes the
//! one form of RFC 8785. A [`Json`] exists only for a value that passed, and it is the value **as
//! received**: unknown members are kept, nothing is rewritten.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::digest::Digest;

/// Largest magnitude of an integer, 2^53-1: the last that every JSON reader holds exactly (RFC 8259, section 6).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// What a decoder accepts at most. Each limit is inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole document.
    pub bytes_max: usize,
    /// Nesting of objects and arrays; the outermost is 1.
    pub depth_max: usize,
    /// Characters (Unicode scalar values) of one string, after unescaping.
    pub string_characters_max: usize,
    /// Items of one array.
    pub array_items_max: usize,
    /// Members of one object.
    pub object_members_max: usize,
}

impl Limits {
    /// What every implementation accepts for one entry. Implements: CAN-014
    pub const ENTRY_MINIMUM: Self = Self { bytes_max: 65_536, ..Self::ENTRY };

    /// What this implementation accepts for one entry with its receipts.
    pub const ENTRY: Self = Self {
        bytes_max: 262_144,
        depth_max: 16,
        string_characters_max: 16_384,
        array_items_max: 256,
        object_members_max: 128,
    };

    /// For documents that hold many entries or authorities: a page, an export, a directory.
    pub const COLLECTION: Self =
        Self { bytes_max: 64 << 20, depth_max: 24, array_items_max: 100_000, ..Self::ENTRY };
}

/// Why bytes are not a document of this protocol. Never carries any of the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the limit.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are not UTF-8.
    #[error("not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// Not JSON.
    #[error("not JSON at line {line} column {column}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An object has a member name twice.
    #[error("a member name stands twice in one object, line {line} column {column}")]
    DuplicateMember {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A number with a fraction or an exponent, or minus zero.
    #[error("a number that is not a plain integer, line {line} column {column}")]
    NumberNotInteger {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An integer beyond plus or minus 2^53-1.
    #[error("an integer beyond 2^53-1, line {line} column {column}")]
    IntegerOutOfRange {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An escaped surrogate without its partner.
    #[error("a lone surrogate in a string, line {line} column {column}")]
    LoneSurrogate {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Objects and arrays nested too deeply.
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A string longer than the limit.
    #[error("a string of more than {limit} characters")]
    StringTooLong {
        /// The limit in characters.
        limit: usize,
    },
    /// An array with more items than the limit.
    #[error("an array of more than {limit} items")]
    ArrayTooLong {
        /// The limit.
        limit: usize,
    },
    /// An object with more members than the limit.
    #[error("an object of more than {limit} members")]
    ObjectTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The document is JSON but not an object.
    #[error("not a JSON object")]
    NotAnObject,
}

impl DecodeError {
    /// Line and column where decoding stopped, when the fault has a place.
    pub fn position(&self) -> Option<(usize, usize)> {
        match *self {
            Self::Syntax { line, column }
            | Self::DuplicateMember { line, column }
            | Self::NumberNotInteger { line, column }
            | Self::IntegerOutOfRange { line, column }
            | Self::LoneSurrogate { line, column } => Some((line, column)),
            _ => None,
        }
    }
}

/// A JSON member that is missing or not of its type; `pointer` (RFC 6901) says where, never what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the member at {pointer:?} is missing or not of its form")]
pub struct ShapeError {
    /// RFC 6901 pointer to the innermost place that could be read.
    pub pointer: String,
}

impl ShapeError {
    /// A fault at `pointer`.
    pub fn at(pointer: impl Into<String>) -> Self {
        Self { pointer: pointer.into() }
    }
}

/// A JSON object or value that obeys the rules of the canonical form.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Value);

impl fmt::Debug for Json {
    /// Prints no content: bodies hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(..)")
    }
}

impl Json {
    /// The object that `bytes` spell, if every rule holds.
    ///
    /// Implements: CAN-001, CAN-002, CAN-003, CAN-004, CAN-005, CAN-006, CAN-007
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let value = decode_value(bytes, limits)?;
        if value.is_object() { Ok(Self(value)) } else { Err(DecodeError::NotAnObject) }
    }

    /// The JSON of a typed value of this crate, checked by the same rules.
    pub fn from_typed<T: Serialize>(typed: &T) -> Result<Self, DecodeError> {
        let bytes = serde_json::to_vec(typed).map_err(|_| DecodeError::Syntax { line: 0, column: 0 })?;
        decode_value(&bytes, &Limits::COLLECTION).map(Self)
    }

    /// A member of this object.
    pub fn member(&self, name: &str) -> Option<Self> {
        self.0.get(name).map(|value| Self(value.clone()))
    }

    /// An item of this array.
    pub fn item(&self, index: usize) -> Option<Self> {
        self.0.get(index).map(|value| Self(value.clone()))
    }

    /// The typed reading; unknown members are ignored, as versions may add them.
    ///
    /// Implements: CAN-009
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ShapeError> {
        serde_path_to_error::deserialize(&self.0)
            .map_err(|error| ShapeError { pointer: pointer_of(error.path()) })
    }

    /// The value, for looking at.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The value itself.
    pub fn into_value(self) -> Value {
        self.0
    }

    /// An object of the given members; each is already within the rules.
    pub fn object(members: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        Self(Value::Object(members.into_iter().map(|(name, json)| (name.to_owned(), json.0)).collect()))
    }

    /// An array of values that are each within the rules.
    pub fn array(items: impl IntoIterator<Item = Self>) -> Self {
        Self(Value::Array(items.into_iter().map(|json| json.0).collect()))
    }

    /// A JSON string.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Value::String(text.into()))
    }

    /// JSON `null`.
    pub fn null() -> Self {
        Self(Value::Null)
    }

    /// The one form of RFC 8785: no white space, members sorted by UTF-16 code units, shortest escapes.
    ///
    /// Implements: CAN-010
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        write_value(&mut out, &self.0);
        out
    }

    /// The canonical bytes as text.
    ///
    /// # Panics
    /// Never: the bytes are made of strings.
    pub fn canonical_text(&self) -> String {
        String::from_utf8(self.canonical_bytes()).expect("canonical bytes are made of UTF-8 strings")
    }

    /// SHA-256 over the canonical bytes. Implements: CAN-011
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical_bytes())
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(out, name);
                out.push(b':');
                write_value(out, member);
            }
            out.push(b'}');
        }
    }
}

/// `serde_json` escapes as RFC 8785, section 3.2.2.2, asks; a vector of that section holds it to it.
fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string always has a JSON form");
}

fn decode_value(bytes: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
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

    fn string<E: serde::de::Error>(&self, text: &str) -> Result<String, E> {
        let limit = self.limits.string_characters_max;
        if text.chars().nth(limit).is_some() { self.refuse(Fault::Long(limit)) } else { Ok(text.to_owned()) }
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
        self.string(text).map(Value::String)
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
            let name = self.string(&name)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(text: &str) -> Result<Json, DecodeError> {
        Json::decode(text.as_bytes(), &Limits::ENTRY)
    }

    #[test]
    fn refuses_a_member_name_that_stands_twice_even_when_one_is_escaped() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":{"b":1,"b":null}}"#] {
            assert!(matches!(decode(text), Err(DecodeError::DuplicateMember { .. })), "{text}");
        }
    }

    #[test]
    fn refuses_every_number_that_is_not_a_plain_integer() {
        for number in ["1.0", "1e2", "1E400", "-0", "0.1", "-1.5", "18446744073709551616"] {
            let text = format!(r#"{{"n":{number}}}"#);
            assert!(matches!(decode(&text), Err(DecodeError::NumberNotInteger { .. })), "{number}");
        }
    }

    #[test]
    fn refuses_integers_beyond_two_to_the_fifty_third_and_takes_the_last_within() {
        for number in ["9007199254740992", "-9007199254740992", "18446744073709551615"] {
            let text = format!(r#"{{"n":{number}}}"#);
            assert!(matches!(decode(&text), Err(DecodeError::IntegerOutOfRange { .. })), "{number}");
        }
        for number in ["9007199254740991", "-9007199254740991"] {
            let text = format!(r#"{{"n":{number}}}"#);
            assert_eq!(decode(&text).unwrap().canonical_text(), text);
        }
    }

    #[test]
    fn refuses_lone_surrogates_and_bytes_that_are_not_utf_8() {
        for text in [r#"{"s":"\ud800"}"#, r#"{"s":"\udc00"}"#, r#"{"s":"\ud800\u0041"}"#, r#"{"\udfff":1}"#] {
            assert!(matches!(decode(text), Err(DecodeError::LoneSurrogate { .. })), "{text}");
        }
        let error = Json::decode(b"{\"s\":\"\xff\"}", &Limits::ENTRY).unwrap_err();
        assert_eq!(error, DecodeError::NotUtf8 { offset: 6 });
    }

    #[test]
    fn refuses_what_is_too_large_too_deep_or_too_long() {
        let limits = Limits {
            bytes_max: 64,
            depth_max: 3,
            string_characters_max: 4,
            array_items_max: 2,
            object_members_max: 2,
        };
        let decode = |text: &str| Json::decode(text.as_bytes(), &limits);
        assert_eq!(decode(r#"{"a":[[[]]]}"#), Err(DecodeError::TooDeep { limit: 3 }));
        assert!(decode(r#"{"a":[[]]}"#).is_ok());
        assert_eq!(decode(r#"{"a":"12345"}"#), Err(DecodeError::StringTooLong { limit: 4 }));
        assert_eq!(decode(r#"{"12345":1}"#), Err(DecodeError::StringTooLong { limit: 4 }));
        assert!(decode(r#"{"a":"€€€€"}"#).is_ok(), "characters are counted, not bytes");
        assert_eq!(decode(r#"{"a":"€€€€€"}"#), Err(DecodeError::StringTooLong { limit: 4 }));
        assert_eq!(decode(r#"{"a":[1,2,3]}"#), Err(DecodeError::ArrayTooLong { limit: 2 }));
        assert_eq!(decode(r#"{"a":1,"b":1,"c":1}"#), Err(DecodeError::ObjectTooLarge { limit: 2 }));
        assert_eq!(decode(&" ".repeat(65)), Err(DecodeError::TooLarge { limit: 64 }));
        let nested = "[".repeat(100_000);
        let limits = Limits { bytes_max: 200_000, ..Limits::ENTRY };
        assert_eq!(Json::decode(nested.as_bytes(), &limits), Err(DecodeError::TooDeep { limit: 16 }));
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for text in ["", "{", "{} {}", "{}x", "{'a':1}", "{\"a\":01}", "{\"a\":\"\n\"}", "\u{feff}{}"] {
            assert!(matches!(decode(text), Err(DecodeError::Syntax { .. })), "{text:?}");
        }
        for text in ["[]", "1", "null", "\"x\""] {
            assert_eq!(decode(text), Err(DecodeError::NotAnObject));
        }
    }

    #[test]
    fn sorts_members_by_utf_16_code_units() {
        // RFC 8785, section 3.2.3: the emoji (a surrogate pair) sorts before U+FB33.
        let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let json = decode(text).unwrap();
        let canonical = json.canonical_text();
        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
        let places: Vec<usize> = order.iter().map(|word| canonical.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "{canonical}");
    }

    #[test]
    fn writes_control_characters_in_the_shortest_form() {
        let json = decode(r#"{"s":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\b\t\f\r\u007f"}"#).unwrap();
        assert_eq!(json.canonical_text(), "{\"s\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\\b\\t\\f\\r\u{7f}\"}");
    }

    #[test]
    fn points_at_a_member_of_the_wrong_form_without_quoting_it() {
        #[derive(Debug, Deserialize)]
        struct Outer {
            #[expect(dead_code, reason = "only its form matters")]
            list: Vec<bool>,
        }
        let error = decode(r#"{"list":[true,"secret"]}"#).unwrap().read::<Outer>().unwrap_err();
        assert_eq!(error.pointer, "/list/1");
        assert!(!error.to_string().contains("secret"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (-INTEGER_MAX..=INTEGER_MAX).prop_map(Value::from),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_bytes_are_a_fixed_point_whatever_the_member_order(value in any_json()) {
            let original = Json::object([("v", Json(value.clone()))]);
            let first = original.canonical_bytes();
            let again = Json::decode(&first, &Limits::ENTRY).unwrap();
            prop_assert_eq!(&again.canonical_bytes(), &first);
            if let Value::Object(members) = value {
                let reversed: Map<String, Value> = members.into_iter().rev().collect();
                prop_assert_eq!(Json::object([("v", Json(Value::Object(reversed)))]).canonical_bytes(), first);
            }
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Json::decode(&bytes, &Limits::ENTRY);
        }
    }
}
