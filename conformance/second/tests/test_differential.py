"""The same requests to both implementations: where the text leaves no choice, they answer alike.

A third authority, whose keys the test holds, offers children to either and varies one thing at a time."""

from __future__ import annotations

import copy
import http.client
import json
import os
import pathlib
import random
import tempfile
import unittest
from typing import Any, Callable
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cme import canonical, forms, signatures
from cme.client import Client
from cme.directory import Archive
from cme.node import Config, Node
from cme.verify import Verifier

from .network import VECTORS, Reference, Second, binary, examples, publish, run, wait_for

REMOVED = object()
MUTATIONS = 80
Change = tuple[str, Any]

# Pointer into the body of an offer, and what stands there instead.
OFFER: list[Change] = [
    ("/salt", "AAECAwQFBgcICQoLDA0OD"), ("/salt", 1), ("/salt", REMOVED), ("/child", REMOVED), ("/child", []),
    ("/child/familyName", ""), ("/child/familyName", " \t"), ("/child/familyName", "\u001c"),
    ("/child/familyName", "\u00a0\u3000"), ("/child/familyName", "\u200b"), ("/child/familyName", "\u0085"),
    ("/child/familyName", "x" * 4000), ("/child/familyName", "\U0001f600" * 4000),
    ("/child/familyName", "x" * 4001), ("/child/familyName", None), ("/child/familyName", REMOVED),
    ("/child/givenName", None), ("/child/givenName", 7), ("/child/formerFamilyNames", []),
    ("/child/formerFamilyNames", None), ("/child/formerUpns", None), ("/believedAddress/lines", None),
    ("/child/dateOfBirth", "0000-01-01"), ("/child/dateOfBirth", "9999-01-01"),
    ("/child/formerFamilyNames", ["A", ""]), ("/child/dateOfBirth", "0001-01-01"), ("/child/dateOfBirth", "2016-02-30"), ("/child/dateOfBirth", "2016-2-3"),
    ("/child/dateOfBirth", "20160203"), ("/child/dateOfBirth", "2016-05-14T00:00:00Z"), ("/child/sex", "X"),
    ("/child/sex", "f"), ("/child/upn", "B373000020002"), ("/child/upn", None), ("/child/upnUnknownReason", "UN2"),
    ("/child/upnUnknownReason", None), ("/child/formerUpns", ["B373000020001", "B373000020001"]),
    ("/child/formerUpns", ["B37300002000"]), ("/child/nhsNumber", "9999999999"), ("/child/nhsNumber", 9990000018),
    ("/child/uln", "9000000016"), ("/child/uln", "9000000009"), ("/child/unknown", {"anything": [1, None]}),
    ("/circumstances/reason", "not-a-reason"), ("/circumstances/cmeSince", REMOVED),
    ("/circumstances/lastSchool", {}), ("/circumstances/lastSchool", {"urn": None}),
    ("/circumstances/lastSchool", {"name": "Invented Primary School"}), ("/circumstances/lastSchool", None),
    ("/circumstances/lastSchool/urn", "099999"), ("/circumstances/lastSchool/laestab", "373000"),
    ("/circumstances/lastSchool/deletionGround", {"regulations": "2006", "letter": "o"}),
    ("/circumstances/lastSchool/deletionGround", {"regulations": "2006", "letter": "n"}),
    ("/circumstances/lastSchool/deletionGround", {"regulations": "2024", "letter": "A"}),
    ("/circumstances/lastSchool/deletionGround", {"regulations": "2025", "letter": "a"}),
    ("/circumstances/lastSchool/deletionGround", {"letter": "a"}), ("/circumstances/lastSchool/deletionGround", "a"),
    ("/circumstances/lastSeen", {"on": "2026-10-09"}), ("/circumstances/lastSeen", {"on": "x", "by": "teacher"}),
    ("/circumstances/lastKnownProvision", "special"), ("/circumstances/yearGroup", "15"),
    ("/circumstances/yearGroup", 6), ("/circumstances/yearGroup", "R"), ("/circumstances/homeEducation", "maybe"),
    ("/circumstances/locationSensitivity", "withheld"), ("/circumstances/locationSensitivity", REMOVED),
    ("/circumstances/socialCare", "looked-after"), ("/capacity", "school"), ("/enquiries", []), ("/enquiries", None),
    ("/enquiries/0/on", "2026-13-01"), ("/enquiries/0/byRole", REMOVED), ("/enquiries/1/result", "found"),
    ("/enquiries/0/note", ""), ("/risks", ["looked-after", "looked-after"]), ("/risks", ["restricted-location"]),
    ("/risks", ["domestic-abuse"]), ("/risks", ["nothing"]), ("/risks", []), ("/contacts/officer", REMOVED),
    ("/contacts/officer/email", ""), ("/contacts/officer/email", None), ("/contacts/duty", {"name": "Desk"}),
    ("/contacts/duty", {"name": "Desk", "role": "team on duty"}), ("/legalBasis", []),
    ("/legalBasis/0/code", "magna-carta"), ("/legalBasis/0/asOf", REMOVED), ("/moveEvidence", []),
    ("/moveEvidence/0/kind", "rumour"), ("/moveEvidence/0/on", "yesterday"), ("/moveEvidence/0/detail", None),
    ("/believedAddress", {"addressKind": "residential"}), ("/believedAddress", {"postcode": "XX1 1XX"}),
    ("/believedAddress/postcode", "xx1 1xx"), ("/believedAddress/postcode", "XX11XX"),
    ("/believedAddress/postcode", "GIR 0AA"), ("/believedAddress/uprn", "0123"), ("/believedAddress/lines", []),
    ("/believedAddress/lines", [""]), ("/family", {"group": "01936000-0000-7000-8000-000000000009"}),
    ("/family", {"group": "01936000-0000-4000-8000-000000000009"}), ("/family", {"siblings": 1}),
    ("/family", {"group": "01936000-0000-7000-8000-000000000009", "siblings": 65}),
    ("/family", {"group": "01936000-0000-7000-8000-000000000009", "siblings": 64}),
    ("/family", {"group": "01936000-0000-7000-8000-000000000009", "siblings": -1}),
]
# Pointer into the whole entry; the signature and the digest are made afterwards unless they are what changes.
ENTRY: list[Change] = [
    ("/receipts", None), ("/receipts", {}), ("/receipts", []), ("/receipts", REMOVED), ("/receipts", [None]),
    ("/receipts", [{}]), ("/erasedAt", None), ("/erasedAt", "2026-11-24T09:30:00Z"), ("/body", None),
    ("/body", REMOVED), ("/body", "text"), ("/signature", None), ("/signature", REMOVED), ("/signature", "a..b"),
    ("/signature", "a.b"), ("/signature", ""), ("/unknown", [1]), ("/header", None), ("/header", []),
    ("/header/precededBy", None), ("/header/supersedes", None), ("/header/successorOf", None),
    ("/header/precededBy", {}), ("/header/successorOf", []), ("/header/previous", REMOVED), ("/header/previous", "A" * 43),
    ("/header/sequence", -1), ("/header/sequence", True), ("/header/sequence", "0"), ("/header/sequence", 1),
    ("/header/protocol", "1"), ("/header/protocol", "1.7"), ("/header/protocol", "1.00"), ("/header/protocol", "2.0"),
    ("/header/protocol", "one"), ("/header/protocol", 1), ("/header/protocol", None), ("/header/type", "close"),
    ("/header/type", 1), ("/header/type", "Offer"), ("/header/type", "accept"), ("/header/type", "withdraw"),
    ("/header/author", "38"), ("/header/author", "999"), ("/header/recipient", "999"),
    ("/header/createdAt", "0000-01-01T00:00:00Z"), ("/header/createdAt", "0001-01-01T00:00:00Z"),
    ("/header/createdAt", "2026-11-24T24:00:00Z"), ("/header/createdAt", "2026-11-24T09:30:00z"),
    ("/header/createdAt", "2026-11-24T09:30:00.Z"), ("/header/createdAt", "9999-12-31T23:59:59.999999999Z"),
    ("/header/responsibility", {"id": "01936000-0000-7000-8000-000000000003"}),
    ("/header/responsibility/epoch", 0), ("/header/responsibility/epoch", 7), ("/header/responsibility/extra", 1),
    ("/header/clockClass", "slow"), ("/header/clockClass", "urgent"), ("/header/clockClass", None),
    ("/header/bodyDigest", "A" * 43), ("/header/bodyDigest", "A" * 42 + "B"), ("/header/bodyDigest", "A" * 44),
    ("/header/id", "01936000-0000-7000-C000-000000000003"), ("/header/extra", {"a": None}),
]
# Members of the protected header of the entry's signature.
PROTECTED: list[dict[str, Any]] = [
    {"typ": "cme-entry"}, {"typ": "cme-receipt"}, {"alg": "none"}, {"kid": "abc"}, {"kid": 1},
    {"kid": "A" * 43}, {"typ": None}, {"crit": []}, {"kid": REMOVED}, {"alg": REMOVED},
]
# Bodies of types that the caller may propose, or may not, right after the offer.
FOLLOWING: list[tuple[str, Change]] = [
    ("correct", ("/corrects", 0)), ("correct", ("/corrects", 1)), ("correct", ("/corrects", "0")),
    ("correct", ("/corrections", [])), ("correct", ("/corrections/0/pointer", "")),
    ("correct", ("/corrections/0/pointer", "/")), ("correct", ("/corrections/0/pointer", "/a~2")),
    ("correct", ("/corrections/0/pointer", "/a~1b~0")), ("correct", ("/corrections/0/pointer", "/no/such/member")),
    ("correct", ("/corrections/0/value", None)), ("correct", ("/corrections/0/value", REMOVED)),
    ("correct", ("/corrections/0/replaces", None)), ("correct", ("/corrections/0/value", {"deep": [1, "x"]})),
    ("correct", ("/reason", "\u001f")), ("supply-information", ("/inReplyTo", 1)),
    ("supply-information", ("/inReplyTo", 0)), ("supply-information", ("/inReplyTo", None)),
    ("supply-information", ("/inReplyTo", -1)), ("supply-information", ("/corrections", [])),
    ("supply-information", ("/corrections", [{"pointer": "/x"}])), ("request-information", ("/topic", "weather")),
    ("request-information", ("/question", REMOVED)), ("withdraw", ("/reason", "tired")),
    ("withdraw", ("/explanation", "")), ("contest", ("/evidence", [])), ("contest", ("/explanation", "new facts")),
    ("accept", ("/from", "2026-11-27")), ("decline", ("/checked", [])), ("outcome", ("/outcome", {"kind": "lost"})),
    ("outcome", ("/outcome", {})), ("retract", ("/reason", "again")), ("offer", ("/capacity", "residence")),
    ("acknowledge", ("/firstAction", "look")), ("uphold", ("/reason", "on-roll-here-attending")),
    ("redirect", ("/authority", "383")), ("redirect", ("/authority", "38")),
]
OUTCOMES: list[dict[str, Any]] = [
    {"kind": "left-england", "destination": "overseas", "evidence": "travel-evidence", "evidencedOn": "2026-11-01"},
    {"kind": "left-england", "destination": "wales", "country": "FR", "evidence": "travel-evidence",
     "evidencedOn": "2026-11-01"},
    {"kind": "left-england", "destination": "overseas", "country": "fr", "evidence": "travel-evidence",
     "evidencedOn": "2026-11-01"},
    {"kind": "left-england", "destination": "overseas", "country": "ZZ", "evidence": "travel-evidence",
     "evidencedOn": "2026-11-01"},
    {"kind": "left-england", "destination": "wales", "evidence": "written-acceptance", "evidencedOn": "2026-11-01"},
    {"kind": "left-england", "destination": "wales", "evidence": "travel-evidence", "evidencedOn": "2026-11-01",
     "acceptedBy": "A council"},
    {"kind": "on-roll-attending", "urn": "100000"}, {"kind": "on-roll-attending", "urn": 1, "attendanceBegan": "2026-11-01"},
    {"kind": "other-provision", "provision": "none", "startedOn": "2026-11-01"},
    {"kind": "over-compulsory-school-age", "endedOn": "2026-11-31"},
    {"kind": "duplicate", "of": {"transfer": "x", "sequence": 0, "headerDigest": "A" * 43}}, {"kind": "deceased"}, {"kind": "deceased", "on": None},
    {"kind": "other-provision", "provision": "eotas"}, {"kind": "moved-on", "onward": {}},
    {"kind": "moved-on", "onward": None}, {"kind": "duplicate"}, {"kind": "duplicate", "of": {"transfer": "01936000-0000-7000-8000-000000000001", "sequence": 0,
                                 "headerDigest": "A" * 43}, "confirmation": {}},
]
TARGETS = ["/v1/heads?after=", "/v1/heads?after=x", "/v1/heads?after=1.5", "/v1/heads?other=1&other=2",
           "/v1/heads?after=" + "a" * 65, "/v1/nothing", "/v1/heads/", "/v1", "/v1/queries",
           "/v1/transfers/x/entries", "/v1/transfers/01936000-0000-7000-8000-0000000000ff/entries",
           "/v1/transfers/01936000-0000-7000-8000-0000000000ff/entries?from=x"]
PAGES = ["from=-1", "from=", "from=00", "from=1e1", "from=9007199254740992", "from=5", "limit=0", "limit=1001",
         "limit=1000", "limit=", "limit=+1", "from=0&from=1", "limit=1&limit=2", "FROM=9", "from=%30"]


# What stands as the value of a member that nobody knows, byte for byte.
VALUES: list[bytes] = [
    b"0", b"-1", b"-0", b"01", b"+1", b"1.0", b"1.", b".5", b"1e0", b"1E+2", b"0x1", b"9007199254740991",
    b"-9007199254740991", b"9007199254740992", b"-9007199254740992", b"1" * 5000, b"NaN", b"Infinity", b"-", b"",
    b"nul", b"TRUE", b"undefined", b"'a'", b'"a', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\\uD83D\\u0041"',
    b'"\\u0000"', b'"\\uffff"', b'"\\x41"', b'"\\u12"', b'"\\u00g0"', b'"\\/"', b'"\t"', b'"\x00"', b'"\x7f"', b'"\n"',
    b'"\xc3\xa9"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xef\xbb\xbf"', b"[1,]",
    b"[,1]", b"[1 2]", b"[]", b"{}", b'{"a":1,}', b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":{"b":1,"b":1}}',
    b"{a:1}", b"[1]//x", b"/*x*/1", b"\xc2\xa01", b"\x0c1", b"\r\n\t 1", b"1}", b"1]", b"[" * 15 + b"]" * 15,
    b"[" * 16 + b"]" * 16, b"[" * 30000, b'"' + b"x" * 16384 + b'"', b'"' + b"x" * 16385 + b'"',
    b'"' + b"\xf0\x9f\x98\x80" * 12000 + b'"', b"[" + b"0," * 255 + b"0]", b"[" + b"0," * 256 + b"0]",
    b'{"' + b"x" * 16385 + b'":1}', b"{" + b",".join(b'"%d":0' % n for n in range(128)) + b"}",
    b"{" + b",".join(b'"%d":0' % n for n in range(129)) + b"}",
]
WHOLE: list[bytes] = [b"", b" ", b"null", b"[]", b"1", b'"a"', b"{}", b"{", b"\xef\xbb\xbf{}", b"{}{}", b"{} x", b"\x00"]
FIELDS: list[dict[str, str]] = [
    {"CME_Incarnation": value} for value in ("", "0", "00", "1", "01", "-1", "+1", "1.5", "x", "1 1", "1, 1")
] + [{"Content_Type": value} for value in (
    "application/json; charset=latin1", "APPLICATION/JSON", "application/json ;x", "text/json", "", "application/json,",
    "application/problem+json", "application")]


def changed(document: Any, change: Change) -> Any:
    pointer, value = change
    result = copy.deepcopy(document)
    *path, last = pointer[1:].split("/")
    where = result
    for step in path:
        where = where[int(step)] if isinstance(where, list) else where.setdefault(step, {})
    if value is REMOVED:
        where.pop(last, None)
    else:
        where[int(last) if isinstance(where, list) else last] = value
    return result


def mutated(export: dict, chance: random.Random) -> dict:
    """An export with one thing changed, at random, in what is signed or tied together."""
    places: list[tuple[Any, Any]] = []

    def walk(where: Any) -> None:
        for key in list(where) if isinstance(where, dict) else range(len(where)):
            places.append((where, key))
            if isinstance(where[key], (dict, list)):
                walk(where[key])
    places.append((export, "exportedAt"))
    for member in ("entries", "head", "peerHeads"):
        walk(export[member])
    where, key = chance.choice(places)
    old = where[key]
    if chance.random() < 0.2:
        del where[key]
    elif isinstance(old, str) and old:
        place = chance.randrange(len(old))
        where[key] = old[:place] + ("2" if old[place] == "1" else "1") + old[place + 1:]
    elif isinstance(old, int):
        where[key] = old + chance.choice((1, -1))
    elif isinstance(old, list) and old:
        where[key] = chance.choice((old[::-1], [*old, old[-1]]))
    elif isinstance(old, dict):
        where[key] = {**old, "unknown": 1}
    return export


class _Servers(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        folder = pathlib.Path(cls.scratch.name)
        reference = Reference("373", folder / "373")
        second = Second("330", folder / "330", "E08000025", "Birmingham")
        caller = Second("383", folder / "383", "E08000035", "Leeds")
        publish(folder, [reference, second, caller])
        for server in (reference, second, caller):
            server.start()
            cls.addClassCleanup(server.kill)
        cls.servers = {"373": reference, "330": second}
        cls.node = Node.open(Config.load(caller.folder / "second.toml"))
        cls.client = Client(cls.node)
        cls.bodies = examples()
        cls.differences: list[str] = []

    def offer(self, to: str, body: dict | None = None) -> dict:
        header = {"protocol": "1.0", "transfer": forms.new_uuid(), "sequence": 0, "previous": None,
                  "id": forms.new_uuid(), "type": "offer", "author": "383", "recipient": to,
                  "createdAt": forms.timestamp(forms.now()),
                  "responsibility": {"id": forms.new_uuid(), "epoch": 1}, "clockClass": "standard"}
        return {"header": header, "body": body or self.body("offer")}

    def body(self, kind: str) -> dict:
        return {**self.bodies[kind], "salt": canonical.encode(os.urandom(16))}

    def following(self, offer: dict, kind: str, body: dict) -> dict:
        header = {**offer["header"], "sequence": 1, "previous": canonical.digest(offer["header"]), "type": kind,
                  "id": forms.new_uuid(), "createdAt": forms.timestamp(forms.now())}
        return {"header": {name: value for name, value in header.items() if name != "bodyDigest"}, "body": body}

    def sealed(self, entry: dict, keep: str = "") -> dict:
        """Digest and signature made, except what the change is about."""
        if isinstance(entry.get("header"), dict):
            if isinstance(entry.get("body"), dict) and keep != "/header/bodyDigest":
                entry["header"]["bodyDigest"] = canonical.digest(entry["body"])
            entry["header"].setdefault("bodyDigest", "A" * 43)
            if keep != "/signature":
                entry["signature"] = signatures.sign(entry["header"], "header", self.node.keys[0])
        else:
            entry.setdefault("signature", "a..b")
        return entry

    def put(self, to: str, entry: dict, header: dict, **fields: str) -> Any:
        path = f"/v1/transfers/{header['transfer']}/entries/{header['sequence']}"
        return self.answer(to, "PUT", path, json.dumps(entry).encode(), **fields)

    def answer(self, to: str, method: str, path: str, content: bytes | None = None, **fields: str) -> Any:
        """What the two have to agree on: status, problem, and the members that the table names."""
        base = urlsplit(self.node.directory.authorities[to].base_url)
        connection = http.client.HTTPSConnection(base.hostname, base.port, timeout=15, context=self.client.context)
        sent = {"CME-Incarnation": "1", **({"Content-Type": "application/json"} if content else {}),
                **{name.replace("_", "-"): value for name, value in fields.items()}}
        connection.request(method, base.path + path, body=content, headers=sent)
        response = connection.getresponse()
        status, answer = response.status, response.read()
        connection.close()
        document = json.loads(answer) if answer else {}
        head = document.get("head")
        problem = document.get("type", "").rpartition(":")[2] if status >= 400 else ""
        # The table names a pointer for bodies alone.
        return (status, problem, document.get("pointer") if problem == "body-invalid" else None, document.get("stage"), head and head.get("sequence") if status >= 400 else None,
                len(document["entries"]) if "entries" in document else None)

    def compare(self, what: str, ask: Callable[[str], Any]) -> None:
        first, second = ask("373"), ask("330")
        if first != second:
            self.differences.append(f"{what}: the reference {first}, the second {second}")

    def agree(self) -> None:
        found, self.differences[:] = list(self.differences), []
        self.assertEqual(found, [], "\n".join(found))


class Differential(_Servers):
    def test_offers(self) -> None:
        for change in OFFER:
            def ask(to: str) -> Any:
                entry = self.offer(to)
                entry["body"] = changed(entry["body"], change)
                return self.put(to, self.sealed(entry), entry["header"])
            self.compare(f"{change}"[:90], ask)
        self.agree()

    def test_entries(self) -> None:
        for change in ENTRY:
            def ask(to: str) -> Any:
                entry = self.offer(to)
                header = entry["header"]
                if change[0] != "/signature" or change[1] is not REMOVED:
                    entry = self.sealed(entry)
                return self.put(to, self.sealed(changed(entry, change), keep=change[0]), header)
            self.compare(f"{change}", ask)
        self.agree()

    def test_bytes(self) -> None:
        for value in VALUES:
            def ask(to: str) -> Any:
                entry = self.sealed(self.offer(to))
                content = json.dumps(entry).encode()[:-1] + b', "unknown":' + value + b"}"
                path = f"/v1/transfers/{entry['header']['transfer']}/entries/0"
                return self.answer(to, "PUT", path, content)
            self.compare(repr(value[:40]), ask)
        for content in WHOLE:
            self.compare(repr(content), lambda to: self.answer(
                to, "PUT", "/v1/transfers/01936000-0000-7000-8000-000000000001/entries/0", content,
                Content_Type="application/json"))
        self.agree()

    def test_fields(self) -> None:
        for fields in FIELDS:
            def ask(to: str) -> Any:
                entry = self.sealed(self.offer(to))
                return self.put(to, entry, entry["header"], **fields)
            self.compare(f"{fields}", ask)
        self.agree()

    def test_protected_headers(self) -> None:
        for members in PROTECTED:
            def ask(to: str) -> Any:
                entry = self.sealed(self.offer(to))
                protected = {"alg": "EdDSA", "kid": signatures.kid_of(signatures.public_key(self.node.keys[0])),
                             **members}
                protected = {name: value for name, value in protected.items() if value is not REMOVED}
                head = canonical.encode(json.dumps(protected).encode())
                signature = self.node.keys[0].sign(signatures._signing_input(head, entry["header"]))
                entry["signature"] = f"{head}..{canonical.encode(signature)}"
                return self.put(to, entry, entry["header"])
            self.compare(f"{members}", ask)
        self.agree()

    def test_what_follows_an_offer(self) -> None:
        following = FOLLOWING + [("outcome", ("/outcome", outcome)) for outcome in OUTCOMES]
        for kind, change in following:
            def ask(to: str) -> Any:
                offer = self.sealed(self.offer(to))
                self.assertEqual(self.put(to, offer, offer["header"])[0], 201)
                entry = self.following(offer, kind, changed(self.body(kind), change))
                return self.put(to, self.sealed(entry), entry["header"])
            self.compare(f"{kind} {change}", ask)
        self.agree()

    def test_repeats_and_reused_ids(self) -> None:
        def again(change: Callable[[dict, dict], None]) -> Callable[[str], Any]:
            def ask(to: str) -> Any:
                offer = self.sealed(self.offer(to))
                self.put(to, offer, offer["header"])
                first = self.sealed(self.following(offer, "correct", self.body("correct")))
                self.put(to, first, first["header"])
                entry = self.following(offer, "correct", copy.deepcopy(first["body"]))
                change(entry, first)
                return self.put(to, self.sealed(entry), entry["header"])
            return ask
        same = lambda entry, first: entry["header"].update(id=first["header"]["id"])
        cases: dict[str, Callable[[dict, dict], None]] = {
            "another id in the same place": lambda entry, first: None,
            "the same decision in the same place": same,
            "the same decision at the next": lambda entry, first: (same(entry, first), entry["header"].update(
                sequence=2, previous=canonical.digest(first["header"]))) and None,
            "the same decision far away": lambda entry, first: (same(entry, first), entry["header"].update(
                sequence=9, previous="A" * 43)) and None,
            "the same id with another body": lambda entry, first: (same(entry, first), entry["body"].update(
                reason="other")) and None,
            "the next of another history": lambda entry, first: entry["header"].update(sequence=2, previous="A" * 43),
            "beyond the head": lambda entry, first: entry["header"].update(sequence=3, previous="A" * 43),
            "in another ledger": lambda entry, first: entry["header"].update(transfer=forms.new_uuid()),
            "the id in another ledger": lambda entry, first: (same(entry, first), entry["header"].update(
                transfer=forms.new_uuid(), sequence=0, previous=None)) and None,
            "an earlier time": lambda entry, first: entry["header"].update(
                sequence=2, previous=canonical.digest(first["header"]), createdAt="2026-01-01T00:00:00Z"),
            "a later time": lambda entry, first: entry["header"].update(
                sequence=2, previous=canonical.digest(first["header"]), createdAt="2099-01-01T00:00:00Z"),
            "another class": lambda entry, first: entry["header"].update(
                sequence=2, previous=canonical.digest(first["header"]), clockClass="urgent"),
        }
        for what, change in cases.items():
            self.compare(what, again(change))
        self.agree()

    def test_reads(self) -> None:
        for target in TARGETS:
            self.compare(target, lambda to: self.answer(to, "GET", target))
        for page in PAGES:
            def ask(to: str) -> Any:
                offer = self.sealed(self.offer(to))
                self.put(to, offer, offer["header"])
                return self.answer(to, "GET", f"/v1/transfers/{offer['header']['transfer']}/entries?{page}")
            self.compare(page, ask)
        for method in ("POST", "DELETE", "PATCH", "OPTIONS"):
            self.compare(method, lambda to: self.answer(to, method, "/v1/capabilities"))
        self.agree()

    def test_mutated_exports(self) -> None:
        """The verifiers take and refuse the same exports, and prove the same of what they take."""
        seed = int(os.environ.get("CME_SEED", random.randrange(1 << 32)))
        print(f"CME_SEED={seed}")
        chance = random.Random(seed)
        folder = VECTORS / "ledgers"
        cases = [case for case in json.loads((folder / "index.json").read_text())["cases"]
                 if case["verdict"] == "accept" and not case["forks"]]
        taken = 0
        for number in range(MUTATIONS):
            case = chance.choice(cases)
            export = mutated(json.loads((folder / case["file"]).read_text()), chance)
            path = pathlib.Path(self.scratch.name) / f"{number}.json"
            path.write_text(json.dumps(export))
            directory = folder / case["directory"]
            done = run([binary("cme-server"), "ledger", "verify", path, "--directory", directory, "--json"], check=False)
            archive = Archive(None)
            archive.offer(json.loads(directory.read_text()))
            proof = Verifier(export, archive.newest).verdict()
            self.assertEqual(done.returncode == 0, "findings" not in proof, f"{case['name']}, in {path}: {proof}")
            if done.returncode == 0:
                taken += 1
                theirs = json.loads(done.stdout)["proof"]
                for part in ("stage", "responsible", "asOf", "entries", "erased", "responsibility"):
                    self.assertEqual(theirs[part], proof[part], part)
                self.assertEqual(theirs["definiteUntil"], proof.get("definiteUntil"))
        self.assertGreater(taken, 0)


class Deliveries(_Servers):
    """Servers of its own: what is delivered here without the caller's server knowing suspends the pair in the end."""

    def offered_by(self, code: str, number: int) -> list[dict]:
        """Offers of a server to the caller, which is now the sequencer of their ledgers."""
        transfers = [self.servers[code].offer("383", self.bodies["offer"]) for _ in range(number)]

        def received(transfer: str) -> dict | None:
            with self.node.store.read() as transaction:
                ledger = transaction.ledger(code, transfer)
            # Until the offer's receipt is there, the server does not hold the ledger.
            return ledger and self.servers[code].stage(transfer) and ledger.entries[0].wire()
        return [wait_for("the offer is receipted", lambda: received(transfer)) for transfer in transfers]

    def delivery(self, to: str, offer: dict, kind: str, receipt: dict | None = None, signed_by: Any = None,
                 body: dict | None = None, **header: Any) -> dict:
        """An entry after the offer with the sequencer's receipt; `receipt` changes it, `header` the header."""
        receipted = forms.instant(offer["receipts"][0]["receipt"]["receivedAt"])
        entry = self.following(offer, kind, {**self.body(kind), **(body or {})})
        entry["header"].update({"author": "383", "recipient": to, **header})
        entry = self.sealed(entry)
        content = {
            "transfer": entry["header"]["transfer"], "sequence": entry["header"]["sequence"],
            "entryId": entry["header"]["id"], "headerDigest": canonical.digest(entry["header"]),
            "receivedAt": forms.timestamp(max(forms.now(), receipted)), "by": "383", "incarnation": 1,
            "directoryIssue": 1, **(receipt or {})}
        signature = signatures.sign(content, "receipt", signed_by or self.node.keys[0])
        return {**entry, "receipts": [{"receipt": content, "signature": signature}]}

    def test_deliveries(self) -> None:
        stranger = Ed25519PrivateKey.generate()

        def digest(entry: dict) -> str:
            return canonical.digest(entry["header"])

        def sends(*makers: Callable[[str, dict, list[dict]], dict]) -> Callable[[str], Any]:
            """Sends what each makes, which may look at those before, and gives the answers."""
            def ask(to: str) -> Any:
                offer, sent, answers = offers[to].pop(), [], []
                for make in makers:
                    sent.append(make(to, offer, sent))
                    answers.append(self.put(to, sent[-1], offer["header"] | {
                        "sequence": sent[-1]["header"]["sequence"]}))
                return answers
            return ask

        def make(kind: str, receipt: dict | None = None, after: int | None = None, signed_by: Any = None,
                 drop: bool = False, erase: bool = False, **header: Any):
            def maker(to: str, offer: dict, sent: list[dict]) -> dict:
                place = {} if after is None else {"sequence": sent[after]["header"]["sequence"] + 1,
                                                  "previous": digest(sent[after])}
                entry = self.delivery(to, offer, kind, receipt, signed_by, **place, **header)
                if erase:
                    entry.update(body=None, erasedAt="2026-11-24T09:30:00Z")
                return {**entry, "receipts": []} if drop else entry
            return maker

        def outcome(maker: Callable[[dict, dict], dict]):
            """An outcome after the accept that was sent first, with evidence made of offer and accept."""
            def made(to: str, offer: dict, sent: list[dict]) -> dict:
                return make("outcome", after=0, body={"outcome": maker(offer, sent[0])})(to, offer, sent)
            return made

        def link(entry: dict) -> dict:
            return {"transfer": entry["header"]["transfer"], "sequence": entry["header"]["sequence"],
                    "headerDigest": digest(entry)}

        def head(entry: dict, stage: str, **change: Any) -> dict:
            return self.node.sign("head", {
                **link(entry), "originating": entry["header"]["recipient"], "receiving": "383", "stage": stage,
                "at": forms.timestamp(forms.now()), **self.node.stamp(), **change})

        def again(number: int, **change: Any):
            return lambda to, offer, sent: {**sent[number], **change}

        def own(to: str, offer: dict, sent: list[dict]) -> dict:
            return offer

        early = {"receivedAt": "2026-01-01T00:00:00Z"}
        cases: dict[str, tuple] = {
            "a delivery, and again": (make("acknowledge"), again(0)),
            "without its receipt": (make("acknowledge", drop=True),),
            "and then without its receipt": (make("acknowledge"), again(0, receipts=[])),
            "by a stranger's key": (make("acknowledge", signed_by=stranger),),
            "a receipt by a third": (make("acknowledge", {"by": "999"}),),
            "a receipt by the other party": (make("acknowledge", {"by": "373"}),),
            "a receipt of another place": (make("acknowledge", {"sequence": 2}),),
            "a receipt of another header": (make("acknowledge", {"headerDigest": "A" * 43}),),
            "a receipt before the offer's": (make("acknowledge", early),),
            "a receipt from the future": (make("acknowledge", {"receivedAt": "2099-01-01T00:00:00Z"}),),
            "the offer, brought back, and again": (own, own),
            "a receipt of incarnation 0": (make("acknowledge", {"incarnation": 0}),),
            "the offer's id again": (lambda to, offer, sent: self.delivery(
                to, offer, "accept", id=offer["header"]["id"]),),
            "an id of before again": (make("acknowledge"), lambda to, offer, sent: make(
                "accept", after=0, id=sent[0]["header"]["id"])(to, offer, sent)),
            "a receipt of an issue to come": (make("acknowledge", {"directoryIssue": 99}),),
            "an erased body": (make("acknowledge", erase=True), again(0)),
            "not allowed in the stage": (make("uphold"),),
            "a type of the other party": (make("withdraw"),),
            "another epoch": (make("acknowledge", responsibility={"id": forms.new_uuid(), "epoch": 1}),),
            "dated before the offer": (make("acknowledge", createdAt="2026-01-01T00:00:00Z"),),
            "beyond the head": (make("acknowledge", sequence=4),),
            "after another entry": (make("acknowledge", previous="A" * 43),),
            "two entries for one place": (make("acknowledge"), make("accept"), again(1), again(0)),
            "more of the other branch": (make("acknowledge"), make("accept"), make("outcome", after=1), again(2)),
            "more of the first branch": (make("acknowledge"), make("accept"), make("accept", after=0)),
            "moved on by an accept of this ledger": (make("accept"), outcome(lambda offer, accept: {
                "kind": "moved-on", "onward": {**accept, "body": None, "erasedAt": "2026-11-24T09:30:00Z"}})),
            "moved on with the accept's body": (make("accept"), outcome(lambda offer, accept: {
                "kind": "moved-on", "onward": accept})),
            "a duplicate without a confirmation": (make("accept"), outcome(lambda offer, accept: {
                "kind": "duplicate", "of": link(accept)})),
            "a duplicate, confirmed by its author": (make("accept"), outcome(lambda offer, accept: {
                "kind": "duplicate", "of": link(accept), "confirmation": head(accept, "accepted")})),
            "a duplicate, confirmed of another header": (make("accept"), outcome(lambda offer, accept: {
                "kind": "duplicate", "of": link(offer), "confirmation": head(accept, "accepted")})),
            "a duplicate, confirmed by who is not responsible": (make("accept"), outcome(lambda offer, accept: {
                "kind": "duplicate", "of": link(accept), "confirmation": head(accept, "declined")})),
            "a duplicate, confirmed by no party": (make("accept"), outcome(lambda offer, accept: {
                "kind": "duplicate", "of": link(accept), "confirmation": head(accept, "accepted", receiving="999")})),
            "a duplicate, its confirmation altered": (make("accept"), outcome(lambda offer, accept: {
                "kind": "duplicate", "of": link(accept), "confirmation": {
                    **head(accept, "accepted"), "signature": head(offer, "accepted")["signature"]}})),
            "an accept, an outcome, a retraction": (make("accept"), make("outcome", after=0), make("retract", after=1)),
        }
        offers = {code: self.offered_by(code, len(cases)) for code in self.servers}
        for what, makers in cases.items():
            self.compare(what, sends(*makers))
        self.agree()


if __name__ == "__main__":
    unittest.main()
