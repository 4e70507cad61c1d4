//! What a register answers, case by case.

use cme_matching::{Child, ChildId, Decision, Field, Level, Reason, Register, Sex, Weights};

fn child(given: &str, family: &str, born: &str) -> Child {
    Child {
        given_name: Some(given.to_owned()).filter(|name| !name.is_empty()),
        family_name: Some(family.to_owned()),
        date_of_birth: born.parse().ok(),
        ..Child::default()
    }
}

fn with_upn(child: Child, upn: &str) -> Child {
    Child { upn: Some(upn.to_owned()), ..child }
}

const UPN: &str = "Q801000005001";
const OTHER_UPN: &str = "G373000065432";
const NHS_NUMBER: &str = "9990000018";

const SYLLABLES: [&str; 14] =
    ["ba", "co", "di", "fu", "ga", "lo", "mi", "nu", "pa", "ro", "si", "tu", "va", "zo"];

/// The child asked about, numbered 0, among two hundred others.
fn register(children: &[Child]) -> Register {
    let mut register = Register::new(&Weights::shipped()).expect("the shipped weights are complete");
    for (place, child) in (0_u64..).zip(children) {
        register.insert(ChildId(place), child);
    }
    for (id, place) in (1_000..).zip(0..200) {
        let syllables = [place / 14 % 14, place % 14, place * 5 % 14];
        let letters: String = syllables.iter().filter_map(|&at| SYLLABLES.get(at)).copied().collect();
        let born = format!("20{:02}-{:02}-{:02}", 8 + place % 14, 1 + place % 12, 1 + place % 28);
        register.insert(ChildId(id), &child(&format!("Q{letters}"), &format!("X{letters}r"), &born));
    }
    register
}

fn decision(held: &[Child], asked: &Child) -> (Decision, Reason) {
    let answer = register(held).find(asked);
    if answer.decision == Decision::Match {
        assert_eq!(answer.candidates[0].id, ChildId(0), "{:?}", answer.candidates[0]);
    }
    (answer.decision, answer.reason)
}

#[test]
fn finds_a_child_in_spite_of_how_it_is_written() {
    let held = Child {
        former_family_names: vec!["Wilkinson".to_owned()],
        former_upns: vec![OTHER_UPN.to_owned()],
        postcode: Some("XX1 2AB".to_owned()),
        sex: Some(Sex::Female),
        nhs_number: Some("9990000018".to_owned()),
        middle_names: Some("Zofia".to_owned()),
        ..with_upn(child("Elizabeth", "Kowalska-O'Brien", "2014-03-02"), UPN)
    };
    for (what, asked) in [
        ("as it is", child("Elizabeth", "Kowalska-O'Brien", "2014-03-02")),
        ("capitals, no signs", child("ELIZABETH", "KOWALSKA OBRIEN", "2014-03-02")),
        (
            "nickname and middle name",
            Child {
                middle_names: Some("Zofia".to_owned()),
                ..child("Beth", "Kowalska-O'Brien", "2014-03-02")
            },
        ),
        ("slip", child("Elizabteh", "Kowalska-O'Brien", "2014-03-02")),
        ("half of a double name", child("Elizabeth", "Kowalska", "2014-03-02")),
        ("spelling", child("Elizabeth", "Kovalska", "2014-03-02")),
        ("former name", child("Elizabeth", "Wilkinson", "2014-03-02")),
        (
            "middle name and number",
            Child {
                nhs_number: Some("9990000018".to_owned()),
                ..child("Zofia", "Kowalska-O'Brien", "2014-03-02")
            },
        ),
        ("names swapped", child("Kowalska-O'Brien", "Elizabeth", "2014-03-02")),
        ("day and month swapped", child("Elizabeth", "Kowalska-O'Brien", "2014-02-03")),
        ("month only", child("Elizabeth", "Kowalska-O'Brien", "2014-03")),
        ("other day", child("Elizabeth", "Kowalska-O'Brien", "2014-03-12")),
        ("former number", with_upn(child("Elizabeth", "Kowalska", ""), OTHER_UPN)),
        (
            "transposed NHS number",
            Child { nhs_number: Some("9990000081".to_owned()), ..child("Elizabeth", "Kowalska", "") },
        ),
    ] {
        assert_eq!(
            decision(std::slice::from_ref(&held), &asked),
            (Decision::Match, Reason::Weight),
            "{what}"
        );
    }
}

#[test]
fn names_whoever_agrees_in_the_date_or_in_a_name_and_an_initial_and_in_nothing_else() {
    let at_home = |child: Child| Child { postcode: Some("XX1 2AB".to_owned()), ..child };
    // Somebody of the same house comes first, and is not taken for all there is.
    let held = [child("Elizabeth", "Kowalska", "2014-03-02"), at_home(child("Yusuf", "Noone", "2009-12-30"))];
    for asked in [
        child("Vanja", "Schmitt", "2014-03-02"),
        child("Vanja", "Schmitt", "2014-02-03"),
        child("Agatha", "Kowalska", ""),
    ] {
        let candidates = register(&held).find(&at_home(asked)).candidates;
        let named: Vec<ChildId> = candidates.iter().map(|candidate| candidate.id).collect();
        assert!(named.contains(&ChildId(0)) && named.contains(&ChildId(1)), "{named:?}");
    }
}

#[test]
fn a_full_name_that_many_bear_says_less_than_its_parts() {
    let full_name = |bearers: usize| {
        let asked = child("Zebedee", "Testcase", "2014-03-02");
        let held: Vec<Child> = (0..bearers).map(|_| asked.clone()).collect();
        let fields = &register(&held).find(&asked).candidates[0].fields;
        fields.iter().find(|held| held.field == Field::FullName).map(|held| (held.level, held.bits))
    };
    assert_eq!(full_name(1), Some((Level::Missing, 0.0)));
    let (level, bits) = full_name(30).unwrap();
    assert!(level == Level::Common && bits < -2.0, "{bits}");
}

#[test]
fn a_nickname_or_a_second_name_alone_may_be_a_twins() {
    let held = [Child {
        middle_names: Some("Zofia".to_owned()),
        ..child("Elizabeth", "Kowalska-O'Brien", "2014-03-02")
    }];
    for given in ["Beth", "Zofia"] {
        let asked = child(given, "Kowalska-O'Brien", "2014-03-02");
        assert_eq!(decision(&held, &asked), (Decision::Possible, Reason::GivenNameUndecided), "{given}");
    }
}

#[test]
fn knows_nothing_of_a_stranger_and_nothing_of_nobody() {
    let held = [child("Elizabeth", "Kowalska", "2014-03-02")];
    assert_eq!(decision(&held, &child("Amina", "Testcase", "2011-09-09")).0, Decision::NoMatch);
    assert_eq!(decision(&held, &Child::default()).0, Decision::NoMatch);
    let empty = Register::new(&Weights::shipped()).unwrap();
    assert_eq!(empty.find(&held[0]).decision, Decision::NoMatch);
}

#[test]
fn an_identifier_that_disagrees_lowers_a_match_to_possible() {
    let held = [with_upn(child("Elizabeth", "Kowalska", "2014-03-02"), UPN)];
    let asked = with_upn(child("Elizabeth", "Kowalska", "2014-03-02"), OTHER_UPN);
    assert_eq!(decision(&held, &asked), (Decision::Possible, Reason::IdentifierDisagrees));
    let temporary = with_upn(child("Elizabeth", "Kowalska", "2014-03-02"), "H83000000012T");
    assert_eq!(decision(&held, &temporary).0, Decision::Match, "a temporary number says nothing");
}

#[test]
fn an_identifier_of_another_person_is_possible_and_never_passed_over() {
    let held = [with_upn(child("Elizabeth", "Kowalska", "2014-03-02"), UPN)];
    let asked = with_upn(child("Amina", "Testcase", "2011-09-09"), UPN);
    assert_eq!(decision(&held, &asked), (Decision::Possible, Reason::PersonDisagrees));
}

#[test]
fn an_identifier_that_another_child_has_here_lowers_a_match_to_possible() {
    let held = [
        child("Elizabeth", "Kowalska", "2014-03-02"),
        with_upn(child("Amina", "Testcase", "2011-09-09"), UPN),
    ];
    let asked = with_upn(child("Elizabeth", "Kowalska", "2014-03-02"), UPN);
    let answer = register(&held).find(&asked);
    assert_eq!((answer.decision, answer.reason), (Decision::Possible, Reason::IdentifierDisagrees));
    let named: Vec<ChildId> = answer.candidates.iter().map(|candidate| candidate.id).collect();
    assert!(named.contains(&ChildId(0)) && named.contains(&ChildId(1)), "whoever looks sees both: {named:?}");
}

#[test]
fn whoever_has_the_identifier_is_named_however_many_bear_the_name() {
    let mut held = vec![with_upn(child("Amina", "Testcase", "2011-09-09"), UPN)];
    held.extend((0..40).map(|_| child("Elizabeth", "Kowalska", "2014-03-02")));
    let answer = register(&held).find(&with_upn(child("Elizabeth", "Kowalska", "2014-03-02"), UPN));
    assert_eq!(answer.decision, Decision::Possible);
    assert_eq!(answer.candidates.len(), cme_matching::CANDIDATES_MAX);
    assert!(answer.candidates.iter().any(|candidate| candidate.id == ChildId(0)));
}

#[test]
fn each_of_two_who_bear_an_identifier_that_was_asked_for_is_named() {
    let amina = Child { nhs_number: Some(NHS_NUMBER.to_owned()), ..child("Amina", "Testcase", "2011-09-09") };
    let mut held =
        vec![with_upn(child("Elizabeth", "Kowalska", "2014-03-02"), UPN), with_upn(amina, OTHER_UPN)];
    // Namesakes with another date weigh more than somebody of whom the number alone agrees.
    held.extend((1..=28).map(|day| child("Elizabeth", "Kowalska", &format!("2009-08-{day:02}"))));
    let asked = Child {
        nhs_number: Some(NHS_NUMBER.to_owned()),
        ..with_upn(child("Elizabeth", "Kowalska", "2014-03-02"), UPN)
    };
    let answer = register(&held).find(&asked);
    let ids: Vec<ChildId> = answer.candidates.iter().map(|candidate| candidate.id).collect();
    assert_eq!((ids[0], ids.contains(&ChildId(1))), (ChildId(0), true), "{ids:?}");
    assert_eq!((answer.decision, answer.reason), (Decision::Possible, Reason::IdentifierDisagrees));
}

#[test]
fn a_twins_number_beside_the_own_name_is_possible_and_so_is_a_number_that_twins_share() {
    let asked = |given: &str| with_upn(child(given, "Kowalska", "2014-03-02"), UPN);
    let twins = |other_upn: &str| {
        [
            with_upn(child("Emma", "Kowalska", "2014-03-02"), UPN),
            with_upn(child("Zofia", "Kowalska", "2014-03-02"), other_upn),
        ]
    };
    assert_eq!(decision(&twins(OTHER_UPN), &asked("Zofia")), (Decision::Possible, Reason::PersonDisagrees));
    assert_eq!(decision(&twins(UPN), &asked("Emma")), (Decision::Possible, Reason::IdentifierDisagrees));
}

#[test]
fn twins_are_told_apart_by_their_own_name_or_number_alone() {
    let twin = |given: &str, upn: &str| Child {
        postcode: Some("XX1 2AB".to_owned()),
        ..with_upn(child(given, "Kowalska", "2014-03-02"), upn)
    };
    let asked = |given: &str| Child { upn: None, ..twin(given, UPN) };
    let both = [twin("Hayden", UPN), twin("Jayden", OTHER_UPN)];
    assert_eq!(decision(&both, &asked("Hayden")).0, Decision::Match);
    assert_eq!(decision(&both, &asked("")), (Decision::Possible, Reason::GivenNameUndecided));
    assert_eq!(decision(&both, &asked("Zofia")), (Decision::Possible, Reason::GivenNameUndecided));
    assert_eq!(decision(&both, &Child { given_name: None, ..twin("", UPN) }).0, Decision::Match);
    // Only the other twin is here: a name that is one letter away and borne by others is another name.
    let mut one = vec![twin("Jayden", OTHER_UPN)];
    for place in 0..9_u32 {
        let given = if place % 2 == 0 { "Hayden" } else { "Jayden" };
        one.push(child(given, &format!("Testcase{}", "a".repeat(4 + place as usize)), "2010-01-20"));
    }
    assert_eq!(decision(&one, &asked("Hayden")).0, Decision::Possible);
}

#[test]
fn two_children_who_fit_alike_are_both_possible() {
    let held = [child("Elizabeth", "Kowalska", "2014-03-02"), child("Elizabeth", "Kowalska", "2014-03-02")];
    let asked = child("Elizabeth", "Kowalska", "2014-03-02");
    assert_eq!(decision(&held, &asked), (Decision::Possible, Reason::AnotherAsLikely));
    // With one number they are one child, written down twice.
    let twice = held.map(|child| with_upn(child, UPN));
    assert_eq!(decision(&twice, &asked).0, Decision::Match);
}

#[test]
fn an_answer_says_how_far_each_field_agrees_and_its_weights_add_up() {
    let held = Child { sex: Some(Sex::Male), ..child("William", "Testcase", "2014-03-02") };
    let answer =
        register(&[held]).find(&Child { sex: Some(Sex::Female), ..child("Bill", "Testcase", "2014-02-03") });
    let first = &answer.candidates[0];
    let level = |field| first.fields.iter().find(|held| held.field == field).map(|held| held.level);
    assert_eq!(first.id, ChildId(0));
    assert_eq!(level(Field::GivenName), Some(Level::Nickname));
    assert_eq!(level(Field::FamilyName), Some(Level::Exact));
    assert_eq!(level(Field::DateOfBirth), Some(Level::Swapped));
    assert_eq!(level(Field::Sex), Some(Level::Different));
    assert_eq!(level(Field::Upn), Some(Level::Missing));
    assert_eq!(first.fields.len(), Field::ALL.len());
    let sum: f32 = first.fields.iter().map(|held| held.bits).sum();
    assert!((sum - first.weight).abs() < 1e-3, "{sum} and {}", first.weight);
    let text = serde_json::to_string(&answer).unwrap().to_lowercase();
    assert!(!text.contains("testcase") && !text.contains("2014"), "an answer names no value: {text}");
}

#[test]
fn a_rare_name_weighs_more_than_a_common_one() {
    let mut held = vec![child("Zebedee", "Rarename", "2014-03-02")];
    held.extend((0..400).map(|_| child("Thomas", "Commonname", "2009-11-11")));
    let register = register(&held);
    let weight = |given: &str, family: &str, born: &str| {
        let answer = register.find(&child(given, family, born));
        let fields = &answer.candidates[0].fields;
        fields.iter().find(|held| held.field == Field::FamilyName).map_or(0.0, |held| held.bits)
    };
    assert!(weight("Zebedee", "Rarename", "2014-03-02") > weight("Thomas", "Commonname", "2009-11-11") + 3.0);
}

#[test]
fn a_middle_name_that_many_bear_says_less() {
    let with_middle = |family: &str, middle: &str| Child {
        middle_names: Some(middle.to_owned()),
        ..child("Zebedee", family, "2014-03-02")
    };
    let mut held = vec![with_middle("Rarename", "Xanthe"), with_middle("Otherrare", "Rose")];
    held.extend((0..400).map(|_| Child {
        middle_names: Some("Rose".to_owned()),
        ..child("Thomas", "Commonname", "2009-11-11")
    }));
    let register = register(&held);
    let bits = |asked: &Child| {
        let fields = &register.find(asked).candidates[0].fields;
        fields.iter().find(|held| held.field == Field::MiddleNames).map_or(0.0, |held| held.bits)
    };
    assert!(bits(&with_middle("Rarename", "Xanthe")) > bits(&with_middle("Otherrare", "Rose")) + 3.0);
}

#[test]
fn a_spelling_of_its_own_is_the_same_name_and_an_established_one_may_be_a_twins() {
    let others = |given: &str| (0..6).map(|place| child(given, &format!("X{place}"), "2010-01-20")).collect();
    let mut held = vec![child("Hailey", "Kowalska", "2014-03-02")];
    held.extend::<Vec<Child>>(others("Hailey"));
    assert_eq!(
        decision(&held, &child("Hailie", "Kowalska", "2014-03-02")),
        (Decision::Match, Reason::Weight)
    );
    held.extend::<Vec<Child>>(others("Holly"));
    let asked = child("Holly", "Kowalska", "2014-03-02");
    assert_eq!(decision(&held, &asked), (Decision::Possible, Reason::GivenNameUndecided));
}

#[test]
fn a_value_is_as_rare_as_it_is_among_those_who_have_one() {
    let asked = |number: u64, postcode: bool| Child {
        postcode: postcode.then(|| format!("XX{} {}AB", 1 + number / 10 % 10, number % 10)),
        ..child(
            &format!("Q{}", SYLLABLES[usize::try_from(number % 14).expect("small")]),
            &format!("X{number}"),
            "2014-03-02",
        )
    };
    let bits = |without: u64| {
        let mut register = Register::new(&Weights::shipped()).expect("the shipped weights are complete");
        for number in 0..1_000 + without {
            register.insert(ChildId(number), &asked(number, number < 1_000));
        }
        let answer = register.find(&asked(0, true));
        assert_eq!(answer.candidates[0].id, ChildId(0));
        let fields = &answer.candidates[0].fields;
        fields.iter().find(|weighed| weighed.field == Field::Postcode).expect("it agrees").bits
    };
    // Children without a postcode say nothing about how many share one.
    assert!((bits(0) - bits(9_000)).abs() < 0.05, "{} and {}", bits(0), bits(9_000));
}
