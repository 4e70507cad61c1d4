//! Reading bytes strictly.

use super::{INTEGER_MAX, Json};

/// Deepest nesting that is read at all. The text allows 16; beyond it a value can still be looked at, so that
/// a reader can say why it refuses it.
const DEPTH_MAX: usize = 64;

/// Why bytes are no document of section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    #[error("not UTF-8")]
    Encoding,
    #[error("not one JSON object")]
    Syntax,
    #[error("a member name stands twice in an object")]
    Duplicate,
    #[error("a number is no integer within plus or minus 2^53-1")]
    Number,
    #[error("a lone surrogate")]
    Surrogate,
    #[error("nested too deeply")]
    Depth,
}

/// One object with nothing after it but white space.
pub(super) fn document(bytes: &[u8]) -> Result<Json, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ParseError::Encoding)?;
    let mut reader = Reader { text, at: 0 };
    reader.space();
    if reader.peek() != Some(b'{') {
        return Err(ParseError::Syntax);
    }
    let value = reader.value(1)?;
    reader.space();
    if reader.at == text.len() { Ok(value) } else { Err(ParseError::Syntax) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(ParseError::Syntax)
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, ParseError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(ParseError::Syntax)
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, ParseError> {
        if depth > DEPTH_MAX {
            return Err(ParseError::Depth);
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(ParseError::Syntax),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, ParseError> {
        self.take(b'{')?;
        let mut members: Vec<(String, Json)> = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            if members.iter().any(|(held, _)| *held == name) {
                return Err(ParseError::Duplicate);
            }
            self.space();
            self.take(b':')?;
            self.space();
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.take(b'}')?;
                return Ok(Json::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, ParseError> {
        self.take(b'[')?;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.take(b']')?;
                return Ok(Json::Array(items));
            }
        }
    }

    fn number(&mut self) -> Result<Json, ParseError> {
        let begun = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == digits || (self.text.as_bytes()[digits] == b'0' && self.at > digits + 1) {
            return Err(ParseError::Syntax);
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(ParseError::Number);
        }
        let text = &self.text[begun..self.at];
        let number: i64 = text.parse().map_err(|_| ParseError::Number)?;
        if text == "-0" || number.abs() > INTEGER_MAX { Err(ParseError::Number) } else { Ok(number.into()) }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.take(b'"')?;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let character = rest.chars().next().ok_or(ParseError::Syntax)?;
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                control if control < ' ' => return Err(ParseError::Syntax),
                other => out.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let letter = self.peek().ok_or(ParseError::Syntax)?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(ParseError::Syntax),
        })
    }

    fn unicode(&mut self) -> Result<char, ParseError> {
        let high = self.four_hex()?;
        if !(0xd800..0xe000).contains(&high) {
            return char::from_u32(high).ok_or(ParseError::Surrogate);
        }
        if high >= 0xdc00 || !self.text[self.at..].starts_with("\\u") {
            return Err(ParseError::Surrogate);
        }
        self.at += 2;
        let low = self.four_hex()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(ParseError::Surrogate);
        }
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(ParseError::Surrogate)
    }

    fn four_hex(&mut self) -> Result<u32, ParseError> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(ParseError::Syntax)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParseError::Syntax);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| ParseError::Syntax)
    }
}
