"""Makes this implementation act for the conformance program: `python adapter.py FOLDER`.

One JSON object a line comes in, and one goes out. The adapter owns the server's process: it starts it before it
says hello, kills it when it is asked to, and ends it at the end. Decisions are those of the command line."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Callable

from cme import canonical, office
from cme.canonical import Json
from cme.directory import Archive
from cme.node import Config, Node
from cme.problems import Problem
from cme.verify import Verifier, offered_twice

FORMAT = "cme-adapter/1"
WAIT_SECONDS = 10
DEADLINES = {"originating-act": "originating-acts"}


class Adapter:
    def __init__(self, folder: pathlib.Path) -> None:
        self.config = Config.load(folder / "second.toml")
        self.server: subprocess.Popen[bytes] | None = None
        self.node: Node | None = None
        self.logged = 0
        self.verbs: dict[tuple[str, str], Callable[[Json], Json]] = {
            ("trigger", "offer"): self.offer, ("trigger", "decide"): self.decide,
            ("observe", "transfer"): self.transfer, ("observe", "export"): self.export,
            ("observe", "refused"): self.refused, ("observe", "verdict"): self.verdict,
            ("observe", "log"): self.log,
            ("process", "kill"): self.kill, ("process", "start"): self.start,
            ("seed", "directory"): self.directory}

    def serve(self) -> None:
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps({**self.answer(request), "id": request["id"]}), flush=True)
            if request["verb"] == "stop":
                return

    def answer(self, request: Json) -> Json:
        verb, what = request["verb"], request.get("what", "")
        if verb == "hello":
            return {**self.hello(request), "result": "done"}
        if verb == "stop":
            self.kill({})
            return {"result": "done"}
        act = self.verbs.get((verb, what))
        if act is None:
            return {"result": "unsupported", "reason": f"{verb} {what}"}
        try:
            return {**act(request), "result": "done"}
        except (office.Misuse, Problem) as refusal:
            return {"result": "refused", "reason": str(refusal)}
        except Exception as fault:
            return {"result": "failed", "reason": type(fault).__name__}

    def hello(self, request: Json) -> Json:
        path = self.config.file(self.config.directory)
        if not path.exists():
            path.write_text(json.dumps(request["directory"]))
        self.node = Node.open(self.config)
        if self.server is None:
            self.start({})
        return {"format": FORMAT, "name": "cme-second", "can": [" ".join(verb) for verb in self.verbs]}

    def _node(self) -> Node:
        assert self.node is not None, "the suite says hello first"
        self.node.refresh_directory()
        return self.node

    # The process

    def start(self, _request: Json) -> Json:
        command = [sys.executable, "-m", "cme", "--config", str(self.config.file("second.toml")), "serve"]
        here = str(pathlib.Path(__file__).parent)
        with self.config.file("log").open("ab") as log:
            self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env={**os.environ, "PYTHONPATH": here})
        host, port = self.config.listen.rsplit(":", 1)
        self._until(lambda: self._listens(host, int(port)))
        return {}

    @staticmethod
    def _listens(host: str, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((host, port)) == 0

    def kill(self, _request: Json) -> Json:
        if self.server is not None:
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()
            self.server = None
        return {}

    @staticmethod
    def _until(condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + WAIT_SECONDS
        while not (value := condition()):
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.02)
        return value

    # What officers do and see

    def offer(self, request: Json) -> Json:
        unknown = request.keys() - {"id", "verb", "what", "to", "body", "clockClass", "precededBy"}
        if unknown:
            raise office.Misuse(f"this server offers nothing with {sorted(unknown)}")
        case = None
        if "precededBy" in request:
            case = office.show(self._node(), request["precededBy"])["entries"][0]["header"]["responsibility"]["id"]
        return office.offer(self._node(), request["to"], request["body"], case,
                            urgent=request.get("clockClass") == "urgent")

    def decide(self, request: Json) -> Json:
        """As an officer who waits while an earlier decision is on its way."""
        def attempt() -> Json | None:
            try:
                return office.decide(self._node(), request["type"], request["transfer"], request["body"])
            except office.OnItsWay:
                return None
        try:
            decided: Json = self._until(attempt)
            return decided
        except TimeoutError:
            raise office.Misuse("an earlier decision is still on its way") from None

    def transfer(self, request: Json) -> Json:
        view = office.show(self._node(), request["transfer"])
        clocks = [(DEADLINES.get(clock["clock"], clock["clock"]), clock) for clock in view["clocks"]]
        return {
            "stage": view["stage"], "responsible": view["responsible"], "asOf": view["asOf"],
            "deadlines": [{"deadline": name, "dueOn": clock["due_on"], "ends": clock["ends"],
                           "owedBy": clock["owner"], "overdue": clock["overdue"]}
                          for name, clock in clocks if clock["ends"] is not None],
            "notComputable": [name for name, clock in clocks if clock["ends"] is None]}

    def export(self, request: Json) -> Json:
        return {"export": office.export(self._node(), request["transfer"])}

    def verdict(self, request: Json) -> Json:
        """What the offline verifier says; it has nothing to do with the server."""
        archive = Archive(None)
        archive.offer(request["directory"])
        verdict = Verifier(canonical.parse(request["export"].encode()), archive.newest).verdict()
        findings = verdict.get("findings", [])
        told: Json = {"findings": findings, "proof": None if findings else verdict}
        if "second" in request:
            other = Verifier(canonical.parse(request["second"].encode()), archive.newest).verdict()
            twice = offered_twice([one for one in (verdict, other) if "findings" not in one])
            told["offeredTwice"] = [code for pair in twice for code in pair["offeredBy"]]
        return told

    def log(self, _request: Json) -> Json:
        """What the server has written since the last look. It has no metrics."""
        with self.config.file("log").open("rb") as log:
            log.seek(self.logged)
            text = log.read().decode(errors="replace")
            self.logged = log.tell()
        return {"texts": [text]}

    def refused(self, _request: Json) -> Json:
        letters = [letter for letter in office.worklist(self._node())["outbox"] if letter["refused"]]
        return {"refused": [{"transfer": one["transfer"], "problem": one["refused"], "owner": one["owner"]}
                            for one in letters]}

    def directory(self, request: Json) -> Json:
        path = self.config.file(self.config.directory)
        draft = path.with_suffix(".new")
        draft.write_bytes(canonical.canonical(request["directory"]))
        draft.rename(path)
        return {}


if __name__ == "__main__":
    adapter = Adapter(pathlib.Path(sys.argv[1]))
    try:
        adapter.serve()
    finally:
        adapter.kill({})
