//! Rules of the transfer protocol that hold for every implementation.

pub mod ids;
