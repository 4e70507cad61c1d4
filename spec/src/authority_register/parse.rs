//! Registers out of their CSV text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;

use super::csv::{CsvError, split_line};
use super::{Authority, AuthorityKind, AuthorityRegister, Successor};
use crate::ids::{AuthorityCode, IdError};

const ENGLAND_HEADER: [&str; 7] =
    ["dfe_code", "gss_code", "name", "region", "type", "valid_from", "valid_to"];
const OTHER_NATIONS_HEADER: [&str; 4] = ["nation", "dfe_code", "gss_code", "name"];
const SUCCESSORS_HEADER: [&str; 7] =
    ["code", "valid_to", "successor_code", "residuary", "source", "confidence", "residuary_confidence"];

/// What the list of authorities writes where an authority has no code.
const NO_CODE: &str = "x";

/// Why a register's text is refused. Lines count from 1, the header included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The first line does not name the columns expected, in order.
    #[error("the header is not {expected}")]
    Header {
        /// The header expected.
        expected: String,
    },
    /// A line is not CSV.
    #[error("line {line}: {reason}")]
    Csv {
        /// Line number.
        line: usize,
        /// What is wrong with it.
        reason: CsvError,
    },
    /// A line has too few or too many fields.
    #[error("line {line}: {found} fields, {expected} expected")]
    FieldCount {
        /// Line number.
        line: usize,
        /// Fields on the line.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// A code is not well formed.
    #[error("line {line}, {column}: {reason}")]
    Code {
        /// Line number.
        line: usize,
        /// Column name.
        column: &'static str,
        /// What is wrong with it.
        reason: IdError,
    },
    /// A date, kind, truth value or mark is none of those allowed.
    #[error("line {line}, {column}: not an allowed value")]
    Value {
        /// Line number.
        line: usize,
        /// Column name.
        column: &'static str,
    },
    /// Two intervals of one code share a day.
    #[error("code {code} has two holders on one day")]
    Overlap {
        /// The code.
        code: AuthorityCode,
    },
    /// A code with successors has no residuary one, or several.
    #[error("code {code} has {found} residuary successors, not 1")]
    Residuary {
        /// The code that ended.
        code: AuthorityCode,
        /// How many residuary successors it has.
        found: usize,
    },
    /// Successors are given for a code that does not end on the day stated.
    #[error("code {code} does not end on the day its successors state")]
    NotEnded {
        /// The code.
        code: AuthorityCode,
    },
}

impl AuthorityRegister {
    /// The register of a history of authorities (`dfe_code,gss_code,name,region,type,valid_from,valid_to`)
    /// and of their successors
    /// (`code,valid_to,successor_code,residuary,source,confidence,residuary_confidence`).
    pub fn from_england_csv(history: &str, successors: &str) -> Result<Self, RegisterError> {
        let rows = records(history, &ENGLAND_HEADER)?
            .iter()
            .map(|record| {
                Ok(Authority {
                    code: record.optional_code(0)?,
                    gss: record.id(1)?,
                    name: record.text(2),
                    region: record.text(3),
                    kind: record.kind(4)?,
                    valid_from: record.optional_date(5)?,
                    valid_to: record.optional_date(6)?,
                })
            })
            .collect::<Result<Vec<_>, RegisterError>>()?;
        let register = Self { rows, successors: parse_successors(successors)? };
        register.refuse_overlaps()?;
        register.refuse_inconsistent_successors()?;
        Ok(register)
    }

    /// The register of a list of authorities of other nations (`nation,dfe_code,gss_code,name`).
    pub fn from_other_nations_csv(text: &str) -> Result<Self, RegisterError> {
        let rows = records(text, &OTHER_NATIONS_HEADER)?
            .iter()
            .map(|record| {
                Ok(Authority {
                    code: record.optional_code(1)?,
                    gss: record.id(2)?,
                    name: record.text(3),
                    region: record.text(0),
                    kind: AuthorityKind::OtherNation,
                    valid_from: None,
                    valid_to: None,
                })
            })
            .collect::<Result<Vec<_>, RegisterError>>()?;
        let register = Self { rows, successors: BTreeMap::new() };
        register.refuse_overlaps()?;
        Ok(register)
    }

    fn refuse_overlaps(&self) -> Result<(), RegisterError> {
        let mut intervals: Vec<_> =
            self.rows.iter().filter_map(|row| Some((row.code?, row.valid_from, row.valid_to))).collect();
        intervals.sort_unstable();
        for pair in intervals.windows(2) {
            let [(code, _, earlier_to), (next_code, later_from, _)] = pair else { continue };
            // An earlier interval without end, or a later one without beginning, meets any other of its code.
            let apart = matches!((earlier_to, later_from), (Some(to), Some(from)) if to < from);
            if code == next_code && !apart {
                return Err(RegisterError::Overlap { code: *code });
            }
        }
        Ok(())
    }

    fn refuse_inconsistent_successors(&self) -> Result<(), RegisterError> {
        let ended = self.ended_codes();
        for (&code, successors) in &self.successors {
            let found = successors.iter().filter(|successor| successor.residuary).count();
            if found != 1 {
                return Err(RegisterError::Residuary { code, found });
            }
            if successors.iter().any(|successor| ended.get(&code) != Some(&successor.predecessor_valid_to)) {
                return Err(RegisterError::NotEnded { code });
            }
        }
        Ok(())
    }
}

fn parse_successors(text: &str) -> Result<BTreeMap<AuthorityCode, Vec<Successor>>, RegisterError> {
    let mut successors: BTreeMap<AuthorityCode, Vec<Successor>> = BTreeMap::new();
    for record in records(text, &SUCCESSORS_HEADER)? {
        let successor = Successor {
            code: record.id(2)?,
            residuary: record.one_of(3, "true", "false")?,
            predecessor_valid_to: record.optional_date(1)?.ok_or_else(|| record.value_error(1))?,
            source: record.text(4),
            succession_confirmed: record.one_of(5, "V", "M")?,
            residuary_confirmed: record.one_of(6, "V", "M")?,
        };
        successors.entry(record.id(0)?).or_default().push(successor);
    }
    Ok(successors)
}

/// One line with as many fields as its header.
struct Record<'a> {
    line: usize,
    columns: &'a [&'static str],
    fields: Vec<Cow<'a, str>>,
}

fn records<'a>(text: &'a str, header: &'a [&'static str]) -> Result<Vec<Record<'a>>, RegisterError> {
    let mut lines = text.lines().zip(1..);
    let names = lines.next().map(|(first, _)| first.split(',').collect::<Vec<_>>()).unwrap_or_default();
    if names != header {
        return Err(RegisterError::Header { expected: header.join(",") });
    }
    lines
        .map(|(text, line)| {
            let fields = split_line(text).map_err(|reason| RegisterError::Csv { line, reason })?;
            if fields.len() != header.len() {
                return Err(RegisterError::FieldCount { line, found: fields.len(), expected: header.len() });
            }
            Ok(Record { line, columns: header, fields })
        })
        .collect()
}

impl Record<'_> {
    fn text(&self, column: usize) -> String {
        self.fields[column].clone().into_owned()
    }

    fn id<T: std::str::FromStr<Err = IdError>>(&self, column: usize) -> Result<T, RegisterError> {
        self.fields[column].parse().map_err(|reason| RegisterError::Code {
            line: self.line,
            column: self.columns[column],
            reason,
        })
    }

    fn optional_code(&self, column: usize) -> Result<Option<AuthorityCode>, RegisterError> {
        let field = &*self.fields[column];
        if field.is_empty() || field == NO_CODE { Ok(None) } else { self.id(column).map(Some) }
    }

    fn optional_date(&self, column: usize) -> Result<Option<Date>, RegisterError> {
        let field = &*self.fields[column];
        if field.is_empty() {
            return Ok(None);
        }
        field.parse().map(Some).map_err(|_| self.value_error(column))
    }

    fn kind(&self, column: usize) -> Result<AuthorityKind, RegisterError> {
        match &*self.fields[column] {
            "unitary" => Ok(AuthorityKind::Unitary),
            "metropolitan" => Ok(AuthorityKind::Metropolitan),
            "london" => Ok(AuthorityKind::London),
            "county" => Ok(AuthorityKind::County),
            _ => Err(self.value_error(column)),
        }
    }

    fn one_of(&self, column: usize, yes: &str, no: &str) -> Result<bool, RegisterError> {
        match &*self.fields[column] {
            field if field == yes => Ok(true),
            field if field == no => Ok(false),
            _ => Err(self.value_error(column)),
        }
    }

    fn value_error(&self, column: usize) -> RegisterError {
        RegisterError::Value { line: self.line, column: self.columns[column] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: &str = "dfe_code,gss_code,name,region,type,valid_from,valid_to\n";
    const SUCCESSORS: &str =
        "code,valid_to,successor_code,residuary,source,confidence,residuary_confidence\n";

    fn read(history: &str, successors: &str) -> Result<AuthorityRegister, RegisterError> {
        AuthorityRegister::from_england_csv(
            &format!("{HISTORY}{history}"),
            &format!("{SUCCESSORS}{successors}"),
        )
    }

    #[test]
    fn refuses_a_header_it_does_not_know() {
        let refused = AuthorityRegister::from_england_csv("code,name\n", SUCCESSORS);
        assert!(matches!(refused, Err(RegisterError::Header { .. })));
    }

    #[test]
    fn names_the_line_and_column_at_fault() {
        assert_eq!(
            read("901,E06000099,Northshire,North,duchy,2009-01-01,\n", ""),
            Err(RegisterError::Value { line: 2, column: "type" })
        );
        assert_eq!(
            read("901,E06000099,Northshire,North,county,soon,\n", ""),
            Err(RegisterError::Value { line: 2, column: "valid_from" })
        );
        assert_eq!(
            read("901,E06000099,Northshire\n", ""),
            Err(RegisterError::FieldCount { line: 2, found: 3, expected: 7 })
        );
        assert!(matches!(
            read("9O1,E06000099,Northshire,North,county,2009-01-01,\n", ""),
            Err(RegisterError::Code { line: 2, column: "dfe_code", .. })
        ));
    }

    #[test]
    fn refuses_two_holders_of_one_code_on_one_day() {
        let code = "901".parse().unwrap();
        let rows = "901,E06000098,Northshire,North,county,2009-01-01,2020-03-31\n\
                    901,E06000099,Northshire,North,unitary,2020-03-31,\n";
        assert_eq!(read(rows, ""), Err(RegisterError::Overlap { code }));
    }

    #[test]
    fn refuses_successors_without_exactly_one_residuary() {
        let code = "901".parse().unwrap();
        let rows = "901,E06000098,Northshire,North,county,2009-01-01,2020-03-31\n";
        let both = "901,2020-03-31,902,true,An Order,V,V\n901,2020-03-31,903,true,An Order,V,V\n";
        assert_eq!(read(rows, both), Err(RegisterError::Residuary { code, found: 2 }));
        let neither = "901,2020-03-31,902,false,An Order,V,V\n";
        assert_eq!(read(rows, neither), Err(RegisterError::Residuary { code, found: 0 }));
    }

    #[test]
    fn refuses_successors_of_a_code_that_does_not_end() {
        let code = "901".parse().unwrap();
        let rows = "901,E06000098,Northshire,North,county,2009-01-01,\n";
        let successors = "901,2020-03-31,902,true,An Order,V,V\n";
        assert_eq!(read(rows, successors), Err(RegisterError::NotEnded { code }));
    }
}
