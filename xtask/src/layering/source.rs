//! What each source file may name.

use super::Violation;
use crate::tree::TextFile;

/// Words that only some files of a folder may name.
struct Rule {
    /// The folder it is about.
    folder: &'static str,
    /// Paths below it that may: a file, or a folder with `/` at its end.
    allowed: &'static [&'static str],
    /// What is looked for, each at the bounds of a name.
    words: &'static [&'static str],
    /// Why.
    why: &'static str,
}

/// What a pure crate has no use for.
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "actix_web",
    "actix_tls",
    "rusqlite",
    "postgres",
    "std::fs",
    "std::net",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "rand",
    "getrandom",
    "SystemRandom",
    "Uuid::now_v7",
];

const RULES: &[Rule] = &[
    Rule {
        folder: "spec/src/",
        allowed: &[],
        words: IMPURE,
        why: "spec is pure: no clock, no I/O, no randomness",
    },
    Rule {
        folder: "matching/src/",
        allowed: &[],
        words: IMPURE,
        why: "matching is pure: no clock, no I/O, no randomness",
    },
    Rule {
        folder: "conformance/src/",
        allowed: &[],
        words: &["cme_spec", "cme_client", "cme_server"],
        why: "conformance reads published artefacts only",
    },
    Rule {
        folder: "client/src/",
        allowed: &[],
        words: &["cme_server", "cme_matching", "actix_web", "rusqlite"],
        why: "the client depends on spec alone",
    },
    Rule {
        folder: "server/src/",
        allowed: &["app.rs", "routes.rs", "tls.rs", "handler.rs", "handler/", "extract.rs", "extract/"],
        words: &["actix_web", "actix_tls"],
        why: "actix only in app, routes, tls, handler and extract",
    },
    Rule {
        folder: "server/src/",
        allowed: &["store/sqlite.rs", "store/sqlite/"],
        words: &["rusqlite"],
        why: "the SQLite driver only in store/sqlite",
    },
    Rule {
        folder: "server/src/",
        allowed: &["store/postgres.rs", "store/postgres/", "store/suite.rs"],
        words: &["use postgres", "postgres::Client", "postgres::Config", "postgres::NoTls", "tokio_postgres"],
        why: "the PostgreSQL driver only in store/postgres",
    },
    Rule {
        folder: "server/src/",
        allowed: &["escalation/email.rs"],
        words: &["lettre"],
        why: "letters only in escalation/email",
    },
    Rule {
        folder: "server/src/",
        allowed: &["escalation/webhook.rs"],
        words: &["reqwest"],
        why: "peers are called through the client, a webhook in escalation/webhook",
    },
    Rule {
        folder: "server/src/",
        allowed: &["clock.rs"],
        words: &["Timestamp::now", "SystemTime::now", "Zoned::now"],
        why: "only clock.rs reads the time of day",
    },
    Rule {
        folder: "server/src/",
        allowed: &["random.rs"],
        words: &["SystemRandom", "Uuid::now_v7", "getrandom"],
        why: "only random.rs reads the random source",
    },
];

const SQL: [&str; 4] = ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE "];

/// Every place of the file that breaks a rule.
pub(super) fn violations(file: &TextFile) -> Vec<Violation> {
    let mut found = Vec::new();
    if is_test_file(&file.path) {
        return found;
    }
    for (line, code) in shipped_lines(&file.text) {
        let mut add = |rule: String| found.push(Violation { path: file.path.clone(), line, rule });
        for rule in RULES {
            let Some(below) = file.path.strip_prefix(rule.folder) else { continue };
            if rule.allowed.iter().any(|allowed| covers(allowed, below)) {
                continue;
            }
            for word in rule.words.iter().filter(|word| names(code, word)) {
                add(format!("{word}: {}", rule.why));
            }
        }
        let below = file.path.strip_prefix("server/src/");
        if below.is_some_and(|below| !below.starts_with("store/")) {
            for keyword in SQL.iter().filter(|keyword| code.contains(*keyword)) {
                add(format!("{}: SQL only under store/", keyword.trim_matches(['"', ' '])));
            }
        }
    }
    found
}

fn covers(allowed: &str, path: &str) -> bool {
    if allowed.ends_with('/') { path.starts_with(allowed) } else { path == allowed }
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The lines that ship, numbered from 1: no comments, nothing under `#[cfg(test)]`.
///
/// Relies on the layout of `rustfmt`: an item ends at a closing brace in the column where it began.
fn shipped_lines(text: &str) -> Vec<(usize, &str)> {
    let mut shipped = Vec::new();
    let mut test_item: Option<(usize, bool)> = None;
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        if let Some((column, begun)) = test_item {
            let ends = indent == column
                && if begun { bare.starts_with('}') } else { bare.ends_with(';') || bare.ends_with('}') };
            test_item = if ends { None } else { Some((column, begun || bare.ends_with('{'))) };
        } else if bare.starts_with("#[cfg(test)]") {
            test_item = Some((indent, false));
        } else if !bare.starts_with("//") {
            shipped.push((index + 1, line.split(" // ").next().unwrap_or(line)));
        }
    }
    shipped
}

/// Whether the code names the word, as a whole name. A path is also found in a grouped import.
fn names(code: &str, word: &str) -> bool {
    let bound = |character: Option<char>| !character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let whole = |word: &str| {
        code.match_indices(word).any(|(at, _)| {
            bound(code[..at].chars().next_back()) && bound(code[at + word.len()..].chars().next())
        })
    };
    let grouped = |(group, item): (&str, &str)| code.contains(&format!("{group}::{{")) && whole(item);
    whole(word) || word.split_once("::").is_some_and(grouped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<usize> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        violations(&file).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn each_rule_is_broken_by_each_of_its_words_and_only_outside_its_files() {
        for rule in RULES {
            for word in rule.words {
                let text = format!("use x;\nlet a = {word}(b);\n");
                let path = format!("{}elsewhere.rs", rule.folder);
                assert!(check(&path, &text).contains(&2), "{word} in {path}");
                for allowed in rule.allowed {
                    let file =
                        if allowed.ends_with('/') { format!("{allowed}a.rs") } else { (*allowed).to_owned() };
                    let path = format!("{}{file}", rule.folder);
                    assert!(check(&path, &text).is_empty(), "{word} in {path}");
                }
            }
        }
    }

    #[test]
    fn sql_stays_under_the_store() {
        let text = "let q = \"SELECT a FROM b\";\n";
        assert_eq!(check("server/src/handler/put_entry.rs", text), [1]);
        assert!(check("server/src/store/entries.rs", text).is_empty());
        for keyword in SQL {
            assert_eq!(check("server/src/outbox.rs", &format!("f({keyword}x\");")), [1], "{keyword}");
        }
    }

    #[test]
    fn tests_and_comments_are_not_shipped() {
        let text = "// tokio\n/// tokio\nfn a() {} // tokio\n#[cfg(test)]\nmod tests {\n    use tokio;\n    fn b() {\n    }\n}\nuse tokio;\n";
        assert_eq!(check("spec/src/a.rs", text), [10]);
        let outside = "#[cfg(test)]\n#[path = \"a/tests.rs\"]\nmod tests;\nuse std::fs;\n";
        assert_eq!(check("spec/src/a.rs", outside), [4]);
        assert!(check("server/src/store/suite/tests.rs", "use actix_web::test;\n").is_empty());
    }

    #[test]
    fn a_word_inside_another_is_not_that_word() {
        assert!(check("spec/src/a.rs", "let operand = brand(random);\n").is_empty());
        assert_eq!(check("spec/src/a.rs", "use rand::Rng;\n"), [1]);
        assert_eq!(check("spec/src/a.rs", "use std::{fmt, fs};\n"), [1]);
    }
}
