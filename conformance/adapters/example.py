#!/usr/bin/env python3
"""The smallest useful adapter: copy it, and put your product's own commands in.

    python3 example.py --offer 'my-product offer --to {to}'

It can do one thing, `trigger offer`: it runs that command with the offer's body on its standard input, and takes
the transfer's id from its standard output. A command that ends with another code than 0 has refused.

Needs Python 3.8 and nothing else.
"""

import argparse
import json
import shlex
import subprocess
import sys


def offer(command, wish):
    """What became of the wish: the members of the answer."""
    line = command.format(to=shlex.quote(wish["to"]))
    done = subprocess.run(line, shell=True, input=json.dumps(wish["body"]), capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        return {"result": "refused", "reason": done.stderr.strip() or "the command failed"}
    return {"result": "done", "transfer": done.stdout.strip()}


def answer(command, wish):
    if wish["verb"] == "hello":
        return {"result": "done", "format": "cme-adapter/1", "name": "example", "can": ["trigger offer"]}
    if (wish["verb"], wish.get("what")) == ("trigger", "offer"):
        return offer(command, wish)
    if wish["verb"] == "stop":
        return {"result": "done"}
    # Whatever it does not know, a verb of a later version too.
    return {"result": "unsupported", "reason": wish["verb"]}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--offer", required=True, help="command that offers a child to authority {to}")
    chosen = arguments.parse_args()
    for line in sys.stdin:
        wish = json.loads(line)
        # The id says which line is answered.
        print(json.dumps({"id": wish["id"], **answer(chosen.offer, wish)}), flush=True)
        if wish["verb"] == "stop":
            return


if __name__ == "__main__":
    main()
