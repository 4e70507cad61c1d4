//! Sandwiched negatives: a good twin that is taken, a bad one that differs in one thing and is refused, and a
//! good twin again. Without both twins there is no verdict.

use crate::draft::{Draft, Ledger, bodies};
use crate::json::Json;
use crate::tape::Part;
use crate::wire::{Response, WireError};
use crate::world::Authority;

use super::{Court, Found, Miss, failed, refused};

impl Court<'_> {
    /// An offer, spoilt before it is sealed: header and body still fit each other and the signature.
    pub(crate) fn refuses_draft(
        &mut self,
        requirement: &'static str,
        names: &[&str],
        spoil: impl FnOnce(&mut Draft),
    ) -> Found<()> {
        self.refuses_entry(requirement, names, |mut draft, peer| {
            spoil(&mut draft);
            draft.sealed(&peer.key)
        })
    }

    /// An offer, spoilt when it is sealed or afterwards.
    pub(crate) fn refuses_entry(
        &mut self,
        requirement: &'static str,
        names: &[&str],
        spoil: impl FnOnce(Draft, &Authority) -> Json,
    ) -> Found<()> {
        self.refuses_bytes(requirement, names, |draft, peer| spoil(draft, peer).plain().into_bytes())
    }

    /// An offer of which the bytes are spoilt.
    pub(crate) fn refuses_bytes(
        &mut self,
        requirement: &'static str,
        names: &[&str],
        spoil: impl FnOnce(Draft, &Authority) -> Vec<u8>,
    ) -> Found<()> {
        let peer = self.peer()?;
        let draft = self.draft(&peer);
        let transfer = draft.header.text_at("/transfer").unwrap_or_default().to_owned();
        let bytes = spoil(draft, &peer);
        self.between_twins(&peer, requirement, names, |court| court.put_bytes(&peer, &transfer, 0, bytes))
    }

    /// An entry after an offer of the same authority, spoilt before it is sealed.
    pub(crate) fn refuses_next(
        &mut self,
        requirement: &'static str,
        names: &[&str],
        kind: &str,
        spoil: impl FnOnce(&mut Draft, &Ledger),
    ) -> Found<()> {
        let peer = self.peer()?;
        let ledger = self.offered(&peer)?;
        let mut draft = Draft::next(&ledger, kind, bodies::of(kind));
        spoil(&mut draft, &ledger);
        let entry = draft.sealed(&peer.key);
        self.between_twins(&peer, requirement, names, |court| court.put(&peer, &entry))
    }

    /// Good twin, whatever `bad` sends, good twin.
    pub(crate) fn between_twins(
        &mut self,
        peer: &Authority,
        requirement: &'static str,
        names: &[&str],
        bad: impl FnOnce(&mut Self) -> Found<Response>,
    ) -> Found<()> {
        self.twin(peer)?;
        self.tape.part(Part::Question);
        let answer = bad(self);
        self.twin(peer)?;
        match answer {
            Ok(response) => refused(requirement, names, &response),
            // The good twin was answered before and after: so it is the bad one that gets no answer.
            Err(Miss::Unreachable(error)) => no_answer(requirement, names, &error),
            Err(other) => Err(other),
        }
    }

    fn twin(&mut self, peer: &Authority) -> Found<()> {
        self.tape.part(Part::Twin);
        let taken = self.offered(peer);
        self.tape.part(Part::Step);
        taken.map(drop)
    }
}

fn no_answer(requirement: &'static str, names: &[&str], error: &WireError) -> Found<()> {
    failed(requirement, names.join(" or "), format!("no answer to this one alone: {error}"))
}
