//! Entries: form, digests, signatures, and what the ledger before them allows.

use cme_spec::body;
use cme_spec::entry::{Body, Entry, EntryType as E, LedgerPoint};
use cme_spec::example::{self, Story};
use serde_json::{Value, json};

use super::mutation::{canonical, sealed, signed};
use super::{accept, base64url, joined, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`entry` is a ledger entry, or `entryText` where JSON can't be quoted as JSON. Keys are those of ledgers/directory.json. \
An accepted entry has these digests over the RFC 8785 bytes of header and body, and this kid. A refused one has this problem, with the pointer that names the member in the body. \
`after` holds the entries of the ledger that it would follow; cases without it stand alone. \
A member that no version knows is kept, and is under the digest.";

pub(super) fn file() -> TextFile {
    let mut cases = taken();
    cases.extend(malformed_headers());
    cases.extend(malformed_entries());
    cases.extend(bodies());
    cases.push(duplicate_of_itself());
    cases.extend(out_of_place());
    vectors("entries.json", ABOUT, json!({ "directory": "ledgers/directory.json" }), cases)
}

fn offer() -> (Value, Value) {
    let story = Story::offered();
    let entry = story.entries()[0].to_json().into_value();
    (entry["header"].clone(), entry["body"].clone())
}

fn taken_as(name: &str, entry: &Value) -> Value {
    let read = Entry::read(&canonical(entry)).expect("an accepted entry has its form");
    assert!(read.body_matches(), "{name}");
    if let Body::Present(json) = read.body() {
        assert_eq!(body::check(read.header().kind, json), Ok(()), "{name}");
    }
    accept(
        name,
        json!({
            "entry": entry,
            "canonicalHeader": read.header_json().canonical_text(),
            "headerDigest": read.header_digest(),
            "bodyDigest": read.header().body_digest,
            "kid": read.signature().key(),
        }),
    )
}

fn taken() -> Vec<Value> {
    let kinds: [&[E]; 4] = [
        &[
            E::Offer,
            E::Acknowledge,
            E::RequestInformation,
            E::SupplyInformation,
            E::Accept,
            E::Outcome,
            E::Retract,
        ],
        &[E::Offer, E::Decline, E::Contest, E::Uphold],
        &[E::Offer, E::Redirect],
        &[E::Offer, E::Correct, E::Withdraw],
    ];
    let mut cases = Vec::new();
    for (number, kinds) in (1..).zip(kinds) {
        let story = Story::of(number, kinds);
        for entry in story.entries().iter().skip(usize::from(number > 1)) {
            let name = format!("{} with its receipts", entry.header().kind);
            cases.push(taken_as(&name, &entry.to_json().into_value()));
        }
    }
    let (header, body) = offer();
    cases.push(taken_as("a proposal", &sealed(header.clone(), &body, "373")));
    let mut without = sealed(header.clone(), &body, "373");
    if let Some(entry) = without.as_object_mut() {
        entry.remove("receipts");
    }
    cases.push(taken_as("a proposal without the member receipts", &without));
    let closed = Story::of(1, &[E::Offer, E::Withdraw]);
    let erased = closed.entries()[0].clone().erased(example::instant("2033-01-01T00:00:00Z"));
    cases.push(taken_as("a body that was erased", &erased.to_json().into_value()));
    cases.extend(taken_variants(&header, &body));
    cases
}

fn taken_variants(header: &Value, body: &Value) -> Vec<Value> {
    let link = json!(LedgerPoint {
        transfer: example::transfer(77),
        sequence: 3,
        header_digest: cme_spec::digest::Digest::of(b"the head of an earlier ledger"),
    });
    let with = |name: &str, change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut header, mut body) = (header.clone(), body.clone());
        change(&mut header, &mut body);
        taken_as(name, &sealed(header, &body, "373"))
    };
    let mut unknown = sealed(joined(header.clone(), json!({ "xLater": { "n": [1] } })), body, "373");
    unknown["xBeside"] = json!("not signed");
    vec![
        taken_as("a member that no version knows, in header and entry", &unknown),
        with("members that no version knows, in the body", &|_, body| {
            body["xLater"] = json!([null]);
            body["child"]["xLater"] = json!("kept");
        }),
        with("the urgent clocks", &|header, _| header["clockClass"] = json!("urgent")),
        with("createdAt without a fraction", &|header, _| {
            header["createdAt"] = json!("2026-11-24T09:00:00Z");
        }),
        with("createdAt to the nanosecond", &|header, _| {
            header["createdAt"] = json!("2026-11-24T09:00:00.123456789Z");
        }),
        with("createdAt with zeros that a writer would drop", &|header, _| {
            header["createdAt"] = json!("2026-11-24T09:00:00.500Z");
        }),
        with("after a ledger that was accepted", &|header, _| {
            header["precededBy"] = link.clone();
            header["responsibility"]["epoch"] = json!(2);
        }),
        with("in place of a ledger whose sequencer is gone", &|header, _| {
            header["supersedes"] = link.clone();
        }),
        with("null for optional members of the body", &|_, body| {
            for member in ["givenName", "formerFamilyNames", "alsoKnownAs", "formerUpns"] {
                body["child"][member] = Value::Null;
            }
        }),
        with("after a forked ledger", &|header, _| header["successorOf"] = json!([link, link])),
        with("a child without a UPN", &|_, body| {
            if let Some(child) = body["child"].as_object_mut() {
                child.remove("upn");
                child.insert("upnUnknownReason".to_owned(), json!("UN8"));
            }
        }),
        with("a restricted child, without address", &|header, body| {
            header["clockClass"] = json!("urgent");
            body["circumstances"]["locationSensitivity"] = json!("restricted");
            if let Some(body) = body.as_object_mut() {
                body.remove("believedAddress");
            }
        }),
    ]
}

fn malformed_headers() -> Vec<Value> {
    let (header, body) = offer();
    let with = |name: &str, problem: &str, change: &dyn Fn(&mut Value)| {
        let mut header = header.clone();
        change(&mut header);
        reject(name, json!({ "problem": problem, "entry": sealed(header, &body, "373") }))
    };
    let set = |name: &str, pointer: &str, value: Value| {
        let change = |header: &mut Value| {
            if let Some(member) = header.pointer_mut(pointer) {
                *member = value.clone();
            }
        };
        with(name, "malformed", &change)
    };
    let digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    let mut cases = vec![
        with("a type of no version", "type-unknown", &|header| header["type"] = json!("close")),
        with("precededBy that is null", "malformed", &|header| header["precededBy"] = Value::Null),
        with("successorOf that is null", "malformed", &|header| header["successorOf"] = Value::Null),
        with("protocol 2.0", "protocol-unsupported", &|header| header["protocol"] = json!("2.0")),
        with("a protocol that is no version", "protocol-unsupported", &|header| {
            header["protocol"] = json!("1.+0");
        }),
        set("sequence 0 with a previous", "/previous", json!(digest)),
        set("sequence 1 without a previous", "/sequence", json!(1)),
        set("a sequence below 0", "/sequence", json!(-1)),
        set("a sequence as text", "/sequence", json!("0")),
        set("epoch 0", "/responsibility/epoch", json!(0)),
        set("a transfer in capitals", "/transfer", json!("019A1B2C-3D4E-7F50-8A6B-000000000001")),
        set("a transfer of UUID version 4", "/transfer", json!("019a1b2c-3d4e-4f50-8a6b-000000000001")),
        set("a transfer of another variant", "/transfer", json!("019a1b2c-3d4e-7f50-ca6b-000000000001")),
        set("an id without hyphens", "/id", json!("019a1b2c3d4e7f518a6b000000000001")),
        set("createdAt with an offset", "/createdAt", json!("2026-11-24T09:00:00+00:00")),
        set("createdAt with a small z", "/createdAt", json!("2026-11-24T09:00:00z")),
        set("createdAt without seconds", "/createdAt", json!("2026-11-24T09:00Z")),
        set("createdAt with a leap second", "/createdAt", json!("2026-12-31T23:59:60Z")),
        set("createdAt on a day that does not exist", "/createdAt", json!("2026-11-31T09:00:00Z")),
        set("createdAt to a tenth of a nanosecond", "/createdAt", json!("2026-11-24T09:00:00.1234567890Z")),
        set("a clock class of no version", "/clockClass", json!("fast")),
        set("an author of two digits", "/author", json!("37")),
        set("an author as a number", "/author", json!(373)),
    ];
    for member in [
        "protocol",
        "transfer",
        "sequence",
        "previous",
        "id",
        "type",
        "author",
        "recipient",
        "createdAt",
        "responsibility",
        "clockClass",
    ] {
        cases.push(with(&format!("a header without {member}"), "malformed", &|header| {
            if let Some(header) = header.as_object_mut() {
                header.remove(member);
            }
        }));
    }
    let successors = json!([{ "transfer": example::transfer(77), "sequence": 3, "headerDigest": digest }]);
    cases.push(with("successorOf with one link", "malformed", &|header| {
        header["successorOf"] = successors.clone();
    }));
    let mut padded = header.clone();
    padded["bodyDigest"] = json!(format!("{}=", canonical(&body).digest()));
    cases.push(reject(
        "a padded digest",
        json!({ "problem": "malformed", "entry": signed(&padded, &body, "373") }),
    ));
    cases
}

fn malformed_entries() -> Vec<Value> {
    let (header, body) = offer();
    let good = sealed(header.clone(), &body, "373");
    let with = |name: &str, problem: &str, change: &dyn Fn(&mut Value)| {
        let mut entry = good.clone();
        change(&mut entry);
        reject(name, json!({ "problem": problem, "entry": entry }))
    };
    let text = |name: &str, from: &str, to: &str| {
        let text = canonical(&good).canonical_text();
        assert!(text.contains(from), "{name}");
        reject(name, json!({ "problem": "malformed", "entryText": text.replacen(from, to, 1) }))
    };
    let remove = |entry: &mut Value, member: &str| {
        if let Some(entry) = entry.as_object_mut() {
            entry.remove(member);
        }
    };
    let receipts =
        Story::of(1, &[E::Offer, E::Accept]).entries()[1].to_json().into_value()["receipts"].clone();
    let by_another = super::mutation::signed(&header, &body, "330");
    vec![
        with("an entry without header", "malformed", &|entry| remove(entry, "header")),
        with("an entry without signature", "malformed", &|entry| remove(entry, "signature")),
        with("an entry without body", "body-missing", &|entry| remove(entry, "body")),
        with("a null body without erasedAt", "body-missing", &|entry| entry["body"] = Value::Null),
        with("erasedAt beside a body", "malformed", &|entry| {
            entry["erasedAt"] = json!("2033-01-01T00:00:00Z");
        }),
        with("a body that is an array", "malformed", &|entry| entry["body"] = json!([])),
        with("three receipts", "malformed", &|entry| {
            entry["receipts"] = json!([receipts[0], receipts[1], receipts[0]]);
        }),
        with("receipts that are no array", "malformed", &|entry| entry["receipts"] = json!({})),
        with("receipts that are null", "malformed", &|entry| entry["receipts"] = Value::Null),
        with("a receipt of incarnation 0", "malformed", &|entry| {
            entry["receipts"] = json!([receipts[0]]);
            entry["receipts"][0]["receipt"]["incarnation"] = json!(0);
        }),
        with("a signature with a null typ", "signature-invalid", &|entry| {
            let protected = json!({ "alg": "EdDSA", "kid": example::signing_key("373").id(), "typ": null });
            let protected = base64url(protected.to_string().as_bytes());
            entry["signature"] = json!(format!("{protected}..{}", "A".repeat(86)));
        }),
        with("an altered body", "body-digest-mismatch", &|entry| entry["body"]["child"]["sex"] = json!("M")),
        with("a body with a member more", "body-digest-mismatch", &|entry| {
            entry["body"]["xLater"] = json!(1);
        }),
        with("an altered header", "signature-invalid", &|entry| {
            entry["header"]["createdAt"] = json!("2026-11-24T09:00:01Z");
        }),
        with("a header with a member more", "signature-invalid", &|entry| {
            entry["header"]["xLater"] = json!(1);
        }),
        reject("signed by the other party", json!({ "problem": "key-unknown", "entry": by_another })),
        text("a fraction in the body", "\"dateOfBirth\"", "\"weight\":1.5,\"dateOfBirth\""),
        text(
            "a member of the header twice",
            "\"protocol\":\"1.0\"",
            "\"protocol\":\"1.0\",\"protocol\":\"1.0\"",
        ),
        text("a lone surrogate in the body", "\"Amina\"", "\"Amina\\ud800\""),
    ]
}

fn bodies() -> Vec<Value> {
    let of = |name: &str, kind: E, change: &dyn Fn(&mut Value)| {
        let before: &[E] = match kind {
            E::Contest => &[E::Offer, E::Decline],
            E::Outcome => &[E::Offer, E::Accept],
            E::Offer => &[],
            _ => &[E::Offer],
        };
        let author = if matches!(kind, E::Offer | E::Contest) { "373" } else { "330" };
        let story = before.iter().fold(Story::default(), |story, kind| story.then(*kind));
        let draft = story.draft(kind, author, &example::signing_key(author), example::body(kind));
        let mut body = example::body(kind).into_value();
        change(&mut body);
        let pointer = body::check(kind, &canonical(&body)).expect_err(name).pointer;
        let entry = sealed(draft.header_json().value().clone(), &body, author);
        reject(name, json!({ "problem": "body-invalid", "pointer": pointer, "entry": entry }))
    };
    let remove = |body: &mut Value, member: &str| {
        if let Some(body) = body.as_object_mut() {
            body.remove(member);
        }
    };
    vec![
        of("a body without salt", E::Offer, &|body| remove(body, "salt")),
        of("a salt of 15 bytes", E::Offer, &|body| body["salt"] = json!("q83vEjRWeJCrze8SNFZ4")),
        of("a salt with trailing bits that are not zero", E::Offer, &|body| {
            body["salt"] = json!("q83vEjRWeJCrze8SNFZ4kB");
        }),
        of("an offer without child", E::Offer, &|body| remove(body, "child")),
        of("a blank family name", E::Offer, &|body| body["child"]["familyName"] = json!(" ")),
        of("a date that does not exist", E::Offer, &|body| {
            body["child"]["dateOfBirth"] = json!("2016-02-30");
        }),
        of("a date of the year 0", E::Offer, &|body| body["child"]["dateOfBirth"] = json!("0000-01-01")),
        of("a UPN with a wrong check letter", E::Offer, &|body| {
            body["child"]["upn"] = json!("A373000015042");
        }),
        of("an NHS number with a wrong check digit", E::Offer, &|body| {
            body["child"]["nhsNumber"] = json!("9990000019");
        }),
        of("a UPN and a reason for having none", E::Offer, &|body| {
            body["child"]["upnUnknownReason"] = json!("UN8");
        }),
        of("neither a UPN nor a reason", E::Offer, &|body| remove(&mut body["child"], "upn")),
        of("no legal basis", E::Offer, &|body| body["legalBasis"] = json!([])),
        of("an address of a restricted child", E::Offer, &|body| {
            body["circumstances"]["locationSensitivity"] = json!("restricted");
        }),
        of("a deletion ground that the regulations lack", E::Offer, &|body| {
            body["circumstances"]["lastSchool"]["deletionGround"] =
                json!({ "regulations": "2006", "letter": "o" });
        }),
        of("a text of 4,001 characters", E::Acknowledge, &|body| {
            body["firstAction"] = json!("x".repeat(4_001));
        }),
        of("an acknowledgement without officer", E::Acknowledge, &|body| remove(body, "officer")),
        of("a decline with nothing checked", E::Decline, &|body| body["checked"] = json!([])),
        of("a decline because checks found nothing", E::Decline, &|body| {
            body["reason"] = json!("checks-found-nothing");
        }),
        of("a decline because of temporary accommodation", E::Decline, &|body| {
            body["reason"] = json!("temporary-accommodation");
        }),
        of("a contest without evidence", E::Contest, &|body| body["evidence"] = json!([])),
        of("a residence that ends before it begins", E::Accept, &|body| {
            body["residence"]["endsOn"] = json!("2026-11-01");
        }),
        of("an outcome for a child who was not found", E::Outcome, &|body| {
            body["outcome"]["kind"] = json!("untraced");
        }),
        of("an outcome on a day that does not exist", E::Outcome, &|body| {
            body["outcome"] = json!({ "kind": "over-compulsory-school-age", "endedOn": "2026-11-31" });
        }),
        of("an outcome without its day", E::Outcome, &|body| {
            body["outcome"] = json!({ "kind": "over-compulsory-school-age" });
        }),
        of("a correction that points nowhere", E::Correct, &|body| {
            body["corrections"][0]["pointer"] = json!("child");
        }),
    ]
}

/// Entries that are sound alone and don't belong where they want to stand.
/// An outcome whose body is right alone, and wrong in this ledger.
fn duplicate_of_itself() -> Value {
    let story = Story::of(1, &[E::Offer, E::Accept]);
    let ledger = story.ledger();
    let mut body = example::body(E::Outcome).into_value();
    let of = json!({
        "transfer": ledger.terms.transfer,
        "sequence": ledger.head.sequence,
        "headerDigest": ledger.head.header_digest,
    });
    body["outcome"] = json!({ "kind": "duplicate", "of": of });
    let draft = story.draft(E::Outcome, "330", &example::signing_key("330"), canonical(&body));
    assert_eq!(body::check(E::Outcome, &canonical(&body)), Ok(()));
    let pointer = body::check_entry(&draft).expect_err("it calls its own ledger the other").pointer;
    let entry = sealed(draft.header_json().value().clone(), &body, "330");
    let members = json!({ "problem": "body-invalid", "pointer": pointer, "entry": entry });
    reject("an outcome that calls its own ledger the other one", members)
}

fn out_of_place() -> Vec<Value> {
    let of = |name: &str, problem: &str, kinds: &[E], kind: E, author: &str, change: &dyn Fn(&mut Value)| {
        let story = Story::of(1, kinds);
        let draft = story.draft(kind, author, &example::signing_key(author), example::body(kind));
        let mut header = draft.header_json().value().clone();
        change(&mut header);
        let body = example::body(kind).into_value();
        let before: Vec<Value> = story.entries().iter().map(|entry| entry.to_json().into_value()).collect();
        reject(name, json!({ "problem": problem, "after": before, "entry": sealed(header, &body, author) }))
    };
    let same: &dyn Fn(&mut Value) = &|_| {};
    let digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    let link = json!({ "transfer": example::transfer(77), "sequence": 3, "headerDigest": digest });
    vec![
        of("an accept by the originating authority", "wrong-author", &[E::Offer], E::Accept, "373", same),
        of("a withdrawal by the receiving authority", "wrong-author", &[E::Offer], E::Withdraw, "330", same),
        of(
            "a withdrawal after the accept",
            "not-allowed-in-stage",
            &[E::Offer, E::Accept],
            E::Withdraw,
            "373",
            same,
        ),
        of("a second offer", "not-allowed-in-stage", &[E::Offer], E::Offer, "373", same),
        of(
            "a second contest",
            "not-allowed-in-stage",
            &[E::Offer, E::Decline, E::Contest],
            E::Contest,
            "373",
            same,
        ),
        of(
            "a question while declined",
            "not-allowed-in-stage",
            &[E::Offer, E::Decline],
            E::RequestInformation,
            "373",
            same,
        ),
        of("precededBy on a withdrawal", "header-changed", &[E::Offer], E::Withdraw, "373", &|header| {
            header["precededBy"] = link.clone();
        }),
        of("another epoch", "header-changed", &[E::Offer], E::Withdraw, "373", &|header| {
            header["responsibility"]["epoch"] = json!(2);
        }),
        of("another clock class", "header-changed", &[E::Offer], E::Withdraw, "373", &|header| {
            header["clockClass"] = json!("urgent");
        }),
        of("another protocol version", "header-changed", &[E::Offer], E::Withdraw, "373", &|header| {
            header["protocol"] = json!("1.1");
        }),
        of("dated before its predecessor", "created-at-order", &[E::Offer], E::Withdraw, "373", &|header| {
            header["createdAt"] = json!("2026-11-24T08:59:59.999Z");
        }),
        of("a sequence beyond the next", "sequence-gap", &[E::Offer], E::Withdraw, "373", &|header| {
            header["sequence"] = json!(2);
        }),
        of(
            "a previous that is not the head",
            "sequence-conflict",
            &[E::Offer],
            E::Withdraw,
            "373",
            &|header| {
                header["previous"] = json!(digest);
            },
        ),
    ]
}
