//! Probabilistic record linkage over the children an authority knows: "do you know this child?"
//!
//! A [`Register`] holds the children in compact form and answers a query, a [`Child`] with whatever is known
//! of it, with an [`Answer`]: [`Decision::Match`], [`Decision::Possible`] or [`Decision::NoMatch`], the
//! likeliest children, and for each field how far it agrees and how many bits that weighs.
//!
//! ```
//! use cme_matching::{Child, ChildId, Decision, Register, Weights};
//!
//! let child = |given: &str, born: &str| Child {
//!     given_name: Some(given.to_owned()),
//!     family_name: Some("Testcase".to_owned()),
//!     date_of_birth: born.parse().ok(),
//!     upn: Some("Q801000005001".to_owned()),
//!     ..Child::default()
//! };
//! let mut register = Register::new(&Weights::shipped())?;
//! register.insert(ChildId(1), &child("Elizabeth", "2014-03-02"));
//! // A nickname, and day and month exchanged.
//! let answer = register.find(&child("Beth", "2014-02-03"));
//! assert_eq!(answer.decision, Decision::Match);
//! assert_eq!(answer.candidates[0].id, ChildId(1));
//! # Ok::<(), cme_matching::WeightsError>(())
//! ```
//!
//! Pure: no clock, no I/O, no randomness. How it works and why: `matching/README.md`.

mod answer;
mod blocking;
mod child;
mod compare;
mod decision;
mod identifier;
mod index;
mod names;
mod nicknames;
mod normal;
mod phonetic;
mod probe;
mod register;
mod rows;
mod weights;

pub mod estimate;
#[cfg(feature = "generate")]
pub mod generate;

pub use answer::{Answer, CANDIDATES_MAX, Candidate, ChildId, Decision, FieldWeight, Reason};
pub use child::{Child, DateError, PartialDate, Sex};
pub use register::{Register, Size};
pub use weights::{Field, Level, Shares, Thresholds, Weights, WeightsError};
