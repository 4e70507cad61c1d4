"""Sections 4.3 to 4.5: what a body may hold. A refusal is `body-invalid` with a pointer (ENT-010)."""

from __future__ import annotations

import datetime
import re
from typing import Any, Callable

from . import forms
from .canonical import Json
from .documents import Entry, Head
from .problems import Problem

Check = Callable[[Any, str], None]


def _refuse(pointer: str) -> None:
    raise Problem("body-invalid", pointer=pointer)


def form(predicate: Callable[[Any], bool]) -> Check:
    def check(value: Any, at: str) -> None:
        if not predicate(value):
            _refuse(at)
    return check


def code(codes: str) -> Check:
    listed = frozenset(codes.split())
    return form(lambda value: isinstance(value, str) and value in listed)


def array(item: Check, least: int = 0, distinct: bool = False) -> Check:
    def check(value: Any, at: str) -> None:
        if not isinstance(value, list) or len(value) < least:
            _refuse(at)
        for place, one in enumerate(value):
            item(one, f"{at}/{place}")
            if distinct and one in value[:place]:
                _refuse(f"{at}/{place}")
    return check


def shape(rule: Callable[[Json, str], None] | None = None, **members: Check) -> Check:
    """An object with these members; a name that ends in `_` is optional, and null is left out."""
    def check(value: Any, at: str) -> None:
        if not isinstance(value, dict):
            _refuse(at)
        for spelt, member in members.items():
            name, required = spelt.rstrip("_"), not spelt.endswith("_")
            if name not in value and required:
                _refuse(at)
            if value.get(name) is not None or (name in value and required):
                member(value[name], f"{at}/{name}")
        if rule is not None:
            rule({name: one for name, one in value.items() if one is not None}, at)
    return check


date = form(forms.is_date)
# The characters that have the Unicode property White_Space, which are not quite those of `str.isspace`.
_WHITE = re.compile(r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*")
text = form(lambda value: isinstance(value, str) and len(value) <= 4000 and not _WHITE.fullmatch(value))
upn = form(forms.is_upn)
authority = form(forms.is_authority)
sensitivity = code("standard restricted withheld")
risk = code(
    "child-protection-plan child-in-need looked-after missing-from-home exploitation domestic-abuse"
    " honour-based-abuse private-fostering previously-known-to-social-care restricted-location"
)
officer = shape(name=text, role=text, email_=text, telephone_=text)
enquiry = shape(
    check=code(
        "contact-parent-relatives-neighbours local-databases s2s agency-databases ukvi-border-force"
        " known-agencies previous-la-school possible-la-school home-la mod-ceas home-visit"
    ),
    on=date,
    byRole=text,
    result=code("no-trace trace-possible trace-confirmed refused pending"),
    note_=text,
)
evidence = shape(
    kind=code(
        "tenancy parent-statement school-records-request benefits health-registration"
        " admissions-application sighting other-agency other"
    ),
    on_=date,
    detail_=text,
)
_POINTER = re.compile(r"/(?:[^~]|~[01])*", re.DOTALL)


def _correction(value: Any, at: str) -> None:
    shape(pointer=form(lambda p: isinstance(p, str) and _POINTER.fullmatch(p) is not None))(value, at)
    if "value" not in value:
        _refuse(at)


corrections = array(_correction)


def _one_identification(child: Json, at: str) -> None:
    if ("upn" in child) == ("upnUnknownReason" in child):
        _refuse(f"{at}/upn")


def _some_school(school: Json, at: str) -> None:
    if not {"urn", "laestab", "name"} & school.keys():
        _refuse(f"{at}/urn")


def _letter(ground: Json, at: str) -> None:
    if ground["letter"] not in {"2024": "abcdefghijklmno", "2006": "abcdefghijklmn"}[ground["regulations"]]:
        _refuse(at)


child = shape(
    _one_identification,
    familyName=text,
    givenName_=text,
    middleNames_=text,
    formerFamilyNames_=array(text),
    alsoKnownAs_=array(text),
    dateOfBirth=date,
    sex=code("F M U"),
    upn_=upn,
    upnUnknownReason_=code("UN1 UN2 UN3 UN4 UN5 UN6 UN7 UN8 UN9 UN10"),
    formerUpns_=array(upn),
    nhsNumber_=form(forms.is_nhs_number),
    uln_=form(forms.is_uln),
)
circumstances = shape(
    reason=code(
        "moved-in-from-another-la moved-in-from-another-country application-awaiting-outcome"
        " offered-not-accepted waiting-school-start no-preference-met unsuitable-ehe"
        " difficulty-accessing-place dissatisfaction-general dissatisfaction-send mental-health"
        " physical-health parental-decision-not-to-register did-not-apply-at-csa challenging-sao"
        " believed-moved-to-another-la believed-moved-to-another-country unknown not-recorded other"
    ),
    cmeSince=date,
    lastSchool_=shape(
        _some_school,
        urn_=form(forms.is_urn),
        laestab_=form(forms.is_laestab),
        name_=text,
        lastAttended_=date,
        deletionGround_=shape(
            _letter, regulations=code("2024 2006"), letter=form(lambda value: isinstance(value, str) and len(value) == 1)
        ),
    ),
    lastSeen_=shape(on=date, by=text),
    lastKnownProvision_=code(
        "academy alternative-provision early-years-setting elsewhere-unknown free-school"
        " home-educated-outside-the-local-authority independent local-authority-maintained"
        " no-prior-establishment pupil-referral-unit special"
    ),
    yearGroup_=code("N1 N2 R X " + " ".join(str(year) for year in range(1, 15))),
    homeEducation_=code(
        "none home-education-suitable home-education-unsuitable home-education-not-yet-assessed"
        " other-provision-suitable unknown"
    ),
    locationSensitivity=sensitivity,
    socialCare_=code(
        "none early-help referral-open child-in-need-plan section-47 child-protection-plan"
        " looked-after care-leaver previously-known not-checked withheld"
    ),
)


def _whereabouts(offer: Json, at: str) -> None:
    guarded = offer["circumstances"]["locationSensitivity"] != "standard"
    if guarded and "believedAddress" in offer:
        _refuse(f"{at}/believedAddress")
    if "restricted-location" in offer["risks"] and not guarded:
        _refuse(f"{at}/circumstances/locationSensitivity")


def _ends_after(accept: Json, at: str) -> None:
    ends = accept["residence"].get("endsOn")
    if ends is not None and datetime.date.fromisoformat(ends) < datetime.date.fromisoformat(accept["from"]):
        _refuse(f"{at}/residence/endsOn")


def _left(outcome: Json, at: str) -> None:
    if ("country" in outcome) != (outcome["destination"] == "overseas"):
        _refuse(f"{at}/country")
    if ("acceptedBy" in outcome) != (outcome["evidence"] == "written-acceptance"):
        _refuse(f"{at}/acceptedBy")


def _onward(value: Any, at: str) -> None:
    try:
        entry = Entry.read(value)
    except Problem:
        _refuse(at)
    if entry.body is not None:
        _refuse(f"{at}/body")
    if entry.header.type != "accept":
        _refuse(at)


def _signed_head(value: Any, at: str) -> None:
    try:
        Head.read(value)
    except Problem:
        _refuse(at)


OUTCOMES: dict[str, Check] = {
    "on-roll-attending": shape(urn=form(forms.is_urn), attendanceBegan=date),
    "home-education-suitable": shape(assessedOn=date),
    "other-provision": shape(
        provision=code("alternative-provision section-19 eotas further-education"), startedOn=date
    ),
    "moved-on": shape(onward=_onward),
    "left-england": shape(
        _left,
        destination=code("wales scotland northern-ireland overseas"),
        country_=form(lambda value: isinstance(value, str) and re.fullmatch("[A-Z]{2}", value) is not None),
        evidence=code("written-acceptance travel-evidence"),
        evidencedOn=date,
        acceptedBy_=text,
    ),
    "deceased": shape(on_=date),
    "over-compulsory-school-age": shape(endedOn=date),
    "duplicate": shape(
        of=shape(transfer=form(forms.is_uuid), sequence=form(forms.is_integer), headerDigest=form(forms.is_digest)),
        confirmation_=_signed_head,
    ),
}


def _outcome(value: Any, at: str) -> None:
    shape(kind=code(" ".join(OUTCOMES)))(value, at)
    OUTCOMES[value["kind"]](value, at)


BODIES: dict[str, Check] = {
    "offer": shape(
        _whereabouts,
        child=child,
        circumstances=circumstances,
        capacity=code("residence school-area"),
        enquiries=array(enquiry),
        risks=array(risk, distinct=True),
        contacts=shape(officer=officer, duty_=officer),
        legalBasis=array(
            shape(
                code=code(
                    "education-act-1996-s436a children-act-2004-s10 children-act-2004-s11"
                    " children-act-2004-s16la children-act-1989-s17 children-act-1989-s47"
                    " education-act-1996-s436f uk-gdpr-art6-1-c uk-gdpr-art6-1-e"
                ),
                asOf=date,
            ),
            least=1,
        ),
        moveEvidence=array(evidence),
        believedAddress_=shape(
            addressKind=code("residential temporary no-fixed-abode overseas not-stated"),
            lines_=array(text),
            postcode_=form(forms.is_postcode),
            uprn_=form(forms.is_uprn),
        ),
        family_=shape(
            group=form(forms.is_uuid),
            siblings_=form(lambda value: forms.is_integer(value) and value <= 64),
        ),
    ),
    "acknowledge": shape(officer=officer, firstAction=text),
    "request-information": shape(
        topic=code("identity residence education-history enquiries-made safeguarding-contact other"), question=text
    ),
    "supply-information": shape(inReplyTo_=form(forms.is_integer), answer=text, corrections_=corrections),
    "accept": shape(
        _ends_after,
        **{"from": date},
        residence=shape(
            kind=code("settled temporary with-family-or-friends no-fixed-abode not-stated"), endsOn_=date
        ),
        contact=officer,
    ),
    "decline": shape(
        reason=code(
            "child-not-resident-here never-resident-here moved-on not-compulsory-school-age"
            " on-roll-here-attending insufficient-identification other-authority-responsible"
            " duplicate-of-open-transfer"
        ),
        checked=array(enquiry, least=1),
        explanation_=text,
    ),
    "contest": shape(evidence=array(evidence, least=1), explanation=text),
    "uphold": shape(
        reason=code(
            "evidence-does-not-show-residence child-traced-elsewhere moved-on-before-offer"
            " not-compulsory-school-age on-roll-here-attending"
        ),
        explanation_=text,
    ),
    "redirect": shape(authority=authority, evidence=array(evidence, least=1), explanation_=text),
    "withdraw": shape(
        reason=code("child-found offered-in-error duplicate returned-to-roll moved-elsewhere"), explanation_=text
    ),
    "outcome": shape(outcome=_outcome),
    "retract": shape(reason=text),
    "correct": shape(
        corrects=form(forms.is_integer), corrections=array(_correction, least=1), reason=text
    ),
}

_SALT = shape(salt=form(lambda value: forms.is_bytes(value, 16)))


def check(entry: Entry) -> None:
    """The body of an entry that has one, by the tables and the rules that need the header."""
    body, header = entry.body, entry.header
    if body is None:
        return
    _SALT(body, "")
    BODIES[header.type](body, "")
    for member in ("inReplyTo", "corrects"):
        if forms.is_integer(body.get(member)) and body[member] >= header.sequence and header.type in (
                "supply-information", "correct"):
            _refuse(f"/{member}")
    if header.type == "redirect" and body["authority"] in (header.author, header.recipient):
        _refuse("/authority")
    if header.type == "outcome" and body["outcome"]["kind"] == "duplicate":
        if body["outcome"]["of"]["transfer"] == header.transfer:
            _refuse("/outcome/of/transfer")


def needs_urgent_clocks(offer: Json) -> bool:
    """Whether the child's facts call for the clock class `urgent` (ENT-008)."""
    facts = offer["circumstances"]
    return (
        any(flag != "previously-known-to-social-care" for flag in offer["risks"])
        or facts["locationSensitivity"] != "standard"
        or facts.get("socialCare") in ("child-in-need-plan", "section-47", "child-protection-plan", "looked-after")
    )
