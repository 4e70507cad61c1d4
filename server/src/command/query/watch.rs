//! Shows what comes of an asking while the server asks. Nothing of the work is the command's own, so it may end at
//! any time: when everybody has answered, when its time is over, or when whoever waits has seen enough.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use cme_spec::ids::AuthorityCode;
use uuid::Uuid;

use super::{CommandError, output};
use crate::node::Node;
use crate::office::{self, AskedView, AskingDetails, AuthorityStatus, Tally};
use crate::store::dispatch;

/// How often the database is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a server that runs takes to begin, at most.
const BEGUN_WITHIN: Duration = Duration::from_secs(3);
/// Characters of the bar.
const BAR_CHARS: usize = 30;

/// How what comes is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The whole at the end.
    Whole,
    /// Each answer as a line, and the whole as the last.
    Lines,
}

/// Why the watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Settled,
    TimeOver,
    Interrupted,
    NobodySends,
}

/// Waits until every authority has answered or refused, or one of the other ends, and prints what is known then.
pub(super) async fn watch(
    node: &Node,
    by: AuthorityCode,
    id: Uuid,
    wait: Duration,
    shown: Shown,
) -> Result<(), CommandError> {
    let mut progress = Progress::new(shown);
    let ended = tokio::select! {
        ended = until_ended(node, by, id, wait, &mut progress) => ended?,
        _ = tokio::signal::ctrl_c() => Ended::Interrupted,
    };
    let details = office::show_asking(node, by, id).await?;
    progress.see(&details)?;
    progress.end();
    if let Some(left) = left(&details, ended) {
        output::progress(&left);
    }
    match shown {
        Shown::Whole => output::json(&details),
        Shown::Lines => output::line(&compact(&details)?),
    }
}

async fn until_ended(
    node: &Node,
    by: AuthorityCode,
    id: Uuid,
    wait: Duration,
    progress: &mut Progress,
) -> Result<Ended, CommandError> {
    let began = Instant::now();
    let mut has_begun = false;
    loop {
        let details = office::asking_details(node, by, id).await?;
        progress.see(&details)?;
        if details.view.tally.to_answer == 0 {
            return Ok(Ended::Settled);
        }
        if began.elapsed() >= wait {
            return Ok(Ended::TimeOver);
        }
        has_begun = has_begun || has_server_begun(node, by, &details).await?;
        if !has_begun && began.elapsed() >= BEGUN_WITHIN {
            return Ok(Ended::NobodySends);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a server works on what this authority sends: something was tried, or is under way.
async fn has_server_begun(
    node: &Node,
    by: AuthorityCode,
    details: &AskingDetails,
) -> Result<bool, CommandError> {
    let tried = |asked: &AskedView| asked.answers > 0 || asked.attempts.is_some_and(|attempts| attempts > 0);
    if details.authorities.iter().any(tried) {
        return Ok(true);
    }
    let now = node.now();
    Ok(node.store().read(move |tx| dispatch::is_any_under_way(tx, by, now)).await?)
}

/// What is said to whoever waits when not everybody has answered.
fn left(details: &AskingDetails, ended: Ended) -> Option<String> {
    let to_answer = details.view.tally.to_answer;
    let id = details.view.id;
    if to_answer == 0 {
        return None;
    }
    let why = match ended {
        Ended::NobodySends => {
            "no server works on this database now: what is asked is stored, and is sent when `cme-server serve` runs"
        }
        Ended::Interrupted => "interrupted; what is asked is stored, and the server goes on asking",
        Ended::Settled | Ended::TimeOver => "the server goes on asking them for as long as it takes",
    };
    Some(format!("{to_answer} still to answer: {why}\nlook again: cme-server office query show --id {id}"))
}

fn compact(value: &impl serde::Serialize) -> Result<String, CommandError> {
    serde_json::to_string(value).map_err(|error| CommandError::said(error.to_string()))
}

/// Tells of each answer once: as a line of JSON, or in a bar where a person looks at a terminal.
struct Progress {
    shown: Shown,
    told: std::collections::BTreeMap<AuthorityCode, AuthorityStatus>,
    bar: bool,
}

impl Progress {
    fn new(shown: Shown) -> Self {
        let bar = shown == Shown::Whole && std::io::stderr().is_terminal();
        Self { shown, told: std::collections::BTreeMap::new(), bar }
    }

    fn see(&mut self, details: &AskingDetails) -> Result<(), CommandError> {
        let settled = details.authorities.iter().filter(|asked| asked.status != AuthorityStatus::ToAnswer);
        for asked in settled {
            let is_new = self.told.insert(asked.authority, asked.status) != Some(asked.status);
            if is_new && self.shown == Shown::Lines {
                output::line(&compact(asked)?)?;
            }
        }
        if self.bar {
            let _ =
                write!(std::io::stderr().lock(), "\r\x1b[K{}", bar(details.view.asked, &details.view.tally));
        }
        Ok(())
    }

    fn end(&self) {
        if self.bar {
            output::progress("");
        }
    }
}

/// One line: how many have answered, and what matters of it.
fn bar(asked: usize, tally: &Tally) -> String {
    let done = asked - tally.to_answer;
    let filled = (done * BAR_CHARS).checked_div(asked).unwrap_or(BAR_CHARS);
    let (full, empty) = ("#".repeat(filled), "-".repeat(BAR_CHARS - filled));
    let mut line = format!("[{full}{empty}] {done} of {asked}");
    let named = [
        (tally.known, "known"),
        (tally.possible, "possible"),
        (tally.referred, "referred"),
        (tally.refused, "refused"),
    ];
    for (count, name) in named.into_iter().filter(|(count, _)| *count > 0) {
        line.extend([", ", &count.to_string(), " ", name]);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_how_many_have_answered_and_what_matters_of_it() {
        let tally = Tally { known: 1, not_known: 74, refused: 1, to_answer: 76, ..Tally::default() };
        assert_eq!(bar(152, &tally), "[###############---------------] 76 of 152, 1 known, 1 refused");
        let all = Tally { not_known: 152, ..Tally::default() };
        assert_eq!(bar(152, &all), "[##############################] 152 of 152");
        assert_eq!(bar(0, &Tally::default()), "[##############################] 0 of 0");
    }
}
