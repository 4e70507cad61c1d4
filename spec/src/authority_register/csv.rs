//! One line of RFC 4180 into its fields.
//!
//! Records end at the line: a quoted field may hold commas and doubled quotes, not line breaks. The data
//! compiled into this crate needs no more.

use std::borrow::Cow;

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// A quoted field is not closed on its line.
    #[error("a quoted field is not closed")]
    Unclosed,
    /// Something other than a comma follows a closing quote.
    #[error("text follows a closing quote")]
    TextAfterQuote,
    /// A quote stands inside a field that did not begin with one.
    #[error("a quote inside an unquoted field")]
    Stray,
}

/// The fields of `line`, unquoted. An empty line has one empty field.
pub(crate) fn split_line(line: &str) -> Result<Vec<Cow<'_, str>>, CsvError> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => split_quoted(quoted)?,
            None => split_plain(rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field, and what follows its comma if it has one.
type Split<'a> = (Cow<'a, str>, Option<&'a str>);

fn split_plain(text: &str) -> Result<Split<'_>, CsvError> {
    let (field, after) = match text.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (text, None),
    };
    if field.contains('"') { Err(CsvError::Stray) } else { Ok((Cow::Borrowed(field), after)) }
}

/// `text` begins after the opening quote.
fn split_quoted(text: &str) -> Result<Split<'_>, CsvError> {
    let mut from = 0;
    loop {
        let quote = from + text[from..].find('"').ok_or(CsvError::Unclosed)?;
        let after = &text[quote + 1..];
        if after.starts_with('"') {
            from = quote + 2;
            continue;
        }
        let field = &text[..quote];
        let field =
            if field.contains('"') { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) };
        return match after.strip_prefix(',') {
            Some(after) => Ok((field, Some(after))),
            None if after.is_empty() => Ok((field, None)),
            None => Err(CsvError::TextAfterQuote),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_plain_quoted_and_empty_fields() {
        assert_eq!(
            split_line("801,E06000023,\"Bristol, City of\",").unwrap(),
            ["801", "E06000023", "Bristol, City of", ""]
        );
        assert_eq!(split_line("\"say \"\"no\"\"\",\"\"").unwrap(), ["say \"no\"", ""]);
        assert_eq!(split_line("").unwrap(), [""]);
        assert_eq!(split_line(",").unwrap(), ["", ""]);
    }

    #[test]
    fn refuses_quotes_out_of_place() {
        assert_eq!(split_line("\"open,1"), Err(CsvError::Unclosed));
        assert_eq!(split_line("\"a\"b,1"), Err(CsvError::TextAfterQuote));
        assert_eq!(split_line("a\"b,1"), Err(CsvError::Stray));
    }

    proptest! {
        #[test]
        fn reads_back_what_quoting_wrote(fields in prop::collection::vec("[^\r\n]{0,8}", 1..5)) {
            let line = fields
                .iter()
                .map(|field| format!("\"{}\"", field.replace('"', "\"\"")))
                .collect::<Vec<_>>()
                .join(",");
            prop_assert_eq!(split_line(&line).unwrap(), fields);
        }

        #[test]
        fn never_panics(line in any::<String>()) {
            let _ = split_line(&line);
        }
    }
}
