//! Exports that verify.

use cme_spec::entry::{Entry, EntryType as E};
use cme_spec::example::{self, Story, entry_id, instant};
use cme_spec::ledger::export::Export;

use super::Case;

const DIRECTORY: &str = "directory.json";

/// Name, file, and the types of the entries.
const STAGES: [(&str, &str, &[E]); 13] = [
    ("offered", "offered.json", &[E::Offer]),
    ("acknowledged", "acknowledged.json", &[E::Offer, E::Acknowledge]),
    ("declined", "declined.json", &[E::Offer, E::Acknowledge, E::Decline]),
    ("contested", "contested.json", &[E::Offer, E::Decline, E::Contest]),
    (
        "contested and acknowledged again",
        "contested-acknowledged.json",
        &[E::Offer, E::Acknowledge, E::Decline, E::Contest, E::Acknowledge],
    ),
    ("accepted", "accepted.json", &[E::Offer, E::Acknowledge, E::Accept]),
    (
        "accepted after a contest",
        "accepted-after-contest.json",
        &[E::Offer, E::Decline, E::Contest, E::Accept],
    ),
    ("upheld", "upheld.json", &[E::Offer, E::Decline, E::Contest, E::Uphold]),
    ("redirected", "redirected.json", &[E::Offer, E::Acknowledge, E::Redirect]),
    ("withdrawn", "withdrawn.json", &[E::Offer, E::Acknowledge, E::Withdraw]),
    (
        "settled, with questions and a correction",
        "settled.json",
        &[
            E::Offer,
            E::Acknowledge,
            E::RequestInformation,
            E::SupplyInformation,
            E::Accept,
            E::Correct,
            E::Outcome,
        ],
    ),
    ("settled and corrected since", "settled-corrected.json", &[E::Offer, E::Accept, E::Outcome, E::Correct]),
    (
        "settled, retracted: open again",
        "settled-retracted.json",
        &[E::Offer, E::Accept, E::Outcome, E::Retract],
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = (1..)
        .zip(STAGES)
        .map(|(number, (name, file, kinds))| {
            let by = if number % 2 == 0 { "330" } else { "373" };
            Case { name, file, directory: DIRECTORY, text: Story::of(number, kinds).export(by) }
        })
        .collect();
    cases.extend(erased());
    cases.extend(disputed());
    cases.extend(forked());
    cases
}

/// The story with the bodies of these places gone.
pub(super) fn without_bodies(mut story: Story, places: std::ops::Range<usize>) -> Story {
    for entry in &mut story.entries_mut()[places] {
        *entry = entry.clone().erased(instant("2033-01-01T00:00:00Z"));
    }
    story
}

fn erased() -> [Case; 3] {
    let settled = Story::of(21, &[E::Offer, E::Acknowledge, E::Accept, E::Outcome]);
    let reopened = Story::of(22, &[E::Offer, E::Accept, E::Outcome, E::Retract]);
    let withdrawn = Story::of(23, &[E::Offer, E::Withdraw]);
    let case = |name, file, story: Story, places| Case {
        name,
        file,
        directory: DIRECTORY,
        text: without_bodies(story, places).export("330"),
    };
    [
        case("erased after closing", "erased.json", settled, 0..4),
        case("erased in the part that a retraction reopened", "erased-retracted.json", reopened, 0..3),
        case("one body erased", "erased-one.json", withdrawn, 0..1),
    ]
}

fn disputed() -> [Case; 6] {
    let accepted = Story::of(31, &[E::Offer, E::Acknowledge, E::Accept]);
    let settled = Story::of(32, &[E::Offer, E::Accept, E::Outcome]);
    let both = Story::of(34, &[E::Offer, E::Acknowledge, E::Accept, E::Outcome]);
    let unvouched = {
        let mut story = Story::of(33, &[E::Offer, E::Acknowledge, E::Accept]);
        let accept = story.entries()[2].clone();
        let own = accept.receipt_by(example::code("330")).cloned().expect("the sequencer's receipt");
        story.entries_mut()[2] = accept.without_receipts().with_receipt(own);
        story
    };
    let (early, late) = ("directory-330-revoked-early.json", "directory-330-revoked-late.json");
    let case =
        |name, file, directory, story: &Story| Case { name, file, directory, text: story.export("373") };
    [
        case("an accept under a key revoked before", "disputed-accept.json", early, &accepted),
        case("the same with no key revoked", "disputed-accept.json", DIRECTORY, &accepted),
        case("a revoked key, the other party's receipt older", "vouched-accept.json", late, &accepted),
        case("a revoked key, no receipt of the other party", "unvouched-accept.json", late, &unvouched),
        case(
            "an outcome under a key revoked before, its accept older",
            "disputed-outcome.json",
            early,
            &settled,
        ),
        case("accept and outcome under a key revoked before", "disputed-both.json", early, &both),
    ]
}

/// The trunk with one entry more by the sequencer, as a restored server might write it: another id.
pub(super) fn branch(trunk: &Story, kind: E) -> Entry {
    let key = example::signing_key("330");
    let mut header = trunk.draft(kind, "330", &key, example::body(kind)).header().clone();
    header.id = entry_id(900_000 + header.sequence);
    let entry = Entry::sign(header, example::body(kind), &key);
    let receipt = trunk.receipt(&entry, "330");
    entry.with_receipt(receipt)
}

pub(super) fn forked_export(trunk: &Story, ours: E, forks: &[Vec<Entry>]) -> String {
    let main = trunk.clone().then(ours);
    let (head, peer) = (main.head("373"), [main.head("330")]);
    let export =
        Export { entries: main.entries(), head: &head, peer_heads: &peer, forks, exported_at: main.now() };
    export.to_text()
}

fn forked() -> [Case; 3] {
    let trunk = |number| Story::of(number, &[E::Offer, E::Acknowledge]);
    let case = |name, file, number, ours, theirs| {
        let trunk = trunk(number);
        let forks = [vec![branch(&trunk, theirs)]];
        Case { name, file, directory: DIRECTORY, text: forked_export(&trunk, ours, &forks) }
    };
    [
        case("forked, an accept in the other branch", "forked-accepted.json", 41, E::Decline, E::Accept),
        case("forked, an accept in this branch", "forked-accepted-here.json", 42, E::Accept, E::Decline),
        case("forked, no accept in any branch", "forked-open.json", 43, E::Decline, E::Redirect),
    ]
}
