//! Ways to answer that differ and are all right: none of them may make a case fail.

use crate::json::Json;
use crate::wire::Answer;

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variation {
    /// Members of every object in the other order.
    MembersReversed,
    /// A member that the text doesn't know, in every answer.
    UnknownMember,
    /// White space between the tokens of JSON.
    WhiteSpace,
    /// Every character beyond ASCII, and the slash, escaped.
    Escapes,
    /// Names of header fields in small letters.
    SmallFields,
    /// Names of header fields in capitals, with more fields than are needed.
    CapitalFields,
    /// Content in chunks of a few bytes.
    Chunked,
    /// Each connection ended after one response.
    OneRequestEach,
    /// The media type with a parameter.
    MediaTypeParameter,
    /// `no-store` among other directives.
    MoreDirectives,
    /// A fifth of a second of thought before each answer.
    Slow,
}

impl Variation {
    /// Every one.
    pub(crate) const ALL: [Self; 11] = [
        Self::MembersReversed,
        Self::UnknownMember,
        Self::WhiteSpace,
        Self::Escapes,
        Self::SmallFields,
        Self::CapitalFields,
        Self::Chunked,
        Self::OneRequestEach,
        Self::MediaTypeParameter,
        Self::MoreDirectives,
        Self::Slow,
    ];
}

/// How long a slow server thinks.
const THOUGHT: std::time::Duration = std::time::Duration::from_millis(30);

/// A response in one of the ways.
pub(super) fn answer(
    variation: Option<Variation>,
    (status, media_type): (u16, &str),
    (no_store, waits): (bool, bool),
    mut document: Json,
) -> Answer {
    use Variation as V;
    let is = |way: Variation| variation == Some(way);
    if is(V::Slow) {
        std::thread::sleep(THOUGHT);
    }
    if is(V::UnknownMember) {
        document.set("/conformanceUnknown", Json::object([("a", vec![1.into(), Json::Null].into())]));
    }
    if is(V::MembersReversed) {
        document = reversed(document);
    }
    let mut content = document.plain();
    if is(V::WhiteSpace) {
        content = format!(" \r\n\t{} \n", content.replace("\",\"", "\" ,\n\t\"").replace("{\"", "{ \""));
    }
    if is(V::Escapes) {
        content = content.replace('/', "\\/");
    }
    let mut fields = vec![("Content-Type".to_owned(), media_type.to_owned())];
    if is(V::MediaTypeParameter) {
        fields[0].1 = format!("{media_type}; charset=utf-8");
    }
    if waits {
        fields.push(("Retry-After".to_owned(), "3600".to_owned()));
    }
    if no_store {
        let value = if is(V::MoreDirectives) { "private, No-Store, max-age=0" } else { "no-store" };
        fields.push(("Cache-Control".to_owned(), value.to_owned()));
    }
    if is(V::CapitalFields) {
        fields.push(("Date".to_owned(), "Tue, 24 Nov 2026 09:30:00 GMT".to_owned()));
        fields.push(("Server".to_owned(), "reference".to_owned()));
    }
    let body = if is(V::Chunked) {
        fields.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
        let chunk = |part: &[u8]| [format!("{:x};a=b\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
        let mut bytes: Vec<u8> = content.as_bytes().chunks(53).flat_map(chunk).collect();
        bytes.extend(b"0\r\n\r\n");
        bytes
    } else {
        fields.push(("Content-Length".to_owned(), content.len().to_string()));
        content.into_bytes()
    };
    if is(V::OneRequestEach) {
        fields.push(("Connection".to_owned(), "close".to_owned()));
    }
    let mut head = format!("HTTP/1.1 {status} Reason\r\n");
    for (name, value) in fields {
        let name = match variation {
            Some(V::SmallFields) => name.to_ascii_lowercase(),
            Some(V::CapitalFields) => name.to_ascii_uppercase(),
            _ => name,
        };
        head.extend([name.as_str(), ": ", &value, "\r\n"]);
    }
    let bytes = [format!("{head}\r\n").into_bytes(), body].concat();
    if is(V::OneRequestEach) { Answer::Last(bytes) } else { Answer::Bytes(bytes) }
}

fn reversed(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            Json::Object(members.into_iter().rev().map(|(name, value)| (name, reversed(value))).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(reversed).collect()),
        other => other,
    }
}
