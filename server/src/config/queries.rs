//! The section `[queries]`: what is answered, how often, and who is told.

use std::time::Duration;

use cme_spec::codes::QueryPurpose;
use cme_spec::ids::AuthorityCode;
use cme_spec::query::OfficerId;
use serde::{Deserialize, Serialize};

/// The shortest interval at whose end an answer may leave, in milliseconds.
const INTERVAL_MS_MIN: u64 = 250;

/// How queries of other authorities are answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queries {
    /// An answer leaves at the end of an interval so long, in milliseconds.
    pub interval_ms: u64,
    /// New queries of one authority that are answered in 24 hours, its offers counted.
    pub per_authority_day: u32,
    /// New queries of one officer of an authority that are answered in 24 hours.
    pub per_officer_day: u32,
    /// Authorities to whose queries nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withhold_from: Vec<AuthorityCode>,
    /// Purposes for which nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withhold_purposes: Vec<QueryPurpose>,
    /// Who is told of matches; without it the escalation contact that the directory names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub officer: Option<NamedOfficer>,
    /// Who is told of queries that a shielded child matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted_officer: Option<RestrictedOfficer>,
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedOfficer {
    /// The post.
    pub name: String,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// The role for restricted children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestrictedOfficer {
    /// The post.
    pub name: String,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Pseudonyms of those who hold the post: they alone see matches with shielded children.
    #[serde(default)]
    pub ids: Vec<OfficerId>,
}

impl Default for Queries {
    fn default() -> Self {
        Self {
            interval_ms: INTERVAL_MS_MIN,
            per_authority_day: 500,
            per_officer_day: 100,
            withhold_from: Vec::new(),
            withhold_purposes: Vec::new(),
            officer: None,
            restricted_officer: None,
        }
    }
}

/// Why the section can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueriesError {
    /// The time of an answer would tell of the register.
    #[error("[queries]: `interval_ms` must be {INTERVAL_MS_MIN} or more")]
    Interval,
    /// Nobody could ask anything.
    #[error("[queries]: `{0}` must be above 0")]
    Zero(&'static str),
}

impl Queries {
    /// Whether nothing is configured.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Holds when the section can be used. Implements: QRY-023
    pub fn check(&self) -> Result<(), QueriesError> {
        if self.interval_ms < INTERVAL_MS_MIN {
            return Err(QueriesError::Interval);
        }
        let positive =
            [("per_authority_day", self.per_authority_day), ("per_officer_day", self.per_officer_day)];
        let zero = positive.into_iter().find(|(_, value)| *value == 0);
        zero.map_or(Ok(()), |(name, _)| Err(QueriesError::Zero(name)))
    }

    /// The interval.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    /// Whether nothing is said to that author for that purpose: decided before anybody looks at a register.
    ///
    /// Implements: QRY-010
    pub fn withholds(&self, author: AuthorityCode, purpose: QueryPurpose) -> bool {
        self.withhold_from.contains(&author) || self.withhold_purposes.contains(&purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Queries {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_interval_that_tells_and_limits_that_stop_everybody_are_refused() {
        assert_eq!(Queries::default().check(), Ok(()));
        assert_eq!(read("interval_ms = 249").check(), Err(QueriesError::Interval));
        assert_eq!(read("per_officer_day = 0").check(), Err(QueriesError::Zero("per_officer_day")));
        assert_eq!(read("per_authority_day = 0").check(), Err(QueriesError::Zero("per_authority_day")));
    }

    #[test]
    fn withholding_looks_at_author_and_purpose() {
        let all = read("withhold_from = [\"373\"]\nwithhold_purposes = [\"confirm-arrival\"]");
        let withholds = |author: &str, purpose| all.withholds(cme_spec::example::code(author), purpose);
        assert!(withholds("373", QueryPurpose::TraceMissingChild));
        assert!(withholds("330", QueryPurpose::ConfirmArrival));
        assert!(!withholds("330", QueryPurpose::TraceMissingChild));
    }
}
