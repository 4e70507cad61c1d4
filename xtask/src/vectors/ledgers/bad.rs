//! Exports that don't verify, each genuine but for what its name says.

use cme_spec::canonical::Json;
use cme_spec::digest::Digest;
use cme_spec::entry::{Entry, EntryType as E};
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, Story};
use cme_spec::ledger::export::Export;
use cme_spec::receipt::Head;
use serde_json::{Value, json};

use super::super::mutation::altered_in;
use super::good::{branch, forked_export, without_bodies};
use super::{BadCase, Case, members};

const KINDS: [E; 5] = [E::Offer, E::Acknowledge, E::Correct, E::Accept, E::Outcome];

fn story() -> Story {
    Story::of(51, &KINDS)
}

fn bad(
    name: &'static str,
    file: &'static str,
    kind: &'static str,
    sequence: impl Into<Option<u64>>,
    text: String,
) -> BadCase {
    let case = Case { name, file, directory: "directory.json", text };
    BadCase { case, kind, sequence: sequence.into() }
}

pub(super) fn cases() -> Vec<BadCase> {
    let mut cases = altered();
    cases.extend(out_of_order());
    cases.extend(cut_short());
    cases.extend(heads());
    cases.extend(wrong_keys());
    cases.extend(others());
    cases.extend(in_branches());
    cases
}

/// One character changed.
fn altered() -> Vec<BadCase> {
    let sound = story().export("330");
    let entry = |sequence: u64| format!("\"sequence\":{sequence},\"transfer\"");
    let in_entry = |sequence: u64, from: &str, to: &str| altered_in(&sound, &entry(sequence), from, to);
    // The first character of an item of text that only this entry has, replaced by another.
    let signature = |sequence: u64, receipt: Option<usize>| {
        let index = usize::try_from(sequence).unwrap_or_default();
        let json = story().entries()[index].to_json().into_value();
        let text = receipt.map_or(&json["signature"], |receipt| &json["receipts"][receipt]["signature"]);
        let text = text.as_str().unwrap_or_default();
        let start = text.find("..").map_or(0, |at| at + 2);
        let other = if text[start..].starts_with('A') { "B" } else { "A" };
        in_entry(sequence, text, &format!("{}{other}{}", &text[..start], &text[start + 1..]))
    };
    vec![
        bad(
            "a header altered",
            "bad/header-altered.json",
            "signature",
            1,
            in_entry(1, "\"createdAt\":\"2026-11-24T10:", "\"createdAt\":\"2026-11-24T11:"),
        ),
        bad(
            "the offer's header altered",
            "bad/offer-header-altered.json",
            "signature",
            0,
            in_entry(0, "\"clockClass\":\"standard\"", "\"clockClass\":\"urgent\""),
        ),
        bad(
            "a body altered",
            "bad/body-altered.json",
            "body-digest",
            0,
            in_entry(0, "\"Amina\"", "\"Anina\""),
        ),
        bad(
            "the last body altered",
            "bad/last-body-altered.json",
            "body-digest",
            4,
            in_entry(4, "2026-12-07", "2026-12-08"),
        ),
        bad("a signature altered", "bad/signature-altered.json", "signature", 3, signature(3, None)),
        bad(
            "the sequencer's receipt altered",
            "bad/receipt-altered.json",
            "receipt",
            3,
            in_entry(3, "T12:00:01Z", "T12:00:00Z"),
        ),
        bad(
            "the sequencer's receipt's signature altered",
            "bad/receipt-signature-altered.json",
            "receipt",
            2,
            signature(2, Some(0)),
        ),
        bad(
            "the counter-receipt altered",
            "bad/counter-receipt-altered.json",
            "receipt",
            1,
            in_entry(1, "T10:00:02Z", "T10:00:03Z"),
        ),
    ]
}

/// The lines of the export that hold an entry each, changed as a list.
fn with_lines(text: &str, change: impl Fn(&mut Vec<String>)) -> String {
    let (before, rest) = text.split_once("\"entries\":[\n").expect("an export has entries");
    let (entries, after) = rest.split_once("\n],\n").expect("the entries end");
    let mut lines: Vec<String> = entries.split(",\n").map(str::to_owned).collect();
    change(&mut lines);
    format!("{before}\"entries\":[\n{}\n],\n{after}", lines.join(",\n"))
}

fn out_of_order() -> Vec<BadCase> {
    let sound = story().export("330");
    let with = |change: &dyn Fn(&mut Vec<String>)| with_lines(&sound, change);
    vec![
        bad("the offer missing", "bad/offer-missing.json", "chain", 0, with(&|lines| drop(lines.remove(0)))),
        bad("an entry missing", "bad/entry-missing.json", "chain", 2, with(&|lines| drop(lines.remove(2)))),
        bad(
            "two entries in the wrong order",
            "bad/reordered.json",
            "chain",
            1,
            with(&|lines| lines.swap(1, 2)),
        ),
        bad(
            "an entry twice",
            "bad/entry-twice.json",
            "chain",
            2,
            with(&|lines| lines.insert(2, lines[1].clone())),
        ),
        bad("no entry", "bad/empty.json", "chain", 0, with(&|lines| lines.clear())),
        bad("an entry of another ledger", "bad/other-ledger.json", "chain", 1, {
            let other = Story::of(52, &KINDS).entries()[1].to_json().canonical_text();
            with(&|lines| lines[1].clone_from(&other))
        }),
        bad("an entry of another history", "bad/other-history.json", "chain", 3, {
            // The same number and the same parties, but the third entry is another.
            let other = Story::of(51, &[E::Offer, E::Acknowledge, E::RequestInformation, E::Accept]);
            let other = other.entries()[3].to_json().canonical_text();
            with(&|lines| lines[3].clone_from(&other))
        }),
    ]
}

fn cut_short() -> Vec<BadCase> {
    let (whole, cut) = (story(), Story::of(51, &KINDS[..4]));
    let head = cut.head("330");
    let export = Export {
        entries: cut.entries(),
        head: &head,
        peer_heads: &[whole.head("373")],
        forks: &[],
        exported_at: whole.now(),
    };
    let shown_by_the_other = export.to_text();
    let gone = with_lines(&whole.export("330"), |lines| drop(lines.pop()));
    vec![
        bad("the last entry left out", "bad/truncated.json", "head", 4, gone),
        bad(
            "the last entry left out, shown by the other party's head alone",
            "bad/truncated-consistently.json",
            "head",
            4,
            shown_by_the_other,
        ),
    ]
}

/// The export of the whole story under a head that the exporter didn't sign so.
fn under_head(change: impl Fn(&mut Head), key: &str) -> String {
    let story = story();
    let mut content = story.head("330").content().clone();
    change(&mut content);
    let head = Envelope::sign(content, &example::signing_key(key));
    let export = Export {
        entries: story.entries(),
        head: &head,
        peer_heads: &[],
        forks: &[],
        exported_at: story.now(),
    };
    export.to_text()
}

fn heads() -> Vec<BadCase> {
    let other = Digest::of(b"another header");
    let sound = story().export("330");
    let head = members(&sound).member("head").expect("a head").canonical_text();
    vec![
        bad(
            "a head signed by the other party",
            "bad/head-forged.json",
            "head",
            None,
            under_head(|_| {}, "373"),
        ),
        bad(
            "a head that names another entry",
            "bad/head-elsewhere.json",
            "head",
            4,
            under_head(|head| head.header_digest = other, "330"),
        ),
        bad(
            "a head of another stage",
            "bad/head-stage.json",
            "stage",
            4,
            under_head(|head| head.stage = cme_spec::ledger::Stage::Accepted, "330"),
        ),
        bad("a head of another ledger", "bad/head-of-another-ledger.json", "head", None, {
            let other = Story::of(52, &KINDS).head("330").to_json().canonical_text();
            sound.replace(&head, &other)
        }),
        bad("a head altered", "bad/head-altered.json", "head", None, {
            sound.replace(&head, &head.replace("\"stage\":\"settled\"", "\"stage\":\"accepted\""))
        }),
    ]
}

fn wrong_keys() -> Vec<BadCase> {
    let with = |name, file, directory, sequence| {
        let mut bad = bad(name, file, "key", sequence, story().export("330"));
        bad.case.directory = directory;
        bad
    };
    vec![
        with("a directory with another key", "bad/wrong-key.json", "directory-stranger.json", 0),
        with("a key that was retired by then", "bad/retired-key.json", "directory-373-retired.json", 1),
    ]
}

fn others() -> Vec<BadCase> {
    let bare = {
        let mut story = story();
        let entry = story.entries()[2].clone().without_receipts();
        story.entries_mut()[2] = entry;
        story.export("330")
    };
    let forgetful = {
        let mut story = story();
        let entry = &mut story.entries_mut()[0];
        let held = entry.receipt_by(example::code("330")).expect("the sequencer's receipt");
        let mut receipt = held.content().clone();
        receipt.incarnation = 2;
        *entry = entry.clone().with_receipt(Envelope::sign(receipt, &example::signing_key("330")));
        story.export("330")
    };
    let open = without_bodies(Story::of(53, &[E::Offer, E::Acknowledge, E::Accept]), 1..2).export("330");
    let reopened = Story::of(54, &[E::Offer, E::Accept, E::Outcome, E::Retract]);
    let reopened = without_bodies(reopened, 3..4).export("330");
    let trunk = Story::of(55, &[E::Offer, E::Acknowledge]);
    let unreceipted = branch(&trunk, E::Accept).without_receipts();
    let lost = trunk.draft(E::Withdraw, "373", &example::signing_key("373"), example::body(E::Withdraw));
    assert_eq!(unreceipted.header().sequence, lost.header().sequence);
    vec![
        bad("an incarnation that goes back", "bad/incarnation-back.json", "receipt", 1, forgetful),
        bad("the sequencer's receipt missing", "bad/receipt-missing.json", "receipt", 2, bare),
        bad("a body erased while the case is open", "bad/erased-open.json", "erasure", 1, open),
        bad(
            "a body erased after the case was opened again",
            "bad/erased-reopened.json",
            "erasure",
            3,
            reopened,
        ),
        bad(
            "a branch without the sequencer's signature",
            "bad/fork-unproven.json",
            "fork",
            2,
            forked_export(&trunk, E::Accept, &[vec![lost]]),
        ),
        bad(
            "not an export",
            "bad/format.json",
            "form",
            None,
            story().export("330").replace("cme-ledger/1", "cme-ledger/2"),
        ),
        bad(
            "an export that does not say when it was made",
            "bad/undated.json",
            "form",
            None,
            story().export("330").replace("\"exportedAt\"", "\"madeAt\""),
        ),
    ]
}

/// What does not hold in the further branch of a fork that is proven.
fn in_branches() -> [BadCase; 2] {
    let trunk = Story::of(56, &[E::Offer, E::Acknowledge]);
    let theirs = branch(&trunk, E::Decline);
    let with = |member: &str, value: Value| {
        let mut json = theirs.to_json().into_value();
        json[member] = value;
        let json = Json::from_typed(&json).expect("an entry stays within the canonical form");
        let changed = Entry::from_json(json).expect("its form is not what changed");
        forked_export(&trunk, E::Accept, &[vec![changed]])
    };
    let body = example::body(E::Redirect).into_value();
    let signature = trunk.entries()[1].signature().as_str();
    [
        bad("a body altered in a branch", "bad/branch-body.json", "body-digest", 2, with("body", body)),
        bad(
            "a signature altered in a branch",
            "bad/branch-signature.json",
            "signature",
            2,
            with("signature", json!(signature)),
        ),
    ]
}
