//! `report.html`: one file that needs neither network nor script.

mod ledger;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Power, diagram};
use crate::cases;
use crate::published::{self, Publication};
use crate::results::{Compared, Outcome, Results};
use crate::verdict::{Finding, Verdict};

const STYLE: &str = include_str!("style.css");

/// The report of a run.
pub(crate) fn html(results: &Results, publication: &Publication, power: &Power) -> String {
    let wrong = |finding: &&Finding| !matches!(finding.verdict, Verdict::Pass | Verdict::NotApplicable);
    let mut wrong: Vec<&Finding> = results.findings.iter().filter(wrong).collect();
    wrong.sort_by_key(|finding| (rank(finding.verdict), finding.id.clone()));
    let title = format!("Conformance of {}", named(results));
    let page = html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="color-scheme" content="light dark";
                title { (title) ": " (results.outcome.headline()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the verdict" }
                header {
                    p.kicker { "CME transfer protocol · conformance report" }
                    h1 { (title) }
                }
                main #main {
                    (verdict(results))
                    (contents(results, wrong.len()))
                    (figures(results, power))
                    @if let Some(compared) = &results.baseline { (waivers(compared)) }
                    (failures(results, &wrong, publication))
                    (ledger::views(results, publication))
                    (ledger::ledger(results, publication))
                    (about(results, publication))
                }
            }
        }
    };
    page.into_string() + "\n"
}

fn named(results: &Results) -> String {
    match &results.name {
        Some(name) => format!("{name} ({})", results.subject),
        None => results.subject.clone(),
    }
}

impl Outcome {
    const fn headline(self) -> &'static str {
        match self {
            Self::Passed => "Every case passed",
            Self::Failed => "Requirements do not hold",
            Self::SubjectLost => "No verdict: your server was lost on the way",
            Self::Inconclusive => "No verdict: some questions could not be put",
            Self::SuiteError => "No verdict: the suite itself failed",
        }
    }

    const fn tone(self) -> &'static str {
        match self {
            Self::Passed => "good",
            Self::Failed => "bad",
            Self::SubjectLost | Self::Inconclusive | Self::SuiteError => "open",
        }
    }
}

const fn rank(verdict: Verdict) -> usize {
    match verdict {
        Verdict::SuiteError => 0,
        Verdict::Fail => 1,
        Verdict::Flaky => 2,
        Verdict::NotExercised => 3,
        Verdict::NotApplicable | Verdict::Pass => 4,
    }
}

fn verdict(results: &Results) -> Markup {
    let must = results.must;
    html! {
        section.verdict.(results.outcome.tone()) aria-labelledby="verdict" {
            h2 #verdict { (results.outcome.headline()) }
            p.lead {
                (must.passed) " of " (must.in_scope) " binding requirements in scope passed"
                @if must.failed > 0 { ", " (must.failed) " failed" }
                @if must.not_exercised > 0 { ", " (must.not_exercised) " could not be exercised" }
                "."
            }
            @if !results.scope.is_whole() {
                p { "A part only: " (results.scope.left_out) " cases were left out, by "
                    @if results.scope.quick { code { "--quick" } }
                    @if results.scope.quick && !results.scope.only.is_empty() { " and " }
                    @for name in &results.scope.only { code { "--only " (name) } " " }
                    "." }
            }
            @if must.not_judged > 0 {
                p { "This version has no case for " (must.not_judged) " of them: a pass is no word on those." }
            }
            @if results.unreached > 0 {
                p { "Your server gave no answer in " (results.unreached) " cases. Was it stopped, or started again, during the run?" }
            }
        }
    }
}

fn contents(results: &Results, wrong: usize) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                li { a href="#figures" { "Figures" } }
                @if results.baseline.is_some() { li { a href="#waivers" { "Baseline" } } }
                @if wrong > 0 { li { a href="#failures" { "What did not pass (" (wrong) ")" } } }
                li { a href="#views" { "By direction and role" } }
                li { a href="#ledger" { "Every requirement" } }
                li { a href="#about" { "About this run" } }
            }
        }
    }
}

fn figures(results: &Results, power: &Power) -> Markup {
    let must = results.must;
    let parts = [
        ("passed", "good", must.passed),
        ("failed", "bad", must.failed),
        ("not exercised", "open", must.not_exercised),
        ("left out", "idle", must.left_out),
        ("without a case", "none", must.not_judged),
    ];
    html! {
        section aria-labelledby="figures" {
            h2 #figures { "Figures" }
            div.cards {
                div.card.wide {
                    h3 { "Binding requirements" }
                    p.number { (must.passed) span { " of " (must.in_scope) } }
                    (bar(&parts, must.in_scope))
                    ul.key {
                        @for (word, tone, count) in parts.into_iter().filter(|part| part.2 > 0 || part.0 == "failed") {
                            li { span.swatch.(tone) aria-hidden="true" {} strong { (count) } " " (word) }
                        }
                    }
                    p.small { "Beside them " (must.untestable) " that no black box can test, and " (must.not_declared) " of profiles that you declare not to have." }
                }
                div.card {
                    h3 { "Cases" }
                    p.number { (results.count(Verdict::Pass)) span { " of " (results.findings.len()) } }
                    ul.key {
                        @for verdict in Verdict::ALL.into_iter().rev() {
                            @let count = results.count(verdict);
                            @if count > 0 { li { strong { (count) } " " (badge(verdict)) } }
                        }
                    }
                }
                div.card {
                    h3 { "The suite's own power" }
                    p.number { (power.attributed) span { " of " (power.faults) } }
                    p { "known faults found by the case that is there for them. "
                        (power.null_green) " passes against servers that do nothing, "
                        (power.false_alarms) " false alarms." }
                    p.small { "Counted when version " (results.suite.version) " was made. Count again, offline: " code { "cme-conformance self-check" } }
                }
            }
        }
    }
}

fn bar(parts: &[(&str, &str, usize)], whole: usize) -> Markup {
    let whole = whole.max(1);
    let told: Vec<String> = parts.iter().map(|(word, _, count)| format!("{count} {word}")).collect();
    let mut from = 0;
    let spans: Vec<(usize, usize, &str)> = parts
        .iter()
        .filter(|(_, _, count)| *count > 0)
        .map(|(_, tone, count)| {
            let begun = from;
            from += count;
            (begun * 1_000 / whole, (from * 1_000 / whole).saturating_sub(begun * 1_000 / whole), *tone)
        })
        .collect();
    html! {
        svg.bar viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label=(told.join(", ")) {
            @for (x, width, tone) in spans {
                rect.(tone) x=(x) y="0" width=(width.saturating_sub(3).max(2)) height="24" {}
            }
        }
    }
}

fn waivers(compared: &Compared) -> Markup {
    let list = |title: &str, cases: &[String], none: &str| {
        html! {
            h3 { (title) " (" (cases.len()) ")" }
            @if cases.is_empty() { p { (none) } } @else {
                ul { @for case in cases { li { code { (case) } } } }
            }
        }
    };
    html! {
        section aria-labelledby="waivers" {
            h2 #waivers { "Beside the baseline" }
            p { "An earlier run lists failures that are expected. They are failures all the same: the exit code alone takes them as known." }
            (list("Known failures", &compared.known, "None."))
            (list("New failures", &compared.new, "None."))
            (list("Stale: they pass now", &compared.stale, "None."))
        }
    }
}

fn failures(results: &Results, wrong: &[&Finding], publication: &Publication) -> Markup {
    let says = |finding: &&&Finding| {
        finding.verdict != Verdict::NotExercised
            || finding.hearings.iter().any(|hearing| !hearing.exchanges.is_empty())
    };
    let (told, silent): (Vec<&Finding>, Vec<&Finding>) = wrong.iter().partition(says);
    html! {
        @if !wrong.is_empty() {
            section aria-labelledby="failures" {
                h2 #failures { "What did not pass" }
                @for finding in &told { (failure(results, finding, publication)) }
                @if !silent.is_empty() { (unheard(&silent)) }
            }
        }
    }
}

/// Cases in which nothing went over the wire: their reason is all that there is.
fn unheard(findings: &[&Finding]) -> Markup {
    html! {
        h3 { "Not exercised, with nothing sent (" (findings.len()) ")" }
        div.scroll tabindex="0" role="region" aria-label="Cases in which nothing was sent" {
            table.ledger {
                thead { tr { th scope="col" { "Case" } th scope="col" { "Checks" } th scope="col" { "Why" } } }
                tbody {
                    @for finding in findings {
                        @let id = finding.id.clone().unwrap_or_else(|| finding.case.clone());
                        tr id={ "failure-" (id) } {
                            th scope="row" { (id) " " code { (finding.case) } }
                            td { @for id in &finding.checks { a href={ "#req-" (id) } { (id) } " " } }
                            td { (finding.actual.as_deref().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

fn failure(results: &Results, finding: &Finding, publication: &Publication) -> Markup {
    let id = finding.id.clone().unwrap_or_else(|| finding.case.clone());
    let claim = cases::all().into_iter().find(|case| case.name == finding.case).map(|case| case.claim);
    let clause = finding.requirement.as_ref().and_then(|id| publication.requirement(id));
    let known = results.baseline.as_ref().is_some_and(|compared| compared.known.contains(&finding.case));
    let heading = format!("failure-{id}");
    html! {
        article.failure.(tone(finding.verdict)) aria-labelledby=(heading) {
            h3 id=(heading) { (badge(finding.verdict)) " " span.id { (id) } " " code { (finding.case) } }
            @if known { p { strong { "Known: " } "the baseline has this failure too." } }
            @if let Some(claim) = claim { p { (claim) } }
            @if let Some(clause) = clause {
                blockquote { p { strong { (clause.id) " " } (plain(&clause.clause().unwrap_or_default())) }
                    p.small { "Section " (published::heading(&clause.section).unwrap_or(&clause.section)) } }
            }
            dl {
                @if let Some(expected) = &finding.expected { dt { "Expected" } dd { code { (expected) } } }
                @if let Some(actual) = &finding.actual {
                    dt { @if finding.verdict == Verdict::Fail { "Seen" } @else { "Why" } } dd { code { (actual) } }
                }
                @if let Some(twin) = twin(finding) { dt { "Good twin" } dd { "The same but for one thing got " code { (twin) } "." } }
                @if finding.hearings.len() > 1 {
                    dt { "Heard" }
                    dd { @for hearing in &finding.hearings { (badge(hearing.outcome)) " " } "from other authorities each time" }
                }
                @if !finding.hearings.is_empty() {
                    dt { "Again" } dd { code { "cme-conformance replay " (id) } ", which also writes a freshly signed request for " code { "curl" } }
                }
                dt { "Acted" } dd { (made_to_act(&finding.made_to_act_by)) }
                dt { "Checks" } dd { @for id in &finding.checks { a href={ "#req-" (id) } { (id) } " " } }
            }
            @if let Some(hearing) = finding.hearings.first() {
                (diagram::sequence(&id, &hearing.exchanges, hearing.exchanges_left_out))
            }
        }
    }
}

/// What became of the good twin before the question.
fn twin(finding: &Finding) -> Option<String> {
    finding.hearings.first()?.twin().map(crate::tape::Exchange::outcome)
}

/// How the subject was made to act.
fn made_to_act(by: &str) -> &'static str {
    if by == "adapter" { "because the adapter asked for it" } else { "because a peer sent something" }
}

/// A clause with the marks of its layout taken off.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

fn badge(verdict: Verdict) -> Markup {
    let mark = match verdict {
        Verdict::Pass => "✓",
        Verdict::Fail | Verdict::SuiteError => "✗",
        Verdict::Flaky => "≈",
        Verdict::NotExercised => "?",
        Verdict::NotApplicable => "–",
    };
    html! { span.badge.(tone(verdict)) { span aria-hidden="true" { (mark) " " } (verdict.word()) } }
}

const fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "good",
        Verdict::Fail | Verdict::SuiteError => "bad",
        Verdict::Flaky | Verdict::NotExercised => "open",
        Verdict::NotApplicable => "idle",
    }
}

fn about(results: &Results, publication: &Publication) -> Markup {
    let digest = results.suite.digest.as_deref().unwrap_or("unknown");
    let mut profiles: Vec<&str> = publication.requirements().iter().map(|row| row.profile.as_str()).collect();
    profiles.sort_unstable();
    profiles.dedup();
    html! {
        section aria-labelledby="about" {
            h2 #about { "About this run" }
            dl {
                dt { "Judged" } dd { (named(results)) }
                dt { "Began" } dd { time datetime=(results.begun_at) { (results.begun_at) } ", took " (results.milliseconds / 1_000) "." (results.milliseconds % 1_000 / 100) " seconds" }
                dt { "Text" } dd { "revision " (results.revision) }
                dt { "Profiles" } dd { @for name in profiles { (name) (if results.profiles.has(name) { ": yes" } else { ": no" }) "; " } }
                dt { "Seed" } dd { code { (results.seed) } " gives the order again: " code { "cme-conformance run --seed " (results.seed) } }
                dt { "Program" } dd { "cme-conformance " (results.suite.version) ", SHA-256 " code { (digest) } }
                dt { "Exit code" } dd { (results.exit) }
            }
            p { "Children, authorities and officers in what was sent are invented. This report can be made again from " code { "results.json" } "; " code { "cme-conformance verify evidence.zip" } " does so, and works every verdict out again." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::results;
    use crate::verdict::tests::failed;

    fn page(findings: Vec<Finding>) -> String {
        html(&results(findings), &Publication::compiled_in().unwrap(), &Power::compiled_in().unwrap())
    }

    #[test]
    fn what_a_server_said_stays_text_and_nothing_is_loaded_or_run() {
        let case = cases::named("LED-002")[0];
        let page = page(vec![Finding {
            id: Some("F01".to_owned()),
            requirement: Some("LED-002".to_owned()),
            actual: Some("<script>alert(1)</script><img onerror=x>".to_owned()),
            hearings: vec![failed("LED-002", Vec::new()); 3],
            ..Finding::bare(case, Verdict::Fail)
        }]);
        assert!(page.contains("&lt;script&gt;"), "it is shown");
        for part in ["<script", "<img", "<link", "@import", "url(", " src=", "onload"] {
            assert!(!page.contains(part), "{part} is in the page");
        }
        let addresses: Vec<&str> =
            page.match_indices("href=\"").map(|(at, _)| &page[at + 6..=at + 6]).collect();
        assert!(addresses.len() > 5 && addresses.iter().all(|first| *first == "#"), "{addresses:?}");
    }

    #[test]
    fn cases_in_which_nothing_was_sent_are_a_table_with_their_reasons() {
        let case = cases::named("LED-002")[0];
        let lost = Finding::because(case, Verdict::NotExercised, "the subject was lost before");
        let page = page(vec![Finding { id: Some("F07".to_owned()), ..lost }]);
        assert!(page.contains("with nothing sent (1)") && page.contains("<tr id=\"failure-F07\">"));
        assert!(page.contains("the subject was lost before") && !page.contains("<article"));
    }

    #[test]
    fn every_requirement_and_every_finding_has_its_place() {
        let findings = cases::all().into_iter().map(|case| Finding::bare(case, Verdict::Pass)).collect();
        let page = page(findings);
        for row in Publication::compiled_in().unwrap().requirements() {
            assert_eq!(page.matches(&format!("id=\"req-{}\"", row.id)).count(), 1, "{}", row.id);
        }
        assert!(cases::all().iter().all(|case| page.contains(case.name)));
        assert!(!page.contains("with nothing sent"));
        assert!(page.contains("Every case passed") && !page.contains("id=\"failures\""));
    }
}
