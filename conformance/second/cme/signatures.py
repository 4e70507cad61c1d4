"""Section 3: detached JWS over RFC 8785 bytes with Ed25519."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from . import canonical, forms
from .problems import Problem

TYP = {
    "header": "cme-entry",
    "receipt": "cme-receipt",
    "head": "cme-head",
    "reconciliation": "cme-reconciliation",
    "directory": "cme-directory",
}


def kid_of(public_key: str) -> str:
    """The RFC 7638 thumbprint of a key in base64url."""
    return canonical.digest({"crv": "Ed25519", "kty": "OKP", "x": public_key})


def public_key(key: Ed25519PrivateKey) -> str:
    return canonical.encode(key.public_key().public_bytes_raw())


def _signing_input(protected: str, payload: Any) -> bytes:
    return f"{protected}.{canonical.encode(canonical.canonical(payload))}".encode("ascii")


def sign(payload: Any, member: str, key: Ed25519PrivateKey) -> str:
    header = {"alg": "EdDSA", "kid": kid_of(public_key(key)), "typ": TYP[member]}
    protected = canonical.encode(canonical.canonical(header))
    return f"{protected}..{canonical.encode(key.sign(_signing_input(protected, payload)))}"


@dataclass(frozen=True)
class Signature:
    """A signature of the right form, which nobody has verified yet."""

    protected: str
    kid: str
    raw: bytes

    @classmethod
    def read(cls, text: str, member: str, problem: str) -> Signature:
        """The form alone (SIG-002); `problem` says what a wrong one is refused as."""
        try:
            protected, middle, raw = text.split(".")
            header = canonical.parse(canonical.decode(protected))
            signature = canonical.decode(raw)
        except (ValueError, Problem):
            raise Problem(problem) from None
        good = (
            middle == ""
            and len(signature) == 64
            and header.keys() <= {"alg", "kid", "typ"}
            and header.get("alg") == "EdDSA"
            and forms.is_digest(header.get("kid"))
            and header.get("typ", TYP[member]) == TYP[member]
        )
        if not good:
            raise Problem(problem)
        return cls(protected, header["kid"], signature)

    def verifies(self, payload: Any, key: str) -> bool:
        """Whether this signs `payload` under a public key in base64url (SIG-003)."""
        try:
            verifier = Ed25519PublicKey.from_public_bytes(canonical.decode(key))
            verifier.verify(self.raw, _signing_input(self.protected, payload))
        except (InvalidSignature, ValueError):
            return False
        return True
