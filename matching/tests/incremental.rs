//! A register that was changed answers as one that was built anew.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cme_matching::{Child, ChildId, Register, Sex, Weights};
use proptest::prelude::*;

/// Few values, so that children share keys, take each other's rows, and come back.
fn any_child() -> impl Strategy<Value = Child> {
    let name = |names: &'static [&'static str]| {
        prop::option::of(prop::sample::select(names).prop_map(str::to_owned))
    };
    let given = name(&["Beth", "Elizabeth", "Mohammed", "Muhammad Ali", "Zoë", "J"]);
    let family = name(&["Smith", "Smith-Jones", "Kowalski", "al-Hassan", "O'Brien", "Beth"]);
    let former =
        prop::collection::vec(prop::sample::select(&["Jones", "Kovalski"][..]).prop_map(str::to_owned), 0..2);
    let known_as =
        prop::collection::vec(prop::sample::select(&["Liz", "Mo Smith"][..]).prop_map(str::to_owned), 0..2);
    let born = prop::option::of(prop::sample::select(
        &["2014-03-02", "2014-02-03", "2014-03", "2014", "2015-03-02"][..],
    ));
    let upn = || name(&["Q801000005001", "G373000065432", "H83000000012T", "nothing"]);
    let nhs = name(&["9990000018", "9990000081"]);
    let postcode = name(&["XX1 2AB", "XX1 2AC"]);
    (
        given,
        family,
        former,
        known_as,
        born,
        upn(),
        prop::collection::vec(upn(), 0..2),
        nhs,
        postcode,
        any::<Option<bool>>(),
    )
        .prop_map(
            |(
                given_name,
                family_name,
                former_family_names,
                also_known_as,
                born,
                upn,
                former_upns,
                nhs_number,
                postcode,
                female,
            )| Child {
                middle_names: given_name.clone().filter(|_| female.is_none()),
                given_name,
                family_name,
                former_family_names,
                also_known_as,
                date_of_birth: born.and_then(|text| text.parse().ok()),
                sex: female.map(|female| if female { Sex::Female } else { Sex::Male }),
                upn,
                former_upns: former_upns.into_iter().flatten().collect(),
                nhs_number,
                postcode,
            },
        )
}

proptest! {
    #[test]
    fn changes_one_by_one_leave_what_a_rebuild_makes(
        changes in prop::collection::vec((0..12_u64, prop::option::weighted(0.7, any_child())), 1..60),
        queries in prop::collection::vec(any_child(), 1..8),
    ) {
        let weights = Weights::shipped();
        let mut changed = Register::new(&weights).unwrap();
        let mut truth = BTreeMap::new();
        for (id, child) in changes {
            if let Some(child) = child {
                changed.insert(ChildId(id), &child);
                truth.insert(id, child);
            } else {
                prop_assert_eq!(changed.remove(ChildId(id)), truth.remove(&id).is_some());
            }
        }
        let children = truth.iter().map(|(&id, child)| (ChildId(id), Cow::Borrowed(child)));
        let rebuilt = Register::build(&weights, children).unwrap();
        prop_assert_eq!(changed.len(), truth.len());
        prop_assert_eq!(changed.size().index_entries, rebuilt.size().index_entries);
        for query in queries.iter().chain(truth.values()) {
            prop_assert_eq!(changed.find(query), rebuilt.find(query));
        }
    }
}

#[test]
fn of_two_children_under_one_id_the_later_stands() {
    let child = |family: &str| Child {
        family_name: Some(family.to_owned()),
        date_of_birth: "2014-03-02".parse().ok(),
        ..Child::default()
    };
    let children = [child("Before"), child("After")];
    let both = children.iter().map(|child| (ChildId(1), Cow::Borrowed(child)));
    let register = Register::build(&Weights::shipped(), both).unwrap();
    assert_eq!(register.len(), 1);
    assert_eq!(register.find(&child("After")).candidates.len(), 1);
    assert_eq!(register.ids().collect::<Vec<_>>(), [ChildId(1)]);
}
