//! Strict JSON in, canonical bytes out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cme_spec::canonical::{Json, Limits};
use serde_json::{Value, json};

use super::{accept, digests, joined, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "Input is `text` (UTF-8), `base64` (any bytes), or `repeat` (`before`, then `count` times `unit`, then `after`). \
An accepted input has these RFC 8785 bytes (`canonical`, left out where long) and this SHA-256 over them; a refused one has this problem. \
`bytesMax` is the size limit of the case; the other limits are those of section 2.1. Every document is a JSON object.";

/// Canonical text longer than this is given by its digest alone.
const CANONICAL_SHOWN_MAX: usize = 1_000;

pub(super) fn file() -> TextFile {
    let mut cases = published();
    cases.extend(ours());
    cases.extend(at_the_limits());
    cases.extend(refused());
    vectors("canonical.json", ABOUT, Value::Null, cases)
}

fn taken(name: &str, source: &str, input: Value, bytes: &[u8]) -> Value {
    let json = Json::decode(bytes, &Limits::ENTRY).expect("an accepted case is within the rules");
    let canonical = json.canonical_text();
    let mut members = joined(json!({ "source": source }), input);
    if canonical.len() <= CANONICAL_SHOWN_MAX {
        members["canonical"] = canonical.as_str().into();
    }
    members["canonicalBytes"] = canonical.len().into();
    accept(name, joined(members, digests(canonical.as_bytes())))
}

fn text(name: &str, source: &str, text: &str) -> Value {
    taken(name, source, json!({ "text": text }), text.as_bytes())
}

/// Examples of RFC 8785, as far as they hold no fraction.
fn published() -> Vec<Value> {
    let sorting = r#"{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}"#;
    let string = r#"{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"}"#;
    let literals = r#"{"literals": [null, true, false]}"#;
    vec![
        text("members sorted by UTF-16 code units", "RFC 8785, section 3.2.3", sorting),
        text("string escapes", "RFC 8785, section 3.2.2 (its string alone)", string),
        text("literals", "RFC 8785, section 3.2.2 (its literals alone)", literals),
    ]
}

fn ours() -> Vec<Value> {
    let cases = [
        ("empty object", "{}"),
        ("white space everywhere", " \t\r\n{ \"b\" : [ 1 , 2 ] ,\n\"a\" : { } } \n"),
        ("members sorted at every depth", r#"{"b":{"d":1,"c":{"f":[],"e":{}}},"a":[{"z":0,"y":0}]}"#),
        ("a name sorts before the names that begin with it", r#"{"aa":1,"a":2,"":3,"a0":4,"A":5}"#),
        ("the largest integer", r#"{"n":9007199254740991}"#),
        ("the smallest integer", r#"{"n":-9007199254740991}"#),
        ("zero", r#"{"n":0}"#),
        (
            "every escape and its short form",
            r#"{"s":"\b\t\n\f\r\"\\\/\u0008\u0009\u000a\u000c\u000d\u0022\u005c\u002f"}"#,
        ),
        ("control characters without a short form", r#"{"s":"\u0000\u0001\u001f\u007f"}"#),
        ("an escaped surrogate pair is the character itself", r#"{"s":"\ud83d\ude00😀"}"#),
        ("text is not normalised", "{\"composed\":\"\u{e9}\",\"decomposed\":\"e\u{301}\"}"),
        ("line separators are not escaped", "{\"s\":\"\u{2028}\u{2029}\u{feff}\"}"),
        ("unknown members are kept", r#"{"known":1,"xUnknown":{"deep":[null]}}"#),
    ];
    cases.map(|(name, input)| text(name, "this protocol, section 2", input)).into()
}

fn repeat(before: &str, unit: &str, count: usize, after: &str) -> (Value, Vec<u8>) {
    let bytes = format!("{before}{}{after}", unit.repeat(count)).into_bytes();
    (json!({ "repeat": { "before": before, "unit": unit, "count": count, "after": after } }), bytes)
}

/// The largest document that each limit lets through, and the first that it doesn't.
fn at_the_limits() -> Vec<Value> {
    let limits = Limits::ENTRY_MINIMUM;
    // The empty object around it is 7 bytes.
    let (size, sized) = repeat("{\"a\":1", " ", limits.bytes_max - 7, "}");
    let (over, _) = repeat("{\"a\":1", " ", limits.bytes_max - 6, "}");
    let limit = json!({ "bytesMax": limits.bytes_max });
    let mut cases = vec![
        taken("as large as all must accept", "CAN-007", joined(limit.clone(), size), &sized),
        reject(
            "one byte larger than the limit",
            joined(joined(json!({ "problem": "too-large" }), limit), over),
        ),
    ];
    let mut edge = |what: &str, largest: (Value, Vec<u8>), beyond: (Value, Vec<u8>)| {
        cases.push(taken(&format!("as much as the limit: {what}"), "CAN-009", largest.0, &largest.1));
        let members = joined(json!({ "problem": "limit-exceeded" }), beyond.0);
        cases.push(reject(&format!("one more than the limit: {what}"), members));
    };
    let string = |count| repeat("{\"s\":\"", "\u{20ac}", count, "\"}");
    edge("characters of a string", string(16_384), string(16_385));
    let name = |count| repeat("{\"", "n", count, "\":1}");
    edge("characters of a member name", name(16_384), name(16_385));
    let array = |count: usize| repeat("{\"a\":[0", ",0", count - 1, "]}");
    edge("items of an array", array(256), array(257));
    let deep = |depth: usize| {
        let text = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        (json!({ "text": text }), text.into_bytes())
    };
    edge("nesting", deep(16), deep(17));
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!("\"m{number}\":0")).collect();
        let text = format!("{{{}}}", members.join(","));
        (json!({ "text": text }), text.into_bytes())
    };
    edge("members of an object", members(128), members(129));
    cases
}

fn refused() -> Vec<Value> {
    let of = |name: &str, rule: &str, input: Value| {
        reject(name, joined(json!({ "source": rule, "problem": "malformed" }), input))
    };
    let texts = [
        ("a member twice", "CAN-002", r#"{"a":1,"a":1}"#),
        ("a member twice, once escaped", "CAN-002", r#"{"a":1,"\u0061":2}"#),
        ("a member twice, far down", "CAN-002", r#"{"x":[{"b":1,"c":{"d":1,"d":2}}]}"#),
        (
            "RFC 8785's numbers",
            "RFC 8785, section 3.2.2; CAN-003",
            r#"{"numbers":[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]}"#,
        ),
        ("a fraction", "CAN-003", r#"{"n":0.5}"#),
        ("a fraction of zero", "CAN-003", r#"{"n":1.0}"#),
        ("an exponent", "CAN-003", r#"{"n":1e2}"#),
        ("an exponent beyond any double", "CAN-003", r#"{"n":1E400}"#),
        ("minus zero", "CAN-003", r#"{"n":-0}"#),
        ("2 to the 53rd", "CAN-003", r#"{"n":9007199254740992}"#),
        ("minus 2 to the 53rd", "CAN-003", r#"{"n":-9007199254740992}"#),
        ("2 to the 64th", "CAN-003", r#"{"n":18446744073709551616}"#),
        ("a leading zero", "CAN-001", r#"{"n":01}"#),
        ("a plus sign", "CAN-001", r#"{"n":+1}"#),
        ("not a number", "CAN-001", r#"{"n":NaN}"#),
        ("a lone high surrogate", "CAN-001", r#"{"s":"\ud800"}"#),
        ("a lone low surrogate", "CAN-001", r#"{"s":"\udc00"}"#),
        ("surrogates in the wrong order", "CAN-001", r#"{"s":"\ude00\ud83d"}"#),
        ("a high surrogate before a letter", "CAN-001", r#"{"s":"\ud800\u0041"}"#),
        ("a lone surrogate in a member name", "CAN-001", r#"{"\udfff":1}"#),
        ("a byte order mark", "CAN-001", "\u{feff}{}"),
        ("text after the value", "CAN-001", "{}x"),
        ("a second value", "CAN-001", "{} {}"),
        ("nothing", "CAN-001", ""),
        ("an object that doesn't end", "CAN-001", r#"{"a":1"#),
        ("a comma too many", "CAN-001", r#"{"a":1,}"#),
        ("single quotation marks", "CAN-001", "{'a':1}"),
        ("a comment", "CAN-001", "{/* */}"),
        ("a raw line break in a string", "CAN-001", "{\"s\":\"\n\"}"),
        ("an escape that JSON doesn't have", "CAN-001", r#"{"s":"\x41"}"#),
        ("an array", "section 2: a document is an object", "[]"),
        ("a number alone", "section 2: a document is an object", "1"),
        ("null", "section 2: a document is an object", "null"),
    ];
    let bytes: [(&str, &[u8]); 4] = [
        ("a byte that UTF-8 never has", b"{\"s\":\"\xff\"}"),
        ("an overlong slash", b"{\"s\":\"\xc0\xaf\"}"),
        ("a surrogate in UTF-8", b"{\"s\":\"\xed\xa0\x80\"}"),
        ("UTF-16", b"\xff\xfe{\x00}\x00"),
    ];
    let texts = texts.into_iter().map(|(name, rule, input)| of(name, rule, json!({ "text": input })));
    let bytes = bytes
        .into_iter()
        .map(|(name, input)| of(name, "CAN-001", json!({ "base64": STANDARD.encode(input) })));
    texts.chain(bytes).collect()
}
