//! Offline verification: what a sound ledger proves, and that nothing else passes.

use cme_spec::canonical::Json;
use cme_spec::directory::Directory;
use cme_spec::entry::{Entry, EntryType as E};
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, Story, code, instant};
use cme_spec::ledger::Stage;
use cme_spec::ledger::export::Export;
use cme_spec::ledger::fork;
use cme_spec::ledger::verify::{Finding, LedgerFile, LedgerFileError, Proof, offered_twice, verify};

fn check(text: &str, directory: &Directory) -> Result<Proof, Vec<Finding>> {
    match LedgerFile::read(text.as_bytes()) {
        Ok(file) => verify(&file, directory),
        Err(LedgerFileError::Decode { sequence, cause }) => {
            Err(vec![Finding { sequence, what: cause.to_string() }])
        }
        Err(other) => Err(vec![Finding { sequence: None, what: other.to_string() }]),
    }
}

fn settled() -> Story {
    Story::of(
        1,
        &[E::Offer, E::Acknowledge, E::RequestInformation, E::SupplyInformation, E::Accept, E::Outcome],
    )
}

/// The export of a story whose entries were changed behind the rules' back.
fn export(story: &Story) -> String {
    story.export("330")
}

#[test]
fn a_sound_ledger_proves_who_was_responsible_when() {
    let story = settled();
    let proof = check(&story.export("373"), &example::directory()).unwrap();
    assert_eq!((proof.stage, proof.responsible, proof.entries), (Stage::Settled, code("330"), 6));
    assert_eq!(proof.spans.len(), 2);
    assert_eq!(proof.spans[0].until, Some(proof.spans[1].from));
    let passed = proof.passed.unwrap();
    assert!(passed.received_by_originating.unwrap() > passed.at);
    assert_eq!(proof.as_of, story.ledger().head);
    assert_eq!(proof.definite_until, Some(story.now()));
}

#[test]
fn any_single_changed_byte_of_an_entry_is_found_and_its_sequence_named() {
    let text = export(&Story::of(1, &[E::Offer, E::Accept, E::Outcome]));
    let directory = example::directory();
    assert!(check(&text, &directory).is_ok());
    let lines: Vec<&str> = text.lines().collect();
    let first = lines
        .iter()
        .position(|line| line.starts_with("{\"body\"") || line.starts_with("{\"header\""))
        .unwrap();
    let mut tried = 0;
    for sequence in 0..3_usize {
        let line = lines[first + sequence];
        for place in (sequence..line.len()).step_by(5) {
            let old = line.as_bytes()[place];
            for new in [b'"', b'0', b'A', b' ', old ^ 1, old ^ 0x20] {
                if new == old || !(0x20..0x7f).contains(&new) {
                    continue;
                }
                let mut changed: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
                changed[first + sequence][place] = new;
                let changed = String::from_utf8(changed.join(&b'\n')).unwrap();
                let findings = check(&changed, &directory).expect_err(&format!("byte {place} of {sequence}"));
                assert!(
                    findings.iter().any(|finding| finding.sequence == Some(sequence as u64)),
                    "byte {place} of entry {sequence} became {}: {findings:?}",
                    char::from(new)
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 2_000, "only {tried} changes were tried");
}

#[test]
fn a_byte_that_is_no_text_is_found_and_its_sequence_named() {
    let text = export(&Story::of(1, &[E::Offer, E::Accept, E::Outcome]));
    for sequence in 0..3_u64 {
        let line = text.find(&format!("\"sequence\":{sequence},")).unwrap();
        let start = text[..line].rfind('\n').unwrap() + 1;
        for place in [start, start + 1, line, text[start..].find('\n').unwrap() + start - 2] {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = 0xff;
            match LedgerFile::read(&bytes) {
                Err(LedgerFileError::Decode { sequence: named, .. }) => {
                    assert_eq!(named, Some(sequence), "{place}");
                }
                other => panic!("byte {place} passes: {other:?}"),
            }
        }
    }
}

#[test]
fn a_missing_entry_is_named_wherever_it_was() {
    for gone in 0..6 {
        let story = settled();
        let whole = export(&story);
        let mut lines: Vec<&str> = whole.lines().collect();
        let entry = lines.iter().position(|line| line.contains(&format!("\"sequence\":{gone},"))).unwrap();
        lines.remove(entry);
        let text = lines.join("\n").replace("},\n],", "}\n],");
        let findings = check(&text, &example::directory()).unwrap_err();
        assert!(findings.iter().any(|finding| finding.sequence == Some(gone)), "{gone}: {findings:?}");
    }
}

#[test]
fn reordered_entries_are_named() {
    let mut story = settled();
    story.entries_mut().swap(2, 3);
    let findings = check(&export(&story), &example::directory()).unwrap_err();
    assert_eq!(findings[0].sequence, Some(2));
}

#[test]
fn a_directory_with_another_key_is_named_at_the_first_entry_it_breaks() {
    let mut directory = example::directory();
    let stranger = example::signing_key("a stranger");
    for authority in &mut directory.authorities {
        if authority.code == code("330") {
            authority.keys[0].public_key = stranger.public();
            authority.keys[0].kid = stranger.id();
        }
    }
    let findings = check(&export(&settled()), &directory).unwrap_err();
    assert_eq!(findings[0].sequence, Some(0), "the offer's receipt is Birmingham's: {findings:?}");
    // The name stays, the key behind it changes.
    let mut directory = example::directory();
    directory.authorities[0].keys[0].public_key = stranger.public();
    let findings = check(&export(&settled()), &directory).unwrap_err();
    assert_eq!(findings[0].sequence, Some(0));
}

#[test]
fn erased_bodies_verify_once_the_case_is_closed_and_not_before() {
    let directory = example::directory();
    let erase = |story: &mut Story, place: usize| {
        let entry = story.entries()[place].clone();
        story.entries_mut()[place] = entry.erased(instant("2033-01-01T00:00:00Z"));
    };
    let mut closed = settled();
    (0..6).for_each(|place| erase(&mut closed, place));
    let proof = check(&export(&closed), &directory).unwrap();
    assert_eq!(proof.erased, [0, 1, 2, 3, 4, 5]);
    let mut open = Story::accepted();
    erase(&mut open, 1);
    assert_eq!(check(&export(&open), &directory).unwrap_err()[0].sequence, Some(1));
    // A retracted part may be erased, what came after the retraction may not.
    let mut reopened = settled().then(E::Retract);
    erase(&mut reopened, 5);
    assert!(check(&export(&reopened), &directory).is_ok());
    erase(&mut reopened, 6);
    assert_eq!(check(&export(&reopened), &directory).unwrap_err()[0].sequence, Some(6));
}

#[test]
fn a_forked_ledger_may_be_erased_though_it_never_closed() {
    let mut trunk = Story::offered();
    let offer = trunk.entries()[0].clone();
    trunk.entries_mut()[0] = offer.erased(instant("2033-01-01T00:00:00Z"));
    let directory = example::directory();
    let proof = check(&forked_export(&trunk, E::Acknowledge, E::Accept), &directory).unwrap();
    assert_eq!(proof.erased, [0]);
    assert!(check(&export(&trunk.then(E::Acknowledge)), &directory).is_err());
}

#[test]
fn two_accepts_of_one_hand_over_name_who_offered_twice() {
    let directory = example::directory();
    let proof = |number, kinds: &[E]| check(&export(&Story::of(number, kinds)), &directory).unwrap();
    let accepted = proof(1, &[E::Offer, E::Accept]);
    let mut again = proof(2, &[E::Offer, E::Accept]);
    assert_eq!(offered_twice(&accepted, &again), None, "two cases");
    again.responsibility = accepted.responsibility;
    assert_eq!(offered_twice(&accepted, &again), Some([code("373"), code("373")]));
    assert_eq!(offered_twice(&accepted, &accepted), None, "one ledger shown twice");
    let declined = Proof { passed: None, ..again.clone() };
    assert_eq!(offered_twice(&accepted, &declined), None);
    again.responsibility.epoch = 2;
    assert_eq!(offered_twice(&accepted, &again), None, "handed on");
}

#[test]
fn an_entry_without_the_sequencers_receipt_is_no_part_of_a_ledger() {
    let mut story = settled();
    let bare = story.entries()[3].clone().without_receipts();
    story.entries_mut()[3] = bare;
    let findings = check(&export(&story), &example::directory()).unwrap_err();
    assert_eq!(findings[0].sequence, Some(3));
}

#[test]
fn the_sequencers_incarnation_never_goes_back_along_a_ledger() {
    let restored_after = |place: usize, before: u64, after: u64| {
        let mut story = settled();
        for (index, entry) in story.entries_mut().iter_mut().enumerate() {
            let mut receipt = entry.receipt_by(code("330")).unwrap().content().clone();
            receipt.incarnation = if index < place { before } else { after };
            *entry = entry.clone().with_receipt(Envelope::sign(receipt, &example::signing_key("330")));
        }
        check(&export(&story), &example::directory())
    };
    assert!(restored_after(3, 1, 2).is_ok(), "a restore raises it");
    let findings = restored_after(3, 2, 1).unwrap_err();
    assert_eq!(findings[0].sequence, Some(3), "{findings:?}");
}

fn with_key_ended(authority: &str, retired: Option<&str>, revoked: Option<&str>) -> Directory {
    let mut directory = example::directory();
    for record in directory.authorities.iter_mut().filter(|record| record.code == code(authority)) {
        record.keys[0].retired_at = retired.map(instant);
        record.keys[0].revoked_at = revoked.map(instant);
    }
    directory
}

#[test]
fn a_retired_key_stays_good_for_what_it_signed_before() {
    let text = export(&settled());
    assert!(check(&text, &with_key_ended("373", Some("2027-01-01T00:00:00Z"), None)).is_ok());
    let findings = check(&text, &with_key_ended("373", Some("2026-11-24T10:30:00Z"), None)).unwrap_err();
    assert_eq!(findings[0].sequence, Some(2), "its receipt of the question is the first: {findings:?}");
}

#[test]
fn an_accept_under_a_revoked_key_counts_only_with_an_older_receipt_of_the_other_party() {
    let story = Story::of(1, &[E::Offer, E::Acknowledge, E::Accept]);
    // Sheffield received the accept two seconds after eleven.
    let revoked_later = with_key_ended("330", None, Some("2026-11-24T12:00:00Z"));
    let proof = check(&story.export("373"), &revoked_later).unwrap();
    assert_eq!((proof.responsible, proof.disputed.len()), (code("330"), 0));
    let revoked_before = with_key_ended("330", None, Some("2026-11-24T10:30:00Z"));
    let proof = check(&story.export("373"), &revoked_before).unwrap();
    assert_eq!(proof.responsible, code("373"));
    assert_eq!(proof.disputed.iter().map(|disputed| disputed.sequence).collect::<Vec<_>>(), [2]);
    // Without the other party's receipt even an old entry is in doubt.
    let mut unvouched = story.clone();
    let accept = unvouched.entries()[2].clone();
    let own = accept.receipt_by(code("330")).unwrap().clone();
    unvouched.entries_mut()[2] = accept.without_receipts().with_receipt(own);
    let proof = check(&export(&unvouched), &revoked_later).unwrap();
    assert_eq!((proof.responsible, proof.disputed[0].sequence), (code("373"), 2));
}

#[test]
fn what_rests_on_a_disputed_accept_is_disputed_too() {
    let story = Story::of(1, &[E::Offer, E::Accept, E::Outcome]);
    let directory = with_key_ended("330", None, Some("2026-11-24T09:30:00Z"));
    let proof = check(&story.export("373"), &directory).unwrap();
    assert_eq!(proof.disputed.iter().map(|disputed| disputed.sequence).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((proof.stage, proof.responsible), (Stage::Offered, code("373")));
}

#[test]
fn an_illegal_entry_is_a_fault_even_after_a_disputed_one() {
    let story = Story::of(1, &[E::Offer, E::Acknowledge]);
    // Birmingham acknowledged under a key that was in other hands by then; Sheffield has nothing to contest.
    let directory = with_key_ended("330", None, Some("2026-11-24T09:30:00Z"));
    let contest = story.draft(E::Contest, "373", &example::signing_key("373"), example::body(E::Contest));
    let contest = contest.clone().with_receipt(story.receipt(&contest, "330"));
    let mut entries = story.entries().to_vec();
    entries.push(contest.clone());
    let mut head = story.head("330").content().clone();
    (head.sequence, head.header_digest) = (2, contest.header_digest());
    let head = Envelope::sign(head, &example::signing_key("330"));
    let text =
        Export { entries: &entries, head: &head, peer_heads: &[], forks: &[], exported_at: story.now() }
            .to_text();
    let findings = check(&text, &directory).unwrap_err();
    assert_eq!(findings[0].sequence, Some(2), "{findings:?}");
}

fn forked_export(trunk: &Story, ours: E, theirs: E) -> String {
    let main = trunk.clone().then(ours);
    let branch =
        trunk.clone().then_signed(theirs, "330", &example::signing_key("330"), example::body(theirs));
    let head = main.head("373");
    let forks = [vec![branch.entries()[trunk.entries().len()].clone()]];
    Export { entries: main.entries(), head: &head, peer_heads: &[], forks: &forks, exported_at: main.now() }
        .to_text()
}

#[test]
fn a_fork_is_proven_by_two_signatures_of_the_sequencer_and_an_accept_in_any_branch_counts() {
    let directory = example::directory();
    let proof = check(&forked_export(&Story::offered(), E::Decline, E::Accept), &directory).unwrap();
    assert_eq!(proof.forks[0].sequence, 1);
    assert_eq!(proof.responsible, code("330"), "never nobody, and an accept once given is kept");
    let proof = check(&forked_export(&Story::offered(), E::Decline, E::Redirect), &directory).unwrap();
    assert_eq!(proof.responsible, code("373"));
    let same = check(&forked_export(&Story::offered(), E::Decline, E::Decline), &directory);
    assert_eq!(same.unwrap_err()[0].sequence, Some(1), "the same entry twice is no fork");
}

#[test]
fn an_accept_in_a_branch_that_parts_from_a_branch_counts() {
    let directory = example::directory();
    let main = Story::offered().then(E::Decline);
    let branch = Story::offered().then(E::Acknowledge);
    let (declined, accepted) = (branch.clone().then(E::Decline), branch.then(E::Accept));
    let kept = declined.entries()[1..].iter().chain(&accepted.entries()[2..]).cloned().collect();
    let (head, forks) = (main.head("373"), fork::branches(kept));
    let export = Export {
        entries: main.entries(),
        head: &head,
        peer_heads: &[],
        forks: &forks,
        exported_at: main.now(),
    };
    let proof = check(&export.to_text(), &directory).unwrap();
    assert_eq!(proof.responsible, code("330"));
    assert_eq!(proof.forks.len(), 1, "both part from the copy with one entry");
}

#[test]
fn two_versions_of_an_originating_entry_are_no_fork_without_two_receipts() {
    let trunk = Story::offered();
    let main = trunk.clone().then(E::Acknowledge);
    let lost: Entry =
        trunk.draft(E::Withdraw, "373", &example::signing_key("373"), example::body(E::Withdraw));
    let head = main.head("330");
    let forks = [vec![lost]];
    let text = Export {
        entries: main.entries(),
        head: &head,
        peer_heads: &[],
        forks: &forks,
        exported_at: main.now(),
    }
    .to_text();
    assert_eq!(check(&text, &example::directory()).unwrap_err()[0].sequence, Some(1));
}

/// The export of Sheffield's copy, in which Birmingham declines; beside it a branch.
fn with_branch(branch: &[Entry]) -> String {
    let main = Story::offered().then(E::Decline);
    let (head, forks) = (main.head("373"), [branch.to_vec()]);
    Export { entries: main.entries(), head: &head, peer_heads: &[], forks: &forks, exported_at: main.now() }
        .to_text()
}

/// A branch of three entries after the offer.
fn branch() -> Vec<Entry> {
    let story = Story::offered().then(E::Acknowledge).then(E::RequestInformation).then(E::Accept);
    story.entries()[1..].to_vec()
}

fn changed(entry: &Entry, change: &dyn Fn(&mut serde_json::Value)) -> Entry {
    let mut json = entry.to_json().into_value();
    change(&mut json);
    let json = Json::from_typed(&json).expect("an entry stays within the canonical form");
    Entry::from_json(json).expect("its form is not what changed")
}

#[test]
fn the_entries_of_a_branch_hold_as_those_of_the_ledger_do() {
    let directory = example::directory();
    let proof = check(&with_branch(&branch()), &directory).unwrap();
    assert_eq!(proof.responsible, code("330"));
    for place in 0..3 {
        let sequence = Some(place as u64 + 1);
        let spoilt = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut branch = branch();
            branch[place] = changed(&branch[place], change);
            check(&with_branch(&branch), &directory).unwrap_err()[0].sequence
        };
        assert_eq!(spoilt(&|entry| entry["body"]["more"] = 1.into()), sequence, "another body");
        let signature = branch()[(place + 1) % 3].signature().to_string();
        assert_eq!(spoilt(&|entry| entry["signature"] = signature.clone().into()), sequence, "another's");
    }
    let mut gap = branch();
    gap.remove(1);
    assert_eq!(
        check(&with_branch(&gap), &directory).unwrap_err()[0].sequence,
        Some(3),
        "an entry is missing"
    );
    let retired = with_key_ended("330", Some("2026-11-24T11:30:00Z"), None);
    let findings = check(&with_branch(&branch()), &retired).unwrap_err();
    assert_eq!(findings[0].sequence, Some(3), "the accept was made under a key put away: {findings:?}");
    let erased: Vec<Entry> =
        branch().into_iter().map(|entry| entry.erased(instant("2033-01-01T00:00:00Z"))).collect();
    assert!(check(&with_branch(&erased), &directory).is_ok(), "a forked ledger may be erased");
}

#[test]
fn a_receipt_in_a_branch_that_does_not_hold_counts_as_not_there() {
    let directory = example::directory();
    let mut kept = branch();
    let accept = kept[2].clone();
    let forged = Envelope::sign(
        accept.receipt_by(code("330")).unwrap().content().clone(),
        &example::signing_key("a stranger"),
    );
    kept[2] = accept.with_receipt(forged);
    let proof = check(&with_branch(&kept), &directory).unwrap();
    assert_eq!(proof.responsible, code("330"), "it is Birmingham's own accept all the same");
}

#[test]
fn an_accept_in_a_branch_under_a_revoked_key_counts_only_with_an_older_receipt_of_the_other_party() {
    let revoked = with_key_ended("330", None, Some("2026-11-24T13:00:00Z"));
    let proof = check(&with_branch(&branch()), &revoked).unwrap();
    assert_eq!(proof.responsible, code("330"), "Sheffield received it before");
    let unvouched: Vec<Entry> = branch()
        .into_iter()
        .map(|entry| {
            let own = entry.receipt_by(code("330")).unwrap().clone();
            entry.without_receipts().with_receipt(own)
        })
        .collect();
    assert_eq!(check(&with_branch(&unvouched), &revoked).unwrap().responsible, code("373"));
    assert_eq!(check(&with_branch(&unvouched), &example::directory()).unwrap().responsible, code("330"));
}

#[test]
fn an_export_says_when_it_was_made() {
    let text = export(&settled());
    let dated = format!("\"exportedAt\":\"{}\",", settled().now());
    assert!(text.contains(&dated));
    for (wrong, why) in
        [("", "left out"), ("\"exportedAt\":null,", "null"), ("\"exportedAt\":\"today\",", "no time")]
    {
        match LedgerFile::read(text.replace(&dated, wrong).as_bytes()) {
            Err(LedgerFileError::Shape(error)) => assert_eq!(error.pointer, "/exportedAt", "{why}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[test]
fn the_exporters_head_must_be_its_own_and_true() {
    let story = settled();
    let directory = example::directory();
    let forged = |by: &str, key: &str| {
        let content = story.head(by).content().clone();
        let head = Envelope::sign(content, &example::signing_key(key));
        Export {
            entries: story.entries(),
            head: &head,
            peer_heads: &[],
            forks: &[],
            exported_at: story.now(),
        }
        .to_text()
    };
    assert!(check(&forged("330", "330"), &directory).is_ok());
    assert!(check(&forged("330", "373"), &directory).is_err());
    let mut content = story.head("330").content().clone();
    content.stage = Stage::Accepted;
    let head = Envelope::sign(content, &example::signing_key("330"));
    let text = Export {
        entries: story.entries(),
        head: &head,
        peer_heads: &[],
        forks: &[],
        exported_at: story.now(),
    }
    .to_text();
    assert_eq!(check(&text, &directory).unwrap_err()[0].sequence, Some(5));
}

/// Birmingham's export of its first `count` entries, with a head that agrees, and Sheffield's head.
fn cut_export(whole: &Story, cut: &Story, peer: Envelope<cme_spec::receipt::Head>) -> String {
    let head = cut.head("330");
    Export { entries: cut.entries(), head: &head, peer_heads: &[peer], forks: &[], exported_at: whole.now() }
        .to_text()
}

#[test]
fn a_head_of_the_other_party_shows_what_the_exporter_left_out() {
    let kinds = [E::Offer, E::Acknowledge, E::Accept, E::Outcome];
    let (whole, cut) = (Story::of(1, &kinds), Story::of(1, &kinds[..3]));
    let findings = check(&cut_export(&whole, &cut, whole.head("373")), &example::directory()).unwrap_err();
    assert_eq!(findings[0].sequence, Some(3), "{findings:?}");
    // One that stands before the end of the copy is merely old.
    let old = Story::of(1, &kinds[..2]).head("373");
    assert!(check(&cut_export(&whole, &cut, old), &example::directory()).is_ok());
    // One that names another entry at a place of the copy shows a fork or a forgery.
    let other = Story::of(1, &[E::Offer, E::Acknowledge, E::Decline]).head("373");
    let findings = check(&cut_export(&whole, &cut, other), &example::directory()).unwrap_err();
    assert_eq!(findings[0].sequence, Some(2), "{findings:?}");
}

#[test]
fn a_head_under_a_key_that_was_revoked_by_then_shows_nothing() {
    let kinds = [E::Offer, E::Acknowledge, E::Accept, E::Outcome];
    let (whole, cut) = (Story::of(1, &kinds), Story::of(1, &kinds[..2]));
    let directory = with_key_ended("373", None, Some("2026-11-24T12:00:00Z"));
    assert!(check(&cut_export(&whole, &cut, whole.head("373")), &directory).is_ok());
}

#[test]
fn a_head_of_an_authority_that_is_no_party_is_refused() {
    let story = settled();
    let mut content = story.head("373").content().clone();
    content.by = code("383");
    let stranger = Envelope::sign(content, &example::signing_key("383"));
    assert!(check(&cut_export(&story, &story, stranger), &example::directory()).is_err());
    let mut content = story.head("373").content().clone();
    content.originating = code("383");
    let elsewhere = Envelope::sign(content, &example::signing_key("373"));
    assert!(check(&cut_export(&story, &story, elsewhere), &example::directory()).is_err());
}

#[test]
fn bytes_that_are_no_export_get_an_error_and_never_a_panic() {
    for text in ["", "{}", "[]", "{\"format\":\"cme-ledger/1\"}", "{\"format\":\"cme-ledger/2\"}", "\u{0}"] {
        assert!(check(text, &example::directory()).is_err());
    }
    let sound = export(&settled());
    for cut in (0..sound.len()).step_by(97) {
        assert!(check(&sound[..cut], &example::directory()).is_err(), "cut at {cut}");
    }
    let json = Json::decode(sound.as_bytes(), &cme_spec::canonical::Limits::COLLECTION).unwrap();
    for member in
        ["transfer", "originating", "receiving", "exportedBy", "entries", "head", "peerHeads", "forks"]
    {
        let mut without = json.clone().into_value();
        without.as_object_mut().unwrap().remove(member);
        assert!(check(&without.to_string(), &example::directory()).is_err(), "without {member}");
    }
}
