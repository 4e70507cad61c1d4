//! What officers do.

use cme_server::node::Node;
use cme_server::office::{self, Decision, Link, OfferDecision, OfficeError, Resolution};
use cme_server::store::ledgers::LedgerKey;
use cme_server::store::outbox;
use cme_spec::canonical::Json;
use cme_spec::codes::ClockClass;
use cme_spec::entry::EntryType;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;
use cme_spec::ledger::{Stage, allows};

use super::{AUTHORITIES, World};
use crate::audit::Copy;
use crate::history::Promised;

/// A body that fits wherever its entry comes to stand.
fn body(kind: EntryType, by: AuthorityCode, counterparty: AuthorityCode) -> Json {
    let mut body = example::body(kind).into_value();
    if let Some(members) = body.as_object_mut() {
        members.remove("inReplyTo");
        let third = AUTHORITIES.into_iter().find(|code| ![by.as_ref(), counterparty.as_ref()].contains(code));
        if let (EntryType::Redirect, Some(third)) = (kind, third) {
            members.insert("authority".to_owned(), third.into());
        }
    }
    Json::from_typed(&body).expect("an example body is canonical")
}

/// Whether an officer would offer the child of this transfer again.
fn may_be_followed(copy: &Copy) -> bool {
    let ended = matches!(copy.ledger.stage(), Stage::Upheld | Stage::Redirected | Stage::Withdrawn);
    let taken = copy.ledger.stage() == Stage::Accepted;
    (ended || taken) && copy.ledger.responsible() == copy.key.hosted
}

impl World {
    pub(crate) fn officers_node(&self, by: AuthorityCode) -> Option<Node> {
        self.deployments[self.place_of(by)].running.as_ref().map(|running| running.node.clone())
    }

    pub(super) async fn offer(&mut self, by: u8, to: u8, follow: u8) -> String {
        let (by, mut to) = (Self::authority(by), Self::authority(to));
        if to == by {
            let other = AUTHORITIES.into_iter().map(example::code).find(|code| *code != by);
            to = other.expect("there are several");
        }
        let Some(node) = self.officers_node(by) else { return "down".to_owned() };
        let copies = self.audit.copies().filter(|copy| copy.key.hosted == by);
        let earlier: Vec<TransferId> =
            copies.filter(|copy| may_be_followed(copy)).map(|copy| copy.key.transfer).collect();
        // Half of the offers are of a new child.
        let follows = earlier.get(usize::from(follow / 2) % earlier.len().max(1)).copied();
        let preceded_by = follows.filter(|_| follow.is_multiple_of(2));
        let body = body(EntryType::Offer, by, to);
        let decision = OfferDecision {
            by,
            to,
            clock_class: ClockClass::Standard,
            link: preceded_by.map(Link::PrecededBy),
            body,
        };
        let decided = office::offer(&node, decision).await;
        let after = preceded_by.map(|transfer| self.history.name(transfer));
        let what =
            format!("{by} offers to {to}{}", after.map(|name| format!(" after {name}")).unwrap_or_default());
        self.note(by, decided, &what)
    }

    pub(super) async fn decide(&mut self, by: u8, kind: EntryType, pick: u8) -> String {
        let by = Self::authority(by);
        let Some(node) = self.officers_node(by) else { return "down".to_owned() };
        let keys: Vec<_> =
            self.decisions(by).filter(|(_, allowed)| *allowed == kind).map(|(copy, _)| copy.key).collect();
        let Some(key) = usize::from(pick).checked_rem(keys.len()).map(|index| keys[index]) else {
            return "nothing to decide".to_owned();
        };
        let (transfer, counterparty) = (key.transfer, key.counterparty);
        let body = match self.onward(by, transfer).filter(|_| kind == EntryType::Outcome) {
            Some(onward) => match office::moved_on_body(&node, by, onward).await {
                Ok(body) => body,
                Err(error) => return error.to_string(),
            },
            None => body(kind, by, counterparty),
        };
        let decided = office::decide(&node, Decision { by, transfer, kind, body }).await;
        let what = format!("{by} {kind} in {}", self.history.name(transfer));
        self.note(by, decided, &what)
    }

    /// What an authority could decide, by its own copies.
    pub(super) fn decisions(&self, by: AuthorityCode) -> impl Iterator<Item = (&Copy, EntryType)> {
        let books = self.audit.0.get(&by);
        let waits = move |key: LedgerKey| {
            books.is_some_and(|books| books.proposals.iter().any(|proposal| proposal.key == key))
        };
        let copies = books.into_iter().flat_map(|books| books.copies.values());
        copies.filter(move |copy| !copy.forked && !waits(copy.key)).flat_map(move |copy| {
            let allowed =
                EntryType::ALL.into_iter().filter(move |kind| allows(&copy.ledger, *kind, by).is_ok());
            allowed.map(move |kind| (copy, kind))
        })
    }

    /// The accepted transfer by which `by` handed on what it had taken in this one.
    fn onward(&self, by: AuthorityCode, transfer: TransferId) -> Option<TransferId> {
        let taken = self.audit.copy(by, transfer)?.ledger.terms.responsibility;
        let mut copies = self.audit.copies();
        let onward = copies.find(|copy| {
            let terms = &copy.ledger.terms;
            copy.key.hosted == by
                && terms.originating == by
                && (terms.responsibility.id, terms.responsibility.epoch) == (taken.id, taken.epoch + 1)
                && copy.ledger.state.acceptance().is_some()
        });
        onward.map(|copy| copy.key.transfer)
    }

    pub(super) async fn resolve(&mut self, by: u8, pick: u8, again: bool) -> String {
        let by = Self::authority(by);
        let Some(node) = self.officers_node(by) else { return "down".to_owned() };
        let books = self.audit.0.get(&by).cloned().unwrap_or_default();
        let dead: Vec<_> = books.letters.iter().filter(|letter| letter.dead).collect();
        let index = usize::from(pick).checked_rem(dead.len());
        let Some(letter) = index.map(|index| dead[index]) else { return "nothing was refused".to_owned() };
        let resolution = if again { Resolution::Retry } else { Resolution::Drop };
        let resolved = office::resolve(&node, by, letter.id, resolution).await;
        // Whether a decision is given up that a dying machine was told to give up is not known. One that was told as
        // refused is given up only where its letter is gone: its commit took effect then.
        let dead = self.deployments[self.place_of(by)].faults.is_dead();
        let gone = || async {
            let (id, store) = (letter.id, node.store());
            store.read(move |tx| outbox::dead_letter(tx, by, id)).await.is_ok_and(|letter| letter.is_none())
        };
        if resolution == Resolution::Drop && (resolved.is_ok() || dead || gone().await) {
            self.history.note_dropped(by, letter.id);
        }
        match resolved {
            Ok(()) => format!("{by} {resolution:?} in {}", self.history.name(letter.key.transfer)),
            Err(error) => error.to_string(),
        }
    }

    /// What an officer was told is promised; a machine that died meanwhile has said nothing.
    fn note(
        &mut self,
        by: AuthorityCode,
        decided: Result<office::Decided, OfficeError>,
        what: &str,
    ) -> String {
        let dead = self.deployments[self.place_of(by)].faults.is_dead();
        match decided {
            Ok(decided) if !dead => {
                let name = self.history.name(decided.transfer);
                let (transfer, id, kind) = (decided.transfer, decided.id, decided.kind);
                self.history.decisions.push(Promised { by, transfer, id, kind, dropped: false });
                format!("{what}: {:?} {name}", decided.status)
            }
            Ok(_) => format!("{what}: unheard"),
            Err(error) => format!("{what}: {error}"),
        }
    }
}
