use proptest::prelude::*;

use super::due::{Clock, due};
use super::*;
use crate::canonical::Json;
use crate::example::{self, Story, code, instant};

use EntryType as E;

/// What the text's transition table allows, written a second time, by stage.
fn allowed(stage: Stage) -> Vec<(EntryType, &'static str)> {
    let both = |kinds: &[EntryType]| {
        kinds.iter().flat_map(|kind| [(*kind, "330"), (*kind, "373")]).collect::<Vec<_>>()
    };
    let mut rows = match stage {
        Stage::Offered => {
            vec![(E::Acknowledge, "330"), (E::Accept, "330"), (E::Decline, "330"), (E::Redirect, "330")]
        }
        Stage::Acknowledged => vec![(E::Accept, "330"), (E::Decline, "330"), (E::Redirect, "330")],
        Stage::Declined => vec![(E::Contest, "373")],
        Stage::Contested => {
            vec![(E::Acknowledge, "330"), (E::Accept, "330"), (E::Uphold, "330"), (E::Redirect, "330")]
        }
        Stage::Accepted => vec![(E::Outcome, "330")],
        Stage::Settled => vec![(E::Retract, "330")],
        Stage::Upheld | Stage::Redirected | Stage::Withdrawn => vec![],
    };
    if matches!(stage, Stage::Offered | Stage::Acknowledged | Stage::Declined | Stage::Contested) {
        rows.push((E::Withdraw, "373"));
    }
    if matches!(stage, Stage::Offered | Stage::Acknowledged | Stage::Contested | Stage::Accepted) {
        rows.extend(both(&[E::RequestInformation, E::SupplyInformation]));
    }
    rows.extend(both(&[E::Correct]));
    rows
}

fn story_at(stage: Stage) -> Story {
    let kinds: &[EntryType] = match stage {
        Stage::Offered => &[E::Offer],
        Stage::Acknowledged => &[E::Offer, E::Acknowledge],
        Stage::Declined => &[E::Offer, E::Decline],
        Stage::Contested => &[E::Offer, E::Decline, E::Contest],
        Stage::Accepted => &[E::Offer, E::Accept],
        Stage::Upheld => &[E::Offer, E::Decline, E::Contest, E::Uphold],
        Stage::Redirected => &[E::Offer, E::Redirect],
        Stage::Withdrawn => &[E::Offer, E::Withdraw],
        Stage::Settled => &[E::Offer, E::Accept, E::Outcome],
    };
    Story::of(1, kinds)
}

fn try_next(story: &Story, kind: EntryType, author: &str) -> Result<Ledger, Refusal> {
    let entry = story.draft(kind, author, &example::signing_key(author), example::body(kind));
    apply(Some(story.ledger()), &entry, story.receipt(&entry, "330").content())
}

#[test]
fn allows_exactly_what_the_table_allows_at_every_stage() {
    for stage in Stage::ALL {
        let story = story_at(stage);
        assert_eq!(story.ledger().stage(), stage);
        for kind in E::ALL {
            for author in ["330", "373"] {
                let expected = allowed(stage).contains(&(kind, author));
                let outcome = try_next(&story, kind, author);
                assert_eq!(outcome.is_ok(), expected, "{kind} by {author} while {stage}: {outcome:?}");
                assert_eq!(allows(story.ledger(), kind, code(author)).is_ok(), expected);
            }
        }
    }
}

#[test]
fn a_ledger_begins_with_an_offer_and_with_nothing_else() {
    for kind in E::ALL {
        let story = Story::new(1);
        let entry = story.draft(kind, "373", &example::signing_key("373"), example::body(kind));
        let outcome = apply(None, &entry, story.receipt(&entry, "330").content());
        assert_eq!(outcome.is_ok(), kind == E::Offer, "{kind}");
    }
}

#[test]
fn an_offer_follows_other_ledgers_in_one_way_at_most() {
    let story = Story::new(1);
    let key = example::signing_key("373");
    let begun = |change: &dyn Fn(&mut Header)| {
        let mut header = story.draft(E::Offer, "373", &key, example::body(E::Offer)).header().clone();
        change(&mut header);
        let entry = Entry::sign(header, example::body(E::Offer), &key);
        apply(None, &entry, story.receipt(&entry, "330").content())
    };
    let link = LedgerPoint {
        transfer: example::transfer(2),
        sequence: 3,
        header_digest: crate::digest::Digest::of(b"a head"),
    };
    assert!(begun(&|header| header.preceded_by = Some(link)).is_ok());
    assert!(begun(&|header| header.successor_of = Some(vec![link, link])).is_ok());
    let both = begun(&|header| (header.preceded_by, header.supersedes) = (Some(link), Some(link)));
    assert_eq!(both, Err(Refusal::HeaderChanged));
}

#[test]
fn contests_once_and_acknowledges_a_contest_once() {
    let contested = story_at(Stage::Contested);
    assert_eq!(
        try_next(&contested, E::Decline, "330"),
        Err(Refusal::NotAllowed { kind: E::Decline, stage: Stage::Contested })
    );
    let acknowledged = contested.then(E::Acknowledge);
    assert_eq!(acknowledged.ledger().stage(), Stage::Contested);
    assert!(try_next(&acknowledged, E::Acknowledge, "330").is_err());
    assert!(try_next(&acknowledged, E::Accept, "330").is_ok());
}

#[test]
fn responsibility_passes_at_the_accept_and_stays_through_outcome_and_retraction() {
    let story = Story::of(1, &[E::Offer, E::Accept, E::Outcome, E::Retract, E::Outcome]);
    let accepted_at = story.entries()[1].header().created_at;
    let ledger = story.ledger();
    assert_eq!(ledger.responsible(), code("330"));
    assert_eq!(ledger.responsible_at(accepted_at).authority, code("330"));
    let before = accepted_at.plus_seconds(-1);
    assert_eq!(ledger.responsible_at(before), Verdict { authority: code("373"), as_of: ledger.head });
}

#[test]
fn refuses_what_the_offer_fixed_when_it_changes() {
    let story = story_at(Stage::Offered);
    let key = example::signing_key("330");
    let good = story.draft(E::Acknowledge, "330", &key, example::body(E::Acknowledge));
    let altered = |change: &dyn Fn(&mut Header)| {
        let mut header = good.header().clone();
        change(&mut header);
        let entry = Entry::sign(header, example::body(E::Acknowledge), &key);
        apply(Some(story.ledger()), &entry, story.receipt(&entry, "330").content()).unwrap_err()
    };
    assert_eq!(altered(&|header| header.transfer = example::transfer(9)), Refusal::HeaderChanged);
    assert_eq!(altered(&|header| header.responsibility.epoch = 2), Refusal::HeaderChanged);
    assert_eq!(altered(&|header| header.clock_class = ClockClass::Urgent), Refusal::HeaderChanged);
    assert_eq!(altered(&|header| header.protocol = "1.1".to_owned()), Refusal::HeaderChanged);
    assert_eq!(altered(&|header| header.author = code("383")), Refusal::HeaderChanged);
    let link = LedgerPoint {
        transfer: example::transfer(2),
        sequence: 0,
        header_digest: story.ledger().head.header_digest,
    };
    assert_eq!(altered(&|header| header.preceded_by = Some(link)), Refusal::HeaderChanged);
    assert_eq!(altered(&|header| header.supersedes = Some(link)), Refusal::HeaderChanged);
    assert_eq!(altered(&|header| header.successor_of = Some(vec![link, link])), Refusal::HeaderChanged);
    assert_eq!(altered(&|header| header.sequence = 2), Refusal::Sequence);
    assert_eq!(altered(&|header| header.previous = Some(crate::digest::Digest::of(b"x"))), Refusal::Previous);
    assert_eq!(
        altered(&|header| header.created_at = instant("2026-11-24T08:59:59Z")),
        Refusal::CreatedAtOrder
    );
}

#[test]
fn refuses_a_receipt_that_is_for_another_entry_or_by_the_other_party() {
    let story = story_at(Stage::Offered);
    let key = example::signing_key("330");
    let entry = story.draft(E::Acknowledge, "330", &key, example::body(E::Acknowledge));
    let other = story.entries()[0].receipts()[0].content();
    assert_eq!(apply(Some(story.ledger()), &entry, other), Err(Refusal::Receipt));
    let by_originating = story.receipt(&entry, "373");
    assert_eq!(apply(Some(story.ledger()), &entry, by_originating.content()), Err(Refusal::Receipt));
    let mut earlier = story.receipt(&entry, "330").content().clone();
    earlier.received_at = instant("2026-11-24T09:00:00Z");
    assert_eq!(apply(Some(story.ledger()), &entry, &earlier), Err(Refusal::ReceivedAtOrder));
}

#[test]
fn the_same_clocks_run_at_both_ends() {
    let directory = example::directory();
    let policy = |issue| (issue == 1).then_some(&directory.policy);
    // Offered on Tuesday 24 November 2026: 5 and 10 working days.
    let offered = due(story_at(Stage::Offered).ledger(), policy).unwrap();
    let days: Vec<_> = offered.iter().map(|due| (due.clock, due.due_on.to_string(), due.owner)).collect();
    assert_eq!(
        days,
        [
            (Clock::Acknowledge, "2026-12-01".to_owned(), code("330")),
            (Clock::Decide, "2026-12-08".to_owned(), code("330"))
        ]
    );
    let declined = due(story_at(Stage::Declined).ledger(), policy).unwrap();
    assert_eq!((declined[0].clock, declined[0].owner), (Clock::OriginatingAct, code("373")));
    let accepted = due(story_at(Stage::Accepted).ledger(), policy).unwrap();
    // 20 working days from 24 November, Christmas Day and its substitute not counted.
    assert_eq!((accepted[0].clock, accepted[0].due_on.to_string()), (Clock::Review, "2026-12-22".to_owned()));
    assert!(due(story_at(Stage::Settled).ledger(), policy).unwrap().is_empty());
    assert_eq!(due(story_at(Stage::Offered).ledger(), |_| None), Err(super::due::DueError::IssueNotHeld(1)));
}

#[test]
fn only_the_receiving_authority_restarts_the_review_clock() {
    let reviewed = |ledger: &Ledger| match ledger.state {
        State::Accepted { reviewed, .. } => reviewed.at,
        _ => panic!("not accepted"),
    };
    let accepted = story_at(Stage::Accepted);
    let asked = accepted.clone().then_by(E::RequestInformation, "373");
    assert_eq!(reviewed(asked.ledger()), reviewed(accepted.ledger()));
    let answered = asked.then_by(E::SupplyInformation, "330");
    assert!(reviewed(answered.ledger()) > reviewed(accepted.ledger()));
}

#[test]
fn every_example_body_is_of_its_form_and_breaks_when_a_needed_member_is_gone() {
    for kind in E::ALL {
        let body = example::body(kind);
        assert_eq!(crate::body::check(kind, &body), Ok(()), "{kind}");
        let mut without = body.clone().into_value();
        without.as_object_mut().unwrap().remove("salt");
        let without = Json::from_typed(&without).unwrap();
        assert!(crate::body::check(kind, &without).is_err(), "{kind} without salt");
    }
}

#[test]
fn body_rules_point_at_the_member_at_fault() {
    let altered = |kind: EntryType, change: &dyn Fn(&mut serde_json::Value)| {
        let mut body = example::body(kind).into_value();
        change(&mut body);
        crate::body::check(kind, &Json::from_typed(&body).unwrap()).unwrap_err().pointer
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(altered(E::Offer, &|body| body["child"]["upnUnknownReason"] = json("\"UN8\"")), "/child/upn");
    assert_eq!(
        altered(E::Offer, &|body| body["child"]["dateOfBirth"] = json("\"2016-02-30\"")),
        "/child/dateOfBirth"
    );
    assert_eq!(altered(E::Offer, &|body| body["child"]["familyName"] = json("\" \"")), "/child/familyName");
    assert_eq!(altered(E::Offer, &|body| body["legalBasis"] = json("[]")), "/legalBasis");
    assert_eq!(
        altered(E::Offer, &|body| body["circumstances"]["locationSensitivity"] = json("\"restricted\"")),
        "/believedAddress"
    );
    assert_eq!(altered(E::Contest, &|body| body["evidence"] = json("[]")), "/evidence");
    assert_eq!(altered(E::Decline, &|body| body["reason"] = json("\"checks-found-nothing\"")), "/reason");
    assert_eq!(
        altered(E::Outcome, &|body| body["outcome"] = json(r#"{"kind":"untraced"}"#)),
        "/outcome/kind"
    );
    assert_eq!(
        altered(E::Outcome, &|body| {
            body["outcome"] = json(
                r#"{"kind":"left-england","destination":"wales","evidence":"written-acceptance","evidencedOn":"2026-11-01"}"#,
            );
        }),
        "/outcome/acceptedBy"
    );
}

/// A random walk: at each step any type by any party is tried.
fn walk() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0..E::ALL.len(), any::<bool>()), 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exactly_one_authority_is_responsible_and_only_an_accept_moves_it(steps in walk()) {
        let mut story = Story::offered();
        let mut accepted = false;
        for (kind, by_receiving) in steps {
            let (kind, author) = (E::ALL[kind], if by_receiving { "330" } else { "373" });
            let before = story.ledger().clone();
            if try_next(&story, kind, author).is_ok() {
                story = story.then_by(kind, author);
                accepted |= kind == E::Accept;
            }
            let ledger = story.ledger();
            let expected = if accepted { "330" } else { "373" };
            prop_assert_eq!(ledger.responsible(), code(expected));
            // However long nobody says anything, the verdict at the head stays.
            let much_later = story.now().plus_seconds(40_000_000);
            prop_assert_eq!(ledger.responsible_at(much_later).authority, code(expected));
            if kind != E::Accept {
                prop_assert_eq!(ledger.responsible(), before.responsible());
            }
        }
    }
}
