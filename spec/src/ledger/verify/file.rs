//! The export as a file: what it holds, before any entry of it is looked at.

use crate::canonical::{DecodeError, Json, Limits, ShapeError};
use crate::ids::AuthorityCode;
use crate::instant::{Instant, TransferId};

/// The `format` of an export.
pub const FORMAT: &str = "cme-ledger/1";

/// An exported ledger, its entries not yet looked at.
#[derive(Clone, Debug)]
pub struct LedgerFile {
    pub(super) transfer: TransferId,
    pub(super) originating: AuthorityCode,
    pub(super) receiving: AuthorityCode,
    pub(super) exported_by: AuthorityCode,
    pub(super) entries: Vec<Json>,
    pub(super) head: Json,
    pub(super) peer_heads: Vec<Json>,
    pub(super) forks: Vec<Vec<Json>>,
}

/// Why a file can't even be looked at entry by entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerFileError {
    /// Not JSON within the rules; `sequence` is the entry in which decoding stopped, when it was in one.
    #[error("{cause}{}", near(*sequence))]
    Decode {
        /// What is wrong.
        cause: DecodeError,
        /// The entry in which it was found.
        sequence: Option<u64>,
    },
    /// A member outside the entries is missing or not of its form.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Not `cme-ledger/1`.
    #[error("not an export of format {FORMAT}")]
    Format,
}

fn near(sequence: Option<u64>) -> String {
    sequence.map(|sequence| format!(", at sequence {sequence}")).unwrap_or_default()
}

impl LedgerFile {
    /// Reads an export. Implements: VER-003
    pub fn read(bytes: &[u8]) -> Result<Self, LedgerFileError> {
        let json = Json::decode(bytes, &Limits::COLLECTION).map_err(|cause| {
            let sequence = place_of(bytes, &cause).and_then(|place| entry_at(bytes, place));
            LedgerFileError::Decode { cause, sequence }
        })?;
        let member = |name: &str| json.member(name).ok_or_else(|| ShapeError::at(format!("/{name}")));
        if member("format")?.value() != FORMAT {
            return Err(LedgerFileError::Format);
        }
        let list = |json: &Json, name: &str| -> Result<Vec<Json>, ShapeError> {
            let items = json.member(name).and_then(|list| list.items());
            items.ok_or_else(|| ShapeError::at(format!("/{name}")))
        };
        let code = |name: &str| -> Result<AuthorityCode, ShapeError> {
            member(name)?.read().map_err(|_| ShapeError::at(format!("/{name}")))
        };
        // When it was made bears on nothing, and yet an export says it.
        let _: Instant = member("exportedAt")?.read().map_err(|_| ShapeError::at("/exportedAt"))?;
        let forks =
            list(&json, "forks")?.iter().map(|fork| list(fork, "entries")).collect::<Result<_, _>>()?;
        Ok(Self {
            transfer: member("transfer")?.read().map_err(|_| ShapeError::at("/transfer"))?,
            originating: code("originating")?,
            receiving: code("receiving")?,
            exported_by: code("exportedBy")?,
            entries: list(&json, "entries")?,
            head: member("head")?,
            peer_heads: list(&json, "peerHeads")?,
            forks,
        })
    }
}

/// Line and column where decoding stopped, both from 1.
fn place_of(bytes: &[u8], cause: &DecodeError) -> Option<(usize, usize)> {
    let DecodeError::NotUtf8 { offset } = *cause else { return cause.position() };
    let before = bytes.get(..offset)?;
    let line = before.split(|byte| *byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    Some((line, offset - start + 1))
}

/// The entry of the `entries` array within which a place of the file lies: the text before it is sound
/// JSON, so counting brackets outside strings is enough.
fn entry_at(bytes: &[u8], (line, column): (usize, usize)) -> Option<u64> {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    // A raw line break inside a string is reported at the start of the next line: look from before it.
    let stop = std::iter::once(0).chain(starts).nth(line.checked_sub(1)?)? + column;
    let end = bytes.len().min(stop.saturating_sub(2));
    let start = bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let begin = find(bytes, b"\"entries\"")? + 9;
    let (mut depth, mut inside, mut escaped, mut count, mut opened_at) =
        (0_u32, false, false, 0_u64, 0_usize);
    for (index, byte) in bytes.get(begin..end)?.iter().enumerate() {
        match (inside, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => inside = !inside,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth == 2 {
                    (count, opened_at) = (count + 1, begin + index);
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    // The line before was whole: what broke is what this line was to begin.
    if column <= 1 && depth == 1 && !inside {
        return Some(count);
    }
    // An export has one entry on a line. A line that began an entry and broke is that entry's, even when
    // the break made it seem to end early; a line that broke before it began one is the next entry's.
    if depth > 1 || opened_at >= start { count.checked_sub(1) } else { Some(count) }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
