//! One child, many authorities: the queries of a broadcast sent side by side, and what comes of each.

use std::collections::VecDeque;
use std::time::Duration;

use cme_spec::authority_register::AuthorityRegister;
use cme_spec::directory::{Authority, Availability, Directory};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId};
use cme_spec::problem::NextStep;
use cme_spec::query::Query;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _, unfold};

use crate::error::ClientError;
use crate::peer::{Answers, Client, random};
use crate::transport::BoxFuture;

/// The longest wait that a peer can ask for and still be asked again in the same broadcast.
pub const ASKED_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The profile of an authority that can be asked.
pub const PROFILE: &str = "queries";

/// Which authorities are to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everybody.
    All,
    /// Those of a region of England, by its name in the register of authorities.
    Region(String),
    /// These, if they can be asked.
    Authorities(Vec<AuthorityCode>),
}

/// The authorities of a selection, with those of them that can't be asked by this protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// To be asked, in ascending order of their codes.
    pub asked: Vec<AuthorityCode>,
    /// Not connected, out of service for long, or without queries: somebody has to ring them.
    pub to_ring: Vec<AuthorityCode>,
}

impl Selection {
    /// Whom `asking` would ask at `now`: never itself, and nobody who has ended or not begun.
    pub fn of(&self, directory: &Directory, asking: AuthorityCode, now: Instant) -> Selected {
        let chosen = |authority: &&Authority| {
            authority.code != asking
                && directory.is_live(authority.code, now)
                && match self {
                    Self::All => true,
                    Self::Region(name) => is_of_region(authority.code, name),
                    Self::Authorities(codes) => codes.contains(&authority.code),
                }
        };
        let mut selected = Selected::default();
        for authority in directory.authorities.iter().filter(chosen) {
            let connected = authority.availability == Availability::Available;
            let answers = authority.profiles.iter().any(|profile| profile == PROFILE);
            let list = if connected && answers { &mut selected.asked } else { &mut selected.to_ring };
            list.push(authority.code);
        }
        selected.asked.sort_unstable();
        selected.to_ring.sort_unstable();
        selected
    }
}

/// Whether any interval of the authority lies in that region.
fn is_of_region(code: AuthorityCode, region: &str) -> bool {
    let rows = AuthorityRegister::england().rows();
    rows.iter().any(|row| row.code == Some(code) && row.region == region)
}

/// How a broadcast goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Queries in flight at one time.
    pub in_flight_max: usize,
    /// Times that one authority is tried, each as often as the client's retry policy says.
    pub rounds_max: u32,
    /// Pause before an authority is tried again; it doubles with each round, up to [`crate::PAUSE_MAX`].
    pub pause: Duration,
}

impl Default for Pace {
    /// Sixty-four at a time, three rounds, for a person who watches: many more than authorities that hang, as each
    /// of those keeps a place for as long as a request may take.
    fn default() -> Self {
        Self { in_flight_max: 64, rounds_max: 3, pause: Duration::from_secs(2) }
    }
}

/// What came of asking one authority, once.
#[derive(Debug)]
pub struct Told {
    /// Who was asked.
    pub authority: AuthorityCode,
    /// The query that was put.
    pub query: QueryId,
    /// Which time this was, from 1.
    pub round: u32,
    /// Whether it is asked again in this broadcast: it could not be reached, or asked to wait for no longer than
    /// [`ASKED_PAUSE_MAX`].
    pub again: bool,
    /// Its answers, or why there are none.
    pub result: Result<Answers, ClientError>,
}

/// Puts the queries, so many at one time, and gives what comes of each as it comes.
///
/// Each query goes to its own recipient and has been stored by the caller. Every answer is proven. An authority
/// that can't be reached is told of and asked again after the others, `rounds_max` times; nothing is given up
/// by it: who is left is in the last word about it, and the same queries can be put again.
///
/// Implements: QRY-015, QRY-017, DLV-008
pub fn broadcast(client: &Client, queries: Vec<Query>, pace: Pace) -> impl Stream<Item = Told> + use<> {
    let waiting = queries.into_iter().map(|query| (query, 1, Duration::ZERO)).collect();
    let run = Run { client: client.clone(), pace, waiting, flying: FuturesUnordered::new() };
    unfold(run, |mut run| async move {
        run.fill();
        let (query, told) = run.flying.next().await?;
        if told.again {
            let asked = told.result.as_ref().err().and_then(ClientError::retry_after);
            let pause = pause(run.pace.pause, told.round, random()).max(asked.unwrap_or_default());
            run.waiting.push_back((query, told.round + 1, pause));
        }
        Some((told, run))
    })
}

struct Run {
    client: Client,
    pace: Pace,
    /// Queries to be put, the round that they are in and the pause before it. Who failed stands behind everybody
    /// else.
    waiting: VecDeque<(Query, u32, Duration)>,
    flying: FuturesUnordered<BoxFuture<'static, (Query, Told)>>,
}

impl Run {
    fn fill(&mut self) {
        while self.flying.len() < self.pace.in_flight_max.max(1) {
            let Some((query, round, pause)) = self.waiting.pop_front() else { return };
            let (client, pace) = (self.client.clone(), self.pace);
            self.flying.push(Box::pin(async move {
                tokio::time::sleep(pause).await;
                let told = put(&client, &query, round, pace.rounds_max).await;
                (query, told)
            }));
        }
    }
}

async fn put(client: &Client, query: &Query, round: u32, rounds_max: u32) -> Told {
    let authority = query.header().recipient;
    let result = match client.peer(authority) {
        Ok(peer) => peer.put_query(query).await,
        Err(error) => Err(error),
    };
    let retry = result.as_ref().is_err_and(|error| {
        error.next_step() == NextStep::Retry
            && error.retry_after().is_none_or(|asked| asked <= ASKED_PAUSE_MAX)
    });
    let again = retry && round < rounds_max;
    Told { authority, query: query.header().query, round, again, result }
}

/// After the first round the pause itself, spread over its upper half; after each later one twice as much.
fn pause(first: Duration, round: u32, random: u32) -> Duration {
    let policy = crate::RetryPolicy { first, ceiling: crate::PAUSE_MAX, attempts_max: round };
    policy.pause(round, random)
}

#[cfg(test)]
mod tests;
