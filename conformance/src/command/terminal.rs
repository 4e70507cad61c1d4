//! What a run says to a terminal: a line for each case, more where it did not pass, and a summary.

use std::path::Path;

use crate::published::Publication;
use crate::results::{Compared, Results};
use crate::tape::{Direction, Exchange, Message, Part};
use crate::verdict::{Finding, Verdict};

/// Longest part of a message that a line shows.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// A finding: one line, and its grounds where it did not pass.
pub(super) fn finding(finding: &Finding, publication: &Publication, folder: &Path) -> String {
    let id = finding.id.as_ref().map_or(String::new(), |id| format!(" [{id}]"));
    let mut lines =
        vec![format!("{:13} {}{id} ({} ms)", finding.verdict.word(), finding.case, finding.milliseconds)];
    if let Some(id) = &finding.requirement {
        let clause = publication.requirement(id).and_then(crate::published::Requirement::clause);
        lines.push(note("clause", &format!("{id}: {}", clause.unwrap_or_default())));
    }
    lines.extend(finding.expected.as_ref().map(|expected| note("expected", expected)));
    lines.extend(finding.actual.as_ref().map(|actual| note("actual", &cut(actual))));
    if let Some(hearing) = finding.hearings.first().filter(|_| finding.verdict != Verdict::Pass) {
        let told = |twin: &Exchange| format!("the same but for one thing got {}", twin.outcome());
        lines.extend(hearing.twin().map(|twin| note("twin", &told(twin))));
        if finding.hearings.len() > 1 {
            let heard: Vec<&str> = finding.hearings.iter().map(|hearing| hearing.outcome.word()).collect();
            lines.push(note("hearings", &heard.join(", ")));
        }
    }
    if let (Some(id), false) = (&finding.id, finding.hearings.is_empty()) {
        lines.push(note("replay", &format!("cme-conformance replay {id} --folder {}", folder.display())));
    }
    lines.join("\n")
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn note(name: &str, value: &str) -> String {
    format!("              {name}: {value}")
}

/// An exchange as a step: one line, and the contents under it.
pub(super) fn step(number: usize, exchange: &Exchange) -> String {
    let (from, to) = match exchange.direction {
        Direction::ToSubject => (exchange.peer.as_str(), "subject"),
        Direction::ToSuite => ("subject", exchange.peer.as_str()),
    };
    let part = match exchange.part {
        Part::Step => "",
        Part::Twin => "  (good twin)",
        Part::Question => "  (the question)",
    };
    let head = format!(
        "{number:3}  +{} ms  {from} -> {to}  {}  =>  {}{part}",
        exchange.at,
        exchange.asked(),
        exchange.outcome()
    );
    [head].into_iter().chain(contents(exchange)).collect::<Vec<_>>().join("\n")
}

/// A request that a peer got, with its answer.
pub(super) fn served(exchange: &Exchange) -> String {
    let head = format!("{}  =>  {}", exchange.asked(), exchange.outcome());
    [head].into_iter().chain(contents(exchange)).collect::<Vec<_>>().join("\n")
}

/// What an exchange holds, a line for each message.
fn contents(exchange: &Exchange) -> Vec<String> {
    let mut lines = Vec::new();
    for (mark, message) in [(">", &exchange.request), ("<", &exchange.response)] {
        let content = message.as_ref().map(Message::content).unwrap_or_default();
        if !content.is_empty() {
            lines.push(format!("     {mark} {}", cut(content).replace(['\r', '\n'], " ")));
        }
    }
    lines
}

/// What a run came to.
pub(super) fn summary(results: &Results) -> String {
    let counts = Verdict::ALL.into_iter().rev();
    let counts: Vec<String> = counts
        .map(|verdict| (results.count(verdict), verdict.word()))
        .filter(|(count, word)| *count > 0 || *word == "PASS" || *word == "FAIL")
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let scope = match results.scope.left_out {
        0 => "every case".to_owned(),
        left_out => format!("{left_out} cases left out"),
    };
    let must = results.must;
    let mut lines = vec![
        format!("{} of {}, seed {}, {scope}", counts.join(", "), results.findings.len(), results.seed),
        results.outcome.told().to_owned(),
        format!(
            "{} of {} binding requirements in scope passed, {} failed, {} not exercised, {} left out, {} without a case",
            must.passed, must.in_scope, must.failed, must.not_exercised, must.left_out, must.not_judged
        ),
    ];
    if results.unreached > 0 {
        lines.push(format!(
            "the subject gave no answer in {} cases: was it stopped, or started again, during the run?",
            results.unreached
        ));
    }
    lines.extend(results.baseline.as_ref().map(compared));
    lines.push(format!("exit {}", results.exit));
    lines.join("\n") + "\n"
}

fn compared(compared: &Compared) -> String {
    let named = |cases: &[String]| if cases.is_empty() { "none".to_owned() } else { cases.join(", ") };
    format!(
        "beside the baseline: {} known failures; new: {}; stale, since they pass now: {}",
        compared.known.len(),
        named(&compared.new),
        named(&compared.stale)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;
    use crate::run::tests::results;

    fn exchange(part: Part, response: &str) -> Exchange {
        Exchange {
            at: 3,
            milliseconds: 4,
            direction: Direction::ToSubject,
            peer: "007".to_owned(),
            part,
            request: Some(Message::of(b"PUT /330/v1/x HTTP/1.1\r\nHost: a\r\n\r\n{}")),
            response: Some(Message::of(response.as_bytes())),
            error: None,
        }
    }

    #[test]
    fn a_failure_names_clause_expectation_twin_and_replay() {
        let publication = Publication::compiled_in().unwrap();
        let twin = exchange(Part::Twin, "HTTP/1.1 201 Created\r\n\r\n{}");
        let problem = "HTTP/1.1 422 x\r\n\r\n{\"type\":\"urn:cme:problem:v1:wrong-author\"}";
        let question = exchange(Part::Question, problem);
        let case = cases::named("LED-002")[0];
        let failed = crate::verdict::tests::failed("LED-002", vec![twin, question.clone()]);
        let told = finding(
            &Finding {
                id: Some("F01".to_owned()),
                requirement: Some("LED-002".to_owned()),
                expected: Some("sequence-gap".to_owned()),
                actual: Some("422 wrong-author".to_owned()),
                hearings: vec![failed; 3],
                ..Finding::bare(case, Verdict::Fail)
            },
            &publication,
            Path::new("suite"),
        );
        for part in [
            "FAIL",
            "[F01]",
            "clause: LED-002: ",
            "expected: sequence-gap",
            "actual: 422 wrong-author",
            "twin: the same but for one thing got 201",
            "hearings: FAIL, FAIL, FAIL",
            "replay F01 --folder suite",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        let step = step(2, &question);
        assert!(
            step.contains("007 -> subject  PUT /330/v1/x  =>  422 wrong-author  (the question)"),
            "{step}"
        );
    }

    #[test]
    fn a_summary_says_how_much_of_the_text_was_judged() {
        let case = cases::named("SIG-003")[0];
        let one = results(vec![Finding::bare(case, Verdict::Pass)]);
        let told = summary(&one);
        assert!(told.contains("1 PASS, 0 FAIL of 1, seed 7"), "{told}");
        assert!(told.contains(&format!("{} of {} binding", one.must.passed, one.must.in_scope)), "{told}");
        assert!(one.must.passed < one.must.in_scope && told.ends_with("exit 0\n"), "{told}");
    }
}
