//! Whole exports at every stage, and exports that don't verify.

mod bad;
mod good;

use cme_spec::canonical::Json;
use cme_spec::directory::Directory;
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, instant};
use cme_spec::ledger::verify::{LedgerFile, Proof, verify};
use serde_json::{Value, json};

use super::{FOLDER, accept, reject, text_file, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`file` is an export, `directory` the issue to judge its keys by; both are beside this file. An accepted export verifies with this verdict: \
`disputed` and `erased` are places of entries, `forks` the places at which branches part. A refused one has a fault that names this `sequence`, or none (null) when the fault is not in an entry. \
`kind` says which check finds it.";

/// A directory file of this folder: its name and what it holds.
struct Issue {
    name: &'static str,
    content: Directory,
}

/// An export with its name, and the directory it is judged by.
struct Case {
    name: &'static str,
    file: &'static str,
    directory: &'static str,
    text: String,
}

/// A [`Case`] that doesn't verify.
struct BadCase {
    case: Case,
    kind: &'static str,
    sequence: Option<u64>,
}

/// The exports, the directories they need, and the list of them all.
pub(super) fn files() -> Vec<TextFile> {
    let issues = issues();
    let mut files: Vec<TextFile> = issues.iter().map(directory_file).collect();
    let mut cases = Vec::new();
    let mut add = |case: &Case| {
        let path = format!("{FOLDER}/ledgers/{}", case.file);
        if !files.iter().any(|file| file.path == path) {
            files.push(TextFile { path, text: case.text.clone() });
        }
    };
    for case in good::cases() {
        add(&case);
        cases.push(accepted(&case, &issues));
    }
    for bad in bad::cases() {
        add(&bad.case);
        cases.push(refused(&bad, &issues));
    }
    files.push(vectors("ledgers/index.json", ABOUT, Value::Null, cases));
    files
}

fn issues() -> Vec<Issue> {
    let first = example::directory();
    let previous = example::signed_directory().digest();
    // The next issue says of one key that it ended.
    let ended = |authority: &str, retired: Option<&str>, revoked: Option<&str>| {
        let mut issue = first.clone();
        issue.issue = 2;
        issue.previous = Some(previous);
        issue.issued_at = instant("2026-11-25T09:00:00Z");
        for held in issue.authorities.iter_mut().filter(|held| held.code == example::code(authority)) {
            held.keys[0].retired_at = retired.map(instant);
            held.keys[0].revoked_at = revoked.map(instant);
        }
        issue
    };
    let mut stranger = first.clone();
    let key = example::signing_key("a stranger");
    for held in stranger.authorities.iter_mut().filter(|held| held.code == example::code("330")) {
        (held.keys[0].kid, held.keys[0].public_key) = (key.id(), key.public());
    }
    let issue = |name, content| Issue { name, content };
    vec![
        issue("directory.json", first.clone()),
        issue("directory-330-revoked-early.json", ended("330", None, Some("2026-11-24T10:30:00Z"))),
        issue("directory-330-revoked-late.json", ended("330", None, Some("2026-11-24T15:00:00Z"))),
        issue("directory-373-retired.json", ended("373", Some("2026-11-24T09:30:00Z"), None)),
        issue("directory-stranger.json", stranger),
    ]
}

fn directory_file(issue: &Issue) -> TextFile {
    let signed = Envelope::sign(issue.content.clone(), &example::root_key());
    text_file(&format!("ledgers/{}", issue.name), signed.to_json().value())
}

fn verdict(case: &Case, issues: &[Issue]) -> Result<Proof, Vec<Option<u64>>> {
    let issue = issues.iter().find(|issue| issue.name == case.directory).expect("a directory of that name");
    match LedgerFile::read(case.text.as_bytes()) {
        Ok(file) => verify(&file, &issue.content)
            .map_err(|findings| findings.iter().map(|finding| finding.sequence).collect()),
        Err(_) => Err(vec![None]),
    }
}

fn accepted(case: &Case, issues: &[Issue]) -> Value {
    let proof = verdict(case, issues).unwrap_or_else(|places| panic!("{}: {places:?}", case.file));
    let forks: Vec<u64> = proof.forks.iter().map(|fork| fork.sequence).collect();
    let disputed: Vec<u64> = proof.disputed.iter().map(|disputed| disputed.sequence).collect();
    accept(
        case.name,
        json!({
            "file": case.file,
            "directory": case.directory,
            "transfer": proof.transfer,
            "originating": proof.originating,
            "receiving": proof.receiving,
            "stage": proof.stage,
            "responsible": proof.responsible,
            "passedAt": proof.passed.map(|passed| passed.at),
            "knownToOriginatingAt": proof.passed.and_then(|passed| passed.received_by_originating),
            "entries": proof.entries,
            "headDigest": proof.as_of.header_digest,
            "disputed": disputed,
            "erased": proof.erased,
            "forks": forks,
        }),
    )
}

fn refused(bad: &BadCase, issues: &[Issue]) -> Value {
    let case = &bad.case;
    let places = verdict(case, issues).expect_err(case.file);
    assert!(places.contains(&bad.sequence), "{}: {places:?}", case.file);
    reject(
        case.name,
        json!({
            "file": case.file,
            "directory": case.directory,
            "kind": bad.kind,
            "sequence": bad.sequence,
        }),
    )
}

/// The wire form of an export as JSON, to look into.
fn members(text: &str) -> Json {
    Json::decode(text.as_bytes(), &cme_spec::canonical::Limits::COLLECTION).expect("an export is JSON")
}
