//! Queries and notices that the suite writes.

use super::bodies::{self, salt};
use super::{header_of, uuid};
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

/// Given names of invented children.
const GIVEN: [&str; 16] = [
    "Ada",
    "Bertram",
    "Clementine",
    "Dmitri",
    "Eluned",
    "Femi",
    "Gwilym",
    "Hortense",
    "Idris",
    "Jocasta",
    "Kwame",
    "Lettice",
    "Mungo",
    "Nerys",
    "Oswald",
    "Philippa",
];

/// Letters of an invented family name, in turn.
const LETTERS: [&[u8; 16]; 2] = [b"bcdfghjklmnprstv", b"aeiouaeiouaeiouy"];

/// A date of birth that no other invented child has, not even in part.
pub(crate) const OTHER_DATE: &str = "2008-12-30";

/// An invented child, as a query or a notice has it. Any two differ in name and date of birth, so that a register
/// which takes like for like mistakes none for another.
pub(crate) fn subject() -> Json {
    let drawn = bodies::drawn();
    let sign = |at: usize| usize::from(drawn[at]);
    let mark: String = (0..9).map(|at| char::from(LETTERS[at % 2][sign(at) % 16])).collect();
    let date = format!("20{}-{:02}-{:02}", 10 + sign(9) % 9, 1 + sign(10) % 11, 1 + sign(11) % 28);
    Json::object([
        ("familyName", format!("{mark}{}", bodies::CANARY).into()),
        ("givenName", GIVEN[sign(12) % 16].into()),
        ("dateOfBirth", date.into()),
        ("sex", if sign(13) % 2 == 0 { "F" } else { "M" }.into()),
    ])
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
