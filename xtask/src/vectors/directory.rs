//! Issues of the directory, alone and after one another.

mod issues;

use cme_spec::canonical::Json;
use cme_spec::directory::{Archive, DirectoryError};
use cme_spec::example;
use serde_json::{Map, Value, json};

use self::issues::Issues;
use super::{accept, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`issues` holds signed directories by name. A case starts an archive with the first of `held`, signed by the root key `root`, adds the rest of `held`, and is then given `offered`: \
it is added, or already there (unchanged), or refused for this `reason`. Where `held` is empty, `offered` is the issue to start with.";

/// Name, held, offered.
type Asked = (&'static str, &'static [&'static str], &'static str);

const CASES: &[Asked] = &[
    ("the first issue under the root key", &[], "first"),
    ("a later issue as the first one held", &[], "second"),
    ("an authority that is to be rung or written to", &[], "contact-only"),
    ("two successors, one of them residuary", &[], "successors"),
    ("the next issue", &["first"], "second"),
    ("the next issue, with a key retired and a new one", &["first"], "second-keys"),
    ("the next issue, with a key revoked", &["first"], "second-revoked"),
    ("the next issue, with a new root key", &["first"], "second-new-root"),
    ("an issue signed by the new root key", &["first", "second-new-root"], "third-by-new-root"),
    ("a revocation moved to an earlier time", &["first", "second-revoked"], "third-revoked-earlier"),
    ("the same issue again", &["first", "second"], "second"),
    ("an older issue that is held", &["first", "second"], "first"),
    ("an older issue", &["second"], "first"),
    ("another issue of the same number", &["first", "second"], "second-new-root"),
    ("an issue after a missing one", &["first"], "third-by-new-root"),
    ("an issue that names another before it", &["first"], "second-broken-chain"),
    ("an authority removed", &["first"], "second-authority-removed"),
    ("a key removed", &["first"], "second-key-removed"),
    ("a revocation taken back", &["first", "second-revoked"], "third-unrevoked"),
    ("a revocation moved to a later time", &["first", "second-revoked"], "third-revoked-later"),
    ("the start of a key moved", &["first"], "second-key-moved"),
    ("issued before the issue before it", &["first"], "second-too-early"),
    ("signed by a key that is no root key", &["first"], "second-by-stranger"),
    ("signed by the root key that was replaced", &["first", "second-new-root"], "third-by-old-root"),
    ("first issue signed by another key than the root", &[], "first-by-stranger"),
    ("altered after it was signed", &[], "first-altered"),
    ("a client pin of two authorities", &[], "pin-shared"),
    ("two residuary successors", &[], "two-residuaries"),
    ("no residuary successor", &[], "no-residuary"),
    ("a successor that is not in the directory", &[], "successor-unknown"),
    ("an authority that follows itself", &[], "successor-itself"),
    ("an authority twice", &[], "authority-twice"),
    ("a key not named by its thumbprint", &[], "kid-wrong"),
    ("a key of two authorities", &[], "key-shared"),
    ("no root key", &[], "no-root-key"),
    ("expired when it was issued", &[], "times"),
    ("a base URL without TLS", &[], "plain-http"),
    ("a base URL with a slash at its end", &[], "trailing-slash"),
    ("connected without a key", &[], "no-keys"),
    ("another format", &[], "format"),
    ("a clock of no days", &[], "policy"),
    ("a first issue with a previous", &[], "first-with-previous"),
    ("a second issue without a previous", &[], "second-without-previous"),
    ("no policy", &[], "no-policy"),
];

pub(super) fn file() -> TextFile {
    let issues = Issues::all();
    let cases = CASES.iter().map(|asked| case(&issues, asked)).collect();
    let named: Map<String, Value> =
        issues.names().map(|name| (name.to_owned(), issues.signed(name).value().clone())).collect();
    vectors("directory.json", ABOUT, json!({ "root": example::root_key().public(), "issues": named }), cases)
}

fn case(issues: &Issues, (name, held, offered): &Asked) -> Value {
    let root = example::root_key().public();
    let offer: &Json = issues.signed(offered);
    let outcome = match held.split_first() {
        None => Archive::start(offer, Some(&root)).map(|_| true),
        Some((first, rest)) => {
            let mut archive = Archive::start(issues.signed(first), Some(&root)).expect(name);
            for issue in rest {
                archive.add(issues.signed(issue)).expect(name);
            }
            archive.add(offer)
        }
    };
    let members = |result: &str, value: &str| json!({ "source": "sections 8.1 to 8.3", "held": held, "offered": offered, result: value });
    match outcome {
        Ok(added) => accept(name, members("result", if added { "added" } else { "unchanged" })),
        Err(error) => reject(name, members("reason", reason(&error))),
    }
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
