//! Bodies: the part of an entry with personal data, under the header's digest and erasable.
//!
//! A body is kept and digested as received. The types here read it, say whether it has what its type
//! needs, and give developers the shape; they are never written out again in its place.

mod offer;
mod outcome;
mod parts;
mod reply;

pub use self::offer::{
    BelievedAddress, Child, Circumstances, Contacts, DeletionGroundRef, Family, LastSchool, LastSeen, Offer,
    StatedBasis,
};
pub use self::outcome::{DuplicateOf, Outcome, OutcomeEntry, Retract};
pub use self::parts::{Correction, Enquiry, Evidence, Officer, Salt};
pub use self::reply::{
    Accept, Acknowledge, Contest, Correct, Decline, Redirect, RequestInformation, Residence,
    SupplyInformation, Uphold, Withdraw,
};
use crate::canonical::{Json, ShapeError};
use crate::entry::EntryType;

/// Characters of the longest free text in a body, as `maxLength` of the schemas counts them.
pub const TEXT_CHARACTERS_MAX: usize = 4_000;

/// What one entry type's body must be, beyond the form of its members.
trait Checked {
    /// The first rule broken, by pointer.
    fn check(&self) -> Result<(), ShapeError> {
        Ok(())
    }
}

/// Holds when `body` has what an entry of this type needs.
///
/// The error points at a member and never quotes it.
///
/// Implements: ENT-010, ENT-011
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
        EntryType::Outcome => read::<OutcomeEntry>(body),
        EntryType::Retract => read::<Retract>(body),
        EntryType::Correct => read::<Correct>(body),
    }
}

fn read<T: serde::de::DeserializeOwned + Checked>(body: &Json) -> Result<(), ShapeError> {
    body.read::<T>()?.check()
}

/// A text that is neither empty nor longer than [`TEXT_CHARACTERS_MAX`].
fn text(pointer: &str, text: &str) -> Result<(), ShapeError> {
    let fits = !text.trim().is_empty() && text.chars().nth(TEXT_CHARACTERS_MAX).is_none();
    if fits { Ok(()) } else { Err(ShapeError::at(pointer)) }
}

fn optional_text(pointer: &str, value: Option<&String>) -> Result<(), ShapeError> {
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

fn within<T: Checked>(pointer: &str, part: &T) -> Result<(), ShapeError> {
    part.check().map_err(|error| ShapeError::at(format!("{pointer}{}", error.pointer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_measured_in_characters_and_is_never_blank() {
        assert!(text("/x", &"\u{20ac}".repeat(TEXT_CHARACTERS_MAX)).is_ok());
        for wrong in ["\u{20ac}".repeat(TEXT_CHARACTERS_MAX + 1), " \n".to_owned(), String::new()] {
            assert_eq!(text("/x", &wrong), Err(ShapeError::at("/x")));
        }
    }
}
