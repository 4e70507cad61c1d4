"""Carries generated requests past the signature, and holds answers to more than their shape.

A generated entry or notice has no digest and no signature that holds, so by itself it is refused before a
rule of the ledger sees it. Most of those that fit the document are therefore mended here: parties, place in a ledger
that grows with the run, digest, signature, and the receipt of a delivery. What is mended depends on the generated
content alone, so that a seed tells a run again.
"""

import atexit
import collections
import json
import os
import pathlib
import random
import sqlite3
import sys

import jsonschema_rs
import schemathesis

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples/python"))

import cme  # noqa: E402

NETWORK = pathlib.Path(os.environ["CME_NETWORK"])
CALLER, HOSTED = "330", "373"
DIRECTORY = json.loads((NETWORK / "directory.json").read_text())["directory"]
KEYS = {code: cme.private_key(NETWORK / code / f"{code}.sign.pem") for code in (CALLER, HOSTED)}
RECORDS = {code: cme.authority(DIRECTORY, code) for code in (CALLER, HOSTED)}
DOCUMENT = json.loads((ROOT / "spec/v1/openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]

BODY_OF = {
    "offer": "Offer",
    "acknowledge": "Acknowledge",
    "request-information": "RequestInformation",
    "supply-information": "SupplyInformation",
    "accept": "Accept",
    "decline": "Decline",
    "contest": "Contest",
    "uphold": "Uphold",
    "redirect": "Redirect",
    "withdraw": "Withdraw",
    "outcome": "OutcomeEntry",
    "retract": "Retract",
    "correct": "Correct",
}
assert sorted(BODY_OF) == sorted(SCHEMAS["EntryType"]["enum"])


def transitions():
    """From the table of section 5.3: type to author, and to the next stage by stage."""
    rows = [
        [cell.strip() for cell in line.strip("| \n").split("|")]
        for line in (ROOT / "spec/text/05-ledger.md").read_text().splitlines()
        if line.count("|") == 10
    ]
    columns = [stages.split(", ") for stages in rows[0][2:]]
    table = {}
    for kind, author, *cells in rows[2:]:
        cells = [cell.removesuffix(", once") for cell in cells]
        pairs = [(stage, cell) for stages, cell in zip(columns, cells) for stage in stages if cell != "-"]
        table[kind] = author, {stage: stage if cell == "same" else cell for stage, cell in pairs}
    return table


TRANSITIONS = transitions()
assert sorted(TRANSITIONS) == sorted(set(BODY_OF) - {"offer"})


def validator(name):
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})


VALID = {kind: validator(name) for kind, name in BODY_OF.items()}
VALID_NOTICE = validator("SignedNotice")
VALID_QUERY = validator("SignedQuery")


def vector_bodies():
    """Bodies of every type, from the published ledgers: most generated ones break a rule that no schema says."""
    bodies = collections.defaultdict(list)
    for path in sorted((ROOT / "spec/v1/vectors/ledgers").glob("*.json")):
        for entry in json.loads(path.read_text()).get("entries", []):
            if entry["body"] and entry["body"] not in bodies[entry["header"]["type"]]:
                bodies[entry["header"]["type"]].append(entry["body"])
    return bodies


BODIES = vector_bodies()


def vector_statements(file, name, valid):
    cases = json.loads((ROOT / "spec/v1/vectors" / file).read_text())["cases"]
    found = [case[name] for case in cases if case["verdict"] == "accept" and valid.is_valid(case.get(name))]
    assert found, file
    return found


NOTICES = vector_statements("notices.json", "notice", VALID_NOTICE)
QUERIES = vector_statements("queries.json", "query", VALID_QUERY)



def told_notices():
    """What the server told the caller, as it keeps it: what can be acknowledged."""
    with sqlite3.connect(f"file:{NETWORK / HOSTED / 'cme.sqlite'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT header FROM notice WHERE outgoing = 1 ORDER BY created_at").fetchall()
    return [json.loads(row[0]) for row in rows]


class Ledger:
    """What the server receipted of one transfer in this run."""

    def __init__(self, offer):
        self.first = self.head = offer["header"]
        self.stage = "offered"

    def append(self, entry):
        self.head = entry["header"]
        self.stage = TRANSITIONS[self.head["type"]][1][self.stage]


TOLD = told_notices()
ledgers = {}  # by transfer
outcomes = collections.Counter()


def blend(rng, sound, generated):
    """A sound object with a few members of a generated one in place of its own."""
    mixed = dict(sound)
    names = sorted(generated)
    for name in rng.sample(names, min(len(names), rng.choice((0, 1, 1, 2)))):
        inner = isinstance(generated[name], dict) and isinstance(mixed.get(name), dict) and rng.random() < 0.7
        mixed[name] = blend(rng, mixed[name], generated[name]) if inner else generated[name]
    return mixed


def uuid(rng):
    raw = bytearray(int(cme.time.time() * 1000).to_bytes(6, "big") + rng.randbytes(10))
    raw[6], raw[8] = raw[6] & 0x0F | 0x70, raw[8] & 0x3F | 0x80
    return str(cme.uuid.UUID(bytes=bytes(raw)))


def mended_entry(rng, entry):
    """The entry as its author would send it: in a known ledger or a new one, proposed or delivered."""
    fitting = [kind for kind in BODY_OF if VALID[kind].is_valid(entry["body"])]
    ledger = rng.choice(list(ledgers.values())[-6:]) if ledgers and rng.random() < 0.8 else None
    kind = next_kind(rng, ledger, fitting)
    generated = entry["body"] if kind in fitting else {}
    body = generated if generated and rng.random() < 0.2 else blend(rng, rng.choice(BODIES[kind]), generated)
    header = dict(entry["header"], type=kind, id=uuid(rng), createdAt=cme.now(), protocol="1.0", bodyDigest=cme.digest(body))
    if ledger:
        place(rng, header, ledger)
    else:
        author, other = (CALLER, HOSTED) if rng.random() < 0.7 else (HOSTED, CALLER)
        header.update(author=author, recipient=other, transfer=uuid(rng), sequence=0, previous=None)
    if rng.random() < 0.9:
        for member in ("precededBy", "supersedes", "successorOf"):
            header.pop(member, None)
    mended = {"header": header, "body": body, "signature": cme.sign(header, KEYS[header["author"]])}
    if (ledger.first if ledger else header)["recipient"] == CALLER:
        mended["receipts"] = [receipt_of(header)]
    return mended


def next_kind(rng, ledger, fitting):
    """Mostly a type that may come next, if it can be one of the body's."""
    if rng.random() < 0.15:
        return rng.choice(fitting or sorted(BODY_OF))
    if ledger is None:
        return "offer"
    allowed = sorted(kind for kind, (_, stages) in TRANSITIONS.items() if ledger.stage in stages)
    return rng.choice([kind for kind in allowed if kind in fitting] or allowed)


def place(rng, header, ledger):
    """At the head of the ledger, mostly; sometimes on, or before, or beside it."""
    header.update({name: ledger.first[name] for name in ("transfer", "responsibility", "clockClass")})
    author, other = ledger.first["author"], ledger.first["recipient"]
    if TRANSITIONS.get(header["type"], ("",))[0] == "receiving" and other == CALLER:
        author, other = other, author
    header.update(author=author, recipient=other, previous=cme.digest(ledger.head), sequence=ledger.head["sequence"] + 1)
    if rng.random() < 0.1:
        header["sequence"] = max(0, ledger.head["sequence"] + rng.choice((-1, 0, 2)))


def receipt_of(header):
    receipt = {
        "transfer": header["transfer"],
        "sequence": header["sequence"],
        "entryId": header["id"],
        "headerDigest": cme.digest(header),
        "receivedAt": cme.now(),
        "by": CALLER,
        "incarnation": 1,
        "directoryIssue": 1,
    }
    return {"receipt": receipt, "signature": cme.sign(receipt, KEYS[CALLER])}


def mended_notice(rng, notice):
    return mended_statement(rng, rng.choice(NOTICES), notice, {"notice": uuid(rng)})


def mended_query(rng, query):
    sound, named = rng.choice(QUERIES), {"query": uuid(rng)}
    if "standingUntil" in sound["header"] and rng.random() < 0.9:
        named["standingUntil"] = cme.now(days=rng.randint(1, 30))
    return mended_statement(rng, sound, query, named)


def mended_statement(rng, sound, generated, named):
    header = blend(rng, sound["header"], generated["header"])
    body = blend(rng, sound["body"], generated["body"])
    header.update(named, author=CALLER, recipient=HOSTED, createdAt=cme.now(), bodyDigest=cme.digest(body))
    return {"header": header, "body": body, "signature": cme.sign(header, KEYS[CALLER])}


def mended_acknowledgement(rng, document):
    said = dict(document["acknowledgement"], by=CALLER, acknowledgedAt=cme.now())
    if rng.random() < 0.9:
        told = rng.choice(TOLD)
        said.update(notice=told["notice"], noticeDigest=cme.digest(told))
    return {"acknowledgement": said, "signature": cme.sign(said, KEYS[CALLER])}


def sealed(document):
    """The document as generated, with the digest and signature that make it genuine."""
    if "body" in document:
        header = dict(document["header"], author=CALLER, recipient=HOSTED, bodyDigest=cme.digest(document["body"]))
        return dict(document, header=header, signature=cme.sign(header, KEYS[CALLER]))
    said = document[next(part for part in SAID if part in document)]
    return dict(document, signature=cme.sign(said, KEYS[CALLER]))


SAID = ("acknowledgement", "answer")
MEND = {
    "put_entry": ("LedgerEntry", mended_entry),
    "put_notice": ("SignedNotice", mended_notice),
    "put_query": ("SignedQuery", mended_query),
    "put_acknowledgement": ("SignedAcknowledgement", mended_acknowledgement),
}
FITS = {name: validator(schema) for name, (schema, _) in MEND.items()}


def operation(case):
    return case.operation.definition.raw.get("operationId")


@schemathesis.hook
def before_call(context, case, kwargs):
    told = case.headers.get("CME-Incarnation", "")
    if told.isdigit() and int(told) > 1:
        # Whoever once tells a greater number is refused with every smaller one from then on.
        case.headers["CME-Incarnation"] = "1"
    name, body = operation(case), case.body
    if case.method != "PUT" or case.media_type != "application/json" or not is_near(body):
        return
    rng = random.Random(json.dumps(body, sort_keys=True))
    if rng.random() < 0.1:
        return
    try:
        mended = MEND[name][1](rng, body) if name in MEND and FITS[name].is_valid(body) else sealed(body)
        case.path_parameters.update(PATH_OF[name](mended))
    except (cme.rfc8785.CanonicalizationError, KeyError):
        return  # a number that the protocol does not have, or nothing to name in the path
    case.headers["CME-Incarnation"] = "1"
    case.body = mended


def is_near(body):
    """Whether it has the parts of a signed document, be they right or not."""
    if not isinstance(body, dict):
        return False
    said = any(isinstance(body.get(part), dict) for part in SAID)
    return said or "body" in body and isinstance(body.get("header"), dict)


PATH_OF = {
    "put_entry": lambda entry: {name: entry["header"][name] for name in ("transfer", "sequence")},
    "put_notice": lambda notice: {"notice": notice["header"]["notice"]},
    "put_acknowledgement": lambda document: {"notice": document["acknowledgement"]["notice"]},
    "put_query": lambda query: {"query": query["header"]["query"]},
    "put_answer": lambda document: {name: document["answer"][name] for name in ("query", "number")},
}


@schemathesis.hook
def after_call(context, case, response):
    name = operation(case)
    said = response.json() if response.status_code != 200 and response.content else {}
    outcomes[f"{name} {response.status_code} {said.get('type', '').removeprefix('urn:cme:problem:v1:')}"] += 1
    if name == "put_entry" and response.status_code == 201:
        header = case.body["header"]
        known = ledgers.get(header["transfer"])
        if known:
            known.append(case.body)
        else:
            ledgers[header["transfer"]] = Ledger(case.body)


@schemathesis.check
def refusal_is_documented(ctx, response, case):
    """A refusal is a problem that the operation lists under this status, and nothing else."""
    if response.status_code < 400:
        return
    problem = response.json()
    listed = case.operation.definition.raw["responses"][str(response.status_code)]["content"]["application/problem+json"]
    name = problem["type"].removeprefix("urn:cme:problem:v1:")
    assert name in listed["examples"], f"{name} is not among {sorted(listed['examples'])}"
    assert problem["status"] == response.status_code
    if response.status_code == 429:
        assert "retry-after" in response.headers


@schemathesis.check
def nothing_is_kept_by_caches(ctx, response, case):
    assert response.headers.get("cache-control") == ["no-store"], response.headers.get("cache-control")


@schemathesis.check
def receipt_holds(ctx, response, case):
    """What says that an entry is stored holds a receipt for it that verifies."""
    if operation(case) != "put_entry" or response.status_code not in (200, 201):
        return
    receipt = cme.check_receipt(cme.read(response.content), case.body, RECORDS[HOSTED])
    assert response.status_code == 200 or receipt["headerDigest"] == cme.digest(case.body["header"])



@atexit.register
def tell():
    """What the server answered: whoever started the run looks whether it got far enough."""
    for outcome, times in sorted(outcomes.items()):
        print(f"{times:7} {outcome}")
    (NETWORK / "outcomes.json").write_text(json.dumps(outcomes))
