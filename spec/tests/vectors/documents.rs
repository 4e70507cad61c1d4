//! Canonical form, signatures and reconciliation.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cme_spec::canonical::{Json, Limits};
use cme_spec::digest::Digest;
use cme_spec::receipt::{ReconciledHead, reconciliation_digest};
use cme_spec::signature::{DetachedJws, PublicKey, SigningKey};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::Value;

use super::{document, each_case, json, name, problem_of, str_of};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn input(case: &Value) -> Vec<u8> {
    if let Some(text) = case["text"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(base64) = case["base64"].as_str() {
        return STANDARD.decode(base64).unwrap();
    }
    let repeat = &case["repeat"];
    let part = |member: &str| repeat[member].as_str().unwrap().to_owned();
    let count = usize::try_from(repeat["count"].as_u64().unwrap()).unwrap();
    (part("before") + &part("unit").repeat(count) + &part("after")).into_bytes()
}

#[test]
fn canonical_forms_and_refusals_are_those_published() {
    each_case("canonical.json", 15, 40, |case, take| {
        let limits = match case["bytesMax"].as_u64() {
            Some(bytes) => Limits { bytes_max: usize::try_from(bytes).unwrap(), ..Limits::ENTRY },
            None => Limits::ENTRY,
        };
        let outcome = Json::decode(&input(case), &limits);
        if !take {
            assert_eq!(
                problem_of(&outcome.expect_err(name(case))),
                str_of(case, "problem"),
                "{}",
                name(case)
            );
            return;
        }
        let canonical = outcome.unwrap_or_else(|error| panic!("{}: {error}", name(case))).canonical_text();
        if case["canonicalBytes"].as_u64().unwrap() <= 1_000 {
            assert_eq!(canonical, str_of(case, "canonical"), "{}", name(case));
        }
        assert_eq!(canonical.len() as u64, case["canonicalBytes"].as_u64().unwrap());
        let digest = Digest::of(canonical.as_bytes());
        assert_eq!(digest.to_string(), str_of(case, "sha256"), "{}", name(case));
        assert_eq!(digest.as_bytes()[..], hex(str_of(case, "sha256Hex")));
    });
}

#[test]
fn signatures_hold_or_fail_as_published() {
    let keys = document("signatures.json")["keys"].clone();
    each_case("signatures.json", 10, 20, |case, take| match str_of(case, "kind") {
        "ed25519" => ed25519(case),
        "thumbprint" => {
            let key: PublicKey = str_of(case, "publicKey").parse().unwrap();
            assert_eq!(key.id().to_string(), str_of(case, "kid"));
        }
        "jws" => attached(case),
        "detached" => {
            let outcome = detached(case, keys.as_array().unwrap());
            let expected = if take { Ok(()) } else { Err(str_of(case, "problem")) };
            assert_eq!(outcome, expected, "{}", name(case));
        }
        other => panic!("kind {other}"),
    });
}

fn ed25519(case: &Value) {
    let part = |member: &str| hex(str_of(case, member));
    let pair = Ed25519KeyPair::from_seed_unchecked(&part("secretKey")).unwrap();
    assert_eq!(pair.public_key().as_ref(), part("publicKey"));
    assert_eq!(pair.sign(&part("message")).as_ref(), part("signature"));
    let key = UnparsedPublicKey::new(&ED25519, part("publicKey"));
    key.verify(&part("message"), &part("signature")).unwrap();
}

fn attached(case: &Value) {
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let seed: [u8; 32] = part(str_of(case, "secretKey")).try_into().unwrap();
    assert_eq!(SigningKey::from_seed(&seed).public().to_string(), str_of(case, "publicKey"));
    let (input, signature) = str_of(case, "jws").rsplit_once('.').unwrap();
    let (_, payload) = input.split_once('.').unwrap();
    assert_eq!(part(payload), str_of(case, "payload").as_bytes());
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    assert_eq!(pair.sign(input.as_bytes()).as_ref(), part(signature));
}

fn detached(case: &Value, keys: &[Value]) -> Result<(), &'static str> {
    let jws: DetachedJws = str_of(case, "signature").parse().map_err(|_| "signature-invalid")?;
    let named = keys.iter().find(|key| key["kid"] == jws.key().to_string()).ok_or("key-unknown")?;
    let key: PublicKey = named["publicKey"].as_str().unwrap().parse().unwrap();
    jws.verify(&json(&case["payload"]), &key).map_err(|_| "signature-invalid")
}

#[test]
fn reconciliation_digests_are_those_published() {
    each_case("reconciliation.json", 6, 0, |case, _| {
        let head = |head: &Value| ReconciledHead {
            transfer: head["transfer"].as_str().unwrap().parse().unwrap(),
            sequence: head["sequence"].as_u64().unwrap(),
            header_digest: head["headerDigest"].as_str().unwrap().parse().unwrap(),
        };
        let heads: Vec<ReconciledHead> = case["heads"].as_array().unwrap().iter().map(head).collect();
        assert_eq!(reconciliation_digest(heads).to_string(), str_of(case, "digest"), "{}", name(case));
    });
}
