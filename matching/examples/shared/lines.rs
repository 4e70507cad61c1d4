//! Children from a file, one on each line.

use std::error::Error;
use std::process::ExitCode;

use cme_matching::Child;

/// The children of a file of JSON lines; an error names the line and says nothing of what is on it.
pub(crate) fn children(path: &str) -> Result<Vec<Child>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|cause| format!("{path}: {cause}"))?;
    let read = |(line, text): (usize, &str)| {
        serde_json::from_str(text).map_err(|cause| {
            let what = if cause.is_data() { "not the members of a child" } else { "not JSON" };
            format!("{path}, line {}, column {}: {what}", line + 1, cause.column()).into()
        })
    };
    text.lines().enumerate().map(read).collect()
}

/// How a program ends, having said why.
pub(crate) fn end(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("{cause}");
            ExitCode::FAILURE
        }
    }
}
