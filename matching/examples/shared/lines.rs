//! Children from a file, one on each line.

use std::error::Error;

use cme_matching::Child;

/// The children of a file of JSON lines; an error names the line.
pub(crate) fn children(path: &str) -> Result<Vec<Child>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|cause| format!("{path}: {cause}"))?;
    let read = |(line, text): (usize, &str)| {
        serde_json::from_str(text).map_err(|cause| format!("{path}, line {}: {cause}", line + 1).into())
    };
    text.lines().enumerate().map(read).collect()
}
