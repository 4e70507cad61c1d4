"""Plays an example client through what happens to a letter: `examples.py NETWORK NAME COMMAND...`.

NETWORK is a folder of `.ci/servers` in which both serve. The command offers from 330 to 373; it is run while nobody
answers, while another server answers, and at last. Prints the transfer.
"""

import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
CALLER, HOSTED = "330", "373"


class Impostor:
    """Serves at the address of 373 with the certificate of another server, and keeps what is sent to it."""

    def __init__(self, network, port):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(network / CALLER / "server.cert.pem", network / CALLER / "server.key.pem")
        self.listener = socket.create_server(("127.0.0.1", port))
        self.tls, self.received = tls, b""
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                plain.settimeout(10)
                with self.tls.wrap_socket(plain, server_side=True) as connection:
                    self.received += connection.recv(1)
            except OSError:
                plain.close()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(timeout=15)


class Player:
    def __init__(self, network, name, command):
        self.network, self.command = network, command
        self.outbox = network / f"outbox-{name}"
        document = json.loads((network / "directory.json").read_text())["directory"]
        self.root = document["rootKeys"][0]
        url = next(held["baseUrl"] for held in document["authorities"] if held["code"] == HOSTED)
        self.port = urllib.parse.urlsplit(url).port

    def run(self, *more, root=None):
        given = ["--deployment", self.network / CALLER, "--to", HOSTED, f"--root={root or self.root}", "--outbox", self.outbox]
        done = subprocess.run([*self.command, *map(str, [*given, *more])], capture_output=True, text=True, timeout=60)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, told, done.stderr

    def expect(self, what, code, became, *more):
        returned, told, errors = self.run(*more)
        assert (returned, [line["became"] for line in told]) == (code, became), (what, returned, told, errors)
        return told

    def servers(self, *arguments):
        subprocess.run([ROOT / ".ci/servers", arguments[0], self.network, *arguments[1:]], check=True, timeout=60)

    def waiting(self):
        return {path.name: path.read_bytes() for path in self.outbox.glob("*.json")}

    def play(self, body):
        code, told, _ = self.run(body, root="A" * 43)
        assert code not in (0, 75) and not told and not self.outbox.exists(), "a directory of another root was believed"

        self.servers("stop", HOSTED)
        self.expect("nobody answers", 75, ["later"], body)
        stored = self.waiting()
        assert len(stored) == 1

        impostor = Impostor(self.network, self.port)
        told = self.expect("another server answers", 75, ["later"])
        impostor.stop()
        assert "not pinned" in told[0]["answer"]["error"], told
        assert impostor.received == b"", "something was sent to another server"
        assert self.waiting() == stored, "what waits was changed"

        self.servers("run", HOSTED)
        first = self.expect("the server answers", 0, ["receipted"])
        assert not self.waiting()
        for name, content in stored.items():
            (self.outbox / name).write_bytes(content)
        again = self.expect("sent again", 0, ["receipted"])
        assert first == again, "another receipt for the same entry"

        spoilt = json.loads(*stored.values())
        spoilt["body"]["child"]["familyName"] += "s"
        (self.outbox / "spoilt.json").write_text(json.dumps(spoilt))
        refused = self.expect("a body that was changed", 1, ["final"])
        assert refused[0]["answer"]["type"] == "urn:cme:problem:v1:body-digest-mismatch", refused
        return first[0]["answer"]["receipt"]["transfer"]


if __name__ == "__main__":
    network = pathlib.Path(sys.argv[1])
    print(Player(network, sys.argv[2], sys.argv[3:]).play(network / "offer.json"))
