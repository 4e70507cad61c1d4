"""A TLS connection to the server of an authority, known by the pin of its certificate and by nothing else."""

import hashlib
import http.client
import ssl
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import cme


class AnotherServer(ssl.SSLError):
    """The server's key is not one that the directory pins to the authority."""


def pin_of(certificate: bytes) -> str:
    key = x509.load_der_x509_certificate(certificate).public_key()
    return cme.b64(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest())


class _PinnedSocket(ssl.SSLSocket):
    def do_handshake(self, block=False):
        super().do_handshake(block)
        if pin_of(self.getpeercert(binary_form=True)) not in self.context.pins:
            self.close()
            raise AnotherServer("the server's key is not pinned to the authority")


class PinnedContext(ssl.SSLContext):
    """Names and issuers of certificates are not looked at; the pin is, before a byte of a request leaves."""

    sslsocket_class = _PinnedSocket
    pins: frozenset = frozenset()


def context(record: dict, certificate, key) -> PinnedContext:
    """For calls to the authority of this record, with the caller's certificate and key (PEM files)."""
    made = PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE  # the pin takes their place
    made.pins = frozenset(record["serverPins"])
    made.load_cert_chain(certificate, key)
    return made


def request(record: dict, tls: PinnedContext, method: str, path: str, content: bytes | None = None) -> tuple[int, bytes]:
    """Status and content. No redirect is followed. The incarnation is that of a database never restored."""
    base = urllib.parse.urlsplit(record["baseUrl"])
    connection = http.client.HTTPSConnection(base.hostname, base.port or 443, context=tls, timeout=30)
    try:
        fields = {"CME-Incarnation": "1"}
        if content is not None:
            fields["Content-Type"] = "application/json"
        connection.request(method, base.path + path, content, fields)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
