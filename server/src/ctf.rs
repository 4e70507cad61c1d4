//! Common Transfer Files (CTF): the XML in which schools' systems tell of pupils.
//!
//! The file is read as a stream, one pupil at a time, and believed nothing: a document type is refused, so no
//! entity can be declared, and depth, the size of each part and the number of parts are bounded. Elements that
//! nobody here asks for are passed over. No error says anything of what the file holds.
//!
//! Element names are those of public code that writes such files; a file of versions 24 and 25 is read.

mod leavers;
mod xml;

use std::fmt;
use std::io::Read;

use cme_spec::ids::Laestab;
use jiff::civil::Date;

pub use self::leavers::{Destination, Leaver, leavers};
use self::xml::{Part, Parts};

/// Versions that are read, by the number before the point.
const VERSIONS: [&str; 2] = ["24", "25"];
/// Schools of one pupil's history at most.
const SCHOOLS_MAX: usize = 50;

/// Why a file can't be read. It says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CtfError {
    /// The file.
    #[error("the file can't be read")]
    Io,
    /// It isn't XML, or ends too early.
    #[error("the file is not well-formed XML, or is not whole")]
    NotXml,
    /// It has a document type.
    #[error("the file has a document type (DOCTYPE), which no CTF has and which is refused")]
    DocumentType,
    /// It has a reference to an entity that XML itself does not define.
    #[error("the file has a reference to an entity that XML itself does not define")]
    Entity,
    /// It says or shows that it is of another encoding.
    #[error("the file is not UTF-8: export it again in UTF-8")]
    Encoding,
    /// Elements within elements.
    #[error("the file has more than {} elements within each other", xml::DEPTH_MAX)]
    TooDeep,
    /// A tag, a text or a comment.
    #[error("the file has a part of more than {} bytes", xml::PART_BYTES_MAX)]
    PartTooLong,
    /// A pupil's history.
    #[error("the file has a pupil with more than {SCHOOLS_MAX} schools")]
    TooManySchools,
    /// A list of leavers.
    #[error("the file has more than {} leavers", leavers::LEAVERS_MAX)]
    TooManyLeavers,
    /// It is some other XML.
    #[error("the file is not a Common Transfer File: it does not begin with CTfile and a Header")]
    NotCtf,
    /// It is of another version.
    #[error("the file is not of CTF version 25 or 24")]
    Version,
}

/// What a file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The school that it comes from.
    pub source: School,
    /// Where it goes.
    pub destination: School,
    /// The day on which it was made.
    pub made_on: Option<Date>,
}

/// A school, or what stands in the place of one, as two codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct School {
    /// Three signs.
    pub authority: String,
    /// Four signs.
    pub estab: String,
}

impl School {
    /// The school's DfE number, if it is one.
    pub fn laestab(&self) -> Option<Laestab> {
        format!("{}{}", self.authority, self.estab).parse().ok()
    }
}

/// A pupil, each value as it is written; what is not given is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pupil {
    /// Place among the pupils of the file, from 1.
    pub number: u64,
    /// `UPN`.
    pub upn: String,
    /// `UniqueLearnerNumber`.
    pub uln: String,
    /// `Surname`.
    pub surname: String,
    /// `Forename`.
    pub forename: String,
    /// `DOB`.
    pub date_of_birth: String,
    /// `Sex`, which version 24 may call `Gender`.
    pub sex: String,
    /// `FormerUPN`.
    pub former_upn: String,
    /// `PreferredSurname`.
    pub preferred_surname: String,
    /// `PreferredForename`.
    pub preferred_forename: String,
    /// `FormerSurname`.
    pub former_surname: String,
    /// `FormerForename`.
    pub former_forename: String,
    /// `MiddleNames`.
    pub middle_names: String,
    /// `PostCode` of the address.
    pub postcode: String,
    /// `SchoolHistory`.
    pub schools: Vec<Stay>,
}

/// A time at a school.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stay {
    /// The school.
    pub school: School,
    /// `EntryDate`.
    pub entry_date: String,
    /// `LeavingDate`.
    pub leaving_date: String,
    /// `RemovalGrounds`, or `LeavingReason`.
    pub removal_grounds: String,
    /// `LastSchool`: whether it is the one that the pupil left last.
    pub is_last: bool,
}

/// Says nothing of the pupil: a value may end up in a log.
impl fmt::Debug for Pupil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pupil({})", self.number)
    }
}

impl fmt::Debug for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stay(..)")
    }
}

/// A file that is being read.
pub struct CommonTransferFile<R: Read> {
    parts: Parts<R>,
    header: Header,
    pupils: u64,
}

impl<R: Read> CommonTransferFile<R> {
    /// The file, of which the header was read.
    pub fn open(input: R) -> Result<Self, CtfError> {
        let mut parts = Parts::of(input);
        let (mut header, mut version) = (Header::default(), String::new());
        loop {
            match parts.next()? {
                Part::Value => {
                    let place = parts.place();
                    let Some(place) = place.strip_prefix("CTfile/Header/") else { continue };
                    let target = match place {
                        "CTFversion" => &mut version,
                        "SourceSchool/LEA" => &mut header.source.authority,
                        "SourceSchool/Estab" => &mut header.source.estab,
                        "DestSchool/LEA" => &mut header.destination.authority,
                        "DestSchool/Estab" => &mut header.destination.estab,
                        "DateTime" => {
                            header.made_on = parts.text().get(..10).and_then(|day| day.parse().ok());
                            continue;
                        }
                        _ => continue,
                    };
                    parts.text().clone_into(target);
                }
                Part::Begin if parts.depth() == 1 && parts.place() != "CTfile" => {
                    return Err(CtfError::NotCtf);
                }
                // What tells of pupils before it tells of itself is no such file.
                Part::Begin if parts.place() == "CTfile/CTFpupilData" => return Err(CtfError::NotCtf),
                Part::End if parts.place() == "CTfile/Header" => break,
                Part::Begin | Part::End => {}
                Part::Over => return Err(CtfError::NotCtf),
            }
        }
        let number = version.split('.').next().unwrap_or_default();
        if !VERSIONS.contains(&number) {
            return Err(CtfError::Version);
        }
        Ok(Self { parts, header, pupils: 0 })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next pupil; none at the end of the file.
    pub fn next_pupil(&mut self) -> Result<Option<Pupil>, CtfError> {
        const PUPIL: &str = "CTfile/CTFpupilData/Pupil";
        let mut pupil = Pupil::default();
        loop {
            match self.parts.next()? {
                Part::Begin if self.parts.place() == PUPIL => {
                    self.pupils += 1;
                    pupil = Pupil { number: self.pupils, ..Pupil::default() };
                }
                Part::Begin => {
                    let within = self.parts.place().strip_prefix(PUPIL);
                    if within == Some("/SchoolHistory/School") {
                        if pupil.schools.len() == SCHOOLS_MAX {
                            return Err(CtfError::TooManySchools);
                        }
                        pupil.schools.push(Stay::default());
                    }
                }
                Part::Value => {
                    let (place, text) = (self.parts.place(), self.parts.text());
                    if let Some(within) = place.strip_prefix(PUPIL) {
                        pupil.set(within.trim_start_matches('/'), text);
                    }
                }
                Part::End if self.parts.place() == PUPIL => return Ok(Some(pupil)),
                Part::End => {}
                Part::Over => return Ok(None),
            }
        }
    }
}

impl Pupil {
    fn set(&mut self, place: &str, text: &str) {
        let target = match place {
            "UPN" => &mut self.upn,
            "UniqueLearnerNumber" => &mut self.uln,
            "Surname" => &mut self.surname,
            "Forename" => &mut self.forename,
            "DOB" => &mut self.date_of_birth,
            "Sex" | "Gender" => &mut self.sex,
            "BasicDetails/FormerUPN" => &mut self.former_upn,
            "BasicDetails/PreferredSurname" => &mut self.preferred_surname,
            "BasicDetails/PreferredForename" => &mut self.preferred_forename,
            "BasicDetails/FormerSurname" => &mut self.former_surname,
            "BasicDetails/FormerForename" => &mut self.former_forename,
            "BasicDetails/MiddleNames" => &mut self.middle_names,
            // The first address is the present one.
            place if is_postcode(place) && self.postcode.is_empty() => &mut self.postcode,
            place => {
                if let (Some(within), Some(stay)) =
                    (place.strip_prefix("SchoolHistory/School/"), self.schools.last_mut())
                {
                    stay.set(within, text);
                }
                return;
            }
        };
        text.clone_into(target);
    }
}

/// The element lies directly in the address, or in a form of address within it.
fn is_postcode(place: &str) -> bool {
    place.starts_with("Address/") && place.ends_with("/PostCode")
}

impl Stay {
    fn set(&mut self, place: &str, text: &str) {
        let target = match place {
            "LEA" => &mut self.school.authority,
            "Estab" => &mut self.school.estab,
            "EntryDate" => &mut self.entry_date,
            "LeavingDate" => &mut self.leaving_date,
            "RemovalGrounds" => &mut self.removal_grounds,
            "LeavingReason" if self.removal_grounds.is_empty() => &mut self.removal_grounds,
            "LastSchool" => {
                self.is_last = matches!(text, "true" | "1");
                return;
            }
            _ => return,
        };
        text.clone_into(target);
    }
}

#[cfg(test)]
mod tests;
