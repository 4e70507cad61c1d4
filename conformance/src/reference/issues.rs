//! New issues of the directory (section 8.3), and what the peer shows of its ledgers.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::jws::{Detached, thumbprint};

use super::office::Stop;
use super::{Fault, Peer};

/// What an officer is shown.
type Shown = Result<Vec<(&'static str, Json)>, Stop>;

impl Peer {
    /// An issue that the operator puts in place: taken into use when it may follow the one that is held.
    pub(super) fn take_issue(&self, signed: &Json) -> Shown {
        if self.down.load(Ordering::SeqCst) {
            *self.placed.lock().unwrap_or_else(PoisonError::into_inner) = Some(signed.clone());
            return Ok(Vec::new());
        }
        let held = self.directory();
        let (old, new) = (part(&held), part(signed));
        if !self.may_follow(&old, &new, signed) {
            return Err(Stop::Refused("the issue does not follow the one that is held"));
        }
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(signed.clone());
        Ok(Vec::new())
    }

    /// The process starts: an issue that stands in place may follow the one that it trusts, and no other
    /// (DIR-007).
    pub(super) fn look_at_the_issue_in_place(&self) {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(placed) = placed else { return };
        let follows = self.may_follow(&part(&self.directory()), &part(&placed), &placed);
        if follows || self.is(Fault::StartsByAnyDirectory) {
            *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(placed);
        }
    }

    fn may_follow(&self, old: &Json, new: &Json, signed: &Json) -> bool {
        let number = |issue: &Json| issue.integer_at("/issue").unwrap_or_default();
        let next = number(new) == number(old) + 1 && new.text_at("/previous") == Some(&digest(old));
        let older = self.is(Fault::TakesOlderIssues) && number(new) <= number(old);
        if !next && !older {
            return false;
        }
        let roots = old.member("rootKeys").map(Json::items).unwrap_or_default();
        let signature = signed.text_at("/signature").unwrap_or_default();
        let verified = Detached::read(signature, "cme-directory").is_ok_and(|detached| {
            let root = roots.iter().filter_map(|root| root.text_at(""));
            root.filter(|root| thumbprint(root) == detached.kid)
                .any(|root| detached.verify(new, root).is_ok())
        });
        (verified || self.is(Fault::TakesIssuesOfAnybody))
            && (keeps(old, new) || self.is(Fault::TakesIssuesThatForget))
            && (is_formed(new) || self.is(Fault::TakesIssuesOfAnyForm))
    }

    /// DIR-008: whether the issue is past its days of grace.
    pub(super) fn is_past_grace(&self) -> bool {
        let issue = part(&self.directory());
        let expires = issue.text_at("/expiresAt").and_then(instant::read).unwrap_or_default();
        let grace = issue.integer_at("/graceDays").unwrap_or_default() * 86_400;
        expires < instant::in_seconds(-grace)
    }

    /// What an officer is shown of a transfer.
    pub(super) fn shown_to_officers(&self, transfer: &str) -> Shown {
        let state = self.lock();
        let found = state.ledgers.iter().find(|((_, held), _)| held == transfer);
        let (_, held) = found.ok_or(Stop::Failed("there is no such transfer"))?;
        let responsible = if self.is(Fault::MovesOnSilence) { &held.receiving } else { held.responsible() };
        let mut shown = vec![
            ("stage", held.stage.into()),
            ("responsible", responsible.to_owned().into()),
            ("forked", (!held.forks.is_empty()).into()),
        ];
        if !self.is(Fault::NamesNoHead) {
            shown.push(("asOf", held.head()));
        }
        let (deadlines, open) = self.deadlines(held);
        shown.push(("deadlines", deadlines.into()));
        shown.push(("notComputable", open.into()));
        Ok(shown)
    }

    /// An export of a transfer (VER-001).
    pub(super) fn export(&self, transfer: &str) -> Shown {
        let state = self.lock();
        let found = state.ledgers.iter().find(|((_, held), _)| held == transfer);
        let (_, held) = found.ok_or(Stop::Failed("there is no such transfer"))?;
        let mut entries = held.entries.clone();
        if self.is(Fault::ExportsNoReceipts) {
            for entry in &mut entries {
                entry.remove("/receipts");
            }
        }
        let heads: Vec<Json> =
            Some(held.peer_head.clone()).filter(|head| *head != Json::Null).into_iter().collect();
        let export = Json::object([
            ("format", "cme-ledger/1".into()),
            ("transfer", transfer.into()),
            ("originating", held.originating.as_str().into()),
            ("receiving", held.receiving.as_str().into()),
            ("exportedBy", self.role.code.as_str().into()),
            ("exportedAt", super::now().into()),
            ("entries", entries.into()),
            ("head", self.head(held)),
            ("peerHeads", heads.into()),
            ("forks", self.forks(held)),
        ]);
        Ok(vec![("export", export)])
    }
}

fn part(signed: &Json) -> Json {
    signed.member("directory").cloned().unwrap_or(Json::Null)
}

/// The authorities of an issue.
fn authorities(issue: &Json) -> &[Json] {
    issue.member("authorities").map(Json::items).unwrap_or_default()
}

/// DIR-002, and that time does not go back.
fn keeps(old: &Json, new: &Json) -> bool {
    let time = |value: &Json, path: &str| value.text_at(path).and_then(instant::read);
    let kept = authorities(old).iter().all(|before| {
        let of = |one: &&Json| one.member("code") == before.member("code");
        let Some(after) = authorities(new).iter().find(of) else { return false };
        let ends = before.member("validTo").is_none() || after.member("validTo").is_some();
        let keys = |one: &Json| one.member("keys").map(Json::items).unwrap_or_default().to_vec();
        ends && keys(before).iter().all(|key| {
            let held = keys(after);
            let Some(same) = held.iter().find(|one| one.member("kid") == key.member("kid")) else {
                return false;
            };
            let fixed = ["publicKey", "validFrom"].iter().all(|name| same.member(name) == key.member(name));
            fixed
                && ["/retiredAt", "/revokedAt"].iter().all(|path| {
                    time(key, path).is_none_or(|was| time(same, path).is_some_and(|is| is <= was))
                })
        })
    });
    kept && time(new, "/issuedAt") >= time(old, "/issuedAt")
}

/// DIR-003, as far as an issue alone shows it.
fn is_formed(issue: &Json) -> bool {
    let listed = authorities(issue);
    let codes: BTreeSet<&str> = listed.iter().filter_map(|one| one.text_at("/code")).collect();
    let (mut pins, mut kids) = (BTreeSet::new(), BTreeSet::new());
    let named = listed.iter().all(|one| {
        let keys = one.member("keys").map(Json::items).unwrap_or_default();
        keys.iter().all(|key| {
            let kid = key.text_at("/kid").unwrap_or_default();
            kids.insert(kid) && kid == thumbprint(key.text_at("/publicKey").unwrap_or_default())
        })
    });
    let pinned = listed.iter().all(|one| {
        let own: BTreeSet<&str> = one
            .member("clientPins")
            .map(Json::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|pin| pin.text_at(""))
            .collect();
        own.into_iter().all(|pin| pins.insert(pin))
    });
    let followed = listed.iter().all(|one| {
        let successors = one.member("successors").map(Json::items).unwrap_or_default();
        let residuary = successors.iter().filter(|next| next.member("residuary") == Some(&Json::Bool(true)));
        let known =
            successors.iter().all(|next| next.text_at("/code").is_some_and(|code| codes.contains(code)));
        match one.member("validTo") {
            Some(_) => known && residuary.count() == 1,
            None => successors.is_empty(),
        }
    });
    let time = |path: &str| issue.text_at(path).and_then(instant::read);
    let days = issue.integer_at("/policy/reviewWorkingDays").unwrap_or_default();
    let lasts = time("/expiresAt") > time("/issuedAt");
    codes.len() == listed.len() && named && pinned && followed && lasts && days > 0
}
