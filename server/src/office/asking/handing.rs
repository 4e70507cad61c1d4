//! From an answer to a hand-over: the authority that knows a missing child is offered the child.

use cme_spec::canonical::Json;
use cme_spec::codes::{AnswerOutcome, ClockClass};
use cme_spec::ids::AuthorityCode;
use cme_spec::query::{Subject, check};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::resolve;
use crate::node::Node;
use crate::office::handing::{completed, offered_child, offered_once};
use crate::office::offering::offer_and;
use crate::office::{Decided, OfferDecision, OfficeError};
use crate::store::asked::{self, Held};
use crate::store::led;

/// The offer as far as the query and its answer say it: the child and the legal basis. An officer completes it, as
/// `rest` with which [`offer_found`] offers the child.
pub async fn offer_draft(
    node: &Node,
    by: AuthorityCode,
    id: Uuid,
    from: AuthorityCode,
) -> Result<Value, OfficeError> {
    let held = held(node, by, id, from).await?;
    match held.newest() {
        Some(answer) if answer.outcome == AnswerOutcome::Known => {}
        _ => return Err(OfficeError::NotKnownThere(from)),
    }
    // An arrival has the child here already: who knows it there hands it over.
    if !held.header.purpose.tells_nothing_of_the_child() {
        let team = held.newest().map(|answer| answer.team.name.clone()).unwrap_or_default();
        return Err(OfficeError::TheyOffer(from, team));
    }
    let query = held.query.as_ref().ok_or(OfficeError::ChildErased)?;
    let subject = check(query).map_err(|_| OfficeError::ChildErased)?.subject;
    Ok(json!({
        "child": child(&subject),
        "capacity": "residence",
        "enquiries": [],
        "risks": [],
        "legalBasis": held.header.legal_basis,
        "moveEvidence": [],
    }))
}

/// Offers the child to the authority that knows it: what the query says, and what an officer adds or puts right. The query
/// is noted as led to the transfer in the transaction in which the child is offered.
pub async fn offer_found(
    node: &Node,
    (by, id, from): (AuthorityCode, Uuid, AuthorityCode),
    clock_class: ClockClass,
    rest: Json,
) -> Result<Decided, OfficeError> {
    let mut body = offer_draft(node, by, id, from).await?;
    completed(&mut body, rest.into_value());
    let child = offered_child(&body);
    let body = Json::from_typed(&body)?;
    let key = held(node, by, id, from).await?.key;
    let decision = OfferDecision { by, to: from, clock_class, link: None, body };
    offer_and(node, decision, move |tx, transfer| {
        let led_to = led::of_asked(tx, &key)?;
        if let Err(error) = offered_once(tx, (by, from), (key.query, led_to), child.as_ref())? {
            return Ok(Err(error));
        }
        led::note_asked(tx, &key, transfer)?;
        Ok(Ok(()))
    })
    .await
}

async fn held(node: &Node, by: AuthorityCode, id: Uuid, from: AuthorityCode) -> Result<Held, OfficeError> {
    let read = node.store().read(move |tx| {
        let Some(asking) = resolve(tx, by, id)? else { return Ok(Err(OfficeError::UnknownAsking(by, id))) };
        let held = asked::of_asking(tx, by, asking.id)?.into_iter().find(|held| held.counterparty == from);
        Ok(held.ok_or(OfficeError::NotAsked(from)))
    });
    read.await?
}

/// The child as an offer has it. A date of birth that is known in part alone is left to the officer.
fn child(subject: &Subject) -> Value {
    let mut child = Map::new();
    let mut put = |name: &str, value: Value| {
        let says_nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !says_nothing {
            child.insert(name.to_owned(), value);
        }
    };
    put("familyName", json!(subject.family_name));
    put("givenName", json!(subject.given_name));
    put("middleNames", json!(subject.middle_names));
    put("formerFamilyNames", json!(subject.former_family_names));
    put("alsoKnownAs", json!(subject.also_known_as));
    let whole = subject.date_of_birth.as_ref().filter(|date| date.as_str().len() == "2016-04-09".len());
    put("dateOfBirth", json!(whole));
    put("sex", json!(subject.sex));
    put("upn", json!(subject.upns.first()));
    put("formerUpns", json!(subject.upns.get(1..).unwrap_or_default()));
    put("nhsNumber", json!(subject.nhs_number));
    Value::Object(child)
}

#[cfg(test)]
mod tests {
    use cme_spec::example;

    use super::*;

    #[test]
    fn an_officer_adds_to_what_is_known_and_puts_it_right() {
        let subject = check(&example::query()).unwrap().subject;
        let mut body = json!({ "child": child(&subject), "capacity": "residence", "enquiries": [] });
        assert_eq!(body["child"]["upn"], "B373000020001");
        assert_eq!(body["child"].get("lastPostcode"), None);
        let rest = json!({
            "child": { "givenName": "Aminah", "uln": "1000000000" },
            "capacity": "school-area",
            "contacts": {},
        });
        completed(&mut body, rest);
        assert_eq!(body["child"]["familyName"], "Testcase");
        assert_eq!(
            (&body["child"]["givenName"], &body["capacity"]),
            (&json!("Aminah"), &json!("school-area"))
        );
        assert_eq!((&body["contacts"], &body["enquiries"]), (&json!({}), &json!([])));
    }

    #[test]
    fn a_date_of_birth_in_part_is_left_to_the_officer() {
        let mut subject = example::query_body().into_value()["subject"].take();
        subject["dateOfBirth"] = json!("2016-04");
        let subject: Subject = Json::from_typed(&subject).unwrap().read().unwrap();
        assert_eq!(child(&subject).get("dateOfBirth"), None);
    }
}
