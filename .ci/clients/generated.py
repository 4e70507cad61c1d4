"""Holds the generated Python client to the published ledgers, and to a server: `generated.py NETWORK TRANSFER`.

NETWORK is a folder of `.ci/servers`, TRANSFER a ledger that 330 began at 373.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples/python"))

import cme  # noqa: E402
import cme_client  # noqa: E402  (generated)
import peer  # noqa: E402
from cme_client.api.capabilities import get_capabilities  # noqa: E402
from cme_client.api.transfers import list_entries  # noqa: E402
from cme_client.models import Capabilities, EntryPage, LedgerEntry, Problem  # noqa: E402


def keeps_every_published_entry() -> int:
    """A model that is written out again is the same value: nothing of an entry is lost on the way."""
    kept = 0
    for path in sorted((ROOT / "spec/v1/vectors/ledgers").glob("*.json")):
        for entry in json.loads(path.read_text()).get("entries", []):
            # A later minor version may add members.
            entry = {**entry, "header": {**entry["header"], "later": {"minor": [1, None]}}, "added": "later"}
            again = LedgerEntry.from_dict(json.loads(json.dumps(entry))).to_dict()
            assert again == entry, f"{path.name}: {entry['header']['type']}"
            kept += 1
    assert kept > 60, kept
    return kept


def reads_a_ledger(network: pathlib.Path, transfer: str) -> None:
    caller, hosted = "330", "373"
    document = cme.read((network / "directory.json").read_bytes())
    directory = cme.verified_directory(document, document["directory"]["rootKeys"][0])
    records = {code: cme.authority(directory, code) for code in (caller, hosted)}
    folder = network / caller
    tls = peer.context(records[hosted], folder / f"{caller}.cert.pem", folder / f"{caller}.key.pem")
    with cme_client.Client(base_url=records[hosted]["baseUrl"], verify_ssl=tls) as client:
        capabilities = get_capabilities.sync(client=client, cme_incarnation=1)
        assert isinstance(capabilities, Capabilities) and capabilities.authority == hosted
        assert capabilities.directory_digest == cme.digest(directory)

        response = list_entries.sync_detailed(transfer, client=client, cme_incarnation=1)
        page, raw = response.parsed, cme.read(response.content)
        assert isinstance(page, EntryPage) and len(page.entries) == 1 and not page.more
        # Decide by the typed value; digests and signatures are of the raw one.
        for typed, entry in zip(page.entries, raw["entries"]):
            author = records[typed.header.author]
            cme.verify(entry["header"], entry["signature"], cme.keys_at(author, entry["header"]["createdAt"]), "cme-entry")
            assert entry["header"]["bodyDigest"] == cme.digest(entry["body"])
            cme.check_receipt(entry["receipts"][0], entry, records[hosted])
        head = raw["head"]
        cme.verify(head["head"], head["signature"], cme.keys_at(records[hosted], head["head"]["at"]), "cme-head")

        refused = list_entries.sync_detailed(cme.uuid7(), client=client)
        assert isinstance(refused.parsed, Problem) and refused.parsed.type_ == "urn:cme:problem:v1:ledger-unknown"


if __name__ == "__main__":
    kept = keeps_every_published_entry()
    reads_a_ledger(pathlib.Path(sys.argv[1]), sys.argv[2])
    print(f"Python: {kept} published entries are kept whole, and a ledger was read and verified")
