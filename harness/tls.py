"""The TLS engine over the standard library's ssl: an SSLObject between two memory buffers.

A run's trace must be the same bytes in every process, so what decides the lengths of records is
pinned: one certificate with a signature of fixed length (`scripts/tls_certificate.py`), one
version, one curve, no session tickets, one cipher. What is encrypted is random, hence
`Trace.opaque`. Lengths still depend on the OpenSSL that the interpreter was built with: its
ClientHello lists what it knows (3.0 on all interpreters compared; a later one may say more).

Three things that OpenSSL does not do by itself, or not through the standard library:

* a bounded transport: SSL_write on a full BIO keeps the record and wants to write. Memory buffers
  are never full, so `room` is kept here, and so is the outcome of the call that did not fit.
* half-close: SSL_shutdown is called twice by SSLObject.unwrap, and the second call takes data that
  it finds for an error. Nothing is there to be found: what was fed or decrypted waits outside.
* the end of the transport: told by us when OpenSSL wants to read and there is nothing any more,
  so that it is the same outcome in every version of OpenSSL, and writing stays possible.
"""

from __future__ import annotations

import ssl
import warnings
from functools import lru_cache
from pathlib import Path

from model.errors import UsageError
from model.kernel import Buffer
from model.tls import ERRORS_MAX, TlsOutcome, TlsResult, TlsSettings

CERTIFICATE = Path(__file__).with_name("tls_certificate.pem")
NAME = "duopoll.test"
CURVE = "prime256v1"
CIPHER_1_2 = "ECDHE-ECDSA-AES256-GCM-SHA384"
VERSIONS = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}

_HEADER = 5  # bytes of a record's header: type, version, length (RFC 8446 section 5.1)
_TYPES = range(20, 25)
_LENGTH_MAX = 16_384 + 2_048  # RFC 5246 section 6.2.3


@lru_cache(maxsize=16)
def context(version: str, server: bool, certificate: Path = CERTIFICATE) -> ssl.SSLContext:
    """One side's context with everything pinned; made once, since reading the key is slow."""
    if version not in VERSIONS:
        raise UsageError(f"TLS version {version[:20]!r} is not known: name 1.2 or 1.3")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    with warnings.catch_warnings():
        made.minimum_version = made.maximum_version = VERSIONS[version]
    made.set_ciphers(CIPHER_1_2)
    made.set_ecdh_curve(CURVE)
    made.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if server:
        made.num_tickets = 0
        made.load_cert_chain(certificate)
    else:
        made.load_verify_locations(certificate)
    return made


class SslEngine:
    """`model.tls.TlsEngine` over ssl.SSLObject."""

    __slots__ = (
        "_blocked",
        "_body",
        "_context",
        "_eof",
        "_errors",
        "_header",
        "_incoming",
        "_object",
        "_outgoing",
        "_plain",
        "_server",
        "room",
        "settings",
    )  # fmt: skip

    def __init__(self, server: bool, version: str = "1.3", made: ssl.SSLContext | None = None):
        self._context = made or context(version, server)
        self._server = server
        self.settings = TlsSettings(server, version, str(CERTIFICATE), NAME, CIPHER_1_2, CURVE)
        self.room: int | None = None
        self.clear()

    def clear(self) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = self._context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=self._server,
            server_hostname=None if self._server else NAME,
        )
        self._plain = b""  # decrypted by a shutdown, not read yet
        self._header = b""  # of the record that is being fed
        self._body = 0  # bytes of that record that are still to come
        self._eof = False
        self._blocked: int | None = None  # the size of a write that did not fit below
        self._errors: list[str] = []

    # Operations.

    def do_handshake(self) -> TlsOutcome:
        if self._full():
            return TlsResult.SSL_ERROR_WANT_WRITE
        try:
            self._object.do_handshake()
        except ssl.SSLError as error:
            return self._failed(error)
        return TlsResult.SSL_ERROR_WANT_WRITE if self._full() else None

    def read(self, size: int) -> bytes | TlsResult:
        if self._plain:
            data, self._plain = self._plain[:size], self._plain[size:]
            return data
        try:
            return self._object.read(size) or TlsResult.SSL_ERROR_ZERO_RETURN
        except ssl.SSLError as error:
            return self._failed(error)

    def write(self, data: Buffer) -> int | TlsResult:
        if self._blocked is not None:
            return self._repeated(len(data))
        if self._full():
            return TlsResult.SSL_ERROR_WANT_WRITE
        try:
            taken = self._object.write(data)
        except ssl.SSLError as error:
            return self._failed(error)
        if self._full():
            self._blocked = taken
            return TlsResult.SSL_ERROR_WANT_WRITE
        return taken

    def _repeated(self, size: int) -> int | TlsResult:
        """The write that did not fit is repeated: its record is made already."""
        assert self._blocked is not None
        if size < self._blocked:
            self._note("BAD_WRITE_RETRY")
            return TlsResult.SSL_ERROR_SSL
        if self._full():
            return TlsResult.SSL_ERROR_WANT_WRITE
        taken, self._blocked = self._blocked, None
        return taken

    def shutdown(self) -> TlsOutcome:
        while waiting := self._object.pending():
            self._plain += self._object.read(waiting)
        held = self._incoming.read()
        try:
            self._object.unwrap()
        except ssl.SSLWantReadError:
            pass  # sent; the peer's own close_notify comes when it likes
        except ssl.SSLError as error:
            return self._failed(error)
        finally:
            self._incoming.write(held)
        return None

    def pending(self) -> int:
        return len(self._plain) + self._object.pending()

    def errors(self) -> tuple[str, ...]:
        return tuple(self._errors)

    # The transport.

    def wanted(self) -> int:
        if self._body:
            return self._body
        return 0 if self._incoming.pending > len(self._header) else _HEADER - len(self._header)

    def feed(self, data: Buffer) -> None:
        self._incoming.write(data)
        if self._body:
            self._body -= len(data)
            return
        self._header += bytes(data)
        if len(self._header) == _HEADER:
            length = int.from_bytes(self._header[3:], "big")
            if self._header[0] in _TYPES and length <= _LENGTH_MAX:
                self._body = length
            self._header = b""

    def feed_eof(self) -> None:
        self._eof = True

    def take(self) -> bytes:
        return self._outgoing.read() if self.room is None else self._outgoing.read(self.room)

    def _full(self) -> bool:
        return self.room is not None and self._outgoing.pending > self.room

    def _failed(self, error: ssl.SSLError) -> TlsResult:
        if isinstance(error, ssl.SSLZeroReturnError):
            return TlsResult.SSL_ERROR_ZERO_RETURN
        if isinstance(error, ssl.SSLWantReadError):
            if self._full() and self._object.version() is None:
                return TlsResult.SSL_ERROR_WANT_WRITE  # its part of the handshake goes first
            return TlsResult.SSL_ERROR_EOF if self._eof else TlsResult.SSL_ERROR_WANT_READ
        self._note(error.reason or type(error).__name__)
        return TlsResult.SSL_ERROR_SSL

    def _note(self, reason: str) -> None:
        if len(self._errors) < ERRORS_MAX:
            self._errors.append(reason)
