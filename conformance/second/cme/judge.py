"""Section 9.4, steps 4 to 11: whether an entry that comes in is appended, repeated or refused."""

from __future__ import annotations

from dataclasses import dataclass

from . import bodies, canonical, forms
from .canonical import Json
from .documents import Entry, Head, Header, Receipt
from .ledger import Ledger
from .node import Node, log
from .problems import Problem
from .store import Transaction

# A delivery refused by one of these breaks no rule: the copies differ, or a clock or directory does.
_NO_FAULT = frozenset({"sequence-gap", "sequence-conflict", "forked", "created-at-skew", "key-unknown",
                       "not-a-party", "unavailable"})


@dataclass(frozen=True)
class Verdict:
    """A receipt for what is stored, or a refusal that left evidence behind."""

    receipt: Receipt | None
    new: bool = False
    refusal: Problem | None = None


def receive(node: Node, caller: str, entry: Entry, read: bool = False) -> Verdict:
    """Judges and stores an entry in one transaction. `read` says that it was fetched from the caller,
    and so is judged as a delivery (DLV-013)."""
    try:
        with node.store.write() as transaction:
            peer = _other_party(node, transaction, caller, entry.header)
            verdict = _Arrival(node, transaction, peer, entry, read).verdict()
    except Problem as problem:
        if entry.header.author != node.code and entry.receipts and problem.name not in _NO_FAULT:
            _tell_officer(node, entry.header, problem)
        raise
    if verdict.refusal is not None:
        raise verdict.refusal
    return verdict


def _other_party(node: Node, transaction: Transaction, caller: str, header: Header) -> str:
    """Step 4: the party that is not hosted here, which is the caller or one that it acts for."""
    others = [code for code in (header.author, header.recipient) if code != node.code]
    if len(others) != 1:
        raise Problem("not-a-party")
    if others[0] != caller and (caller not in node.directory.acting(others[0])
                                or transaction.ledger(others[0], header.transfer) is None):
        raise Problem("not-a-party")
    return others[0]


def _tell_officer(node: Node, header: Header, problem: Problem) -> None:
    """LED-009: a refused delivery is the sequencer's fault, or a version that is not known here."""
    with node.store.write() as transaction:
        ledger = transaction.ledger(header.author, header.transfer)
        if ledger is not None and ledger.originating == node.code:
            transaction.attend("delivery-refused", header.transfer, f"sequence {header.sequence}: {problem.name}")


class _Arrival:
    def __init__(self, node: Node, transaction: Transaction, peer: str, entry: Entry, read: bool) -> None:
        self.node, self.transaction, self.peer, self.entry, self.read = node, transaction, peer, entry, read
        self.header = entry.header
        self.now = forms.now()
        self.known = transaction.ledger(peer, entry.header.transfer)
        # Of an unknown ledger only the first entry says who orders it.
        self.ledger = self.known or Ledger(entry.header.transfer, entry.header.author, entry.header.recipient)
        self.sequencers = entry.receipt_by(self.ledger.receiving)

    def verdict(self) -> Verdict:
        self._validity()
        self._body()
        self._signature()
        held = self._repeat()
        if held is not None:
            return Verdict(self._receipt_of(held))
        refusal = self._place()
        if refusal is not None:
            return Verdict(None, refusal=refusal)
        self._receipts()
        self.ledger.check_rules(self.entry)
        self._clock()
        return Verdict(self._commit(), new=True)

    # Step 4, second half

    def _validity(self) -> None:
        if self.header.type != "offer" or self.transaction.id_is_used(self.peer, self.header.id):
            return
        if not all(self.node.directory.valid(code, self.now) for code in (self.header.author, self.header.recipient)):
            raise Problem("not-a-party")
        if not self.node.directory.usable(self.now) and not self.transaction.shares_a_ledger(self.peer):
            raise Problem("unavailable")

    # Step 5

    def _body(self) -> None:
        body = self.entry.body
        if body is not None and canonical.digest(body) != self.header.body_digest:
            raise Problem("body-digest-mismatch")
        bodies.check(self.entry)
        check_outcome(self.node, self.transaction, self.entry)

    # Step 6

    def _signature(self) -> None:
        at = self.sequencers.received_at if self.sequencers else self.now
        self.node.verify_by(self.header.author, self.entry.signature, self.header.raw, at, "signature-invalid")

    def _vouched(self, code: str, kid: str) -> None:
        """SIG-006: a revoked key of the other party needs the own receipt from before the revocation."""
        key = self.node.directory.key(code, kid)
        if code == self.node.code or key is None or key.revoked_at is None or key.revoked_at > self.now:
            return
        own = self.entry.receipt_by(self.node.code)
        if own is None or own.received_at >= key.revoked_at:
            raise Problem("key-not-valid")

    # Step 7

    def _carries_sequencers_signature(self) -> bool:
        if self.header.author == self.ledger.receiving:
            return True
        try:
            return self.sequencers is not None and self._verified(self.sequencers)
        except Problem:
            return False

    def _repeat(self) -> Entry | None:
        """The entry in the ledger that this one repeats."""
        held = next((e for e in self.ledger.entries if e.header.digest == self.header.digest), None)
        if held is not None or self._carries_sequencers_signature():
            return held
        for other in self.ledger.entries:
            if _decision(other.header) == _decision(self.header):
                return other
        if self.transaction.id_is_used(self.peer, self.header.id):
            raise Problem("id-reused")
        return None

    def _receipt_of(self, held: Entry) -> Receipt:
        receipt = held.receipt_by(self.node.code)
        if receipt is None:
            # An entry of the own authority that the sequencer's answer completed has no counter-receipt yet.
            receipt = self.node.receipt(held.header, self.now)
            self.transaction.keep_counter_receipt(self.peer, held, receipt)
        return receipt

    # Step 8

    def _place(self) -> Problem | None:
        ledger, header = self.ledger, self.header
        head = ledger.head_json()
        if self.known is not None and header.type == "offer" and header.author != ledger.originating:
            raise Problem("id-reused")
        if ledger.forked or header.sequence < ledger.next_sequence:
            if self._carries_sequencers_signature():
                self._keep_evidence()
            elif not ledger.forked:
                raise Problem("sequence-conflict", head=head)
            return Problem("forked", head=head)
        ledger.check_place(header)
        if self.transaction.id_is_used(self.peer, header.id):
            raise Problem("id-reused")
        return None

    def _keep_evidence(self) -> None:
        """RCV-012: what carries the sequencer's signature beside the main copy, on the branch it continues."""
        ledger, header = self.ledger, self.header
        if ledger.with_digest(header.digest) is not None:
            return
        if header.sequence >= ledger.next_sequence and header.previous not in {
                e.header.digest for e in ledger.everything()}:
            return
        ends = [branch[-1].header.digest for branch in ledger.branches]
        number = ends.index(header.previous) if header.previous in ends else len(ends)
        self.transaction.append(self.peer, ledger, self.entry, number + 1)
        if not ledger.forked:
            log("the sequencer signed two entries for one place", transfer=header.transfer, sequence=header.sequence)
            self.transaction.attend("forked", header.transfer, f"sequence {header.sequence}")

    # Step 9

    def _receipts(self) -> None:
        delivery = (self.read or self.entry.receipts or self.peer == self.ledger.receiving
                    or self.header.author != self.peer)
        if delivery and self.sequencers is None:
            raise Problem("receipt-missing")
        for receipt in self.entry.receipts:
            self._verified(receipt)
        if self.sequencers is not None:
            self._vouched(self.header.author, self.entry.signature.kid)
            self._vouched(self.ledger.receiving, self.sequencers.signature.kid)

    def _verified(self, receipt: Receipt) -> bool:
        if receipt.by not in (self.ledger.originating, self.ledger.receiving) or not receipt.names(self.header):
            raise Problem("receipt-invalid")
        self.node.verify_by(receipt.by, receipt.signature, receipt.raw, receipt.received_at, "receipt-invalid")
        return True

    # Step 10, the part that asks the time of day

    def _clock(self) -> None:
        latest = self.now + self.node.directory.policy["clockSkewSecondsMax"] * forms.NANOS
        if self.header.created_at > latest or (self.sequencers and self.sequencers.received_at > latest):
            raise Problem("created-at-skew")

    # Step 11

    def _commit(self) -> Receipt:
        return append(self.node, self.transaction, self.peer, self.ledger, self.entry, self.now)


def append(node: Node, transaction: Transaction, peer: str, ledger: Ledger, entry: Entry, now: int) -> Receipt:
    """Stores an entry that keeps every rule, with the own receipt and what follows from it."""
    own = entry.receipt_by(node.code)
    sequencers = entry.receipt_by(ledger.receiving)
    if own is None and ledger.receiving == node.code:
        # RCP-003: never before the receipt of the entry before.
        own = sequencers = node.receipt(entry.header, max(now, ledger.received_at(ledger.head) if ledger.head else 0))
    elif own is None:
        own = node.receipt(entry.header, now)
    counter = own if ledger.originating == node.code else entry.receipt_by(ledger.originating)
    transaction.append(peer, ledger, entry.with_receipts(sequencers, counter))
    follow_up(node, transaction, peer, ledger, entry.header)
    return own


def follow_up(node: Node, transaction: Transaction, peer: str, ledger: Ledger, header: Header) -> None:
    """What an entry that now stands in the ledger means for the own authority's work."""
    for letter in transaction.letters(peer, ledger.transfer):
        if letter.proposal is not None and letter.id == header.id:
            transaction.done(letter)
    originating = ledger.originating == node.code
    stage = ledger.state.stage
    if header.type == "accept" and originating:
        transaction.close_case(header.responsibility)
    elif header.type in ("accept", "retract") and not originating:
        transaction.open_case(header.responsibility, forms.timestamp(forms.now())[:10])
    elif header.type == "outcome" and not originating:
        transaction.close_case(header.responsibility)
    if originating and stage in ("declined", "upheld", "redirected", "withdrawn") and header.type != "correct":
        transaction.attend(f"transfer-{stage}", ledger.transfer, f"sequence {header.sequence}")
    if header.type == "accept":
        twice = [other.transfer for _, other in transaction.ledgers(responsibility=header.responsibility)
                 if other.transfer != ledger.transfer and other.accepted_at() is not None
                 and other.entries[0].header.epoch == header.epoch]
        for other in twice:
            transaction.attend("accepted-twice", ledger.transfer, f"also {other}")


def _decision(header: Header) -> tuple[str, str, str, str]:
    """What makes two headers one decision, made anew at another place (ENT-005)."""
    return header.id, header.type, header.author, header.body_digest


def check_outcome(node: Node, transaction: Transaction, entry: Entry) -> None:
    """ENT-013 and ENT-014: the evidence that an outcome carries from another ledger."""
    if entry.header.type != "outcome" or entry.body is None:
        return
    outcome = entry.body["outcome"]
    try:
        if outcome["kind"] == "moved-on":
            _check_onward(node, entry.header, Entry.read(outcome["onward"]))
        elif outcome["kind"] == "duplicate":
            confirmation = outcome.get("confirmation")
            _check_confirmation(node, transaction, entry.header, outcome["of"],
                                confirmation and Head.read(confirmation))
    except Problem:
        member = "onward" if outcome["kind"] == "moved-on" else "confirmation"
        raise Problem("body-invalid", pointer=f"/outcome/{member}") from None


def _check_onward(node: Node, header: Header, onward: Entry) -> None:
    accept = onward.header
    receipt = onward.receipt_by(accept.author)
    fits = (accept.type == "accept" and accept.responsibility == header.responsibility
            and accept.epoch == header.epoch + 1 and accept.recipient == header.author)
    if not fits or receipt is None or not receipt.names(accept):
        raise Problem("body-invalid")
    node.verify_by(accept.author, onward.signature, accept.raw, receipt.received_at, "body-invalid")
    node.verify_by(accept.author, receipt.signature, receipt.raw, receipt.received_at, "body-invalid")


def _check_confirmation(node: Node, transaction: Transaction, header: Header, of: Json, head: Head | None) -> None:
    if head is None:
        # It may be left out only where the author itself is responsible in the linked ledger. The sequencer
        # can look; the other party cannot, and takes its word.
        if header.author == node.code and not _responsible_here(node, transaction, of["transfer"]):
            raise Problem("body-invalid")
        return
    raw = head.raw
    if any(raw[name] != of[name] for name in ("transfer", "sequence", "headerDigest")):
        raise Problem("body-invalid")
    responsible = raw["receiving"] if raw["stage"] in ("accepted", "settled") else raw["originating"]
    if raw["by"] != responsible:
        raise Problem("body-invalid")
    node.verify_by(raw["by"], head.signature, raw, head.at, "body-invalid")


def _responsible_here(node: Node, transaction: Transaction, transfer: str) -> bool:
    return any(ledger.responsible() == node.code for _, ledger in transaction.ledgers(transfer=transfer))
