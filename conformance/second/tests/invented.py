"""Deployments of this implementation in one process, with an invented directory."""

from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cme import canonical, forms, setup, signatures
from cme.canonical import Json
from cme.documents import Entry
from cme.judge import receive
from cme.node import Config, Node

NAMES = {"373": ("E08000039", "Sheffield"), "330": ("E08000025", "Birmingham"), "383": ("E08000035", "Leeds")}
DAY = 24 * 3600 * forms.NANOS


class Network:
    """Some authorities; `publish` gives them the next issue of their directory."""

    def __init__(self, folder: pathlib.Path, codes: tuple[str, ...] = ("373", "330")) -> None:
        self.folder, self.root, self.issues = folder, Ed25519PrivateKey.generate(), []
        self.records = {code: setup.init(folder / code, code, *NAMES[code], f"https://127.0.0.1:1/{code}",
                                         "127.0.0.1:0") for code in codes}
        self.publish()
        self.nodes = {code: Node.open(Config.load(folder / code / "second.toml")) for code in codes}

    def publish(self, **changes: Any) -> Json:
        now = forms.now()
        content = {
            "format": "cme-directory/1", "issue": len(self.issues) + 1,
            "previous": canonical.digest(self.issues[-1]) if self.issues else None,
            "issuedAt": forms.timestamp(now), "expiresAt": forms.timestamp(now + 300 * DAY), "graceDays": 14,
            "authorities": copy.deepcopy(list(self.records.values())),
            "policy": {
                "acknowledgeWorkingDays": {"standard": 5, "urgent": 1},
                "decideWorkingDays": {"standard": 10, "urgent": 3}, "reviewWorkingDays": 20,
                "originActWorkingDays": 5, "clockSkewSecondsMax": 300, "bankHolidays": [],
                "holidaysThrough": "2099-12-31"},
            "arbiter": {"name": "Regional panel"}, "rootKeys": [signatures.public_key(self.root)], **changes}
        self.issues.append(content)
        signed = {"directory": content, "signature": signatures.sign(content, "directory", self.root)}
        for code in self.records:
            (self.folder / code / "directory.json").write_text(json.dumps(signed))
        for node in getattr(self, "nodes", {}).values():
            node.refresh_directory()
        return content

    def carry(self, sender: str, to: str) -> None:
        """Brings every waiting letter of one authority to another, as a good network would, and the receipt back."""
        for letter in self.letters(sender):
            node, other = self.nodes[sender], self.nodes[to]
            with node.store.read() as transaction:
                ledger = transaction.ledger(to, letter.transfer)
            entry = letter.proposal or (ledger and ledger.with_digest(letter.digest or ""))
            assert entry is not None
            receipt = receive(other, sender, entry).receipt
            assert receipt is not None
            with node.store.write() as transaction:
                if letter.proposal is None:
                    transaction.keep_counter_receipt(to, entry, receipt)
                transaction.done(letter)
            if letter.proposal is not None:
                receive(node, to, Entry.read({**entry.wire(), "receipts": [receipt.document]}))

    def letters(self, code: str) -> list:
        with self.nodes[code].store.read() as transaction:
            return transaction.letters()
