"""Requests to a peer. Nothing is sent before its pin is known, and nothing is believed that does not verify."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509

from . import canonical
from .canonical import Json
from .documents import Entry, Header, Receipt
from .node import Node
from .problems import TABLE, URN, Class, Problem
from .server import pin_of

TIMEOUT_SECONDS = 15
ANSWER_BYTES_MAX = 64 << 20
RETRY_AFTER_MAX = 24 * 3600


class NotDelivered(Exception):
    """No refusal of the table and no proof of success: to be tried again (DLV-006)."""

    def __init__(self, reason: str, retry_after: int = 0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Refusal:
    """A problem of section 9.5 with what it says about the peer's head."""

    name: str
    kind: Class
    head: Json | None


class Client:
    def __init__(self, node: Node) -> None:
        self.node = node
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The pin decides; names and issuers mean nothing (section 9.1).
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(node.config.file("client.cert.pem"), node.config.file("client.key.pem"))

    def put(self, peer: str, entry: Entry) -> Receipt | Refusal:
        """Puts an entry. A receipt is by the addressed authority for this entry, and verifies (RCP-007)."""
        header = entry.header
        path = f"/v1/transfers/{header.transfer}/entries/{header.sequence}"
        status, content, pause = self._call(peer, "PUT", path, json.dumps(entry.wire(), ensure_ascii=False).encode())
        if status in (200, 201):
            return self._receipt(peer, header, content)
        return self._refusal(status, content, pause)

    def read(self, peer: str, transfer: str, start: int) -> Json | Refusal:
        """One page of a ledger as the peer gives it. Its entries are still to be judged."""
        status, content, pause = self._call(peer, "GET", f"/v1/transfers/{transfer}/entries?from={start}&limit=100")
        if status != 200:
            return self._refusal(status, content, pause)
        page = _parse(content)
        if not isinstance(page.get("entries"), list) or not isinstance(page.get("forks"), list):
            raise NotDelivered("no page")
        return page

    def _receipt(self, peer: str, header: Header, content: bytes) -> Receipt:
        try:
            receipt = Receipt.read(canonical.parse(content))
            if (receipt.by, receipt.raw["transfer"], receipt.raw["entryId"]) != (peer, header.transfer, header.id):
                raise Problem("receipt-invalid")
            self.node.verify_by(peer, receipt.signature, receipt.raw, receipt.received_at, "receipt-invalid")
        except Problem as problem:
            raise NotDelivered(f"success without a receipt: {problem.name}") from None
        return receipt

    def _refusal(self, status: int, content: bytes, pause: int) -> Refusal:
        try:
            problem = _parse(content)
            name = str(problem.get("type", "")).removeprefix(URN)
        except NotDelivered:
            name, problem = "", {}
        if name not in TABLE or problem["type"] != URN + name:
            raise NotDelivered(f"status {status} without a problem of the table", pause)
        kind = TABLE[name][1]
        if kind is Class.RETRY:
            raise NotDelivered(name, pause)
        head = problem.get("head")
        return Refusal(name, kind, head if isinstance(head, dict) else None)

    def _call(self, peer: str, method: str, path: str, content: bytes | None = None) -> tuple[int, bytes, int]:
        self.node.refresh_directory()
        authority = self.node.directory.reached_at(peer)
        if authority.base_url is None:
            raise NotDelivered("not connected")
        base = urlsplit(authority.base_url)
        connection = http.client.HTTPSConnection(base.hostname or "", base.port or 443, timeout=TIMEOUT_SECONDS,
                                                 context=self.context)
        try:
            connection.connect()
            certificate = connection.sock.getpeercert(binary_form=True)
            if certificate is None or pin_of(x509.load_der_x509_certificate(certificate)) not in authority.server_pins:
                raise NotDelivered("the server's pin is not in the directory")
            fields = {"CME-Incarnation": str(self.node.config.incarnation), "Accept": "application/json"}
            if content is not None:
                fields["Content-Type"] = "application/json"
            connection.request(method, base.path + path, body=content, headers=fields)
            response = connection.getresponse()
            answer = response.read(ANSWER_BYTES_MAX)
            return response.status, answer, _pause(response.getheader("Retry-After"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotDelivered(type(error).__name__) from None
        finally:
            connection.close()


def _pause(field: str | None) -> int:
    """Seconds of a Retry-After, at most a day (DLV-008)."""
    if field is None or not re.fullmatch("[0-9]{1,18}", field.strip()):
        return 0
    return min(int(field), RETRY_AFTER_MAX)


def _parse(content: bytes) -> Json:
    try:
        return canonical.parse(content)
    except Problem:
        raise NotDelivered("no JSON") from None
