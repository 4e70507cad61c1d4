//! Notices (section 17), told and received.

use std::sync::Arc;

use crate::draft::uuid;
use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::jws::Detached;
use crate::wire::Request;

use super::office::Stop;
use super::outbox::{Letter, Task};
use super::statements::Statement;
use super::{Fault, Outcome, Peer, Refusal, body, now};

/// A notice that is held.
#[derive(Clone)]
pub(super) struct Notice {
    pub(super) document: Json,
    /// The storage receipt that was given for it, where it came in.
    receipt: Json,
    /// The acknowledgement, and the storage receipt for it.
    acknowledgement: Option<(Json, Json)>,
}

impl Peer {
    /// Puts a notice.
    pub(super) fn put_notice(self: &Arc<Self>, caller: &str, id: &str, request: &Request) -> Outcome {
        let (document, header) = self.statement(Statement::Notice, (caller, id), request)?;
        let mut state = self.lock();
        let key = (caller.to_owned(), id.to_owned());
        if let Some(held) = state.notices.get(&key) {
            if digest(&crate::draft::header_of(&held.document)) != digest(&header) {
                let overwrites = self.is(Fault::OverwritesNotices);
                return if overwrites {
                    Ok((200, held.receipt.clone()))
                } else {
                    Err(Refusal::new("id-reused"))
                };
            }
            let anew = self.is(Fault::ReceiptsNoticesAnew);
            return Ok((200, if anew { self.stored("notice", id, &header) } else { held.receipt.clone() }));
        }
        Self::statement_time(&header)?;
        let name = document.text_at("/body/child/familyName");
        let mut ledgers = state.ledgers.values_mut();
        let of_child = ledgers.find(|held| held.entries[0].text_at("/body/child/familyName") == name);
        let known = of_child.is_some();
        if let Some(held) = of_child.filter(|_| self.is(Fault::NoticesMoveResponsibility)) {
            held.stage = "accepted";
        }
        let receipt = self.stored("notice", id, &header);
        let notice = Notice { document, receipt: receipt.clone(), acknowledgement: None };
        state.notices.insert(key, notice);
        drop(state);
        if self.is(Fault::AcknowledgesByItself) {
            // Nobody has read it.
            let _ = self.acknowledge(id, "read");
        }
        let mut answer = receipt;
        if known && self.is(Fault::TellsWhoIsKnown) {
            answer.set("/known", true);
        }
        Ok((201, answer))
    }

    /// Puts an acknowledgement of a notice that this peer told.
    pub(super) fn put_acknowledgement(&self, caller: &str, id: &str, request: &Request) -> Outcome {
        let signed = self.content(request)?;
        let content = signed.member("acknowledgement").cloned().unwrap_or(Json::Null);
        let signature = signed.text_at("/signature").ok_or(Refusal::new("malformed"))?;
        let disposition = content.text_at("/disposition").unwrap_or_default();
        let formed = ["read", "case-opened", "not-of-this-area"].contains(&disposition)
            && content.text_at("/acknowledgedAt").and_then(instant::read).is_some();
        if !formed {
            return Err(Refusal::new("malformed"));
        }
        let detached = Detached::read(signature, "cme-acknowledgement")
            .map_err(|_| Refusal::new("signature-invalid"))?;
        if content.text_at("/notice") != Some(id) {
            return Err(Refusal::new("path-mismatch"));
        }
        if content.text_at("/by") != Some(caller) {
            return Err(Refusal::new("not-a-party"));
        }
        let mut state = self.lock();
        let key = (format!("to {caller}"), id.to_owned());
        let held = state.notices.get_mut(&key).ok_or(Refusal::new("notice-unknown"))?;
        let key = self.key(caller, &detached.kid).ok_or(Refusal::new("key-unknown"))?;
        let verified = detached.verify(&content, key.text_at("/publicKey").unwrap_or_default());
        verified.map_err(|_| Refusal::new("signature-invalid"))?;
        if let Some((before, receipt)) = &held.acknowledgement {
            let same = digest(before) == digest(&content);
            return if same { Ok((200, receipt.clone())) } else { Err(Refusal::new("id-reused")) };
        }
        let header = crate::draft::header_of(&held.document);
        let standard = held.document.text_at("/body/locationSensitivity") == Some("standard");
        let fits = content.text_at("/noticeDigest") == Some(&digest(&header))
            && (standard || disposition == "read" || self.is(Fault::TakesAnyDisposition));
        if !fits {
            return Err(Refusal::new("malformed"));
        }
        let receipt = self.stored("acknowledgement", id, &content);
        held.acknowledgement = Some((content, receipt.clone()));
        Ok((201, receipt))
    }

    /// An officer tells another authority a fact.
    pub(super) fn tell(&self, wish: &Json) -> Result<Vec<(&'static str, Json)>, Stop> {
        let to = wish.text_at("/to").unwrap_or_default();
        let content = self.salted(wish);
        let basis =
            Json::object([("code", "education-act-1996-s436a".into()), ("asOf", instant::date(0).into())]);
        let id = uuid();
        let header = Json::object([
            ("protocol", "1.0".into()),
            ("notice", id.as_str().into()),
            ("kind", wish.member("kind").cloned().unwrap_or(Json::Null)),
            ("author", self.role.code.as_str().into()),
            ("recipient", to.into()),
            ("createdAt", now().into()),
            ("legalBasis", vec![basis].into()),
            ("bodyDigest", digest(&content).into()),
        ]);
        if body::check_statement(&content, &header, (false, None)).is_err() && !self.is(Fault::TellsAnything)
        {
            return Err(Stop::Refused("the form is not filled in as it has to be"));
        }
        let signature = self.signing().sign(&header);
        let document = Json::object([("header", header), ("body", content), ("signature", signature.into())]);
        let mut state = self.lock();
        let notice = Notice { document: document.clone(), receipt: Json::Null, acknowledgement: None };
        state.notices.insert((format!("to {to}"), id.clone()), notice);
        let letter = Letter::new((to.to_owned(), id.clone()), document, Task::Tell, self.generation());
        state.letters.push(letter);
        drop(state);
        self.woken.notify_all();
        Ok(vec![("notice", id.into())])
    }

    /// An officer has read a notice.
    pub(super) fn acknowledge(&self, id: &str, disposition: &str) -> Result<Vec<(&'static str, Json)>, Stop> {
        let mut state = self.lock();
        let found = state.notices.iter().find(|((party, held), _)| held == id && !party.starts_with("to "));
        let ((party, _), held) = found.ok_or(Stop::Failed("there is no such notice"))?;
        let standard = held.document.text_at("/body/locationSensitivity") == Some("standard");
        let header = crate::draft::header_of(&held.document);
        let acknowledgement = Json::object([
            ("notice", id.into()),
            ("noticeDigest", digest(&header).into()),
            ("disposition", if standard { disposition } else { "read" }.into()),
            ("acknowledgedAt", now().into()),
            ("by", self.role.code.as_str().into()),
            ("incarnation", self.incarnation().into()),
            ("directoryIssue", self.issue().into()),
        ]);
        let key = (party.clone(), id.to_owned());
        let signed = self.signed("acknowledgement", acknowledgement);
        state.letters.push(Letter::new(key, signed, Task::Acknowledge, self.generation()));
        drop(state);
        self.woken.notify_all();
        Ok(Vec::new())
    }
}
