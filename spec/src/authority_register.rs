//! The local authorities of the United Kingdom with the days on which each code was theirs.
//!
//! An authority is a code and a date: codes vanish on reorganisation (Cumbria, 909) and ONS codes change
//! under a code that stays (Barnsley, 370). So every question that has one answer takes a date, and how many
//! authorities there are is counted, never written down.
//!
//! Sources: `data/la_register_history.csv` from `DfE`'s list of authorities
//! (`dfe-analytical-services/dfe-published-data-qa`, `data/las.csv`), in which a first day of 2009-01-01
//! means "no later than"; `data/la_register_other_nations.csv` from the same, without dates;
//! `data/la_successors.csv` from what each of its rows names, structural changes orders for the most part.
//!
//! In the successor data the column `confidence` is about the succession and `residuary_confidence` about
//! which successor is residuary; `V` was read in the source named, `M` was not confirmed. Which part of a
//! divided county inherits its cases was found in no source, so those marks are `M`: a choice that the
//! directory, which alone binds, may make otherwise. Five counties that ended in 2009 have no code in the
//! data and hence no successor rows. Surrey (936), whose succession by East and West Surrey on 1 April 2027
//! is announced, has none either: the codes of its successors are not known yet.
//!
//! CSV is read by a splitter of a page rather than by a crate: the files are ours, without line breaks inside
//! fields, and one dependency less is one fewer to audit in a crate that everybody builds on.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::Date;

use crate::ids::{AuthorityCode, GssCode};

pub(crate) mod csv;
mod parse;

pub use csv::CsvError;
pub use parse::RegisterError;

/// One validity interval of one authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Three-digit code; absent for authorities that `DfE` gives none.
    pub code: Option<AuthorityCode>,
    /// ONS code during the interval.
    pub gss: GssCode,
    /// Name in English.
    pub name: String,
    /// Region of England, or the name of another nation.
    pub region: String,
    /// Kind of authority.
    pub kind: AuthorityKind,
    /// First day of the interval; absent where the data gives none.
    pub valid_from: Option<Date>,
    /// Last day of the interval; absent while no end is known.
    pub valid_to: Option<Date>,
}

impl Authority {
    /// Whether `date` lies in the interval, both ends included. An absent end is unbounded.
    pub fn is_live_on(&self, date: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= date) && self.valid_to.is_none_or(|to| date <= to)
    }
}

/// The kinds of authority with education duties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthorityKind {
    /// Unitary authority in England, the Isles of Scilly included.
    Unitary,
    /// Metropolitan district.
    Metropolitan,
    /// London borough, or the City of London.
    London,
    /// County council above districts.
    County,
    /// Authority in Wales, Scotland or Northern Ireland: outside the protocol, but a place to which children
    /// move.
    OtherNation,
}

/// An authority that took over from one that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// Code of the successor.
    pub code: AuthorityCode,
    /// Whether it inherits every ledger and signing right. True of exactly one successor of a code.
    pub residuary: bool,
    /// Last day of the authority that ended.
    pub predecessor_valid_to: Date,
    /// Instrument that made the change, or who reports it.
    pub source: String,
    /// Whether the succession itself was read in the source.
    pub succession_confirmed: bool,
    /// Whether a source says that this successor is, or is not, the residuary one.
    pub residuary_confirmed: bool,
}

/// Authorities and successors, consistent with each other: no two live rows share a code on any day, and the
/// successors of a code include exactly one residuary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorityRegister {
    rows: Vec<Authority>,
    successors: BTreeMap<AuthorityCode, Vec<Successor>>,
}

static ENGLAND: LazyLock<AuthorityRegister> = LazyLock::new(|| {
    AuthorityRegister::from_england_csv(
        include_str!("../data/la_register_history.csv"),
        include_str!("../data/la_successors.csv"),
    )
    .unwrap_or_else(|error| panic!("the register compiled in is malformed: {error}"))
});

static OTHER_NATIONS: LazyLock<AuthorityRegister> = LazyLock::new(|| {
    AuthorityRegister::from_other_nations_csv(include_str!("../data/la_register_other_nations.csv"))
        .unwrap_or_else(|error| panic!("the register compiled in is malformed: {error}"))
});

impl AuthorityRegister {
    /// The authorities of England since 2009, compiled in.
    pub fn england() -> &'static Self {
        &ENGLAND
    }

    /// The authorities of Wales, Scotland and Northern Ireland, compiled in. Only the Welsh have codes.
    pub fn other_nations() -> &'static Self {
        &OTHER_NATIONS
    }

    /// Every interval, in the order of the data.
    pub fn rows(&self) -> &[Authority] {
        &self.rows
    }

    /// The authorities live on `date`.
    pub fn live_on(&self, date: Date) -> impl Iterator<Item = &Authority> {
        self.rows.iter().filter(move |row| row.is_live_on(date))
    }

    /// The authority that had `code` on `date`, if one had.
    pub fn by_code(&self, code: AuthorityCode, date: Date) -> Option<&Authority> {
        self.live_on(date).find(|row| row.code == Some(code))
    }

    /// The intervals with an end, whether the authority ended or only its ONS code, kind or name changed.
    pub fn ended(&self) -> impl Iterator<Item = &Authority> {
        self.rows.iter().filter(|row| row.valid_to.is_some())
    }

    /// The codes that end and the last day of each: every interval of the code has an end.
    pub fn ended_codes(&self) -> BTreeMap<AuthorityCode, Date> {
        let mut last_days: BTreeMap<AuthorityCode, Option<Date>> = BTreeMap::new();
        for row in &self.rows {
            let Some(code) = row.code else { continue };
            let last_day = last_days.entry(code).or_insert(row.valid_to);
            *last_day = match (*last_day, row.valid_to) {
                (Some(one), Some(other)) => Some(one.max(other)),
                _ => None,
            };
        }
        last_days.into_iter().filter_map(|(code, last_day)| Some((code, last_day?))).collect()
    }

    /// The successors of a code that ended; empty for a code that did not, or whose successors are not known.
    /// A change of ONS code alone is no succession.
    pub fn successors(&self, code: AuthorityCode) -> &[Successor] {
        self.successors.get(&code).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn code(text: &str) -> AuthorityCode {
        text.parse().unwrap()
    }

    #[test]
    fn counts_153_authorities_live_on_24_november_2026() {
        let register = AuthorityRegister::england();
        let day = date(2026, 11, 24);
        assert_eq!(register.live_on(day).count(), 153);
        let count = |kind| register.live_on(day).filter(|row| row.kind == kind).count();
        assert_eq!(count(AuthorityKind::Unitary), 63);
        assert_eq!(count(AuthorityKind::Metropolitan), 36);
        assert_eq!(count(AuthorityKind::London), 33);
        assert_eq!(count(AuthorityKind::County), 21);
        assert!(register.live_on(day).all(|row| row.code.is_some()));
    }

    #[test]
    fn counts_19_ended_intervals_and_the_seven_codes_that_ended_with_them() {
        let register = AuthorityRegister::england();
        assert_eq!(register.ended().count(), 19);
        let ended: Vec<_> = register.ended_codes().into_keys().map(|code| code.to_string()).collect();
        assert_eq!(ended, ["820", "835", "836", "837", "875", "909", "928"]);
    }

    #[test]
    fn every_ended_code_has_exactly_one_residuary_successor_live_on_the_next_day() {
        let register = AuthorityRegister::england();
        for (ended, last_day) in register.ended_codes() {
            let successors = register.successors(ended);
            assert_eq!(successors.iter().filter(|successor| successor.residuary).count(), 1, "{ended}");
            for successor in successors {
                assert_eq!(successor.predecessor_valid_to, last_day);
                assert!(register.by_code(successor.code, last_day.tomorrow().unwrap()).is_some());
                assert!(successor.succession_confirmed && !successor.source.is_empty());
            }
        }
    }

    #[test]
    fn a_change_of_ons_code_is_no_succession() {
        let register = AuthorityRegister::england();
        let sheffield = code("373");
        assert_eq!(register.by_code(sheffield, date(2025, 4, 30)).unwrap().gss.as_str(), "E08000019");
        assert_eq!(register.by_code(sheffield, date(2025, 5, 1)).unwrap().gss.as_str(), "E08000039");
        assert!(register.successors(sheffield).is_empty());
        assert!(!register.ended_codes().contains_key(&sheffield));
    }

    #[test]
    fn an_ended_code_answers_for_its_own_days_for_ever() {
        let register = AuthorityRegister::england();
        assert_eq!(register.by_code(code("909"), date(2023, 3, 31)).unwrap().name, "Cumbria");
        assert_eq!(register.by_code(code("909"), date(2023, 4, 1)), None);
        assert_eq!(register.by_code(code("942"), date(2023, 3, 31)), None);
    }

    #[test]
    fn names_with_commas_survive() {
        let bristol = AuthorityRegister::england().by_code(code("801"), date(2026, 11, 24)).unwrap();
        assert_eq!(bristol.name, "Bristol, City of");
    }

    #[test]
    fn the_other_nations_have_22_and_32_and_11_and_only_wales_has_codes() {
        let register = AuthorityRegister::other_nations();
        let count = |nation| register.rows().iter().filter(|row| row.region == nation).count();
        assert_eq!((count("Wales"), count("Scotland"), count("Northern Ireland")), (22, 32, 11));
        assert!(register.rows().iter().all(|row| row.code.is_some() == (row.region == "Wales")));
    }

    #[test]
    fn no_day_has_two_holders_of_one_code() {
        let register = AuthorityRegister::england();
        for row in register.rows() {
            for day in row.valid_from.into_iter().chain(row.valid_to) {
                let holders = register.live_on(day).filter(|other| other.code == row.code);
                assert!(row.code.is_none() || holders.count() == 1, "{}", row.name);
            }
        }
    }
}
