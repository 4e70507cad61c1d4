//! Strict JSON in, canonical bytes out.
//!
//! Everything that is signed or digested is JSON, and two implementations must agree on its bytes. So
//! the decoder refuses whatever two JSON libraries are known to read differently (duplicate member
//! names, fractions, integers beyond 2^53-1, lone surrogates, invalid UTF-8), and the encoder writes the
//! one form of RFC 8785. A [`Json`] exists only for a value that passed, and it is the value **as
//! received**: unknown members are kept, nothing is rewritten.

mod decode;
mod error;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use self::decode::decode_value;
pub use self::error::{DecodeError, ShapeError};
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
    /// Unicode scalar values of one string or member name, after unescaping.
    pub string_chars_max: usize,
    /// Items of one array.
    pub array_items_max: usize,
    /// Members of one object.
    pub object_members_max: usize,
}

impl Limits {
    /// What every implementation accepts for one entry. Implements: CAN-007
    pub const ENTRY_MINIMUM: Self = Self { bytes_max: 65_536, ..Self::ENTRY };

    /// What this implementation accepts for one entry with its receipts.
    pub const ENTRY: Self = Self {
        bytes_max: 262_144,
        depth_max: 16,
        string_chars_max: 16_384,
        array_items_max: 256,
        object_members_max: 128,
    };

    /// For documents that hold many entries or authorities: a page, an export, a directory.
    pub const COLLECTION: Self =
        Self { bytes_max: 64 << 20, depth_max: 24, array_items_max: 100_000, ..Self::ENTRY };
}

/// A JSON object or value that obeys the rules of the canonical form. Clones share it.
///
/// An entry's header and body are digested, verified and stored as the same bytes: a value that was digested or
/// signed keeps them.
#[derive(Clone)]
pub struct Json(Arc<Shared>);

struct Shared {
    value: Value,
    canonical: OnceLock<String>,
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0.value == other.0.value
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    /// Prints no content: bodies hold personal data. Implements: PRV-001
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(..)")
    }
}

impl Json {
    /// The object that `bytes` spell, if every rule holds.
    ///
    /// Implements: CAN-001, CAN-002, CAN-003, CAN-008, CAN-009
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let value = decode_value(bytes, limits)?;
        if value.is_object() { Ok(Self::of(value)) } else { Err(DecodeError::NotAnObject) }
    }

    fn of(value: Value) -> Self {
        Self(Arc::new(Shared { value, canonical: OnceLock::new() }))
    }

    /// The JSON of a typed value of this crate, checked by the same rules.
    pub fn from_typed<T: Serialize>(typed: &T) -> Result<Self, DecodeError> {
        let bytes = serde_json::to_vec(typed).map_err(|_| DecodeError::Syntax { line: 0, column: 0 })?;
        decode_value(&bytes, &Limits::COLLECTION).map(Self::of)
    }

    /// A member of this object.
    pub fn member(&self, name: &str) -> Option<Self> {
        self.0.value.get(name).map(|value| Self::of(value.clone()))
    }

    /// The items of this array; none when it isn't one.
    pub fn items(&self) -> Option<Vec<Self>> {
        let items = self.0.value.as_array()?;
        Some(items.iter().map(|value| Self::of(value.clone())).collect())
    }

    /// The members of this object, to be taken apart; none when it isn't one.
    pub(crate) fn into_members(self) -> Members {
        match self.into_value() {
            Value::Object(members) => Members(members),
            _ => Members(Map::new()),
        }
    }

    /// The typed reading; unknown members are ignored, as versions may add them.
    ///
    /// Implements: CAN-005
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ShapeError> {
        // The way to a fault is followed only where there is one: it costs as much as the reading.
        T::deserialize(&self.0.value).or_else(|_| {
            serde_path_to_error::deserialize(&self.0.value)
                .map_err(|error| ShapeError { pointer: pointer_of(error.path()) })
        })
    }

    /// The value, for looking at.
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// The value itself.
    pub fn into_value(self) -> Value {
        Arc::try_unwrap(self.0).map_or_else(|shared| shared.value.clone(), |own| own.value)
    }

    /// An object of the given members; each is already within the rules.
    pub fn object(members: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        let members = members.into_iter().map(|(name, json)| (name.to_owned(), json.into_value()));
        Self::of(Value::Object(members.collect()))
    }

    /// An array of values that are each within the rules.
    pub fn array(items: impl IntoIterator<Item = Self>) -> Self {
        Self::of(Value::Array(items.into_iter().map(Self::into_value).collect()))
    }

    /// A JSON string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(Value::String(text.into()))
    }

    /// JSON `null`.
    pub fn null() -> Self {
        Self::of(Value::Null)
    }

    /// The one form of RFC 8785: no white space, members sorted by UTF-16 code units, shortest escapes.
    ///
    /// Implements: CAN-004
    pub fn canonical_bytes(&self) -> Vec<u8> {
        self.canonical_text().into_bytes()
    }

    /// The canonical bytes as text.
    pub fn canonical_text(&self) -> String {
        self.0.canonical.get().cloned().unwrap_or_else(|| canonical(&self.0.value))
    }

    /// The canonical text, kept from now on.
    pub(crate) fn kept_canonical(&self) -> &str {
        self.0.canonical.get_or_init(|| canonical(&self.0.value))
    }

    /// SHA-256 over the canonical bytes. Implements: CAN-004
    pub fn digest(&self) -> Digest {
        Digest::of(self.kept_canonical().as_bytes())
    }
}

/// The canonical text of an object, from those of its members: what is written already isn't written again, and
/// nothing is copied to be written.
pub(crate) fn canonical_object<const N: usize>(mut members: [(&str, &str); N]) -> String {
    members.sort_unstable_by(|(a, _), (b, _)| by_code_units(a, b));
    let length: usize = members.iter().map(|(name, text)| name.len() + text.len() + 4).sum();
    let mut out = String::with_capacity(length + 2);
    for (index, (name, text)) in members.into_iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        out.push('"');
        out.push_str(name);
        out.push_str("\":");
        out.push_str(text);
    }
    out.push('}');
    out
}

/// The members of an object, each taken once.
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// The member of that name, if it is there and was not taken before.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).map(Json::of)
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.value.serialize(serializer)
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

fn canonical(value: &Value) -> String {
    let mut out = Vec::with_capacity(512);
    write_value(&mut out, value);
    String::from_utf8(out).expect("canonical bytes are made of UTF-8 strings")
}

/// UTF-16 code units, as RFC 8785, section 3.2.3, asks; in ASCII they stand in the order of the bytes.
fn by_code_units(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
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
            sorted.sort_unstable_by(|(a, _), (b, _)| by_code_units(a, b));
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
