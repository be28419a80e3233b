"""Makes the certificate of the simulated TLS server: harness/tls_certificate.pem.

It was run once, and its output is carried as data, since the lengths of records are part of a
trace: an Ed25519 signature always has 64 bytes, where an ECDSA one has 70 to 72. It proves nothing
to anybody: the key is public, and the name is one that no resolver knows (RFC 6761: `test`).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PLACE = Path(__file__).resolve().parent.parent / "harness" / "tls_certificate.pem"
NAME = "duopoll.test"
SERIAL = 1
FROM, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


def pem() -> bytes:
    """A private key and the certificate that it signed for itself, as PEM."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(SERIAL)
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, None)
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def main() -> int:
    """Writes the file, unless it is there: a new one would change the traces of all TLS runs."""
    if PLACE.exists():
        print(f"{PLACE.name} is there already: delete it if every TLS trace may change")
        return 2
    PLACE.write_bytes(pem())
    return 0


if __name__ == "__main__":
    sys.exit(main())
