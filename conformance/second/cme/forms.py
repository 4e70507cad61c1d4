"""Section 1: written forms, each told as a predicate; and instants."""

from __future__ import annotations

import datetime
import os
import re
import time
from typing import Any, Callable

from . import canonical

NANOS = 1_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?Z"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_POSTCODE = re.compile(
    r"GIR 0AA|(?:[A-Z][0-9]|[A-Z][0-9]{2}|[A-Z][A-HJ-Y][0-9]|[A-Z][A-HJ-Y][0-9]{2}"
    r"|[A-Z][0-9][A-Z]|[A-Z][A-HJ-Y][0-9][A-Z]|[A-Z][A-HJ-Y][A-Z]) [0-9][A-Z]{2}"
)
_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_UPN = re.compile(f"[{_LETTERS}][0-9]{{11}}[0-9{_LETTERS}]")


def _like(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


is_authority = _like("[0-9]{3}")
is_uuid = _like(_UUID.pattern)
is_urn = _like("[1-9][0-9]{5}")
is_laestab = _like("[0-9]{7}")
is_uprn = _like("[1-9][0-9]{0,11}")
is_gss = _like("[EWSN][0-9]{8}")
is_postcode = _like(_POSTCODE.pattern)


def is_integer(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_bytes(value: Any, length: int) -> bool:
    """Base64url of so many bytes."""
    try:
        return isinstance(value, str) and len(canonical.decode(value)) == length
    except ValueError:
        return False


def is_digest(value: Any) -> bool:
    return is_bytes(value, 32)


def is_date(value: Any) -> bool:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        return 1 <= datetime.date.fromisoformat(value).year <= 9998
    except ValueError:
        return False


def is_timestamp(value: Any) -> bool:
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    return match is not None and is_date(match[1])


def is_upn(value: Any) -> bool:
    if not isinstance(value, str) or not _UPN.fullmatch(value):
        return False
    marks = [int(c) if c.isdigit() else _LETTERS.index(c) for c in value[1:]]
    return _LETTERS[sum(n * mark for n, mark in enumerate(marks, 2)) % 23] == value[0]


def is_nhs_number(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{10}", value) or len(set(value)) == 1:
        return False
    check = 11 - _weighted(value) % 11
    return check != 10 and int(value[9]) == check % 11


def is_uln(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{10}", value):
        return False
    rest = _weighted(value) % 11
    return rest != 0 and int(value[9]) == 10 - rest


def _weighted(digits: str) -> int:
    return sum(weight * int(c) for weight, c in zip(range(10, 1, -1), digits))


def instant(text: str) -> int:
    """Nanoseconds from 1970, so that timestamps compare as instants (IDN-002)."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError("not a timestamp")
    day = datetime.datetime.fromisoformat(f"{match[1]}T{match[2]}:{match[3]}:{match[4]}")
    since = day - _EPOCH
    return (since.days * 86_400 + since.seconds) * NANOS + int((match[5] or "").ljust(9, "0"))


def timestamp(nanos: int) -> str:
    """The written form, to the nanosecond: a later instant never reads as an earlier one."""
    seconds, rest = divmod(nanos, NANOS)
    day = _EPOCH + datetime.timedelta(seconds=seconds)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{day.isoformat()}{fraction}Z"


def now() -> int:
    """The clock, in whole milliseconds."""
    return time.time_ns() // 1_000_000 * 1_000_000


def new_uuid() -> str:
    """A UUID of version 7 (RFC 9562)."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
