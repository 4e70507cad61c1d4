#!/usr/bin/env python3
"""Adapter of the conformance suite for the reference server.

    python3 cme_server.py --server PATH/cme-server --folder FOLDER

FOLDER is what `cme-server init` wrote. The adapter owns the server's process: it starts it at `hello` and stops
it at `stop`. Everything an officer or an operator does here is done with the product's own commands.

Needs Python 3.11 and nothing else.
"""

import argparse
import csv
import datetime
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import uuid

# Longest wait for the server to be ready, and for one command, in seconds.
READY_SECONDS_MAX = 60
COMMAND_SECONDS_MAX = 60

# The server looks for a new issue every 5 seconds; of one that is older it may say nothing.
LOOK_SECONDS_MAX = 7
LOOKED = ("a newer directory issue is in use", "the directory could not be refreshed")

# What an officer's decision is called on the command line.
COMMANDS = {"request-information": "ask", "supply-information": "supply"}
DEADLINES = {"originating-act": "originating-acts"}

# Columns of an import by a subject's members; lists are joined.
COLUMNS = {"familyName": "family_name", "givenName": "given_name", "middleNames": "middle_names",
           "formerFamilyNames": "former_family_names", "alsoKnownAs": "also_known_as",
           "dateOfBirth": "date_of_birth", "sex": "sex", "upns": "upn", "nhsNumber": "nhs_number",
           "lastPostcode": "postcode"}
SOURCE = "suite"

# Who decides.
OFFICER = "o-1"

# What `office query show` says of an authority that has not answered.
UNANSWERED = {"to-answer": "waiting", "refused": "refused", "withdrawn": "waiting"}

# The number in the table of section 12.2 of a rule; any other is the last.
RULES = {"below-compulsory-school-age": 1, "over-compulsory-school-age": 1, "registered-at-school": 2,
         "home-education-suitable": 3, "home-education-not-yet-assessed": 4, "other-provision-suitable": 5,
         "lives-elsewhere": 6}


class Unsupported(Exception):
    """The adapter does not know that."""


class Refused(Exception):
    """The product said no."""


class Server:
    """One server with its folder."""

    def __init__(self, program, folder):
        self.program = os.path.abspath(program)
        self.folder = pathlib.Path(folder).resolve()
        self.config = self.folder / "cme-server.toml"
        self.operations = tomllib.loads(self.config.read_text())["operations"]
        self.process = None
        log = self.folder / "log"
        self.logged = log.stat().st_size if log.exists() else 0

    def command(self, *arguments, body=None):
        """Runs a command of the product; its output, or Refused with what it said."""
        done = subprocess.run(
            [self.program, "--config", str(self.config), *arguments],
            input=None if body is None else json.dumps(body),
            stdin=subprocess.DEVNULL if body is None else None,
            capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False)
        if done.returncode != 0:
            raise Refused((done.stderr or done.stdout).strip())
        return done.stdout

    def office(self, *arguments, body=None):
        return json.loads(self.command("office", *arguments, body=body))

    def start(self):
        if self.process is not None:
            return
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        until = time.monotonic() + READY_SECONDS_MAX
        while not self.is_ready():
            if self.process.poll() is not None:
                self.process = None
                raise RuntimeError("the server ended at its start")
            if time.monotonic() > until:
                raise RuntimeError("the server does not become ready")
            time.sleep(0.02)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.operations}/health/ready", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def end(self, how):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    # What the suite asks for.

    def take_issue(self, wish):
        """The operator puts an issue in place; done when the running server has looked at it."""
        log = self.folder / "log"
        seen = log.stat().st_size
        beside = self.folder / "directory.json.new"
        beside.write_text(json.dumps(wish["directory"], ensure_ascii=False))
        beside.replace(self.folder / "directory.json")
        if self.process is None:
            return {}
        until = time.monotonic() + LOOK_SECONDS_MAX
        while time.monotonic() < until:
            with open(log, "rb") as lines:
                lines.seek(seen)
                text = lines.read().decode(errors="replace")
            if any(word in text for word in LOOKED):
                break
            time.sleep(0.05)
        return {}

    def offer(self, wish):
        arguments = ["offer", "--to", wish["to"]]
        if wish.get("clockClass") == "urgent":
            arguments.append("--urgent")
        for member, option in (("precededBy", "--preceded-by"), ("supersedes", "--supersedes"),
                               ("successorOf", "--successor-of")):
            if member in wish:
                arguments += [option, wish[member]]
        return {"transfer": self.office(*arguments, body=wish["body"])["transfer"]}

    def decide(self, wish):
        command = COMMANDS.get(wish["type"], wish["type"])
        self.office(command, "--transfer", wish["transfer"], body=wish["body"])
        return {}

    def tell(self, wish):
        told = self.office("notice", "tell", "--to", wish["to"], "--kind", wish["kind"], body=wish["body"])
        return {"notice": told["notice"]}

    def acknowledge(self, wish):
        self.office("notice", "acknowledge", "--id", wish["notice"], "--disposition", wish["disposition"])
        return {}

    def seed_child(self, wish):
        """A child comes into the register by a file of a source, as those of schools do."""
        row = {"reference": str(uuid.uuid4()), "shielded": "yes" if wish["shielded"] else "no"}
        for member, value in wish["child"].items():
            if member == "upns":
                value, row["former_upns"] = value[0], ";".join(value[1:])
            row[COLUMNS[member]] = ";".join(value) if isinstance(value, list) else value
        text = io.StringIO()
        table = csv.DictWriter(text, row)
        table.writeheader()
        table.writerow(row)
        path = self.folder / "suite.children.csv"
        path.write_text(text.getvalue())
        before = self.children()
        self.command("register", "import", str(path), "--source", SOURCE, "--merge")
        # The running server follows the database; done when it knows the child.
        until = time.monotonic() + READY_SECONDS_MAX
        while self.children() == before:
            if time.monotonic() > until:
                raise RuntimeError("the server does not take the child in")
            time.sleep(0.02)
        return {}

    def children(self):
        """How many children the running server knows."""
        with urllib.request.urlopen(f"http://{self.operations}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return next((line for line in lines if line.startswith("cme_register_children")), None)

    def ask(self, wish):
        more = ["--officer", OFFICER, "--wait", "0", "--json"]
        if "secondOfficer" in wish:
            more += ["--second-officer", wish["secondOfficer"]]
        if "standingUntil" in wish:
            left = datetime.datetime.fromisoformat(wish["standingUntil"]) - datetime.datetime.now(datetime.UTC)
            more += ["--standing-days", str(round(left / datetime.timedelta(days=1)))]
        if "renews" in wish:
            told = self.command("office", "query", "renew", "--id", wish["renews"], *more)
        elif "secondOfficer" in wish:
            told = self.command("office", "query", "broadcast", "--authorities", ",".join(wish["to"]), *more,
                                body=wish["subject"])
        else:
            if len(wish["to"]) != 1:
                raise Refused("more authorities than one are asked by a broadcast")
            told = self.command("office", "query", "ask", "--to", wish["to"][0], "--purpose", wish["purpose"],
                                *more, body=wish["subject"])
        whole = json.loads(told.splitlines()[-1])
        return {"queries": [{"to": asked["authority"], "query": asked["query"]} for asked in whole["authorities"]]}

    def answer(self, wish):
        """What an officer says to a query: to one that stands and is matched, by releasing the match."""
        waiting = self.office("answer", "list")
        stands = any(query["query"] == wish["query"] for query in waiting["standing"])
        command = "release" if stands and wish["outcome"] == "known" else wish["outcome"]
        more = ["--to", wish["referredTo"]] if "referredTo" in wish else []
        self.office("answer", command, "--query", wish["query"], "--officer", OFFICER, *more)
        return {}

    def withdraw(self, wish):
        self.office("query", "withdraw", "--id", wish["query"])
        return {}

    def matches(self, _):
        return {"matches": [{"query": query["query"]} for query in self.office("answer", "list")["standing"]]}

    def asked(self, _):
        told = []
        for asking in self.office("query", "list")["queries"]:
            whole = self.office("query", "show", "--id", asking["id"])
            told += [{"query": asked["query"], "to": asked["authority"],
                      "state": UNANSWERED.get(asked["status"], "answered")} for asked in whole["authorities"]]
        return {"asked": told}

    def transfer(self, wish):
        seen = self.office("show", "--transfer", wish["transfer"])
        return {
            "stage": seen["stage"],
            "responsible": seen["responsible"],
            "asOf": seen["asOf"],
            "forked": seen["forked"],
            "deadlines": [{"deadline": DEADLINES.get(due["clock"], due["clock"]), "dueOn": due["dueOn"],
                           "ends": due["expiresAt"]} for due in seen["due"]],
            "notComputable": [DEADLINES.get(clock, clock) for clock in seen.get("notComputable", [])],
        }

    def refused(self, _):
        letters = self.office("list")["refused"]
        return {"refused": [{"transfer": letter["transfer"], "id": letter["id"], "owner": letter["owner"]}
                            for letter in letters]}

    def export(self, wish):
        return {"export": json.loads(self.command("ledger", "export", "--transfer", wish["transfer"]))}

    def verdict(self, wish):
        """Verifies an export by the product's command, which is given files and nothing else."""
        names = ("suite.export.json", "suite.directory.json", "suite.second.json")
        paths = [self.folder / name for name in names]
        paths[0].write_text(wish["export"])
        paths[1].write_text(json.dumps(wish["directory"], ensure_ascii=False))
        arguments = [str(paths[0]), "--directory", str(paths[1])]
        if "second" in wish:
            paths[2].write_text(wish["second"])
            arguments += ["--with", str(paths[2])]
        done = subprocess.run(
            [self.program, "ledger", "verify", *arguments, "--json"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False)
        try:
            report = json.loads(done.stdout)
        except json.JSONDecodeError:
            return {"findings": [{"what": done.stderr.strip()}]}
        return {"findings": report["findings"], "proof": report.get("proof"),
                "offeredTwice": report.get("offeredTwice", [])}

    def facts(self, wish):
        asked = {member: wish[member] for member in ("on", "dateOfBirth", "facts", "cmeSince") if member in wish}
        said = json.loads(self.command("facts", body=asked))
        told = {"schoolAge": said.get("compulsorySchoolAge", {}).get("is"), "band": said["durationBand"]}
        if "status" in said:
            told["status"] = "cme" if said["status"]["missingEducation"] else "not-cme"
            told["rule"] = RULES.get(said["status"]["rule"], 7)
        return told

    def logs(self, _):
        """What the server has logged since the last look, and its metrics."""
        with open(self.folder / "log", "rb") as log:
            log.seek(self.logged)
            text = log.read().decode(errors="replace")
            self.logged = log.tell()
        with urllib.request.urlopen(f"http://{self.operations}/metrics", timeout=10) as answer:
            return {"texts": [text, answer.read().decode()]}

    def start_again(self, _):
        self.start()
        return {}

    def kill(self, _):
        self.end(signal.SIGKILL)
        return {}

    def back_up(self, _):
        path = self.folder / "suite.backup"
        path.unlink(missing_ok=True)
        self.command("backup", str(path))
        return {}

    def restore(self, _):
        self.end(signal.SIGTERM)
        self.command("restore", str(self.folder / "suite.backup"), "--replace")
        self.start()
        return {}


ABILITIES = {
    ("seed", "directory"): Server.take_issue,
    ("seed", "child"): Server.seed_child,
    ("trigger", "offer"): Server.offer,
    ("trigger", "decide"): Server.decide,
    ("trigger", "tell"): Server.tell,
    ("trigger", "acknowledge-notice"): Server.acknowledge,
    ("trigger", "ask"): Server.ask,
    ("trigger", "answer"): Server.answer,
    ("trigger", "withdraw-query"): Server.withdraw,
    ("observe", "transfer"): Server.transfer,
    ("observe", "refused"): Server.refused,
    ("observe", "export"): Server.export,
    ("observe", "verdict"): Server.verdict,
    ("observe", "matches"): Server.matches,
    ("observe", "asked"): Server.asked,
    ("observe", "facts"): Server.facts,
    ("observe", "log"): Server.logs,
    ("process", "kill"): Server.kill,
    ("process", "start"): Server.start_again,
    ("process", "backup"): Server.back_up,
    ("process", "restore"): Server.restore,
}


def answer(server, wish):
    verb = wish["verb"]
    if verb == "hello":
        server.start()
        return {"format": "cme-adapter/1", "name": "cme-server",
                "can": [" ".join(ability) for ability in ABILITIES]}
    if verb == "stop":
        server.end(signal.SIGTERM)
        return {}
    ability = ABILITIES.get((verb, wish.get("what")))
    if ability is None:
        raise Unsupported(f"{verb} {wish.get('what', '')}".strip())
    return ability(server, wish)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--server", required=True, help="the program cme-server")
    arguments.add_argument("--folder", required=True, help="folder that `cme-server init` wrote")
    chosen = arguments.parse_args()
    server = Server(chosen.server, chosen.folder)
    try:
        for line in sys.stdin:
            wish = json.loads(line)
            try:
                told = {"result": "done", **answer(server, wish)}
            except Unsupported as what:
                told = {"result": "unsupported", "reason": str(what)}
            except Refused as reason:
                told = {"result": "refused", "reason": str(reason)}
            except Exception as error:  # pylint: disable=broad-except
                told = {"result": "failed", "reason": f"{type(error).__name__}: {error}"}
            print(json.dumps({"id": wish["id"], **told}, ensure_ascii=False), flush=True)
            if wish["verb"] == "stop":
                return
    finally:
        server.end(signal.SIGTERM)


if __name__ == "__main__":
    main()
