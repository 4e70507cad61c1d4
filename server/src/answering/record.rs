//! The records of the audit, without a value of a body but the officers' pseudonyms.

use cme_spec::canonical::Json;
use cme_spec::directory::Directory;
use cme_spec::instant::Instant;
use cme_spec::query::{Answer, OfficerId};
use serde_json::{Value, json};

use super::Asked;
use crate::store::audit::{self, Counted};
use crate::store::queries::Held;
use crate::store::{StoreError, Tx};

const UNWRITABLE: StoreError = StoreError::Corrupt("a record of the audit");

/// Records the first answer, in the transaction in which it is given. Implements: QRY-028
pub(super) fn record_first(
    tx: &mut dyn Tx,
    asked: &Asked,
    operator: &str,
    answer: &Answer,
) -> Result<(), StoreError> {
    let (header, body) = (asked.query.header(), &asked.body);
    let said = json!({
        "at": asked.now,
        "hosted": asked.key.hosted,
        "query": header.query,
        "number": answer.number,
        "author": header.author,
        "operator": operator,
        "officer": body.officer.id,
        "secondOfficer": body.second_officer.as_ref().map(|second| &second.id),
        "purpose": header.purpose,
        "legalBasis": header.legal_basis,
        "members": body.subject.members(),
        "outcome": answer.outcome,
    });
    let counted = Counted {
        at: asked.now,
        author: header.author,
        officer: body.officer.id.to_string(),
        query: header.query,
        number: answer.number,
    };
    add(tx, asked.key.hosted, &counted, said)
}

/// Who decided a later answer, when, and who runs the asking authority's server.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The officer of the answering authority.
    pub by: OfficerId,
    /// When.
    pub at: Instant,
    /// The operator of the asking authority.
    pub operator: String,
}

impl Decided {
    /// The decision of an officer at that time.
    pub fn new(directory: &Directory, held: &Held, by: OfficerId, at: Instant) -> Self {
        let record = directory.authority(held.key.author);
        Self { by, at, operator: record.map_or_else(String::new, |record| record.operator.clone()) }
    }
}

/// Records a later answer, in the transaction in which it is made. What was asked is taken from the record of the first,
/// as the body may be gone. Implements: QRY-028
pub fn record_later(
    tx: &mut dyn Tx,
    held: &Held,
    decided: &Decided,
    answer: &Answer,
) -> Result<(), StoreError> {
    let key = &held.key;
    let first = audit::first_of(tx, key.hosted, key.author, key.query)?;
    let first = first.map_or(Value::Null, |first| first.record.into_value());
    let officer = first["officer"].as_str().unwrap_or_default().to_owned();
    let said = json!({
        "at": decided.at,
        "hosted": key.hosted,
        "query": key.query,
        "number": answer.number,
        "author": key.author,
        "operator": decided.operator,
        "officer": officer,
        "secondOfficer": first["secondOfficer"],
        "purpose": held.header.purpose,
        "legalBasis": held.header.legal_basis,
        "members": first["members"],
        "outcome": answer.outcome,
        "decidedBy": decided.by,
    });
    let counted =
        Counted { at: decided.at, author: key.author, officer, query: key.query, number: answer.number };
    add(tx, key.hosted, &counted, said)
}

fn add(
    tx: &mut dyn Tx,
    hosted: cme_spec::ids::AuthorityCode,
    counted: &Counted,
    said: Value,
) -> Result<(), StoreError> {
    audit::add(tx, hosted, counted, |place, previous| {
        let mut record = said;
        record["place"] = json!(place);
        record["previous"] = json!(previous);
        Json::from_typed(&record).map_err(|_| UNWRITABLE)
    })
}
