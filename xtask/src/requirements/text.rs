//! The clauses of the text: list items that begin with a bold id and use one key word.

use super::citation::is_id;
use crate::tree::TextFile;

/// Key words of BCP 14, the longer before the shorter that begins it.
const KEY_WORDS: [&str; 5] = ["MUST NOT", "MUST", "SHOULD NOT", "SHOULD", "MAY"];

/// A requirement as it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) id: String,
    pub(super) level: String,
}

impl Clause {
    /// The section's name: the file's, without its ending.
    pub(super) fn section(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.strip_suffix(".md").unwrap_or(name)
    }
}

/// The clauses of one file, and what is wrong with its use of key words.
pub(super) fn read(file: &TextFile) -> (Vec<Clause>, Vec<String>) {
    let (mut clauses, mut faults) = (Vec::new(), Vec::new());
    for (line, paragraph) in paragraphs(&file.text) {
        let words = key_words(&paragraph);
        match (id_of(&paragraph), words.as_slice()) {
            (Some(id), [level]) => clauses.push(Clause {
                path: file.path.clone(),
                line,
                id: id.to_owned(),
                level: (*level).to_owned(),
            }),
            (Some(id), words) => faults.push(format!(
                "{}:{line}: {id} uses {} key words, one is needed",
                file.path,
                words.len()
            )),
            (None, []) => {}
            (None, [word, ..]) => {
                faults.push(format!("{}:{line}: {word} in a sentence without an id", file.path));
            }
        }
    }
    (clauses, faults)
}

/// Lines, each joined with the indented lines that continue a list item.
fn paragraphs(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let continues = line.starts_with("  ") && !line.trim_start().starts_with("- ");
        match found.last_mut() {
            Some((_, item)) if continues && item.starts_with("- ") => {
                item.push(' ');
                item.push_str(line.trim());
            }
            _ => found.push((index + 1, line.to_owned())),
        }
    }
    found
}

fn id_of(paragraph: &str) -> Option<&str> {
    let (id, _) = paragraph.strip_prefix("- **")?.split_once("**")?;
    Some(id).filter(|id| is_id(id))
}

/// The key words used, in order; one in quotation marks or code is spoken of, not used.
fn key_words(paragraph: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut rest = paragraph;
    let mut before = None;
    while let Some(next) = rest.chars().next() {
        let starts = !before.is_some_and(|c: char| c.is_alphanumeric() || matches!(c, '"' | '`' | '-'));
        let word = KEY_WORDS.iter().find(|word| {
            let after = rest.strip_prefix(**word);
            starts && after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric()))
        });
        let taken = word.map_or(next.len_utf8(), |word| word.len());
        found.extend(word);
        before = rest[..taken].chars().next_back();
        rest = &rest[taken..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let (clauses, faults) =
            read(&TextFile { path: "spec/text/05-ledger.md".to_owned(), text: text.to_owned() });
        (clauses.into_iter().map(|clause| (clause.id, clause.level)).collect(), faults)
    }

    #[test]
    fn reads_an_id_with_its_key_word() {
        let (clauses, faults) = check(
            "# 5\n\n- **LED-001** A server MUST NOT forget\n  what it said.\n- **LED-002** A server SHOULD smile.\n",
        );
        assert!(faults.is_empty());
        let expected = [("LED-001", "MUST NOT"), ("LED-002", "SHOULD")];
        assert_eq!(clauses, expected.map(|(id, level)| (id.to_owned(), level.to_owned())));
    }

    #[test]
    fn finds_a_key_word_without_an_id() {
        assert_eq!(
            check("A server MUST smile.\n").1,
            ["spec/text/05-ledger.md:1: MUST in a sentence without an id"]
        );
        assert_eq!(check("| a | it MUST be so |\n").1.len(), 1);
        assert_eq!(check("- A server MUST smile.\n").1.len(), 1);
    }

    #[test]
    fn finds_an_id_with_no_key_word_or_with_two() {
        assert!(check("- **LED-001** A server smiles.\n").1[0].contains("uses 0 key words"));
        assert!(check("- **LED-001** It MUST smile. It MUST wave.\n").1[0].contains("uses 2 key words"));
    }

    #[test]
    fn a_key_word_that_is_spoken_of_is_not_used() {
        assert!(
            check("The words \"MUST\", \"MUST NOT\" and `MAY` are as in BCP 14; MUSTARD is none.\n")
                .1
                .is_empty()
        );
    }
}
