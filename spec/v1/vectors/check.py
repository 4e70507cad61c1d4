#!/usr/bin/env python3
"""Checks the vectors of this folder with nothing of this project: only rfc8785 and cryptography.

Every canonical text, digest, thumbprint, signature, chain, receipt and head is computed again, and so are
check letters and digits, ages, deadlines and who is responsible. Of what is to be refused, it shows that a
signature, digest, chain or key is really wrong. It does not judge the shape of bodies or the table of stages.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python check.py
"""

import base64
import datetime as dt
import hashlib
import json
import pathlib
import sys

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FOLDER = pathlib.Path(__file__).parent
passed, failures = 0, []


class Fault(Exception):
    """Something does not hold; `sequence` names the entry, if it is in one."""

    def __init__(self, what, sequence=None):
        super().__init__(what)
        self.sequence = sequence


def ensure(holds, what, sequence=None):
    if not holds:
        raise Fault(what, sequence)
    global passed
    passed += 1


def same(found, expected, what, sequence=None):
    ensure(found == expected, f"{what}: {found!r}, expected {expected!r}", sequence)


def refused(check, *arguments):
    """Holds when the check finds a fault; gives the entry it names."""
    try:
        check(*arguments)
    except Fault as fault:
        return fault.sequence
    raise Fault("what is to be refused holds")


def no_twice(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise Fault("a member stands twice")
    return dict(pairs)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise Fault(f"not base64url: {error}") from error
    if b64(data) != text:
        raise Fault("base64url with padding or other trailing bits")
    return data


def digest(value):
    return b64(hashlib.sha256(rfc8785.dumps(value)).digest())


def thumbprint(public_key):
    return digest({"crv": "Ed25519", "kty": "OKP", "x": public_key})


def verify_raw(public_key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise Fault("the signature does not hold") from error


def verify(payload, jws, keys):
    """A detached JWS over the payload by one of the keys (kid to public key); gives the kid."""
    parts = jws.split(".")
    if len(parts) != 3 or parts[1]:
        raise Fault("not a detached JWS")
    try:
        protected = json.loads(unb64(parts[0]), object_pairs_hook=no_twice)
    except ValueError as error:
        raise Fault("the protected header is not JSON") from error
    if not isinstance(protected, dict) or not {"alg", "kid"} <= set(protected) <= {"alg", "kid", "typ"}:
        raise Fault("the protected header is not of its form")
    if protected["alg"] != "EdDSA" or protected["kid"] not in keys:
        raise Fault("another algorithm, or no such key")
    message = f"{parts[0]}.{b64(rfc8785.dumps(payload))}".encode()
    verify_raw(unb64(keys[protected["kid"]]), message, unb64(parts[2]))
    return protected["kid"]


def time(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def keys_of(directory, code):
    authority = next(held for held in directory["authorities"] if held["code"] == code)
    return {key["kid"]: key["publicKey"] for key in authority["keys"]}


def key_of(directory, code, kid):
    authority = next(held for held in directory["authorities"] if held["code"] == code)
    return next(key for key in authority["keys"] if key["kid"] == kid)


# Documents


def check_canonical(case, _):
    if case["verdict"] == "reject":
        return
    source = case.get("repeat")
    text = source["before"] + source["unit"] * source["count"] + source["after"] if source else case["text"]
    canonical = rfc8785.dumps(json.loads(text, object_pairs_hook=no_twice))
    same(canonical.decode(), case.get("canonical", canonical.decode()), "canonical text")
    same(len(canonical), case["canonicalBytes"], "length")
    same(hashlib.sha256(canonical).hexdigest(), case["sha256Hex"], "digest")
    same(b64(hashlib.sha256(canonical).digest()), case["sha256"], "digest")


def check_signature(case, file):
    kind = case["kind"]
    if kind == "ed25519":
        secret, public, message, signature = (
            bytes.fromhex(case[member]) for member in ("secretKey", "publicKey", "message", "signature")
        )
        pair = Ed25519PrivateKey.from_private_bytes(secret)
        same(pair.public_key().public_bytes_raw(), public, "public key")
        same(pair.sign(message), signature, "signature")
    elif kind == "thumbprint":
        same(thumbprint(case["publicKey"]), case["kid"], "thumbprint")
    elif kind == "jws":
        pair = Ed25519PrivateKey.from_private_bytes(unb64(case["secretKey"]))
        signed = b64(b'{"alg":"EdDSA"}') + "." + b64(case["payload"].encode())
        same(f"{signed}.{b64(pair.sign(signed.encode()))}", case["jws"], "JWS")
    else:
        keys = {key["kid"]: key["publicKey"] for key in file["keys"]}
        if case["verdict"] == "accept":
            verify(case["payload"], case["signature"], keys)
            ensure(True, "signature")
        else:
            refused(verify, case["payload"], case["signature"], keys)
            ensure(True, "refusal")


def check_reconciliation(case, _):
    heads = sorted(case["heads"], key=lambda head: head["transfer"])
    same(digest({"heads": heads}), case["digest"], "digest")
    same(len(heads), case["ledgers"], "count")


# Entries and ledgers


def check_receipts(entry, directory, parties, n):
    header = entry["header"]
    about = {
        "transfer": header["transfer"],
        "sequence": header["sequence"],
        "entryId": header["id"],
        "headerDigest": digest(header),
    }
    for signed in entry.get("receipts", []):
        receipt = signed["receipt"]
        ensure(about.items() <= receipt.items(), "a receipt for another entry", n)
        ensure(receipt["by"] in parties, "a receipt by neither party", n)
        at_place(n, verify, receipt, signed["signature"], keys_of(directory, receipt["by"]))


def at_place(n, check, *arguments):
    try:
        return check(*arguments)
    except Fault as fault:
        raise Fault(str(fault), n) from fault


def check_body(entry, n=None):
    if entry["body"] is not None:
        same(digest(entry["body"]), entry["header"]["bodyDigest"], "body digest", n)


def check_entry(case, file):
    directory = load(file["directory"])["directory"]
    if "entryText" in case:
        return
    entry, problem = case["entry"], case.get("problem")
    keys = keys_of(directory, entry.get("header", {}).get("author", "373")) if problem != "malformed" else {}
    if case["verdict"] == "accept":
        header = entry["header"]
        same(rfc8785.dumps(header).decode(), case["canonicalHeader"], "canonical header")
        same(digest(header), case["headerDigest"], "header digest")
        same(header["bodyDigest"], case["bodyDigest"], "body digest")
        check_body(entry)
        same(verify(header, entry["signature"], keys), case["kid"], "kid")
        check_receipts(entry, directory, (header["author"], header["recipient"]), None)
    elif problem == "body-digest-mismatch":
        refused(check_body, entry)
        ensure(True, "refusal")
    elif problem in ("signature-invalid", "key-unknown"):
        refused(verify, entry["header"], entry["signature"], keys)
        ensure(True, "refusal")
    elif problem not in ("malformed", "body-missing"):
        # Genuine in everything but what the problem says.
        check_body(entry)
        verify(entry["header"], entry["signature"], keys)
        ensure(True, "signature")
    check_before(case.get("after", []), directory)
    if problem == "sequence-conflict":
        ensure(entry["header"]["previous"] != digest(case["after"][-1]["header"]), "previous is right")


def check_before(entries, directory):
    """The entries that a case stands on are a sound ledger themselves."""
    previous = None
    for n, entry in enumerate(entries):
        offer = entries[0]["header"]
        ledger = {"transfer": offer["transfer"]}
        parties = (offer["author"], offer["recipient"])
        previous = check_link(ledger, directory, parties, n, entry, previous)


def check_export(export, directory):
    """Everything about an export that can be said without the table of stages."""
    same(export["format"], "cme-ledger/1", "format")
    ensure("exportedAt" in export, "no day of export")
    parties = (export["originating"], export["receiving"])
    ensure(export["entries"], "no entry", 0)
    previous = None
    for n, entry in enumerate(export["entries"]):
        previous = check_link(export, directory, parties, n, entry, previous)
    check_sequencer(export)
    for fork in export["forks"]:
        check_fork(export, directory, fork["entries"][0])
        check_branch(export, directory, fork["entries"])
    check_heads(export, directory, parties)


def check_link(export, directory, parties, n, entry, previous):
    header = entry["header"]
    same(header["sequence"], n, "sequence", n)
    same(header["transfer"], export["transfer"], "transfer", n)
    same({header["author"], header["recipient"]}, set(parties), "parties", n)
    same(header["previous"], previous, "previous", n)
    check_body(entry, n)
    kid = at_place(n, verify, header, entry["signature"], keys_of(directory, header["author"]))
    check_receipts(entry, directory, parties, n)
    receipts = {signed["receipt"]["by"]: signed["receipt"] for signed in entry["receipts"]}
    ensure(parties[1] in receipts, "no receipt of the sequencer", n)
    for signed in entry["receipts"]:
        receipt = signed["receipt"]
        kid_of_receipt = json.loads(unb64(signed["signature"].split(".")[0]))["kid"]
        check_term(key_of(directory, receipt["by"], kid_of_receipt), receipt["receivedAt"], n)
    check_term(key_of(directory, header["author"], kid), receipts[parties[1]]["receivedAt"], n)
    return digest(header)


def check_sequencer(export):
    """Along the ledger neither the sequencer's clock nor its incarnation goes back."""
    last = (0, time("1970-01-01T00:00:00Z"))
    for n, entry in enumerate(export["entries"]):
        receipt = next(s["receipt"] for s in entry["receipts"] if s["receipt"]["by"] == export["receiving"])
        now = (receipt["incarnation"], time(receipt["receivedAt"]))
        ensure(now[0] >= last[0] and now[1] >= last[1], "the sequencer goes back", n)
        last = now


def check_term(key, at, n):
    ended = key.get("retiredAt")
    ensure(time(key["validFrom"]) <= time(at) and not (ended and time(ended) <= time(at)), "key out of term", n)


def check_fork(export, directory, branch):
    header = branch["header"]
    n = header["sequence"]
    trunk = export["entries"][n]
    ensure(digest(header) != digest(trunk["header"]), "the same entry twice", n)
    for entry in (branch, trunk):
        keys = keys_of(directory, export["receiving"])
        if entry["header"]["author"] == export["receiving"]:
            at_place(n, verify, entry["header"], entry["signature"], keys)
        else:
            theirs = [signed for signed in entry["receipts"] if signed["receipt"]["by"] == export["receiving"]]
            ensure(theirs, "a branch without the sequencer's signature", n)
            at_place(n, verify, theirs[0]["receipt"], theirs[0]["signature"], keys)


def check_branch(export, directory, entries):
    """A branch follows on the ledger, and its entries have their bodies and signatures."""
    first = entries[0]["header"]["sequence"]
    previous = digest(export["entries"][first - 1]["header"]) if first else None
    for n, entry in enumerate(entries, first):
        header = entry["header"]
        same(header["sequence"], n, "sequence", n)
        same(header["previous"], previous, "previous", n)
        check_body(entry, n)
        at_place(n, verify, header, entry["signature"], keys_of(directory, header["author"]))
        previous = digest(header)


def check_heads(export, directory, parties):
    same(export["head"]["head"]["by"], export["exportedBy"], "exporter")
    for signed in [export["head"], *export["peerHeads"]]:
        head = signed["head"]
        ensure(head["by"] in parties, "a head of neither party")
        same(head["transfer"], export["transfer"], "a head of another ledger")
        verify(head, signed["signature"], keys_of(directory, head["by"]))
        last = len(export["entries"]) - 1
        ensure(head["sequence"] <= last, "cut short", last + 1)
        header = export["entries"][head["sequence"]]["header"]
        same(head["headerDigest"], digest(header), "head", head["sequence"])
    same(export["head"]["head"]["sequence"], len(export["entries"]) - 1, "the exporter's head is old")


def is_in_doubt(entry, directory, parties):
    """Whether the author's key was revoked and no older receipt of the other party vouches for the entry."""
    kid = json.loads(unb64(entry["signature"].split(".")[0]))["kid"]
    author = entry["header"]["author"]
    revoked = key_of(directory, author, kid).get("revokedAt")
    others = [s["receipt"] for s in entry["receipts"] if s["receipt"]["by"] in parties and s["receipt"]["by"] != author]
    return revoked is not None and not any(time(r["receivedAt"]) < time(revoked) for r in others)


def responsible(export, directory):
    """The receiving authority once any branch holds an accept that is not in doubt; else the originating."""
    parties = (export["originating"], export["receiving"])
    branches = [export["entries"], *(fork["entries"] for fork in export["forks"])]
    for entry in (entry for branch in branches for entry in branch):
        header = entry["header"]
        accepts = header["type"] == "accept" and header["author"] == parties[1]
        if accepts and not is_in_doubt(entry, directory, parties):
            return parties[1]
    return parties[0]


def check_ledger(case, _):
    export, signed = load(f"ledgers/{case['file']}"), load(f"ledgers/{case['directory']}")
    directory = signed["directory"]
    verify(directory, signed["signature"], {thumbprint(key): key for key in directory["rootKeys"]})
    if case["verdict"] == "accept":
        check_export(export, directory)
        same(responsible(export, directory), case["responsible"], "responsible authority")
        same(len(export["entries"]), case["entries"], "entries")
        same(digest(export["entries"][-1]["header"]), case["headDigest"], "head")
        erased = [entry["header"]["sequence"] for entry in export["entries"] if entry["body"] is None]
        same(erased, case["erased"], "erased")
    elif case["kind"] not in ("erasure", "stage"):
        same(refused(check_export, export, directory), case["sequence"], "place")


def check_directory(case, file):
    issues = file["issues"]
    offered = issues[case["offered"]]
    content = offered["directory"]
    roots, previous = [file["root"]], content["previous"]
    if case["held"] and case.get("result") != "unchanged":
        held = issues[case["held"][-1]]["directory"]
        roots, previous = held["rootKeys"], digest(held)
    keys = {thumbprint(key): key for key in roots}
    if case["verdict"] == "accept" and case["result"] == "added":
        verify(content, offered["signature"], keys)
        same(content["previous"], previous, "previous")
        for key in (key for authority in content["authorities"] for key in authority["keys"]):
            same(thumbprint(key["publicKey"]), key["kid"], "kid")
    elif case.get("reason") == "signature":
        refused(verify, content, offered["signature"], keys)
        ensure(True, "refusal")
    elif case.get("reason") != "shape":
        # Genuine in everything but what the reason says.
        every = {key for issue in issues.values() for key in issue["directory"]["rootKeys"]} | {file["root"]}
        verify(content, offered["signature"], {thumbprint(key): key for key in every})
        ensure(True, "signature")
    if case.get("reason") == "chain" and case["held"]:
        ensure(content["previous"] != previous, "the chain holds")


# Facts


def weighted(number):
    return sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1))) % 11


def upn_letter(upn):
    letters = "ABCDEFGHJKLMNPQRTUVWXYZ"
    values = [int(c) if c.isdigit() else letters.index(c) for c in upn[1:]]
    return letters[sum(value * place for place, value in enumerate(values, 2)) % 23]


def check_identifier(case, _):
    text = case.get("normal", case["input"])
    good = case["verdict"] == "accept"
    if not good and case["reason"] not in ("check-letter", "check-digit", "no-check-digit"):
        return
    if case["kind"] == "upn":
        same(upn_letter(text) == text[0], good, "check letter")
    elif case["kind"] == "nhs-number":
        same(str((11 - weighted(text)) % 11) == text[9], good, "check digit")
    elif case["kind"] == "uln":
        same(str(10 - weighted(text)) == text[9] and weighted(text) != 0, good, "check digit")


def age_of(birth):
    day = lambda year: dt.date(year, birth.month, 28 if (birth.month, birth.day) == (2, 29) else birth.day)
    fifth, sixteenth = day(birth.year + 5), day(birth.year + 16)
    begins = next(d for d in (dt.date(fifth.year, 3, 31), dt.date(fifth.year, 8, 31), dt.date(fifth.year, 12, 31)) if d >= fifth)
    ends = dt.date(sixteenth.year + (sixteenth.month >= 9), 6, 30)
    while ends.weekday() != 4:
        ends -= dt.timedelta(1)
    return begins, ends


def status_of(facts, on):
    begins, ends = age_of(dt.date.fromisoformat(facts["dateOfBirth"]))
    otherwise, known = facts["educationOtherwise"], facts["whereabouts"] == "known"
    if not begins <= on <= ends or facts["schoolRegistration"] == "registered":
        return "not-cme"
    if otherwise in ("home-education-suitable", "home-education-not-yet-assessed", "other-provision-suitable"):
        return "not-cme"
    return "not-cme" if known and facts["areaResidence"] == "not-resident" else "cme"


def check_fact(case, _):
    on = dt.date.fromisoformat(case.get("on", "2000-01-01"))
    if case["kind"] == "compulsory-school-age":
        begins, ends = age_of(dt.date.fromisoformat(case["dateOfBirth"]))
        same([str(begins), str(ends)], [case["begins"], case["ends"]], "compulsory school age")
        for day in case["days"]:
            at = dt.date.fromisoformat(day["on"])
            same("below" if at < begins else "within" if at <= ends else "over", day["is"], day["on"])
    elif case["kind"] == "cme-status":
        same(status_of(case["facts"], on), case["status"], "status")
    elif case["kind"] == "duration-band":
        days = (on - dt.date.fromisoformat(case["start"])).days if case["start"] else -1
        bands = [(364, "over-52-weeks"), (182, "26-to-52-weeks"), (84, "12-to-26-weeks"), (56, "8-to-12-weeks")]
        bands += [(28, "4-to-8-weeks"), (14, "2-to-4-weeks"), (0, "less-than-2-weeks"), (-(10**9), "unknown")]
        same(next(band for first, band in bands if days >= first), case["band"], "band")


def last_sunday(year, month):
    day = dt.date(year, month, 31)
    return day - dt.timedelta((day.weekday() + 1) % 7)


def is_summer(utc):
    begins, ends = (dt.datetime.combine(last_sunday(utc.year, month), dt.time(1)) for month in (3, 10))
    return begins <= utc.replace(tzinfo=None) < ends


def check_deadline(case, file):
    if case["kind"] != "deadline":
        check_before(case["entries"], load("ledgers/directory.json")["directory"])
        return
    at = time(case["receivedAt"][:19] + "Z")
    day = (at + dt.timedelta(hours=is_summer(at))).date()
    same(str(day), case["londonDate"], "London date")
    holidays, through, left = set(file["bankHolidays"]), file["holidaysThrough"], case["workingDays"]
    while left and str(day) <= through:
        day += dt.timedelta(1)
        left -= day.weekday() < 5 and str(day) not in holidays
    known = str(day) <= through
    same(known, case["verdict"] == "accept", "known")
    if known:
        midnight = dt.datetime.combine(day + dt.timedelta(1), dt.time())
        ends = midnight - dt.timedelta(hours=is_summer(midnight - dt.timedelta(hours=1)))
        same([str(day), ends.isoformat() + "Z"], [case["dueOn"], case["expiresAt"]], "deadline")


def check_statement(case, member, directory):
    """A query or notice: its digests and signature."""
    statement, problem = case[member], case.get("problem")
    header = statement.get("header", {})
    if problem in ("malformed", "body-missing", "protocol-unsupported") and "acknowledgement" not in case:
        return
    keys = keys_of(directory, header["author"])
    if problem == "body-digest-mismatch":
        refused(check_body, statement)
        ensure(True, "refusal")
    elif problem in ("signature-invalid", "key-unknown"):
        refused(verify, header, statement["signature"], keys)
        ensure(True, "refusal")
    else:
        # Genuine in everything but what the problem says.
        check_body(statement)
        kid = verify(header, statement["signature"], keys)
        if "kid" in case:
            same(kid, case["kid"], "kid")
            same(rfc8785.dumps(header).decode(), case["canonicalHeader"], "canonical header")
            same(digest(header), case["headerDigest"], "header digest")
            same(header["bodyDigest"], case["bodyDigest"], "body digest")


def check_query(case, file):
    directory = load(file["directory"])["directory"]
    if "queryText" in case:
        return
    if "answers" not in case:
        return check_statement(case, "query", directory)
    check_statement({"query": case["query"]}, "query", directory)
    header = case["query"]["header"]
    for signed in case["answers"]:
        verify(signed["answer"], signed["signature"], keys_of(directory, signed["answer"]["by"]))
    said = [signed["answer"] for signed in case["answers"]]
    for number, answer in enumerate(said if case["verdict"] == "accept" else said[:-1]):
        same([answer["query"], answer["queryDigest"]], [header["query"], digest(header)], "the query")
        same(answer["number"], number, "number")
        same(answer["by"], header["recipient"], "who answers")
        same(bool(answer["matchedOn"]), answer["outcome"] in ("known", "possible"), "matched on")
    if case["verdict"] == "accept":
        same(kept_until(header, said), case["bodyKeptUntil"], "kept until")


def kept_until(header, said):
    """From when on who was asked keeps the body no more; None while a person has still to answer."""
    until, at, outcome = header.get("standingUntil"), said[-1]["answeredAt"], said[-1]["outcome"]
    stood = next((answer for answer in said if answer["outcome"] != "possible"), None)
    stood = bool(until) and stood is not None and stood["outcome"] == "not-known" and time(stood["answeredAt"]) < time(until)
    if outcome == "possible":
        return None
    if outcome == "not-known":
        return until if stood and len([a for a in said if a["outcome"] != "possible"]) == 1 else at
    if outcome == "withheld" or stood:
        return at
    return (dt.datetime.fromisoformat(at[:-1]) + dt.timedelta(30)).isoformat() + "Z"


def check_notice(case, file):
    directory = load(file["directory"])["directory"]
    check_statement(case, "notice", directory)
    if "acknowledgement" in case:
        said = case["acknowledgement"]
        verify(said["acknowledgement"], said["signature"], keys_of(directory, said["acknowledgement"]["by"]))
        fits = said["acknowledgement"]["noticeDigest"] == digest(case["notice"]["header"])
        ensure(fits or case["verdict"] == "reject", "notice digest")


CHECKS = {
    "canonical.json": check_canonical,
    "signatures.json": check_signature,
    "entries.json": check_entry,
    "ledgers/index.json": check_ledger,
    "directory.json": check_directory,
    "facts.json": check_fact,
    "working-days.json": check_deadline,
    "identifiers.json": check_identifier,
    "reconciliation.json": check_reconciliation,
    "queries.json": check_query,
    "notices.json": check_notice,
}


def load(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"), object_pairs_hook=no_twice)


def main():
    for name, check in CHECKS.items():
        file = load(name)
        if not file["cases"]:
            failures.append(f"{name}: no case")
        for case in file["cases"]:
            try:
                check(case, file)
            except Exception as error:  # anything at all that goes wrong is a failure of this case
                failures.append(f"{name}: {case['name']}: {type(error).__name__}: {error}")
    listed = {f"ledgers/{case['file']}" for case in load("ledgers/index.json")["cases"]}
    found = {path.relative_to(FOLDER).as_posix() for path in (FOLDER / "ledgers").rglob("*.json")}
    for stray in sorted(found - listed - {"ledgers/index.json"}):
        if not stray.startswith("ledgers/directory"):
            failures.append(f"{stray}: in no case")
    for failure in failures:
        print(failure)
    print(f"{passed} checks passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
