"""Section 5: stages, what follows what, who is responsible; and the clocks of section 7."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable

from . import forms
from .canonical import Json
from .directory import Archive, deadline
from .documents import LINKS, Entry, Header
from .problems import Problem

ORIGINATING, RECEIVING = "originating", "receiving"
EITHER = frozenset({"request-information", "supply-information", "correct"})
BY_ORIGINATING = frozenset({"offer", "contest", "withdraw"})

OPEN_UNDECIDED = ("offered", "acknowledged", "contested")
CLOSED = frozenset({"upheld", "redirected", "withdrawn", "settled"})
# After one of these only an officer can say whether another decision is still meant (DLV-014).
DECISIONS = frozenset({"accept", "decline", "redirect", "uphold", "outcome"})

_TABLE: dict[str, dict[str, str]] = {
    "acknowledge": {"offered": "acknowledged", "contested": "contested"},
    "request-information": {stage: stage for stage in (*OPEN_UNDECIDED, "accepted")},
    "supply-information": {stage: stage for stage in (*OPEN_UNDECIDED, "accepted")},
    "accept": {stage: "accepted" for stage in OPEN_UNDECIDED},
    "decline": {"offered": "declined", "acknowledged": "declined"},
    "contest": {"declined": "contested"},
    "uphold": {"contested": "upheld"},
    "redirect": {stage: "redirected" for stage in OPEN_UNDECIDED},
    "withdraw": {stage: "withdrawn" for stage in (*OPEN_UNDECIDED, "declined")},
    "outcome": {"accepted": "settled"},
    "retract": {"settled": "accepted"},
}


def may_write(kind: str, role: str) -> bool:
    return kind in EITHER or (kind in BY_ORIGINATING) == (role == ORIGINATING)


@dataclass(frozen=True)
class State:
    """What the table needs of the past: the stage, and whether a contest was acknowledged."""

    stage: str | None = None
    acknowledged_contest: bool = False

    def after(self, kind: str) -> State | None:
        """The state after an entry of a type, or None where the table has no cell (LED-007)."""
        if self.stage is None:
            return State("offered") if kind == "offer" else None
        if kind == "correct":
            return self
        following = _TABLE.get(kind, {}).get(self.stage)
        if following is None or (kind == "acknowledge" and self.acknowledged_contest):
            return None
        contested = following == "contested" and kind != "contest"
        return State(following, contested and (kind == "acknowledge" or self.acknowledged_contest))


@dataclass
class Ledger:
    """One party's copy: the main copy in order, and what else a fork has brought."""

    transfer: str
    originating: str
    receiving: str
    entries: list[Entry] = field(default_factory=list)
    branches: list[list[Entry]] = field(default_factory=list)

    @property
    def forked(self) -> bool:
        return bool(self.branches)

    @property
    def head(self) -> Entry | None:
        return self.entries[-1] if self.entries else None

    @property
    def next_sequence(self) -> int:
        return len(self.entries)

    @property
    def state(self) -> State:
        state = State()
        for entry in self.entries:
            state = state.after(entry.header.type) or state
        return state

    def role(self, code: str) -> str:
        return ORIGINATING if code == self.originating else RECEIVING

    def everything(self) -> Iterable[Entry]:
        yield from self.entries
        for branch in self.branches:
            yield from branch

    def with_digest(self, digest: str) -> Entry | None:
        return next((entry for entry in self.everything() if entry.header.digest == digest), None)

    def head_json(self) -> Json | None:
        """`head` of a problem."""
        if self.head is None:
            return None
        return {"sequence": self.head.header.sequence, "headerDigest": self.head.header.digest}

    def received_at(self, entry: Entry) -> int:
        receipt = entry.receipt_by(self.receiving)
        assert receipt is not None, "every entry of a ledger has the sequencer's receipt"
        return receipt.received_at

    def accepted_at(self) -> int | None:
        accepts = [entry.header.created_at for entry in self.everything() if entry.header.type == "accept"]
        return min(accepts, default=None)

    def responsible(self) -> str:
        """Who is responsible as of the head (LED-011)."""
        return self.originating if self.accepted_at() is None else self.receiving

    def check_place(self, header: Header) -> None:
        """Step 8 for an entry that is to follow the head."""
        if header.sequence > self.next_sequence:
            raise Problem("sequence-gap", head=self.head_json())
        if header.sequence < self.next_sequence or (
                self.head is not None and header.previous != self.head.header.digest):
            raise Problem("sequence-conflict", head=self.head_json())

    def check_rules(self, entry: Entry) -> None:
        """Step 10 as far as entries alone say it: author, fixed members, links, stage, order of times."""
        header = entry.header
        if not may_write(header.type, self.role(header.author)):
            raise Problem("wrong-author")
        links = [name for name in LINKS if name in header.raw]
        if len(links) > (1 if header.type == "offer" else 0):
            raise Problem("header-changed")
        offer = self.entries[0].header if self.entries else header
        for name in ("protocol", "clockClass"):
            if header.raw[name] != offer.raw[name]:
                raise Problem("header-changed")
        if (header.responsibility, header.epoch) != (offer.responsibility, offer.epoch):
            raise Problem("header-changed")
        if self.state.after(header.type) is None:
            stage = self.state.stage
            raise Problem("not-allowed-in-stage", **({"stage": stage} if stage else {}))
        if self.head is None:
            return
        if header.created_at < self.head.header.created_at:
            raise Problem("created-at-order")
        receipt = entry.receipt_by(self.receiving)
        before = self.head.receipt_by(self.receiving)
        if receipt is not None and before is not None and (
                receipt.received_at < before.received_at or receipt.raw["incarnation"] < before.raw["incarnation"]):
            raise Problem("receipt-invalid")


@dataclass(frozen=True)
class Due:
    """A deadline that runs at the head. `ends` is None where it cannot be computed (CLK-003)."""

    clock: str
    owner: str
    started_at: int
    due_on: str | None
    ends: int | None


def _start(ledger: Ledger, *types: str, author: str | None = None) -> Entry | None:
    found = [e for e in ledger.entries if e.header.type in types and author in (None, e.header.author)]
    return found[-1] if found else None


def clocks(ledger: Ledger, archive: Archive, followed: bool = False) -> list[Due]:
    """The deadlines of section 7.2 that run at the head (CLK-004). `followed` says that the
    originating authority has offered the child again, or reviewed its case, since the ledger closed."""
    stage = ledger.state.stage
    running: list[tuple[str, str, Entry | None, str]] = []
    if stage == "offered":
        running.append(("acknowledge", ledger.receiving, ledger.entries[0], "acknowledgeWorkingDays"))
    if stage in OPEN_UNDECIDED:
        running.append(("decide", ledger.receiving, _start(ledger, "offer", "contest"), "decideWorkingDays"))
    if stage in ("declined", "upheld", "redirected", "withdrawn") and not followed:
        ended = _start(ledger, "decline", "uphold", "redirect", "withdraw")
        running.append(("originating-act", ledger.originating, ended, "originActWorkingDays"))
    if stage == "accepted":
        accept = next(n for n, e in enumerate(ledger.entries) if e.header.type == "accept")
        signs = [e for e in ledger.entries[accept:] if e.header.author == ledger.receiving]
        running.append(("review", ledger.receiving, signs[-1], "reviewWorkingDays"))
    return [_due(ledger, archive, clock, owner, entry, member) for clock, owner, entry, member in running if entry]


def _due(ledger: Ledger, archive: Archive, clock: str, owner: str, entry: Entry, member: str) -> Due:
    receipt = entry.receipt_by(ledger.receiving)
    assert receipt is not None, "every entry of a ledger has the sequencer's receipt"
    issue = archive.issues.get(receipt.raw["directoryIssue"])
    if issue is None:
        return Due(clock, owner, receipt.received_at, None, None)
    days: Any = issue.policy[member]
    number = days[entry.header.clock_class] if isinstance(days, dict) else days
    due = deadline(receipt.received_at, number, issue.policy)
    return Due(clock, owner, receipt.received_at, due[0].isoformat() if due else None, due[1] if due else None)
