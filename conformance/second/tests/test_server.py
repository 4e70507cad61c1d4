"""What a caller hears that sends more than the server takes."""

from __future__ import annotations

import json
import pathlib
import tempfile
import unittest

from cme.client import Client
from cme.problems import URN

from .network import server_and_caller

CONTENT_BYTES = 2 << 20


class TooLarge(unittest.TestCase):
    def test_a_caller_that_is_still_sending_hears_why_it_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            server, caller = server_and_caller(pathlib.Path(scratch))
            self.addCleanup(server.kill)
            server.start()
            path = "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057/entries/0"
            status, content, _ = Client(caller.node)._call("330", "PUT", path, b" " * CONTENT_BYTES)
            self.assertEqual((status, json.loads(content)["type"]), (413, URN + "too-large"))


if __name__ == "__main__":
    unittest.main()
