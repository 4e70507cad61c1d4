"""What the conformance program says of this server, for the profile that it declares."""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
import unittest

from .network import HERE, Second, binary, free_port, run

SECONDS_MAX = 300


class Conformance(unittest.TestCase):
    def test_every_case_of_the_core_profile_passes(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            server = Second("330", folder / "330", "E08000025", "Birmingham")
            # Pauses that can be seen to grow, also on a busy machine.
            config = server.folder / "second.toml"
            text = config.read_text().replace("first_seconds = 0.05", "first_seconds = 0.3")
            config.write_text(text.replace("ceiling_seconds = 0.5", "ceiling_seconds = 8.0"))
            suite, program = folder / "suite", binary("cme-conformance")
            run([program, "init", "--subject", server.record(), "--folder", suite, "--listen",
                 f"127.0.0.1:{free_port()}"])
            # It states nothing of section 12.
            declared = (suite / "conformance.toml").read_text().replace("facts = true", "facts = false")
            (suite / "conformance.toml").write_text(declared)
            (server.folder / "directory.json").write_bytes((suite / "directory.json").read_bytes())
            with (suite / "conformance.toml").open("a") as declaration:
                command = json.dumps([sys.executable, str(HERE / "adapter.py"), str(server.folder)])
                declaration.write(f"\n[adapter]\ncommand = {command}\nseconds = 30\n")
            # The adapter starts the server, kills it, and ends it.
            done = run([program, "run", "--folder", suite, "--json", folder / "results.json"], check=False,
                       seconds=SECONDS_MAX)
            self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())
            results = json.loads((folder / "results.json").read_text())
            verdicts = {one["case"]: one["verdict"] for one in results["findings"]}
            self.assertEqual(set(verdicts.values()) - {"PASS", "N/A"}, set())
            self.assertGreater(list(verdicts.values()).count("PASS"), 110)


if __name__ == "__main__":
    unittest.main()
