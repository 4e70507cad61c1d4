//! Whether a child is missing education.
//!
//! Section 436A of the Education Act 1996: a child in the authority's area, of compulsory school age, not a
//! registered pupil at a school and not receiving suitable education otherwise. What counts either way
//! follows the wording of the Department for Education's collection.
//!
//! Two rules decide doubt. Home education not yet assessed is not missing education: the authority has not
//! had the chance to say. And nothing that is unknown ever makes a child not missing: of the facts below only
//! a positive one takes a child out, and residence elsewhere does so only while the whereabouts are known.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{CompulsorySchoolAge, compulsory_school_age};
use crate::codes::{
    AreaResidence, CmeRule, EducationOtherwise, NotCmeRule, PlaceSought, SchoolRegistration, Whereabouts,
};
use crate::ids::text;

/// What an authority knows about a child, as far as the child's status depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Date of birth.
    #[serde(deserialize_with = "text::deserialize_date")]
    pub date_of_birth: Date,
    /// Whether the child lives in the area of the authority whose view this is.
    pub area_residence: AreaResidence,
    /// Whether the child is a registered pupil at a school.
    pub school_registration: SchoolRegistration,
    /// Education otherwise than at school.
    pub education_otherwise: EducationOtherwise,
    /// Whether it is known where the child is.
    pub whereabouts: Whereabouts,
    /// How far a place at a school has come.
    pub place_sought: PlaceSought,
}

/// Prints everything but the date of birth.
impl fmt::Debug for Facts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Facts")
            .field("area_residence", &self.area_residence)
            .field("school_registration", &self.school_registration)
            .field("education_otherwise", &self.education_otherwise)
            .field("whereabouts", &self.whereabouts)
            .field("place_sought", &self.place_sought)
            .finish_non_exhaustive()
    }
}

/// Whether a child is missing education, with the rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CmeStatus {
    /// Missing education.
    Cme(CmeRule),
    /// Not missing education, as far as this authority is concerned.
    NotCme(NotCmeRule),
}

impl CmeStatus {
    /// Whether the child is missing education.
    pub fn is_cme(self) -> bool {
        matches!(self, Self::Cme(_))
    }
}

/// The status of a child on a date, from the facts alone.
///
/// Where several rules apply, the one named is the first in the order of this function; the status is the
/// same in any order. Implements: FCT-002, FCT-003
pub fn cme_status(facts: &Facts, on: Date) -> CmeStatus {
    match not_cme_rule(facts, on) {
        Some(rule) => CmeStatus::NotCme(rule),
        None => CmeStatus::Cme(cme_rule(facts)),
    }
}

fn not_cme_rule(facts: &Facts, on: Date) -> Option<NotCmeRule> {
    match compulsory_school_age(facts.date_of_birth, on) {
        CompulsorySchoolAge::Below => return Some(NotCmeRule::BelowCompulsorySchoolAge),
        CompulsorySchoolAge::Over => return Some(NotCmeRule::OverCompulsorySchoolAge),
        CompulsorySchoolAge::Within => {}
    }
    if facts.school_registration == SchoolRegistration::Registered {
        return Some(NotCmeRule::RegisteredAtSchool);
    }
    match facts.education_otherwise {
        EducationOtherwise::HomeEducationSuitable => return Some(NotCmeRule::HomeEducationSuitable),
        EducationOtherwise::HomeEducationNotYetAssessed => {
            return Some(NotCmeRule::HomeEducationNotYetAssessed);
        }
        EducationOtherwise::OtherProvisionSuitable => return Some(NotCmeRule::OtherProvisionSuitable),
        EducationOtherwise::None
        | EducationOtherwise::HomeEducationUnsuitable
        | EducationOtherwise::Unknown => {}
    }
    // "Moved away" without knowing where to is a belief, and a belief closes nothing.
    let lives_elsewhere =
        facts.area_residence == AreaResidence::NotResident && facts.whereabouts == Whereabouts::Known;
    lives_elsewhere.then_some(NotCmeRule::LivesElsewhere)
}

fn cme_rule(facts: &Facts) -> CmeRule {
    if facts.whereabouts != Whereabouts::Known {
        return CmeRule::WhereaboutsInconclusive;
    }
    if facts.education_otherwise == EducationOtherwise::HomeEducationUnsuitable {
        return CmeRule::HomeEducationUnsuitable;
    }
    match facts.place_sought {
        PlaceSought::OfferedFutureStart => CmeRule::OfferedFutureStart,
        PlaceSought::Applying => CmeRule::ApplyingForPlace,
        PlaceSought::None | PlaceSought::Unknown => CmeRule::NotInEducation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;
    use proptest::sample::select;

    const ON: Date = date(2026, 11, 24);

    /// Ten years old, here, in no education.
    const MISSING: Facts = Facts {
        date_of_birth: date(2016, 5, 17),
        area_residence: AreaResidence::Resident,
        school_registration: SchoolRegistration::NotRegistered,
        education_otherwise: EducationOtherwise::None,
        whereabouts: Whereabouts::Known,
        place_sought: PlaceSought::None,
    };

    fn status(facts: Facts) -> CmeStatus {
        cme_status(&facts, ON)
    }

    #[test]
    fn counts_as_missing_whom_the_collection_counts() {
        let cases = [
            (MISSING, CmeRule::NotInEducation),
            (Facts { place_sought: PlaceSought::Applying, ..MISSING }, CmeRule::ApplyingForPlace),
            (Facts { place_sought: PlaceSought::OfferedFutureStart, ..MISSING }, CmeRule::OfferedFutureStart),
            (
                Facts { education_otherwise: EducationOtherwise::HomeEducationUnsuitable, ..MISSING },
                CmeRule::HomeEducationUnsuitable,
            ),
            (Facts { whereabouts: Whereabouts::Unknown, ..MISSING }, CmeRule::WhereaboutsInconclusive),
            (Facts { whereabouts: Whereabouts::Unclear, ..MISSING }, CmeRule::WhereaboutsInconclusive),
        ];
        for (facts, rule) in cases {
            assert_eq!(status(facts), CmeStatus::Cme(rule));
        }
    }

    #[test]
    fn does_not_count_as_missing_whom_the_collection_leaves_out() {
        use EducationOtherwise::{
            HomeEducationNotYetAssessed, HomeEducationSuitable, OtherProvisionSuitable,
        };
        let otherwise = |education_otherwise| Facts { education_otherwise, ..MISSING };
        let cases = [
            (otherwise(HomeEducationSuitable), NotCmeRule::HomeEducationSuitable),
            (otherwise(HomeEducationNotYetAssessed), NotCmeRule::HomeEducationNotYetAssessed),
            (otherwise(OtherProvisionSuitable), NotCmeRule::OtherProvisionSuitable),
            (
                Facts { school_registration: SchoolRegistration::Registered, ..MISSING },
                NotCmeRule::RegisteredAtSchool,
            ),
            (Facts { area_residence: AreaResidence::NotResident, ..MISSING }, NotCmeRule::LivesElsewhere),
            (Facts { date_of_birth: date(2022, 5, 17), ..MISSING }, NotCmeRule::BelowCompulsorySchoolAge),
            (Facts { date_of_birth: date(2009, 5, 17), ..MISSING }, NotCmeRule::OverCompulsorySchoolAge),
        ];
        for (facts, rule) in cases {
            assert_eq!(status(facts), CmeStatus::NotCme(rule));
        }
    }

    #[test]
    fn a_child_believed_to_have_moved_away_stays_missing() {
        for whereabouts in [Whereabouts::Unknown, Whereabouts::Unclear] {
            let facts = Facts { area_residence: AreaResidence::NotResident, whereabouts, ..MISSING };
            assert_eq!(status(facts), CmeStatus::Cme(CmeRule::WhereaboutsInconclusive));
        }
    }

    #[test]
    fn debug_shows_no_date_of_birth() {
        assert!(!format!("{MISSING:?}").contains("2016"));
    }

    #[test]
    fn a_date_of_birth_that_is_no_date_is_refused_without_repeating_it() {
        let mut value = serde_json::to_value(MISSING).unwrap();
        assert_eq!(serde_json::from_value::<Facts>(value.clone()).unwrap(), MISSING);
        for wrong in ["2016-13-17", "17/05/2016", "2016-05-17T00:00:00", "20160517"] {
            value["dateOfBirth"] = wrong.into();
            let message = serde_json::from_value::<Facts>(value.clone()).unwrap_err().to_string();
            assert!(!message.contains("2016"), "{message}");
        }
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        (
            0_i64..9_000,
            select(AreaResidence::ALL),
            select(SchoolRegistration::ALL),
            select(EducationOtherwise::ALL),
            select(Whereabouts::ALL),
            select(PlaceSought::ALL),
        )
            .prop_map(
                |(
                    born,
                    area_residence,
                    school_registration,
                    education_otherwise,
                    whereabouts,
                    place_sought,
                )| {
                    Facts {
                        date_of_birth: date(2004, 1, 1).checked_add(jiff::Span::new().days(born)).unwrap(),
                        area_residence,
                        school_registration,
                        education_otherwise,
                        whereabouts,
                        place_sought,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn losing_sight_of_a_child_never_ends_the_missing(facts in any_facts()) {
            if status(facts).is_cme() {
                for &whereabouts in Whereabouts::ALL {
                    let lost = Facts { whereabouts, ..facts };
                    prop_assert!(status(lost).is_cme() || whereabouts == Whereabouts::Known);
                }
            }
        }

        #[test]
        fn forgetting_a_fact_never_ends_the_missing(facts in any_facts()) {
            if status(facts).is_cme() {
                for forgot in [
                    Facts { area_residence: AreaResidence::Unknown, ..facts },
                    Facts { school_registration: SchoolRegistration::Unknown, ..facts },
                    Facts { education_otherwise: EducationOtherwise::Unknown, ..facts },
                    Facts { whereabouts: Whereabouts::Unknown, ..facts },
                    Facts { place_sought: PlaceSought::Unknown, ..facts },
                ] {
                    prop_assert!(status(forgot).is_cme());
                }
            }
        }

        #[test]
        fn a_place_still_to_come_never_changes_whether_a_child_is_missing(facts in any_facts()) {
            for &place_sought in PlaceSought::ALL {
                prop_assert_eq!(status(Facts { place_sought, ..facts }).is_cme(), status(facts).is_cme());
            }
        }

        #[test]
        fn home_education_not_yet_assessed_is_never_missing(facts in any_facts()) {
            let education_otherwise = EducationOtherwise::HomeEducationNotYetAssessed;
            let unassessed = Facts { education_otherwise, ..facts };
            prop_assert!(!status(unassessed).is_cme());
        }
    }
}
