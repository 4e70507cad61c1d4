//! Queries and notices that the suite writes.

use super::{header_of, uuid};
use crate::draft::bodies::salt;
use crate::encoding::digest;
use crate::instant::{date, now, written};
use crate::json::Json;
use crate::jws::SigningKey;

/// A query or a notice before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) header: Json,
    pub(crate) body: Json,
}

/// An invented child, as a query or a notice has it, of whom nobody else bears the name.
pub(crate) fn subject() -> Json {
    let mark: String = uuid().bytes().rev().filter(u8::is_ascii_hexdigit).map(letter).take(12).collect();
    Json::object([
        ("familyName", format!("{}{mark}", super::bodies::CANARY).into()),
        ("givenName", "Ada".into()),
        ("dateOfBirth", "2015-03-14".into()),
        ("sex", "F".into()),
    ])
}

fn letter(byte: u8) -> char {
    char::from(b'a' + byte % 26)
}

fn basis() -> Json {
    vec![Json::object([("code", "education-act-1996-s436a".into()), ("asOf", date(0).into())])].into()
}

impl Statement {
    /// A notice that a school took a child off its roll.
    pub(crate) fn notice(author: &str, recipient: &str, child: Json) -> Self {
        let header = Self::header("notice", ("kind", "removed-from-roll"), (author, recipient));
        let contact = Json::object([
            ("name", "Sam Invented".into()),
            ("role", "CME officer".into()),
            ("telephone", "01632 960001".into()),
        ]);
        let body = Json::object([
            ("salt", salt()),
            ("child", child),
            ("on", date(-3).into()),
            ("school", Json::object([("name", "Invented Primary School".into())])),
            ("locationSensitivity", "standard".into()),
            ("contact", contact),
        ]);
        Self { header, body }
    }

    /// A query that traces a child.
    pub(crate) fn query(author: &str, recipient: &str, subject: Json) -> Self {
        let header = Self::header("query", ("purpose", "trace-missing-child"), (author, recipient));
        // Each officer of its own, so that no quota of one stands in the way of another question.
        let officer = Json::object([("id", uuid().replace('-', "").into()), ("role", "CME officer".into())]);
        let body = Json::object([("salt", salt()), ("officer", officer), ("subject", subject)]);
        Self { header, body }
    }

    fn header(id: &str, (name, code): (&str, &str), (author, recipient): (&str, &str)) -> Json {
        let mut header = Json::object([("protocol", "1.0".into())]);
        header.set(&format!("/{id}"), uuid());
        header.set(&format!("/{name}"), code);
        header.set("/author", author);
        header.set("/recipient", recipient);
        header.set("/createdAt", written(now()));
        header.set("/legalBasis", basis());
        header.set("/bodyDigest", "");
        header
    }

    /// The statement with its body's digest and a signature.
    pub(crate) fn sealed(mut self, key: &SigningKey) -> Json {
        self.header.set("/bodyDigest", digest(&self.body));
        let signature = key.sign(&self.header);
        Json::object([("header", self.header), ("body", self.body), ("signature", signature.into())])
    }
}

/// The id of a query or notice.
pub(crate) fn id_of(document: &Json) -> String {
    let header = header_of(document);
    let id = header.text_at("/query").or_else(|| header.text_at("/notice"));
    id.unwrap_or_default().to_owned()
}
