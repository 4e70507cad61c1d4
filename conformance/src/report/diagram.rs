//! A sequence diagram of a hearing: inline SVG with a text alternative, and the same steps as a table.

use maud::{Markup, html};

use crate::tape::{Direction, Exchange, Part};

/// Most exchanges that are drawn: the first few and the newest.
const DRAWN_MAX: usize = 12;

/// Of them, those at the beginning.
const DRAWN_FIRST: usize = 4;

/// Most peers that get a line of their own.
const LANES_MAX: usize = 4;

const MARGIN: usize = 110;
const HEAD_HEIGHT: usize = 54;
const ROW_HEIGHT: usize = 62;

/// The exchanges, drawn and listed.
pub(super) fn sequence(id: &str, exchanges: &[Exchange], left_out: usize) -> Markup {
    html! {
        @if exchanges.is_empty() {
            p { "Nothing went over the wire." }
        } @else {
            figure {
                div.scroll tabindex="0" role="region" aria-label={ "Sequence diagram of " (id) } {
                    (drawing(id, exchanges))
                }
                figcaption {
                    "Sequence of the first hearing. The suite plays every authority but yours."
                }
            }
            details {
                summary { "The same as text: " (steps_told(exchanges.len(), left_out)) }
                (table(id, exchanges, left_out))
            }
        }
    }
}

fn steps_told(kept: usize, left_out: usize) -> String {
    match left_out {
        0 => format!("{kept} steps with what was said"),
        more => format!("{kept} of {} steps with what was said", kept + more),
    }
}

fn drawing(id: &str, exchanges: &[Exchange]) -> Markup {
    let drawn = drawn(exchanges);
    let mut lanes: Vec<&str> = Vec::new();
    for exchange in drawn.iter().filter_map(|(_, exchange)| *exchange) {
        if !lanes.contains(&exchange.peer.as_str()) && lanes.len() < LANES_MAX {
            lanes.push(&exchange.peer);
        }
    }
    let lane_width = match lanes.len() {
        1 => 440,
        2 => 320,
        _ => 230,
    };
    let place = |peer: &str| lanes.iter().position(|lane| *lane == peer).unwrap_or(lanes.len() - 1);
    let subject = MARGIN + lanes.len() * lane_width;
    let (width, height) = (subject + MARGIN, HEAD_HEIGHT + drawn.len() * ROW_HEIGHT + 20);
    html! {
        svg viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img"
            aria-labelledby={ "title-" (id) " desc-" (id) } {
            title id={ "title-" (id) } { "What went over the wire" }
            desc id={ "desc-" (id) } { (told(&drawn)) }
            @for (lane, peer) in lanes.iter().enumerate() {
                (lifeline(MARGIN + lane * lane_width, height, peer, false))
            }
            (lifeline(subject, height, "your server", true))
            @for (row, (number, exchange)) in drawn.iter().enumerate() {
                @let y = HEAD_HEIGHT + row * ROW_HEIGHT;
                @match exchange {
                    Some(exchange) => (arrows(*number, exchange, MARGIN + place(&exchange.peer) * lane_width, (subject, y))),
                    None => text.gap x=(width / 2) y=(y + 34) text-anchor="middle" { "… " (number) " more …" },
                }
            }
        }
    }
}

/// The exchanges to draw with their numbers; a gap with its size stands for those between.
fn drawn(exchanges: &[Exchange]) -> Vec<(usize, Option<&Exchange>)> {
    let all = || exchanges.iter().enumerate().map(|(place, exchange)| (place + 1, Some(exchange)));
    if exchanges.len() <= DRAWN_MAX {
        return all().collect();
    }
    let last = exchanges.len() - (DRAWN_MAX - DRAWN_FIRST);
    let gap = std::iter::once((last - DRAWN_FIRST, None));
    all().take(DRAWN_FIRST).chain(gap).chain(all().skip(last)).collect()
}

fn lifeline(x: usize, height: usize, name: &str, subject: bool) -> Markup {
    let class = if subject { "actor subject" } else { "actor" };
    html! {
        line.life x1=(x) y1="36" x2=(x) y2=(height) {}
        rect class=(class) x=(x - 75) y="6" width="150" height="30" rx="6" {}
        text.name x=(x) y="26" text-anchor="middle" { (name) }
    }
}

fn arrows(number: usize, exchange: &Exchange, peer: usize, (subject, y): (usize, usize)) -> Markup {
    let (from, to) = match exchange.direction {
        Direction::ToSubject => (peer, subject),
        Direction::ToSuite => (subject, peer),
    };
    let (middle, reply) = (usize::midpoint(from, to), exchange.outcome());
    let class = match exchange.part {
        Part::Step => "step",
        Part::Twin => "step twin",
        Part::Question => "step question",
    };
    let ends = |from: usize, to: usize| if from < to { to - 9 } else { to + 9 };
    let head = |to: usize, from: usize, y: usize| {
        let back = if from < to { to - 9 } else { to + 9 };
        format!("{to},{y} {back},{} {back},{}", y - 5, y + 5)
    };
    html! {
        g class=(class) {
            text.label x=(middle) y=(y + 14) text-anchor="middle" {
                (number) " " (shortened(exchange.asked())) (mark(exchange.part))
            }
            line.ask x1=(from) y1=(y + 22) x2=(ends(from, to)) y2=(y + 22) {}
            polygon.ask points=(head(to, from, y + 22)) {}
            text.label x=(middle) y=(y + 39) text-anchor="middle" { (reply) }
            @if exchange.response.is_some() {
                line.reply x1=(to) y1=(y + 46) x2=(ends(to, from)) y2=(y + 46) {}
                polygon.reply points=(head(from, to, y + 46)) {}
            } @else {
                line.none x1=(to) y1=(y + 46) x2=(middle) y2=(y + 46) {}
            }
        }
    }
}

const fn mark(part: Part) -> &'static str {
    match part {
        Part::Step => "",
        Part::Twin => " · good twin",
        Part::Question => " · question",
    }
}

/// A request line with its identifiers cut, so that it fits beside an arrow.
fn shortened(asked: &str) -> String {
    let short = |step: &str| match step.len() {
        36 if step.matches('-').count() == 4 => format!("{}…", step.get(28..).unwrap_or(step)),
        _ => step.to_owned(),
    };
    let line = asked.split('/').map(short).collect::<Vec<_>>().join("/");
    let line = match (line.split_once(' '), line.split_once("/v1/")) {
        (Some((method, _)), Some((_, rest))) => {
            format!("{method} …/{}", rest.strip_prefix("transfers/").unwrap_or(rest))
        }
        _ => line,
    };
    if line.chars().count() > 44 { line.chars().take(43).chain(['…']).collect() } else { line }
}

fn told(drawn: &[(usize, Option<&Exchange>)]) -> String {
    let one = |(number, exchange): &(usize, Option<&Exchange>)| match exchange {
        Some(exchange) => {
            let (from, to) = match exchange.direction {
                Direction::ToSubject => (exchange.peer.as_str(), "your server"),
                Direction::ToSuite => ("your server", exchange.peer.as_str()),
            };
            format!(
                "{number}: {from} asks {to} {}{}; {}.",
                shortened(exchange.asked()),
                mark(exchange.part),
                exchange.outcome()
            )
        }
        None => format!("{number} more."),
    };
    drawn.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn table(id: &str, exchanges: &[Exchange], left_out: usize) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Steps of " (id) } {
            table.steps {
                thead { tr { th scope="col" { "Step" } th scope="col" { "After" } th scope="col" { "From, to" } th scope="col" { "Said" } } }
                tbody {
                    @for (place, exchange) in exchanges.iter().enumerate() {
                        tr {
                            th scope="row" { (place + 1) (mark(exchange.part)) }
                            td { (exchange.at) " ms" }
                            td {
                                @match exchange.direction {
                                    Direction::ToSubject => { (exchange.peer) " to your server" },
                                    Direction::ToSuite => { "your server to " (exchange.peer) },
                                }
                            }
                            td {
                                @for (word, message) in [("Asked", &exchange.request), ("Answered", &exchange.response)] {
                                    @if let Some(message) = message {
                                        p.word { (word) ", " (message.bytes) " bytes" @if message.cut { ", cut" } }
                                        pre { (message.text.trim_end()) }
                                    }
                                }
                                @if let Some(error) = &exchange.error { p.word { "No whole answer: " (error) } }
                            }
                        }
                    }
                }
            }
        }
        @if left_out > 0 { p { (left_out) " steps in the middle are left out." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_is_cut_to_what_tells_it_apart() {
        let line = "PUT /330/v1/transfers/019a8e21-8ba3-7000-8000-8ba2d58fa8b1/entries/0";
        assert_eq!(shortened(line), "PUT …/d58fa8b1…/entries/0");
        assert_eq!(shortened(&"x".repeat(60)).chars().count(), 44);
    }
}
