//! JSON as the text wants it: strict, without floating-point numbers, members kept in the order received.
//!
//! Implements nothing of the server's: it is the judge's own reading of section 2.

mod parse;

use std::fmt::Write as _;

pub(crate) use self::parse::ParseError;

/// The largest integer that a document may hold, up and down.
pub(crate) const INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// A value as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one object from bytes (CAN-001 to CAN-003).
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ParseError> {
        parse::document(bytes)
    }

    /// An object of these members.
    pub(crate) fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A string.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A member of an object.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(held, _)| held == name).map(|(_, value)| value)
    }

    /// A value below, by a path such as `/head/sequence`.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').skip(1).try_fold(self, |value, step| match value {
            Self::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => value.member(step),
        })
    }

    /// The string at a path.
    pub(crate) fn text_at(&self, path: &str) -> Option<&str> {
        match self.at(path) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The integer at a path.
    pub(crate) fn integer_at(&self, path: &str) -> Option<i64> {
        match self.at(path) {
            Some(Self::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// The items of an array; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    /// The members of an object; none of anything else.
    pub(crate) fn members(&self) -> &[(String, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// Sets the value at a path, adding the last member where it is missing.
    pub(crate) fn set(&mut self, path: &str, value: impl Into<Self>) {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.at_mut(above) {
            Some(Self::Object(members)) => match members.iter_mut().find(|(held, _)| held == name) {
                Some((_, held)) => *held = value.into(),
                None => members.push((name.to_owned(), value.into())),
            },
            Some(Self::Array(items)) => {
                if let Some(item) = name.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                    *item = value.into();
                }
            }
            _ => {}
        }
    }

    /// Takes the member at a path away.
    pub(crate) fn remove(&mut self, path: &str) {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(Self::Object(members)) = self.at_mut(above) {
            members.retain(|(held, _)| held != name);
        }
    }

    fn at_mut(&mut self, path: &str) -> Option<&mut Self> {
        path.split('/').skip(1).try_fold(self, |value, step| match value {
            Self::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
            Self::Object(members) => {
                members.iter_mut().find(|(name, _)| name == step).map(|(_, value)| value)
            }
            _ => None,
        })
    }

    /// The bytes of RFC 8785 (CAN-004).
    pub(crate) fn canonical(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, true);
        out
    }

    /// The value as text, members in the order that they have.
    pub(crate) fn plain(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, false);
        out
    }

    fn write(&self, out: &mut String, sorted: bool) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            // Writing to a string can't fail.
            Self::Integer(number) => drop(write!(out, "{number}")),
            Self::Text(text) => write_text(text, out),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out, sorted);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut order: Vec<&(String, Self)> = members.iter().collect();
                if sorted {
                    order.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
                }
                out.push('{');
                for (index, (name, value)) in order.into_iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write(out, sorted);
                }
                out.push('}');
            }
        }
    }
}

/// RFC 8785, section 3.2.2.2.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => drop(write!(out, "\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::Array(items)
    }
}
