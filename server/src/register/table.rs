//! Rows of a CSV file.

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};

use super::row::{Column, Row};
use crate::bounded::Bounded;

/// Bytes of a row at most; a quotation mark that is never closed makes the rest of the file one row.
pub const ROW_BYTES_MAX: usize = 65_536;
/// Columns of a file at most.
const COLUMNS_MAX: usize = 500;
/// Bytes that are read at one time.
const BUFFER_BYTES: usize = 65_536;

/// Why a file can't be read at all. It says nothing of a child; a header is no personal data.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file.
    #[error("the file can't be read: {0}")]
    Io(std::io::ErrorKind),
    /// It is of another encoding.
    #[error("row {row} is not UTF-8: save the file again as \"CSV UTF-8\"")]
    Encoding {
        /// Where; the header is row 1.
        row: u64,
    },
    /// It begins with the mark of UTF-16.
    #[error("the file is UTF-16: save it again as \"CSV UTF-8\"")]
    Utf16,
    /// A row.
    #[error("row {row} has more than {ROW_BYTES_MAX} bytes: a quotation mark may not be closed")]
    RowTooLong {
        /// Where; the header is row 1.
        row: u64,
    },
    /// The header.
    #[error("the file has more than {COLUMNS_MAX} columns")]
    TooManyColumns,
    /// The file is empty.
    #[error("the file has no header")]
    NoHeader,
    /// A column that must be there.
    #[error("the file has no column {0}: name the one that is meant with --map HEADER={0}")]
    NoColumn(&'static str),
    /// A column that must be there in one of three forms.
    #[error("the file has no column of names: name one with --map HEADER=family_name")]
    NoNames,
    /// Two columns for one.
    #[error("two columns are {0}: say with --map which one is meant")]
    Twice(&'static str),
    /// A mapping of a header that isn't there.
    #[error("--map names a header that the file does not have: {0}")]
    NoHeaderOfMap(String),
}

/// A header of a file that stands for a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    header: String,
    column: Column,
}

impl std::str::FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (header, name) = text.rsplit_once('=').ok_or("say HEADER=COLUMN")?;
        let column = Column::ALL.iter().find(|column| column.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
            format!("no column {name}; there are {}", names.join(", "))
        })?;
        Ok(Self { header: header.trim().to_owned(), column: *column })
    }
}

/// A CSV file with a header, in UTF-8.
pub struct Table<R: Read> {
    reader: csv::Reader<Bounded<R>>,
    places: Vec<(Column, usize)>,
    columns: usize,
    record: ByteRecord,
    read: u64,
    unused: Vec<String>,
}

impl<R: Read> Table<R> {
    /// The file, of which the header was read.
    pub fn open(input: R, mappings: &[Mapping]) -> Result<Self, TableError> {
        let input = Bounded::new(input, ROW_BYTES_MAX);
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(input);
        let mut record = ByteRecord::new();
        if !read(&mut reader, &mut record, 1)? {
            return Err(TableError::NoHeader);
        }
        if record
            .get(0)
            .is_some_and(|first| first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]))
        {
            return Err(TableError::Utf16);
        }
        if record.len() > COLUMNS_MAX {
            return Err(TableError::TooManyColumns);
        }
        let header = |value: &[u8]| {
            let text = std::str::from_utf8(value).map_err(|_| TableError::Encoding { row: 1 })?;
            Ok(text.trim().to_owned())
        };
        let headers = record.iter().map(header).collect::<Result<Vec<_>, TableError>>()?;
        let places = places(&headers, mappings)?;
        let is_unused = |(place, _): &(usize, String)| places.iter().all(|(_, used)| used != place);
        let columns = headers.len();
        let unused = headers.into_iter().enumerate().filter(is_unused).map(|(_, header)| header).collect();
        Ok(Self { reader, places, columns, record, read: 1, unused })
    }

    /// Headers that stand for no column.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// The next row; none at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<Row>, TableError> {
        // Counted as a spreadsheet does, not by lines: a value may have several, and blank ones are passed over.
        self.read += 1;
        let number = self.read;
        if !read(&mut self.reader, &mut self.record, number)? {
            return Ok(None);
        }
        let mut row = Row::at(number);
        row.misshapen = self.record.len() != self.columns;
        for (column, place) in &self.places {
            let value = self.record.get(*place).unwrap_or_default();
            row.set(*column, std::str::from_utf8(value).map_err(|_| TableError::Encoding { row: number })?);
        }
        Ok(Some(row))
    }
}

fn read<R: Read>(
    reader: &mut csv::Reader<Bounded<R>>,
    record: &mut ByteRecord,
    row: u64,
) -> Result<bool, TableError> {
    reader.get_mut().allow(ROW_BYTES_MAX);
    reader.read_byte_record(record).map_err(|error| match error.into_kind() {
        _ if reader.get_ref().is_used_up() => TableError::RowTooLong { row },
        csv::ErrorKind::Io(error) => TableError::Io(error.kind()),
        _ => TableError::Io(std::io::ErrorKind::InvalidData),
    })
}

/// Which column each header is: as mapped, and otherwise by its name.
fn places(headers: &[String], mappings: &[Mapping]) -> Result<Vec<(Column, usize)>, TableError> {
    let mut places: Vec<(Column, usize)> = Vec::new();
    let mut take = |column: Column, place: usize| {
        if places.iter().any(|(taken, _)| *taken == column) {
            return Err(TableError::Twice(column.name()));
        }
        places.push((column, place));
        Ok(())
    };
    for mapping in mappings {
        let place = headers.iter().position(|header| *header == mapping.header);
        take(mapping.column, place.ok_or_else(|| TableError::NoHeaderOfMap(mapping.header.clone()))?)?;
    }
    for (place, header) in headers.iter().enumerate() {
        let name = header.to_ascii_lowercase().replace([' ', '-'], "_");
        let column = Column::ALL.iter().find(|column| column.name() == name);
        let is_mapped = |column: Column| {
            mappings.iter().any(|mapping| mapping.column == column || mapping.header == *header)
        };
        if let Some(column) = column.filter(|column| !is_mapped(**column)) {
            take(*column, place)?;
        }
    }
    let has = |column: Column| places.iter().any(|(taken, _)| *taken == column);
    if !has(Column::Reference) {
        return Err(TableError::NoColumn(Column::Reference.name()));
    }
    if ![Column::GivenName, Column::FamilyName, Column::AlsoKnownAs].into_iter().any(has) {
        return Err(TableError::NoNames);
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::super::row::Fault;
    use super::*;

    fn rows(bytes: &[u8], mappings: &[&str]) -> Result<Vec<Row>, TableError> {
        let mappings: Vec<Mapping> = mappings.iter().map(|text| text.parse().unwrap()).collect();
        let mut table = Table::open(bytes, &mappings)?;
        let mut rows = Vec::new();
        while let Some(row) = table.next_row()? {
            rows.push(row);
        }
        Ok(rows)
    }

    fn given_names(text: &str, mappings: &[&str]) -> Vec<(u64, Option<String>)> {
        let told = |row: &Row| {
            let child = row.child(jiff::civil::date(2026, 11, 24), &mut Vec::new()).unwrap();
            (row.number, child.given_name)
        };
        rows(text.as_bytes(), mappings).unwrap().iter().map(told).collect()
    }

    fn named(line: u64, name: &str) -> (u64, Option<String>) {
        (line, Some(name.to_owned()))
    }

    #[test]
    fn reads_quotes_and_line_ends_within_values() {
        let text = "reference,Given Name,family-name\r\n1,\"An\n\"\"na\"\"\",x\r\n\r\n2,\"B, C\",\n";
        assert_eq!(given_names(text, &[]), [named(2, "An \"na\""), named(3, "B, C")]);
    }

    #[test]
    fn a_mark_of_utf_8_is_no_part_of_the_first_header() {
        assert_eq!(given_names("\u{feff}reference,given_name\n1,Anna\n", &[]), [named(2, "Anna")]);
    }

    #[test]
    fn a_header_stands_for_what_it_is_mapped_to_and_may_do_so_twice() {
        let text = "UPN,Forename,given_name\nx,Anna,Wrong\n";
        let mappings = ["UPN=reference", "UPN=upn", "Forename=given_name"];
        assert_eq!(given_names(text, &mappings), [named(2, "Anna")]);
        let judged = rows(text.as_bytes(), &mappings).unwrap()[0].judge(jiff::civil::date(2026, 11, 24));
        assert_eq!(judged.reference.as_deref(), Some("x"));
        assert_eq!(judged.warnings, [Fault::LeftOut(Column::Upn)]);
        assert!("UPN=nothing".parse::<Mapping>().unwrap_err().contains("given_name"));
        assert!("UPN".parse::<Mapping>().is_err());
        let missing = rows(b"a,b\n", &["c=reference"]).unwrap_err();
        assert!(matches!(missing, TableError::NoHeaderOfMap(header) if header == "c"));
    }

    #[test]
    fn refuses_a_file_whose_columns_are_not_clear() {
        assert!(matches!(rows(b"", &[]), Err(TableError::NoHeader)));
        assert!(matches!(rows(b"given_name\nAnna\n", &[]), Err(TableError::NoColumn("reference"))));
        assert!(matches!(rows(b"reference,upn\n", &[]), Err(TableError::NoNames)));
        let twice = rows(b"reference,given name,Given-Name\n", &[]);
        assert!(matches!(twice, Err(TableError::Twice("given_name"))));
        let wide = vec!["x"; COLUMNS_MAX + 1].join(",");
        assert!(matches!(rows(wide.as_bytes(), &[]), Err(TableError::TooManyColumns)));
    }

    #[test]
    fn refuses_another_encoding_and_says_where() {
        let latin = b"reference,given_name\n1,Anna\n2,Zo\xeb\n";
        assert!(matches!(rows(latin, &[]), Err(TableError::Encoding { row: 3 })));
        let utf16: Vec<u8> =
            "\u{feff}reference,given_name\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(matches!(rows(&utf16, &[]), Err(TableError::Utf16)));
    }

    #[test]
    fn a_row_without_end_takes_no_memory_without_end() {
        let begun = "reference,given_name\n1,Anna\n";
        for opening in [String::new(), begun.to_owned(), format!("{begun}2,\"")] {
            let input = opening.as_bytes().chain(std::io::repeat(b'x'));
            let mut table = match Table::open(input, &[]) {
                Ok(table) => table,
                Err(error) => {
                    assert!(matches!(error, TableError::RowTooLong { row: 1 }), "{error}");
                    continue;
                }
            };
            assert!(table.next_row().unwrap().is_some());
            let error = table.next_row().unwrap_err();
            assert!(matches!(error, TableError::RowTooLong { row: 3 }), "{error}");
        }
    }

    #[test]
    fn a_row_of_another_shape_and_one_with_nul_are_rejected_alone() {
        let text = "reference,given_name\n1\n2,An\0na\n3,Anna,x\n4,Anna\n";
        let judged: Vec<_> = rows(text.as_bytes(), &[])
            .unwrap()
            .iter()
            .map(|row| row.judge(jiff::civil::date(2026, 11, 24)).record.map(drop))
            .collect();
        assert_eq!(judged, [Err(Fault::Shape), Err(Fault::ControlCharacter), Err(Fault::Shape), Ok(())]);
    }
}
