//! Notices and their acknowledgements.

use cme_spec::codes::{NoticeDisposition as D, NoticeKind as K};
use cme_spec::envelope::Envelope;
use cme_spec::example;
use cme_spec::notice::{Acknowledgement, Notice, check};
use serde_json::{Value, json};

use super::mutation::{canonical, stated};
use super::{accept, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`notice` is a notice. Keys are those of ledgers/directory.json. An accepted notice has these digests over the RFC 8785 bytes of header and body, and this kid. \
A refused one has this problem, with the pointer that names the member in the body. A case with `acknowledgement` is about it.";

pub(super) fn file() -> TextFile {
    let mut cases = taken();
    cases.extend(refused_ones());
    cases.extend(acknowledged());
    vectors("notices.json", ABOUT, json!({ "directory": "ledgers/directory.json" }), cases)
}

/// A notice of that kind, with what the kind has.
fn told(kind: K, change: &dyn Fn(&mut Value)) -> Value {
    let mut header = json!(example::notice_header());
    header["kind"] = json!(kind);
    let mut body = example::notice_body_of(kind).into_value();
    change(&mut body);
    stated(header, &body, "373")
}

fn remove(value: &mut Value, member: &str) {
    if let Some(members) = value.as_object_mut() {
        members.remove(member);
    }
}

fn taken() -> Vec<Value> {
    let of = |name: &str, notice: &Value| {
        let read = Notice::from_json(canonical(notice)).expect("an accepted notice has its form");
        assert!(check(&read).is_ok(), "{name}");
        accept(
            name,
            json!({
                "notice": notice,
                "canonicalHeader": read.header_json().canonical_text(),
                "headerDigest": read.header_digest(),
                "bodyDigest": read.header().body_digest,
                "kid": read.signature().key(),
            }),
        )
    };
    let restricted = |body: &mut Value| body["locationSensitivity"] = json!("restricted");
    vec![
        of("taken off a roll", &told(K::RemovedFromRoll, &|_| {})),
        of("put on a roll", &told(K::JoinedRoll, &|_| {})),
        of("seen", &told(K::Seen, &|_| {})),
        of("a restricted child, taken off a roll", &told(K::RemovedFromRoll, &restricted)),
        of("a postcode", &told(K::JoinedRoll, &|body| body["child"]["lastPostcode"] = json!("S1 2HH"))),
    ]
}

fn refused_ones() -> Vec<Value> {
    let body = |name: &str, kind: K, change: &dyn Fn(&mut Value)| {
        let notice = told(kind, change);
        let read = Notice::from_json(canonical(&notice)).expect("of the form of a notice");
        let pointer = check(&read).expect_err(name).pointer;
        reject(name, json!({ "problem": "body-invalid", "pointer": pointer, "notice": notice }))
    };
    let header = |name: &str, change: &dyn Fn(&mut Value)| {
        let good = told(K::RemovedFromRoll, &|_| {});
        let mut header = good["header"].clone();
        change(&mut header);
        reject(name, json!({ "problem": "malformed", "notice": stated(header, &good["body"], "373") }))
    };
    let restricted = |body: &mut Value| body["locationSensitivity"] = json!("restricted");
    let mut altered = told(K::Seen, &|_| {});
    altered["header"]["recipient"] = json!("383");
    vec![
        header("a kind of no version", &|header| header["kind"] = json!("moved")),
        header("a notice to its author", &|header| header["recipient"] = json!("373")),
        header("a notice without legal basis", &|header| header["legalBasis"] = json!([])),
        reject("an altered recipient", json!({ "problem": "signature-invalid", "notice": altered })),
        body("off a roll of no school", K::RemovedFromRoll, &|body| remove(body, "school")),
        body("a school without a name", K::JoinedRoll, &|body| body["school"] = json!({})),
        body("a deletion ground of a child who joined", K::JoinedRoll, &|body| {
            body["deletionGround"] = json!({ "regulations": "2024", "letter": "g" });
        }),
        body("seen at a school", K::Seen, &|body| body["school"] = json!({ "name": "Invented School" })),
        body("seen by nobody", K::Seen, &|body| remove(body, "byRole")),
        body("a restricted child who joined a roll", K::JoinedRoll, &restricted),
        body("a restricted child who was seen", K::Seen, &restricted),
        body("a postcode of a restricted child", K::RemovedFromRoll, &|body| {
            restricted(body);
            body["child"]["lastPostcode"] = json!("S1 2HH");
        }),
        body("a narrative about the child", K::Seen, &|body| body["child"]["narrative"] = json!("x")),
    ]
}

fn acknowledged() -> Vec<Value> {
    let said = |notice: &Value, change: &dyn Fn(&mut Acknowledgement)| {
        let read = Notice::from_json(canonical(notice)).expect("of the form of a notice");
        let mut content = example::acknowledgement().content().clone();
        content.notice_digest = read.header_digest();
        change(&mut content);
        let signed = Envelope::sign(content, &example::signing_key("330"));
        json!({ "notice": notice, "acknowledgement": signed.to_json() })
    };
    let open = told(K::RemovedFromRoll, &|_| {});
    let restricted = told(K::RemovedFromRoll, &|body| body["locationSensitivity"] = json!("restricted"));
    let no = |about: Value| super::joined(about, json!({ "problem": "malformed" }));
    vec![
        accept("acknowledged, a case opened", said(&open, &|_| {})),
        accept("acknowledged, not of this area", said(&open, &|said| said.disposition = D::NotOfThisArea)),
        accept("a restricted child, read", said(&restricted, &|said| said.disposition = D::Read)),
        reject("a restricted child, a case opened", no(said(&restricted, &|_| {}))),
        reject(
            "an acknowledgement of another notice",
            no(said(&open, &|said| said.notice = example::notice_id(9))),
        ),
        reject(
            "an acknowledgement of another header",
            no(said(&open, &|said| said.notice_digest = cme_spec::digest::Digest::of(b"x"))),
        ),
    ]
}
