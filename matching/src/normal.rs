//! Names in one form: small Latin letters, in tokens.
//!
//! Case, diacritics and other scripts are folded to ASCII letters. An apostrophe joins ("O'Brien" is
//! `obrien`), any other sign that is no letter divides ("Smith-Jones" is `smith jones`). A prefix that is
//! written now apart and now together is joined to what follows ("Mac Donald", "De Souza"), an Arabic article
//! is left out ("El Sayed" is `sayed`), and the usual abbreviations of Mohammed are written out.

/// Tokens that are kept of one name.
pub(crate) const TOKENS_MAX: usize = 6;

/// Letters that are kept of one token.
pub(crate) const TOKEN_LETTERS_MAX: usize = 24;

/// Characters that are looked at in one name.
const CHARACTERS_MAX: usize = 200;

const APOSTROPHES: [char; 9] = ['\'', '’', '‘', '`', '´', 'ʻ', 'ʼ', 'ʿ', 'ʾ'];

/// Written apart or together with what follows.
const PREFIXES: [&str; 17] = [
    "mc", "mac", "o", "de", "da", "di", "du", "del", "la", "le", "van", "von", "den", "der", "st", "bin",
    "ibn",
];

/// Arabic articles, with the forms they take before sun letters.
const ARTICLES: [&str; 9] = ["al", "el", "ul", "ur", "ud", "us", "ad", "ar", "as"];

const ABBREVIATIONS: [(&str, &str); 5] = [
    ("md", "mohammed"),
    ("mohd", "mohammed"),
    ("muhd", "mohammed"),
    ("mhd", "mohammed"),
    ("moh", "mohammed"),
];

/// The tokens of a name, in their order; none if it has no letters.
pub(crate) fn tokens(name: &str) -> Vec<String> {
    let mut words = words(name);
    let mut found: Vec<String> = Vec::with_capacity(words.len());
    let mut prefix = String::new();
    let count = words.len();
    for (index, word) in words.drain(..).enumerate() {
        let last = index + 1 == count;
        if !last && ARTICLES.contains(&word.as_str()) {
            continue;
        }
        prefix.push_str(&word);
        if !last && PREFIXES.contains(&word.as_str()) {
            continue;
        }
        prefix.truncate(TOKEN_LETTERS_MAX);
        found.push(written_out(std::mem::take(&mut prefix)));
    }
    found.truncate(TOKENS_MAX);
    found
}

fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for character in name.chars().take(CHARACTERS_MAX) {
        if character.is_ascii_alphabetic() {
            push(&mut words, character.to_ascii_lowercase());
        } else if character.is_ascii() && character != '\'' && character != '`' {
            words.push(String::new());
        } else if !APOSTROPHES.contains(&character) {
            let plain = deunicode::deunicode_char(character).unwrap_or_default();
            if plain.chars().any(|letter| letter.is_ascii_alphabetic()) {
                let letters = plain.chars().filter(char::is_ascii_alphabetic);
                letters.for_each(|letter| push(&mut words, letter.to_ascii_lowercase()));
            } else if !is_silent(character) {
                words.push(String::new());
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Combining marks, and the hard and soft signs, which have no letter of their own.
fn is_silent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | 'ь' | 'Ь' | 'ъ' | 'Ъ')
}

fn push(words: &mut [String], letter: char) {
    if let Some(word) = words.last_mut().filter(|word| word.len() < TOKEN_LETTERS_MAX) {
        word.push(letter);
    }
}

fn written_out(word: String) -> String {
    let known = ABBREVIATIONS.iter().find(|(short, _)| *short == word);
    known.map_or(word, |(_, long)| (*long).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(name: &str) -> String {
        tokens(name).join(" ")
    }

    #[test]
    fn writes_one_name_in_one_form() {
        for (form, names) in [
            ("obrien", &["O'Brien", "O’Brien", "o brien", "OBRIEN", " O`Brien "][..]),
            ("smith jones", &["Smith-Jones", "SMITH JONES", "Smith – Jones", "smith/jones"]),
            ("zoe", &["Zoë", "Zoe\u{308}", "ZOE"]),
            ("lukasz", &["Łukasz", "Lukasz"]),
            ("macdonald", &["Mac Donald", "MacDonald", "Macdonald"]),
            ("desouza", &["De Souza", "de-Souza", "DeSouza"]),
            ("sayed", &["El Sayed", "al-Sayed", "Sayed"]),
            ("abd rahman", &["Abd al-Rahman", "Abd ur Rahman"]),
            ("mohammed", &["Md", "Mohd.", "Mohammed"]),
            ("oleksandr", &["Олександр", "Oleksandr"]),
            ("van", &["Van"]),
            ("al", &["Al"]),
            ("", &["", "-", "12", "..."]),
        ] {
            for name in names {
                assert_eq!(folded(name), form, "{name}");
            }
        }
    }

    #[test]
    fn keeps_a_bounded_part_of_a_name_without_bound() {
        assert_eq!(tokens(&"ab ".repeat(4_000)).len(), TOKENS_MAX);
        assert_eq!(tokens(&"a".repeat(4_000)), ["a".repeat(TOKEN_LETTERS_MAX)]);
        assert_eq!(tokens(&format!("{}x", "van der ".repeat(10))), ["vander".repeat(TOKEN_LETTERS_MAX / 6)]);
    }

    proptest::proptest! {
        #[test]
        fn every_text_folds_to_small_latin_letters_whatever_its_case(name in "\\PC{0,40}") {
            let tokens = tokens(&name);
            proptest::prop_assert!(tokens.len() <= TOKENS_MAX);
            for token in &tokens {
                proptest::prop_assert!(!token.is_empty() && token.len() <= TOKEN_LETTERS_MAX);
                proptest::prop_assert!(token.bytes().all(|byte| byte.is_ascii_lowercase()));
            }
            proptest::prop_assert_eq!(super::tokens(&name.to_ascii_uppercase()), tokens);
        }
    }
}
