"""Section 10: brings the outbox to the peers, for ever, and reads what the own copy lacks."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from . import canonical, forms, office
from .canonical import Json
from .client import Client, NotDelivered, Refusal
from .documents import Entry, Head, Receipt
from .judge import follow_up, receive
from .ledger import Ledger
from .node import Node, log
from .problems import Class, Problem
from .store import Letter

POLL_SECONDS = 0.2
PEERS_AT_A_TIME = 32
READS_MAX = 10
CLOCKS_SECONDS = 60
ALERT_NANOS = 24 * 3600 * forms.NANOS


class Sender:
    """One request is in flight to each peer at a time, so one put for each ledger (DLV-004)."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.client = Client(node)
        self.stopping = threading.Event()
        self.busy: set[str] = set()
        self.lock = threading.Lock()
        # When a ledger may be tried again, and how often it was. A restart forgets it and tries at once.
        self.pauses: dict[tuple[str, str], tuple[float, int]] = {}
        self.alerted: set[int] = set()

    def run(self) -> None:
        look = 0.0
        with ThreadPoolExecutor(PEERS_AT_A_TIME) as pool:
            while not self.stopping.is_set():
                self.node.wake.wait(POLL_SECONDS)
                self.node.wake.clear()
                self.node.refresh_directory()
                if time.monotonic() >= look:
                    look = time.monotonic() + CLOCKS_SECONDS
                    office.tell_overdue(self.node, forms.now())
                for peer, transfers in self._work().items():
                    with self.lock:
                        if peer in self.busy:
                            continue
                        self.busy.add(peer)
                    pool.submit(self._serve, peer, transfers)

    def _work(self) -> dict[str, list[str]]:
        """The ledgers with something to do now, by peer."""
        with self.node.store.read() as transaction:
            letters = transaction.letters()
        stopped = {(letter.peer, letter.transfer) for letter in letters if letter.refused}
        ready = {(letter.peer, letter.transfer) for letter in letters} - stopped | set(self.node.wanted)
        for letter in letters:
            if forms.now() - letter.since > ALERT_NANOS and letter.row not in self.alerted:
                self.alerted.add(letter.row)
                log("not delivered for a day", peer=letter.peer, transfer=letter.transfer)
        work: dict[str, list[str]] = {}
        for peer, transfer in sorted(ready):
            if self.pauses.get((peer, transfer), (0.0, 0))[0] <= time.monotonic():
                work.setdefault(peer, []).append(transfer)
        return work

    def _serve(self, peer: str, transfers: list[str]) -> None:
        try:
            for transfer in transfers:
                if not self.stopping.is_set():
                    self._serve_ledger(peer, transfer)
        finally:
            with self.lock:
                self.busy.discard(peer)

    def _serve_ledger(self, peer: str, transfer: str) -> None:
        try:
            if (peer, transfer) in self.node.wanted:
                if self.pauses.get((peer, transfer), (0.0, 0))[1] < READS_MAX:
                    self.pull(peer, transfer)
                # A peer that still has something for this ledger will send it again.
                self.node.wanted.discard((peer, transfer))
            while (letter := self._next(peer, transfer)) is not None:
                self._send(letter)
            self.pauses.pop((peer, transfer), None)
        except NotDelivered as reason:
            self._pause(peer, transfer, str(reason), reason.retry_after)
        except Exception as fault:
            log("fault", kind=type(fault).__name__, transfer=transfer)
            self._pause(peer, transfer, "fault", 0)

    def _next(self, peer: str, transfer: str) -> Letter | None:
        """The oldest letter of a ledger, unless one was refused: what follows it waits."""
        with self.node.store.read() as transaction:
            letters = transaction.letters(peer, transfer)
        return letters[0] if letters and not any(letter.refused for letter in letters) else None

    def _pause(self, peer: str, transfer: str, reason: str, retry_after: int) -> None:
        """DLV-007: exponential back-off with jitter, up to the ceiling; never before a Retry-After."""
        config = self.node.config
        attempts = self.pauses.get((peer, transfer), (0.0, 0))[1] + 1
        longest = min(config.retry_ceiling_seconds, config.retry_first_seconds * 2 ** min(attempts - 1, 20))
        pause = max(longest * random.uniform(0.5, 1.0), retry_after)
        self.pauses[peer, transfer] = (time.monotonic() + pause, attempts)
        log("not delivered yet", peer=peer, transfer=transfer, reason=reason, attempt=attempts)

    # One letter

    def _send(self, letter: Letter) -> None:
        if letter.proposal is not None:
            self._propose(letter)
        else:
            self._deliver(letter)

    def _propose(self, letter: Letter) -> None:
        proposal = office.with_present_key(self.node, letter)
        answer = self.client.put(letter.peer, proposal)
        if isinstance(answer, Receipt):
            if not (answer.names(proposal.header) and self._complete(letter, proposal, answer)):
                # The entry stands elsewhere, or after entries that are not held yet.
                self.pull(letter.peer, letter.transfer)
                if self._waits(letter):
                    raise NotDelivered("a receipt for another place")
        elif answer.kind is Class.FINAL:
            self._refuse(letter, answer.name)
        else:
            self.pull(letter.peer, letter.transfer)
            if answer.name == "sequence-gap":
                self._fill(letter.peer, letter.transfer, answer)
            self._decide_again(letter, answer)

    def _complete(self, letter: Letter, proposal: Entry, receipt: Receipt) -> bool:
        """LED-003: the proposal is part of the ledger from now on; whether it follows the own copy."""
        header, entry = proposal.header, proposal.with_receipts(receipt)
        with self.node.store.write() as transaction:
            ledger = transaction.ledger(letter.peer, letter.transfer) or Ledger(
                header.transfer, header.author, header.recipient)
            if ledger.with_digest(header.digest) is not None:
                transaction.done(letter)
                return True
            if ledger.forked or header.previous != (ledger.head.header.digest if ledger.head else None):
                return False
            try:
                ledger.check_rules(entry)
                transaction.append(letter.peer, ledger, entry)
                follow_up(self.node, transaction, letter.peer, ledger, header)
            except Problem as problem:
                transaction.attend("receipt-against-the-rules", letter.transfer, problem.name)
                transaction.refuse(letter, problem.name, "cme-team")
            return True

    def _decide_again(self, letter: Letter, answer: Refusal) -> None:
        """DLV-014, after the ledger was read."""
        if not self._waits(letter):
            return
        with self.node.store.write() as transaction:
            reason = office.decide_again(self.node, transaction, letter, answer.name)
        if reason == "unchanged":
            raise NotDelivered(answer.name)
        if reason is not None:
            self._refuse(letter, reason)

    def _deliver(self, letter: Letter) -> None:
        with self.node.store.read() as transaction:
            ledger = transaction.ledger(letter.peer, letter.transfer)
        entry = ledger.with_digest(letter.digest or "") if ledger else None
        assert ledger is not None and entry is not None, "an entry and the order to deliver it are stored together"
        answer = self.client.put(letter.peer, entry)
        if isinstance(answer, Receipt):
            if not answer.names(entry.header):
                raise NotDelivered("a receipt for another entry")
            with self.node.store.write() as transaction:
                transaction.keep_counter_receipt(letter.peer, entry, answer)
                transaction.done(letter)
        elif answer.name in ("sequence-gap", "sequence-conflict"):
            self.pull(letter.peer, letter.transfer)
            if answer.name == "sequence-conflict" or not self._fill(letter.peer, letter.transfer, answer):
                raise NotDelivered(answer.name)
        else:
            if answer.name == "forked":
                self.pull(letter.peer, letter.transfer)
            self._refuse(letter, answer.name)

    def _refuse(self, letter: Letter, problem: str) -> None:
        log("refused for good; an officer has to look", peer=letter.peer, transfer=letter.transfer, problem=problem)
        with self.node.store.write() as transaction:
            transaction.refuse(letter, problem, "cme-team")

    # Catching up

    def _fill(self, peer: str, transfer: str, answer: Refusal) -> bool:
        """DLV-011: delivers what a peer lacks, from its head on; whether it lacked anything."""
        with self.node.store.read() as transaction:
            ledger = transaction.ledger(peer, transfer)
        start = answer.head["sequence"] + 1 if answer.head else 0
        if ledger is None or not forms.is_integer(start):
            return False
        lacking = ledger.entries[start:]
        for entry in lacking:
            given = self.client.put(peer, entry)
            if isinstance(given, Refusal):
                raise NotDelivered(given.name)
            if given.by == ledger.originating and given.names(entry.header):
                with self.node.store.write() as transaction:
                    transaction.keep_counter_receipt(peer, entry, given)
        return bool(lacking)

    def _waits(self, letter: Letter) -> bool:
        with self.node.store.read() as transaction:
            return letter.row in {each.row for each in transaction.letters(letter.peer, letter.transfer)}

    def pull(self, peer: str, transfer: str) -> None:
        """DLV-010, DLV-012: reads the ledger from the peer and stores what extends the own copy, each
        entry judged as a delivery (DLV-013)."""
        with self.node.store.read() as transaction:
            ledger = transaction.ledger(peer, transfer)
        # The own head is read again: another header in its place shows a fork.
        place = max(ledger.next_sequence - 1, 0) if ledger else 0
        while True:
            try:
                page = self.client.read(peer, transfer, place)
            except NotDelivered as reason:
                if str(reason) == "ledger-unknown":
                    # A peer that holds nothing of the ledger has nothing to be read.
                    return
                raise
            if isinstance(page, Refusal):
                raise NotDelivered(page.name)
            branches = [one for fork in page["forks"] for one in fork.get("entries", [])]
            for document in page["entries"] + branches:
                if not self._store_read(peer, transfer, document):
                    break
            self._keep_head(peer, transfer, page)
            place += len(page["entries"])
            if not page["entries"] or page.get("more") is not True:
                return

    def _store_read(self, peer: str, transfer: str, document: object) -> bool:
        """Whether reading can go on after an entry."""
        try:
            canonical.check_limits(document)
            entry = Entry.read(document)
            if entry.header.transfer != transfer:
                raise Problem("path-mismatch")
            receive(self.node, peer, entry, read=True)
        except Problem as problem:
            if problem.name == "forked":
                return True
            log("not stored", peer=peer, transfer=transfer, problem=problem.name)
            return False
        return True

    def _keep_head(self, peer: str, transfer: str, page: Json) -> None:
        try:
            head = Head.read(page.get("head"))
        except Problem:
            return
        with self.node.store.write() as transaction:
            self.node.keep_head(transaction, peer, head, transaction.ledger(peer, transfer))
