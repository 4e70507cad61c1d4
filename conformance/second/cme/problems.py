"""Section 9.5: every refusal, with its status and what a client does with it."""

from __future__ import annotations

from enum import Enum


class Class(Enum):
    FINAL = "final"
    RETRY = "retry"
    DECIDE_AGAIN = "decide again"
    PULL = "pull"
    RESTART = "restart"


URN = "urn:cme:problem:v1:"

# name: (status, class, title)
TABLE: dict[str, tuple[int, Class, str]] = {
    "malformed": (400, Class.FINAL, "Not strict JSON, or not the shape of what the operation takes."),
    "too-large": (413, Class.FINAL, "The content is longer than entryBytesMax."),
    "limit-exceeded": (400, Class.FINAL, "Beyond the depth, string, array or object limit."),
    "path-mismatch": (422, Class.FINAL, "Header and path differ."),
    "peer-unknown": (403, Class.RETRY, "The client certificate's pin is not in the directory."),
    "not-a-party": (403, Class.FINAL, "Author and recipient are not the hosted authority and the caller."),
    "type-unknown": (422, Class.FINAL, "The type is not known."),
    "protocol-unsupported": (422, Class.FINAL, "The major version is not 1."),
    "body-missing": (422, Class.FINAL, "The body is absent where it is needed."),
    "body-digest-mismatch": (422, Class.FINAL, "The body does not have the digest of the header."),
    "body-invalid": (422, Class.FINAL, "The body breaks a rule of the text."),
    "signature-invalid": (422, Class.FINAL, "The signature does not verify or has the wrong form."),
    "key-unknown": (422, Class.RETRY, "The key is not in the directory for the signer."),
    "key-not-valid": (422, Class.RETRY, "The key is outside its lifetime, or revoked without evidence."),
    "id-reused": (409, Class.FINAL, "The id is stored with another type, body or author."),
    "sequence-conflict": (409, Class.PULL, "Another entry stands at this sequence, or before it."),
    "sequence-gap": (409, Class.PULL, "The sequence lies beyond the head."),
    "forked": (409, Class.PULL, "The ledger is forked."),
    "wrong-author": (422, Class.FINAL, "That party may not write that type."),
    "receipt-missing": (422, Class.FINAL, "A delivery without the sequencer's receipt."),
    "receipt-invalid": (422, Class.FINAL, "A receipt does not fit or verify."),
    "not-allowed-in-stage": (422, Class.DECIDE_AGAIN, "The present stage does not allow the type."),
    "header-changed": (422, Class.FINAL, "A member fixed by the offer differs, or a link stands where none may."),
    "created-at-order": (422, Class.DECIDE_AGAIN, "createdAt is before that of the entry before."),
    "created-at-skew": (422, Class.RETRY, "createdAt or receivedAt lies too far ahead."),
    "incarnation-stale": (409, Class.RETRY, "The request carries a lower incarnation than seen before."),
    "ledger-unknown": (404, Class.RETRY, "There is no such ledger for the caller."),
    "query-not-allowed": (422, Class.FINAL, "The header of a query breaks a rule."),
    "query-unknown": (404, Class.FINAL, "There is no such query between the two."),
    "answer-not-allowed": (422, Class.FINAL, "The answer does not fit its query."),
    "answer-gap": (409, Class.RETRY, "Answers before this one are missing."),
    "notice-unknown": (404, Class.FINAL, "There is no such notice between the two."),
    "quota-exceeded": (429, Class.RETRY, "More queries than are allowed."),
    "cursor-expired": (410, Class.RESTART, "The cursor is of an earlier incarnation."),
    "cursor-invalid": (400, Class.RESTART, "No cursor of this server for this caller, or a query member out of form."),
    "rate-limited": (429, Class.RETRY, "Too many requests."),
    "unavailable": (503, Class.RETRY, "The server cannot answer now."),
    "pair-suspended": (503, Class.RETRY, "The two authorities have to reconcile first."),
    "media-type": (415, Class.FINAL, "The content is not application/json."),
    "method-not-allowed": (405, Class.RETRY, "The path is known, the method is not."),
    "route-unknown": (404, Class.RETRY, "The path is not known."),
    "hosted-unknown": (404, Class.RETRY, "The authority is not hosted here."),
    "internal": (500, Class.RETRY, "A fault of the server."),
}


class Problem(Exception):
    """A refusal by its name in the table. `members` are those that the table names for it."""

    def __init__(self, name: str, **members: object) -> None:
        super().__init__(name)
        self.name = name
        self.status, self.kind, self.title = TABLE[name]
        self.members = members

    def document(self) -> dict[str, object]:
        return {"type": URN + self.name, "title": self.title, "status": self.status, **self.members}
