//! What a run leaves behind for people and programs to read. Everything is made from the results alone, so that
//! it can be made again.

mod diagram;
mod html;
mod junit;

use serde::{Deserialize, Serialize};

pub(crate) use self::html::html;
pub(crate) use self::junit::junit;

/// What `self-check` came to when this version was made. Its test holds the figures to a new count.
const POWER: &str = include_str!("report/power.json");

/// The suite's own power to find faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Power {
    pub(crate) cases: usize,
    pub(crate) faults: usize,
    pub(crate) killed: usize,
    pub(crate) attributed: usize,
    pub(crate) null_green: usize,
    pub(crate) false_alarms: usize,
    pub(crate) must_total: usize,
    pub(crate) must_covered: usize,
    pub(crate) must_untestable: usize,
}

impl Power {
    /// The figures that this version was made with.
    pub(crate) fn compiled_in() -> Result<Self, serde_json::Error> {
        serde_json::from_str(POWER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_of_the_cases_and_faults_of_this_version() {
        let power = Power::compiled_in().unwrap();
        assert_eq!(power.cases, crate::cases::all().len());
        assert_eq!(power.faults, crate::reference::Fault::ALL.len());
    }
}
