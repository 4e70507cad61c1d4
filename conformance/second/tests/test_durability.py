"""What was receipted is there after the server was killed in the middle of its work (RCP-001)."""

from __future__ import annotations

import os
import pathlib
import random
import tempfile
import threading
import unittest

from cme import office
from cme.client import Client, NotDelivered
from cme.documents import Receipt

from .network import WAIT_SECONDS_MAX, examples, server_and_caller

KILLS = 3


class Durability(unittest.TestCase):
    def test_a_receipted_entry_outlives_sigkill(self) -> None:
        seed = int(os.environ.get("CME_SEED", random.randrange(1 << 32)))
        print(f"CME_SEED={seed}")
        chance = random.Random(seed)
        with tempfile.TemporaryDirectory() as scratch:
            server, caller = server_and_caller(pathlib.Path(scratch))
            self.addCleanup(server.kill)
            client, body = Client(caller.node), examples()["offer"]
            receipts: dict[str, Receipt] = {}
            stop, enough, wanted = threading.Event(), threading.Event(), [0]

            def offer_for_ever() -> None:
                while not stop.is_set():
                    transfer = office.offer(caller.node, "330", body)["transfer"]
                    with caller.node.store.read() as transaction:
                        proposal = transaction.letters("330", transfer)[0].proposal
                    try:
                        answer = client.put("330", proposal)
                    except NotDelivered:
                        continue
                    self.assertIsInstance(answer, Receipt)
                    receipts[transfer] = answer
                    if len(receipts) >= wanted[0]:
                        enough.set()

            for _ in range(KILLS):
                server.start()
                stop.clear()
                enough.clear()
                before = len(receipts)
                wanted[0] = before + chance.randrange(1, 8)
                worker = threading.Thread(target=offer_for_ever)
                worker.start()
                # A kill at a random moment while entries arrive, once some have.
                enough.wait(WAIT_SECONDS_MAX)
                server.kill()
                stop.set()
                worker.join()
                self.assertGreater(len(receipts), before)
            server.start()
            for transfer, receipt in receipts.items():
                page = client.read("330", transfer, 0)
                self.assertEqual(page["entries"][0]["receipts"], [receipt.document])


if __name__ == "__main__":
    unittest.main()
