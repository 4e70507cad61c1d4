"""Section 8: the directory, the chain of its issues, and what a server asks of it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from . import canonical, forms
from .canonical import Json
from .problems import Problem
from .signatures import Signature, kid_of

LONDON = ZoneInfo("Europe/London")
AVAILABILITY = {"available", "unavailable", "contact-only"}


class Refused(Exception):
    """An issue that cannot be taken; the message says why."""


def _need(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)


def _contact(source: Any) -> None:
    _need(isinstance(source, dict) and isinstance(source.get("name"), str), "shape of a contact")
    _need(all(isinstance(source.get(member) or "", str) for member in ("email", "telephone")), "shape of a contact")


def _optional(source: Json, member: str) -> int | None:
    return None if source.get(member) is None else _instant(source, member)


def _instant(source: Json, member: str) -> int:
    value = source.get(member)
    if not isinstance(value, str) or not forms.is_timestamp(value):
        raise Refused(f"shape of {member}")
    return forms.instant(value)


@dataclass(frozen=True)
class Key:
    kid: str
    public: str
    valid_from: int
    retired_at: int | None
    revoked_at: int | None

    @classmethod
    def read(cls, source: Any) -> Key:
        _need(isinstance(source, dict) and forms.is_digest(source.get("publicKey")), "shape of a key")
        _need(source.get("kid") == kid_of(source["publicKey"]), "a kid is not the thumbprint of its key")
        return cls(source["kid"], source["publicKey"], _instant(source, "validFrom"), _optional(source, "retiredAt"),
                   _optional(source, "revokedAt"))

    def in_lifetime(self, at: int, revocation: bool = True) -> bool:
        """Section 3.2; a verifier first leaves a revocation apart."""
        ends = [self.retired_at, self.revoked_at if revocation else None]
        return self.valid_from <= at and all(end is None or at < end for end in ends)


@dataclass(frozen=True)
class Authority:
    code: str
    valid_from: datetime.date
    valid_to: datetime.date | None
    residuary: str | None
    base_url: str | None
    server_pins: frozenset[str]
    client_pins: frozenset[str]
    keys: tuple[Key, ...]
    document: Json = field(compare=False)

    @classmethod
    def read(cls, source: Any) -> Authority:
        _need(isinstance(source, dict), "shape of an authority")
        _need(forms.is_authority(source.get("code")) and forms.is_gss(source.get("gss")), "shape of an authority")
        end = source.get("validTo")
        _need(forms.is_date(source.get("validFrom")) and (end is None or forms.is_date(end)), "shape of a validity")
        for member in ("successors", "serverPins", "clientPins", "keys", "profiles"):
            _need(isinstance(source.get(member, []), list), f"shape of {member}")
        pins = {member: frozenset(source.get(member, [])) for member in ("serverPins", "clientPins")}
        _need(all(forms.is_digest(pin) for some in pins.values() for pin in some), "shape of a pin")
        _need(source.get("availability") in AVAILABILITY, "shape of an availability")
        _need(all(isinstance(source.get(member), str) for member in ("name", "operator")), "shape of a name")
        _contact(source.get("team"))
        _contact(source.get("escalation"))
        # A profile of a later version means nothing here.
        _need(all(isinstance(profile, str) for profile in source.get("profiles", [])), "shape of profiles")
        successors = source.get("successors", [])
        _need(all(isinstance(s, dict) and isinstance(s.get("residuary"), bool) for s in successors),
              "shape of successors")
        residuary = [s.get("code") for s in successors if s["residuary"]]
        _need(len(residuary) == (0 if end is None else 1), "one residuary successor for who ends, and for no other")
        keys = tuple(Key.read(key) for key in source.get("keys", []))
        _need(len({key.kid for key in keys}) == len(keys), "a key stands twice")
        _need(len(pins["clientPins"]) == len(source.get("clientPins", [])), "a client pin stands twice")
        base = source.get("baseUrl")
        _need(base is None or _is_base_url(base), "base URL")
        if source["availability"] != "contact-only":
            _need(bool(base and keys and pins["serverPins"] and pins["clientPins"]), "connected, but not reachable")
        return cls(source["code"], _date(source["validFrom"]), _date(end) if end else None,
                   residuary[0] if residuary else None, base, pins["serverPins"], pins["clientPins"], keys, source)


def _is_base_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("https://") and not (
        value.endswith("/") or "?" in value or "#" in value)


def _date(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


@dataclass(frozen=True)
class Directory:
    """One issue whose form, signature and place in the chain were checked."""

    document: Json
    issue: int
    digest: str
    issued_at: int
    expires_at: int
    grace_nanos: int
    root_keys: tuple[str, ...]
    policy: Json
    authorities: dict[str, Authority]

    @classmethod
    def read(cls, signed: Json, roots: tuple[str, ...]) -> Directory:
        """DIR-003 and the signature by one of `roots`; the place in the chain is `follows`."""
        content = signed.get("directory")
        if not isinstance(content, dict) or not isinstance(signed.get("signature"), str):
            raise Refused("shape")
        _need(content.get("format") == "cme-directory/1", "format")
        try:
            signature = Signature.read(signed["signature"], "directory", "signature-invalid")
        except Problem:
            raise Refused("signature") from None
        _need(any(kid_of(root) == signature.kid and signature.verifies(content, root) for root in roots), "signature")
        _need(forms.is_integer(content.get("issue"), 1) and forms.is_integer(content.get("graceDays")), "shape")
        _need("previous" in content, "chain")
        previous = content["previous"]
        _need(previous is None if content["issue"] == 1 else forms.is_digest(previous), "chain")
        _need(isinstance(content.get("authorities"), list), "shape of authorities")
        listed = [Authority.read(source) for source in content["authorities"]]
        authorities = {authority.code: authority for authority in listed}
        _need(len(authorities) == len(listed), "an authority stands twice")
        for authority in listed:
            named = [s.get("code") for s in authority.document.get("successors", [])]
            _need(all(code in authorities and code != authority.code for code in named), "a successor is not listed")
        for what, each in (("a client pin", [(p, a.code) for a in listed for p in a.client_pins]),
                           ("a kid", [(k.kid, a.code) for a in listed for k in a.keys])):
            _need(len({name for name, _ in each}) == len(set(each)), f"{what} stands under two authorities")
        _contact(content.get("arbiter"))
        roots_next = content.get("rootKeys")
        if not isinstance(roots_next, list) or not roots_next or not all(map(forms.is_digest, roots_next)):
            raise Refused("no root key")
        issued, expires = _instant(content, "issuedAt"), _instant(content, "expiresAt")
        _need(issued < expires, "times")
        return cls(content, content["issue"], canonical.digest(content), issued, expires,
                   content["graceDays"] * 86_400 * forms.NANOS, tuple(roots_next), _policy(content.get("policy")),
                   authorities)

    def follows(self, held: Directory) -> None:
        """DIR-001 and DIR-002 against the issue before, or Refused."""
        _need(self.issue == held.issue + 1, "not the next issue")
        _need(self.document["previous"] == held.digest, "names another issue before it")
        _need(self.issued_at >= held.issued_at, "issued before the issue before it")
        for code, old in held.authorities.items():
            new = self.authorities.get(code)
            if new is None:
                raise Refused("an authority is gone")
            _need(old.valid_to is None or new.valid_to is not None, "an end is taken back")
            keys = {key.kid: key for key in new.keys}
            for key in old.keys:
                kept = keys.get(key.kid)
                if kept is None or kept.valid_from != key.valid_from:
                    raise Refused("a key is gone or begins elsewhere")
                for before, after in ((key.retired_at, kept.retired_at), (key.revoked_at, kept.revoked_at)):
                    _need(before is None or (after is not None and after <= before), "a key's end is moved")

    def acting(self, code: str) -> list[str]:
        """The authority and the residuary successors that act for it in existing ledgers (DIR-010)."""
        found: list[str] = []
        following: str | None = code
        while following is not None and following in self.authorities and following not in found:
            found.append(following)
            following = self.authorities[following].residuary
        return found

    def caller(self, pin: str) -> str | None:
        return next((a.code for a in self.authorities.values() if pin in a.client_pins), None)

    def key(self, code: str, kid: str) -> Key | None:
        """The key by which `code` may have signed, its own or a residuary successor's (SIG-004)."""
        keys = (key for each in self.acting(code) for key in self.authorities[each].keys)
        return next((key for key in keys if key.kid == kid), None)

    def reached_at(self, code: str) -> Authority:
        """Who answers for an authority: itself, or after its end the residuary successor (section 8.4)."""
        return self.authorities[self.acting(code)[-1]]

    def valid(self, code: str, at: int) -> bool:
        """Whether the authority exists on the London day of an instant."""
        authority = self.authorities.get(code)
        day = london_day(at)
        return authority is not None and authority.valid_from <= day and (
            authority.valid_to is None or day <= authority.valid_to)

    def usable(self, at: int) -> bool:
        return at <= self.expires_at + self.grace_nanos


def _policy(policy: Any) -> Json:
    if not isinstance(policy, dict):
        raise Refused("no policy")
    for member in ("acknowledgeWorkingDays", "decideWorkingDays"):
        days = policy.get(member)
        _need(isinstance(days, dict) and all(forms.is_integer(days.get(c), 1) for c in ("standard", "urgent")),
              f"policy: {member}")
    for member in ("reviewWorkingDays", "originActWorkingDays"):
        _need(forms.is_integer(policy.get(member), 1), f"policy: {member}")
    _need(forms.is_integer(policy.get("clockSkewSecondsMax")), "policy: clockSkewSecondsMax")
    holidays = policy.get("bankHolidays")
    _need(isinstance(holidays, list) and all(map(forms.is_date, holidays)), "policy: bankHolidays")
    _need(forms.is_date(policy.get("holidaysThrough")), "policy: holidaysThrough")
    return policy


def london_day(at: int) -> datetime.date:
    seconds = at // forms.NANOS
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.astimezone(LONDON).date()


def deadline(received_at: int, working_days: int, policy: Json) -> tuple[datetime.date, int] | None:
    """The due day and the instant at which it ends, or None past `holidaysThrough` (CLK-001 to CLK-003)."""
    holidays = set(policy["bankHolidays"])
    day, left = london_day(received_at), working_days
    while left:
        day += datetime.timedelta(days=1)
        if day.weekday() < 5 and day.isoformat() not in holidays:
            left -= 1
    if day > _date(policy["holidaysThrough"]):
        return None
    midnight = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), LONDON)
    return day, int(midnight.timestamp()) * forms.NANOS


class Archive:
    """The issues that a server holds, and the newest (DIR-005 to DIR-007)."""

    def __init__(self, root: str | None) -> None:
        self.root = root
        self.issues: dict[int, Directory] = {}

    @property
    def newest(self) -> Directory:
        return self.issues[max(self.issues)]

    def offer(self, signed: Json) -> bool:
        """Whether the issue is new and was taken. Refused when it does not follow."""
        if not self.issues:
            # Without a configured root key the file itself is the operator's word (DIR-007).
            own = signed.get("directory", {}).get("rootKeys", [])
            first = Directory.read(signed, (self.root,) if self.root else tuple(own))
            self.issues[first.issue] = first
            return True
        content = signed.get("directory")
        number = content.get("issue") if isinstance(content, dict) else None
        if forms.is_integer(number, 1) and number in self.issues:
            _need(canonical.digest(content) == self.issues[number].digest, "another issue of the same number")
            return False
        if not isinstance(number, int) or number < min(self.issues):
            raise Refused("older than what is held")
        held = self.newest
        offered = Directory.read(signed, held.root_keys)
        offered.follows(held)
        self.issues[offered.issue] = offered
        return True
