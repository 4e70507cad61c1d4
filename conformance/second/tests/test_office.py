"""What officers decide and see, and what a server puts before them."""

from __future__ import annotations

import copy
import dataclasses
import pathlib
import tempfile
import unittest

from cme import bodies, forms, office
from cme.documents import Entry
from cme.judge import receive
from cme.problems import Problem
from cme.server import REQUESTS_BURST, _Limits

from .invented import DAY, Network
from .network import examples


class Office(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.network = Network(pathlib.Path(scratch.name), ("373", "330", "383"))
        self.sheffield, self.birmingham, self.leeds = (self.network.nodes[code] for code in ("373", "330", "383"))
        self.bodies = examples()

    def offered(self, case: str | None = None) -> dict:
        made = office.offer(self.sheffield, "330", self.bodies["offer"], case)
        self.network.carry("373", "330")
        return made

    def decide(self, code: str, kind: str, transfer: str, body: dict | None = None, **more: str) -> None:
        office.decide(self.network.nodes[code], kind, transfer, body or self.bodies[kind], **more)
        self.network.carry(code, {"373": "330", "330": "373"}.get(code, "330"))

    def refused(self, action, *arguments, **more) -> str:
        try:
            action(*arguments, **more)
        except Problem as problem:
            return problem.name
        except office.Misuse as misuse:
            return str(misuse)
        raise AssertionError("nothing was refused")

    def test_a_case_is_kept_until_another_accepts_or_an_outcome_settles_it(self) -> None:
        made = self.offered()
        case = made["responsibility"]
        self.assertEqual([one["responsibility"] for one in office.worklist(self.sheffield)["cases"]], [case])
        self.decide("330", "accept", made["transfer"])
        self.assertEqual(office.worklist(self.sheffield)["cases"], [])
        self.assertEqual([one["responsibility"] for one in office.worklist(self.birmingham)["cases"]], [case])
        self.decide("330", "outcome", made["transfer"])
        self.assertEqual(office.worklist(self.birmingham)["cases"], [])
        self.decide("330", "retract", made["transfer"])
        self.assertEqual(len(office.worklist(self.birmingham)["cases"]), 1)

    def test_the_epoch_counts_accepts_and_one_transfer_of_a_case_is_open(self) -> None:
        made = self.offered()
        case = made["responsibility"]
        self.assertIn("still open", self.refused(office.offer, self.sheffield, "383", self.bodies["offer"], case))
        self.decide("373", "withdraw", made["transfer"])
        again = self.offered(case)
        self.assertEqual(again["epoch"], 1)
        self.decide("330", "accept", again["transfer"])
        self.assertIn("another authority", self.refused(
            office.offer, self.sheffield, "383", self.bodies["offer"], case))
        onward = office.offer(self.birmingham, "383", self.bodies["offer"], case)
        self.assertEqual(onward["epoch"], 2)
        header = self.network.letters("330")[0].proposal.header
        self.assertEqual(header.raw["precededBy"]["transfer"], again["transfer"])

    def test_a_child_who_moved_on_is_settled_by_the_onward_accept_alone(self) -> None:
        made = self.offered()
        self.decide("330", "accept", made["transfer"])
        onward = office.offer(self.birmingham, "383", self.bodies["offer"], made["responsibility"])["transfer"]
        self.network.carry("330", "383")
        self.assertIn("nobody has accepted", self.refused(
            office.decide, self.birmingham, "outcome", made["transfer"], {}, onward))
        self.decide("383", "accept", onward)
        self.decide("330", "outcome", made["transfer"], {}, onward=onward)
        with self.sheffield.store.read() as transaction:
            ledger = transaction.ledger("330", made["transfer"])
        self.assertEqual(ledger.state.stage, "settled")
        self.assertIsNone(ledger.head.body["outcome"]["onward"]["body"])

    def test_urgent_clocks_follow_from_the_facts(self) -> None:
        for pointer, value in (("risks", ["domestic-abuse"]), ("risks", ["previously-known-to-social-care"]),
                               ("socialCare", "section-47"), ("socialCare", "early-help"),
                               ("locationSensitivity", "restricted")):
            body = copy.deepcopy(self.bodies["offer"])
            (body if pointer == "risks" else body["circumstances"])[pointer] = value
            self.assertEqual(bodies.needs_urgent_clocks(body), value not in (
                ["previously-known-to-social-care"], "early-help"), value)

    def test_a_body_that_breaks_a_rule_is_never_signed(self) -> None:
        body = copy.deepcopy(self.bodies["offer"])
        body["circumstances"]["locationSensitivity"] = "withheld"
        self.assertEqual(self.refused(office.offer, self.sheffield, "330", body), "body-invalid")
        body = {**self.bodies["offer"], "moveEvidence": [
            {"kind": "other", "detail": "x" * 4000} for _ in range(16)]}
        self.assertIn("too large", self.refused(office.offer, self.sheffield, "330", body))
        self.assertEqual(self.network.letters("373"), [])

    def test_a_delivery_that_breaks_a_rule_is_put_before_an_officer(self) -> None:
        made = self.offered()
        with self.birmingham.store.read() as transaction:
            ledger = transaction.ledger("373", made["transfer"])
        entry = office._make(self.birmingham, ledger, "uphold", forms.new_uuid(), office._body(self.bodies["uphold"]))
        receipt = self.birmingham.receipt(entry.header, forms.now())
        self.assertEqual(self.refused(receive, self.sheffield, "330", entry.with_receipts(receipt)),
                         "not-allowed-in-stage")
        self.assertEqual([one["what"] for one in office.worklist(self.sheffield)["attention"]], ["delivery-refused"])
        office.attended(self.sheffield, 1)
        self.assertEqual(office.worklist(self.sheffield)["attention"], [])

    def test_the_incarnation_of_the_sequencer_never_falls_along_a_ledger(self) -> None:
        made = self.offered()
        before = self.birmingham.config
        self.birmingham.config = dataclasses.replace(before, incarnation=2)
        self.decide("330", "acknowledge", made["transfer"])
        self.birmingham.config = before
        office.decide(self.birmingham, "accept", made["transfer"], self.bodies["accept"])
        with self.birmingham.store.read() as transaction:
            accept = transaction.ledger("373", made["transfer"]).head
        self.assertEqual(self.refused(receive, self.sheffield, "330", accept), "receipt-invalid")

    def test_a_fork_is_kept_and_ends_the_ledger(self) -> None:
        made = self.offered()
        with self.birmingham.store.read() as transaction:
            before = transaction.ledger("373", made["transfer"])
        self.decide("330", "acknowledge", made["transfer"])
        other = office._make(self.birmingham, before, "accept", forms.new_uuid(), office._body(self.bodies["accept"]))
        other = other.with_receipts(self.birmingham.receipt(other.header, forms.now()))
        self.assertEqual(self.refused(receive, self.sheffield, "330", other), "forked")
        export = office.export(self.sheffield, made["transfer"])
        self.assertEqual([one["header"]["type"] for one in export["entries"]], ["offer", "acknowledge"])
        self.assertEqual([one["header"]["id"] for one in export["forks"][0]["entries"]], [other.header.id])
        view = office.show(self.sheffield, made["transfer"])
        self.assertEqual((view["stage"], view["responsible"]), ("acknowledged", "330"))
        self.assertIn("forked", self.refused(
            office.decide, self.sheffield, "withdraw", made["transfer"], self.bodies["withdraw"]))

    def test_a_stale_directory_refuses_an_offer_from_who_shares_no_ledger(self) -> None:
        first = self.offered()
        now = forms.now()
        self.network.publish(expiresAt=forms.timestamp(now + forms.NANOS), graceDays=0)
        stale = self.birmingham.directory
        object.__setattr__(stale, "expires_at", now - DAY)
        self.offered()
        self.decide("330", "acknowledge", first["transfer"])
        office.offer(self.leeds, "330", self.bodies["offer"])
        self.assertEqual(self.refused(receive, self.birmingham, "383", self.network.letters("383")[0].proposal),
                         "unavailable")

    def test_a_successor_acts_in_existing_ledgers_and_in_no_new_one(self) -> None:
        made = self.offered()
        record = self.network.records["373"]
        record["validTo"] = "2026-01-01"
        record["successors"] = [{"code": "383", "residuary": True}]
        self.network.publish()
        with self.sheffield.store.read() as transaction:
            ledger = transaction.ledger("330", made["transfer"])
        self.sheffield.keys = self.leeds.keys
        entry = office._make(self.sheffield, ledger, "withdraw", forms.new_uuid(),
                             office._body(self.bodies["withdraw"]))
        self.assertTrue(receive(self.birmingham, "383", entry).new)
        office.offer(self.leeds, "330", self.bodies["offer"])
        proposal = self.network.letters("383")[0].proposal
        forged = {**proposal.header.raw, "author": "373"}
        self.assertEqual(self.refused(receive, self.birmingham, "383", Entry.read(
            {**proposal.wire(), "header": forged})), "not-a-party")

    def test_an_issue_out_of_form_is_not_taken(self) -> None:
        held = self.birmingham.directory.issue
        sheffield = self.network.records["373"]
        spoilt = [{"keys": sheffield["keys"] * 2}, {"clientPins": sheffield["clientPins"] * 2}, {"name": None},
                  {"escalation": {}}, {"operator": 7}, {"profiles": [1]}, {"keys": [None]},
                  {"successors": [{"code": "330"}]}, {"validFrom": "2009-1-1"}, {"serverPins": []}]
        for change in spoilt:
            authorities = [{**one, **(change if one is sheffield else {})} for one in self.network.records.values()]
            self.network.publish(authorities=authorities)
            self.network.issues.pop()
            self.assertEqual(self.birmingham.directory.issue, held, change)
        authorities = [{**one, "profiles": ["core", "later"], "validTo": None} for one in self.network.records.values()]
        self.network.publish(authorities=authorities)
        self.assertEqual(self.birmingham.directory.issue, held + 1)

    def test_clocks_that_have_run_out_are_told_once(self) -> None:
        made = self.offered()
        self.assertEqual(office.tell_overdue(self.birmingham, forms.now()), 0)
        later = forms.now() + 60 * DAY
        self.assertEqual(office.tell_overdue(self.birmingham, later), 2)
        self.assertEqual(office.tell_overdue(self.birmingham, later), 0)
        with self.birmingham.store.read() as transaction:
            self.assertEqual(transaction.ledger("373", made["transfer"]).state.stage, "offered")

    def test_one_caller_cannot_ask_without_end(self) -> None:
        limits = _Limits()
        taken = [limits.take("373") for _ in range(REQUESTS_BURST + 500)]
        self.assertTrue(all(taken[:REQUESTS_BURST]))
        self.assertFalse(taken[-1])
        self.assertTrue(limits.take("330"))


if __name__ == "__main__":
    unittest.main()
