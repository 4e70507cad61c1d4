"""Section 14: judges an exported ledger with a directory issue, offline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from . import canonical, forms
from .canonical import Json
from .directory import Directory
from .documents import LINKS, Entry, Head, Header, Receipt
from .ledger import CLOSED, State, may_write
from .problems import Problem
from .signatures import Signature

_FORM: dict[str, Callable[[Any], bool]] = {
    "format": lambda value: value == "cme-ledger/1", "transfer": forms.is_uuid, "originating": forms.is_authority,
    "receiving": forms.is_authority, "exportedBy": forms.is_authority, "exportedAt": forms.is_timestamp,
    **{name: lambda value: isinstance(value, list) for name in ("entries", "peerHeads", "forks")},
    "head": lambda value: isinstance(value, dict)}


@dataclass(frozen=True)
class Finding:
    kind: str
    sequence: int | None


@dataclass
class _Replay:
    """A state with disputed entries passed over, beside the state as though none were disputed."""

    state: State = field(default_factory=State)
    undisputed: State = field(default_factory=State)
    stages: list[str | None] = field(default_factory=list)
    accepted: Entry | None = None


class Verifier:
    """One export. `verdict` carries out every step and gives findings or a proof (VER-003, VER-004)."""

    def __init__(self, export: Json, directory: Directory) -> None:
        self.export, self.directory = export, directory
        self.findings: list[Finding] = []
        self.entries: list[Entry] = []
        self.branches: list[list[Entry]] = []
        self.disputed: dict[int, str] = {}

    def verdict(self) -> Json:
        if self._form():
            self.parties = (self.export["originating"], self.export["receiving"])
            self._chain()
            replay = self._entries(self.entries, _Replay(), 0, self.disputed)
            accepts = [replay.accepted] + self._forks(replay)
            self._bodies(replay)
            until = self._heads(replay)
            if not self.findings:
                return self._proof(replay, [one for one in accepts if one is not None], until)
        return {"findings": [vars(finding) for finding in self.findings]}

    def _find(self, kind: str, sequence: int | None = None) -> None:
        self.findings.append(Finding(kind, sequence))

    # Steps 1 and 2

    def _form(self) -> bool:
        export = self.export
        if not all(check(export.get(name)) for name, check in _FORM.items()):
            self._find("form")
            return False
        self.entries = self._read(export["entries"], 0)
        for fork in export["forks"]:
            listed = fork.get("entries") if isinstance(fork, dict) else None
            branch = self._read(listed, None) if isinstance(listed, list) and listed else []
            if branch:
                self.branches.append(branch)
            else:
                self._find("fork")
        return not self.findings

    def _read(self, documents: list[Any], start: int | None) -> list[Entry]:
        entries = []
        for place, document in enumerate(documents):
            try:
                entries.append(Entry.read(document))
            except Problem:
                self._find("form", None if start is None else start + place)
        return entries

    def _chain(self) -> None:
        """Keeps the entries up to the first that does not follow."""
        previous, parties = None, self.parties
        for place, entry in enumerate(self.entries):
            header = entry.header
            follows = (header.sequence == place and header.previous == previous
                       and header.transfer == self.export["transfer"]
                       and {header.author, header.recipient} == set(parties))
            if place == 0:
                follows = follows and header.type == "offer" and (header.author, header.recipient) == parties
            if not follows:
                self._find("chain", place)
                self.entries = self.entries[:place]
                return
            previous = header.digest
        if not self.entries:
            self._find("chain", 0)

    # Steps 4 to 7

    def _entries(self, entries: list[Entry], replay: _Replay, start: int, disputed: dict[int, str]) -> _Replay:
        """Signatures, receipts, revocation and rules along one branch, from the place where it starts."""
        latest = (0, 0)
        for entry in entries[start:]:
            header = entry.header
            sequencers = entry.receipt_by(self.parties[1])
            if sequencers is None and entries is self.entries:
                self._find("receipt", header.sequence)
            for receipt in entry.receipts:
                if not self._fits(receipt, header):
                    self._find("receipt", header.sequence)
            at = sequencers.received_at if sequencers else header.created_at
            self._signature(header.author, entry.signature, header.raw, at, "signature", header.sequence)
            if sequencers is not None:
                stamp = (sequencers.received_at, sequencers.raw["incarnation"])
                if stamp[0] < latest[0] or stamp[1] < latest[1]:
                    self._find("receipt", header.sequence)
                latest = (max(stamp[0], latest[0]), max(stamp[1], latest[1]))
            reason = self._disputed(entry, sequencers)
            self._apply(entries, entry, reason, replay, disputed)
        return replay

    def _signature(self, code: str, signature: Signature, payload: Json, at: int, kind: str,
                   sequence: int | None) -> None:
        """A revocation is looked at apart."""
        key = self.directory.key(code, signature.kid)
        if key is None or not key.in_lifetime(at, revocation=False):
            self._find("key", sequence)
        elif not signature.verifies(payload, key.public):
            self._find(kind, sequence)

    def _fits(self, receipt: Receipt, header: Header) -> bool:
        key = self.directory.key(receipt.by, receipt.signature.kid)
        return (receipt.by in self.parties and receipt.names(header) and key is not None
                and key.in_lifetime(receipt.received_at, revocation=False)
                and receipt.signature.verifies(receipt.raw, key.public))

    def _disputed(self, entry: Entry, sequencers: Receipt | None) -> str | None:
        key = self.directory.key(entry.header.author, entry.signature.kid)
        if key is not None and key.revoked_at is not None:
            witness = entry.receipt_by(entry.header.recipient)
            under = witness and self.directory.key(witness.by, witness.signature.kid)
            if not (witness and under and under.in_lifetime(witness.received_at)
                    and witness.received_at < key.revoked_at):
                return "the author's key was revoked"
        under = sequencers and self.directory.key(self.parties[1], sequencers.signature.kid)
        if sequencers and under and under.revoked_at is not None and under.revoked_at <= sequencers.received_at:
            return "the key of the sequencer's receipt was revoked"
        return None

    def _apply(self, entries: list[Entry], entry: Entry, reason: str | None, replay: _Replay,
               disputed: dict[int, str]) -> None:
        header = entry.header
        following, whole = replay.state.after(header.type), replay.undisputed.after(header.type)
        if following is None and whole is not None:
            reason = reason or "an entry before it is disputed"
        replay.undisputed = whole or replay.undisputed
        if reason is not None:
            disputed[header.sequence] = reason
            if header.type != "offer":
                replay.stages.append(replay.state.stage)
                return
        elif not self._keeps_rules(entries, header) or following is None:
            self._find("rule", header.sequence)
        replay.state = following or replay.state
        replay.stages.append(replay.state.stage)
        if header.type == "accept" and replay.accepted is None:
            replay.accepted = entry

    def _keeps_rules(self, entries: list[Entry], header: Header) -> bool:
        offer = entries[0].header
        fixed = all(header.raw[name] == offer.raw[name] for name in ("protocol", "clockClass"))
        links = sum(name in header.raw for name in LINKS)
        return (may_write(header.type, "originating" if header.author == self.parties[0] else "receiving")
                and fixed and (header.responsibility, header.epoch) == (offer.responsibility, offer.epoch)
                and links <= (1 if header.type == "offer" else 0)
                and (header.sequence == 0 or header.created_at >= entries[header.sequence - 1].header.created_at))

    # Step 3

    def _bodies(self, replay: _Replay) -> None:
        closed = max((n for n, stage in enumerate(replay.stages) if stage in CLOSED), default=-1)
        for entry in [*self.entries, *(one for branch in self.branches for one in branch)]:
            if entry.body is not None:
                if canonical.digest(entry.body) != entry.header.body_digest:
                    self._find("body-digest", entry.header.sequence)
            elif entry.header.sequence > closed and not self.branches:
                self._find("erasure", entry.header.sequence)

    # Step 9

    def _forks(self, replay: _Replay) -> list[Entry | None]:
        """Judges each further branch, and gives the accept of each that has one."""
        accepts = []
        # A server keeps a branch as evidence before it has looked at receipts: one that does not fit is passed over.
        self.branches = [[entry.with_receipts(*(one for one in entry.receipts if self._fits(one, entry.header)))
                          for entry in branch] for branch in self.branches]
        for branch in self.branches:
            first = branch[0].header
            trunk = next((one[:one.index(held)] for one in [self.entries, *self.branches] for held in one
                          if one is not branch and held.header.sequence == first.sequence
                          and held.header.previous == first.previous and held.header.digest != first.digest
                          and self._carries(held)), None)
            chained = all(one.header.sequence == first.sequence + n and one.header.transfer == self.export["transfer"]
                          and {one.header.author, one.header.recipient} == set(self.parties)
                          and (n == 0 or one.header.previous == branch[n - 1].header.digest)
                          for n, one in enumerate(branch))
            if trunk is None or not chained or not all(map(self._carries, branch)):
                self._find("fork", first.sequence)
                continue
            before = _Replay()
            for entry in trunk:
                if entry.header.sequence not in self.disputed:
                    before.state = before.state.after(entry.header.type) or before.state
                before.undisputed = before.undisputed.after(entry.header.type) or before.undisputed
            accepts.append(self._entries([*trunk, *branch], before, len(trunk), {}).accepted)
        return accepts

    def _carries(self, entry: Entry) -> bool:
        """Whether the sequencer signed it, as author or in a receipt."""
        return entry.header.author == self.parties[1] or entry.receipt_by(self.parties[1]) is not None

    # Step 8

    def _heads(self, replay: _Replay) -> int | None:
        """Compares signed heads; until when both parties' heads make the verdict definite."""
        latest: dict[str, int] = {}
        own = self._head(self.export["head"], replay, own=True)
        heads = [own, *(self._head(document, replay, own=False) for document in self.export["peerHeads"])]
        for head in heads:
            if head is not None and self.entries and head.raw["headerDigest"] == self.entries[-1].header.digest:
                latest[head.raw["by"]] = max(latest.get(head.raw["by"], 0), head.at)
        return min(latest.values()) if len(latest) == 2 else None

    def _head(self, document: Any, replay: _Replay, own: bool) -> Head | None:
        try:
            head = Head.read(document)
        except Problem:
            self._find("head")
            return None
        raw = head.raw
        key = self.directory.key(raw["by"], head.signature.kid)
        about = (raw["transfer"], raw["originating"], raw["receiving"]) == (self.export["transfer"], *self.parties)
        signer = raw["by"] == self.export["exportedBy"] if own else raw["by"] in self.parties
        if not about or not signer or raw["by"] not in self.parties or key is None or not head.signature.verifies(
                raw, key.public):
            self._find("head")
            return None
        if not key.in_lifetime(head.at):
            if own:
                self._find("head")
            return None
        known = {entry.header.digest for branch in self.branches for entry in branch}
        newest = len(self.entries) - 1
        if raw["sequence"] > newest and raw["headerDigest"] not in known:
            self._find("head", newest + 1)
        elif raw["headerDigest"] not in known and raw["headerDigest"] != self.entries[raw["sequence"]].header.digest:
            self._find("head", raw["sequence"])
        elif own and raw["sequence"] != newest:
            self._find("head", newest)
        elif own and not self.disputed and raw["stage"] != replay.state.stage:
            self._find("stage", newest)
        return head

    # Section 14.3

    def _proof(self, replay: _Replay, accepts: list[Entry], until: int | None) -> Json:
        originating, receiving = self.parties
        offer, newest = self.entries[0].header, self.entries[-1].header
        accept = min(accepts, key=lambda entry: entry.header.created_at, default=None)
        spans: list[Json] = [{"authority": originating, "from": offer.raw["createdAt"]}]
        passed: Json = {}
        if accept is not None:
            at = accept.header.raw["createdAt"]
            spans[0]["until"] = at
            spans.append({"authority": receiving, "from": at})
            counter = accept.receipt_by(originating)
            passed = {"at": at, **({"receivedByOriginating": counter.raw["receivedAt"]} if counter else {})}
        places = [branch[0].header for branch in self.branches]
        return {
            "transfer": offer.transfer, "originating": originating, "receiving": receiving,
            "responsibility": offer.raw["responsibility"], "stage": replay.state.stage,
            "responsible": spans[-1]["authority"], "spans": spans, **({"passed": passed} if passed else {}),
            "asOf": {"sequence": newest.sequence, "headerDigest": newest.digest},
            **({"definiteUntil": forms.timestamp(until)} if until is not None else {}),
            "entries": len(self.entries),
            "erased": [entry.header.sequence for entry in self.entries if entry.body is None],
            "disputed": [{"sequence": n, "reason": reason} for n, reason in sorted(self.disputed.items())],
            "forks": [{"sequence": place.sequence, "heads": [newest.digest, branch[-1].header.digest]}
                      for place, branch in zip(places, self.branches)]}


def offered_twice(proofs: list[Json]) -> list[Json]:
    """VER-008: transfers with an accept of one responsibility and epoch, and who offered."""
    accepted = [proof for proof in proofs if "passed" in proof]
    return [{"transfers": [one["transfer"], two["transfer"]], "offeredBy": [one["originating"], two["originating"]]}
            for n, one in enumerate(accepted) for two in accepted[n + 1:]
            if one["responsibility"] == two["responsibility"] and one["transfer"] != two["transfer"]]
