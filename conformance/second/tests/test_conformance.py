"""What the conformance program says of this server, for the profile that it declares."""

from __future__ import annotations

import json
import pathlib
import tempfile
import unittest

from .network import Second, binary, free_port, run

SECONDS_MAX = 300


class Conformance(unittest.TestCase):
    def test_every_case_of_the_core_profile_passes(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            server = Second("330", folder / "330", "E08000025", "Birmingham")
            suite, program = folder / "suite", binary("cme-conformance")
            run([program, "init", "--subject", server.record(), "--folder", suite, "--listen",
                 f"127.0.0.1:{free_port()}"])
            (server.folder / "directory.json").write_bytes((suite / "directory.json").read_bytes())
            server.start()
            try:
                done = run([program, "run", "--folder", suite, "--json", folder / "results.json"], check=False,
                           seconds=SECONDS_MAX)
            finally:
                server.kill()
            self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())
            results = json.loads((folder / "results.json").read_text())
            verdicts = {one["case"]: one["verdict"] for one in results["findings"]}
            self.assertEqual(set(verdicts.values()) - {"PASS", "N/A"}, set())
            self.assertGreater(list(verdicts.values()).count("PASS"), 60)


if __name__ == "__main__":
    unittest.main()
