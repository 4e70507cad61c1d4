//! Standard output and standard error of the commands.

use std::io::Write as _;

use serde::Serialize;

use super::CommandError;

/// A line on standard output.
pub(super) fn line(text: &str) -> Result<(), CommandError> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        // Who reads has seen enough, as `head` does.
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(CommandError::from),
    }
}

/// JSON on standard output, for people and programs.
pub(super) fn json(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CommandError::said(error.to_string()))?;
    line(&text)
}

/// A line on standard error: progress, not result.
pub(super) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// An error, with what lies behind it.
pub(super) fn error(error: &CommandError) {
    progress(&format!("error: {error}"));
}
