"""Section 2: strict JSON in, RFC 8785 bytes and digests out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any, NoReturn

import rfc8785

from .problems import Problem

Json = dict[str, Any]

INTEGER_MAX = 9_007_199_254_740_991
DEPTH_MAX = 16
STRING_MAX = 16_384
ARRAY_MAX = 256
OBJECT_MAX = 128


def _integer(text: str) -> int:
    # The length comes first: converting a number of a million digits is slow.
    if text == "-0" or len(text) > 17 or abs(int(text)) > INTEGER_MAX:
        raise Problem("malformed")
    return int(text)


def _no_number(_text: str) -> NoReturn:
    raise Problem("malformed")


def _object(pairs: list[tuple[str, Any]]) -> Json:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Problem("malformed")
    return members


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
)


def parse(data: bytes) -> Json:
    """One JSON object, or `malformed` (CAN-001 to CAN-003). Limits are looked at apart."""
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        # An escape of a lone surrogate is text that has no UTF-8.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise Problem("limit-exceeded", limit=DEPTH_MAX) from None
    except ValueError:
        raise Problem("malformed") from None
    if not isinstance(value, dict):
        raise Problem("malformed")
    return value


def check_limits(value: Any, depth: int = 1) -> None:
    """Refuses as `limit-exceeded` what lies beyond the table of section 2.1 (CAN-009)."""
    if isinstance(value, str):
        _within(len(value), STRING_MAX)
    elif isinstance(value, (dict, list)):
        _within(depth, DEPTH_MAX)
        _within(len(value), OBJECT_MAX if isinstance(value, dict) else ARRAY_MAX)
        for item in value.values() if isinstance(value, dict) else value:
            check_limits(item, depth + 1)
        for name in value if isinstance(value, dict) else ():
            _within(len(name), STRING_MAX)


def _within(number: int, limit: int) -> None:
    if number > limit:
        raise Problem("limit-exceeded", limit=limit)


def canonical(value: Any) -> bytes:
    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    return encode(hashlib.sha256(canonical(value)).digest())


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def decode(text: str) -> bytes:
    """The bytes, or ValueError for padding, another character or trailing bits (CAN-006)."""
    if not _ALPHABET.fullmatch(text):
        raise ValueError("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if encode(data) != text:
        raise ValueError("trailing bits")
    return data
