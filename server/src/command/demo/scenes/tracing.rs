//! A missing child is looked for at every authority, comes into a register later, and is handed over.

use std::time::Duration;

use cme_spec::entry::EntryType;
use cme_spec::instant::Instant;
use cme_spec::ledger::Stage;
use serde::Serialize;
use serde_json::{Value, json};

use super::{LEEDS, Pair, Played, SHEFFIELD, body, both, decide, ends, patience};
use crate::command::demo::party::{Party, go_on_later};
use crate::command::{CommandError, output, write};

/// The officer of Sheffield who asks, under a pseudonym.
const ASKS: &str = "o-7f3a";
/// The other officer of Sheffield who decides.
const DECIDES_TOO: &str = "o-11c2";
/// The officer of Leeds who releases the match.
const RELEASES: &str = "o-53e0";
/// What schools tell their authority at the beginning.
const PUPILS: &str = "reference,given_name,family_name,date_of_birth,sex\n0,Robin,Sample,2014-01-20,M\n";
/// What a school in Leeds tells its authority.
const ADMITTED: &str = "reference,given_name,family_name,date_of_birth,sex,upn\n\
                        1,Noor,Specimen,2015-06-01,F,D373000019002\n";

/// Brings what the schools tell into each register; the child of this scene is nowhere.
pub(super) async fn fill(cast: &[Party]) -> Result<(), CommandError> {
    for party in cast {
        import(party, PUPILS).await?;
    }
    Ok(())
}

async fn import(party: &Party, rows: &str) -> Result<(), CommandError> {
    let file = party.config.with_file_name("pupils.csv");
    write(&file, rows.as_bytes())?;
    let import = ["register", "import", &file.display().to_string(), "--source", "schools", "--merge"];
    party.command(&import, None).await.map(|_| ())
}

/// When what was said in this scene, as it was signed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "an instant is named `..At` everywhere in the protocol")]
pub(in crate::command::demo) struct Traced {
    /// When Sheffield asked.
    asked_at: Instant,
    /// When the last of the others said that it doesn't know the child.
    not_known_at: Instant,
    /// When Leeds said that it does.
    known_at: Instant,
}

impl Traced {
    /// Whether so much lies between the answers.
    pub(in crate::command::demo) fn is_later_by(&self, seconds: i64) -> bool {
        // An answer's time has no fraction of a second.
        self.asked_at <= self.not_known_at.plus_seconds(1)
            && self.not_known_at.plus_seconds(seconds) <= self.known_at.plus_seconds(1)
    }
}

/// Plays the scene.
pub(super) async fn traced(cast: &mut [Party], passes: i64) -> Result<(Played, Traced), CommandError> {
    output::progress("\nScene 5: a child is missing from Sheffield, and nobody knows where the child is");
    let (asking, asked_at, not_known_at) = asked(cast).await?;
    if passes > 0 {
        output::progress("\n  A week later, by the clocks of all three, a school in Leeds admits the child");
        go_on_later(cast, passes).await?;
    } else {
        output::progress(
            "\n  A week later (no clock is put ahead, as the servers are kept) a school in Leeds admits the child",
        );
    }
    released(&cast[LEEDS]).await?;
    let (team, known_at) = known(&cast[SHEFFIELD], &asking).await?;
    output::progress(&format!("  Sheffield: Leeds knows the child; an officer rings its team ({team})"));
    let rest = json!({
        "circumstances": body(EntryType::Offer)["circumstances"],
        "contacts": body(EntryType::Offer)["contacts"],
    });
    let offer = ["query", "offer", "--id", &asking, "--from-answer", cast[LEEDS].code.as_ref(), "-"];
    let offered = cast[SHEFFIELD].office(&offer, Some(&rest)).await?;
    let transfer = offered["transfer"].as_str().and_then(|transfer| transfer.parse().ok());
    let transfer = transfer.ok_or_else(|| CommandError::said("the offer's answer names no transfer"))?;
    let pair = Pair { originating: SHEFFIELD, receiving: LEEDS };
    both(cast, pair, transfer, 0).await?;
    output::progress("  Sheffield: offer to Leeds, from the answer");
    let withdrawn = cast[SHEFFIELD].office(&["query", "withdraw", "--id", &asking], None).await?;
    expect(withdrawn["standing"] == 0, "the queries stand nowhere any more")?;
    output::progress("  Sheffield: the queries are withdrawn everywhere");
    decide(cast, pair, transfer, EntryType::Acknowledge).await?;
    decide(cast, pair, transfer, EntryType::Accept).await?;
    let played = ends(cast, "Traced and handed over", pair, transfer, Stage::Accepted, LEEDS);
    Ok((played, Traced { asked_at, not_known_at, known_at }))
}

/// Two officers ask everybody; nobody knows the child, and the queries stand.
async fn asked(cast: &[Party]) -> Result<(String, Instant, Instant), CommandError> {
    let child = json!({
        "familyName": "Specimen",
        "givenName": "Noor",
        "dateOfBirth": "2015-06-01",
        "sex": "F",
        "upns": ["D373000019002"],
    });
    let officers = ["--officer", ASKS, "--second-officer", DECIDES_TOO, "--standing-days", "30"];
    let broadcast = [&["query", "broadcast", "--all"], &officers[..]].concat();
    let asked = cast[SHEFFIELD].office(&broadcast, Some(&child)).await?;
    let count = |name: &str| asked["tally"][name].as_u64().unwrap_or_default();
    output::progress(&format!(
        "  Sheffield: two officers ask every authority: {} of {} don't know the child, and keep the query for 30 days",
        count("notKnown"),
        asked["asked"]
    ));
    expect(asked["standing"] == 2 && count("notKnown") == 2, "both have answered, and keep the query")?;
    let list = asked["authorities"].as_array().cloned().unwrap_or_default();
    let answered = list.iter().map(|asked| instant(&asked["answeredAt"])).collect::<Result<Vec<_>, _>>()?;
    let asked_at = instant(&asked["createdAt"])?;
    let id = asked["id"].as_str().unwrap_or_default().to_owned();
    Ok((id, asked_at, answered.into_iter().max().unwrap_or(asked_at)))
}

/// The child comes into the register there; the officer is told and releases the match.
async fn released(leeds: &Party) -> Result<(), CommandError> {
    import(leeds, ADMITTED).await?;
    let begun = std::time::Instant::now();
    let query = loop {
        let list = leeds.office(&["answer", "list"], None).await?;
        if let Some(query) = list["standing"][0]["query"].as_str() {
            break query.to_owned();
        }
        patience(begun, "a match in Leeds")?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    output::progress(
        "  Leeds: the officer is told that the child may be the one; Sheffield sees nothing of it",
    );
    leeds.office(&["answer", "release", "--query", &query, "--officer", RELEASES], None).await?;
    output::progress("  Leeds: the officer knows of no reason to be silent, and releases the match");
    Ok(())
}

/// Waits until the asking authority has heard; gives whom to ring, and when that was said.
async fn known(sheffield: &Party, asking: &str) -> Result<(String, Instant), CommandError> {
    let begun = std::time::Instant::now();
    loop {
        let shown: Value = sheffield.office(&["query", "show", "--id", asking], None).await?;
        let first = &shown["authorities"][0];
        if first["status"] == "known" {
            let team = first["team"]["name"].as_str().unwrap_or_default().to_owned();
            return Ok((team, instant(&first["answeredAt"])?));
        }
        patience(begun, "the answer of Leeds")?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn instant(value: &Value) -> Result<Instant, CommandError> {
    let read = value.as_str().and_then(|text| text.parse().ok());
    read.ok_or_else(|| CommandError::said("an answer of the demonstration has no time"))
}

fn expect(holds: bool, what: &str) -> Result<(), CommandError> {
    if holds { Ok(()) } else { Err(CommandError::said(format!("it does not hold that {what}"))) }
}
