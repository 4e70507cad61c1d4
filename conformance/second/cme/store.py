"""What is durable: one SQLite database for one authority, shared by server and command line."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator

from . import canonical, forms
from .canonical import Json
from .documents import Entry, Head, Receipt
from .ledger import Ledger

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS issue (number INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (
    peer TEXT, transfer TEXT, originating TEXT NOT NULL, receiving TEXT NOT NULL, responsibility TEXT NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (peer, transfer)
);
CREATE INDEX IF NOT EXISTS ledger_transfer ON ledger (transfer);
CREATE INDEX IF NOT EXISTS ledger_case ON ledger (responsibility);
CREATE UNIQUE INDEX IF NOT EXISTS ledger_changed ON ledger (changed);
CREATE TABLE IF NOT EXISTS entry (
    peer TEXT, transfer TEXT, digest TEXT, id TEXT NOT NULL, branch INTEGER NOT NULL, sequence INTEGER NOT NULL,
    document TEXT NOT NULL, sequencers TEXT, counter TEXT,
    PRIMARY KEY (peer, transfer, digest)
);
CREATE INDEX IF NOT EXISTS entry_id ON entry (peer, id);
CREATE TABLE IF NOT EXISTS outbox (
    row INTEGER PRIMARY KEY AUTOINCREMENT, peer TEXT NOT NULL, transfer TEXT NOT NULL, id TEXT NOT NULL,
    proposal TEXT, digest TEXT, since INTEGER NOT NULL, refused TEXT, owner TEXT
);
CREATE INDEX IF NOT EXISTS outbox_ledger ON outbox (peer, transfer);
CREATE TABLE IF NOT EXISTS peer_head (peer TEXT, transfer TEXT, digest TEXT, at INTEGER, document TEXT NOT NULL,
    PRIMARY KEY (peer, transfer, digest));
CREATE TABLE IF NOT EXISTS local_case (
    responsibility TEXT PRIMARY KEY, review_on TEXT NOT NULL, closed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS attention (
    row INTEGER PRIMARY KEY, what TEXT NOT NULL, transfer TEXT NOT NULL, detail TEXT NOT NULL, at TEXT NOT NULL,
    resolved INTEGER NOT NULL DEFAULT 0, UNIQUE (what, transfer, detail)
);
"""


@dataclass(frozen=True)
class Letter:
    """A row of the outbox: a proposal with its text, or a delivery that names its entry by digest."""

    row: int
    peer: str
    transfer: str
    id: str
    proposal: Entry | None
    digest: str | None
    since: int
    refused: str | None
    owner: str | None


class Transaction:
    """Queries on one snapshot. Everything that it writes is committed together, and on disk."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.database.execute(statement, values).fetchall()

    def do(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self.database.execute(statement, values)

    # Ledgers

    def ledger(self, peer: str, transfer: str) -> Ledger | None:
        roles = self._rows("SELECT originating, receiving FROM ledger WHERE peer = ? AND transfer = ?", peer, transfer)
        if not roles:
            return None
        found = Ledger(transfer, *roles[0])
        rows = self._rows("SELECT branch, document, sequencers, counter FROM entry WHERE peer = ? AND transfer = ?"
                          " ORDER BY branch, sequence", peer, transfer)
        for branch, *columns in rows:
            entry = _entry(*columns)
            if branch == 0:
                found.entries.append(entry)
            else:
                found.branches.extend([] for _ in range(branch - len(found.branches)))
                found.branches[branch - 1].append(entry)
        return found

    def ledgers(self, **where: str) -> list[tuple[str, Ledger]]:
        """Ledgers with their peers: all, or those of a `peer`, a `transfer` or a `responsibility`."""
        condition = "".join(f" AND {column} = ?" for column in where)
        rows = self._rows(f"SELECT peer, transfer FROM ledger WHERE true{condition} ORDER BY changed",
                          *where.values())
        return [(one, ledger) for one, transfer in rows if (ledger := self.ledger(one, transfer)) is not None]

    def shares_a_ledger(self, peer: str) -> bool:
        return bool(self._rows("SELECT 1 FROM ledger WHERE peer = ? LIMIT 1", peer))

    def changed_after(self, peer: str, place: int, limit: int) -> list[tuple[int, str]]:
        return self._rows("SELECT changed, transfer FROM ledger WHERE peer = ? AND changed > ?"
                          " ORDER BY changed LIMIT ?", peer, place, limit)

    def id_is_used(self, peer: str, id: str) -> bool:
        return bool(self._rows("SELECT 1 FROM entry WHERE peer = ? AND id = ? LIMIT 1", peer, id))

    def append(self, peer: str, ledger: Ledger, entry: Entry, branch: int = 0) -> None:
        """Puts an entry at the end of the main copy, or of a branch, and the ledger last among the heads."""
        transfer = ledger.transfer
        self.do("INSERT INTO ledger SELECT ?, ?, ?, ?, ?, 1 + coalesce(max(changed), 0) FROM ledger WHERE true"
                " ON CONFLICT DO UPDATE SET changed = excluded.changed",
                peer, transfer, ledger.originating, ledger.receiving, entry.header.responsibility)
        sequencers, counter = entry.receipt_by(ledger.receiving), entry.receipt_by(ledger.originating)
        self.do("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", peer, transfer, entry.header.digest,
                entry.header.id, branch, entry.header.sequence, _text(entry.document),
                _text(sequencers.document) if sequencers else None, _text(counter.document) if counter else None)
        if branch == 0:
            ledger.entries.append(entry)

    def keep_counter_receipt(self, peer: str, entry: Entry, receipt: Receipt) -> None:
        self.do("UPDATE entry SET counter = ? WHERE peer = ? AND transfer = ? AND digest = ? AND counter IS NULL",
                _text(receipt.document), peer, entry.header.transfer, entry.header.digest)

    def keep_head(self, peer: str, head: Head, contradicts: bool) -> None:
        """The newest head by the peer, and each that contradicts the own copy (RCP-009)."""
        transfer, digest = head.raw["transfer"], canonical.digest(head.raw)
        if not contradicts:
            self.do("DELETE FROM peer_head WHERE peer = ? AND transfer = ? AND at >= 0 AND at <= ?",
                    peer, transfer, head.at)
        self.do("INSERT OR IGNORE INTO peer_head VALUES (?, ?, ?, ?, ?)", peer, transfer, digest,
                -1 if contradicts else head.at, _text(head.document))

    def heads(self, peer: str, transfer: str) -> list[Json]:
        rows = self._rows("SELECT document FROM peer_head WHERE peer = ? AND transfer = ?", peer, transfer)
        return [json.loads(document) for document, in rows]

    # Outbox

    def post(self, peer: str, transfer: str, id: str, proposal: Entry | None, digest: str | None) -> None:
        self.do("INSERT INTO outbox (peer, transfer, id, proposal, digest, since) VALUES (?, ?, ?, ?, ?, ?)",
                peer, transfer, id, _text(proposal.wire()) if proposal else None, digest, forms.now())

    def letters(self, peer: str | None = None, transfer: str | None = None) -> list[Letter]:
        rows = self._rows("SELECT row, peer, transfer, id, proposal, digest, since, refused, owner FROM outbox"
                          " WHERE coalesce(?, peer) = peer AND coalesce(?, transfer) = transfer ORDER BY row",
                          peer, transfer)
        return [Letter(row, one, t, id, Entry.read(json.loads(text)) if text else None, digest, since, refused, owner)
                for row, one, t, id, text, digest, since, refused, owner in rows]

    def rewrite(self, letter: Letter, proposal: Entry) -> None:
        self.do("UPDATE outbox SET proposal = ? WHERE row = ?", _text(proposal.wire()), letter.row)

    def done(self, letter: Letter) -> None:
        self.do("DELETE FROM outbox WHERE row = ?", letter.row)

    def refuse(self, letter: Letter, problem: str, owner: str) -> None:
        """A dead letter, with who has to look at it (DLV-009)."""
        self.do("UPDATE outbox SET refused = ?, owner = ? WHERE row = ?", problem, owner, letter.row)

    # What officers see

    def attend(self, what: str, transfer: str, detail: str) -> bool:
        """Puts something before an officer, once; whether it is new."""
        return self.do("INSERT OR IGNORE INTO attention (what, transfer, detail, at) VALUES (?, ?, ?, ?)",
                       what, transfer, detail, forms.timestamp(forms.now())).rowcount > 0

    def attention(self) -> list[Json]:
        rows = self._rows("SELECT row, what, transfer, detail, at FROM attention WHERE resolved = 0 ORDER BY row")
        return [dict(zip(("number", "what", "transfer", "detail", "at"), row)) for row in rows]

    def open_case(self, responsibility: str, review_on: str) -> None:
        self.do("INSERT INTO local_case VALUES (?, ?, 0) ON CONFLICT DO UPDATE SET review_on = excluded.review_on,"
                " closed = 0", responsibility, review_on)

    def close_case(self, responsibility: str) -> None:
        self.do("UPDATE local_case SET closed = 1 WHERE responsibility = ?", responsibility)

    def cases(self) -> list[Json]:
        rows = self._rows("SELECT responsibility, review_on FROM local_case WHERE closed = 0 ORDER BY review_on")
        return [{"responsibility": one, "reviewOn": day} for one, day in rows]

    # The deployment

    def issues(self) -> list[Json]:
        return [json.loads(text) for text, in self._rows("SELECT document FROM issue ORDER BY number")]

    def keep_issue(self, number: int, signed: Json) -> None:
        self.do("INSERT OR IGNORE INTO issue VALUES (?, ?)", number, _text(signed))

    def secret(self) -> bytes:
        """Under which cursors are bound to a caller. Made once."""
        self.do("INSERT OR IGNORE INTO meta VALUES ('secret', ?)", secrets.token_hex(32))
        return bytes.fromhex(self._rows("SELECT value FROM meta WHERE name = 'secret'")[0][0])


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _entry(document: str, sequencers: str | None, counter: str | None) -> Entry:
    receipts = [json.loads(text) for text in (sequencers, counter) if text is not None]
    return Entry.read({**json.loads(document), "receipts": receipts})


class Store:
    """The database. Every thread has a connection of its own; one transaction writes at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._local = threading.local()
        with self.write() as transaction:
            for statement in _TABLES.split(";"):
                transaction.do(statement)

    def _connection(self) -> sqlite3.Connection:
        database = getattr(self._local, "database", None)
        if database is None:
            database = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            database.execute("PRAGMA journal_mode = WAL")
            # A commit is on disk before anything that follows from it leaves (RCP-001).
            database.execute("PRAGMA synchronous = FULL")
            self._local.database = database
        return database

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        yield from self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        yield from self._transaction("BEGIN")

    def _transaction(self, begin: str) -> Iterator[Transaction]:
        database = self._connection()
        database.execute(begin)
        try:
            yield Transaction(database)
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise
