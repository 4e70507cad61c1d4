//! A row of a source's file, and what is made of it: a child, or a reason why not.

use std::fmt;

use cme_matching::{Child, PartialDate, Sex};
use cme_spec::ids::{Laestab, NhsNumber, Postcode, Uln, Upn, Urn};
use jiff::civil::Date;

use crate::ctf::{Header, Pupil};
use crate::store::register::Record;

/// Characters of a value at most.
const VALUE_CHARS_MAX: usize = 400;
/// Values of a list at most.
const LIST_MAX: usize = 20;
/// Between the values of a list.
const LIST_SEPARATOR: char = ';';

macro_rules! columns {
    ($($(#[$doc:meta])* $column:ident = $name:literal,)+) => {
        /// What a row can say.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Column {
            $($(#[$doc])* $column,)+
        }

        impl Column {
            /// Every column.
            pub const ALL: &[Self] = &[$(Self::$column,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$column => $name,)+
                }
            }
        }
    };
}

columns! {
    /// The source's own reference, or the query's.
    Reference = "reference",
    /// Given name.
    GivenName = "given_name",
    /// Middle names.
    MiddleNames = "middle_names",
    /// Family name.
    FamilyName = "family_name",
    /// Former family names.
    FormerFamilyNames = "former_family_names",
    /// Other names in use.
    AlsoKnownAs = "also_known_as",
    /// Date of birth.
    DateOfBirth = "date_of_birth",
    /// Sex.
    Sex = "sex",
    /// Unique pupil number.
    Upn = "upn",
    /// Former unique pupil numbers.
    FormerUpns = "former_upns",
    /// NHS number.
    NhsNumber = "nhs_number",
    /// Unique learner number.
    Uln = "uln",
    /// Postcode.
    Postcode = "postcode",
    /// URN of the school.
    Urn = "urn",
    /// DfE number of the school.
    Laestab = "laestab",
    /// Whether the child is shielded.
    Shielded = "shielded",
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It has more or fewer values than the header.
    Shape,
    /// It has no reference.
    NoReference,
    /// An earlier row has its reference.
    DuplicateReference,
    /// It has no name.
    NoName,
    /// The date of birth is no date, or lies after the day of which the file is.
    ImpossibleDate,
    /// A value has a control character.
    ControlCharacter,
    /// A value or a list is too long.
    TooLong,
    /// A value does not satisfy its check or form, and was left out.
    LeftOut(Column),
    /// Nobody can tell whether the child is shielded, so it is.
    TakenAsShielded,
}

impl Fault {
    /// The code under which it is reported.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Shape => "wrong-number-of-values",
            Self::NoReference => "no-reference",
            Self::DuplicateReference => "duplicate-reference",
            Self::NoName => "no-name",
            Self::ImpossibleDate => "impossible-date",
            Self::ControlCharacter => "control-character",
            Self::TooLong => "too-long",
            Self::LeftOut(_) => "value-left-out",
            Self::TakenAsShielded => "taken-as-shielded",
        }
    }

    /// The column at fault, where it is one.
    pub const fn column(self) -> Option<Column> {
        match self {
            Self::NoReference | Self::DuplicateReference => Some(Column::Reference),
            Self::ImpossibleDate => Some(Column::DateOfBirth),
            Self::LeftOut(column) => Some(column),
            Self::TakenAsShielded => Some(Column::Shielded),
            Self::Shape | Self::NoName | Self::ControlCharacter | Self::TooLong => None,
        }
    }

    /// Whether the row is refused; otherwise the child is taken and somebody should look.
    pub const fn rejects(self) -> bool {
        !matches!(self, Self::LeftOut(_) | Self::TakenAsShielded)
    }
}

/// A row as its file has it.
#[derive(Clone, Default)]
pub struct Row {
    /// The row of a CSV file, of which the header is row 1, or the pupil of a CTF, from 1.
    pub number: u64,
    values: [String; Column::ALL.len()],
    /// It has not the shape of its file.
    pub(super) misshapen: bool,
}

/// Says nothing of the child: a value may end up in a log.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({})", self.number)
    }
}

/// A row that was looked at.
#[derive(Clone)]
pub struct Judged {
    /// The row, or the pupil.
    pub number: u64,
    /// Its reference, where it has a usable one.
    pub reference: Option<String>,
    /// The child, or why there is none.
    pub record: Result<Record, Fault>,
    /// What was left out, or taken otherwise.
    pub warnings: Vec<Fault>,
}

/// Says nothing of the child: a value may end up in a log.
impl fmt::Debug for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Judged({})", self.number)
    }
}

impl Row {
    /// A row without values.
    pub fn at(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    /// Sets a value.
    pub fn set(&mut self, column: Column, value: impl Into<String>) {
        self.values[column as usize] = value.into();
    }

    fn get(&self, column: Column) -> &str {
        self.values[column as usize].trim()
    }

    /// The row that a pupil of a CTF makes. A pupil has no reference of its source's: the UPN stands in, or the ULN.
    pub fn of_pupil(header: &Header, pupil: &Pupil) -> Self {
        let mut row = Self::at(pupil.number);
        let reference = if pupil.upn.is_empty() { &pupil.uln } else { &pupil.upn };
        row.set(Column::Reference, reference.as_str());
        row.set(Column::GivenName, pupil.forename.as_str());
        row.set(Column::MiddleNames, pupil.middle_names.as_str());
        row.set(Column::FamilyName, pupil.surname.as_str());
        row.set(Column::FormerFamilyNames, pupil.former_surname.as_str());
        let preferred = [&pupil.preferred_forename, &pupil.preferred_surname].map(|name| name.trim());
        let preferred = match preferred {
            [given, _] if given == pupil.forename && preferred[1] == pupil.surname => String::new(),
            ["", family] if family == pupil.surname => String::new(),
            ["", family] if !family.is_empty() => format!("{} {family}", pupil.forename),
            [given, family] => format!("{given} {family}").trim().to_owned(),
        };
        let others = [preferred.as_str(), pupil.former_forename.trim()];
        let others: Vec<&str> = others.into_iter().filter(|name| !name.is_empty()).collect();
        row.set(Column::AlsoKnownAs, others.join(";"));
        row.set(Column::DateOfBirth, pupil.date_of_birth.as_str());
        row.set(Column::Sex, pupil.sex.as_str());
        row.set(Column::Upn, pupil.upn.as_str());
        row.set(Column::FormerUpns, pupil.former_upn.as_str());
        row.set(Column::Uln, pupil.uln.as_str());
        row.set(Column::Postcode, pupil.postcode.as_str());
        row.set(
            Column::Laestab,
            header.source.laestab().map_or_else(String::new, |school| school.to_string()),
        );
        row
    }

    /// Looks at the row: what source and date it comes from decides what can be a date of birth.
    pub fn judge(&self, as_of: Date) -> Judged {
        let mut warnings = Vec::new();
        let fault = self.shape_fault();
        let reference = self.get(Column::Reference);
        let usable = !matches!(fault, Some(Fault::Shape)) && is_clean(reference) && is_short(reference);
        let reference = (usable && !reference.is_empty()).then(|| reference.to_owned());
        let record = match (fault, &reference) {
            (Some(fault), _) => Err(fault),
            (None, None) => Err(Fault::NoReference),
            (None, Some(reference)) => self.record(reference, as_of, &mut warnings),
        };
        if record.is_err() {
            warnings.clear();
        }
        Judged { number: self.number, reference, record, warnings }
    }

    fn shape_fault(&self) -> Option<Fault> {
        if self.misshapen {
            return Some(Fault::Shape);
        }
        if !self.values.iter().all(|value| is_clean(value)) {
            return Some(Fault::ControlCharacter);
        }
        let list_fits = |value: &String| value.split(LIST_SEPARATOR).count() <= LIST_MAX;
        let fits = self.values.iter().all(|value| is_short(value) && list_fits(value));
        (!fits).then_some(Fault::TooLong)
    }

    fn record(&self, reference: &str, as_of: Date, warnings: &mut Vec<Fault>) -> Result<Record, Fault> {
        let child = self.child(as_of, warnings)?;
        let mut checked = |column, value| kept(warnings, column, value);
        let uln = checked(Column::Uln, text(self.get(Column::Uln), normal::<Uln>));
        let urn = checked(Column::Urn, text(self.get(Column::Urn), normal::<Urn>));
        let laestab = checked(Column::Laestab, text(self.get(Column::Laestab), normal::<Laestab>));
        let shielded = match self.get(Column::Shielded).to_ascii_lowercase().as_str() {
            "" | "n" | "no" | "false" | "0" => false,
            "y" | "yes" | "true" | "1" => true,
            _ => {
                warnings.push(Fault::TakenAsShielded);
                true
            }
        };
        Ok(Record { reference: reference.to_owned(), child, uln, urn, laestab, shielded })
    }

    /// The child that the row names; an identifier that can't be one is left out, and a warning says so.
    pub(super) fn child(&self, as_of: Date, warnings: &mut Vec<Fault>) -> Result<Child, Fault> {
        let name = |column| Some(one_line(self.get(column))).filter(|name| !name.is_empty());
        let (given_name, family_name) = (name(Column::GivenName), name(Column::FamilyName));
        let also_known_as = self.list(Column::AlsoKnownAs);
        if given_name.is_none() && family_name.is_none() && also_known_as.is_empty() {
            return Err(Fault::NoName);
        }
        let date_of_birth = match self.get(Column::DateOfBirth) {
            "" => None,
            text => Some(date_of_birth(text, as_of).ok_or(Fault::ImpossibleDate)?),
        };
        let sex = match self.get(Column::Sex).to_ascii_lowercase().as_str() {
            "f" | "female" => Some(Sex::Female),
            "m" | "male" => Some(Sex::Male),
            "" | "u" | "unknown" => None,
            _ => kept(warnings, Column::Sex, Some(Err(()))),
        };
        let upn = kept(warnings, Column::Upn, text(self.get(Column::Upn), upn).and_then(Result::transpose));
        let mut former_upns = Vec::new();
        for former in self.list(Column::FormerUpns) {
            former_upns.extend(kept(warnings, Column::FormerUpns, Some(normal::<Upn>(&former))));
        }
        let nhs_number =
            kept(warnings, Column::NhsNumber, text(self.get(Column::NhsNumber), normal::<NhsNumber>));
        let postcode = kept(warnings, Column::Postcode, text(self.get(Column::Postcode), normal::<Postcode>));
        Ok(Child {
            given_name,
            middle_names: name(Column::MiddleNames),
            family_name,
            former_family_names: self.list(Column::FormerFamilyNames),
            also_known_as,
            date_of_birth,
            sex,
            upn,
            former_upns,
            nhs_number,
            postcode,
        })
    }

    fn list(&self, column: Column) -> Vec<String> {
        let values = self.get(column).split(LIST_SEPARATOR).map(one_line);
        values.filter(|value| !value.is_empty()).collect()
    }
}

/// A value that is there, checked; none where there is none.
fn text<T>(value: &str, check: impl Fn(&str) -> Result<T, ()>) -> Option<Result<T, ()>> {
    (!value.is_empty()).then(|| check(value))
}

/// What passed its check; a warning where something did not.
fn kept<T>(warnings: &mut Vec<Fault>, column: Column, value: Option<Result<T, ()>>) -> Option<T> {
    let kept = value?.ok();
    if kept.is_none() {
        warnings.push(Fault::LeftOut(column));
    }
    kept
}

fn normal<T: std::str::FromStr + ToString>(text: &str) -> Result<String, ()> {
    text.parse::<T>().map(|value| value.to_string()).map_err(drop)
}

/// A UPN in capitals; `None` for one of the codes that say why there is none (UN1 to UN10).
fn upn(text: &str) -> Result<Option<String>, ()> {
    let text = text.to_ascii_uppercase();
    if text
        .strip_prefix("UN")
        .is_some_and(|number| number.parse().is_ok_and(|number| (1..=10).contains(&number)))
    {
        return Ok(None);
    }
    normal::<Upn>(&text).map(Some)
}

/// YYYY-MM-DD, YYYY-MM, YYYY or DD/MM/YYYY, a day that the calendar has, not after `as_of`.
fn date_of_birth(text: &str, as_of: Date) -> Option<PartialDate> {
    let british = |text: &str| -> Option<String> {
        let mut parts = text.split('/');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then(|| format!("{year}-{month:0>2}-{day:0>2}"))
    };
    let date: PartialDate = british(text).as_deref().unwrap_or(text).parse().ok()?;
    let (year, month) = (i16::try_from(date.year()).ok()?, date.month().unwrap_or(1));
    let day = date.day().unwrap_or(1);
    let first = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    (first <= as_of).then_some(date)
}

/// The value with each run of space, line ends included, as one space.
fn one_line(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_clean(value: &str) -> bool {
    !value.chars().any(|sign| sign.is_control() && !matches!(sign, '\n' | '\r' | '\t'))
}

fn is_short(value: &str) -> bool {
    value.len() <= VALUE_CHARS_MAX || value.chars().count() <= VALUE_CHARS_MAX
}

#[cfg(test)]
mod tests;
