"""Children handed over between the reference server and this one, over mutual TLS, in both directions."""

from __future__ import annotations

import copy
import json
import pathlib
import tempfile
import unittest
from typing import Any

from cme.canonical import canonical
from cme.verify import Verifier

from .network import Reference, Second, binary, examples, publish, run, wait_for

CHILDREN_WHILE_KILLED = 4


class Interoperation(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.sheffield = Reference("373", cls.folder / "373")
        cls.birmingham = Second("330", cls.folder / "330", "E08000025", "Birmingham")
        cls.directory = publish(cls.folder, [cls.sheffield, cls.birmingham])
        cls.bodies = examples()
        for authority in (cls.sheffield, cls.birmingham):
            authority.start()
            cls.addClassCleanup(authority.kill)

    def play(self, transfer: str, *moves: tuple[Any, str, str]) -> None:
        """Each decision waits until its author's copy has the entry before, and then until both are at its stage."""
        for authority, kind, stage in moves:
            authority.decide(kind, transfer, self.bodies[kind])
            self.reaches(transfer, stage, kind)

    def reaches(self, transfer: str, stage: str, kind: str | None = None) -> None:
        def there() -> bool:
            copies = [authority.export(transfer) for authority in (self.sheffield, self.birmingham)]
            return all(copy is not None and copy["head"]["head"]["stage"] == stage
                       and kind in (None, copy["entries"][-1]["header"]["type"]) for copy in copies)
        wait_for(f"{transfer} is {stage} at both ends after {kind}", there)

    def holds(self, transfer: str) -> dict:
        """Both copies have the same entries and the sequencer's receipts, and each verifier proves either."""
        copies = {}
        for authority in (self.birmingham, self.sheffield):
            path = self.folder / f"{transfer}.{authority.code}.json"
            copies[authority.code] = authority.export(transfer)
            path.write_text(json.dumps(copies[authority.code]))
            run([binary("cme-server"), "ledger", "verify", path, "--directory", self.directory])
            proof = Verifier(copies[authority.code], self.birmingham.node.directory).verdict()
            self.assertEqual(proof.get("stage"), copies[authority.code]["head"]["head"]["stage"], proof)
        ours, theirs = ([self.without_counter_receipts(one) for one in export["entries"]]
                        for export in (copies["330"], copies["373"]))
        self.assertEqual(ours, theirs)
        return proof

    @staticmethod
    def without_counter_receipts(entry: dict) -> bytes:
        receiving = entry["header"]["transfer"] and entry["receipts"][0]["receipt"]["by"]
        kept = copy.deepcopy(entry)
        kept["receipts"] = [one for one in kept["receipts"] if one["receipt"]["by"] == receiving]
        return canonical(kept)

    def test_the_second_receives(self) -> None:
        transfer = self.sheffield.offer("330", self.bodies["offer"])
        self.reaches(transfer, "offered")
        there, here = self.sheffield, self.birmingham
        self.play(transfer, (here, "acknowledge", "acknowledged"), (here, "request-information", "acknowledged"),
                  (there, "supply-information", "acknowledged"), (there, "correct", "acknowledged"),
                  (here, "accept", "accepted"), (here, "outcome", "settled"), (here, "retract", "accepted"),
                  (here, "outcome", "settled"))
        proof = self.holds(transfer)
        path = self.folder / f"{transfer}.373.json"
        self.assertEqual(here.json("verify", path, "--directory", self.directory)["verdicts"], [proof])
        self.assertEqual((proof["responsible"], proof["entries"]), ("330", 9))
        self.assertIn("receivedByOriginating", proof["passed"])

    def test_the_second_offers_and_offers_again(self) -> None:
        there, here = self.sheffield, self.birmingham
        offered = here.json("offer", "--to", "373", body=self.bodies["offer"])
        transfer = offered["transfer"]
        self.reaches(transfer, "offered")
        self.play(transfer, (there, "acknowledge", "acknowledged"), (there, "request-information", "acknowledged"),
                  (here, "supply-information", "acknowledged"), (there, "decline", "declined"),
                  (here, "contest", "contested"), (there, "acknowledge", "contested"), (there, "uphold", "upheld"))
        self.assertEqual(self.holds(transfer)["responsible"], "330")
        self.assertIn("transfer-upheld", [one["what"] for one in here.list()["attention"]
                                          if one["transfer"] == transfer])
        again = here.offer("373", self.bodies["offer"], offered["responsibility"])
        self.reaches(again, "offered")
        refused = run([*here.command(), "offer", "--to", "373", "--responsibility", offered["responsibility"]],
                      self.bodies["offer"], check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"still open", refused.stderr)
        self.play(again, (there, "accept", "accepted"), (there, "outcome", "settled"))
        proof = self.holds(again)
        self.assertEqual((proof["responsible"], proof["responsibility"]["epoch"]), ("373", 1))

    def test_a_withdrawal_and_a_redirect(self) -> None:
        transfer = self.birmingham.offer("373", self.bodies["offer"])
        self.reaches(transfer, "offered")
        self.play(transfer, (self.birmingham, "withdraw", "withdrawn"), (self.sheffield, "correct", "withdrawn"))
        self.holds(transfer)
        transfer = self.sheffield.offer("330", self.bodies["offer"])
        self.reaches(transfer, "offered")
        self.play(transfer, (self.birmingham, "redirect", "redirected"), (self.sheffield, "correct", "redirected"))
        self.holds(transfer)

    def test_a_proposal_that_another_entry_overtook(self) -> None:
        """Sent anew where it is still meant, and left to an officer where the child was accepted (DLV-014)."""
        meant, late = (self.birmingham.offer("373", self.bodies["offer"]) for _ in range(2))
        for transfer in (meant, late):
            self.reaches(transfer, "offered")
        self.birmingham.kill()
        self.birmingham.decide("correct", meant, self.bodies["correct"])
        self.birmingham.decide("withdraw", late, self.bodies["withdraw"])
        self.sheffield.decide("acknowledge", meant, self.bodies["acknowledge"])
        self.sheffield.decide("accept", late, self.bodies["accept"])
        self.birmingham.start()
        self.reaches(meant, "acknowledged", "correct")
        self.reaches(late, "accepted", "accept")
        letter = wait_for("the withdrawal is a dead letter", lambda: next(
            (one for one in self.birmingham.list()["outbox"] if one["transfer"] == late and one["refused"]), None))
        run([*self.birmingham.command(), "resolve", letter["number"]])
        self.assertEqual(self.holds(meant)["entries"], 3)
        self.assertEqual(self.holds(late)["responsible"], "373")

    def test_nothing_is_lost_when_the_second_is_killed(self) -> None:
        """SIGKILL between and during offers that come in, and decisions that go out."""
        transfers = []
        for number in range(CHILDREN_WHILE_KILLED):
            transfers.append(self.sheffield.offer("330", self.bodies["offer"]))
            transfers.append(self.birmingham.offer("373", self.bodies["offer"]))
            self.birmingham.kill()
            if number:
                # Decided while no server of the second runs, on what it receipted before.
                known = {one["transfer"]: one for one in self.birmingham.list()["transfers"]}
                for transfer in transfers:
                    if known.get(transfer, {}).get("role") == "receiving" and known[transfer]["stage"] == "offered":
                        self.birmingham.decide("accept", transfer, self.bodies["accept"])
            self.birmingham.start()
        for transfer in transfers[1::2]:
            self.reaches(transfer, "offered")
        for transfer in transfers[::2]:
            wait_for("both copies have the offer", lambda: all(
                one.export(transfer) for one in (self.sheffield, self.birmingham)))
            if self.birmingham.stage(transfer) == "offered":
                self.birmingham.decide("accept", transfer, self.bodies["accept"])
            self.reaches(transfer, "accepted")
        for transfer in transfers:
            self.holds(transfer)
        self.assertEqual([one for one in self.birmingham.list()["outbox"] if one["transfer"] in transfers], [])


if __name__ == "__main__":
    unittest.main()
