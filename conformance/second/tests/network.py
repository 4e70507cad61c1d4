"""Two real servers on loopback, one of each implementation, each with its own keys and database."""

from __future__ import annotations

import copy
import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
from typing import Any, Callable

from cme import office
from cme.node import Config, Node

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).resolve().parents[1]
VECTORS = ROOT / "spec" / "v1" / "vectors"
WAIT_SECONDS_MAX = 30


def binary(name: str) -> pathlib.Path:
    """A program of this repository, built before."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = target / "debug" / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing: cargo build -p {name}")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what: str, condition: Callable[[], Any]) -> Any:
    """The first true value of a condition, or a failure after a bound."""
    end = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {WAIT_SECONDS_MAX} s in vain: {what}")


def examples() -> dict[str, dict]:
    """A body of each type, from the published vectors, without its salt."""
    found: dict[str, dict] = {}
    for case in json.loads((VECTORS / "entries.json").read_text())["cases"]:
        if case["verdict"] == "accept" and case["name"].endswith("with its receipts"):
            body = copy.deepcopy(case["entry"]["body"])
            del body["salt"]
            found[case["entry"]["header"]["type"]] = body
    return found


def run(command: list[Any], body: dict | None = None, check: bool = True,
        seconds: float = 60) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run([str(word) for word in command], input=json.dumps(body).encode() if body else b"",
                          capture_output=True, timeout=seconds, env=environment)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stderr.decode()}")
    return done


class _Authority:
    """What both implementations have: a folder, a process, and commands."""

    def __init__(self, code: str, folder: pathlib.Path, port: int) -> None:
        self.code, self.folder, self.port = code, folder, port
        self.process: subprocess.Popen | None = None

    def command(self) -> list[Any]:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(word) for word in [*self.command(), "serve"]], stdout=log,
                                            stderr=log, env={**os.environ, "PYTHONPATH": str(HERE)})
        wait_for(f"{self.code} listens", self._listens)

    def _listens(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "log").read_text())
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """SIGKILL, as a power failure of the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def json(self, *words: Any, body: dict | None = None) -> dict:
        return json.loads(run([*self.command(), *words], body).stdout)

    def record(self) -> pathlib.Path:
        return self.folder / f"{self.code}.record.json"

    def stage(self, transfer: str) -> str | None:
        ledger = self.export(transfer)
        return ledger and ledger["head"]["head"]["stage"]

    def export(self, transfer: str) -> dict | None:
        raise NotImplementedError


class Reference(_Authority):
    def __init__(self, code: str, folder: pathlib.Path) -> None:
        super().__init__(code, folder, free_port())
        address = f"127.0.0.1:{self.port}"
        run([binary("cme-server"), "init", "--folder", folder, "--authority", code, "--base-url",
             f"https://{address}/{code}", "--listen", address, "--operations", f"127.0.0.1:{free_port()}"])
        config = folder / "cme-server.toml"
        text = config.read_text().replace("first_pause_ms = 1000", "first_pause_ms = 50")
        config.write_text(text.replace("pause_ms_max = 900000", "pause_ms_max = 500"))

    def command(self) -> list[Any]:
        return [binary("cme-server"), "--config", self.folder / "cme-server.toml"]

    def offer(self, to: str, body: dict, case: str | None = None) -> str:
        follows = ["--preceded-by", case] if case else []
        return self.json("office", "offer", "--to", to, *follows, body=body)["transfer"]

    def decide(self, kind: str, transfer: str, body: dict) -> None:
        name = {"request-information": "ask", "supply-information": "supply"}.get(kind, kind)
        self.json("office", name, "--transfer", transfer, body=body)

    def export(self, transfer: str) -> dict | None:
        done = run([*self.command(), "ledger", "export", "--transfer", transfer], check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None


class Second(_Authority):
    def __init__(self, code: str, folder: pathlib.Path, gss: str, name: str) -> None:
        super().__init__(code, folder, free_port())
        address = f"127.0.0.1:{self.port}"
        run([sys.executable, "-m", "cme", "init", "--folder", folder, "--authority", code, "--gss", gss, "--name",
             name, "--base-url", f"https://{address}/{code}", "--listen", address])
        with (folder / "second.toml").open("a") as config:
            config.write("retry_first_seconds = 0.05\nretry_ceiling_seconds = 0.5\n")

    def command(self) -> list[Any]:
        return [sys.executable, "-m", "cme", "--config", self.folder / "second.toml"]

    def offer(self, to: str, body: dict, case: str | None = None) -> str:
        return office.offer(self.node, to, body, case)["transfer"]

    def decide(self, kind: str, transfer: str, body: dict) -> None:
        self.json("decide", kind, "--transfer", transfer, body=body)

    # What is looked at, and offers by the hundred, go through this process: each start of Python takes time.

    @functools.cached_property
    def node(self) -> Node:
        return Node.open(Config.load(self.folder / "second.toml"))

    def list(self) -> dict:
        return office.worklist(self.node)

    def export(self, transfer: str) -> dict | None:
        try:
            return office.export(self.node, transfer)
        except office.Misuse:
            return None


def publish(folder: pathlib.Path, authorities: list[_Authority]) -> pathlib.Path:
    """Issue 1 of a directory of these authorities, given to each."""
    draft, directory, root = folder / "draft.json", folder / "directory.json", folder / "root.pem"
    records = [word for one in authorities for word in ("--record", one.record())]
    server = binary("cme-server")
    run([server, "directory", "make", *records, "--root-key", root, "--out", draft])
    run([server, "directory", "sign", draft, "--root-key", root, "--out", directory])
    for one in authorities:
        (one.folder / "directory.json").write_bytes(directory.read_bytes())
    return directory


def server_and_caller(folder: pathlib.Path) -> tuple[Second, Second]:
    """Two authorities of one directory; neither listens yet."""
    both = Second("330", folder / "330", "E08000025", "Birmingham"), Second("383", folder / "383", "E08000035", "Leeds")
    publish(folder, list(both))
    return both
