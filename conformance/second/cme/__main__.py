"""The command line: `python -m cme --help`."""

from __future__ import annotations

import argparse
import json
import pathlib
import signal
import sys
import threading
from typing import BinaryIO

from . import canonical, office, setup
from .canonical import Json
from .directory import Archive, Refused
from .documents import TYPES
from .node import Config, Node, log
from .problems import Problem
from .sender import Sender
from .server import Server
from .verify import Verifier, offered_twice


def main() -> int:
    arguments = _parser().parse_args()
    try:
        if arguments.command == "init":
            _print(setup.init(arguments.folder, arguments.authority, arguments.gss, arguments.name,
                              arguments.base_url, arguments.listen))
            return 0
        if arguments.command == "verify":
            return _verify(arguments)
        return _with_node(arguments, Node.open(Config.load(arguments.config)))
    except office.Misuse as misuse:
        print(f"not done: {misuse}", file=sys.stderr)
    except Problem as problem:
        print(f"not done: {json.dumps(problem.document())}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"not done: {error}", file=sys.stderr)
    return 1


def _with_node(arguments: argparse.Namespace, node: Node) -> int:
    command = arguments.command
    if command == "serve":
        _serve(node)
    elif command == "offer":
        _print(office.offer(node, arguments.to, _input(arguments.body), arguments.responsibility,
                            arguments.urgent))
    elif command == "decide":
        source = {} if arguments.onward else _input(arguments.body)
        _print(office.decide(node, arguments.type, arguments.transfer, source, arguments.onward))
    elif command == "list":
        _print(office.worklist(node))
    elif command == "show":
        _print(office.show(node, arguments.transfer))
    elif command == "export":
        _print(office.export(node, arguments.transfer))
    elif command == "resolve":
        office.resolve(node, arguments.number, arguments.retry)
    elif command == "attended":
        office.attended(node, arguments.number)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """Exit code 0 only where every export is a proof."""
    archive = Archive(arguments.root)
    try:
        archive.offer(canonical.parse(arguments.directory.read_bytes()))
    except Refused as refused:
        raise ValueError(f"the directory does not hold: {refused}") from None
    verdicts = [Verifier(canonical.parse(path.read_bytes()), archive.newest).verdict() for path in arguments.exports]
    proofs = [verdict for verdict in verdicts if "findings" not in verdict]
    _print({"verdicts": verdicts, "offeredTwice": offered_twice(proofs)})
    return 0 if len(proofs) == len(verdicts) else 1


def _serve(node: Node) -> None:
    """Until SIGTERM or SIGINT."""
    server, sender = Server(node), Sender(node)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker = threading.Thread(target=sender.run)
    worker.start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log("serving", authority=node.code, listen=node.config.listen)
    stop.wait()
    sender.stopping.set()
    server.shutdown()
    worker.join()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cme", description="Second implementation of the core profile")
    parser.add_argument("--config", type=pathlib.Path, default=pathlib.Path("second.toml"))
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="make keys, certificates, a configuration and a record")
    init.add_argument("--folder", type=pathlib.Path, required=True)
    for name in ("authority", "gss", "name", "base-url", "listen"):
        init.add_argument(f"--{name}", required=True)
    commands.add_parser("serve", help="answer peers and deliver, until stopped")
    offer = commands.add_parser("offer", help="offer a child; the body comes from a file or standard input")
    offer.add_argument("--to", required=True)
    offer.add_argument("--responsibility", help="the case that the offer goes on with")
    offer.add_argument("--urgent", action="store_true", help="urgent clocks, also where the facts do not ask for them")
    offer.add_argument("body", nargs="?", type=argparse.FileType("rb"), default=sys.stdin.buffer)
    decide = commands.add_parser("decide", help="write the next entry of a transfer")
    decide.add_argument("type", choices=sorted(TYPES - {"offer"}))
    decide.add_argument("--transfer", required=True)
    decide.add_argument("--onward", help="for an outcome moved-on: the transfer in which another has accepted")
    decide.add_argument("body", nargs="?", type=argparse.FileType("rb"), default=sys.stdin.buffer)
    commands.add_parser("list", help="transfers, clocks, outbox, and what an officer has to look at")
    for name in ("show", "export"):
        commands.add_parser(name).add_argument("--transfer", required=True)
    verify = commands.add_parser("verify", help="judge exported ledgers offline")
    verify.add_argument("exports", nargs="+", type=pathlib.Path)
    verify.add_argument("--directory", type=pathlib.Path, required=True)
    verify.add_argument("--root", help="the root key that signed the issue, which else vouches for itself")
    resolve = commands.add_parser("resolve", help="give a refused letter up, or send it again")
    resolve.add_argument("number", type=int)
    resolve.add_argument("--retry", action="store_true")
    commands.add_parser("attended", help="mark as looked at").add_argument("number", type=int)
    return parser


def _input(file: BinaryIO) -> Json:
    return canonical.parse(file.read())


def _print(document: Json) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    sys.exit(main())
