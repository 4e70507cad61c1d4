//! Issues of the directory.

use cme_spec::directory::{Archive, DirectoryError};
use cme_spec::signature::PublicKey;

use super::{document, each_case, json, name, str_of};

#[test]
fn issues_are_added_or_refused_as_published() {
    let file = document("directory.json");
    let root: PublicKey = file["root"].as_str().unwrap().parse().unwrap();
    let issue = |name: &str| json(&file["issues"][name]);
    each_case("directory.json", 10, 30, |case, take| {
        let held: Vec<&str> =
            case["held"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
        let offered = issue(str_of(case, "offered"));
        let outcome = match held.split_first() {
            None => Archive::start(&offered, Some(&root)).map(|_| "added"),
            Some((first, rest)) => {
                let mut archive = Archive::start(&issue(first), Some(&root)).unwrap();
                for name in rest {
                    assert!(archive.add(&issue(name)).unwrap(), "{name} is new");
                }
                archive.add(&offered).map(|added| if added { "added" } else { "unchanged" })
            }
        };
        let expected = if take { Ok(str_of(case, "result")) } else { Err(str_of(case, "reason")) };
        assert_eq!(outcome.as_ref().map_err(reason).copied(), expected, "{}", name(case));
    });
}

fn reason(error: &DirectoryError) -> &'static str {
    match error {
        DirectoryError::Shape(_) => "shape",
        DirectoryError::Format => "format",
        DirectoryError::Empty => "empty",
        DirectoryError::Signature => "signature",
        DirectoryError::Older { .. } => "older",
        DirectoryError::Forked { .. } => "forked",
        DirectoryError::Gap { .. } => "gap",
        DirectoryError::Chain { .. } => "chain",
        DirectoryError::Times => "times",
        DirectoryError::NoRootKey => "no-root-key",
        DirectoryError::AuthorityTwice(_) => "authority-twice",
        DirectoryError::Removed(_) => "removed",
        DirectoryError::Rewritten(_) => "rewritten",
        DirectoryError::KeyName(_) => "key-name",
        DirectoryError::PinShared(_) => "pin-shared",
        DirectoryError::Residuary(_) => "residuary",
        DirectoryError::Unreachable(_) => "unreachable",
        DirectoryError::Policy => "policy",
    }
}
