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
    let lanes = lanes(&drawn);
    let lane_width = match lanes.len() {
        1 => 440,
        2 => 320,
        _ => 230,
    };
    let decisive = decisive(exchanges);
    let place = |peer: &str| lanes.iter().position(|lane| *lane == peer).unwrap_or_default();
    let subject = MARGIN + lanes.len() * lane_width;
    let (width, height) = (subject + MARGIN, HEAD_HEIGHT + drawn.len() * ROW_HEIGHT + 20);
    html! {
        svg viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img"
            aria-labelledby={ "title-" (id) " desc-" (id) } {
            title id={ "title-" (id) } { "What went over the wire" }
            desc id={ "desc-" (id) } { (told(&drawn, decisive)) }
            @for (lane, peer) in lanes.iter().enumerate() {
                (lifeline(MARGIN + lane * lane_width, height, peer, false))
            }
            (lifeline(subject, height, "your server", true))
            @for (row, (number, exchange)) in drawn.iter().enumerate() {
                @let y = HEAD_HEIGHT + row * ROW_HEIGHT;
                @match exchange {
                    Some(exchange) => {
                        (arrows((*number, decisive), exchange, (MARGIN + place(&exchange.peer) * lane_width, subject), y))
                    }
                    None => text.gap x=(width / 2) y=(y + 34) text-anchor="middle" { "… " (number) " more …" },
                }
            }
        }
    }
}

/// The peers that get a line of their own, in the order of their appearance. Of many the newest do, and the first
/// line stands for the others.
fn lanes<'a>(drawn: &[(usize, Option<&'a Exchange>)]) -> Vec<&'a str> {
    let mut lanes: Vec<&str> = Vec::new();
    for exchange in drawn.iter().filter_map(|(_, exchange)| *exchange) {
        if !lanes.contains(&exchange.peer.as_str()) {
            lanes.push(&exchange.peer);
        }
    }
    if lanes.len() > LANES_MAX {
        lanes.drain(..=lanes.len() - LANES_MAX);
        lanes.insert(0, "others");
    }
    lanes
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

/// The number of the newest question: the case turned on it.
fn decisive(exchanges: &[Exchange]) -> Option<usize> {
    exchanges.iter().rposition(|exchange| exchange.part == Part::Question).map(|place| place + 1)
}

fn arrows(
    (number, decisive): (usize, Option<usize>),
    exchange: &Exchange,
    (peer, subject): (usize, usize),
    y: usize,
) -> Markup {
    let (from, to) = match exchange.direction {
        Direction::ToSubject => (peer, subject),
        Direction::ToSuite => (subject, peer),
    };
    let middle = usize::midpoint(from, to);
    let class = match exchange.part {
        Part::Twin => "step twin",
        Part::Question if decisive == Some(number) => "step question",
        Part::Step | Part::Question => "step",
    };
    // Long arrows of several peers are easiest to read where they meet the subject's line.
    let (x, anchor) =
        if subject - peer > 440 || peer > MARGIN { (subject - 16, "end") } else { (middle, "middle") };
    let ends = |from: usize, to: usize| if from < to { to - 9 } else { to + 9 };
    let head = |to: usize, from: usize, y: usize| {
        let back = if from < to { to - 9 } else { to + 9 };
        format!("{to},{y} {back},{} {back},{}", y - 5, y + 5)
    };
    html! {
        g class=(class) {
            text.label x=(x) y=(y + 14) text-anchor=(anchor) {
                (number) " " (shortened(exchange.asked())) (mark(exchange.part, decisive == Some(number)))
            }
            line.ask x1=(from) y1=(y + 22) x2=(ends(from, to)) y2=(y + 22) {}
            polygon.ask points=(head(to, from, y + 22)) {}
            text.label x=(x) y=(y + 39) text-anchor=(anchor) { (exchange.outcome()) }
            @if exchange.response.is_some() {
                line.reply x1=(to) y1=(y + 46) x2=(ends(to, from)) y2=(y + 46) {}
                polygon.reply points=(head(from, to, y + 46)) {}
            } @else {
                line.none x1=(to) y1=(y + 46) x2=(middle) y2=(y + 46) {}
            }
        }
    }
}

const fn mark(part: Part, decisive: bool) -> &'static str {
    match part {
        Part::Step => "",
        Part::Twin => " · good twin",
        Part::Question if decisive => " · the question",
        Part::Question => " · earlier question",
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

fn told(drawn: &[(usize, Option<&Exchange>)], decisive: Option<usize>) -> String {
    let one = |(number, exchange): &(usize, Option<&Exchange>)| match exchange {
        Some(exchange) => {
            let (from, to) = match exchange.direction {
                Direction::ToSubject => (exchange.peer.as_str(), "your server"),
                Direction::ToSuite => ("your server", exchange.peer.as_str()),
            };
            format!(
                "{number}: {from} asks {to} {}{}; {}.",
                shortened(exchange.asked()),
                mark(exchange.part, decisive == Some(*number)),
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
                            th scope="row" { (place + 1) (mark(exchange.part, decisive(exchanges) == Some(place + 1))) }
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

    fn by(peer: &str, part: Part) -> Exchange {
        Exchange {
            at: 0,
            milliseconds: 1,
            direction: Direction::ToSubject,
            peer: peer.to_owned(),
            part,
            request: None,
            response: None,
            error: Some("no connection".to_owned()),
        }
    }

    #[test]
    fn of_many_peers_the_newest_have_a_line_and_of_many_steps_the_first_and_newest_are_drawn() {
        let few: Vec<Exchange> = ["1", "2", "1"].map(|peer| by(peer, Part::Step)).to_vec();
        assert_eq!(lanes(&drawn(&few)), ["1", "2"]);
        let many: Vec<Exchange> = (1..=20).map(|peer| by(&peer.to_string(), Part::Step)).collect();
        let some = drawn(&many);
        assert_eq!(lanes(&some), ["others", "18", "19", "20"]);
        let numbers: Vec<usize> =
            some.iter().filter(|(_, exchange)| exchange.is_some()).map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert!(some.contains(&(8, None)), "eight are not drawn");
    }

    #[test]
    fn the_newest_question_is_the_one_and_the_drawing_says_so_in_words() {
        let exchanges = [Part::Question, Part::Twin, Part::Question, Part::Twin].map(|part| by("1", part));
        assert_eq!(decisive(&exchanges), Some(3));
        let page = sequence("F01", &exchanges, 0).into_string();
        assert!(page.contains("1: 1 asks your server (no connection) · earlier question; no connection."));
        assert!(page.contains("3: 1 asks your server (no connection) · the question; no connection."));
        assert_eq!(page.matches("class=\"step question\"").count(), 1);
    }
}
