//! The findings in the form that build servers read.

use std::fmt::Write as _;

use crate::results::Results;
use crate::verdict::{Finding, Verdict};

/// `junit.xml`.
///
/// A failure is a case that failed or flickered; an error one that came to no verdict, which is no pass; skipped
/// is what is not applicable.
pub(crate) fn junit(results: &Results) -> String {
    let count = |verdicts: &[Verdict]| verdicts.iter().map(|verdict| results.count(*verdict)).sum::<usize>();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string can't fail.
    let _ = writeln!(
        xml,
        "<testsuite name=\"cme-conformance {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\" timestamp=\"{}\">",
        escaped(&results.subject),
        results.findings.len(),
        count(&[Verdict::Fail, Verdict::Flaky]),
        count(&[Verdict::NotExercised, Verdict::SuiteError]),
        count(&[Verdict::NotApplicable]),
        seconds(results.milliseconds),
        escaped(&results.begun_at),
    );
    let _ = writeln!(
        xml,
        "  <properties>\n    <property name=\"seed\" value=\"{}\"/>\n    <property name=\"revision\" value=\"{}\"/>\n    <property name=\"suite\" value=\"{}\"/>\n    <property name=\"exit\" value=\"{}\"/>\n  </properties>",
        escaped(&results.seed),
        escaped(&results.revision),
        escaped(&results.suite.version),
        results.exit,
    );
    for finding in &results.findings {
        xml.push_str(&case(finding));
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn case(finding: &Finding) -> String {
    let section = finding.checks.first().and_then(|id| id.split('-').next()).unwrap_or_default();
    let head = format!(
        "  <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        escaped(section),
        escaped(&finding.case),
        seconds(finding.milliseconds)
    );
    let element = match finding.verdict {
        Verdict::Pass => return head + "/>\n",
        Verdict::Fail | Verdict::Flaky => "failure",
        Verdict::NotExercised | Verdict::SuiteError => "error",
        Verdict::NotApplicable => "skipped",
    };
    let actual = finding.actual.as_deref().unwrap_or_default();
    let message = match (&finding.requirement, &finding.expected) {
        (Some(id), Some(expected)) => format!("{id}: expected {expected}, got {actual}"),
        _ => actual.to_owned(),
    };
    if element == "skipped" {
        return format!("{head}>\n    <skipped message=\"{}\"/>\n  </testcase>\n", escaped(&message));
    }
    format!(
        "{head}>\n    <{element} type=\"{}\" message=\"{}\"/>\n  </testcase>\n",
        finding.verdict.word(),
        escaped(&message)
    )
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
}

/// Text as an attribute of XML 1.0, which has no place for most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\r' | '\t' => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control < ' ' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;
    use crate::run::tests::results;

    #[test]
    fn what_did_not_pass_is_no_success_for_a_build_server() {
        let of = |verdict| Finding {
            requirement: Some("LED-006".to_owned()),
            expected: Some("\"a\" & <b>".to_owned()),
            actual: Some("\u{1}c\n".to_owned()),
            ..Finding::bare(cases::named("LED-006")[0], verdict)
        };
        let xml = junit(&results(Verdict::ALL.map(of).to_vec()));
        assert!(
            xml.contains("tests=\"6\" failures=\"2\" errors=\"2\" skipped=\"1\" time=\"12.345\""),
            "{xml}"
        );
        assert!(xml.contains("LED-006: expected &quot;a&quot; &amp; &lt;b&gt;, got \u{fffd}c "), "{xml}");
        for (element, count) in [("<failure ", 2), ("<error ", 2), ("<skipped ", 1), ("</testcase>", 5)] {
            assert_eq!(xml.matches(element).count(), count, "{element}");
        }
    }
}
