"""Keys, certificates, configuration and the record for the directory."""

from __future__ import annotations

import datetime
import json
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from . import forms, signatures
from .canonical import Json
from .server import PROFILES, pin_of

CERTIFICATE_DAYS = 825


def _write(path: pathlib.Path, data: bytes) -> None:
    """A new file that only its owner reads; nothing is overwritten."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _private(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificate(folder: pathlib.Path, name: str, host: str) -> str:
    """A self-signed certificate with its key; the pin."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS)).sign(key, hashes.SHA256())
    )
    _write(folder / f"{name}.key.pem", _private(key))
    _write(folder / f"{name}.cert.pem", certificate.public_bytes(Encoding.PEM))
    return pin_of(certificate)


def init(folder: pathlib.Path, authority: str, gss: str, name: str, base_url: str, listen: str) -> Json:
    """Writes the folder of a deployment; the record that the directory's operator needs."""
    folder.mkdir(parents=True, exist_ok=True)
    server, client = (_certificate(folder, which, authority) for which in ("server", "client"))
    key = Ed25519PrivateKey.generate()
    _write(folder / "sign.pem", _private(key))
    public = signatures.public_key(key)
    contact = {"name": f"CME team of {name}", "email": f"cme@{authority}.example"}
    start = forms.timestamp(forms.now() - 60 * forms.NANOS)
    record = {
        "code": authority, "gss": gss, "name": name, "validFrom": "2009-01-01", "successors": [],
        "operator": name, "baseUrl": base_url, "serverPins": [server], "clientPins": [client],
        "keys": [{"kid": signatures.kid_of(public), "publicKey": public, "validFrom": start}],
        "team": contact, "escalation": contact, "profiles": PROFILES, "availability": "available"}
    _write(folder / f"{authority}.record.json", json.dumps(record, indent=2).encode())
    lines = {"authority": authority, "base_url": base_url, "listen": listen}
    config = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()) + "incarnation = 1\n"
    _write(folder / "second.toml", config.encode())
    return record
