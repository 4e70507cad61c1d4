use serde_json::{Value, json};

use super::*;
use crate::canonical::Json;
use crate::example::{self, signing_key};

fn told(kind: NoticeKind, change: impl Fn(&mut Value)) -> Notice {
    let mut body = example::notice_body_of(kind).into_value();
    change(&mut body);
    let header = NoticeHeader { kind, ..example::notice_header() };
    Notice::sign(header, Json::from_typed(&body).unwrap(), &signing_key("373"))
}

fn pointer(kind: NoticeKind, change: impl Fn(&mut Value)) -> String {
    check(&told(kind, change)).unwrap_err().pointer
}

#[test]
fn a_notice_that_nobody_could_read_is_not_signed() {
    let mut header = example::notice_header();
    header.legal_basis = vec![header.legal_basis[0].clone(); 9];
    let body = example::notice_body_of(header.kind);
    let notice = Notice::sign(header, body, &signing_key("373"));
    assert_eq!(check(&notice).unwrap_err().pointer, "/legalBasis");
}

#[test]
fn each_kind_has_what_it_needs_and_nothing_of_another() {
    use NoticeKind as K;
    for kind in K::ALL {
        assert!(check(&told(*kind, |_| {})).is_ok(), "{kind}");
    }
    let remove =
        |member: &'static str| move |body: &mut Value| drop(body.as_object_mut().unwrap().remove(member));
    assert_eq!(pointer(K::RemovedFromRoll, remove("school")), "/school");
    assert_eq!(pointer(K::JoinedRoll, remove("school")), "/school");
    assert_eq!(pointer(K::Seen, |body| body["school"] = json!({ "name": "X" })), "/school");
    assert_eq!(pointer(K::Seen, remove("byRole")), "/byRole");
    assert_eq!(pointer(K::JoinedRoll, |body| body["byRole"] = json!("x")), "/byRole");
    let ground = |body: &mut Value| body["deletionGround"] = json!({ "regulations": "2024", "letter": "g" });
    assert_eq!(pointer(K::JoinedRoll, ground), "/deletionGround");
    assert_eq!(pointer(K::Seen, |body| body["lastAttended"] = json!("2026-10-09")), "/lastAttended");
    assert_eq!(pointer(K::JoinedRoll, |body| body["school"] = json!({})), "/school");
    assert_eq!(
        pointer(K::JoinedRoll, |body| body["child"]["mother"] = json!("x")).split('/').nth(1),
        Some("child")
    );
}

#[test]
fn no_notice_tells_where_a_restricted_child_is() {
    for sensitivity in ["restricted", "withheld"] {
        let restricted = |body: &mut Value| body["locationSensitivity"] = json!(sensitivity);
        for kind in [NoticeKind::JoinedRoll, NoticeKind::Seen] {
            assert_eq!(pointer(kind, restricted), "/locationSensitivity", "{kind}");
        }
        assert!(check(&told(NoticeKind::RemovedFromRoll, restricted)).is_ok());
        let postcode = |body: &mut Value| {
            restricted(body);
            body["child"]["lastPostcode"] = json!("S1 2HH");
        };
        assert_eq!(pointer(NoticeKind::RemovedFromRoll, postcode), "/child/lastPostcode");
    }
}

#[test]
fn an_acknowledgement_fits_its_notice_and_says_of_a_restricted_child_only_that_it_was_read() {
    let notice = example::notice();
    let said = example::acknowledgement().content().clone();
    let open = LocationSensitivity::Standard;
    assert!(acknowledges(&said, &notice, open));
    let other = |change: &dyn Fn(&mut Acknowledgement)| {
        let mut said = said.clone();
        change(&mut said);
        acknowledges(&said, &notice, open)
    };
    assert!(!other(&|said| said.notice = example::notice_id(9)));
    assert!(!other(&|said| said.notice_digest = Digest::of(b"x")));
    assert!(!other(&|said| said.by = example::code("373")));
    for disposition in NoticeDisposition::ALL {
        let said = Acknowledgement { disposition: *disposition, ..said.clone() };
        let read = *disposition == NoticeDisposition::Read;
        assert_eq!(acknowledges(&said, &notice, LocationSensitivity::Restricted), read, "{disposition}");
        assert!(acknowledges(&said, &notice, open));
    }
}

#[test]
fn nothing_of_a_child_is_in_a_debug_text() {
    let notice = example::notice();
    let printed = format!("{notice:?} {:?}", check(&notice).unwrap());
    for secret in ["Amina", "Testcase", "2016", "B373", "Invented"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}

#[test]
fn the_example_of_the_text_is_that_of_the_code() {
    let text = include_str!("../../text/17-notices.md");
    let block = text.split("```json\n").nth(1).unwrap().split("\n```").next().unwrap();
    let json = Json::decode(block.as_bytes(), &crate::canonical::Limits::ENTRY).unwrap();
    assert_eq!(json, example::notice().to_json());
}
