"""Section 9: HTTP/1.1 over TLS with pinned client certificates, and the operations of the core profile."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import select
import socket
import socketserver
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL

from . import canonical, forms
from .canonical import Json
from .documents import Entry
from .judge import receive
from .ledger import Ledger
from .node import ENTRY_BYTES_MAX, PAGE_ITEMS_MAX, Node, log
from .problems import Problem
from .store import Transaction

PROFILES = ["core"]
REQUEST_SECONDS_MAX = 30
IDLE_SECONDS_MAX = 60
CONNECTIONS_MAX = 512
CONNECTIONS_PER_CALLER_MAX = 64
REQUESTS_PER_SECOND = 200
REQUESTS_BURST = 1000
LINGER_SECONDS_MAX = 2
LINGER_BYTES_MAX = 4 << 20
ENTRIES = re.compile(r"/v1/transfers/([^/]+)/entries(?:/([^/]+))?")


def pin_of(certificate: Any) -> str:
    """The SHA-256 of a certificate's SubjectPublicKeyInfo."""
    info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return canonical.encode(hashlib.sha256(info).digest())


def tls_context(node: Node) -> SSL.Context:
    """TLS 1.3 that demands a client certificate of any issuer: the pin decides (TRN-001, TRN-003).

    The standard library's `ssl` can only demand certificates whose issuer it knows."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.use_privatekey_file(str(node.config.file("server.key.pem")))
    context.use_certificate_file(str(node.config.file("server.cert.pem")))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    # TRN-002
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    return context


class _Stream(io.RawIOBase):
    """A TLS connection as a file, each wait of which ends at `deadline`."""

    def __init__(self, connection: SSL.Connection, plain: socket.socket) -> None:
        self.connection, self.plain, self.deadline = connection, plain, time.monotonic() + REQUEST_SECONDS_MAX

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def retry(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except SSL.WantReadError:
                self._wait([self.plain], [])
            except SSL.WantWriteError:
                self._wait([], [self.plain])

    def _wait(self, reads: list[socket.socket], writes: list[socket.socket]) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0 or not any(select.select(reads, writes, [], left)):
            raise TimeoutError

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self.retry(lambda: self.connection.recv_into(buffer)))
        except (SSL.ZeroReturnError, SSL.SysCallError):
            return 0

    def write(self, data: Any) -> int:
        return int(self.retry(lambda: self.connection.send(bytes(data))))


class _Limits:
    """TRN-021: how much one caller may ask for at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connections: Counter[str] = Counter()
        self.buckets: dict[str, tuple[float, float]] = defaultdict(lambda: (float(REQUESTS_BURST), time.monotonic()))

    def enter(self, pin: str) -> bool:
        with self.lock:
            self.connections[pin] += 1
            return self.connections[pin] <= CONNECTIONS_PER_CALLER_MAX

    def leave(self, pin: str) -> None:
        with self.lock:
            self.connections[pin] -= 1

    def take(self, caller: str) -> bool:
        with self.lock:
            tokens, then = self.buckets[caller]
            now = time.monotonic()
            tokens = min(REQUESTS_BURST, tokens + (now - then) * REQUESTS_PER_SECOND)
            self.buckets[caller] = (tokens - 1 if tokens >= 1 else tokens, now)
            return tokens >= 1


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, node: Node) -> None:
        self.node = node
        self.context = tls_context(node)
        self.limits = _Limits()
        self.slots = threading.BoundedSemaphore(CONNECTIONS_MAX)
        host, port = node.config.listen.rsplit(":", 1)
        super().__init__((host, int(port)), _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        if not self.slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is no event; faults of the server are logged where they are answered."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "cme-second"
    sys_version = ""
    server: Server

    # Connection

    def setup(self) -> None:
        self.request.setblocking(False)
        self.tls = SSL.Connection(self.server.context, self.request)
        self.tls.set_accept_state()
        self.stream = _Stream(self.tls, self.request)
        self.stream.retry(self.tls.do_handshake)
        self.pin = pin_of(self.tls.get_peer_certificate(as_cryptography=True))
        self.reader = self.rfile = io.BufferedReader(self.stream)
        self.wfile = io.BufferedWriter(self.stream, 1 << 20)

    def handle(self) -> None:
        self.close_connection = True
        try:
            if self.server.limits.enter(self.pin):
                super().handle()
        except (OSError, SSL.Error):
            pass
        finally:
            self.server.limits.leave(self.pin)

    def handle_one_request(self) -> None:
        self.stream.deadline = time.monotonic() + IDLE_SECONDS_MAX
        self.reader.peek(1)
        self.stream.deadline = time.monotonic() + REQUEST_SECONDS_MAX
        super().handle_one_request()

    def finish(self) -> None:
        try:
            self.wfile.flush()
            self.tls.shutdown()
            self._linger()
        except (OSError, SSL.Error, ValueError):
            pass

    def _linger(self) -> None:
        """Takes what is still on its way: closed with it unread, the connection would be reset, and the answer could
        be lost with it (RFC 9112, section 9.6)."""
        self.request.shutdown(socket.SHUT_WR)
        deadline, bytes_left = time.monotonic() + LINGER_SECONDS_MAX, LINGER_BYTES_MAX
        while bytes_left > 0 and (seconds_left := deadline - time.monotonic()) > 0:
            self.request.settimeout(seconds_left)
            taken = len(self.request.recv(1 << 16))
            if not taken:
                return
            bytes_left -= taken

    def log_message(self, format: str, *args: Any) -> None:
        """Paths name transfers only, but nobody needs a line for each request."""

    # HTTP

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def _respond(self) -> None:
        self.left_unread = True
        try:
            status, document = self._operation()
            self._send(status, "application/json", document)
        except Problem as problem:
            self._refuse(problem)
        except (OSError, SSL.Error):
            raise
        except Exception as fault:
            log("fault", kind=type(fault).__name__)
            self._refuse(Problem("internal"))

    def _refuse(self, problem: Problem) -> None:
        self._send(problem.status, "application/problem+json", problem.document(),
                   **({"Retry-After": "1"} if problem.name == "rate-limited" else {}))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no HTTP request, told in the same form."""
        self.close_connection = True
        self.request_version = "HTTP/1.1"
        self._refuse(Problem("malformed"))

    def _send(self, status: int, kind: str, document: Json, **extra: str) -> None:
        content = json.dumps(document, ensure_ascii=False).encode()
        if getattr(self, "left_unread", False) and self._has_content():
            # What was not read would be taken for the next request.
            self.close_connection = True
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store",
                            **extra}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def _has_content(self) -> bool:
        return "chunked" in self._codings() or self.headers.get("Content-Length", "0") != "0"

    def _codings(self) -> str:
        return self.headers.get("Transfer-Encoding", "").lower()

    def _content(self) -> bytes:
        """The content, never more of it in memory than an entry may have (CAN-008)."""
        too_large = Problem("too-large", limit=ENTRY_BYTES_MAX)
        if self._codings():
            if self._codings() != "chunked" or "Content-Length" in self.headers:
                raise Problem("malformed")
            return self._chunks(too_large)
        length = self.headers.get("Content-Length", "0")
        if len(self.headers.get_all("Content-Length", [])) > 1 or not re.fullmatch("[0-9]{1,18}", length):
            raise Problem("malformed")
        if int(length) > ENTRY_BYTES_MAX:
            raise too_large
        content = self.rfile.read(int(length))
        if len(content) != int(length):
            raise ConnectionError
        self.left_unread = False
        return content

    def _chunks(self, too_large: Problem) -> bytes:
        content = b""
        while True:
            size = re.fullmatch(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;.*)?\r?\n", self.rfile.readline(1024))
            if size is None:
                raise Problem("malformed")
            length = int(size[1], 16)
            if len(content) + length > ENTRY_BYTES_MAX:
                raise too_large
            if length == 0:
                break
            content += self.rfile.read(length)
            if self.rfile.readline(8).strip():
                raise Problem("malformed")
        while self.rfile.readline(1024).strip():
            pass
        self.left_unread = False
        return content

    # Operations

    def _operation(self) -> tuple[int, Json]:
        """Step 1 of section 9.4, then what the operation is for."""
        node = self.server.node
        caller = node.directory.caller(self.pin)
        if caller is None:
            raise Problem("peer-unknown")
        if not re.fullmatch("0*[1-9][0-9]{0,15}", self.headers.get("CME-Incarnation", "1").strip()):
            raise Problem("malformed")
        if not self.server.limits.take(caller):
            raise Problem("rate-limited")
        target = urlsplit(self.path)
        base = urlsplit(node.config.base_url).path
        if not target.path.startswith(base + "/v1/"):
            other = re.match("/[0-9]{3}/v1/", target.path)
            raise Problem("hosted-unknown" if other else "route-unknown")
        path = target.path[len(base):]
        operations: dict[str, Callable[[], tuple[int, Json]]]
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        place = ENTRIES.fullmatch(path)
        if place and place[2] is not None:
            operations = {"PUT": lambda: self._put(caller, place[1], place[2])}
        elif place:
            operations = {"GET": lambda: self._read_ledger(caller, place[1], query)}
        elif path == "/v1/capabilities":
            operations = {"GET": self._capabilities}
        elif path == "/v1/heads":
            operations = {"GET": lambda: self._heads(caller, query)}
        elif path == "/v1/reconciliation":
            operations = {"GET": lambda: self._reconciliation(caller)}
        else:
            raise Problem("route-unknown")
        if self.command not in operations:
            raise Problem("method-not-allowed")
        return operations[self.command]()

    def _put(self, caller: str, transfer: str, sequence: str) -> tuple[int, Json]:
        node = self.server.node
        media = self.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if media != "application/json":
            raise Problem("media-type")
        value = canonical.parse(self._content())
        canonical.check_limits(value)
        entry = Entry.read(value)
        if (entry.header.transfer, str(entry.header.sequence)) != (transfer, sequence):
            raise Problem("path-mismatch")
        try:
            verdict = receive(node, caller, entry)
        except Problem as problem:
            if problem.name == "sequence-gap":
                node.wanted.add((caller, transfer))
                node.wake.set()
            raise
        assert verdict.receipt is not None
        return 201 if verdict.new else 200, verdict.receipt.document

    def _capabilities(self) -> tuple[int, Json]:
        node = self.server.node
        return 200, {
            "authority": node.code, "protocols": ["1.0"], "profiles": PROFILES,
            "software": {"name": "cme-second", "version": "1"}, "incarnation": node.config.incarnation,
            "directoryIssue": node.directory.issue, "directoryDigest": node.directory.digest,
            "limits": {"entryBytesMax": ENTRY_BYTES_MAX, "depthMax": canonical.DEPTH_MAX,
                       "pageItemsMax": PAGE_ITEMS_MAX},
        }

    def _read_ledger(self, caller: str, transfer: str, query: dict[str, str]) -> tuple[int, Json]:
        start = _integer(query.get("from", "0"), 0, canonical.INTEGER_MAX)
        limit = min(_integer(query.get("limit", "100"), 1, 1000), PAGE_ITEMS_MAX)
        with self.server.node.store.read() as transaction:
            ledger = self._ledger_for(transaction, caller, transfer)
        if ledger is None:
            raise Problem("ledger-unknown")
        page = ledger.entries[start:start + limit]
        return 200, {
            "entries": [entry.wire() for entry in page],
            "more": start + len(page) < len(ledger.entries) and bool(page),
            "head": self.server.node.head(ledger),
            "forks": [{"entries": [entry.wire() for entry in branch]} for branch in ledger.branches],
        }

    def _ledger_for(self, transaction: Transaction, caller: str, transfer: str) -> Ledger | None:
        """The caller's own ledger, or that of an authority that it acts for (section 8.4)."""
        directory = self.server.node.directory
        followed = [code for code in directory.authorities if caller in directory.acting(code)]
        found = (transaction.ledger(code, transfer) for code in [caller, *followed])
        return next((ledger for ledger in found if ledger is not None), None)

    def _heads(self, caller: str, query: dict[str, str]) -> tuple[int, Json]:
        node = self.server.node
        place = self._cursor_place(caller, query["after"]) if "after" in query else 0
        with node.store.read() as transaction:
            rows = transaction.changed_after(caller, place, PAGE_ITEMS_MAX + 1)
            page = rows[:PAGE_ITEMS_MAX]
            ledgers = [transaction.ledger(caller, transfer) for _, transfer in page]
        return 200, {
            "incarnation": node.config.incarnation,
            "heads": [node.head(ledger) for ledger in ledgers if ledger is not None],
            "next": self._cursor(caller, node.config.incarnation, page[-1][0] if page else place),
            "more": len(rows) > PAGE_ITEMS_MAX,
        }

    def _cursor(self, caller: str, incarnation: int, place: int) -> str:
        """A place that nobody but this caller can have been given (RCV-006)."""
        words = f"{incarnation}.{place}"
        tag = hmac.digest(self.server.node.secret, f"{caller}.{words}".encode(), "sha256")[:12]
        return f"{words}.{tag.hex()}"

    def _cursor_place(self, caller: str, cursor: str) -> int:
        parts = re.fullmatch(r"([1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})\.[0-9a-f]{24}", cursor)
        if parts is None:
            raise Problem("cursor-invalid")
        incarnation, place = int(parts[1]), int(parts[2])
        if not hmac.compare_digest(self._cursor(caller, incarnation, place), cursor):
            raise Problem("cursor-invalid")
        if incarnation != self.server.node.config.incarnation:
            raise Problem("cursor-expired")
        return place

    def _reconciliation(self, caller: str) -> tuple[int, Json]:
        node = self.server.node
        with node.store.read() as transaction:
            ledgers = sorted((ledger for _, ledger in transaction.ledgers(peer=caller)), key=lambda one: one.transfer)
        return 200, node.sign("reconciliation", {
            "by": node.code, "with": caller, "ledgers": len(ledgers), "digest": reconciliation_digest(ledgers),
            "at": forms.timestamp(forms.now()), "incarnation": node.config.incarnation,
            "directoryIssue": node.directory.issue})


def reconciliation_digest(ledgers: list[Ledger]) -> str:
    return canonical.digest({"heads": [{"transfer": one.transfer, **(one.head_json() or {})} for one in ledgers]})


def _integer(text: str, least: int, most: int) -> int:
    if not re.fullmatch("[0-9]{1,20}", text) or not least <= int(text) <= most:
        raise Problem("cursor-invalid")
    return int(text)
