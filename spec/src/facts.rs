//! What follows from the facts about a child: age, status and time, worked out and never declared.
//!
//! Authorities mean different things by "missing education", so a transfer carries facts and both ends
//! compute the status. Every function here is of its arguments alone: the date that counts as today is one of
//! them.

mod clock_class;
mod cme_status;
mod compulsory_school_age;
mod duration_band;

pub use clock_class::clock_class_for;
pub use cme_status::{CmeStatus, Facts, cme_status};
pub use compulsory_school_age::{
    CompulsorySchoolAge, compulsory_school_age, compulsory_school_age_ends_on,
    compulsory_school_age_starts_on,
};
pub use duration_band::{duration_band, duration_band_between};
