//! Rules of the transfer protocol that hold for every implementation.

pub mod authority_register;
pub mod codes;
pub mod facts;
pub mod ids;
pub mod working_days;
