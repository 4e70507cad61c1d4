//! Generated files that are committed: written, or held against what is committed.

use crate::tree::{TextFile, Tree};
use crate::{Report, Trouble};

const OPENAPI: &str = "spec/v1/openapi.json";

/// Writes or checks the `OpenAPI` document.
pub(crate) fn openapi(tree: &Tree, check: bool) -> Result<Report, Trouble> {
    let file = TextFile { path: OPENAPI.to_owned(), text: cme_spec::openapi::document_text() };
    publish(tree, &[file], &[], "openapi", check)
}

/// Leaves `files` on disk and removes those of `present` that are not among them; or, when only checking,
/// says where the disk differs.
pub(crate) fn publish(
    tree: &Tree,
    files: &[TextFile],
    present: &[TextFile],
    command: &str,
    check: bool,
) -> Result<Report, Trouble> {
    let mut report = Report::default();
    for file in files {
        let held = tree.read(&file.path)?;
        if held.as_deref() == Some(file.text.as_str()) {
            continue;
        }
        if check {
            report.faults.push(difference(file, held.as_deref(), command));
        } else {
            tree.write(&file.path, &file.text)?;
            report.notes.push(format!("{} written", file.path));
        }
    }
    for stray in present.iter().filter(|held| files.iter().all(|file| file.path != held.path)) {
        if check {
            let path = &stray.path;
            report.faults.push(format!("{path}: nothing makes this file; run `cargo xtask {command}`"));
        } else {
            tree.remove(&stray.path)?;
            report.notes.push(format!("{} removed", stray.path));
        }
    }
    report.notes.push(format!("{command}: {} files, {} differences", files.len(), report.faults.len()));
    Ok(report)
}

/// Names the first line that differs.
fn difference(file: &TextFile, held: Option<&str>, command: &str) -> String {
    let path = &file.path;
    let Some(held) = held else { return format!("{path}: missing; run `cargo xtask {command}`") };
    let same = held.lines().zip(file.text.lines()).take_while(|(held, made)| held == made).count();
    format!("{path}:{}: differs from what the code makes; run `cargo xtask {command}`", same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> TextFile {
        TextFile { path: "a.json".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn names_the_first_line_that_differs() {
        let told = difference(&file("one\ntwo\n"), Some("one\n2\n"), "openapi");
        assert_eq!(told, "a.json:2: differs from what the code makes; run `cargo xtask openapi`");
        assert!(difference(&file("one\n"), None, "openapi").contains("missing"));
    }
}
