//! Deletion returns: a school's list of the pupils whose names it deleted from its register.

use std::fmt;
use std::io::Read;

use cme_spec::codes::{DeletionGroundRef, DeletionRegulations};
use cme_spec::ids::Laestab;
use jiff::civil::{Date, date};

use super::{CommonTransferFile, CtfError, Header, Pupil, School, Stay};

/// Leavers of one file; a school has fewer pupils.
pub(super) const LEAVERS_MAX: usize = 10_000;
/// The first day of the 2024 Regulations: a letter of before means another ground.
const REGULATIONS_2024: Date = date(2024, 8, 19);

/// A pupil who left a school.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaver {
    /// The pupil, as the file has it.
    pub pupil: Pupil,
    /// The school that deleted the name.
    pub school: Option<Laestab>,
    /// The day on which the pupil left: the last of attendance, as far as the file says.
    pub left_on: Option<Date>,
    /// The ground, where the file has a letter of the regulations that were in force on that day.
    pub ground: Option<DeletionGroundRef>,
    /// Where to.
    pub destination: Destination,
}

/// Says nothing of the pupil: a value may end up in a log.
impl fmt::Debug for Leaver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaver({})", self.pupil.number)
    }
}

/// Where a pupil went, as far as a school says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To a school.
    School(Laestab),
    /// Nobody knows: `XXX` and `XXXX`.
    Unknown,
    /// Out of what such files go to, independent schools and other countries: `MMM` and `MMMM`.
    Outside,
    /// The file says nothing: it goes to an authority, or nowhere.
    NotSaid,
}

/// The leavers of a file: pupils whose history has a day on which they left the school that the file comes from.
///
/// Others are not among them: a file of leavers may tell of pupils who left some other school before.
pub fn leavers(input: impl Read) -> Result<Vec<Leaver>, CtfError> {
    let mut file = CommonTransferFile::open(input)?;
    let mut leavers = Vec::new();
    while let Some(pupil) = file.next_pupil()? {
        let Some(leaver) = leaver(file.header(), pupil) else { continue };
        if leavers.len() == LEAVERS_MAX {
            return Err(CtfError::TooManyLeavers);
        }
        leavers.push(leaver);
    }
    Ok(leavers)
}

fn leaver(header: &Header, pupil: Pupil) -> Option<Leaver> {
    let is_source = |stay: &&Stay| {
        !stay.leaving_date.is_empty() && (stay.school == header.source || header.source == School::default())
    };
    // A pupil may have come back and left again.
    let stay = pupil.schools.iter().filter(is_source).max_by_key(|stay| stay.leaving_date.clone())?;
    let left_on: Option<Date> = stay.leaving_date.parse().ok();
    Some(Leaver {
        school: stay.school.laestab(),
        left_on,
        ground: left_on.and_then(|left_on| ground(&stay.removal_grounds, left_on)),
        destination: destination(header, &pupil, stay),
        pupil,
    })
}

fn ground(text: &str, left_on: Date) -> Option<DeletionGroundRef> {
    let regulations =
        if left_on < REGULATIONS_2024 { DeletionRegulations::Of2006 } else { DeletionRegulations::Of2024 };
    let mut letters = text.chars();
    let letter = letters.next()?.to_ascii_lowercase();
    letters.next().is_none().then(|| DeletionGroundRef::new(regulations, letter).ok()).flatten()
}

/// The school to which the pupil came afterwards, or what the file is addressed to.
fn destination(header: &Header, pupil: &Pupil, left: &Stay) -> Destination {
    let came_after = |stay: &&Stay| stay.school != left.school && stay.entry_date >= left.leaving_date;
    let next = pupil.schools.iter().filter(came_after).min_by_key(|stay| stay.entry_date.clone());
    let to = next.map_or(&header.destination, |stay| &stay.school);
    match (to.authority.as_str(), to.estab.as_str()) {
        ("XXX", "XXXX") => Destination::Unknown,
        ("MMM", "MMMM") => Destination::Outside,
        _ => to.laestab().map_or(Destination::NotSaid, Destination::School),
    }
}
