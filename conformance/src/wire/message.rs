//! Requests and responses, and how they are read from a stream.

use std::io::Read;

use super::WireError;

/// Longest head of a message that is read.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// Longest content that is read.
const CONTENT_BYTES_MAX: usize = 8 << 20;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query as they stand in the request line.
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
}

impl Request {
    /// A request without content.
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self { method: "GET".into(), target: target.into(), fields: Vec::new(), content: Vec::new() }
    }

    /// A put of JSON.
    pub(crate) fn put(target: impl Into<String>, content: Vec<u8>) -> Self {
        let fields = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { method: "PUT".into(), target: target.into(), fields, content }
    }

    /// The request with one more field.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The bytes of it for a host.
    pub(crate) fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if self.method == "PUT" || !self.content.is_empty() {
            head.extend(["Content-Length: ", &self.content.len().to_string(), "\r\n"]);
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(&self.content);
        bytes
    }

    /// A request that came in, written out again: its fields in their order, its content without coding.
    pub(crate) fn received(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        [(head + "\r\n").as_bytes(), &self.content].concat()
    }

    /// A header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    /// Reads a request; `None` when the connection ended before one began.
    pub(crate) fn read(stream: &mut impl Read) -> Result<Option<Self>, WireError> {
        let Some(head) = Head::read(stream)? else { return Ok(None) };
        let mut words = head.first.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(WireError::NotHttp("request line"));
        };
        let (method, target) = (method.to_owned(), target.to_owned());
        let content = head.content(stream, false)?;
        Ok(Some(Self { method, target, fields: head.fields, content }))
    }
}

impl Response {
    /// A header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    /// Reads a response.
    pub(crate) fn read(stream: &mut impl Read) -> Result<Self, WireError> {
        let head = Head::read(stream)?.ok_or(WireError::Closed)?;
        let line = head.first.strip_prefix("HTTP/1.1 ").ok_or(WireError::NotHttp("status line"))?;
        let code = line.split(' ').next().filter(|code| code.len() == 3).and_then(|code| code.parse().ok());
        let status: u16 = code.ok_or(WireError::NotHttp("status code"))?;
        let content = head.content(stream, status != 204 && status != 304)?;
        Ok(Self { status, fields: head.fields, content })
    }

    /// Whether the connection may be used again.
    pub(super) fn keeps_alive(&self) -> bool {
        !self.field("connection").is_some_and(|value| value.to_ascii_lowercase().contains("close"))
            && (self.field("content-length").is_some() || self.field("transfer-encoding").is_some())
    }
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The first line and the fields of a message.
struct Head {
    first: String,
    fields: Vec<(String, String)>,
}

impl Head {
    fn read(stream: &mut impl Read) -> Result<Option<Self>, WireError> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if bytes.len() > HEAD_BYTES_MAX {
                return Err(WireError::NotHttp("the head has no end"));
            }
            match byte(stream) {
                Ok(byte) => bytes.push(byte),
                Err(WireError::Closed) if bytes.is_empty() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| WireError::NotHttp("the head is not UTF-8"))?;
        let mut lines = text.trim_end().split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .map(|line| {
                let (name, value) = line.split_once(':').ok_or(WireError::NotHttp("a field has no name"))?;
                Ok((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Result<_, WireError>>()?;
        Ok(Some(Self { first, fields }))
    }

    /// The content, to the end of the connection where nothing tells its length and that is allowed.
    fn content(&self, stream: &mut impl Read, to_end: bool) -> Result<Vec<u8>, WireError> {
        if field(&self.fields, "transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return chunked(stream);
        }
        if let Some(length) = field(&self.fields, "content-length") {
            let length: usize = length.parse().map_err(|_| WireError::NotHttp("Content-Length"))?;
            return exactly(stream, length);
        }
        let mut content = Vec::new();
        while to_end && content.len() < CONTENT_BYTES_MAX {
            match byte(stream) {
                Ok(byte) => content.push(byte),
                Err(WireError::Closed) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(content)
    }
}

fn chunked(stream: &mut impl Read) -> Result<Vec<u8>, WireError> {
    let mut content = Vec::new();
    loop {
        let line = line(stream)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| WireError::NotHttp("size of a chunk"))?;
        if size == 0 {
            while !self::line(stream)?.is_empty() {}
            return Ok(content);
        }
        if content.len() + size > CONTENT_BYTES_MAX {
            return Err(WireError::NotHttp("content without end"));
        }
        content.extend(exactly(stream, size)?);
        if !self::line(stream)?.is_empty() {
            return Err(WireError::NotHttp("end of a chunk"));
        }
    }
}

fn line(stream: &mut impl Read) -> Result<String, WireError> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n") {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(WireError::NotHttp("a line has no end"));
        }
        bytes.push(byte(stream)?);
    }
    bytes.truncate(bytes.len() - 2);
    String::from_utf8(bytes).map_err(|_| WireError::NotHttp("a line is not UTF-8"))
}

fn exactly(stream: &mut impl Read, length: usize) -> Result<Vec<u8>, WireError> {
    if length > CONTENT_BYTES_MAX {
        return Err(WireError::NotHttp("content is too long"));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).map_err(|error| told(&error))?;
    Ok(content)
}

fn byte(stream: &mut impl Read) -> Result<u8, WireError> {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(0) => Err(WireError::Closed),
        Ok(_) => Ok(byte[0]),
        Err(error) => Err(told(&error)),
    }
}

/// What an error of a stream comes to.
pub(super) fn told(error: &std::io::Error) -> WireError {
    use std::io::ErrorKind as K;
    match error.kind() {
        K::WouldBlock | K::TimedOut => WireError::Timeout(0),
        K::InvalidData => WireError::Tls(error.to_string()),
        _ => WireError::Closed,
    }
}
