"""How letters are sent: refusals, retries, receipts that are none, and proposals that are made anew."""

from __future__ import annotations

import json
import pathlib
import tempfile
import time
import unittest
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cme import forms, office, signatures
from cme.client import Client, NotDelivered, Refusal, _pause
from cme.documents import Entry
from cme.judge import receive
from cme.problems import TABLE, URN, Problem
from cme.sender import Sender

from .invented import Network
from .network import examples


class ScriptedClient:
    """Answers a put by a script, or by the other authority's judgement; reads the other's copy."""

    def __init__(self, network: Network, own: str, other: str) -> None:
        self.network, self.own, self.other = network, own, other
        self.script: list[Any] = []
        self.sent: list[Entry] = []

    def put(self, peer: str, entry: Entry) -> Any:
        self.sent.append(entry)
        answer = self.script.pop(0) if self.script else self._judged(entry)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _judged(self, entry: Entry) -> Any:
        try:
            return receive(self.network.nodes[self.other], self.own, entry).receipt
        except Problem as problem:
            return refusal(problem.name, problem.members.get("head"))

    def read(self, peer: str, transfer: str, start: int) -> Any:
        node = self.network.nodes[self.other]
        with node.store.read() as transaction:
            ledger = transaction.ledger(self.own, transfer)
        if ledger is None:
            raise NotDelivered("ledger-unknown")
        return {"entries": [entry.wire() for entry in ledger.entries[start:]], "more": False, "forks": [],
                "head": node.head(ledger)}


def refusal(name: str, head: Any = None) -> Refusal:
    return Refusal(name, TABLE[name][1], head)


class Sending(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.network = Network(pathlib.Path(scratch.name))
        self.here, self.there = self.network.nodes["330"], self.network.nodes["373"]
        self.bodies = examples()
        self.sender = Sender(self.here)
        self.client = self.sender.client = ScriptedClient(self.network, "330", "373")

    def offered(self) -> str:
        """An offer of ours that the other has receipted."""
        transfer = office.offer(self.here, "373", self.bodies["offer"])["transfer"]
        self.network.carry("330", "373")
        return transfer

    def serve(self, transfer: str) -> None:
        self.sender._serve_ledger("373", transfer)

    def ledger(self, code: str, transfer: str) -> Any:
        with self.network.nodes[code].store.read() as transaction:
            return transaction.ledger("330" if code == "373" else "373", transfer)

    def test_a_final_refusal_makes_a_dead_letter_that_an_officer_resolves(self) -> None:
        transfer = office.offer(self.here, "373", self.bodies["offer"])["transfer"]
        self.client.script = [refusal("body-invalid")]
        self.serve(transfer)
        letter = self.network.letters("330")[0]
        self.assertEqual(letter.refused, "body-invalid")
        self.serve(transfer)
        self.assertEqual(len(self.client.sent), 1)
        office.resolve(self.here, letter.row, retry=True)
        self.serve(transfer)
        self.assertEqual(self.network.letters("330"), [])
        self.assertEqual(self.ledger("330", transfer).state.stage, "offered")

    def test_what_is_no_refusal_is_sent_again_with_the_same_id(self) -> None:
        transfer = office.offer(self.here, "373", self.bodies["offer"])["transfer"]
        self.client.script = [NotDelivered("status 502"), NotDelivered("rate-limited", 3600)]
        for attempt in (1, 2):
            self.serve(transfer)
            self.assertEqual(self.sender.pauses["373", transfer][1], attempt)
        self.assertGreater(self.sender.pauses["373", transfer][0], time.monotonic() + 3590)
        self.assertEqual(self.sender._work(), {})
        self.serve(transfer)
        self.assertEqual(len({entry.header.id for entry in self.client.sent}), 1)
        self.assertEqual(self.network.letters("330"), [])

    def test_pauses_grow_up_to_the_ceiling(self) -> None:
        pauses = []
        for _ in range(40):
            self.sender._pause("373", "t", "down", 0)
            pauses.append(self.sender.pauses["373", "t"][0] - time.monotonic())
        self.assertLess(pauses[0], 0.6)
        self.assertTrue(all(pause <= 3600 for pause in pauses))
        self.assertGreaterEqual(min(pauses[20:]), 1790)

    def test_a_delivery_fills_what_the_peer_lacks(self) -> None:
        """The answer to a proposal was lost, and the sequencer's next entry comes first (DLV-011)."""
        transfer = office.offer(self.there, "330", self.bodies["offer"])["transfer"]
        letter = self.network.letters("373")[0]
        receive(self.here, "373", letter.proposal)
        office.decide(self.here, "acknowledge", transfer, self.bodies["acknowledge"])
        self.serve(transfer)
        self.assertEqual([entry.header.sequence for entry in self.client.sent][:3], [1, 0, 1])
        self.assertEqual(self.ledger("373", transfer).state.stage, "acknowledged")
        self.assertEqual(self.network.letters("373"), [], "the proposal came back, so nothing is left to send")

    def test_a_proposal_dated_too_early_is_signed_anew_with_its_id(self) -> None:
        transfer = self.offered()
        office.decide(self.here, "correct", transfer, self.bodies["correct"])
        self.client.script = [refusal("created-at-order")]
        self.serve(transfer)
        first, second = (entry.header for entry in self.client.sent)
        self.assertEqual((first.id, first.body_digest), (second.id, second.body_digest))
        self.assertGreater(second.created_at, first.created_at)
        self.assertEqual(self.ledger("330", transfer).head.header.digest, second.digest)

    def test_a_proposal_that_the_stage_does_not_allow_goes_to_an_officer(self) -> None:
        transfer = self.offered()
        office.decide(self.here, "correct", transfer, self.bodies["correct"])
        self.client.script = [refusal("not-allowed-in-stage")] * 3
        self.serve(transfer)
        self.assertEqual(len(self.client.sent), 1)
        self.assertEqual(self.network.letters("330")[0].refused, "not-allowed-in-stage")

    def test_a_proposal_waits_under_a_key_that_is_in_its_lifetime(self) -> None:
        transfer = office.offer(self.here, "373", self.bodies["offer"])["transfer"]
        old = self.network.letters("330")[0].proposal
        new = Ed25519PrivateKey.generate()
        keys = self.network.records["330"]["keys"]
        now = forms.timestamp(forms.now())
        keys[0]["retiredAt"] = now
        public = signatures.public_key(new)
        keys.append({"kid": signatures.kid_of(public), "publicKey": public, "validFrom": now})
        self.network.publish()
        self.here.keys.append(new)
        self.serve(transfer)
        sent = self.client.sent[0]
        self.assertEqual(sent.header.digest, old.header.digest)
        self.assertEqual(sent.signature.kid, signatures.kid_of(public))
        self.assertEqual(self.network.letters("330"), [])

    def test_a_success_without_a_fitting_receipt_is_none(self) -> None:
        transfer = self.offered()
        entry = self.ledger("330", transfer).head
        client = Client(self.here)
        good = entry.receipt_by("373").document
        self.assertEqual(client._receipt("373", entry.header, json.dumps(good).encode()).by, "373")
        other = self.there.receipt(entry.header, forms.now()).document
        bad = [b"{}", b"<html>", json.dumps({**good, "signature": other["signature"]}).encode(),
               json.dumps(self.here.receipt(entry.header, forms.now()).document).encode()]
        for content in bad:
            with self.assertRaises(NotDelivered, msg=content):
                client._receipt("373", entry.header, content)

    def test_only_problems_of_the_table_refuse(self) -> None:
        client = Client(self.here)
        known = client._refusal(422, json.dumps({"type": URN + "wrong-author"}).encode(), 0)
        self.assertEqual(known.name, "wrong-author")
        for content in (b"", b"<html>", b'{"type":"urn:cme:problem:v1:new"}', b'{"type":"wrong-author"}',
                        json.dumps({"type": URN + "unavailable"}).encode()):
            with self.assertRaises(NotDelivered, msg=content):
                client._refusal(422, content, 0)
        self.assertEqual([_pause(field) for field in (None, "x", "-1", "7", "999999")], [0, 0, 0, 7, 86400])


if __name__ == "__main__":
    unittest.main()
