//! What happens in the demonstration.

mod tracing;

use std::time::{Duration, Instant};

use cme_spec::entry::EntryType;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;
use cme_spec::ledger::Stage;
use serde_json::{Value, json};

pub(super) use self::tracing::Traced;
use super::WAIT_MAX;
use super::party::Party;
use crate::command::{CommandError, output};

/// A transfer that was played, and how it must have ended.
pub(super) struct Played {
    pub(super) scene: &'static str,
    pub(super) transfer: TransferId,
    pub(super) originating: AuthorityCode,
    pub(super) receiving: AuthorityCode,
    pub(super) ends: Stage,
    pub(super) responsible: AuthorityCode,
}

/// The two authorities of a transfer, by their places in the cast.
#[derive(Clone, Copy)]
struct Pair {
    originating: usize,
    receiving: usize,
}

const SHEFFIELD: usize = 0;
const BIRMINGHAM: usize = 1;
const LEEDS: usize = 2;

/// Plays every scene; in the last so many seconds pass, by the clocks of all.
pub(super) async fn play(cast: &mut [Party], passes: i64) -> Result<(Vec<Played>, Traced), CommandError> {
    tracing::fill(cast).await?;
    let mut played = vec![full_hand_over(cast).await?, contested(cast).await?];
    played.extend(redirected(cast).await?);
    played.push(receiver_down(cast).await?);
    let (traced, when) = tracing::traced(cast, passes).await?;
    played.push(traced);
    Ok((played, when))
}

async fn full_hand_over(cast: &[Party]) -> Result<Played, CommandError> {
    output::progress("\nScene 1: a child has moved from Sheffield to Birmingham");
    let pair = Pair { originating: SHEFFIELD, receiving: BIRMINGHAM };
    let transfer = offer(cast, pair, None, &body(EntryType::Offer)).await?;
    decide(cast, pair, transfer, EntryType::Acknowledge).await?;
    decide(cast, pair, transfer, EntryType::RequestInformation).await?;
    decide(cast, pair, transfer, EntryType::SupplyInformation).await?;
    decide(cast, pair, transfer, EntryType::Accept).await?;
    decide(cast, pair, transfer, EntryType::Outcome).await?;
    Ok(ends(cast, "Full hand-over", pair, transfer, Stage::Settled, BIRMINGHAM))
}

async fn contested(cast: &[Party]) -> Result<Played, CommandError> {
    output::progress("\nScene 2: Leeds says the child never came; Sheffield disagrees");
    let pair = Pair { originating: SHEFFIELD, receiving: LEEDS };
    let transfer = offer(cast, pair, None, &body(EntryType::Offer)).await?;
    decide(cast, pair, transfer, EntryType::Decline).await?;
    decide(cast, pair, transfer, EntryType::Contest).await?;
    decide(cast, pair, transfer, EntryType::Uphold).await?;
    Ok(ends(cast, "Contested hand-over", pair, transfer, Stage::Upheld, SHEFFIELD))
}

async fn redirected(cast: &[Party]) -> Result<[Played; 2], CommandError> {
    output::progress("\nScene 3: Birmingham knows that the child lives in Leeds");
    let pair = Pair { originating: SHEFFIELD, receiving: BIRMINGHAM };
    let first = offer(cast, pair, None, &body(EntryType::Offer)).await?;
    decide(cast, pair, first, EntryType::Redirect).await?;
    let onward = Pair { originating: SHEFFIELD, receiving: LEEDS };
    let second = offer(cast, onward, Some(first), &body(EntryType::Offer)).await?;
    decide(cast, onward, second, EntryType::Acknowledge).await?;
    decide(cast, onward, second, EntryType::Accept).await?;
    Ok([
        ends(cast, "Redirected", pair, first, Stage::Redirected, SHEFFIELD),
        ends(cast, "Offered anew to the right authority", onward, second, Stage::Accepted, LEEDS),
    ])
}

async fn receiver_down(cast: &mut [Party]) -> Result<Played, CommandError> {
    output::progress("\nScene 4: Leeds is down when Birmingham offers a child");
    let pair = Pair { originating: BIRMINGHAM, receiving: LEEDS };
    cast[LEEDS].stop().await;
    output::progress("  Leeds: the server is stopped");
    let transfer = propose(cast, pair, None, &body(EntryType::Offer)).await?;
    let begun = Instant::now();
    while waiting(&cast[BIRMINGHAM], transfer).await? == 0 {
        patience(begun, "the first failed delivery")?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    output::progress("  Birmingham: not delivered, tried again for ever; Birmingham stays responsible");
    cast[LEEDS].start().await?;
    arrived(&cast[LEEDS], transfer, 0).await?;
    arrived(&cast[BIRMINGHAM], transfer, 0).await?;
    output::progress("  Leeds is back and has the offer");
    decide(cast, pair, transfer, EntryType::Acknowledge).await?;
    decide(cast, pair, transfer, EntryType::Accept).await?;
    Ok(ends(cast, "Delivered after the receiver came back", pair, transfer, Stage::Accepted, LEEDS))
}

fn body(kind: EntryType) -> Value {
    let mut body = example::body(kind).into_value();
    if let Some(members) = body.as_object_mut() {
        members.remove("salt");
    }
    body
}

/// An offer that has reached both copies.
async fn offer(
    cast: &[Party],
    pair: Pair,
    preceded_by: Option<TransferId>,
    body: &Value,
) -> Result<TransferId, CommandError> {
    let transfer = propose(cast, pair, preceded_by, body).await?;
    both(cast, pair, transfer, 0).await?;
    Ok(transfer)
}

async fn propose(
    cast: &[Party],
    pair: Pair,
    preceded_by: Option<TransferId>,
    body: &Value,
) -> Result<TransferId, CommandError> {
    let (from, to) = (&cast[pair.originating], &cast[pair.receiving]);
    let (code, earlier) = (to.code.to_string(), preceded_by.map(|earlier| earlier.to_string()));
    let mut arguments = vec!["offer", "--to", &code];
    arguments.extend(earlier.iter().flat_map(|earlier| ["--preceded-by", earlier.as_str()]));
    let answer = from.office(&arguments, Some(body)).await?;
    output::progress(&format!("  {}: offer to {}", from.name, to.name));
    answer["transfer"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| CommandError::said("the offer's answer names no transfer"))
}

/// A decision by the party that may make it, once it has reached both copies.
async fn decide(
    cast: &[Party],
    pair: Pair,
    transfer: TransferId,
    kind: EntryType,
) -> Result<(), CommandError> {
    let by_originating =
        matches!(kind, EntryType::SupplyInformation | EntryType::Contest | EntryType::Withdraw);
    let party = &cast[if by_originating { pair.originating } else { pair.receiving }];
    let command = match kind {
        EntryType::RequestInformation => "ask",
        EntryType::SupplyInformation => "supply",
        other => other.code(),
    };
    let before = party.stage(transfer).await?.map_or(0, |(_, head)| head);
    party.office(&[command, "--transfer", &transfer.to_string()], Some(&body(kind))).await?;
    both(cast, pair, transfer, before + 1).await?;
    let stage = party.stage(transfer).await?.map(|(stage, _)| stage).unwrap_or_default();
    output::progress(&format!("  {}: {kind} (now {stage})", party.name));
    Ok(())
}

async fn both(cast: &[Party], pair: Pair, transfer: TransferId, sequence: u64) -> Result<(), CommandError> {
    arrived(&cast[pair.receiving], transfer, sequence).await?;
    arrived(&cast[pair.originating], transfer, sequence).await
}

async fn arrived(party: &Party, transfer: TransferId, sequence: u64) -> Result<(), CommandError> {
    let begun = Instant::now();
    while party.stage(transfer).await?.is_none_or(|(_, head)| head < sequence) {
        patience(begun, &format!("entry {sequence} at {}", party.name))?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Failed tries of a transfer's letters.
async fn waiting(party: &Party, transfer: TransferId) -> Result<u64, CommandError> {
    let list = party.office(&["list"], None).await?;
    let letters = list["outbox"].as_array().cloned().unwrap_or_default();
    let tries = letters
        .iter()
        .filter(|letter| letter["transfer"] == json!(transfer))
        .filter_map(|letter| letter["attempts"].as_u64());
    Ok(tries.sum())
}

fn patience(begun: Instant, what: &str) -> Result<(), CommandError> {
    if begun.elapsed() < WAIT_MAX {
        Ok(())
    } else {
        Err(CommandError::said(format!("waited too long for {what}")))
    }
}

fn ends(
    cast: &[Party],
    scene: &'static str,
    pair: Pair,
    transfer: TransferId,
    ends: Stage,
    responsible: usize,
) -> Played {
    Played {
        scene,
        transfer,
        originating: cast[pair.originating].code,
        receiving: cast[pair.receiving].code,
        ends,
        responsible: cast[responsible].code,
    }
}
