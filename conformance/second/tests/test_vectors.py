"""The published vectors, those to accept and those to refuse."""

from __future__ import annotations

import base64
import json
import unittest
from typing import Any

from cme import bodies, canonical, forms, signatures
from cme.directory import Archive, Directory, Refused, deadline
from cme.documents import Entry
from cme.ledger import Ledger, clocks
from cme.problems import Problem
from cme.server import reconciliation_digest
from cme.verify import Verifier

from .network import VECTORS


def vectors(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / f"{name}.json").read_text())


def directory(name: str = "directory.json") -> Archive:
    archive = Archive(None)
    archive.offer(json.loads((VECTORS / "ledgers" / name).read_text()))
    return archive


def refusal(action) -> tuple[str | None, str | None]:
    try:
        action()
    except Problem as problem:
        return problem.name, problem.members.get("pointer")
    return None, None


def ledger_of(documents: list) -> Ledger:
    entries = [Entry.read(document) for document in documents]
    first = entries[0].header
    return Ledger(first.transfer, first.author, first.recipient, entries)


class Vectors(unittest.TestCase):
    def each(self, name: str, kind: str | None = None) -> list[Any]:
        cases = [case for case in vectors(name)["cases"] if kind in (None, case.get("kind"))]
        self.assertTrue(cases)
        return cases

    def test_canonical(self) -> None:
        for case in self.each("canonical"):
            if "repeat" in case:
                part = case["repeat"]
                data = (part["before"] + part["unit"] * part["count"] + part["after"]).encode()
            else:
                data = base64.b64decode(case["base64"]) if "base64" in case else case["text"].encode()
            values = []

            def read() -> None:
                if len(data) > case.get("bytesMax", len(data)):
                    raise Problem("too-large")
                values.append(canonical.parse(data))
                canonical.check_limits(values[0])

            self.assertEqual(refusal(read)[0], case.get("problem"), case["name"])
            if case["verdict"] == "accept":
                self.assertEqual(canonical.digest(values[0]), case["sha256"])
                if "canonical" in case:
                    self.assertEqual(canonical.canonical(values[0]), case["canonical"].encode())

    def test_identifiers(self) -> None:
        checks = {
            "upn": forms.is_upn, "nhs-number": forms.is_nhs_number, "uln": forms.is_uln, "urn": forms.is_urn,
            "postcode": forms.is_postcode, "laestab": forms.is_laestab, "uprn": forms.is_uprn,
            "authority-code": forms.is_authority, "gss-code": forms.is_gss}
        for case in self.each("identifiers"):
            good = case["verdict"] == "accept"
            self.assertEqual(checks[case["kind"]](case["input"]), good and case["wire"], case["name"])
            if good:
                self.assertTrue(checks[case["kind"]](case["normal"]))

    def test_signatures(self) -> None:
        keys = {key["kid"]: key["publicKey"] for key in vectors("signatures")["keys"]}
        for case in self.each("signatures", "detached"):
            def read() -> None:
                signature = signatures.Signature.read(case["signature"], "head", "signature-invalid")
                if signature.kid not in keys:
                    raise Problem("key-unknown")
                if not signature.verifies(case["payload"], keys[signature.kid]):
                    raise Problem("signature-invalid")
            self.assertEqual(refusal(read)[0], case.get("problem"), case["name"])
        for case in self.each("signatures", "thumbprint"):
            self.assertEqual(signatures.kid_of(case["publicKey"]), case["kid"])

    def test_entries(self) -> None:
        issue = directory().newest
        for case in self.each("entries"):
            text = case["entryText"] if "entryText" in case else json.dumps(case["entry"])

            def read() -> None:
                value = canonical.parse(text.encode())
                canonical.check_limits(value)
                self._judge(Entry.read(value), issue, ledger_of(case["after"]) if "after" in case else None)

            self.assertEqual(refusal(read), (case.get("problem"), case.get("pointer")), case["name"])
            if case["verdict"] == "accept":
                header = Entry.read(case["entry"]).header
                self.assertEqual((header.digest, header.body_digest), (case["headerDigest"], case["bodyDigest"]))

    def _judge(self, entry: Entry, issue: Directory, ledger: Ledger | None) -> None:
        """The steps of section 9.4 that need no database."""
        if entry.body is not None and canonical.digest(entry.body) != entry.header.body_digest:
            raise Problem("body-digest-mismatch")
        bodies.check(entry)
        key = issue.key(entry.header.author, entry.signature.kid)
        if key is None:
            raise Problem("key-unknown")
        if not entry.signature.verifies(entry.header.raw, key.public):
            raise Problem("signature-invalid")
        if ledger is not None:
            ledger.check_place(entry.header)
            ledger.check_rules(entry)

    def test_directory(self) -> None:
        archive = vectors("directory")
        for case in self.each("directory"):
            held = Archive(archive["root"])
            for name in case["held"]:
                held.offer(archive["issues"][name])
            if case["verdict"] == "accept":
                self.assertEqual(held.offer(archive["issues"][case["offered"]]), case["result"] == "added")
            else:
                with self.assertRaises(Refused, msg=case["name"]):
                    held.offer(archive["issues"][case["offered"]])

    def test_deadlines(self) -> None:
        policy = vectors("working-days")
        for case in self.each("working-days", "deadline"):
            due = deadline(forms.instant(case["receivedAt"]), case["workingDays"], policy)
            expected = (case["dueOn"], case["expiresAt"]) if case["verdict"] == "accept" else None
            self.assertEqual(due and (due[0].isoformat(), forms.timestamp(due[1])), expected, case["name"])

    def test_clocks(self) -> None:
        archive = directory()
        for case in self.each("working-days", "clocks"):
            running = [{"clock": one.clock, "owner": one.owner, "startedAt": forms.timestamp(one.started_at),
                        "dueOn": one.due_on, "expiresAt": one.ends and forms.timestamp(one.ends)}
                       for one in clocks(ledger_of(case["entries"]), archive)]
            self.assertEqual(running, case["due"], case["name"])

    def test_reconciliation(self) -> None:
        for case in self.each("reconciliation"):
            heads = sorted(case["heads"], key=lambda head: head["transfer"])
            self.assertEqual(canonical.digest({"heads": heads}), case["digest"])
        self.assertEqual(reconciliation_digest([]), canonical.digest({"heads": []}))

    def test_ledgers(self) -> None:
        for case in vectors("ledgers/index")["cases"]:
            with self.subTest(case["name"]):
                export = canonical.parse((VECTORS / "ledgers" / case["file"]).read_bytes())
                verdict = Verifier(export, directory(case["directory"]).newest).verdict()
                if case["verdict"] == "reject":
                    self.assertIn(case["sequence"], [finding["sequence"] for finding in verdict.get("findings", [])])
                    continue
                self.assertNotIn("findings", verdict)
                passed = verdict.get("passed", {})
                self.assertEqual(
                    (verdict["stage"], verdict["responsible"], passed.get("at"), passed.get("receivedByOriginating"),
                     verdict["entries"], verdict["asOf"]["headerDigest"], verdict["erased"],
                     [one["sequence"] for one in verdict["disputed"]], [one["sequence"] for one in verdict["forks"]]),
                    (case["stage"], case["responsible"], case["passedAt"], case["knownToOriginatingAt"],
                     case["entries"], case["headDigest"], case["erased"], case["disputed"], case["forks"]))
