//! Section 17: notices that the suite tells the subject.

pub(super) mod telling;

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, refused, same_signed};
use crate::draft::header_of;
use crate::draft::statements::{Statement, id_of, subject};
use crate::json::Json;
use crate::wire::{Request, Response};
use crate::world::Authority;

/// A case of the profile notices.
const NOTICES: Case = Case { profile: "notices", ..CORE };

pub(super) const CASES: &[Case] = &[
    Case {
        name: "ntc-refuses-notices-without-their-form",
        claim: "A notice whose header lacks a member or has one out of form is malformed, and one without body lacks it.",
        checks: &["NTC-002"],
        run: header_form,
        ..NOTICES
    },
    Case {
        name: "ntc-refuses-bodies-out-of-form",
        claim: "A body that lacks a member, has one out of form, or one that its kind does not have, is invalid, with a pointer.",
        checks: &["NTC-003"],
        run: body_form,
        ..NOTICES
    },
    Case {
        name: "ntc-takes-no-word-of-where-a-restricted-child-is",
        claim: "No notice of a restricted child says that it joined a roll, was seen, or at which postcode it lived.",
        checks: &["NTC-005"],
        run: restricted,
        ..NOTICES
    },
    Case {
        name: "ntc-stores-a-notice-once",
        claim: "A repeat gets the same storage receipt, and another notice under the id is refused.",
        checks: &["NTC-006"],
        run: once,
        ..NOTICES
    },
    Case {
        name: "ntc-answers-alike-about-any-child",
        claim: "The answer to a notice does not tell whether the child stands in a ledger.",
        checks: &["NTC-008"],
        run: alike,
        ..NOTICES
    },
    Case {
        name: "ntc-moves-no-responsibility",
        claim: "A notice about the child of a ledger leaves the ledger as it is.",
        checks: &["NTC-011"],
        run: moves_nothing,
        ..NOTICES
    },
];

impl Court<'_> {
    /// A put of a statement at the place that its header names.
    pub(super) fn state(&mut self, peer: &Authority, document: &Json) -> Found<Response> {
        let kind = if document.at("/header/query").is_some() { "queries" } else { "notices" };
        let target = self.bench.subject.target(&format!("/v1/{kind}/{}", id_of(document)));
        self.ask(peer, Request::put(target, document.plain().into_bytes()))
    }

    /// A notice that the subject has to take.
    pub(super) fn noticed(&mut self, peer: &Authority) -> Found<Json> {
        let notice = Statement::notice(&peer.code, &self.bench.subject.code, subject()).sealed(&peer.key);
        let response = self.state(peer, &notice)?;
        let told = self.stored(&response, ("notice", &id_of(&notice)), &header_of(&notice), &[201]);
        told.map(|_| notice)
            .map_err(|actual| Miss::Unexercised(format!("a good notice was not taken: {actual}")))
    }

    /// A notice, spoilt, between two good ones.
    fn refuses_notice(
        &mut self,
        requirement: &'static str,
        names: &[&str],
        spoil: impl FnOnce(&mut Statement),
    ) -> Found<Json> {
        let peer = self.peer()?;
        let mut statement = Statement::notice(&peer.code, &self.bench.subject.code, subject());
        spoil(&mut statement);
        let notice = statement.sealed(&peer.key);
        self.refuses_document(&peer, requirement, names, &notice)
    }

    fn refuses_document(
        &mut self,
        peer: &Authority,
        requirement: &'static str,
        names: &[&str],
        notice: &Json,
    ) -> Found<Json> {
        self.noticed(peer)?;
        let response = self.state(peer, notice)?;
        self.noticed(peer)?;
        refused(requirement, names, &response)?;
        Ok(Json::read(&response.content).unwrap_or(Json::Null))
    }
}

fn header_form(court: &mut Court<'_>) -> Found<()> {
    let malformed = ["malformed"];
    for member in ["protocol", "kind", "author", "recipient", "createdAt", "legalBasis", "bodyDigest"] {
        court.refuses_notice("NTC-002", &malformed, |statement| {
            // The digest is set when it is sealed; so it is taken away under another name.
            let path = if member == "bodyDigest" { "/createdAt" } else { member };
            statement.header.remove(&format!("/{}", path.trim_start_matches('/')));
        })?;
    }
    let subject_code = court.bench.subject.code.clone();
    let changes: [(&str, Json); 5] = [
        ("/kind", "moved-away".into()),
        ("/createdAt", "2026-11-24T09:30:00+00:00".into()),
        ("/legalBasis", Json::Array(Vec::new())),
        ("/recipient", "Birmingham".into()),
        ("/author", subject_code.into()),
    ];
    for (path, value) in changes {
        court.refuses_notice("NTC-002", &malformed, |statement| statement.header.set(path, value))?;
    }
    let peer = court.peer()?;
    let good = Statement::notice(&peer.code, &court.bench.subject.code, subject()).sealed(&peer.key);
    let mut bare = good.clone();
    bare.set("/body", Json::Null);
    court.refuses_document(&peer, "NTC-002", &["body-missing"], &bare)?;
    let mut unsigned = good;
    unsigned.remove("/signature");
    court.refuses_document(&peer, "NTC-002", &malformed, &unsigned).map(|_| ())
}

fn pointed(told: &Json, requirement: &'static str, pointer: &str) -> Found<()> {
    // Of a member that is missing the object that lacks it may be named as well.
    let actual = told.text_at("/pointer").unwrap_or("none").to_owned();
    ensure(pointer.starts_with(&actual), requirement, &format!("pointer {pointer}"), actual)
}

fn body_form(court: &mut Court<'_>) -> Found<()> {
    let names = ["body-invalid"];
    for path in ["/child", "/on", "/locationSensitivity", "/contact", "/contact/name", "/child/sex"] {
        let told = court.refuses_notice("NTC-003", &names, |statement| statement.body.remove(path))?;
        pointed(&told, "NTC-003", path)?;
    }
    let school = Json::object([("name", "Invented Primary School".into())]);
    let changes: [(&str, Json); 5] = [
        ("/on", "20/11/2026".into()),
        ("/child/upns", vec!["B373000020002".into()].into()),
        ("/child/narrative", "Seen at the park.".into()),
        ("/byRole", "teacher".into()),
        ("/locationSensitivity", "secret".into()),
    ];
    for (path, value) in changes {
        let told = court.refuses_notice("NTC-003", &names, |statement| statement.body.set(path, value))?;
        let pointer = if path == "/child/upns" { "/child/upns/0" } else { path };
        pointed(&told, "NTC-003", pointer)?;
    }
    let told = court.refuses_notice("NTC-003", &names, |statement| statement.body.remove("/school"))?;
    pointed(&told, "NTC-003", "/school")?;
    let told = court.refuses_notice("NTC-003", &names, |statement| {
        statement.header.set("/kind", "seen");
        statement.body.set("/byRole", "neighbour officer");
        statement.body.set("/school", school);
    })?;
    pointed(&told, "NTC-003", "/school")
}

fn restricted(court: &mut Court<'_>) -> Found<()> {
    let names = ["body-invalid"];
    for sensitivity in ["restricted", "withheld"] {
        court.refuses_notice("NTC-005", &names, |statement| {
            statement.header.set("/kind", "joined-roll");
            statement.body.set("/locationSensitivity", sensitivity);
        })?;
        court.refuses_notice("NTC-005", &names, |statement| {
            statement.header.set("/kind", "seen");
            statement.body.remove("/school");
            statement.body.set("/byRole", "health visitor");
            statement.body.set("/locationSensitivity", sensitivity);
        })?;
        court.refuses_notice("NTC-005", &names, |statement| {
            statement.body.set("/child/lastPostcode", "S1 2HH");
            statement.body.set("/locationSensitivity", sensitivity);
        })?;
    }
    Ok(())
}

fn once(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let notice = Statement::notice(&peer.code, &court.bench.subject.code, subject()).sealed(&peer.key);
    let (id, header) = (id_of(&notice), header_of(&notice));
    let first = court.state(&peer, &notice)?;
    let told = court.stored(&first, ("notice", &id), &header, &[201]);
    let receipt =
        told.map_err(|actual| Miss::Unexercised(format!("a good notice was not taken: {actual}")))?;
    let again = court.state(&peer, &notice)?;
    let told = court.stored(&again, ("notice", &id), &header, &[200]);
    let actual = told.clone().err().unwrap_or_default();
    ensure(told.is_ok(), "NTC-006", "200 with the storage receipt", actual)?;
    let same = told.is_ok_and(|told| same_signed("stored", &told, &receipt));
    ensure(same, "NTC-006", "the same storage receipt", "another")?;
    let mut other = Statement::notice(&peer.code, &court.bench.subject.code, subject());
    other.header.set("/notice", id.as_str());
    let response = court.state(&peer, &other.sealed(&peer.key))?;
    refused("NTC-006", &["id-reused"], &response)
}

/// The names of the members of an answer, and of its signed part.
fn members(response: &Response) -> (u16, Vec<String>) {
    let document = Json::read(&response.content).unwrap_or(Json::Null);
    let stored = document.member("stored").map(Json::members).unwrap_or_default();
    let mut names: Vec<String> =
        document.members().iter().chain(stored).map(|(name, _)| name.clone()).collect();
    names.sort();
    (response.status, names)
}

fn alike(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    let name = ledger.entries[0].text_at("/body/child/familyName").unwrap_or_default().to_owned();
    let mut known = subject();
    known.set("/familyName", name);
    known.set("/upns", vec!["B373000020001".into()]);
    let mut answers = Vec::new();
    for child in [subject(), known, subject()] {
        let notice = Statement::notice(&peer.code, &court.bench.subject.code, child).sealed(&peer.key);
        let response = court.state(&peer, &notice)?;
        answers.push(members(&response));
    }
    if answers[0].0 != 201 || answers[0] != answers[2] {
        return Err(Miss::Unexercised(format!("a good notice was answered {:?}", answers[0])));
    }
    let expected = format!("{:?}", answers[0]);
    ensure(answers[1] == answers[0], "NTC-008", &expected, format!("{:?}", answers[1]))
}

fn moves_nothing(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    let name = ledger.entries[0].text_at("/body/child/familyName").unwrap_or_default().to_owned();
    for kind in ["removed-from-roll", "joined-roll"] {
        let mut child = subject();
        child.set("/familyName", name.as_str());
        let mut statement = Statement::notice(&peer.code, &court.bench.subject.code, child);
        statement.header.set("/kind", kind);
        let notice = statement.sealed(&peer.key);
        let response = court.state(&peer, &notice)?;
        court
            .stored(&response, ("notice", &id_of(&notice)), &header_of(&notice), &[201])
            .map_err(|actual| Miss::Unexercised(format!("a good notice was not taken: {actual}")))?;
    }
    let page = court.read_ledger(&peer, &ledger.transfer)?;
    let head = page.member("head").cloned().unwrap_or(Json::Null);
    let told = court.check_head(&head, 0, &ledger.digest, "offered");
    ensure(told.is_ok(), "NTC-011", "the ledger as it was", told.err().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::uuid;

    #[test]
    fn a_statement_names_itself() {
        let key = crate::jws::SigningKey::generate().unwrap();
        let mut statement = Statement::notice("001", "330", subject());
        let id = uuid();
        statement.header.set("/notice", id.as_str());
        assert_eq!(id_of(&statement.sealed(&key)), id);
    }
}
