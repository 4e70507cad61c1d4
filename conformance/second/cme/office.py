"""What an officer decides: entries of the own authority, made by the rules (ENT-011) or not at all."""

from __future__ import annotations

import datetime
import os
from dataclasses import asdict
from typing import Any

from . import bodies, canonical, forms, signatures
from .canonical import Json
from .documents import Entry, Header
from .judge import append, check_outcome
from .ledger import DECISIONS, ORIGINATING, Ledger, clocks, may_write
from .node import ENTRY_BYTES_MAX, Node, log
from .problems import TABLE, Class, Problem
from .store import Letter, Transaction

# What receipts may still add to an entry (CAN-010).
RECEIPTS_BYTES = 4096
REVIEW_DAYS = 14


class Misuse(Exception):
    """A decision that cannot be taken now, told to the officer."""


class OnItsWay(Misuse):
    """An earlier decision of the own authority has no receipt yet."""


def _sign(node: Node, header: Json, body: Json) -> Entry:
    document = {"header": header, "body": body, **{
        "signature": signatures.sign(header, "header", node.signing_key())}}
    if len(canonical.canonical(document)) > ENTRY_BYTES_MAX - RECEIPTS_BYTES:
        raise Misuse("the entry is too large")
    canonical.check_limits(document)
    entry = Entry.read(document)
    bodies.check(entry)
    return entry


def _body(source: Json) -> Json:
    return {**source, "salt": canonical.encode(os.urandom(16))}


def _times(ledger: Ledger) -> str:
    """Now, or the createdAt of the entry before where the clock is behind it."""
    latest = ledger.head.header.created_at if ledger.head else 0
    return forms.timestamp(max(forms.now(), latest))


def offer(node: Node, to: str, source: Json, responsibility: str | None = None, urgent: bool = False) -> Json:
    """Offers a child. With `responsibility` the offer follows the newest transfer of that case (ENT-006)."""
    transfer = forms.new_uuid()
    body = _body(source)
    bodies.BODIES["offer"](body, "")
    with node.store.write() as transaction:
        directory = node.directory
        if to == node.code or not all(directory.valid(code, forms.now()) for code in (to, node.code)):
            raise Misuse("that authority is not in the directory, or not valid today")
        link: Json = {}
        epoch = 1
        if responsibility is not None:
            link, epoch = _link(node, transaction, responsibility)
        case = responsibility or forms.new_uuid()
        header = {
            "protocol": "1.0", "transfer": transfer, "sequence": 0, "previous": None, "id": forms.new_uuid(),
            "type": "offer", "author": node.code, "recipient": to, "createdAt": forms.timestamp(forms.now()),
            "responsibility": {"id": case, "epoch": epoch},
            "clockClass": "urgent" if urgent or bodies.needs_urgent_clocks(body) else "standard",
            "bodyDigest": canonical.digest(body), **link}
        entry = _sign(node, header, body)
        transaction.post(to, transfer, entry.header.id, entry, None)
        review = datetime.date.today() + datetime.timedelta(days=REVIEW_DAYS)
        transaction.open_case(case, review.isoformat())
    return {"transfer": transfer, "responsibility": case, "epoch": epoch}


def _link(node: Node, transaction: Transaction, responsibility: str) -> tuple[Json, int]:
    earlier = [ledger for _, ledger in transaction.ledgers(responsibility=responsibility)]
    waiting = [letter for letter in transaction.letters() if letter.proposal is not None
               and letter.proposal.header.type == "offer" and letter.proposal.header.responsibility == responsibility]
    undecided = ("offered", "acknowledged", "declined", "contested")
    if waiting or any(one.originating == node.code and one.state.stage in undecided for one in earlier):
        raise Misuse("a transfer of this case is still open (ENT-007)")
    if not earlier:
        return {}, 1
    newest = max(earlier, key=lambda one: (one.entries[0].header.epoch, one.entries[0].header.created_at))
    if newest.responsible() != node.code:
        raise Misuse("another authority is responsible")
    epoch = newest.entries[0].header.epoch + (newest.accepted_at() is not None)
    return {"precededBy": {"transfer": newest.transfer, **(newest.head_json() or {})}}, epoch


def _find(transaction: Transaction, transfer: str) -> tuple[str, Ledger]:
    found = transaction.ledgers(transfer=transfer)
    if len(found) != 1:
        raise Misuse("no such transfer, or not yet receipted")
    return found[0]


def decide(node: Node, kind: str, transfer: str, source: Json, onward: str | None = None) -> Json:
    """Writes the next entry of a ledger: the sequencer appends it at once, the other party proposes it."""
    with node.store.write() as transaction:
        peer, ledger = _find(transaction, transfer)
        if ledger.forked:
            raise Misuse("the ledger is forked: nothing is appended (RCV-013)")
        if onward is not None:
            source = {**source, "outcome": {"kind": "moved-on", "onward": _onward(transaction, onward)}}
        waiting = [letter for letter in transaction.letters(peer, transfer) if letter.proposal is not None]
        if waiting:
            raise OnItsWay("an earlier decision is still on its way")
        entry = _make(node, ledger, kind, forms.new_uuid(), _body(source))
        ledger.check_rules(entry)
        check_outcome(node, transaction, entry)
        if ledger.role(node.code) == ORIGINATING:
            transaction.post(peer, transfer, entry.header.id, entry, None)
        else:
            append(node, transaction, peer, ledger, entry, forms.now())
            transaction.post(peer, transfer, entry.header.id, None, entry.header.digest)
    return {"transfer": transfer, "sequence": entry.header.sequence, "id": entry.header.id}


def _onward(transaction: Transaction, transfer: str) -> Json:
    """The accept of the onward ledger, without its body (PRV-009)."""
    _, ledger = _find(transaction, transfer)
    accept = next((entry for entry in ledger.entries if entry.header.type == "accept"), None)
    if accept is None:
        raise Misuse("nobody has accepted that transfer")
    return {**accept.wire(), "body": None, "erasedAt": forms.timestamp(forms.now())}


def _make(node: Node, ledger: Ledger, kind: str, id: str, body: Json) -> Entry:
    assert ledger.head is not None, "a ledger begins with its offer"
    if kind == "offer" or not may_write(kind, ledger.role(node.code)):
        raise Problem("wrong-author")
    first, head = ledger.entries[0].header, ledger.head.header
    header = {
        **{name: first.raw[name] for name in ("protocol", "transfer", "responsibility", "clockClass")},
        "sequence": ledger.next_sequence, "previous": head.digest, "id": id, "type": kind, "author": node.code,
        "recipient": ledger.receiving if ledger.originating == node.code else ledger.originating,
        "createdAt": _times(ledger), "bodyDigest": canonical.digest(body)}
    return _sign(node, header, body)


def with_present_key(node: Node, letter: Letter) -> Entry:
    """The proposal under a key that is in its lifetime now, the header as it was (SIG-007)."""
    proposal = letter.proposal
    assert proposal is not None
    key = node.directory.key(node.code, proposal.signature.kid)
    if key is not None and key.in_lifetime(forms.now()):
        return proposal
    signed = Entry.read({**proposal.wire(), "signature": signatures.sign(
        proposal.header.raw, "header", node.signing_key())})
    with node.store.write() as transaction:
        transaction.rewrite(letter, signed)
    return signed


def decide_again(node: Node, transaction: Transaction, letter: Letter, problem: str) -> str | None:
    """Signs a proposal anew on the ledger as it now is, or says why an officer has to look (DLV-014).
    "unchanged" says that there is nothing to decide anew."""
    old = letter.proposal
    ledger = transaction.ledger(letter.peer, letter.transfer)
    assert old is not None
    unchanged = problem if TABLE[problem][1] is Class.DECIDE_AGAIN else "unchanged"
    if ledger is None or old.header.type == "offer":
        return unchanged
    if ledger.forked:
        return "forked"
    if any(entry.header.type in DECISIONS for entry in ledger.entries[old.header.sequence:]):
        return "overtaken by a decision"
    if ledger.state.after(old.header.type) is None:
        return "not-allowed-in-stage"
    entry = _make(node, ledger, old.header.type, old.header.id, old.body or {})
    later = problem == "created-at-order" and entry.header.created_at > old.header.created_at
    if _place(entry.header) == _place(old.header) and not later:
        return unchanged
    transaction.rewrite(letter, entry)
    log("signed anew", transfer=letter.transfer, sequence=entry.header.sequence)
    return None


def _place(header: Header) -> tuple[int, str | None]:
    return header.sequence, header.previous


# What officers see

def worklist(node: Node) -> Json:
    """Every transfer with its stage, who is responsible as of which head, and its clocks."""
    now = forms.now()
    with node.store.read() as transaction:
        ledgers, letters = transaction.ledgers(), transaction.letters()
        return {
            "authority": node.code,
            "transfers": [_view(node, peer, ledger, ledgers, now) for peer, ledger in ledgers],
            "outbox": [{"number": one.row, "peer": one.peer, "transfer": one.transfer, "id": one.id,
                        "proposal": one.proposal is not None, "refused": one.refused, "owner": one.owner} for one in letters],
            "attention": transaction.attention(),
            "cases": transaction.cases(),
        }


def _view(node: Node, peer: str, ledger: Ledger, all_: list[tuple[str, Ledger]], now: int) -> Json:
    followed = any(other.entries[0].header.raw.get("precededBy", {}).get("transfer") == ledger.transfer
                   for _, other in all_)
    due = [{**asdict(one), "started_at": forms.timestamp(one.started_at),
            "ends": one.ends and forms.timestamp(one.ends), "overdue": one.ends is not None and one.ends <= now}
           for one in clocks(ledger, node.archive, followed)]
    return {"transfer": ledger.transfer, "with": peer, "role": ledger.role(node.code), "stage": ledger.state.stage,
            "forked": ledger.forked, "responsible": ledger.responsible(), "asOf": ledger.head_json(), "clocks": due}


def tell_overdue(node: Node, now: int) -> int:
    """Puts each deadline that has passed unmet before an officer, once, and says so to whoever reads the
    log for the escalation contact (CLK-005). How many are new."""
    with node.store.write() as transaction:
        ledgers = transaction.ledgers()
        views = [_view(node, peer, ledger, ledgers, now) for peer, ledger in ledgers]
        new = [(view["transfer"], due["clock"], due["owner"]) for view in views for due in view["clocks"]
               if due["overdue"] and transaction.attend(
                   "overdue", view["transfer"], f"{due['clock']} by {due['owner']}, due on {due['due_on']}")]
    for transfer, clock, owner in new:
        log("a clock has run out", transfer=transfer, clock=clock, owner=owner,
            escalation=node.directory.authorities[node.code].document["escalation"].get("email"))
    return len(new)


def show(node: Node, transfer: str) -> Json:
    with node.store.read() as transaction:
        peer, ledger = _find(transaction, transfer)
    view: dict[str, Any] = _view(node, peer, ledger, [], forms.now())
    return {**view, "entries": [entry.wire() for entry in ledger.entries]}


def resolve(node: Node, number: int, retry: bool) -> None:
    """A dead letter: sent again, or given up."""
    with node.store.write() as transaction:
        change = "UPDATE outbox SET refused = NULL" if retry else "DELETE FROM outbox"
        if transaction.do(f"{change} WHERE row = ? AND refused IS NOT NULL", number).rowcount == 0:
            raise Misuse("no such dead letter")


def attended(node: Node, number: int) -> None:
    with node.store.write() as transaction:
        if transaction.do("UPDATE attention SET resolved = 1 WHERE row = ?", number).rowcount == 0:
            raise Misuse("nothing has that number")


def export(node: Node, transfer: str) -> Json:
    """Section 14.1."""
    with node.store.read() as transaction:
        peer, ledger = _find(transaction, transfer)
        heads = transaction.heads(peer, transfer)
    return {
        "format": "cme-ledger/1", "transfer": transfer, "originating": ledger.originating,
        "receiving": ledger.receiving, "exportedBy": node.code, "exportedAt": forms.timestamp(forms.now()),
        "entries": [entry.wire() for entry in ledger.entries], "head": node.head(ledger), "peerHeads": heads,
        "forks": [{"entries": [entry.wire() for entry in branch]} for branch in ledger.branches]}
