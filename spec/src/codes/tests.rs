use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::authority_register::csv::split_line;

/// The published sets that have an enum here.
const SETS: [(&str, &str); 7] = [
    ("cme-reason", "CmeReason"),
    ("cme-duration", "DurationBand"),
    ("deletion-ground-2024", "DeletionGround"),
    ("sex", "Sex"),
    ("upn-unknown", "UpnUnknownReason"),
    ("nc-year", "NcYear"),
    ("ehe-setting-prior", "LastKnownProvision"),
];

/// Code, label and whether it was verified, by set.
fn published() -> BTreeMap<String, Vec<(String, String, bool)>> {
    let mut sets: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in include_str!("../../data/codesets.csv").lines().skip(1) {
        let fields = split_line(line).unwrap();
        sets.entry(fields[0].to_string()).or_default().push((
            fields[1].to_string(),
            fields[2].to_string(),
            &*fields[4] == "V",
        ));
    }
    sets
}

fn listing(name: &str) -> CodeListing {
    catalogue().into_iter().find(|listing| listing.name == name).unwrap()
}

#[test]
fn every_list_with_a_published_set_equals_it_in_codes_labels_and_order() {
    let published = published();
    for (set, name) in SETS {
        let ours: Vec<_> = listing(name)
            .entries
            .iter()
            .map(|entry| (entry.code.to_owned(), entry.label.to_owned()))
            .collect();
        let theirs: Vec<_> =
            published[set].iter().map(|(code, label, _)| (code.clone(), label.clone())).collect();
        assert_eq!(ours, theirs, "{set}");
    }
}

#[test]
fn a_source_says_unconfirmed_exactly_where_the_published_set_was_not_verified() {
    let published = published();
    for (set, name) in SETS {
        for (entry, (code, _, verified)) in listing(name).entries.iter().zip(&published[set]) {
            assert_eq!(entry.source.contains("unconfirmed"), !verified, "{set} {code}");
        }
    }
}

#[test]
fn counts_twenty_reasons_eight_bands_fifteen_grounds_and_eleven_checks() {
    assert_eq!(CmeReason::ALL.len(), 20);
    assert_eq!(DurationBand::ALL.len(), 8);
    assert_eq!(DeletionGround::ALL.len(), 15);
    assert_eq!(EnquiryCheck::ALL.len(), 11);
}

#[test]
fn no_list_by_which_a_case_ends_has_a_word_for_checks_that_found_nothing() {
    let ends = [
        "OutcomeKind",
        "WithdrawReason",
        "DeclineReason",
        "UpholdReason",
        "LeftEnglandEvidence",
        "NotCmeRule",
    ];
    for name in ends {
        for entry in listing(name).entries {
            for word in
                ["untrace", "no-trace", "not-traced", "not-found", "inconclusive", "unknown", "hearsay"]
            {
                assert!(!entry.code.contains(word), "{name} has {}", entry.code);
            }
        }
    }
    // Elsewhere the words may describe one check, never a case.
    for listing in catalogue().iter().filter(|listing| listing.name != "EnquiryResult") {
        for entry in &listing.entries {
            assert!(!entry.code.contains("untraced") && !entry.code.contains("no-trace"), "{}", listing.name);
        }
    }
}

#[test]
fn no_ground_for_declining_names_the_kind_of_accommodation() {
    for entry in listing("DeclineReason").entries {
        assert!(!entry.code.contains("temporary") && !entry.code.contains("accommodation"));
    }
}

#[test]
fn no_kind_of_residence_discloses_a_refuge() {
    assert!(listing("ResidenceKind").entries.iter().all(|entry| !entry.code.contains("refuge")));
}

#[test]
fn names_are_unique_and_every_code_has_a_label_and_a_public_source() {
    let catalogue = catalogue();
    let names: BTreeSet<_> = catalogue.iter().map(|listing| listing.name).collect();
    assert_eq!(names.len(), catalogue.len());
    for listing in &catalogue {
        let codes: BTreeSet<_> = listing.entries.iter().map(|entry| entry.code).collect();
        assert_eq!(codes.len(), listing.entries.len(), "{}", listing.name);
        for entry in &listing.entries {
            assert!(!entry.label.is_empty() && !entry.source.is_empty(), "{} {}", listing.name, entry.code);
            assert!(!entry.source.contains(".md"), "{} {}", listing.name, entry.code);
        }
    }
}

#[test]
fn codes_of_this_protocol_are_kebab_case() {
    let foreign: BTreeSet<_> = ["DeletionGround", "Sex", "UpnUnknownReason", "NcYear"].into();
    for listing in catalogue().iter().filter(|listing| !foreign.contains(listing.name)) {
        for entry in &listing.entries {
            assert!(
                entry
                    .code
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
        }
    }
}

#[test]
fn every_list_of_the_text_has_these_codes_in_this_order() {
    let text = concat!(
        include_str!("../../text/04-entries.md"),
        include_str!("../../text/15-queries.md"),
        include_str!("../../text/17-notices.md"),
    );
    let mut lists = 0;
    for part in text.split("\n**").skip(1) {
        let Some((name, table)) = part.split_once("**") else { continue };
        if !table.contains("| code | meaning |") {
            continue;
        }
        let table = table.split("\n\n").find(|block| block.starts_with("| code")).unwrap();
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let written: Vec<&str> = rows.map(|(code, _)| code).collect();
        let coded: Vec<&str> = listing(name).entries.iter().map(|entry| entry.code).collect();
        assert_eq!(coded, written, "{name}");
        lists += 1;
    }
    assert_eq!(lists, 28, "lists with a table in the text");
}

fn round_trips<T>()
where
    T: CodeList
        + std::fmt::Debug
        + PartialEq
        + std::str::FromStr<Err = UnknownCode>
        + std::fmt::Display
        + serde::Serialize
        + serde::de::DeserializeOwned
        + utoipa::ToSchema,
{
    for &code in T::ALL {
        assert_eq!(code.to_string().parse::<T>(), Ok(code));
        let json = serde_json::to_value(code).unwrap();
        assert_eq!(json, code.code());
        assert_eq!(serde_json::from_value::<T>(json).unwrap(), code);
    }
    assert_eq!("no such code".parse::<T>(), Err(UnknownCode { list: T::NAME }));
    let schema = serde_json::to_value(T::schema()).unwrap();
    assert_eq!(T::name(), T::NAME);
    assert_eq!(schema["type"], "string");
    assert_eq!(schema["enum"].as_array().unwrap().len(), T::ALL.len());
    let description = schema["description"].as_str().unwrap();
    assert!(T::ALL.iter().all(|code| description.contains(code.label())));
}

#[test]
fn codes_round_trip_and_schemas_list_them() {
    round_trips::<CmeReason>();
    round_trips::<DurationBand>();
    round_trips::<DeletionGround>();
    round_trips::<LegalBasis>();
    round_trips::<OutcomeKind>();
    round_trips::<NcYear>();
}

#[test]
fn errors_name_the_list_and_not_the_text() {
    for value in [serde_json::json!("Secret"), serde_json::json!(424_242), serde_json::json!(true)] {
        let message = serde_json::from_value::<Sex>(value).unwrap_err().to_string();
        assert!(
            !message.contains("Secret") && !message.contains("4242") && !message.contains("true"),
            "{message}"
        );
    }
    assert_eq!("Secret".parse::<Sex>().unwrap_err().to_string(), "not a code of the list Sex");
}
