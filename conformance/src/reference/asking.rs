//! Queries as the asking authority has them (section 15).

use std::collections::BTreeSet;

use crate::draft::uuid;
use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::jws::Detached;
use crate::wire::Request;

use super::ledger::Key;
use super::office::Stop;
use super::outbox::{Letter, Task};
use super::{Fault, Outcome, Peer, Refusal, body, now};

/// Authorities that may be asked about one child in a day without a broadcast.
const ASKED_MAX: usize = 3;

/// A query that this peer put.
#[derive(Clone)]
pub(super) struct Asked {
    document: Json,
    /// Signed answers, with the storage receipts for those that were put here.
    answers: Vec<(Json, Json)>,
}

impl Peer {
    /// An officer asks one authority or more.
    pub(super) fn ask(&self, wish: &Json) -> Result<Vec<(&'static str, Json)>, Stop> {
        let to: Vec<String> = wish
            .member("to")
            .map(Json::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|code| code.text_at("").map(str::to_owned))
            .collect();
        let broadcast = wish.text_at("/secondOfficer").map(|_| uuid());
        let subject = wish.member("subject").cloned().unwrap_or(Json::Null);
        let mut state = self.lock();
        let before: BTreeSet<String> = state
            .asked
            .iter()
            .filter(|(_, asked)| asked.document.at("/body/subject") == Some(&subject))
            .map(|((to, _), _)| to.clone())
            .collect();
        let all = before.union(&to.iter().cloned().collect()).count();
        if all > ASKED_MAX && broadcast.is_none() && !self.is(Fault::AsksEverybody) {
            return Err(Stop::Refused("more than three authorities take a broadcast"));
        }
        let mut queries = Vec::new();
        for code in to {
            let document = self.query(wish, &code, broadcast.as_deref())?;
            let id = document.text_at("/header/query").unwrap_or_default().to_owned();
            let key = (code.clone(), id.clone());
            state.letters.push(Letter::new(key.clone(), document.clone(), Task::Ask, self.generation()));
            state.asked.insert(key, Asked { document, answers: Vec::new() });
            queries.push(Json::object([("to", code.into()), ("query", id.into())]));
        }
        drop(state);
        self.woken.notify_all();
        Ok(vec![("queries", queries.into())])
    }

    fn query(&self, wish: &Json, to: &str, broadcast: Option<&str>) -> Result<Json, Stop> {
        let officer = |id: &str| Json::object([("id", id.into()), ("role", "CME officer".into())]);
        let mut content = self.salted(&Json::object([(
            "body",
            Json::object([
                ("officer", officer("o-1")),
                ("subject", wish.member("subject").cloned().unwrap_or(Json::Null)),
            ]),
        )]));
        if let Some(second) =
            wish.text_at("/secondOfficer").filter(|_| !self.is(Fault::ForgetsTheSecondOfficer))
        {
            content.set("/secondOfficer", officer(second));
        }
        let basis =
            Json::object([("code", "education-act-1996-s436a".into()), ("asOf", instant::date(0).into())]);
        let mut header = Json::object([
            ("protocol", "1.0".into()),
            ("query", uuid().into()),
            ("author", self.role.code.as_str().into()),
            ("recipient", to.into()),
            ("createdAt", now().into()),
            ("purpose", wish.member("purpose").cloned().unwrap_or(Json::Null)),
            ("legalBasis", vec![basis].into()),
            ("bodyDigest", digest(&content).into()),
        ]);
        let optional = [
            ("broadcast", broadcast),
            ("standingUntil", wish.text_at("/standingUntil")),
            ("renews", wish.text_at("/renews")),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                header.set(&format!("/{name}"), value);
            }
        }
        if self.is(Fault::RenewsUnderTheSameId)
            && let Some(renews) = wish.text_at("/renews")
        {
            header.set("/query", renews);
        }
        let formed = body::check_statement(&content, &header, (true, None)).is_ok();
        if !formed && !self.is(Fault::AsksAnything) && !self.is(Fault::ForgetsTheSecondOfficer) {
            return Err(Stop::Refused("the form is not filled in as it has to be"));
        }
        let signature = self.signing().sign(&header);
        Ok(Json::object([("header", header), ("body", content), ("signature", signature.into())]))
    }

    /// QRY-013: the answers of a success, where they prove themselves and follow each other.
    pub(super) fn keep_answers(&self, key: &Key, content: &Json) -> bool {
        let given = content.member("answers").map(Json::items).unwrap_or_default().to_vec();
        let mut state = self.lock();
        let Some(asked) = state.asked.get_mut(key) else { return true };
        let fits = !given.is_empty()
            && given.iter().enumerate().all(|(at, signed)| {
                self.is_proven_answer(&key.0, signed)
                    && follows(asked, signed, i64::try_from(at).unwrap_or_default())
            });
        if !fits && !self.is(Fault::TakesAnyAnswer) {
            return false;
        }
        for signed in given.into_iter().skip(asked.answers.len()) {
            asked.answers.push((signed, Json::Null));
        }
        true
    }

    fn is_proven_answer(&self, by: &str, signed: &Json) -> bool {
        let answer = signed.member("answer").cloned().unwrap_or(Json::Null);
        answer.text_at("/by") == Some(by)
            && self.holds(by, &answer, signed.text_at("/signature"), "cme-answer")
    }

    /// Puts a later answer.
    pub(super) fn put_answer(&self, caller: &str, (id, number): (&str, &str), request: &Request) -> Outcome {
        let signed = self.content(request)?;
        let answer = signed.member("answer").cloned().unwrap_or(Json::Null);
        let signature = signed.text_at("/signature").ok_or(Refusal::new("malformed"))?;
        let own = answer.integer_at("/number").filter(|own| *own >= 0).ok_or(Refusal::new("malformed"))?;
        let detached =
            Detached::read(signature, "cme-answer").map_err(|_| Refusal::new("signature-invalid"))?;
        if answer.text_at("/query") != Some(id) || own.to_string() != number {
            return Err(Refusal::new("path-mismatch"));
        }
        if answer.text_at("/by") != Some(caller) {
            return Err(Refusal::new("not-a-party"));
        }
        let mut state = self.lock();
        let asked =
            state.asked.get_mut(&(caller.to_owned(), id.to_owned())).ok_or(Refusal::new("query-unknown"))?;
        let key = self.key(caller, &detached.kid).ok_or(Refusal::new("key-unknown"))?;
        let verified = detached.verify(&answer, key.text_at("/publicKey").unwrap_or_default());
        verified.map_err(|_| Refusal::new("signature-invalid"))?;
        let at = usize::try_from(own).unwrap_or(usize::MAX);
        if let Some((held, receipt)) = asked.answers.get_mut(at) {
            if held.member("answer").map(digest) != Some(digest(&answer)) {
                return Err(Refusal::new("id-reused"));
            }
            if self.is(Fault::ReceiptsAnswersAnew) {
                // In another millisecond.
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            if *receipt == Json::Null || self.is(Fault::ReceiptsAnswersAnew) {
                *receipt = self.stored("answer", id, &answer);
            }
            return Ok((200, receipt.clone()));
        }
        if at > asked.answers.len() {
            return Err(Refusal::new("answer-gap"));
        }
        if !follows(asked, &signed, own) && !self.is(Fault::TakesAnswersThatDoNotFit) {
            return Err(Refusal::new("answer-not-allowed"));
        }
        let receipt = self.stored("answer", id, &answer);
        asked.answers.push((signed, receipt.clone()));
        Ok((201, receipt))
    }

    /// An officer needs no more answers.
    pub(super) fn withdraw(&self, id: &str) -> Result<Vec<(&'static str, Json)>, Stop> {
        let mut state = self.lock();
        let found = state.asked.iter().find(|((_, held), _)| held == id);
        let (key, asked) = found.ok_or(Stop::Failed("there is no such query"))?;
        let letter = Letter::new(key.clone(), asked.document.clone(), Task::Withdraw, self.generation());
        state.letters.retain(|letter| letter.key.1 != id);
        if !self.is(Fault::WithdrawsNothing) {
            state.letters.push(letter);
        }
        drop(state);
        self.woken.notify_all();
        Ok(Vec::new())
    }

    /// Whether each authority that was asked has answered.
    pub(super) fn asked(&self) -> Json {
        let state = self.lock();
        let told = |((to, id), asked): (&Key, &Asked)| {
            let state = if asked.answers.is_empty() { "waiting" } else { "answered" };
            Json::object([("to", to.as_str().into()), ("query", id.as_str().into()), ("state", state.into())])
        };
        let shown = state
            .asked
            .iter()
            .filter(|(_, asked)| !(self.is(Fault::HidesWhoIsSilent) && asked.answers.is_empty()));
        shown.map(told).collect::<Vec<_>>().into()
    }
}

/// Whether an answer fits its query and follows those before it (QRY-012).
fn follows(asked: &Asked, signed: &Json, number: i64) -> bool {
    let answer = signed.member("answer").cloned().unwrap_or(Json::Null);
    let header = crate::draft::header_of(&asked.document);
    let outcome = answer.text_at("/outcome").unwrap_or_default();
    let matched = answer.member("matchedOn").map(Json::items).unwrap_or_default();
    let has = |path: &str| asked.document.at(&format!("/body/subject{path}")).is_some();
    let of_query = matched.iter().all(|field| match field.text_at("") {
        Some("upn") => has("/upns"),
        Some("nhs-number") => has("/nhsNumber"),
        Some("date-of-birth") => has("/dateOfBirth"),
        Some("postcode") => has("/lastPostcode"),
        Some("name" | "other-name" | "sex") => true,
        _ => false,
    });
    let filled = matches!(outcome, "known" | "possible") != matched.is_empty();
    let before = usize::try_from(number).ok().and_then(|at| asked.answers.get(at.checked_sub(1)?));
    let last = before.and_then(|(signed, _)| signed.text_at("/answer/outcome"));
    let stands = header.member("standingUntil").is_some();
    let may = match last {
        None => true,
        Some("possible" | "known" | "referred") => matches!(outcome, "known" | "not-known" | "referred"),
        Some("not-known") => stands && matches!(outcome, "known" | "referred"),
        Some(_) => false,
    };
    let time = |signed: &Json| signed.text_at("/answer/answeredAt").and_then(instant::read);
    let dated = before.is_none_or(|(earlier, _)| time(earlier) <= time(signed));
    answer.text_at("/queryDigest") == Some(&digest(&header))
        && answer.text_at("/query") == header.text_at("/query")
        && answer.integer_at("/number") == Some(number)
        && ["known", "possible", "not-known", "referred", "withheld"].contains(&outcome)
        && of_query
        && filled
        && may
        && dated
        && (answer.member("referredTo").is_some() == (outcome == "referred"))
}
