//! The evidence inside an outcome: another ledger's signed word that the case goes on there.
//!
//! The sequencer looks at it before it appends its own outcome. Verification of a ledger does not: the body
//! that holds the evidence may be erased, and who was responsible must not depend on that.

use crate::body::{Outcome, OutcomeEntry};
use crate::canonical::{Json, ShapeError};
use crate::directory::Directory;
use crate::entry::{Body, Entry, EntryType, LedgerPoint};
use crate::envelope::Envelope;
use crate::receipt::Head;

use super::Stage;

/// Holds when an outcome that rests on another ledger brings the proof of it; other entries always pass.
///
/// The error points at the member of the body that proves nothing. Implements: ENT-013, ENT-014
pub fn check_outcome(entry: &Entry, directory: &Directory) -> Result<(), ShapeError> {
    let Body::Present(body) = entry.body() else { return Ok(()) };
    if entry.header().kind != EntryType::Outcome {
        return Ok(());
    }
    let embedded = |name: &str| body.member("outcome").and_then(|outcome| outcome.member(name));
    match body.read::<OutcomeEntry>()?.outcome {
        Outcome::MovedOn { .. } => {
            let holds = embedded("onward").is_some_and(|onward| accepted_onward(entry, &onward, directory));
            if holds { Ok(()) } else { Err(ShapeError::at("/outcome/onward")) }
        }
        Outcome::Duplicate { of, .. } => {
            let holds =
                embedded("confirmation").is_none_or(|confirmation| confirmed(&of, &confirmation, directory));
            if holds { Ok(()) } else { Err(ShapeError::at("/outcome/confirmation")) }
        }
        _ => Ok(()),
    }
}

/// Holds when `onward` is the receipted accept of the next hand-over of this responsibility, from this author.
fn accepted_onward(entry: &Entry, onward: &Json, directory: &Directory) -> bool {
    let Ok(accept) = Entry::read(onward) else { return false };
    let (header, outcome) = (accept.header(), entry.header());
    let next = header.kind == EntryType::Accept
        && header.responsibility.id == outcome.responsibility.id
        && header.responsibility.epoch == outcome.responsibility.epoch + 1
        && header.recipient == outcome.author;
    let receipt = accept.receipt_by(header.author).filter(|receipt| receipt.content().is_for(&accept));
    receipt.is_some_and(|receipt| {
        let at = receipt.content().received_at;
        next && directory.check_entry(&accept, at).is_ok()
            && directory.check_document(receipt.clone(), header.author, at).is_ok()
    })
}

/// Holds when the head is that of the other ledger, by the authority that is responsible there: the outcome's author
/// may be the one.
fn confirmed(of: &LedgerPoint, confirmation: &Json, directory: &Directory) -> bool {
    let Ok(head) = Envelope::<Head>::read(confirmation) else { return false };
    let said = head.content().clone();
    let responsible = match said.stage {
        Stage::Accepted | Stage::Settled => said.receiving,
        _ => said.originating,
    };
    let about = (said.transfer, said.sequence, said.header_digest);
    about == (of.transfer, of.sequence, of.header_digest)
        && said.by == responsible
        && directory.check_document(head, said.by, said.at).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codes::ClockClass;
    use crate::digest::Digest;
    use crate::entry::{Header, PROTOCOL, ResponsibilityRef};
    use crate::example::{self, SALT, Story, code, entry_id, instant, transfer};
    use crate::receipt::Receipt;

    fn outcome(outcome: &Value) -> Entry {
        let story = Story::accepted();
        let body = Json::from_typed(&json!({ "salt": SALT, "outcome": outcome })).unwrap();
        assert_eq!(crate::body::check(EntryType::Outcome, &body), Ok(()));
        story.draft(EntryType::Outcome, "330", &example::signing_key("330"), body)
    }

    /// Leeds accepts the child from Birmingham.
    fn onward(change: &dyn Fn(&mut Header), receipted_by: &str) -> Value {
        let responsibility = Story::accepted().ledger().terms.responsibility;
        let mut header = Header {
            protocol: PROTOCOL.to_owned(),
            transfer: transfer(2),
            sequence: 1,
            previous: Some(Digest::of(b"the onward offer")),
            id: entry_id(2_001),
            kind: EntryType::Accept,
            author: code("383"),
            recipient: code("330"),
            created_at: instant("2026-12-01T09:00:00Z"),
            responsibility: ResponsibilityRef { epoch: 2, ..responsibility },
            clock_class: ClockClass::Standard,
            body_digest: Digest::of(&[]),
            preceded_by: None,
            supersedes: None,
            successor_of: None,
        };
        change(&mut header);
        let accept = Entry::sign(header, example::body(EntryType::Accept), &example::signing_key("383"));
        let receipt = Receipt {
            transfer: accept.header().transfer,
            sequence: 1,
            entry_id: accept.header().id,
            header_digest: accept.header_digest(),
            received_at: instant("2026-12-01T09:00:01Z"),
            by: code("383"),
            incarnation: 1,
            directory_issue: 1,
        };
        let receipt = Envelope::sign(receipt, &example::signing_key(receipted_by));
        accept.with_receipt(receipt).erased(instant("2026-12-01T10:00:00Z")).to_json().into_value()
    }

    fn moved_on(onward: &Value) -> Result<(), ShapeError> {
        let entry = outcome(&json!({ "kind": "moved-on", "onward": onward }));
        check_outcome(&entry, &example::directory())
    }

    #[test]
    fn moved_on_needs_the_onward_accept_of_the_next_epoch_with_its_receipt() {
        let refused = Err(ShapeError::at("/outcome/onward"));
        assert_eq!(moved_on(&onward(&|_| {}, "383")), Ok(()));
        assert_eq!(moved_on(&onward(&|header| header.responsibility.epoch = 1, "383")), refused);
        assert_eq!(moved_on(&onward(&|header| header.responsibility.epoch = 3, "383")), refused);
        assert_eq!(moved_on(&onward(&|header| header.kind = EntryType::Acknowledge, "383")), refused);
        assert_eq!(moved_on(&onward(&|header| header.recipient = code("373"), "383")), refused);
        assert_eq!(moved_on(&onward(&|header| header.responsibility.id = other_case(), "383")), refused);
        assert_eq!(moved_on(&onward(&|_| {}, "373")), refused, "a receipt by another key");
        let mut bare = onward(&|_| {}, "383");
        bare["receipts"] = json!([]);
        assert_eq!(moved_on(&bare), refused);
    }

    fn other_case() -> crate::instant::ResponsibilityId {
        example::known("019a1b2c-3d4e-7f52-8a6b-0000000000ff")
    }

    #[test]
    fn the_body_of_the_onward_accept_stays_in_its_own_ledger() {
        let mut with_body = onward(&|_| {}, "383");
        with_body["body"] = example::body(EntryType::Accept).into_value();
        let body = json!({ "salt": SALT, "outcome": { "kind": "moved-on", "onward": with_body } });
        let error = crate::body::check(EntryType::Outcome, &Json::from_typed(&body).unwrap()).unwrap_err();
        assert_eq!(error.pointer, "/outcome/onward/body");
    }

    #[test]
    fn a_duplicate_needs_the_head_of_whoever_is_responsible_there() {
        let other = Story::of(7, &[EntryType::Offer, EntryType::Acknowledge]);
        let head = other.ledger().head;
        let of =
            json!({ "transfer": transfer(7), "sequence": head.sequence, "headerDigest": head.header_digest });
        let check = |confirmation: Option<Json>| {
            let mut said = json!({ "kind": "duplicate", "of": of });
            if let Some(confirmation) = confirmation {
                said["confirmation"] = confirmation.into_value();
            }
            check_outcome(&outcome(&said), &example::directory())
        };
        let refused = Err(ShapeError::at("/outcome/confirmation"));
        // Nobody accepted there, so Sheffield is responsible.
        assert_eq!(check(Some(other.head("373").to_json())), Ok(()));
        assert_eq!(check(Some(other.head("330").to_json())), refused);
        assert_eq!(check(Some(Story::of(7, &[EntryType::Offer]).head("373").to_json())), refused);
        let forged = Envelope::sign(other.head("373").content().clone(), &example::signing_key("383"));
        assert_eq!(check(Some(forged.to_json())), refused);
        // Whether the author itself is responsible there only its own server can say.
        assert_eq!(check(None), Ok(()));
    }

    #[test]
    fn the_author_confirms_a_duplicate_in_a_ledger_in_which_it_is_responsible() {
        let confirmed_by_birmingham = |other: &Story| {
            let head = other.ledger().head;
            let of = json!({ "transfer": transfer(7), "sequence": head.sequence, "headerDigest": head.header_digest });
            let confirmation = other.head("330").to_json().into_value();
            let said = json!({ "kind": "duplicate", "of": of, "confirmation": confirmation });
            let outcome = outcome(&said);
            assert_eq!(outcome.header().author, code("330"));
            check_outcome(&outcome, &example::directory())
        };
        let accepted = Story::of(7, &[EntryType::Offer, EntryType::Accept]);
        assert_eq!(confirmed_by_birmingham(&accepted), Ok(()));
        let refused = Err(ShapeError::at("/outcome/confirmation"));
        assert_eq!(confirmed_by_birmingham(&Story::of(7, &[EntryType::Offer])), refused, "Sheffield's still");
    }
}
