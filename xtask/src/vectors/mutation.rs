//! Entries and exports that break one rule each, genuine in everything else.

use cme_spec::canonical::Json;
use cme_spec::example;
use serde_json::{Value, json};

/// An entry of this header and body, its digest right and its signature genuine.
pub(super) fn sealed(mut header: Value, body: &Value, author: &str) -> Value {
    header["bodyDigest"] = json!(canonical(body).digest());
    signed(&header, body, author)
}

/// An entry of this header and body as they are, the signature genuine.
pub(super) fn signed(header: &Value, body: &Value, author: &str) -> Value {
    let signature = example::signing_key(author).sign(&canonical(header)).to_string();
    json!({ "header": header, "body": body, "signature": signature, "receipts": [] })
}

/// A query or notice of this header and body, its digest right and its signature genuine.
pub(super) fn stated(mut header: Value, body: &Value, author: &str) -> Value {
    header["bodyDigest"] = json!(canonical(body).digest());
    let signature = example::signing_key(author).sign(&canonical(&header)).to_string();
    json!({ "header": header, "body": body, "signature": signature })
}

/// The value as one within the rules.
pub(super) fn canonical(value: &Value) -> Json {
    Json::from_typed(value).expect("a changed value is within the rules")
}

/// The text with `from` replaced once, in the line after the first that has `mark`; the rest is untouched.
pub(super) fn altered_in(text: &str, mark: &str, from: &str, to: &str) -> String {
    let start = text.find(mark).expect("the mark is in the text");
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let at = line + text[line..].find(from).expect("what is replaced is in the line");
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}
