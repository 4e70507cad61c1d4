//! Ed25519, thumbprints and detached JWS.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cme_spec::canonical::{Json, Limits};
use cme_spec::example::{self, Story};
use cme_spec::signature::{PublicKey, SigningKey};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{accept, base64url, joined, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`kind` ed25519: RFC 8032 keys, message and signature in hexadecimal. thumbprint: the RFC 7638 name of a public key (base64url). \
jws: a compact JWS with its payload. detached: `signature` is `protected..signature` over the RFC 8785 bytes of `payload`; \
the key is the one of `keys` that the protected header names by `kid`, and none is problem key-unknown.";

/// The order of the group of Ed25519 (RFC 8032, section 5.1), least byte first.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// RFC 8032, section 7.1: secret key, public key, message, signature.
const RFC_8032: [(&str, [&str; 4]); 3] = [
    (
        "TEST 1",
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
    ),
    (
        "TEST 2",
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
    ),
    (
        "TEST 3",
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ),
];

pub(super) fn file() -> TextFile {
    let mut cases = published();
    cases.extend(taken());
    cases.extend(refused());
    let keys: Vec<Value> = ["373", "330", "383"]
        .map(|code| {
            let key = example::signing_key(code);
            json!({ "authority": code, "kid": key.id(), "publicKey": key.public() })
        })
        .into();
    vectors("signatures.json", ABOUT, json!({ "keys": keys }), cases)
}

fn published() -> Vec<Value> {
    let mut cases: Vec<Value> = RFC_8032
        .iter()
        .map(|(name, [secret, public, message, signature])| {
            accept(
                name,
                json!({
                    "source": "RFC 8032, section 7.1",
                    "kind": "ed25519",
                    "secretKey": secret,
                    "publicKey": public,
                    "message": message,
                    "signature": signature,
                }),
            )
        })
        .collect();
    cases.push(accept(
        "thumbprint of the key of RFC 8037",
        json!({
            "source": "RFC 8037, appendix A.3",
            "kind": "thumbprint",
            "publicKey": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        }),
    ));
    cases.push(accept("JWS of RFC 8037", json!({
        "source": "RFC 8037, appendix A.4",
        "kind": "jws",
        "secretKey": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "publicKey": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "payload": "Example of Ed25519 signing",
        "jws": "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    })));
    cases.extend(["373", "330", "383"].map(|code| {
        let key: PublicKey = example::signing_key(code).public();
        let members = json!({ "source": "this protocol, section 3.1", "kind": "thumbprint", "publicKey": key, "kid": key.id() });
        accept(&format!("thumbprint of the example key of {code}"), members)
    }));
    cases
}

fn payload() -> Value {
    json!({ "b": [2, 1], "a": "\u{20ac}", "n": null })
}

fn as_json(value: &Value) -> Json {
    Json::decode(value.to_string().as_bytes(), &Limits::ENTRY).expect("a payload is within the rules")
}

fn detached(payload: &Value, signature: &str) -> Value {
    json!({ "source": "this protocol, section 3.1", "kind": "detached", "payload": payload, "signature": signature })
}

fn taken() -> Vec<Value> {
    let header = Story::offered().entries()[0].header_json().clone();
    let head = Story::offered().head("330");
    let head = head.to_json().member("head").expect("a signed head has its head");
    let typed = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"cme-head"}}"#, example::signing_key("330").id());
    let typed = signed_as("330", &typed, head.value());
    let spaced = format!(r#"{{ "kid": "{}", "alg": "EdDSA" }}"#, example::signing_key("373").id());
    let spaced = signed_as("373", &spaced, &payload());
    let plain = |code: &str, value: &Value| example::signing_key(code).sign(&as_json(value)).to_string();
    vec![
        accept(
            "over canonical bytes, whatever the member order",
            detached(&payload(), &plain("373", &payload())),
        ),
        accept("over the header of an offer", detached(header.value(), &plain("373", header.value()))),
        accept("with a typ", detached(head.value(), &typed)),
        accept("a protected header in another layout", detached(&payload(), &spaced)),
    ]
}

/// A detached JWS with any protected header, genuinely signed by the key of that example authority.
fn signed_as(code: &str, protected: &str, payload: &Value) -> String {
    let protected = base64url(protected.as_bytes());
    let input = format!("{protected}.{}", base64url(&as_json(payload).canonical_bytes()));
    format!("{protected}..{}", base64url(&raw_signature(code, input.as_bytes())))
}

fn raw_signature(code: &str, input: &[u8]) -> Vec<u8> {
    let seed = cme_spec::digest::Digest::of(format!("cme example signing key {code}").as_bytes());
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_bytes()).expect("32 bytes are a seed");
    assert_eq!(base64url(pair.public_key().as_ref()), example::signing_key(code).public().to_string());
    pair.sign(input).as_ref().to_vec()
}

/// Each is genuine but for what its name says.
fn refused() -> Vec<Value> {
    let key: SigningKey = example::signing_key("373");
    let (kid, other) = (key.id(), example::signing_key("330").id());
    let good = key.sign(&as_json(&payload())).to_string();
    let (protected, signature) = good.split_once("..").expect("a detached JWS");
    let with = |protected: &str| signed_as("373", protected, &payload());
    let last = |text: &str, to: char| format!("{}{to}", &text[..text.len() - 1]);
    let altered = if signature.starts_with('A') { "B" } else { "A" };
    let cases = [
        ("alg none", with(&format!(r#"{{"alg":"none","kid":"{kid}"}}"#))),
        ("alg HS256", with(&format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#))),
        ("alg Ed448", with(&format!(r#"{{"alg":"Ed448","kid":"{kid}"}}"#))),
        ("crit and b64", with(&format!(r#"{{"alg":"EdDSA","kid":"{kid}","crit":["b64"],"b64":false}}"#))),
        (
            "a key in the protected header",
            with(&format!(r#"{{"alg":"EdDSA","kid":"{kid}","jwk":{{"x":"{}"}}}}"#, key.public())),
        ),
        ("alg twice", with(&format!(r#"{{"alg":"EdDSA","alg":"EdDSA","kid":"{kid}"}}"#))),
        ("no kid", with(r#"{"alg":"EdDSA"}"#)),
        ("no alg", with(&format!(r#"{{"kid":"{kid}"}}"#))),
        ("a protected header that is no object", with("[]")),
        ("the kid of another key", with(&format!(r#"{{"alg":"EdDSA","kid":"{other}"}}"#))),
        ("an altered signature", format!("{protected}..{altered}{}", &signature[1..])),
        ("bits after the signature that are not zero", last(&good, next_in_alphabet(&good))),
        ("a padded signature", format!("{good}==")),
        ("the standard alphabet", format!("{protected}..{}", standard_alphabet(signature))),
        ("a line break", format!("{protected}..\n{signature}")),
        ("a short signature", good[..good.len() - 4].to_owned()),
        (
            "an attached payload",
            format!("{protected}.{}.{signature}", base64url(&as_json(&payload()).canonical_bytes())),
        ),
        ("S not below the group order", format!("{protected}..{}", beyond_the_order(signature))),
        ("nothing", String::new()),
    ];
    let invalid = json!({ "problem": "signature-invalid" });
    let mut refused: Vec<Value> = cases
        .into_iter()
        .map(|(name, text)| reject(name, joined(detached(&payload(), &text), invalid.clone())))
        .collect();
    let mut changed = payload();
    changed["b"][0] = 3.into();
    refused.push(reject("an altered payload", joined(detached(&changed, &good), invalid.clone())));
    let mut extended = payload();
    extended["added"] = true.into();
    refused.push(reject("a payload with a member more", joined(detached(&extended, &good), invalid)));
    let stranger = example::signing_key("a stranger").sign(&as_json(&payload())).to_string();
    let unknown = json!({ "problem": "key-unknown" });
    refused.push(reject("a key that nobody published", joined(detached(&payload(), &stranger), unknown)));
    refused
}

/// The next character of the base64url alphabet after the text's last: the same bytes, other trailing bits.
fn next_in_alphabet(text: &str) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = text.chars().next_back().unwrap_or('A');
    ALPHABET.chars().cycle().skip_while(|letter| *letter != last).nth(1).unwrap_or('B')
}

/// The same bytes in the standard alphabet; a signature without `-` and `_` gets a `+` in any case.
fn standard_alphabet(signature: &str) -> String {
    let text = signature.replace('-', "+").replace('_', "/");
    if text == signature { format!("+{}", &text[1..]) } else { text }
}

/// The signature with the group order added to its second half: a verifier that doesn't check takes it too.
fn beyond_the_order(signature: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("a signature is base64url");
    let mut carry = 0_u16;
    for (byte, order) in bytes[32..].iter_mut().zip(GROUP_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = (sum & 0xff).try_into().unwrap_or_default();
        carry = sum >> 8;
    }
    base64url(&bytes)
}
