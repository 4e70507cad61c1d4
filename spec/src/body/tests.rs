use serde_json::{Value, json};

use super::*;
use crate::example::{self, Story};
use crate::ledger::Ledger;

use EntryType as E;

/// Where a changed example body is refused, if it is.
fn fault(kind: E, change: &dyn Fn(&mut Value)) -> Option<String> {
    let mut body = example::body(kind).into_value();
    change(&mut body);
    check(kind, &Json::from_typed(&body).unwrap()).err().map(|error| error.pointer)
}

#[test]
fn a_date_has_one_spelling() {
    for wrong in [
        "20160514",
        "2016-05-14T00:00:00",
        "2016-05-14[Europe/London]",
        "+002016-05-14",
        "",
        "0000-01-01",
        "9999-01-01",
    ] {
        assert_eq!(
            fault(E::Offer, &|body| body["child"]["dateOfBirth"] = json!(wrong)).as_deref(),
            Some("/child/dateOfBirth"),
            "{wrong}"
        );
        assert!(fault(E::Accept, &|body| body["from"] = json!(wrong)).is_some(), "{wrong}");
        assert!(fault(E::Contest, &|body| body["evidence"][0]["on"] = json!(wrong)).is_some(), "{wrong}");
        let outcome = json!({ "kind": "deceased", "on": wrong });
        assert!(fault(E::Outcome, &|body| body["outcome"] = outcome.clone()).is_some(), "{wrong}");
    }
}

#[test]
fn a_text_is_measured_in_characters() {
    let text = |length: usize| json!("é".repeat(length));
    assert_eq!(fault(E::Retract, &|body| body["reason"] = text(TEXT_CHARS_MAX)), None);
    assert_eq!(
        fault(E::Retract, &|body| body["reason"] = text(TEXT_CHARS_MAX + 1)).as_deref(),
        Some("/reason")
    );
}

#[test]
fn a_restricted_child_is_never_marked_standard_and_never_has_an_address() {
    let restricted = |body: &mut Value| body["risks"] = json!(["restricted-location"]);
    assert_eq!(fault(E::Offer, &restricted).as_deref(), Some("/circumstances/locationSensitivity"));
    let marked = |body: &mut Value| {
        restricted(body);
        body["circumstances"]["locationSensitivity"] = json!("withheld");
    };
    assert_eq!(fault(E::Offer, &marked).as_deref(), Some("/believedAddress"));
    let silent = |body: &mut Value| {
        marked(body);
        body.as_object_mut().unwrap().remove("believedAddress");
    };
    assert_eq!(fault(E::Offer, &silent), None);
}

#[test]
fn the_parts_of_an_offer_keep_their_rules() {
    let risks = |body: &mut Value| body["risks"] = json!(["looked-after", "exploitation", "looked-after"]);
    assert_eq!(fault(E::Offer, &risks).as_deref(), Some("/risks/2"));
    let unkind = |body: &mut Value| body["believedAddress"] = json!({ "lines": ["1 Example Street"] });
    assert_eq!(fault(E::Offer, &unkind).as_deref(), Some("/believedAddress"));
    let nowhere = |body: &mut Value| body["believedAddress"] = json!({ "addressKind": "no-fixed-abode" });
    assert_eq!(fault(E::Offer, &nowhere), None);
    let at_home = |body: &mut Value| {
        body["circumstances"]["homeEducation"] = json!("home-education-not-yet-assessed");
    };
    assert_eq!(fault(E::Offer, &at_home), None);
    let group = "019a1b2c-3d4e-7f53-ba6b-0c1d2e3f4a5e";
    let family = |group: &str, siblings: u64| {
        let family = json!({ "group": group, "siblings": siblings });
        fault(E::Offer, &|body| body["family"] = family.clone())
    };
    assert_eq!(family(group, 64), None);
    assert_eq!(family(group, 65).as_deref(), Some("/family/siblings"));
    assert_eq!(family(&group.to_uppercase(), 1).as_deref(), Some("/family/group"));
}

#[test]
fn identifiers_with_a_wrong_check_are_refused_and_pointed_at() {
    let child = |member: &str, value: &str| {
        let pointer = fault(E::Offer, &|body| body["child"][member] = json!(value));
        pointer.as_deref() == Some(&format!("/child/{member}"))
    };
    assert!(child("upn", "A373000020001"));
    assert!(child("upn", "b373000020001"));
    assert!(child("nhsNumber", "9990000019"));
    assert!(child("nhsNumber", "999 000 0018"));
    assert!(child("nhsNumber", "9999999999"));
    assert!(child("uln", "6000000006"));
}

#[test]
fn a_written_acceptance_names_its_body_and_other_evidence_does_not() {
    let left = |evidence: &str, accepted_by: Option<&str>| {
        let mut outcome = json!({ "kind": "left-england", "destination": "wales",
                                  "evidence": evidence, "evidencedOn": "2026-11-01" });
        if let Some(accepted_by) = accepted_by {
            outcome["acceptedBy"] = json!(accepted_by);
        }
        fault(E::Outcome, &|body| body["outcome"] = outcome.clone())
    };
    assert_eq!(left("written-acceptance", Some("Cardiff Council")), None);
    assert_eq!(left("travel-evidence", None), None);
    assert_eq!(left("written-acceptance", None).as_deref(), Some("/outcome/acceptedBy"));
    assert_eq!(left("travel-evidence", Some("Cardiff Council")).as_deref(), Some("/outcome/acceptedBy"));
}

#[test]
fn a_fault_of_an_outcome_is_pointed_at_as_deep_as_it_lies() {
    let at = |outcome: Value| fault(E::Outcome, &|body| body["outcome"] = outcome.clone());
    let of =
        json!({ "transfer": "019a1b2c-3d4e-7f50-8a6b-0c1d2e3f4a5b", "sequence": -1, "headerDigest": "A" });
    let left = |member: &str, value: Value| {
        let mut outcome = json!({ "kind": "left-england", "destination": "wales",
                                  "evidence": "travel-evidence", "evidencedOn": "2026-11-01" });
        outcome[member] = value;
        at(outcome)
    };
    for (found, expected) in [
        (at(json!({ "kind": "on-roll-attending", "urn": "0", "attendanceBegan": "2026-11-01" })), "/urn"),
        (
            at(json!({ "kind": "on-roll-attending", "urn": "100000", "attendanceBegan": null })),
            "/attendanceBegan",
        ),
        (at(json!({ "kind": "on-roll-attending", "urn": "100000" })), ""),
        (at(json!({ "kind": "home-education-suitable", "assessedOn": "2026-13-01" })), "/assessedOn"),
        (
            at(json!({ "kind": "other-provision", "provision": "none", "startedOn": "2026-11-01" })),
            "/provision",
        ),
        (at(json!({ "kind": "other-provision", "provision": "eotas", "startedOn": 1 })), "/startedOn"),
        (at(json!({ "kind": "moved-on", "onward": null })), "/onward"),
        (at(json!({ "kind": "moved-on" })), ""),
        (at(json!({ "kind": "deceased", "on": "yesterday" })), "/on"),
        (at(json!({ "kind": "over-compulsory-school-age", "endedOn": [] })), "/endedOn"),
        (at(json!({ "kind": "duplicate", "of": of })), "/of/sequence"),
        (at(json!({ "kind": "duplicate", "of": {} })), "/of"),
        (at(json!({ "kind": "lost" })), "/kind"),
        (at(json!({ "kind": null })), "/kind"),
        (at(json!({})), ""),
        (at(json!([])), ""),
        (left("destination", json!("mars")), "/destination"),
        (left("country", json!(1)), "/country"),
        (left("evidence", json!("hearsay")), "/evidence"),
        (left("evidencedOn", json!("2026-11-31")), "/evidencedOn"),
        (left("acceptedBy", json!({})), "/acceptedBy"),
    ] {
        assert_eq!(found, Some(format!("/outcome{expected}")));
    }
    assert_eq!(at(json!({ "kind": "deceased", "on": null })), None, "left out");
}

#[test]
fn an_optional_member_may_be_null_and_a_required_one_may_not() {
    let child = |member: &str| fault(E::Offer, &|body| body["child"][member] = Value::Null);
    for optional in ["formerFamilyNames", "alsoKnownAs", "formerUpns", "middleNames", "uln"] {
        assert_eq!(child(optional), None, "{optional}");
    }
    assert_eq!(child("familyName").as_deref(), Some("/child/familyName"));
    assert_eq!(fault(E::Offer, &|body| body["believedAddress"]["lines"] = Value::Null), None);
    assert_eq!(fault(E::Offer, &|body| body["enquiries"] = Value::Null).as_deref(), Some("/enquiries"));
    assert_eq!(fault(E::SupplyInformation, &|body| body["corrections"] = Value::Null), None);
    assert_eq!(fault(E::Correct, &|body| body["corrections"] = Value::Null).as_deref(), Some("/corrections"));
    let wrong = fault(E::Offer, &|body| body["child"]["formerFamilyNames"] = json!("Testcase"));
    assert_eq!(wrong.as_deref(), Some("/child/formerFamilyNames"));
}

#[test]
fn a_correction_points_by_rfc_6901() {
    let pointer = |pointer: &str| {
        fault(E::Correct, &|body| body["corrections"][0]["pointer"] = json!(pointer)).is_none()
    };
    assert!(pointer("/child/givenName") && pointer("/a~1b/~0"));
    assert!(!pointer("child") && !pointer("/a~2") && !pointer("/a~") && !pointer(""));
}

/// The place at fault of a body that is sound alone, in the fourth entry of a ledger.
fn misplaced(kind: E, change: &dyn Fn(&mut Value)) -> Option<String> {
    let story = Story::of(1, &[E::Offer, E::Acknowledge, E::RequestInformation]);
    let mut body = example::body(kind).into_value();
    change(&mut body);
    let body = Json::from_typed(&body).unwrap();
    assert_eq!(check(kind, &body), Ok(()));
    let ledger: &Ledger = story.ledger();
    assert_eq!(ledger.head.sequence, 2);
    let entry = story.draft(kind, "330", &example::signing_key("330"), body);
    check_entry(&entry).err().map(|error| error.pointer)
}

#[test]
fn an_entry_speaks_of_earlier_entries_only() {
    assert_eq!(misplaced(E::Correct, &|body| body["corrects"] = json!(2)), None);
    assert_eq!(misplaced(E::Correct, &|body| body["corrects"] = json!(3)).as_deref(), Some("/corrects"));
    assert_eq!(misplaced(E::SupplyInformation, &|body| body["inReplyTo"] = json!(2)), None);
    assert_eq!(
        misplaced(E::SupplyInformation, &|body| body["inReplyTo"] = json!(3)).as_deref(),
        Some("/inReplyTo")
    );
}

#[test]
fn a_redirect_names_a_third_authority() {
    assert_eq!(misplaced(E::Redirect, &|_| {}), None);
    for party in ["330", "373"] {
        let to = misplaced(E::Redirect, &|body| body["authority"] = json!(party));
        assert_eq!(to.as_deref(), Some("/authority"));
    }
}

#[test]
fn a_case_is_no_duplicate_of_itself() {
    let of = |transfer: u64| {
        let link = json!({
            "transfer": example::transfer(transfer), "sequence": 0,
            "headerDigest": crate::digest::Digest::of(b"a header"),
        });
        misplaced(E::Outcome, &|body| body["outcome"] = json!({ "kind": "duplicate", "of": link }))
    };
    assert_eq!(of(1).as_deref(), Some("/outcome/of/transfer"));
    assert_eq!(of(2), None);
}

#[test]
fn an_erased_body_is_not_asked_for() {
    let entry = Story::offered().entries()[0].clone().erased(example::instant("2033-01-01T00:00:00Z"));
    assert_eq!(check_entry(&entry), Ok(()));
}

#[test]
fn nothing_of_a_body_shows_in_debug_output() {
    let offer: Offer = example::body(E::Offer).read().unwrap();
    assert_eq!(
        format!("{offer:?} {:?} {:?}", offer.child, offer.contacts.officer),
        "Offer(..) Child(..) Officer(..)"
    );
    let outcome: OutcomeEntry = example::body(E::Outcome).read().unwrap();
    assert_eq!(format!("{outcome:?} {:?}", outcome.outcome), "OutcomeEntry(..) Outcome(..)");
    assert_eq!(format!("{:?}", Story::offered().entries()[0].body()), "Present(Json(..))");
}
