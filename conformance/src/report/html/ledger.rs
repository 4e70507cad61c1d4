//! The run by direction and role, and each requirement with its cases.

use maud::{Markup, html};

use super::badge;
use crate::published::{self, Publication, Requirement};
use crate::results::{Results, Row, Standing};
use crate::verdict::{Finding, Verdict};

const fn standing(standing: Standing) -> (&'static str, &'static str, &'static str) {
    match standing {
        Standing::Passed => ("✓", "passed", "good"),
        Standing::Failed => ("✗", "failed", "bad"),
        Standing::NotExercised => ("?", "not exercised", "open"),
        Standing::LeftOut => ("–", "left out", "idle"),
        Standing::NotJudged => ("○", "no case", "none"),
        Standing::NotDeclared => ("–", "not declared", "idle"),
        Standing::Untestable => ("–", "untestable", "idle"),
        Standing::NotBinding => ("–", "not binding", "idle"),
    }
}

pub(super) fn views(results: &Results, publication: &Publication) -> Markup {
    let calls = |finding: &&Finding| finding.hearings.iter().any(|hearing| hearing.called > 0);
    let heard = results.findings.iter().filter(|finding| !finding.hearings.is_empty());
    let (calling, answering): (Vec<&Finding>, Vec<&Finding>) = heard.partition(|finding| calls(finding));
    let counted = |findings: &[&Finding], verdicts: &[Verdict]| {
        findings.iter().filter(|finding| verdicts.contains(&finding.verdict)).count()
    };
    let mut roles: Vec<&str> = Vec::new();
    for role in publication.requirements().iter().flat_map(|row| &row.role) {
        if !roles.contains(&role.as_str()) {
            roles.push(role);
        }
    }
    html! {
        section aria-labelledby="views" {
            h2 #views { "By direction and role" }
            div.scroll tabindex="0" role="region" aria-label="Cases by direction" {
                table {
                    caption { "Cases by direction" }
                    thead { tr { th scope="col" { "Direction" } th.n scope="col" { "Passed" } th.n scope="col" { "Failed" } th.n scope="col" { "Other" } } }
                    tbody {
                        @for (name, findings) in [("Your server answers", &answering), ("Your server calls as well", &calling)] {
                            tr {
                                th scope="row" { (name) }
                                td.n { (counted(findings, &[Verdict::Pass])) }
                                td.n { (counted(findings, &[Verdict::Fail])) }
                                td.n { (counted(findings, &[Verdict::Flaky, Verdict::NotExercised, Verdict::SuiteError])) }
                            }
                        }
                    }
                }
            }
            div.scroll tabindex="0" role="region" aria-label="Binding requirements by role" {
                table {
                    caption { "Binding requirements by the role that they bind" }
                    thead { tr {
                        th scope="col" { "Role" }
                        @for word in ["Passed", "Failed", "Not exercised", "Left out", "No case"] { th.n scope="col" { (word) } }
                    } }
                    tbody {
                        @for role in &roles {
                            tr {
                                th scope="row" { (role) }
                                @for standing in [Standing::Passed, Standing::Failed, Standing::NotExercised, Standing::LeftOut, Standing::NotJudged] {
                                    td.n { (of_role(results, publication, role, standing)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn of_role(results: &Results, publication: &Publication, role: &str, standing: Standing) -> usize {
    let binds = |row: &&Row| {
        publication.requirement(&row.id).is_some_and(|held| held.role.iter().any(|name| name == role))
    };
    results.requirements.iter().filter(binds).filter(|row| row.standing == standing).count()
}

pub(super) fn ledger(results: &Results, publication: &Publication) -> Markup {
    html! {
        section aria-labelledby="ledger" {
            h2 #ledger { "Every requirement" }
            p { "By section of the text, with the cases that were heard." }
            @for section in published::sections() {
                @let rows = rows_of(results, publication, section);
                @if !rows.is_empty() { (chapter(results, section, &rows)) }
            }
        }
    }
}

fn rows_of<'a>(
    results: &'a Results,
    publication: &'a Publication,
    section: &str,
) -> Vec<(&'a Row, &'a Requirement)> {
    let of = |row: &'a Row| publication.requirement(&row.id).map(|held| (row, held));
    results.requirements.iter().filter_map(of).filter(|(_, held)| held.section == section).collect()
}

fn chapter(results: &Results, section: &str, rows: &[(&Row, &Requirement)]) -> Markup {
    let count = |standing: Standing| rows.iter().filter(|(row, _)| row.standing == standing).count();
    let failed = count(Standing::Failed) + count(Standing::NotExercised);
    html! {
        details open[failed > 0] {
            summary {
                span.title { (published::heading(section).unwrap_or(section)) }
                " "
                span.counts {
                    (count(Standing::Passed)) " passed"
                    @for standing_of in [Standing::Failed, Standing::NotExercised, Standing::NotJudged] {
                        @if count(standing_of) > 0 { " · " (count(standing_of)) " " (standing(standing_of).1) }
                    }
                }
            }
            div.scroll tabindex="0" role="region" aria-label={ "Requirements of " (section) } {
                table.ledger {
                    thead { tr { th scope="col" { "Requirement" } th scope="col" { "Standing" } th scope="col" { "Says" } th scope="col" { "Cases" } } }
                    tbody { @for (row, held) in rows { (line(results, row, held)) } }
                }
            }
        }
    }
}

fn line(results: &Results, row: &Row, held: &Requirement) -> Markup {
    let (mark, word, tone) = standing(row.standing);
    let cases = results.findings.iter().filter(|finding| row.cases.contains(&finding.case));
    html! {
        tr id={ "req-" (row.id) } {
            th scope="row" { (row.id) span.level { (held.level) } }
            td { span.badge.(tone) { span aria-hidden="true" { (mark) " " } (word) } }
            td { (held.summary) }
            td {
                @if row.cases.is_empty() { span.muted { "none" } } @else {
                    ul.cases {
                        @for finding in cases {
                            li {
                                (badge(finding.verdict)) " "
                                @match &finding.id {
                                    Some(id) => a href={ "#failure-" (id) } { (finding.case) },
                                    None => code { (finding.case) },
                                }
                                span.muted { " " (finding.milliseconds) " ms" }
                            }
                        }
                    }
                }
            }
        }
    }
}
