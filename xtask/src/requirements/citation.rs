//! Citations of requirements: a word such as `Implements:` and the ids after it.

use crate::tree::TextFile;

/// One id that a file cites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Citation {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) id: String,
}

/// Whether the text has the form of an id: three capitals, a hyphen, three digits.
pub(super) fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 7
        && bytes[..3].iter().all(u8::is_ascii_uppercase)
        && bytes[3] == b'-'
        && bytes[4..].iter().all(u8::is_ascii_digit)
}

/// The ids that the file cites after `word`. A list that ends a line with a comma goes on in the next.
pub(super) fn read(file: &TextFile, word: &str) -> Vec<Citation> {
    let mut found = Vec::new();
    let mut open = false;
    for (index, line) in file.text.lines().enumerate() {
        let list = match line.split_once(word) {
            Some((_, list)) => list,
            None if open => line.trim_start_matches(['/', '!', '#', ' ']),
            None => continue,
        };
        let ids = list.split([',', ' ']).filter(|part| !part.is_empty());
        // An id in a comment stands bare, one in a case is a string of an array.
        let bare = |part: &'_ str| -> String {
            part.trim_start_matches(['&', '[', '"']).trim_end_matches(['.', ';', '"', '`', ']']).to_owned()
        };
        let ids = ids.map(bare).take_while(|part| is_id(part));
        let before = found.len();
        found.extend(ids.map(|id| Citation { path: file.path.clone(), line: index + 1, id }));
        open = found.len() > before && list.trim_end().ends_with(',');
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<(usize, String)> {
        let file = TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
        read(&file, "Implements:").into_iter().map(|citation| (citation.line, citation.id)).collect()
    }

    #[test]
    fn reads_one_id_or_a_list_also_over_two_lines() {
        let text =
            "/// Holds. Implements: LED-001\n/// Implements: LED-002, LED-003,\n/// LED-004\nfn a() {}\n";
        let expected = [(1, "LED-001"), (2, "LED-002"), (2, "LED-003"), (3, "LED-004")];
        assert_eq!(check(text), expected.map(|(line, id)| (line, id.to_owned())));
    }

    #[test]
    fn a_sentence_after_the_ids_is_none_of_them() {
        assert_eq!(check("// Implements: LED-001. Then more of ABC-001\n"), [(1, "LED-001".to_owned())]);
        assert!(check("// Implements: nothing\n").is_empty());
        assert!(check("// see LED-001\n").is_empty());
    }

    #[test]
    fn reads_what_a_case_says_that_it_checks() {
        let text = "Case {\n    checks: &[\"LED-001\", \"LED-002\"],\n    run: a,\n}\nchecks: &'static [&'static str],\n";
        let file = TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
        let found = read(&file, "checks:").into_iter().map(|citation| (citation.line, citation.id));
        assert!(found.eq([(2, "LED-001".to_owned()), (2, "LED-002".to_owned())]));
    }

    #[test]
    fn an_id_has_three_capitals_and_three_digits() {
        assert!(is_id("LED-001"));
        for wrong in ["LED-01", "led-001", "LED_001", "LEDG-001", ""] {
            assert!(!is_id(wrong), "{wrong}");
        }
    }
}
