"""Offers a child to another authority, and holds the signed receipt at the end.

    python offer.py --deployment 330/ --to 373 --root=ROOT_KEY --outbox outbox/ offer.json
    python offer.py --deployment 330/ --to 373 --root=ROOT_KEY --outbox outbox/

The deployment is a folder that `cme-server init` made, with the directory in it. The entry is on disk before it
is sent; without a body, what the outbox holds is sent again, byte for byte. Exit code: 0 receipted, 1 refused for
good, 75 not delivered yet.
"""

import argparse
import json
import os
import pathlib
import sys

import cme
import peer

PROBLEM = "urn:cme:problem:v1:"
# The class "final" of section 9.5: sending the same bytes again can't help. Everything else is tried again.
FINAL = {
    "malformed", "too-large", "limit-exceeded", "path-mismatch", "not-a-party", "type-unknown", "protocol-unsupported",
    "body-missing", "body-digest-mismatch", "body-invalid", "signature-invalid", "id-reused", "wrong-author",
    "receipt-missing", "receipt-invalid", "header-changed", "media-type",
}  # fmt: skip


def make(body: dict, author: str, recipient: str, key) -> dict:
    """An offer that begins a ledger. `body` is that of section 4, without the salt."""
    body = {"salt": cme.b64(os.urandom(16)), **body}
    header = {
        "protocol": "1.0",
        "transfer": cme.uuid7(),
        "sequence": 0,
        "previous": None,
        "id": cme.uuid7(),
        "type": "offer",
        "author": author,
        "recipient": recipient,
        "createdAt": cme.now(),
        "responsibility": {"id": cme.uuid7(), "epoch": 1},
        "clockClass": "standard",
        "bodyDigest": cme.digest(body),
    }
    return {"header": header, "body": body, "signature": cme.sign(header, key)}


def store(outbox: pathlib.Path, entry: dict) -> None:
    """On disk, whatever happens next: a decision that was sent and then forgotten would fork the ledger."""
    outbox.mkdir(parents=True, exist_ok=True)
    unfinished = outbox / f"{entry['header']['id']}.unfinished"
    with open(unfinished, "wb") as file:
        file.write(json.dumps(entry).encode())
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(outbox / f"{entry['header']['id']}.json")
    folder = os.open(outbox, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def send(content: bytes, record: dict, tls: peer.PinnedContext) -> tuple[str, dict]:
    """What became of the entry: `receipted` with the signed receipt, or `final` or `later` with the problem."""
    entry = cme.read(content)
    header = entry["header"]
    path = f"/v1/transfers/{header['transfer']}/entries/{header['sequence']}"
    status, said = peer.request(record, tls, "PUT", path, content)
    try:
        answer = cme.read(said)
    except cme.Refused:
        return "later", {"status": status}  # a proxy's page
    if status in (200, 201):
        receipt = cme.check_receipt(answer, entry, record)
        same = (receipt["sequence"], receipt["headerDigest"]) == (header["sequence"], cme.digest(header))
        if status == 201 and not same:
            raise cme.Refused("a receipt for another header")
        return "receipted", answer
    name = str(answer.get("type", "")).removeprefix(PROBLEM)
    return ("final" if name in FINAL else "later"), answer


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--deployment", type=pathlib.Path, required=True)
    options.add_argument("--to", required=True)
    options.add_argument("--root", required=True, help="the directory's root key, which a person has compared")
    options.add_argument("--outbox", type=pathlib.Path, required=True)
    options.add_argument("body", nargs="?", type=pathlib.Path)
    given = options.parse_args()

    folder = given.deployment
    author = next(folder.glob("*.sign.pem")).name.removesuffix(".sign.pem")
    directory = cme.verified_directory(cme.read((folder / "directory.json").read_bytes()), given.root)
    record = cme.authority(directory, given.to)
    if given.body:
        key = cme.private_key(folder / f"{author}.sign.pem")
        store(given.outbox, make(cme.read(given.body.read_bytes()), author, given.to, key))

    tls = peer.context(record, folder / f"{author}.cert.pem", folder / f"{author}.key.pem")
    codes = {"receipted": 0, "final": 1, "later": 75}
    worst = 0
    for waiting in sorted(given.outbox.glob("*.json")):
        try:
            became, answer = send(waiting.read_bytes(), record, tls)
        except OSError as error:  # no connection, no handshake, or another server
            became, answer = "later", {"error": str(error)}
        print(json.dumps({"entry": waiting.stem, "became": became, "answer": answer}))
        worst = max(worst, codes[became])
        if became != "later":
            waiting.with_suffix(f".{became}").write_text(json.dumps(answer))
            waiting.rename(waiting.with_suffix(".sent"))
    return worst


if __name__ == "__main__":
    sys.exit(main())
