"""Sections 4.1, 4.2, 6: entries, receipts and heads, read from JSON that is kept as it came."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Callable

from . import canonical, forms
from .canonical import Json
from .problems import Problem
from .signatures import Signature

TYPES = frozenset(
    "offer acknowledge request-information supply-information accept decline contest uphold redirect"
    " withdraw outcome retract correct".split()
)
STAGES = frozenset(
    "offered acknowledged declined contested accepted upheld redirected withdrawn settled".split()
)
LINKS = ("precededBy", "supersedes", "successorOf")
_VERSION = re.compile(r"1\.[0-9]+")


def _need(condition: bool, problem: str = "malformed") -> None:
    if not condition:
        raise Problem(problem)


def _members(source: Json, checks: dict[str, Callable[[Any], bool]]) -> None:
    for name, check in checks.items():
        _need(name in source and check(source[name]))


def is_link(value: Any) -> bool:
    return (isinstance(value, dict) and forms.is_uuid(value.get("transfer"))
            and forms.is_integer(value.get("sequence")) and forms.is_digest(value.get("headerDigest")))


def _is_responsibility(value: Any) -> bool:
    return isinstance(value, dict) and forms.is_uuid(value.get("id")) and forms.is_integer(value.get("epoch"), 1)


def _from_one(value: Any) -> bool:
    return forms.is_integer(value, 1)


_HEADER: dict[str, Callable[[Any], bool]] = {
    "protocol": lambda value: isinstance(value, str),
    "transfer": forms.is_uuid,
    "sequence": forms.is_integer,
    "previous": lambda value: value is None or forms.is_digest(value),
    "id": forms.is_uuid,
    "type": lambda value: isinstance(value, str),
    "author": forms.is_authority,
    "recipient": forms.is_authority,
    "createdAt": forms.is_timestamp,
    "responsibility": _is_responsibility,
    "clockClass": lambda value: value in ("standard", "urgent"),
    "bodyDigest": forms.is_digest,
}
_RECEIPT: dict[str, Callable[[Any], bool]] = {
    "transfer": forms.is_uuid,
    "sequence": forms.is_integer,
    "entryId": forms.is_uuid,
    "headerDigest": forms.is_digest,
    "receivedAt": forms.is_timestamp,
    "by": forms.is_authority,
    "incarnation": _from_one,
    "directoryIssue": _from_one,
}
_HEAD: dict[str, Callable[[Any], bool]] = {
    "transfer": forms.is_uuid,
    "originating": forms.is_authority,
    "receiving": forms.is_authority,
    "sequence": forms.is_integer,
    "headerDigest": forms.is_digest,
    "stage": lambda value: isinstance(value, str) and value in STAGES,
    "at": forms.is_timestamp,
    "by": forms.is_authority,
    "incarnation": _from_one,
    "directoryIssue": _from_one,
}


@dataclass(frozen=True)
class Header:
    raw: Json
    transfer: str
    sequence: int
    previous: str | None
    id: str
    type: str
    author: str
    recipient: str
    created_at: int
    responsibility: str
    epoch: int
    clock_class: str
    body_digest: str

    @classmethod
    def read(cls, raw: Any) -> Header:
        _need(isinstance(raw, dict))
        _members(raw, _HEADER)
        _need((raw["previous"] is None) == (raw["sequence"] == 0))
        for name in ("precededBy", "supersedes"):
            _need(name not in raw or is_link(raw[name]))
        successor = raw.get("successorOf", [{}, {}])
        _need(isinstance(successor, list) and len(successor) == 2)
        _need("successorOf" not in raw or all(map(is_link, successor)))
        _need(_VERSION.fullmatch(raw["protocol"]) is not None, "protocol-unsupported")
        _need(raw["type"] in TYPES, "type-unknown")
        return cls(raw, raw["transfer"], raw["sequence"], raw["previous"], raw["id"], raw["type"], raw["author"],
                   raw["recipient"], forms.instant(raw["createdAt"]), raw["responsibility"]["id"],
                   raw["responsibility"]["epoch"], raw["clockClass"], raw["bodyDigest"])

    @cached_property
    def digest(self) -> str:
        return canonical.digest(self.raw)


@dataclass(frozen=True)
class Receipt:
    raw: Json
    signature: Signature
    by: str
    received_at: int
    document: Json

    @classmethod
    def read(cls, document: Any) -> Receipt:
        _need(isinstance(document, dict))
        raw, signature = document.get("receipt"), document.get("signature")
        _need(isinstance(raw, dict) and isinstance(signature, str))
        _members(raw, _RECEIPT)
        return cls(raw, Signature.read(signature, "receipt", "receipt-invalid"), raw["by"],
                   forms.instant(raw["receivedAt"]), document)

    def names(self, header: Header) -> bool:
        return (self.raw["transfer"], self.raw["sequence"], self.raw["entryId"], self.raw["headerDigest"]) == (
            header.transfer, header.sequence, header.id, header.digest)


@dataclass(frozen=True)
class Head:
    raw: Json
    signature: Signature
    at: int
    document: Json

    @classmethod
    def read(cls, document: Any) -> Head:
        _need(isinstance(document, dict))
        raw, signature = document.get("head"), document.get("signature")
        _need(isinstance(raw, dict) and isinstance(signature, str))
        _members(raw, _HEAD)
        return cls(raw, Signature.read(signature, "head", "signature-invalid"), forms.instant(raw["at"]), document)


@dataclass(frozen=True)
class Entry:
    """An entry of the right shape. Nothing about it is believed yet."""

    header: Header
    signature: Signature
    receipts: tuple[Receipt, ...]
    document: Json  # as it came, without `receipts`

    @classmethod
    def read(cls, document: Any) -> Entry:
        """Step 2 of section 9.4, from the shape on."""
        _need(isinstance(document, dict))
        header = Header.read(document.get("header"))
        _need(isinstance(document.get("signature"), str))
        signature = Signature.read(document["signature"], "header", "signature-invalid")
        receipts = document.get("receipts", [])
        _need(isinstance(receipts, list) and len(receipts) <= 2)
        read = tuple(Receipt.read(receipt) for receipt in receipts)
        _need(len({receipt.by for receipt in read}) == len(read))
        body = document.get("body")
        _need(body is None or isinstance(body, dict))
        if "erasedAt" in document:
            _need("body" in document and body is None and forms.is_timestamp(document["erasedAt"]))
        _need(body is not None or ("erasedAt" in document and bool(read)), "body-missing")
        kept = {name: value for name, value in document.items() if name != "receipts"}
        return cls(header, signature, read, kept)

    @property
    def body(self) -> Json | None:
        return self.document.get("body")

    def receipt_by(self, code: str) -> Receipt | None:
        return next((receipt for receipt in self.receipts if receipt.by == code), None)

    def with_receipts(self, *receipts: Receipt | None) -> Entry:
        return replace(self, receipts=tuple(receipt for receipt in receipts if receipt is not None))

    def wire(self) -> Json:
        return {**self.document, "receipts": [receipt.document for receipt in self.receipts]}
