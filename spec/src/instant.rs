//! Instants and identifiers in the one spelling that is signed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text::text_form;

/// An instant: RFC 3339 in UTC, written with `Z` and zero to nine digits of a second's fraction.
///
/// Two spellings of one instant are equal. Implements: IDN-002
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(jiff::Timestamp);

/// Text that is not an instant in the signed spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 instant in UTC with Z")]
pub struct InstantError;

impl Instant {
    /// The instant, cut to whole milliseconds: finer clocks differ between databases.
    pub fn new(timestamp: jiff::Timestamp) -> Self {
        Self(jiff::Timestamp::from_millisecond(timestamp.as_millisecond()).unwrap_or(timestamp))
    }

    /// The instant as `jiff` has it.
    pub const fn timestamp(self) -> jiff::Timestamp {
        self.0
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn milliseconds(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The instant of that many milliseconds since 1970, if a calendar has it.
    pub fn from_milliseconds(milliseconds: i64) -> Option<Self> {
        jiff::Timestamp::from_millisecond(milliseconds).ok().map(Self)
    }

    /// The instant at which the second began in which this one lies.
    #[must_use]
    pub fn whole_second(self) -> Self {
        Self(jiff::Timestamp::from_second(self.0.as_millisecond().div_euclid(1_000)).unwrap_or(self.0))
    }

    /// This instant and so many seconds.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let span = jiff::SignedDuration::from_secs(seconds);
        Self(self.0.saturating_add(span).unwrap_or(self.0))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Instant {
    type Err = InstantError;

    /// Implements: ENT-001
    fn from_str(text: &str) -> Result<Self, InstantError> {
        let bytes = text.as_bytes();
        let form = |index: usize, byte: u8| match index {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            19 => byte == b'.',
            _ => byte.is_ascii_digit(),
        };
        let Some((b'Z', rest)) = bytes.split_last() else { return Err(InstantError) };
        let length = rest.len() == 19 || (21..=29).contains(&rest.len());
        if !length
            || !rest.iter().enumerate().all(|(index, byte)| form(index, *byte))
            || ["0000", "9999"].iter().any(|year| text.starts_with(year))
        {
            return Err(InstantError);
        }
        // A leap second has no place in the arithmetic of deadlines; RFC 3339 allows it, this profile doesn't.
        if &rest[17..19] == b"60" {
            return Err(InstantError);
        }
        text.parse().map(Self).map_err(|_| InstantError)
    }
}

text_form!(Instant, "instant in UTC", "RFC 3339 instant in UTC, with Z", pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z$", example: "2026-11-24T09:30:00.125Z");

/// Text that is not a lower-case version 7 UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version 7 UUID in lower case")]
pub struct UuidError;

fn version_7(text: &str) -> Result<Uuid, UuidError> {
    let uuid = Uuid::try_parse(text).map_err(|_| UuidError)?;
    let one_spelling = uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text;
    let version = uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122;
    if one_spelling && version { Ok(uuid) } else { Err(UuidError) }
}

macro_rules! uuid_newtype {
    ($name:ident, $what:literal, $description:literal, $example:literal) => {
        #[doc = $description]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The identifier of a version 7 UUID made elsewhere.
            pub fn new(uuid: Uuid) -> Result<Self, UuidError> {
                version_7(&uuid.hyphenated().to_string()).map(Self)
            }

            /// The UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = UuidError;
            fn from_str(text: &str) -> Result<Self, UuidError> {
                version_7(text).map(Self)
            }
        }

        text_form!($name, $what, $description, pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", example: $example);
    };
}

uuid_newtype!(
    TransferId,
    "transfer id",
    "Names a transfer: a version 7 UUID (RFC 9562) in lower case.",
    "019a1b2c-3d4e-7f50-8a6b-0c1d2e3f4a5b"
);
uuid_newtype!(
    EntryId,
    "entry id",
    "Names a decision of its author: a version 7 UUID (RFC 9562), minted once.",
    "019a1b2c-3d4e-7f51-9a6b-0c1d2e3f4a5c"
);
uuid_newtype!(
    ResponsibilityId,
    "responsibility id",
    "Names one child's case across all its transfers: a version 7 UUID (RFC 9562).",
    "019a1b2c-3d4e-7f52-aa6b-0c1d2e3f4a5d"
);
uuid_newtype!(
    FamilyId,
    "family id",
    "Groups the offers of one family's children: a version 7 UUID (RFC 9562).",
    "019a1b2c-3d4e-7f53-ba6b-0c1d2e3f4a5e"
);

uuid_newtype!(
    QueryId,
    "query id",
    "Names a query to one authority: a version 7 UUID (RFC 9562), minted once.",
    "019a1b2c-3d4e-7f54-8a6b-0c1d2e3f4a5f"
);
uuid_newtype!(
    BroadcastId,
    "broadcast id",
    "Groups the queries of one broadcast: a version 7 UUID (RFC 9562).",
    "019a1b2c-3d4e-7f55-8a6b-0c1d2e3f4a60"
);
uuid_newtype!(
    NoticeId,
    "notice id",
    "Names a notice: a version 7 UUID (RFC 9562), minted once.",
    "019a1b2c-3d4e-7f56-8a6b-0c1d2e3f4a61"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_instants_in_one_zone_and_one_form_only() {
        for good in ["2026-11-24T09:30:00Z", "2026-11-24T09:30:00.1Z", "2026-11-24T09:30:00.123456789Z"]
            .into_iter()
            .chain(["0001-01-01T00:00:00Z", "9998-12-31T23:59:59Z"])
        {
            assert!(good.parse::<Instant>().is_ok(), "{good}");
        }
        for bad in [
            "2026-11-24T09:30:00+00:00",
            "2026-11-24 09:30:00Z",
            "2026-11-24T09:30:00z",
            "2026-11-24T09:30Z",
            "2026-02-30T09:30:00Z",
            "2026-11-24T09:30:60Z",
            "2026-11-24T24:00:00Z",
            "0000-12-31T23:59:59Z",
            "9999-01-01T00:00:00Z",
            "2026-11-24T09:30:00.Z",
            "2026-11-24T09:30:00.1234567890Z",
            "+002026-11-24T09:30:00Z",
            "",
            "Z",
            "é026-11-24T09:30:00Z",
        ] {
            assert!(bad.parse::<Instant>().is_err(), "{bad}");
        }
    }

    #[test]
    fn takes_version_7_uuids_in_lower_case_only() {
        assert!("019a1b2c-3d4e-7f50-8a6b-0c1d2e3f4a5b".parse::<TransferId>().is_ok());
        for bad in [
            "019A1B2C-3d4e-7f50-8a6b-0c1d2e3f4a5b",
            "019a1b2c-3d4e-4f50-8a6b-0c1d2e3f4a5b",
            "019a1b2c-3d4e-7f50-0a6b-0c1d2e3f4a5b",
            "019a1b2c3d4e7f508a6b0c1d2e3f4a5b",
            "{019a1b2c-3d4e-7f50-8a6b-0c1d2e3f4a5b}",
            "",
        ] {
            assert!(bad.parse::<TransferId>().is_err(), "{bad}");
        }
    }
}
