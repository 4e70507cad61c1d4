//! The directory: which issues are taken, who calls, whose key speaks, and for how long an issue holds.

use cme_spec::canonical::Json;
use cme_spec::digest::Digest;
use cme_spec::directory::{
    Archive, Availability, Directory, DirectoryError, Freshness, Key, KeyError, KeyStanding, Successor,
};
use cme_spec::entry::EntryType as E;
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, Story, code, instant, root_key, signing_key};
use cme_spec::signature::SigningKey;

/// A change to an issue, and why the changed one is refused.
type Refused<'a> = (&'a dyn Fn(&mut Directory), DirectoryError);

fn signed(issue: &Directory, key: &SigningKey) -> Json {
    Envelope::sign(issue.clone(), key).to_json()
}

/// The first example issue with one change, offered to someone who trusts the root key.
fn start(change: impl FnOnce(&mut Directory)) -> Result<Archive, DirectoryError> {
    let mut issue = example::directory();
    change(&mut issue);
    Archive::start(&signed(&issue, &root_key()), Some(&root_key().public()))
}

/// The issue after the newest of the archive, with one change.
fn following(archive: &Archive, change: impl FnOnce(&mut Directory)) -> Directory {
    let newest = archive.newest().expect("an archive that was started has an issue");
    let mut next = newest.content().clone();
    next.issue += 1;
    next.previous = Some(newest.envelope().digest());
    next.issued_at = next.issued_at.plus_seconds(86_400);
    change(&mut next);
    next
}

fn add(archive: &mut Archive, change: impl FnOnce(&mut Directory)) -> Result<bool, DirectoryError> {
    let next = following(archive, change);
    archive.add(&signed(&next, &root_key()))
}

fn archive() -> Archive {
    start(|_| {}).expect("the example directory stands")
}

fn refusal(outcome: Result<Archive, DirectoryError>) -> DirectoryError {
    outcome.map(|_| ()).expect_err("the issue is to be refused")
}

#[test]
fn starts_with_any_issue_that_the_trusted_root_key_signed() {
    assert_eq!(archive().newest().unwrap().content(), &example::directory());
    let later = start(|issue| (issue.issue, issue.previous) = (7, Some(Digest::of(b"issue 6")))).unwrap();
    assert!(later.issue(7).is_some() && later.issue(1).is_none());
    let by_stranger = signed(&example::directory(), &signing_key("a stranger"));
    let outcome = Archive::start(&by_stranger, Some(&root_key().public()));
    assert_eq!(refusal(outcome), DirectoryError::Signature);
    // Without a root key to compare, an issue has to be signed by one that it names.
    assert!(Archive::start(&signed(&example::directory(), &root_key()), None).is_ok());
    assert_eq!(refusal(Archive::start(&by_stranger, None)), DirectoryError::Signature);
}

#[test]
fn refuses_a_document_of_another_form() {
    let empty = Json::from_typed(&serde_json::json!({})).unwrap();
    assert!(matches!(refusal(Archive::start(&empty, None)), DirectoryError::Shape(_)));
    assert!(matches!(archive().add(&empty), Err(DirectoryError::Shape(_))));
    assert_eq!(refusal(start(|issue| issue.format = "cme-directory/9".to_owned())), DirectoryError::Format);
    let mut unsigned = signed(&example::directory(), &root_key()).into_value();
    unsigned.as_object_mut().unwrap().remove("signature");
    assert!(matches!(
        refusal(Archive::start(&Json::from_typed(&unsigned).unwrap(), None)),
        DirectoryError::Shape(_)
    ));
}

#[test]
fn refuses_an_issue_that_does_not_stand_alone() {
    let sheffield = code("373");
    let cases: [Refused<'_>; 15] = [
        (&|issue| issue.expires_at = issue.issued_at, DirectoryError::Times),
        (&|issue| issue.root_keys.clear(), DirectoryError::NoRootKey),
        (&|issue| issue.policy.decide_working_days.urgent = 0, DirectoryError::Policy),
        (&|issue| issue.policy.origin_act_working_days = 0, DirectoryError::Policy),
        (&|issue| issue.previous = Some(Digest::of(b"x")), DirectoryError::Chain { issue: 1 }),
        (&|issue| issue.issue = 2, DirectoryError::Chain { issue: 2 }),
        (
            &|issue| issue.authorities.push(issue.authorities[0].clone()),
            DirectoryError::AuthorityTwice(sheffield),
        ),
        (
            &|issue| issue.authorities[1].client_pins = issue.authorities[0].client_pins.clone(),
            DirectoryError::PinShared(code("330")),
        ),
        (
            &|issue| issue.authorities[0].keys[0].kid = signing_key("x").id(),
            DirectoryError::KeyName(sheffield),
        ),
        (
            &|issue| issue.authorities[1].keys = issue.authorities[0].keys.clone(),
            DirectoryError::KeyName(code("330")),
        ),
        (&|issue| issue.authorities[0].base_url = None, DirectoryError::Unreachable(sheffield)),
        (&|issue| issue.authorities[0].keys.clear(), DirectoryError::Unreachable(sheffield)),
        (&|issue| issue.authorities[0].server_pins.clear(), DirectoryError::Unreachable(sheffield)),
        (
            &|issue| issue.authorities[0].successors = vec![follows("383", true), follows("330", true)],
            DirectoryError::Residuary(sheffield),
        ),
        (
            &|issue| issue.authorities[0].successors = vec![follows("999", true)],
            DirectoryError::Residuary(sheffield),
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(refusal(start(change)), expected);
    }
}

#[test]
fn an_authority_that_is_only_a_contact_needs_no_server() {
    let contact = start(|issue| {
        let authority = &mut issue.authorities[0];
        authority.availability = Availability::ContactOnly;
        authority.base_url = None;
        (authority.server_pins, authority.client_pins, authority.keys) = (vec![], vec![], vec![]);
    });
    assert!(contact.is_ok());
}

#[test]
fn adds_issues_one_after_the_other_and_keeps_them_all() {
    let mut archive = archive();
    assert_eq!(add(&mut archive, |_| {}), Ok(true));
    assert_eq!(add(&mut archive, |issue| issue.grace_days = 7), Ok(true));
    assert_eq!(archive.newest().unwrap().content().issue, 3);
    assert_eq!(archive.issue(3).unwrap().grace_days, 7);
    assert_eq!(archive.issue(1), Some(&example::directory()));
    assert_eq!(archive.issue(4), None);
}

#[test]
fn the_same_issue_again_changes_nothing_and_another_one_is_a_fork() {
    let mut archive = archive();
    let second = following(&archive, |_| {});
    let other = following(&archive, |issue| issue.grace_days = 1);
    assert_eq!(archive.add(&signed(&second, &root_key())), Ok(true));
    assert_eq!(archive.add(&signed(&second, &root_key())), Ok(false));
    assert_eq!(archive.add(&signed(&other, &root_key())), Err(DirectoryError::Forked { issue: 2 }));
    assert_eq!(archive.issue(2).unwrap().grace_days, second.grace_days);
    // What anyone can make up is no fork: it takes a root key to sign an issue twice.
    assert_eq!(archive.add(&signed(&other, &signing_key("a stranger"))), Err(DirectoryError::Signature));
    let first = following(&archive, |issue| (issue.issue, issue.previous) = (1, None));
    assert_eq!(archive.add(&signed(&first, &root_key())), Err(DirectoryError::Forked { issue: 1 }));
}

#[test]
fn an_older_issue_never_replaces_a_newer_one() {
    let mut late = start(|issue| (issue.issue, issue.previous) = (7, Some(Digest::of(b"issue 6")))).unwrap();
    let first = signed(&example::directory(), &root_key());
    assert_eq!(late.add(&first), Err(DirectoryError::Older { issue: 1, held: 7 }));
    assert_eq!(Archive::default().add(&first), Err(DirectoryError::Empty));
}

#[test]
fn an_issue_follows_the_one_held_in_number_digest_and_time() {
    let mut archive = archive();
    let gap = add(&mut archive, |issue| issue.issue = 3);
    assert_eq!(gap, Err(DirectoryError::Gap { issue: 3, held: 1 }));
    let chain = add(&mut archive, |issue| issue.previous = Some(Digest::of(b"another issue")));
    assert_eq!(chain, Err(DirectoryError::Chain { issue: 2 }));
    let times = add(&mut archive, |issue| issue.issued_at = instant("2026-08-31T00:00:00Z"));
    assert_eq!(times, Err(DirectoryError::Times));
    assert_eq!(archive.newest().unwrap().content().issue, 1, "nothing refused is kept");
}

#[test]
fn only_the_root_keys_of_the_issue_before_may_sign() {
    let mut archive = archive();
    let second = following(&archive, |_| {});
    assert_eq!(archive.add(&signed(&second, &signing_key("373"))), Err(DirectoryError::Signature));
    // A key that an issue names for itself signs the next one, not this one.
    let new_root = signing_key("a new root");
    let second = following(&archive, |issue| issue.root_keys = vec![new_root.public()]);
    assert_eq!(archive.add(&signed(&second, &new_root)), Err(DirectoryError::Signature));
    assert_eq!(archive.add(&signed(&second, &root_key())), Ok(true));
    let third = following(&archive, |_| {});
    assert_eq!(archive.add(&signed(&third, &root_key())), Err(DirectoryError::Signature));
    assert_eq!(archive.add(&signed(&third, &new_root)), Ok(true));
}

#[test]
fn nothing_vanishes_and_no_end_is_taken_back() {
    let sheffield = code("373");
    let mut archive = start(|issue| {
        let authority = &mut issue.authorities[0];
        authority.keys[0].retired_at = Some(instant("2027-01-01T00:00:00Z"));
        authority.valid_to = Some(jiff::civil::date(2030, 3, 31));
        authority.successors = vec![follows("383", true)];
    })
    .unwrap();
    let (removed, rewritten) = (DirectoryError::Removed(sheffield), DirectoryError::Rewritten(sheffield));
    let cases: [Refused<'_>; 7] = [
        (&|issue| drop(issue.authorities.remove(0)), removed.clone()),
        (&|issue| issue.authorities[0].keys[0] = key_of("373 again"), removed.clone()),
        (&|issue| issue.authorities[0].keys[0].retired_at = None, rewritten.clone()),
        (
            &|issue| issue.authorities[0].keys[0].retired_at = Some(instant("2027-01-02T00:00:00Z")),
            rewritten.clone(),
        ),
        (
            &|issue| issue.authorities[0].keys[0].valid_from = instant("2026-08-01T00:00:00Z"),
            rewritten.clone(),
        ),
        (
            &|issue| {
                issue.authorities[0].valid_to = None;
                issue.authorities[0].successors.clear();
            },
            rewritten.clone(),
        ),
        (
            &|issue| {
                issue.authorities[0].code = code("384");
                issue.authorities[0].keys[0] = key_of("384");
            },
            removed.clone(),
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(add(&mut archive, change), Err(expected));
    }
    let earlier = add(&mut archive, |issue| {
        issue.authorities[0].keys[0].retired_at = Some(instant("2026-12-01T00:00:00Z"));
        issue.authorities[0].keys[0].revoked_at = Some(instant("2026-12-02T00:00:00Z"));
        issue.authorities[0].keys.push(key_of("373 again"));
    });
    assert_eq!(earlier, Ok(true), "an end may be added or moved to an earlier time, and keys may be added");
}

fn key_of(name: &str) -> Key {
    let key = signing_key(name);
    let valid_from = instant("2026-10-01T00:00:00Z");
    Key { kid: key.id(), public_key: key.public(), valid_from, retired_at: None, revoked_at: None }
}

fn follows(successor: &str, residuary: bool) -> Successor {
    Successor { code: code(successor), residuary }
}

/// Sheffield is followed by Leeds (residuary) and Birmingham.
fn reorganised() -> Directory {
    let mut directory = example::directory();
    directory.authorities[0].valid_to = Some(jiff::civil::date(2027, 3, 31));
    directory.authorities[0].successors = vec![follows("330", false), follows("383", true)];
    directory
}

#[test]
fn a_caller_is_known_by_the_pin_of_its_client_certificate_alone() {
    let directory = example::directory();
    let sheffield = directory.authority(code("373")).unwrap();
    assert_eq!(directory.caller(&sheffield.client_pins[0]), Some(code("373")));
    assert_eq!(directory.caller(&sheffield.server_pins[0]), None, "a server's pin calls nobody");
    assert_eq!(directory.caller(&Digest::of(b"another certificate")), None);
}

#[test]
fn only_the_residuary_successor_acts_for_an_authority_that_ended() {
    let directory = reorganised();
    assert!(directory.acts_for(code("373"), code("373")));
    assert!(directory.acts_for(code("383"), code("373")));
    assert!(!directory.acts_for(code("330"), code("373")), "another successor inherits no ledger");
    assert!(!directory.acts_for(code("373"), code("383")), "not the other way round");
    assert!(!directory.acts_for(code("373"), code("999")) && !directory.acts_for(code("999"), code("373")));
    assert_eq!(directory.answering(code("373")).unwrap().code, code("383"));
    assert_eq!(directory.answering(code("330")).unwrap().code, code("330"));
    assert!(directory.answering(code("999")).is_none());
}

#[test]
fn a_line_of_successors_goes_on_and_a_ring_of_them_ends() {
    let mut directory = reorganised();
    directory.authorities[2].successors = vec![follows("330", true)];
    assert_eq!(directory.answering(code("373")).unwrap().code, code("330"));
    assert!(directory.acts_for(code("330"), code("373")));
    directory.authorities[1].successors = vec![follows("373", true)];
    assert!(directory.answering(code("373")).is_some());
    assert!(!directory.acts_for(code("999"), code("373")));
}

#[test]
fn an_issue_is_current_then_in_grace_then_stale() {
    let directory = example::directory();
    for (now, expected) in [
        ("2026-09-01T00:00:00Z", Freshness::Current),
        ("2027-09-01T00:00:00Z", Freshness::Current),
        ("2027-09-01T00:00:00.001Z", Freshness::Grace),
        ("2027-09-15T00:00:00Z", Freshness::Grace),
        ("2027-09-15T00:00:00.001Z", Freshness::Stale),
    ] {
        assert_eq!(directory.freshness(instant(now)), expected, "{now}");
    }
}

#[test]
fn an_authority_lives_on_its_first_and_its_last_day() {
    let directory = reorganised();
    let sheffield = directory.authority(code("373")).unwrap();
    let day = jiff::civil::date;
    assert!(sheffield.is_live_on(day(2009, 1, 1)) && sheffield.is_live_on(day(2027, 3, 31)));
    assert!(!sheffield.is_live_on(day(2008, 12, 31)) && !sheffield.is_live_on(day(2027, 4, 1)));
}

#[test]
fn a_key_speaks_from_its_first_instant_to_before_its_end() {
    let mut key = key_of("373");
    let standing = |key: &Key, at: &str| key.standing(instant(at));
    assert_eq!(standing(&key, "2026-09-30T23:59:59.999Z"), KeyStanding::OutOfTerm);
    assert_eq!(standing(&key, "2026-10-01T00:00:00Z"), KeyStanding::Valid);
    key.retired_at = Some(instant("2027-01-01T00:00:00Z"));
    assert_eq!(standing(&key, "2026-12-31T23:59:59.999Z"), KeyStanding::Valid);
    assert_eq!(standing(&key, "2027-01-01T00:00:00Z"), KeyStanding::OutOfTerm);
    key.revoked_at = Some(instant("2026-12-01T00:00:00Z"));
    assert_eq!(standing(&key, "2026-11-30T23:59:59.999Z"), KeyStanding::Valid);
    assert_eq!(standing(&key, "2026-12-01T00:00:00Z"), KeyStanding::Revoked);
    assert_eq!(standing(&key, "2027-06-01T00:00:00Z"), KeyStanding::Revoked, "revoked outweighs retired");
}

#[test]
fn an_entry_is_its_authors_when_a_valid_key_of_the_author_signed_it() {
    let directory = example::directory();
    let story = Story::offered();
    let offer = &story.entries()[0];
    let at = instant("2026-11-24T09:00:01Z");
    assert_eq!(directory.check_entry(offer, at), Ok(()));
    let before = instant("2026-08-01T00:00:00Z");
    assert_eq!(directory.check_entry(offer, before), Err(KeyError::NotValid(code("373"))));
    let by_another = story.draft(E::Withdraw, "373", &signing_key("330"), example::body(E::Withdraw));
    assert_eq!(directory.check_entry(&by_another, at), Err(KeyError::Unknown(code("373"))));
    let mut altered = offer.to_json().into_value();
    altered["header"]["clockClass"] = "urgent".into();
    let altered = cme_spec::entry::Entry::read(&Json::from_typed(&altered).unwrap()).unwrap();
    assert_eq!(directory.check_entry(&altered, at), Err(KeyError::Signature(code("373"))));
}

#[test]
fn the_residuary_successors_keys_speak_for_the_authority_that_ended() {
    let directory = reorganised();
    let at = instant("2027-04-02T09:00:00Z");
    let story = Story::offered();
    let by = |signer: &str| story.draft(E::Withdraw, "373", &signing_key(signer), example::body(E::Withdraw));
    assert_eq!(directory.check_entry(&by("383"), at), Ok(()), "Leeds is residuary");
    assert_eq!(directory.check_entry(&by("373"), at), Ok(()), "its own keys stay");
    assert_eq!(directory.check_entry(&by("330"), at), Err(KeyError::Unknown(code("373"))));
    let mut head = story.head("373").content().clone();
    head.at = at;
    let head = Envelope::sign(head, &signing_key("383"));
    assert!(directory.check_document(head.clone(), code("373"), at).is_ok());
    assert_eq!(
        directory.check_document(head, code("330"), at).map(|_| ()),
        Err(KeyError::Unknown(code("330")))
    );
}

#[test]
fn the_policy_has_the_names_of_the_text() {
    let policy = serde_json::to_value(example::directory().policy).unwrap();
    let names: Vec<&str> = policy.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "acknowledgeWorkingDays",
            "decideWorkingDays",
            "reviewWorkingDays",
            "originActWorkingDays",
            "clockSkewSecondsMax",
            "bankHolidays",
            "holidaysThrough"
        ]
    );
}
