//! The demonstration's own clock: its processes go by one that it can put ahead, so that what happens in it a week later is
//! dated a week later.
//!
//! How far ahead is in a file beside the configuration, which nobody but the demonstration writes. Without that file the
//! command does nothing: no deployment has a clock that can be set.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser as _};

use crate::clock::Clock;
use crate::command::{CLOCK, Cli, CommandError, dispatch, write};

/// The file: seconds, in digits.
const FILE: &str = "demonstration.clock";

/// Run a command by the clock of the demonstration.
#[derive(Debug, Args)]
pub(in crate::command) struct Child {
    /// The command.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn file(config: &Path) -> PathBuf {
    config.with_file_name(FILE)
}

/// The processes that work by this configuration and start from now on are so many seconds ahead.
pub(super) fn put_ahead(config: &Path, seconds: i64) -> Result<(), CommandError> {
    write(&file(config), seconds.to_string().as_bytes())
}

fn seconds_ahead(config: &Path) -> Result<i64, CommandError> {
    let text = std::fs::read_to_string(file(config)).ok();
    let seconds = text.and_then(|text| text.trim().parse().ok());
    seconds.ok_or_else(|| {
        CommandError::said(format!("{} is not of the demonstration: it has no {FILE}", config.display()))
    })
}

impl Child {
    pub(in crate::command) fn serves(&self) -> bool {
        self.command.first().is_some_and(|command| command == "serve")
    }

    pub(in crate::command) async fn run(&self, config: PathBuf) -> Result<ExitCode, CommandError> {
        let seconds = seconds_ahead(&config)?;
        let words = std::iter::once("cme-server").chain(self.command.iter().map(String::as_str));
        let command = Cli::try_parse_from(words).map_err(|error| CommandError::said(error.to_string()))?;
        let system = Clock::system();
        let ahead = Clock::from_fn(move || system.now().plus_seconds(seconds));
        CLOCK.scope(ahead, Box::pin(dispatch(Cli { config, ..command }))).await
    }
}
