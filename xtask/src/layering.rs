//! Who may import whom: the edges between the crates, and the few files that may touch a socket, a
//! database, the clock or the random source.
//!
//! The check reads text, not types. It is there to stop a slip, and a review stops the rest.

mod manifest;
mod source;

use crate::tree::{TextFile, Tree};
use crate::{Report, Trouble};

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    line: usize,
    rule: String,
}

/// Checks every crate of the workspace.
pub(crate) fn run(tree: &Tree) -> Result<Report, Trouble> {
    let mut violations = Vec::new();
    for name in manifest::CRATES {
        let path = format!("{}/Cargo.toml", name.folder);
        if let Some(text) = tree.read(&path)? {
            violations.extend(manifest::violations(name, &TextFile { path, text })?);
        }
    }
    let mut sources = Vec::new();
    for folder in ["spec/src", "matching/src", "client/src", "server/src", "conformance/src"] {
        sources.extend(tree.files(folder, ".rs")?);
    }
    violations.extend(sources.iter().flat_map(source::violations));
    let note = format!(
        "layering: {} manifests, {} files, {} violations",
        manifest::CRATES.len(),
        sources.len(),
        violations.len()
    );
    let told = |violation: &Violation| format!("{}:{}: {}", violation.path, violation.line, violation.rule);
    Ok(Report { notes: vec![note], faults: violations.iter().map(told).collect() })
}
