//! A child as a source tells of it, and its columns.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cme_matching::{Child, Sex};
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::store::{Row, StoreError, Value};

/// What a source says of one child.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The source's own reference.
    pub reference: String,
    /// What a query is compared with.
    pub child: Child,
    /// Unique learner number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uln: Option<String>,
    /// URN of the school.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urn: Option<String>,
    /// DfE number of the school.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub laestab: Option<String>,
    /// Whether the source says that nobody may learn that this child is known.
    pub shielded: bool,
}

/// Says nothing of the child: a value may end up in a log.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(..)")
    }
}

/// Equal when two records are: what an import compares with instead of every column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 16]);

/// Says nothing: whoever guesses the child could confirm the guess.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Digest {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let broken = StoreError::Corrupt("a digest");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken.clone())?;
        bytes.try_into().map(Self).map_err(|_| broken)
    }
}

impl Record {
    /// The record's digest.
    ///
    /// # Panics
    /// Never: names and numbers always have a JSON form.
    pub fn digest(&self) -> Digest {
        let text = serde_json::to_vec(self).expect("names and numbers have a JSON form");
        let mut half = [0; 16];
        half.copy_from_slice(&digest(&SHA256, &text).as_ref()[..16]);
        Digest(half)
    }

    /// The values of the record's columns, from `reference` to `shielded`.
    pub(super) fn values(&self) -> Vec<Value> {
        let child = &self.child;
        let sex = child.sex.map(|sex| match sex {
            Sex::Female => "F",
            Sex::Male => "M",
        });
        vec![
            self.reference.as_str().into(),
            self.digest().to_string().into(),
            child.given_name.as_deref().into(),
            child.middle_names.as_deref().into(),
            child.family_name.as_deref().into(),
            list(&child.former_family_names),
            list(&child.also_known_as),
            child.date_of_birth.map(|date| date.to_string()).into(),
            sex.into(),
            child.upn.as_deref().into(),
            list(&child.former_upns),
            child.nhs_number.as_deref().into(),
            self.uln.as_deref().into(),
            child.postcode.as_deref().into(),
            self.urn.as_deref().into(),
            self.laestab.as_deref().into(),
            i64::from(self.shielded).into(),
        ]
    }
}

fn list(values: &[String]) -> Value {
    let written = || serde_json::to_string(values).ok();
    (!values.is_empty()).then(written).flatten().into()
}

/// The columns of a row `c` that [`child`] reads.
macro_rules! child_columns {
    () => {
        "c.given_name, c.middle_names, c.family_name, c.former_family_names, c.also_known_as, c.date_of_birth, c.sex, \
         c.upn, c.former_upns, c.nhs_number, c.postcode"
    };
}
pub(super) use child_columns;

/// The columns of a row `c` that [`record`] reads.
macro_rules! columns {
    () => {
        concat!(
            "c.reference, c.uln, c.urn, c.laestab, c.shielded, ",
            $crate::store::register::record::child_columns!()
        )
    };
}
pub(super) use columns;

/// The child whose columns begin at `from`.
pub(super) fn child(row: &Row, from: usize) -> Result<Child, StoreError> {
    let text = |column: usize| Ok::<_, StoreError>(row.optional_text(from + column)?.map(str::to_owned));
    let list = |column: usize| match row.optional_text(from + column)? {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|_| StoreError::Corrupt("a list of names")),
    };
    let date = row.optional_text(from + 5)?.map(str::parse).transpose();
    let sex = match row.optional_text(from + 6)? {
        None => None,
        Some("F") => Some(Sex::Female),
        Some("M") => Some(Sex::Male),
        Some(_) => return Err(StoreError::Corrupt("a sex")),
    };
    Ok(Child {
        given_name: text(0)?,
        middle_names: text(1)?,
        family_name: text(2)?,
        former_family_names: list(3)?,
        also_known_as: list(4)?,
        date_of_birth: date.map_err(|_| StoreError::Corrupt("a date of birth"))?,
        sex,
        upn: text(7)?,
        former_upns: list(8)?,
        nhs_number: text(9)?,
        postcode: text(10)?,
    })
}

/// The record whose columns begin at `from`.
pub(super) fn record(row: &Row, from: usize) -> Result<Record, StoreError> {
    let text = |column: usize| Ok::<_, StoreError>(row.optional_text(from + column)?.map(str::to_owned));
    Ok(Record {
        reference: row.text(from)?.to_owned(),
        child: child(row, from + 5)?,
        uln: text(1)?,
        urn: text(2)?,
        laestab: text(3)?,
        shielded: row.integer(from + 4)? > 0,
    })
}
