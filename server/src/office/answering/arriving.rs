//! A child whom this authority knows has turned up elsewhere, as a query about an arrival says: the child is offered to
//! the authority that asks.

use cme_matching::ChildId;
use cme_spec::canonical::Json;
use cme_spec::codes::{AnswerOutcome, ClockClass, LegalBasis};
use cme_spec::ids::AuthorityCode;
use cme_spec::working_days::london_date;
use serde_json::{Map, Value, json};

use super::{Asker, check_role, is_hidden, named};
use crate::node::Node;
use crate::office::handing::{completed, offered_child, offered_once};
use crate::office::leaving::registered_subject;
use crate::office::offering::offer_and;
use crate::office::{Decided, OfferDecision, OfficeError};
use crate::store::queries::{self, Held};
use crate::store::register::{self, Record, bearers};
use crate::store::{StoreError, Tx, led};

/// The offer as far as query and register say it. An officer completes it, as `rest` with which [`offer_arrived`] offers
/// the child: whether the place may be told is the officer's to say.
pub async fn arrival_draft(node: &Node, asker: Asker, child: Option<ChildId>) -> Result<Value, OfficeError> {
    draft(node, asker, child).await.map(|(_, body)| body)
}

/// Offers the child to the authority that asks: what the register says, and what an officer adds or puts right. The
/// query is noted as led to the transfer in the transaction in which the child is offered.
pub async fn offer_arrived(
    node: &Node,
    asker: Asker,
    child: Option<ChildId>,
    clock_class: ClockClass,
    rest: Json,
) -> Result<Decided, OfficeError> {
    let (to, mut body) = draft(node, asker.clone(), child).await?;
    completed(&mut body, rest.into_value());
    let this = offered_child(&body);
    let body = Json::from_typed(&body)?;
    let decision = OfferDecision { by: asker.by, to, clock_class, link: None, body };
    offer_and(node, decision, move |tx, transfer| {
        let (held, _) = match known_child(tx, &asker, child)? {
            Ok(known) => known,
            Err(error) => return Ok(Err(error)),
        };
        let asked = (held.key.query, led::of_query(tx, &held.key)?);
        if let Err(error) = offered_once(tx, (held.key.hosted, to), asked, this.as_ref())? {
            return Ok(Err(error));
        }
        led::note_query(tx, &held.key, transfer)?;
        Ok(Ok(()))
    })
    .await
}

async fn draft(
    node: &Node,
    asker: Asker,
    child: Option<ChildId>,
) -> Result<(AuthorityCode, Value), OfficeError> {
    if asker.restricted {
        check_role(node, &asker.officer)?;
    }
    let (held, record) = node.store().read(move |tx| known_child(tx, &asker, child)).await??;
    let (today, asked_on) =
        (london_date(node.now().timestamp()), london_date(held.header.created_at.timestamp()));
    let body = json!({
        "child": offered(&record),
        "circumstances": circumstances(&record),
        "capacity": "residence",
        "enquiries": [],
        "risks": [],
        "legalBasis": [{ "code": LegalBasis::EducationAct1996S436a, "asOf": today.to_string() }],
        "moveEvidence": [{
            "kind": "other-agency",
            "on": asked_on.to_string(),
            "detail": format!("Authority {} asks about an arrival, query {}", held.key.author, held.key.query),
        }],
    });
    Ok((held.key.author, body))
}

/// The query and the child of the register whom it means, where the child may be offered to who asks: an arrival, which
/// an answer has told to be known, of which nothing was offered before, and a child whom nobody hides by now.
fn known_child(
    tx: &mut dyn Tx,
    asker: &Asker,
    child: Option<ChildId>,
) -> Result<Result<(Held, Record), OfficeError>, StoreError> {
    let held = match named(tx, asker)? {
        Ok(held) => held,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = may_lead(&held) {
        return Ok(Err(error));
    }
    let asked = (held.key.query, led::of_query(tx, &held.key)?);
    if let Err(error) = offered_once(tx, (held.key.hosted, held.key.author), asked, None)? {
        return Ok(Err(error));
    }
    Ok(told_child(tx, asker, &held, child)?.map(|record| (held, record)))
}

/// Whether a query can lead to an offer by this end.
fn may_lead(held: &Held) -> Result<(), OfficeError> {
    let query = held.key.query;
    if held.header.purpose.tells_nothing_of_the_child() {
        return Err(OfficeError::AskerOffers(held.key.author));
    }
    if held.withdrawal.is_some() {
        return Err(OfficeError::QueryWithdrawn(query));
    }
    match held.answers.last().map(|last| last.content().outcome) {
        Some(AnswerOutcome::Known) => Ok(()),
        Some(AnswerOutcome::Possible) => Err(OfficeError::AnswerFirst(query)),
        // An offer would tell of a child who was not told of.
        _ => Err(OfficeError::NotToldKnown(query)),
    }
}

/// The child of whom the answer told. One who is shielded by now is offered by nobody from here, and only an officer for
/// restricted children hears why: to the others there is no such match.
fn told_child(
    tx: &mut dyn Tx,
    asker: &Asker,
    held: &Held,
    wanted: Option<ChildId>,
) -> Result<Result<Record, OfficeError>, StoreError> {
    let (hosted, query) = (held.key.hosted, held.key.query);
    let hides = || {
        if asker.restricted { OfficeError::ChildShielded(query) } else { OfficeError::NoMatch(query) }
    };
    let mut open = Vec::new();
    for met in queries::matches(tx, &held.key)? {
        // Whoever was shielded when the query came was told from the others then.
        if !met.shielded && is_hidden(tx, hosted, &met)? {
            return Ok(Err(hides()));
        }
        let fits = wanted.is_none_or(|wanted| wanted == met.child);
        if fits && !met.shielded && !met.fields.is_empty() {
            open.extend(bearers(tx, hosted, &[met.child])?);
        }
    }
    let Some(bearer) = open.pop() else { return Ok(Err(OfficeError::NoMatch(query))) };
    if !open.is_empty() {
        return Ok(Err(OfficeError::WhichChild(query)));
    }
    let Some(known) = register::registered(tx, hosted, &bearer.source, &bearer.reference)? else {
        return Ok(Err(OfficeError::NoMatch(query)));
    };
    // Another source may hide the same child.
    let this = registered_subject(&known.record.child);
    let hidden = register::shielded(tx, hosted)?;
    let mut hidden = hidden.iter().filter_map(registered_subject);
    if this.is_some_and(|this| hidden.any(|hidden| hidden.may_be(&this))) {
        return Ok(Err(hides()));
    }
    Ok(Ok(known.record))
}

fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    let says_nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if !says_nothing {
        members.insert(name.to_owned(), value);
    }
}

/// The child as an offer has it. What the register doesn't say, or knows in part, is left to the officer.
fn offered(record: &Record) -> Value {
    let (known, mut child) = (&record.child, Map::new());
    put(&mut child, "familyName", json!(known.family_name));
    put(&mut child, "givenName", json!(known.given_name));
    put(&mut child, "middleNames", json!(known.middle_names));
    put(&mut child, "formerFamilyNames", json!(known.former_family_names));
    put(&mut child, "alsoKnownAs", json!(known.also_known_as));
    let born = known.date_of_birth.map(|date| date.to_string());
    put(&mut child, "dateOfBirth", json!(born.filter(|born| born.len() == "2016-04-09".len())));
    let sex = known.sex.map(|sex| match sex {
        cme_matching::Sex::Female => "F",
        cme_matching::Sex::Male => "M",
    });
    put(&mut child, "sex", json!(sex.unwrap_or("U")));
    put(&mut child, "upn", json!(known.upn));
    put(&mut child, "formerUpns", json!(known.former_upns));
    put(&mut child, "nhsNumber", json!(known.nhs_number));
    put(&mut child, "uln", json!(record.uln));
    Value::Object(child)
}

fn circumstances(record: &Record) -> Value {
    let (mut school, mut circumstances) = (Map::new(), Map::new());
    put(&mut school, "urn", json!(record.urn));
    put(&mut school, "laestab", json!(record.laestab));
    if !school.is_empty() {
        circumstances.insert("lastSchool".to_owned(), Value::Object(school));
    }
    Value::Object(circumstances)
}
