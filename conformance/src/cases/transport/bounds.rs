//! Section 9.5: what one caller may hold of the server (TRN-021). How much is too much the declaration says.

use std::time::{Duration, Instant};

use crate::cases::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, problem_of};
use crate::wire::{Connection, Request, Target};
use crate::world::Authority;

/// Pause between two bytes of a request that does not come to its end.
const DRIP: Duration = Duration::from_millis(100);

/// Most connections that a declaration lets the suite open.
const CONNECTIONS_MAX: usize = 2_000;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "trn-cuts-off-requests-that-drip",
        claim: "A request whose head or content comes a byte at a time is cut off, and others are answered meanwhile.",
        checks: &["TRN-021"],
        slow: true,
        run: drips,
        ..CORE
    },
    Case {
        name: "trn-bounds-the-connections-of-a-caller",
        claim: "Beyond a number of open connections of one caller no more are answered, and others' are.",
        checks: &["TRN-021"],
        slow: true,
        run: connections,
        ..CORE
    },
];

/// The subject, where what is sent is not recorded byte by byte.
fn unrecorded(court: &Court<'_>) -> Target {
    Target { tape: None, ..court.target() }
}

fn open(court: &Court<'_>, peer: &Authority) -> Found<Connection> {
    let target = unrecorded(court);
    let config = target.config(Some(&peer.client), false).map_err(Miss::Unreachable)?;
    Connection::open(&target, config).map_err(Miss::Unreachable)
}

fn drips(court: &mut Court<'_>) -> Found<()> {
    let (peer, other) = (court.peer()?, court.peer()?);
    let path = court.bench.subject.target("/v1/capabilities");
    let put = court.bench.subject.target(&format!("/v1/transfers/{}/entries/0", crate::draft::uuid()));
    let host = court.target().authority();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Slow: ");
    let content = format!(
        "PUT {put} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{{"
    );
    let mut waiting = vec![("head", open(court, &peer)?), ("content", open(court, &peer)?)];
    for ((_, connection), begun) in waiting.iter_mut().zip([head, content]) {
        connection.send(begun.as_bytes()).map_err(Miss::Unreachable)?;
    }
    court.read(&other, "/v1/capabilities")?;
    let until = Instant::now() + court.bench.waits.arrival + court.bench.waits.response;
    while !waiting.is_empty() && Instant::now() < until {
        waiting.retain_mut(|(_, connection)| connection.send(b"x").is_ok() && !connection.is_given_up(DRIP));
    }
    court.read(&other, "/v1/capabilities")?;
    let slow: Vec<&str> = waiting.iter().map(|(part, _)| *part).collect();
    let expected = format!("the connection ended within {:?}", court.bench.waits.arrival);
    ensure(slow.is_empty(), "TRN-021", &expected, format!("{} still read", slow.join(" and ")))
}

fn connections(court: &mut Court<'_>) -> Found<()> {
    let (peer, other) = (court.peer()?, court.peer()?);
    let most = court.bench.waits.connections_max;
    if most > CONNECTIONS_MAX {
        return Err(Miss::Unexercised(format!("more than {CONNECTIONS_MAX} connections are declared")));
    }
    let capabilities = court.read(&peer, "/v1/capabilities")?;
    if capabilities.text_at("/authority") != Some(&court.bench.subject.code) {
        return Err(Miss::Unexercised("capabilities are not the subject's".into()));
    }
    let request = Request::get(court.bench.subject.target("/v1/capabilities"));
    let mut held = Vec::new();
    let mut bounded = false;
    for _ in 0..=most {
        let Ok(mut connection) = open(court, &peer) else {
            bounded = true;
            break;
        };
        match connection.exchange(&request) {
            Ok(response) if response.status == 200 && connection.is_open() => held.push(connection),
            // A server that ends each connection after one answer lets nobody hold any.
            Ok(response) if response.status == 200 => {}
            Ok(response) => {
                let told = problem_of(&response).unwrap_or_else(|| response.status.to_string());
                ensure(told == "rate-limited", "TRN-021", "rate-limited, or no answer", told)?;
                bounded = true;
                break;
            }
            Err(_) => {
                bounded = true;
                break;
            }
        }
    }
    let answered = court.read(&other, "/v1/capabilities");
    if let Err(Miss::Unexercised(actual)) = answered {
        ensure(false, "TRN-021", "another caller's request answered meanwhile", actual)?;
    }
    // Those that were taken first may have been ended for the last.
    let open = held.iter_mut().filter_map(|held| held.exchange(&request).ok()).count();
    let expected = format!("no more than {most} connections of one caller");
    ensure(bounded || open <= most, "TRN-021", &expected, format!("{open} are answered"))
}
