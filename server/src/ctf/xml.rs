//! XML as a stream of elements and their texts, within limits.

use std::io::{BufReader, Read};

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesRef, Event};

use super::CtfError;
use crate::bounded::Bounded;

/// Elements within each other.
pub(super) const DEPTH_MAX: usize = 32;
/// Bytes of a tag with its attributes, of a text, of a comment.
pub(super) const PART_BYTES_MAX: usize = 65_536;

/// What comes next in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// An element begins.
    Begin,
    /// The text of an element that holds no others; it ends with the next part.
    Value,
    /// An element ends.
    End,
    /// The file ends.
    Over,
}

/// The parts of a file. Places are the names of the elements from the outermost on, joined by slashes.
pub(super) struct Parts<R: Read> {
    reader: Reader<BufReader<Bounded<R>>>,
    buffer: Vec<u8>,
    place: String,
    depth: usize,
    text: String,
    /// Nothing but text came since an element began.
    is_leaf: bool,
    /// The end of an element is still to be told.
    ends: bool,
    /// The end of an element was told of, and the place is still its.
    ended: bool,
}

impl<R: Read> Parts<R> {
    pub(super) fn of(input: R) -> Self {
        let mut reader = Reader::from_reader(BufReader::new(Bounded::new(input, PART_BYTES_MAX)));
        let config = reader.config_mut();
        config.check_end_names = true;
        Self {
            reader,
            buffer: Vec::new(),
            place: String::new(),
            depth: 0,
            text: String::new(),
            is_leaf: false,
            ends: false,
            ended: false,
        }
    }

    /// The place of the part that was told of last.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// How many elements that place has.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// The text that was told of last, without space at its ends.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The next part. After [`Part::End`] the place is still that of the element.
    pub(super) fn next(&mut self) -> Result<Part, CtfError> {
        if std::mem::replace(&mut self.ended, false) {
            self.depth -= 1;
            self.place.truncate(self.place.rfind('/').unwrap_or(0));
        }
        if std::mem::replace(&mut self.ends, false) {
            return Ok(self.end());
        }
        loop {
            self.reader.get_mut().get_mut().allow(PART_BYTES_MAX);
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer);
            let event = match event {
                Ok(event) => event,
                Err(error) => return Err(self.broken(&error)),
            };
            match event {
                Event::Decl(decl) => utf8(&decl)?,
                Event::DocType(_) => return Err(CtfError::DocumentType),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) => add(&mut self.text, &text.xml10_content())?,
                Event::CData(text) => add(&mut self.text, &text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    add(&mut self.text, referenced(&reference)?.encode_utf8(&mut [0; 4]))?;
                }
                Event::Start(tag) => {
                    let name = tag.local_name().into_inner().to_owned();
                    self.enter(&name)?;
                    return Ok(Part::Begin);
                }
                Event::Empty(tag) => {
                    let name = tag.local_name().into_inner().to_owned();
                    self.enter(&name)?;
                    self.ends = true;
                    return Ok(Part::Begin);
                }
                Event::End(_) => {
                    if self.is_leaf {
                        self.ends = true;
                        return Ok(Part::Value);
                    }
                    return Ok(self.end());
                }
                Event::Eof if self.depth == 0 => return Ok(Part::Over),
                Event::Eof => return Err(CtfError::NotXml),
            }
        }
    }

    fn end(&mut self) -> Part {
        self.is_leaf = false;
        self.ended = true;
        Part::End
    }

    fn enter(&mut self, name: &str) -> Result<(), CtfError> {
        if self.depth == DEPTH_MAX {
            return Err(CtfError::TooDeep);
        }
        self.depth += 1;
        if !self.place.is_empty() {
            self.place.push('/');
        }
        self.place.push_str(name);
        self.text.clear();
        self.is_leaf = true;
        Ok(())
    }

    fn broken(&self, error: &quick_xml::Error) -> CtfError {
        match error {
            _ if self.reader.get_ref().get_ref().is_used_up() => CtfError::PartTooLong,
            quick_xml::Error::Io(_) => CtfError::Io,
            quick_xml::Error::Encoding(_) => CtfError::Encoding,
            _ => CtfError::NotXml,
        }
    }
}

fn utf8(decl: &BytesDecl<'_>) -> Result<(), CtfError> {
    match decl.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(_) => Err(CtfError::Encoding),
    }
}

/// The sign that a reference stands for: one by its number, or one of the five that XML itself names.
fn referenced(reference: &BytesRef<'_>) -> Result<char, CtfError> {
    let sign = reference.resolve_char_ref().map_err(|_| CtfError::Entity)?;
    let named = || resolve_predefined_entity(reference).and_then(|text| text.chars().next());
    sign.or_else(named).ok_or(CtfError::Entity)
}

fn add(text: &mut String, more: &str) -> Result<(), CtfError> {
    if text.len() + more.len() > PART_BYTES_MAX {
        return Err(CtfError::PartTooLong);
    }
    text.push_str(more);
    Ok(())
}
