"""The published vectors, accepted and refused."""

import base64
import json
import pathlib
import unittest

import cme

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "spec/v1/vectors"


def cases(name):
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def content(case):
    if "base64" in case:
        return base64.b64decode(case["base64"])
    repeat = case.get("repeat")
    text = repeat["before"] + repeat["unit"] * repeat["count"] + repeat["after"] if repeat else case["text"]
    return text.encode()


class Vectors(unittest.TestCase):
    def test_canonical_form(self):
        seen = {"accept": 0, "reject": 0}
        for case in cases("canonical.json")["cases"]:
            if case.get("problem") in ("too-large", "limit-exceeded"):
                continue  # limits bind who receives entries
            seen[case["verdict"]] += 1
            with self.subTest(case["name"]):
                if case["verdict"] == "reject":
                    self.assertRaises(cme.Refused, cme.read, content(case))
                else:
                    value = cme.read(content(case))
                    self.assertEqual(cme.canonical(value).decode(), case.get("canonical", cme.canonical(value).decode()))
                    self.assertEqual(cme.digest(value), case["sha256"])
        self.assertGreater(min(seen.values()), 15, seen)

    def test_signatures(self):
        file = cases("signatures.json")
        keys = {key["kid"]: key["publicKey"] for key in file["keys"]}
        seen = {"accept": 0, "reject": 0}
        for case in file["cases"]:
            if case["kind"] != "detached":
                continue
            seen[case["verdict"]] += 1
            with self.subTest(case["name"]):
                if case["verdict"] == "reject":
                    self.assertRaises(cme.Refused, cme.verify, case["payload"], case["signature"], keys, "cme-head")
                else:
                    cme.verify(case["payload"], case["signature"], keys, "cme-head")
        self.assertGreater(min(seen.values()), 1, seen)

    def test_a_typ_of_another_document_is_refused(self):
        file = cases("signatures.json")
        keys = {key["kid"]: key["publicKey"] for key in file["keys"]}
        case = next(case for case in file["cases"] if case["name"] == "with a typ")
        self.assertRaises(cme.Refused, cme.verify, case["payload"], case["signature"], keys, "cme-entry")

    def test_an_instant_is_compared_as_a_time(self):
        instants = ["2026-11-24T09:30:00Z", "2026-11-24T09:30:00.05Z", "2026-11-24T09:30:00.5Z", "2026-11-24T09:30:01Z"]
        self.assertEqual(sorted(reversed(instants), key=cme.sortable), instants)

    def test_keys_are_judged_at_the_instant(self):
        key = {"kid": "k", "publicKey": "x", "validFrom": "2026-01-01T00:00:00Z", "retiredAt": "2026-06-01T00:00:00Z"}
        for instant, held in (("2025-12-31T23:59:59.9Z", {}), ("2026-01-01T00:00:00Z", {"k": "x"}), ("2026-06-01T00:00:00.0Z", {})):
            self.assertEqual(cme.keys_at({"keys": [key]}, instant), held, instant)


if __name__ == "__main__":
    unittest.main()
