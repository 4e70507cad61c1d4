"""What a running deployment knows: its configuration, keys, directory and database."""

from __future__ import annotations

import json
import pathlib
import sys
import threading
import tomllib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from . import canonical, forms, signatures
from .canonical import Json
from .directory import Archive, Directory, Refused
from .documents import Head, Header, Receipt
from .ledger import Ledger
from .problems import Problem
from .store import Store, Transaction

ENTRY_BYTES_MAX = 65_536
PAGE_ITEMS_MAX = 100


def log(what: str, **facts: object) -> None:
    """One line to standard error. Callers give codes, ids and numbers alone (PRV-001)."""
    line = {"at": forms.timestamp(forms.now()), "what": what, **facts}
    print(json.dumps(line), file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Config:
    """The file that `init` writes. Paths are relative to its folder."""

    folder: pathlib.Path
    authority: str
    base_url: str
    listen: str
    incarnation: int
    database: str = "cme.sqlite"
    directory: str = "directory.json"
    directory_root: str | None = None
    retry_ceiling_seconds: float = 3600.0
    retry_first_seconds: float = 0.5

    @classmethod
    def load(cls, path: pathlib.Path) -> Config:
        with path.open("rb") as file:
            config = cls(folder=path.parent, **tomllib.load(file))
        if not forms.is_authority(config.authority) or not forms.is_integer(config.incarnation, 1):
            raise ValueError("authority is three digits, and incarnation counts from 1")
        if not 0 < config.retry_first_seconds <= config.retry_ceiling_seconds <= 3600:
            raise ValueError("retries pause for at most an hour")
        return config

    def file(self, name: str) -> pathlib.Path:
        return self.folder / name


@dataclass
class Node:
    config: Config
    store: Store
    keys: list[Ed25519PrivateKey]
    archive: Archive
    secret: bytes
    wake: threading.Event = field(default_factory=threading.Event)
    # Ledgers to be read from a peer, because it sent what lies beyond the own copy (DLV-012).
    wanted: set[tuple[str, str]] = field(default_factory=set)
    _seen: tuple[int, int] | None = None

    @classmethod
    def open(cls, config: Config) -> Node:
        store = Store(str(config.file(config.database)))
        keys = [load_pem_private_key(path.read_bytes(), None) for path in sorted(config.folder.glob("sign*.pem"))]
        with store.write() as transaction:
            secret, issues = transaction.secret(), transaction.issues()
        node = cls(config, store, [key for key in keys if isinstance(key, Ed25519PrivateKey)],
                   Archive(config.directory_root), secret)
        for signed in issues:
            node.archive.offer(signed)
        node.refresh_directory()
        if not node.archive.issues or config.authority not in node.directory.authorities:
            raise ValueError("no directory that lists this authority")
        return node

    @property
    def code(self) -> str:
        return self.config.authority

    @property
    def directory(self) -> Directory:
        return self.archive.newest

    def refresh_directory(self) -> None:
        """Takes the file's issue when it is new and follows (DIR-005); says so when it does not."""
        path = self.config.file(self.config.directory)
        try:
            status = path.stat()
            if (status.st_mtime_ns, status.st_size) == self._seen:
                return
            self._seen = (status.st_mtime_ns, status.st_size)
            signed = canonical.parse(path.read_bytes())
            if self.archive.offer(signed):
                with self.store.write() as transaction:
                    transaction.keep_issue(signed["directory"]["issue"], signed)
                log("directory taken", issue=self.directory.issue)
        except (OSError, Problem, Refused) as error:
            log("directory not taken", reason=str(error))

    def signing_key(self) -> Ed25519PrivateKey:
        """A key of this authority that is in its lifetime now (SIG-007)."""
        now = forms.now()
        for private in self.keys:
            key = self.directory.key(self.code, signatures.kid_of(signatures.public_key(private)))
            if key is not None and key.in_lifetime(now):
                return private
        raise Problem("unavailable")

    def sign(self, member: str, payload: Json) -> Json:
        return {member: payload, "signature": signatures.sign(payload, member, self.signing_key())}

    def stamp(self) -> Json:
        return {"by": self.code, "incarnation": self.config.incarnation, "directoryIssue": self.directory.issue}

    def receipt(self, header: Header, received_at: int) -> Receipt:
        return Receipt.read(self.sign("receipt", {
            "transfer": header.transfer, "sequence": header.sequence, "entryId": header.id,
            "headerDigest": header.digest, "receivedAt": forms.timestamp(received_at), **self.stamp()}))

    def head(self, ledger: Ledger) -> Json:
        """A signed head of the own copy, made now."""
        head = ledger.head_json()
        assert head is not None, "a ledger begins with its offer"
        return self.sign("head", {
            "transfer": ledger.transfer, "originating": ledger.originating, "receiving": ledger.receiving,
            **head, "stage": ledger.state.stage, "at": forms.timestamp(forms.now()), **self.stamp()})

    def verify_by(self, code: str, signature: signatures.Signature, payload: Json, at: int, problem: str) -> None:
        """A signature by an authority under a key of the directory that was in its lifetime (section 3)."""
        key = self.directory.key(code, signature.kid)
        if key is None:
            raise Problem("key-unknown")
        if not key.in_lifetime(at):
            raise Problem("key-not-valid")
        if not signature.verifies(payload, key.public):
            raise Problem(problem)

    def keep_head(self, transaction: Transaction, peer: str, head: Head, ledger: Ledger | None) -> None:
        """Stores a head that the peer signed, where it is about this ledger and verifies."""
        raw = head.raw
        if ledger is None or raw["transfer"] != ledger.transfer or raw["by"] != peer:
            return
        if (raw["originating"], raw["receiving"]) != (ledger.originating, ledger.receiving):
            return
        try:
            self.verify_by(peer, head.signature, raw, head.at, "signature-invalid")
        except Problem as problem:
            log("a head does not verify", peer=peer, transfer=ledger.transfer, problem=problem.name)
            return
        held = ledger.entries[raw["sequence"]] if raw["sequence"] < len(ledger.entries) else None
        transaction.keep_head(peer, head, held is not None and held.header.digest != raw["headerDigest"])
