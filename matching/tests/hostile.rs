//! Whatever is written in a register or asked of it, an answer comes.

use std::borrow::Cow;

use cme_matching::{Child, ChildId, PartialDate, Register, Weights};
use proptest::prelude::*;

/// Names as they should not be: empty, without end, of marks alone, from right to left, of every script.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,60}",
        "[\u{300}-\u{36f}\u{200b}-\u{200f}\u{202a}-\u{202e}' -]{0,40}",
        "[א-תء-ي ]{0,30}",
        "[a-z' -]{0,12}".prop_map(|text| text.repeat(900)),
        Just("ß".repeat(10_000)),
        Just("Q801000005001".to_owned()),
        Just("9990000018".to_owned()),
        Just("\0".to_owned()),
    ]
}

fn any_date() -> impl Strategy<Value = Option<PartialDate>> {
    (any::<u16>(), any::<Option<u8>>(), any::<Option<u8>>())
        .prop_map(|(year, month, day)| PartialDate::new(1890 + year % 220, month, day).ok())
}

fn any_child() -> impl Strategy<Value = Child> {
    let text = || prop::option::of(any_text());
    let texts = || prop::collection::vec(any_text(), 0..7);
    (text(), text(), text(), texts(), texts(), any_date(), text(), texts(), text(), text()).prop_map(
        |(
            given_name,
            middle_names,
            family_name,
            former_family_names,
            also_known_as,
            date_of_birth,
            upn,
            former_upns,
            nhs_number,
            postcode,
        )| Child {
            given_name,
            middle_names,
            family_name,
            former_family_names,
            also_known_as,
            date_of_birth,
            sex: None,
            upn,
            former_upns,
            nhs_number,
            postcode,
        },
    )
}

proptest! {
    #[test]
    fn every_child_can_be_held_asked_for_and_taken_out(
        children in prop::collection::vec(any_child(), 1..12),
        query in any_child(),
    ) {
        let held = (0..).zip(&children).map(|(id, child)| (ChildId(id), Cow::Borrowed(child)));
        let mut register = Register::build(&Weights::shipped(), held).unwrap();
        for asked in children.iter().chain([&query]) {
            let answer = register.find(asked);
            for candidate in &answer.candidates {
                prop_assert!(candidate.weight.is_finite());
                let sum: f32 = candidate.fields.iter().map(|held| held.bits).sum();
                prop_assert!((sum - candidate.weight).abs() < 1e-3);
            }
        }
        for id in 0..children.len() as u64 {
            prop_assert!(register.remove(ChildId(id)));
        }
        prop_assert_eq!(register.size().index_entries, 0);
        prop_assert!(register.find(&query).candidates.is_empty());
    }
}

#[test]
fn a_name_of_ten_thousand_bytes_is_cut_and_still_found() {
    let endless = |start: &str| Child {
        given_name: Some(format!("{start}{}", "a".repeat(10_000))),
        family_name: Some("Testcase ".repeat(1_200)),
        date_of_birth: "2014-03-02".parse().ok(),
        ..Child::default()
    };
    let mut register = Register::new(&Weights::shipped()).unwrap();
    register.insert(ChildId(1), &endless("Zo"));
    let bytes = register.size().rows_bytes;
    assert!(bytes < 4_096, "{bytes}");
    assert_eq!(register.find(&endless("Zo")).candidates[0].id, ChildId(1));
}
