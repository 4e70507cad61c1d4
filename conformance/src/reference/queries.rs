//! Queries as the answering authority has them (sections 15 and 16): a small register, and a match by numbers,
//! or by name and date of birth.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::wire::Request;

use super::ledger::Key;
use super::office::Stop;
use super::outbox::{Letter, Task};
use super::statements::Statement;
use super::{Fault, Outcome, Peer, Refusal, State};

/// The interval at whose ends answers leave (QRY-023).
const INTERVAL: Duration = Duration::from_millis(250);

/// New queries that one officer of an asking authority may put in a day.
const QUERIES_OF_OFFICER_MAX: usize = 30;

/// A query that was put here.
#[derive(Clone)]
pub(super) struct Query {
    document: Json,
    /// Signed answers in order.
    answers: Vec<Json>,
    /// Whether it is kept for children to come.
    stands: bool,
    /// What a match that waits for an officer agreed in.
    waits: Option<Json>,
    withdrawn: Option<Json>,
}

/// A child of the register.
#[derive(Clone)]
pub(super) struct Child {
    subject: Json,
    shielded: bool,
}

impl Peer {
    /// Puts a query. The answer leaves at the end of an interval, whatever the register holds.
    pub(super) fn put_query(self: &Arc<Self>, caller: &str, id: &str, request: &Request) -> Outcome {
        let arrived = Instant::now();
        let (document, header) = self.statement(Statement::Query, (caller, id), request)?;
        let key = (caller.to_owned(), id.to_owned());
        let mut state = self.lock();
        if let Some(held) = state.queries.get(&key) {
            let same = digest(&crate::draft::header_of(&held.document)) == digest(&header);
            if !same && !self.is(Fault::AnswersOtherQueries) {
                return Err(Refusal::new("id-reused"));
            }
            let last = held.answers.last().cloned().into_iter().collect::<Vec<_>>();
            let given = if self.is(Fault::GivesTheLastAnswer) { last } else { held.answers.clone() };
            let mut content = Json::object([("answers", given.into())]);
            if held.waits.is_some() && self.is(Fault::TellsThatAMatchWaits) {
                content.set("/pending", true);
            }
            return Ok((200, content));
        }
        Self::statement_time(&header)?;
        self.quota(&state, caller, &document)?;
        let until = header.text_at("/standingUntil").and_then(instant::read);
        let renewed = self.renew(&mut state, caller, &header);
        let found = self.found(&state, &document);
        let (outcome, matched) = found.clone().unwrap_or(("not-known", Json::Array(Vec::new())));
        let waits = (renewed && found.is_some()).then(|| matched.clone());
        let told = if waits.is_some() && !self.is(Fault::TellsAtRenewal) {
            ("not-known", Json::Array(Vec::new()))
        } else {
            (outcome, matched)
        };
        let mut answer = self.signed_answer(&header, 0, told.clone(), None);
        if self.is(Fault::PadsWhatIsKnown) && Self::hides(&state, &document) {
            let mut content = answer.member("answer").cloned().unwrap_or(Json::Null);
            content.set("/checked", "with care");
            answer = self.signed("answer", content);
        }
        let stands = told.0 == "not-known" && until > Some(instant::now());
        let query = Query { document, answers: vec![answer.clone()], stands, waits, withdrawn: None };
        state.queries.insert(key, query);
        drop(state);
        let hurries =
            self.is(Fault::AnswersAtOnce) || (self.is(Fault::HurriesWhatIsKnown) && told.0 == "known");
        if !hurries {
            std::thread::sleep(INTERVAL.saturating_sub(arrived.elapsed()));
        }
        Ok((200, Json::object([("answers", vec![answer].into())])))
    }

    /// QRY-026.
    fn quota(&self, state: &State, caller: &str, document: &Json) -> Result<(), Refusal> {
        let officer = document.at("/body/officer/id");
        let of = |(key, query): &(&Key, &Query)| {
            key.0 == caller && query.document.at("/body/officer/id") == officer
        };
        let count = state.queries.iter().filter(of).count();
        if count < QUERIES_OF_OFFICER_MAX || self.is(Fault::AnswersWithoutEnd) {
            return Ok(());
        }
        Err(Refusal::new("quota-exceeded"))
    }

    /// STQ-004: the end of the query that is renewed. Gives whether one was standing.
    fn renew(&self, state: &mut State, caller: &str, header: &Json) -> bool {
        let Some(renews) = header.text_at("/renews") else { return false };
        let Some(held) = state.queries.get_mut(&(caller.to_owned(), renews.to_owned())) else { return false };
        let stood = held.stands;
        if !self.is(Fault::KeepsWhatWasRenewed) {
            held.stands = false;
        }
        stood
    }

    /// The best match among the children who are not shielded.
    fn found(&self, state: &State, document: &Json) -> Option<(&'static str, Json)> {
        let subject = document.at("/body/subject").cloned().unwrap_or(Json::Null);
        if self.is(Fault::KnowsEverybody) {
            return Some(("known", vec!["name".into()].into()));
        }
        let hides = Self::hides(state, document);
        if hides && self.is(Fault::HidesBehindTheShielded) {
            return None;
        }
        let open = |child: &&Child| !child.shielded || self.is(Fault::TellsOfTheShielded);
        let mut matches: Vec<_> =
            state.register.iter().filter(open).filter_map(|child| agreed(&subject, &child.subject)).collect();
        matches.sort_by_key(|(outcome, _)| *outcome != "known");
        matches.into_iter().next()
    }

    /// Whether a shielded child matches.
    fn hides(state: &State, document: &Json) -> bool {
        let subject = document.at("/body/subject").cloned().unwrap_or(Json::Null);
        state.register.iter().any(|child| child.shielded && agreed(&subject, &child.subject).is_some())
    }

    fn signed_answer(
        &self,
        header: &Json,
        number: i64,
        (outcome, matched): (&str, Json),
        referred: Option<&str>,
    ) -> Json {
        let own = self.authority(&self.role.code).unwrap_or(Json::Null);
        let mut team = own.member("team").cloned().unwrap_or(Json::Null);
        if self.is(Fault::NamesAnotherTeam) && outcome == "known" {
            team.set("/name", "Schools team");
        }
        let mut at = instant::written(instant::now());
        if let Some((whole, _)) = at.clone().split_once('.') {
            at = format!("{whole}Z");
        }
        let mut answer = Json::object([
            ("query", header.member("query").cloned().unwrap_or(Json::Null)),
            ("queryDigest", digest(header).into()),
            ("number", number.into()),
            ("outcome", outcome.into()),
            ("matchedOn", matched),
            ("team", team),
            ("answeredAt", at.into()),
            ("by", self.role.code.as_str().into()),
            ("incarnation", self.incarnation().into()),
            ("directoryIssue", self.issue().into()),
        ]);
        if let Some(referred) = referred {
            answer.set("/referredTo", referred);
        }
        if self.is(Fault::TellsTheSchool) && outcome == "known" {
            answer.set("/school", "Invented Primary School");
        }
        self.signed("answer", answer)
    }

    /// Withdraws a query that the caller put.
    pub(super) fn withdraw_query(&self, caller: &str, id: &str) -> Outcome {
        let mut state = self.lock();
        let known = state.queries.keys().any(|(_, held)| held == id);
        let Some(held) = state.queries.get_mut(&(caller.to_owned(), id.to_owned())) else {
            let told =
                if known && self.is(Fault::TellsWhoseQueryItIs) { "not-a-party" } else { "query-unknown" };
            return Err(Refusal::new(told));
        };
        held.stands = self.is(Fault::ForgetsWithdrawals);
        held.waits = None;
        if let Some(receipt) = &held.withdrawn
            && !self.is(Fault::ReceiptsWithdrawalsAnew)
        {
            return Ok((200, receipt.clone()));
        }
        if held.withdrawn.is_some() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let receipt = self.stored("withdrawal", id, &crate::draft::header_of(&held.document));
        held.withdrawn = Some(receipt.clone());
        Ok((200, receipt))
    }

    /// A child comes into the register.
    pub(super) fn seed_child(&self, wish: &Json) -> Result<Vec<(&'static str, Json)>, Stop> {
        let subject = wish.member("child").cloned().unwrap_or(Json::Null);
        let shielded = wish.member("shielded") == Some(&Json::Bool(true));
        let mut state = self.lock();
        let mut released = Vec::new();
        for (key, query) in state.queries.iter_mut().filter(|(_, query)| query.stands) {
            let asked = query.document.at("/body/subject").cloned().unwrap_or(Json::Null);
            if let Some((_, matched)) = agreed(&asked, &subject).filter(|_| !shielded) {
                query.waits = Some(matched);
                released.push(key.clone());
            }
        }
        state.register.push(Child { subject, shielded });
        drop(state);
        if self.is(Fault::ReleasesByItself) {
            for (_, id) in released {
                self.answer_again(&id, "known", None)?;
            }
        }
        Ok(Vec::new())
    }

    /// Whether a child of an offer is in the register, and shielded there.
    pub(super) fn knows(&self, child: &Json) -> Option<bool> {
        let same = |held: &&Child| {
            ["familyName", "givenName", "dateOfBirth"]
                .iter()
                .all(|name| held.subject.member(name).is_some_and(|value| child.member(name) == Some(value)))
        };
        self.lock().register.iter().find(same).map(|held| held.shielded)
    }

    /// An officer answers a query again: what was possible, or a match that waits.
    pub(super) fn answer_again(
        &self,
        id: &str,
        outcome: &str,
        referred: Option<&str>,
    ) -> Result<Vec<(&'static str, Json)>, Stop> {
        let mut state = self.lock();
        let found = state.queries.iter_mut().find(|((_, held), _)| held == id);
        let (key, query) = found.ok_or(Stop::Failed("there is no such query"))?;
        if query.withdrawn.is_some() {
            return Err(Stop::Refused("the query was withdrawn"));
        }
        let last = query.answers.last().and_then(|answer| answer.text_at("/answer/outcome"));
        let may = match last {
            Some("possible" | "known" | "referred") => true,
            Some("not-known") => query.stands && query.waits.is_some() && outcome != "not-known",
            _ => false,
        };
        if !may {
            return Err(Stop::Refused("nothing may follow that answer"));
        }
        let before = query.answers.last().and_then(|answer| answer.at("/answer/matchedOn")).cloned();
        let matched = query.waits.clone().or(before).unwrap_or(Json::Array(Vec::new()));
        let matched = if outcome == "known" { matched } else { Json::Array(Vec::new()) };
        let number = i64::try_from(query.answers.len()).unwrap_or_default();
        let header = crate::draft::header_of(&query.document);
        let answer = self.signed_answer(&header, number, (outcome, matched), referred);
        query.answers.push(answer.clone());
        query.stands = false;
        query.waits = None;
        let key = key.clone();
        let generation = self.generation();
        if !self.is(Fault::KeepsLaterAnswers) {
            state.letters.push(Letter::new(key, answer, Task::Answer, generation));
        }
        drop(state);
        self.woken.notify_all();
        Ok(Vec::new())
    }

    /// Queries with a match that waits for an officer.
    pub(super) fn matches(&self) -> Json {
        let state = self.lock();
        let waits = state.queries.iter().filter(|(_, query)| query.waits.is_some());
        let told = |((by, id), _): (&Key, &Query)| {
            Json::object([("query", id.as_str().into()), ("by", by.as_str().into())])
        };
        waits.filter(|_| !self.is(Fault::HidesMatches)).map(told).collect::<Vec<_>>().into()
    }
}

/// In what a subject and a child of the register agree, and what that comes to.
fn agreed(subject: &Json, child: &Json) -> Option<(&'static str, Json)> {
    let same = |path: &str| subject.at(path).is_some_and(|value| child.at(path) == Some(value));
    let upns = |value: &Json| value.member("upns").map(Json::items).unwrap_or_default().to_vec();
    let number = upns(subject).iter().any(|upn| upns(child).contains(upn));
    let (name, born) = (same("/familyName") && same("/givenName"), same("/dateOfBirth"));
    let fields =
        [("name", name), ("date-of-birth", born), ("upn", number), ("nhs-number", same("/nhsNumber"))];
    let matched: Vec<Json> =
        fields.iter().filter(|(_, agrees)| *agrees).map(|(field, _)| (*field).into()).collect();
    let sure = number || same("/nhsNumber") || (name && born);
    if sure {
        return Some(("known", matched.into()));
    }
    name.then(|| ("possible", matched.into()))
}
