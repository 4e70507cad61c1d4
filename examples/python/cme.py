"""What no generator gives: strict reading, canonical form, digests, signatures, receipts (sections 2, 3 and 6)."""

import base64
import hashlib
import json
import os
import re
import time
import uuid

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

INTEGER_MAX = 2**53 - 1


class Refused(Exception):
    """Text, signature or receipt is not what the protocol allows."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Refused("not base64url without padding")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(data) != text:
        raise Refused("base64url with trailing bits that are not zero")
    return data


def _members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("a member stands twice")
    return members


def _integer(text):
    number = int(text) if len(text) <= 17 else INTEGER_MAX + 1
    if text == "-0" or abs(number) > INTEGER_MAX:
        raise Refused("a number that is out of range, or -0")
    return number


def _no_number(text):
    raise Refused("a number that is not an integer")


def read(data: bytes) -> dict:
    """The JSON object as received. Digests are of this value, unknown members included, and of no other."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
        canonical(value)  # fails on a lone surrogate
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise Refused("not strict JSON") from error
    if not isinstance(value, dict):
        raise Refused("not an object")
    return value


def canonical(value) -> bytes:
    return rfc8785.dumps(value)


def digest(value) -> str:
    return b64(hashlib.sha256(canonical(value)).digest())


def private_key(path) -> Ed25519PrivateKey:
    """Of PKCS#8 in PEM; the seed is at one place in version 1 and 2."""
    with open(path, encoding="ascii") as file:
        der = base64.b64decode(file.read().split("-----")[2])
    return Ed25519PrivateKey.from_private_bytes(der[16:48])


def thumbprint(public_key: str) -> str:
    """The `kid` of a public key, which is base64url of 32 bytes."""
    return digest({"crv": "Ed25519", "kty": "OKP", "x": public_key})


def _message(protected, payload):
    return f"{protected}.{b64(canonical(payload))}".encode()


def sign(payload: dict, key: Ed25519PrivateKey) -> str:
    """A detached signature of a header, or of the object that a table of section 3.1 names."""
    kid = thumbprint(b64(key.public_key().public_bytes_raw()))
    protected = b64(canonical({"alg": "EdDSA", "kid": kid}))
    return f"{protected}..{b64(key.sign(_message(protected, payload)))}"


def verify(payload: dict, jws: str, keys: dict, typ: str) -> str:
    """The `kid` of the key that signed; `keys` is `kid` to public key, of the signing authority alone."""
    parts = jws.split(".")
    if len(parts) != 3 or parts[1]:
        raise Refused("not a detached signature")
    header = read(unb64(parts[0]))
    if header.get("alg") != "EdDSA" or set(header) - {"alg", "kid", "typ"} or header.get("typ", typ) != typ:
        raise Refused("not a signature of this protocol")
    kid = header.get("kid")
    if not isinstance(kid, str) or kid not in keys:
        raise Refused("the directory has no such key for the signer")
    try:
        Ed25519PublicKey.from_public_bytes(unb64(keys[kid])).verify(unb64(parts[2]), _message(parts[0], payload))
    except InvalidSignature as error:
        raise Refused("the signature does not hold") from error
    return kid


def authority(directory: dict, code: str) -> dict:
    """The record of an authority in a directory that was verified."""
    return next(held for held in directory["authorities"] if held["code"] == code)


def verified_directory(document: dict, root_key: str) -> dict:
    """The content of the first issue of a directory, signed by the root key that a person has compared."""
    verify(document["directory"], document["signature"], {thumbprint(root_key): root_key}, "cme-directory")
    return document["directory"]


def keys_at(record: dict, instant: str) -> dict:
    """An authority's keys that are in their lifetime at an instant (section 3.2)."""

    def in_lifetime(key):
        ends = [key[name] for name in ("retiredAt", "revokedAt") if name in key]
        return sortable(key["validFrom"]) <= sortable(instant) and all(sortable(instant) < sortable(end) for end in ends)

    return {key["kid"]: key["publicKey"] for key in record["keys"] if in_lifetime(key)}


def sortable(instant: str) -> tuple:
    """Timestamps have none to nine places after the second: as text they do not sort."""
    second, _, fraction = instant.removesuffix("Z").partition(".")
    return second, fraction.ljust(9, "0")


def check_receipt(signed: dict, entry: dict, by: dict) -> dict:
    """The receipt, if it is by the authority of record `by`, for this entry, and holds. Only then is the entry delivered."""
    receipt, header = signed["receipt"], entry["header"]
    verify(receipt, signed["signature"], keys_at(by, receipt["receivedAt"]), "cme-receipt")
    if receipt["by"] != by["code"] or any(receipt[of] != header[at] for of, at in (("transfer", "transfer"), ("entryId", "id"))):
        raise Refused("a receipt by another authority, or for another entry")
    return receipt


def uuid7() -> str:
    raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6], raw[8] = raw[6] & 0x0F | 0x70, raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def now(days: int = 0) -> str:
    millis = time.time_ns() // 1_000_000 + days * 86_400_000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(millis // 1000))}.{millis % 1000:03}Z"
