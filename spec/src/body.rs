//! Bodies: the part of an entry with personal data, under the header's digest and erasable.
//!
//! A body is kept and digested as received. The types here read it, say whether it has what its type
//! needs, and give developers the shape; they are never written out again in its place.

/// `Debug` that prints a type's name and nothing it holds, so that no log line shows a child by accident.
///
/// Implements: PRV-001
macro_rules! silent_debug {
    ($($name:ident),+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}
pub(crate) use silent_debug;

mod offer;
mod outcome;
mod parts;
mod reply;

pub use self::offer::{
    BelievedAddress, Child, Circumstances, Contacts, DeletionGroundRef, Family, LastSchool, LastSeen, Offer,
    SIBLINGS_MAX, StatedBasis,
};
pub use self::outcome::{Outcome, OutcomeEntry, Retract};
pub use self::parts::{Correction, Enquiry, Evidence, Officer, Salt};
pub use self::reply::{
    Accept, Acknowledge, Contest, Correct, Decline, Redirect, RequestInformation, Residence,
    SupplyInformation, Uphold, Withdraw,
};
use crate::canonical::{Json, ShapeError};
use crate::entry::{Body, Entry, EntryType};

/// Unicode scalar values of the longest free text in a body.
pub const TEXT_CHARS_MAX: usize = 4_000;

/// What a body or a part of one must be, beyond the form of its members.
pub(crate) trait Checked {
    /// The first rule broken, by pointer.
    fn check(&self) -> Result<(), ShapeError> {
        Ok(())
    }
}

/// Holds when the entry's body, unless it is erased, has what its type needs and fits its header.
///
/// What an author asks before it signs and a server before it stores. The error points at a member of the
/// body and never quotes it.
///
/// Implements: ENT-010, ENT-011
pub fn check_entry(entry: &Entry) -> Result<(), ShapeError> {
    let Body::Present(body) = entry.body() else { return Ok(()) };
    let header = entry.header();
    check(header.kind, body)?;
    let later = |sequence: u64, pointer| {
        if sequence < header.sequence { Ok(()) } else { Err(ShapeError::at(pointer)) }
    };
    match header.kind {
        EntryType::Correct => later(body.read::<Correct>()?.corrects, "/corrects"),
        EntryType::SupplyInformation => {
            let question = body.read::<SupplyInformation>()?.in_reply_to;
            question.map_or(Ok(()), |sequence| later(sequence, "/inReplyTo"))
        }
        EntryType::Redirect => {
            let authority = body.read::<Redirect>()?.authority;
            let party = [header.author, header.recipient].contains(&authority);
            if party { Err(ShapeError::at("/authority")) } else { Ok(()) }
        }
        // Nobody settles a case by pointing at that case itself.
        EntryType::Outcome => match body.read::<OutcomeEntry>()?.outcome {
            Outcome::Duplicate { of, .. } if of.transfer == header.transfer => {
                Err(ShapeError::at("/outcome/of/transfer"))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Holds when `body` has what any entry of this type needs, wherever it stands.
///
/// The error points at a member and never quotes it. Implements: ENT-010, PRV-002
pub fn check(kind: EntryType, body: &Json) -> Result<(), ShapeError> {
    match kind {
        EntryType::Offer => read::<Offer>(body),
        EntryType::Acknowledge => read::<Acknowledge>(body),
        EntryType::RequestInformation => read::<RequestInformation>(body),
        EntryType::SupplyInformation => read::<SupplyInformation>(body),
        EntryType::Accept => read::<Accept>(body),
        EntryType::Decline => read::<Decline>(body),
        EntryType::Contest => read::<Contest>(body),
        EntryType::Uphold => read::<Uphold>(body),
        EntryType::Redirect => read::<Redirect>(body),
        EntryType::Withdraw => read::<Withdraw>(body),
        EntryType::Outcome => {
            read::<OutcomeEntry>(body).map_err(|error| outcome::fault(body).unwrap_or(error))
        }
        EntryType::Retract => read::<Retract>(body),
        EntryType::Correct => read::<Correct>(body),
    }
}

fn read<T: serde::de::DeserializeOwned + Checked>(body: &Json) -> Result<(), ShapeError> {
    checked::<T>(body).map(|_| ())
}

/// The body as typed, when it has what its type needs.
pub(crate) fn checked<T: serde::de::DeserializeOwned + Checked>(body: &Json) -> Result<T, ShapeError> {
    let typed: T = body.read()?;
    typed.check()?;
    Ok(typed)
}

/// A text that is neither blank nor longer than [`TEXT_CHARS_MAX`].
pub(crate) fn text(pointer: &str, text: &str) -> Result<(), ShapeError> {
    let fits = !text.trim().is_empty() && text.chars().count() <= TEXT_CHARS_MAX;
    if fits { Ok(()) } else { Err(ShapeError::at(pointer)) }
}

pub(crate) fn optional_text(pointer: &str, value: Option<&String>) -> Result<(), ShapeError> {
    value.map_or(Ok(()), |value| text(pointer, value))
}

fn not_empty<T>(pointer: &str, list: &[T]) -> Result<(), ShapeError> {
    if list.is_empty() { Err(ShapeError::at(pointer)) } else { Ok(()) }
}

fn each<T: Checked>(pointer: &str, list: &[T]) -> Result<(), ShapeError> {
    for (index, item) in list.iter().enumerate() {
        item.check().map_err(|error| ShapeError::at(format!("{pointer}/{index}{}", error.pointer)))?;
    }
    Ok(())
}

pub(crate) fn within<T: Checked>(pointer: &str, part: &T) -> Result<(), ShapeError> {
    part.check().map_err(|error| ShapeError::at(format!("{pointer}{}", error.pointer)))
}

#[cfg(test)]
mod tests;
