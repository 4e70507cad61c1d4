//! Section 15 for the answering authority: the suite asks, and children come into the subject's register on
//! demand.

pub(super) mod asking;
pub(super) mod shielded;
pub(super) mod standing;

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, Played, ensure, failed, refused, same_signed};
use crate::draft::statements::{OTHER_DATE, Statement, id_of, subject};
use crate::draft::{header_of, uuid};
use crate::encoding::digest;
use crate::json::Json;
use crate::wire::{Request, Response};
use crate::world::Authority;

/// A case of the profile queries.
const QUERIES: Case = Case { profile: "queries", ..CORE };

/// A case in which children come into the register.
const KNOWING: Case = Case { needs: &["seed child"], ..QUERIES };

pub(super) const CASES: &[Case] = &[
    Case {
        name: "qry-refuses-queries-without-their-form",
        claim: "A query whose header lacks a member or has one out of form is malformed, and one without body lacks it.",
        checks: &["QRY-002"],
        run: header_form,
        ..QUERIES
    },
    Case {
        name: "qry-refuses-bodies-out-of-form",
        claim: "A body that lacks a member, has one out of form or one that the text does not name is invalid, with a pointer.",
        checks: &["QRY-003"],
        run: body_form,
        ..QUERIES
    },
    Case {
        name: "qry-lets-tracing-alone-be-broadcast-or-stand",
        claim: "A query with another purpose than tracing has neither broadcast nor standingUntil.",
        checks: &["QRY-005"],
        run: purposes,
        ..QUERIES
    },
    Case {
        name: "qry-wants-two-officers-for-a-broadcast",
        claim: "broadcast and secondOfficer stand together, and the two officers are not one.",
        checks: &["QRY-006"],
        run: two_officers,
        ..QUERIES
    },
    Case {
        name: "qry-answers-by-what-the-register-holds",
        claim: "Answer 0 is signed, known only where a child agrees in the fields that it names, and not-known otherwise.",
        checks: &["QRY-007", "QRY-008", "QRY-009"],
        run: answers,
        ..KNOWING
    },
    Case {
        name: "qry-knows-a-repeat",
        claim: "A query put again gets the answers given before; another under its id is refused.",
        checks: &["QRY-016"],
        needs: &["seed child", "trigger answer"],
        run: repeats,
        ..KNOWING
    },
    Case {
        name: "qry-answers-what-was-possible-again",
        claim: "After possible comes an officer's answer, which is sent until it is stored.",
        checks: &["QRY-011", "QRY-018"],
        slow: true,
        needs: &["seed child", "trigger answer"],
        run: possible,
        ..KNOWING
    },
    Case {
        name: "qry-receipts-a-withdrawal-once",
        claim: "A withdrawal gets a storage receipt, and a repeat the same one.",
        checks: &["QRY-019"],
        run: withdrawal,
        ..QUERIES
    },
    Case {
        name: "qry-tells-nobody-of-anothers-query",
        claim: "The withdrawal of a query that another authority put looks like that of one that nobody put.",
        checks: &["QRY-020"],
        run: foreign_withdrawal,
        ..QUERIES
    },
];

impl Court<'_> {
    /// A query to the subject by that authority.
    fn query(&self, peer: &Authority, subject: Json) -> Statement {
        Statement::query(&peer.code, &self.bench.subject.code, subject)
    }

    /// The signed answers to a query, which has to be taken.
    fn answered(&mut self, peer: &Authority, query: &Json) -> Found<Vec<Json>> {
        let response = self.state(peer, query)?;
        let content = Json::read(&response.content).unwrap_or(Json::Null);
        let answers = content.member("answers").map(Json::items).unwrap_or_default().to_vec();
        let told = answers.iter().enumerate().try_for_each(|(number, signed)| {
            self.check_answer(signed, query, i64::try_from(number).unwrap_or_default())
        });
        match told {
            Ok(()) if response.status == 200 && !answers.is_empty() => Ok(answers),
            told => Err(Miss::Unexercised(format!(
                "a good query was not answered: {} {}",
                response.status,
                told.err().unwrap_or_default()
            ))),
        }
    }

    /// Holds when an answer is the subject's to that query.
    fn check_answer(&self, signed: &Json, query: &Json, number: i64) -> Result<(), String> {
        let header = header_of(query);
        for (path, wanted) in [
            ("/query", id_of(query)),
            ("/queryDigest", digest(&header)),
            ("/by", self.bench.subject.code.clone()),
        ] {
            let held = signed.text_at(&format!("/answer{path}"));
            if held != Some(&wanted) {
                return Err(format!("the answer's {path} is {held:?}, not {wanted:?}"));
            }
        }
        if signed.integer_at("/answer/number") != Some(number) {
            return Err("the answer's number is another".into());
        }
        self.check_signed(signed, "answer", "cme-answer", "/answeredAt")
    }

    /// A query, spoilt, between two good ones.
    fn refuses_query(
        &mut self,
        requirement: &'static str,
        names: &[&str],
        spoil: impl FnOnce(&mut Statement),
    ) -> Found<Json> {
        let peer = self.peer()?;
        let mut statement = self.query(&peer, subject());
        spoil(&mut statement);
        let query = statement.sealed(&peer.key);
        self.refuses_query_document(&peer, requirement, names, &query)
    }

    fn refuses_query_document(
        &mut self,
        peer: &Authority,
        requirement: &'static str,
        names: &[&str],
        query: &Json,
    ) -> Found<Json> {
        let good = self.query(peer, subject()).sealed(&peer.key);
        self.answered(peer, &good)?;
        let response = self.state(peer, query)?;
        refused(requirement, names, &response)?;
        Ok(Json::read(&response.content).unwrap_or(Json::Null))
    }

    /// A child comes into the subject's register.
    fn seed(&mut self, child: &Json, shielded: bool) -> Found<()> {
        let members = vec![("child", child.clone()), ("shielded", shielded.into())];
        self.made_to("seed", "child", members).map(|_| ())
    }
}

fn outcome(signed: &Json) -> String {
    signed.text_at("/answer/outcome").unwrap_or("none").to_owned()
}

/// Two officers of the asking authority.
fn broadcast(statement: &mut Statement) {
    statement.header.set("/broadcast", uuid());
    let second = Json::object([("id", "o-2".into()), ("role", "Team manager".into())]);
    statement.body.set("/secondOfficer", second);
}

fn header_form(court: &mut Court<'_>) -> Found<()> {
    let malformed = ["malformed"];
    for member in ["protocol", "purpose", "author", "createdAt", "legalBasis"] {
        court.refuses_query("QRY-002", &malformed, |statement| {
            statement.header.remove(&format!("/{member}"));
        })?;
    }
    let changes: [(&str, Json); 4] = [
        ("/purpose", "curiosity".into()),
        ("/broadcast", "everybody".into()),
        ("/standingUntil", "2027-01-01".into()),
        ("/recipient", "Birmingham".into()),
    ];
    for (path, value) in changes {
        court.refuses_query("QRY-002", &malformed, |statement| statement.header.set(path, value))?;
    }
    let peer = court.peer()?;
    let mut bare = court.query(&peer, subject()).sealed(&peer.key);
    bare.set("/body", Json::Null);
    court.refuses_query_document(&peer, "QRY-002", &["body-missing"], &bare).map(|_| ())
}

fn body_form(court: &mut Court<'_>) -> Found<()> {
    let names = ["body-invalid"];
    let pointed = |told: &Json, path: &str| {
        let actual = told.text_at("/pointer").unwrap_or("none").to_owned();
        ensure(path.starts_with(&actual), "QRY-003", &format!("pointer {path}"), actual)
    };
    for path in ["/salt", "/officer", "/officer/id", "/subject/familyName", "/subject/sex"] {
        let told = court.refuses_query("QRY-003", &names, |statement| statement.body.remove(path))?;
        pointed(&told, path)?;
    }
    let changes: [(&str, Json); 6] = [
        ("/subject/dateOfBirth", "14/03/2015".into()),
        ("/subject/school", "Invented Primary School".into()),
        ("/officer/name", "Sam Invented".into()),
        ("/note", "Please hurry.".into()),
        ("/officer/id", "sam@council.example".into()),
        ("/subject/middleNames", "x".repeat(101).into()),
    ];
    for (path, value) in changes {
        let told = court.refuses_query("QRY-003", &names, |statement| statement.body.set(path, value))?;
        pointed(&told, path)?;
    }
    court.refuses_query("QRY-003", &names, |statement| statement.body.remove("/subject/dateOfBirth"))?;
    court
        .refuses_query("QRY-003", &names, |statement| {
            statement.body.set("/subject/nhsNumber", "9990000018");
            statement.body.set("/subject/lastPostcode", "S1 2HH");
        })
        .map(|_| ())
}

fn purposes(court: &mut Court<'_>) -> Found<()> {
    let names = ["query-not-allowed"];
    for purpose in ["confirm-arrival", "background-for-new-arrival"] {
        let told = court.refuses_query("QRY-005", &names, |statement| {
            broadcast(statement);
            statement.header.set("/purpose", purpose);
        })?;
        let pointer = told.text_at("/pointer").unwrap_or("none").to_owned();
        ensure(pointer == "/broadcast", "QRY-005", "pointer /broadcast", pointer)?;
        court.refuses_query("QRY-005", &names, |statement| {
            statement.header.set("/purpose", purpose);
            statement.header.set("/standingUntil", standing::days(10));
        })?;
    }
    Ok(())
}

fn two_officers(court: &mut Court<'_>) -> Found<()> {
    let names = ["body-invalid"];
    court.refuses_query("QRY-006", &names, |statement| statement.header.set("/broadcast", uuid()))?;
    court.refuses_query("QRY-006", &names, |statement| {
        broadcast(statement);
        statement.header.remove("/broadcast");
    })?;
    court.refuses_query("QRY-006", &names, |statement| {
        broadcast(statement);
        let first = statement.body.at("/officer/id").cloned().unwrap_or(Json::Null);
        statement.body.set("/secondOfficer/id", first);
    })?;
    let peer = court.peer()?;
    let mut right = court.query(&peer, subject());
    broadcast(&mut right);
    court.answered(&peer, &right.sealed(&peer.key)).map(|_| ())
}

fn answers(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let child = subject();
    court.seed(&child, false)?;
    let record = court.bench.subject.record.member("team").cloned().unwrap_or(Json::Null);
    for (who, wanted) in [(child, "known"), (subject(), "not-known")] {
        let query = court.query(&peer, who).sealed(&peer.key);
        let answers = court.answered(&peer, &query)?;
        let answer = answers[0].member("answer").cloned().unwrap_or(Json::Null);
        ensure(outcome(&answers[0]) == wanted, "QRY-007", wanted, outcome(&answers[0]))?;
        let matched = answer.member("matchedOn").map(Json::items).unwrap_or_default();
        let agreed = ["name", "date-of-birth", "sex"].map(Json::from);
        let fits =
            (wanted == "known") != matched.is_empty() && matched.iter().all(|field| agreed.contains(field));
        let actual = answer.member("matchedOn").map(Json::plain).unwrap_or_default();
        ensure(fits, "QRY-007", "the fields that agreed in matchedOn", actual)?;
        let known = [
            "query",
            "queryDigest",
            "number",
            "outcome",
            "matchedOn",
            "team",
            "answeredAt",
            "by",
            "incarnation",
            "directoryIssue",
        ];
        let more = answer.members().iter().find(|(name, _)| !known.contains(&name.as_str()));
        // A member that a later version adds would be no fact about the child either.
        let told = more.filter(|(name, _)| !name.starts_with("conformance")).map(|(name, _)| name.clone());
        ensure(told.is_none(), "QRY-008", "no further member in an answer", told.unwrap_or_default())?;
        let team = answer.member("team").cloned().unwrap_or(Json::Null);
        let same = team.canonical() == record.canonical();
        ensure(same, "QRY-009", "the directory's team in every answer", team.plain())?;
    }
    Ok(())
}

fn repeats(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let peer = played.peer.clone();
    let (query, first) = asked_possibly(court, &played)?;
    answer_again(court, &query, "known", None)?;
    let response = court.state(&peer, &query)?;
    let content = Json::read(&response.content).unwrap_or(Json::Null);
    let again = content.member("answers").map(Json::items).unwrap_or_default();
    let same = again.first().is_some_and(|answer| same_signed("answer", answer, &first)) && again.len() == 2;
    let actual = content.plain();
    ensure(same, "QRY-016", "both answers, the first as it was given", actual)?;
    let mut other = court.query(&peer, subject());
    other.header.set("/query", id_of(&query));
    let response = court.state(&peer, &other.sealed(&peer.key))?;
    refused("QRY-016", &["id-reused"], &response)
}

/// A query of which the subject says that a child of its register may be the one, and that answer. In what the two
/// agree and in what they don't is the subject's to weigh, so several kinds are tried.
fn asked_possibly(court: &mut Court<'_>, played: &Played) -> Found<(Json, Json)> {
    let other: [(&str, Json); 3] = [
        ("/dateOfBirth", OTHER_DATE.into()),
        ("/givenName", "Zebedee".into()),
        ("/familyName", "Pimmelhoof".into()),
    ];
    let mut told = Vec::new();
    for (path, value) in other {
        let child = subject();
        let mut asked = child.clone();
        asked.set(path, value);
        court.seed(&child, false)?;
        let query = court.query(&played.peer, asked).sealed(&played.peer.key);
        let answers = court.answered(&played.peer, &query)?;
        if outcome(&answers[0]) == "possible" {
            return Ok((query, answers[0].clone()));
        }
        told.push(format!("{} where {path} differs", outcome(&answers[0])));
    }
    Err(Miss::Unexercised(format!("no query is answered possible, but {}", told.join(", "))))
}

/// Lets an officer of the subject answer a query again.
fn answer_again(court: &mut Court<'_>, query: &Json, outcome: &str, referred: Option<&str>) -> Found<()> {
    let mut members = vec![("query", id_of(query).into()), ("outcome", outcome.into())];
    if let Some(code) = referred {
        members.push(("referredTo", code.into()));
    }
    court.made_to("trigger", "answer", members).map(|_| ())
}

fn possible(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let (query, _) = asked_possibly(court, &played)?;
    let path = format!("queries/{}/answers/1", id_of(&query));
    std::thread::sleep(court.bench.waits.quiet);
    let good = court.query(&played.peer, subject()).sealed(&played.peer.key);
    court.answered(&played.peer, &good)?;
    let early = played.told(&path).len();
    ensure(early == 0, "QRY-011", "no later answer before an officer decides", format!("{early}"))?;
    let lost = vec![crate::court::Reply::Close, crate::court::Reply::StoredUnheard];
    played.plan(lost, None);
    answer_again(court, &query, "not-known", None)?;
    let waits = court.bench.waits;
    if !played.wait(waits.act, |played| !played.told(&path).is_empty()) {
        return failed("QRY-011", "an answer when the officer has decided", "none");
    }
    let again = played.wait(waits.act, |played| played.told(&path).len() >= 3);
    let count = played.told(&path).len();
    ensure(again, "QRY-018", "the answer sent until it is stored", format!("{count} times"))?;
    let told = played.told(&path);
    let proven = court.check_answer(&told[0].document, &query, 1);
    ensure(proven.is_ok(), "QRY-011", "answer 1, signed", proven.err().unwrap_or_default())
}

/// The withdrawal of a query by that authority.
fn withdraw(court: &mut Court<'_>, peer: &Authority, id: &str) -> Found<Response> {
    let target = court.bench.subject.target(&format!("/v1/queries/{id}"));
    let request = Request { method: "DELETE".into(), ..Request::get(target) };
    court.ask(peer, request)
}

fn withdrawal(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let query = court.query(&peer, subject()).sealed(&peer.key);
    court.answered(&peer, &query)?;
    let (id, header) = (id_of(&query), header_of(&query));
    let first = withdraw(court, &peer, &id)?;
    let told = court.stored(&first, ("withdrawal", &id), &header, &[200]);
    let actual = told.clone().err().unwrap_or_default();
    ensure(told.is_ok(), "QRY-019", "200 with a storage receipt", actual)?;
    let again = withdraw(court, &peer, &id)?;
    let repeat = court.stored(&again, ("withdrawal", &id), &header, &[200]);
    let same = matches!((&told, &repeat), (Ok(told), Ok(repeat)) if same_signed("stored", told, repeat));
    let actual = String::from_utf8_lossy(&again.content).into_owned();
    ensure(same, "QRY-019", "the same storage receipt for a repeat", actual)
}

fn foreign_withdrawal(court: &mut Court<'_>) -> Found<()> {
    let (peer, other) = (court.peer()?, court.peer()?);
    let query = court.query(&peer, subject()).sealed(&peer.key);
    court.answered(&peer, &query)?;
    let foreign = withdraw(court, &other, &id_of(&query))?;
    let unknown = withdraw(court, &other, &uuid())?;
    refused("QRY-020", &["query-unknown"], &foreign)?;
    let same = foreign.content == unknown.content && foreign.status == unknown.status;
    ensure(same, "QRY-020", "the same bytes", String::from_utf8_lossy(&foreign.content).into_owned())
}
