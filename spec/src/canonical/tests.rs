use serde::Deserialize;
use serde_json::Map;

use super::*;
use crate::problem::ProblemType;
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
        string_chars_max: 4,
        array_items_max: 2,
        object_members_max: 2,
    };
    let decode = |text: &str| Json::decode(text.as_bytes(), &limits);
    assert_eq!(decode(r#"{"a":[[[]]]}"#), Err(DecodeError::TooDeep { limit: 3 }));
    assert!(decode(r#"{"a":[[]]}"#).is_ok());
    assert!(decode(r#"{"a":"\u00e9\u00e9\u00e9😀"}"#).is_ok(), "characters are counted, not bytes");
    assert_eq!(decode(r#"{"a":"éééé😀"}"#), Err(DecodeError::StringTooLong { limit: 4 }));
    assert_eq!(decode(r#"{"a":"12345"}"#), Err(DecodeError::StringTooLong { limit: 4 }));
    assert_eq!(decode(r#"{"12345":1}"#), Err(DecodeError::StringTooLong { limit: 4 }));
    assert_eq!(decode(r#"{"a":[1,2,3]}"#), Err(DecodeError::ArrayTooLong { limit: 2 }));
    assert_eq!(decode(r#"{"a":1,"b":1,"c":1}"#), Err(DecodeError::ObjectTooLarge { limit: 2 }));
    assert_eq!(decode(&" ".repeat(65)), Err(DecodeError::TooLarge { limit: 64 }));
    let nested = "[".repeat(100_000);
    let limits = Limits { bytes_max: 200_000, ..Limits::ENTRY };
    assert_eq!(Json::decode(nested.as_bytes(), &limits), Err(DecodeError::TooDeep { limit: 16 }));
}

#[test]
fn takes_every_document_of_the_size_that_all_must_take() {
    let text = |bytes: usize| {
        let piece = "x".repeat(Limits::ENTRY.string_chars_max);
        let frame = format!(r#"{{"a":["{piece}","{piece}","{piece}",""]}}"#);
        frame.replace("\"\"]", &format!("\"{}\"]", "x".repeat(bytes - frame.len())))
    };
    let most = Limits::ENTRY_MINIMUM.bytes_max;
    assert_eq!(text(most).len(), 65_536);
    for limits in [Limits::ENTRY_MINIMUM, Limits::ENTRY] {
        assert!(Json::decode(text(most).as_bytes(), &limits).is_ok());
    }
    let beyond = Json::decode(text(most + 1).as_bytes(), &Limits::ENTRY_MINIMUM).unwrap_err();
    assert_eq!(beyond.problem().registered(), Some(ProblemType::TooLarge));
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
        let original = Json::object([("v", Json::of(value.clone()))]);
        let first = original.canonical_bytes();
        let again = Json::decode(&first, &Limits::ENTRY).unwrap();
        prop_assert_eq!(&again.canonical_bytes(), &first);
        if let Value::Object(members) = value {
            let reversed: Map<String, Value> = members.into_iter().rev().collect();
            prop_assert_eq!(Json::object([("v", Json::of(Value::Object(reversed)))]).canonical_bytes(), first);
        }
    }

    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Json::decode(&bytes, &Limits::ENTRY);
    }
}
