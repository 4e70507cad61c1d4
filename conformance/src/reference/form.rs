//! Written forms of section 1 and shapes of section 4, as the reference peer reads them.

use crate::encoding::from_base64url;
use crate::instant;
use crate::json::Json;

/// A UUID of version 7.
pub(super) fn is_uuid(text: &str) -> bool {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'7',
            19 => b"89ab".contains(&byte),
            _ => lower(byte),
        })
}

/// A digest.
pub(super) fn is_digest(text: &str) -> bool {
    from_base64url(text).is_some_and(|bytes| bytes.len() == 32)
}

/// The code of an authority.
pub(super) fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_link(value: &Json) -> bool {
    value.text_at("/transfer").is_some_and(is_uuid)
        && value.integer_at("/sequence").is_some_and(|sequence| sequence >= 0)
        && value.text_at("/headerDigest").is_some_and(is_digest)
}

/// Links have their shape where they stand.
pub(super) fn links_fit(header: &Json) -> bool {
    let one = |name: &str| header.member(name).is_none_or(is_link);
    let two = header
        .member("successorOf")
        .is_none_or(|links| links.items().len() == 2 && links.items().iter().all(is_link));
    one("precededBy") && one("supersedes") && two
}

/// The shape of a signed receipt (section 6.1).
pub(super) fn is_receipt(signed: &Json) -> bool {
    let Some(receipt) = signed.member("receipt") else { return false };
    let from = |name: &str, first: i64| receipt.integer_at(name).is_some_and(|number| number >= first);
    receipt.text_at("/transfer").is_some_and(is_uuid)
        && receipt.text_at("/entryId").is_some_and(is_uuid)
        && receipt.text_at("/headerDigest").is_some_and(is_digest)
        && receipt.text_at("/by").is_some_and(is_code)
        && receipt.text_at("/receivedAt").and_then(instant::read).is_some()
        && from("/sequence", 0)
        && from("/incarnation", 1)
        && from("/directoryIssue", 1)
        && signed.text_at("/signature").is_some()
}

/// The value without members that the text doesn't know, as a typed value written out again would be.
pub(super) fn known_alone(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let known = |name: &str| name.len() > 1 && name.is_ascii() && !name.starts_with("conformance");
            let kept = members.iter().filter(|(name, _)| known(name));
            Json::Object(kept.map(|(name, value)| (name.clone(), known_alone(value))).collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(known_alone).collect()),
        other => other.clone(),
    }
}

/// The value with members sorted by their UTF-8 bytes, which is not RFC 8785.
pub(super) fn sorted_by_utf8(value: &Json) -> String {
    match value {
        Json::Object(members) => {
            let mut members: Vec<&(String, Json)> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            let written = |(name, value): &&(String, Json)| {
                format!("{}:{}", Json::text(name.clone()).plain(), sorted_by_utf8(value))
            };
            format!("{{{}}}", members.iter().map(written).collect::<Vec<_>>().join(","))
        }
        Json::Array(items) => {
            format!("[{}]", items.iter().map(sorted_by_utf8).collect::<Vec<_>>().join(","))
        }
        other => other.plain(),
    }
}
