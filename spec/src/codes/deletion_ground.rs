//! On which ground a school took a pupil's name off its register.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::code_list;
use crate::ids::text;

const TORBAY: &str = "School Attendance (Pupil Registration) (England) Regulations 2024 (SI 2024/208), regulation 9(1); wording of Torbay Council's SchoolRegisterDeletion form";

code_list! {
    /// Ground for deleting a pupil of compulsory school age, by regulation 9(1) of the 2024 Regulations.
    DeletionGround, source: TORBAY;
    A = "9(1)(a)", "The pupil has been registered at another school";
    B = "9(1)(b)", "The pupil has not continued at the school following completion of nursery education";
    C = "9(1)(c)", "The pupil is also registered at one or more other schools and the other schools have agreed the deletion";
    D = "9(1)(d)", "The pupil has a school attendance order which has been changed to name another school";
    E = "9(1)(e)", "The pupil has a school attendance order which has been revoked";
    F = "9(1)(f)", "The parent of a pupil has notified the school in writing that the pupil will be leaving the school to be educated otherwise than at school";
    G = "9(1)(g)", "The pupil no longer normally lives a reasonable distance from the school";
    H = "9(1)(h)", "The pupil has not returned following a leave of absence";
    I = "9(1)(i)", "The pupil has been continually absent from school for 20 school days";
    J = "9(1)(j)", "The pupil is detained under a sentence of detention";
    K = "9(1)(k)", "The pupil has died";
    L = "9(1)(l)", "The pupil will be over compulsory school age and will not continue into the sixth form";
    M = "9(1)(m)", "The pupil is a boarder at a school maintained by a local authority or academy and their boarding fees have not been paid";
    N = "9(1)(n)", "The pupil has ceased to be pupil at an independent school or non-maintained special school";
    O = "9(1)(o)", "The pupil has been permanently excluded from the school";
}

impl DeletionGround {
    /// The letter within regulation 9(1).
    pub fn letter(self) -> char {
        // The codes are "9(1)(x)": the letter stands last but one.
        self.code().chars().rev().nth(1).unwrap_or_default()
    }
}

code_list! {
    /// Year of the regulations under which a pupil's name was deleted.
    DeletionRegulations, source: "legislation.gov.uk";
    Of2024 = "2024", "School Attendance (Pupil Registration) (England) Regulations 2024 (SI 2024/208), in force 19 August 2024";
    Of2006 = "2006", "Education (Pupil Registration) (England) Regulations 2006 (SI 2006/1751)";
}

impl DeletionRegulations {
    /// The last letter that these regulations give a ground.
    const fn last_letter(self) -> char {
        match self {
            Self::Of2024 => 'o',
            Self::Of2006 => 'n',
        }
    }
}

/// Why a letter is no ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DeletionGroundError {
    /// The letter is not one character from `a` on in lower case.
    #[error("a ground is one lower-case letter")]
    NotALetter,
    /// These regulations have no ground of this letter.
    #[error("the regulations have no ground of this letter")]
    NotInRegulations,
}

/// A deletion ground together with the year of its regulations.
///
/// The letters changed meaning between 2006 and 2024 (another school was `b` and is `a`), so a letter without
/// a year is refused. Letters of 2006 are carried as they are and not interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "Unchecked")]
pub struct DeletionGroundRef {
    regulations: DeletionRegulations,
    /// Letter of the ground: `a` to `o` of 2024, `a` to `n` of 2006.
    #[schema(value_type = String, pattern = "^[a-o]$", example = "g")]
    letter: char,
}

impl DeletionGroundRef {
    /// The ground of this letter in these regulations.
    pub fn new(regulations: DeletionRegulations, letter: char) -> Result<Self, DeletionGroundError> {
        if !letter.is_ascii_lowercase() {
            return Err(DeletionGroundError::NotALetter);
        }
        if letter > regulations.last_letter() {
            return Err(DeletionGroundError::NotInRegulations);
        }
        Ok(Self { regulations, letter })
    }

    /// The regulations that give the letter its meaning.
    pub fn regulations(self) -> DeletionRegulations {
        self.regulations
    }

    /// The letter.
    pub fn letter(self) -> char {
        self.letter
    }

    /// The ground, where it is one of 2024.
    pub fn ground(self) -> Option<DeletionGround> {
        match self.regulations {
            DeletionRegulations::Of2024 => {
                DeletionGround::ALL.iter().copied().find(|ground| ground.letter() == self.letter)
            }
            DeletionRegulations::Of2006 => None,
        }
    }
}

impl From<DeletionGround> for DeletionGroundRef {
    fn from(ground: DeletionGround) -> Self {
        Self { regulations: DeletionRegulations::Of2024, letter: ground.letter() }
    }
}

#[derive(Deserialize)]
struct Unchecked {
    regulations: DeletionRegulations,
    #[serde(deserialize_with = "deserialize_letter")]
    letter: Letter,
}

struct Letter(char);

impl FromStr for Letter {
    type Err = DeletionGroundError;

    fn from_str(text: &str) -> Result<Self, DeletionGroundError> {
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(letter), None) => Ok(Self(letter)),
            _ => Err(DeletionGroundError::NotALetter),
        }
    }
}

fn deserialize_letter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Letter, D::Error> {
    text::deserialize(deserializer, str::parse)
}

impl TryFrom<Unchecked> for DeletionGroundRef {
    type Error = DeletionGroundError;

    fn try_from(unchecked: Unchecked) -> Result<Self, DeletionGroundError> {
        Self::new(unchecked.regulations, unchecked.letter.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn letters_run_from_a_to_o_in_order() {
        let letters: String = DeletionGround::ALL.iter().map(|ground| ground.letter()).collect();
        assert_eq!(letters, "abcdefghijklmno");
    }

    #[test]
    fn refuses_a_letter_without_the_year_of_its_regulations() {
        assert!(serde_json::from_value::<DeletionGroundRef>(json!("g")).is_err());
        assert!(serde_json::from_value::<DeletionGroundRef>(json!({ "letter": "g" })).is_err());
    }

    #[test]
    fn refuses_a_letter_that_the_regulations_do_not_have() {
        use DeletionGroundError::{NotALetter, NotInRegulations};
        use DeletionRegulations::{Of2006, Of2024};
        assert!(DeletionGroundRef::new(Of2024, 'o').is_ok());
        assert_eq!(DeletionGroundRef::new(Of2024, 'p'), Err(NotInRegulations));
        assert!(DeletionGroundRef::new(Of2006, 'n').is_ok());
        assert_eq!(DeletionGroundRef::new(Of2006, 'o'), Err(NotInRegulations));
        assert_eq!(DeletionGroundRef::new(Of2024, 'A'), Err(NotALetter));
        assert!(
            serde_json::from_value::<DeletionGroundRef>(json!({ "regulations": "2024", "letter": "ga" }))
                .is_err()
        );
    }

    #[test]
    fn reads_and_writes_year_and_letter() {
        let value = json!({ "regulations": "2024", "letter": "g" });
        let ground: DeletionGroundRef = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(ground, DeletionGround::G.into());
        assert_eq!(ground.ground(), Some(DeletionGround::G));
        assert_eq!(serde_json::to_value(ground).unwrap(), value);
    }

    #[test]
    fn does_not_interpret_the_letters_of_2006() {
        assert_eq!(DeletionGroundRef::new(DeletionRegulations::Of2006, 'b').unwrap().ground(), None);
    }
}
