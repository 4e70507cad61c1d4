"""What a caller hears that sends more than the server takes."""

from __future__ import annotations

import json
import pathlib
import tempfile
import unittest

from cme.client import Client
from cme.problems import URN

from .network import Second, publish

CONTENT_BYTES = 2 << 20


class TooLarge(unittest.TestCase):
    def test_a_caller_that_is_still_sending_hears_why_it_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            server = Second("330", folder / "330", "E08000025", "Birmingham")
            caller = Second("383", folder / "383", "E08000035", "Leeds")
            publish(folder, [server, caller])
            self.addCleanup(server.kill)
            server.start()
            path = "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057/entries/0"
            status, content, _ = Client(caller.node)._call("330", "PUT", path, b" " * CONTENT_BYTES)
            self.assertEqual((status, json.loads(content)["type"]), (413, URN + "too-large"))


if __name__ == "__main__":
    unittest.main()
